"""Expressions in whole numbers: what every engine computes, and the bounds that hold whatever the data says.

A number is counted in steps of a granularity. `lower` turns an expression into arithmetic on whole numbers and
carries bounds through it by interval arithmetic (R. E. Moore, Interval Analysis, 1966): the result of each node lies
between the least and the most that its parts' bounds allow. A node that could leave ±2^53 is refused, so that nothing
can overflow in 64 bits, nor lose a digit in a double, on any data; and integers are the same on every engine.
Absent (NULL) in gives absent out; a divisor of zero gives absent. No node can fail on a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from math import gcd, lcm
from typing import Literal

from hefu.errors import Malformed

from hefu_connector.computing import expressions as e
from hefu_connector.computing.predicates import Predicate, Relation

LARGEST_STEPS = 2**53
_FINEST = Fraction(1, 10**15)
_COARSEST = Fraction(10**15)
_EXACT = Context(prec=100)
_Choice = Callable[[Iterable[int]], int]
_RANGES = {"year": (1, 9999), "quarter": (1, 4), "month": (1, 12), "day": (1, 31), "weekday": (1, 7), "hour": (0, 23)}


@dataclass(frozen=True, slots=True)
class Grid:
    """How a number becomes a whole number: clamped to its bounds, then counted in steps of the granularity."""

    lower: Decimal
    upper: Decimal
    granularity: Decimal

    @property
    def least(self) -> int:
        """The lower bound in steps."""
        return int(self.lower / self.granularity)

    @property
    def most(self) -> int:
        """The upper bound in steps."""
        return int(self.upper / self.granularity)


@dataclass(frozen=True, slots=True)
class Stored:
    """The steps of a column on its grid."""

    column: str


@dataclass(frozen=True, slots=True)
class PartOf:
    """A part of a date or an instant."""

    part: str
    column: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A constant."""

    value: int


@dataclass(frozen=True, slots=True)
class Binary:
    """Two whole numbers added, subtracted, multiplied, or divided towards zero; absent where the divisor is zero."""

    operator: Literal["+", "-", "*", "/"]
    left: Steps
    right: Steps


@dataclass(frozen=True, slots=True)
class Magnitude:
    """A whole number without its sign."""

    item: Steps


@dataclass(frozen=True, slots=True)
class Halved:
    """Half of a whole number, halves away from zero: ``t - t / 2`` with division towards zero."""

    item: Steps


