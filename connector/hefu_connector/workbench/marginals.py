"""What a synthetic sample is made from: counts of each column, and of some pairs of columns, asked in one question.

Everything here is public and decided before data is touched: a column's groups are its declared categories, or even
bins between its declared bounds, with one more where the column may be absent; columns with neither are left out. The
question is an ordinary one of private statistics with grouping sets: one charge, one receipt.

Pairs are named by whoever asks. By default they follow a public rule: all columns are joined by the pairs that have
the fewest groups, as far as none has too many (the least spanning tree of Kruskal 1956). A tree keeps inference exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, pairwise
from math import prod

from hefu import canonical
from hefu.errors import Malformed
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.resource import NUMERIC, Bounds, Column, Resource
from hefu_policies.reading import write_decimal

from hefu_connector.computing import groups
from hefu_connector.computing.computation import LARGEST_PLAN, Aggregate, Plan
from hefu_connector.computing.groups import GroupKey, Labels
from hefu_connector.computing.predicates import Compare, IsNull, Literal, Not, Predicate
from hefu_connector.engines.drafting import MOST_CELLS, MOST_VALUES, categories

ABSENT = "(absent)"
COUNT = "n"
BINS = 10
MOST_BINS = groups.MOST_LABELS - 1
_MOST_OF_A_PAIR = 400  # groups of a pair that is not asked for by name
_MOST_TOGETHER = 10**6  # numbers that inference may have to hold for columns that hang together
Value = str | tuple[int, int] | None  # a category; the first step of a bin and the first behind it; absent


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column as it is counted and drawn.

    Attributes:
        key: by which rows are grouped.
        values: what each group stands for, in the order of the answer.
    """

    column: Column
    key: GroupKey
    values: tuple[Value, ...]

    @property
    def size(self) -> int:
        """How many groups."""
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Marginals:
    """What is counted.

    Attributes:
        sets: places among the attributes: each alone, then the pairs.
        left_out: columns of which the schema says too little to count them.
    """

    attributes: tuple[Attribute, ...]
    sets: groups.Sets
    left_out: tuple[str, ...]

    @property
    def cells(self) -> int:
        """How many groups there are in all."""
        return sum(_groups(self.attributes, each) for each in self.sets)

    def plan(self, product: str, resource: str, loss: PrivacyLoss) -> Plan:
        """The question; raises Malformed where it is larger than any query."""
        keys = tuple(each.key for each in self.attributes)
        sets = self.sets if len(self.sets) > 1 else ()
        plan = Plan(product, (Aggregate("count", COUNT),), loss, None, keys, resource, sets)
        return Plan.of(plan.body())

    def asked(self, plan: bytes) -> bool:
        """Whether a plan that was sent asked for this."""
        sent = canonical.decode_object(plan, LARGEST_PLAN)
        try:
            found = Plan.of(sent)
        except Malformed:
            return False
        return self.plan(found.product, found.resource, found.loss) == found


def marginals(
    resource: Resource,
    pairs: Sequence[tuple[str, str]] | None = None,
    columns: Sequence[str] = (),
    bins: int | None = None,
) -> Marginals:
    """What to count of a resource.

    Args:
        pairs: of columns; by the public rule where absent, and none where empty.
        columns: to count; all that can be where empty.
        bins: into which a number's range is cut, at most; where absent, 10, or fewer if an answer could not hold them.

    Raises:
        Malformed: no such column, or one that cannot be counted; pairs that hang together too closely.
    """
    if bins is not None and not 1 <= bins <= MOST_BINS:
        raise Malformed("sample.bins", most=MOST_BINS)
    for name in columns:
        if resource.column(name) is None:
            raise Malformed("plan.unknown_column", column=name[:64])
    wanted = [each for each in resource.schema if not columns or each.name in columns]
    countable = [each for each in wanted if each.name != resource.privacy.unit and (each.categories or each.bounds)]
    lost = tuple(each.name for each in wanted if each not in countable)
    if not countable or len(countable) > groups.MOST_KEYS or (columns and lost):
        raise Malformed("sample.columns", most=groups.MOST_KEYS, columns=", ".join(lost) or "-")
    left_out = tuple(each.name for each in resource.schema if each not in countable)
    for tried in (bins,) if bins is not None else range(BINS, 1, -1):
        attributes = tuple(_attribute(each, tried) for each in countable)
        chosen = _tree(attributes) if pairs is None else _named(attributes, pairs)
        found = Marginals(attributes, (*((place,) for place in range(len(attributes))), *chosen), left_out)
        if found.cells * (len(attributes) + 1) <= MOST_VALUES and found.cells <= MOST_CELLS:
            break
    return found  # what is still too much is refused with the reason when it is priced


