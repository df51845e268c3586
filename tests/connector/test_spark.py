"""Spark counts in place what a worker's DuckDB counts of a copy, to the last whole number; and says nothing else.

Needs a server: `make test-spark`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hefu import canonical
from hefu.errors import HefuError, Malformed, Unavailable
from hefu_connector.computing import expressions as e
from hefu_connector.computing.computation import Aggregate
from hefu_connector.engines import cells, counting, language, tables
from hefu_connector.engines import query_reference as reference
from hefu_connector.engines.shape import Shape
from hefu_connector.ports import Prepared
from hefu_connector.shelves import SourceRecord
from hefu_connector.sources.look import SourceLook
from hefu_connector.sources.spark import SparkJoin, SparkSource
from hefu_connector.workers.pool import Limits, Pool

from tests.connector import engine_world as world
from tests.connector import test_joins as joins
from tests.connector import test_joins_in_place as in_place
from tests.connector.engine_world import HUGE, Row, description, plan, prepare, resource
from tests.connector.test_dialect import GROUPED, MANY, SUMMED, _asked
from tests.connector.test_engines_agree import ODD
from tests.connector.test_grouping_sets import QUESTION
from tests.spark_server import SparkServer, why_not

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1800), pytest.mark.skipif(why_not() != "", reason=why_not())]
SECRET = "alice-4711"
ALL, ROWWISE = resource(contribution=1000), resource("row")
MORE = [
    "SELECT region, active, grade, COUNT(*) AS n, SUM(income) AS s FROM data GROUP BY region, active, grade",
    "SELECT SUM(YEAR(day)) AS a, SUM(HOUR(seen)) AS b, SUM(ISODOW(seen)) AS c, SUM(QUARTER(day)) AS d FROM data",
    "SELECT COUNT(*) FROM data WHERE seen < TIMESTAMP '2024-05-01T00:00:00Z' OR day >= DATE '2024-09-01'",
    "SELECT COUNT(*) FROM data WHERE region > 'north' AND NOT active = TRUE AND age BETWEEN 10 AND 80",
]
SETS = [QUESTION, QUESTION.replace("(region, grade)", "(region, BIN(age, 20))")]


class Spark:
    """Tables of a server."""

    def __init__(self, server: SparkServer, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self._numbers = itertools.count()
        self._held: dict[str, SparkSource] = {}

    def source(self, statement: str) -> SparkSource:
        """A table of what a SELECT gives, counted in place."""
        name = f"spark_catalog.default.t{next(self._numbers)}"
        self.server.run(f"CREATE TABLE {name} USING parquet AS {statement}")
        return SparkSource(self.server.address, name, in_place=True, seconds=300)

    def rows(self, rows: Sequence[Row]) -> SparkSource:
        """A table of rows as in `engine_world.SCHEMA`."""
        key = repr(rows)
        if key not in self._held:
            path = world.write(self._folder / f"rows{len(self._held)}.parquet", rows)
            self._held[key] = self.source(f"SELECT * FROM parquet.`{path}`")
        return self._held[key]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkServer]:
    made = SparkServer(tmp_path_factory.mktemp("spark"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def spark(server: SparkServer, tmp_path_factory: pytest.TempPathFactory) -> Spark:
    return Spark(server, tmp_path_factory.mktemp("tables"))


def counted(source: SparkSource, prepared: Prepared) -> list[list[int]]:
    """The whole numbers before noise, as a worker would read them."""
    with source.open(sorted(prepared.reads), prepared.parameters) as table:
        assert table.form == cells.FORM
        return cells.read(Shape.of(prepared.parameters["shape"]), table.path)


def copied(source: SparkSource, prepared: Prepared) -> list[list[int]]:
    """The same of a copy, by DuckDB."""
    with replace(source, in_place=False).open(sorted(prepared.reads), prepared.parameters) as table:
        opened = tables.open_table(table.path, table.form, table.layout, mend=True)
        return counting._count(Shape.of(prepared.parameters["shape"]), opened)[0]


def test_every_form_of_the_language_gives_the_same_numbers(spark: Spark, tmp_path: Path) -> None:
    aggregates = [f"SELECT {form} FROM data" for form, _, _ in reference.AGGREGATES]
    asked = [(text, of) for text in aggregates for of in (ALL, ROWWISE)]
    forms = [f"SELECT COUNT(*) AS n FROM data WHERE {form}" for form, _, _ in reference.CONDITIONS]
    forms += [f"SELECT {key} AS k, COUNT(*) AS n FROM data GROUP BY k" for key, _, _ in GROUPED]
    for some in (SUMMED[place : place + 3] for place in range(0, len(SUMMED), 3)):
        each = ", ".join(f"SUM({text}) AS s{place}, COUNT({text}) AS n{place}" for place, text in enumerate(some))
        forms.append(f"SELECT region, {each} FROM data GROUP BY region")
    asked += [(text, ALL) for text in [*forms, *MORE, *SETS]]
    rows = [*MANY, *ODD]
    source, path, compared = spark.rows(rows), world.write(tmp_path / "rows.parquet", rows), 0
    for text, of in asked:
        try:
            prepared = prepare(language.parse(text, description(of), HUGE), of, 2)
        except HefuError:
            continue
        compared += 1
        assert counted(source, prepared) == world.exact(prepared, path), text
    assert compared > 0.9 * len(asked)


def test_two_tables_of_one_server_are_joined_there_as_duckdb_joins_files(spark: Spark, tmp_path: Path) -> None:
    people, wards = joins.tables(tmp_path, in_place.PEOPLE, in_place.WARDS)
    joint = SparkJoin(*(spark.source(f"SELECT * FROM parquet.`{path}`") for path in (people, wards)))
    for text in in_place.FORMS:
        prepared = joins.prepare(in_place.MOST, in_place.MOST, text, 1)
        assert in_place.counted(joint, prepared) == joins.exact(prepared, people, wards), text
    assert sum(in_place.counted(joint, joins.prepare(1, 1))[0]) <= len({str(row["person"]) for row in in_place.PEOPLE})


def test_no_rows_and_rows_beyond_64_bits_in_sum_are_counted_alike(spark: Spark, tmp_path: Path) -> None:
    prepared = prepare(language.parse("SELECT SUM(income) AS s, COUNT(*) AS n FROM data", description(ALL), HUGE), ALL)
    assert counted(spark.rows([]), prepared) == [[0], [0]]
    wide = resource(columns=[
        replace(each, bounds=replace(each.bounds, lower=each.bounds.lower * 2**45, upper=each.bounds.upper * 2**45))
        if each.bounds is not None and each.name == "age" else each for each in world.COLUMNS
    ], unit="row")  # fmt: skip
    many = "SELECT 'p' AS person, {} AS age FROM range(4000)"
    asked = prepare(plan(Aggregate("sum", "s", "age")), wide)
    most = 100 * 2**45
    assert 4000 * most > 2**63
    assert counted(spark.source(many.format(2**62)), asked) == [[4000 * most]]
    mixed = counted(spark.source(many.format(f"CASE WHEN id < 3000 THEN {2**62} ELSE 7 END")), asked)
    assert mixed == [[3000 * most + 7000]]


def test_columns_of_any_type_that_holds_the_declared_one_are_read_as_a_copy_is(spark: Spark) -> None:
    source = spark.source(f"""
        SELECT CAST(if(id % 3 = 0, upper(concat('p', id % 7)), concat('p', id % 7)) AS STRING COLLATE UTF8_LCASE)
            AS person, CAST(if(id % 5 = 0, unhex('6e6f727468ff'), unhex('6e6f727468')) AS STRING) AS region,
          CAST(id % 120 AS SMALLINT) AS age, CAST(id * 1.37 - 40 AS DECIMAL(20, 4)) AS income, id % 2 = 0 AS active,
          DATE '2024-01-01' + CAST(id AS INT) AS day, CAST(id % 3 AS TINYINT) AS grade,
          TIMESTAMP '2024-03-10 01:30:00 America/New_York' + make_interval(0, 0, 0, 0, id) AS seen, '{SECRET}' AS note
        FROM range(200)""")
    assert source.types() == {
        "person": "text", "region": "text", "age": "integer", "income": "decimal", "active": "boolean", "day": "date",
        "grade": "integer", "seen": "timestamp", "note": "text",
    }  # fmt: skip
    source.check(ALL)
    for text in (
        "SELECT COUNT(DISTINCT person) AS u, SUM(income) AS s, SUM(HOUR(seen)) AS h, AVG(age) AS a FROM data",
        "SELECT region, grade, active, COUNT(*) AS n FROM data WHERE day < DATE '2024-06-01' GROUP BY region, grade, "
        "active",
        "SELECT COUNT(*) AS n FROM data WHERE seen >= TIMESTAMP '2024-03-12T00:00:00Z' AND region >= 'north'",
    ):
        prepared = prepare(language.parse(text, description(ALL), HUGE), ALL)
        found = counted(source, prepared)
        assert found == copied(source, prepared), text
        assert any(any(numbers) for numbers in found)
    with source.open(["income", "person"]) as table:
        assert pyarrow.parquet.read_schema(table.path).names == ["income", "person"]
        assert SECRET.encode() not in table.path.read_bytes()
    with source.open([]) as table:
        assert pyarrow.parquet.read_metadata(table.path).num_rows == 200


def test_names_and_labels_of_any_spelling_do_not_become_code(spark: Spark) -> None:
    odd = ["", " north", "'", '"', "\\\\'", "名", "%s", ":p0", "a`b", "--", "\u2028", "' OR 1 = 1 --"]
    values = ", ".join(f"(unhex('{each.encode().hex()}'))" for each in [*odd, "north", "\\"])
    there = "re`gion :p0 -- '"
    spark.server.run(
        f"CREATE VIEW spark_catalog.default.odd AS SELECT CAST(col1 AS STRING) AS `{there.replace('`', '``')}`, "
        f"CAST(row_number() OVER (ORDER BY col1) AS STRING) AS person FROM VALUES {values}"
    )
    source = replace(spark.rows([]), table="spark_catalog.default.odd", named={"region": there})
    of = resource(columns=[world.COLUMNS[0], replace(world.COLUMNS[1], categories=tuple(odd))])
    prepared = prepare(plan(by=("region",)), of)
    assert counted(source, prepared) == copied(source, prepared) == [[1] * len(odd)]
    assert source.types() == {"region": "text", "person": "text"}


def test_as_many_rows_of_a_unit_are_kept_and_others_each_time(spark: Spark) -> None:
    rows: list[Row] = [{"person": f"p{index % 7}", "region": "north", "age": index} for index in range(60)]
    held = Counter(str(row["person"]) for row in rows)
    prepared = prepare(
        plan(Aggregate("count", "n"), Aggregate("sum", "s", "age"), by=("region",)), resource(contribution=3)
    )
    found = [counted(spark.rows(rows), prepared) for _ in range(4)]
    assert {counts[0] for counts, _ in found} == {sum(min(3, each) for each in held.values())}
    assert len({sums[0] for _, sums in found}) > 1


def test_one_unit_moves_no_more_than_its_sensitivity(spark: Spark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hefu_connector.sources.spark.secrets.randbits", lambda _: 12345)
    rows: list[Row] = [{**row, "person": "abc"[index % 3]} for index, row in enumerate([*MANY[:30], *ODD[:9]])]
    for most in (1, 3):
        number = e.Arithmetic("subtract", e.Column("income"), e.Column("age"))
        prepared = prepare(_asked(number), resource(contribution=most))
        whole = counted(spark.rows(rows), prepared)
        for unit in "ab":
            less = counted(spark.rows([row for row in rows if row["person"] != unit]), prepared)
            for before, after, measure in zip(
                whole, less, Shape.of(prepared.parameters["shape"]).measures, strict=True
            ):
                moved = [abs(x - y) for x, y in zip(before, after, strict=True)]
                assert sum(moved) <= measure.sensitivity.l1, measure.kind
                assert max(moved) <= measure.sensitivity.linf, measure.kind
                assert sum(each > 0 for each in moved) <= measure.sensitivity.l0, measure.kind


def test_a_column_that_would_have_to_be_read_otherwise_is_refused_before_anything_is_asked(spark: Spark) -> None:
    source = spark.source(f"SELECT 'p' AS person, '{SECRET}' AS age")
    asked = prepare(plan(Aggregate("sum", "s", "age")), ALL)
    with pytest.raises(Malformed) as caught:
        source.check(resource(columns=[each for each in world.COLUMNS if each.name in ("person", "age")]))
    assert (caught.value.code, SECRET in repr(caught.value)) == ("source.in_place", False)
    with pytest.raises(Unavailable):
        counted(source, asked)
    with pytest.raises(Unavailable):
        counted(replace(source, table="spark_catalog.default.none"), asked)


def test_what_spark_says_when_it_fails_is_not_told(spark: Spark) -> None:
    failing = "spark_catalog.default.failing"
    spark.server.run(f"CREATE VIEW {failing} AS SELECT 'p' AS person, CAST(raise_error('{SECRET}') AS BIGINT) AS age")
    source = SparkSource(spark.server.address, failing, in_place=True)
    for ask in (lambda: counted(source, prepare(plan(Aggregate("sum", "s", "age")), ALL)), lambda: _opened(source)):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert caught.value.code == "source.moved"
        assert SECRET not in repr(caught.value) + str(caught.value.detail)


def _opened(source: SparkSource) -> None:
    with replace(source, in_place=False).open(["age"]):
        pass


def test_a_statement_that_takes_too_long_is_given_up_and_ended(spark: Spark) -> None:
    slow = "spark_catalog.default.slow"
    spark.server.run(
        f"CREATE VIEW {slow} AS SELECT 'p' AS person, a.id + b.id AS age FROM range(10000000) a CROSS JOIN "
        "range(10000000) b"
    )
    source = SparkSource(spark.server.address, slow, in_place=True, seconds=20)
    with pytest.raises(Unavailable):
        counted(source, prepare(plan(Aggregate("sum", "s", "age")), ALL))
    # Were it still running on both cores, nobody else would be answered.
    assert counted(spark.rows([]), prepare(plan(), ALL)) == [[0]]


def test_a_snapshot_in_place_names_the_moment_and_not_the_counts(spark: Spark) -> None:
    prepared = prepare(plan(), ALL)
    source, names = spark.rows(MANY), set()
    for _ in range(2):
        with source.open(["person"], prepared.parameters) as table:
            names.add(table.snapshot)
            assert table.snapshot != canonical.digest(table.path.read_bytes())
    assert len(names) == 2


def test_a_question_goes_all_the_way_from_a_registered_table_to_its_answer(spark: Spark) -> None:
    table = spark.rows(MANY).table
    with Pool(None, Limits(ready=1)) as pool:
        look = SourceLook(pool, None, 300.0, 300.0)
        found: list[Any] = []
        for options in ({"in_place": "yes"}, {}):
            made = SourceRecord("people", "res-people", f"sc://localhost:{spark.server.address.port}", "", {
                "table": table, **options
            })  # fmt: skip
            spelt = look.spell(made)
            assert look.spell(spelt) == spelt
            assert (spelt.form, spelt.in_place) == ("spark", bool(options))
            look.check(spelt, [ALL])
            assert look.columns(spelt)["income"] == "decimal"
            prepared = prepare(plan(Aggregate("count", "n"), Aggregate("sum", "s", "income"), by=("region",)))
            with look.source(spelt).open(sorted(prepared.reads), prepared.parameters) as read:
                output = pool.run("statistics", prepared.parameters, read, job=f"job-{len(found)}", deadline=120)
            found.append(output["noised"])
        assert found[0] == found[1]
