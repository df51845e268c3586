"""From noised whole numbers to an answer: groups, decimals, means, 95 % intervals, suppressed rows.

Everything here is post-processing: it sees noised values and public parameters only, and so costs nothing.
What a worker returned is read strictly, since a worker is not trusted either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NoReturn

from hefu.canonical import Json, Object
from hefu.errors import Untrusted
from hefu_policies.reading import Place, write_decimal

from hefu_connector.engines import moments, partitions, quantiles
from hefu_connector.engines.noise import CONFIDENCE, Noise
from hefu_connector.engines.noised import ABSENT, EXACT, Cell, Part, lowered, step_of, write
from hefu_connector.engines.shape import SUM, Shape
from hefu_connector.ports import Prepared, Values

__all__ = ["read", "scaled", "step_of"]
_INTEGER = re.compile(r"(?:0|-?[1-9][0-9]{0,19})\Z")


def scaled(scale: float, step: Decimal) -> str:
    """A scale in steps as decimal text in the column's unit, exactly."""
    return write_decimal(EXACT.multiply(Decimal(scale), step))


def read(output: Object, prepared: Prepared) -> Values:
    """The answer of a worker's output.

    Raises:
        Untrusted: the output has another shape than was prepared.
    """
    finding = prepared.finding
    if set(output) != {"noised", "rows_read", *(["groups"] if finding else [])}:
        _refuse()
    rows_read = output["rows_read"]
    if not isinstance(rows_read, int) or isinstance(rows_read, bool) or rows_read < 0:
        _refuse()
    shape = Shape.of(prepared.parameters["shape"])
    groups = partitions.read(output["groups"], shape, prepared) if finding else [*shape.groups()]
    parts = _parts(output["noised"], shape, prepared, len(groups))
    counts = _counts(parts, prepared)
    least = finding.least if finding else prepared.minimum_group or 0
    shown = [counts is None or counts[cell] >= least for cell in range(len(groups))]
    if finding and not all(shown):
        _refuse()
    answer = Place(prepared.parameters["answer"], "answer").items()
    columns = [_column(each.object(), parts, len(groups)) for each in answer]
    rows, widths = [], []
    for cell, labels in enumerate(groups):
        found = [column[cell] if shown[cell] else ABSENT for column in columns]
        rows.append((*labels, *(value for value, _ in found)))
        widths.append((*(None for _ in labels), *(width for _, width in found)))
    return Values(tuple(rows), tuple(widths), counts, rows_read)


def _counts(parts: Sequence[Part], prepared: Prepared) -> tuple[int, ...] | None:
    """The noised counts of units on which it hangs what is told of a group; None where nothing does."""
    place = prepared.parameters["minimum"]
    if prepared.finding is not None:
        place = Place(prepared.parameters["found"], "found").object()["deciding"]
    return parts[place].values if isinstance(place, int) else None


def _parts(noised: Json, shape: Shape, prepared: Prepared, groups: int) -> list[Part]:
    found = noised if isinstance(noised, list) else []
    if len(found) != len(shape.measures):
        _refuse()
    parts = []
    places = Place(prepared.parameters["noise"], "noise").items()
    for values, measure, place in zip(found, shape.measures, places, strict=True):
        its = Noise.of(place, measure.sensitivity)
        numbers = _integers(values, groups * measure.told)
        if measure.placed and not all(0 <= each < measure.width for each in numbers):
            _refuse()
        parts.append(Part(numbers, its, measure, lowered(measure, shape.grids)))
    return parts


def _column(words: Object, parts: Sequence[Part], cells: int) -> list[Cell]:
    """One column of the answer, cell by cell."""
    used = [parts[index] for index in _list(words["measures"]) if isinstance(index, int)]
    function = str(words["function"])
    if function in moments.RATIOS:
        return [moments.RATIOS[function](used, cell) for cell in range(cells)]
    part, *placed = used
    if function == "quantile":
        which = Fraction(str(words["quantile"]))
        chosen = placed[0].values if placed else (None,) * cells
        return [quantiles.quantile(part, which, cell, chosen[cell]) for cell in range(cells)]
    if part.measure.chosen:
        labels = _list(words["labels"])
        return [(str(labels[place]), None) for place in part.values]
    if function == "mode":
        return [quantiles.mode(part, cell) for cell in range(cells)]
    step = part.about.step if part.measure.kind == SUM else Fraction(1)
    width = write(part.off(CONFIDENCE) * step)
    return [(write(value * step), width) for value in part.values]


def _integers(values: Json, cells: int) -> tuple[int, ...]:
    if not isinstance(values, list) or len(values) != cells:
        _refuse()
    if not all(isinstance(each, str) and _INTEGER.match(each) for each in values):
        _refuse()
    return tuple(int(str(each)) for each in values)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else _refuse()


def _refuse() -> NoReturn:
    raise Untrusted("worker.output")
