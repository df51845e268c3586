"""The meet of policies: an algebra, narrower than each, and by the table of operands."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hefu_policies.analysis import questions
from hefu_policies.analysis.answers import Verdict
from hefu_policies.analysis.meeting import meet, narrower_on_duties
from hefu_policies.analysis.normal import merged
from hefu_policies.deciding.policy import Constraint, Duty, Logical, Policy, Rule, Value
from hefu_policies.words.terms import BY_NAME, Combine, Operator
from hypothesis import assume, given

from tests.policies.analysed import AT, leaf, policies_about_all, slowly

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


def is_inside(narrow: Policy, wide: Policy) -> bool:
    """Whether it is found to be; policies with too many cases, of which nothing is found out, are passed over."""
    found = questions.inside(narrow, wide).verdict
    assume(found is not Verdict.UNKNOWN)
    return found is Verdict.YES


@slowly(25)
@pytest.mark.deep
@given(policies_about_all, policies_about_all)
def test_the_order_of_policies_does_not_matter(one: Policy, other: Policy) -> None:
    assert meet(one, other) == meet(other, one)


def test_neither_the_order_of_values_nor_of_parts_is_seen_in_a_meet() -> None:
    one, other = ("10.1.2.3", "10.0.0.0/8"), ("10.0.0.0/8", "10.1.2.3")
    lists = [leaf("networkAddress", Operator.IS_ANY_OF, *each) for each in (one, other)]
    either = [Logical("urn:c:either", Combine.OR, (leaf("column", Operator.IS_NONE_OF, "age"), each)) for each in lists]
    turned = [replace(each, parts=each.parts[::-1]) for each in either]
    asked = [
        Policy("urn:p", "Offer", (Rule("urn:r", "hefu:dpQuery", (each, both)),))
        for each, both in zip(lists, (either[0], turned[1]), strict=True)
    ]
    assert meet(*asked) == meet(*asked[::-1])


@slowly(25)
@pytest.mark.deep
@given(policies_about_all, policies_about_all, policies_about_all)
def test_their_grouping_does_not_matter(one: Policy, other: Policy, third: Policy) -> None:
    assert meet(meet(one, other), third) == meet(one, meet(other, third))


@slowly(25)
@pytest.mark.deep
@given(policies_about_all)
def test_the_meet_of_a_policy_with_itself_says_what_it_said(one: Policy) -> None:
    same = meet(one)
    assert meet(one, one) == same
    assert meet(same) == same
    assert is_inside(same, one)
    assert is_inside(one, same)


@slowly(25)
@pytest.mark.deep
@given(policies_about_all, policies_about_all)
def test_the_meet_permits_exactly_what_both_permit(one: Policy, other: Policy) -> None:
    both = meet(one, other)
    assert is_inside(both, one)
    assert is_inside(both, other)
    together = questions.joint([one, other])
    if together.example is not None:
        assert questions.satisfiable(both).verdict is Verdict.YES


def two(
    name: str, operator: Operator, one: tuple[Value, ...], other: tuple[Value, ...]
) -> list[tuple[str, set[Value]]]:
    found = merged([leaf(name, operator, *one), leaf(name, operator, *other)])
    assert found is not None
    return [(each.operator.value, set(each.values)) for each in found if isinstance(each, Constraint)]


@pytest.mark.parametrize(("name", "operator", "one", "other", "expected"), [
    ("epsilon", Operator.LTEQ, (Decimal("0.5"),), (Decimal(1),), [("lteq", {Decimal("0.5")})]),
    ("epsilonBudget", Operator.LTEQ, (Decimal(4),), (Decimal(1),), [("lteq", {Decimal(1)})]),
    ("minGroup", Operator.GTEQ, (10,), (50,), [("gteq", {50})]),
    ("dateTime", Operator.LT, (AT,), (AT + timedelta(1),), [("lt", {AT})]),
    ("column", Operator.IS_PART_OF, ("age", "region"), ("age", "sex"), [("isPartOf", {"age"})]),
    ("column", Operator.IS_NONE_OF, ("age",), ("sex",), [("isNoneOf", {"age", "sex"})]),
    ("outputKind", Operator.IS_ANY_OF, ("Histogram", "Scalar"), ("Scalar", "Rows"), [("isAnyOf", {"Scalar"})]),
    ("recipient", Operator.EQ, ("pharma-b",), ("pharma-b",), [("isAnyOf", {"pharma-b"})]),
    ("purpose", Operator.IS_A, ("dpv:CommercialPurpose",), ("dpv:ResearchAndDevelopment",),
     [("isAnyOf", {"dpv:CommercialResearch"})]),
    ("purpose", Operator.IS_NONE_OF, ("dpv:Marketing",), ("dpv:CommercialPurpose",),
     [("isNoneOf", {"dpv:Marketing", "dpv:CommercialPurpose"})]),
])  # fmt: skip
def test_two_values_meet_as_the_table_says(
    name: str, operator: Operator, one: tuple[Value, ...], other: tuple[Value, ...], expected: object
) -> None:
    assert two(name, operator, one, other) == expected
    assert two(name, operator, other, one) == expected


def test_what_has_no_common_value_has_no_meet() -> None:
    kinds = [leaf("outputKind", Operator.EQ, "Scalar"), leaf("outputKind", Operator.EQ, "Rows")]
    assert merged(kinds) is None
    times = [leaf("dateTime", Operator.LT, AT), leaf("dateTime", Operator.GTEQ, AT)]
    assert merged(times) is None


def policy(rule: Rule, *obligations: Duty) -> Policy:
    return Policy("urn:p", "Offer", (rule,), obligations=obligations)


def payment(name: str) -> Duty:
    amount = BY_NAME["payAmount"]
    unit = "urn:iso:std:iso:4217:CNY"
    price = Constraint("urn:c:pay", amount, Operator.EQ, (Decimal(100),), ("100",), unit=unit)
    return Duty(name, "odrl:compensate", (price,))


def test_payments_add_and_what_is_one_payment_stays_one() -> None:
    mine, theirs = (policy(Rule("urn:r", "hefu:dpQuery", (), (payment(each),))) for each in ("urn:d:1", "urn:d:2"))
    assert [each.id for each in meet(mine, theirs).permissions[0].duties] == ["urn:d:1", "urn:d:2"]
    assert [each.id for each in meet(mine, mine).permissions[0].duties] == ["urn:d:1"]


def test_the_earliest_deadline_binds_and_a_policy_that_drops_a_duty_is_not_narrower() -> None:
    def delete(days: int) -> Duty:
        return Duty(f"urn:o:{days}", "odrl:delete", (leaf("retention", Operator.LTEQ, timedelta(days=days)),))

    rule = Rule("urn:r", "hefu:deliver")
    thirty, seven = policy(rule, delete(30)), policy(rule, delete(7))
    assert len(meet(thirty, seven).obligations) == 2
    assert narrower_on_duties(seven, thirty)
    assert not narrower_on_duties(thirty, seven)
    assert not narrower_on_duties(policy(rule), thirty)
    assert narrower_on_duties(meet(thirty, seven), thirty)


def test_logic_stays_and_is_told_once() -> None:
    either = Logical("urn:c:or", Combine.OR, (leaf("count", Operator.LTEQ, 2), leaf("minGroup", Operator.GTEQ, 9)))
    turned = Logical("urn:c:ro", Combine.OR, (either.parts[1], either.parts[0]))
    found = meet(policy(Rule("urn:1", "hefu:dpQuery", (either,))), policy(Rule("urn:2", "hefu:dpQuery", (turned,))))
    assert len(found.permissions[0].constraints) == 1


def test_without_a_common_column_no_column_may_be_used_and_prohibitions_lose_nothing() -> None:
    apart = (leaf("column", Operator.IS_PART_OF, "age"), leaf("column", Operator.IS_PART_OF, "sex"))
    one, other = (policy(Rule(f"urn:r:{each.id}", "hefu:dpQuery", (each,))) for each in apart)
    found = questions.satisfiable(meet(one, other)).example
    assert found is not None
    assert found.facts == {"column": frozenset()}
    never = Policy("urn:p", "Offer", (Rule("urn:r", "hefu:dpQuery"),), (Rule("urn:n", "hefu:dpQuery", apart),))
    assert questions.inside(meet(never), never).verdict is Verdict.YES
    dead = (leaf("outputKind", Operator.EQ, "Scalar"), leaf("outputKind", Operator.EQ, "Rows"))
    assert len(meet(Policy("urn:p", "Offer", never.permissions, (Rule("urn:n", "hefu:psi", dead),))).prohibitions) == 1


def test_what_contains_an_excluded_value_is_still_allowed_for_the_rest_of_it() -> None:
    found = merged([leaf("industry", Operator.IS_ANY_OF, "C", "Q"), leaf("industry", Operator.IS_NONE_OF, "C27", "Q")])
    assert found is not None
    assert [(each.operator, each.values) for each in found if isinstance(each, Constraint)] == [
        (Operator.IS_ANY_OF, ("C",)), (Operator.IS_NONE_OF, ("C27", "Q")),
    ]  # fmt: skip
