"""Decisions by table: what permits, what refuses, what cannot be decided, and what each audience is told."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hefu.canonical import Json
from hefu.errors import Refused
from hefu_policies import odrl
from hefu_policies.budget import Budget
from hefu_policies.deciding.decision import Decision, Effect, Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.deciding.reasons import Code
from hefu_policies.telling.explanation import Audience, check_permitted, explain
from hefu_policies.words.terms import Kind, Phase

from tests.policies.policies import agreement, typed

DEC, INT, TIME = Kind.DECIMAL, Kind.INTEGER, Kind.TIME
REQUEST = Request("hefu:dpQuery", "prd-1", "pharma-b")
ADMISSION, RELEASE = Phase.ADMISSION, Phase.RELEASE


def only(left: str, operator: str, right: Json, id_: str = "urn:c:1") -> dict[str, Json]:
    return {"@id": id_, "leftOperand": left, "operator": operator, "rightOperand": right}


def permit(*constraints: Json, id_: str = "urn:r:1", **more: Json) -> Json:
    rule: dict[str, Json] = {"@id": id_, "action": "hefu:dpQuery", **more}
    return rule | ({"constraint": [*constraints]} if constraints else {})


def forbid(*constraints: Json, action: str = "hefu:compute") -> Json:
    rule: dict[str, Json] = {"@id": "urn:no:1", "action": action}
    return rule | ({"constraint": [*constraints]} if constraints else {})


def outcome(
    permission: list[Json],
    facts: dict[str, object],
    phase: Phase = RELEASE,
    *,
    prohibition: list[Json] | None = None,
    request: Request = REQUEST,
) -> Decision:
    return decide(compile_policy(odrl.load(agreement(permission, prohibition))), request, facts, phase)


RND = {"@id": "dpv:ResearchAndDevelopment"}
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOON_TYPED = typed("2026-11-21T12:00:00Z", TIME)

# left operand, operator, right operand, fact → the code of the constraint
TABLE: list[tuple[str, str, Any, object, Code]] = [
    ("hefu:epsilon", "lteq", typed("0.5", DEC), Decimal("0.5"), Code.HELD),
    ("hefu:epsilon", "lteq", typed("0.5", DEC), Decimal("0.500000001"), Code.FAILED),
    ("hefu:epsilon", "lteq", typed("0.5", DEC), 0, Code.HELD),
    ("hefu:epsilon", "lteq", typed("0.5", DEC), Decimal("0." + "4" + "9" * 60), Code.HELD),
    ("hefu:epsilon", "lteq", typed("0.5", DEC), Decimal("0.5" + "0" * 60 + "1"), Code.FAILED),
    ("hefu:epsilon", "lteq", typed("0.5", DEC), 0.1, Code.UNKNOWN),
    ("hefu:epsilon", "lteq", typed("0.5", DEC), "0.1", Code.UNKNOWN),
    ("hefu:epsilon", "lteq", typed("1", DEC), True, Code.UNKNOWN),
    ("hefu:epsilon", "lteq", typed("0.5", DEC), Decimal("NaN"), Code.UNKNOWN),
    ("hefu:epsilon", "lteq", typed("0.5", DEC), Decimal("sNaN"), Code.UNKNOWN),
    ("hefu:epsilon", "lteq", typed("0.5", DEC), Decimal("-Infinity"), Code.UNKNOWN),
    ("hefu:epsilon", "lteq", typed("0.5", DEC), None, Code.UNKNOWN),
    ("odrl:count", "lteq", typed("3", INT), 3, Code.HELD),
    ("odrl:count", "lteq", typed("3", INT), 4, Code.FAILED),
    ("odrl:count", "lteq", typed("3", INT), Decimal(1), Code.UNKNOWN),
    ("odrl:count", "lteq", typed("3", INT), True, Code.UNKNOWN),
    ("hefu:minGroup", "gteq", typed("50", INT), 50, Code.HELD),
    ("hefu:minGroup", "gteq", typed("50", INT), 49, Code.FAILED),
    ("odrl:dateTime", "lt", NOON_TYPED, NOON - timedelta(microseconds=1), Code.HELD),
    ("odrl:dateTime", "lt", NOON_TYPED, NOON, Code.FAILED),
    ("odrl:dateTime", "lteq", NOON_TYPED, NOON, Code.HELD),
    ("odrl:dateTime", "gt", NOON_TYPED, NOON, Code.FAILED),
    ("odrl:dateTime", "gteq", NOON_TYPED, NOON, Code.HELD),
    ("odrl:dateTime", "lteq", NOON_TYPED, NOON + timedelta(microseconds=999_999), Code.HELD),
    ("odrl:dateTime", "gt", NOON_TYPED, NOON + timedelta(microseconds=999_999), Code.FAILED),
    ("odrl:dateTime", "lteq", NOON_TYPED, NOON + timedelta(seconds=1), Code.FAILED),
    ("odrl:dateTime", "lt", NOON_TYPED, datetime(2026, 11, 21, 11), Code.UNKNOWN),  # noqa: DTZ001
    ("odrl:dateTime", "lt", NOON_TYPED, datetime(2026, 11, 21, 11, tzinfo=timezone(timedelta(hours=8))), Code.UNKNOWN),
    ("odrl:dateTime", "lt", NOON_TYPED, "2026-11-21T11:00:00Z", Code.UNKNOWN),
    ("odrl:purpose", "isA", RND, "dpv:ResearchAndDevelopment", Code.HELD),
    ("odrl:purpose", "isA", RND, "dpv:ScientificResearch", Code.HELD),
    ("odrl:purpose", "isA", RND, "dpv:CommercialResearch", Code.HELD),
    ("odrl:purpose", "isA", RND, "dpv:Marketing", Code.FAILED),
    ("odrl:purpose", "isA", RND, "dpv:Purpose", Code.FAILED),
    ("odrl:purpose", "isA", RND, "dpv:scientificresearch", Code.UNKNOWN),
    ("odrl:purpose", "isA", RND, "ScientificResearch", Code.UNKNOWN),
    ("odrl:purpose", "isA", RND, ["dpv:ScientificResearch"], Code.UNKNOWN),
    ("odrl:purpose", "isAnyOf", [RND, {"@id": "dpv:Marketing"}], "dpv:TargetedAdvertising", Code.HELD),
    ("odrl:purpose", "isAnyOf", [RND], "dpv:TargetedAdvertising", Code.FAILED),
    ("odrl:purpose", "isNoneOf", [{"@id": "dpv:CommercialPurpose"}], "dpv:CommercialResearch", Code.FAILED),
    ("odrl:purpose", "isNoneOf", [{"@id": "dpv:CommercialPurpose"}], "dpv:ScientificResearch", Code.HELD),
    ("odrl:purpose", "isNoneOf", [{"@id": "dpv:CommercialPurpose"}], "dpv:Unheard", Code.UNKNOWN),
    ("hefu:column", "isPartOf", ["age", "region"], frozenset({"age"}), Code.HELD),
    ("hefu:column", "isPartOf", ["age", "region"], ["region", "age", "age"], Code.HELD),
    ("hefu:column", "isPartOf", ["age", "region"], frozenset(), Code.HELD),
    ("hefu:column", "isPartOf", ["age", "region"], {"age", "patient"}, Code.FAILED),
    ("hefu:column", "isPartOf", ["age", "region"], {"Age"}, Code.FAILED),
    ("hefu:column", "isPartOf", ["age", "region"], "age", Code.UNKNOWN),
    ("hefu:column", "isPartOf", ["age", "region"], {"age", 1}, Code.UNKNOWN),
    ("hefu:column", "isPartOf", ["age", "region"], {"age": 1}, Code.UNKNOWN),
    ("hefu:column", "isNoneOf", ["patient"], {"age"}, Code.HELD),
    ("hefu:column", "isNoneOf", ["patient"], {"age", "patient"}, Code.FAILED),
    ("hefu:column", "isNoneOf", ["patient"], "patient", Code.UNKNOWN),
    ("hefu:function", "isPartOf", ["count", "sum"], {"count"}, Code.HELD),
    ("hefu:function", "isPartOf", ["count", "sum"], {"count", "median"}, Code.FAILED),
    ("hefu:outputKind", "eq", {"@id": "hefu:Histogram"}, "Histogram", Code.HELD),
    ("hefu:outputKind", "eq", {"@id": "hefu:Histogram"}, "hefu:Histogram", Code.HELD),
    ("hefu:outputKind", "eq", {"@id": "hefu:Histogram"}, "Scalar", Code.FAILED),
    ("hefu:outputKind", "eq", {"@id": "hefu:Histogram"}, "ModelWeight", Code.UNKNOWN),
    ("hefu:operation", "isAnyOf", [{"@id": "hefu:dpQuery"}], "hefu:dpQuery", Code.HELD),
    ("hefu:operation", "eq", {"@id": "hefu:dpQuery"}, "hefu:psy", Code.UNKNOWN),
    ("odrl:recipient", "eq", {"@id": "urn:hefu:participant:pharma-b"}, "pharma-b", Code.HELD),
    ("odrl:recipient", "eq", {"@id": "urn:hefu:participant:pharma-b"}, "urn:hefu:participant:pharma-b", Code.HELD),
    ("odrl:recipient", "eq", {"@id": "urn:hefu:participant:pharma-b"}, "pharma-c", Code.FAILED),
    ("odrl:recipient", "isAnyOf", [{"@id": "did:web:x.example"}], "did:web:x.example", Code.HELD),
    ("odrl:recipient", "eq", {"@id": "urn:hefu:participant:pharma-b"}, "", Code.UNKNOWN),
    ("odrl:recipient", "eq", {"@id": "urn:hefu:participant:pharma-b"}, b"pharma-b", Code.UNKNOWN),
]


@pytest.mark.parametrize(("left", "operator", "right", "fact", "code"), TABLE)
def test_a_constraint_is_held_failed_or_unknown(left: str, operator: str, right: Any, fact: object, code: Code) -> None:
    constraint = only(left, operator, right)
    facts = {left.split(":")[1]: fact}
    allowed = outcome([permit(constraint)], facts)
    assert [each.code for each in allowed.reasons if each.part == "urn:c:1"] == [code]
    assert allowed.effect is (Effect.PERMIT if code is Code.HELD else Effect.DEFAULT_DENY)
    # The same constraint in a prohibition: it fires unless the constraint is False.
    refused = outcome([permit()], facts, prohibition=[forbid(constraint)])
    assert refused.effect is (Effect.PERMIT if code is Code.FAILED else Effect.DENY)


EPSILON = only("hefu:epsilon", "lteq", typed("0.5", DEC))
GROUP = only("hefu:minGroup", "gteq", typed("50", INT), "urn:c:2")


def test_a_permission_without_constraints_permits_and_names_its_clause() -> None:
    decision = outcome([permit()], {})
    assert (decision.effect, decision.clause, decision.duties) == (Effect.PERMIT, "urn:r:1", ())


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Request("hefu:dpQuery", "prd-2", "pharma-b"), Code.OTHER_TARGET),
        (Request("hefu:dpQuery", "prd-1", "pharma-c"), Code.OTHER_ASSIGNEE),
        (Request("hefu:compute", "prd-1", "pharma-b"), Code.NO_PERMISSION),
        (Request("hefu:psi", "prd-1", "pharma-b"), Code.NO_PERMISSION),
        (Request("odrl:use", "prd-1", "pharma-b"), Code.NO_PERMISSION),
        (Request("", "prd-1", "pharma-b"), Code.NO_PERMISSION),
    ],
)
def test_another_target_assignee_or_action_is_denied_by_default(request_: Request, code: Code) -> None:
    decision = outcome([permit()], {}, request=request_)
    assert decision.effect is Effect.DEFAULT_DENY
    assert code in [each.code for each in decision.reasons]
    assert explain(decision)


def test_any_of_several_permissions_suffices_and_the_first_that_holds_is_the_clause() -> None:
    small = only("hefu:epsilon", "lteq", typed("0.1", DEC), "urn:c:small")
    large = only("hefu:epsilon", "lteq", typed("0.9", DEC), "urn:c:large")
    decision = outcome([permit(small, id_="urn:r:1"), permit(large, id_="urn:r:2")], {"epsilon": Decimal("0.5")})
    assert (decision.effect, decision.clause) == (Effect.PERMIT, "urn:r:2")
    both = outcome([permit(small, id_="urn:r:1"), permit(large, id_="urn:r:2")], {"epsilon": Decimal("0.05")})
    assert both.clause == "urn:r:1"


def test_a_prohibition_wins_over_every_permission() -> None:
    decision = outcome([permit()], {}, prohibition=[forbid()])
    assert (decision.effect, decision.clause) == (Effect.DENY, "urn:no:1")


def test_a_prohibition_of_another_action_does_not_apply() -> None:
    assert outcome([permit()], {}, prohibition=[forbid(action="odrl:distribute")]).effect is Effect.PERMIT


def test_research_is_permitted_and_commercial_research_is_not() -> None:
    rnd = only("odrl:purpose", "isA", RND)
    commercial = forbid(only("odrl:purpose", "isA", {"@id": "dpv:CommercialPurpose"}, "urn:c:no"))

    def about(purpose: str) -> Effect:
        return outcome([permit(rnd)], {"purpose": purpose}, prohibition=[commercial]).effect

    assert about("dpv:AcademicResearch") is Effect.PERMIT
    assert about("dpv:CommercialResearch") is Effect.DENY
    assert about("dpv:Marketing") is Effect.DEFAULT_DENY
    assert about("dpv:Unheard") is Effect.DENY


def test_a_fact_due_at_release_is_deferred_at_admission_and_needed_at_release() -> None:
    rules = [permit(EPSILON, GROUP)]
    epsilon = {"epsilon": Decimal("0.5")}
    admitted = outcome(rules, epsilon, ADMISSION)
    assert admitted.effect is Effect.PERMIT
    assert Code.DEFERRED in [each.code for each in admitted.reasons]
    assert outcome(rules, epsilon, RELEASE).effect is Effect.DEFAULT_DENY
    assert outcome(rules, epsilon | {"minGroup": 50}, RELEASE).effect is Effect.PERMIT
    assert outcome(rules, epsilon | {"minGroup": 49}, RELEASE).effect is Effect.DEFAULT_DENY
    assert outcome(rules, epsilon | {"minGroup": 49}, ADMISSION).effect is Effect.DEFAULT_DENY


def test_what_was_decided_at_admission_is_decided_again_at_release() -> None:
    """An operand that a phase needs and that is not decided makes the release impossible."""
    purpose = only("odrl:purpose", "isA", RND)
    assert outcome([permit(purpose)], {}, RELEASE).effect is Effect.DEFAULT_DENY


def test_a_prohibition_on_a_later_fact_decides_at_release() -> None:
    few = forbid(only("hefu:outputRows", "lteq", typed("3", INT), "urn:c:rows"))
    assert outcome([permit()], {}, ADMISSION, prohibition=[few]).effect is Effect.PERMIT
    assert outcome([permit()], {}, RELEASE, prohibition=[few]).effect is Effect.DENY
    assert outcome([permit()], {"outputRows": 3}, RELEASE, prohibition=[few]).effect is Effect.DENY
    assert outcome([permit()], {"outputRows": 4}, RELEASE, prohibition=[few]).effect is Effect.PERMIT


def test_a_log_duty_is_announced_at_admission_and_demanded_at_release() -> None:
    rules: list[Json] = [permit(duty=[{"@id": "urn:d:log", "action": "hefu:log"}])]
    admitted = outcome(rules, {}, ADMISSION)
    assert (admitted.effect, admitted.duties) == (Effect.PERMIT, ("hefu:log",))
    release = outcome(rules, {}, RELEASE)
    assert (release.effect, release.duties, release.permits) == (Effect.PERMIT_AFTER_DUTIES, ("hefu:log",), True)
    done = Request("hefu:dpQuery", "prd-1", "pharma-b", frozenset({"hefu:log"}))
    assert outcome(rules, {}, RELEASE, request=done).effect is Effect.PERMIT


def test_facts_given_later_do_not_change_a_decision() -> None:
    facts: dict[str, object] = {"epsilon": Decimal("0.5")}
    decision = outcome([permit(EPSILON)], facts)
    facts["epsilon"] = Decimal(9)
    assert decision.facts == {"epsilon": Decimal("0.5")}


def test_a_decision_that_gets_into_a_log_shows_neither_facts_nor_limits() -> None:
    told = repr(outcome([permit(EPSILON)], {"epsilon": Decimal("0.375"), "minGroup": 1217}))
    assert told.startswith("Decision(")
    assert "urn:c:1" in told
    assert not any(value in told for value in ("0.375", "1217", "0.5", "Constraint"))


def test_the_report_names_every_failing_clause() -> None:
    decision = outcome([permit(EPSILON, GROUP)], {"epsilon": Decimal("0.9"), "minGroup": 12})
    failed = {each.part for each in decision.reasons if each.code is Code.FAILED}
    assert failed == {"urn:c:1", "urn:c:2"}
    assert [line.split(":", 3)[2] for line in explain(decision)] == ["1", "2"]


def test_a_requester_reads_its_own_values_only() -> None:
    budget = only("hefu:epsilonBudget", "lteq", typed("4", DEC), "urn:c:3")
    facts = {"epsilon": Decimal("0.9"), "minGroup": 12, "epsilonBudget": Decimal("7.25")}
    decision = outcome([permit(EPSILON, GROUP, budget)], facts)
    told = " ".join(explain(decision, Audience.REQUESTER))
    assert "0.9" in told
    for secret in ("12", "7.25", "50", "0.5"):
        assert secret not in told
    owner = " ".join(explain(decision, Audience.OWNER))
    for known in ("0.9", "12", "7.25", "50", "0.5"):
        assert known in owner


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_reason_has_a_sentence_in_both_languages(audience: Audience, language: Any) -> None:
    rules: list[Json] = [
        permit(EPSILON, GROUP, duty=[{"action": "hefu:log"}]),
        permit(only("odrl:dateTime", "lt", NOON_TYPED, "urn:c:t"), id_="urn:r:2"),
    ]
    no = [forbid(only("hefu:column", "isNoneOf", ["age"], "urn:c:n"))]
    for facts in ({}, {"epsilon": Decimal(1), "dateTime": NOON, "column": {"age"}}, {"epsilon": Decimal(0)}):
        for phase in Phase:
            decision = outcome(rules, dict(facts), phase, prohibition=no)
            lines = explain(decision, audience, language)
            assert lines
            assert all("{" not in line and "  " not in line for line in lines)


def test_a_refusal_carries_the_requester_s_reasons_and_keeps_the_owner_s_private() -> None:
    decision = outcome([permit(GROUP)], {"minGroup": 12})
    with pytest.raises(Refused) as caught:
        check_permitted(decision)
    assert caught.value.reasons == explain(decision)
    assert "12" not in " ".join(caught.value.reasons)
    assert "12" in caught.value.detail
    check_permitted(outcome([permit(GROUP)], {"minGroup": 50}))


def test_a_denial_tells_which_prohibition_applied_and_no_more() -> None:
    no = forbid(only("odrl:purpose", "isA", {"@id": "dpv:CommercialPurpose"}, "urn:c:no"))
    decision = outcome([permit(EPSILON)], {"purpose": "dpv:CommercialResearch"}, prohibition=[no])
    assert any("urn:no:1" in line for line in explain(decision))
    assert not any("urn:c:1" in line for line in explain(decision))


def test_the_budget_of_a_ledger_is_narrowed_to_what_the_clause_allows() -> None:
    policy = odrl.load(
        agreement([
            permit(
                only("hefu:epsilonBudget", "lteq", typed("2.0000000009", DEC), "urn:c:e"),
                only("hefu:deltaBudget", "lteq", typed("0.000001", DEC), "urn:c:d"),
                only("odrl:count", "lteq", typed("7", INT), "urn:c:n"),
            ),
            permit(only("hefu:epsilonBudget", "lteq", typed("9" * 30, DEC), "urn:c:f"), id_="urn:r:2"),
        ])
    )  # fmt: skip
    granted = Budget.of_text("4", "1e-5", releases=200)
    assert policy.narrow("urn:r:1", granted) == Budget.of_text("2", "1e-6", releases=7)
    assert policy.narrow("urn:r:2", granted) == granted
    small = Budget.of_text("1", "0", releases=3)
    assert policy.narrow("urn:r:1", small) == small
