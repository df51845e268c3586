"""A laid-out snapshot answers as its source does, bounds every unit, and is the bytes that were laid out."""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hefu.errors import Unavailable, Untrusted
from hefu.times import Clock, SystemClock
from hefu_connector.computing.computation import Aggregate
from hefu_connector.computing.predicates import Compare, Literal
from hefu_connector.engines import counting, laying
from hefu_connector.engines.laid import FORM, Laid
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.tables import open_table
from hefu_connector.ports import Prepared
from hefu_connector.shelves import Mark, SourceRecord
from hefu_connector.sources import spool
from hefu_connector.sources.files import FileSource
from hefu_connector.sources.laid_sources import LaidSources
from hefu_connector.sources.layouts import Layouts
from hefu_connector.sources.look import SourceLook
from hefu_connector.sources.sealed import SealedFolder
from hefu_connector.workers.pool import Limits, Pool
from hefu_policies.goods.resource import Column
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tests.connector import engine_world as world
from tests.connector.engine_world import Row
from tests.connector.small_space import Space, description, eventually, write_table

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


@dataclass
class _Later:
    """A clock by which what was written just now was written a while ago."""

    ahead: float = 10.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)


LATER = _Later()
KEY = bytes(range(32))


def shelf(workers: Pool, marks: MemoryMarks, folder: Path | None, key: bytes = KEY) -> Layouts:
    if folder is not None:
        folder.mkdir(exist_ok=True)
    return Layouts(workers, marks, SystemClock(), None, None if folder is None else SealedFolder(folder, key))


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
    replace(world.plan(by=("region", "active", "grade")), sets=((0,), (1, 2), ())),
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
def workers() -> Iterator[Pool]:
    with Pool(None, Limits(ready=2)) as pool:
        yield pool


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return world.write(tmp_path / "rows.parquet", [{"person": f"p{n // 3}", "region": "south"} for n in range(30)])


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_a_worker_lays_out_and_another_reads_it_without_a_copy(
    where: str, workers: Pool, people: Path, tmp_path: Path
) -> None:
    layouts = shelf(workers, MemoryMarks(), tmp_path if where == "folder" else None)
    of = world.resource(contribution=2)
    prepared = world.prepare(world.plan(by=("region",)), of)
    made = layouts.make("res-people", FileSource(people, "parquet"), Laid.describe(of))
    assert (made.rows, made.units, made.beyond) == (30, 10, 10)
    people.unlink()  # what is laid out needs it no more
    with layouts.open("res-people", prepared.parameters) as table:
        assert table is not None
        assert (table.form, table.snapshot, table.origin) == (FORM, made.snapshot, made.origin)
        output = workers.run("statistics", prepared.parameters, table, job="ask", deadline=60)
    assert output["noised"] == [["0", "20", "0"]]
    other = world.prepare(world.plan(by=("region",)), world.resource("row"))
    with layouts.open("res-people", other.parameters) as table:
        assert table is None, "another privacy unit is another layout"
    layouts.close()


def test_what_could_not_be_finished_leaves_nothing(workers: Pool, people: Path, tmp_path: Path) -> None:
    folder = tmp_path / "layouts"
    folder.mkdir()
    layouts = shelf(workers, MemoryMarks(), folder)
    (folder / "res-people.half").write_bytes(b"left by a crash")
    lacking = Laid.describe(world.resource(columns=[*world.COLUMNS, Column("height", "integer")]))
    with pytest.raises(Unavailable):
        layouts.make("res-people", FileSource(people, "parquet"), lacking)
    assert layouts.find("res-people") is None
    made = layouts.make("res-people", FileSource(people, "parquet"), Laid.describe(world.resource()))
    assert [each.name for each in folder.iterdir() if not each.name.startswith(".")] == [made.file]


def test_what_is_kept_is_sealed_and_a_restart_reads_it_only_unaltered(
    workers: Pool, people: Path, tmp_path: Path
) -> None:
    marks, of = MemoryMarks(), world.resource()
    first = shelf(workers, marks, tmp_path)
    made = first.make("res-people", FileSource(people, "parquet"), Laid.describe(of))
    file = tmp_path / made.file
    kept = file.read_bytes()
    assert len(kept) > made.size
    assert not any(word in kept for word in (b"PAR1", b"south", b"p1"))
    assert shelf(workers, marks, tmp_path).find("res-people") == made
    with pytest.raises(Untrusted):
        shelf(workers, marks, tmp_path, bytes(32)).find("res-people")
    for altered in (kept[:-1], kept[:40] + bytes([kept[40] ^ 1]) + kept[41:], kept + kept[:50], b""):
        file.write_bytes(altered)
        with pytest.raises(Untrusted):
            shelf(workers, marks, tmp_path).find("res-people")
        assert first.find("res-people") == made, "what it reads is no file that anybody can write to"
    file.unlink()
    with pytest.raises(Untrusted):
        shelf(workers, marks, tmp_path).find("res-people")
    first.drop("res-people")
    assert shelf(workers, marks, tmp_path).find("res-people") is None


