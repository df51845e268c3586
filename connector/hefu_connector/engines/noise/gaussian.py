"""Discrete Gaussian: P(x) ∝ exp(-x² / 2σ²) on the whole numbers. ρ of zCDP, by what a unit moves in L2.

Source: Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for Differential Privacy".
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import count
from statistics import NormalDist

from hefu.errors import Defect, Refused

from hefu_connector.engines.noise.laplace import LARGEST_SCALE

_NANO = 10**9
_SUMMED = 64.0  # up to this σ the tail is summed; above, its bound is within one step of it


def scale_of(square: int, rho_nano: int) -> float:
    """The least σ that costs at most ρ, before OpenDP's own rounding: sqrt(square / 2ρ). Theorem 4.

    Args:
        square: of the L2 distance by which adding or removing one privacy unit moves the vector, in whole units.
        rho_nano: ρ in 10⁻⁹.

    Raises:
        Refused: ρ is too small for noise that 64-bit integers can hold.
        Defect: a distance or ρ of zero, which would mean no noise at all.
    """
    if square < 1 or rho_nano < 1:
        raise Defect("internal", reference="noise", detail="sensitivity and rho are at least 1")
    scale = math.sqrt(Fraction(square * _NANO, 2 * rho_nano))
    if not scale < LARGEST_SCALE:
        raise Refused("plan.too_little_loss")
    return scale


def half_width(scale: float, confidence: float) -> int:
    """An h for which noise of this σ lies in [-h, h] with the given probability: the least, or one more.

    Source: proposition 25: P(X >= m) <= P(N(0, σ²) >= m - 1); small σ are summed.
    """
    if scale > _SUMMED:
        return math.ceil(scale * NormalDist().inv_cdf((1.0 + confidence) / 2.0))
    masses = [math.exp(-(each**2) / (2.0 * scale**2)) for each in range(math.ceil(40 * scale) + 2)]
    total = 2.0 * math.fsum(masses) - masses[0]
    inside = 0.0
    for width in count():
        inside += masses[width] * (1 if width == 0 else 2)
        if inside >= confidence * total * (1.0 + 1e-12) or width == len(masses) - 1:
            return width
    raise AssertionError  # pragma: no cover


def variance(scale: float) -> float:
    """Of the noise, at most: σ². Source: corollary 9."""
    return scale**2
