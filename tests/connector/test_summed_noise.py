"""The interval of a sum of noises, against the distribution worked out number by number."""

from __future__ import annotations

import math

import pytest
from hefu.errors import Malformed
from hefu_connector.engines.noise import half_width as single
from hefu_connector.workbench import noises
from hypothesis import given, settings
from hypothesis import strategies as st

scales = st.floats(0.2, 40)


def _tail(found: list[float], h: int) -> float:
    """P(|sum| > h), by convolution."""
    reach = 40 * math.ceil(max(found)) + 5
    sums = {0: 1.0}
    for scale in found:
        decay = math.exp(-1 / scale)
        one = {k: (1 - decay) / (1 + decay) * decay ** abs(k) for k in range(-reach, reach + 1)}
        made: dict[int, float] = {}
        for left, p in sums.items():
            for right, q in one.items():
                if p * q > 1e-18:
                    made[left + right] = made.get(left + right, 0.0) + p * q
        sums = made
    return sum(p for k, p in sums.items() if abs(k) > h)


@given(scale=st.floats(0.1, 1e6), confidence=st.sampled_from([0.5, 0.95, 0.975, 0.999]))
@settings(max_examples=60)
def test_of_one_noise_it_is_that_noises_own(scale: float, confidence: float) -> None:
    assert abs(noises.half_width([("discrete-laplace", scale)], confidence) - single(scale, confidence)) <= 1


@pytest.mark.parametrize("found", [[2.0, 2.0, 2.0], [0.3, 0.3], [1.0, 8.0], [5.0, 5.0]])
def test_it_is_the_least_that_holds_as_often_as_it_says(found: list[float]) -> None:
    width = noises.half_width([("discrete Laplace", each) for each in found], 0.95)
    assert _tail(found, width) <= 0.05
    assert _tail(found, width - 2) > 0.05, "wider than it has to be"


@given(st.lists(scales, min_size=2, max_size=6))
@settings(max_examples=40)
def test_a_sum_is_less_certain_than_each_part_and_more_certain_than_all_at_once(found: list[float]) -> None:
    parts = [noises.half_width([("discrete Laplace", each)], 0.95) for each in found]
    width = noises.half_width([("discrete Laplace", each) for each in found], 0.95)
    assert max(parts) <= width <= sum(parts) + len(parts)


def test_many_equal_noises_come_near_the_normal_law_from_above() -> None:
    width = noises.half_width([("discrete Laplace", 100.0)] * 50, 0.95)
    normal = 1.96 * 100 * math.sqrt(2 * 50)
    assert normal < width < 1.06 * normal


def test_gaussians_add_up_by_their_squares_and_both_kinds_by_the_union_bound() -> None:
    both = [("discrete-gaussian", 30.0), ("discrete-gaussian", 40.0)]
    assert noises.half_width(both, 0.95) in (99, 100)
    mixed = noises.half_width([*both, ("discrete-laplace", 20.0)], 0.95)
    assert mixed == noises.half_width(both, 0.975) + noises.half_width([("discrete-laplace", 20.0)], 0.975)


def test_a_mechanism_whose_error_does_not_add_up_is_refused() -> None:
    with pytest.raises(Malformed):
        noises.half_width([("report-noisy-max", 3.0)], 0.95)
    with pytest.raises(Malformed):
        noises.half_width([("discrete Laplace", 3.0)] * (noises.MOST + 1), 0.95)
