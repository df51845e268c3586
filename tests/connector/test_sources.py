"""Sources: snapshots are exact, private and gone afterwards; reading is total; a source that moved says only that."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.errors import HefuError, Malformed, Unavailable
from hefu_connector.computing.computation import Aggregate
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.statistics import Statistics
from hefu_connector.shelves import SourceRecord
from hefu_connector.sources import spool as spools
from hefu_connector.sources.look import SourceLook
from hefu_connector.workers.pool import Limits, Pool

from tests.connector.engine_world import plan, prepare, run, write

SECRET = "alice-4711"


@pytest.fixture(scope="module", params=["memory", "folder"])
def spool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    return None if request.param == "memory" else tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def workers(spool: Path | None) -> Iterator[Pool]:
    with Pool(spool, Limits(ready=2)) as pool:
        yield pool


@pytest.fixture
def look(workers: Pool, spool: Path | None) -> Iterator[SourceLook]:
    before = _held()
    yield SourceLook(workers, spool, 60.0)
    assert not spool or list(spool.iterdir()) == [], "a snapshot outlived its use"
    assert _held() <= before, "a snapshot is still open"


def _held() -> set[tuple[str, int]]:
    """Snapshots that this process has open: another file's tests may have left layouts that live as long as it."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # another thread's, closed meanwhile
            if "snapshot" in os.readlink(each):
                found.add((each.name, each.stat().st_ino))
    return found


def record(look: SourceLook, uri: Path | str, form: str = "", **options: Any) -> SourceRecord:
    return look.spell(SourceRecord("people", "res-people", str(uri), form, options))


def counted(look: SourceLook, of: SourceRecord, *aggregates: Aggregate) -> tuple[str | None, ...]:
    """The answer to a few aggregates without noise, all the way through a snapshot."""
    prepared = prepare(plan(*aggregates))
    columns = Shape.of(prepared.parameters["shape"]).columns
    with look.source(of).open(list(columns)) as table:
        return run(prepared, table.path, table.form, table.layout).rows[0]


N, K, S = Aggregate("count", "n"), Aggregate("count", "k", "income"), Aggregate("sum", "s", "income")


