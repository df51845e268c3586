"""Policies in JSON: the Dataspace Protocol's subset of ODRL 2.2 in the Hefu profile, in and out, strict.

Nothing is ignored: an unknown member, context, profile, action, operand, operator, datatype or concept is refused
with its place and what to write instead. Contexts are a fixed list and never fetched, so plain JSON suffices: with
these contexts each term has one meaning. Logical constraints, refinements, remedies, consequences and inheritance
are not evaluated yet, and so refused. The one obligation is to delete what was delivered.

Source: ODRL JSON-LD context; Dataspace Protocol 2025-1, contract schema; docs/decisions/2026-11-21-policy-semantics.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NoReturn

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu.times import write_time

from hefu_policies.comparisons import TERM_PREFIX
from hefu_policies.purposes import LINEAGE
from hefu_policies.reading import Place, unique, wrong
from hefu_policies.rules import Constraint, Duty, Policy, Rule, Value, demanded, leaves
from hefu_policies.terms import (
    ACTIONS,
    ANONYMISED,
    CONTEXTS,
    DELIVER,
    OPERANDS,
    PARTICIPANT_PREFIX,
    PROFILE,
    SAMPLED,
    SET_OPERATORS,
    USE,
    Kind,
    Operand,
    Operator,
)  # fmt: skip

PROHIBIT = "prohibit"
PRODUCT_PREFIX = "urn:hefu:product:"
SMALLEST_GROUP = 2  # below it, anonymised would be a word only
LARGEST_POLICY = 256 * 1024  # bytes
_MOST_RULES = 200
_MOST_CONSTRAINTS = 2000
_REQUIRED = ("@context", "@id", "@type", "profile", "conflict", "permission")
_BINDING = ("target", "assigner", "assignee", "timestamp")
_LOGICAL = ("and", "or", "xone", "andSequence")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\"<>\\^`{|}\[\]]{1,180}\Z", re.ASCII)
_INTEGER = re.compile(r"(?:0|[1-9][0-9]{0,14})\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_LITERALS = {
    Kind.DECIMAL: "0.5", Kind.INTEGER: "50", Kind.TIME: "2027-11-21T00:00:00Z", Kind.DURATION: "P30D",
}  # fmt: skip
_RULES = ("prohibition", "obligation")
_READ = frozenset({*_LITERALS, Kind.PURPOSE, Kind.CONCEPT, Kind.PARTY, Kind.NAMES})  # kinds that can be written so far


def load(value: Json, where: str = "policy") -> Policy:
    """Read a policy: an Offer without parties, or an Agreement with all of them.

    Raises:
        Malformed: with the place and what to write instead.
    """
    if len(canonical.encode(value)) > LARGEST_POLICY:
        wrong(where, f"a policy of at most {LARGEST_POLICY} bytes")
    place = Place(value, where)
    found = _members(place, ("@type",), (*_REQUIRED, *_RULES, *_BINDING))
    kind = found["@type"].choice("Offer", "Agreement")
    binding = _BINDING if kind == "Agreement" else ()
    found = _members(place, (*_REQUIRED, *binding), _RULES)
    _check_head(found)
    permissions = _rules(found["permission"], "permission")
    prohibitions = _rules(found["prohibition"], "prohibition") if "prohibition" in found else ()
    obligations = tuple(map(_obligation, found["obligation"].items(1))) if "obligation" in found else ()
    _check_size(permissions + prohibitions, obligations, where)
    _check_deliveries(permissions)
    bound = kind == "Agreement"
    return Policy(
        id=_iri(found["@id"]),
        kind=kind,
        permissions=permissions,
        prohibitions=prohibitions,
        target=_named(found["target"], PRODUCT_PREFIX) if bound else None,
        assigner=_named(found["assigner"], PARTICIPANT_PREFIX) if bound else None,
        assignee=_named(found["assignee"], PARTICIPANT_PREFIX) if bound else None,
        timestamp=found["timestamp"].time() if bound else None,
        obligations=obligations,
    )


def dump(policy: Policy) -> Object:
    """The JSON of a policy: equal to what `load` read."""
    body: Object = {
        "@context": [*CONTEXTS],
        "@id": policy.id,
        "@type": policy.kind,
        "profile": [PROFILE],
        "conflict": PROHIBIT,
        "permission": [_dump_rule(each) for each in policy.permissions],
    }
    if policy.prohibitions:
        body["prohibition"] = [_dump_rule(each) for each in policy.prohibitions]
    if policy.obligations:
        body["obligation"] = [_dump_rule(each) for each in policy.obligations]
    if policy.target is not None and policy.assigner is not None and policy.assignee is not None:
        body["target"] = _full(policy.target, PRODUCT_PREFIX)
        body["assigner"] = _full(policy.assigner, PARTICIPANT_PREFIX)
        body["assignee"] = _full(policy.assignee, PARTICIPANT_PREFIX)
    if policy.timestamp is not None:
        body["timestamp"] = write_time(policy.timestamp)
    return body


def bind(offer: Object, *, id_: str, target: str, assigner: str, assignee: str, at: datetime) -> Object:
    """The Agreement that an Offer becomes when its target and parties are filled in.

    Args:
        id_: an IRI of its own.
        target: the id of the data product; ``assigner`` and ``assignee`` are ids of participants.

    Raises:
        Malformed: the offer is none, or already names parties.
    """
    if load(offer).kind != "Offer":
        wrong("policy.@type", "Offer")
    terms: Object = {
        "@id": id_,
        "@type": "Agreement",
        "target": _full(target, PRODUCT_PREFIX),
        "assigner": _full(assigner, PARTICIPANT_PREFIX),
        "assignee": _full(assignee, PARTICIPANT_PREFIX),
        "timestamp": write_time(at),
    }
    return offer | terms


def _members(place: Place, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Place]:
    if not isinstance(place.value, dict):
        wrong(place.where, "an object")
    required = tuple(required)
    for name in sorted(set(place.value) - set(required) - set(optional)):
        raise Malformed("policy.member", where=place.where, member=name[:40])
    if "conflict" in required and "conflict" not in place.value:
        raise Malformed("policy.conflict", where=place.where)
    return place.members(required, optional)


def _check_head(found: dict[str, Place]) -> None:
    context, profile, conflict = found["@context"], found["profile"], found["conflict"]
    if context.value != [*CONTEXTS]:
        raise Malformed("policy.context", where=context.where, contexts=", ".join(CONTEXTS))
    if profile.value != [PROFILE]:
        raise Malformed("policy.profile", where=profile.where, profile=PROFILE)
    if conflict.value != PROHIBIT:
        raise Malformed("policy.conflict", where=conflict.where)


def _check_size(permissions: tuple[Rule, ...], obligations: tuple[Duty, ...], where: str) -> None:
    rules: list[Rule | Duty] = [*permissions, *obligations]
    constraints = [each for rule in rules for each in leaves(rule)]
    if len(rules) > _MOST_RULES or len(constraints) > _MOST_CONSTRAINTS:
        wrong(where, f"at most {_MOST_RULES} rules and {_MOST_CONSTRAINTS} constraints")
    duties = [each for rule in permissions for each in rule.duties]
    ids = [each.id for each in rules] + [each.id for each in constraints] + [each.id for each in duties]
    unique(ids, where)


def _check_deliveries(permissions: tuple[Rule, ...]) -> None:
    """Each permission to deliver names the processing, and of how large a sample or how large a group it is."""
    for rule in permissions:
        if rule.action != DELIVER:
            continue
        said = {each.operand.name: each.values for each in demanded(rule)}
        processing = set(said.get("processing", ()))
        if not processing:
            raise Malformed("policy.delivery", where=rule.id, term="hefu:processing")
        if SAMPLED in processing and "share" not in said:
            raise Malformed("policy.delivery", where=rule.id, term="hefu:share")
        groups = [each for each in said.get("minGroup", ()) if isinstance(each, int) and each >= SMALLEST_GROUP]
        if ANONYMISED in processing and not groups:
            raise Malformed("policy.delivery", where=rule.id, term=f"hefu:minGroup ({SMALLEST_GROUP} or more)")


def _rules(place: Place, use: str) -> tuple[Rule, ...]:
    return tuple(_rule(each, use) for each in place.items(1))


def _rule(place: Place, use: str) -> Rule:
    optional = ("@id", "constraint", "duty") if use == "permission" else ("@id", "constraint")
    found = _members(place, ("action",), optional)
    constraints = found["constraint"].items(1) if "constraint" in found else []
    duties = found["duty"].items(1) if "duty" in found else []
    return Rule(
        id=_iri(found["@id"]) if "@id" in found else place.where,
        action=_action(found["action"], use),
        constraints=tuple(_constraint(each, use) for each in constraints),
        duties=tuple(map(_duty, duties)),
        named="@id" in found,
    )


def _duty(place: Place) -> Duty:
    found = _members(place, ("action",), ("@id",))
    id_ = _iri(found["@id"]) if "@id" in found else place.where
    return Duty(id_, _action(found["action"], "duty"), named="@id" in found)


def _obligation(place: Place) -> Duty:
    found = _members(place, ("action", "constraint"), ("@id",))  # one that does not say by when is none
    return Duty(
        id=_iri(found["@id"]) if "@id" in found else place.where,
        action=_action(found["action"], "obligation"),
        constraints=tuple(_constraint(each, "obligation") for each in found["constraint"].items(1)),
        named="@id" in found,
    )


def _action(place: Place, use: str) -> str:
    text = place.text()
    if text in (USE, "use"):
        raise Malformed("policy.bare_use", where=place.where)
    action = ACTIONS.get(text)
    if action is None or use not in action.uses:
        _unknown(place, [each.term for each in ACTIONS.values() if use in each.uses])
    return text


def _constraint(place: Place, use: str) -> Constraint:
    if isinstance(place.value, dict) and set(place.value) & set(_LOGICAL):
        raise Malformed("policy.logical", where=place.where)
    found = _members(place, ("leftOperand", "operator", "rightOperand"), ("@id",))
    operand = OPERANDS.get(found["leftOperand"].text())
    # What says how an obligation is performed is no condition of anything, and the other way round.
    if operand is None or not _fits(operand, use):
        fitting = [each.term for each in OPERANDS.values() if _fits(each, use)]
        _unknown(found["leftOperand"], fitting)
    word = found["operator"].text()
    if word not in operand.operators:
        _unknown(found["operator"], operand.operators)
    operator = Operator(word)
    right = found["rightOperand"]
    items = right.items(1) if operator in SET_OPERATORS else [right]
    written = tuple(_written(each, operand) for each in items)
    unique(written, right.where)
    return Constraint(
        id=_iri(found["@id"]) if "@id" in found else place.where,
        operand=operand,
        operator=operator,
        values=tuple(_value(each, text, operand) for each, text in zip(items, written, strict=True)),
        written=written,
        named="@id" in found,
    )


def _fits(operand: Operand, use: str) -> bool:
    fits = operand.term in ("hefu:retention", "hefu:deadline") if use == "obligation" else operand.in_rules
    return fits and not operand.unit and operand.kind in _READ


def _written(place: Place, operand: Operand) -> str:
    """The text of a right operand, out of the form that its kind must have."""
    if operand.kind is Kind.NAMES:
        return place.text()
    literal = operand.kind in _LITERALS
    if isinstance(place.value, (bool, int, str)):
        _bare(place, operand)
    if not literal:
        return _members(place, ("@id",))["@id"].text()
    found = _members(place, ("@value", "@type"))
    if found["@type"].value != operand.kind.value:
        _unknown(found["@type"], [operand.kind.value])
    return found["@value"].text()


def _value(place: Place, text: str, operand: Operand) -> Value:
    inner = Place(text, place.where)
    match operand.kind:
        case Kind.DECIMAL:
            return _decimal(inner)
        case Kind.INTEGER:
            return int(text) if _INTEGER.match(text) else wrong(place.where, "a whole number of 0 or more")
        case Kind.TIME | Kind.DURATION:
            return inner.time() if operand.kind is Kind.TIME else inner.duration()
        case Kind.PURPOSE:
            return text if text in LINEAGE else _unknown(place, sorted(LINEAGE), text)
        case Kind.CONCEPT:
            word = text if text in operand.words else text.removeprefix(TERM_PREFIX)
            known = word in operand.words and text.startswith(TERM_PREFIX)
            return (
                word if known else _unknown(place, [_full(each, TERM_PREFIX) for each in sorted(operand.words)], text)
            )
        case Kind.PARTY:
            return _named(inner, PARTICIPANT_PREFIX)
        case _:
            return text if _NAME.match(text) else wrong(place.where, "names of letters, digits and underscores")


def _decimal(place: Place) -> Decimal:
    number = place.decimal()
    return number if number >= 0 else wrong(place.where, "a decimal of 0 or more")


def _iri(place: Place) -> str:
    text = place.text()
    return text if _IRI.match(text) else wrong(place.where, "an IRI, such as urn:rule:statistics")


def _named(place: Place, prefix: str) -> str:
    """An IRI; one of ours loses its prefix, so that it equals the id used everywhere else."""
    name = _iri(place).removeprefix(prefix)
    if name != place.value and (not name or ":" in name):
        wrong(place.where, f"{prefix} and an id")
    return name


def _full(name: str, prefix: str) -> str:
    return name if ":" in name else prefix + name


def _bare(place: Place, operand: Operand) -> NoReturn:
    if operand.kind in _LITERALS:
        example = f'{{"@value": "{_LITERALS[operand.kind]}", "@type": "{operand.kind.value}"}}'
    else:
        example = '{"@id": "' + {Kind.PURPOSE: "dpv:ScientificResearch"}.get(operand.kind, "hefu:…") + '"}'
    raise Malformed("policy.bare_value", where=place.where, example=example)


def _unknown(place: Place, known: Iterable[str], text: str = "") -> NoReturn:
    term = (text or str(place.value))[:60]
    raise Malformed("policy.unknown", where=place.where, term=term, known=", ".join(sorted(known)))


def _dump_rule(rule: Rule | Duty) -> Object:
    body: Object = {"action": rule.action}
    if rule.named:
        body["@id"] = rule.id
    if rule.constraints:
        body["constraint"] = [_dump_constraint(each) for each in rule.constraints if isinstance(each, Constraint)]
    if isinstance(rule, Rule) and rule.duties:
        body["duty"] = [_dump_duty(each) for each in rule.duties]
    return body


def _dump_duty(duty: Duty) -> Object:
    return _dump_rule(duty)


def _dump_constraint(constraint: Constraint) -> Object:
    right: list[Json] = [_dump_value(text, constraint.operand.kind) for text in constraint.written]
    body: Object = {
        "leftOperand": constraint.operand.term,
        "operator": constraint.operator.value,
        "rightOperand": right if constraint.operator in SET_OPERATORS else right[0],
    }
    return body | ({"@id": constraint.id} if constraint.named else {})


def _dump_value(text: str, kind: Kind) -> Json:
    if kind is Kind.NAMES:
        return text
    return {"@value": text, "@type": kind.value} if kind in _LITERALS else {"@id": text}
