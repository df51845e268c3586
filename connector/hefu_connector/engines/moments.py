"""Means, variances and standard deviations from noised sums, squares and counts, with conservative intervals.

Every part lies within its own interval together with the others (the union bound), and then the answer lies within
what these allow. Nothing is told where the noised count is too small to divide by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import isqrt

from hefu_connector.computing.steps import Lowered
from hefu_connector.engines.noise import CONFIDENCE
from hefu_connector.engines.noised import ABSENT, Cell, Figures, cell, finer

_DIGITS = 10**30  # a root is worked out to so many parts of one


def mean(parts: Sequence[Figures], index: int) -> Cell:
    """The ratio of a noised sum to a noised count, moved into the bounds, and how far off it may be."""
    total, count = parts
    off_sum, off_count = (each.off(_together(2)) for each in parts)
    numbers = Figure(total.values[index], off_sum), Figure(count.values[index], off_count)
    return quotient(*numbers, total.about, total.measure.centre)


@dataclass(frozen=True, slots=True)
class Figure:
    """A whole number, and how far the true one may be from it."""

    value: int
    off: int


def quotient(total: Figure, count: Figure, number: Lowered, centre: int = 0) -> Cell:
    """The ratio of a sum of distances from a centre to a count, moved into the bounds of the number."""
    if count.value < 1:
        return ABSENT
    low, high = number.least * number.step, number.most * number.step

    def ratio(numerator: int, denominator: int) -> Fraction:
        return min(high, max(low, (centre + Fraction(numerator, denominator)) * number.step))

    ends = [low, high]
    if count.value - count.off >= 1:
        counts = (count.value - count.off, count.value + count.off)
        sums = (total.value - total.off, total.value + total.off)
        ends = [ratio(numerator, each) for numerator in sums for each in counts]
    return cell(ratio(total.value, count.value), (min(ends), max(ends)), finer(number.step))


def variance(parts: Sequence[Figures], index: int) -> Cell:
    """The variance of a sample: (Σd²/n - (Σd/n)²) · n/(n-1), with d the distances from a centre.

    Source: for the shift by a centre, Chan, Golub, LeVeque 1983, "Algorithms for Computing the Sample Variance".
    """
    found = _variance(parts, index)
    if found is None:
        return ABSENT
    value, ends = found
    step = parts[0].about.step
    return cell(value * step**2, (ends[0] * step**2, ends[1] * step**2), finer(step**2))


def stddev(parts: Sequence[Figures], index: int) -> Cell:
    """The root of the variance of a sample."""
    found = _variance(parts, index)
    if found is None:
        return ABSENT
    value, ends = found
    step = parts[0].about.step
    return cell(_root(value) * step, (_root(ends[0]) * step, _root(ends[1]) * step), finer(step))


def _variance(parts: Sequence[Figures], index: int) -> tuple[Fraction, tuple[Fraction, Fraction]] | None:
    """In squared steps: the variance, and the ends of its interval."""
    total, squares, count = parts
    tally = count.values[index]
    if tally < 2:
        return None
    span = total.about.most - total.about.least
    largest = Fraction(span**2, 4)  # of all numbers between two bounds (Popoviciu 1935)

    def spread(sum_: int, square: int, n: int) -> Fraction:
        inner = squares.measure.less + Fraction(square, n) - Fraction(sum_, n) ** 2
        return min(largest, max(Fraction(0), inner)) * Fraction(n, n - 1)

    value = spread(total.values[index], squares.values[index], tally)
    offs = [each.off(_together(3)) for each in parts]
    if tally - offs[2] < 2:
        return value, (Fraction(0), 2 * largest)
    counts = (tally - offs[2], tally + offs[2])
    low, high = _inner(total.values[index], squares.values[index], offs, counts)
    less = squares.measure.less
    ends = [min(largest, max(Fraction(0), less + each)) for each in (low, high)]
    return value, (ends[0] * Fraction(counts[1], counts[1] - 1), ends[1] * Fraction(counts[0], counts[0] - 1))


def _inner(sum_: int, square: int, offs: Sequence[int], counts: tuple[int, int]) -> tuple[Fraction, Fraction]:
    """What Σ/n - (Σd/n)² may be at least and at most, each of its terms taken at its worst."""
    means = [Fraction(sum_ + sign * offs[0], n) for sign, n in product((-1, 1), counts)]
    squared = [each**2 for each in means]
    least = Fraction(0) if min(means) <= 0 <= max(means) else min(squared)
    ratios = [Fraction(square + sign * offs[1], n) for sign, n in product((-1, 1), counts)]
    return min(ratios) - max(squared), max(ratios) - least


def _root(number: Fraction) -> Fraction:
    return Fraction(isqrt(number.numerator * _DIGITS**2 // number.denominator), _DIGITS)


def _together(parts: int) -> float:
    """The confidence of each of some intervals, so that all hold together with that of an answer."""
    return 1 - (1 - CONFIDENCE) / parts


RATIOS: dict[str, Callable[[Sequence[Figures], int], Cell]] = {"mean": mean, "variance": variance, "stddev": stddev}
