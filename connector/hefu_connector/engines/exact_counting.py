"""Worker side of exact aggregates: counts, decides what may be told beside all that was told before, and rounds.

A cell is withheld if it stands for fewer privacy units than the minimum, if one unit makes up most of a sum, or if its
figures together with everything that was ever told of this edition of the data, to whomever, would single out fewer
units than the minimum (`hefu_connector.engines.isolation`). Cells that were told before stay told, and of the others
the largest come first: so a withheld cell's neighbours are withheld where its total is known. Nothing that is withheld
leaves this process, and nothing that leaves it is unrounded.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from hefu.canonical import Json, Object
from hefu_policies.reading import Place

from hefu_connector.engines import Moved
from hefu_connector.engines import exact_sql as sql
from hefu_connector.engines.counting import connect
from hefu_connector.engines.duckdb_sql import SOURCE, declared
from hefu_connector.engines.isolation import Atom, Summed, admitted, is_safe
from hefu_connector.engines.tables import Opened, attach, open_table, require

DOMINANCE_PERCENT = 10  # p of the p% rule
MOST_ATOMS = 50_000
MOST_ROWS = 5_000  # of cells told before


@dataclass(frozen=True, slots=True)
class Told:
    """One answer: what was asked, and which of its cells were told.

    Attributes:
        group: the minimum group of the contract that it was told under.
        dominated: by column, the cells whose sum one unit makes up most of.
    """

    question: sql.Question
    group: int
    cells: frozenset[int]
    dominated: dict[str, frozenset[int]]


@dataclass(slots=True)
class _World:
    """Who stands where.

    Attributes:
        columns: those whose presence is known, with their types.
        present: of each atom, which of them are present in it.
        few: the privacy units of atoms with fewer than the newest minimum.
        atoms: by question and cell.
    """

    columns: list[tuple[str, str]]
    present: list[tuple[bool, ...]] = field(default_factory=list)
    few: dict[Atom, frozenset[Hashable]] = field(default_factory=dict)
    atoms: dict[tuple[int, int], list[Atom]] = field(default_factory=dict)

    def add(self, cells: Sequence[int | None], present: tuple[bool, ...], few: Iterable[Hashable] | None) -> None:
        """One more atom, with its units where they are few."""
        atom = len(self.present)
        self.present.append(present)
        if few is not None:
            self.few[atom] = frozenset(few)
        for at, cell in enumerate(cells):
            if cell is not None:
                self.atoms.setdefault((at, cell), []).append(atom)

    def summed(self, at: int, told: Told, cell: int) -> list[Summed]:
        """What the figures of one cell of a question are summed over."""
        atoms, found = self.atoms.get((at, cell), []), []
        for name in told.question.sets:
            place = self.columns.index((name, told.question.columns[name])) if name else 0
            found.append((name, frozenset(each for each in atoms if not name or self.present[each][place])))
        return found


def run(parameters: Object, path: Path, form: str, layout: Object) -> Object:
    """Count, withhold, round.

    Args:
        parameters: as `Exact.prepare` made them, with ``history``: what was told before.

    Returns:
        ``figures``: by measure and cell a rounded whole number as text or None; ``units`` of each told cell, 0 of
        others; ``told`` and ``dominated`` cells, for the history; ``rows_read``. Or ``refused``: why.

    Raises:
        Moved: the file is not the table that was described.
    """
    past = [_told(each) for each in Place(parameters["history"], "history").items()]
    newest = _newest(parameters)
    if sum(len(each.cells) for each in past) > MOST_ROWS:
        return {"refused": "exact.full"}
    try:
        return _answer(parameters, past, newest, path, form, layout, mend=False)
    except (duckdb.Error, Moved):
        # One value that DuckDB's reader stops at must not decide whether everybody's query fails.
        return _answer(parameters, past, newest, path, form, layout, mend=True)


def _answer(
    parameters: Object, past: Sequence[Told], newest: Told, path: Path, form: str, layout: Object, *, mend: bool
) -> Object:
    plan = sql.Layout(_unit(parameters))
    for each in (*past, newest):
        plan.add(each.question)
    opened = open_table(path, form, layout, mend=mend)
    connection = connect(opened.native)
    try:
        _lay_out(connection, opened, plan, newest.question)
        world = _world(connection, plan, [*past, newest])
        if world is None:
            return {"refused": "exact.full"}
        figures = _figures(connection, plan, newest.question)
        dominated = _dominated(connection, plan, newest.question)
        rows = opened.rows()
    finally:
        connection.close()
        opened.close()
    large = [cell for cell, found in figures.items() if min(found.units) >= newest.group]
    asked = replace(newest, dominated=dominated)
    able = [cell for cell in large if cell not in _heavy(asked)]
    told = _choose(world, past, asked, able, figures)
    if able and not told:
        return {"refused": "exact.differencing"}
    return _output(parameters, figures, told, asked, rows)


@dataclass(frozen=True, slots=True)
class _Figures:
    """What stands behind one cell: by set its rows and units, and its sums in steps."""

    rows: tuple[int, ...]
    units: tuple[int, ...]
    sums: tuple[int, ...]


def _choose(
    world: _World, past: Sequence[Told], newest: Told, able: Sequence[int], figures: dict[int, _Figures]
) -> list[int]:  # fmt: skip
    """The cells that may be told: those that were before first, then the largest."""
    before = {cell for each in past if each.question == newest.question for cell in each.cells}
    ordered = sorted(able, key=lambda cell: (cell not in before, -min(figures[cell].units), cell))
    columns = {name for each in (*past, newest) for name, cells in each.dominated.items() if cells}
    # An answer under a minimum of 5 and one under 20 single out no fewer than 5 together, and those under 20 alone no
    # fewer than 20: so each minimum is held for all answers that promise as much.
    rules = [
        _Rule.of(world, past, newest, least, column)
        for least in sorted({each.group for each in (*past, newest)})
        for column in ("", *sorted(columns))
        if least <= newest.group
    ]
    return admitted(
        ordered,
        lambda cell: world.summed(len(past), newest, cell),
        lambda sets: all(each.holds(sets) for each in rules),
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    """No combination of figures stands for fewer units than this.

    Attributes:
        column: of which sums alone; cells that one unit dominates count as one unit then. Empty for all figures.
    """

    least: int
    column: str
    told: frozenset[frozenset[Atom]]
    small: dict[Atom, frozenset[Hashable]]

    @classmethod
    def of(cls, world: _World, past: Sequence[Told], newest: Told, least: int, column: str) -> _Rule:
        """The rule, with all that was told before under it."""
        told = [
            summed
            for at, each in enumerate(past)
            if each.group >= least and (not column or column in each.question.sums)
            for cell in each.cells
            for name, summed in world.summed(at, each, cell)
            if column in ("", name)
        ]
        small = {atom: units for atom, units in world.few.items() if len(units) < least}
        for at, each in enumerate((*past, newest) if column else ()):
            for cell in each.dominated.get(column, frozenset()):
                small |= dict.fromkeys(world.atoms.get((at, cell), ()), frozenset({("dominated", at, cell)}))
        return cls(least, column, frozenset(told), small)

    def holds(self, sets: AbstractSet[Summed]) -> bool:
        """Whether it holds with these figures told, too."""
        mine = {summed for name, summed in sets if self.column in ("", name)}
        return not mine or is_safe(self.told | mine, self.small, self.least)


def _lay_out(connection: Any, opened: Opened, plan: sql.Layout, newest: sql.Question) -> None:
    """Make the one table of all questions."""
    statement = plan.statement(newest)
    columns = dict(plan.columns.keys())
    if plan.unit is not None:
        columns.setdefault(*plan.unit)
    require(opened, columns)
    attach(connection, opened, columns, SOURCE)
    for name, (kind, labels) in plan.declared.items():
        texts = pa.table({"value": [*labels], "position": pa.array(range(len(labels)), pa.int64())})
        connection.register(f"{name}_texts", texts)
        connection.execute(declared(name, kind))
        connection.unregister(f"{name}_texts")
    connection.execute(statement, plan.binder.values)


def _world(connection: Any, plan: sql.Layout, questions: Sequence[Told]) -> _World | None:
    """Who stands where; None where there are more atoms than can be judged."""
    made, width = _World([*plan.present]), len(questions)
    found: dict[tuple[Any, ...], tuple[set[Hashable], bool]] = {}
    cursor = connection.execute(sql.atoms(plan, questions[-1].group))
    while rows := cursor.fetchmany(10_000):
        for *place, few in rows:
            # A cell that was not told then is in no set of the time, and tells nobody apart.
            cells = tuple(
                cell if cell is not None and (at == width - 1 or cell in questions[at].cells | _heavy(questions[at]))
                else None
                for at, cell in enumerate(place[:width])
            )  # fmt: skip
            units, many = found.get((*cells, *place[width:]), (set(), False))
            found[(*cells, *place[width:])] = (units | set(few or ()), many or few is None)
        if len(found) > MOST_ATOMS:
            return None
    for place_, (units, many) in found.items():
        made.add(place_[:width], place_[width:], None if many or len(units) >= questions[-1].group else units)
    return made


def _heavy(told: Told) -> frozenset[int]:
    return frozenset().union(*told.dominated.values())


def _figures(connection: Any, plan: sql.Layout, newest: sql.Question) -> dict[int, _Figures]:
    found, sets = {}, len(newest.sets)
    for cell, *values in connection.execute(sql.figures(plan, newest)).fetchall():
        counts = values[: 2 * sets]
        sums = tuple(int(each) for each in values[2 * sets :])
        found[int(cell)] = _Figures(tuple(counts[::2]), tuple(counts[1::2]), sums)
    return found


def _dominated(connection: Any, plan: sql.Layout, newest: sql.Question) -> dict[str, frozenset[int]]:
    """The cells of each sum that the second largest unit could tell the largest from, within p per cent.

    Source: Hundepool et al., "Statistical Disclosure Control", 2012, section 4.2.2: the p% rule.
    """
    found = {}
    for index, name in enumerate(newest.sums):
        rows = connection.execute(sql.shares(plan, index)).fetchall()
        heavy = {
            int(cell)
            for cell, total, most in rows
            if 100 * (int(total) - sum(map(int, most))) < DOMINANCE_PERCENT * int(most[0])
        }
        found[name] = frozenset(heavy)
    return found


def _output(
    parameters: Object, figures: dict[int, _Figures], told: Sequence[int], newest: Told, rows: int
) -> Object:  # fmt: skip
    cells = newest.question.size()
    shown = frozenset(told)
    columns: list[Json] = []
    for place, base in zip(
        Place(parameters["measures"], "measures").items(1), Place(parameters["bases"], "bases").items(1), strict=True
    ):
        kind, column = (each.text(empty=True) for each in place.items(2))
        exact = {cell: _figure(figures[cell], newest.question, kind, column) for cell in shown}
        step = base.integer(1)
        columns.append([str(_rounded(exact[cell], step)) if cell in shown else None for cell in range(cells)])
    return {
        "figures": columns,
        "units": [min(figures[cell].units) if cell in shown else 0 for cell in range(cells)],
        "told": [*sorted(shown)],
        "dominated": {name: [*sorted(each)] for name, each in newest.dominated.items() if each},
        "rows_read": rows,
    }


def _figure(found: _Figures, question: sql.Question, kind: str, column: str) -> int:
    if kind == "sum":
        return found.sums[question.sums.index(column)]
    return found.rows[question.sets.index(column)]


def _rounded(value: int, base: int) -> int:
    """The multiple of the base that is nearest, halves upward: the same value is always rounded the same way."""
    return (2 * value + base) // (2 * base) * base


def _newest(parameters: Object) -> Told:
    question = sql.Question.of(Place(parameters["question"], "question").object())
    return Told(question, Place(parameters["group"], "group").integer(1), frozenset(), {})


def _told(place: Place) -> Told:
    found = place.members(("question", "group", "told", "dominated"))
    heavy = found["dominated"]
    return Told(
        sql.Question.of(found["question"].object()),
        found["group"].integer(1),
        frozenset(each.integer() for each in found["told"].items()),
        {
            name: frozenset(one.integer() for one in each.items())
            for name, each in heavy.members((), heavy.object()).items()
        },
    )


def _unit(parameters: Object) -> tuple[str, str] | None:
    if parameters["unit"] is None:
        return None
    found = Place(parameters["unit"], "unit").members(("name", "type"))
    return found["name"].text(), found["type"].text()
