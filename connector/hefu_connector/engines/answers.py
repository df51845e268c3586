"""From noised whole numbers to an answer: groups, decimals, means, 95 % intervals, suppressed rows.

Everything here is post-processing: it sees noised values and public parameters only, and so costs nothing.
What a worker returned is read strictly, since a worker is not trusted either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from itertools import product
from typing import NoReturn

from hefu.canonical import Json, Object
from hefu.errors import Untrusted
from hefu_policies.reading import Place, write_decimal

from hefu_connector.computing.steps import Grid, interval
from hefu_connector.engines.noise import CONFIDENCE, Noise
from hefu_connector.engines.shape import SQUARES, SUM, Measure, Shape
from hefu_connector.ports import Prepared, Values

_INTEGER = re.compile(r"(?:0|-?[1-9][0-9]{0,19})\Z")
_EXACT = Context(prec=200)
_FINER = 4  # digits of a mean beyond the granularity of its column
_PART = 1 - (1 - CONFIDENCE) / 2  # so that both parts of a mean hold together: the union bound
Cell = tuple[str | None, str | None]  # value and half width


def scaled(scale: float, step: Decimal) -> str:
    """A scale in steps as decimal text in the column's unit, exactly."""
    return write_decimal(_EXACT.multiply(Decimal(scale), step))


def step_of(measure: Measure, grids: Mapping[str, Grid]) -> Decimal:
    """What one whole number of a measure stands for, in the unit of its column."""
    if measure.number is None or measure.kind not in (SUM, SQUARES):
        return Decimal(1)
    step = interval(measure.number, grids).granularity
    return _EXACT.multiply(step, step) if measure.kind == SQUARES else step


@dataclass(frozen=True, slots=True)
class _Part:
    """One noised measure: its values by cell, what its noise was, and its number's bounds."""

    values: tuple[int, ...]
    noise: Noise
    centre: int
    step: Decimal
    lower: Decimal
    upper: Decimal


def read(output: Object, prepared: Prepared) -> Values:
    """The answer of a worker's output.

    Raises:
        Untrusted: the output has another shape than was prepared.
    """
    if set(output) != {"noised", "rows_read"}:
        _refuse()
    rows_read = output["rows_read"]
    if not isinstance(rows_read, int) or isinstance(rows_read, bool) or rows_read < 0:
        _refuse()
    shape = Shape.of(prepared.parameters["shape"])
    parts = _parts(output["noised"], shape, prepared)
    minimum = prepared.parameters["minimum"]
    counts = parts[minimum].values if isinstance(minimum, int) else None
    least = prepared.minimum_group or 0
    shown = [counts is None or counts[cell] >= least for cell in range(prepared.cells)]
    columns = [_column(each, parts, prepared.cells) for each in Place(prepared.parameters["answer"], "answer").items()]
    rows, widths = [], []
    for cell, labels in enumerate(product(*(each.labels for each in shape.keys))):
        found = [column[cell] if shown[cell] else (None, None) for column in columns]
        rows.append((*labels, *(value for value, _ in found)))
        widths.append((*(None for _ in labels), *(width for _, width in found)))
    return Values(tuple(rows), tuple(widths), counts, rows_read)


def _parts(noised: Json, shape: Shape, prepared: Prepared) -> list[_Part]:
    found = noised if isinstance(noised, list) else []
    if len(found) != len(shape.measures):
        _refuse()
    parts = []
    places = Place(prepared.parameters["noise"], "noise").items()
    for values, measure, place in zip(found, shape.measures, places, strict=True):
        bounds = interval(measure.number, shape.grids) if measure.kind == SUM and measure.number else None
        parts.append(
            _Part(
                values=_integers(values, prepared.cells * measure.width),
                noise=Noise.of(place, measure.sensitivity),
                centre=measure.centre,
                step=step_of(measure, shape.grids),
                lower=bounds.lower if bounds else Decimal(0),
                upper=bounds.upper if bounds else Decimal(0),
            )
        )
    return parts


def _column(place: Place, parts: Sequence[_Part], cells: int) -> list[Cell]:
    words = _object(place.value)
    used = [parts[index] for index in _list(words["measures"]) if isinstance(index, int)]
    if words["function"] == "mean":
        total, count = used
        return [_mean(total, count, cell) for cell in range(cells)]
    (part,) = used
    width = write_decimal(_EXACT.multiply(part.noise.half_width(), part.step))
    return [(write_decimal(_EXACT.multiply(value, part.step)), width) for value in part.values]


def _mean(total: _Part, count: _Part, cell: int) -> Cell:
    """The ratio of a noised sum to a noised count, moved into the bounds, and how far off it may be.

    Nothing is told where the noised count is below one. The half width is conservative: both parts lie within their
    97.5 % intervals together with 95 %, and so does the ratio within what these allow.
    """
    tally, sum_ = count.values[cell], total.values[cell]
    if tally < 1:
        return None, None
    low, high = Fraction(total.lower), Fraction(total.upper)
    step, centre = Fraction(total.step), total.centre

    def ratio(numerator: int, denominator: int) -> Fraction:
        return min(high, max(low, (centre + Fraction(numerator, denominator)) * step))

    mean = ratio(sum_, tally)
    off_sum, off_count = total.noise.half_width(_PART), count.noise.half_width(_PART)
    if tally - off_count < 1:
        ends = [low, high]
    else:
        counts = (tally - off_count, tally + off_count)
        ends = [ratio(numerator, each) for numerator in (sum_ - off_sum, sum_ + off_sum) for each in counts]
    unit = total.step.scaleb(-_FINER)
    value = _round(mean, unit, ROUND_HALF_EVEN)
    width = max(abs(end - Fraction(value)) for end in ends)
    return write_decimal(value), write_decimal(_round(width, unit, ROUND_CEILING))


def _round(number: Fraction, unit: Decimal, rounding: str) -> Decimal:
    steps = number / Fraction(unit)
    whole = -(-steps.numerator // steps.denominator) if rounding == ROUND_CEILING else round(steps)
    return _EXACT.multiply(whole, unit)


def _integers(values: Json, cells: int) -> tuple[int, ...]:
    if not isinstance(values, list) or len(values) != cells:
        _refuse()
    if not all(isinstance(each, str) and _INTEGER.match(each) for each in values):
        _refuse()
    return tuple(int(str(each)) for each in values)


def _object(value: Json) -> Object:
    return value if isinstance(value, dict) else _refuse()


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else _refuse()


def _refuse() -> NoReturn:
    raise Untrusted("worker.output")
