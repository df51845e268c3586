"""The analysis without a solver: what it says of a policy is what the decision does."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hefu_policies.analysis import questions
from hefu_policies.analysis.answers import Clause, Example, Reach, Verdict
from hefu_policies.analysis.clashes import Clash, Finding, clashes
from hefu_policies.deciding.decision import Request, decide
from hefu_policies.deciding.policy import Logical, Policy, Rule, compile_policy
from hefu_policies.words.terms import Combine, Operator, Phase
from hypothesis import given
from hypothesis import strategies as st

from tests.policies.analysed import AT, leaf, pinned, policies, policies_about_all, requests, slowly


def permits(policy: Policy, request: Example) -> bool:
    asked = Request(request.action, "prd-1", "pharma-b")
    return decide(compile_policy(policy), asked, request.facts, Phase.RELEASE).permits


def policy(*permissions: Rule, prohibitions: tuple[Rule, ...] = ()) -> Policy:
    return Policy("urn:p", "Agreement", permissions, prohibitions, "prd-1", "hospital-a", "pharma-b", AT)


def at_most(epsilon: str) -> Rule:
    return Rule(f"urn:r:{epsilon}", "hefu:dpQuery", (leaf("epsilon", Operator.LTEQ, Decimal(epsilon)),))


pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


@slowly(30)
@pytest.mark.deep
@given(policies_about_all)
def test_an_example_of_what_is_permitted_is_permitted(given_policy: Policy) -> None:
    found = questions.satisfiable(given_policy)
    if found.example is not None:
        assert permits(given_policy, found.example)


@slowly(30)
@pytest.mark.deep
@given(policies, requests)
def test_a_request_is_permitted_if_the_policy_and_the_request_alone_have_something_in_common(
    given_policy: Policy, request: Example
) -> None:
    found = questions.joint([given_policy, pinned(request)])
    assert (found.verdict is Verdict.YES) is permits(given_policy, request)


@slowly(30)
@pytest.mark.deep
@given(policies_about_all, policies_about_all, requests)
def test_inside_means_that_no_request_is_permitted_here_and_refused_there(
    one: Policy, other: Policy, request: Example
) -> None:
    found = questions.inside(one, other)
    if found.example is not None:
        assert permits(one, found.example)
        assert not permits(other, found.example)
    elif permits(one, request):
        assert permits(other, request)


@slowly(30)
@pytest.mark.deep
@given(policies_about_all, policies_about_all)
def test_the_named_clauses_alone_leave_nothing_in_common(one: Policy, other: Policy) -> None:
    found = questions.joint([one, other])
    if found.verdict is Verdict.YES:
        assert found.example is not None
        assert permits(one, found.example)
        assert permits(other, found.example)
        return
    named = {each for each in found.clauses if each.part}
    only = [
        replace(each, permissions=tuple(_only(rule, index, named) for rule in each.permissions))
        for index, each in enumerate((one, other))
    ]
    assert questions.joint(only).verdict is Verdict.NO


def _only(rule: Rule, index: int, named: set[Clause]) -> Rule:
    kept = tuple(each for each in rule.constraints if Clause(index, rule.id, each.id) in named)
    return replace(rule, constraints=kept)


@slowly(30)
@pytest.mark.deep
@given(policies, st.sampled_from(["epsilon", "minGroup", "dateTime"]), requests)
def test_no_permitted_request_lies_beyond_the_reach(given_policy: Policy, fact: str, request: Example) -> None:
    found = questions.reach(given_policy, fact)
    if permits(given_policy, request):
        value = request.facts[fact]
        assert found is not None
        assert found.low is None or found.low <= value
        assert found.high is None or value <= found.high


def test_reach_tells_the_largest_loss_the_smallest_group_and_the_last_moment() -> None:
    rule = Rule("urn:r", "hefu:dpQuery", (
        leaf("epsilon", Operator.LTEQ, Decimal("0.5")), leaf("minGroup", Operator.GTEQ, 50),
        leaf("dateTime", Operator.LT, AT),
    ))  # fmt: skip
    above = Rule("urn:n", "hefu:compute", (leaf("epsilon", Operator.LTEQ, Decimal("0.1")),))
    found = policy(rule, at_most("0.3"), prohibitions=(above,))
    assert questions.reach(found, "epsilon") == Reach(Decimal("0.1"), Decimal("0.5"), (False, True))
    assert questions.reach(policy(rule), "minGroup") == Reach(50, None)
    assert questions.reach(policy(rule), "dateTime") == Reach(None, AT - timedelta(seconds=1))
    assert questions.reach(policy(rule), "epsilon", "hefu:psi") is None


def test_a_joint_policy_without_anything_in_common_names_the_clauses_that_may_be_named() -> None:
    one = policy(Rule("urn:r:1", "hefu:dpQuery", (
        leaf("purpose", Operator.IS_A, "dpv:CommercialPurpose"), leaf("minGroup", Operator.GTEQ, 50),
    )))  # fmt: skip
    other = policy(Rule("urn:r:2", "hefu:dpQuery", (leaf("purpose", Operator.IS_A, "dpv:NonCommercialResearch"),)))
    purposes = [Clause(i, each.permissions[0].id, each.permissions[0].constraints[0].id) for i, each in
                enumerate((one, other))]  # fmt: skip
    assert questions.joint([one, other]).clauses == tuple(purposes)
    found = questions.joint([one, other], public={purposes[0]})
    assert found.clauses == (purposes[0],)
    assert found.hidden


def test_policies_about_different_actions_have_nothing_in_common() -> None:
    found = questions.joint([policy(at_most("1")), policy(Rule("urn:r:2", "hefu:psi"))])
    assert found.verdict is Verdict.NO
    assert found.clauses == (Clause(0, "urn:r:1"), Clause(1, "urn:r:2"))


def finding(found: Policy) -> list[tuple[Finding, str, tuple[str, ...]]]:
    return [(each.finding, each.rule, each.others) for each in clashes(found)]


def test_conditions_that_contradict_each_other_are_named_and_no_others() -> None:
    low, high = leaf("minGroup", Operator.GTEQ, 50), leaf("outputRows", Operator.LTEQ, 9)
    one, two = leaf("outputKind", Operator.EQ, "Histogram"), leaf("outputKind", Operator.EQ, "Scalar")
    found = policy(Rule("urn:r", "hefu:dpQuery", (low, one, high, two)), at_most("1"))
    assert finding(found) == [(Finding.CONTRADICTION, "urn:r", (one.id, two.id))]


def test_a_permission_that_is_wholly_prohibited_through_the_tree_of_actions_is_found() -> None:
    commercial = leaf("purpose", Operator.IS_A, "dpv:CommercialResearch")
    never = Rule("urn:n", "hefu:compute", (leaf("purpose", Operator.IS_A, "dpv:CommercialPurpose"),))
    found = policy(Rule("urn:r", "hefu:dpQuery", (commercial,)), prohibitions=(Rule("urn:m", "odrl:sell"), never))
    assert finding(found) == [
        (Finding.OVERRIDDEN, "urn:r", ("urn:n",)), (Finding.NOTHING, "", ("urn:r", "urn:m", "urn:n"))
    ]  # fmt: skip
    research = leaf("purpose", Operator.IS_A, "dpv:ResearchAndDevelopment")
    found = policy(Rule("urn:r", "hefu:dpQuery", (research,)), prohibitions=(never,))
    assert finding(found) == [(Finding.NARROWED, "urn:r", ("urn:n",))]


def test_a_rule_and_a_condition_that_add_nothing_are_found() -> None:
    assert finding(policy(at_most("1"), at_most("0.5"))) == [(Finding.ADDS_NOTHING, "urn:r:0.5", ("urn:r:1",))]
    strict, loose = leaf("column", Operator.IS_PART_OF, "age"), leaf("column", Operator.IS_NONE_OF, "patient")
    assert finding(policy(Rule("urn:r", "hefu:dpQuery", (strict, loose)))) == [
        (Finding.SUPERFLUOUS, "urn:r", (loose.id,))
    ]


@slowly(30)
@pytest.mark.deep
@given(policies_about_all)
def test_a_rule_that_adds_nothing_can_be_left_out(given_policy: Policy) -> None:
    for each in clashes(given_policy):
        if each.finding is Finding.ADDS_NOTHING:
            permissions, prohibitions = (
                tuple(rule for rule in rules if rule.id != each.rule)
                for rules in (given_policy.permissions, given_policy.prohibitions)
            )
            assert questions.inside(given_policy, replace(given_policy, permissions=permissions)).verdict is Verdict.YES
            less = replace(given_policy, prohibitions=prohibitions)
            assert questions.inside(less, given_policy).verdict is Verdict.YES


@pytest.mark.parametrize("found", Finding)
def test_every_finding_has_a_sentence_in_both_languages(found: Finding) -> None:
    clash = Clash(found, "urn:r", ("urn:n",))
    assert "?" not in clash.sentence("en")
    assert clash.sentence("zh") != clash.sentence("en")


FEW = leaf("count", Operator.LTEQ, 100)


def test_a_sequence_of_which_a_part_is_unknown_is_not_taken_for_false() -> None:
    """An address is never known not to be a host's: the prohibition cannot be ruled out where the permission holds."""
    outside = Logical("urn:l:1", Combine.XONE, (leaf("networkAddress", Operator.IS_ANY_OF, "10.0.0.0/8"), FEW))
    sequence = Logical(
        "urn:l:2", Combine.AND_SEQUENCE,
        (leaf("count", Operator.LTEQ, 0), leaf("networkAddress", Operator.IS_ANY_OF, "gate.example")),
    )  # fmt: skip
    allowed = Rule("urn:r:allowed", "hefu:dpQuery", (FEW, outside))
    assert questions.satisfiable(policy(allowed)).verdict is Verdict.YES
    forbidden = Rule("urn:r:forbidden", "hefu:dpQuery", (sequence,))
    assert questions.satisfiable(policy(allowed, prohibitions=(forbidden,))).verdict is Verdict.NO
