"""MODE of labels by report noisy max: which is told, what it costs, and that nothing but a declared label leaves."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import scipy.stats
from hefu.canonical import Json
from hefu.errors import Malformed, Untrusted
from hefu_connector.computing import guard
from hefu_connector.computing.computation import Aggregate
from hefu_connector.engines import language, sensitivities
from hefu_connector.engines.noise import CHOOSING, Noise, choose, choose_quantile
from hefu_connector.engines.noise.drawing import certified, rank_scores
from hefu_connector.engines.noise.mechanisms import NOISY_MAX, NOISY_MAX_RHO, NOISY_QUANTILE, NOISY_QUANTILE_RHO
from hefu_connector.engines.statistics import Statistics
from hefu_connector.workbench.answer import Answer, Sealed
from hefu_connector.workbench.frames import Noise as Told
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.resource import Column, Fact, Resource
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connector import engine_world as world
from tests.deep import examples

MODE = Aggregate("mode", "m", "region")
MANY = replace(world.resource(), facts=(Fact("rows", "3000"),))
RUNS = examples(6_000, 50_000)


def test_the_most_frequent_label_is_told_by_group(tmp_path: Path) -> None:
    rows = [{"person": f"p{place}", "region": "south", "active": place % 3 > 0, "grade": 1} for place in range(300)]
    rows += [{"person": f"q{place}", "region": "north", "active": place % 3 == 0, "grade": 2} for place in range(900)]
    asked = world.plan(MODE, Aggregate("mode", "g", "grade"), Aggregate("count", "n"), by=("active",))
    assert world.answer(asked, rows, tmp_path) == [("true", "north", "2", "500"), ("false", "north", "2", "700")]
    found = language.parse("SELECT MODE(region) FROM data", world.description(), world.SMALL)
    assert found.aggregates == (Aggregate("mode", "mode_region", "region"),)
    with pytest.raises(Malformed):
        world.prepare(world.plan(Aggregate("mode", "m", "person")))


@pytest.mark.parametrize(
    ("loss", "mechanism"), [(PrivacyLoss(10**9), NOISY_MAX), (PrivacyLoss(0, 0, 10**9), NOISY_MAX_RHO)]
)
def test_a_choice_has_its_share_and_no_interval(loss: PrivacyLoss, mechanism: str) -> None:
    made = world.prepare(world.plan(MODE, Aggregate("count", "n"), loss=loss))
    choice, count = made.mechanisms
    assert (choice.mechanism, choice.half_width) == (mechanism, "")
    assert choice.epsilon_nano + count.epsilon_nano == loss.epsilon_nano
    assert choice.rho_nano + count.rho_nano == loss.rho_nano
    assert made.charge.loss == loss


@settings(max_examples=examples(40, 2000), deadline=None)
@given(st.sampled_from(CHOOSING), st.integers(1, 10**6), st.integers(10**5, 10**11))
def test_every_choice_is_certified(mechanism: str, moved: int, share: int) -> None:
    noise = Noise(mechanism, moved, share)
    assert certified(noise)[0].map(moved) <= share / 10**9


# ---------------------------------------------------------------- audits


def proven(noise: Noise, moved: int) -> tuple[float, float]:
    """How often the first of three labels is chosen with a unit, at least, and without it, at most: but once in 1000
    audits (Clopper and Pearson 1934)."""
    with_, without = ([choose([100 + more, 100, 100] * RUNS, 3, noise)] for more in (moved, 0))
    p, q = (Counter(each[0])[0] for each in (with_, without))
    beta = scipy.stats.beta
    return float(beta.ppf(0.0005, p, RUNS - p + 1)), float(beta.ppf(0.9995, q + 1, RUNS - q))


@pytest.mark.deep
def test_a_choice_stays_within_its_epsilon_and_planted_bugs_are_caught() -> None:
    noise = Noise(NOISY_MAX, 20, 15 * 10**8)
    p, q = proven(noise, 20)
    assert 1 < p / q <= math.exp(1.5)
    # Half the scale, seen as a unit that moves twice as much at ε 3/4; and a sensitivity that is four times too small.
    p, q = proven(Noise(NOISY_MAX, 20, 3 * 10**9), 20)
    assert p / q > math.exp(0.75)
    p, q = proven(Noise(NOISY_MAX, 5, 3 * 10**8), 20)
    assert p / q > math.exp(0.3)


@pytest.mark.deep
def test_a_choice_stays_within_its_rho() -> None:
    """ρ bounds Rényi's divergence of order 2 by 2ρ (Bun and Steinke 2016, definition 1.1). Of three labels it can be
    worked out from the shares: sound ones are 0.66 apart, where 1 is allowed and runs are off by 0.03."""

    def divergence(noise: Noise) -> float:
        with_, without = (Counter(choose([100 + more, 100, 100] * RUNS, 3, noise)) for more in (20, 0))
        return math.log(sum((with_[place] / RUNS) ** 2 / (without[place] / RUNS) for place in range(3)))

    assert 0.5 < divergence(Noise(NOISY_MAX_RHO, 20, 10**9 // 2)) <= 1
    assert divergence(Noise(NOISY_MAX_RHO, 5, 10**9 // 2)) > 1  # a sensitivity that is four times too small


# ---------------------------------------------------------------- quantiles


@settings(max_examples=examples(300, 20_000), deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.data())
def test_a_row_moves_no_score_of_a_rank_by_more_than_its_sensitivity(counts: list[int], data: st.DataObject) -> None:
    which = Fraction(data.draw(st.integers(1, 99)), 100)
    more, place = data.draw(st.integers(1, 5)), data.draw(st.integers(0, len(counts) - 1))
    before = rank_scores(counts, which)
    after = rank_scores([each + more * (at == place) for at, each in enumerate(counts)], which)
    most = sensitivities.ranks(more, 1, which).linf
    assert all(abs(x - y) <= most for x, y in zip(before, after, strict=True))
    # The first bin up to which there is that share scores best.
    first = next(at for at in range(len(counts)) if sum(counts[: at + 1]) >= which * sum(counts))
    assert before[first] == max(before) == 0


@pytest.mark.parametrize(
    ("which", "of", "loss", "name"),
    [
        ("0.5", MANY, PrivacyLoss(10**9), NOISY_QUANTILE),
        ("0.5", MANY, PrivacyLoss(0, 0, 10**9), NOISY_QUANTILE_RHO),
        ("0.5", world.resource(), PrivacyLoss(10**9), ""),  # nobody said how many rows there are
        ("0.5", MANY, PrivacyLoss(10**6), ""),  # too few beside the noise
        ("0.9", MANY, PrivacyLoss(10**9), ""),  # off its middle counts are nearer
        ("0.4999", MANY, PrivacyLoss(10**9), ""),  # too fine
    ],
)
def test_description_and_question_alone_say_whether_a_quantile_is_chosen(
    which: str, of: Resource, loss: PrivacyLoss, name: str
) -> None:
    asked = world.plan(Aggregate("quantile", "q", "age", quantile=Decimal(which)), loss=loss)
    made = world.prepare(asked, of)
    counts, *choice = made.mechanisms
    assert [each.mechanism for each in choice] == ([name] if name else [])
    assert made.charge.loss == loss
    share = sum(each.epsilon_nano + each.rho_nano for each in choice)
    assert counts.epsilon_nano + counts.rho_nano + share == loss.epsilon_nano + loss.rho_nano
    both = [Aggregate("quantile", name, "age", quantile=Decimal(each)) for name, each in (("a", "0.5"), ("b", "0.4"))]
    assert len(world.prepare(world.plan(*both), MANY).mechanisms) == 1  # two are answered by the same counts


def test_a_chosen_quantile_is_told_with_the_interval_of_its_counts(tmp_path: Path) -> None:
    rows = [{"person": f"p{place}", "age": 7 if place < 1600 else 90} for place in range(3000)]
    path = world.write(tmp_path / "p.parquet", rows)
    made = world.prepare(world.plan(Aggregate("quantile", "q", "age", quantile=Decimal("0.5"))), MANY)
    noisy = world.plan(Aggregate("quantile", "q", "age", quantile=Decimal("0.5")), loss=PrivacyLoss(10**9))
    for prepared in (made, world.prepare(noisy, MANY)):
        assert len(prepared.mechanisms) == 2
        values = world.run(prepared, path)
        # Other bins are 100 rows away in rank, at a scale of 4: one of them is told once in 10^8 runs.
        assert values.rows == (("7",),)
        assert Decimal(str(values.half_widths[0][0])) <= 84


@pytest.mark.deep
def test_a_chosen_quantile_stays_within_its_epsilon_and_planted_bugs_are_caught() -> None:
    """One unit's 20 rows behind the median make the first bin worse and those behind better: all that it can do."""

    def told(noise: Noise) -> float:
        p, q = (
            Counter(choose_quantile([90, 20, *[0] * 8, 90 + more] * RUNS, 11, Fraction(1, 2), noise))[0]
            for more in (0, 20)
        )
        beta = scipy.stats.beta
        return math.log(beta.ppf(0.0005, p, RUNS - p + 1) / beta.ppf(0.9995, q + 1, RUNS - q))

    assert 0.6 < told(Noise(NOISY_QUANTILE, 20, 15 * 10**8)) <= 1.5
    # Half the scale, which is what scores taken for monotonic would have.
    assert told(Noise(NOISY_QUANTILE, 20, 3 * 10**9)) > 1.5


