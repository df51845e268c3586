"""Comparisons of values that have an order: numbers, times, durations, levels.

Nothing is cast: an integer may stand for a decimal, and that is all. Times and durations count in whole seconds, as
records write them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeVar

from hefu_policies.deciding.rules import Value
from hefu_policies.reading import wrong
from hefu_policies.words.terms import Kind, Operand, Operator

TERM_PREFIX = "hefu:"
_NOTHING = timedelta(0)

Values = tuple[Value, ...]
_Form = TypeVar("_Form")
Test = Callable[[object], bool | None]


ORDER: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: eq,
    Operator.NEQ: ne,
    Operator.LT: lt,
    Operator.LTEQ: le,
    Operator.GT: gt,
    Operator.GTEQ: ge,
}
_MEMBERS: dict[Operator, Callable[[Any, Any], Any]] = {
    Operator.IS_ANY_OF: lambda value, right: value in right,
    Operator.IS_NONE_OF: lambda value, right: value not in right,
}


def ordered(operand: Operand, operator: Operator, values: Values) -> Test:
    """The closure of a constraint on such a kind."""
    compare = ORDER.get(operator)
    normal = ORDERED[operand.kind]
    if operand.kind is Kind.LEVEL:
        levels = {word: place for place, word in enumerate(operand.levels)}
        return _level_test(levels, operator, values)
    if compare is None:
        return _listed_test(normal, operator, frozenset(values))
    limit = values[0]
    if operand.kind is Kind.DECIMAL:
        return _decimal_test(compare, limit)
    if operand.kind is Kind.INTEGER:
        return lambda value: compare(value, limit) if type(value) is int else None

    def test(value: object) -> bool | None:
        known = normal(value)
        return None if known is None else compare(known, limit)

    return test


def _decimal_test(compare: Callable[[Any, Any], bool], limit: Value) -> Test:
    def test(value: object) -> bool | None:
        if type(value) is int or (type(value) is Decimal and value.is_finite()):
            return compare(value, limit)
        return None

    return test


def _listed_test(normal: Callable[[object], Any], operator: Operator, right: frozenset[Any]) -> Test:
    member = fitting(_MEMBERS, operator)

    def test(value: object) -> bool | None:
        known = normal(value)
        return None if known is None else bool(member(known, right))

    return test


def _level_test(levels: Mapping[str, int], operator: Operator, values: Values) -> Test:
    def place(value: object) -> int | None:
        return levels.get(value.removeprefix(TERM_PREFIX)) if type(value) is str else None

    right = [levels[str(each)] for each in values]
    compare = ORDER.get(operator)
    if compare is None:
        return _listed_test(place, operator, frozenset(right))
    return lambda value: None if (known := place(value)) is None else bool(compare(known, right[0]))


def _decimal(value: object) -> Decimal | int | None:
    return value if type(value) is int or (type(value) is Decimal and value.is_finite()) else None


def _integer(value: object) -> int | None:
    return value if type(value) is int else None


def time_of(value: object) -> datetime | None:
    """An instant in whole seconds."""
    # utcoffset() is None without a zone: a time of no zone is no instant. Whole seconds, as records write them.
    if type(value) is datetime and (value.tzinfo is UTC or value.utcoffset() == _NOTHING):
        return value.replace(microsecond=0) if value.microsecond else value
    return None


def _duration(value: object) -> timedelta | None:
    # Whole seconds, as records write them.
    if type(value) is timedelta and value >= _NOTHING:
        return timedelta(days=value.days, seconds=value.seconds) if value.microseconds else value
    return None


ORDERED: dict[Kind, Callable[[object], Any]] = {
    Kind.DECIMAL: _decimal,
    Kind.INTEGER: _integer,
    Kind.TIME: time_of,
    Kind.DURATION: _duration,
    Kind.LEVEL: lambda value: value,
}


def fitting(table: Mapping[Operator, _Form], operator: Operator) -> _Form:
    """What a table says of an operator.

    Raises:
        Malformed: nothing: it makes no sense here.
    """
    return table.get(operator) or wrong("operator", "one of " + ", ".join(table))
