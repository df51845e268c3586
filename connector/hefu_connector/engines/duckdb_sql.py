"""From a typed form to DuckDB's SQL: identifiers quoted, constants bound, nothing of anybody's query text in it.

The order is fixed: give every column its declared type, keep rows that pass the filter and fall into a declared
group, bound what one privacy unit contributes, aggregate whole numbers. Each step works on one row, or on the rows
of one unit, so that adding or removing a unit moves nothing of anybody else. No expression here can fail on a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from hefu_connector.computing.predicates import All, Any, Between, Compare, In, IsNull, Literal, Not, Predicate

SOURCE = "src"
_PHYSICAL = {
    "integer": "BIGINT",
    "decimal": "DOUBLE",
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Grid:
    """How a number becomes a whole number: clamped to its bounds, then counted in steps of the granularity."""

    lower: Decimal
    upper: Decimal
    granularity: Decimal

    @property
    def least(self) -> int:
        """The lower bound in steps."""
        return int(self.lower / self.granularity)

    @property
    def most(self) -> int:
        """The upper bound in steps."""
        return int(self.upper / self.granularity)


@dataclass(frozen=True, slots=True)
class Key:
    """One dimension of the answer.

    Attributes:
        table: the registered table of declared values and positions; or
        edges: of bins, in steps of the column's grid; the last bin holds its upper edge too.
        size: how many groups.
    """

    column: str
    size: int
    table: str = ""
    edges: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """One whole number per group: ``rows``, ``units``, ``present`` values, or a ``sum`` in steps less a centre."""

    kind: str
    column: str = ""
    centre: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked, typed: all that SQL is made from."""

    columns: Mapping[str, str]  # name to declared type
    unit: str | None  # the column of the privacy unit; None where each row is one
    max_contribution: int
    filter: Predicate | None
    grids: Mapping[str, Grid]
    keys: tuple[Key, ...]
    measures: tuple[Measure, ...]


@dataclass(slots=True)
class Binder:
    """Collects constants; each stands in the SQL as the name of a parameter."""

    values: dict[str, Value] = field(default_factory=dict)

    def bind(self, value: Value, kind: str) -> str:
        """The parameter for a value, cast to a type of DuckDB."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"CAST(${name} AS {kind})"


def quote(name: str) -> str:
    """An identifier as DuckDB reads it literally."""
    return '"' + name.replace('"', '""') + '"'


def aggregate(shape: Shape, salt: int) -> tuple[str, dict[str, Value]]:
    """The one statement of a shape, and its parameters. It returns (cell, measures…) of the cells that have rows.

    Args:
        salt: fresh and secret; decides which rows of a unit with too many are read, by what stands in them.
    """
    binder = Binder()
    inner = {name: f"c{index}" for index, name in enumerate(shape.columns)}
    columns = ", ".join(
        f"{(unit_of if name == shape.unit else typed)(quote(name), kind)} AS {inner[name]}"
        for name, kind in shape.columns.items()
    )
    steps = "".join(
        f", {_steps(inner[name], grid, binder)} AS {inner[name]}_steps" for name, grid in shape.grids.items()
    )
    kept = _kept(shape, inner, binder)
    bound = _bound(shape, salt, binder)
    found = ", ".join(_measure(each, index) for index, each in enumerate(shape.measures))
    statement = (
        f"WITH typed AS (SELECT {columns or '1 AS nothing'} FROM {SOURCE}), "  # noqa: S608
        f"stepped AS (SELECT *{steps} FROM typed), kept AS ({kept}), "
        f"bounded AS (SELECT * FROM kept{bound}) SELECT cell, {found} FROM bounded GROUP BY cell"
    )
    return statement, binder.values


def declared(table: str, kind: str) -> str:
    """The table of a key's declared values with their positions, each value once whatever its spelling."""
    return (
        f"CREATE TEMP TABLE {quote(table)} AS SELECT TRY_CAST(value AS {_PHYSICAL[kind]}) AS value, "  # noqa: S608
        f"min(position) AS position FROM {quote(table + '_texts')} GROUP BY 1 HAVING value IS NOT NULL"
    )


def typed(name: str, kind: str) -> str:
    """A quoted column as a value of its declared type; NULL where it is none."""
    cast = f"TRY_CAST({name} AS {_PHYSICAL[kind]})"
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


