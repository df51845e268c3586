"""The filter of a plan: which rows count, as a tree of typed words that no text of a query language is part of.

Literals carry their type and travel as text, so that no number is rounded on the way. The logic is that of SQL: a
comparison with an absent value is unknown, and a row counts only where the whole filter is true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu.times import read_time
from hefu_policies.reading import Place, wrong

OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
DEEPEST = 8  # levels of and, or, not
MOST_TERMS = 100  # comparisons and the like in one filter
MOST_LITERALS = 500
MOST_CHOICES = 100  # values after one IN
LONGEST_TEXT = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_INTEGER = re.compile(r"(?:0|-?[1-9][0-9]{0,18})\Z")


@dataclass(frozen=True, slots=True)
class Literal:
    """A typed constant.

    Attributes:
        type: a column type of `hefu_policies.goods.resource.TYPES`.
        text: ``-12``, ``0.5``, any text, ``true``, ``2026-11-21`` or ``2026-11-21T10:00:00Z``.
    """

    type: str
    text: str

    def __post_init__(self) -> None:
        check = _LITERALS.get(self.type)
        if check is None or not isinstance(self.text, str) or not check(self.text):
            raise Malformed("plan.literal", type=self.type[:20])

    def body(self) -> Object:
        """``{<type>: <text>}``."""
        return {self.type: self.text}

    @classmethod
    def of(cls, place: Place) -> Literal:
        """Read what `body` wrote; raises Malformed."""
        found = place.members((), _LITERALS)
        if len(found) != 1:
            wrong(place.where, 'one typed value, such as {"integer": "5"}')
        ((type_, text),) = found.items()
        return cls(type_, text.text(LONGEST_TEXT, empty=True))


@dataclass(frozen=True, slots=True)
class Compare:
    """``column operator value``."""

    column: str
    operator: str
    value: Literal

    def __post_init__(self) -> None:
        Place(self.operator, "compare.operator").choice(*OPERATORS)

    def body(self) -> Object:
        """As JSON."""
        return {"compare": {"column": self.column, "operator": self.operator, "value": self.value.body()}}


@dataclass(frozen=True, slots=True)
class In:
    """``column IN (values)``."""

    column: str
    values: tuple[Literal, ...]

    def body(self) -> Object:
        """As JSON."""
        return {"in": {"column": self.column, "values": [each.body() for each in self.values]}}


@dataclass(frozen=True, slots=True)
class IsNull:
    """``column IS NULL``: absent, or not a finite value of the declared type."""

    column: str

    def body(self) -> Object:
        """As JSON."""
        return {"is_null": {"column": self.column}}


@dataclass(frozen=True, slots=True)
class Between:
    """``low <= column <= high``."""

    column: str
    low: Literal
    high: Literal

    def body(self) -> Object:
        """As JSON."""
        return {"between": {"column": self.column, "low": self.low.body(), "high": self.high.body()}}


class Numeric(Protocol):
    """A number that is computed from a row (`hefu_connector.computing.expressions`)."""

    def body(self) -> Object:
        """As JSON."""
        ...

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        ...


@dataclass(frozen=True, slots=True)
class Relation:
    """``left operator right`` of two computed numbers; unknown where either is absent."""

    left: Numeric
    operator: str
    right: Numeric

    def __post_init__(self) -> None:
        Place(self.operator, "relation.operator").choice(*OPERATORS)

    def body(self) -> Object:
        """As JSON."""
        return {"relation": {"left": self.left.body(), "operator": self.operator, "right": self.right.body()}}


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary; of unknown it is unknown."""

    item: Predicate

    def body(self) -> Object:
        """As JSON."""
        return {"not": self.item.body()}


@dataclass(frozen=True, slots=True)
class All:
    """All of two or more (AND)."""

    items: tuple[Predicate, ...]

    def body(self) -> Object:
        """As JSON."""
        return {"and": [each.body() for each in self.items]}


@dataclass(frozen=True, slots=True)
class Any:
    """Any of two or more (OR)."""

    items: tuple[Predicate, ...]

    def body(self) -> Object:
        """As JSON."""
        return {"or": [each.body() for each in self.items]}


Term = Compare | In | IsNull | Between | Relation
Predicate = Term | Not | All | Any
Number = Callable[[Place], Numeric]


def read_predicate(body: Json, where: str = "filter", number: Number | None = None) -> Predicate:
    """The predicate of a JSON tree, inside the caps above.

    Args:
        number: reads a computed number; None where none may stand.

    Raises:
        Malformed: unknown word, wrong form, too deep or too large.
    """
    predicate = _read(Place(body, where), 0, number)
    check_size(predicate, where)
    return predicate


def check_size(predicate: Predicate, where: str = "filter") -> None:
    """Raise Malformed where a tree is larger than one query needs."""
    found = list(terms(predicate))
    if len(found) > MOST_TERMS or sum(len(literals(each)) for each in found) > MOST_LITERALS:
        wrong(where, f"at most {MOST_TERMS} comparisons and {MOST_LITERALS} constants")