# ---------------------------------------------------------------- what leaves


def test_nothing_but_a_declared_label_leaves_and_its_length_does_not_show() -> None:
    columns = (*world.COLUMNS[:1], Column("region", "text", categories=("x", "long " * 20)), *world.COLUMNS[2:])
    made = world.prepare(world.plan(MODE), world.resource(columns=columns))
    engine = Statistics()
    values = [engine.read({"noised": [[place]], "rows_read": 1}, made) for place in ("0", "1")]
    sizes = {len(guard.payload("cmp-1", guard.check(each, made), made, {})) for each in values}
    assert len(sizes) == 1
    with pytest.raises(Untrusted):
        guard.check(replace(values[0], rows=(("y",),)), made)
    wrong: list[Json] = [["2"], ["-1"], ["0", "1"]]
    for each in wrong:
        with pytest.raises(Untrusted):
            engine.read({"noised": [each], "rows_read": 1}, made)


def test_labels_are_texts_in_python_and_in_arrow() -> None:
    sealed = Sealed("cmp-1", "hospital", "agr-1", "prd-people", PrivacyLoss(1), "stm-1")
    told = (Told("m", NOISY_MAX, "2", ""), Told("n", "discrete-laplace", "2", "6"))
    answer = Answer(("m", "n"), (("north", "5"),), ((None, "6"),), 0, told, (sealed,))
    assert answer.values("m") == ("north",)
    assert answer.intervals("m") == (None,)
    assert answer.to_arrow().column("m").to_pylist() == ["north"]
    assert answer.to_arrow().column_names == ["m", "n", "n_low", "n_high", "withheld"]
    assert "north" in repr(answer)
