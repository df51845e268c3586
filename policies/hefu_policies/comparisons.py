"""The operators: closures that compare a fact with the values of a constraint.

Each answers True, False or None; None is Unknown: the fact is of another type, or its value is not one the vocabulary
knows. Nothing is cast: an integer may stand for a decimal, and that is all.

Source: ODRL 2.2 vocabulary, section on operators; where it is silent, docs/decisions/2026-11-21-policy-semantics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any, TypeGuard

from hefu_policies.purposes import LINEAGE
from hefu_policies.rules import Value
from hefu_policies.terms import PARTICIPANT_PREFIX, Kind, Operand, Operator, Vocabulary

TERM_PREFIX = "hefu:"
LONGEST = 200  # characters of a name in a fact; a longer one is Unknown
_UTC = timedelta(0)

Values = tuple[Value, ...]
Test = Callable[[object], bool | None]


def comparison(operand: Operand, operator: Operator, values: Values, vocabulary: Vocabulary) -> Test:
    """The closure of a constraint."""
    return _TESTS[operand.kind](operand, operator, values)


def is_names(value: object) -> TypeGuard[Collection[str]]:
    """Whether a fact is a set of names: a collection of texts, and not one text."""
    if not isinstance(value, (frozenset, set, tuple, list)):
        return False
    for each in value:  # noqa: SIM110 (a plain loop is faster, and this is asked in every decision)
        if type(each) is not str or not 0 < len(each) <= LONGEST:
            return False
    return True


_ORDER: dict[Operator, Callable[[Any, Any], Any]] = {
    Operator.LT: lt,
    Operator.LTEQ: le,
    Operator.GT: gt,
    Operator.GTEQ: ge,
}


def _decimal_test(operand: Operand, operator: Operator, values: Values) -> Test:
    compare, limit = _ORDER[operator], values[0]

    def test(value: object) -> bool | None:
        if type(value) is int or (type(value) is Decimal and value.is_finite()):
            return bool(compare(value, limit))
        return None

    return test


def _integer_test(operand: Operand, operator: Operator, values: Values) -> Test:
    compare, limit = _ORDER[operator], values[0]
    return lambda value: bool(compare(value, limit)) if type(value) is int else None


def _time_test(operand: Operand, operator: Operator, values: Values) -> Test:
    compare, limit = _ORDER[operator], values[0]

    def test(value: object) -> bool | None:
        # utcoffset() is None without a zone: a time of no zone is no instant. Whole seconds, as records write them.
        if type(value) is datetime and value.utcoffset() == _UTC:
            return bool(compare(value.replace(microsecond=0) if value.microsecond else value, limit))
        return None

    return test


def _duration_test(operand: Operand, operator: Operator, values: Values) -> Test:
    compare, limit = _ORDER[operator], values[0]
    return lambda value: bool(compare(value, limit)) if type(value) is timedelta else None


def _purpose_test(operand: Operand, operator: Operator, values: Values) -> Test:
    # A purpose counts as each of its broader ones, for every operator: "none of" must not be escaped by being narrower.
    allowed = frozenset(map(str, values))
    wanted = operator is not Operator.IS_NONE_OF

    def test(value: object) -> bool | None:
        lineage = LINEAGE.get(value) if type(value) is str else None
        return None if lineage is None else allowed.isdisjoint(lineage) is not wanted

    return test


def _concept_test(operand: Operand, operator: Operator, values: Values) -> Test:
    allowed, words = frozenset(values), operand.words

    def test(value: object) -> bool | None:
        if type(value) is not str:
            return None
        word = value if value in words else value.removeprefix(TERM_PREFIX)
        return word in allowed if word in words else None

    return test


def _party_test(operand: Operand, operator: Operator, values: Values) -> Test:
    allowed = frozenset(values)

    def test(value: object) -> bool | None:
        known = type(value) is str and 0 < len(value) <= LONGEST
        return str(value).removeprefix(PARTICIPANT_PREFIX) in allowed if known else None

    return test


def _names_test(operand: Operand, operator: Operator, values: Values) -> Test:
    named = frozenset(map(str, values))
    inside = operator is Operator.IS_PART_OF

    def test(value: object) -> bool | None:
        if not is_names(value):
            return None
        return named.issuperset(value) if inside else named.isdisjoint(value)

    return test


_TESTS: dict[Kind, Callable[[Operand, Operator, Values], Test]] = {
    Kind.DECIMAL: _decimal_test,
    Kind.INTEGER: _integer_test,
    Kind.TIME: _time_test,
    Kind.DURATION: _duration_test,
    Kind.PURPOSE: _purpose_test,
    Kind.CONCEPT: _concept_test,
    Kind.PARTY: _party_test,
    Kind.NAMES: _names_test,
}
