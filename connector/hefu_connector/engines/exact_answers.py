"""From rounded whole numbers to an exact answer. Post-processing only: a mean is the quotient of two rounded figures.

What a worker returned is read strictly, since a worker is not trusted either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from itertools import product
from typing import NoReturn

from hefu.canonical import Json, Object
from hefu.errors import Malformed, Refused, Untrusted
from hefu_policies.reading import Place, write_decimal

from hefu_connector.ports import Prepared, Values

_INTEGER = re.compile(r"(?:0|-?[1-9][0-9]{0,24})\Z")
_EXACT = Context(prec=200)
_FINER = 4  # digits of a mean beyond the granularity of its column
_REFUSALS = ("exact.differencing", "exact.full")
Cell = tuple[str | None, str | None]  # value, and how far rounding may have moved it


def read(output: Object, prepared: Prepared) -> Values:
    """The answer of a worker's output, as `hefu_connector.engines.exact.Exact.read`."""
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
    if len(units) != prepared.cells or len(figures) != len(_list(parameters["measures"])):
        _refuse()
    columns = [_column(each, figures, parameters) for each in Place(parameters["answer"], "answer").items()]
    rows, widths = [], []
    for cell, labels in enumerate(_labels(Place(parameters["question"], "question").object())):
        rows.append((*labels, *(column[cell][0] for column in columns)))
        widths.append((*(None for _ in labels), *(column[cell][1] for column in columns)))
    return Values(tuple(rows), tuple(widths), units, read_, told={"told": [*told], "dominated": dominated})


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


def _column(place: Place, figures: Sequence[Sequence[int | None]], parameters: Object) -> list[Cell]:
    measures = [each.integer() for each in place.members(("function", "alias", "measures"))["measures"].items(1)]
    steps = [_step(parameters, each) for each in measures]
    bases = [Place(_list(parameters["bases"])[each], "base").integer(1) for each in measures]
    if len(measures) == 1:
        width = write_decimal(_EXACT.multiply(bases[0] // 2, steps[0]))
        return [
            (None, None) if each is None else (write_decimal(_EXACT.multiply(each, steps[0])), width)
            for each in figures[measures[0]]
        ]
    bounds = _bounds(parameters, measures[0])
    pairs = zip(figures[measures[0]], figures[measures[1]], strict=True)
    return [_mean(total, count, bases, steps[0], bounds) for total, count in pairs]


def _mean(
    total: int | None, count: int | None, bases: Sequence[int], step: Decimal, bounds: tuple[Decimal, Decimal]
) -> Cell:
    """The quotient inside the bounds, and how far the true mean may be from it as both figures were rounded."""
    if total is None or not count:
        return None, None
    low, high = map(Fraction, bounds)
    off_total, off_count = bases[0] // 2, bases[1] // 2

    def ratio(numerator: int, denominator: int) -> Fraction:
        return min(high, max(low, Fraction(numerator, denominator) * Fraction(step)))

    unit = step.scaleb(-_FINER)
    value = _EXACT.multiply(round(ratio(total, count) / Fraction(unit)), unit)
    counts = [each for each in (count - off_count, count + off_count) if each >= 1]
    ends = [ratio(each, most) for each in (total - off_total, total + off_total) for most in counts]
    if len(counts) == 1 and off_count:
        ends += [low, high]
    off = max(abs(end - Fraction(value)) for end in ends) / Fraction(unit)
    width = _EXACT.multiply(Decimal(-(-off.numerator // off.denominator)), unit)
    return write_decimal(value), write_decimal(width.quantize(unit, ROUND_CEILING, _EXACT))


def _measure(parameters: Object, index: int) -> tuple[str, str]:
    kind, column = Place(_list(parameters["measures"])[index], "measure").items()
    return kind.text(), column.text(empty=True)


def _grid(parameters: Object, index: int) -> Object | None:
    kind, column = _measure(parameters, index)
    question = Place(parameters["question"], "question").object()
    grids = question["grids"]
    grid = grids.get(column) if isinstance(grids, dict) else None
    return grid if kind == "sum" and isinstance(grid, dict) else None


def _step(parameters: Object, index: int) -> Decimal:
    grid = _grid(parameters, index)
    return Decimal(1) if grid is None else Decimal(str(grid["granularity"]))


def _bounds(parameters: Object, index: int) -> tuple[Decimal, Decimal]:
    grid = _grid(parameters, index) or {"lower": "0", "upper": "0"}
    return Decimal(str(grid["lower"])), Decimal(str(grid["upper"]))


def _labels(question: Object) -> list[tuple[str, ...]]:
    groups = [
        [str(label) for label in _list(each["labels"])] for each in _list(question["keys"]) if isinstance(each, dict)
    ]
    return list(product(*groups))


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else _refuse()


def _refuse() -> NoReturn:
    raise Untrusted("worker.output")
