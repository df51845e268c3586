"""From a shape to DuckDB's SQL: identifiers quoted, constants bound, nothing of anybody's query text in it.

The order is that of `hefu_connector.engines.shape`. No expression here can fail on a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

from hefu_connector.computing.steps import Grid
from hefu_connector.engines.duckdb_steps import PHYSICAL, Binder, Value, Writer, quote
from hefu_connector.engines.shape import PRESENT, ROWS, SQUARES, STEPS_HISTOGRAM, UNITS, Key, Measure, Shape

SOURCE = "src"


class Ready(Protocol):
    """What a laid-out table has ready for each row, as fields (`hefu_connector.engines.laid`)."""

    @property
    def unit(self) -> str:
        """The field with the number of the privacy unit, which every row has."""
        ...

    def field(self, name: str) -> str:
        """The field with a column's values, of its declared type."""
        ...

    def steps(self, name: str, grid: Grid) -> str:
        """The field with a column's steps on a grid; empty where there is none."""
        ...

    def position(self, name: str, labels: tuple[str, ...]) -> str:
        """The field with the position of a column's value among labels, NULL for none; empty where there is none."""
        ...


def aggregate(
    shape: Shape, salt: int, ready: Ready | None = None, part: tuple[int, int] | None = None
) -> tuple[str, dict[str, Value]]:
    """The one statement of a shape, and its parameters. It returns (cell, measures…) of the cells that have rows.

    A steps-histogram is a map from bin to count; every other measure is a whole number.

    Args:
        salt: fresh and secret; decides which rows of a unit with too many are read, by what stands in them.
        ready: of a laid-out table. Its rows of one unit lie together, and the connection keeps their order.
        part: of a laid-out table, the first number of a unit that is read and the first that is not; None reads all.
            Numbers of parts that have no unit in common add up to those of the whole, each row bounded alike.
    """
    writer = Writer(shape)
    columns = ", ".join(_columns(shape, writer, ready))
    done = [name for name, grid in shape.grids.items() if ready is not None and ready.steps(name, grid)]
    stored = "".join(
        f", {writer.stored(name)} AS {writer.column(name)}_steps" for name in shape.grids if name not in done
    )
    kept = _kept(shape, writer, ready)
    # A join keeps no order: DuckDB may walk through the declared values, and a unit's rows would lie apart.
    together = ready is not None and all(
        not each.column or ready.position(each.column, each.labels) for each in shape.keys
    )
    bound = _laid_bound(shape) if together else _bound(shape, salt, writer.binder)
    found = ", ".join(_measure(each, index) for index, each in enumerate(shape.measures))
    statement = (
        f"WITH typed AS (SELECT {columns or '1 AS nothing'} FROM {SOURCE}{_within(ready, part)}), "  # noqa: S608
        f"stepped AS (SELECT *{stored} FROM typed), {writer.stages()}kept AS ({kept}), "
        f"bounded AS (SELECT * FROM kept{bound}) SELECT cell, {found} FROM bounded GROUP BY cell"
    )
    return statement, writer.binder.values


def declared(table: str, kind: str) -> str:
    """The table of a key's declared values with their positions, each value once whatever its spelling."""
    return (
        f"CREATE TEMP TABLE {quote(table)} AS SELECT TRY_CAST(value AS {PHYSICAL[kind]}) AS value, "  # noqa: S608
        f"min(position) AS position FROM {quote(table + '_texts')} GROUP BY 1 HAVING value IS NOT NULL"
    )


def table_of(index: int) -> str:
    """The name of the table of declared values of the key at a place."""
    return f"key{index}"


def typed(name: str, kind: str) -> str:
    """A quoted column as a value of its declared type; NULL where it is none."""
    cast = f"TRY_CAST({name} AS {PHYSICAL[kind]})"
    if kind in ("integer", "text", "boolean"):
        return cast
    return f"CASE WHEN isfinite({cast}) THEN {cast} END"


