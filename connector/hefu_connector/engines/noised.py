"""A noised measure as answers are read from it: its numbers, what its noise was, and what they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Protocol

from hefu_policies.reading import write_decimal

from hefu_connector.computing.steps import Grid, Lowered, decimal, lower
from hefu_connector.engines.noise import Noise
from hefu_connector.engines.shape import PRESENT, SQUARES, SUM, Measure

EXACT = Context(prec=200)
Cell = tuple[str | None, str | None]  # value and half width
ABSENT: Cell = (None, None)
_FINER = 10_000  # parts of a granularity to which means and the like are told
_FINEST = Fraction(1, 10**20)


class Figures(Protocol):
    """Noised numbers that a ratio is read from: a measure of one release, or such measures of several added up."""

    @property
    def values(self) -> tuple[int, ...]:
        """By cell."""
        ...

    @property
    def measure(self) -> Measure:
        """What was measured: its centre, and what its squares are less."""
        ...

    @property
    def about(self) -> Lowered:
        """What it is about, in whole numbers; only where it is about a number."""
        ...

    @property
    def noises(self) -> tuple[tuple[str, float], ...]:
        """Mechanism and scale of each noise in a number."""
        ...

    def off(self, confidence: float) -> int:
        """How far noise moves one number at most, with this probability."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One noised measure.

    Attributes:
        values: by cell, and within a cell by bin.
        noise: what was drawn for it.
        number: what it is about in whole numbers; None for rows, units and present values.
    """

    values: tuple[int, ...]
    noise: Noise
    measure: Measure
    number: Lowered | None

    def off(self, confidence: float) -> int:
        """How far noise moves one number at most, with this probability."""
        return self.noise.half_width(confidence)

    @property
    def noises(self) -> tuple[tuple[str, float], ...]:
        """Mechanism and scale of its noise."""
        return ((self.noise.mechanism, self.noise.scale),)

    @property
    def about(self) -> Lowered:
        """What it is about, in whole numbers; only where it is about a number."""
        assert self.number is not None  # noqa: S101 - measures of numbers are read with them
        return self.number


def lowered(measure: Measure, grids: Mapping[str, Grid]) -> Lowered | None:
    """The number of a measure; None for counts."""
    return None if measure.number is None or measure.kind == PRESENT else lower(measure.number, grids)


def step_of(measure: Measure, grids: Mapping[str, Grid]) -> Decimal:
    """What one whole number of a measure stands for, in the unit of its column."""
    number = lowered(measure, grids)
    if number is None or measure.kind not in (SUM, SQUARES):
        return Decimal(1)
    return decimal(number.step**2 if measure.kind == SQUARES else number.step)


def finer(step: Fraction) -> Fraction:
    """The grid on which a number between the steps is told."""
    return max(step / _FINER, _FINEST)


def cell(value: Fraction, ends: tuple[Fraction, Fraction], unit: Fraction) -> Cell:
    """A value on a grid, and a half width that reaches both ends of its interval from there."""
    told = Fraction(round(value / unit)) * unit
    width = max(abs(end - told) for end in ends)
    return write(told), write(_up(width, unit))


def write(number: Fraction) -> str:
    """A fraction as decimal text, exactly."""
    return write_decimal(decimal(number))


def _up(number: Fraction, unit: Fraction) -> Fraction:
    steps = number / unit
    return Fraction(-(-steps.numerator // steps.denominator)) * unit
