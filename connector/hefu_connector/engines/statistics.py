"""Private statistics: what a plan costs and means, decided from the provider's public schema before data is touched.

`Statistics.prepare` and `Statistics.read` run in the connector's own process and are pure; between them a worker
counts and adds noise (`hefu_connector.engines.counting`). The whole guarantee is ε-differential privacy for adding or
removing one privacy unit, by the Laplace mechanism on integers:

* every release reads at most `max_contribution` rows of a unit, so the L1 sensitivity over all groups together is
  that many times the most one row can add;
* groups are the provider's declared categories; undeclared ones are dropped, absent ones are answered with noise;
* ε is split evenly over the noised measures, in whole 10⁻⁹; a mean takes two (centred sum and count).

What is undefined elsewhere is defined here: an absent, non-finite or unreadable value adds nothing to a sum and is
not present; a row without a unit is left out; values beyond their bounds are moved to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from math import prod

from hefu.canonical import Object
from hefu.errors import Malformed, Refused
from hefu_policies.budget import Charge, PrivacyLoss
from hefu_policies.reading import write_decimal
from hefu_policies.resource import NUMERIC, ROW, Column, Resource

from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.predicates import Compare, In, IsNull, literals, terms
from hefu_connector.engines import answers, noise
from hefu_connector.engines.duckdb_sql import Grid
from hefu_connector.ports import Mechanism, Prepared, Values

MOST_CELLS = 10_000
MOST_VALUES = 50_000  # cells times headings: what one answer holds
MINIMUM_GROUP = "minimum_group"  # the name of the added count among the mechanisms
_KEY_TYPES = ("text", "integer", "boolean", "date")


class Statistics:
    """Counts, sums, means and histograms with discrete Laplace noise. An `Engine`."""

    name = "statistics"
    version = "1"
    action = "hefu:dpQuery"
    environment = "Sandbox"
    encryption = "PlainText"

    def prepare(self, plan: Object, resource: Resource, minimum_group: int | None) -> Prepared:
        """Validate a plan anew against the provider's schema and price it. Pure.

        Args:
            minimum_group: the least number of privacy units in a group that may be told; judged on a noised count,
                which is added to what is charged unless the plan asks for one that serves.

        Raises:
            Malformed: the plan is not of the typed form or does not fit the schema.
            Refused: it asks for what is never answered: no noise, too many groups, another mechanism.
        """
        asked = Plan.of(plan)
        _check_loss(asked.loss)
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


@dataclass(frozen=True, slots=True)
class _Measure:
    kind: str
    column: str
    centre: int
    sensitivity: int
    alias: str
    part: str  # of a mean: "centred-sum" or "count"; else empty


@dataclass(slots=True)
class _Draft:
    resource: Resource
    minimum_group: int | None
    columns: dict[str, str] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    keys: list[Object] = field(default_factory=list)
    measures: list[_Measure] = field(default_factory=list)
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
        return prod(len(labels) for each in self.keys if isinstance(labels := each["labels"], list))

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
        self.keys.append({"column": name, "labels": [*column.categories], "edges": []})

    def measure(
        self, kind: str, alias: str, sensitivity: int, column: str = "", centre: int = 0, part: str = ""
    ) -> int:
        """The place of a measure; the same one is not paid twice."""
        for index, each in enumerate(self.measures):
            if (each.kind, each.column, each.centre) == (kind, column, centre):
                return index
        if sensitivity < 1:
            raise Malformed("plan.no_bounds", column=column)
        self.measures.append(_Measure(kind, column, centre, sensitivity, alias, part))
        return len(self.measures) - 1

    def add_minimum(self) -> None:
        if self.contribution == 1:  # rows are units
            self.minimum = self.measure("rows", MINIMUM_GROUP, 1)
        else:
            # One unit stands in at most as many groups as it has rows, once in each.
            self.minimum = self.measure("units", MINIMUM_GROUP, min(self.contribution, self.cells))

    def finish(self, plan: Plan) -> Prepared:
        headings = plan.headings()
        if self.cells > MOST_CELLS or self.cells * len(headings) > MOST_VALUES:
            raise Refused("plan.too_many_groups", limit=min(MOST_CELLS, MOST_VALUES // len(headings)))
        if self.unit is not None:
            self.use(self.unit)
        shares = _split(plan.loss.epsilon_nano, len(self.measures))
        loss = PrivacyLoss(sum(shares))
        histogram = plan.aggregates[0].function == "histogram"
        return Prepared(
            parameters=self._parameters(plan, shares),
            charge=Charge(loss),
            columns=plan.columns(),
            reads=frozenset(self.columns),
            functions=frozenset(each.function for each in plan.aggregates),
            kind="Histogram" if histogram else "NoisyAggregate",
            cells=self.cells,
            headings=headings,
            mechanisms=tuple(self._mechanisms(shares)),
            max_contribution=self.contribution,
            keys=len(self.keys),
            minimum_group=self.minimum_group,
            protocol="DiscreteLaplace",
        )

    def _parameters(self, plan: Plan, shares: list[int]) -> Object:
        measures: list[Object] = [
            {
                "kind": each.kind,
                "column": each.column,
                "centre": str(each.centre),
                "sensitivity": str(each.sensitivity),
                "epsilon_nano": share,
            }
            for each, share in zip(self.measures, shares, strict=True)
        ]
        return {
            "columns": {name: self.columns[name] for name in sorted(self.columns)},
            "unit": self.unit,
            "max_contribution": self.contribution,
            "filter": None if plan.filter is None else plan.filter.body(),
            "grids": {name: _grid_body(grid) for name, grid in self.grids.items()},
            "keys": [*self.keys],
            "measures": [*measures],
            "answer": [*self.answer],
            "minimum": self.minimum,
        }

    def _mechanisms(self, shares: list[int]) -> Iterator[Mechanism]:
        for each, share in zip(self.measures, shares, strict=True):
            scale = noise.scale_of(each.sensitivity, share)
            step = self.grids[each.column].granularity if each.kind == "sum" else Decimal(1)
            width = noise.half_width(scale) * step
            yield Mechanism(
                column=each.alias,
                mechanism=f"{noise.NAME}:{each.part}" if each.part else noise.NAME,
                scale=answers.scaled(scale, step),
                half_width="" if each.part else write_decimal(Decimal(width)),
                epsilon_nano=share,
            )


def _add_count(draft: _Draft, aggregate: Aggregate) -> None:
    if aggregate.column is None:
        index = draft.measure("rows", aggregate.alias, draft.contribution)
    else:
        draft.use(aggregate.column)
        index = draft.measure("present", aggregate.alias, draft.contribution, aggregate.column)
    draft.answer.append({"function": "count", "alias": aggregate.alias, "measures": [index]})


def _add_sum(draft: _Draft, aggregate: Aggregate) -> None:
    name = aggregate.column or ""
    grid = draft.grid(name)
    sensitivity = draft.contribution * max(abs(grid.least), abs(grid.most))
    index = draft.measure("sum", aggregate.alias, sensitivity, name)
    draft.answer.append({"function": "sum", "alias": aggregate.alias, "measures": [index]})


def _add_mean(draft: _Draft, aggregate: Aggregate) -> None:
    # A sum of distances from the middle of the bounds has half the sensitivity or less.
    name = aggregate.column or ""
    grid = draft.grid(name)
    centre = (grid.least + grid.most) // 2
    sensitivity = draft.contribution * max(grid.most - centre, centre - grid.least)
    measures = [
        draft.measure("sum", aggregate.alias, sensitivity, name, centre, "centred-sum"),
        draft.measure("present", aggregate.alias, draft.contribution, name, part="count"),
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
        draft.keys.append({"column": name, "labels": [*labels], "edges": [str(edge) for edge in edges]})
    index = draft.measure("rows", aggregate.alias, draft.contribution)
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


def _split(epsilon_nano: int, parts: int) -> list[int]:
    share, rest = divmod(epsilon_nano, parts)
    if share < 1:
        raise Refused("plan.too_little_loss")
    return [share + rest, *[share] * (parts - 1)]


def _check_loss(loss: PrivacyLoss) -> None:
    if loss.epsilon_nano < 1:
        raise Refused("plan.no_loss")
    if loss.delta_femto:
        raise Refused("plan.delta")


def _check_filter(plan: Plan, draft: _Draft) -> None:
    for term in terms(plan.filter) if plan.filter is not None else ():
        column = draft.use(term.column)
        for literal in literals(term):
            allowed = NUMERIC if column.type in NUMERIC else (column.type,)
            if literal.type not in allowed:
                raise Malformed("plan.type_mismatch", column=column.name, type=column.type, found=literal.type)
        equality = isinstance(term, Compare) and term.operator in ("=", "!=")
        if column.type == "boolean" and not (equality or isinstance(term, In | IsNull)):
            raise Malformed("plan.boolean_order", column=column.name)


def _grid_body(grid: Grid) -> Object:
    return {
        "lower": write_decimal(grid.lower),
        "upper": write_decimal(grid.upper),
        "granularity": write_decimal(grid.granularity),
    }
