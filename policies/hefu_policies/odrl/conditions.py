"""Constraints, refinements and the parties of a duty in plain ODRL, as constraints of the strict form."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from hefu.canonical import Json, Object
from hefu.times import write_time

from hefu_policies.odrl.contexts import compact
from hefu_policies.odrl.nodes import Node, literal
from hefu_policies.odrl.values import Form, form_of, unknown, write
from hefu_policies.reading import Place, wrong
from hefu_policies.words.terms import CURRENCY, OPERANDS, SET_OPERATORS, Combine, Kind, Operand, Operator

# Who is informed, paid, asked or named: in the profile it is the recipient of the duty.
PARTIES: Final = {
    "odrl:inform": "odrl:informedParty", "hefu:notifyDeny": "odrl:informedParty",
    "odrl:compensate": "odrl:compensatedParty", "odrl:obtainConsent": "odrl:consentingParty",
    "hefu:obtainApproval": "odrl:consentingParty", "odrl:attribute": "odrl:attributedParty",
}  # fmt: skip
_LOGICAL = {f"odrl:{each.value}": each.value for each in Combine}
_ATOMIC = ("odrl:leftOperand", "odrl:operator", "odrl:rightOperand", "odrl:unit")
_TYPES = ("odrl:Constraint", "odrl:LogicalConstraint")
_WHOLE = frozenset({"xsd:integer", "xsd:int", "xsd:long", "xsd:nonNegativeInteger", "xsd:positiveInteger"})
_SAME: Final[dict[Kind, frozenset[str]]] = {
    Kind.INTEGER: _WHOLE,
    Kind.DECIMAL: _WHOLE | {"xsd:decimal"},
    Kind.TIME: frozenset({"xsd:dateTime", "xsd:dateTimeStamp"}),
    Kind.DURATION: frozenset({"xsd:duration", "xsd:dayTimeDuration"}),
}
_REGIONS = re.compile(r"urn:iso:(?:std:iso:)?3166:(?:-[12]:)?(?=[A-Z]{2})")
# What currencies are called elsewhere.
_CURRENCIES = {
    "http://dbpedia.org/resource/Euro": "EUR", "http://dbpedia.org/resource/Renminbi": "CNY",
    "http://dbpedia.org/resource/United_States_dollar": "USD", "http://cvx.iptc.org/iso4217a/EUR": "EUR",
    "http://cvx.iptc.org/iso4217a/CNY": "CNY", "http://cvx.iptc.org/iso4217a/USD": "USD",
}  # fmt: skip


def condition(node: Node) -> Object:
    """A constraint or a logical one; references to constraints elsewhere are refused.

    Raises:
        Malformed: what the strict form cannot say.
    """
    words = [name for name in _LOGICAL if name in node.members]
    if words:
        node.allow(words[:1], _TYPES)
        parts: list[Json] = [condition(each) for each in node.nodes(words[0])]
        return _named(node, {_LOGICAL[words[0]]: parts})
    node.allow(_ATOMIC, _TYPES)
    if not set(_ATOMIC) & set(node.members):
        wrong(node.where, "the constraint itself: a reference is not followed")
    left = node.reference("odrl:leftOperand")
    operand = OPERANDS.get(left)
    if operand is None:
        unknown(Place(left, node.at("odrl:leftOperand")), OPERANDS)
    where = node.at("odrl:rightOperand")
    right: list[Json] = [_right(each, operand, where) for each in node.values("odrl:rightOperand")]
    operator = _operator(node.reference("odrl:operator").removeprefix("odrl:"), operand, len(right))
    if operator not in SET_OPERATORS and len(right) != 1:
        wrong(where, f"one value for {operator}; several with isAnyOf, isNoneOf, isAllOf, hasPart or isPartOf")
    body: Object = {
        "leftOperand": left,
        "operator": operator,
        "rightOperand": right if operator in SET_OPERATORS else right[0],
    }
    return _named(node, body | _unit(node, operand))


def recipient(party: str) -> Object:
    """Who a duty is performed towards, as a constraint."""
    return {"leftOperand": "odrl:recipient", "operator": "eq", "rightOperand": {"@id": party}}


def _operator(word: str, operand: Operand, values: int) -> str:
    """``isA`` of a list, as Chinese digital contracts write it, asks whether what is used is in the list."""
    if word != Operator.IS_A or values == 1:
        return word
    return (Operator.IS_PART_OF if Operator.IS_PART_OF in operand.operators else Operator.IS_ANY_OF).value


def _named(node: Node, body: Object) -> Object:
    return {"@id": node.id, **body} if node.id else body


def _right(value: Json, operand: Operand, where: str) -> Json:
    form, kind = form_of(operand.kind), operand.kind
    if isinstance(value, dict) and "@id" in value:
        name = compact(str(value["@id"]))
        if kind is Kind.REGION:
            return _REGIONS.sub("", name)
        if form is not Form.NAME:
            wrong(where, f"a literal of {kind.value}")
        return write(name, kind)
    content, datatype = literal(value, where)
    wanted = frozenset({"xsd:string"}) if form is Form.TEXT else _SAME.get(kind, frozenset({kind.value}))
    if form is Form.NAME or datatype not in wanted:
        wrong(where, 'an IRI, as {"@id": …}' if form is Form.NAME else f"a literal of {kind.value}")
    return write(_spelled(content, kind), kind)


def _spelled(content: str | int | bool, kind: Kind) -> str:
    """A literal in our spelling: an instant in UTC and whole seconds, numbers and truth values as texts."""
    if isinstance(content, bool):
        return "true" if content else "false"
    if kind is Kind.BOOLEAN:
        return {"1": "true", "0": "false"}.get(str(content), str(content))
    return instant(content) if kind is Kind.TIME and isinstance(content, str) else str(content)


def instant(text: str) -> str:
    """An instant in UTC, where it is one in whole seconds with a zone; else the text as it was, to be refused."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    if time.tzinfo is None or time.microsecond:
        return text
    return write_time(time.astimezone(UTC))


def _unit(node: Node, operand: Operand) -> Object:
    units = node.values("odrl:unit")
    if not units:
        return {}
    first = units[0]
    # The W3C's context makes a text of it.
    text = str(first["@value"]) if isinstance(first, dict) and "@value" in first else node.reference("odrl:unit")
    if operand.unit == CURRENCY and text in _CURRENCIES:
        text = CURRENCY + _CURRENCIES[text]
    return {"unit": text} if len(units) == 1 else wrong(node.at("odrl:unit"), "one unit")
