"""Charges: what a release costs, what may be spent, and whether one more fits.

Privacy loss is counted in one of two currencies, and in both losses add: (ε, δ) under basic composition, or ρ of
zero-concentrated differential privacy (with a δ where a release needs one), which is as tight for Gaussian noise. It is
counted in whole units of 10⁻⁹ (ε, ρ) and 10⁻¹⁵ (δ), and what is spent is rounded up, what is allowed is rounded down,
so that no sum of roundings overspends. A limit in one currency has nothing of the other, so a loss in the wrong
currency never fits. The neighbouring relation and the privacy unit belong to the resource
(`hefu_policies.goods.product.Privacy`), not to a number.

Source: basic composition, Dwork and Roth, "The Algorithmic Foundations of Differential Privacy", theorem 3.16;
ρ adds: Bun and Steinke 2016, lemma 1.7; with a δ: the same, section 8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from hefu.canonical import LARGEST_INTEGER, Json, Object

from hefu_policies.reading import Place, whole, wrong

EPSILON_DELTA = "epsilon-delta"
ZCDP = "zcdp"
CURRENCIES = (EPSILON_DELTA, ZCDP)
_NANO = 9
_FEMTO = 15
_EXACT = Context(prec=100)  # the pattern below allows 49 digits, so nothing is rounded on the way
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,40})?(?:[eE]-[0-9]{1,2})?\Z")


@dataclass(frozen=True, slots=True)
class PrivacyLoss:
    """An amount of (ε, δ), or of ρ, in whole units.

    Attributes:
        epsilon_nano: ε in units of 10⁻⁹; 0 or more.
        delta_femto: δ in units of 10⁻¹⁵; 0 or more.
        rho_nano: ρ in units of 10⁻⁹; 0 or more. Left out of bodies where it is 0, as before there was one.
    """

    epsilon_nano: int
    delta_femto: int = 0
    rho_nano: int = 0

    def __post_init__(self) -> None:
        whole(self.epsilon_nano, "epsilon_nano")
        whole(self.delta_femto, "delta_femto")
        whole(self.rho_nano, "rho_nano")

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

    @classmethod
    def of_rho(cls, rho: str, delta: str = "0", *, rounding: str = ROUND_CEILING) -> PrivacyLoss:
        """The loss of a ρ as people write it, such as ``"0.05"``; rounded up. Raises as `of_text`."""
        return cls(0, _units(delta, _FEMTO, "delta", rounding), _units(rho, _NANO, "rho", rounding))

    @property
    def currency(self) -> str:
        """In which it is counted: `ZCDP` where it has a ρ, else `EPSILON_DELTA`."""
        return ZCDP if self.rho_nano else EPSILON_DELTA

    @property
    def rho(self) -> Decimal:
        """ρ as an exact decimal."""
        return Decimal(self.rho_nano).scaleb(-_NANO)

    @property
    def epsilon(self) -> Decimal:
        """ε as an exact decimal."""
        return Decimal(self.epsilon_nano).scaleb(-_NANO)

    @property
    def delta(self) -> Decimal:
        """δ as an exact decimal."""
        return Decimal(self.delta_femto).scaleb(-_FEMTO)

    def __add__(self, other: PrivacyLoss) -> PrivacyLoss:
        return PrivacyLoss(
            self.epsilon_nano + other.epsilon_nano,
            self.delta_femto + other.delta_femto,
            self.rho_nano + other.rho_nano,
        )

    def fits(self, limit: PrivacyLoss) -> bool:
        """Whether neither ε nor δ nor ρ is above the limit's."""
        return (
            self.epsilon_nano <= limit.epsilon_nano
            and self.delta_femto <= limit.delta_femto
            and self.rho_nano <= limit.rho_nano
        )

    def body(self) -> Object:
        """``{epsilon_nano, delta_femto}``, and ``rho_nano`` where there is any."""
        body: Object = {"epsilon_nano": self.epsilon_nano, "delta_femto": self.delta_femto}
        return body | {"rho_nano": self.rho_nano} if self.rho_nano else body

    @classmethod
    def of(cls, body: Json, where: str = "loss") -> PrivacyLoss:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        return _loss(Place(body, where).members(("epsilon_nano", "delta_femto"), ("rho_nano",)))


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
        """``{epsilon_nano, delta_femto, releases}``, and ``rho_nano`` where there is any."""
        return {**self.loss.body(), "releases": self.releases}

    @classmethod
    def of(cls, body: Json, where: str = "charge") -> Charge:
        """Read what `body` wrote; raises as `PrivacyLoss.of`."""
        found = Place(body, where).members(("epsilon_nano", "delta_femto", "releases"), ("rho_nano",))
        return cls(_loss(found), found["releases"].integer())


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
        if self.currency not in CURRENCIES:
            wrong("currency", " or ".join(CURRENCIES))
        whole(self.releases, "releases")
        if max(self.releases, self.loss.epsilon_nano, self.loss.rho_nano) > LARGEST_INTEGER:
            wrong("budget", "numbers below 2^53")
        # INVARIANT: a limit has nothing of the other currency, so that a loss in it never fits.
        if self.loss.rho_nano if self.currency == EPSILON_DELTA else self.loss.epsilon_nano:
            wrong("currency", "epsilon under epsilon-delta, rho under zcdp, never both")
        if self.loss.delta_femto >= 10**_FEMTO:
            wrong("delta_femto", "a delta below 1")

    @classmethod
    def of_text(cls, epsilon: str, delta: str = "0", *, releases: int) -> Budget:
        """The budget of two decimals, rounded down; raises as `PrivacyLoss.of_text`."""
        return cls(PrivacyLoss.of_text(epsilon, delta, rounding=ROUND_FLOOR), releases)

    @classmethod
    def of_rho(cls, rho: str, delta: str = "0", *, releases: int) -> Budget:
        """The budget of a ρ, rounded down; raises as `PrivacyLoss.of_text`."""
        return cls(PrivacyLoss.of_rho(rho, delta, rounding=ROUND_FLOOR), releases, ZCDP)

    def check_granted(self, where: str, *, exact: bool = False) -> None:
        """Check that something may be spent at all.

        Args:
            exact: what it is granted for may be exact releases alone, which cost no ε.

        Raises:
            Malformed: ε (ρ under `ZCDP`) or the number of releases is 0.
        """
        name, amount = ("rho", self.loss.rho_nano) if self.currency == ZCDP else ("epsilon", self.loss.epsilon_nano)
        if self.releases < 1 or (amount < 1 and not exact):
            wrong(where, "at least one release" if exact else f"an {name} above 0 and at least one release")

    def fits(self, limit: Budget) -> bool:
        """Whether nothing in this budget is above the limit's."""
        return self.loss.fits(limit.loss) and self.releases <= limit.releases

    def body(self) -> Object:
        """``{currency, epsilon_nano, delta_femto, releases}``, and ``rho_nano`` where there is any."""
        return {"currency": self.currency, **self.loss.body(), "releases": self.releases}

    @classmethod
    def of(cls, body: Json, where: str = "budget") -> Budget:
        """Read what `body` wrote; raises as `PrivacyLoss.of`."""
        found = Place(body, where).members(("currency", "epsilon_nano", "delta_femto", "releases"), ("rho_nano",))
        return cls(_loss(found), found["releases"].integer(), found["currency"].choice(*CURRENCIES))