@dataclass(frozen=True, slots=True)
class Limited:
    """A whole number moved between two others."""

    item: Steps
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The number of the first condition that is true, else the last; absent where there is none."""

    whens: tuple[tuple[Predicate, Steps], ...]
    otherwise: Steps | None


Steps = Stored | PartOf | Whole | Binary | Magnitude | Halved | Limited | Chosen


@dataclass(frozen=True, slots=True)
class Lowered:
    """An expression in whole numbers.

    Attributes:
        least, most: what it lies between on any data, both in steps.
        step: what one whole number stands for; above 0.
    """

    steps: Steps
    least: int
    most: int
    step: Fraction

    def __post_init__(self) -> None:
        if not (-LARGEST_STEPS < self.least <= self.most < LARGEST_STEPS and _FINEST <= self.step <= _COARSEST):
            raise Malformed("plan.overflow")

    @property
    def grid(self) -> Grid:
        """The same bounds in the unit of the column, exactly."""
        return Grid(decimal(self.least * self.step), decimal(self.most * self.step), decimal(self.step))


def interval(expression: e.Expression, grids: Mapping[str, Grid]) -> Grid:
    """The bounds of an expression on any data, and its granularity; raises as `lower`."""
    return lower(expression, grids).grid


def lower(expression: e.Expression, grids: Mapping[str, Grid]) -> Lowered:
    """An expression in whole numbers.

    Args:
        grids: of each numeric column in it, from the provider's signed schema.

    Raises:
        Malformed: it could overflow, or divides without a declared step, or uses a column without bounds.
    """
    match expression:
        case e.Column() | e.Number() | e.Part():
            return _leaf(expression, grids)
        case e.Arithmetic(operator, left, right):
            return _arithmetic(operator, lower(left, grids), lower(right, grids), right)
        case e.Function(name, item):
            return _floor(_ratio(item, grids)) if name == "floor" else _function(name, lower(item, grids))
        case e.Round(item, digits):
            return _round(_ratio(item, grids), Fraction(10) ** -digits)
        case e.Clamp(item, low, high):
            return _clamp(lower(item, grids), Fraction(low), Fraction(high))
        case e.Case(whens, otherwise):
            return _case(whens, otherwise, grids)


def related(relation: Relation, grids: Mapping[str, Grid]) -> tuple[Lowered, Lowered]:
    """Both sides of a comparison, in the same steps; raises as `lower`."""
    return align(lower(e.of(relation.left), grids), lower(e.of(relation.right), grids))


def align(left: Lowered, right: Lowered) -> tuple[Lowered, Lowered]:
    """Two numbers in their largest common step."""
    step = _common(left.step, right.step)
    return _finer(left, step), _finer(right, step)


def decimal(number: Fraction) -> Decimal:
    """A fraction as a decimal, exactly. Raises Malformed where it has no end."""
    if not _ends(number):
        raise Malformed("plan.quotient")
    return _EXACT.divide(Decimal(number.numerator), Decimal(number.denominator))


def walk(steps: Steps) -> Iterator[Steps]:
    """Every node of a tree, the parts before what is made of them; conditions are not entered."""
    match steps:
        case Binary(_, left, right):
            yield from (*walk(left), *walk(right))
        case Magnitude(item) | Halved(item) | Limited(item, _, _):
            yield from walk(item)
        case Chosen(whens, otherwise):
            for _, then in whens:
                yield from walk(then)
            if otherwise is not None:
                yield from walk(otherwise)
        case _:
            pass
    yield steps


def _leaf(leaf: e.Column | e.Number | e.Part, grids: Mapping[str, Grid]) -> Lowered:
    if isinstance(leaf, e.Number):
        return _constant(Fraction(leaf.value))
    if isinstance(leaf, e.Part):
        least, most = _RANGES[leaf.part]
        return Lowered(Limited(PartOf(leaf.part, leaf.column), least, most), least, most, Fraction(1))
    if leaf.name not in grids:
        raise Malformed("plan.no_bounds", column=leaf.name)
    grid = grids[leaf.name]
    return Lowered(Stored(leaf.name), grid.least, grid.most, Fraction(grid.granularity))


def _constant(value: Fraction) -> Lowered:
    sign = (value > 0) - (value < 0)
    return Lowered(Whole(sign), sign, sign, abs(value) or Fraction(1))


def _arithmetic(operator: str, left: Lowered, right: Lowered, by: e.Expression) -> Lowered:
    if operator == "multiply":
        return _product(left, right)
    if operator == "divide":
        if not isinstance(by, e.Number):
            raise Malformed("plan.quotient")
        if by.value == 0:
            raise Malformed("plan.divisor")
        inverse = 1 / Fraction(by.value)
        if not _ends(left.step * inverse):
            raise Malformed("plan.quotient")
        return _product(left, _constant(inverse))
    left, right = align(left, right)
    if operator == "add":
        steps = Binary("+", left.steps, right.steps)
        return Lowered(steps, left.least + right.least, left.most + right.most, left.step)
    steps = Binary("-", left.steps, right.steps)
    return Lowered(steps, left.least - right.most, left.most - right.least, left.step)


def _product(left: Lowered, right: Lowered) -> Lowered:
    corners = [a * b for a in (left.least, left.most) for b in (right.least, right.most)]
    if left == right:  # a square is never negative
        corners = [left.least**2, left.most**2, *([0] if left.least <= 0 <= left.most else [])]
    return Lowered(_times(left.steps, right.steps), min(corners), max(corners), left.step * right.step)


def _times(left: Steps, right: Steps) -> Steps:
    if right == Whole(1):
        return left
    return right if left == Whole(1) else Binary("*", left, right)


def _function(name: str, item: Lowered) -> Lowered:
    if name == "negate":
        return _product(item, _constant(Fraction(-1)))
    least = 0 if item.least <= 0 <= item.most else min(abs(item.least), abs(item.most))
    return Lowered(Magnitude(item.steps), least, max(abs(item.least), abs(item.most)), item.step)


def _clamp(item: Lowered, low: Fraction, high: Fraction) -> Lowered:
    step = item.step
    for bound in (low, high):
        step = _common(step, abs(bound)) if bound else step
    item = _finer(item, step)
    least, most = (max(-LARGEST_STEPS, min(LARGEST_STEPS, int(bound / step))) for bound in (low, high))
    bounds = [max(least, min(most, each)) for each in (item.least, item.most)]
    return Lowered(Limited(item.steps, least, most), bounds[0], bounds[1], step)


def _case(whens: tuple[e.When, ...], otherwise: e.Expression | None, grids: Mapping[str, Grid]) -> Lowered:
    parts = [lower(each.then, grids) for each in whens]
    parts += [] if otherwise is None else [lower(otherwise, grids)]
    step = parts[0].step
    for each in parts:
        step = _common(step, each.step)
    parts = [_finer(each, step) for each in parts]
    chosen = tuple((when.condition, part.steps) for when, part in zip(whens, parts, strict=False))
    last = None if otherwise is None else parts[-1].steps
    least, most = _extreme(whens, otherwise)
    return Lowered(Chosen(chosen, last), least(each.least for each in parts), most(each.most for each in parts), step)


def _extreme(whens: tuple[e.When, ...], otherwise: e.Expression | None) -> tuple[_Choice, _Choice]:
    """What picks the bounds of a CASE from those of its branches.

    The larger of two numbers is nowhere below either's least: ``CASE WHEN a >= b THEN a WHEN b >= a THEN b END``, which
    is how GREATEST is read, and with <= the smaller, LEAST. Any other CASE lies around all of its branches.
    """
    if len(whens) == 2 and otherwise is None:
        (one, a), (other, b) = ((each.condition, each.then) for each in whens)
        for operator, choice in ((">=", max), ("<=", min)):
            if (one, other) == (Relation(a, operator, b), Relation(b, operator, a)):
                return choice, choice
    return min, max


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A dividend over a divisor: what is to be rounded. The divisor is 1 where nothing is divided."""

    dividend: Lowered
    divisor: Lowered


