"""Numbers that are computed from a row: a typed tree over columns, as it stands in a plan.

In a tree a column is what its provider's bounds and granularity make of it. What a tree means in whole numbers, and
between which bounds it lies on any data, is worked out in `hefu_connector.computing.steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from hefu.canonical import Json, Object
from hefu_policies.reading import Place, write_decimal, wrong

from hefu_connector.computing import predicates
from hefu_connector.computing.predicates import Predicate, read_name

OPERATORS = ("add", "subtract", "multiply", "divide")
PARTS = ("year", "quarter", "month", "day", "weekday", "hour")  # of a date or an instant; Monday is weekday 1
DEEPEST = 16  # levels of one tree, the numbers within its conditions included
MOST_NODES = 200
MOST_WHENS = 50
COARSEST, FINEST = -9, 9  # digits to round to
_FINEST_NUMBER = 12  # digits after the point of a constant
_LARGEST_NUMBER = Decimal(2**53)


@dataclass(frozen=True, slots=True)
class Column:
    """The value of a numeric column, moved into its bounds and rounded to its granularity."""

    name: str

    def body(self) -> Object:
        """As JSON."""
        return {"column": self.name}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        yield self.name

    def parts(self) -> tuple[Expression, ...]:
        """The numbers it is made of."""
        return ()


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: Decimal

    def __post_init__(self) -> None:
        if not self.value.is_finite() or abs(self.value) >= _LARGEST_NUMBER:
            wrong("expression.number", "a number below 2^53")
        exponent = self.value.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < -_FINEST_NUMBER:
            wrong("expression.number", f"at most {_FINEST_NUMBER} digits after the point")

    def body(self) -> Object:
        """As JSON."""
        return {"number": write_decimal(self.value)}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at: none."""
        yield from ()

    def parts(self) -> tuple[Expression, ...]:
        """The numbers it is made of."""
        return ()


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two numbers added, subtracted, multiplied or divided; absent where one is, or where the divisor is zero."""

    operator: str
    left: Expression
    right: Expression

    def __post_init__(self) -> None:
        Place(self.operator, "expression.operator").choice(*OPERATORS)

    def body(self) -> Object:
        """As JSON."""
        return {self.operator: [self.left.body(), self.right.body()]}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        yield from (*self.left.columns(), *self.right.columns())

    def parts(self) -> tuple[Expression, ...]:
        """The numbers it is made of."""
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class Function:
    """``negate``, ``absolute`` or ``floor`` of one number; the floor is the largest whole number not above it."""

    name: str
    item: Expression

    def __post_init__(self) -> None:
        Place(self.name, "expression.function").choice(*FUNCTIONS)

    def body(self) -> Object:
        """As JSON."""
        return {self.name: self.item.body()}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        return self.item.columns()

    def parts(self) -> tuple[Expression, ...]:
        """The numbers it is made of."""
        return (self.item,)


@dataclass(frozen=True, slots=True)
class Round:
    """A number rounded to so many digits after the point, halves away from zero."""

    item: Expression
    digits: int = 0

    def __post_init__(self) -> None:
        Place(self.digits, "expression.digits").integer(COARSEST, FINEST)

    def body(self) -> Object:
        """As JSON."""
        return {"round": {"item": self.item.body(), "digits": self.digits}}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        return self.item.columns()

    def parts(self) -> tuple[Expression, ...]:
        """The numbers it is made of."""
        return (self.item,)


@dataclass(frozen=True, slots=True)
class Clamp:
    """A number moved between two constants."""

    item: Expression
    lower: Decimal
    upper: Decimal

    def __post_init__(self) -> None:
        if Number(self.lower).value >= Number(self.upper).value:
            wrong("expression.clamp", "a lower below its upper")

    def body(self) -> Object:
        """As JSON."""
        lower, upper = write_decimal(self.lower), write_decimal(self.upper)
        return {"clamp": {"item": self.item.body(), "lower": lower, "upper": upper}}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        return self.item.columns()

    def parts(self) -> tuple[Expression, ...]:
        """The numbers it is made of."""
        return (self.item,)


@dataclass(frozen=True, slots=True)
class When:
    """A number where a condition is true."""

    condition: Predicate
    then: Expression


@dataclass(frozen=True, slots=True)
class Case:
    """The number of the first condition that is true; else another one, or absent."""

    whens: tuple[When, ...]
    otherwise: Expression | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.whens) <= MOST_WHENS:
            wrong("expression.case", f"1 to {MOST_WHENS} conditions")

    def body(self) -> Object:
        """As JSON."""
        whens: list[Json] = [{"when": each.condition.body(), "then": each.then.body()} for each in self.whens]
        return {"case": {"whens": whens, "otherwise": None if self.otherwise is None else self.otherwise.body()}}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        for each in self.whens:
            yield from predicates.columns(each.condition)
        for part in self.parts():
            yield from part.columns()

    def parts(self) -> tuple[Expression, ...]:
        """The numbers that it may be."""
        return (*(each.then for each in self.whens), *(() if self.otherwise is None else (self.otherwise,)))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a date or an instant (UTC) as a whole number."""

    part: str
    column: str

    def __post_init__(self) -> None:
        Place(self.part, "expression.part").choice(*PARTS)

    def body(self) -> Object:
        """As JSON."""
        return {"part": {"part": self.part, "column": self.column}}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        yield self.column

    def parts(self) -> tuple[Expression, ...]:
        """The numbers it is made of."""
        return ()


