"""Several groupings of the same rows in one release: as if each were asked alone, and what a unit moves is added."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hefu.errors import Malformed
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.exact import ExactPlan
from hefu_connector.engines import language
from hefu_connector.engines.shape import Shape
from hefu_policies.budget import NO_LOSS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.connector.engine_world import HUGE, Row, description, exact, prepare, resource, run, write
from tests.deep import examples

FEW = [
    {"person": person, "region": region, "active": active, "grade": grade, "age": age}
    for person, region, active, grade, age in (
        ("a", "north", True, 1, 20),
        ("a", "north", None, 2, 30),
        ("b", "west", True, 2, 40),
        ("c", None, False, 3, 50),
        ("d", "south", False, 1, None),
    )
]
WIDE = resource(contribution=2)


def asked(sql: str) -> Plan:
    return language.parse(sql, description(WIDE), HUGE)


def test_each_grouping_is_answered_as_if_it_were_asked_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "people.parquet", FEW)
    together = asked(
        "SELECT region, active, grade, COUNT(*) AS n, COUNT(DISTINCT person) AS u, SUM(age) AS s, MEDIAN(age) AS m "
        "FROM data GROUP BY GROUPING SETS ((region), (active, grade), ())"
    )
    assert Plan.of(together.body()) == together
    rows = list(run(prepare(together, WIDE), path).rows)
    alone = []
    for keys in (("region",), ("active", "grade"), ()):
        by = f"GROUP BY {', '.join(keys)}" if keys else ""
        chosen = "".join(f"{key}, " for key in keys)
        one = asked(f"SELECT {chosen}COUNT(*), COUNT(DISTINCT person), SUM(age), MEDIAN(age) FROM data {by}")
        for row in run(prepare(one, WIDE), path).rows:
            labels = dict(zip(keys, row, strict=False))
            alone.append((*(labels.get(key) for key in ("region", "active", "grade")), *row[len(keys) :]))
    assert rows == alone
    assert rows[-1][:6] == (None, None, None, "5", "4", "140")


def test_rollup_and_cube_are_short_for_their_sets() -> None:
    by = "SELECT region, grade, active, COUNT(*) FROM data GROUP BY "
    assert asked(by + "ROLLUP (region, (grade, active))").sets == ((0, 1, 2), (0,), ())
    assert asked(by + "active, CUBE (region, grade)").sets == ((0, 1, 2), (0, 1), (0, 2), (0,))
    assert asked(by + "GROUPING SETS ((region, grade, active))").sets == ()


@pytest.mark.parametrize(
    "by",
    [
        "ROLLUP (region), CUBE (grade)",
        "GROUPING SETS (ROLLUP (region), (grade))",
        "CUBE (region, grade, active, age, income, BIN(age, 5), BIN(age, 4))",
        "region WITH ROLLUP",
        "GROUPING SETS ((region, grade, active, BIN(age, 5), BIN(age, 4)), ())",
    ],
)
def test_what_has_no_clear_sets_is_refused(by: str) -> None:
    with pytest.raises(Malformed):
        asked(f"SELECT COUNT(*) FROM data GROUP BY {by}")


@pytest.mark.parametrize("sets", [[[0]], [[0], [0]], [[0], [1]], [[0, 0], []], [[1, 0], []], [[0], [-1]]])
def test_sets_that_are_none_are_refused_by_the_provider_too(sets: list[list[int]]) -> None:
    plan = asked("SELECT region, COUNT(*) FROM data GROUP BY ROLLUP (region)").body()
    with pytest.raises(Malformed):
        Plan.of({**plan, "sets": [[*each] for each in sets]})


def test_exact_aggregates_and_histograms_have_no_grouping_sets() -> None:
    plan = Plan("prd-people", (Aggregate("count", "n"),), NO_LOSS, None, ("region",), sets=((0,), ()))
    with pytest.raises(Malformed):
        ExactPlan(plan)
    with pytest.raises(Malformed):
        asked("SELECT region, HISTOGRAM(age, 5) FROM data GROUP BY ROLLUP (region)")


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "person": st.sampled_from(["a", "b", "c", None]),
            "region": st.sampled_from(["north", "south", "west", None]),
            "grade": st.sampled_from([1, 2, 3, None]),
            "age": st.one_of(st.none(), st.integers(-5, 120)),
        }
    ),
    max_size=12,
)
QUESTION = (
    "SELECT region, grade, COUNT(*), COUNT(DISTINCT person), SUM(age), VARIANCE(age), QUANTILE(age, 0.5) "
    "FROM data WHERE age < 100 GROUP BY GROUPING SETS ((region), (grade), (region, grade), ())"
)


@pytest.mark.deep
@settings(max_examples=examples(10, 300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ROWS, st.integers(1, 4))
def test_one_unit_moves_the_sets_together_no_more_than_is_paid_for(rows: list[Row], most: int) -> None:
    of = resource(contribution=most)
    prepared = prepare(language.parse(QUESTION, description(of), HUGE), of, minimum=1)
    measures = Shape.of(prepared.parameters["shape"]).measures
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("hefu_connector.engines.counting.secrets.randbits", lambda _: 12345)
        whole = exact(prepared, write(Path(folder) / "a.parquet", rows))
        for unit in ("a", "b", "c"):
            less = exact(prepared, write(Path(folder) / "b.parquet", [r for r in rows if r["person"] != unit]))
            for before, after, measure in zip(whole, less, measures, strict=True):
                moved = [abs(x - y) for x, y in zip(before, after, strict=True)]
                assert sum(moved) <= measure.sensitivity.l1, measure.kind
                assert max(moved) <= measure.sensitivity.linf, measure.kind
                assert sum(each > 0 for each in moved) <= measure.sensitivity.l0, measure.kind


def test_a_unit_that_is_in_every_set_moves_all_that_is_paid_for(tmp_path: Path) -> None:
    """So that a bound for one set alone would be caught."""
    rows = [{"person": "a", "region": r, "grade": g, "age": 99} for r, g in product(("north", "south"), (1, 2))]
    of = resource(contribution=4)
    prepared = prepare(language.parse(QUESTION, description(of), HUGE), of)
    measures = Shape.of(prepared.parameters["shape"]).measures
    moved = [sum(map(abs, each)) for each in exact(prepared, write(tmp_path / "a.parquet", rows))]
    assert (moved[0], measures[0].sensitivity.l1) == (16, 16)
    assert (moved[1], measures[1].sensitivity.l1) == (9, 10)  # 2 + 2 + 4 + 1; three regions are declared, not two
