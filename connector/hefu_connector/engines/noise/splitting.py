"""A query's loss, split over its measures so that the error asked for is least. Whole numbers only.

Each measure has a cost: how much the square of its error counts, times the square of what a unit moves (in the norm
of its mechanism). The sum of weighted variances is least, under a fixed sum of shares, where the derivatives are equal:

* Laplace: the variance falls with ε², so a share is in proportion to the cube root of the cost;
* Gaussian: the variance falls with ρ, so a share is in proportion to the square root of the cost.

Source: Lagrange multipliers on a sum of cost / share^(degree - 1); the test exchanges shares and finds nothing less.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt

from hefu.errors import Defect, Refused

_DIGITS = 60  # binary places of a root; far finer than a share of 10⁻⁹


def split(total: int, costs: Sequence[Fraction], degree: int) -> list[int]:
    """Whole shares that add up to the total, each at least 1.

    Args:
        total: to split.
        costs: above 0, one a measure.
        degree: 3 for Laplace, 2 for Gaussian: of the root.

    Raises:
        Refused: the total is too small to give each measure a share.
        Defect: a cost is not above 0.
    """
    if any(cost <= 0 for cost in costs):
        raise Defect("internal", reference="noise", detail="a measure whose error does not count")
    largest = max(costs)
    roots = [_root(cost / largest, degree) for cost in costs]
    shares = [total * root // sum(roots) for root in roots]
    shares[shares.index(max(shares))] += total - sum(shares)
    if min(shares) < 1:
        raise Refused("plan.too_little_loss")
    return shares


def _root(part: Fraction, degree: int) -> int:
    """The root of a number of at most 1, in 2⁻⁶⁰; at least 1."""
    scaled = (part.numerator << (degree * _DIGITS)) // part.denominator
    return max(1, isqrt(scaled) if degree == 2 else _cube_root(scaled))


def _cube_root(number: int) -> int:
    """The largest whole number whose cube is not above; by Newton from above."""
    guess = 1 << -(-number.bit_length() // 3)
    while True:
        better = (2 * guess + number // guess**2) // 3
        if better >= guess:
            return guess
        guess = better
