"""The strict form of a policy, to its typed values: `hefu_policies.odrl.load`."""

from __future__ import annotations

from typing import Final

from hefu import canonical
from hefu.canonical import Json
from hefu.errors import Malformed

from hefu_policies.deciding.rules import Condition, Constraint, Duty, Logical, Policy, Rule
from hefu_policies.odrl import checks
from hefu_policies.odrl.values import PRODUCT_PREFIX, iri, members, named, unit, unknown, value, written
from hefu_policies.reading import Place, unique, wrong
from hefu_policies.words.terms import (
    ACTIONS,
    CONTEXTS,
    OPERANDS,
    PARTICIPANT_PREFIX,
    PROFILE,
    SET_OPERATORS,
    USE,
    Combine,
    Operand,
    Operator,
)

_REQUIRED = ("@context", "@id", "@type", "profile", "conflict", "permission")
_BINDING = ("target", "assigner", "assignee", "timestamp")
_RULES = ("prohibition", "obligation")
_LOGICAL: Final = {each.value: each for each in Combine}
_DEEPEST_LOGIC = 4
# What a duty may have, by where it stands, and in which uses of the table its action must be.
_DUTIES: Final[dict[str, tuple[tuple[str, ...], frozenset[str]]]] = {
    "duty": (("@id", "constraint", "consequence"), frozenset({"duty"})),
    "obligation": (("@id", "consequence"), frozenset({"obligation"})),
    "remedy": (("@id", "constraint"), frozenset({"duty", "obligation"})),
    "consequence": (("@id", "constraint"), frozenset({"duty", "obligation"})),
}


def load(body: Json, where: str = "policy") -> Policy:
    """Read a policy: an Offer without parties, or an Agreement with all of them.

    Raises:
        Malformed: with the place and what to write instead.
    """
    if len(canonical.encode(body)) > checks.LARGEST_POLICY:
        wrong(where, f"a policy of at most {checks.LARGEST_POLICY} bytes")
    place = Place(body, where)
    found = _head(place, ("@type",), (*_REQUIRED, *_RULES, *_BINDING))
    bound = found["@type"].choice("Offer", "Agreement") == "Agreement"
    found = _head(place, (*_REQUIRED, *_BINDING) if bound else _REQUIRED, _RULES)
    _check_head(found)
    policy = Policy(
        id=iri(found["@id"]),
        kind=found["@type"].text(),
        permissions=_rules(found.get("permission"), "permission"),
        prohibitions=_rules(found.get("prohibition"), "prohibition"),
        target=named(found["target"], PRODUCT_PREFIX) if bound else None,
        assigner=named(found["assigner"], PARTICIPANT_PREFIX) if bound else None,
        assignee=named(found["assignee"], PARTICIPANT_PREFIX) if bound else None,
        timestamp=found["timestamp"].time() if bound else None,
        obligations=_duties(found.get("obligation"), "obligation"),
    )
    checks.check(policy, where)
    return policy


def _head(place: Place, required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, Place]:
    if isinstance(place.value, dict) and "conflict" in required and "conflict" not in place.value:
        members(place, (), (*required, *optional))
        raise Malformed("policy.conflict", where=place.where)
    return members(place, required, optional)


def _check_head(found: dict[str, Place]) -> None:
    context, profile, conflict = found["@context"], found["profile"], found["conflict"]
    if context.value != [*CONTEXTS]:
        raise Malformed("policy.context", where=context.where, contexts=", ".join(CONTEXTS))
    if profile.value != [PROFILE]:
        raise Malformed("policy.profile", where=profile.where, profile=PROFILE)
    if conflict.value != checks.PROHIBIT:
        raise Malformed("policy.conflict", where=conflict.where)


def _rules(place: Place | None, use: str) -> tuple[Rule, ...]:
    return tuple(_rule(each, use) for each in place.items(1)) if place else ()


def _rule(place: Place, use: str) -> Rule:
    more = "duty" if use == "permission" else "remedy"
    found = members(place, ("action",), ("@id", "constraint", more))
    return Rule(
        id=_id(place, found),
        action=_action(found["action"], frozenset({use})),
        constraints=_conditions(found.get("constraint"), False),
        duties=_duties(found.get("duty"), "duty"),
        remedies=_duties(found.get("remedy"), "remedy"),
        named="@id" in found,
    )


def _duties(place: Place | None, use: str) -> tuple[Duty, ...]:
    return tuple(_duty(each, use) for each in place.items(1)) if place else ()


def _duty(place: Place, use: str) -> Duty:
    optional, uses = _DUTIES[use]
    # An obligation that does not say by when or whom to is none.
    found = members(place, ("action", "constraint") if use == "obligation" else ("action",), optional)
    return Duty(
        id=_id(place, found),
        action=_action(found["action"], uses),
        constraints=_conditions(found.get("constraint"), True),
        consequences=_duties(found.get("consequence"), "consequence"),
        named="@id" in found,
    )


def _id(place: Place, found: dict[str, Place]) -> str:
    return iri(found["@id"]) if "@id" in found else place.where


def _action(place: Place, uses: frozenset[str]) -> str:
    text = place.text()
    if text in (USE, "use"):
        raise Malformed("policy.bare_use", where=place.where)
    action = ACTIONS.get(text)
    if action is None or not uses & action.uses:
        unknown(place, [each.term for each in ACTIONS.values() if uses & each.uses])
    return text


def _conditions(place: Place | None, in_duty: bool) -> tuple[Condition, ...]:
    return tuple(_condition(each, in_duty, 0) for each in place.items(1)) if place else ()


def _condition(place: Place, in_duty: bool, depth: int) -> Condition:
    if not isinstance(place.value, dict):
        wrong(place.where, "an object")
    for word, combine in _LOGICAL.items():
        if word in place.value:
            if depth >= _DEEPEST_LOGIC:
                wrong(place.where, f"at most {_DEEPEST_LOGIC} levels of logic")
            found = members(place, (word,), ("@id",))
            parts = tuple(_condition(each, in_duty, depth + 1) for each in found[word].items(1))
            return Logical(_id(place, found), combine, parts, "@id" in found)
    return _constraint(place, in_duty)


def _constraint(place: Place, in_duty: bool) -> Constraint:
    found = members(place, ("leftOperand", "operator", "rightOperand"), ("@id", "unit"))
    operand = _operand(found["leftOperand"], in_duty)
    word = found["operator"].text()
    if word not in operand.operators:
        unknown(found["operator"], operand.operators)
    operator = Operator(word)
    right = found["rightOperand"]
    items = right.items(1) if operator in SET_OPERATORS else [right]
    texts = tuple(written(each, operand) for each in items)
    unique(texts, right.where)
    return Constraint(
        id=_id(place, found),
        operand=operand,
        operator=operator,
        values=tuple(value(each, text, operand) for each, text in zip(items, texts, strict=True)),
        written=texts,
        named="@id" in found,
        unit=_unit(place, found, operand),
    )


def _operand(place: Place, in_duty: bool) -> Operand:
    operand = OPERANDS.get(place.text())
    # What only says how a duty is performed is no condition of a permission.
    if operand is None or not (in_duty or operand.in_rules):
        unknown(place, [each.term for each in OPERANDS.values() if in_duty or each.in_rules])
    return operand


def _unit(place: Place, found: dict[str, Place], operand: Operand) -> str:
    if not operand.unit:
        if "unit" in found:
            raise Malformed("policy.member", where=place.where, member="unit")
        return ""
    if "unit" not in found:
        raise Malformed("contract.missing", where=place.where, member="unit")
    return unit(found["unit"], operand)
