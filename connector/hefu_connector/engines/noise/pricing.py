"""What a query's noise costs: the mechanism by the kind of loss offered, and each measure's share of it.

* pure ε: discrete Laplace, by L1;
* ρ: discrete Gaussian, by L2. Laplace at the same ρ would have at least twice the variance;
* (ε, δ): whichever has the smaller error asked for. Gaussian noise turns (ε, δ) into the most ρ within it, once for the
  whole query; Laplace noise leaves δ unspent, and uncharged.

Where groups are found in the data, one measure decides which are told, and that costs a δ as well: all that is offered
with Laplace noise or a ρ; with Gaussian noise at (ε, δ) half of it, and noise has the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from hefu.errors import Refused
from hefu_policies.budget import ZCDP, PrivacyLoss
from hefu_policies.conversion import rho_of

from hefu_connector.engines.noise.mechanisms import (
    DISCRETE_GAUSSIAN,
    DISCRETE_LAPLACE,
    NOISY_MAX,
    NOISY_MAX_RHO,
    NOISY_QUANTILE,
    NOISY_QUANTILE_RHO,
    Moves,
    Noise,
    least,
)
from hefu_connector.engines.noise.splitting import split
from hefu_connector.engines.noise.threshold import Threshold, threshold


@dataclass(frozen=True, slots=True)
class Asked:
    """One measure to be priced.

    Attributes:
        moves: its sensitivity.
        weight: how much the square of one step's error counts beside the other measures'; above 0.
        chosen: only which of its numbers in a group is the largest is told.
        ranked: only which of its numbers in a group holds a quantile is told.
    """

    moves: Moves
    weight: Fraction = Fraction(1)
    chosen: bool = False
    ranked: bool = False

    def by(self, counts: str, largest: str, quantile: str) -> str:
        """The mechanism of these that it has."""
        return quantile if self.ranked else largest if self.chosen else counts


@dataclass(frozen=True, slots=True)
class Bill:
    """What a query costs, each measure's noise, in the order asked, and what found groups must reach."""

    loss: PrivacyLoss
    noises: tuple[Noise, ...]
    threshold: Threshold | None = None

    def error(self, asked: Sequence[Asked]) -> float:
        """The weighted sum of variances."""
        return sum(float(each.weight) * noise.variance for each, noise in zip(asked, self.noises, strict=True))


def price(asked: Sequence[Asked], offered: PrivacyLoss, deciding: int | None = None) -> Bill:
    """The noise of each measure for at most the loss offered. Pure.

    Args:
        deciding: the place of the measure that decides which found groups are told: a count of units, which one unit
            moves by 1 in each of at most `l0` groups. None where all groups are public.

    Raises:
        Refused: nothing is offered, or too little for noise that 64-bit integers can hold; or no δ where groups are
            found.
    """
    if deciding is not None and (not offered.delta_femto or asked[deciding].moves.linf != 1):
        raise Refused("plan.no_delta")
    found = offered.delta_femto if deciding is not None else 0
    if offered.currency == ZCDP:
        if offered.epsilon_nano:
            raise Refused("plan.two_currencies")
        bill = _gaussian(asked, offered.rho_nano, PrivacyLoss(0, found, offered.rho_nano))
        return _deciding(bill, asked, deciding, found)
    if offered.epsilon_nano < 1:
        raise Refused("plan.no_loss")
    laplace = partial(_laplace, asked, PrivacyLoss(offered.epsilon_nano, found))
    if not offered.delta_femto:
        return laplace()
    return _better(asked, offered, lambda: _deciding(laplace(), asked, deciding, found), deciding)


def price_in_rho(asked: Sequence[Asked], offered: PrivacyLoss) -> Bill:
    """The Gaussian noise of each measure for at most the loss offered, whichever it is counted in. Pure.

    Raises:
        Refused: nothing is offered, or a pure ε, which no Gaussian noise has; or too little.
    """
    return _gaussian(asked, worth(offered), offered)


def worth(offered: PrivacyLoss) -> int:
    """The most ρ in 10⁻⁹ within a loss of either currency.

    Raises:
        Refused: nothing is offered, both currencies, or a pure ε, within which there is none.
    """
    if offered.currency == ZCDP:
        if offered.epsilon_nano:
            raise Refused("plan.two_currencies")
        return offered.rho_nano
    if offered.epsilon_nano < 1:
        raise Refused("plan.no_loss")
    if not offered.delta_femto:
        raise Refused("total.no_delta")
    return rho_of(offered.epsilon_nano, offered.delta_femto)


def _better(asked: Sequence[Asked], offered: PrivacyLoss, laplace: Callable[[], Bill], deciding: int | None) -> Bill:
    """The bill with the smaller error; where only one of the two mechanisms has enough to spend, that one's."""
    found = offered.delta_femto // 2 if deciding is not None else 0
    try:
        rho_nano = rho_of(offered.epsilon_nano, offered.delta_femto - found)
        gaussian = _gaussian(asked, rho_nano, PrivacyLoss(offered.epsilon_nano, offered.delta_femto))
        gaussian = _deciding(gaussian, asked, deciding, found)
    except Refused:
        return laplace()
    try:
        return min(laplace(), gaussian, key=lambda each: each.error(asked))
    except Refused:
        return gaussian


def _deciding(bill: Bill, asked: Sequence[Asked], deciding: int | None, delta_femto: int) -> Bill:
    """The bill with what found groups must reach; raises Refused where there is no δ for it."""
    if deciding is None:
        return bill
    return replace(bill, threshold=threshold(bill.noises[deciding], asked[deciding].moves.l0, delta_femto))


def _laplace(asked: Sequence[Asked], loss: PrivacyLoss) -> Bill:
    shares = split(loss.epsilon_nano, [each.weight * each.moves.l1**2 for each in asked], 3)
    names = (each.by(DISCRETE_LAPLACE, NOISY_MAX, NOISY_QUANTILE) for each in asked)
    return _checked(Bill(loss, _noises(asked, names, shares)))


def _gaussian(asked: Sequence[Asked], rho_nano: int, loss: PrivacyLoss) -> Bill:
    names = [each.by(DISCRETE_GAUSSIAN, NOISY_MAX_RHO, NOISY_QUANTILE_RHO) for each in asked]
    squares = [
        each.moves.l1**2 if each.chosen or each.ranked else least(DISCRETE_GAUSSIAN, each.moves) for each in asked
    ]
    shares = split(rho_nano, [each.weight * square for each, square in zip(asked, squares, strict=True)], 2)
    return _checked(Bill(loss, _noises(asked, names, shares)))


def _noises(asked: Sequence[Asked], names: Iterable[str], shares: Sequence[int]) -> tuple[Noise, ...]:
    found = zip(asked, names, shares, strict=True)
    return tuple(Noise(name, least(name, each.moves), share) for each, name, share in found)


def _checked(bill: Bill) -> Bill:
    for noise in bill.noises:
        _ = noise.scale  # refuses what integers cannot hold
    return bill
