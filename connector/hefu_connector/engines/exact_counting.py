"""Worker side of exact aggregates: counts, decides what may be told beside all that was told before, and rounds.

A cell is withheld if it stands for fewer privacy units than the minimum, if one unit makes up most of a sum, or if its
figures together with everything that was ever told of this edition of the data, to whomever, would single out fewer
units than the minimum (`hefu_connector.engines.isolation`). Cells that were told before stay told, and of the others
the largest come first: so a withheld cell's neighbours are withheld where its total is known. Nothing that is withheld
leaves this process, and nothing that leaves it is unrounded.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
from hefu.canonical import Json, Object
from hefu_policies.reading import Place

from hefu_connector.engines import Moved
from hefu_connector.engines import exact_sql as sql
from hefu_connector.engines.counting import connect, declare
from hefu_connector.engines.dominance import Parts
from hefu_connector.engines.exact_judging import Told, Where, World, choose
from hefu_connector.engines.isolation import Atom
from hefu_connector.engines.sql.statement import SOURCE
from hefu_connector.engines.tables import Opened, attach, open_table, require

MOST_ATOMS = 50_000
MOST_ROWS = 5_000  # of cells told before


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
        shared = _shared(connection, plan, newest.question, world)
        rows = opened.rows()
    finally:
        connection.close()
        opened.close()
    large = [cell for cell, found in figures.items() if min(found.units) >= newest.group]
    asked = replace(newest, dominated=dominated)
    able = [cell for cell in large if cell not in asked.heavy()]
    told = choose(world, past, asked, able, {cell: min(figures[cell].units) for cell in able}, shared)
    if able and not told:
        return {"refused": "exact.differencing"}
    return _output(parameters, figures, told, asked, rows)


@dataclass(frozen=True, slots=True)
class _Figures:
    """What stands behind one cell: by set its rows and units, and its sums in steps."""

    rows: tuple[int, ...]
    units: tuple[int, ...]
    sums: tuple[int, ...]


def _lay_out(connection: Any, opened: Opened, plan: sql.Layout, newest: sql.Question) -> None:
    """Make the one table of all questions."""
    statement = plan.statement(newest)
    columns = dict(plan.columns.keys())
    if plan.unit is not None:
        columns.setdefault(*plan.unit)
    require(opened, columns)
    attach(connection, opened, columns, SOURCE)
    for name, (kind, labels) in plan.declared.items():
        declare(connection, name, tuple(labels), kind)
    connection.execute(statement, plan.binder.values)


def _world(connection: Any, plan: sql.Layout, questions: Sequence[Told]) -> World | None:
    """Who stands where; None where there are more atoms than can be judged."""
    made, width = World([*plan.present], [each.cells | each.heavy() for each in questions[:-1]]), len(questions)
    found: dict[Where, tuple[set[Hashable], bool]] = {}
    cursor = connection.execute(sql.atoms(plan, questions[-1].group))
    while rows := cursor.fetchmany(10_000):
        for *place, few in rows:
            where = made.where(place)
            units, many = found.get(where, (set(), False))
            found[where] = (units | set(few or ()), many or few is None)
        if len(found) > MOST_ATOMS:
            return None
    for where, (units, many) in found.items():
        made.add(where, width, None if many or len(units) >= questions[-1].group else units)
    return made


def _figures(connection: Any, plan: sql.Layout, newest: sql.Question) -> dict[int, _Figures]:
    found, sets = {}, len(newest.sets)
    for cell, *values in connection.execute(sql.figures(plan, newest)).fetchall():
        counts = values[: 2 * sets]
        sums = tuple(int(each) for each in values[2 * sets :])
        found[int(cell)] = _Figures(tuple(counts[::2]), tuple(counts[1::2]), sums)
    return found


def _dominated(connection: Any, plan: sql.Layout, newest: sql.Question) -> dict[str, frozenset[int]]:
    """The cells of each sum that one unit makes up most of."""
    found = {}
    for index, name in enumerate(newest.sums):
        rows = connection.execute(sql.shares(plan, index, by_atom=False)).fetchall()
        found[name] = frozenset(int(cell) for cell, total, most in rows if _parts(total, most).is_dominated())
    return found


def _shared(
    connection: Any, plan: sql.Layout, newest: sql.Question, world: World
) -> dict[str, dict[Atom, Parts]]:  # fmt: skip
    """What units bring to each sum of the newest question, by atom."""
    found: dict[str, dict[Atom, Parts]] = {}
    for index, name in enumerate(newest.sums):
        mine = found.setdefault(name, {})
        for *place, total, most in connection.execute(sql.shares(plan, index, by_atom=True)).fetchall():
            atom = world.places.get(world.where(place))
            if atom is not None:
                mine[atom] = mine.get(atom, Parts()) + _parts(total, most)
    return found


def _parts(total: object, most: Sequence[object]) -> Parts:
    return Parts(int(str(total)), tuple(int(str(each)) for each in most))


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