def terms(predicate: Predicate, depth: int = 0) -> Iterator[Term]:
    """Every comparison of a tree. Raises Malformed below `DEEPEST`."""
    if depth > DEEPEST:
        wrong("filter", f"at most {DEEPEST} levels of AND, OR and NOT")
    if isinstance(predicate, Not):
        yield from terms(predicate.item, depth + 1)
    elif isinstance(predicate, All | Any):
        for each in predicate.items:
            yield from terms(each, depth + 1)
    else:
        yield predicate


def columns(predicate: Predicate) -> Iterator[str]:
    """Every column that a tree looks at."""
    for term in terms(predicate):
        if isinstance(term, Relation):
            yield from (*term.left.columns(), *term.right.columns())
        else:
            yield term.column


def alone(predicate: Predicate | None, known: frozenset[str]) -> Iterator[Predicate]:
    """What a tree demands of some columns alone: conditions that all must hold, and that compare with constants only.

    A row that fails one of them fails the tree.
    """
    if isinstance(predicate, All):
        for each in predicate.items:
            yield from alone(each, known)
    elif predicate is not None and all(
        not isinstance(each, Relation) and each.column in known for each in terms(predicate)
    ):
        yield predicate


def literals(term: Term) -> tuple[Literal, ...]:
    """The constants of one comparison."""
    if isinstance(term, Compare):
        return (term.value,)
    if isinstance(term, In):
        return term.values
    return (term.low, term.high) if isinstance(term, Between) else ()


def read_name(place: Place) -> str:
    """The name of a column, by the rule that schemas follow; raises Malformed."""
    name = place.text(63)
    if not _NAME.match(name):
        wrong(place.where, "a column name of letters, digits and underscores")
    return name


def _read(place: Place, depth: int, number: Number | None) -> Predicate:
    if depth > DEEPEST:
        wrong(place.where, f"at most {DEEPEST} levels of AND, OR and NOT")
    if not isinstance(place.value, dict) or len(place.value) != 1:
        wrong(place.where, "an object with one word of " + ", ".join((*_TERMS, "and", "or", "not")))
    ((word, value),) = place.value.items()
    inner = Place(value, f"{place.where}.{word[:20]}")
    if word == "not":
        return Not(_read(inner, depth + 1, number))
    if word in ("and", "or"):
        items = inner.items(2)
        if len(items) > MOST_TERMS:
            wrong(inner.where, f"at most {MOST_TERMS} items")
        parts = tuple(_read(each, depth + 1, number) for each in items)
        return All(parts) if word == "and" else Any(parts)
    if word == "relation" and number is not None:
        return _relation(inner, number)
    if word not in _TERMS:
        wrong(place.where, "one word of " + ", ".join((*_TERMS, "and", "or", "not")))
    return _TERMS[word](inner)


def _relation(place: Place, number: Number) -> Term:
    found = place.members(("left", "operator", "right"))
    return Relation(number(found["left"]), found["operator"].choice(*OPERATORS), number(found["right"]))


def _compare(place: Place) -> Term:
    found = place.members(("column", "operator", "value"))
    return Compare(read_name(found["column"]), found["operator"].choice(*OPERATORS), Literal.of(found["value"]))


def _in(place: Place) -> Term:
    found = place.members(("column", "values"))
    values = found["values"].items(1)
    if len(values) > MOST_CHOICES:
        wrong(found["values"].where, f"at most {MOST_CHOICES} values")
    return In(read_name(found["column"]), tuple(Literal.of(each) for each in values))


def _is_null(place: Place) -> Term:
    return IsNull(read_name(place.members(("column",))["column"]))


def _between(place: Place) -> Term:
    found = place.members(("column", "low", "high"))
    return Between(read_name(found["column"]), Literal.of(found["low"]), Literal.of(found["high"]))


_TERMS: Mapping[str, Callable[[Place], Term]] = {
    "compare": _compare,
    "in": _in,
    "is_null": _is_null,
    "between": _between,
}


def _is_integer(text: str) -> bool:
    return bool(_INTEGER.match(text)) and abs(int(text)) < 2**63


def _is_decimal(text: str) -> bool:
    try:
        Place(text, "literal").decimal()
    except Malformed:
        return False
    return True


def _is_text(text: str) -> bool:
    return len(text) <= LONGEST_TEXT and "\x00" not in text


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_timestamp(text: str) -> bool:
    try:
        read_time(text)
    except Malformed:
        return False
    return True


_LITERALS: Mapping[str, Callable[[str], bool]] = {
    "integer": _is_integer,
    "decimal": _is_decimal,
    "text": _is_text,
    "boolean": lambda text: text in ("true", "false"),
    "date": _is_date,
    "timestamp": _is_timestamp,
}
