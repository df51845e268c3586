"""Report noisy max: of some candidates the one whose noised score is the largest; only which one it is, is told.

Of a mode the scores are counts:

A unit that is added makes no count smaller (its rows are added to those of the others) and moves none by more than its
rows, so that the counts are monotonic and one unit costs ``moved / scale`` of ε, or ``(moved / scale)² / 8`` of ρ. Of
several groups each has a choice of its own; one unit moves their counts by amounts that add up to what it moves at the
most, and costs are no more in parts than in one: ε is linear in the amounts, and squares of parts add up to no more
than the square of their sum.

Of a quantile they say how many values lie between the candidate and the quantile, and a unit may move one up and
another down: they are not monotonic, and cost as monotonic ones that move twice as far.

Source: McKenna and Sheldon 2020, "Permute-and-Flip" (exponential noise, ε); Durfee and Rogers 2019 and Cesar and Rogers
2021 (Gumbel noise is the exponential mechanism; ρ = ε²/8 by bounded range).
"""

from __future__ import annotations

import math
from fractions import Fraction

from hefu.errors import Defect, Refused

from hefu_connector.engines.noise.laplace import LARGEST_SCALE

_NANO = 10**9


def scale_of_epsilon(moved: int, epsilon_nano: int) -> float:
    """The least scale that costs at most ε; raises Refused, Defect."""
    return _checked(moved, epsilon_nano, float(Fraction(moved * _NANO, max(1, epsilon_nano))))


def scale_of_rho(moved: int, rho_nano: int) -> float:
    """The least scale that costs at most ρ; raises Refused, Defect."""
    return _checked(moved, rho_nano, math.sqrt(Fraction(moved**2 * _NANO, 8 * max(1, rho_nano))))


def scale_of_epsilon_both_ways(moved: int, epsilon_nano: int) -> float:
    """As `scale_of_epsilon`, of scores that are not monotonic."""
    return scale_of_epsilon(2 * moved, epsilon_nano)


def scale_of_rho_both_ways(moved: int, rho_nano: int) -> float:
    """As `scale_of_rho`, of scores that are not monotonic."""
    return scale_of_rho(2 * moved, rho_nano)


def _checked(moved: int, share_nano: int, scale: float) -> float:
    if moved < 1 or share_nano < 1:
        raise Defect("internal", reference="noise", detail="sensitivity and share are at least 1")
    if not scale < LARGEST_SCALE:
        raise Refused("plan.too_little_loss")
    return scale


def short_by(scale: float, confidence: float) -> int:
    """By how much the chosen count may be below the largest of 100 candidates, with this probability, at most.

    Source: Dwork and Roth 2014, theorem 3.11; permute-and-flip is never worse (McKenna, Sheldon 2020, theorem 4).
    """
    return math.ceil(scale * math.log(100 / (1 - confidence)))


def variance_of_epsilon(scale: float) -> float:
    """Of exponential noise."""
    return scale**2


def variance_of_rho(scale: float) -> float:
    """Of Gumbel noise."""
    return (math.pi * scale) ** 2 / 6
