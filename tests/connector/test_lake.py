"""Tables of a lake: one version is read, whole and alone, and what its log says is deleted is not there."""

from __future__ import annotations

import base64
import json
import os
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hefu.canonical import Object
from hefu.errors import Malformed, Unavailable
from hefu_connector.computing.computation import Aggregate
from hefu_connector.engines.shape import Shape
from hefu_connector.shelves import SourceRecord
from hefu_connector.sources.lake import LakeSource
from hefu_connector.sources.look import SourceLook
from hefu_connector.workers.pool import Limits, Pool

from tests.connector.engine_world import plan, prepare, run

deltalake = pytest.importorskip("deltalake")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    catalogs = pytest.importorskip("pyiceberg.catalog.sql")

SECRET = "alice-4711"
N, S = Aggregate("count", "n"), Aggregate("sum", "s", "income")


@pytest.fixture(scope="module")
def look() -> Iterator[SourceLook]:
    with Pool(None, Limits(ready=1)) as pool:
        yield SourceLook(pool, None, 60.0)


def people(*incomes: float, first: int = 0) -> pa.Table:
    seen = [datetime(2026, 1, 1, tzinfo=UTC)] * len(incomes)
    return pa.table({
        "person": [f"p{first + place}" for place in range(len(incomes))],
        "in come": pa.array(incomes, pa.float64()),
        "note": [SECRET] * len(incomes),
        "seen": pa.array(seen, pa.timestamp("us", "UTC")),
    })  # fmt: skip


def delta(folder: Path, *tables: pa.Table) -> Path:
    for table in tables:
        deltalake.write_deltalake(folder, table, mode="append")
    return folder


def record(look: SourceLook, uri: Path | str, form: str = "", **options: Any) -> SourceRecord:
    names: Object = {"income": "in come"}
    return look.spell(SourceRecord("people", "res-people", str(uri), form, {"names": names, **options}))


def counted(look: SourceLook, of: SourceRecord) -> tuple[str | None, ...]:
    """How many people and the sum of their incomes without noise, all the way through a snapshot."""
    prepared = prepare(plan(N, S))
    with look.source(of).open([*Shape.of(prepared.parameters["shape"]).columns]) as table:
        return run(prepared, table.path, table.form, table.layout).rows[0]


def test_a_delta_table_is_read_as_it_is_and_a_version_as_it_was(look: SourceLook, tmp_path: Path) -> None:
    path = delta(tmp_path / "people", people(1.5, 2), people(3, first=2))
    now, first = record(look, path), record(look, path, version="0")
    assert (now.form, now.uri) == ("delta", path.as_uri())
    assert counted(look, now) == ("3", "6.5")
    assert counted(look, first) == ("2", "3.5")
    deltalake.DeltaTable(path).delete("person = 'p0'")
    assert counted(look, now) == ("2", "5")
    assert counted(look, first) == ("2", "3.5")
    assert {each.name: each.type for each in look.inspect(now).columns} == {
        "person": "text", "income": "decimal", "note": "text", "seen": "timestamp",
    }  # fmt: skip


def test_only_the_columns_that_are_asked_for_are_read_and_the_same_version_is_the_same_bytes(
    look: SourceLook, tmp_path: Path
) -> None:
    source = look.source(record(look, delta(tmp_path / "people", people(1, 2), people(3), people(*range(4)))))
    with source.open(["income", "person"]) as one, source.open(["income", "person"]) as two:
        assert pyarrow.parquet.read_schema(one.path).names == ["income", "person"]
        assert SECRET.encode() not in one.path.read_bytes()
        assert (one.snapshot, one.size) == (two.snapshot, two.size)
    with source.open([]) as none:
        assert pyarrow.parquet.read_metadata(none.path).num_rows == 7
        assert b"p0" not in none.path.read_bytes()


def test_a_row_that_a_deletion_vector_takes_out_is_not_counted(look: SourceLook, tmp_path: Path) -> None:
    path = delta(tmp_path / "people", people(1, 10, 50, 100))
    _delete(path, 1, 3)
    assert counted(look, record(look, path)) == ("2", "51")
    assert counted(look, record(look, path, version="0")) == ("4", "161")


def _delete(path: Path, *rows: int) -> None:
    """Take rows out of a table's one file as Spark does, without writing the file anew.

    Source: Delta transaction log protocol, "Deletion Vectors": magic number, number of bitmaps, key, 32-bit bitmap;
    of an inline one in Z85.
    """
    from pyroaring import BitMap

    bitmap = (1681511377).to_bytes(4, "little") + (1).to_bytes(8, "little") + bytes(4) + BitMap(rows).serialize()
    padded = bitmap + bytes(-len(bitmap) % 4)
    letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    other = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    text = base64.b85encode(padded).decode().translate(str.maketrans(other, letters))
    first = [json.loads(each) for each in (path / "_delta_log" / f"{0:020}.json").read_text().splitlines()]
    add = next(each["add"] for each in first if "add" in each)
    features = ["deletionVectors"]
    gone = {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(bitmap), "cardinality": len(rows)}
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
    lines = [
        {"protocol": protocol},
        {"remove": {"path": add["path"], "deletionTimestamp": 1, "dataChange": True}},
        {"add": {**add, "deletionVector": gone}},
    ]
    (path / "_delta_log" / f"{1:020}.json").write_text("\n".join(json.dumps(each) for each in lines))


