"""Worker side: a file as a stream of Arrow batches, whatever is in it. Parses bytes, so nobody else may import it.

Reading is total. A cell that is not of its declared type counts as absent, undecodable bytes become U+FFFD and a
CSV row of another length is left out: one person's odd record must not decide whether everybody's query fails.
Only structure is refused: a missing column, a changed type, a file that is not of its form.

A line of a CSV is a record, whatever its quotes (`hefu_connector.engines.lines`).
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset
from hefu.canonical import Object

from hefu_connector.engines import Moved
from hefu_connector.engines.lines import OneLineRecords
from hefu_connector.engines.sql.duckdb import quote

_BLOCK = 4 << 20  # bytes
_LARGEST_BLOCK = 64 << 20  # so that a record that is larger than a block can be read all the same
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
Found = TypeVar("Found")
_MICROSECONDS = 2**62  # since 1970: about the year 148,000, which DuckDB holds with room


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose column names are known and whose rows can be read once.

    Attributes:
        fields: column name, as schemas call it, to Arrow type; everything in a CSV is text.
        theirs: the same name to the file's own.
        scan: what a query reads of some columns, by the file's names: an Arrow object, or the path of a Parquet file
            that DuckDB reads itself.
        rows: how many rows there are, or were read; known after reading.
        close: to be called in the end.
        native: the path that DuckDB must be allowed to read, if any.
    """

    fields: Mapping[str, Any]
    theirs: Mapping[str, str]
    scan: Callable[[list[str]], Any]
    rows: Callable[[], int]
    close: Callable[[], None] = lambda: None
    native: str = ""


def open_table(path: Path, form: str, layout: Object, *, mend: bool = False) -> Opened:
    """Open a file.

    Args:
        mend: read slowly, so that no value can stop the reader: undecodable bytes become U+FFFD, times beyond what
            DuckDB can hold become absent, and a record of a CSV may be as large as 64 MiB.
        form: ``csv``, ``parquet`` or ``arrow`` (IPC file).
        layout: of a CSV: ``delimiter``, ``encoding``; for all: ``names``, schema name to the file's column name.

    Raises:
        Moved: it cannot be read as this form, or a name in it stands twice.
    """
    names = layout.get("names", {})
    ours = {str(there): here for here, there in names.items()} if isinstance(names, dict) else {}
    files = ExitStack()
    try:
        return _csv(path, layout, ours, files, mend) if form == "csv" else _columnar(path, form, ours, files, mend)
    except (pa.ArrowException, OSError, LookupError, ValueError):
        files.close()
        raise Moved from None


def read_or_mend(read: Callable[[bool], Found]) -> Found:
    """What a reading gives; where a value stops the reader, what it gives with `mend`.

    One value that DuckDB's reader stops at must not decide whether everybody's query fails.
    """
    try:
        return read(False)
    except (duckdb.Error, Moved):
        return read(True)


def require(opened: Opened, columns: Mapping[str, str]) -> None:
    """Check that a file has the described columns.

    Args:
        columns: name to declared type.

    Raises:
        Moved: one is missing or of a type that cannot hold the declared one.
    """
    for name, declared in columns.items():
        if name not in opened.fields or not _holds(opened.fields[name], declared):
            raise Moved


def attach(connection: Any, opened: Opened, columns: Iterable[str], view: str) -> None:
    """Make some columns of a file a view of DuckDB, under the names that schemas have. It can be read once."""
    # A count of rows reads a column too.
    wanted = list(columns) or list(opened.fields)[:1]
    file = quote(f"{view}_file")
    scan = opened.scan([opened.theirs[name] for name in wanted])
    if isinstance(scan, str):
        file = f"read_parquet('{scan}')"
    else:
        connection.register(f"{view}_file", scan)
    fields = ", ".join(f"{quote(opened.theirs[name])} AS {quote(name)}" for name in wanted)
    connection.execute(f"CREATE TEMP VIEW {quote(view)} AS SELECT {fields} FROM {file}")  # noqa: S608


def _columnar(path: Path, form: str, ours: Mapping[str, str], files: ExitStack, mend: bool) -> Opened:
    dataset = pa.dataset.dataset(str(path), format={"parquet": "parquet", "arrow": "ipc"}[form])
    fields, theirs = _named(dataset.schema, ours)
    if mend:
        return Opened(fields, theirs, lambda columns: _mended(dataset, columns), dataset.count_rows)
    if form == "arrow":
        return Opened(fields, theirs, lambda _: dataset, dataset.count_rows)
    # Named by its descriptor, the path has no letter that would mean something in SQL or in a glob.
    native = f"/proc/self/fd/{files.enter_context(path.open('rb')).fileno()}"
    return Opened(fields, theirs, lambda _: native, dataset.count_rows, files.close, native)


