"""The making of a shape from a plan: every column looked up in the provider's signed schema, every measure with its
sensitivity, and what the answer is read from. Pure, and before any data is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hefu.canonical import Object
from hefu.errors import Malformed, Refused
from hefu_policies.goods.resource import NUMERIC, ROW, Column, Resource
from hefu_policies.reading import write_decimal

from hefu_connector.computing import expressions as e
from hefu_connector.computing import finding
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.groups import Bins, Derived, Labels, Sets, Unknown
from hefu_connector.computing.predicates import Compare, In, IsNull, Literal, Predicate, Relation, Term, literals, terms
from hefu_connector.computing.steps import Grid, Lowered, decimal, lower
from hefu_connector.engines import noise, quantiles, sensitivities
from hefu_connector.engines.shape import (
    PRESENT,
    ROWS,
    SQUARES,
    STEPS_HISTOGRAM,
    SUM,
    UNITS,
    Joined,
    Key,
    Measure,
    Sensitivity,
    Shape,
    sizes,
)

MOST_CELLS = 10_000
MOST_FOUND = 1_000  # rows of an answer whose groups are found in the data
MOST_VALUES = 50_000  # cells times headings: what one answer holds
MINIMUM_GROUP = "minimum_group"  # the name of the added count among the mechanisms
GROUPS = "groups"  # the name of the count that decides which unknown groups are told
MOST_CANDIDATES = 100  # values among which a quantile or a mode is sought
_COUNTS = Fraction(1)  # how much the square of an error counts, beside the square of what one unit moves
# The count of a mean: its error moves the mean by its distance from the centre; a third of the range's on the average.
_COUNT_OF_MEAN = Fraction(1, 3)
_COUNT_OF_MINIMUM = Fraction(1, 4)  # nobody reads it; it only decides what is withheld
# The choice of a quantile beside its counts: by the third root that splits ε it has a third of their share.
_COUNT_OF_CHOICE = Fraction(1, 27)
_LARGEST_SQUARE = Fraction(10**28)  # so that a variance is a number that the guard knows
_KEY_TYPES = ("text", "integer", "boolean", "date")
_DATED = ("date", "timestamp")


@dataclass(slots=True)
class Told:
    """Which answer a measure is for: its heading, its part there, such as ``centred-sum``, and how much it counts."""

    alias: str
    part: str
    counts: Fraction


@dataclass(slots=True)
class Draft:
    """A shape that is being made. Keys come before measures, since they say how many cells there are.

    Attributes:
        quantiles: the number of each quantile that the plan asks for.
        choosing: whether a quantile may be chosen for its rank.
    """

    resource: Resource
    columns: dict[str, str] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    answer: list[Object] = field(default_factory=list)
    quantiles: list[e.Expression] = field(default_factory=list)
    choosing: bool = False
    minimum: int | None = None
    sets: Sets = ()
    joined: Joined | None = None

    @property
    def unit(self) -> str | None:
        """The column of the privacy unit; None where each row is one."""
        return None if self.resource.privacy.unit == ROW else self.resource.privacy.unit

    @property
    def contribution(self) -> int:
        """Rows of one unit that are kept."""
        return 1 if self.unit is None else self.resource.privacy.max_contribution

    @property
    def cells(self) -> int:
        """How many groups the declared keys make."""
        return sum(sizes(self.keys, self._sets()))

    @property
    def chooses(self) -> bool:
        """Whether a quantile is chosen for its rank."""
        return any(each.which is not None for each in self.measures)

    @property
    def unknown(self) -> bool:
        """Whether the data says which groups there are."""
        return any(each.unknown for each in self.keys)

    def use(self, name: str) -> Column:
        """A column of the schema, which the worker will read."""
        column = self.resource.column(name)
        if column is None:
            raise Malformed("plan.unknown_column", column=name)
        self.columns[name] = column.type
        return column

    def add_plan(self, asked: Plan) -> None:
        """Check a plan's filter, and take up its groups: those of a histogram are behind all others."""
        if asked.filter is not None:
            self.check(asked.filter)
        for key in asked.group_by:
            if isinstance(key, str):
                self.add_categories(key)
            elif isinstance(key, Unknown):
                self.add_unknown(key)
            else:
                self.add_derived(key)
        for aggregate in asked.aggregates:
            if aggregate.function == "histogram":
                self.add_bins(aggregate)

    def look_at(self, number: e.Expression) -> None:
        """Look up what is only asked whether it is present; a column may be of any type."""
        if isinstance(number, e.Column):
            self.use(number.name)
        else:
            self.lowered(number)

    def lowered(self, number: e.Expression) -> Lowered:
        """An expression in whole numbers, its columns looked up and its conditions checked."""
        self._look_up(number)
        for condition in e.conditions(number):
            self.check(condition)
        return lower(number, self.grids)

    def check(self, condition: Predicate) -> None:
        """Check a condition against the schema; raises Malformed."""
        for term in terms(condition):
            if isinstance(term, Relation):
                self.lowered(e.Arithmetic("subtract", e.of(term.left), e.of(term.right)))
                continue
            check_term(term, self.use(term.column))

    def add_categories(self, name: str) -> None:
        """A key of a column's declared categories."""
        self._add(Key(categories(self.use(name)), name))

    def add_unknown(self, key: Unknown) -> None:
        """A key of a column's values, whatever they are."""
        column = self.use(key.column)
        if column.categories is not None or column.type not in finding.TYPES:
            raise Malformed("plan.no_unknown", column=key.column)
        if self.sets:
            raise Malformed("plan.unknown_sets", column=key.column)
        if key.column == self.unit:
            raise Malformed("plan.unit_key", column=key.column)
        self._add(Key((), key.column, unknown=True))

    def add_derived(self, key: Derived) -> None:
        """A key that is worked out from a row."""
        if isinstance(key, Labels):
            for condition, _ in key.whens:
                self.check(condition)
            self._add(Key(key.names(), conditions=tuple(condition for condition, _ in key.whens)))
            return
        lowered = self.lowered(key.number)
        edges = _even(lowered, key) if isinstance(key, Bins) else ()
        _check_cells(len(edges) - 1 if edges else lowered.most - lowered.least + 1)
        labels = bin_labels(edges, lowered.step, closed=False) if edges else _values(lowered)
        self._add(Key(tuple(labels), number=key.number, edges=edges))

    def add_bins(self, aggregate: Aggregate) -> None:
        """The key of a histogram: declared categories, even bins, or bins between given edges."""
        name = aggregate.column or ""
        if aggregate.bins is None and aggregate.edges is None:
            self.add_categories(name)
            return
        lowered = self.lowered(e.Column(name))
        edges = bin_edges(aggregate, self.grids[name], lowered.least, lowered.most)
        labels = bin_labels(edges, lowered.step, closed=True)
        self._add(Key(tuple(labels), number=e.Column(name), edges=edges))

    def rows(self, alias: str, counts: Fraction = _COUNTS) -> int:
        """A count of rows."""
        sensitivity = self._moved()
        return self._measure(Measure(ROWS, sensitivity), alias, counts=counts)

    def units(self, alias: str, counts: Fraction = _COUNTS) -> int:
        """A count of distinct privacy units; of rows where these are the units."""
        if self.contribution == 1:
            return self.rows(alias, counts)
        sensitivity = sensitivities.together([sensitivities.units(self.contribution, each) for each in self._reach()])
        return self._measure(Measure(UNITS, sensitivity), alias, counts=counts)

    def present(self, alias: str, number: e.Expression, part: str = "") -> int:
        """A count of values that are not absent; those of a column may be of any type."""
        self.look_at(number)
        sensitivity = self._moved()
        counts = _COUNT_OF_MEAN if part else _COUNTS
        return self._measure(Measure(PRESENT, sensitivity, number), alias, part, counts)

    def sum(self, alias: str, number: e.Expression, centre: int = 0, part: str = "") -> int:
        """A sum of distances from a centre, in steps."""
        found = self.lowered(number)
        most = sensitivities.farthest(found.least, found.most, centre)
        return self._measure(Measure(SUM, self._moved(most), number, centre), alias, part)

    def squares(self, alias: str, number: e.Expression, centre: int, part: str) -> int:
        """A sum of squared distances from a centre, less the middle of what a square can be."""
        found = self.lowered(number)
        farthest = sensitivities.farthest(found.least, found.most, centre)
        if farthest**2 >= 2**53 or (farthest * found.step) ** 2 >= _LARGEST_SQUARE:
            raise Malformed("plan.overflow")
        less, most = sensitivities.square_middle(found.least, found.most, centre)
        return self._measure(Measure(SQUARES, self._moved(most), number, centre, less), alias, part)

    def candidates(self, alias: str, number: e.Expression, *, every: bool) -> int:
        """Counts over a public grid of candidates.

        Args:
            every: each value is a candidate of its own, or there are too many; else as many even bins as are useful.
        """
        found = self.lowered(number)
        span = found.most - found.least + 1
        if every and span > MOST_CANDIDATES:
            raise Malformed("plan.too_many_values", limit=MOST_CANDIDATES)
        edges = _candidates(found)
        made = Measure(STEPS_HISTOGRAM, self._moved(bins=len(edges) - 1), number, edges=edges)
        return self._measure(made, alias)

    def quantile(self, alias: str, number: e.Expression, which: Fraction, *, alone: bool) -> list[int]:
        """Counts over a grid of candidates; and where that is nearer the truth, one of them chosen for its rank.

        Args:
            alone: no other quantile of the same number is asked, which the counts would answer at no cost.
        """
        found, counts = self.lowered(number), self.candidates(alias, number, every=False)
        edges = _candidates(found)
        if not (self.choosing and alone) or not quantiles.is_chosen(which, len(edges) - 1):
            return [counts]
        moved = sensitivities.together([sensitivities.ranks(self.contribution, each, which) for each in self._reach()])
        made = Measure(STEPS_HISTOGRAM, moved, number, edges=edges, which=which)
        return [counts, self._measure(made, alias, counts=_COUNT_OF_CHOICE)]

    def choice(self, alias: str, column: Column) -> int:
        """The most frequent of a column's categories, and nothing else."""
        if len(categories(column)) > e.MOST_WHENS:
            raise Malformed("plan.too_many_values", limit=e.MOST_WHENS)
        whens = tuple(
            e.When(Compare(column.name, "=", Literal(column.type, label)), e.Number(Decimal(place)))
            for place, label in enumerate(categories(column))
        )
        edges = tuple(range(len(whens) + 1))
        moved = self._moved(bins=len(whens))
        return self._measure(Measure(STEPS_HISTOGRAM, moved, e.Case(whens), edges=edges, chosen=True), alias)

    def add_minimum(self) -> None:
        """A count of units in each group, so that small groups can be withheld; paid for like any other."""
        self.minimum = self.units(MINIMUM_GROUP, _COUNT_OF_MINIMUM)

    def add_groups(self) -> int:
        """A count of units in each group, which decides whether an unknown one is told."""
        return self.units(GROUPS)

    def asked(self) -> Iterator[noise.Asked]:
        """What is to be priced: each measure, by how much its error counts beside what one unit can move."""
        for measure, told in zip(self.measures, self.told, strict=True):
            weight = told.counts / measure.sensitivity.l1**2
            yield noise.Asked(measure.sensitivity, weight, measure.chosen, measure.which is not None)

    def shape(self, plan: Plan) -> Shape:
        """What was drafted."""
        if self.unit is not None:
            self.use(self.unit)
        return Shape(
            columns=self.columns,
            unit=self.unit,
            max_contribution=self.contribution,
            filter=plan.filter,
            grids=self.grids,
            keys=tuple(self.keys),
            measures=tuple(self.measures),
            sets=self.sets,
            joined=self.joined and replace(self.joined, columns=self.joined.columns & self.columns.keys()),
        )

    def _look_up(self, number: e.Expression) -> None:
        if isinstance(number, e.Column):
            column = self.use(number.name)
            if column.type not in NUMERIC or column.bounds is None:
                raise Malformed("plan.no_bounds", column=number.name)
            bounds = column.bounds
            self.grids[number.name] = Grid(bounds.lower, bounds.upper, bounds.granularity)
        if isinstance(number, e.Part):
            found = self.use(number.column).type
            if found not in _DATED[1 if number.part == "hour" else 0 :]:
                raise Malformed("plan.no_part", column=number.column, part=number.part)
        for part in number.parts():
            self._look_up(part)

    def _add(self, key: Key) -> None:
        self.keys.append(key)
        _check_cells(self.cells)

    def _measure(self, made: Measure, alias: str, part: str = "", counts: Fraction = _COUNTS) -> int:
        """The place of a measure; the same one is not paid twice, but counts for each answer that it is for."""
        if made not in self.measures:
            self.measures.append(made)
            self.told.append(Told(alias, part, Fraction(0)))
        index = self.measures.index(made)
        self.told[index].counts += counts
        return index

    def _moved(self, most: int = 1, bins: int = 1) -> Sensitivity:
        """Of a sum over rows of whole numbers of at most this magnitude."""
        rows = (sensitivities.rows(self.contribution, each * bins, most) for each in self._reach())
        return sensitivities.together([*rows])

    def _reach(self) -> list[int]:
        """Groups of each grouping set among which one unit's rows may lie, as far as it matters.

        Where groups are found there may be any number, and each row of a unit in one of its own.
        """
        return [self.contribution] if self.unknown else sizes(self.keys, self.sets)

    def _sets(self) -> Sets:
        """The grouping sets of the keys that are added already."""
        return tuple(tuple(place for place in each if place < len(self.keys)) for each in self.sets)


