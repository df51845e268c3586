"""The least privacy loss at which a question's answers are as near as asked, or why there is none.

Everything it needs is public: the plan, the provider's signed schema, and the number of rows that the provider
declared. Nothing is asked of anybody and nothing is charged.

An error is the half width of the 95 % interval of one cell. In per cent, it stands beside what a cell of average size
can be at most: its share of the declared rows, times the largest value that a row can have; a mean's error stands
beside the range of its column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

from hefu.errors import Malformed, Refused
from hefu_policies import odrl
from hefu_policies.budget import ZCDP, PrivacyLoss
from hefu_policies.deciding.rules import leaves
from hefu_policies.goods.product import Description
from hefu_policies.goods.resource import Resource
from hefu_policies.reading import Place

from hefu_connector.computing.computation import Plan
from hefu_connector.computing.facts import declared_rows
from hefu_connector.engines import answers
from hefu_connector.engines.noise import Noise
from hefu_connector.engines.shape import Measure, Shape
from hefu_connector.engines.statistics import Statistics
from hefu_connector.ports import Prepared

_LARGEST = 2**53 - 1
_DIGITS = 3  # of the loss that is picked
_PLAIN = ("count", "sum", "histogram")  # answers that are one measure


@dataclass(frozen=True, slots=True)
class Target:
    """How near an answer is to be: in per cent, or in the unit of its column."""

    amount: Fraction
    relative: bool

    @classmethod
    def of_text(cls, text: str) -> Target:
        """``2%`` or ``50``.

        Raises:
            Malformed: it is neither, or not above 0.
        """
        relative = text.endswith("%")
        amount = Place(text.removesuffix("%"), "target error").decimal()
        if amount <= 0:
            raise Malformed("contract.value", where="target error", expected="a number above 0, such as 50 or 2%")
        return cls(Fraction(amount) / (100 if relative else 1), relative)


def least(plan: Plan, resource: Resource, target: Target, minimum_group: int | None, most: PrivacyLoss) -> PrivacyLoss:
    """The least loss, to three digits, at which no answer of a plan is further off than the target.

    Args:
        plan: what is asked; the loss that it offers is not looked at.
        minimum_group: as the contract demands; it takes a share of the loss.
        most: that may be offered; its currency is the answer's.

    Raises:
        Refused: more would be needed than may be offered, or the error of an answer cannot be told beforehand.
    """
    if plan.unknown:
        raise Refused("plan.target_column", column=plan.headings()[0])
    of = _rho if most.currency == ZCDP else _epsilon
    limit = most.rho_nano if most.currency == ZCDP else most.epsilon_nano

    def reached(amount: int) -> bool:
        try:
            prepared = Statistics().prepare(replace(plan, loss=of(amount)).body(), resource, minimum_group)
        except Refused as error:
            if error.code == "plan.too_little_loss":
                return False
            raise
        return all(error <= target.amount for error in _errors(prepared, resource, target))

    if not reached(limit):
        raise Refused("plan.target_error", needed=_told(of, _search(reached, limit, _LARGEST)), most=_told(of, limit))
    found = _search(reached, 0, limit)
    return of(min(limit, _rounded(found))) if found else of(limit)


def _search(reached: Callable[[int], bool], low: int, high: int) -> int:
    """The least amount in (low, high] that reaches; 0 where none does. A larger amount never has a larger error."""
    step = max(1, low)
    while low + step < high and not reached(low + step):
        low, step = low + step, step * 2
    high = min(high, low + step)
    if not reached(high):
        return 0
    while high - low > 1 + high // 4096:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _errors(prepared: Prepared, resource: Resource, target: Target) -> list[Fraction]:
    """The error of each answer, as the target counts it."""
    shape = Shape.of(prepared.parameters["shape"])
    noises = [Noise.of(each) for each in Place(prepared.parameters["noise"], "noise").items()]
    found = []
    for answer in Place(prepared.parameters["answer"], "answer").items():
        words = answer.members((), answer.object())
        alias, function = words["alias"].text(), words["function"].text()
        used = [each.integer() for each in words["measures"].items(1)]
        parts = [(shape.measures[index], noises[index]) for index in used]
        step = Fraction(answers.step_of(parts[0][0], shape.grids))
        if function in _PLAIN and not target.relative:
            found.append(parts[0][1].half_width() * step)
            continue
        if function not in (*_PLAIN, "mean"):
            raise Refused("plan.target_column", column=alias)
        share = sum((_beside(*each, prepared.max_contribution) for each in parts), Fraction(0))
        share /= _rows(resource, alias) / prepared.cells
        if function == "mean":
            # |mean - centre| is at most half of the range, so is what the count's error moves it by.
            reach = Fraction(parts[0][0].sensitivity.linf, prepared.max_contribution) * step
            share = share / 2 if target.relative else share * reach
        found.append(share)
    return found


def _beside(measure: Measure, noise: Noise, contribution: int) -> Fraction:
    """The error of a measure beside the most that one row can add to it."""
    return Fraction(noise.half_width() * contribution, measure.sensitivity.l1)


def _rows(resource: Resource, alias: str) -> Fraction:
    rows = declared_rows(resource)
    if not rows:
        raise Refused("plan.target_rows", column=alias)
    return Fraction(rows)


def _epsilon(amount: int) -> PrivacyLoss:
    return PrivacyLoss(amount)


def _rho(amount: int) -> PrivacyLoss:
    return PrivacyLoss(0, 0, amount)


def _told(of: Callable[[int], PrivacyLoss], amount: int) -> str:
    loss = of(amount)
    if not amount:
        return "∞"
    name, value = ("rho", loss.rho) if loss.rho_nano else ("epsilon", loss.epsilon)
    return f"{name} {value.normalize():f}"


def _rounded(amount: int) -> int:
    step = Decimal(1).scaleb(max(0, Decimal(amount).adjusted() + 1 - _DIGITS))
    return int((Decimal(amount) / step).to_integral_value(ROUND_CEILING) * step)


def offered(description: Description) -> tuple[PrivacyLoss, int | None]:
    """The most that one release may cost under any offer of a product, and the least group that its offers ask for."""
    losses, groups = [], []
    for offer in description.offers:
        said = [each for rule in odrl.load(offer.policy).permissions for each in leaves(rule)]
        name = "rho" if offer.budget.currency == ZCDP else "epsilon"
        caps = [each.values[0] for each in said if each.operand.name == name]
        limits = [each for each in caps if isinstance(each, Decimal)]
        whole = offer.budget.loss.rho_nano if name == "rho" else offer.budget.loss.epsilon_nano
        most = min(whole, int(max(limits) * 10**9)) if limits else whole
        losses.append(_rho(most) if name == "rho" else _epsilon(most))
        groups += [int(str(each.values[0])) for each in said if each.operand.name == "minGroup"]
    largest = max(losses, key=lambda each: (each.rho_nano, each.epsilon_nano))
    return largest, max(groups, default=None)
