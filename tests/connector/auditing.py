"""An audit of privacy from outside: from runs on two neighbouring inputs, the least loss that they prove.

A mechanism is run on both inputs; one half of the runs picks the threshold that tells them apart best, the other half
is judged. By Clopper and Pearson's exact intervals the true loss is below the result in at most one of 1000 audits of
a sound mechanism.

Source: Jagielski, Ullman, Oprea 2020 (lower bounds from runs); Clopper, Pearson 1934; for Gaussian noise Dong, Roth,
Su 2022: what tells N(0, σ²) from N(Δ, σ²) is Δ/σ = sqrt(2ρ), and P(above) as seen from both sides gives it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import scipy.stats

_MISS = 0.001
_NORMAL = NormalDist()
Curve = Callable[[float, float], float]  # the loss that P(event | x) >= p and P(event | x') <= q prove


def epsilon(p: float, q: float) -> float:
    """Pure ε: p <= e^ε q."""
    return math.log(p / q) if p > 0 and q > 0 else 0.0


def epsilon_with(delta: float) -> Curve:
    """ε at a δ: p <= e^ε q + δ."""
    return lambda p, q: math.log((p - delta) / q) if p > delta and q > 0 else 0.0


def root_of_rho(p: float, q: float) -> float:
    """sqrt(2ρ) of Gaussian noise."""
    return _NORMAL.inv_cdf(p) - _NORMAL.inv_cdf(q) if 0 < p < 1 and 0 < q < 1 else 0.0


def proven(first: Sequence[int], second: Sequence[int], curve: Curve) -> float:
    """The loss that runs on two neighbouring inputs prove, whichever of them is the larger."""
    return max(_proven(first, second, curve), _proven(second, first, curve))


def _proven(first: Sequence[int], second: Sequence[int], curve: Curve) -> float:
    half = len(first) // 2
    best = max(
        ((sign, at) for sign in (1, -1) for at in _thresholds(sign, first[:half], second[:half])),
        key=lambda event: curve(*_bounds(event, first[:half], second[:half])),
    )
    return curve(*_bounds(best, first[half:], second[half:]))


def _thresholds(sign: int, first: Sequence[int], second: Sequence[int]) -> list[int]:
    seen = sorted(sign * each for each in (*first, *second))
    return [seen[len(seen) * part // 40] for part in range(2, 39)]


def _bounds(event: tuple[int, int], first: Sequence[int], second: Sequence[int]) -> tuple[float, float]:
    sign, at = event
    p, q = (sum(sign * each >= at for each in runs) for runs in (first, second))
    beta: Any = scipy.stats.beta
    low = float(beta.ppf(_MISS / 2, p, len(first) - p + 1)) if p else 0.0
    high = float(beta.ppf(1 - _MISS / 2, q + 1, len(second) - q)) if q < len(second) else 1.0
    return low, high
