"""Discrete Laplace: P(x) ∝ exp(-|x| / scale) on the whole numbers. Pure ε, by what a unit moves in L1."""

from __future__ import annotations

import math
from fractions import Fraction

from hefu.errors import Defect, Refused

LARGEST_SCALE = 2.0**50  # beyond, noise would reach the ends of 64-bit integers
_NANO = 10**9


def scale_of(sensitivity: int, epsilon_nano: int) -> float:
    """The least scale that costs at most ε, before OpenDP's own rounding: sensitivity / ε.

    Args:
        sensitivity: L1, in whole units; adding or removing one privacy unit moves the vector by at most this.
        epsilon_nano: ε in 10⁻⁹.

    Raises:
        Refused: ε is too small for noise that 64-bit integers can hold.
        Defect: a sensitivity or ε of zero, which would mean no noise at all.

    Source: Dwork, McSherry, Nissim, Smith 2006; on integers Ghosh, Roughgarden, Sundararajan 2009.
    """
    if sensitivity < 1 or epsilon_nano < 1:
        raise Defect("internal", reference="noise", detail="sensitivity and epsilon are at least 1")
    scale = float(Fraction(sensitivity * _NANO, epsilon_nano))
    if not scale < LARGEST_SCALE:
        raise Refused("plan.too_little_loss")
    return scale


def half_width(scale: float, confidence: float) -> int:
    """The least h for which noise of this scale lies in [-h, h] with the given probability, exactly.

    With a = exp(-1/scale), P(|X| > h) = 2 a^(h+1) / (1 + a) for h >= 0, which is solved for h.
    """
    decay = -1.0 / scale  # log a
    miss = (1.0 - confidence) * (1.0 + math.exp(decay)) / 2.0
    return max(0, math.ceil(math.log(miss) / decay) - 1)


def variance(scale: float) -> float:
    """Of the noise: 2a / (1 - a)² with a = exp(-1/scale), written so that a near 1 loses no digits."""
    half = 1.0 / (2.0 * scale)
    return 0.0 if half > 350.0 else 1.0 / (2.0 * math.sinh(half) ** 2)
