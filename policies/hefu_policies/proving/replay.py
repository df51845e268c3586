"""The same decision again, from what was logged: facts and decision as JSON, and back.

A fact that could not have been decided on (of another type) is left out: it was Unknown, and absent is Unknown too.
So a record always gives the decision it was made of, for as long as `EVALUATOR` is the version of these rules.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed, Untrusted
from hefu.times import write_time

from hefu_policies import odrl
from hefu_policies.deciding.comparisons import LONGEST, is_names
from hefu_policies.deciding.decision import Decision, Facts, Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.reading import Place, write_decimal, wrong
from hefu_policies.words.terms import BY_NAME, Kind, Operand, Phase

EVALUATOR = "hefu-policies/2"
# Of 0.1.0: it said nothing of obligations, and its policies have nothing else that is decided otherwise now.
FIRST = "hefu-policies/1"
_LENGTH = re.compile(r"PT(0|[1-9][0-9]{0,13})S\Z", re.ASCII)
_UNIT = re.compile(r"[A-Z0-9]{1,40}\Z", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:E[+-][0-9]{1,6})?\Z", re.ASCII)
_MEMBERS = ("evaluator", "policy", "phase", "request", "facts", "effect", "clause", "duties", "reasons")


def write_facts(facts: Facts) -> Object:
    """Facts as JSON: decimals and times as text, sets as sorted lists; operands unknown to the vocabulary left out."""
    body: Object = {}
    for name in sorted(facts):
        operand = _operand(name)
        if operand is not None:
            value = _write(facts[name], operand.kind)
            if value is not None:
                body[name] = value
    return body


def read_facts(body: Json, where: str = "facts") -> dict[str, object]:
    """Facts that `write_facts` wrote.

    Raises:
        Malformed: an unknown fact, or one of a wrong form.
    """
    if not isinstance(body, dict):
        wrong(where, "an object")
    facts = {}
    for name, value in body.items():
        operand = _operand(name)
        if operand is None:
            raise Malformed("policy.unknown", where=where, term=name[:40], known=", ".join(sorted(BY_NAME)))
        facts[name] = _read(Place(value, f"{where}.{name}"), operand.kind)
    return facts


def policy_digest(policy: Object) -> str:
    """How a record names a policy."""
    return canonical.digest(canonical.encode(policy))


def record(decision: Decision, evaluator: str = EVALUATOR) -> Object:
    """A decision as JSON: what is needed to make it again, and what came out."""
    request = decision.request
    said = decision.reasons
    if evaluator == FIRST:
        obligations = {each.id for each in decision.contract.policy.obligations}
        said = tuple(each for each in said if each.rule or each.part not in obligations)
    asked: Object = {
        "action": request.action,
        "target": request.target,
        "assignee": request.assignee,
        "performed": [*sorted(request.performed)],
    }
    if request.violated:
        asked["violated"] = [*sorted(request.violated)]
    return {
        "evaluator": evaluator,
        "policy": policy_digest(odrl.dump(decision.contract.policy)),
        "phase": decision.phase.value,
        "request": asked,
        "facts": write_facts(decision.facts),
        "effect": decision.effect.value,
        "clause": decision.clause,
        "duties": [*decision.duties],
        "reasons": [{"code": each.code.value, "rule": each.rule, "part": each.part} for each in said],
    }


def replay(policy: Object, recorded: Object) -> Decision:
    """Decide again from a record, and compare everything that came out.

    Args:
        policy: the strategy's ODRL Agreement.
        recorded: what `record` wrote.

    Raises:
        Malformed: not a record, or of another evaluator.
        Untrusted: the record is of another policy, or the decision comes out differently.
    """
    found = Place(recorded, "decision").members(_MEMBERS)
    evaluator = found["evaluator"].choice(FIRST, EVALUATOR)
    if found["policy"].digest() != policy_digest(policy):
        raise Untrusted("policy.replay", what="policy")
    asked = found["request"].members(("action", "target", "assignee", "performed"), ("violated",))
    request = Request(
        asked["action"].text(),
        asked["target"].text(),
        asked["assignee"].text(),
        frozenset(asked["performed"].texts()),
        frozenset(asked["violated"].texts(least=1)) if "violated" in asked else frozenset(),
    )
    facts = read_facts(found["facts"].value, found["facts"].where)
    phase = Phase(found["phase"].choice(*Phase))
    decision = decide(compile_policy(odrl.load(policy)), request, facts, phase)
    again = record(decision, evaluator)
    for name in _MEMBERS:
        if again[name] != recorded[name]:
            raise Untrusted("policy.replay", what=name)
    return decision


@lru_cache(4096)
def _operand(name: str) -> Operand | None:
    """The operand of a fact; one with a unit bears its last part, as in ``frequency@P1D``."""
    first, at, unit = name.partition("@")
    operand = BY_NAME.get(first)
    if operand is None or bool(operand.unit) is not bool(at) or (at and not _UNIT.match(unit)):
        return None
    return operand


def _write(value: object, kind: Kind) -> Json:
    match kind:
        case Kind.DECIMAL:
            return _write_number(value)
        case Kind.INTEGER:
            return value if type(value) is int and abs(value) <= canonical.LARGEST_INTEGER else None
        case Kind.TIME | Kind.WINDOW:
            return write_time(value) if isinstance(value, datetime) and value.utcoffset() == timedelta(0) else None
        case Kind.DURATION:
            return _write_length(value)
        case Kind.BOOLEAN:
            return value if isinstance(value, bool) else None
        case Kind.NAMES | Kind.PARTIES | Kind.CLAIM:
            return [*sorted(set(value))] if is_names(value) else None
        case Kind.CONCEPT if type(value) is frozenset and value:  # such as the roles of a participant
            return [*sorted(value)] if is_names(value) else None
        case _:
            return value if isinstance(value, str) and 0 < len(value) <= LONGEST else None


def _write_length(value: object) -> str | None:
    if not isinstance(value, timedelta) or value < timedelta(0):
        return None
    return f"PT{value.days * 86400 + value.seconds}S"


def _write_number(value: object) -> str | None:
    number = Decimal(value) if type(value) is int else value
    if not isinstance(number, Decimal) or not number.is_finite():
        return None
    return write_decimal(number) if abs(number.adjusted()) < 30 else str(number)


def _read_number(place: Place) -> Decimal:
    text = place.text(1000)
    return Decimal(text) if _NUMBER.match(text) else wrong(place.where, "a decimal as text")


def _read_length(place: Place) -> timedelta:
    found = _LENGTH.match(place.text())
    return timedelta(seconds=int(found[1])) if found else wrong(place.where, "a length of time in seconds: PT3600S")


def _read(place: Place, kind: Kind) -> object:
    match kind:
        case Kind.DECIMAL:
            return _read_number(place)
        case Kind.INTEGER:
            return place.integer(-canonical.LARGEST_INTEGER)
        case Kind.TIME | Kind.WINDOW:
            return place.time().astimezone(UTC)
        case Kind.DURATION:
            return _read_length(place)
        case Kind.BOOLEAN:
            return place.flag()
        case Kind.NAMES | Kind.PARTIES | Kind.CLAIM:
            return frozenset(place.texts())
        case Kind.CONCEPT if isinstance(place.value, list):
            return frozenset(place.texts(least=1))
        case _:
            return place.text()
