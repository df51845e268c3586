"""One question to several providers: each answers under its own contract with its own noise; here they become one.

Counts and sums are whole numbers of steps: they are added, and so is their noise, whose exact distribution gives the
interval. A mean is asked as a sum and a count at every provider and divided only here: a mean of means would weigh
small providers as large ones. A cell that one provider withholds is withheld, for a total without it is another number.

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
from hefu_connector.computing.steps import Lowered
from hefu_connector.engines.drafting import Draft
from hefu_connector.workbench import noises, questions
from hefu_connector.workbench.answer import Answer, same_questions
from hefu_connector.workbench.frames import CONFIDENCE, Noise

if TYPE_CHECKING:
    from hefu.v1 import control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub
    from hefu_policies.goods.product import Description
    from hefu_policies.goods.resource import Resource

_EXACT = Context(prec=100)
_FINER = 4  # digits of a mean beyond the granularity of its column, as engines.answers has them
_PART = 1 - (1 - CONFIDENCE) / 2  # so that sum and count hold together: the union bound
Cell = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A contract and the product asked under it."""

    contract: control_pb2.Contract
    description: Description


@dataclass(frozen=True, slots=True)
class Summand:
    """What is asked of every provider for one heading of the combined answer.

    Attributes:
        aliases: of what is asked: one that is added up, or a sum and the count it is divided by.
        step: what one whole number of the first stands for.
        bounds: between which a mean lies; None for what is added up.
        centre: of a mean: the sum is one of distances from it.
    """

    heading: str
    aliases: tuple[str, ...]
    step: Decimal
    bounds: tuple[Decimal, Decimal] | None = None
    centre: Decimal = Decimal(0)


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
        groups = [row[: len(self.keys)] for row in answers[0].rows]
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
        whole = totals(answers, summand.aliases[0], summand.step)
        noise = _noise(answers, summand.aliases[0])
        if summand.bounds is None:
            width = _width(noise, summand.step, CONFIDENCE)
            return [_added(each, width, summand.step) for each in whole]
        counts = totals(answers, summand.aliases[1], Decimal(1))
        off = _width(noise, summand.step, _PART), _width(_noise(answers, summand.aliases[1]), Decimal(1), _PART)
        return [_mean(total, count, off, summand) for total, count in zip(whole, counts, strict=True)]


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
    aggregates, summands = _taken_apart(plans[0], asked[0].description)
    parts = tuple(replace(plan, aggregates=aggregates) for plan in plans)
    keys = plans[0].headings()[: -len(plans[0].aggregates)]
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


def _mean(total: int | None, count: int | None, off: tuple[int, int], summand: Summand) -> Cell:
    """The ratio moved into its bounds, with an interval that holds wherever both parts lie in theirs."""
    if total is None or count is None or count < 1 or summand.bounds is None:
        return None, None
    low, high = map(Fraction, summand.bounds)
    step, centre = Fraction(summand.step), Fraction(summand.centre)

    def ratio(numerator: int, denominator: int) -> Fraction:
        return min(high, max(low, centre + Fraction(numerator, denominator) * step))

    ends = [low, high]
    if count - off[1] >= 1:
        counts = (count - off[1], count + off[1])
        ends = [ratio(each, by) for each in (total - off[0], total + off[0]) for by in counts]
    unit = summand.step.scaleb(-_FINER)
    mean = _EXACT.multiply(round(ratio(total, count) / Fraction(unit)), unit)
    width = max(abs(end - Fraction(mean)) for end in ends)
    return write_decimal(mean), write_decimal(_EXACT.multiply(-(-width // Fraction(unit)), unit))


def _told(summand: Summand, answers: Sequence[Answer]) -> Noise:
    found = [noise for alias in summand.aliases for noise in _noise(answers, alias)]
    names = ", ".join(dict.fromkeys(each.mechanism.partition(":")[0] for each in found))
    told = f"{names}, sum of {len(answers)}"
    width = ""
    if summand.bounds is None:
        width = write_decimal(_EXACT.multiply(_width(found, summand.step, CONFIDENCE), summand.step))
    return Noise(summand.heading, told, " ".join(each.scale for each in found), width)


def _taken_apart(plan: Plan, description: Description) -> tuple[tuple[Aggregate, ...], tuple[Summand, ...]]:
    """What every provider is asked: nothing twice, and for each mean its sum and its count."""
    parts = _Parts(_resource(description, plan), {*plan.headings()})
    summands = tuple(parts.summand(each) for each in plan.aggregates)
    return tuple(parts.asked.values()), summands


@dataclass(slots=True)
class _Parts:
    resource: Resource
    taken: set[str]
    asked: dict[bytes, Aggregate] = field(default_factory=dict)

    def summand(self, aggregate: Aggregate) -> Summand:
        """What is asked for one aggregate, and how its answers become one."""
        heading = aggregate.alias
        if aggregate.function in ("count", "histogram"):
            return Summand(heading, (self.ask(aggregate),), Decimal(1))
        if aggregate.function == "sum":
            return Summand(heading, (self.ask(aggregate),), self.lowered(aggregate).grid.granularity)
        if aggregate.function != "mean":
            why = "only counts, sums and means can be added up; a unit may be at several providers"
            raise Malformed("question.differ", word=aggregate.function.upper(), why=why)
        # A sum of distances from the middle of the bounds has half the sensitivity or less, and so half the noise.
        grid, middle = self.lowered(aggregate).grid, (self.lowered(aggregate).least + self.lowered(aggregate).most) // 2
        centre = _EXACT.multiply(middle, grid.granularity)
        apart = e.Arithmetic("subtract", _number(aggregate), e.Number(centre))
        total = replace(aggregate, function="sum", column=None, number=apart) if centre else aggregate
        names = (
            self.ask(replace(total, function="sum"), "_sum"),
            self.ask(replace(aggregate, function="count"), "_count"),
        )
        return Summand(heading, names, grid.granularity, (grid.lower, grid.upper), centre)

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
