"""Worker side of exact aggregates: counts, decides what may be told beside all that was told before, and rounds.

A cell is withheld if it stands for fewer privacy units than the minimum, if one unit makes up most of a sum, or if its
figures together with everything that was ever told of this edition of the data, to whomever, would single out fewer
units than the minimum (`hefu_connector.engines.exact.judging`). Cells that were told before stay told, and of the
others the largest come first: so a withheld cell's neighbours are withheld where its total is known. Nothing that is
withheld leaves this process, and nothing that leaves it for the consumer is unrounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu_policies.reading import Place

from hefu_connector.engines.dominance import Parts
from hefu_connector.engines.exact import sql
from hefu_connector.engines.exact.judging import Asked, Group, choose
from hefu_connector.engines.exact.questions import ALL, SUM, Question
from hefu_connector.engines.exact.reading import Full, Table
from hefu_connector.engines.exact.standing import Standing
from hefu_connector.engines.laid import FORM, Laid
from hefu_connector.engines.tables import open_table, read_or_mend

MOST_CELLS = 20_000  # told before
AT_ONCE = 150  # answers that one worker finds out about; the next one goes on from there


def run(parameters: Object, path: Path, form: str, layout: Object) -> Object:
    """Count, withhold, round.

    Args:
        parameters: as `Exact.prepare` made them, with ``history``: what was told before; and ``standing``: what an
            earlier answer found out about it, as it returned it.

    Returns:
        ``figures``: by measure and cell a rounded whole number as text or None; ``units`` of each told cell, 0 of
        others; ``told`` and ``dominated`` cells, for the history; ``rows_read``. Or ``refused``: why. Or ``behind``,
        where so much was told that another worker has to go on. With each, ``standing``: for the next worker, and for
        nobody else.

    Raises:
        Moved: the file is not the table that was described.
    """
    past = Place(parameters["history"], "history").items()
    if sum(len(_told(each)) for each in past) > MOST_CELLS:
        return {"refused": "exact.full"}
    try:
        if form == FORM:
            return _answer(parameters, past, path, "parquet", {}, Laid.of(layout["laid"]))
        return read_or_mend(lambda mend: _answer(parameters, past, path, form, layout, mend=mend))
    except Full:
        return {"refused": "exact.full"}


def _answer(
    parameters: Object, past: Sequence[Place], path: Path, form: str, layout: Object, laid: Laid | None = None, *,
    mend: bool = False,
) -> Object:  # fmt: skip
    newest = Question.of(Place(parameters["question"], "question").object())
    least = Place(parameters["group"], "group").integer(1)
    with Table(lambda: open_table(path, form, layout, mend=mend), _unit(parameters), laid) as table:
        standing = _standing(parameters)
        soon = standing.answers + AT_ONCE
        standing = table.caught_up(standing, past[:soon])
        if len(past) > soon and (text := standing.write()):
            return {"behind": True, "standing": text}
        standing = table.caught_up(standing, past)
        reading = table.read([newest], newest=True)
        keys, groups = _groups(table, reading, newest, standing, least)
        figures = _figures(table, reading, newest)
        dominated = _dominated(table, reading, newest)
        shared = _shared(table, reading, newest, keys)
        rows = table.rows
    heavy = frozenset[int]().union(*dominated.values())
    able = {
        cell: min(found.units) for cell, found in figures.items() if min(found.units) >= least and cell not in heavy
    }
    same = (each for each in past if _member(each, "question") == parameters["question"])
    before = frozenset(cell.integer() for each in same for cell in _told(each))
    told = choose(standing, groups, Asked(least, able, before, dominated, shared))
    state: Object = {"standing": standing.write()}
    if able and not told:
        return {"refused": "exact.differencing", **state}
    return {**_output(parameters, figures, told, newest, dominated), "rows_read": rows, **state}


@dataclass(frozen=True, slots=True)
class _Figures:
    """What stands behind one cell: by set its rows and units, and its sums in steps."""

    rows: tuple[int, ...]
    units: tuple[int, ...]
    sums: tuple[int, ...]


def _told(past: Place) -> Sequence[Place]:
    return Place(_member(past, "told"), "told").items()


def _member(past: Place, name: str) -> Json:
    """A member of a kept answer, which is not read as a whole where an earlier worker did so."""
    return past.value.get(name) if isinstance(past.value, dict) else None


def _standing(parameters: Object) -> Standing:
    text = parameters.get("standing")
    try:
        return Standing.of(text) if isinstance(text, str) and text else Standing()
    except (Malformed, ValueError, OSError):
        return Standing()


def _groups(
    table: Table, reading: sql.Reading, newest: Question, standing: Standing, least: int
) -> tuple[dict[tuple[object, ...], int], list[Group]]:  # fmt: skip
    """Who stands where, and by which place each group is found."""
    keys: dict[tuple[object, ...], int] = {}
    groups: list[Group] = []
    for *place, few in table.fetch(sql.groups(reading, least)):
        atom, cell, *present = place
        there = dict(zip(reading.present, present, strict=True))
        sets = frozenset(name for name in newest.sets if name == ALL or there[name])
        keys[tuple(place)] = len(groups)
        groups.append(Group(standing.atoms[atom], cell, sets, None if few is None else frozenset(few)))
    return keys, groups


def _figures(table: Table, reading: sql.Reading, newest: Question) -> dict[int, _Figures]:
    found, sets = {}, len(newest.sets)
    for cell, *values in table.fetch(sql.figures(reading, newest)):
        counts = values[: 2 * sets]
        sums = tuple(int(each) for each in values[2 * sets :])
        found[int(cell)] = _Figures(tuple(counts[::2]), tuple(counts[1::2]), sums)
    return found


def _dominated(table: Table, reading: sql.Reading, newest: Question) -> dict[str, frozenset[int]]:
    """The cells of each sum that one unit makes up most of."""
    found = {}
    for index, name in enumerate(newest.sums):
        rows = table.fetch(sql.shares(reading, index, by_group=False))
        found[name] = frozenset(int(cell) for cell, total, most in rows if _parts(total, most).is_dominated())
    return found


def _shared(
    table: Table, reading: sql.Reading, newest: Question, keys: dict[tuple[object, ...], int]
) -> dict[str, Sequence[Parts]]:  # fmt: skip
    """What units bring to each sum of the newest question, by group."""
    found: dict[str, Sequence[Parts]] = {}
    for index, name in enumerate(newest.sums):
        mine = found[name] = [Parts()] * len(keys)
        for *place, total, most in table.fetch(sql.shares(reading, index, by_group=True)):
            mine[keys[tuple(place)]] = _parts(total, most)
    return found


def _parts(total: object, most: Sequence[object]) -> Parts:
    return Parts(int(str(total)), tuple(int(str(each)) for each in most))


def _output(
    parameters: Object, figures: dict[int, _Figures], told: Sequence[int], newest: Question,
    dominated: dict[str, frozenset[int]],
) -> Object:  # fmt: skip
    cells = newest.size()
    shown = frozenset(told)
    columns: list[Json] = []
    for place, base in zip(
        Place(parameters["measures"], "measures").items(1), Place(parameters["bases"], "bases").items(1), strict=True
    ):
        kind, name = (each.text(empty=True) for each in place.items(2))
        exact = {cell: _figure(figures[cell], newest, kind, name) for cell in shown}
        step = base.integer(1)
        columns.append([str(_rounded(exact[cell], step)) if cell in shown else None for cell in range(cells)])
    return {
        "figures": columns,
        "units": [min(figures[cell].units) if cell in shown else 0 for cell in range(cells)],
        "told": [*sorted(shown)],
        "dominated": {name: [*sorted(each)] for name, each in dominated.items() if each},
    }


def _figure(found: _Figures, question: Question, kind: str, name: str) -> int:
    """Of a sum, of a set's rows."""
    if kind == SUM:
        return found.sums[question.sums.index(name)]
    return found.rows[[*question.sets].index(name)]


def _rounded(value: int, base: int) -> int:
    """The multiple of the base that is nearest, halves upward: the same value is always rounded the same way."""
    return (2 * value + base) // (2 * base) * base


def _unit(parameters: Object) -> tuple[str, str] | None:
    if parameters["unit"] is None:
        return None
    found = Place(parameters["unit"], "unit").members(("name", "type"))
    return found["name"].text(), found["type"].text()
