"""Charges: what a release costs, what may be spent, and whether one more fits.

Privacy loss is (ε, δ) under basic composition: losses add. It is counted in whole units of 10⁻⁹ (ε) and 10⁻¹⁵ (δ),
and what is spent is rounded up, what is allowed is rounded down, so that no sum of roundings overspends. The
neighbouring relation and the privacy unit belong to the resource (`hefu_policies.product.Privacy`), not to a number.

Source: basic composition, Dwork and Roth, "The Algorithmic Foundations of Differential Privacy", theorem 3.16.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from hefu.canonical import LARGEST_INTEGER, Json, Object

from hefu_policies.reading import Place, whole, wrong

EPSILON_DELTA = "epsilon-delta"
_NANO = 9
_FEMTO = 15
_EXACT = Context(prec=100)  # the pattern below allows 49 digits, so nothing is rounded on the way
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,40})?(?:[eE]-[0-9]{1,2})?\Z")


@dataclass(frozen=True, slots=True)
class PrivacyLoss:
    """An amount of (ε, δ) in whole units.

    Attributes:
        epsilon_nano: ε in units of 10⁻⁹; 0 or more.
        delta_femto: δ in units of 10⁻¹⁵; 0 or more.
    """

    epsilon_nano: int
    delta_femto: int = 0

    def __post_init__(self) -> None:
        whole(self.epsilon_nano, "epsilon_nano")
        whole(self.delta_femto, "delta_femto")

    @classmethod
    def of_text(cls, epsilon: str, delta: str = "0", *, rounding: str = ROUND_CEILING) -> PrivacyLoss:
        """The loss of two decimals as people write them, such as ``"0.5"`` and ``"1e-6"``; rounded up.

        Raises:
            Malformed: not a decimal of 0 or more, or too large.
        """
        return cls(
            _units(epsilon, _NANO, "epsilon", rounding),
            _units(delta, _FEMTO, "delta", rounding),
        )

    @property
    def epsilon(self) -> Decimal:
        """ε as an exact decimal."""
        return Decimal(self.epsilon_nano).scaleb(-_NANO)

    @property
    def delta(self) -> Decimal:
        """δ as an exact decimal."""
        return Decimal(self.delta_femto).scaleb(-_FEMTO)

    def __add__(self, other: PrivacyLoss) -> PrivacyLoss:
        return PrivacyLoss(self.epsilon_nano + other.epsilon_nano, self.delta_femto + other.delta_femto)

    def fits(self, limit: PrivacyLoss) -> bool:
        """Whether neither ε nor δ is above the limit's."""
        return self.epsilon_nano <= limit.epsilon_nano and self.delta_femto <= limit.delta_femto

    def body(self) -> Object:
        """``{epsilon_nano, delta_femto}``."""
        return {"epsilon_nano": self.epsilon_nano, "delta_femto": self.delta_femto}

    @classmethod
    def of(cls, body: Json, where: str = "loss") -> PrivacyLoss:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(("epsilon_nano", "delta_femto"))
        return cls(found["epsilon_nano"].integer(), found["delta_femto"].integer())


NO_LOSS = PrivacyLoss(0, 0)


@dataclass(frozen=True, slots=True)
class Charge:
    """What releases cost together: a privacy loss, and how many they are."""

    loss: PrivacyLoss
    releases: int = 1

    def __post_init__(self) -> None:
        whole(self.releases, "releases")

    def __add__(self, other: Charge) -> Charge:
        return Charge(self.loss + other.loss, self.releases + other.releases)

    def body(self) -> Object:
        """``{epsilon_nano, delta_femto, releases}``."""
        return {**self.loss.body(), "releases": self.releases}

    @classmethod
    def of(cls, body: Json, where: str = "charge") -> Charge:
        """Read what `body` wrote; raises as `PrivacyLoss.of`."""
        found = Place(body, where).members(("epsilon_nano", "delta_femto", "releases"))
        loss = PrivacyLoss(found["epsilon_nano"].integer(), found["delta_femto"].integer())
        return cls(loss, found["releases"].integer())


NOTHING = Charge(NO_LOSS, 0)


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent: a privacy loss, and a number of releases. δ is below 1.

    Zero is allowed, as what remains may be nothing; whoever grants a budget calls `check_granted`.
    """

    loss: PrivacyLoss
    releases: int
    currency: str = EPSILON_DELTA

    def __post_init__(self) -> None:
        if self.currency != EPSILON_DELTA:
            wrong("currency", EPSILON_DELTA)
        whole(self.releases, "releases")
        if self.releases > LARGEST_INTEGER or self.loss.epsilon_nano > LARGEST_INTEGER:
            wrong("budget", "numbers below 2^53")
        if self.loss.delta_femto >= 10**_FEMTO:
            wrong("delta_femto", "a delta below 1")

    @classmethod
    def of_text(cls, epsilon: str, delta: str = "0", *, releases: int) -> Budget:
        """The budget of two decimals, rounded down; raises as `PrivacyLoss.of_text`."""
        return cls(PrivacyLoss.of_text(epsilon, delta, rounding=ROUND_FLOOR), releases)

    def check_granted(self, where: str, *, exact: bool = False) -> None:
        """Check that something may be spent at all.

        Args:
            exact: what it is granted for may be exact releases alone, which cost no ε.

        Raises:
            Malformed: ε or the number of releases is 0.
        """
        if self.releases < 1 or (self.loss.epsilon_nano < 1 and not exact):
            wrong(where, "at least one release" if exact else "an epsilon above 0 and at least one release")

    def fits(self, limit: Budget) -> bool:
        """Whether nothing in this budget is above the limit's."""
        return self.loss.fits(limit.loss) and self.releases <= limit.releases

    def body(self) -> Object:
        """``{currency, epsilon_nano, delta_femto, releases}``."""
        return {"currency": self.currency, **self.loss.body(), "releases": self.releases}

    @classmethod
    def of(cls, body: Json, where: str = "budget") -> Budget:
        """Read what `body` wrote; raises as `PrivacyLoss.of`."""
        found = Place(body, where).members(("currency", "epsilon_nano", "delta_femto", "releases"))
        loss = PrivacyLoss(found["epsilon_nano"].integer(), found["delta_femto"].integer())
        return cls(loss, found["releases"].integer(), found["currency"].choice(EPSILON_DELTA))


def would_exceed(spent: Charge, charge: Charge, budget: Budget) -> bool:
    """Whether one more charge would overspend. ``spent`` includes what is reserved and not settled."""
    total = spent + charge
    return not total.loss.fits(budget.loss) or total.releases > budget.releases


def remaining(spent: Charge, budget: Budget) -> Budget:
    """What may still be spent; never below zero."""
    loss = PrivacyLoss(
        max(0, budget.loss.epsilon_nano - spent.loss.epsilon_nano),
        max(0, budget.loss.delta_femto - spent.loss.delta_femto),
    )
    return Budget(loss, max(0, budget.releases - spent.releases), budget.currency)


def _units(text: str, places: int, where: str, rounding: str) -> int:
    if not isinstance(text, str) or not _NUMBER.match(text):
        wrong(where, "a decimal of 0 or more, such as 0.5 or 1e-6")
    number = Decimal(text).scaleb(places, _EXACT)
    return int(number.to_integral_value(rounding, _EXACT))
