"""A laid-out snapshot answers as its source does, bounds every unit, and is the bytes that were laid out."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hefu.errors import Unavailable, Untrusted
from hefu.times import SystemClock
from hefu_connector.computing.computation import Aggregate
from hefu_connector.computing.predicates import Compare, Literal
from hefu_connector.engines import counting, laying
from hefu_connector.engines.laid import FORM, Laid
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.tables import open_table
from hefu_connector.ports import Prepared
from hefu_connector.shelves import Mark
from hefu_connector.sources.files import FileSource
from hefu_connector.sources.layouts import Layouts
from hefu_connector.workers.pool import Limits, Pool
from hefu_policies.goods.resource import Column
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tests.connector import engine_world as world
from tests.connector.engine_world import Row

ADULTS = Compare("age", ">=", Literal("integer", "18"))


@dataclass
class MemoryMarks:
    """`Marks` in memory."""

    kept: dict[str, Mark] = field(default_factory=dict)

    def advance(self, mark: Mark) -> None:
        self.kept[mark.name] = mark

    def first(self, mark: Mark, *unless: str) -> Mark:
        raise NotImplementedError

    def find(self, name: str) -> Mark | None:
        return self.kept.get(name)

    def all(self, prefix: str = "") -> Sequence[Mark]:
        return [each for name, each in self.kept.items() if name.startswith(prefix)]

    def remove(self, name: str) -> None:
        self.kept.pop(name, None)


class Written(io.RawIOBase):
    """What was written, in memory."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        self.data += memoryview(piece)  # type: ignore[arg-type]
        return len(memoryview(piece))  # type: ignore[arg-type]


def lay(path: Path, laid: Laid) -> Path:
    sink = Written()
    laying.make({"laid": laid.body(), "mend": False}, path, "parquet", {}, sink)
    out = path.with_suffix(".laid")
    out.write_bytes(sink.data)
    return out


def exact(prepared: Prepared, path: Path, laid: Laid | None) -> list[list[int]]:
    return counting._count(Shape.of(prepared.parameters["shape"]), open_table(path, "parquet", {}), laid)[0]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "person": st.sampled_from(["a", "b", "c", None]),
            "region": st.sampled_from(["north", "south", "elsewhere", None]),
            "age": st.integers(-5, 120) | st.none(),
            "income": st.sampled_from([None, 1.1, -3.3, 1e300, float("nan"), float("inf"), 0.125]),
            "active": st.booleans() | st.none(),
            "grade": st.sampled_from([1, 2, 3, None]),
        }
    ),
    max_size=25,
)
QUESTIONS = (
    world.plan(Aggregate("count", "n"), Aggregate("sum", "s", "income"), Aggregate("mean", "m", "age"), by=("region",)),
    world.plan(Aggregate("count", "n", "income"), where=ADULTS, by=("active", "grade")),
    world.plan(Aggregate("histogram", "h", "age", bins=7)),
)


