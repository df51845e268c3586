"""Exact aggregates under disclosure control: what a plan asks of a described table, decided before data is touched.

`Exact.prepare` and `Exact.read` run in the connector's own process and are pure; between them a worker counts, decides
which cells may be told beside all that was told before, and rounds (`hefu_connector.engines.exact.counting`).

There is no noise and no differential privacy guarantee: an answer costs no ε and counts as one exact release. Rows of a
unit are not bounded, since a choice among them would not be exact. Values beyond their declared bounds are moved to
them and read in whole steps of their granularity, as private statistics do.

Whatever says *which* rows count may be worked out from a row: filters, groups, and what a COUNT counts, since judged is
which rows a figure stands for. What is *summed* is a column as it is. An expression could carry a condition in its
values, such as a CASE that is 0 for everybody but a few, and its sum would tell of these few while it stands for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed, Refused
from hefu_policies.budget import NO_LOSS, Charge
from hefu_policies.goods.resource import Resource
from hefu_policies.reading import write_decimal
from hefu_policies.words.terms import AGGREGATE_QUERY

from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.exact import WITHOUT_PRIVACY, ExactPlan
from hefu_connector.computing.expressions import Column, Expression
from hefu_connector.computing.groups import Unknown
from hefu_connector.engines.drafting import Draft
from hefu_connector.engines.exact import answers as exact_answers
from hefu_connector.engines.exact.questions import ROWS, SUM, Question, made, name_of
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
        self,
        plan: Object,
        resource: Resource,
        minimum_group: int | None,
        rounding: Decimal | None = None,
        beside: Resource | None = None,
    ) -> Prepared:
        """Validate a plan anew against the provider's schema. Pure.

        Args:
            minimum_group: the least number of privacy units that a cell, or any difference of cells, stands for.
            rounding: the step that counts and sums are rounded to at least, each in its own unit.

        Raises:
            Malformed: the plan is not of the typed form, does not fit the schema, or asks for what is no sum of rows.
            Refused: the contract names no minimum group, or the plan asks for too many cells.
        """
        asked = ExactPlan.of(plan)
        if minimum_group is None:
            raise Refused("exact.no_group")
        for each in asked.plan.group_by:
            if isinstance(each, Unknown):  # without noise, that a group is there would be somebody's secret
                raise Malformed("plan.no_categories", column=each.column)
        draft = _Figures(Draft(resource), rounding)
        draft.draft.add_plan(asked.plan)
        for aggregate in asked.plan.aggregates:
            if aggregate.function not in _ADD:
                raise Malformed("exact.function", function=aggregate.function)
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
class _Figures:
    """What is told of each cell, beside the draft of what cells are."""

    draft: Draft
    rounding: Decimal | None
    sets: dict[str, Expression | None] = field(default_factory=dict)
    measures: list[tuple[str, str]] = field(default_factory=list)
    answer: list[Object] = field(default_factory=list)
    mechanisms: list[Mechanism] = field(default_factory=list)

    def step(self, kind: str, name: str) -> Decimal:
        """What a measure is counted in, in its own unit."""
        return self.draft.grids[name].granularity if kind == SUM else Decimal(1)

    def base(self, kind: str, name: str) -> int:
        """The step that a measure is rounded to, in whole steps: never finer than the contract says."""
        wanted = (self.rounding or Decimal(0)) / self.step(kind, name)
        return max(1, int(wanted.to_integral_value(ROUND_CEILING)))

    def measure(self, kind: str, number: Expression | None) -> tuple[str, str]:
        """A figure over all rows of a cell, or over those in which a number is present."""
        name = name_of(number)
        self.sets.setdefault(name, number)
        if (kind, name) not in self.measures:
            self.measures.append((kind, name))
        return kind, name

    def add(self, aggregate: Aggregate, *measures: tuple[str, str]) -> None:
        """One column of the answer, and how far its rounding moved it at most."""
        places: list[Json] = [self.measures.index(each) for each in measures]
        self.answer.append({"function": aggregate.function, "alias": aggregate.alias, "measures": places})
        base, step = self.base(*measures[0]), self.step(*measures[0])
        width = write_decimal(base // 2 * step) if len(measures) == 1 else ""
        self.mechanisms.append(Mechanism(aggregate.alias, WITHOUT_PRIVACY, write_decimal(base * step), width, 0))

    def finish(self, asked: ExactPlan, group: int) -> Prepared:
        """What the worker gets, and what the guard holds the answer to."""
        plan, draft = asked.plan, self.draft
        if draft.cells > MOST_CELLS:
            raise Refused("plan.too_many_groups", limit=MOST_CELLS)
        question = self._question(plan).body()
        bases: list[Json] = [self.base(*each) for each in self.measures]
        schema = {each.name: each.type for each in draft.resource.schema}
        parameters: Object = {
            "question": question,
            "unit": None if draft.unit is None else {"name": draft.unit, "type": schema[draft.unit]},
            "group": group,
            "measures": [[kind, name] for kind, name in self.measures],
            "bases": bases,
            "answer": [*self.answer],
            # A laid-out snapshot serves where it has all: earlier questions are counted again beside this one.
            "reads": {"columns": {**schema}, "unit": draft.unit},
        }
        finest = min(self.base(*each) * self.step(*each) for each in self.measures)
        return Prepared(
            parameters=parameters,
            charge=Charge(NO_LOSS),
            columns=plan.columns(),
            reads=frozenset(schema),
            functions=frozenset(each.function for each in plan.aggregates),
            kind="Histogram" if any(each.function == "histogram" for each in plan.aggregates) else "Aggregate",
            cells=draft.cells,
            headings=asked.headings(),
            mechanisms=tuple(self.mechanisms),
            max_contribution=canonical.LARGEST_INTEGER,  # nothing bounds it
            keys=len(draft.keys),
            minimum_group=group,
            disclosing=Disclosing(question, group, self._edition(), finest, tuple(self._steps())),
        )

    def _question(self, plan: Plan) -> Question:
        sums = sorted(name for kind, name in self.measures if kind == SUM)
        shape = made(self.draft.columns, self.draft.grids, plan.filter, tuple(self.draft.keys))
        return Question(shape, {name: self.sets[name] for name in sorted(self.sets)}, tuple(sums))

    def _steps(self) -> Iterator[Decimal | None]:
        """What each column of the answer is a multiple of; None for means, which are quotients of such."""
        for each in self.mechanisms:
            yield Decimal(each.scale) if each.half_width else None

    def _edition(self) -> str:
        return next((each.value for each in self.draft.resource.facts if each.name == EDITION), "")


def _add_count(figures: _Figures, aggregate: Aggregate) -> None:
    number = aggregate.number or (None if aggregate.column is None else Column(aggregate.column))
    if number is not None:
        figures.draft.look_at(number)
    figures.add(aggregate, figures.measure(ROWS, number))


def _add_units(figures: _Figures, aggregate: Aggregate) -> None:
    # Units of two groups that overlap are no sum of anything: what is told of them could not be judged.
    if figures.draft.unit is not None:
        raise Malformed("exact.function", function=aggregate.function)
    figures.add(aggregate, figures.measure(ROWS, None))


def _add_sum(figures: _Figures, aggregate: Aggregate) -> None:
    figures.add(aggregate, figures.measure(SUM, _summed(figures, aggregate)))


def _add_mean(figures: _Figures, aggregate: Aggregate) -> None:
    column = _summed(figures, aggregate)
    figures.add(aggregate, figures.measure(SUM, column), figures.measure(ROWS, column))


def _add_histogram(figures: _Figures, aggregate: Aggregate) -> None:
    figures.add(aggregate, figures.measure(ROWS, None))


def _summed(figures: _Figures, aggregate: Aggregate) -> Column:
    if aggregate.column is None:
        raise Malformed("exact.expression", alias=aggregate.alias)
    figures.draft.lowered(Column(aggregate.column))
    return Column(aggregate.column)


_ADD: Mapping[str, Callable[[_Figures, Aggregate], None]] = {
    "count": _add_count, "units": _add_units, "sum": _add_sum, "mean": _add_mean, "histogram": _add_histogram,
}  # fmt: skip
