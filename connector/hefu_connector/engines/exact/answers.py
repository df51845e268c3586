"""From rounded whole numbers to an exact answer. Post-processing only: a mean is the quotient of two rounded figures.

What a worker returned is read strictly, since a worker is not trusted either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import NoReturn

from hefu.canonical import Object
from hefu.errors import Malformed, Refused, Untrusted
from hefu_policies.reading import Place

from hefu_connector.computing.expressions import Column
from hefu_connector.computing.steps import Lowered
from hefu_connector.engines.exact.questions import SUM, Question
from hefu_connector.engines.moments import Figure, quotient
from hefu_connector.engines.noised import ABSENT, Cell, write
from hefu_connector.ports import Prepared, Values

_INTEGER = re.compile(r"(?:0|-?[1-9][0-9]{0,24})\Z")
_REFUSALS = ("exact.differencing", "exact.full")


def read(output: Object, prepared: Prepared) -> Values:
    """The answer of a worker's output, as `hefu_connector.engines.exact.engine.Exact.read`."""
    if set(output) == {"refused"}:
        raise Refused(Place(output["refused"], "refused").choice(*_REFUSALS))
    try:
        found = Place(output, "output").members(("figures", "units", "told", "dominated", "rows_read"))
        units = tuple(each.integer() for each in found["units"].items())
        told = [each.integer(0, prepared.cells - 1) for each in found["told"].items()]
        figures = [_figures(each.items(), set(told), prepared.cells) for each in found["figures"].items()]
        read_ = found["rows_read"].integer()
        dominated = found["dominated"].object()
    except Malformed:
        _refuse()
    parameters = prepared.parameters
    measures = _measures(parameters)
    if len(units) != prepared.cells or len(figures) != len(measures):
        _refuse()
    columns = [_column(each, figures, measures) for each in Place(parameters["answer"], "answer").items()]
    rows, widths = [], []
    keys = Question.of(Place(parameters["question"], "question").object()).shape.keys
    for cell, labels in enumerate(product(*(each.labels for each in keys))):
        rows.append((*labels, *(column[cell][0] for column in columns)))
        widths.append((*(None for _ in labels), *(column[cell][1] for column in columns)))
    return Values(tuple(rows), tuple(widths), units, read_, told={"told": [*told], "dominated": dominated})


@dataclass(frozen=True, slots=True)
class _Measure:
    """A figure of each cell.

    Attributes:
        number: what is summed; None for counts.
        base: what it was rounded to, in whole steps.
    """

    number: Lowered | None
    base: int

    @property
    def step(self) -> Fraction:
        """What one whole number of it stands for."""
        return Fraction(1) if self.number is None else self.number.step

    def figure(self, value: int) -> Figure:
        """A rounded figure, and how far rounding moved it at most."""
        return Figure(value, self.base // 2)


def _measures(parameters: Object) -> list[_Measure]:
    shape = Question.of(Place(parameters["question"], "question").object()).shape
    found = []
    bases = Place(parameters["bases"], "bases").items(1)
    for place, base in zip(Place(parameters["measures"], "measures").items(1), bases, strict=True):
        kind, name = (each.text(empty=True) for each in place.items(2))
        found.append(_Measure(shape.lowered(Column(name)) if kind == SUM else None, base.integer(1)))
    return found


def _figures(places: Sequence[Place], told: set[int], cells: int) -> list[int | None]:
    if len(places) != cells:
        _refuse()
    found: list[int | None] = []
    for cell, place in enumerate(places):
        if (place.value is None) is (cell in told):
            _refuse()
        found.append(None if place.value is None else _whole(place))
    return found


def _whole(place: Place) -> int:
    text = place.text()
    return int(text) if _INTEGER.match(text) else _refuse()


def _column(place: Place, figures: Sequence[Sequence[int | None]], measures: Sequence[_Measure]) -> list[Cell]:
    used = [each.integer() for each in place.members(("function", "alias", "measures"))["measures"].items(1)]
    return [
        _cell(numbers, [measures[each] for each in used])
        for numbers in zip(*(figures[each] for each in used), strict=True)
    ]


def _cell(numbers: Sequence[int | None], measures: Sequence[_Measure]) -> Cell:
    """The figure, or the quotient of two, and how far the true one may be from it as they were rounded."""
    found = [each.figure(value) for value, each in zip(numbers, measures, strict=True) if value is not None]
    if len(found) < len(measures):
        return ABSENT
    number = measures[0].number
    if len(found) == 2 and number is not None:
        return quotient(found[0], found[1], number)
    return write(found[0].value * measures[0].step), write(found[0].off * measures[0].step)


def _refuse() -> NoReturn:
    raise Untrusted("worker.output")