@given(rows=ROWS)
@settings(max_examples=8, deadline=None)
def test_a_layout_gives_the_integers_of_its_source(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = world.write(tmp_path_factory.mktemp("laid") / "rows.parquet", rows)
    for unit in ("person", "row"):
        of = world.resource(unit, contribution=25)  # bounds nobody, so that both read the same rows
        laid = Laid.describe(of)
        made = lay(path, laid)
        for asked in QUESTIONS:
            prepared = world.prepare(asked, of)
            assert exact(prepared, made, laid) == exact(prepared, path, None)


def test_units_are_bounded_where_an_older_agreement_has_other_categories_than_the_layout(tmp_path: Path) -> None:
    """Then positions come from a join, and a join of few rows with many categories walks through the categories."""
    laid = Laid.describe(world.resource(contribution=2))
    rows: list[Row] = [{"person": f"p{n // 6}", "region": f"r{n * 7 % 5}"} for n in range(30)]
    made = lay(world.write(tmp_path / "rows.parquet", rows), laid)
    many = Column("region", "text", categories=tuple(f"r{n}" for n in range(5000)))
    older = world.resource(contribution=2, columns=(world.COLUMNS[0], many, *world.COLUMNS[2:]))
    prepared = world.prepare(world.plan(Aggregate("count", "n"), by=("region",)), older)
    ((*counts,),) = exact(prepared, made, laid)
    assert sum(counts) == 5 * 2


@given(rows=ROWS, contribution=st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_a_unit_moves_nobody_else(rows: list[Row], contribution: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, salt = tmp_path_factory.mktemp("laid"), random.randrange(2**62)
    of = world.resource(contribution=contribution)
    laid, prepared = Laid.describe(of), world.prepare(QUESTIONS[0], of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laying.secrets, "randbits", lambda _: salt)
        whole = exact(prepared, lay(world.write(folder / "all.parquet", rows), laid), laid)
        rest = [row for row in rows if row["person"] != "a"]
        without = exact(prepared, lay(world.write(folder / "rest.parquet", rest), laid), laid)
    for one, other, measure in zip(whole, without, Shape.of(prepared.parameters["shape"]).measures, strict=True):
        assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) <= measure.sensitivity.l1


@pytest.mark.parametrize("passes", [1, 3])
def test_order_survives_threads_filters_and_row_groups(
    passes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)
    rows = [
        {"person": f"p{chance.randrange(90_000)}", "region": "north", "age": chance.randrange(90)}
        for _ in range(300_000)
    ]
    path = world.write(tmp_path / "rows.parquet", rows)
    if passes > 1:
        monkeypatch.setattr(laying, "_PASS", len(rows) * len(world.COLUMNS) * laying._WIDTH // 2)
    of = world.resource(contribution=2)
    laid = Laid.describe(of)
    made = lay(path, laid)
    for where in (None, ADULTS):
        asked = world.prepare(world.plan(Aggregate("count", "n"), where=where), of)
        kept = Counter(row["person"] for row in rows if where is None or row["age"] >= 18)
        # Were one unit's rows ever torn apart, more of them would be kept.
        assert exact(asked, made, laid) == [[sum(min(2, held) for held in kept.values())]]
        shape, opened = Shape.of(asked.parameters["shape"]), open_table(made, "parquet", {})
        parts = counting._parts(100_000)  # more than there are: what is beyond them is nobody
        assert counting._count(shape, opened, laid, parts)[0] == [[sum(min(2, held) for held in kept.values())]]
    sink = Written()
    told = laying.make({"laid": laid.body(), "mend": False}, path, "parquet", {}, sink)
    whole = Counter(row["person"] for row in rows)
    assert told == {"rows": 300_000, "units": len(whole), "beyond": sum(max(0, held - 2) for held in whole.values())}


@pytest.mark.parametrize("units", [[1, 2, 1], [3, 1, 1]])
def test_rows_that_an_engine_put_in_another_order_are_refused(units: list[int], tmp_path: Path) -> None:
    rows: list[Row] = [{"person": f"p{number}", "region": "south", "age": 9} for number in units]
    of = world.resource(contribution=2)
    laid, asked = Laid.describe(of), world.prepare(world.plan(by=("region",)), of)
    made = lay(world.write(tmp_path / "rows.parquet", rows), laid)
    table = parquet.read_table(made)
    parquet.write_table(table.set_column(0, "u", pa.array(units, pa.int64())), made)
    with pytest.raises(duckdb.InvalidInputException):
        exact(asked, made, laid)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("layouts")


@pytest.fixture(scope="module")
def workers(folder: Path) -> Iterator[Pool]:
    with Pool(None, Limits(ready=1), more=[folder]) as pool:
        yield pool


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_a_worker_lays_out_and_another_reads_it_without_a_copy(
    where: str, workers: Pool, folder: Path, tmp_path: Path
) -> None:
    path = world.write(tmp_path / "rows.parquet", [{"person": f"p{n // 3}", "region": "south"} for n in range(30)])
    source, marks, kept = FileSource(path, "parquet"), MemoryMarks(), folder if where == "folder" else None
    layouts, of = Layouts(workers, marks, SystemClock(), kept), world.resource(contribution=2)
    prepared = world.prepare(world.plan(by=("region",)), of)
    made = layouts.make("res-people", source, Laid.describe(of))
    assert (made.rows, made.units, made.beyond) == (30, 10, 10)
    path.unlink()  # what is laid out needs it no more
    with layouts.open("res-people", prepared.parameters) as table:
        assert table is not None
        assert (table.form, table.snapshot, table.origin) == (FORM, made.snapshot, made.origin)
        output = workers.run("statistics", prepared.parameters, table, job="ask", deadline=60)
    assert output["noised"] == [["0", "20", "0"]]
    other = world.prepare(world.plan(by=("region",)), world.resource("row"))
    with layouts.open("res-people", other.parameters) as table:
        assert table is None, "another privacy unit is another layout"
    layouts.close()


def test_what_could_not_be_finished_leaves_nothing(workers: Pool, tmp_path: Path) -> None:
    path = world.write(tmp_path / "rows.parquet", [{"person": "p", "region": "south"}])
    folder = tmp_path / "layouts"
    folder.mkdir()
    layouts = Layouts(workers, MemoryMarks(), SystemClock(), folder)
    (folder / "res-people.half").write_bytes(b"left by a crash")
    lacking = Laid.describe(world.resource(columns=[*world.COLUMNS, Column("height", "integer")]))
    with pytest.raises(Unavailable):
        layouts.make("res-people", FileSource(path, "parquet"), lacking)
    assert layouts.find("res-people") is None
    made = layouts.make("res-people", FileSource(path, "parquet"), Laid.describe(world.resource()))
    assert [each.name for each in folder.iterdir()] == [made.file]


def test_a_changed_file_is_noticed_and_a_restart_finds_it(workers: Pool, folder: Path, tmp_path: Path) -> None:
    path = world.write(tmp_path / "rows.parquet", [{"person": "p", "region": "south"}])
    marks, of = MemoryMarks(), world.resource()
    first = Layouts(workers, marks, SystemClock(), folder)
    made = first.make("res-people", FileSource(path, "parquet"), Laid.describe(of))
    second = Layouts(workers, marks, SystemClock(), folder)
    assert second.find("res-people") == made
    file = folder / made.file
    file.chmod(0o600)
    assert second.find("res-people") == made, "its bytes are the same"
    file.write_bytes(file.read_bytes().replace(b"p", b"q"))
    for layouts in (first, second, Layouts(workers, marks, SystemClock(), folder)):
        with pytest.raises(Untrusted):
            layouts.find("res-people")
    first.drop("res-people")
    assert second.find("res-people") is None
    assert not file.exists()
