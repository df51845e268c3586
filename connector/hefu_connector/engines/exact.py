"""Exact aggregates under disclosure control: what a plan asks of a described table, decided before data is touched.

`Exact.prepare` and `Exact.read` run in the connector's own process and are pure; between them a worker counts, decides
which cells may be told beside all that was told before, and rounds (`hefu_connector.engines.exact_counting`).

There is no noise and no differential privacy guarantee: an answer costs no ε and counts as one exact release. Rows of a
unit are not bounded, since a choice among them would not be exact. Values beyond their declared bounds are moved to
them and read in whole steps of their granularity, as private statistics do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from math import prod

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed, Refused
from hefu_policies.budget import NO_LOSS, Charge
from hefu_policies.goods.resource import NUMERIC, ROW, Column, Resource
from hefu_policies.reading import write_decimal, wrong
from hefu_policies.words.terms import AGGREGATE_QUERY

from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.exact import WITHOUT_PRIVACY, ExactPlan
from hefu_connector.computing.groups import heading
from hefu_connector.computing.predicates import Relation, terms
from hefu_connector.computing.steps import Grid
from hefu_connector.engines import exact_answers
from hefu_connector.engines.drafting import bin_edges, bin_labels, categories, check_term
from hefu_connector.ports import Disclosing, Mechanism, Prepared, Values

MOST_CELLS = 1_000
SMALLEST_GROUP = 3  # whatever a contract says: below it nothing can be controlled
EDITION = "edition"  # the declared fact of a resource that tells one edition of its data from the next


class Exact:
    """Counts, sums, means and histograms, rounded, without small cells and without noise. An `Engine`."""

    name = "exact"
    version = "1"
    action = AGGREGATE_QUERY
    environment = "Sandbox"
    encryption = "PlainText"

    def prepare(
        self, plan: Object, resource: Resource, minimum_group: int | None, rounding: Decimal | None = None
    ) -> Prepared:
        """Validate a plan anew against the provider's schema. Pure.

        Args:
            minimum_group: the least number of privacy units that a cell, or any difference of cells, stands for.
            rounding: the step that counts and sums are rounded to at least, each in its own unit.

        Raises:
            Malformed: the plan is not of the typed form or does not fit the schema.
            Refused: the contract names no minimum group, or the plan asks for too many cells.
        """
        asked = ExactPlan.of(plan)
        if minimum_group is None:
            raise Refused("exact.no_group")
        draft = _Draft(resource, rounding)
        _check_filter(asked.plan, draft)
        for key in asked.plan.group_by:
            draft.add_category_key(heading(key))
        for aggregate in asked.plan.aggregates:
            _ADD[aggregate.function](draft, aggregate)
        return draft.finish(asked, max(minimum_group, SMALLEST_GROUP))

    def read(self, output: Object, prepared: Prepared) -> Values:
        """The values in what a worker returned: rounded already, and only those that may be told.

        Raises:
            Untrusted: the output has another shape than was prepared.
            Refused: nothing may be told beside what was told before.
        """
        return exact_answers.read(output, prepared)


@dataclass(slots=True)
class _Draft:
    resource: Resource
    rounding: Decimal | None
    columns: dict[str, str] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    keys: list[Object] = field(default_factory=list)
    measures: list[tuple[str, str]] = field(default_factory=list)
    answer: list[Object] = field(default_factory=list)
    mechanisms: list[Mechanism] = field(default_factory=list)

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
        self.grids[name] = Grid(column.bounds.lower, column.bounds.upper, column.bounds.granularity)
        return self.grids[name]

    def add_category_key(self, name: str) -> None:
        self.keys.append({"column": name, "labels": [*categories(self.use(name))], "edges": []})

    def step(self, kind: str, column: str) -> Decimal:
        """What a measure is counted in, in its own unit."""
        return self.grids[column].granularity if kind == "sum" else Decimal(1)

    def base(self, kind: str, column: str) -> int:
        """The step that a measure is rounded to, in whole steps: never finer than the contract says."""
        wanted = (self.rounding or Decimal(0)) / self.step(kind, column)
        return max(1, int(wanted.to_integral_value(ROUND_CEILING)))

    def measure(self, kind: str, column: str = "") -> int:
        if (kind, column) not in self.measures:
            self.measures.append((kind, column))
        return self.measures.index((kind, column))

    def add(self, aggregate: Aggregate, *measures: tuple[str, str]) -> None:
        """One column of the answer, and how far its rounding moved it at most."""
        places: list[Json] = [self.measure(*each) for each in measures]
        self.answer.append({"function": aggregate.function, "alias": aggregate.alias, "measures": places})
        kind, column = measures[0]
        base, step = self.base(kind, column), self.step(kind, column)
        width = write_decimal(base // 2 * step) if len(measures) == 1 else ""
        self.mechanisms.append(Mechanism(aggregate.alias, WITHOUT_PRIVACY, write_decimal(base * step), width, 0))

    def finish(self, asked: ExactPlan, group: int) -> Prepared:
        plan, headings = asked.plan, asked.headings()
        if self.cells > MOST_CELLS:
            raise Refused("plan.too_many_groups", limit=MOST_CELLS)
        unit = None if self.resource.privacy.unit == ROW else self.resource.privacy.unit
        question = self._question(plan)
        bases: list[Json] = [self.base(*each) for each in self.measures]
        parameters: Object = {
            "question": question,
            "unit": None if unit is None else {"name": unit, "type": self.use(unit).type},
            "group": group,
            "measures": [[kind, column] for kind, column in self.measures],
            "bases": bases,
            "answer": [*self.answer],
        }
        finest = min(self.base(*each) * self.step(*each) for each in self.measures)
        return Prepared(
            parameters=parameters,
            charge=Charge(NO_LOSS),
            columns=plan.columns(),
            # All of them: earlier questions are counted again beside this one.
            reads=frozenset(each.name for each in self.resource.schema),
            functions=frozenset(each.function for each in plan.aggregates),
            kind="Histogram" if plan.aggregates[0].function == "histogram" else "Aggregate",
            cells=self.cells,
            headings=headings,
            mechanisms=tuple(self.mechanisms),
            max_contribution=canonical.LARGEST_INTEGER,  # nothing bounds it
            keys=len(self.keys),
            minimum_group=group,
            disclosing=Disclosing(question, group, self._edition(), finest, tuple(self._steps())),
        )

    def _question(self, plan: Plan) -> Object:
        sets: list[Json] = [*sorted({column for kind, column in self.measures if kind != "rows"})]
        rows: list[Json] = [""] if ("rows", "") in self.measures else []
        return {
            "columns": {name: self.columns[name] for name in sorted(self.columns)},
            "grids": {name: _grid_body(each) for name, each in self.grids.items()},
            "filter": None if plan.filter is None else plan.filter.body(),
            "keys": [*self.keys],
            "sets": [*rows, *sets],
            "sums": [*sorted({column for kind, column in self.measures if kind == "sum"})],
        }

    def _steps(self) -> Iterator[Decimal | None]:
        """What each column of the answer is a multiple of; None for means, which are quotients of such."""
        for each in self.mechanisms:
            yield Decimal(each.scale) if each.half_width else None

    def _edition(self) -> str:
        return next((each.value for each in self.resource.facts if each.name == EDITION), "")


def _add_count(draft: _Draft, aggregate: Aggregate) -> None:
    if aggregate.column is None:
        draft.add(aggregate, ("rows", ""))
    else:
        draft.use(aggregate.column)
        draft.add(aggregate, ("present", aggregate.column))


def _add_sum(draft: _Draft, aggregate: Aggregate) -> None:
    draft.grid(aggregate.column or "")
    draft.add(aggregate, ("sum", aggregate.column or ""))


def _add_mean(draft: _Draft, aggregate: Aggregate) -> None:
    name = aggregate.column or ""
    draft.grid(name)
    draft.add(aggregate, ("sum", name), ("present", name))


def _add_histogram(draft: _Draft, aggregate: Aggregate) -> None:
    name = aggregate.column or ""
    if aggregate.bins is None and aggregate.edges is None:
        draft.add_category_key(name)
    else:
        grid = draft.grid(name)
        edges = bin_edges(aggregate, grid, grid.least, grid.most)
        labels = bin_labels(edges, Fraction(grid.granularity), closed=True)
        draft.keys.append({"column": name, "labels": [*labels], "edges": [*edges]})
    draft.add(aggregate, ("rows", ""))


_ADD: Mapping[str, Callable[[_Draft, Aggregate], None]] = {
    "count": _add_count, "sum": _add_sum, "mean": _add_mean, "histogram": _add_histogram,
}  # fmt: skip


def _check_filter(plan: Plan, draft: _Draft) -> None:
    for term in terms(plan.filter) if plan.filter is not None else ():
        if isinstance(term, Relation):
            wrong("plan.filter", "comparisons of a column with a constant")
        check_term(term, draft.use(term.column))


def _grid_body(grid: Grid) -> Object:
    return {name: write_decimal(getattr(grid, name)) for name in ("lower", "upper", "granularity")}
