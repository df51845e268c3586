"""Private statistics: what a plan costs and means, decided from the provider's public schema before data is touched.

`Statistics.prepare` and `Statistics.read` run in the connector's own process and are pure; between them a worker
counts and adds noise (`hefu_connector.engines.counting`). The whole guarantee is ε-differential privacy for adding or
removing one privacy unit, by noise on integers: discrete Laplace for a pure ε, discrete Gaussian for a ρ, and of the
two the better for (ε, δ), in which case the guarantee is (ε, δ) or ρ (`hefu_connector.engines.noise.pricing`):

* every release reads at most `max_contribution` rows of a unit, so the L1 sensitivity over all groups together is
  that many times the most one row can add, and one group can move by all of it;
* groups are the provider's declared categories; undeclared ones are dropped, absent ones are answered with noise;
* the loss is split over the noised measures, in whole 10⁻⁹, so that the error of what was asked is least, where an
  error counts beside what one unit can move; a mean takes two (centred sum and count).

What is undefined elsewhere is defined here: an absent, non-finite or unreadable value adds nothing to a sum and is
not present; a row without a unit is left out; values beyond their bounds are moved to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import prod

from hefu.canonical import Object
from hefu.errors import Malformed, Refused
from hefu_policies.budget import Charge
from hefu_policies.reading import write_decimal
from hefu_policies.resource import NUMERIC, ROW, Column, Resource

from hefu_connector.computing import expressions
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.predicates import Compare, In, IsNull, Relation, literals, terms
from hefu_connector.computing.steps import Grid
from hefu_connector.engines import answers, noise
from hefu_connector.engines.shape import PRESENT, ROWS, SUM, UNITS, Key, Measure, Sensitivity, Shape
from hefu_connector.ports import Mechanism, Prepared, Values

MOST_CELLS = 10_000
MOST_VALUES = 50_000  # cells times headings: what one answer holds
MINIMUM_GROUP = "minimum_group"  # the name of the added count among the mechanisms
_PROTOCOL = {noise.DISCRETE_LAPLACE: "DiscreteLaplace", noise.DISCRETE_GAUSSIAN: "DiscreteGaussian"}
_KEY_TYPES = ("text", "integer", "boolean", "date")


class Statistics:
    """Counts, sums, means and histograms with discrete Laplace noise. An `Engine`."""

    name = "statistics"
    version = "1"
    action = "hefu:dpQuery"
    environment = "Sandbox"
    encryption = "PlainText"

    def prepare(
        self, plan: Object, resource: Resource, minimum_group: int | None, rounding: Decimal | None = None
    ) -> Prepared:
        """Validate a plan anew against the provider's schema and price it. Pure.

        Args:
            minimum_group: the least number of privacy units in a group that may be told; judged on a noised count,
                which is added to what is charged unless the plan asks for one that serves.

        Raises:
            Malformed: the plan is not of the typed form or does not fit the schema.
            Refused: it asks for what is never answered: no noise, too many groups, another mechanism.
        """
        asked = Plan.of(plan)
        draft = _Draft(resource, minimum_group)
        _check_filter(asked, draft)
        for name in asked.group_by:
            draft.add_category_key(name)
        for aggregate in asked.aggregates:
            _ADD[aggregate.function](draft, aggregate)
        if minimum_group is not None:
            draft.add_minimum()
        return draft.finish(asked)

    def read(self, output: Object, prepared: Prepared) -> Values:
        """The values in what a worker returned. Pure post-processing of noised whole numbers.

        Raises:
            Untrusted: the output has another shape than was prepared.
        """
        return answers.read(output, prepared)


_COUNTS = Fraction(1)  # how much the square of an error counts, beside the square of what one unit moves
# The count of a mean: its error moves the mean by its distance from the centre; a third of the range's on the average.
_COUNT_OF_MEAN = Fraction(1, 3)
_COUNT_OF_MINIMUM = Fraction(1, 4)  # nobody reads it; it only decides what is withheld


@dataclass(slots=True)
class _Told:
    """Which answer a measure is for: its heading, and of a mean ``centred-sum`` or ``count``; how much it counts."""

    alias: str
    part: str
    counts: Fraction


@dataclass(slots=True)
class _Draft:
    resource: Resource
    minimum_group: int | None
    columns: dict[str, str] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    told: list[_Told] = field(default_factory=list)
    answer: list[Object] = field(default_factory=list)
    minimum: int | None = None

    @property
    def unit(self) -> str | None:
        return None if self.resource.privacy.unit == ROW else self.resource.privacy.unit

    @property
    def contribution(self) -> int:
        return 1 if self.unit is None else self.resource.privacy.max_contribution

    @property
    def cells(self) -> int:
        return prod(each.size for each in self.keys)

    def use(self, name: str) -> Column:
        column = self.resource.column(name)
        if column is None:
            raise Malformed("plan.unknown_column", column=name)
        self.columns[name] = column.type
        return column

    def grid(self, name: str) -> Grid:
        column = self.use(name)
        if column.type not in NUMERIC or column.bounds is None:
            raise Malformed("plan.no_bounds", column=name)
        bounds = column.bounds
        grid = Grid(bounds.lower, bounds.upper, bounds.granularity)
        self.grids[name] = grid
        return grid

    def add_category_key(self, name: str) -> None:
        column = self.use(name)
        if column.categories is None or column.type not in _KEY_TYPES:
            raise Malformed("plan.no_categories", column=name)
        self.keys.append(Key(column.categories, name))

    def measure(
        self,
        kind: str,
        alias: str,
        sensitivity: Sensitivity,
        column: str = "",
        centre: int = 0,
        part: str = "",
        counts: Fraction = _COUNTS,
    ) -> int:
        """The place of a measure; the same one is not paid twice, but counts for each answer that it is for."""
        made = Measure(kind, sensitivity, expressions.Column(column) if column else None, centre)
        if made not in self.measures:
            self.measures.append(made)
            self.told.append(_Told(alias, part, Fraction(0)))
        index = self.measures.index(made)
        self.told[index].counts += counts
        return index

    def moved(self, most: int, column: str = "") -> Sensitivity:
        """The sensitivity of a sum over rows, where one row moves it by at most so much.

        A unit has at most `contribution` rows, each in one cell.
        """
        if most < 1:
            raise Malformed("plan.no_bounds", column=column)
        rows = self.contribution
        return Sensitivity(min(rows, self.cells), rows * most, rows * most)

    def add_minimum(self) -> None:
        if self.contribution == 1:  # rows are units
            self.minimum = self.measure(ROWS, MINIMUM_GROUP, self.moved(1), counts=_COUNT_OF_MINIMUM)
        else:
            # One unit stands in at most as many groups as it has rows, once in each.
            cells = min(self.contribution, self.cells)
            moved = Sensitivity(cells, 1, cells)
            self.minimum = self.measure(UNITS, MINIMUM_GROUP, moved, counts=_COUNT_OF_MINIMUM)

    def finish(self, plan: Plan) -> Prepared:
        headings = plan.headings()
        if self.cells > MOST_CELLS or self.cells * len(headings) > MOST_VALUES:
            raise Refused("plan.too_many_groups", limit=min(MOST_CELLS, MOST_VALUES // len(headings)))
        if self.unit is not None:
            self.use(self.unit)
        bill = noise.price([*self._asked()], plan.loss)
        histogram = plan.aggregates[0].function == "histogram"
        return Prepared(
            parameters=self._parameters(plan, bill.noises),
            charge=Charge(bill.loss),
            columns=plan.columns(),
            reads=frozenset(self.columns),
            functions=frozenset(each.function for each in plan.aggregates),
            kind="Histogram" if histogram else "NoisyAggregate",
            cells=self.cells,
            headings=headings,
            mechanisms=tuple(self._mechanisms(bill.noises)),
            max_contribution=self.contribution,
            keys=len(self.keys),
            minimum_group=self.minimum_group,
            protocol=_PROTOCOL[bill.noises[0].mechanism],
        )

    def _asked(self) -> Iterator[noise.Asked]:
        for measure, told in zip(self.measures, self.told, strict=True):
            yield noise.Asked(measure.sensitivity, told.counts / measure.sensitivity.l1**2)

    def _parameters(self, plan: Plan, noises: Sequence[noise.Noise]) -> Object:
        shape = Shape(
            columns=self.columns,
            unit=self.unit,
            max_contribution=self.contribution,
            filter=plan.filter,
            grids=self.grids,
            keys=tuple(self.keys),
            measures=tuple(self.measures),
        )
        return {
            "shape": shape.body(),
            "noise": [each.body() for each in noises],
            "answer": [*self.answer],
            "minimum": self.minimum,
        }

    def _mechanisms(self, noises: Sequence[noise.Noise]) -> Iterator[Mechanism]:
        for measure, each, its in zip(self.measures, self.told, noises, strict=True):
            step = answers.step_of(measure, self.grids)
            laplace = its.mechanism == noise.DISCRETE_LAPLACE
            yield Mechanism(
                column=each.alias,
                mechanism=f"{its.mechanism}:{each.part}" if each.part else its.mechanism,
                scale=answers.scaled(its.scale, step),
                half_width="" if each.part else write_decimal(Decimal(its.half_width() * step)),
                epsilon_nano=its.share_nano if laplace else 0,
                rho_nano=0 if laplace else its.share_nano,
            )


def _add_count(draft: _Draft, aggregate: Aggregate) -> None:
    if aggregate.column is None:
        index = draft.measure(ROWS, aggregate.alias, draft.moved(1))
    else:
        draft.use(aggregate.column)
        index = draft.measure(PRESENT, aggregate.alias, draft.moved(1), aggregate.column)
    draft.answer.append({"function": "count", "alias": aggregate.alias, "measures": [index]})


def _add_sum(draft: _Draft, aggregate: Aggregate) -> None:
    name = aggregate.column or ""
    grid = draft.grid(name)
    index = draft.measure(SUM, aggregate.alias, draft.moved(max(abs(grid.least), abs(grid.most)), name), name)
    draft.answer.append({"function": "sum", "alias": aggregate.alias, "measures": [index]})


def _add_mean(draft: _Draft, aggregate: Aggregate) -> None:
    # A sum of distances from the middle of the bounds has half the sensitivity or less.
    name = aggregate.column or ""
    grid = draft.grid(name)
    centre = (grid.least + grid.most) // 2
    moved = draft.moved(max(grid.most - centre, centre - grid.least), name)
    measures = [
        draft.measure(SUM, aggregate.alias, moved, name, centre, "centred-sum"),
        draft.measure(PRESENT, aggregate.alias, draft.moved(1), name, part="count", counts=_COUNT_OF_MEAN),
    ]
    draft.answer.append({"function": "mean", "alias": aggregate.alias, "measures": [*measures]})


def _add_histogram(draft: _Draft, aggregate: Aggregate) -> None:
    name = aggregate.column or ""
    if aggregate.bins is None and aggregate.edges is None:
        draft.add_category_key(name)
    else:
        edges = _edges(draft.grid(name), aggregate)
        step = draft.grids[name].granularity
        texts = [write_decimal(edge * step) for edge in edges]
        labels = [f"[{low},{high})" for low, high in pairwise(texts)]
        labels[-1] = labels[-1][:-1] + "]"
        draft.keys.append(Key(tuple(labels), number=expressions.Column(name), edges=tuple(edges)))
    index = draft.measure(ROWS, aggregate.alias, draft.moved(1))
    draft.answer.append({"function": "histogram", "alias": aggregate.alias, "measures": [index]})


_ADD = {"count": _add_count, "sum": _add_sum, "mean": _add_mean, "histogram": _add_histogram}


def _edges(grid: Grid, aggregate: Aggregate) -> list[int]:
    """Edges in steps of the grid, the provider's, so that a bin never splits a step."""
    if aggregate.edges is not None:
        inside = all(grid.lower <= edge <= grid.upper and edge % grid.granularity == 0 for edge in aggregate.edges)
        if not inside:
            raise Malformed("plan.edges", column=aggregate.column or "")
        return [int(edge / grid.granularity) for edge in aggregate.edges]
    bins, span = aggregate.bins or 1, grid.most - grid.least
    if bins > span:
        raise Malformed("plan.bins", column=aggregate.column or "", limit=span)
    return [grid.least + span * index // bins for index in range(bins + 1)]


def _check_filter(plan: Plan, draft: _Draft) -> None:
    for term in terms(plan.filter) if plan.filter is not None else ():
        if isinstance(term, Relation):
            raise Malformed("plan.unknown_column", column="relation")
        column = draft.use(term.column)
        for literal in literals(term):
            allowed = NUMERIC if column.type in NUMERIC else (column.type,)
            if literal.type not in allowed:
                raise Malformed("plan.type_mismatch", column=column.name, type=column.type, found=literal.type)
        equality = isinstance(term, Compare) and term.operator in ("=", "!=")
        if column.type == "boolean" and not (equality or isinstance(term, In | IsNull)):
            raise Malformed("plan.boolean_order", column=column.name)
