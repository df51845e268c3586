"""How a template is put together: constraints, logic, duties and rules in one line each, written out as ODRL JSON.

The texts are those of the policy; `hefu_policies.odrl` reads them again, with all its checks, before anybody uses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hefu.canonical import Json, Object

from hefu_policies import odrl
from hefu_policies.deciding.comparisons import TERM_PREFIX
from hefu_policies.deciding.policy import Condition, Constraint, Duty, Logical, Policy, Rule
from hefu_policies.words.terms import CURRENCY, LOG, OPERANDS, PARTICIPANT_PREFIX, PER, Combine, Kind, Operator

_LOGGED = "urn:d:log"


def need(name: str, operand: str, operator: str, *values: object, unit: str = "") -> Constraint:
    """A constraint, by its short name."""
    found = OPERANDS[operand]
    written = tuple(_spelt(str(each), found.kind, found.prefix) for each in values)
    return Constraint(f"urn:c:{name}", found, Operator(operator), (), written, unit=unit)


def either(name: str, *parts: Condition) -> Logical:
    """At least one of the parts."""
    return Logical(f"urn:c:{name}", Combine.OR, parts)


def only_one(name: str, *parts: Condition) -> Logical:
    """Exactly one of the parts."""
    return Logical(f"urn:c:{name}", Combine.XONE, parts)


def together(name: str, *parts: Condition) -> Logical:
    """All of the parts."""
    return Logical(f"urn:c:{name}", Combine.AND, parts)


def duty(name: str, action: str, *constraints: Condition, otherwise: Sequence[Duty] = ()) -> Duty:
    """A duty, and what becomes due once it is late."""
    return Duty(f"urn:d:{name}", action, constraints, tuple(otherwise))


def permission(name: str, action: str, conditions: Iterable[Condition], *duties: Duty) -> Rule:
    """A permission; whatever it permits is logged."""
    log = Duty(_LOGGED if name == "statistics" else f"urn:d:{name}-log", LOG)
    return Rule(f"urn:rule:{name}", action, tuple(conditions), (*duties, log))


def never(name: str, action: str, *conditions: Condition, remedies: Sequence[Duty] = ()) -> Rule:
    """A prohibition."""
    return Rule(f"urn:no:{name}", action, conditions, (), tuple(remedies))


def written(permissions: Sequence[Rule], prohibitions: Sequence[Rule] = (), obligations: Sequence[Duty] = ()) -> Object:
    """The members ``permission``, ``prohibition`` and ``obligation`` of an offer."""
    policy = Policy("urn:hefu:template", "Offer", tuple(permissions), tuple(prohibitions),
                    obligations=tuple(obligations))  # fmt: skip
    body = odrl.dump(policy)
    return {name: body[name] for name in ("permission", "prohibition", "obligation") if name in body}


def several(value: Json) -> list[str]:
    """The texts of a list that a parameter gave."""
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def money(currency: Json) -> str:
    """The unit of an amount."""
    return CURRENCY + str(currency)


def each(period: str) -> str:
    """The unit of a number in each window of time."""
    return PER + period


def _spelt(text: str, kind: Kind, prefix: str) -> str:
    if kind is Kind.CONCEPT:
        return text if ":" in text else TERM_PREFIX + text
    if prefix == PARTICIPANT_PREFIX:
        return text if ":" in text else prefix + text
    return text
