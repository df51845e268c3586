"""What a query's noise costs: the mechanism by the kind of loss offered, and each measure's share of it.

* pure ε: discrete Laplace, by L1;
* ρ: discrete Gaussian, by L2. Laplace at the same ρ would have at least twice the variance;
* (ε, δ): whichever has the smaller error asked for. Gaussian noise turns (ε, δ) into the most ρ within it, once for the
  whole query; Laplace noise leaves δ unspent, and uncharged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from hefu.errors import Refused
from hefu_policies.budget import ZCDP, PrivacyLoss
from hefu_policies.conversion import rho_of

from hefu_connector.engines.noise.mechanisms import DISCRETE_GAUSSIAN, DISCRETE_LAPLACE, Moves, Noise, worst_square
from hefu_connector.engines.noise.splitting import split


@dataclass(frozen=True, slots=True)
class Asked:
    """One measure to be priced.

    Attributes:
        moves: its sensitivity.
        weight: how much the square of one step's error counts beside the other measures'; above 0.
    """

    moves: Moves
    weight: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a query costs, and each measure's noise, in the order asked."""

    loss: PrivacyLoss
    noises: tuple[Noise, ...]

    def error(self, asked: Sequence[Asked]) -> float:
        """The weighted sum of variances."""
        return sum(float(each.weight) * noise.variance for each, noise in zip(asked, self.noises, strict=True))


def price(asked: Sequence[Asked], offered: PrivacyLoss) -> Bill:
    """The noise of each measure for at most the loss offered. Pure.

    Raises:
        Refused: nothing is offered, or too little for noise that 64-bit integers can hold.
    """
    if offered.currency == ZCDP:
        if offered.epsilon_nano:
            raise Refused("plan.two_currencies")
        return _gaussian(asked, offered.rho_nano, PrivacyLoss(0, 0, offered.rho_nano))
    if offered.epsilon_nano < 1:
        raise Refused("plan.no_loss")
    if not offered.delta_femto:
        return _laplace(asked, offered.epsilon_nano)
    return _better(asked, offered)


def _better(asked: Sequence[Asked], offered: PrivacyLoss) -> Bill:
    """The bill with the smaller error; where only one of the two mechanisms has enough to spend, that one's."""
    rho_nano = rho_of(offered.epsilon_nano, offered.delta_femto)
    try:
        gaussian = _gaussian(asked, rho_nano, PrivacyLoss(offered.epsilon_nano, offered.delta_femto))
    except Refused:
        return _laplace(asked, offered.epsilon_nano)
    try:
        laplace = _laplace(asked, offered.epsilon_nano)
    except Refused:
        return gaussian
    return min(laplace, gaussian, key=lambda each: each.error(asked))


def _laplace(asked: Sequence[Asked], epsilon_nano: int) -> Bill:
    shares = split(epsilon_nano, [each.weight * each.moves.l1**2 for each in asked], 3)
    noises = [Noise(DISCRETE_LAPLACE, each.moves.l1, share) for each, share in zip(asked, shares, strict=True)]
    return _checked(Bill(PrivacyLoss(epsilon_nano), tuple(noises)))


def _gaussian(asked: Sequence[Asked], rho_nano: int, loss: PrivacyLoss) -> Bill:
    squares = [worst_square(each.moves) for each in asked]
    costs = [each.weight * square for each, square in zip(asked, squares, strict=True)]
    shares = split(rho_nano, costs, 2)
    noises = [Noise(DISCRETE_GAUSSIAN, square, share) for square, share in zip(squares, shares, strict=True)]
    return _checked(Bill(loss, tuple(noises)))


def _checked(bill: Bill) -> Bill:
    for noise in bill.noises:
        _ = noise.scale  # refuses what integers cannot hold
    return bill
