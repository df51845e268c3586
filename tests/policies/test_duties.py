"""Duties in time: what is due when, what violates it, and what a decision says of duties and of logic."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hefu_policies import odrl
from hefu_policies.deciding import coverage
from hefu_policies.deciding.decision import Decision, Effect, Request, decide
from hefu_policies.deciding.duties import Performance, State, deadline, standing
from hefu_policies.deciding.policy import Compiled, compile_policy
from hefu_policies.proving.replay import record, replay
from hefu_policies.telling.explanation import Audience, explain
from hefu_policies.words.terms import Kind, Phase

from tests.policies.policies import agreement, typed

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def only(left: str, operator: str, right: Any, id_: str, **more: Any) -> dict[str, Any]:
    return {"@id": id_, "leftOperand": left, "operator": operator, "rightOperand": right, **more}


RESEARCH = only("odrl:purpose", "isA", {"@id": "dpv:ResearchAndDevelopment"}, "urn:c:rnd")
EPSILON = only("hefu:epsilon", "lteq", typed("0.5", Kind.DECIMAL), "urn:c:eps")
GROUP = only("hefu:minGroup", "gteq", typed("20", Kind.INTEGER), "urn:c:group")
NOT_LATE = only("odrl:dateTime", "lt", typed("2027-01-01T00:00:00Z", Kind.TIME), "urn:c:until")
FIVE = only("odrl:payAmount", "eq", typed("5", Kind.DECIMAL), "urn:c:pay", unit="urn:iso:std:iso:4217:CNY")
SOON = only("odrl:delayPeriod", "lteq", typed("P1D", Kind.DURATION), "urn:c:soon")
MONTH = only("hefu:retention", "lteq", typed("P30D", Kind.DURATION), "urn:c:month")
INFORM = {"@id": "urn:d:inform", "action": "odrl:inform", "constraint": [SOON]}
DELETE = {"@id": "urn:d:delete", "action": "odrl:delete", "constraint": [MONTH], "consequence": [INFORM]}
PAY = {"@id": "urn:d:pay", "action": "odrl:compensate", "constraint": [FIVE, RESEARCH | {"@id": "urn:c:gate"}]}


def permit(*constraints: Any, id_: str = "urn:r:1", **more: Any) -> Any:
    rule = {"@id": id_, "action": "hefu:dpQuery", **more}
    return rule | ({"constraint": [*constraints]} if constraints else {})


def policy(*permissions: Any, **more: Any) -> Any:
    return agreement([*permissions]) | more


def compiled(*permissions: Any, **more: Any) -> Compiled:
    return compile_policy(odrl.load(policy(*permissions, **more)))


def ask(contract: Compiled, facts: dict[str, object], phase: Phase = Phase.ADMISSION, **more: Any) -> Decision:
    return decide(contract, Request("hefu:dpQuery", "prd-1", "pharma-b", **more), facts, phase)


def performed(id_: str, at: datetime, **how: object) -> Performance:
    return Performance(id_, at, how)


KEPT = compiled(permit(), obligation=[DELETE]).obligations[0]
LAST = NOON + 30 * DAY

TIMES: list[tuple[datetime | None, datetime, list[Performance], State, tuple[str, ...]]] = [
    # triggered, now, what was performed → where it stands, and what is left to do
    (None, NOON, [], State.NOT_SET, ()),
    (NOON, NOON - DAY, [], State.NOT_SET, ()),
    (NOON, NOON, [], State.ACTIVE, ("urn:d:delete",)),
    (NOON, LAST, [], State.ACTIVE, ("urn:d:delete",)),
    (NOON, LAST + timedelta(microseconds=999_999), [], State.ACTIVE, ("urn:d:delete",)),
    (NOON, LAST + timedelta(seconds=1), [], State.VIOLATED, ("urn:d:delete", "urn:d:inform")),
    (NOON, LAST + DAY, [performed("urn:d:delete", LAST)], State.FULFILLED, ()),
    (NOON, LAST + DAY, [performed("urn:d:delete", NOON - DAY)], State.VIOLATED, ("urn:d:delete", "urn:d:inform")),
    (NOON, LAST + DAY, [performed("urn:d:other", LAST)], State.VIOLATED, ("urn:d:delete", "urn:d:inform")),
    (NOON, LAST + DAY, [performed("urn:d:delete", LAST + DAY)], State.VIOLATED, ("urn:d:inform",)),
    (NOON, LAST + DAY, [performed("urn:d:inform", LAST + DAY)], State.VIOLATED, ("urn:d:delete",)),
    (NOON, LAST, [performed("urn:d:delete", LAST + DAY)], State.ACTIVE, ("urn:d:delete",)),  # not yet
]


@pytest.mark.parametrize(("since", "now", "done", "state", "left"), TIMES)
def test_a_duty_stands_where_time_and_performances_put_it(
    since: datetime | None, now: datetime, done: list[Performance], state: State, left: tuple[str, ...]
) -> None:
    found = standing(KEPT, done, since=since, now=now)
    assert (found.state, found.outstanding, found.late) == (state, left, False)


def test_a_violated_duty_is_fulfilled_late_with_its_consequence() -> None:
    done = [performed("urn:d:delete", LAST + DAY), performed("urn:d:inform", LAST + DAY)]
    found = standing(KEPT, done, since=NOON, now=LAST + 2 * DAY)
    assert (found.state, found.late, found.deadline) == (State.FULFILLED, True, LAST)
    assert deadline(KEPT, NOON) == LAST


def test_a_payment_performs_only_as_agreed_and_only_where_its_gate_is_not_false() -> None:
    duty = compiled(permit(duty=[PAY])).permissions[0].duties[0]

    def after(*done: Performance, **facts: object) -> State:
        return standing(duty, done, since=NOON, now=NOON + DAY, facts=facts).state

    assert after() is State.ACTIVE
    assert after(performed("urn:d:pay", NOON, **{"payAmount@CNY": Decimal(5)})) is State.FULFILLED
    assert after(performed("urn:d:pay", NOON, **{"payAmount@CNY": Decimal(4)})) is State.ACTIVE
    assert after(performed("urn:d:pay", NOON, **{"payAmount@EUR": Decimal(5)})) is State.ACTIVE
    assert after(performed("urn:d:pay", NOON)) is State.ACTIVE
    assert after(purpose="dpv:Marketing") is State.NOT_SET
    assert after(purpose="dpv:Unheard") is State.ACTIVE


def test_a_duty_before_the_use_is_demanded_at_admission_and_named_with_how() -> None:
    contract = compiled(permit(duty=[PAY]))
    first = ask(contract, {"purpose": "dpv:ScientificResearch"})
    assert (first.effect, first.pending) == (Effect.PERMIT_AFTER_DUTIES, ("urn:d:pay",))
    assert explain(first)[1:] == ("urn:d:pay: the duty must be performed first: pay; amount paid must be 5 CNY",)
    # That somebody paid something is not that this was paid.
    assert ask(contract, {}, performed=frozenset({"odrl:compensate"})).effect is Effect.PERMIT_AFTER_DUTIES
    assert ask(contract, {}, performed=frozenset({"urn:d:pay"})).effect is Effect.PERMIT
    assert ask(contract, {"purpose": "dpv:Marketing"}).effect is Effect.PERMIT
    lenient = compile_policy(contract.policy, duties="lenient")
    assert ask(lenient, {}).effect is Effect.PERMIT


def test_a_permission_that_needs_no_duty_first_is_preferred() -> None:
    contract = compiled(permit(duty=[PAY]), permit(EPSILON, id_="urn:r:2"))
    assert ask(contract, {"epsilon": Decimal("0.5")}).clause == "urn:r:2"
    paid = ask(contract, {"epsilon": Decimal(1)})
    assert (paid.clause, paid.effect) == ("urn:r:1", Effect.PERMIT_AFTER_DUTIES)


def test_what_is_due_afterwards_never_stops_the_release_but_the_next_admission_once_violated() -> None:
    later = {"@id": "urn:d:mine", "action": "odrl:delete", "constraint": [MONTH | {"@id": "urn:c:m"}]}
    contract = compiled(permit(duty=[later]), obligation=[DELETE])
    codes = {phase: [each.code.value for each in ask(contract, {}, phase).reasons] for phase in Phase}
    assert codes[Phase.ADMISSION] == ["permission.holds", "duty.later", "duty.later"]
    assert codes[Phase.RELEASE] == ["permission.holds", "duty.active", "duty.active"]
    stopped = ask(contract, {}, violated=frozenset({"urn:d:delete"}))
    assert (stopped.effect, stopped.clause) == (Effect.DENY, "urn:d:delete")
    assert any("until it is, nothing new is permitted" in line for line in explain(stopped))
    assert ask(contract, {}, Phase.RELEASE, violated=frozenset({"urn:d:delete"})).permits
    elsewhere = ask(contract, {}, violated=frozenset({"urn:d:elsewhere"}))
    assert (elsewhere.effect, elsewhere.clause) == (Effect.DENY, "urn:d:elsewhere")


def test_a_record_of_the_first_version_comes_out_the_same() -> None:
    """0.1.0 said nothing of obligations; whatever else it recorded is decided as it was."""
    body = policy(permit(EPSILON, duty=[{"@id": "urn:d:log", "action": "hefu:log"}]), obligation=[DELETE])
    decision = ask(compile_policy(odrl.load(body)), {"epsilon": Decimal("0.5")}, Phase.RELEASE)
    first = record(decision, "hefu-policies/1")
    assert [each["code"] for each in first["reasons"]] == [  # type: ignore[union-attr, index, call-overload]
        "constraint.held", "permission.holds", "duty.pending",
    ]  # fmt: skip
    assert replay(body, first).effect is Effect.PERMIT_AFTER_DUTIES
    assert replay(body, record(decision)).effect is Effect.PERMIT_AFTER_DUTIES


# combination of: purpose is research (True, False or Unknown) and ε ≤ 0.5 (likewise) → the effect as a permission
LOGIC: list[tuple[str, bool | None, bool | None, bool | None]] = [
    ("and", True, True, True), ("and", True, False, False), ("and", False, None, False), ("and", True, None, None),
    ("or", True, None, True), ("or", False, None, None), ("or", False, False, False), ("or", False, True, True),
    ("xone", True, False, True), ("xone", True, True, False), ("xone", False, False, False), ("xone", True, None, None),
    ("andSequence", True, True, True), ("andSequence", False, True, False), ("andSequence", False, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("word", "one", "other", "expected"), LOGIC)
def test_logic_has_three_values_and_unknown_never_permits_and_always_prohibits(
    word: str, one: bool | None, other: bool | None, expected: bool | None
) -> None:
    logic = {"@id": "urn:l:1", word: [RESEARCH, EPSILON]}
    purpose = {True: "dpv:AcademicResearch", False: "dpv:Marketing", None: None}[one]
    facts: dict[str, object] = {"purpose": purpose, "epsilon": {True: 0, False: 1, None: None}[other]}
    allowed = ask(compiled(permit(logic)), facts, Phase.RELEASE)
    assert allowed.permits is (expected is True)
    told = [each.code.value for each in allowed.reasons if each.part == "urn:l:1"]
    assert told == [{True: "logic.held", False: "logic.failed", None: "logic.unknown"}[expected]]
    against = {"@id": "urn:no:1", "action": "hefu:compute", "constraint": [logic]}
    stopped = ask(compiled(permit(), prohibition=[against]), facts, Phase.RELEASE)
    assert stopped.permits is (expected is False)


def test_a_requester_reads_only_the_parts_of_logic_that_stand_against_it() -> None:
    held = {"@id": "urn:l:or", "or": [RESEARCH, EPSILON]}
    decision = ask(compiled(permit(held, NOT_LATE)), {"purpose": "dpv:Marketing", "epsilon": 0}, Phase.RELEASE)
    assert [line.split(": ")[0] for line in explain(decision)] == ["urn:c:until"]
    failed = ask(compiled(permit(held)), {"purpose": "dpv:Marketing", "epsilon": Decimal("0.9")}, Phase.RELEASE)
    assert [line.split(": ")[0] for line in explain(failed)] == ["urn:c:rnd", "urn:c:eps", "urn:l:or"]
    for audience in Audience:
        for language in ("en", "zh"):
            assert all("{" not in line for line in explain(failed, audience, language))  # type: ignore[arg-type]


def test_a_fact_of_the_release_waits_inside_logic_too() -> None:
    contract = compiled(permit({"@id": "urn:l:1", "and": [EPSILON, GROUP]}))
    assert ask(contract, {"epsilon": 0}).permits
    assert ask(contract, {"epsilon": 0}, Phase.MONITOR).permits
    assert not ask(contract, {"epsilon": 0}, Phase.RELEASE).permits
    assert ask(contract, {"epsilon": 0, "minGroup": 20}, Phase.RELEASE).permits


def test_nothing_is_released_that_was_not_decided_in_each_of_its_phases() -> None:
    never = {"@id": "urn:no:1", "action": "hefu:compute",
             "constraint": [NOT_LATE | {"@id": "urn:c:before", "operator": "lt",
                                        "rightOperand": typed("2026-01-01T00:00:00Z", Kind.TIME)}]}  # fmt: skip
    contract = compiled(permit(EPSILON, GROUP, NOT_LATE), prohibition=[never])
    facts = {"epsilon": 0, "dateTime": NOON, "minGroup": 20}
    phases = [Phase.ADMISSION, Phase.MONITOR, Phase.RELEASE]
    decisions = {each: ask(contract, facts, each) for each in phases}
    assert not coverage.missing(contract, "urn:r:1", coverage.covered(decisions.values()))
    for skipped, left in {
        Phase.ADMISSION: {"urn:c:eps", "urn:c:until", "urn:c:before"},
        Phase.MONITOR: {"urn:c:until", "urn:c:before"},
        Phase.RELEASE: {"urn:c:eps", "urn:c:group", "urn:c:until", "urn:c:before"},
    }.items():
        found = coverage.covered(each for phase, each in decisions.items() if phase is not skipped)
        assert {part for part, phase in coverage.missing(contract, "urn:r:1", found) if phase is skipped} == left
    assert coverage.missing(contract, "urn:r:other", coverage.covered(decisions.values()))
    beside = coverage.missing(contract, "", frozenset())  # the permission stands in another policy of the agreement
    assert {part for part, _ in beside} == {"urn:c:before"}
    waiting = ask(contract, {"epsilon": 0, "dateTime": NOON}, Phase.ADMISSION)
    assert ("urn:c:group", Phase.ADMISSION) not in coverage.covered([waiting])
