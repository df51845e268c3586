"""Exact aggregates of groups, conditions and counts that are worked out from a row, and attacks by way of these."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hefu.canonical import Object
from hefu.errors import Malformed, Refused
from hefu_connector.computing import expressions as e
from hefu_connector.computing.computation import Aggregate
from hefu_connector.computing.expressions import Column as Named
from hefu_connector.computing.expressions import Number
from hefu_connector.computing.groups import Bins, Labels, Values
from hefu_connector.computing.predicates import Compare, Literal, Relation
from hefu_connector.engines.exact import counting as exact_counting
from hefu_connector.engines.exact.standing import Mark, Standing
from hefu_connector.engines.laid import FORM, Laid

from tests.connector import engine_world as small
from tests.connector.test_exact import COUNT, NORTH, TOTAL, Town, people, plan
from tests.connector.test_layouts import lay

YOUNG = Compare("age", "<", Literal("integer", "21"))
TARGET = e.Case((e.When(YOUNG, Number(Decimal(1))),), None)
_FROM_TWENTY = e.Arithmetic("subtract", Named("age"), Number(Decimal(20)))
_IN_THIRTIES = e.Function("floor", e.Arithmetic("divide", Named("age"), Number(Decimal(25))))


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (Aggregate("units", "u"), "exact.function"),
        (Aggregate("variance", "v", "age"), "exact.function"),
        (Aggregate("quantile", "q", "age", quantile=Decimal("0.5")), "exact.function"),
        (Aggregate("sum", "s", number=TARGET), "exact.expression"),
        (Aggregate("mean", "m", number=TARGET), "exact.expression"),
    ],
)
def test_what_is_no_sum_over_a_set_of_rows_is_not_told_exactly(asked: Aggregate, code: str, tmp_path: Path) -> None:
    """A sum of 1 for one person and 0 for all others would stand for all: nothing could be held against it."""
    with pytest.raises(Malformed) as raised:
        Town(tmp_path, []).prepare(plan(asked))
    assert raised.value.code == code


@pytest.mark.parametrize(
    "trick",
    [
        pytest.param(plan(Aggregate("count", "n", number=TARGET)), id="counted where a CASE is present"),
        pytest.param(plan(where=Relation(TARGET, "=", Number(Decimal(1)))), id="filtered by an expression"),
        pytest.param(plan(where=Relation(_FROM_TWENTY, ">", Number(Decimal(1)))), id="all but those few"),
        pytest.param(plan(by=[Labels("who", ((YOUNG, "x"),), "y")]), id="grouped by a CASE"),
        pytest.param(plan(by=[Bins("who", Named("age"), Decimal(25))]), id="grouped by bins"),
        pytest.param(plan(by=[Values("who", _IN_THIRTIES)]), id="grouped by values"),
        pytest.param(
            plan(Aggregate("count", "n", number=e.Round(e.Arithmetic("divide", Named("age"), _FROM_TWENTY)))),
            id="absent where it divides by zero",
        ),
    ],
)
def test_an_expression_is_no_way_to_single_out_a_few(trick: Object, tmp_path: Path) -> None:
    """Two are twenty years old; all others are older. Told the total, nobody is told of all but those two."""
    rows = [{**each, "age": 20 if at < 2 else 30 + at % 9} for at, each in enumerate(people(north_yes=40))]
    town = Town(tmp_path, rows)
    assert town.ask(plan()) == [("40",)]
    assert {row[-1] for row in _answered(town, trick)} <= {None}


def test_keys_conditions_and_counts_that_are_worked_out_are_told_where_they_are_large(tmp_path: Path) -> None:
    town = Town(tmp_path, people(north_yes=40, south_yes=30))
    keys = [Labels("who", ((YOUNG, "young"),), "old"), Bins("decade", Named("age"), Decimal(50))]
    told = {row[:2]: row[2] for row in town.ask(plan(by=keys), 3) if row[2]}
    assert told == {("old", "[0,50)"): "58", ("old", "[50,100)"): "10"}
    both = plan(COUNT, Aggregate("histogram", "h", "age", edges=(Decimal(20), Decimal(40), Decimal(80))), TOTAL)
    other = Town(tmp_path, people(north_yes=40, south_yes=30))
    assert other.ask(both, 3) == [
        ("[20,40)", "40", "40", "400"),
        ("[40,80]", "30", "30", "300"),
    ]


def test_what_was_found_out_before_changes_no_answer_and_is_found_out_again_where_it_does_not_fit(
    tmp_path: Path,
) -> None:
    """The same questions, with all that earlier workers found out, without it, and with what does not fit."""
    groups = people(north_yes=30, north_no=3, south_yes=40, south_no=50, east_yes=60, east_no=70)
    asked = [plan(by=["region"]), plan(TOTAL, by=["active"]), plan(by=["region", "active"]), plan(where=NORTH)]
    towns = [Town(tmp_path, groups) for _ in range(3)]
    for each in asked:
        towns[1].standing, towns[2].standing = "", "AAAA"
        first, second, third = (_answered(town, each) for town in towns)
        assert first == second == third
    other = Town(tmp_path, groups[::-1])
    other.history, other.standing = towns[0].history, towns[0].standing
    assert other.ask(asked[0]) == towns[0].ask(asked[0])


def test_what_was_found_out_about_thousands_of_sets_is_read_as_it_was_written() -> None:
    marks = [Mark(5, ("income",)), Mark(20, (), "income")] * 2_000
    rows = pa.array([1, 2, 0], pa.int32())
    standing = Standing(900, marks, [0, 1 << 3_999 | 1, 7], "3/9", rows, {"5/": 1 << 3_990})
    read = Standing.of(standing.write())
    assert (read.rows.to_pylist(), read.atoms, read.dependent) == ([1, 2, 0], standing.atoms, standing.dependent)
    assert (read.answers, read.marks, read.order) == (900, marks, "3/9")


def test_a_long_history_is_found_out_by_several_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = people(north_yes=30, north_no=30, south_yes=40, south_no=50, east_yes=60, east_no=70)
    one, two = Town(tmp_path, rows), Town(tmp_path, rows)
    for asked in (plan(by=["region"]), plan(by=["active"]), plan(where=NORTH), plan(by=["region", "active"])):
        one.ask(asked)
    two.history = [*one.history]
    monkeypatch.setattr(exact_counting, "AT_ONCE", 1)
    assert two.ask(plan(TOTAL, by=["active"])) == one.ask(plan(TOTAL, by=["active"]))
    assert Standing.of(two.standing).answers == 4


def test_a_laid_out_snapshot_is_told_of_as_its_source_is(tmp_path: Path) -> None:
    """Figures, cells that are withheld, and histories: for units, and for rows that are units."""
    rows = people(north_yes=30, north_no=3, south_yes=40, south_no=50, east_yes=60, east_no=70)
    rows = [{**each, "person": None} if at % 40 == 39 else each for at, each in enumerate(rows)]
    keys = [Labels("who", ((YOUNG, "young"),), "old"), "active"]
    asked = [plan(by=["region"]), plan(TOTAL, by=keys), plan(where=NORTH), plan(by=["region", "active"])]
    for of in (small.resource(contribution=1), small.resource("row")):
        source, laid = Town(tmp_path, rows, of), Town(tmp_path, rows, of)
        layout = Laid.describe(of)
        laid.path, laid.form, laid.layout = lay(laid.path, layout), FORM, {"laid": layout.body(), "units": 300}
        for each in asked:
            assert _answered(laid, each) == _answered(source, each)
        assert laid.history == source.history


def test_what_0_1_0_kept_of_an_answer_counts_as_what_is_kept_now(tmp_path: Path) -> None:
    town = Town(tmp_path, people(north_yes=40, south_yes=30, east_yes=2))
    grid: Object = {"lower": "0", "upper": "100", "granularity": "1"}
    old: Object = {
        "columns": {"age": "integer", "region": "text"}, "grids": {"age": grid}, "filter": None,
        "keys": [{"column": "region", "labels": ["north", "south", "east"], "edges": []},
                 {"column": "age", "labels": ["[0,100]"], "edges": [0, 100]}],
        "sets": ["", "age"], "sums": ["age"],
    }  # fmt: skip
    town.history.append({"question": old, "group": 5, "told": [0, 1], "dominated": {}})
    with pytest.raises(Refused, match="single out"):
        town.ask(plan())


def _answered(town: Town, asked: Object) -> list[tuple[str | None, ...]]:
    """What is told; of a refusal nothing."""
    try:
        return town.ask(asked)
    except Refused:
        return []
