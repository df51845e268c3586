"""A slow reading of expressions in exact fractions, row by row: what the whole numbers of every engine must mean.

It shares no code with `hefu_connector.computing.steps`: no common steps, no bounds, no integer division.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import floor, isfinite
from typing import Any

from hefu_connector.computing import expressions as e
from hefu_connector.computing import predicates as p
from hefu_policies.goods.resource import Column

Row = Mapping[str, Any]
Found = Fraction | None


def away(number: Fraction) -> int:
    """The nearest whole number, halves away from zero."""
    return floor(abs(number) + Fraction(1, 2)) * (1 if number >= 0 else -1)


def stored(column: Column, value: Any) -> Found:
    """A value of a column as it is computed with."""
    assert column.bounds is not None
    if value is None or value != value or abs(value) == float("inf"):
        return None
    low, high, step = (Fraction(each) for each in (column.bounds.lower, column.bounds.upper, column.bounds.granularity))
    return away(min(high, max(low, Fraction(value))) / step) * step


class Slow:
    """Computes numbers and conditions of one row."""

    def __init__(self, columns: tuple[Column, ...], row: Row) -> None:
        self.columns = {each.name: each for each in columns}
        self.row = row

    def number(self, expression: e.Expression) -> Found:
        match expression:
            case e.Column(name):
                return stored(self.columns[name], self.row.get(name))
            case e.Number(value):
                return Fraction(value)
            case e.Arithmetic(operator, left, right):
                return self.arithmetic(operator, self.number(left), self.number(right))
            case e.Function(name, item):
                found = self.number(item)
                of = {"negate": lambda x: -x, "absolute": abs, "floor": lambda x: Fraction(floor(x))}
                return None if found is None else of[name](found)
            case e.Round(item, digits):
                found, step = self.number(item), Fraction(10) ** -digits
                if found is None:
                    return None
                return found if (found / step).denominator == 1 else away(found / step) * step
            case e.Clamp(item, low, high):
                found = self.number(item)
                return None if found is None else min(Fraction(high), max(Fraction(low), found))
            case e.Case(whens, otherwise):
                for each in whens:
                    if self.holds(each.condition):
                        return self.number(each.then)
                return None if otherwise is None else self.number(otherwise)
            case e.Part(part, column):
                value = self.row.get(column)
                if value is None:
                    return None
                of = {"quarter": lambda: (value.month + 2) // 3, "weekday": value.isoweekday}
                return Fraction(of[part]() if part in of else getattr(value, part))

    def arithmetic(self, operator: str, left: Found, right: Found) -> Found:
        if left is None or right is None or (operator == "divide" and right == 0):
            return None
        if operator == "divide":
            return left / right
        return {"add": left + right, "subtract": left - right, "multiply": left * right}[operator]

    def there(self, column: str) -> Any:
        """A value as it stands, if it is one."""
        found = self.row.get(column)
        return None if isinstance(found, float) and not isfinite(found) else found

    def holds(self, predicate: p.Predicate) -> bool | None:
        match predicate:
            case p.Not(item):
                found = self.holds(item)
                return None if found is None else not found
            case p.All(items):
                found = [self.holds(each) for each in items]
                return False if False in found else None if None in found else True
            case p.Any(items):
                found = [self.holds(each) for each in items]
                return True if True in found else None if None in found else False
            case p.Relation(left, operator, right):
                return compare(self.number(e.of(left)), operator, self.number(e.of(right)))
            case p.IsNull(column):
                return self.there(column) is None
            case p.Compare(column, operator, value):
                text = value.text if value.type == "text" else Fraction(Decimal(value.text))
                found = self.there(column)
                return compare(found if found is None or value.type == "text" else Fraction(found), operator, text)
        raise AssertionError(predicate)


def compare(left: Any, operator: str, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    return {
        "=": left == right, "!=": left != right, "<": left < right,
        "<=": left <= right, ">": left > right, ">=": left >= right,
    }[operator]  # fmt: skip
