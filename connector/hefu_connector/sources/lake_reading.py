"""The process that reads a table of a lake: one table, some columns, then gone. Nobody imports it.

Delta and Iceberg tables are folders of Parquet files with a log of which of them, and which of their rows, belong to
which version. Only their own libraries read that log rightly, and these parse whatever lies in the folder; so they do
it in a process that has no key, no network and sees nothing but the folder. A table of a catalog may lie anywhere, so
that its process keeps network and files, and the few words of the environment that say where the catalog is.

It is asked as a worker is (`hefu_connector.workers.frames`), sends one Parquet file in pieces and then says how it was.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hefu.canonical import Json, Object

from hefu_connector.sources import rows
from hefu_connector.workers import confinement, frames

CATALOG = "catalog"  # of an Iceberg table that is found by name
_MEMORY = 4 << 30  # bytes of address space
_SECONDS = 600  # of processor time
_UNWANTED = ("numpy", "pandas", "polars", "duckdb")  # imported where they are found, and not needed
_DELTA = {  # one partition, so that the same version has the same order of rows
    "datafusion.execution.target_partitions": "1",
}


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a table, which nothing that is written later can change.

    Attributes:
        names: its columns.
        rows: how many rows, without reading a column.
        read: the rows of some columns, as a reader of Arrow batches.
    """

    names: Sequence[str]
    rows: Callable[[], int]
    read: Callable[[list[str]], Any]


def delta(place: str, version: int | None) -> Version:
    """A version of the Delta table in a folder; the newest where None. Deletion vectors are applied."""
    from deltalake import DeltaTable, QueryBuilder

    table = DeltaTable(place, version=version)

    def query(what: str) -> Any:
        import pyarrow as pa

        reader = QueryBuilder(_DELTA).register("lake", table).execute(f"SELECT {what} FROM lake")  # noqa: S608
        return pa.RecordBatchReader.from_stream(reader)

    return Version(
        [each.name for each in table.schema().fields],
        lambda: int(query("count(*)").read_all()[0][0].as_py()),
        lambda columns: query(", ".join(_quote(each) for each in columns)),
    )


def iceberg(place: str, metadata: str, version: int | None) -> Version:
    """A snapshot of an Iceberg table; the newest where None. Deletes that are not applied are an error.

    Args:
        place: its folder; or the catalog and the table's name in it, with a ``/`` between.
        metadata: the file in ``metadata`` that describes it; empty where ``version-hint.text`` tells, or a catalog.
    """
    from pyiceberg.table import StaticTable

    if metadata == CATALOG:
        from pyiceberg.catalog import load_catalog

        catalog, _, name = place.partition("/")
        table: Any = load_catalog(catalog).load_table(name)
    else:
        table = StaticTable.from_metadata(f"{place}/metadata/{metadata}" if metadata else place)
    if version is not None and table.snapshot_by_id(version) is None:
        raise LookupError
    scan = table.scan(snapshot_id=version)
    return Version(
        [each.name for each in scan.projection().fields],
        lambda: int(scan.count()),
        lambda columns: scan.select(*columns).to_arrow_batch_reader(),
    )


def send(version: Version, columns: Sequence[str], named: Sequence[str], sink: io.RawIOBase) -> int:
    """Write some columns as a Parquet file, under the names that schemas have.

    Returns:
        How many rows.
    """
    import pyarrow as pa

    file = pa.PythonFile(sink, mode="w")
    if not columns:  # rows are still to be counted
        table = pa.table({rows.ROW: pa.nulls(version.rows(), pa.int8())})
        return rows.write(table.schema, table.to_batches(), [rows.ROW], [rows.ROW], file)
    reader = version.read([*columns])
    return rows.write(reader.schema, reader, columns, named, file)


def main(arguments: Sequence[str]) -> None:
    """Read one request, answer it, end.

    Args:
        arguments: the process id of who asks; the folder of the table, or nothing where it is found in a catalog.
    """
    parent, *folders = arguments
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    if folders:
        confinement.isolate()
    confinement.die_with(int(parent))
    if folders:
        confinement.see_only([*confinement.libraries(), *(Path(each) for each in folders)])
    confinement.limit(_MEMORY, _SECONDS)
    sys.modules.update(dict.fromkeys(_UNWANTED))  # type: ignore[arg-type]
    frames.send(answers, _answer(frames.receive(requests), answers))
    os._exit(0)


def _answer(request: Object, answers: int) -> Object:
    place, metadata = str(request["place"]), str(request["metadata"])
    version = int(str(request["version"])) if request["version"] else None
    opened = delta(place, version) if request["form"] == "delta" else iceberg(place, metadata, version)
    columns, named = request["columns"], request["named"]
    if not isinstance(columns, list) or not isinstance(named, list):
        names: list[Json] = [*opened.names]
        return {"names": names}
    sink = frames.Sink(answers)
    sent = send(opened, [str(each) for each in columns], [str(each) for each in named], sink)
    sink.end()
    return {"rows": sent}


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


if __name__ == "__main__":
    main(sys.argv[1:])
