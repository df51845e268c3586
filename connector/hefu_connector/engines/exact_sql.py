"""From questions to DuckDB's SQL: one temporary table that says of every row in which cell of each question it is.

Everything else is asked of that table: who stands together in which cells (`atoms`), what the newest question's cells
sum up to (`figures`), and how much of a sum is one unit's (`shares`). Identifiers are quoted, constants bound; nobody's
query text is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import prod

from hefu.canonical import Json, Object
from hefu.errors import Defect
from hefu_policies.reading import Place

from hefu_connector.computing.predicates import (
    All,
    Any,
    Between,
    Compare,
    In,
    IsNull,
    Literal,
    Not,
    Predicate,
    read_predicate,
)
from hefu_connector.computing.steps import Grid
from hefu_connector.engines.sql.duckdb import WORDS, quote, typed, unit_of
from hefu_connector.engines.sql.statement import SOURCE
from hefu_connector.engines.sql.words import Binder

TABLE = "told"


@dataclass(frozen=True, slots=True)
class Key:
    """One dimension of a question's cells: declared values, or bins of a grid."""

    column: str
    labels: tuple[str, ...]
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, as far as cells hang on it.

    Attributes:
        columns: name to declared type.
        sets: what its figures are summed over in each cell: all rows (the empty name), or those in which a column is
            present.
        sums: the columns whose sums it tells.
    """

    columns: Mapping[str, str]
    grids: Mapping[str, Grid]
    filter: Predicate | None
    keys: tuple[Key, ...]
    sets: tuple[str, ...]
    sums: tuple[str, ...]

    def size(self) -> int:
        """How many cells it has."""
        return prod(len(each.labels) for each in self.keys)

    @classmethod
    def of(cls, body: Object) -> Question:
        """Read what `hefu_connector.engines.exact` wrote; raises Malformed."""
        found = Place(body, "question").members(("columns", "grids", "filter", "keys", "sets", "sums"))
        tree = found["filter"].value
        grids = found["grids"]
        return cls(
            {name: each.text() for name, each in found["columns"].members((), found["columns"].object()).items()},
            {name: _grid(each) for name, each in grids.members((), grids.object()).items()},
            None if tree is None else read_predicate(tree),
            tuple(_key(each) for each in found["keys"].items()),
            tuple(each.text(empty=True) for each in found["sets"].items(1)),
            tuple(each.text() for each in found["sums"].items()),
        )


@dataclass(slots=True)
class Layout:
    """The temporary table of some questions: which of its columns mean what.

    Attributes:
        declared: tables of declared values by their names, to be made before: type of the column, and labels.
    """

    unit: tuple[str, str] | None
    binder: Binder = field(default_factory=lambda: Binder(WORDS))
    columns: dict[tuple[str, str], str] = field(default_factory=dict)
    steps: dict[tuple[str, str, Grid], str] = field(default_factory=dict)
    declared: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    joins: list[str] = field(default_factory=list)
    present: dict[tuple[str, str], str] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)

    def add(self, question: Question) -> None:
        """Lay out one more question."""
        inner = {name: self._column(name, kind) for name, kind in question.columns.items()}
        parts, stride = [], 1
        for key in reversed(question.keys):
            parts.append(f"{self._position(key, question)} * {stride}")
            stride *= len(key.labels)
        place = " + ".join(parts) or "0"
        test = "TRUE" if question.filter is None else _condition(question.filter, inner, self.binder)
        self.cells.append(f"CASE WHEN {test} THEN CAST({place} AS INTEGER) END")
        for name in question.sets:
            if name:
                kind = question.columns[name]
                self.present.setdefault((name, kind), f"p{len(self.present)}")

    def place(self) -> list[str]:
        """The columns that together say where a row stands."""
        return [*(f"q{index}" for index in range(len(self.cells))), *self.present.values()]

    def statement(self, newest: Question) -> str:
        """The statement that makes the table, with the sums of the newest question."""
        sums = [self._steps(name, newest) for name in newest.sums]  # before the columns are listed: it may add some
        unit = "row_number() OVER ()" if self.unit is None else f"hash({unit_of(quote(self.unit[0]), self.unit[1])})"
        absent = "" if self.unit is None else f" WHERE {unit_of(quote(self.unit[0]), self.unit[1])} IS NOT NULL"
        columns = [f"{typed(quote(name), kind)} AS {inner}" for (name, kind), inner in self.columns.items()]
        steps = [
            f"{_steps_of(self.columns[name, kind], grid, self.binder)} AS {inner}"
            for (name, kind, grid), inner in self.steps.items()
        ]
        # A hash that two units share makes one of them, so that groups seem smaller and never larger.
        fields = ["unit"]
        fields += [f"{expression} AS q{index}" for index, expression in enumerate(self.cells)]
        fields += [f"({self.columns[which]} IS NOT NULL) AS {name}" for which, name in self.present.items()]
        fields += [f"{name} AS v{index}" for index, name in enumerate(sums)]
        return (
            f"CREATE TEMP TABLE {TABLE} AS WITH typed AS "  # noqa: S608
            f"(SELECT {', '.join([f'{unit} AS unit', *columns])} FROM {SOURCE}{absent}), "
            f"stepped AS (SELECT {', '.join(['*', *steps])} FROM typed) "
            f"SELECT {', '.join(fields)} FROM stepped{''.join(self.joins)}"
        )

    def _column(self, name: str, kind: str) -> str:
        return self.columns.setdefault((name, kind), f"c{len(self.columns)}")

    def _steps(self, name: str, question: Question) -> str:
        kind = question.columns[name]
        self._column(name, kind)
        return self.steps.setdefault((name, kind, question.grids[name]), f"s{len(self.steps)}")

    def _position(self, key: Key, question: Question) -> str:
        if key.edges:
            return _bin_of(self._steps(key.column, question), key.edges, self.binder)
        kind, inner = question.columns[key.column], self._column(key.column, question.columns[key.column])
        alias = f"k{len(self.declared)}"
        self.declared[alias] = (kind, key.labels)
        self.joins.append(f" LEFT JOIN {quote(alias)} ON {inner} = {quote(alias)}.value")
        return f"{quote(alias)}.position"


def atoms(layout: Layout, least: int) -> str:
    """Each set of rows that no question tells apart: its cells, the present columns, how many units, which if few."""
    names = layout.place()
    some = " OR ".join(f"q{index} IS NOT NULL" for index in range(len(layout.cells)))
    return (
        f"SELECT {', '.join(names)}, CASE WHEN count(DISTINCT unit) < {least} THEN list(DISTINCT unit) END "  # noqa: S608
        f"FROM {TABLE} WHERE {some} GROUP BY {', '.join(names)}"
    )


def figures(layout: Layout, newest: Question) -> str:
    """Of each cell of the newest question: for each of its sets rows and units, and its sums in steps."""
    place = f"q{len(layout.cells) - 1}"
    found = []
    for name in newest.sets:
        only = "" if not name else f" FILTER (WHERE {layout.present[name, newest.columns[name]]})"
        found += [f"count(*){only}", f"count(DISTINCT unit){only}"]
    found += [f"coalesce(sum(v{index}), 0)" for index in range(len(newest.sums))]
    return f"SELECT {place}, {', '.join(found)} FROM {TABLE} WHERE {place} IS NOT NULL GROUP BY {place}"  # noqa: S608


def shares(layout: Layout, index: int, *, by_atom: bool) -> str:
    """Of each cell of the newest question, or each atom: how much units bring to a sum, and the two that bring most."""
    place = [f"q{len(layout.cells) - 1}"] if not by_atom else layout.place()
    names = ", ".join(place)
    some = " OR ".join(f"{each} IS NOT NULL" for each in place if each.startswith("q"))
    return (
        f"SELECT {names}, sum(part), list_slice(list_reverse_sort(list(part)), 1, 2) FROM ("  # noqa: S608
        f"SELECT {names}, abs(sum(v{index})) AS part FROM {TABLE} "
        f"WHERE ({some}) AND v{index} IS NOT NULL GROUP BY {names}, unit) GROUP BY {names}"
    )


def _key(place: Place) -> Key:
    found = place.members(("column", "labels", "edges"))
    labels = tuple(each.text(empty=True) for each in found["labels"].items(1))
    return Key(found["column"].text(), labels, tuple(_whole(each.value) for each in found["edges"].items()))


def _grid(place: Place) -> Grid:
    found = place.members(("lower", "upper", "granularity"))
    return Grid(*(Decimal(found[name].text()) for name in ("lower", "upper", "granularity")))


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else int(str(value))


def _steps_of(column: str, grid: Grid, binder: Binder) -> str:
    """A number in whole steps of its grid, moved into its bounds; NULL where it is absent."""
    # greatest() and least() skip NULL, so NULL is kept apart; the outer clamp holds whatever rounding did.
    low, high, step = (binder.bind(float(each), "decimal") for each in (grid.lower, grid.upper, grid.granularity))
    ratio = f"round(least(greatest(CAST({column} AS DOUBLE), {low}), {high}) / {step})"
    least, most = binder.bind(grid.least, "integer"), binder.bind(grid.most, "integer")
    return f"CASE WHEN {column} IS NOT NULL THEN least(greatest(CAST({ratio} AS BIGINT), {least}), {most}) END"


def _bin_of(steps: str, edges: tuple[int, ...], binder: Binder) -> str:
    cases = [f"WHEN {steps} < {binder.bind(edges[0], 'integer')} THEN NULL"]
    cases += [f"WHEN {steps} < {binder.bind(edge, 'integer')} THEN {at}" for at, edge in enumerate(edges[1:-1])]
    cases.append(f"WHEN {steps} <= {binder.bind(edges[-1], 'integer')} THEN {len(edges) - 2}")
    return f"CASE {' '.join(cases)} END"


def _condition(predicate: Predicate, inner: Mapping[str, str], binder: Binder) -> str:
    if isinstance(predicate, Not):
        return f"(NOT {_condition(predicate.item, inner, binder)})"
    if isinstance(predicate, All | Any):
        word = " AND " if isinstance(predicate, All) else " OR "
        return f"({word.join(_condition(each, inner, binder) for each in predicate.items)})"
    if not isinstance(predicate, Compare | In | IsNull | Between):
        raise Defect("internal", reference="exact", detail="a condition of a newer plan")
    return f"({inner[predicate.column]} {_test(predicate, binder)})"


def _test(term: Compare | In | IsNull | Between, binder: Binder) -> str:
    if isinstance(term, IsNull):
        return "IS NULL"
    if isinstance(term, Compare):
        return f"{term.operator} {_literal(term.value, binder)}"
    if isinstance(term, Between):
        return f"BETWEEN {_literal(term.low, binder)} AND {_literal(term.high, binder)}"
    return f"IN ({', '.join(_literal(each, binder) for each in term.values)})"


def _literal(literal: Literal, binder: Binder) -> str:
    return binder.bind(literal.text, literal.type)