def _mended(dataset: Any, columns: list[str]) -> Any:
    """A reader of some columns in which no value is left that DuckDB could stop at."""
    scan = dataset.scanner(columns=columns, use_threads=False)
    plain = [_undictionaried(field.type) for field in scan.projected_schema]
    kinds = [pa.string() if arrow_type(kind) == "text" else kind for kind in plain]
    kinds = [pa.timestamp("us") if pa.types.is_timestamp(kind) else kind for kind in kinds]
    schema = pa.schema([(name, kind) for name, kind in zip(columns, kinds, strict=True)])

    def batches() -> Iterator[Any]:
        for batch in scan.to_batches():
            arrays = [_mend(array, kind) for array, kind in zip(batch.columns, kinds, strict=True)]
            yield pa.record_batch(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _undictionaried(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _mend(array: Any, kind: Any) -> Any:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string(kind):
        texts = array.cast(pa.large_binary()).to_pylist()
        return pa.array([None if text is None else text.decode("utf-8", "replace") for text in texts], kind)
    if not pa.types.is_timestamp(kind):
        return array
    unit, ticks = array.type.unit, array.view(pa.int64())
    most = min(_MICROSECONDS * _TICKS[unit] // _TICKS["us"], 2**63 - 1)
    inside = pc.and_(pc.less(ticks, most), pc.greater(ticks, -most))
    return pc.if_else(inside, ticks, None).view(pa.timestamp(unit)).cast(kind, safe=False)


def _csv(path: Path, layout: Object, ours: Mapping[str, str], files: ExitStack, mend: bool) -> Opened:
    block = _LARGEST_BLOCK if mend else _BLOCK
    delimiter, encoding = str(layout.get("delimiter", ",")), str(layout.get("encoding", "utf-8-sig"))
    names = _stream(files.enter_context(path.open("rb")), delimiter, encoding, [], block).schema.names
    fields, theirs = _named(pa.schema([(name, pa.string()) for name in names]), ours)
    read = 0

    def scan(columns: list[str]) -> Any:
        reader = _stream(files.enter_context(path.open("rb")), delimiter, encoding, columns, block)

        def batches() -> Iterator[Any]:
            nonlocal read
            for batch in reader:
                read += batch.num_rows
                yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    return Opened(fields, theirs, scan, lambda: read, files.close)


def _stream(file: BinaryIO, delimiter: str, encoding: str, columns: list[str], block: int) -> Any:
    """A reader of some columns as text; of all where none is named."""
    text = OneLineRecords(codecs.EncodedFile(file, "utf-8", _marked(encoding), "replace"), delimiter)
    return pa.csv.open_csv(
        pa.PythonFile(text, mode="r"),
        read_options=pa.csv.ReadOptions(block_size=block),
        parse_options=pa.csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=False, invalid_row_handler=lambda _: "skip"
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: pa.string() for name in columns},
            include_columns=columns,
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _marked(encoding: str) -> str:
    # A byte order mark is no part of the first name.
    return "utf-8-sig" if encoding in ("utf-8", "utf8") else encoding


def _named(schema: Any, ours: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Types and the file's names, both by the names that schemas have."""
    fields = {ours.get(name, name): kind for name, kind in zip(schema.names, schema.types, strict=True)}
    theirs = {ours.get(name, name): name for name in schema.names}
    # Databases read names in either case.
    if len({name.lower() for name in schema.names}) != len(schema.names) or len(fields) != len(schema.names):
        raise Moved
    return fields, theirs


def arrow_type(found: Any) -> str:
    """The declared type that fits an Arrow type best; empty where none does."""
    kind = pa.types
    if kind.is_dictionary(found):
        found = found.value_type
    if kind.is_string(found) or kind.is_large_string(found) or kind.is_string_view(found):
        return "text"
    if kind.is_integer(found):
        return "integer"
    if kind.is_floating(found) or kind.is_decimal(found):
        return "decimal"
    if kind.is_boolean(found):
        return "boolean"
    if kind.is_date(found):
        return "date"
    return "timestamp" if kind.is_timestamp(found) else ""


def _holds(found: Any, declared: str) -> bool:
    # A text may hold anything as people write it. Missing integers are often kept as floating numbers.
    holders = {"integer": ("integer", "decimal"), "decimal": ("integer", "decimal"), "timestamp": ("timestamp", "date")}
    return arrow_type(found) in ("text", *holders.get(declared, (declared,)))
