"""Answers made to agree with each other: a total equals the sum of its parts, and no count is negative. It is free.

Only released, noised values are looked at, so nothing is charged and nothing more is told. What was made consistent
says so: its noise is marked, and so are tables and files made of it.

Where nothing is negative the result is the one of weighted least squares: with a total T of variance t and n parts of
variance v each, every part moves by v (T - Σ parts) / (t + n v). Parts that would be negative are held at zero and the
others solved again. Each half width still reaches to the ends of the interval that was released: it holds as often as
it did, however far a value moved.

Source: weighted least squares under one linear constraint; Hay, Rastogi, Miklau, Suciu 2010, "Boosting the accuracy of
differentially private histograms through consistency".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from fractions import Fraction

from hefu.errors import Malformed

from hefu_connector.workbench.frames import Noise, Told

MARK = ", made consistent"
_EXACT = Context(prec=100)
Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What of an answer is looked at and moved."""

    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    half_widths: tuple[Row, ...]
    keys: int
    noise: tuple[Noise, ...]

    @classmethod
    def of(cls, answer: Told) -> Table:
        """Of an answer."""
        return cls(answer.headings, answer.rows, answer.half_widths, answer.keys, answer.noise)


def consistent(of_parts: Told, of_total: Told, counts: Sequence[str] = ()) -> tuple[Table, Table]:
    """Two answers to one question, by more and by fewer keys, made to agree in all their counts and sums.

    Args:
        of_parts: by all its keys.
        of_total: by some of these, or by none; it has the same columns.
        counts: columns that are never negative.

    Raises:
        Malformed: the answers are not of one question.
    """
    parts, total = Table.of(of_parts), Table.of(of_total)
    if parts.headings[parts.keys :] != total.headings[total.keys :]:
        raise Malformed("question.differ", word="the total", why="its columns are others")
    if any(None in row[: table.keys] for table in (parts, total) for row in table.rows):
        raise Malformed("question.differ", word="the groups", why="some rows are of another grouping than others")
    if not set(total.headings[: total.keys]) < set(parts.headings[: parts.keys]):
        raise Malformed("question.differ", word="the total", why="its group keys are not some of the parts'")
    for heading in parts.headings[parts.keys :]:
        kinds = [_noise(each, heading) for each in (parts, total)]
        if all(kinds) and not any(MARK in each.mechanism for each in kinds if each):
            parts, total = _agree(parts, total, heading, zero=heading in counts)
    return parts, total


def solve(total: Fraction, parts: Sequence[Fraction], t: Fraction, v: Fraction, *, zero: bool) -> list[Fraction]:
    """The parts that agree with a total best; their sum is the total's new value.

    Args:
        t, v: variances of the total and of each part.
        zero: whether no part may be negative.
    """
    free, found = list(range(len(parts))), [Fraction(0)] * len(parts)
    while free:
        moved = v * (total - sum((parts[index] for index in free), Fraction(0))) / (t + len(free) * v)
        for index in free:
            found[index] = parts[index] + moved
        below = {index for index in free if found[index] < 0} if zero else set()
        for index in below:
            found[index] = Fraction(0)
        if not below:
            break
        free = [index for index in free if index not in below]
    return found


def _agree(parts: Table, total: Table, heading: str, *, zero: bool) -> tuple[Table, Table]:
    at, above = parts.headings.index(heading), total.headings.index(heading)
    names = total.headings[: total.keys]
    places = [parts.headings.index(name) for name in names]
    blocks: dict[Row, list[int]] = defaultdict(list)
    for index, row in enumerate(parts.rows):
        blocks[tuple(row[place] for place in places)].append(index)
    v, t = _variance(parts, heading), _variance(total, heading)
    made, made_total = _Column(parts, at, zero=zero), _Column(total, above, zero=zero)
    for index, row in enumerate(total.rows):
        block = blocks[row[: total.keys]]
        values = [parts.rows[each][at] for each in block]
        sum_ = row[above]
        told = [value for value in values if value is not None]
        if sum_ is None or len(told) < len(values) or not values:
            continue  # what was withheld stays so, and nothing is said of its total either
        unit = min(_exponent(each) for each in (*told, sum_))
        solved = solve(Fraction(sum_), [Fraction(each) for each in told], t, v, zero=zero)
        rounded = _on_grid(solved, unit)
        for each, value in zip(block, rounded, strict=True):
            made.move(each, value)
        made_total.move(index, sum(rounded, Decimal(0)))
    return made.answer(heading), made_total.answer(heading)


class _Column:
    """One column of an answer while it is being moved."""

    def __init__(self, answer: Table, at: int, *, zero: bool) -> None:
        self._answer, self._at, self._zero = answer, at, zero
        self._rows, self._widths = [*answer.rows], [*answer.half_widths]

    def move(self, index: int, value: Decimal) -> None:
        """Give a cell its new value, and a half width that reaches to the ends of the released interval."""
        old, width = Decimal(self._rows[index][self._at] or "0"), Decimal(self._widths[index][self._at] or "0")
        low, high = _EXACT.subtract(old, width), _EXACT.add(old, width)
        if self._zero:
            low, high = max(low, Decimal(0)), max(high, Decimal(0))
        reach = max(abs(_EXACT.subtract(value, low)), abs(_EXACT.subtract(high, value)))
        self._rows[index] = _with(self._rows[index], self._at, format(value, "f"))
        self._widths[index] = _with(self._widths[index], self._at, format(reach, "f"))

    def answer(self, heading: str) -> Table:
        """The answer with this column, marked."""
        noise = tuple(
            Noise(each.column, each.mechanism + MARK, each.scale, "") if each.column == heading else each
            for each in self._answer.noise
        )
        return replace(self._answer, rows=tuple(self._rows), half_widths=tuple(self._widths), noise=noise)


def _on_grid(values: Sequence[Fraction], exponent: int) -> list[Decimal]:
    """Values on a decimal grid whose sum is the rounded sum: the largest remainders are rounded up."""
    unit = Fraction(10) ** exponent
    steps = [value / unit for value in values]
    floors = [each.numerator // each.denominator for each in steps]
    short = round(sum(steps, Fraction(0))) - sum(floors)
    order = sorted(range(len(steps)), key=lambda index: (floors[index] - steps[index], index))
    for index in order[:short]:
        floors[index] += 1
    return [Decimal(each).scaleb(exponent, _EXACT) for each in floors]


def _noise(answer: Table, heading: str) -> Noise | None:
    """The noise of a count or sum; None of what is made of several."""
    found = [each for each in answer.noise if each.column == heading]
    return found[0] if len(found) == 1 and found[0].half_width and ":" not in found[0].mechanism else None


def _variance(answer: Table, heading: str) -> Fraction:
    noise = _noise(answer, heading)
    if noise is None:
        raise Malformed("question.differ", word=heading, why="it is no count or sum")
    square = Fraction(Decimal(noise.scale)) ** 2
    return square if "gaussian" in noise.mechanism.lower() else 2 * square


def _exponent(text: str) -> int:
    exponent = Decimal(text).as_tuple().exponent
    return min(0, exponent) if isinstance(exponent, int) else 0


def _with(row: Row, at: int, value: str) -> Row:
    return (*row[:at], value, *row[at + 1 :])
