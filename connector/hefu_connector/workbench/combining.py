"""One question to several providers: each answers under its own contract with its own noise; here they become one.

Counts and sums are whole numbers of steps: they are added, and so is their noise, whose exact distribution gives the
interval. A mean is asked as a sum and a count at every provider and divided only here: a mean of means would weigh
small providers as large ones. A variance is asked as sums, sums of squares and counts, and so takes in how far the
providers lie apart. Quantiles are asked as counts by bins. A cell that one provider withholds is withheld, for a total
without it is another number.

`totals` is all that looks at single answers; a secure sum, which lets nobody see them, can take its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from hefu import canonical
from hefu.errors import Malformed
from hefu_policies.reading import write_decimal

from hefu_connector.computing import expressions as e
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.groups import Bins
from hefu_connector.computing.steps import Lowered, decimal
from hefu_connector.engines import quantiles, sensitivities
from hefu_connector.engines.drafting import MOST_CANDIDATES, Draft
from hefu_connector.engines.moments import RATIOS
from hefu_connector.engines.noised import ABSENT, Cell
from hefu_connector.engines.shape import ROWS, SQUARES, STEPS_HISTOGRAM, SUM, Measure, Sensitivity
from hefu_connector.workbench import noises, questions, targeting
from hefu_connector.workbench.answer import Answer, same_questions
from hefu_connector.workbench.frames import CONFIDENCE, Noise

if TYPE_CHECKING:
    from hefu.v1 import control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub
    from hefu_policies.goods.product import Description
    from hefu_policies.goods.resource import Resource

_EXACT = Context(prec=100)
_ANY = Sensitivity(1, 1, 1)  # what a unit moves is the providers' matter
_ROWS = Measure(ROWS, _ANY)


@dataclass(frozen=True, slots=True)
class Asked:
    """A contract and the product asked under it."""

    contract: control_pb2.Contract
    description: Description


@dataclass(frozen=True, slots=True)
class Term:
    """What is asked of every provider, and added up.

    Attributes:
        step: what one whole number of it stands for.
        measure, number: what it is a measure of, where something is worked out from it.
    """

    alias: str
    step: Decimal
    measure: Measure = _ROWS
    number: Lowered | None = None


@dataclass(frozen=True, slots=True)
class Summand:
    """One heading of the combined answer.

    Attributes:
        function: what is worked out from the totals; empty where there is one, which is told.
    """

    heading: str
    terms: tuple[Term, ...]
    function: str = ""
    quantile: Fraction | None = None


@dataclass(frozen=True, slots=True)
class _Whole:
    """One term of all providers: `Figures` with the sum of their noises."""

    values: tuple[int, ...]
    term: Term
    noise: tuple[Noise, ...]

    @property
    def measure(self) -> Measure:
        return self.term.measure

    @property
    def about(self) -> Lowered:
        assert self.term.number is not None  # noqa: S101 - terms of numbers are read with them
        return self.term.number

    @property
    def noises(self) -> tuple[tuple[str, float], ...]:
        step = Fraction(self.term.step)
        return tuple((each.mechanism, float(Fraction(Decimal(each.scale)) / step)) for each in self.noise)

    def off(self, confidence: float) -> int:
        return _width(self.noise, self.term.step, confidence)


@dataclass(frozen=True, slots=True)
class Several:
    """One question, as it is put to each provider and put together again.

    Attributes:
        plans: one for each that is asked, in order.
    """

    asked: tuple[Asked, ...]
    plans: tuple[Plan, ...]
    keys: tuple[str, ...]
    summands: tuple[Summand, ...]

    def check(self, stub: ControlServiceStub) -> None:
        """Have every provider price its part, so that what one would not read costs nothing at the others."""
        for each, plan in zip(self.asked, self.plans, strict=True):
            questions.estimate(stub, each.description.product, canonical.encode(plan.body()))

    def send(self, stub: ControlServiceStub, purpose: str = "") -> list[control_pb2.OwnComputation]:
        """Ask all of them; raises what refused it. What was sent before that goes on and stays charged."""
        pairs = zip(self.asked, self.plans, strict=True)
        return [
            questions.send(stub, each.contract.agreement_name, canonical.encode(plan.body()), purpose)
            for each, plan in pairs
        ]

    def combine(self, answers: Sequence[Answer]) -> Answer:
        """One answer of all; raises Malformed where they do not fit together."""
        if not same_questions(answers):
            raise Malformed("question.differ", word="the groups", why="the providers declare different ones")
        columns = [self._column(each, answers) for each in self.summands]
        # Of quantiles the last key of each provider's answer are the bins, which are one cell here.
        groups = [row[: len(self.keys)] for row in answers[0].rows[:: self.summands[0].terms[0].measure.width]]
        cells = list(zip(*columns, strict=True))
        return Answer(
            headings=(*self.keys, *(each.heading for each in self.summands)),
            rows=tuple((*key, *(value for value, _ in row)) for key, row in zip(groups, cells, strict=True)),
            half_widths=tuple((*(None for _ in self.keys), *(width for _, width in row)) for row in cells),
            keys=len(self.keys),
            noise=tuple(_told(each, answers) for each in self.summands),
            sources=tuple(source for each in answers for source in each.sources),
            parts=tuple(answers),
        )

    def _column(self, summand: Summand, answers: Sequence[Answer]) -> list[Cell]:
        whole = [totals(answers, each.alias, each.step) for each in summand.terms]
        noise = [tuple(_noise(answers, each.alias)) for each in summand.terms]
        if not summand.function:
            (term,) = summand.terms
            width = _width(noise[0], term.step, CONFIDENCE)
            return [_added(each, width, term.step) for each in whole[0]]
        parts = [
            _Whole(tuple(each or 0 for each in values), term, its)
            for values, term, its in zip(whole, summand.terms, noise, strict=True)
        ]
        if summand.quantile is not None:
            (part,) = parts
            cells = range(len(part.values) // part.measure.width)
            return [quantiles.quantile(part, summand.quantile, cell) for cell in cells]
        told = [None not in cells for cells in zip(*whole, strict=True)]
        return [RATIOS[summand.function](parts, index) if each else ABSENT for index, each in enumerate(told)]


def prepare(asked: Sequence[Asked], sql: str, offered: questions.Offered) -> Several:
    """The question as it is put to each provider.

    Raises:
        Malformed: it is no query of the dialect, the products differ in what it is about, or it asks for what
            cannot be put together from answers.
    """
    providers = [each.description.product for each in asked]
    if len(set(providers)) < len(providers) or len(providers) < 2:
        raise Malformed("question.differ", word="the contracts", why="name two or more, each on another product")
    plans = [questions.plan(sql, each.description, *offered) for each in asked]
    for each, plan in zip(asked[1:], plans[1:], strict=True):
        _check_same(asked[0].description, plans[0], each.description, plan)
    if plans[0].unknown:
        why = "each provider tells other groups of a column without declared categories"
        raise Malformed("question.differ", word="GROUP BY", why=why)
    keys = plans[0].headings()[: -len(plans[0].aggregates)]
    if any(each.function == "quantile" for each in plans[0].aggregates):
        for each in asked:
            _check_minimum(each.description)
        counts, summands = _counted(plans[0], asked[0].description)
        parts = tuple(replace(plan, aggregates=counts[0], group_by=(*plan.group_by, counts[1])) for plan in plans)
        return Several(tuple(asked), parts, keys, summands)
    aggregates, summands = _taken_apart(plans[0], asked[0].description)
    parts = tuple(replace(plan, aggregates=aggregates) for plan in plans)
    return Several(tuple(asked), parts, keys, summands)


def ask(
    stub: ControlServiceStub, asked: Sequence[Asked], sql: str, offered: questions.Offered, purpose: str = ""
) -> Answer:
    """Ask all, wait for all, and put their answers together; raises as `prepare` and `Answer.of`."""
    several = prepare(asked, sql, offered)
    several.check(stub)
    made = several.send(stub, purpose)
    ended = [[*questions.follow(stub, each.computation.name)][-1] for each in made]
    return several.combine([Answer.of(each) for each in ended])


def totals(answers: Sequence[Answer], heading: str, step: Decimal) -> list[int | None]:
    """The sum over all providers, cell by cell, in whole steps; None where one of them withholds the cell."""
    columns = [[_steps(value, step) for value in each.values(heading)] for each in answers]
    return [None if None in cells else sum(each or 0 for each in cells) for cells in zip(*columns, strict=True)]


def _steps(value: Decimal | str | None, step: Decimal) -> int | None:
    if value is None:
        return None
    steps = Fraction(Decimal(value)) / Fraction(step)
    if steps.denominator != 1:
        raise Malformed("question.differ", word="an answer", why="it does not lie on the grid of its column")
    return steps.numerator


def _noise(answers: Sequence[Answer], alias: str) -> list[Noise]:
    return [noise for each in answers for noise in each.noise if noise.column == alias]


def _width(found: Sequence[Noise], step: Decimal, confidence: float) -> int:
    """Half of the interval of the summed noise, in steps."""
    pairs = [(each.mechanism, float(Fraction(Decimal(each.scale)) / Fraction(step))) for each in found]
    return noises.half_width(pairs, confidence)


def _added(total: int | None, width: int, step: Decimal) -> Cell:
    if total is None:
        return None, None
    return write_decimal(_EXACT.multiply(total, step)), write_decimal(_EXACT.multiply(width, step))


def _told(summand: Summand, answers: Sequence[Answer]) -> Noise:
    found = [noise for term in summand.terms for noise in _noise(answers, term.alias)]
    names = ", ".join(dict.fromkeys(each.mechanism.partition(":")[0] for each in found))
    told = f"{names}, sum of {len(answers)}"
    width = ""
    if not summand.function:
        step = summand.terms[0].step
        width = write_decimal(_EXACT.multiply(_width(found, step, CONFIDENCE), step))
    return Noise(summand.heading, told, " ".join(each.scale for each in found), width)


def _taken_apart(plan: Plan, description: Description) -> tuple[tuple[Aggregate, ...], tuple[Summand, ...]]:
    """What every provider is asked: nothing twice, and for each mean its sum and its count."""
    parts = _Parts(_resource(description, plan), {*plan.headings()})
    summands = tuple(parts.summand(each) for each in plan.aggregates)
    return tuple(parts.asked.values()), summands


def _counted(plan: Plan, description: Description) -> tuple[tuple[tuple[Aggregate], Bins], tuple[Summand, ...]]:
    """What every provider is asked for quantiles of one number: how many rows are in each of at most 101 bins of it."""
    first = plan.aggregates[0]
    if plan.sets or any(each.function != "quantile" or _number(each) != _number(first) for each in plan.aggregates):
        why = "quantiles of one number are put together, and nothing beside them; ask the other in another query"
        raise Malformed("question.differ", word="QUANTILE", why=why)
    draft = Draft(_resource(description, plan))
    number = draft.lowered(_number(first))
    width = -(-(number.most - number.least + 1) // MOST_CANDIDATES)
    names = {*plan.headings()}
    bins = Bins(_unused("bin", names), _number(first), decimal(width * number.step))
    draft.add_derived(bins)
    measure = Measure(STEPS_HISTOGRAM, _ANY, _number(first), edges=draft.keys[-1].edges)
    count = Aggregate("count", _unused("rows_in_bin", names))
    term = Term(count.alias, Decimal(1), measure, number)
    summands = (Summand(each.alias, (term,), each.function, Fraction(each.quantile or 0)) for each in plan.aggregates)
    return ((count,), bins), tuple(summands)


def _check_minimum(description: Description) -> None:
    """A least group would be judged bin by bin, and withhold most of them."""
    if targeting.offered(description)[1] is not None:
        why = f"{description.product} withholds small groups, and would withhold most of its bins"
        raise Malformed("question.differ", word="QUANTILE", why=why)


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


@dataclass(slots=True)
class _Parts:
    resource: Resource
    taken: set[str]
    asked: dict[bytes, Aggregate] = field(default_factory=dict)

    def summand(self, aggregate: Aggregate) -> Summand:
        """What is asked for one aggregate, and how its answers become one."""
        heading, function = aggregate.alias, aggregate.function
        if function in ("count", "histogram"):
            return Summand(heading, (Term(self.ask(aggregate), Decimal(1)),))
        if function == "sum":
            return Summand(heading, (Term(self.ask(aggregate), self.lowered(aggregate).grid.granularity),))
        if function not in RATIOS:
            why = "it cannot be worked out from what providers answer by themselves; a unit may be at several of them"
            raise Malformed("question.differ", word=function.upper(), why=why)
        # A sum of distances from the middle of the bounds has half the sensitivity or less, and so half the noise.
        number = self.lowered(aggregate)
        centre = sensitivities.middle(number.least, number.most)
        apart = _less(_number(aggregate), centre, number.step)
        count = self.ask(replace(aggregate, function="count"), "_count")
        total = self.sum(aggregate, apart, "_sum")
        terms = [Term(total, decimal(number.step), Measure(SUM, _ANY, centre=centre), number)]
        if function != "mean":
            less, _ = sensitivities.square_middle(number.least, number.most, centre)
            square = _less(e.Arithmetic("multiply", apart, apart), less, number.step**2)
            name = self.sum(aggregate, square, "_squares")
            terms.append(Term(name, decimal(number.step**2), Measure(SQUARES, _ANY, less=less), number))
        return Summand(heading, (*terms, Term(count, Decimal(1))), function)

    def sum(self, aggregate: Aggregate, number: e.Expression, suffix: str) -> str:
        """The alias of the sum of a number in place of an aggregate's own."""
        column = number.name if isinstance(number, e.Column) else None
        of = None if column else number
        return self.ask(replace(aggregate, function="sum", column=column, number=of), suffix)

    def ask(self, aggregate: Aggregate, suffix: str = "") -> str:
        """The alias under which it is asked; the same is not asked and paid twice."""
        key = canonical.encode({**aggregate.body(), "alias": ""})
        if key not in self.asked:
            name = aggregate.alias
            while suffix and name in self.taken:
                name += suffix
            self.taken.add(name)
            self.asked[key] = replace(aggregate, alias=name)
        return self.asked[key].alias

    def lowered(self, aggregate: Aggregate) -> Lowered:
        """What is summed, in whole numbers between public bounds."""
        return Draft(self.resource).lowered(_number(aggregate))


def _number(aggregate: Aggregate) -> e.Expression:
    return aggregate.number if aggregate.number is not None else e.Column(aggregate.column or "")


def _less(number: e.Expression, by: int, step: Fraction) -> e.Expression:
    """A number less so many steps."""
    return e.Arithmetic("subtract", number, e.Number(decimal(by * step))) if by else number


def _resource(description: Description, plan: Plan) -> Resource:
    for each in description.resources:
        if plan.resource in ("", each.id):
            return each
    raise Malformed("question.differ", word=plan.resource, why="no such resource")


def _check_same(first: Description, plan: Plan, other: Description, again: Plan) -> None:
    """Check that a column means the same at both providers."""
    here, there = _resource(first, plan), _resource(other, again)
    for name in sorted(plan.columns()):
        one, two = here.column(name), there.column(name)
        if one is None or two is None:
            raise Malformed("plan.unknown_column", column=name)
        if (one.type, one.unit, one.bounds, one.categories) != (two.type, two.unit, two.bounds, two.categories):
            why = f"{first.product} and {other.product} declare different bounds, units or groups"
            raise Malformed("question.differ", word=name, why=why)