def test_an_iceberg_table_is_read_by_its_metadata_and_by_its_snapshot(look: SourceLook, tmp_path: Path) -> None:
    table = _iceberg(tmp_path, people(1.5, 2))
    before = str(table.current_snapshot().snapshot_id)
    table.append(people(3, first=2))
    folder, metadata = tmp_path / "space" / "people", Path(table.metadata_location).name
    now = record(look, table.metadata_location.removeprefix("file://"))
    assert (now.form, now.uri, now.options["metadata"]) == ("iceberg", folder.as_uri(), metadata)
    assert counted(look, now) == counted(look, record(look, folder, metadata=metadata)) == ("3", "6.5")
    assert counted(look, record(look, folder, metadata=metadata, version=before)) == ("2", "3.5")
    table.delete("person = 'p2'")
    assert counted(look, now) == ("3", "6.5")
    assert [each.name for each in look.inspect(now).columns] == ["person", "income", "note", "seen"]
    with look.source(now).open(["income"]) as read:
        assert pyarrow.parquet.read_schema(read.path).names == ["income"]
        assert SECRET.encode() not in read.path.read_bytes()


def test_an_iceberg_folder_that_does_not_say_which_metadata_is_its_own_is_not_guessed_at(
    look: SourceLook, tmp_path: Path
) -> None:
    table = _iceberg(tmp_path, people(1.5, 2))
    of = record(look, tmp_path / "space" / "people")
    with pytest.raises(Unavailable):
        counted(look, of)
    hint = tmp_path / "space" / "people" / "metadata" / "version-hint.text"
    hint.write_text(Path(table.metadata_location).name)
    assert counted(look, of) == ("2", "3.5")


def test_an_iceberg_table_is_found_in_a_catalog(
    look: SourceLook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = _iceberg(tmp_path, people(1.5, 2))
    for name, value in (("TYPE", "sql"), ("URI", f"sqlite:///{tmp_path}/catalog.db")):
        monkeypatch.setenv(f"PYICEBERG_CATALOG__OURS__{name}", value)
    of = record(look, "iceberg://ours/space.people")
    assert (of.uri, of.form) == ("iceberg://ours/space.people", "iceberg")
    assert counted(look, of) == ("2", "3.5")
    table.append(people(3, first=2))
    assert counted(look, of) == ("3", "6.5")


def _iceberg(folder: Path, data: pa.Table) -> Any:
    catalog = catalogs.SqlCatalog("ours", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    catalog.create_namespace("space")
    table = catalog.create_table("space.people", schema=data.schema)
    table.append(data)
    catalog.engine.dispose()
    return table


def test_what_is_not_there_or_broken_is_told_as_moved_and_nothing_more(look: SourceLook, tmp_path: Path) -> None:
    whole = delta(tmp_path / "whole", people(1, 2))
    broken = delta(tmp_path / "broken", people(1, 2))
    for file in broken.glob("*.parquet"):
        file.write_bytes(SECRET.encode() * 100)
    gone = delta(tmp_path / "gone", people(1, 2))
    for file in gone.glob("*.parquet"):
        file.unlink()
    for of in (
        record(look, tmp_path / "none", "delta"), record(look, whole, version="7"), record(look, broken),
        record(look, gone), record(look, tmp_path / "none", "iceberg"), record(look, "iceberg://none/space.people"),
    ):  # fmt: skip
        with pytest.raises(Unavailable) as caught:
            counted(look, of)
        assert caught.value.code == "source.moved"
        assert SECRET not in repr(caught.value)
    lacking = LakeSource(str(whole), "delta")
    with pytest.raises(Unavailable), lacking.open(["person", "income"]):
        pass


def test_a_log_that_names_files_elsewhere_reads_none_of_them(look: SourceLook, tmp_path: Path) -> None:
    if look._workers.hello()["files"] != "few":  # type: ignore[attr-defined]
        pytest.skip("this kernel has no Landlock")
    mine, other = delta(tmp_path / "mine", people(1)), delta(tmp_path / "other", people(1, 2, 3))
    target = next(other.glob("*.parquet"))
    log = mine / "_delta_log" / f"{0:020}.json"
    name = next(mine.glob("*.parquet")).name
    for path in (f"file://{target}", f"../other/{target.name}"):
        log.write_text(log.read_text().replace(name, path))
        name = path
        with pytest.raises(Unavailable):
            counted(look, record(look, mine))


def test_one_table_has_one_spelling_whatever_its_version(look: SourceLook, tmp_path: Path) -> None:
    path = delta(tmp_path / "people", people(1))
    os.symlink(path, tmp_path / "link")
    one = record(look, path)
    assert record(look, tmp_path / "link", version="3").uri == record(look, f"file://{path}", "delta").uri == one.uri
    assert look.spell(one) == one
    for uri, form, options in (
        (path, "", {"version": "-1"}), (path, "", {"version": "newest"}), (path, "", {"metadata": "x.metadata.json"}),
        (path, "iceberg", {"metadata": "../x.metadata.json"}), (path, "", {"delimiter": ";"}),
        ("iceberg://ours", "", {}), ("iceberg://ours/a/b", "", {}), ("iceberg://ours/a.b", "delta", {}),
        ("iceberg://user:password@ours/a.b", "", {}), (tmp_path, "", {}),
    ):  # fmt: skip
        with pytest.raises(Malformed):
            record(look, uri, form, **options)
