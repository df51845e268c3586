"""How far off a sum of independent noises is: the interval of an answer that several providers made together.

The sum of discrete Laplace noises of different scales is exactly a signed mixture of them. With a = exp(-1/scale), the
generating function of one is d / (c - z - 1/z), c = (1 + a²)/a and d = (1 - a)²/a; partial fractions in z + 1/z give

    P(|sum| > h) = Σ w_i 2 a_i^(h+1) / (1 + a_i),   w_i = Π_{j≠i} d_j / (c_j - c_i).

Equal scales are first made a little larger, apart from each other. That widens the interval and never narrows it: for
symmetric unimodal noises, a less peaked one makes a less peaked sum (Birnbaum 1948, On random variables with
comparable peakedness).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Context, Decimal
from statistics import NormalDist

from hefu.errors import Malformed

LAPLACE, GAUSSIAN = "laplace", "gaussian"
_CONTEXT = Context(prec=400)  # the weights cancel: 50 noises of nearly one scale lose some 300 digits
_APART = Decimal("1.001")
MOST = 50


def half_width(noises: Sequence[tuple[str, float]], confidence: float) -> int:
    """The least h for which the sum of the noises is known to lie in [-h, h] with the given probability.

    Args:
        noises: mechanism, such as ``discrete Laplace``, and scale in whole steps; a Gaussian's is its deviation.

    Raises:
        Malformed: another mechanism, or more than `MOST` noises.
    """
    if len(noises) > MOST:
        raise Malformed("question.differ", word="the contracts", why=f"at most {MOST} answers are combined")
    laplace = [scale for name, scale in noises if _kind(name) == LAPLACE]
    gaussian = [scale for name, scale in noises if _kind(name) == GAUSSIAN]
    parts = (1 if laplace else 0) + (1 if gaussian else 0)
    if not parts:
        return 0
    miss = (1 - confidence) / parts  # the union bound, where both kinds stand
    wide = laplace_half_width(laplace, miss) if laplace else 0
    return wide + (gaussian_half_width(gaussian, miss) if gaussian else 0)


def laplace_half_width(scales: Sequence[float], miss: float) -> int:
    """The least h with P(|sum| > h) <= miss, for discrete Laplace noises of these scales."""
    weights = _weights(_apart(scales))
    high = max(1, math.ceil(sum(scales)))
    while _beyond(weights, high) > Decimal(miss):
        high *= 2
    low = -1
    while high - low > 1:
        middle = (low + high) // 2
        if _beyond(weights, middle) > Decimal(miss):
            low = middle
        else:
            high = middle
    return high


def gaussian_half_width(deviations: Sequence[float], miss: float) -> int:
    """As `laplace_half_width`, for discrete Gaussian noises.

    Their sum is sub-Gaussian with the summed variance (Canonne, Kamath, Steinke 2020, corollary 17); of the normal
    quantile and that bound, the quantile is taken with one step more, which covers the lattice at deviations above 1.
    """
    deviation = math.sqrt(math.fsum(each * each for each in deviations))
    if min(deviations) < 1:
        return math.ceil(deviation * math.sqrt(2 * math.log(2 / miss)))
    return math.ceil(NormalDist().inv_cdf(1 - miss / 2) * deviation) + 1


def _kind(mechanism: str) -> str:
    for each in (LAPLACE, GAUSSIAN):
        if each in mechanism.lower():
            return each
    raise Malformed("question.differ", word=mechanism[:40], why="the error of its sum is not known")


def _apart(scales: Sequence[float]) -> list[Decimal]:
    """The scales in order, each at least a thousandth above the one before."""
    found: list[Decimal] = []
    for each in sorted(map(Decimal, scales)):
        least = found[-1] * _APART if found else each
        found.append(max(each, least))
    return found


def _weights(scales: Sequence[Decimal]) -> list[tuple[Decimal, Decimal]]:
    """(a, weight) of each noise in the mixture."""
    context = _CONTEXT
    decays = [context.exp(context.divide(Decimal(-1), each)) for each in scales]
    centres = [context.divide(context.add(1, context.multiply(a, a)), a) for a in decays]
    heights = [context.divide(context.power(context.subtract(1, a), 2), a) for a in decays]
    found = []
    for i, decay in enumerate(decays):
        weight = Decimal(1)
        for j, centre in enumerate(centres):
            if j != i:
                weight = context.multiply(weight, context.divide(heights[j], context.subtract(centre, centres[i])))
        found.append((decay, weight))
    return found


def _beyond(weights: Sequence[tuple[Decimal, Decimal]], h: int) -> Decimal:
    """P(|sum| > h)."""
    context, total = _CONTEXT, Decimal(0)
    for decay, weight in weights:
        tail = context.divide(context.multiply(2, context.power(decay, h + 1)), context.add(1, decay))
        total = context.add(total, context.multiply(weight, tail))
    return total
