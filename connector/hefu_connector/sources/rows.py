"""Rows that come as Arrow batches, written as one Parquet file that a worker reads well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

ROW = "row"  # no column of a schema may be called so
_GROUP = 122_880  # rows of a row group, at least


def write(schema: Any, batches: Iterable[Any], columns: Sequence[str], named: Sequence[str], file: Any) -> int:
    """Write some columns under other names.

    Args:
        schema: the Arrow schema of the batches.
        columns: theirs; each batch has them, in whatever order.
        named: by which the file calls them.
        file: to be written to, as `pyarrow.parquet` takes it.

    Returns:
        How many rows.
    """
    import pyarrow as pa
    from pyarrow import parquet

    fields = [schema.field(each) for each in columns]
    plain = pa.schema([(name, _plain(each.type)) for name, each in zip(named, fields, strict=True)])
    rows = 0
    with parquet.ParquetWriter(file, plain) as writer:
        for held in _gathered(batches):
            table = pa.Table.from_batches(held).select([*columns]).rename_columns([*named])
            writer.write_table(table.cast(plain))
            rows += table.num_rows
    return rows


def _gathered(batches: Iterable[Any]) -> Iterator[list[Any]]:
    """Batches until they have the rows of a group."""
    held: list[Any] = []
    for batch in batches:
        held.append(batch)
        if sum(each.num_rows for each in held) >= _GROUP:
            yield held
            held = []
    if held:
        yield held


def _plain(kind: Any) -> Any:
    """The type that Parquet knows for an Arrow type."""
    import pyarrow as pa

    return pa.large_string() if pa.types.is_string_view(kind) else kind
