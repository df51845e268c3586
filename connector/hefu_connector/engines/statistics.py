"""Private statistics: what a plan costs and means, decided from the provider's public schema before data is touched.

`Statistics.prepare` and `Statistics.read` run in the connector's own process and are pure; between them a worker
counts and adds noise (`hefu_connector.engines.counting`). The whole guarantee is ε-differential privacy for adding or
removing one privacy unit, by noise on integers: discrete Laplace for a pure ε, discrete Gaussian for a ρ, and of the
two the better for (ε, δ), in which case the guarantee is (ε, δ) or ρ (`hefu_connector.engines.noise.pricing`):

* every release reads at most `max_contribution` rows of a unit; what these can move is worked out, with the proofs, in
  `hefu_connector.engines.sensitivities`;
* groups are the provider's declared categories, or follow from declared bounds and the plan; undeclared ones are
  dropped, absent ones are answered with noise. Those of an unknown key are told by a threshold, which costs a δ
  (`hefu_connector.engines.partitions`);
* the loss is split over the noised measures, in whole 10⁻⁹, so that the error of what was asked is least, where an
  error counts beside what one unit can move; a mean takes two (centred sum and count), a variance three.

What is undefined elsewhere is defined here: an absent, non-finite or unreadable value adds nothing to a sum and is
not present; a row without a unit is left out; values beyond their bounds are moved to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hefu.canonical import Object
from hefu.errors import NotFound, Refused
from hefu_policies.budget import Charge
from hefu_policies.goods.resource import Resource
from hefu_policies.reading import Place, write_decimal

from hefu_connector.computing import expressions, finding
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.facts import declared_rows
from hefu_connector.engines import answers, joining, noise, partitions, quantiles, sensitivities
from hefu_connector.engines.drafting import MOST_CELLS, MOST_FOUND, MOST_VALUES, Draft
from hefu_connector.engines.shape import LEFT_OUT, Shape
from hefu_connector.ports import Finding, Mechanism, Prepared, Values

_IN_EPSILON, _IN_RHO = "DiscreteLaplace", "DiscreteGaussian"  # in the words of policies, by what its loss is counted in


class Statistics:
    """Counts, sums, moments, quantiles and histograms with noise on whole numbers. An `Engine`."""

    name = "statistics"
    version = "1"
    action = "hefu:dpQuery"
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
        """Validate a plan anew against the provider's schema and price it. Pure.

        Args:
            beside: the resource that the plan joins, where it joins one.
            minimum_group: the least number of privacy units in a group that may be told; judged on a noised count,
                which is added to what is charged unless the plan asks for one that serves.

        Raises:
            Malformed: the plan is not of the typed form or does not fit the schema.
            Refused: it asks for what is never answered: no noise, too many groups, another mechanism.
        """
        asked = Plan.of(plan)
        rows = declared_rows(resource) if asked.filter is None and asked.join is None else 0
        if rows:
            draft = _drafted(asked, resource, beside, minimum_group, choosing=True)
            if draft.chooses:
                made = _finish(draft, asked, minimum_group)
                if _are_near(made, rows):
                    return made
        return _finish(_drafted(asked, resource, beside, minimum_group), asked, minimum_group)

    def read(self, output: Object, prepared: Prepared) -> Values:
        """The values in what a worker returned. Pure post-processing of noised whole numbers.

        Raises:
            Untrusted: the output has another shape than was prepared.
        """
        return answers.read(output, prepared)


def _drafted(
    asked: Plan, resource: Resource, beside: Resource | None, minimum_group: int | None, *, choosing: bool = False
) -> Draft:
    draft = _draft(asked, resource, beside)
    draft.choosing = choosing
    draft.add_plan(asked)
    if asked.join is not None and draft.unknown:
        raise Refused("plan.join_unknown")
    draft.quantiles = [_number(each) for each in asked.aggregates if each.function == "quantile"]
    for aggregate in asked.aggregates:
        draft.answer.append(_answer(draft, aggregate))
    if minimum_group is not None:
        draft.add_minimum()
    return draft


def _are_near(made: Prepared, rows: int) -> bool:
    """Whether every choice of a quantile is nearer the truth than counts, by the rows that the provider declared."""
    measures = Shape.of(made.parameters["shape"]).measures
    places = Place(made.parameters["noise"], "noise").items()
    return all(
        quantiles.is_near(noise.Noise.of(place).scale, measure.which, Fraction(rows, made.cells))
        for measure, place in zip(measures, places, strict=True)
        if measure.which is not None
    )


def _draft(asked: Plan, resource: Resource, beside: Resource | None) -> Draft:
    if asked.join is None:
        return Draft(resource, sets=asked.sets)
    if beside is None:
        raise NotFound("resource.not_found", what="product", name=asked.join.product)
    both, joined = joining.joined(resource, beside, asked.join)
    joining.check_columns(resource, beside, asked.join, asked.columns())
    return Draft(both, sets=asked.sets, joined=joined)


def _answer(draft: Draft, aggregate: Aggregate) -> Object:
    found = _MEASURES[aggregate.function](draft, aggregate)
    answer: Object = {"function": aggregate.function, "alias": aggregate.alias, "measures": [*found]}
    if aggregate.quantile is not None:
        answer["quantile"] = write_decimal(aggregate.quantile)
    if labels := _labels(draft, aggregate):
        answer["labels"] = [*labels]
    return answer


def _count(draft: Draft, aggregate: Aggregate) -> list[int]:
    if aggregate.column is None and aggregate.number is None:
        return [draft.rows(aggregate.alias)]
    return [draft.present(aggregate.alias, _number(aggregate))]


def _units(draft: Draft, aggregate: Aggregate) -> list[int]:
    return [draft.units(aggregate.alias)]


def _sum(draft: Draft, aggregate: Aggregate) -> list[int]:
    return [draft.sum(aggregate.alias, _number(aggregate))]


def _mean(draft: Draft, aggregate: Aggregate) -> list[int]:
    # A sum of distances from the middle of the bounds has half the sensitivity or less.
    number, alias = _number(aggregate), aggregate.alias
    found = draft.lowered(number)
    centre = sensitivities.middle(found.least, found.most)
    return [draft.sum(alias, number, centre, "centred-sum"), draft.present(alias, number, "count")]


def _variance(draft: Draft, aggregate: Aggregate) -> list[int]:
    number, alias = _number(aggregate), aggregate.alias
    found = draft.lowered(number)
    centre = sensitivities.middle(found.least, found.most)
    return [
        draft.sum(alias, number, centre, "centred-sum"),
        draft.squares(alias, number, centre, "centred-squares"),
        draft.present(alias, number, "count"),
    ]


def _quantile(draft: Draft, aggregate: Aggregate) -> list[int]:
    number = _number(aggregate)
    return draft.quantile(
        aggregate.alias, number, Fraction(aggregate.quantile or 0), alone=draft.quantiles.count(number) == 1
    )


def _mode(draft: Draft, aggregate: Aggregate) -> list[int]:
    if _labels(draft, aggregate):
        return [draft.choice(aggregate.alias, draft.use(aggregate.column or ""))]
    return [draft.candidates(aggregate.alias, _number(aggregate), every=True)]


def _labels(draft: Draft, aggregate: Aggregate) -> tuple[str, ...]:
    """The categories of which a mode is one, where its column has no bounds; empty where it is a number."""
    if aggregate.function != "mode" or aggregate.column is None:
        return ()
    column = draft.use(aggregate.column)
    return () if column.bounds is not None else column.categories or ()


def _histogram(draft: Draft, aggregate: Aggregate) -> list[int]:
    return [draft.rows(aggregate.alias)]


_MEASURES: dict[str, Callable[[Draft, Aggregate], list[int]]] = {
    "count": _count,
    "units": _units,
    "sum": _sum,
    "mean": _mean,
    "variance": _variance,
    "stddev": _variance,
    "quantile": _quantile,
    "mode": _mode,
    "histogram": _histogram,
}


def _number(aggregate: Aggregate) -> expressions.Expression:
    return aggregate.number if aggregate.number is not None else expressions.Column(aggregate.column or "")


def _finish(draft: Draft, plan: Plan, minimum_group: int | None) -> Prepared:
    headings = plan.headings()
    deciding = draft.add_groups() if draft.unknown else None
    cells = _cells(draft, len(headings) + sum(each.width - 1 for each in draft.measures))
    bill = noise.price([*draft.asked()], plan.loss, deciding)
    found = _found(bill, deciding, minimum_group, cells)
    histogram = any(each.function == "histogram" for each in plan.aggregates)
    parameters: Object = {
        "shape": draft.shape(plan).body(),
        "noise": [each.body() for each in bill.noises],
        "answer": [*draft.answer],
        "minimum": draft.minimum,
        "found": found,
    }
    return Prepared(
        parameters=parameters,
        charge=Charge(bill.loss),
        columns=plan.columns(),
        reads=frozenset(draft.columns),
        functions=frozenset(each.function for each in plan.aggregates),
        kind="Histogram" if histogram else "NoisyAggregate",
        cells=cells,
        headings=headings,
        mechanisms=tuple(_mechanisms(draft, bill.noises, found)),
        max_contribution=draft.contribution,
        keys=len(draft.keys),
        minimum_group=minimum_group,
        protocol=_IN_EPSILON if bill.noises[0].mechanism in noise.IN_EPSILON else _IN_RHO,
        finding=_finding(draft, found),
        words=_words(draft, asked=plan),
        joins=frozenset() if plan.join is None else frozenset({plan.join.on}),
    )


def _words(draft: Draft, asked: Plan) -> Mapping[str, tuple[str, ...]]:
    """The labels of which an answer is one, by its heading."""
    labels = ((each.alias, _labels(draft, each)) for each in asked.aggregates)
    return {alias: found for alias, found in labels if found}


def _cells(draft: Draft, wide: int) -> int:
    """How many rows the answer has; where groups are found, at most."""
    if draft.unknown:
        return min(MOST_FOUND, MOST_VALUES // wide)
    if draft.cells > MOST_CELLS or draft.cells * wide > MOST_VALUES:
        raise Refused("plan.too_many_groups", limit=min(MOST_CELLS, MOST_VALUES // wide))
    return draft.cells


def _found(bill: noise.Bill, deciding: int | None, minimum_group: int | None, most: int) -> Object | None:
    """What the worker needs to know of found groups: which count decides, what it must reach, how many are told."""
    if bill.threshold is None or deciding is None:
        return None
    # A group that the minimum group would withhold is not told at all: its name is told by nothing but its count.
    least = max(bill.threshold.least, (minimum_group or 0) - LEFT_OUT)
    return {"deciding": deciding, "threshold": replace(bill.threshold, least=least).body(), "most": most}


def _finding(draft: Draft, found: Object | None) -> Finding | None:
    if found is None:
        return None
    types = tuple(draft.columns[each.column] if each.unknown else "" for each in draft.keys)
    widths = (finding.widest(kind, each.labels) for kind, each in zip(types, draft.keys, strict=True))
    return Finding(types, tuple(widths), partitions.least_told(found))


def _mechanisms(draft: Draft, noises: Sequence[noise.Noise], found: Object | None) -> Iterator[Mechanism]:
    for index, (measure, told, its) in enumerate(zip(draft.measures, draft.told, noises, strict=True)):
        step = answers.step_of(measure, draft.grids) / (measure.which.denominator if measure.which else 1)
        in_epsilon = its.mechanism in noise.IN_EPSILON
        plain = not told.part and measure.width == 1 and not measure.placed
        yield Mechanism(
            column=told.alias,
            mechanism=":".join([its.mechanism, *_parts(index, told.part, found)]),
            scale=answers.scaled(its.scale, step),
            half_width=write_decimal(Decimal(its.half_width() * step)) if plain else "",
            epsilon_nano=its.share_nano if in_epsilon else 0,
            rho_nano=0 if in_epsilon else its.share_nano,
        )


def _parts(index: int, part: str, found: Object | None) -> Iterator[str]:
    """What stands behind the name of a mechanism: the part of its answer, or what a group must reach to be told."""
    if part:
        yield part
    if found is not None and found["deciding"] == index:
        yield f"threshold-{partitions.least_told(found)}"