Expression = Column | Number | Arithmetic | Function | Round | Clamp | Case | Part
FUNCTIONS = ("negate", "absolute", "floor")


def read_expression(place: Place) -> Expression:
    """The expression of a JSON tree, inside the caps above.

    Raises:
        Malformed: unknown word, wrong form, too deep or too large.
    """
    expression = _read(place, 0)
    check_size(expression, place.where)
    return expression


def read_condition(body: Json, where: str) -> Predicate:
    """A predicate in which computed numbers may stand; raises as `read_expression`."""
    predicate = predicates.read_predicate(body, where, lambda place: _read(place, 0))
    check_condition(predicate, where)
    return predicate


def check_size(expression: Expression, where: str = "expression") -> None:
    """Raise Malformed where a tree is larger than one query needs."""
    if sum(1 for _ in _nodes(expression, 0)) > MOST_NODES:
        wrong(where, f"at most {MOST_NODES} parts")


def check_condition(predicate: Predicate, where: str = "filter") -> None:
    """Raise Malformed where the numbers of a condition are larger than one query needs."""
    predicates.check_size(predicate, where)
    if sum(1 for each in numbers(predicate) for _ in _nodes(each, 0)) > MOST_NODES:
        wrong(where, f"at most {MOST_NODES} parts")


def numbers(predicate: Predicate) -> Iterator[Expression]:
    """The computed numbers that a condition compares."""
    for term in predicates.terms(predicate):
        if isinstance(term, predicates.Relation):
            yield from (of(term.left), of(term.right))


def conditions(expression: Expression) -> Iterator[Predicate]:
    """The conditions of every CASE of a tree; those within the numbers of these conditions are theirs."""
    if isinstance(expression, Case):
        yield from (each.condition for each in expression.whens)
    for part in expression.parts():
        yield from conditions(part)


def of(number: predicates.Numeric) -> Expression:
    """A computed number as one of the known kinds."""
    if not isinstance(number, Expression):
        wrong("expression", "a known kind of number")
    return number


def _nodes(expression: Expression, depth: int) -> Iterator[Expression]:
    if depth > DEEPEST:
        wrong("expression", f"at most {DEEPEST} levels")
    yield expression
    if isinstance(expression, Case):
        for each in expression.whens:
            predicates.check_size(each.condition, "expression.case")
            for number in numbers(each.condition):
                yield from _nodes(number, depth + 1)
    for part in expression.parts():
        yield from _nodes(part, depth + 1)


def _read(place: Place, depth: int) -> Expression:
    if depth > DEEPEST:
        wrong(place.where, f"at most {DEEPEST} levels")
    if not isinstance(place.value, dict) or len(place.value) != 1:
        wrong(place.where, "an object with one word of " + ", ".join(_READERS))
    ((word, value),) = place.value.items()
    if word not in _READERS:
        wrong(place.where, "one word of " + ", ".join(_READERS))
    return _READERS[word](word, Place(value, f"{place.where}.{word}"), depth + 1)


def _arithmetic(word: str, place: Place, depth: int) -> Expression:
    items = place.items(2)
    if len(items) != 2:
        wrong(place.where, "two numbers")
    return Arithmetic(word, _read(items[0], depth), _read(items[1], depth))


def _function(word: str, place: Place, depth: int) -> Expression:
    return Function(word, _read(place, depth))


def _round(_: str, place: Place, depth: int) -> Expression:
    found = place.members(("item", "digits"))
    return Round(_read(found["item"], depth), found["digits"].integer(COARSEST, FINEST))


def _clamp(_: str, place: Place, depth: int) -> Expression:
    found = place.members(("item", "lower", "upper"))
    return Clamp(_read(found["item"], depth), _decimal(found["lower"]), _decimal(found["upper"]))


def _case(_: str, place: Place, depth: int) -> Expression:
    found = place.members(("whens", "otherwise"))
    whens = []
    for each in found["whens"].items(1):
        parts = each.members(("when", "then"))
        when = predicates.read_predicate(parts["when"].value, parts["when"].where, lambda item: _read(item, depth))
        whens.append(When(when, _read(parts["then"], depth)))
    otherwise = found["otherwise"]
    return Case(tuple(whens), None if otherwise.value is None else _read(otherwise, depth))


def _number(_: str, place: Place, __: int) -> Expression:
    return Number(_decimal(place))


def _decimal(place: Place) -> Decimal:
    found = place.decimal()
    if write_decimal(found) != place.value:
        wrong(place.where, "a decimal without zeros at its end")
    return found


def _part(_: str, place: Place, __: int) -> Expression:
    found = place.members(("part", "column"))
    return Part(found["part"].choice(*PARTS), read_name(found["column"]))


_READERS: Mapping[str, Callable[[str, Place, int], Expression]] = {
    "column": lambda _, place, __: Column(read_name(place)),
    "number": _number,
    **dict.fromkeys(OPERATORS, _arithmetic),
    **dict.fromkeys(FUNCTIONS, _function),
    "round": _round,
    "clamp": _clamp,
    "case": _case,
    "part": _part,
}
