"""From a shape to its one statement: identifiers quoted, constants bound, nothing of anybody's query text in it.

The order is that of `hefu_connector.engines.shape`. No expression here can fail on a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Protocol

from hefu_connector.computing.steps import Grid
from hefu_connector.engines.shape import (
    LEFT_OUT,
    PRESENT,
    ROWS,
    SQUARES,
    STEPS_HISTOGRAM,
    UNITS,
    Key,
    Measure,
    Shape,
    sizes,
)
from hefu_connector.engines.sql import sides
from hefu_connector.engines.sql.sides import Side
from hefu_connector.engines.sql.words import Value, Words
from hefu_connector.engines.sql.writer import Writer

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
    shape: Shape,
    salt: int,
    words: Words,
    ready: Ready | None = None,
    part: tuple[int, int] | None = None,
    tables: Sequence[Side] = (),
) -> tuple[str, dict[str, Value]]:
    """The one statement of a shape, and its parameters. It returns (cell, measures…) of the cells that have rows.

    Where keys are unknown, (cell, their values as text…, measures…) of the groups in which more than one unit has rows.

    A steps-histogram is what `words.counts` reads; every other measure is a whole number.

    Args:
        salt: fresh and secret; decides which rows of a unit with too many are read, by what stands in them.
        words: of the engine that is asked.
        ready: of a laid-out table. Its rows of one unit lie together, and the connection keeps their order.
        part: of a laid-out table, the first number of a unit that is read and the first that is not; None reads all.
            Numbers of parts that have no unit in common add up to those of the whole, each row bounded alike.
        tables: what stands behind FROM: the table with the columns of the shape under their names, and the one that is
            joined, where there is one; by default those that are called `SOURCE` and `sides.BESIDE`.
    """
    writer = Writer(shape, words)
    first, *others = tables or (Side(SOURCE, words), Side(sides.BESIDE, words))
    if shape.joined is None:
        columns = ", ".join(_columns(shape, writer, ready)) or "1 AS nothing"
        typed = f"typed AS (SELECT {columns} FROM {first.source}{_within(ready, part)}{words.once})"  # noqa: S608
    else:
        typed = sides.joined(shape, shape.joined, writer, salt, first, *others)
    done = [name for name, grid in shape.grids.items() if ready is not None and ready.steps(name, grid)]
    stored = "".join(
        f", {writer.stored(name)} AS {writer.column(name)}_steps" for name in shape.grids if name not in done
    )
    kept = _kept(shape, writer, ready)
    # A join keeps no order: DuckDB may walk through the declared values, and a unit's rows would lie apart.
    together = ready is not None and all(
        not each.column or each.unknown or ready.position(each.column, each.labels) for each in shape.keys
    )
    bounded = _laid_bound(shape) if together else _bound(shape, salt, writer)
    found = ", ".join(_measure(each, index, words) for index, each in enumerate(shape.measures))
    statement = (
        f"WITH {typed}, "  # noqa: S608
        f"stepped AS (SELECT *{stored} FROM typed), {writer.stages()}kept AS ({kept}), "
        f"bounded AS ({bounded}) {_told(shape, found, part is None)}"
    )
    return statement, writer.binder.values


def _columns(shape: Shape, writer: Writer, ready: Ready | None) -> Iterator[str]:
    """The fields of a row: every column as its declared type, and what a laid-out table has ready."""
    if ready is None:
        yield from sides.typed_columns(shape, writer, writer.words)
        return
    for name in shape.columns:
        yield f"{ready.field(name)} AS {writer.column(name)}"
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
        return "SELECT * FROM kept"
    kept = f"lag(unit, {int(shape.max_contribution)}) OVER () IS DISTINCT FROM unit"
    found = f"CASE WHEN lag(unit, 1) OVER () > unit THEN error('order') ELSE {kept} END"
    return f"SELECT * FROM kept QUALIFY {found}"  # noqa: S608


def _within(ready: Ready | None, part: tuple[int, int] | None) -> str:
    """Only the units of a part; the file tells which of its row groups have them."""
    return "" if ready is None or part is None else f" WHERE {ready.unit} >= {part[0]:d} AND {ready.unit} < {part[1]:d}"


def _several(shape: Shape) -> str:
    """Of unknown groups, those of one unit are not told whatever the noise, and there may be as many as rows."""
    if not shape.unknown:
        return ""
    return f" HAVING count({'*' if shape.unit is None else 'DISTINCT unit'}) > {LEFT_OUT}"


def _kept(shape: Shape, writer: Writer, ready: Ready | None) -> str:
    places, joins, tests = _places(shape, writer, ready)
    if shape.unit is not None and ready is None:
        # A row that names no unit is left out: nobody's contribution could be bounded by it.
        tests.append(f"{writer.column(shape.unit)} IS NOT NULL")
    if shape.filter is not None:
        tests.append(writer.condition(shape.filter))
    cells = [(name, _cell(shape, each, places)) for name, each in _cells(shape)]
    if shape.sets:
        tests.append(f"({' OR '.join(f'{cell} IS NOT NULL' for _, cell in cells)})")
    fields = [f"{cell} AS {name}" for name, cell in cells]
    if shape.unit is not None:
        fields.append(f"{writer.column(shape.unit) if ready is None else 'unit_number'} AS unit")
    for index, each in enumerate(shape.unknown):
        fields.append(f"CAST({writer.column(each.column)} AS {writer.words.types['text']}) AS u{index}")
    fields += [f"{_value(each, shape, writer)} AS v{index}" for index, each in _looking(shape)]
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    return f"SELECT {', '.join(fields)} FROM {writer.last}{joins}{where}"  # noqa: S608


def _places(shape: Shape, writer: Writer, ready: Ready | None) -> tuple[list[str], str, list[str]]:
    """A row's position in each key, the joins that find it, and the tests that it is there."""
    places, joins, tests = [], "", []
    for index, key in enumerate(shape.keys):
        if key.unknown:
            # All its values are in one place of the declared keys; they stand beside the cell.
            tests.append(f"{writer.column(key.column)} IS NOT NULL")
            places.append("0")
            continue
        if key.column and ready is not None and ready.position(key.column, key.labels):
            place, position = f"place{index}", f"CAST(place{index} AS BIGINT)"
        elif key.column:
            # Where rows are grouped by other keys too, one without a group of this one is still a row.
            kind = " LEFT JOIN" if shape.sets else " JOIN"
            values = writer.words.declared(index, key, shape.columns[key.column], writer.binder)
            joins += f"{kind} {values} k{index} ON {writer.column(key.column)} = k{index}.value"
            place, position = "", f"k{index}.position"  # an inner join has no row without it
        else:
            place = position = place_of(key, shape, writer)
        places.append(position)
        if place and not shape.sets:
            tests.append(f"{place} IS NOT NULL")
    return places, joins, tests