def unit_of(name: str, kind: str) -> str:
    """The privacy unit of a row, or NULL where two units could be taken for one: together they would have one bound.

    A text that was not readable has U+FFFD in it, whatever it was; a number that is no integer would be rounded.
    """
    cast = typed(name, kind)
    if kind == "text":
        return f"CASE WHEN NOT contains({cast}, chr(65533)) THEN {cast} END"
    return f"CASE WHEN TRY_CAST({name} AS DOUBLE) = {cast} THEN {cast} END" if kind == "integer" else cast


def _columns(shape: Shape, writer: Writer, ready: Ready | None) -> Iterator[str]:
    """The fields of a row: every column as its declared type, and what a laid-out table has ready."""
    for name, kind in shape.columns.items():
        if ready is None:
            yield f"{(unit_of if name == shape.unit else typed)(quote(name), kind)} AS {writer.column(name)}"
        else:
            yield f"{ready.field(name)} AS {writer.column(name)}"
    if ready is not None:
        yield from _done(shape, writer, ready)


def _done(shape: Shape, writer: Writer, ready: Ready) -> Iterator[str]:
    for name, grid in shape.grids.items():
        if field := ready.steps(name, grid):
            yield f"CAST({field} AS BIGINT) AS {writer.column(name)}_steps"
    for index, key in enumerate(shape.keys):
        if key.column and (field := ready.position(key.column, key.labels)):
            yield f"{field} AS place{index}"
    if shape.unit is not None:
        yield f"{ready.unit} AS unit_number"


def _laid_bound(shape: Shape) -> str:
    """Rows of one unit lie together: one is kept unless the row that many before it is of the same unit.

    The rows before it are those that passed the filter and the groups. DuckDB streams this window, and keeps the order
    of a file through filters and a window with an empty OVER while ``preserve_insertion_order`` is set.
    Source: https://duckdb.org/docs/2.0/sql/dialect/order_preservation.html; held by tests/connector/test_layouts.py.

    INVARIANT: units are numbered in the order of the file. Numbers that never fall, as this window meets the rows,
    are rows of one unit together, whatever the engine did to them; where one falls, the statement fails.
    """
    if shape.unit is None:
        return ""
    kept = f"lag(unit, {int(shape.max_contribution)}) OVER () IS DISTINCT FROM unit"
    return f" QUALIFY CASE WHEN lag(unit, 1) OVER () > unit THEN error('order') ELSE {kept} END"


def _within(ready: Ready | None, part: tuple[int, int] | None) -> str:
    """Only the units of a part; the file tells which of its row groups have them."""
    return "" if ready is None or part is None else f" WHERE {ready.unit} >= {part[0]:d} AND {ready.unit} < {part[1]:d}"


def _kept(shape: Shape, writer: Writer, ready: Ready | None) -> str:
    place, joins, tests = [], "", []
    stride = 1
    for index, key in reversed(list(enumerate(shape.keys))):
        if key.column and ready is not None and ready.position(key.column, key.labels):
            position = f"CAST(place{index} AS BIGINT)"
            tests.append(f"place{index} IS NOT NULL")
        elif key.column:
            joins += f" JOIN {quote(table_of(index))} k{index} ON {writer.column(key.column)} = k{index}.value"
            position = f"k{index}.position"
        else:
            position = _position(key, shape, writer)
            tests.append(f"{position} IS NOT NULL")
        place.append(f"{position} * {stride}")
        stride *= key.size
    if shape.unit is not None and ready is None:
        # A row that names no unit is left out: nobody's contribution could be bounded by it.
        tests.append(f"{writer.column(shape.unit)} IS NOT NULL")
    if shape.filter is not None:
        tests.append(writer.condition(shape.filter))
    fields = [f"{' + '.join(place) or '0'} AS cell"]
    if shape.unit is not None:
        fields.append(f"{writer.column(shape.unit) if ready is None else 'unit_number'} AS unit")
    fields += [f"{_value(each, shape, writer)} AS v{index}" for index, each in _looking(shape)]
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    return f"SELECT {', '.join(fields)} FROM {writer.last}{joins}{where}"  # noqa: S608


