"""Worker side of noise: OpenDP says what a measurement costs, and draws.

INVARIANT: nothing is drawn before OpenDP's own map said that the measurement costs at most its share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from hefu.errors import Defect

from hefu_connector.engines.noise.mechanisms import (
    CHOOSING,
    DISCRETE_GAUSSIAN,
    DISCRETE_LAPLACE,
    IN_EPSILON,
    LARGEST_EXACT,
    MONOTONIC,
    Noise,
)
from hefu_connector.engines.noise.threshold import Threshold

_NANO, _FEMTO = 10**9, 10**15
_MOST_STEPS = 64
_WIDER = 1.0 + 2.0**-51  # a step or two of a float: what OpenDP's roundings upwards may need


def draw(exact: Sequence[int], noise: Noise) -> list[int]:
    """Noised values. Worker only.

    Args:
        exact: one aggregate over groups; a privacy unit moves it by at most `noise.sensitivity`, over all of them.

    Raises:
        Refused: the share is too small.
        Defect: no scale near the computed one costs as little as the share.
    """
    values, _ = certified(noise)
    clamped = [max(-LARGEST_EXACT, min(LARGEST_EXACT, value)) for value in exact]
    return list(values(clamped))


def draw_share(exact: Sequence[int], scale: float) -> list[int]:
    """Values with one party's share of noise (`noise.sharing`). Worker only.

    Args:
        exact: one aggregate over groups.
        scale: σ in steps; what it costs hangs on what the other parties add, and was worked out before.

    Raises:
        Defect: OpenDP does not certify that it is discrete Gaussian noise of this σ.
    """
    make, _ = _gaussian(Noise(DISCRETE_GAUSSIAN, 1, 1))
    measurement = make(math.nextafter(scale, math.inf))
    # Of a vector that moves by 1, noise of σ costs 1/2σ².
    if scale <= 0 or Fraction(measurement.map(1.0)) > Fraction(_WIDER) / (2 * Fraction(scale) ** 2):
        raise Defect("internal", reference="noise", detail="a share of noise is not certified")
    clamped = [max(-LARGEST_EXACT, min(LARGEST_EXACT, value)) for value in exact]
    return [int(each) for each in measurement(clamped)]


def choose(exact: Sequence[int], width: int, noise: Noise) -> list[int]:
    """For each run of so many counts, the place of one of the largest. Worker only; raises as `draw`.

    Args:
        exact: counts, of which a unit that is added makes none smaller and all together larger by at most
            `noise.sensitivity`.
    """
    choice, _ = certified(noise)
    return [int(choice([*exact[start : start + width]])) for start in range(0, len(exact), width)]


def choose_quantile(exact: Sequence[int], width: int, which: Fraction, noise: Noise) -> list[int]:
    """For each run of so many counts, the place of a bin that holds the quantile, or is near it. Worker only.

    Args:
        exact: counts by bin; a unit moves their `rank_scores` by at most `noise.sensitivity`, each, over all runs.

    Raises:
        Refused, Defect: as `draw`.
    """
    choice, _ = certified(noise)
    runs = (exact[start : start + width] for start in range(0, len(exact), width))
    return [int(choice([max(-LARGEST_EXACT, each) for each in rank_scores(run, which)])) for run in runs]


def rank_scores(counts: Sequence[int], which: Fraction) -> list[int]:
    """How near each bin is to a quantile: 0 where it lies in it, less by each value in between; in parts of a value.

    With which = a / b and the rank r = a · n of the quantile among b · n, a bin whose values have ranks b · low to
    b · high is r outside of them by max(0, b · low - r, r - b · high). One value more raises n by one, and low, high
    by one or not: it moves each of the two differences by b - a or by a, and so the score by max(a, b - a) at most.

    Source: Smith 2011, "Privacy-preserving Statistical Estimation with Optimal Convergence Rates", as scores of
    candidates; OpenDP's `make_quantile_score_candidates` is the same for points in the place of bins.
    """
    rank, high, found = which.numerator * sum(counts), 0, []
    for count in counts:
        low, high = high, high + which.denominator * count
        found.append(-max(0, low - rank, rank - high))
    return found


def draw_found(counts: Mapping[str, int], noise: Noise, threshold: Threshold) -> dict[str, int]:
    """Noised counts of units, of the groups whose noised count reaches the threshold. Worker only.

    Args:
        counts: of each group that is in the data, above 0; a unit moves each by at most 1, and at most
            `threshold.groups` of them.

    Raises:
        Refused: the share is too small.
        Defect: OpenDP does not certify that it costs at most the share and the threshold's δ.
    """
    measurement = certified_threshold(noise, threshold)
    return {str(key): int(value) for key, value in measurement(dict(counts)).items()}


def certified_threshold(noise: Noise, threshold: Threshold) -> Any:
    """An OpenDP measurement of counts by group that costs at most the share and δ; raises as `draw_found`."""
    make, total = _FOUND_OF[noise.mechanism](noise, threshold.least)
    allowed = Fraction(noise.share_nano, _NANO), Fraction(threshold.delta_femto, _FEMTO)
    scale = noise.scale
    for _ in range(_MOST_STEPS):
        measurement = make(scale)
        # OpenDP tells a group that is *at* the threshold, but its map leaves that value out of δ (opendp/opendp issue
        # 2922, version 0.16.0), as if the threshold were one higher. For counts that move by 2, in groups that may
        # move by as much together, it tells the true δ of counts that move by 1; once mended, a larger one.
        spent, _ = measurement.map((threshold.groups, total, type(total)(1)))
        _, delta = measurement.map((threshold.groups, max(total, type(total)(2)), type(total)(2)))
        if Fraction(spent) <= allowed[0] and Fraction(delta) <= allowed[1]:
            return measurement
        scale = max(math.nextafter(scale, math.inf), scale * _WIDER)
    raise Defect("internal", reference="noise", detail="the threshold is not certified")


def certified(noise: Noise) -> tuple[Any, float]:
    """An OpenDP measurement of integers that costs at most the share, and its scale; raises as `draw`. Worker only."""
    make, distance = (_choice if noise.mechanism in CHOOSING else _OF[noise.mechanism])(noise)
    allowed, scale = Fraction(noise.share_nano, _NANO), noise.scale
    for _ in range(_MOST_STEPS):
        measurement = make(scale)
        if Fraction(measurement.map(distance)) <= allowed:
            return measurement, scale
        scale = max(math.nextafter(scale, math.inf), scale * _WIDER)
    raise Defect("internal", reference="noise", detail="no scale found")


def add_noise(exact: Sequence[int], sensitivity: int, epsilon_nano: int) -> tuple[list[int], float]:
    """Discrete Laplace noise on one aggregate, and its scale; as `draw`. Worker only."""
    noise = Noise(DISCRETE_LAPLACE, sensitivity, epsilon_nano)
    return draw(exact, noise), noise.scale


def opendp() -> Any:
    """OpenDP with its features; imported late, by workers only."""
    from hefu_connector.engines.noise import library

    dp: Any = library
    dp.enable_features("contrib")
    return dp


def _laplace(noise: Noise) -> tuple[Callable[[float], Any], int]:
    dp = opendp()
    domain, metric = dp.vector_domain(dp.atom_domain(T=dp.i64)), dp.l1_distance(T=dp.i64)
    return lambda scale: dp.m.make_laplace(domain, metric, scale=scale), noise.sensitivity


def _gaussian(noise: Noise) -> tuple[Callable[[float], Any], float]:
    dp = opendp()
    domain, metric = dp.vector_domain(dp.atom_domain(T=dp.i64)), dp.l2_distance(T=dp.f64)
    return lambda scale: dp.m.make_gaussian(domain, metric, scale=scale), root_above(noise.sensitivity)


def _choice(noise: Noise) -> tuple[Callable[[float], Any], int]:
    dp = opendp()
    domain = dp.vector_domain(dp.atom_domain(T=dp.i64))
    metric = dp.linf_distance(T=dp.i64, monotonic=noise.mechanism in MONOTONIC)
    measure = dp.max_divergence() if noise.mechanism in IN_EPSILON else dp.zero_concentrated_divergence()
    return lambda scale: dp.m.make_noisy_max(domain, metric, measure, scale=scale), noise.sensitivity


def root_above(square: int) -> float:
    """A float that is no smaller than the root, by exact arithmetic."""
    root = math.sqrt(square)
    while Fraction(root) ** 2 < square:
        root = math.nextafter(root, math.inf)
    return root


def _found_laplace(noise: Noise, least: int) -> tuple[Callable[[float], Any], int]:
    dp = opendp()
    domain = dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T=dp.i64))
    metric = dp.l01inf_distance(dp.absolute_distance(T=dp.i64))
    return lambda scale: dp.m.make_laplace_threshold(domain, metric, scale=scale, threshold=least), noise.sensitivity


def _found_gaussian(noise: Noise, least: int) -> tuple[Callable[[float], Any], float]:
    dp = opendp()
    domain = dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T=dp.i64))
    metric = dp.l02inf_distance(dp.absolute_distance(T=dp.f64))
    total = root_above(noise.sensitivity)
    return lambda scale: dp.m.make_gaussian_threshold(domain, metric, scale=scale, threshold=least), total


_FOUND_OF = {DISCRETE_LAPLACE: _found_laplace, DISCRETE_GAUSSIAN: _found_gaussian}
_OF = {DISCRETE_LAPLACE: _laplace, DISCRETE_GAUSSIAN: _gaussian}
