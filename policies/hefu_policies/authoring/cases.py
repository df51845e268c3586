"""Tests of a policy, written next to it: what is asked, what is known, and what must come out.

A file of cases is a mapping: ``facts`` that hold in every case, and ``cases``, each with a name, the action that is
asked for, facts of its own, and the result expected. `hefu policy test` reads it as YAML or JSON.

    facts: {purpose: dpv:ScientificResearch, column: [age]}
    cases:
      - name: a scientist within the limits
        ask: hefu:dpQuery
        facts: {epsilon: "0.5"}
        expect: permit
      - name: too much at once
        ask: hefu:dpQuery
        facts: {epsilon: "0.6"}
        expect: refuse
        because: [urn:c:epsilon]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from hefu.canonical import Json
from hefu.errors import Malformed

from hefu_policies.deciding.decision import Decision, Effect, Request, decide
from hefu_policies.deciding.policy import Compiled
from hefu_policies.deciding.reasons import Code, Reason
from hefu_policies.proving.replay import read_facts
from hefu_policies.reading import Place, wrong
from hefu_policies.words import terms
from hefu_policies.words.terms import Kind, Phase

# What may be expected; the first two words each stand for two results.
EXPECTED: Mapping[str, frozenset[Effect]] = {
    "permit": frozenset({Effect.PERMIT, Effect.PERMIT_AFTER_DUTIES}),
    "refuse": frozenset({Effect.DENY, Effect.DEFAULT_DENY}),
    "permit_at_once": frozenset({Effect.PERMIT}),
    **{each.value: frozenset({each}) for each in Effect if each is not Effect.PERMIT},
}
_FAILING = frozenset({Code.FAILED, Code.LOGIC_FAILED, Code.LACKS, Code.NO_PERMISSION, Code.VIOLATED})
_NOT_KNOWN = frozenset({Code.UNKNOWN, Code.LOGIC_UNKNOWN})
_APPLYING = frozenset({Code.FIRES, Code.HELD, Code.LOGIC_HELD}) | _NOT_KNOWN
_SETS = (Kind.NAMES, Kind.PARTIES, Kind.CLAIM)


@dataclass(frozen=True, slots=True)
class Case:
    """One test.

    Attributes:
        expect: a word of `EXPECTED`.
        because: ids of clauses that must be among the reasons against it.
        duties: actions that must still be done; None where it does not matter.
        performed: duties done so far, by id or action.
        consumer: who asks; empty for the one the policy names.
    """

    name: str
    action: str
    facts: Mapping[str, object]
    expect: str
    phase: Phase = Phase.RELEASE
    because: tuple[str, ...] = ()
    duties: frozenset[str] | None = None
    performed: frozenset[str] = frozenset()
    consumer: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of a case.

    Attributes:
        faults: what differs from the expectation: ``effect``, ``because``, ``duties``; empty where it passed.
    """

    case: Case
    decision: Decision
    faults: tuple[str, ...]


def read_cases(body: Json, where: str = "file") -> tuple[Case, ...]:
    """Read a file of cases.

    Raises:
        Malformed: with the place and what to write instead.
    """
    found = Place(body, where).members(("cases",), ("facts", "policy", "description"))
    shared = found["facts"].value if "facts" in found else {}
    if not isinstance(shared, dict):
        wrong(f"{where}.facts", "facts by name")
    return tuple(_case(each, shared) for each in found["cases"].items(1))


def run(contract: Compiled, case: Case) -> Outcome:
    """Decide a case and compare."""
    policy = contract.policy
    request = Request(case.action, str(policy.target), case.consumer or str(policy.assignee), case.performed)
    decision = decide(contract, request, case.facts, case.phase)
    faults = []
    if decision.effect not in EXPECTED[case.expect]:
        faults.append("effect")
    against = {part for each in against_it(decision) for part in (each.rule, each.part)}
    if not set(case.because) <= against:
        faults.append("because")
    if case.duties is not None and case.duties != frozenset(decision.duties):
        faults.append("duties")
    return Outcome(case, decision, tuple(faults))


def against_it(decision: Decision, *, unknown: bool = True) -> tuple[Reason, ...]:
    """The reasons that speak against a request: why permissions lack, and why prohibitions apply.

    Args:
        unknown: whether what a permission could not decide counts too; not where only a part was described.
    """
    prohibitions = {each.id for each in decision.contract.policy.prohibitions}
    firing = {each.rule for each in decision.reasons if each.code is Code.FIRES}
    failing = _FAILING | _NOT_KNOWN if unknown else _FAILING - {Code.LACKS}
    return tuple(
        each
        for each in decision.reasons
        if (each.rule in firing and each.code in _APPLYING) or (each.rule not in prohibitions and each.code in failing)
    )


def described(facts: Mapping[str, Json], where: str = "facts") -> dict[str, object]:
    """Facts as people write them: numbers as text, lists also as one text with commas.

    Raises:
        Malformed: a fact that no operand has, or a value of a wrong form.
    """
    return read_facts({name: _shaped(name, value, where) for name, value in facts.items()}, where)


def _case(place: Place, shared: Mapping[str, Json]) -> Case:
    optional = ("facts", "phase", "because", "duties", "performed", "consumer")
    found = place.members(("name", "ask", "expect"), optional)
    action = found["ask"].text()
    if action not in terms.ACTIONS:
        raise Malformed("policy.unknown", where=found["ask"].where, term=action[:60], known=", ".join(terms.ACTIONS))
    own = found["facts"].value if "facts" in found else {}
    if not isinstance(own, dict):
        wrong(f"{place.where}.facts", "facts by name")
    together = {name: value for name, value in {**shared, **own}.items() if value is not None}
    return Case(
        name=found["name"].text(),
        action=action,
        facts=described(together, f"{place.where}.facts"),
        expect=found["expect"].choice(*EXPECTED),
        phase=Phase(found["phase"].choice(*Phase)) if "phase" in found else Phase.RELEASE,
        because=found["because"].texts() if "because" in found else (),
        duties=frozenset(found["duties"].texts()) if "duties" in found else None,
        performed=frozenset(found["performed"].texts()) if "performed" in found else frozenset(),
        consumer=found["consumer"].text() if "consumer" in found else "",
    )


def _shaped(name: str, value: Json, where: str) -> Json:
    operand = terms.BY_NAME.get(name.partition("@")[0])
    if operand is None:
        raise Malformed("policy.unknown", where=where, term=name[:40], known=", ".join(sorted(terms.BY_NAME)))
    if operand.kind in _SETS and isinstance(value, str):
        return [each.strip() for each in value.split(",") if each.strip()]
    if operand.kind is Kind.INTEGER and isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if operand.kind is Kind.BOOLEAN and value in ("true", "false"):
        return value == "true"
    if operand.kind is Kind.DECIMAL and type(value) is int:
        return str(value)
    if operand.kind is Kind.DURATION and isinstance(value, str):  # records know seconds only
        return f"PT{Place(value, f'{where}.{name}').duration() // timedelta(seconds=1)}S"
    return value