def _cells(shape: Shape) -> list[tuple[str, tuple[int, ...]]]:
    """The fields with a row's cell, one for each grouping set, and the keys of that."""
    every = tuple(range(len(shape.keys)))
    return [(f"cell{index}", each) for index, each in enumerate(shape.sets)] or [("cell", every)]


def _cell(shape: Shape, set_: tuple[int, ...], places: list[str]) -> str:
    """A row's cell within one grouping set; NULL where it has no group of one of the keys."""
    terms, stride = [], 1
    for index in reversed(set_):
        terms.append(f"{places[index]} * {stride}")
        stride *= shape.keys[index].size
    return " + ".join(terms) or "0"


def _told(shape: Shape, found: str, whole: bool) -> str:
    """The last step: measures by cell. Cells of one grouping set stand behind those of the sets before it.

    Args:
        whole: all units are counted here, so that groups of one unit can be left out.
    """
    if not shape.sets:
        by = "".join(f", u{index}" for index, _ in enumerate(shape.unknown))
        return f"SELECT cell{by}, {found} FROM bounded GROUP BY cell{by}{_several(shape) if whole else ''}"  # noqa: S608
    names = [name for name, _ in _cells(shape)]
    before = accumulate(sizes(shape.keys, shape.sets), initial=0)
    # In each set all fields but its own are NULL.
    cell = f"coalesce({', '.join(f'{name} + {first}' for name, first in zip(names, before, strict=False))})"
    sets = ", ".join(f"({name})" for name in names)
    # A row without a group in one set is in another's; not every engine knows what a cell is behind HAVING.
    told = f"SELECT {cell} AS cell, {found} FROM bounded GROUP BY GROUPING SETS ({sets})"  # noqa: S608
    return f"SELECT * FROM ({told}) AS told WHERE cell IS NOT NULL"  # noqa: S608


