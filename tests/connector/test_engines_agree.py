"""The same whole numbers before noise on every engine: each form of the language, random expressions, odd values."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hefu.errors import HefuError, Malformed
from hefu_connector.computing import expressions as e
from hefu_connector.computing.computation import Aggregate
from hefu_connector.engines import language
from hefu_connector.engines.shape import Shape
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.connector.backends import Backend, DuckDB, InPlace
from tests.connector.engine_world import HUGE, Row, description, plan, prepare, resource
from tests.connector.test_dialect import EXPRESSIONS, GROUPED, MANY, SUMMED, VALUES, _asked
from tests.connector.test_dialect_fuzz import ASKED
from tests.connector.test_grouping_sets import QUESTION
from tests.deep import examples
from tests.postgresql import PostgreSQL

SALTS = ("hefu_connector.engines.counting.secrets.randbits", "hefu_connector.sources.postgres.secrets.randbits")
ALL = resource(contribution=10)  # more than anybody has: which rows are kept is not for engines to agree on
ROWWISE = resource("row")
ODD: list[Row] = [
    {"person": f"p{index}", "region": region, "age": age, "income": income, "day": day, "seen": seen}
    for index, (region, age, income, day, seen) in enumerate(
        [
            ("north", 2**63 - 1, math.nan, dt.date(1, 1, 1), dt.datetime.fromisoformat("0001-01-01T00:00:00")),
            ("north ", -(2**63), math.inf, dt.date(9999, 12, 31), dt.datetime.fromisoformat("9999-12-31T23:59:59.9")),
            ("NORTH", 2**53 + 1, -math.inf, None, None),
            ("", 0, 5e-324, dt.date(1969, 12, 31), dt.datetime.fromisoformat("1969-12-31T23:59:59.999999")),
            ("名", 1, -5e-324, dt.date(2024, 2, 29), dt.datetime.fromisoformat("2024-02-29T12:00:00")),
            ("'%s", 100, 1e308, dt.date(1900, 1, 1), None),
            ("south", 101, 0.125, None, None),
            ("south", 50, -0.125, None, None),
            ("south", 50, 0.375, None, None),
            ("south", 50, 0.12499999999999999, None, None),
            ("south", 50, -0.0, None, None),
            ("south", 50, 199.875, None, None),
            (None, None, None, None, None),
            ("north\ufffd", 3, 1.0, None, None),
        ]
    )
]
ODD.append({"person": "p\ufffd", "region": "north", "age": 7, "income": 1.0})
ODD.append({"person": None, "region": "north", "age": 7, "income": 1.0})


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory: pytest.TempPathFactory) -> DuckDB:
    return DuckDB(tmp_path_factory.mktemp("duckdb"))


@pytest.fixture(scope="module")
def in_place(postgresql: PostgreSQL) -> InPlace:
    return InPlace(postgresql.database())


@pytest.fixture(params=["in_place"])
def other(request: pytest.FixtureRequest) -> Backend:
    """An engine that must agree with DuckDB; those that are not always there stand in a file of their own."""
    found: Backend = request.getfixturevalue(request.param)
    return found


def assert_same(rows: Sequence[Row], asked: Sequence[str], one: Backend, other: Backend) -> int:
    """Ask both; by person, and some by row. Returns how many questions were answered."""
    compared = 0
    for index, text in enumerate(asked):
        of = ROWWISE if index % 4 == 0 else ALL
        try:
            prepared = prepare(language.parse(text, description(of), HUGE), of, 2)
        except HefuError:
            continue
        compared += 1
        assert other.exact(prepared, rows) == one.exact(prepared, rows), text
    return compared


def test_every_form_of_the_language_gives_the_same_numbers(duckdb: DuckDB, other: Backend) -> None:
    assert assert_same(ODD, ASKED, duckdb, other) > 40
    assert_same([], ASKED[:12], duckdb, other)
    groups = [f"SELECT {key} AS k, COUNT(*) AS n FROM data GROUP BY k" for key, _, _ in GROUPED]
    sums = [f"SELECT region, SUM({text}) AS s, COUNT({text}) AS n FROM data GROUP BY region" for text in SUMMED]
    sets = [QUESTION, QUESTION.replace("(region, grade)", "(region, BIN(age, 20))")]
    assert assert_same(MANY, [*groups, *sums, *sets], duckdb, other) > 32


@pytest.mark.deep
@settings(max_examples=examples(20, 2000), deadline=None, suppress_health_check=list(HealthCheck))
@given(EXPRESSIONS, st.lists(VALUES, min_size=1, max_size=6))
def test_any_expression_gives_the_same_numbers(other: Backend, number: e.Expression, rows: list[Row]) -> None:
    try:
        prepared = prepare(_asked(number), resource(contribution=6), 1)
    except Malformed:
        assume(False)
    with TemporaryDirectory() as folder:
        assert other.exact(prepared, rows) == DuckDB(Path(folder)).exact(prepared, rows)


@pytest.mark.deep
@settings(max_examples=examples(10, 500), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(VALUES, max_size=10), st.integers(1, 3))
def test_one_unit_moves_no_more_than_its_sensitivity_on_any_engine(
    other: Backend, rows: list[Row], most: int
) -> None:  # fmt: skip
    asked = _asked(e.Arithmetic("subtract", e.Column("income"), e.Column("age")))
    prepared = prepare(asked, resource(contribution=most))
    measures = Shape.of(prepared.parameters["shape"]).measures
    with pytest.MonkeyPatch.context() as patch:
        for salt in SALTS:
            patch.setattr(salt, lambda _: 12345)
        whole = other.exact(prepared, rows)
        for unit in ("a", "b", "c"):
            less = other.exact(prepared, [row for row in rows if row["person"] != unit])
            for before, after, measure in zip(whole, less, measures, strict=True):
                moved = [abs(x - y) for x, y in zip(before, after, strict=True)]
                assert sum(moved) <= measure.sensitivity.l1, measure.kind
                assert max(moved) <= measure.sensitivity.linf, measure.kind
                assert sum(each > 0 for each in moved) <= measure.sensitivity.l0, measure.kind


def test_as_many_rows_of_a_unit_are_kept_and_others_each_time(other: Backend) -> None:
    rows: list[Row] = [{"person": f"p{index % 7}", "region": "north", "age": index} for index in range(60)]
    of = resource(contribution=3)
    held = Counter(str(row["person"]) for row in rows)
    prepared = prepare(plan(Aggregate("count", "n"), Aggregate("sum", "s", "age"), by=("region",)), of)
    found = [other.exact(prepared, rows) for _ in range(5)]
    assert {counts[0] for counts, _ in found} == {sum(min(3, each) for each in held.values())}
    assert len({sums[0] for _, sums in found}) > 1