def _attribute(column: Column, bins: int) -> Attribute:
    if column.categories is not None:
        return _category(column)
    assert column.bounds is not None  # noqa: S101 - others are left out
    return _number(column, column.bounds, bins)


def _category(column: Column) -> Attribute:
    """By declared categories; with one group more where values may be absent, as far as labels can say it."""
    names = categories(column)
    fit = len(names) < groups.MOST_LABELS and all(0 < len(each) <= groups.LONGEST_LABEL for each in names)
    if not column.nullable or not fit or ABSENT in names:
        return Attribute(column, column.name, names)
    whens = [(_absent(column), ABSENT), *((_is(column, "=", each), each) for each in names)]
    return Attribute(column, Labels(column.name, tuple(whens)), (None, *names))


def _number(column: Column, bounds: Bounds, bins: int) -> Attribute:
    """By even bins of whole steps. Values beyond the bounds fall into the bins at the ends."""
    least, most = int(bounds.lower / bounds.granularity), int(bounds.upper / bounds.granularity)
    span = most - least + 1
    count = min(span, bins)
    edges = [least + span * index // count for index in range(count + 1)]
    whens: list[tuple[Predicate, str]] = [(_absent(column), ABSENT)] if column.nullable else []
    for low, end in pairwise(edges[:-1]):
        whens.append((_is(column, "<", _told(end, bounds)), f"[{_told(low, bounds)},{_told(end, bounds)})"))
    last = f"[{_told(edges[-2], bounds)},{_told(most, bounds)}]"
    # Not what is left over: an absent value would be counted with it.
    whens.append((_is(column, ">=", _told(edges[-2], bounds)) if count > 1 else Not(_absent(column)), last))
    values = tuple(pairwise(edges))
    return Attribute(column, Labels(column.name, tuple(whens)), (*((None,) if column.nullable else ()), *values))


def _told(step: int, bounds: Bounds) -> str:
    return write_decimal(step * bounds.granularity)


def _absent(column: Column) -> Predicate:
    return IsNull(column.name)


def _is(column: Column, operator: str, text: str) -> Predicate:
    kind = ("decimal" if Decimal(text) % 1 else "integer") if column.type in NUMERIC else column.type
    return Compare(column.name, operator, Literal(kind, text))


def _tree(attributes: Sequence[Attribute]) -> list[tuple[int, int]]:
    """The pairs of fewest groups that join all columns without a ring; of equal ones the first of the schema."""
    places = range(len(attributes))
    home = [*places]
    found = []
    for low, high in sorted(combinations(places, 2), key=lambda pair: (_groups(attributes, pair), pair)):
        if home[low] != home[high] and _groups(attributes, (low, high)) <= _MOST_OF_A_PAIR:
            found.append((low, high))
            old, new = home[high], home[low]
            home = [new if each == old else each for each in home]
    return sorted(found)


def _named(attributes: Sequence[Attribute], pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    names = [each.column.name for each in attributes]
    found = []
    for one, other in pairs:
        if one not in names or other not in names or one == other:
            raise Malformed("sample.pair", pair=f"{one},{other}"[:130])
        found.append((min(names.index(one), names.index(other)), max(names.index(one), names.index(other))))
    chosen = sorted(set(found))
    if len(chosen) + len(names) > groups.MOST_SETS or _largest(attributes, chosen) > _MOST_TOGETHER:
        raise Malformed("sample.pairs", most=groups.MOST_SETS - len(names))
    return chosen


def _largest(attributes: Sequence[Attribute], pairs: Sequence[tuple[int, int]]) -> int:
    """How many numbers inference has to hold at most for columns that hang together: columns are taken away one by
    one, the one with the smallest neighbourhood first, and its neighbours joined (Rose 1970, elimination)."""
    near = {place: {place} for place in range(len(attributes))}
    for low, high in pairs:
        near[low].add(high)
        near[high].add(low)
    largest = 0
    while near:
        place = min(near, key=lambda each: _groups(attributes, near[each]))
        together = near.pop(place)
        largest = max(largest, _groups(attributes, together))
        for each in together - {place}:
            near[each] = (near[each] | together) - {place}
    return largest


def _groups(attributes: Sequence[Attribute], places: Iterator[int] | Sequence[int] | set[int]) -> int:
    return prod(attributes[place].size for place in places)
