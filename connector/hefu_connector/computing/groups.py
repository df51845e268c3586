"""Group keys: bins, values and cases that are worked out from a row, and columns whose values nobody declared.

Groups that are worked out are public, whatever the data says. A column with declared categories needs none of these: a
plan names it, and its categories are the groups. Of an unknown key those groups are told that hold enough privacy units
by a noised count, which costs a δ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from hefu.canonical import Json, Object
from hefu_policies.reading import Place, unique, write_decimal, wrong

from hefu_connector.computing import predicates
from hefu_connector.computing.expressions import (
    Expression,
    check_condition,
    check_size,
    read_condition,
    read_expression,
)
from hefu_connector.computing.predicates import Predicate, read_name

MOST_LABELS = 50
LONGEST_LABEL = 60
MOST_TOGETHER = 4  # keys by which rows are grouped at once
MOST_KEYS = 32  # of all grouping sets together
MOST_SETS = 64

Sets = tuple[tuple[int, ...], ...]  # grouping sets: the places of their keys, rising


@dataclass(frozen=True, slots=True)
class Bins:
    """Even bins of a number: ``[0,10)``, ``[10,20)`` and so on, from multiple to multiple of the width."""

    alias: str
    number: Expression
    width: Decimal

    def __post_init__(self) -> None:
        read_name(Place(self.alias, "key.alias"))
        check_size(self.number, "key.number")
        if not 0 < self.width < Decimal(2**53):
            wrong("key.width", "a width above 0")

    def body(self) -> Object:
        """As JSON."""
        return {"bins": {"alias": self.alias, "number": self.number.body(), "width": write_decimal(self.width)}}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        return self.number.columns()


@dataclass(frozen=True, slots=True)
class Values:
    """Each value that a number can have, from its least to its most."""

    alias: str
    number: Expression

    def __post_init__(self) -> None:
        read_name(Place(self.alias, "key.alias"))
        check_size(self.number, "key.number")

    def body(self) -> Object:
        """As JSON."""
        return {"values": {"alias": self.alias, "number": self.number.body()}}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        return self.number.columns()


@dataclass(frozen=True, slots=True)
class Labels:
    """The label of the first condition that is true; rows of none have the last label, or are left out."""

    alias: str
    whens: tuple[tuple[Predicate, str], ...]
    otherwise: str | None = None

    def __post_init__(self) -> None:
        read_name(Place(self.alias, "key.alias"))
        if not 1 <= len(self.whens) <= MOST_LABELS:
            wrong("key.labels", f"1 to {MOST_LABELS} conditions")
        for condition, label in self.whens:
            check_condition(condition, "key.labels")
            Place(label, "key.label").text(LONGEST_LABEL)
        if self.otherwise is not None:
            Place(self.otherwise, "key.label").text(LONGEST_LABEL)
        unique(self.names(), "key.labels")

    def names(self) -> tuple[str, ...]:
        """The groups, in order."""
        return (*(label for _, label in self.whens), *(() if self.otherwise is None else (self.otherwise,)))

    def body(self) -> Object:
        """As JSON."""
        whens: list[Json] = [{"when": when.body(), "label": label} for when, label in self.whens]
        return {"labels": {"alias": self.alias, "whens": whens, "otherwise": self.otherwise}}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        for condition, _ in self.whens:
            yield from predicates.columns(condition)


@dataclass(frozen=True, slots=True)
class Unknown:
    """The values of a column without declared categories, as far as enough privacy units have them."""

    column: str

    def __post_init__(self) -> None:
        read_name(Place(self.column, "key.column"))

    @property
    def alias(self) -> str:
        """Its heading."""
        return self.column

    def body(self) -> Object:
        """As JSON."""
        return {"unknown": {"column": self.column}}

    def columns(self) -> Iterator[str]:
        """Every column that it looks at."""
        yield self.column


Derived = Bins | Values | Labels
GroupKey = str | Derived | Unknown


def heading(key: GroupKey) -> str:
    """The name of a key's column in the answer."""
    return key if isinstance(key, str) else key.alias


def columns(key: GroupKey) -> Iterator[str]:
    """Every column that a key looks at."""
    yield from (key,) if isinstance(key, str) else key.columns()


def check_sets(sets: Sets, keys: int) -> None:
    """Check grouping sets; raises Malformed.

    Args:
        sets: empty where rows are grouped by all keys at once.
        keys: how many there are.
    """
    if not sets:
        if keys > MOST_TOGETHER:
            wrong("plan.group_by", f"at most {MOST_TOGETHER} group keys")
        return
    if not 2 <= len(sets) <= MOST_SETS or keys > MOST_KEYS:
        wrong("plan.sets", f"2 to {MOST_SETS} grouping sets of at most {MOST_KEYS} keys")
    for each in sets:
        rising = all(low < high for low, high in pairwise(each)) and all(0 <= place < keys for place in each)
        if len(each) > MOST_TOGETHER or not rising:
            wrong("plan.sets", f"places of at most {MOST_TOGETHER} keys in each set, in their order")
    if len(set(sets)) < len(sets) or {place for each in sets for place in each} != {*range(keys)}:
        wrong("plan.sets", "each set once, and each key in one of them")


def read_sets(place: Place) -> Sets:
    """Read grouping sets as a plan has them; raises Malformed."""
    return tuple(tuple(key.integer(0, MOST_KEYS) for key in each.items()) for each in place.items(2))


def write_key(key: GroupKey) -> Json:
    """A key as JSON: the name of a column, or an object."""
    return key if isinstance(key, str) else key.body()


def read_key(place: Place) -> GroupKey:
    """Read what `write_key` wrote; raises Malformed."""
    if isinstance(place.value, str):
        return read_name(place)
    found = place.members((), tuple(_READ))
    if len(found) != 1:
        wrong(place.where, ", ".join(_READ))
    ((word, inner),) = found.items()
    return _READ[word](inner)


def _unknown(place: Place) -> GroupKey:
    return Unknown(read_name(place.members(("column",))["column"]))


def _bins(place: Place) -> Derived:
    found = place.members(("alias", "number", "width"))
    width = found["width"].decimal()
    if write_decimal(width) != found["width"].value:
        wrong(found["width"].where, "a decimal without zeros at its end")
    return Bins(read_name(found["alias"]), read_expression(found["number"]), width)


def _values(place: Place) -> Derived:
    found = place.members(("alias", "number"))
    return Values(read_name(found["alias"]), read_expression(found["number"]))


def _labels(place: Place) -> Derived:
    found = place.members(("alias", "whens", "otherwise"))
    whens = []
    for each in found["whens"].items(1):
        parts = each.members(("when", "label"))
        whens.append((read_condition(parts["when"].value, parts["when"].where), parts["label"].text(LONGEST_LABEL)))
    otherwise = found["otherwise"]
    rest = None if otherwise.value is None else otherwise.text(LONGEST_LABEL)
    return Labels(read_name(found["alias"]), tuple(whens), rest)


_READ: Mapping[str, Callable[[Place], GroupKey]] = {
    "bins": _bins,
    "values": _values,
    "labels": _labels,
    "unknown": _unknown,
}