def place_of(key: Key, shape: Shape, writer: Writer) -> str:
    """The name of the group's place in a key that is worked out; NULL where the row is in none."""
    if key.conditions:
        cases = " ".join(f"WHEN {writer.condition(each)} THEN {at}" for at, each in enumerate(key.conditions))
        rest = f" ELSE {len(key.conditions)}" if key.size > len(key.conditions) else ""
        return writer.name(f"CASE {cases}{rest} END")
    assert key.number is not None  # noqa: S101 - every other key has one
    lowered = shape.lowered(key.number)
    steps = writer.named(lowered.steps)
    if key.edges:
        return writer.name(_bin(steps, key.edges, writer, moved=False))
    return writer.name(f"{steps} - {writer.binder.bind(lowered.least, 'integer')}")


def _bound(shape: Shape, salt: int, writer: Writer) -> str:
    if shape.unit is None:
        return "SELECT * FROM kept"
    unknown = [f"u{index}" for index, _ in enumerate(shape.unknown)]
    whole = [*(name for name, _ in _cells(shape)), *(f"v{index}" for index, _ in _looking(shape))]
    values = [*((each, "integer") for each in whole), *((each, "text") for each in unknown)]
    most = writer.binder.bind(shape.max_contribution, "integer")
    return sides.first("SELECT * FROM kept", "unit", sides.order(values, salt, writer), most, writer)


def _looking(shape: Shape) -> list[tuple[int, Measure]]:
    """The measures that look at a number, with their places."""
    return [(index, each) for index, each in enumerate(shape.measures) if each.number is not None]


def _value(measure: Measure, shape: Shape, writer: Writer) -> str:
    assert measure.number is not None  # noqa: S101 - those that look at one
    if measure.kind == PRESENT:
        return writer.words.flag.format(condition=f"{writer.found(measure.number)} IS NOT NULL")
    steps = writer.named(shape.lowered(measure.number).steps)
    if measure.kind == STEPS_HISTOGRAM:
        return _bin(steps, measure.edges, writer, moved=True)
    # Absent values stay absent: a sum leaves them out.
    distance = f"({steps} - {writer.binder.bind(measure.centre, 'integer')})" if measure.centre else steps
    if measure.kind == SQUARES:
        distance = f"({distance} * {distance} - {writer.binder.bind(measure.less, 'integer')})"
    return distance


def _measure(measure: Measure, index: int, words: Words) -> str:
    if measure.kind == ROWS:
        return "count(*)"
    if measure.kind == UNITS:
        return "count(DISTINCT unit)"
    if measure.kind == STEPS_HISTOGRAM:
        return words.histogram(f"v{index}", measure.width)
    return words.total.format(value=f"v{index}")


def _bin(steps: str, edges: tuple[int, ...], writer: Writer, *, moved: bool) -> str:
    """The place of the bin of a number; of one beyond the edges NULL, or the nearest where it is moved."""
    inside = _even(steps, edges, writer) or _halved(steps, edges, 0, len(edges) - 1, writer)
    if moved:
        return f"CASE WHEN {steps} IS NOT NULL THEN {inside} END"
    low, high = writer.binder.bind(edges[0], "integer"), writer.binder.bind(edges[-1], "integer")
    return f"CASE WHEN {steps} BETWEEN {low} AND {high} THEN {inside} END"


def _even(steps: str, edges: tuple[int, ...], writer: Writer) -> str:
    """By division, where all bins are of one width; else empty."""
    widths = {above - below for below, above in pairwise(edges)}
    if len(widths) > 1:
        return ""
    low, width, last = (writer.binder.bind(each, "integer") for each in (edges[0], widths.pop(), len(edges) - 2))
    place = writer.words.divided.format(left=f"({steps} - {low})", right=width)
    return f"greatest(least({place}, {last}), 0)"


def _halved(steps: str, edges: tuple[int, ...], first: int, end: int, writer: Writer) -> str:
    """By halves, so that a row is compared with few of many edges."""
    if end - first == 1:
        return str(first)
    middle = (first + end) // 2
    below, above = _halved(steps, edges, first, middle, writer), _halved(steps, edges, middle, end, writer)
    return f"CASE WHEN {steps} < {writer.binder.bind(edges[middle], 'integer')} THEN {below} ELSE {above} END"
