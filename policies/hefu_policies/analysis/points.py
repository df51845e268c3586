"""Values that stand for all others: of what a policy says about one fact, finitely many cases can be told apart.

For the constraints on one operand the possible facts fall into cells in which none of the constraints changes its
mind. `points` gives at least one value of each cell, as a fact looks, so that the very closures which decide
(`hefu_policies.deciding.comparisons`) can be asked about it: the analysis cannot read an operator otherwise
than the decision.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

from hefu_policies.deciding.policy import Constraint, Value
from hefu_policies.words.terms import Kind, Operand, Vocabulary

MOST_CELLS = 4096
_EXACT = Context(prec=200)
_SECOND = timedelta(seconds=1)
_MONDAY = datetime(2026, 11, 23, tzinfo=UTC)  # any week will do: windows recur every week


class TooLarge(Exception):
    """There are more cases than it is reasonable to walk through; the question stays open."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value for its cell, and how far the cell reaches where values are ordered.

    Attributes:
        low: the lower end, None where there is none; ``high`` likewise.
        attained: whether the ends belong to the cell (in the open gap between two limits they do not).
    """

    value: object
    low: Any = None
    high: Any = None
    attained: bool = True


def points(operand: Operand, leaves: Sequence[Constraint], vocabulary: Vocabulary) -> list[Point]:
    """At least one point in every cell that the constraints on an operand make.

    Raises:
        TooLarge: there are too many cells.
    """
    values = list(dict.fromkeys(value for leaf in leaves for value in leaf.values))
    if operand.kind in _ORDERED:
        return list(_line(sorted(values, key=_as_number), _ORDERED[operand.kind]))
    if operand.kind is Kind.LEVEL:
        return [Point(word, word, word) for word in operand.levels]
    if operand.kind in _SETS:
        return [Point(each) for each in _subsets(leaves, _SETS[operand.kind])]
    return [Point(each) for each in _singles(operand, values, vocabulary)]


def _as_number(value: Any) -> Any:
    return value


Step = Callable[[Any, Any], Any]  # (lower neighbour or None, upper neighbour or None) -> a value between, or None


def _line(values: list[Any], between: Step) -> Iterator[Point]:
    """Each limit, and a value in each gap between two of them, below the first and above the last."""
    ends = [None, *values, None]
    for low, high in itertools.pairwise(ends):
        if low is not None:
            yield Point(low, low, low)
        inside = between(low, high)
        if inside is not None:
            whole = not isinstance(inside, Decimal)  # times and durations count in whole seconds
            yield Point(inside, _after(low) if whole else low, _before(high) if whole else high, whole)


def _after(low: Any) -> Any:
    return low if low is None else low + (1 if isinstance(low, int) else _SECOND)


def _before(high: Any) -> Any:
    return high if high is None else high - (1 if isinstance(high, int) else _SECOND)


def _decimals(low: Decimal | None, high: Decimal | None) -> Decimal | None:
    if high is None:
        return Decimal(0) if low is None else _EXACT.add(low, Decimal(1))
    floor = Decimal(0) if low is None else low
    if low is None and high > 0:
        return Decimal(0)
    return _EXACT.divide(_EXACT.add(floor, high), Decimal(2)) if floor < high else None


def _integers(low: int | None, high: int | None) -> int | None:
    if high is None:
        return 0 if low is None else low + 1
    inside = 0 if low is None else low + 1
    return inside if inside < high else None


def _times(low: datetime | None, high: datetime | None) -> datetime | None:
    if low is None:
        return _MONDAY if high is None else high - _SECOND
    if high is None:
        return low + _SECOND
    return low + _SECOND if low + _SECOND < high else None


def _durations(low: timedelta | None, high: timedelta | None) -> timedelta | None:
    if high is None:
        return timedelta(0) if low is None else low + _SECOND
    inside = timedelta(0) if low is None else low + _SECOND
    return inside if inside < high else None


_ORDERED: dict[Kind, Step] = {
    Kind.DECIMAL: _decimals,
    Kind.INTEGER: _integers,
    Kind.TIME: _times,
    Kind.DURATION: _durations,
}
_SETS: dict[Kind, str] = {
    Kind.NAMES: "any_other",
    Kind.PARTIES: "any-other",
    Kind.CLAIM: "AnyOther.claim=value",
}


def _subsets(leaves: Sequence[Constraint], other: str) -> Iterator[frozenset[str]]:
    """Sets of every kind that the leaves can tell apart.

    Elements that stand in the same constraints are alike; of each such class a set may have none, some or all.
    """
    lists = [frozenset(map(str, leaf.values)) for leaf in leaves]
    classes: dict[tuple[bool, ...], list[str]] = {}
    for name in sorted(frozenset().union(*lists)):
        classes.setdefault(tuple(name in each for each in lists), []).append(name)
    choices = [[*dict.fromkeys(((), tuple(names[:1]), tuple(names)))] for names in classes.values()]
    choices.append([(), (_unlike(other, frozenset().union(*lists)),)])
    count = 1
    for each in choices:
        count *= len(each)
    if count > MOST_CELLS:
        raise TooLarge
    for chosen in itertools.product(*choices):
        yield frozenset(itertools.chain.from_iterable(chosen))


def _singles(operand: Operand, values: list[Value], vocabulary: Vocabulary) -> list[object]:
    match operand.kind:
        case Kind.CONCEPT:
            return [*sorted(operand.words)]
        case Kind.BOOLEAN:
            return [True, False]
        case Kind.PURPOSE:
            return [*vocabulary.taxonomies[operand.taxonomy]]
        case Kind.REGION | Kind.INDUSTRY:
            return [*dict.fromkeys(_prefixes(list(map(str, values)), operand.kind))]
        case Kind.ADDRESS:
            return [*dict.fromkeys(_addresses(list(map(str, values))))]
        case Kind.WINDOW:
            return [*_moments(list(map(str, values)))]
        case Kind.DIGEST:
            others = ("sha256:" + digit * 64 for digit in "0123456789abcdef")
            return [*values, next(each for each in others if each not in values)]
    other = "any-other" if operand.kind is Kind.PARTY else "urn:hefu:any-other"
    return [*values, _unlike(other, frozenset(map(str, values)))]


def _unlike(name: str, taken: frozenset[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _prefixes(values: list[str], kind: Kind) -> Iterator[str]:
    """Each code, what is broader, something narrower that nobody named, and something else altogether."""
    for value in values:
        yield value
        yield from (value[:end].rstrip("-") for end in range(1, len(value)))
        for digits in range(99, 0, -1):
            child = f"{value}-{digits:02}" if kind is Kind.REGION and "-" not in value else f"{value}{digits:02}"
            if not any(each.startswith(child) for each in values):
                yield child
                break
    yield from ("ZZ", "QQ", "AQ") if kind is Kind.REGION else ("T", "S", "Z")


def _addresses(values: list[str]) -> Iterator[str]:
    """The ends of every network and their neighbours; hosts by name; one that nobody named."""
    for value in values:
        yield value
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            continue
        first, last = int(network.network_address), int(network.broadcast_address)
        most = (1 << network.max_prefixlen) - 1
        kind = type(network.network_address)
        yield from (str(kind(each)) for each in (first - 1, first, last, last + 1) if 0 <= each <= most)
    yield from ("any-other.example", "192.0.2.1", "2001:db8::1")


_CLOCK = re.compile(r"([0-9]{2}):([0-9]{2})")


def _moments(values: list[str]) -> Iterator[datetime]:
    """Every day of a week at every time and in every offset that a window names, and a second to each side."""
    offsets = {timedelta(0)}
    times = {timedelta(0)}
    for value in values:
        *clocks, last = [timedelta(hours=int(hour), minutes=int(minute)) for hour, minute in _CLOCK.findall(value)]
        if value.endswith("Z"):
            clocks.append(last)
        else:
            offsets.add(-last if "+" in value else last)
        times.update(clocks)
    for day in range(7):
        for time, offset in itertools.product(sorted(times), sorted(offsets)):
            for aside in (-_SECOND, timedelta(0), _SECOND):
                yield _MONDAY + timedelta(days=day) + time + offset + aside


Truths = tuple[bool | None, ...]


def distinct(found: Iterable[tuple[Point, Truths]], ordered: bool) -> list[tuple[Point, Truths]]:
    """One point a cell; where values are ordered all stay, because their ends matter."""
    if ordered:
        return list(found)
    kept: dict[Truths, Point] = {}
    for point, truths in found:
        kept.setdefault(truths, point)
    return [(point, truths) for truths, point in kept.items()]


def is_ordered(operand: Operand) -> bool:
    """Whether facts of it lie on a line."""
    return operand.kind in _ORDERED or operand.kind is Kind.LEVEL
