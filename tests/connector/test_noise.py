"""Noise: its scale, its interval, and that what OpenDP draws has them. Each statistical test states its error rate."""

from __future__ import annotations

import math

import pytest
from hefu.errors import Defect, Refused
from hefu_connector.engines import noise

DRAWS = 4000


def within(draws: list[int], scale: float) -> bool:
    """Whether the mean size of noise fits a scale.

    |X| of the discrete Laplace has mean 2a / (1 - a²) and, for scales well above one, a standard deviation near the
    scale. The mean of 4000 draws lies within 6 of its standard errors but once in 10⁸ runs or less.
    """
    decay = math.exp(-1 / scale)
    expected = 2 * decay / (1 - decay**2)
    found = sum(map(abs, draws)) / len(draws)
    return abs(found - expected) < 6 * scale / math.sqrt(len(draws))


@pytest.mark.parametrize(("sensitivity", "epsilon_nano"), [(1, 10**8), (3, 2 * 10**8), (50_000, 10**9)])
def test_noise_has_its_scale_and_half_of_it_would_be_caught(sensitivity: int, epsilon_nano: int) -> None:
    """Fails for sound noise in less than one of 10⁷ runs."""
    draws, scale = noise.add_noise([0] * DRAWS, sensitivity, epsilon_nano)
    assert scale == pytest.approx(sensitivity * 10**9 / epsilon_nano, rel=1e-12)
    assert within(draws, scale)
    # Planted bugs: half and double the scale must not pass.
    assert not within([value // 2 for value in draws], scale)
    assert not within([value * 2 for value in draws], scale)
    # No drift: the mean of 4000 draws lies within 8 standard errors of zero.
    assert abs(sum(draws) / DRAWS) < 8 * math.sqrt(2) * scale / math.sqrt(DRAWS)


def test_the_half_width_is_the_exact_quantile() -> None:
    for scale in (0.3, 1.0, 2.5, 15.0, 240.0):
        decay = math.exp(-1 / scale)
        for confidence in (0.95, 0.975):
            width = noise.half_width(scale, confidence)
            outside = sum(
                (1 - decay) / (1 + decay) * decay**k * 2 for k in range(width + 1, width + int(60 * scale) + 60)
            )
            assert outside <= (1 - confidence) * (1 + 1e-9)
            if width:
                inner = outside + 2 * (1 - decay) / (1 + decay) * decay**width
                assert inner > 1 - confidence
    assert noise.half_width(1e-6) == 0


def test_the_interval_holds_as_often_as_it_says() -> None:
    """Of 4000 draws about 95 % are inside; 93 % to 97.5 % but once in 10⁷ runs."""
    draws, scale = noise.add_noise([7] * DRAWS, 1, 10**8)
    inside = sum(abs(value - 7) <= noise.half_width(scale) for value in draws) / DRAWS
    assert 0.93 < inside < 0.975


def test_two_runs_differ() -> None:
    """Equal by chance in less than one of 10¹⁰⁰ runs."""
    assert noise.add_noise([0] * 50, 1, 10**7)[0] != noise.add_noise([0] * 50, 1, 10**7)[0]


@pytest.mark.parametrize(("sensitivity", "epsilon_nano"), [(0, 10**9), (1, 0), (-1, 10**9), (1, -1)])
def test_no_noise_is_never_drawn(sensitivity: int, epsilon_nano: int) -> None:
    with pytest.raises(Defect):
        noise.add_noise([1], sensitivity, epsilon_nano)


def test_noise_that_integers_cannot_hold_is_refused() -> None:
    with pytest.raises(Refused):
        noise.scale_of(2**40, 10**3)
    draws, _ = noise.add_noise([2**70, -(2**70)], 1, 10**9)
    assert [abs(abs(value) - noise.LARGEST_EXACT) < 1000 for value in draws] == [True, True]