def _kept(shape: Shape, inner: Mapping[str, str], binder: Binder) -> str:
    place, joins, tests = [], "", []
    stride = 1
    for index, key in reversed(list(enumerate(shape.keys))):
        column = inner[key.column]
        if key.edges:
            position = _bin(f"{column}_steps", key.edges, binder)
            tests.append(f"{position} IS NOT NULL")
        else:
            joins += f" JOIN {quote(key.table)} k{index} ON {column} = k{index}.value"
            position = f"k{index}.position"
        place.append(f"{position} * {stride}")
        stride *= key.size
    if shape.unit is not None:
        # A row that names no unit is left out: nobody's contribution could be bounded by it.
        tests.append(f"{inner[shape.unit]} IS NOT NULL")
    if shape.filter is not None:
        tests.append(_predicate(shape.filter, inner, binder))
    fields = [f"{' + '.join(place) or '0'} AS cell"]
    fields += [f"{inner[shape.unit]} AS unit"] if shape.unit is not None else []
    fields += [f"{_value(each, inner, binder)} AS v{index}" for index, each in _summed(shape)]
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    return f"SELECT {', '.join(fields)} FROM stepped{joins}{where}"  # noqa: S608


def _bound(shape: Shape, salt: int, binder: Binder) -> str:
    if shape.unit is None:
        return ""
    # Rows that tie are equal in all that is aggregated, so it does not matter which of them is taken.
    values = ", ".join(["cell", *(f"v{index}" for index, _ in _summed(shape))])
    return (
        f" QUALIFY row_number() OVER (PARTITION BY unit ORDER BY hash({values}, {binder.bind(salt, 'BIGINT')}), "
        f"{values}) <= {binder.bind(shape.max_contribution, 'BIGINT')}"
    )


def _summed(shape: Shape) -> list[tuple[int, Measure]]:
    """The measures that look at a column, with their places."""
    return [(index, each) for index, each in enumerate(shape.measures) if each.column]


def _value(measure: Measure, inner: Mapping[str, str], binder: Binder) -> str:
    column = inner[measure.column]
    if measure.kind == "present":
        return f"CAST({column} IS NOT NULL AS BIGINT)"
    return f"coalesce({column}_steps - {binder.bind(measure.centre, 'BIGINT')}, 0)"


def _measure(measure: Measure, index: int) -> str:
    if measure.kind == "rows":
        return "count(*)"
    return "count(DISTINCT unit)" if measure.kind == "units" else f"sum(v{index})"


def _steps(column: str, grid: Grid, binder: Binder) -> str:
    # greatest() and least() skip NULL, so NULL is kept apart; the outer clamp holds whatever rounding did.
    low, high = binder.bind(float(grid.lower), "DOUBLE"), binder.bind(float(grid.upper), "DOUBLE")
    step = binder.bind(float(grid.granularity), "DOUBLE")
    ratio = f"round(least(greatest(CAST({column} AS DOUBLE), {low}), {high}) / {step})"
    least, most = binder.bind(grid.least, "BIGINT"), binder.bind(grid.most, "BIGINT")
    return f"CASE WHEN {column} IS NOT NULL THEN least(greatest(CAST({ratio} AS BIGINT), {least}), {most}) END"


def _bin(steps: str, edges: tuple[int, ...], binder: Binder) -> str:
    cases = [f"WHEN {steps} < {binder.bind(edges[0], 'BIGINT')} THEN NULL"]
    inner = enumerate(edges[1:-1])
    cases += [f"WHEN {steps} < {binder.bind(edge, 'BIGINT')} THEN {index}" for index, edge in inner]
    cases.append(f"WHEN {steps} <= {binder.bind(edges[-1], 'BIGINT')} THEN {len(edges) - 2}")
    return f"CASE {' '.join(cases)} END"


def _predicate(predicate: Predicate, inner: Mapping[str, str], binder: Binder) -> str:
    if isinstance(predicate, Not):
        return f"(NOT {_predicate(predicate.item, inner, binder)})"
    if isinstance(predicate, All | Any):
        word = " AND " if isinstance(predicate, All) else " OR "
        return f"({word.join(_predicate(each, inner, binder) for each in predicate.items)})"
    column = inner[predicate.column]
    if isinstance(predicate, IsNull):
        return f"({column} IS NULL)"
    if isinstance(predicate, Compare):
        return f"({column} {predicate.operator} {_literal(predicate.value, binder)})"
    if isinstance(predicate, Between):
        return f"({column} BETWEEN {_literal(predicate.low, binder)} AND {_literal(predicate.high, binder)})"
    return _choices(predicate, column, binder)


def _choices(predicate: In, column: str, binder: Binder) -> str:
    return f"({column} IN ({', '.join(_literal(each, binder) for each in predicate.values)}))"


def _literal(literal: Literal, binder: Binder) -> str:
    return binder.bind(literal.text, _PHYSICAL[literal.type])
