"""Features that follow from columns that people have: a class of a scorecard, a product of a small polynomial.

What a feature is stands in its unit, which is signed and public, so that consumers need nothing else:
``1 if age < 25``, ``1 if 25 <= age < 60``, ``1 if home = rent``, ``age * income``. It is computed where the
records are, before they are encrypted; under encryption nothing is multiplied or compared.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST = 40  # letters of a unit
MOST_FACTORS = 3
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,62}"
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_BETWEEN = re.compile(rf"1 if (?:({_NUMBER}) <= )?({_NAME})(?: < ({_NUMBER}))?\Z")
_EQUALS = re.compile(rf"1 if ({_NAME}) = (\S.*)\Z")
_PRODUCT = re.compile(rf"{_NAME}(?: \* {_NAME}){{1,{MOST_FACTORS - 1}}}\Z")

Cell = str | float


@dataclass(frozen=True, slots=True)
class Formula:
    """How a feature follows from columns.

    Attributes:
        columns: one of a class, the factors of a product.
        least, below: of a class of numbers; infinite where it is open.
        value: of a class of texts; None of any other.
    """

    columns: tuple[str, ...]
    least: float = -math.inf
    below: float = math.inf
    value: str | None = None

    @property
    def is_class(self) -> bool:
        """Whether it is 1 in a class and 0 elsewhere."""
        return len(self.columns) == 1

    def of(self, given: Sequence[Sequence[Cell]]) -> array[float]:
        """The feature's values, of the columns' in their order; NaN where one is missing or no number."""
        if self.value is not None:
            return array("d", (_is(each, self.value) for each in given[0]))
        if self.is_class:
            return array("d", (self._holds(_number(each)) for each in given[0]))
        return array("d", (math.prod(map(_number, row)) for row in zip(*given, strict=False)))

    def _holds(self, number: float) -> float:
        return number if math.isnan(number) else float(self.least <= number < self.below)


def between(name: str, least: str, below: str) -> str:
    """The unit of a class of numbers; empty ends are open."""
    return "1 if " + (f"{least} <= " if least else "") + name + (f" < {below}" if below else "")


def equals(name: str, value: str) -> str:
    """The unit of a class of texts."""
    return f"1 if {name} = {value}"


def product(names: Sequence[str]) -> str:
    """The unit of a product."""
    return " * ".join(names)


def formula(unit: str) -> Formula | None:
    """What a unit says of how its feature follows from columns; None where it is a unit of measure."""
    if found := _BETWEEN.match(unit):
        least, name, below = found.groups()
        return Formula((name,), float(least or -math.inf), float(below or math.inf))
    if found := _EQUALS.match(unit):
        return Formula((found[1],), value=found[2])
    return Formula(tuple(unit.split(" * "))) if _PRODUCT.match(unit) else None


def one_each(classes: Sequence[array[float]]) -> None:
    """Make the classes of one column missing in every record that is in none of them, or in several."""
    for at, values in enumerate(zip(*classes, strict=True)):
        if sum(values) != 1:
            for each in classes:
                each[at] = math.nan


def _is(cell: Cell, value: str) -> float:
    text = str(cell).strip()
    return float(text == value) if text and text != "nan" else math.nan


def _number(cell: Cell) -> float:
    try:
        return math.nan if isinstance(cell, str) and "_" in cell else float(cell)
    except (TypeError, ValueError):
        return math.nan
