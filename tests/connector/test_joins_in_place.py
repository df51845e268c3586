"""Two tables of one PostgreSQL, joined there: the whole numbers that DuckDB makes of files, and as private."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import Unavailable
from hefu.statements import receipt
from hefu_connector.engines import cells
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.statistics import Statistics
from hefu_connector.ports import Prepared, Source
from hefu_connector.shelves import SourceRecord
from hefu_connector.sources.database import DatabaseSource
from hefu_connector.sources.look import SourceLook
from hefu_connector.sources.postgres import PostgresJoin, PostgresSource
from hefu_connector.workers.pool import Limits, Pool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from tests.connector import test_joins as joins
from tests.connector.backends import InPlace
from tests.connector.engine_world import Row
from tests.connector.test_engines_agree import ODD
from tests.connector.test_join_enforcement import VISITS, Joining, ask, told
from tests.connector.world import ROWS
from tests.deep import examples
from tests.postgresql import PostgreSQL

SALT = "hefu_connector.sources.postgres.secrets.randbits"
JOIN = 'FROM data JOIN "prd-wards" USING (person)'
MOST = 64  # rows of a unit in either table, more than any has: which are kept is not for engines to agree on
FORMS = [
    joins.QUERY,
    f"SELECT COUNT(*) AS n, SUM(cost) AS s, AVG(income) AS m, COUNT(DISTINCT person) AS u {JOIN}",
    f"SELECT ward, SUM(income * cost) AS s, COUNT(income) AS n {JOIN} GROUP BY ward",
    f"SELECT active, COUNT(*) AS n {JOIN} WHERE day > DATE '2000-01-01' OR ward = 'x' GROUP BY active",
    f"SELECT BIN(cost, 4) AS c, COUNT(*) AS n {JOIN} WHERE seen IS NULL GROUP BY c",
    f"SELECT SUM(CASE WHEN cost > 50 THEN income ELSE 0 END) AS s {JOIN} WHERE income < cost",
    f"SELECT MEDIAN(cost) AS m {JOIN} WHERE region IN ('north', '') AND cost <> 6",
    f"SELECT region, ward, COUNT(*) AS n {JOIN} GROUP BY GROUPING SETS ((region), (ward))",
]
PEOPLE: list[Row] = [{**each, "active": (True, False, None)[index % 3]} for index, each in enumerate(ODD)]
WARDS: list[Row] = [
    {"person": each["person"], "ward": "xyz"[index % 3], "cost": (0, 6, 50, 100, 900, None)[(index + again) % 6]}
    for again in range(2)
    for index, each in enumerate(ODD)
]


class Town:
    """Two tables that are filled anew for each question."""

    def __init__(self, database: InPlace) -> None:
        self.people = database.table(InPlace.TYPES, [])
        self.wards = database.table("person varchar(40), ward text, cost smallint, age bigint", [])
        self.joint = PostgresJoin(database.source(self.people), database.source(self.wards))
        self._connection = psycopg.connect(database.url, autocommit=True)

    def close(self) -> None:
        self._connection.close()

    def fill(self, people: Sequence[Row], wards: Sequence[Row]) -> None:
        names = [each.split()[0] for each in InPlace.TYPES.split(", ")]
        with self._connection.cursor() as cursor:
            for table, rows, of in ((self.people, people, names), (self.wards, wards, ["person", "ward", "cost"])):
                cursor.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(table)))
                marks = sql.SQL(", ").join([sql.Placeholder()] * len(of))
                heads = sql.SQL(", ").join(map(sql.Identifier, of))
                insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table), heads, marks)
                cursor.executemany(insert, [[row.get(name) for name in of] for row in rows])

    def exact(self, prepared: Prepared, people: Sequence[Row], wards: Sequence[Row]) -> list[list[int]]:
        self.fill(people, wards)
        return counted(self.joint, prepared)


def counted(source: Source, prepared: Prepared) -> list[list[int]]:
    """The whole numbers of both tables, as a worker would read them."""
    with source.open(sorted(prepared.reads), prepared.parameters) as found:
        assert [each.form for each in (found, *found.beside)] == [cells.FORM] * 2
        return cells.read(Shape.of(prepared.parameters["shape"]), found.path)


@pytest.fixture(scope="module")
def database(postgresql: PostgreSQL) -> InPlace:
    return InPlace(postgresql.database())


@pytest.fixture(scope="module")
def town(database: InPlace) -> Iterator[Town]:
    made = Town(database)
    yield made
    made.close()


@pytest.fixture(scope="module")
def workers() -> Iterator[Pool]:
    with Pool(None, Limits(ready=1)) as pool:
        yield pool


@pytest.mark.parametrize("text", FORMS)
def test_every_form_of_a_join_gives_the_same_numbers_as_of_files(text: str, town: Town, tmp_path: Path) -> None:
    prepared = joins.prepare(MOST, MOST, text, 1)
    found = town.exact(prepared, PEOPLE, WARDS)
    assert found == joins.exact(prepared, *joins.tables(tmp_path, PEOPLE, WARDS))
    assert any(map(any, found))


ROWS_OF = [joins.rows_of(ward).map(lambda rows: rows[:8]) for ward in (False, True)]


@pytest.mark.deep
@settings(max_examples=examples(6, 300), deadline=None, suppress_health_check=list(HealthCheck))
@given(*ROWS_OF, st.integers(1, 3), st.integers(1, 3), st.sampled_from(FORMS[:3]))
def test_both_engines_agree_and_a_unit_moves_no_more_than_its_sensitivity(
    town: Town, people: list[Row], wards: list[Row], first: int, second: int, text: str
) -> None:
    free, bounded = joins.prepare(MOST, MOST, text, 1), joins.prepare(first, second, text, 1)
    measures = Shape.of(bounded.parameters["shape"]).measures
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(SALT, lambda _: 12345)
        whole = town.exact(bounded, people, wards)
        for left, right in neighbours(people, wards):
            less = town.exact(bounded, left, right)
            # Where no bound is met there is one right answer, of neighbouring tables too.
            assert counted(town.joint, free) == joins.exact(free, *joins.tables(Path(folder), left, right))
            for before, after, measure in zip(whole, less, measures, strict=True):
                moved = [abs(x - y) for x, y in zip(before, after, strict=True)]
                assert sum(moved) <= measure.sensitivity.l1, measure.kind
                assert max(moved) <= measure.sensitivity.linf, measure.kind
                assert sum(map(bool, moved)) <= measure.sensitivity.l0, measure.kind


def neighbours(people: list[Row], wards: list[Row]) -> Iterator[tuple[list[Row], list[Row]]]:
    """The tables themselves, and without a unit in either and in both."""
    yield people, wards
    for unit in joins.UNITS[:1]:
        fewer, less = ([row for row in rows if row["person"] != unit] for rows in (people, wards))
        yield from ((fewer, wards), (people, less), (fewer, less))


def test_as_many_rows_of_a_unit_are_joined_as_of_files_and_others_each_time(town: Town, tmp_path: Path) -> None:
    people: list[Row] = [{"person": f"p{n % 7}", "region": "north", "income": float(n), "age": n} for n in range(60)]
    wards: list[Row] = [{"person": f"p{n % 9}", "ward": "x", "cost": n} for n in range(90)]
    prepared = joins.prepare(2, 3, f"SELECT COUNT(*) AS n, SUM(cost) AS s, SUM(income) AS i {JOIN}", 1)
    found = [town.exact(prepared, people, wards) for _ in range(5)]
    assert {count for (count,), *_ in found} == {7 * 3}
    assert joins.exact(prepared, *joins.tables(tmp_path, people, wards))[0] == [7 * 3]
    assert len({str(rest) for _, *rest in found}) > 1


def test_units_are_joined_by_value_whatever_types_they_lie_in(database: InPlace, tmp_path: Path) -> None:
    text = f"SELECT region, SUM(cost) AS s {JOIN} GROUP BY region"
    people: list[Row] = [{"person": f"p{n}", "region": "north"} for n in range(9)]
    wards: list[Row] = [{"person": f"p{n % 12}", "ward": "x", "cost": n} for n in range(30)]
    prepared = joins.prepare(1, 3, text)
    first = database.table('"the %s" varchar(9), "re""gion" text', [(r["person"], r["region"]) for r in people])
    second = database.table('who text COLLATE "POSIX", cost integer', [(r["person"], r["cost"]) for r in wards])
    joint = PostgresJoin(
        database.source(first, person="the %s", region='re"gion'), database.source(second, person="who")
    )
    assert counted(joint, prepared) == joins.exact(prepared, *joins.tables(tmp_path, people, wards))


def test_a_worker_adds_noise_to_what_both_tables_gave(town: Town, workers: Pool) -> None:
    prepared = joins.prepare(1, 3, f"SELECT ward, COUNT(*) AS n {JOIN} GROUP BY ward")
    town.fill([{"person": "a", "region": "north"}], [{"person": "a", "ward": "x"}] * 3)
    with town.joint.open([], prepared.parameters) as table:
        output = workers.run("statistics", prepared.parameters, table, job="ask", deadline=60)
        (beside,) = table.beside
        assert beside.snapshot != table.snapshot
    assert Statistics().read(output, prepared).rows == (("x", "3"), ("y", "0"))


def test_only_tables_that_one_statement_reads_are_joined_in_place(
    database: InPlace, town: Town, workers: Pool, tmp_path: Path
) -> None:
    look = SourceLook(workers, None)

    def record(uri: str, table: str = "", **options: str) -> SourceRecord:
        return look.spell(SourceRecord(table or "x", "res-x", uri, "", {"table": table, **options} if table else {}))

    one = record(database.url, town.people, in_place="yes")
    other = record(database.url, town.wards, in_place="yes")
    assert isinstance(look.joint(one, other), PostgresJoin)
    file = tmp_path / "wards.csv"
    file.write_text("person,ward\n")
    elsewhere = database.url.replace("postgres@", "someone@")
    apart = [
        record(database.url, town.wards), record(str(file)), record(elsewhere, town.wards, in_place="yes"),
        record("sc://localhost", "a.b.c", in_place="yes"),
    ]  # fmt: skip
    for each in apart:
        assert look.joint(one, each) is None
        assert look.joint(each, one) is None
    same, another = (record(f"sc://{host}", "a.b.c", in_place="yes") for host in ("localhost", "spark.example"))
    assert look.joint(same, replace(same, uri=same.uri.replace("a.b.c", "a.b.d"))) is not None
    assert look.joint(same, another) is None
    assert look.joint(same, record("sc://localhost", "a.b.d")) is None


def test_a_question_of_one_table_or_that_adds_no_noise_is_not_counted_of_two(town: Town) -> None:
    prepared = joins.prepare(1, 3)
    single = Statistics().prepare(
        joins.asked("SELECT COUNT(*) AS n FROM data").body(), joins.resource(contribution=1), None
    )
    noiseless = {name: value for name, value in prepared.parameters.items() if name != "noise"}
    for asked in (None, single.parameters, noiseless):
        with pytest.raises(Unavailable), town.joint.open([], asked):
            pass


class InOneDatabase(Joining):
    """The two products of a provider are tables of one database, and their files are gone."""

    def __init__(self, folder: Path, first: PostgresSource, second: PostgresSource) -> None:
        self.tables = {"res-admissions": first, "res-visits": second}
        super().__init__(folder)
        for each in self.files.values():
            each.unlink()
        world = replace(self.enforcement._world, joint=lambda *names: PostgresJoin(*(self.tables[n] for n in names)))
        self.enforcement.close()
        self.enforcement = type(self.enforcement)(world)


def test_a_join_in_place_is_decided_charged_and_told_under_both_contracts(
    database: InPlace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hefu.sources")
    sources = []
    for types, text in (("patient text, age bigint, region text", ROWS),
                        ("patient text, ward text, cost bigint", VISITS)):  # fmt: skip
        _, *lines = text.splitlines()
        name = database.table(types, [[cell or None for cell in line.split(",")] for line in lines])
        sources.append(PostgresSource(DatabaseSource(database.url, name)))
    space = InOneDatabase(tmp_path, *sources)
    made = told(ask(space, space.joining()))
    assert [each.agreement for each in made.agreements] == ["agr-one", "agr-two"]
    assert made.joined[0].snapshot != made.snapshot
    assert [each.loss.epsilon_nano for each in space.charged()] == [500_000_000] * 4
    said = [each.getMessage() for each in caplog.records if "counted in place" in each.getMessage()]
    assert [source.copied.table in text for source, text in zip(sources, said, strict=True)] == [True, True]
    digest = canonical.digest(VISITS.encode())
    pinned = replace(space.other, agreement=replace(space.other.agreement, snapshot_rule=f"pinned:{digest}"))
    space.contracts.held["agr-two"] = pinned
    run = ask(space, space.joining())
    assert run.receipt is not None
    failure = receipt.Failure.of(Statement.parse(run.receipt))
    assert failure.code == "contract.snapshot", "certain bytes were agreed on, and a database has none"
    space.enforcement.close()
