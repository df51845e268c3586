"""Worker side of laying a source out: reads it once more than a query would, and never again (`engines.laid`).

Rows are ordered by a salted hash of their unit, then by one of what stands in them: a function of the rows of one unit
and a fresh secret salt, so that adding or removing another unit moves none of them within theirs. Whatever does not
fit into memory at once is laid out in passes, each over the units that another hash sends to it.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from hefu.canonical import Object
from hefu_policies.reading import Place

from hefu_connector.engines import Moved
from hefu_connector.engines.counting import connect, declare
from hefu_connector.engines.laid import UNIT, Laid, LaidColumn
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.sql import duckdb as words
from hefu_connector.engines.sql.statement import SOURCE
from hefu_connector.engines.sql.words import Value
from hefu_connector.engines.sql.writer import Writer
from hefu_connector.engines.tables import attach, open_table, require

_GROUP = 122_880  # rows of a row group, as many as DuckDB takes at once
_PASS = 384 << 20  # bytes of rows that are ordered at once
_WIDTH = 24  # bytes of one value of one row while it is ordered, about
_FEW = 4096
_POSITIONS = ((1 << 8, "UTINYINT"), (1 << 16, "USMALLINT"), (1 << 32, "UINTEGER"))


def make(parameters: Object, path: Path, form: str, layout: Object, sink: io.RawIOBase) -> Object:
    """Lay a table out.

    Args:
        parameters: ``laid``, as `Laid.body` writes it, and ``mend``, as `open_table` reads it.
        path, form, layout: the table (`hefu_connector.ports.Table`).
        sink: takes the Parquet file.

    Returns:
        ``rows`` and ``units`` that are laid out, and ``beyond``: rows that no query without a filter reads, because
        their unit has more than its contribution.

    Raises:
        Moved: the file is not the table that was described, or a value stopped the reader; then mend.
    """
    found = Place(parameters, "parameters").members(("laid", "mend"))
    laid, mend = Laid.of(found["laid"].value), found["mend"].flag()
    try:
        return _make(laid, lambda: open_table(path, form, layout, mend=mend), path.stat().st_size, sink)
    except duckdb.Error:
        raise Moved from None


def _make(laid: Laid, opening: Any, size: int, sink: io.RawIOBase) -> Object:
    from pyarrow import parquet

    rows, runs = 0, _Runs(laid.contribution)
    salt, opened = secrets.randbits(62), opening()
    passes = 1 + max(opened.rows() * len(laid.columns) * _WIDTH, 2 * size) // _PASS if laid.unit_column else 1
    opened.close()
    writer = None
    for number in range(passes):
        for batch in _ordered(laid, opening(), salt, number, passes):
            done = runs.number(batch, laid.field(laid.unit_column)) if laid.unit_column else batch
            if writer is None:
                writer = parquet.ParquetWriter(pa.PythonFile(sink, mode="w"), done.schema, **_encoding(laid))
            writer.write_table(pa.table(done), row_group_size=_GROUP)
            rows += done.num_rows
    if writer is None:
        raise Moved
    writer.close()
    return {"rows": rows, "units": runs.units if laid.unit_column else rows, "beyond": runs.beyond}


def _ordered(laid: Laid, opened: Any, salt: int, number: int, passes: int) -> Iterator[Any]:
    """The rows of one pass, in order; an empty batch at least, so that a file has its columns."""
    connection = connect(opened.native, ordered=True)
    try:
        types = {each.name: each.type for each in laid.columns}
        require(opened, types)
        attach(connection, opened, types, SOURCE)
        for index, column in enumerate(laid.columns):
            if column.labels:
                declare(connection, f"k{index}", column.labels, column.type)
        statement, values = _statement(laid, salt, number, passes)
        reader = connection.sql(statement, params=values).to_arrow_reader(_GROUP)
        yield pa.RecordBatch.from_pylist([], reader.schema)
        yield from reader
    finally:
        connection.close()
        opened.close()


def _statement(laid: Laid, salt: int, number: int, passes: int) -> tuple[str, dict[str, Value]]:
    grids = {each.name: each.grid for each in laid.columns if each.grid is not None}
    columns = {each.name: each.type for each in laid.columns}
    writer = Writer(Shape(columns, laid.unit_column, laid.contribution, None, grids, (), ()), words.WORDS)
    binder = writer.binder
    said = writer.words
    typed = ", ".join(
        f"{(said.unit if each.name == laid.unit_column else said.typed)(each.name, each.type)} AS c{index}"
        for index, each in enumerate(laid.columns)
    )
    fields, joins = [f"c{index}" for index in range(len(laid.columns))], ""
    for index, each in enumerate(laid.columns):
        if each.grid is not None:
            fields.append(f"CAST({writer.stored(each.name)} AS {_integer(each)}) AS s{index}")
        if each.labels:
            kind = next(kind for most, kind in _POSITIONS if len(each.labels) <= most)
            fields.append(f"CAST(k{index}.position AS {kind}) AS k{index}")
            joins += f" LEFT JOIN k{index} ON c{index} = k{index}.value"
    statement = f"WITH typed AS (SELECT {typed} FROM {SOURCE}) SELECT {', '.join(fields)} FROM typed{joins}"  # noqa: S608
    if laid.unit_column is None:
        return statement, binder.values
    unit, whole = laid.field(laid.unit_column), ", ".join(f"c{index}" for index in range(len(laid.columns)))
    seeds = [binder.bind(salt ^ index, "integer") for index in range(3)]
    statement += f" WHERE {unit} IS NOT NULL AND hash({seeds[0]}, {unit}) % {passes} = {number}"
    # Salts stand first: what collides under one salt does not under another.
    statement += f" ORDER BY hash({seeds[1]}, {unit}), {unit}, hash({seeds[2]}, {whole}), {whole}"
    return statement, binder.values


def _encoding(laid: Laid) -> Mapping[str, Any]:
    """How fields are written: dictionaries only where there are few values, numbers of units by their distances."""
    few = [f"k{index}" for index, each in enumerate(laid.columns) if each.labels]
    for index, each in enumerate(laid.columns):
        small = each.grid is not None and each.grid.most - each.grid.least < _FEW
        few += [f"c{index}"] * (small or bool(each.labels)) + [f"s{index}"] * small
    numbered = {UNIT: "DELTA_BINARY_PACKED"} if laid.unit_column else None
    return {"compression": "none", "use_dictionary": few, "column_encoding": numbered}


def _integer(column: LaidColumn) -> str:
    grid = column.grid
    return "INTEGER" if grid is not None and max(abs(grid.least), abs(grid.most)) < 1 << 31 else "BIGINT"


class _Runs:
    """Numbers the units of rows that come unit by unit; unequal neighbours are different units, exactly."""

    def __init__(self, contribution: int) -> None:
        self.units = 0
        self.beyond = 0
        self._contribution = contribution
        self._last: Any = None
        self._length = 0

    def number(self, batch: Any, field: str) -> Any:
        """The batch with the field `UNIT` in front."""
        column = batch.column(field)
        if not len(column):
            return self._with(batch, pa.array([], pa.int64()))
        before = pa.concat_arrays([pa.array([self._last], column.type), column.slice(0, len(column) - 1)])
        starts = pc.fill_null(pc.not_equal(column, before), True)
        numbers = pc.add(pc.cumulative_sum(starts.cast(pa.int64())), self.units)
        self._count(starts, len(column))
        self.units, self._last = numbers[-1].as_py(), column[-1].as_py()
        return self._with(batch, numbers)

    def _with(self, batch: Any, numbers: Any) -> Any:
        return pa.RecordBatch.from_arrays([numbers, *batch.columns], names=[UNIT, *batch.schema.names])

    def _count(self, starts: Any, rows: int) -> None:
        """Add up what lies beyond the contribution: the length of a run is told by where the next begins."""
        places = pc.indices_nonzero(starts).cast(pa.int64())
        first = places[0].as_py() if len(places) else rows
        self._grow(first)
        if not len(places):
            return
        ends = pa.concat_arrays([places.slice(1), pa.array([rows], pa.int64())])
        lengths = pc.subtract(ends, places)
        self.beyond += pc.sum(pc.max_element_wise(pc.subtract(lengths, self._contribution), 0)).as_py()
        self._length = lengths[-1].as_py()

    def _grow(self, more: int) -> None:
        held = self._length
        self._length += more
        self.beyond += max(0, self._length - self._contribution) - max(0, held - self._contribution)
