"""From questions to DuckDB's SQL: one temporary table that says of every row in which cell of each question it is.

Everything else is asked of that table: who stands together in which cells (`groups`), what the newest question's cells
sum up to (`figures`), and how much of a sum is one unit's (`shares`). Rows are numbered as they lie, so that what was
found out about each by an earlier reading of the same bytes (`hefu_connector.engines.exact.standing`) can be put beside
it. Identifiers are quoted, constants bound; nobody's query text is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hefu.errors import Defect

from hefu_connector.engines.exact.questions import ALL, Question, together
from hefu_connector.engines.laid import Laid
from hefu_connector.engines.shape import Key, Shape
from hefu_connector.engines.sql.duckdb import WORDS, quote
from hefu_connector.engines.sql.statement import SOURCE, place_of
from hefu_connector.engines.sql.words import Value
from hefu_connector.engines.sql.writer import Writer

TABLE = "told"
STANDING = "standing"  # where each row stood, by its number
ORDER = f"SELECT count(*), CAST(bit_xor(hash(rid, unit)) AS VARCHAR) FROM {TABLE}"  # noqa: S608


@dataclass(slots=True)
class Reading:
    """One reading of the data for some questions; of the last of them the sums are read too, where it is `newest`.

    Attributes:
        unit: the column of the privacy unit, and its type; None where each row is one.
        laid: what the table has ready, if it is laid out.
        declared: tables of declared values by their names, to be made before: type of the column, and labels.
        present: of each set, the field that says whether a row is in it.
    """

    questions: Sequence[Question]
    unit: tuple[str, str] | None
    laid: Laid | None
    newest: bool
    declared: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    present: dict[str, str] = field(default_factory=dict)
    _ready: dict[str, str] = field(default_factory=dict)
    _joins: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def columns(self) -> Mapping[str, str]:
        """What is read: names and types."""
        unit = {} if self.unit is None else dict([self.unit])
        return {**unit, **self._shape().columns}

    def places(self) -> list[str]:
        """The fields that together say where a row stands."""
        return ["atom", *(f"q{index}" for index in range(len(self.questions))), *self.present.values()]

    def statement(self, *, standing: bool) -> tuple[str, dict[str, Value]]:
        """The statement that makes the table.

        Args:
            standing: whether there is a table of where rows stood before.
        """
        shape = self._shape()
        writer = Writer(shape, WORDS)
        cells = [self._cell(each, shape, writer) for each in self.questions]
        fields = [f"coalesce({sql}, -1) AS q{index}" for index, sql in enumerate(cells)]
        for each in self.questions:
            fields += [*self._sets(each, writer)]
        fields += [f"{sql} AS v{index}" for index, sql in enumerate(self._sums(writer))]
        stored = "".join(
            f", {writer.stored(name)} AS {writer.column(name)}_steps"
            for name, grid in shape.grids.items()
            if not (self.laid and self.laid.steps(name, grid))
        )
        named = " WHERE named IS NOT NULL" if self.unit is not None else ""
        before = f" LEFT JOIN {STANDING} USING (rid)" if standing else ""
        unit = "rid" if self.unit is None else "named" if self.laid else "hash(named)"
        # A hash that two units share makes one of them, so that groups seem smaller and never larger.
        first = ["rid", f"{unit} AS unit", f"{'coalesce(atom, 0)' if standing else '0'} AS atom"]
        joins = "".join(
            f" LEFT JOIN {quote(table)} ON {writer.column(column)} = {quote(table)}.value"
            for (column, _), table in self._joins.items()
        )
        return (
            f"CREATE TEMP TABLE {TABLE} AS "  # noqa: S608
            f"WITH typed AS (SELECT {', '.join(self._typed(shape, writer))} FROM {SOURCE}), "
            f"numbered AS (SELECT *, row_number() OVER () AS rid FROM typed{named}), "
            f"stepped AS (SELECT *{stored} FROM numbered), {writer.stages()}"
            f"placed AS (SELECT * FROM {writer.last}) "
            f"SELECT {', '.join([*first, *fields])} FROM placed{before}{joins}"
        ), writer.binder.values

    def _shape(self) -> Shape:
        found = together(self.questions)
        if found is None:
            raise Defect("internal", reference="exact", detail="questions of two descriptions in one reading")
        return found

    def _typed(self, shape: Shape, writer: Writer) -> Iterator[str]:
        if self.unit is not None:
            yield f"{self.laid.unit if self.laid else WORDS.unit(*self.unit)} AS named"
        for name, kind in shape.columns.items():
            yield f"{self.laid.field(name) if self.laid else WORDS.typed(name, kind)} AS {writer.column(name)}"
        for name, grid in shape.grids.items():
            if self.laid and (done := self.laid.steps(name, grid)):
                yield f"CAST({done} AS BIGINT) AS {writer.column(name)}_steps"
        for done, name in self._ready.items():
            yield f"CAST({done} AS BIGINT) AS {name}"
        if self.unit is None and not shape.columns:
            yield "1 AS nothing"

    def _cell(self, question: Question, shape: Shape, writer: Writer) -> str:
        parts, stride = [], 1
        for key in reversed(question.shape.keys):
            parts.append(f"{self._position(key, shape, writer)} * {stride}")
            stride *= key.size
        place = f"CAST({' + '.join(parts) or '0'} AS INTEGER)"
        test = question.shape.filter
        return place if test is None else f"CASE WHEN {writer.condition(test)} THEN {place} END"

    def _position(self, key: Key, shape: Shape, writer: Writer) -> str:
        if not key.column:
            return place_of(key, shape, writer)
        if self.laid and (done := self.laid.position(key.column, key.labels)):
            return self._ready.setdefault(done, f"l{len(self._ready)}")
        table = self._joins.setdefault((key.column, key.labels), f"k{len(self._joins)}")
        self.declared[table] = (shape.columns[key.column], key.labels)
        return f"{quote(table)}.position"

    def _sets(self, question: Question, writer: Writer) -> Iterator[str]:
        for name, number in question.sets.items():
            if number is not None and name not in self.present:
                self.present[name] = f"p{len(self.present)}"
                yield f"({writer.found(number)} IS NOT NULL) AS {self.present[name]}"

    def _sums(self, writer: Writer) -> Iterator[str]:
        for name in self.questions[-1].sums if self.newest else ():
            yield f"{writer.column(name)}_steps"


def groups(reading: Reading, least: int = 0) -> str:
    """Each set of rows that no question tells apart: where it stands; with a minimum, which units if they are fewer."""
    names = ", ".join(reading.places())
    some = " OR ".join(["atom <> 0", *(f"q{index} >= 0" for index in range(len(reading.questions)))])
    few = f", CASE WHEN count(DISTINCT unit) < {least} THEN list(DISTINCT unit) END" if least else ""
    return f"SELECT {names}{few} FROM {TABLE} WHERE {some} GROUP BY {names}"  # noqa: S608


def moved(reading: Reading) -> str:
    """Where each row stands now, in their order, by a table ``mapped`` of where it stood and its new atom."""
    same = " AND ".join(f"{TABLE}.{name} = mapped.{name}" for name in reading.places())
    return (
        f"SELECT CAST(coalesce(mapped.fresh, 0) AS INTEGER) AS atom "  # noqa: S608
        f"FROM {TABLE} LEFT JOIN mapped ON {same} ORDER BY rid"
    )


def figures(reading: Reading, newest: Question) -> str:
    """Of each cell of the newest question: for each of its sets rows and units, and its sums in steps."""
    place = f"q{len(reading.questions) - 1}"
    found = []
    for name in newest.sets:
        only = "" if name == ALL else f" FILTER (WHERE {reading.present[name]})"
        found += [f"count(*){only}", f"count(DISTINCT unit){only}"]
    found += [f"coalesce(sum(v{index}), 0)" for index in range(len(newest.sums))]
    return f"SELECT {place}, {', '.join(found)} FROM {TABLE} WHERE {place} >= 0 GROUP BY {place}"  # noqa: S608


def shares(reading: Reading, index: int, *, by_group: bool) -> str:
    """Of each cell of the newest question, or each group: how much units bring to a sum, and the two largest parts."""
    cell = f"q{len(reading.questions) - 1}"
    names = ", ".join(reading.places() if by_group else [cell])
    # A row that stood in sums before counts in their differences, whether the newest question has it or not.
    some = f"(atom <> 0 OR {cell} >= 0)" if by_group else f"{cell} >= 0"
    return (
        f"SELECT {names}, sum(part), list_slice(list_reverse_sort(list(part)), 1, 2) FROM ("  # noqa: S608
        f"SELECT {names}, abs(sum(v{index})) AS part FROM {TABLE} "
        f"WHERE {some} AND v{index} IS NOT NULL GROUP BY {names}, unit) GROUP BY {names}"
    )
