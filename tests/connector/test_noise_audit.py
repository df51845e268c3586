"""Noise audited from outside: what 12,000 runs (50,000 in deep mode) prove never passes what is charged, and every
planted bug is caught. Each audit of a sound mechanism fails in at most one of 1000 runs by its intervals, and far less
often in truth, since the loss proven lies below the true one by several standard errors."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import pytest
from hefu_connector.computing.computation import Aggregate
from hefu_connector.engines.noise import (
    DISCRETE_GAUSSIAN,
    DISCRETE_LAPLACE,
    Asked,
    Noise,
    draw,
    draw_share,
    price,
    sharing,
)
from hefu_connector.engines.shape import Sensitivity
from hefu_connector.engines.sql.writer import Writer
from hefu_policies.budget import PrivacyLoss
from hefu_policies.conversion import rho_of
from hefu_policies.reading import Place

from tests.connector.auditing import Curve, epsilon, epsilon_with, proven, root_of_rho
from tests.connector.engine_world import exact, plan, prepare, write
from tests.deep import examples

pytestmark = pytest.mark.deep
RUNS = examples(12_000, 50_000)
MOVED = 100  # what one unit moves
LAPLACE = Noise(DISCRETE_LAPLACE, MOVED, 10**9)
GAUSSIAN = Noise(DISCRETE_GAUSSIAN, MOVED**2, 10**9 // 2)  # sqrt(2ρ) = 1
DELTA = 10**13  # 0.01, large, so that runs can see it


def audit(noise: Noise, curve: Curve, moved: int = MOVED, *, squeeze: int = 1) -> float:
    """The loss proven of a vector of independent runs; `squeeze` makes the noise smaller by so many times."""
    first, second = (draw([0] * RUNS, noise) for _ in range(2))
    return proven([each // squeeze + moved for each in first], [each // squeeze for each in second], curve)


MECHANISMS = [
    pytest.param(LAPLACE, epsilon, id="laplace"),
    pytest.param(GAUSSIAN, root_of_rho, id="gaussian"),
]


@pytest.mark.parametrize(("noise", "curve"), MECHANISMS)
def test_no_more_is_proven_than_charged_and_not_much_less(noise: Noise, curve: Curve) -> None:
    assert 0.8 < audit(noise, curve) <= 1


@pytest.mark.parametrize(("noise", "curve"), MECHANISMS)
def test_half_the_scale_is_caught(noise: Noise, curve: Curve) -> None:
    assert audit(noise, curve, squeeze=2) > 1.5


@pytest.mark.parametrize(("noise", "curve"), MECHANISMS)
def test_a_sensitivity_wrong_by_a_quarter_is_caught(noise: Noise, curve: Curve) -> None:
    assert audit(noise, curve, moved=MOVED * 5 // 4) > 1


def test_an_epsilon_with_a_delta_holds_and_half_the_scale_does_not() -> None:
    rho = rho_of(10**9, DELTA)
    noise = Noise(DISCRETE_GAUSSIAN, MOVED**2, rho)
    curve = epsilon_with(DELTA / 10**15)
    assert audit(noise, curve) <= 1
    assert audit(noise, curve, squeeze=2) > 1


def test_two_measures_of_one_query_together_cost_no_more_than_the_query() -> None:
    """Both answers moved at once: their sum in units of their own scale is what tells the two inputs apart best."""
    sizes = (MOVED, 7 * MOVED)
    asked = [Asked(Sensitivity(1, size, size), Fraction(1, size**2)) for size in sizes]
    bill = price(asked, PrivacyLoss(0, 0, 10**9 // 2))

    def runs(moved: int) -> list[int]:
        told = [draw([moved * size] * RUNS, noise) for noise, size in zip(bill.noises, sizes, strict=True)]
        return [7 * one + other for one, other in zip(*told, strict=True)]

    found = proven(runs(1), runs(0), root_of_rho)
    assert 0.8 < found <= 1
    # A bug that gave each measure the whole of the loss would be caught.
    whole = [Noise(each.mechanism, each.sensitivity, 10**9 // 2) for each in bill.noises]
    first, second = ([draw([moved * size] * RUNS, noise) for noise, size in zip(whole, sizes, strict=True)]
                     for moved in (1, 0))  # fmt: skip
    both = [[7 * one + other for one, other in zip(*told, strict=True)] for told in (first, second)]
    assert proven(both[0], both[1], root_of_rho) > 1.2


def test_a_sum_of_real_rows_is_within_its_epsilon_and_one_without_a_clamp_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One person far beyond the bounds comes or goes; the counting is DuckDB's, the price is `Statistics`'."""
    rows = [{"person": f"p{index}", "age": 50} for index in range(20)]
    rows.append({"person": "outlier", "age": 10_000})
    prepared = prepare(plan(Aggregate("sum", "s", "age"), loss=PrivacyLoss(10**9)))
    noise = Noise.of(Place(prepared.parameters["noise"], "noise").items()[0])
    paths = [write(tmp_path / "a.parquet", rows), write(tmp_path / "b.parquet", rows[:-1])]

    def told() -> float:
        (with_,), (without,) = (exact(prepared, path)[0] for path in paths)
        return proven(draw([with_] * RUNS, noise), draw([without] * RUNS, noise), epsilon)

    assert told() <= 1
    unclamped = "CASE WHEN {0} IS NOT NULL THEN CAST({0} AS BIGINT) END"
    monkeypatch.setattr(Writer, "stored", lambda self, name: unclamped.format(self.column(name)))
    assert told() > 1


def test_noise_is_on_the_grid_so_that_no_float_shows() -> None:
    """Float noise shows in low digits (Mironov 2012). Ours: whole numbers, and every residue comes as often."""
    for noise in (LAPLACE, GAUSSIAN):
        drawn = draw([3] * RUNS, noise)
        assert all(type(each) is int for each in drawn)
        for modulus in (2, 3, 5):
            counts = [sum(each % modulus == rest for each in drawn) for rest in range(modulus)]
            # Each within 6 standard errors: fails for sound noise in less than one of 10⁷ runs.
            expected = RUNS / modulus
            assert all(abs(each - expected) < 6 * math.sqrt(expected) for each in counts)


def test_no_seed_is_used_twice() -> None:
    """Draws of one vector, of two vectors and of two measures are independent: their correlation is that of chance.

    A correlation of independent draws is within 6/sqrt(n) but once in 10⁸ runs; a reused seed has 1.
    """
    for noise in (LAPLACE, GAUSSIAN):
        first, second = (draw([0] * RUNS, noise) for _ in range(2))
        for one, other in ((first, second), (first[1:], first[:-1]), (second[2:], second[:-2])):
            assert abs(_correlation(one, other)) < 6 / math.sqrt(RUNS)
        assert _correlation(first, [2 * each for each in first]) > 0.99


def _correlation(first: list[int], second: list[int]) -> float:
    top = sum(one * other for one, other in zip(first, second, strict=True))
    return top / math.sqrt(sum(one**2 for one in first) * sum(other**2 for other in second))


@pytest.mark.parametrize(("adding", "least", "most"), [(3, 0.8, 1.0), (1, 1.5, 2.0)])
def test_three_shares_are_worth_what_is_charged_and_one_alone_is_caught(adding: int, least: float, most: float) -> None:
    share = sharing.least_share(Sensitivity(1, MOVED, MOVED), 10**9 // 2, 3, 1)
    first, second = (
        [sum(each) for each in zip(*(draw_share([0] * RUNS, share / sharing.FINE) for _ in range(adding)), strict=True)]
        for _ in range(2)
    )
    assert least < proven([each + MOVED for each in first], second, root_of_rho) <= most