def test_pieces_of_a_sealed_file_cannot_change_places(tmp_path: Path) -> None:
    folder, plain = SealedFolder(tmp_path, KEY), tmp_path / "plain"
    plain.write_bytes(random.Random(1).randbytes((1 << 20) + 5))
    folder.keep("one", plain)
    folder.keep("two", plain)
    with spool.place(None) as back:
        folder.fetch("one", back)
        assert back.read_bytes() == plain.read_bytes()
    piece = (1 << 20) + 28
    one = (tmp_path / "one").read_bytes()
    for moved in (one[piece:] + one[:piece], one[:piece] * 2, (tmp_path / "two").read_bytes()):
        (tmp_path / "one").write_bytes(moved)
        with spool.place(None) as back, pytest.raises(Untrusted):
            folder.fetch("one", back)


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_of_two_refreshes_at_once_the_later_stands(where: str, workers: Pool, people: Path, tmp_path: Path) -> None:
    marks, kept = MemoryMarks(), tmp_path / "kept" if where == "folder" else None
    one = shelf(workers, marks, kept)
    other = shelf(workers, marks, kept) if kept else one  # another process on one folder
    with ThreadPoolExecutor(2) as threads:
        made = [
            threads.submit(each.make, "res-people", FileSource(people, "parquet"), Laid.describe(world.resource()))
            for each in (one, other)
        ]
    assert one.find("res-people") in [each.result() for each in made]
    assert one.find("res-people") == other.find("res-people")
    assert kept is None or len([each for each in kept.iterdir() if not each.name.startswith(".")]) == 1


def test_a_published_file_lays_itself_out_and_follows_what_becomes_of_it(workers: Pool, people: Path) -> None:
    marks, of = MemoryMarks(), world.resource(contribution=2)
    record = SourceRecord("people", "res-people", people.as_uri(), "parquet")
    asked = world.prepare(world.plan(by=("region",)), of).parameters
    layouts = shelf(workers, marks, None)

    def book(layouts: Layouts, least: int | None = 1, clock: Clock = LATER) -> LaidSources:
        return LaidSources(SourceLook(workers, None), layouts, marks, clock, least)

    def form(laid: LaidSources) -> str:
        with laid.source(record).open(["person", "region"], asked) as table:
            return table.form

    for unwanted in (book(layouts, None), book(layouts, 1 << 30), book(layouts, 1, SystemClock())):
        unwanted.follow(record, [of])
        assert form(unwanted) == "parquet"  # not at all, too small, written to just now
    clock = _Later()
    laid = book(layouts, clock=clock)
    laid.follow(record, [of])
    first = layouts.find("res-people")
    assert form(laid) == FORM
    laid.follow(record, [of])
    assert layouts.find("res-people") == first
    people.write_bytes(people.read_bytes())  # the same bytes are another state: nobody reads them to find out
    assert form(laid) == "parquet"
    laid.follow(record, [of])
    assert form(laid) == "parquet", "it rests, in proportion to what it took"
    clock.ahead = 3600
    laid.follow(record, [of])
    assert form(laid) == FORM
    assert layouts.find("res-people") != first
    laid.release("res-people")
    laid.follow(record, [of])
    assert form(laid) == "parquet", "released by command"


def test_what_was_laid_out_by_command_in_memory_is_laid_out_again_after_a_start(workers: Pool, people: Path) -> None:
    marks, of = MemoryMarks(), world.resource()
    record = SourceRecord("people", "res-people", people.as_uri(), "parquet")
    before, after = shelf(workers, marks, None), shelf(workers, marks, None)
    LaidSources(SourceLook(workers, None), before, marks, LATER).make(record, [of])
    people.write_bytes(people.read_bytes())
    laid = LaidSources(SourceLook(workers, None), before, marks, LATER)
    held = before.find("res-people")
    laid.follow(record, [of])
    assert before.find("res-people") == held, "what is laid out by command stays"
    LaidSources(SourceLook(workers, None), after, marks, LATER).follow(record, [of])
    assert after.find("res-people") is not None


def test_a_connector_lays_out_a_large_file_once_it_is_published_and_has_it_after_a_start(tmp_path: Path) -> None:
    space = Space(tmp_path).open()
    try:
        provider = space.member("hospital-a", "provider", lay_out_mb=1, layouts="layouts")
        table = SourceRecord("visits", "", str(write_table(tmp_path, 70_000)), "csv")
        resource = provider.desk.book.add(table).resource
        eventually(lambda: provider.provider.publish(description(resource, "prd-visits")))
        (kept,) = eventually(lambda: [*(tmp_path / "hospital-a" / "layouts").glob("res-*")], 90)
        assert b"PAR1" not in kept.read_bytes()
        space.stop("hospital-a")
        again = space.start("hospital-a")
        found = eventually(lambda: again.desk.book._lay._layouts._held.get(resource), 60)  # type: ignore[attr-defined]
        assert (found.made.rows, found.made.file) == (70_000, kept.name)
    finally:
        space.close()
