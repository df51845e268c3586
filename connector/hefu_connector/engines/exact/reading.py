"""Readings of one table by a worker, and where its rows stand after all that was told before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from hefu_policies.reading import Place

from hefu_connector.engines.counting import connect, declare
from hefu_connector.engines.exact import sql
from hefu_connector.engines.exact.questions import ALL, Question, together
from hefu_connector.engines.exact.standing import Mark, Standing
from hefu_connector.engines.laid import Laid
from hefu_connector.engines.sql.statement import SOURCE
from hefu_connector.engines.tables import Opened, attach, require

MOST_ATOMS = 50_000
_AT_ONCE = 24  # questions of one reading


class Full(Exception):
    """There are more atoms than can be judged."""


@dataclass(frozen=True, slots=True)
class Told:
    """One answer: what was asked, and which of its cells were told.

    Attributes:
        group: the minimum group of the contract that it was told under.
        dominated: by column, the cells whose sum one unit makes up most of.
    """

    question: Question
    group: int
    cells: frozenset[int]
    dominated: dict[str, frozenset[int]]

    @classmethod
    def of(cls, place: Place) -> Told:
        """Read what a history keeps; raises Malformed."""
        found = place.members(("question", "group", "told", "dominated"))
        heavy = found["dominated"]
        return cls(
            Question.of(found["question"].object()),
            found["group"].integer(1),
            frozenset(each.integer() for each in found["told"].items()),
            {
                name: frozenset(one.integer() for one in each.items())
                for name, each in heavy.members((), heavy.object()).items()
            },
        )


class Table:
    """A table that is read again and again, each time from its file; a context manager."""

    def __init__(self, opening: Callable[[], Opened], unit: tuple[str, str] | None, laid: Laid | None) -> None:
        """Args:
        opening: opens the file; called once for each reading.
        unit: the column of the privacy unit, and its type.
        """
        self._opening, self._unit, self._laid = opening, unit, laid
        self._opened: Opened | None = None
        self._connection: Any = None
        self._standing = False
        self.rows = 0

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def caught_up(self, standing: Standing, past: Sequence[Place]) -> Standing:
        """Where rows stand after these answers, the first of which `standing` may know already.

        Args:
            past: answers as a history keeps them.

        Raises:
            Full: there are too many atoms.
        """
        if standing.answers > len(past) or (standing.answers and standing.rows is None):
            standing = Standing()
        for some in _chunks([Told.of(each) for each in past[standing.answers :]]):
            reading = self._read_beside(standing, [each.question for each in some])
            if reading is None:
                return self.caught_up(Standing(), past)
            self._move(reading, standing, some)
        self._place = standing
        return standing

    def read(self, questions: Sequence[Question], *, newest: bool) -> sql.Reading:
        """Make the table of some questions beside where rows stand now."""
        reading = self._read_beside(self._place, questions, newest=newest)
        if reading is None:  # another reading met the rows in another order
            raise Full
        return reading

    def fetch(self, statement: str) -> Iterator[Any]:
        """The rows of a statement on what was read last."""
        cursor = self._connection.execute(statement)
        while rows := cursor.fetchmany(10_000):
            yield from rows

    # ------------------------------------------------------------ inside

    def _read_beside(
        self, standing: Standing, questions: Sequence[Question], *, newest: bool = False
    ) -> sql.Reading | None:  # fmt: skip
        """Read; None where the rows are not those, in that order, of which it is known where they stand."""
        self._let_go()
        reading = sql.Reading(questions, self._unit, self._laid, newest)
        opened = self._opened = self._opening()
        connection = self._connection = connect(opened.native, ordered=True)
        columns = reading.columns()
        if self._laid is None:
            require(opened, columns)
        attach(connection, opened, columns if self._laid is None else opened.fields, SOURCE)
        if standing.rows is not None:
            numbers = pa.array(range(1, len(standing.rows) + 1), pa.int64())
            connection.register(sql.STANDING, pa.table({"rid": numbers, "atom": standing.rows}))
        statement, values = reading.statement(standing=standing.rows is not None)
        for name, (kind, labels) in reading.declared.items():
            declare(connection, name, labels, kind)
        connection.execute(statement, values).fetchall()
        self.rows = opened.rows()
        order = "/".join(str(each) for each in connection.execute(sql.ORDER).fetchone())
        if standing.order and standing.order != order:
            return None
        standing.order = order
        return reading

    def _move(self, reading: sql.Reading, standing: Standing, some: Sequence[Told]) -> None:
        """Note in `standing` where rows stand after some more answers."""
        places = [*self.fetch(sql.groups(reading))]
        bits = [standing.atoms[atom] for atom, *_ in places]
        for index, each in enumerate(some, 1):
            inside: dict[int, list[int]] = {}
            for at, place in enumerate(places):
                if place[index] >= 0:
                    inside.setdefault(place[index], []).append(at)
            present = {name: 1 + len(some) + at for at, name in enumerate(reading.present)}
            for mark, members in _marked(each, inside, places, present):
                bit = 1 << standing.add(mark)
                for at in members:
                    bits[at] |= bit
        found: dict[int, int] = {each: atom for atom, each in enumerate(standing.atoms)}
        mapped = [(*place, found.setdefault(each, len(found))) for place, each in zip(places, bits, strict=True)]
        if len(found) > MOST_ATOMS:
            raise Full
        standing.rows = self._numbers(reading, mapped)
        standing.atoms = [*found]
        standing.answers += len(some)
        _thin_out(standing)

    def _numbers(self, reading: sql.Reading, mapped: Sequence[tuple[Any, ...]]) -> Any:
        if not mapped:
            mapped = [(*(-1 for _ in reading.places()), 0)]
        names = [*reading.places(), "fresh"]
        columns = dict(zip(names, (list(each) for each in zip(*mapped, strict=True)), strict=True))
        self._connection.register("mapped", pa.table(columns))
        found = self._connection.sql(sql.moved(reading)).to_arrow_table()
        return found.column("atom").combine_chunks()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._opened is not None:
            self._opened.close()
        self._connection = self._opened = None


def _marked(
    told: Told, inside: Mapping[int, Sequence[int]], places: Sequence[Any], present: Mapping[str, int]
) -> Iterator[tuple[Mark, Sequence[int]]]:  # fmt: skip
    """The marks of one answer, and the groups that each is on; one mark where sets are the same.

    Args:
        inside: by cell, the groups in it.
        places: where each group stands.
        present: at which of its places it says whether a set is there.
    """
    for cell in sorted(told.cells):
        same: dict[tuple[int, ...], set[str]] = {}
        for name in told.question.sets:
            found = (at for at in inside.get(cell, ()) if name == ALL or places[at][present[name]])
            same.setdefault(tuple(found), set()).add(name)
        for members, names in same.items():
            yield Mark(told.group, tuple(sorted(names & {*told.question.sums}))), members
    for name, cells in sorted(told.dominated.items()):
        for cell in sorted(cells):
            yield Mark(told.group, (), name), inside.get(cell, ())


def _chunks(past: Sequence[Told]) -> Iterator[Sequence[Told]]:
    """Questions that describe columns alike, some at once."""
    some: list[Told] = []
    for each in past:
        if len(some) == _AT_ONCE or together([*(one.question for one in some), each.question]) is None:
            yield some
            some = []
        some.append(each)
    if some:
        yield some


def _thin_out(standing: Standing) -> None:
    """Number anew the atoms that any row is in: those that were told apart further are empty."""
    used = sorted(each for each in standing.rows.unique().to_pylist() if each)
    fresh = {0: 0, **{atom: place for place, atom in enumerate(used, 1)}}
    numbers = pa.array([fresh.get(atom, 0) for atom in range(len(standing.atoms))], pa.int32())
    standing.rows = numbers.take(standing.rows)
    standing.atoms = [standing.atoms[atom] for atom in fresh]
