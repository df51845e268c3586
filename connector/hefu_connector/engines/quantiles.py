"""Quantiles and modes from noised counts over a public grid of candidates, with conservative intervals.

Everything here is post-processing of noised counts. The noise of a sum of counts is bounded by Chernoff's method with
the moment generating function of the noise.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from math import expm1, inf, log, pi, sqrt

from hefu_connector.engines.noise import CONFIDENCE, DISCRETE_GAUSSIAN
from hefu_connector.engines.noised import ABSENT, Cell, Figures, cell

_CHOICE = 0.25  # of the loss of a quantile that is chosen; counts have the rest, for its interval
_ENOUGH = 256  # times the scale in which ranks are noised, from which on a choice is nearer
_FINEST = 1000  # parts of a value in which ranks are scored
_TRIED = 60  # parameters at which the bound is looked at; each gives a bound that holds


def is_chosen(which: Fraction, bins: int) -> bool:
    """Whether a candidate chosen for its rank with a quarter of the loss is nearer than what all of it in counts gives.

    In values whose rank is between, beside what a unit moves: the counts' is off by sqrt(2/π) of the deviation of D
    below, where the quantile lies as far along the bins as its share says; the choice by twice its larger share, the
    scale of an exponential. Neither looks at data.
    """
    if which.denominator > _FINEST:
        return False
    counts = sqrt(2 / pi) * sqrt(2 * bins * which * (1 - which))
    return 2 * float(max(which, 1 - which)) / _CHOICE <= counts


def is_near(scale: float, which: Fraction, rows: Fraction) -> bool:
    """Whether there are rows enough in a group, by what is declared, that a choice of this scale is nearer than counts.

    Where there are few, all candidates are about as near in rank, and a choice is anywhere; counts then are not.
    Measured in `benchmarks/quantiles.py`: nearer at 400 times the scale, in small groups farther off at 200.
    """
    return rows >= _ENOUGH * Fraction(scale) / which.denominator


def quantile(part: Figures, which: Fraction, index: int, choice: int | None = None) -> Cell:
    """The least candidate up to which there is at least this share of the values, and how far off it may be.

    Args:
        choice: the place of the candidate that was chosen for its rank: it is told, moved into the counts' interval.

    With D(i) = count up to bin i - which · count, the true quantile is the first bin i* with D(i*) >= 0. The noised
    D(i*) and D(i* - 1) are each off by more than B with half of what an interval may miss; else i* is not before the
    first bin where the noised D >= -B, and not behind the one after the last where it is <= B.
    """
    counts = _counts(part, index)
    total = sum(counts)
    if total < 1:
        return ABSENT
    below = list(accumulate(counts))
    off = [_bound(part.noises, place + 1, len(counts), which) for place in range(len(counts))]
    found = [Fraction(each) - which * total for each in below]
    chosen = next(place for place, each in enumerate(found) if each >= 0)
    first = next((place for place, each in enumerate(found) if each >= -off[place]), 0)
    last = max((place + 1 for place, each in enumerate(found) if each <= off[place]), default=0)
    last = min(last, len(counts) - 1)
    if choice is not None:
        chosen = max(first, min(choice, last))
    return _between(part, (min(first, chosen), chosen, max(chosen, last)))


def mode(part: Figures, index: int) -> Cell:
    """The candidate with the most values by their noised counts, and how far from it another could be that has more."""
    counts = _counts(part, index)
    if max(counts) < 1:
        return ABSENT
    chosen = counts.index(max(counts))
    # All counts together are within this with the confidence of an interval: the union bound.
    off = 2 * part.off(1 - (1 - CONFIDENCE) / len(counts))
    near = [place for place, each in enumerate(counts) if each >= counts[chosen] - off]
    return _between(part, (near[0], chosen, near[-1]))


def _counts(part: Figures, index: int) -> tuple[int, ...]:
    width = part.measure.width
    return part.values[index * width : (index + 1) * width]


def _between(part: Figures, places: tuple[int, int, int]) -> Cell:
    """The middle of one bin, with an interval from the first value of another to the last of a third."""
    edges, step = part.measure.edges, part.about.step
    first, chosen, last = places
    middle = (edges[chosen] + edges[chosen + 1] - 1) // 2
    return cell(middle * step, (edges[first] * step, (edges[last + 1] - 1) * step), step)


@lru_cache(maxsize=4096)
def _bound(noises: tuple[tuple[str, float], ...], below: int, bins: int, which: Fraction) -> float:
    """B, so that the noise of D at a bin is beyond ±B with a probability of at most 5 %.

    D's noise is a sum of independent ones with weights 1 - which (bins up to it) and -which (bins behind it). For
    every t > 0, P(sum > B) <= exp(log M(t) - t · B), so that
    B = (log M(t) + log(1 / 2.5 %)) / t holds for each t that is tried.

    Args:
        noises: mechanism and scale of each noise that a count has.
    """
    weights = [each for each in ((below, float(1 - which)), (bins - below, float(which))) if each[0]]
    miss = log(2 / (1 - CONFIDENCE))
    laplace = [scale for mechanism, scale in noises if mechanism != DISCRETE_GAUSSIAN]
    # Gaussian: log M(t) <= t²σ²/2 (Canonne, Kamath, Steinke 2020, corollary 17), of which the best t is known.
    variance = sum(scale**2 for mechanism, scale in noises if mechanism == DISCRETE_GAUSSIAN)
    squares = variance * sum(count * weight**2 for count, weight in weights)
    if not laplace:
        return sqrt(2 * miss * squares)
    best, widest = inf, max(laplace) * max(weight for _, weight in weights)
    for tried in range(1, _TRIED):
        t = tried / _TRIED / widest
        moment = sum(count * _log_moment(scale, t * weight) for scale in laplace for count, weight in weights)
        best = min(best, (moment + t * t * squares / 2 + miss) / t)
    return best


def _log_moment(scale: float, t: float) -> float:
    """Log of the moment generating function: (1-a)² / ((1 - a e^t)(1 - a e^-t)) with a = e^(-1/scale), t < 1/scale."""
    decay = 1 / scale
    if decay > 700:  # no noise but once in e^700
        return 0.0
    return 2 * log(-expm1(-decay)) - log(-expm1(t - decay)) - log(-expm1(-t - decay))