def csv(folder: Path, text: str | bytes, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def database(folder: Path) -> Path:
    path = folder / "people.db"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute('CREATE TABLE people (person TEXT, "in come" NUMERIC, note BLOB)')
        made.executemany(
            "INSERT INTO people VALUES (?, ?, ?)",
            [("a", 1.5, SECRET), ("b", "2.25", None), ("c", "not a number", None), ("d", None, b"x"), (None, 9, None)],
        )
    return path


def test_a_look_tells_names_types_and_rows_and_no_value(look: SourceLook, tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "id,code,age,income,active,day,seen,empty\n"
        f"{SECRET},007,41,1.5,true,2026-01-02,2026-01-02T03:04:05Z,\n"
        "b,012,,2e3,FALSE,2026-01-03,2026-01-02 03:04:05,\n",
    )
    found = look.inspect(record(look, path))
    assert {each.name: each.type for each in found.columns} == {
        "id": "text", "code": "text", "age": "integer", "income": "decimal", "active": "boolean", "day": "date",
        "seen": "timestamp", "empty": "text",
    }  # fmt: skip
    assert [each.name for each in found.columns if each.nullable] == ["age", "empty"]
    assert found.rows == 2
    assert SECRET not in repr(found)
    assert look.columns(record(look, path))["age"] == "integer"


def test_a_look_at_parquet_takes_its_types(look: SourceLook, tmp_path: Path) -> None:
    found = look.inspect(record(look, write(tmp_path / "people.parquet", [{"person": "a", "age": 1}])))
    assert [each.type for each in found.columns] == [
        "text", "text", "integer", "decimal", "boolean", "date", "timestamp", "integer",
    ]  # fmt: skip


def test_a_snapshot_is_the_bytes_that_were_there_whatever_is_written_meanwhile(
    look: SourceLook, tmp_path: Path
) -> None:
    path = csv(tmp_path, "person,income\na,1\n")
    before = path.read_bytes()
    with look.source(record(look, path)).open(["income"]) as table:
        path.write_text("person,income\na,1\nb,2\n")
        assert table.path.read_bytes() == before
        assert (table.snapshot, table.size) == (canonical.digest(before), len(before))
        assert stat.S_IMODE(table.path.stat().st_mode) == 0o400
        assert run(prepare(plan(N)), table.path, table.form, table.layout).rows == (("1",),)
        kept = table.path
    assert not kept.exists()


def test_a_file_that_changes_while_it_is_copied_is_no_snapshot(
    look: SourceLook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = csv(tmp_path, "person,income\n" + "a,1\n" * 1000)
    fill = spools._fill

    def slow(reading: int, writing: int) -> None:
        fill(reading, writing)
        os.truncate(path, 20)

    monkeypatch.setattr(spools, "_fill", slow)
    with pytest.raises(Unavailable) as caught, look.source(record(look, path)).open([]):
        pass
    assert caught.value.code == "source.changing"


def test_cells_and_rows_that_cannot_be_read_count_as_absent(look: SourceLook, tmp_path: Path) -> None:
    bad = b"person,income,note\na,1.5,x\nb,one,x\nc,,x\nd,2\ne,3,x,y\nf,nan,\xff\xfe\n"
    bad += b'"g, ""q""",4,"two words"\n"h",9,"two\nlines"\n'
    of = record(look, csv(tmp_path, bad))
    # d and e have another length than the head; h is two lines, and a line is a record; two incomes are numbers.
    assert counted(look, of, N, K, S) == ("5", "2", "5.5")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_csv_may_have_another_encoding_delimiter_and_names(encoding: str, look: SourceLook, tmp_path: Path) -> None:
    text = "编号;收入\n甲;1.5\n乙;2\n".encode(encoding)
    names: Object = {"person": "编号", "income": "收入"}
    of = record(look, csv(tmp_path, text, "x.txt"), delimiter=";", encoding=encoding, names=names)
    assert counted(look, of, N, S) == ("2", "3.5")
    assert [each.name for each in look.inspect(of).columns] == ["person", "income"]


def test_arrow_and_parquet_files_are_read_by_name(look: SourceLook, tmp_path: Path) -> None:
    rows = [{"person": "a", "income": 1.0}, {"person": "b", "income": 2.0}]
    plain = write(tmp_path / "people.parquet", rows)
    table = pyarrow.parquet.read_table(plain)
    import pyarrow.feather as feather

    feather.write_feather(table.rename_columns([f"x {name}" for name in table.column_names]), tmp_path / "p.arrow")
    renamed = record(look, tmp_path / "p.arrow", names={"person": "x person", "income": "x income"})
    assert counted(look, record(look, plain), N, S) == counted(look, renamed, N, S) == ("2", "3")


def test_a_database_is_read_column_by_column_and_never_written(look: SourceLook, tmp_path: Path) -> None:
    path = database(tmp_path)
    before = path.read_bytes()
    of = record(look, f"sqlite:///{path}", table="people", names={"income": "in come"})
    assert of.form == "sqlite"
    assert counted(look, of, N, K, S) == ("4", "2", "3.75")
    source = look.source(of)
    with source.open(["person", "income"]) as table:
        assert pyarrow.parquet.read_schema(table.path).names == ["person", "income"]
        assert SECRET.encode() not in table.path.read_bytes()
        assert table.snapshot == canonical.digest(table.path.read_bytes())
    with source.open([]) as table:
        assert pyarrow.parquet.read_metadata(table.path).num_rows == 5
    assert path.read_bytes() == before
    assert dict(look.columns(of)) == {"person": "text", "income": "text", "note": "text"}


def test_a_database_that_is_not_there_is_not_made(look: SourceLook, tmp_path: Path) -> None:
    for uri, table in ((f"sqlite:///{tmp_path}/none.db", "people"), (f"sqlite:///{database(tmp_path)}", "none")):
        of = record(look, uri, table=table)
        with pytest.raises(Unavailable) as caught, look.source(of).open(["person"]):
            pass
        assert caught.value.code == "source.moved"
        with pytest.raises(Unavailable):
            look.columns(of)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("gone.csv", None),
        ("people.csv", b""),
        ("people.csv", b"person,other\na,1\n"),
        ("people.csv", b"person,income,income\na,1,1\n"),
        ("people.parquet", b"PAR1" + SECRET.encode() * 100 + b"PAR1"),
        ("people.arrow", SECRET.encode()),
    ],
)
def test_a_source_that_moved_is_an_error_without_data(
    name: str, data: bytes | None, look: SourceLook, workers: Pool, tmp_path: Path
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    prepared = prepare(plan(S))
    with pytest.raises(HefuError) as caught, look.source(record(look, path)).open(["income"]) as table:
        workers.run("statistics", prepared.parameters, table, job="moved", deadline=60)
    assert caught.value.code == "source.moved"
    assert SECRET not in repr((caught.value.public(), caught.value.detail, caught.value.args))
    assert str(tmp_path) not in caught.value.public()


def test_a_fifo_or_folder_is_no_source(look: SourceLook, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "folder.csv"):
        with pytest.raises(Unavailable), look.source(record(look, tmp_path / name)).open([]):
            pass


def test_one_place_has_one_spelling(look: SourceLook, tmp_path: Path) -> None:
    path = csv(tmp_path, "person\n")
    (tmp_path / "link.csv").symlink_to(path)
    spelt = record(look, path)
    assert spelt.form == "csv"
    for other in (tmp_path / "link.csv", f"{tmp_path}/./x/../people.csv", path.as_uri()):
        assert record(look, other) == spelt
    assert look.spell(spelt) == spelt
    base = record(look, f"sqlite:///{tmp_path}/a.db", table="t")
    assert record(look, f"sqlite:///{tmp_path}/./a.db#t") == base == look.spell(base)
    assert record(look, f"sqlite:///{tmp_path}/a.db", table="u").uri != base.uri


@pytest.mark.parametrize(
    ("uri", "form", "options"),
    [
        ("relative.csv", "", {}),
        ("/data.xlsx", "", {}),
        ("/data.csv", "excel", {}),
        ("/data.csv", "", {"separator": ";"}),
        ("/data.csv", "", {"delimiter": ";;"}),
        ("/data.csv", "", {"encoding": "klingon"}),
        ("/data.parquet", "", {"delimiter": ";"}),
        ("/data.csv", "", {"names": {"a b": "x"}}),
        ("/data.csv", "", {"names": {"a": "x", "b": "x"}}),
        ("postgresql://user:secret@host/db", "", {"table": "t"}),
        ("nosuch://host/db", "", {"table": "t"}),
        ("sqlite:///a.db", "", {}),
        ("sqlite://", "", {"table": "t"}),
        ("sqlite:///a.db?mode=rw", "", {"table": "t"}),
    ],
)
def test_settings_that_cannot_be_read_are_refused(uri: str, form: str, options: Object, look: SourceLook) -> None:
    with pytest.raises(Malformed) as caught:
        look.spell(SourceRecord("people", "", uri, form, options))
    assert caught.value.code == "source.settings"
    assert "secret@" not in caught.value.public()


def test_a_snapshot_has_no_name_and_cannot_be_written_once_it_is_measured(tmp_path: Path) -> None:
    for spool in (tmp_path, None):
        with spools.place(spool) as path:
            with open(spools.create(path), "wb") as file:
                file.write(b"4711")
            assert spools.measure(path)[1] == 4
            assert (list(tmp_path.iterdir()), path.read_bytes()) == ([], b"4711")
            if spool is None:
                writing = spools.create(path)
                with pytest.raises(PermissionError):
                    os.write(writing, b"x")
                os.close(writing)


def test_a_table_that_would_eat_the_memory_is_refused(
    look: SourceLook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = record(SourceLook(look._workers, None), csv(tmp_path, "person,income\n" + "a,1\n" * 1000))
    monkeypatch.setattr(spools, "_available", lambda: 4000)
    with pytest.raises(Unavailable) as caught, SourceLook(look._workers, None).source(of).open([]):
        pass
    assert caught.value.code == "spool.full"


def test_what_version_0_1_0_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "snapshot-1").touch()
    (tmp_path / "other").touch()
    assert spools.sweep(tmp_path) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["other"]


def test_memory_file_systems_are_told_from_disks(tmp_path: Path) -> None:
    assert spools.lies_in_memory(Path("/dev/shm/absent"))
    assert not spools.lies_in_memory(Path("/proc"))


def test_a_source_and_a_worker_answer_together(look: SourceLook, workers: Pool, tmp_path: Path) -> None:
    of = record(look, csv(tmp_path, "person,income\na,1\nb,2\n"))
    prepared = prepare(plan(N, S))
    with look.source(of).open(["income"]) as table:
        output = workers.run("statistics", prepared.parameters, table, job="both", deadline=60)
    values = Statistics().read(output, prepared)
    assert values.rows == (("2", "3"),)
    assert values.rows_read == 2