def would_exceed(spent: Charge, charge: Charge, budget: Budget) -> bool:
    """Whether one more charge would overspend. ``spent`` includes what is reserved and not settled."""
    total = spent + charge
    return not total.loss.fits(budget.loss) or total.releases > budget.releases


def remaining(spent: Charge, budget: Budget) -> Budget:
    """What may still be spent; never below zero."""
    loss = PrivacyLoss(
        max(0, budget.loss.epsilon_nano - spent.loss.epsilon_nano),
        max(0, budget.loss.delta_femto - spent.loss.delta_femto),
        max(0, budget.loss.rho_nano - spent.loss.rho_nano),
    )
    return Budget(loss, max(0, budget.releases - spent.releases), budget.currency)


def _loss(found: dict[str, Place]) -> PrivacyLoss:
    # A ρ of 0 is not written, so none is read: what is read is written the same way again.
    rho = found["rho_nano"].integer(1) if "rho_nano" in found else 0
    return PrivacyLoss(found["epsilon_nano"].integer(), found["delta_femto"].integer(), rho)


def _units(text: str, places: int, where: str, rounding: str) -> int:
    if not isinstance(text, str) or not _NUMBER.match(text):
        wrong(where, "a decimal of 0 or more, such as 0.5 or 1e-6")
    number = Decimal(text).scaleb(places, _EXACT)
    return int(number.to_integral_value(rounding, _EXACT))