def _position(key: Key, shape: Shape, writer: Writer) -> str:
    """The name of the group's place in a key that is worked out; NULL where the row is in none."""
    if key.conditions:
        cases = " ".join(f"WHEN {writer.condition(each)} THEN {at}" for at, each in enumerate(key.conditions))
        rest = f" ELSE {len(key.conditions)}" if key.size > len(key.conditions) else ""
        return writer.name(f"CASE {cases}{rest} END")
    assert key.number is not None  # noqa: S101 - every other key has one
    lowered = shape.lowered(key.number)
    steps = writer.named(lowered.steps)
    if key.edges:
        return writer.name(_bin(steps, key.edges, writer.binder, moved=False))
    return writer.name(f"{steps} - {writer.binder.bind(lowered.least, 'BIGINT')}")


def _bound(shape: Shape, salt: int, binder: Binder) -> str:
    if shape.unit is None:
        return ""
    # Rows that tie are equal in all that is aggregated, so it does not matter which of them is taken.
    values = ", ".join(["cell", *(f"v{index}" for index, _ in _looking(shape))])
    return (
        f" QUALIFY row_number() OVER (PARTITION BY unit ORDER BY hash({values}, {binder.bind(salt, 'BIGINT')}), "
        f"{values}) <= {binder.bind(shape.max_contribution, 'BIGINT')}"
    )


def _looking(shape: Shape) -> list[tuple[int, Measure]]:
    """The measures that look at a number, with their places."""
    return [(index, each) for index, each in enumerate(shape.measures) if each.number is not None]


def _value(measure: Measure, shape: Shape, writer: Writer) -> str:
    assert measure.number is not None  # noqa: S101 - those that look at one
    if measure.kind == PRESENT:
        return f"CAST({writer.found(measure.number)} IS NOT NULL AS BIGINT)"
    steps = writer.named(shape.lowered(measure.number).steps)
    if measure.kind == STEPS_HISTOGRAM:
        return _bin(steps, measure.edges, writer.binder, moved=True)
    # Absent values stay absent: a sum leaves them out.
    distance = f"({steps} - {writer.binder.bind(measure.centre, 'BIGINT')})" if measure.centre else steps
    if measure.kind == SQUARES:
        distance = f"({distance} * {distance} - {writer.binder.bind(measure.less, 'BIGINT')})"
    return distance


def _measure(measure: Measure, index: int) -> str:
    if measure.kind == ROWS:
        return "count(*)"
    if measure.kind == UNITS:
        return "count(DISTINCT unit)"
    return f"histogram(v{index})" if measure.kind == STEPS_HISTOGRAM else f"coalesce(sum(v{index}), 0)"


def _bin(steps: str, edges: tuple[int, ...], binder: Binder, *, moved: bool) -> str:
    """The place of the bin of a number; of one beyond the edges NULL, or the nearest where it is moved."""
    inside = _even(steps, edges, binder) or _halved(steps, edges, 0, len(edges) - 1, binder)
    if moved:
        return f"CASE WHEN {steps} IS NOT NULL THEN {inside} END"
    low, high = binder.bind(edges[0], "BIGINT"), binder.bind(edges[-1], "BIGINT")
    return f"CASE WHEN {steps} BETWEEN {low} AND {high} THEN {inside} END"


def _even(steps: str, edges: tuple[int, ...], binder: Binder) -> str:
    """By division, where all bins are of one width; else empty."""
    widths = {above - below for below, above in pairwise(edges)}
    if len(widths) > 1:
        return ""
    low, width, last = (binder.bind(each, "BIGINT") for each in (edges[0], widths.pop(), len(edges) - 2))
    return f"greatest(least(({steps} - {low}) // {width}, {last}), 0)"


def _halved(steps: str, edges: tuple[int, ...], first: int, end: int, binder: Binder) -> str:
    """By halves, so that a row is compared with few of many edges."""
    if end - first == 1:
        return str(first)
    middle = (first + end) // 2
    below, above = _halved(steps, edges, first, middle, binder), _halved(steps, edges, middle, end, binder)
    return f"CASE WHEN {steps} < {binder.bind(edges[middle], 'BIGINT')} THEN {below} ELSE {above} END"
