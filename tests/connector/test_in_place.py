"""A table of a real PostgreSQL that is counted in place: only whole numbers leave it, and no value decides whether."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from hefu.canonical import Object
from hefu.errors import HefuError, Malformed, Unavailable
from hefu_connector.computing.computation import Aggregate
from hefu_connector.computing.predicates import Compare, Literal
from hefu_connector.engines import Moved, cells, counting
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.statistics import Statistics
from hefu_connector.shelves import SourceRecord
from hefu_connector.sources.database import DatabaseSource
from hefu_connector.sources.look import SourceLook
from hefu_connector.sources.postgres import PostgresSource
from hefu_connector.workers.pool import Limits, Pool
from hefu_policies.goods.resource import Bounds, Column

from tests.connector.backends import InPlace
from tests.connector.engine_world import COLUMNS, plan, prepare, resource
from tests.postgresql import PostgreSQL

SECRET = "5550123"
N, K, S = Aggregate("count", "n"), Aggregate("count", "k", "income"), Aggregate("sum", "s", "income")
WEALTH = Column("income", "decimal", nullable=True, bounds=Bounds(Decimal(-50), Decimal(200), Decimal("0.25")))


@pytest.fixture(scope="module")
def database(postgresql: PostgreSQL) -> InPlace:
    return InPlace(postgresql.database())


@pytest.fixture(scope="module")
def workers() -> Iterator[Pool]:
    with Pool(None, Limits(ready=1)) as pool:
        yield pool


def run(database: InPlace, *statements: str) -> None:
    with psycopg.connect(database.url) as connection:
        for each in statements:
            connection.execute(each)  # type: ignore[arg-type]


def record(look: SourceLook, database: InPlace, table: str, **options: str) -> SourceRecord:
    given: Object = {"table": table, "in_place": "yes", **options}
    return look.spell(SourceRecord("people", "res-people", database.url, "", given))


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("numeric", ["1.5", "NaN", "2.25", "1e-120", "1e120", "-7.1", None]),
        ("numeric(12, 3)", ["1.5", "NaN", "-7.125", "0.125", "123456789.987", None]),
        ("numeric(5, -200)", ["1e200", "0", "NaN"]),
        ("numeric(5, 400)", ["1e-400", "0"]),
        ("numeric(120, 110)", ["0", "1.5", "1e-105"]),
        ("real", ["0.1", "NaN", "Infinity", "-3.3", "1e-45", "0.125"]),
        ("double precision", ["0.1", "4.9e-324", "-1e308", "0.375"]),
        ("integer", [1, 2, None, 3_000]),
    ],
)  # fmt: skip
def test_numbers_of_every_type_are_those_of_a_copy(
    type_: str, values: list[object], database: InPlace, tmp_path: Path
) -> None:  # fmt: skip
    name = database.table(f"person text, income {type_}", [(f"p{n}", value) for n, value in enumerate(values)])
    for asked in (plan(N, K, S), plan(N, where=Compare("income", ">", Literal("decimal", "0")))):
        prepared = prepare(asked, resource(columns=(COLUMNS[0], WEALTH)))
        with DatabaseSource(database.url, name).open(["person", "income"]) as table:
            copied = counting._exact_of(
                Shape.of(prepared.parameters["shape"]), table.path, table.form, table.layout
            )[0]  # fmt: skip
        assert database.count(prepared, name) == copied


def test_days_and_instants_beyond_the_years_of_people_are_absent_and_stop_nobody(database: InPlace) -> None:
    days = ["2026-01-02", "infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "0001-01-01", None]
    name = database.table(
        "person text, day date, seen timestamptz", [(f"p{n}", day, day) for n, day in enumerate(days)]
    )
    for column in ("day", "seen"):
        prepared = prepare(plan(N, Aggregate("count", "k", column)))
        assert database.count(prepared, name) == [[7], [2]], "in place"
        with DatabaseSource(database.url, name).open(["person", column]) as table:
            shape = Shape.of(prepared.parameters["shape"])
            assert counting._exact_of(shape, table.path, table.form, table.layout)[0] == [[7], [2]], "copied"


def test_texts_are_compared_letter_by_letter_whatever_their_type_and_name(database: InPlace) -> None:
    run(database, "CREATE TYPE side AS ENUM ('south', 'north')", "CREATE DOMAIN place AS varchar(20)")
    for type_ in ("varchar(20)", "side", "place", 'text COLLATE "POSIX"'):
        name = database.table(f'person text, "re""gi %s on" {type_}', [("a", "north"), ("b", "south"), ("c", "south")])
        prepared = prepare(plan(N, by=("region",), where=Compare("region", ">", Literal("text", "no"))))
        assert database.count(prepared, name, region='re"gi %s on') == [[1, 2, 0]]


def test_a_worker_adds_noise_to_what_the_database_counted(database: InPlace, workers: Pool) -> None:
    name = database.table("person text, region text", [(f"p{n // 3}", "south") for n in range(30)])
    prepared = prepare(plan(N, by=("region",)))
    with database.source(name).open(["person", "region"], prepared.parameters) as table:
        output = workers.run("statistics", prepared.parameters, table, job="ask", deadline=60)
    assert Statistics().read(output, prepared).rows == (("north", "0"), ("south", "20"), ("east", "0"))


def test_size_and_name_of_what_is_handed_over_hang_on_the_question_only(database: InPlace) -> None:
    prepared, told = prepare(plan(N, S, by=("region",))), []
    for rows in ([], [("p", "north", 7.5)], [(f"p{n}", "south", 199.0) for n in range(500)]):
        name = database.table("person text, region text, income double precision", rows)
        source = database.source(name)
        for _ in range(2):
            with source.open([], prepared.parameters) as table:
                told.append((table.size, table.snapshot))
    assert len({size for size, _ in told}) == 1
    assert len({snapshot for _, snapshot in told}) == len(told), "a name of the moment, not a digest of counts"


def test_cells_of_another_question_are_refused(tmp_path: Path) -> None:
    asked = prepare(plan(N, by=("region",)))
    shape = Shape.of(asked.parameters["shape"])
    for numbers in ([[1, 2]], [[1, 2, 3], [4]], []):
        path = tmp_path / "cells"
        with path.open("wb") as file:
            cells.write(numbers, file)
        with pytest.raises(Moved):
            cells.read(shape, path)
    path.write_bytes(b"ARROW1 and nothing else")
    with pytest.raises(Moved):
        cells.read(shape, path)


def test_nobody_elses_functions_are_called_and_nothing_can_be_written(database: InPlace) -> None:
    name = database.table("person text, income double precision, seen timestamp", [("a", 2.5, "2026-01-01")])
    run(
        database,
        "CREATE FUNCTION public.round(double precision) RETURNS double precision LANGUAGE sql AS 'SELECT 99.0::float8'",
        "CREATE FUNCTION public.abs(double precision) RETURNS double precision LANGUAGE sql AS 'SELECT 99.0::float8'",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); "
        "END $$",
        "CREATE TABLE written (what text)",
        "CREATE FUNCTION note() RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO public.written VALUES ('x'); RETURN 'a'; END $$",
        "CREATE VIEW noting AS SELECT public.note() AS person, 1.0::float8 AS income",
    )
    prepared = prepare(plan(S), resource(columns=(COLUMNS[0], WEALTH)))
    assert database.count(prepared, name) == [[10]]
    with pytest.raises(Unavailable):
        database.count(prepared, "noting")
    with psycopg.connect(database.url) as connection:
        assert connection.execute("SELECT count(*) FROM public.written").fetchone() == (0,)


def test_what_the_database_says_is_told_to_nobody(database: InPlace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    run(
        database,
        f"CREATE VIEW failing AS SELECT 'a' AS person, (CASE WHEN random() < 2 THEN '{SECRET}x' END)::float8 AS income",
        "CREATE VIEW endless AS SELECT 'a' AS person, n::float8 AS income "
        "FROM generate_series(1::bigint, 1000000000000) AS n",
    )
    prepared = prepare(plan(S), resource(columns=(COLUMNS[0], WEALTH)))
    for table, seconds in (("failing", 60.0), ("endless", 0.3), ("nothing", 60.0)):
        source = replace(database.source(table), seconds=seconds)
        with pytest.raises(HefuError) as caught, source.open([], prepared.parameters):
            pass
        assert caught.value.code == "source.moved"
        assert SECRET not in repr((caught.value.public(), caught.value.detail, caught.value.args)) + caplog.text
        assert caught.value.__cause__ is None


def test_a_column_that_would_have_to_be_cast_is_refused_with_what_to_do(database: InPlace, workers: Pool) -> None:
    name = database.table("person text, income text, age numeric, region char(9), day timestamp", [])
    look = SourceLook(workers, None)
    of = record(look, database, name)
    assert look.columns(of) == {"person": "text", "income": "text", "age": "decimal", "region": "", "day": "timestamp"}
    for column in (WEALTH, COLUMNS[1], COLUMNS[2], COLUMNS[5], Column("height", "integer")):
        described = resource(columns=(COLUMNS[0], column))
        with pytest.raises(Malformed) as caught:
            look.check(of, [described])
        assert caught.value.code == "source.in_place"
        assert "--in-place" in caught.value.public()
        with pytest.raises(Unavailable), look.source(of).open(
            [], prepare(plan(Aggregate("count", "n", column.name)), described).parameters
        ):  # fmt: skip
            pass
    look.check(of, [resource(columns=(COLUMNS[0],))])
    copied = replace(of, options={"table": name})
    look.check(copied, [resource()])  # where a table is copied, its texts are read


def test_what_is_no_question_is_copied(database: InPlace, workers: Pool) -> None:
    name = database.table("person text, region text", [("a", "north")])
    source = SourceLook(workers, None).source(record(SourceLook(workers, None), database, name))
    assert isinstance(source, PostgresSource)
    exact: Object = {"question": {}, "shape": {}}
    for asked in (None, exact):
        with source.open(["region"], asked) as table:
            assert table.form == "parquet"
            assert pa.parquet.read_table(table.path).to_pydict() == {"region": ["north"]}


@pytest.mark.parametrize(("uri", "option"), [("sqlite:////tmp/a.db", "yes"), ("postgresql://u@h/d", "no")])
def test_only_a_database_that_can_is_counted_in_place(uri: str, option: str, workers: Pool) -> None:
    with pytest.raises(Malformed):
        SourceLook(workers, None).spell(SourceRecord("x", "", uri, "", {"table": "t", "in_place": option}))
