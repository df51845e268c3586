"""Constraints and rules of a policy as those of a digital contract, and back.

A constraint stands in the standard's words if reading them gives the same constraint again; else it stands whole in
``expansionItem``. So nothing is lost, and nothing is said in the standard's words that is not meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed

from hefu_policies.odrl import values
from hefu_policies.reading import Place, wrong
from hefu_policies.tc609 import identifiers
from hefu_policies.tc609.words import (
    ACTIONS,
    CODES,
    COMPUTE,
    CONSTRAINTS,
    EXPANSION,
    OPERATORS,
    RIGHT_SPELLING,
)  # fmt: skip
from hefu_policies.words.terms import CURRENCY, OPERANDS

_OPERATORS = {code: word for word, code in OPERATORS.items()}
_ACTIONS = {name: term for term, name in ACTIONS.items()}
_NAMES = {term: name for name, term in CONSTRAINTS.items() if name != "application"}
_SEVERAL = frozenset({"isAnyOf", "isNoneOf", "isAllOf", "hasPart", "isPartOf"})
_LISTED = frozenset({"isA", "eq"})  # with a list they are found in the wild, and mean: one of
_LOGIC = "01"
# The longest that the standard gives to a value.
_LONGEST = {"networkAddress": 45, "physicalAddress": 20, "region": 10, "valueExpression": 128}


def write_constraint(constraint: Object) -> Object:
    """A constraint of a policy, in JSON and without its name, in the words of the standard or whole."""
    found = _in_words(constraint)
    if found is not None and _read_again(found) == constraint:
        return found
    code = OPERATORS.get(str(constraint.get("operator")), _LOGIC)
    return {"constraintName": EXPANSION, "constraintOperator": code, "constraintValue": constraint}


def read_constraint(place: Place) -> Object:
    """What `write_constraint` wrote, or another platform.

    Raises:
        Malformed: it means nothing here, with its place and what to write instead.
    """
    found = place.members(("constraintName", "constraintOperator", "constraintValue"))
    name = found["constraintName"].text()
    if name == EXPANSION:
        return dict(found["constraintValue"].object())
    name = RIGHT_SPELLING.get(name, name)
    if name not in CONSTRAINTS:
        raise Malformed("tc609.unknown", where=found["constraintName"].where, known=", ".join(CONSTRAINTS))
    return _out_of_words(name, _operator(found["constraintOperator"]), found["constraintValue"])


def write_action(action: str) -> str:
    """An action in the words of the standard; ``expansionItem`` where it has none."""
    return ACTIONS.get(action, EXPANSION)


def read_action(place: Place, compute: str) -> str:
    """An action of ours.

    Args:
        compute: what ``compute`` shall be: a policy permits single computations only. Empty where nobody said it.

    Raises:
        Malformed: no action of the standard, or ``compute`` where nobody said which one.
    """
    name = place.text()
    name = RIGHT_SPELLING.get(name, name)
    if name not in _ACTIONS:
        raise Malformed("tc609.unknown", where=place.where, known=", ".join(_ACTIONS))
    return compute if name == COMPUTE and compute else _ACTIONS[name]


def _operator(place: Place) -> str:
    text = place.text(4)
    word = _OPERATORS.get(text, text if text in OPERATORS else "")
    return word or wrong(place.where, "a code from 01 to 12")


def _in_words(constraint: Object) -> Object | None:
    name = _NAMES.get(str(constraint.get("leftOperand")))
    if name is None:
        return None
    right = constraint["rightOperand"]
    items = right if isinstance(right, list) else [right]
    found = [_write_value(name, values_text(each), constraint) for each in items]
    if None in found:
        return None
    value: Json = [str(each) for each in found] if isinstance(right, list) else found[0]
    code = OPERATORS[str(constraint["operator"])]
    return {"constraintName": name, "constraintOperator": code, "constraintValue": value}


def _read_again(found: Object) -> Object | None:
    try:
        return read_constraint(Place(found, "constraint"))
    except Malformed:
        return None


def _out_of_words(name: str, operator: str, value: Place) -> Object:
    operand = OPERANDS[CONSTRAINTS[name]]
    listed = isinstance(value.value, list)
    if listed and operator in _LISTED:
        operator = next((each.value for each in operand.operators if each in ("isPartOf", "isAnyOf")), operator)
    items = value.items(1) if listed else [value]
    right: list[Json] = [values.write(_read_value(name, each), operand.kind) for each in items]
    several = listed or operator in _SEVERAL
    found: Object = {
        "leftOperand": operand.term,
        "operator": operator,
        "rightOperand": right if several else right[0],
    }
    return found | _unit(name, items[0])


def _unit(name: str, value: Place) -> Object:
    if name == "payAmount":
        return {"unit": CURRENCY + value.text().rpartition(" ")[2]}
    return wrong(value.where, "a number and its window, under expansionItem") if name == "frequency" else {}


def values_text(value: Json) -> str:
    """The text of a right operand, whichever form it has."""
    found = value.get("@id", value.get("@value")) if isinstance(value, dict) else value
    return str(found)


def _write_value(name: str, text: str, constraint: Object) -> str | None:
    if name == "payAmount":
        text = f"{text} {str(constraint.get('unit')).removeprefix(CURRENCY)}"
    written = _WRITE.get(name, _same)(text)
    return written if written is not None and len(written) <= _LONGEST.get(name, 1024) else None


def _read_value(name: str, place: Place) -> str:
    if isinstance(place.value, int) and not isinstance(place.value, bool):
        place = Place(str(place.value), place.where)
    text = place.text(1024)
    if name == "time":
        return identifiers.read_time(text, place.where)
    if name == "payAmount":
        return text.rpartition(" ")[0]
    if name == "region":
        return _read_region(text)
    codes = {code: word for word, code in CODES.get(name, {}).items()}
    return codes.get(text) or wrong(place.where, "one of " + ", ".join(codes)) if codes else text


def _same(text: str) -> str:
    return text


def _write_moment(text: str) -> str | None:
    from hefu.times import read_time

    return identifiers.write_time(read_time(text))


def _write_region(text: str) -> str | None:
    digits = text.removeprefix("CN-")
    return digits.ljust(6, "0") if digits.isdigit() and not digits.endswith("00") else None


def _read_region(text: str) -> str:
    """Six digits of GB/T 2260, of which pairs of zeros at the end are left out."""
    while len(text) > 2 and text.endswith("00"):
        text = text[:-2]
    return f"CN-{text}"


def _coded(name: str) -> Callable[[str], str | None]:
    return CODES[name].get


_WRITE: Mapping[str, Callable[[str], str | None]] = {
    "time": _write_moment,
    "region": _write_region,
    **{name: _coded(name) for name in CODES},
}


def text_of(value: Json) -> str:
    """A part of a policy as a text, for the places where the standard has texts only."""
    return canonical.encode(value).decode()