def _ratio(expression: e.Expression, grids: Mapping[str, Grid]) -> _Ratio:
    one = _constant(Fraction(1))
    match expression:
        case e.Arithmetic("divide", left, right):
            ratio = _ratio(left, grids)
            return _Ratio(ratio.dividend, _product(ratio.divisor, lower(right, grids)))
        case e.Arithmetic("multiply", left, right) if _divides(left):
            ratio = _ratio(left, grids)
            return _Ratio(_product(ratio.dividend, lower(right, grids)), ratio.divisor)
        case e.Arithmetic("multiply", left, right) if _divides(right):
            return _ratio(e.Arithmetic("multiply", right, left), grids)
    return _Ratio(lower(expression, grids), one)


def _divides(expression: e.Expression) -> bool:
    if not isinstance(expression, e.Arithmetic) or expression.operator not in ("divide", "multiply"):
        return False
    return expression.operator == "divide" or _divides(expression.left) or _divides(expression.right)


def _parts(ratio: _Ratio, step: Fraction) -> tuple[Lowered, Lowered] | None:
    """Dividend and divisor in whole numbers whose quotient counts steps; None where it is whole already."""
    n, d = ratio.dividend, ratio.divisor
    factor = n.step / (d.step * step)
    if d.steps == Whole(1) and factor.denominator == 1:
        return None
    return _scaled(n, factor.numerator), _scaled(d, factor.denominator)


def _round(ratio: _Ratio, step: Fraction) -> Lowered:
    found = _parts(ratio, step)
    if found is None:
        return _kept(ratio)
    # Twice the quotient, towards zero, then half of it, halves away from zero: rounds the quotient itself.
    n, d = _scaled(found[0], 2), found[1]
    ends = _quotients(n, d)
    twice = Lowered(Binary("/", n.steps, d.steps), _toward_zero(min(ends)), _toward_zero(max(ends)), step)
    least, most = (each - _toward_zero(Fraction(each, 2)) for each in (twice.least, twice.most))
    return Lowered(Halved(twice.steps), least, most, step)


def _floor(ratio: _Ratio) -> Lowered:
    found = _parts(ratio, Fraction(1))
    if found is None:
        return _kept(ratio)
    n, d = found
    if d.most <= 0:
        n, d = _scaled(n, -1), _scaled(d, -1)
    if d.least < 0:
        raise Malformed("plan.divisor")
    ends = _quotients(n, d)
    least, most = (each.numerator // each.denominator for each in (min(ends), max(ends)))
    # Moved up by `least` divisors the dividend is not negative, where towards zero is downwards.
    moved = Lowered(
        Binary("-", n.steps, Binary("*", d.steps, Whole(least))),
        min(0, n.least - max(least * d.least, least * d.most)),
        n.most - min(least * d.least, least * d.most),
        Fraction(1),
    )
    return Lowered(Binary("+", Binary("/", moved.steps, d.steps), Whole(least)), least, most, Fraction(1))


def _kept(ratio: _Ratio) -> Lowered:
    """A number that has the step that was asked for."""
    n, d = ratio.dividend, ratio.divisor
    return Lowered(n.steps, n.least, n.most, n.step / d.step)


def _quotients(n: Lowered, d: Lowered) -> list[Fraction]:
    """The extreme quotients: on either side of zero a quotient is monotone in both, so they lie in corners."""
    divisors = [each for each in (d.least, min(-1, d.most)) if d.least < 0]
    divisors += [each for each in (max(1, d.least), d.most) if d.most > 0]
    if not divisors:
        raise Malformed("plan.divisor")
    return [Fraction(a, b) for a in (n.least, n.most) for b in divisors]


def _toward_zero(number: Fraction) -> int:
    return int(number)


def _scaled(item: Lowered, factor: int) -> Lowered:
    """A number times a whole one, its step kept."""
    if abs(factor) >= LARGEST_STEPS:
        raise Malformed("plan.overflow")
    ends = (item.least * factor, item.most * factor)
    return Lowered(_times(item.steps, Whole(factor)), min(ends), max(ends), item.step)


def _finer(item: Lowered, step: Fraction) -> Lowered:
    """The same number in a finer step."""
    factor = int(item.step / step)
    scaled = _scaled(item, factor)
    return Lowered(scaled.steps, scaled.least, scaled.most, step)


def _common(left: Fraction, right: Fraction) -> Fraction:
    """The largest step of which both are multiples."""
    return Fraction(gcd(left.numerator, right.numerator), lcm(left.denominator, right.denominator))


def _ends(number: Fraction) -> bool:
    """Whether a fraction is a decimal that ends: nothing but twos and fives divides it."""
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1
