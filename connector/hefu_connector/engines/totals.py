"""Joint totals: counts and sums over several providers' data, of which only the noised sum is ever told.

`Totals.prepare` runs in each provider's connector, and once more for each provider in the consumer's; `propose` and
`combine` run in the consumer's. All of it is pure. Between them a worker of each provider counts, adds its share of
noise, hides the numbers under masks that cancel in the sum of all, and encrypts them freshly under the consumer's key
(`hefu_connector.engines.homomorphic.totalling`); one party adds the ciphertexts up, and the consumer decrypts.

Who sees what, of k parties of which h keep to the protocol; the others may pool what they see with each other, with
the consumer and with the aggregator:

* of an honest party: its numbers under masks with h - 1 others that nobody else knows. All together are as good as
  random but for their sum, so what can be learnt is the sum of the honest parties' numbers and shares, modulo t, and
  the others' numbers, which they know. (Bonawitz et al. 2017, lemma 6.1, with pseudorandom masks.) Rounding and noise
  inside a ciphertext hang on its masked number and on fresh randomness, so that they tell no more than that number.
* that sum has at least h shares of noise: ρ as in `engines.noise.sharing`. Reduction modulo t is post-processing.
* what one unit moves in the sum: of one party's numbers as in `engines.sensitivities`. A unit may be at each of the k
  parties; then, by the triangle inequality, it moves the sum by at most k times as much, in any norm. Only where a
  provider declares that its units are its own (`privacy.exclusive`) it is once.
* clamping each party's number to what its declared rows can reach moves no two numbers farther apart.

A unit that is at several parties counts once at each: COUNT(DISTINCT unit) of a total is the sum of what each counts.

Each party charges what the noise of h shares costs its own units, with its own bounds, and refuses where that is more
than the request offers. It refuses as well where the numbers of k parties like itself and the noise of all could pass
t/2: so no sum wraps around.

Source: Kairouz, Liu, Steinke 2021; Bonawitz et al. 2017, "Practical Secure Aggregation"; Dwork and Roth 2014.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed, Refused, Untrusted
from hefu_policies.budget import ZCDP, Charge, PrivacyLoss
from hefu_policies.goods.resource import Resource
from hefu_policies.reading import Place, write_decimal
from hefu_policies.words.terms import MPC_EVALUATE

from hefu_connector.computing import ciphertexts
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.expressions import Column, Expression
from hefu_connector.computing.facts import declared_rows
from hefu_connector.computing.suites import TOTALS
from hefu_connector.computing.total_plan import TotalPlan
from hefu_connector.engines import noise
from hefu_connector.engines.answers import scaled, step_of
from hefu_connector.engines.drafting import MOST_CELLS, MOST_VALUES, Draft
from hefu_connector.engines.noise import pricing, sharing
from hefu_connector.engines.noised import write
from hefu_connector.engines.shape import UNITS, Measure, Sensitivity, Shape
from hefu_connector.ports import Answer, Mechanism, Prepared, Values

_HALF = TOTALS.plain // 2


@dataclass(frozen=True, slots=True)
class _Drafted:
    """A party's share of the question: its shape, and of each aggregate the place of its measure.

    Attributes:
        parties: among which one of its units may be: all, or this one alone.
        rows: of its table at most, as it declares.
    """

    shape: Shape
    places: tuple[int, ...]
    headings: tuple[str, ...]
    parties: int
    rows: int

    @property
    def measures(self) -> tuple[Measure, ...]:
        """One an aggregate."""
        return tuple(self.shape.measures[place] for place in self.places)

    def moves(self, measure: Measure) -> Sensitivity:
        """What one unit moves in the sum of all parties."""
        one = measure.sensitivity
        return Sensitivity(self.parties * one.l0, self.parties * one.linf, self.parties * one.l1)

    def most(self, measure: Measure) -> int:
        """The magnitude that one of this party's numbers has at most."""
        row = 1 if measure.kind == UNITS else -(-measure.sensitivity.linf // self.shape.max_contribution)
        return self.rows * row

    def costs(self, shares: Sequence[int], honest: int) -> list[int]:
        """ρ in 10⁻⁹ of each aggregate."""
        return [
            sharing.cost(self.moves(each), share, honest, self.shape.cells)
            for each, share in zip(self.measures, shares, strict=True)
        ]

    def question(self, asked: Plan) -> str:
        """The digest of what all parties must understand alike: what is asked, its groups, what a step is."""
        said = {name: value for name, value in asked.body().items() if name not in ("product", "resource", "loss")}
        groups: list[Json] = [[*each] for each in self.shape.groups()]
        steps: list[Json] = [write_decimal(step_of(each, self.shape.grids)) for each in self.measures]
        return canonical.digest(canonical.encode({"query": said, "groups": groups, "steps": steps}))


class Totals:
    """Counts and sums over the data of several parties, with noise on whole numbers. An `Engine`."""

    name = "total"
    version = "1"
    action = MPC_EVALUATE
    environment = "MultiParty"
    encryption = "CipherText"

    def prepare(
        self,
        plan: Object,
        resource: Resource,
        minimum_group: int | None,
        rounding: Decimal | None = None,
        beside: Resource | None = None,
    ) -> Prepared:
        """Validate a party's plan anew against its schema, and price it. Pure.

        Raises:
            Malformed: the plan is not of the typed form or does not fit the schema.
            Refused: the schema or its groups are not what the question was made for; the noise is too little for the
                loss offered; the total could pass what the encryption holds; the contract wants small groups withheld,
                which nobody but the consumer could do.
        """
        asked = TotalPlan.of(plan)
        if minimum_group is not None:
            raise Refused("total.minimum")
        found = _drafted(asked.query, resource, len(asked.session.parties))
        if found.question(asked.query) != asked.question:
            raise Refused("total.question")
        if min(asked.noise) < sharing.LEAST_SHARE:
            raise Refused("total.noise")
        costs = found.costs(asked.noise, asked.session.honest)
        if sum(costs) > pricing.worth(asked.loss):
            raise Refused("total.noise")
        _check_range(found, asked)
        return _prepared(asked, found, costs, resource)

    def read(self, output: Object, prepared: Prepared) -> Values:
        """What is told besides ciphertexts: nothing; the guard looks at these byte by byte.

        Raises:
            Untrusted: the output has another shape than was prepared.
        """
        rows = output.get("rows_read")
        if set(output) != {"rows_read"} or not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
            raise Untrusted("worker.output")
        return Values((), (), None, rows)

    def combine(self, output: Object, prepared: Sequence[Prepared]) -> Answer:
        """The total, from what the consumer's worker decrypted. Pure post-processing of noised whole numbers.

        Args:
            output: ``total``: each whole number as text, cell by cell of each aggregate.
            prepared: of every party's plan, over its signed description.

        Raises:
            Untrusted: the output has another shape, or a number is beyond what all parties together can reach: then
                one of them did not keep to the protocol, and nothing of it is a total.
        """
        shape = Shape.of(prepared[0].parameters["shape"])
        places = [place.integer() for place in Place(prepared[0].parameters["places"], "places").items(1)]
        numbers = _numbers(output, len(places) * shape.cells)
        by_aggregate = [numbers[start : start + shape.cells] for start in range(0, len(numbers), shape.cells)]
        _check_reached(by_aggregate, prepared)
        steps = [Fraction(step_of(shape.measures[place], shape.grids)) for place in places]
        widths = [each.half_width for each in prepared[0].mechanisms]
        rows, half_widths = [], []
        for cell, labels in enumerate(shape.groups()):
            told = (values[cell] * step for values, step in zip(by_aggregate, steps, strict=True))
            rows.append((*labels, *map(write, told)))
            half_widths.append((*(None for _ in labels), *widths))
        return Answer(prepared[0].headings, tuple(rows), tuple(half_widths), prepared[0].mechanisms)


def propose(plans: Sequence[Plan], resources: Sequence[Resource], honest: int) -> tuple[tuple[int, ...], str]:
    """The shares of noise that suffice all parties, and the digest of the question. Pure; the consumer's side.

    Args:
        plans: the question to each party, with the loss that it may charge.
        resources: of each party, in the same order.

    Raises:
        Malformed: a plan does not fit its schema.
        Refused: parties understand it differently, such as by other categories or another granularity; or too little
            is offered.
    """
    drafted = [_drafted(plan, one, len(resources)) for plan, one in zip(plans, resources, strict=True)]
    questions = {found.question(plan) for found, plan in zip(drafted, plans, strict=True)}
    if len(questions) != 1:
        raise Refused("total.question")
    shares = [[*_shares(found, plan.loss, honest)] for found, plan in zip(drafted, plans, strict=True)]
    return tuple(max(each) for each in zip(*shares, strict=True)), questions.pop()


def _shares(found: _Drafted, offered: PrivacyLoss, honest: int) -> Iterator[int]:
    """What this party needs of each share, by the split of its loss under which the error of what is asked is least."""
    asked = [noise.Asked(found.moves(each), Fraction(1, found.moves(each).l1 ** 2)) for each in found.measures]
    bill = noise.price_in_rho(asked, offered)
    for measure, its in zip(found.measures, bill.noises, strict=True):
        yield sharing.least_share(found.moves(measure), its.share_nano, honest, found.shape.cells)


def _drafted(asked: Plan, resource: Resource, parties: int) -> _Drafted:
    rows = declared_rows(resource)
    if not rows:
        raise Refused("total.rows", resource=resource.id)
    draft = Draft(resource, sets=asked.sets)
    draft.add_plan(asked)
    places = tuple(_measure(draft, each) for each in asked.aggregates)
    headings = asked.headings()
    if draft.cells > MOST_CELLS or draft.cells * len(headings) > MOST_VALUES:
        raise Refused("plan.too_many_groups", limit=min(MOST_CELLS, MOST_VALUES // len(headings)))
    return _Drafted(draft.shape(asked), places, headings, 1 if resource.privacy.exclusive else parties, rows)


def _measure(draft: Draft, aggregate: Aggregate) -> int:
    number = _number(aggregate)
    if aggregate.function == "units":
        return draft.units(aggregate.alias)
    if aggregate.function == "sum":
        if number is None:
            raise Malformed("total.function", function=aggregate.function)
        return draft.sum(aggregate.alias, number)
    return draft.rows(aggregate.alias) if number is None else draft.present(aggregate.alias, number)


def _number(aggregate: Aggregate) -> Expression | None:
    if aggregate.number is not None:
        return aggregate.number
    return Column(aggregate.column) if aggregate.column is not None else None


def _check_range(found: _Drafted, asked: TotalPlan) -> None:
    parties, numbers = len(asked.session.parties), len(asked.noise) * found.shape.cells
    for measure, share in zip(found.measures, asked.noise, strict=True):
        if parties * found.most(measure) + sharing.tail(share, parties, numbers) >= _HALF:
            raise Refused("total.range", parties=parties)


def _prepared(asked: TotalPlan, found: _Drafted, costs: Sequence[int], resource: Resource) -> Prepared:
    charge = asked.loss if asked.loss.currency != ZCDP else PrivacyLoss(0, 0, sum(costs))
    counts = TOTALS.blocks(len(found.places) * found.shape.cells)
    parameters: Object = {
        "shape": found.shape.body(),
        "places": [*found.places],
        "noise": [*asked.noise],
        "most": [str(found.most(each)) for each in found.measures],
        "masking": asked.masking(),
        "open": {"counts": [*counts]},
    }
    mechanisms = _mechanisms(asked, found, costs)
    return Prepared(
        parameters=parameters,
        charge=Charge(charge),
        columns=asked.query.columns(),
        reads=frozenset(found.shape.columns),
        functions=frozenset(each.function for each in asked.query.aggregates),
        kind="EncryptedResult",
        cells=found.shape.cells,
        headings=found.headings,
        mechanisms=tuple(mechanisms),
        max_contribution=found.shape.max_contribution,
        keys=len(found.shape.keys),
        protocol="SecureAggregation",
        session=asked.session,
        inputs=asked.session.key,
        encrypted=ciphertexts.announced(TOTALS, counts),
    )


def _mechanisms(asked: TotalPlan, found: _Drafted, costs: Sequence[int]) -> Iterator[Mechanism]:
    parties = len(asked.session.parties)
    each = zip(asked.query.aggregates, found.measures, asked.noise, costs, strict=True)
    for aggregate, measure, share, cost in each:
        step = step_of(measure, found.shape.grids)
        width = sharing.half_width(share, parties)
        yield Mechanism(
            column=aggregate.alias,
            mechanism=sharing.NAME,
            scale=scaled(sharing.scale(share, parties), step),
            half_width=write(width * Fraction(step)),
            epsilon_nano=0,
            rho_nano=cost,
        )


def _numbers(output: Object, count: int) -> list[int]:
    found = output.get("total")
    if set(output) != {"total"} or not isinstance(found, list) or len(found) != count:
        raise Untrusted("worker.output")
    try:
        numbers = [int(str(each)) for each in found]
    except ValueError:
        raise Untrusted("worker.output") from None
    if any(str(number) != each for number, each in zip(numbers, found, strict=True)):
        raise Untrusted("worker.output")
    return numbers


def _check_reached(by_aggregate: Sequence[Sequence[int]], prepared: Sequence[Prepared]) -> None:
    """No number is beyond what declared rows and noise can make; masks that did not cancel almost never stay within."""
    shares = [each.integer() for each in Place(prepared[0].parameters["noise"], "noise").items()]
    most = [[int(text.text()) for text in Place(each.parameters["most"], "most").items()] for each in prepared]
    count = sum(map(len, by_aggregate))
    for values, share, parts in zip(by_aggregate, shares, zip(*most, strict=True), strict=True):
        reach = sum(parts) + sharing.tail(share, len(prepared), count)
        if any(abs(value) > reach for value in values):
            raise Untrusted("total.beyond")