def _candidates(found: Lowered) -> tuple[int, ...]:
    """The edges of as many even bins as are useful."""
    span = found.most - found.least + 1
    bins = min(span, MOST_CANDIDATES)
    return tuple(found.least + span * index // bins for index in range(bins + 1))


def _check_cells(cells: int) -> None:
    if cells > MOST_CELLS:
        raise Refused("plan.too_many_groups", limit=MOST_CELLS)


def _even(lowered: Lowered, key: Bins) -> tuple[int, ...]:
    """Edges from multiple to multiple of the width, around all that the number can be."""
    width = Fraction(key.width) / lowered.step
    if width.denominator != 1:
        raise Malformed("plan.width", step=write_decimal(decimal(lowered.step)))
    first, end = lowered.least // width.numerator, lowered.most // width.numerator + 1
    _check_cells(end - first)
    return tuple(place * width.numerator for place in range(first, end + 1))


def check_term(term: Term, column: Column) -> None:
    """Check a comparison of a column with constants; raises Malformed."""
    for literal in literals(term):
        allowed = NUMERIC if column.type in NUMERIC else (column.type,)
        if literal.type not in allowed:
            raise Malformed("plan.type_mismatch", column=column.name, type=column.type, found=literal.type)
    equality = isinstance(term, Compare) and term.operator in ("=", "!=")
    if column.type == "boolean" and not (equality or isinstance(term, In | IsNull)):
        raise Malformed("plan.boolean_order", column=column.name)


def categories(column: Column) -> tuple[str, ...]:
    """The declared values by which a column may be grouped; raises Malformed where it has none."""
    if column.categories is None or column.type not in _KEY_TYPES:
        raise Malformed("plan.no_categories", column=column.name)
    return column.categories


def bin_edges(aggregate: Aggregate, grid: Grid, least: int, most: int) -> tuple[int, ...]:
    """A histogram's edges in steps of the grid, the provider's, so that a bin never splits a step.

    Args:
        least, most: between which even bins lie, in steps.
    """
    if aggregate.edges is not None:
        inside = all(grid.lower <= edge <= grid.upper and edge % grid.granularity == 0 for edge in aggregate.edges)
        if not inside:
            raise Malformed("plan.edges", column=aggregate.column or "")
        return tuple(int(edge / grid.granularity) for edge in aggregate.edges)
    bins, span = aggregate.bins or 1, most - least
    if bins > span:
        raise Malformed("plan.bins", column=aggregate.column or "", limit=span)
    return tuple(least + span * index // bins for index in range(bins + 1))


def bin_labels(edges: tuple[int, ...], step: Fraction, *, closed: bool) -> list[str]:
    """How bins are written; where `closed`, the last one holds its upper edge too."""
    texts = [write_decimal(decimal(edge * step)) for edge in edges]
    labels = [f"[{low},{high})" for low, high in pairwise(texts)]
    if closed:
        labels[-1] = labels[-1][:-1] + "]"
    return labels


def _values(lowered: Lowered) -> list[str]:
    return [write_decimal(decimal(each * lowered.step)) for each in range(lowered.least, lowered.most + 1)]
