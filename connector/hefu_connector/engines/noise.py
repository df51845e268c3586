"""Discrete Laplace noise on integers: its scale, its interval, and the drawing of it by OpenDP.

Scale and interval are arithmetic and may be used anywhere. `add_noise` belongs into a worker: OpenDP is imported
there and draws from the operating system's randomness; no number of ours enters the noise but the scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from hefu.errors import Defect, Refused

NAME = "discrete-laplace"
CONFIDENCE = 0.95
LARGEST_SCALE = 2.0**50  # beyond, noise would reach the ends of 64-bit integers
LARGEST_EXACT = 2**62  # exact aggregates are clamped to ± this, which no bounded table reaches
_NANO = 10**9
_MOST_STEPS = 64


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


def half_width(scale: float, confidence: float = CONFIDENCE) -> int:
    """The least h for which noise of this scale lies in [-h, h] with the given probability, exactly.

    With a = exp(-1/scale), P(|X| > h) = 2 a^(h+1) / (1 + a) for h >= 0, which is solved for h.
    """
    decay = -1.0 / scale  # log a
    miss = (1.0 - confidence) * (1.0 + math.exp(decay)) / 2.0
    return max(0, math.ceil(math.log(miss) / decay) - 1)


def add_noise(exact: Sequence[int], sensitivity: int, epsilon_nano: int) -> tuple[list[int], float]:
    """Noised values and the scale of their noise. Worker only.

    Args:
        exact: one aggregate over disjoint groups; its L1 sensitivity over all of them is `sensitivity`.
        sensitivity: in the same whole units as `exact`.
        epsilon_nano: ε in 10⁻⁹ that the whole vector may cost.

    Raises:
        Refused, Defect: as `scale_of`.
    """
    import opendp.prelude

    dp: Any = opendp.prelude

    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T=dp.i64))
    metric = dp.l1_distance(T=dp.i64)
    allowed = Fraction(epsilon_nano, _NANO)
    scale = scale_of(sensitivity, epsilon_nano)
    for _ in range(_MOST_STEPS):
        measurement = dp.m.make_laplace(domain, metric, scale=scale)
        # INVARIANT: what OpenDP proves it costs is within what was charged.
        if Fraction(measurement.map(sensitivity)) <= allowed:
            clamped = [max(-LARGEST_EXACT, min(LARGEST_EXACT, value)) for value in exact]
            return list(measurement(clamped)), scale
        scale = math.nextafter(scale, math.inf)
    raise Defect("internal", reference="noise", detail="no scale found")
