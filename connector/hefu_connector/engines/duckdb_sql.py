"""From a shape to DuckDB's SQL: identifiers quoted, constants bound, nothing of anybody's query text in it.

The order is that of `hefu_connector.engines.shape`. No expression here can fail on a value.
"""

from __future__ import annotations

from hefu_connector.engines.duckdb_steps import PHYSICAL, Binder, Value, Writer, quote
from hefu_connector.engines.shape import PRESENT, ROWS, SQUARES, STEPS_HISTOGRAM, UNITS, Key, Measure, Shape

SOURCE = "src"


def aggregate(shape: Shape, salt: int) -> tuple[str, dict[str, Value]]:
    """The one statement of a shape, and its parameters. It returns (cell, measures…) of the cells that have rows.

    A steps-histogram is a map from bin to count; every other measure is a whole number.

    Args:
        salt: fresh and secret; decides which rows of a unit with too many are read, by what stands in them.
    """
    writer = Writer(shape)
    columns = ", ".join(
        f"{(unit_of if name == shape.unit else typed)(quote(name), kind)} AS {writer.column(name)}"
        for name, kind in shape.columns.items()
    )
    stored = "".join(f", {writer.stored(name)} AS {writer.column(name)}_steps" for name in shape.grids)
    kept = _kept(shape, writer)
    bound = _bound(shape, salt, writer.binder)
    found = ", ".join(_measure(each, index) for index, each in enumerate(shape.measures))
    statement = (
        f"WITH typed AS (SELECT {columns or '1 AS nothing'} FROM {SOURCE}), "  # noqa: S608
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


def _kept(shape: Shape, writer: Writer) -> str:
    place, joins, tests = [], "", []
    stride = 1
    for index, key in reversed(list(enumerate(shape.keys))):
        if key.column:
            joins += f" JOIN {quote(table_of(index))} k{index} ON {writer.column(key.column)} = k{index}.value"
            position = f"k{index}.position"
        else:
            position = _position(key, shape, writer)
            tests.append(f"{position} IS NOT NULL")
        place.append(f"{position} * {stride}")
        stride *= key.size
    if shape.unit is not None:
        # A row that names no unit is left out: nobody's contribution could be bounded by it.
        tests.append(f"{writer.column(shape.unit)} IS NOT NULL")
    if shape.filter is not None:
        tests.append(writer.condition(shape.filter))
    fields = [f"{' + '.join(place) or '0'} AS cell"]
    fields += [f"{writer.column(shape.unit)} AS unit"] if shape.unit is not None else []
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
    distance = f"({steps} - {writer.binder.bind(measure.centre, 'BIGINT')})"
    if measure.kind == SQUARES:
        distance = f"({distance} * {distance} - {writer.binder.bind(measure.less, 'BIGINT')})"
    return f"coalesce({distance}, 0)"


def _measure(measure: Measure, index: int) -> str:
    if measure.kind == ROWS:
        return "count(*)"
    if measure.kind == UNITS:
        return "count(DISTINCT unit)"
    return f"histogram(v{index})" if measure.kind == STEPS_HISTOGRAM else f"sum(v{index})"


def _bin(steps: str, edges: tuple[int, ...], binder: Binder, *, moved: bool) -> str:
    """The place of the bin of a number; of one beyond the edges NULL, or the nearest where it is moved."""
    inside = _halved(steps, edges, 0, len(edges) - 1, binder)
    if moved:
        return f"CASE WHEN {steps} IS NOT NULL THEN {inside} END"
    low, high = binder.bind(edges[0], "BIGINT"), binder.bind(edges[-1], "BIGINT")
    return f"CASE WHEN {steps} BETWEEN {low} AND {high} THEN {inside} END"


def _halved(steps: str, edges: tuple[int, ...], first: int, end: int, binder: Binder) -> str:
    """By halves, so that a row is compared with few of many edges."""
    if end - first == 1:
        return str(first)
    middle = (first + end) // 2
    below, above = _halved(steps, edges, first, middle, binder), _halved(steps, edges, middle, end, binder)
    return f"CASE WHEN {steps} < {binder.bind(edges[middle], 'BIGINT')} THEN {below} ELSE {above} END"
