"""Between ρ of zero-concentrated privacy and (ε, δ): what a ρ means to people, and the ρ that an (ε, δ) is worth.

ρ adds up over releases without loss, so it is converted once, for the sum of all, and never per release.
Every result is on the safe side: ε and ρ spent are rounded up, a ρ that may be spent is rounded down. The order α at
which the bound is taken is found in floating point; the bound itself, which holds at any α, is computed in decimals
with 50 digits, so that nothing depends on a machine's roundings.

Source: Bun, Steinke 2016, proposition 1.3 (pure ε is ε²/2 of ρ); Canonne, Kamath, Steinke 2020, proposition 12.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Context, Decimal

from hefu_policies.reading import wrong

SHOWN_DELTA_FEMTO = 10**9  # 10⁻⁶: the δ at which a ρ is shown to people as an ε
_NANO, _FEMTO = 10**9, 10**15
_EXACT = Context(prec=50)
_SLACK = Decimal("1e-30")  # more than 50-digit roundings can add up to, and less than a thousandth of any unit
_NARROWINGS = 80
_SHORT = Context(prec=12)


def epsilon_of(rho_nano: int, delta_femto: int) -> int:
    """The ε in 10⁻⁹, rounded up, that all releases of ρ together are worth at this δ.

    Args:
        rho_nano: ρ in 10⁻⁹; 0 or more.
        delta_femto: δ in 10⁻¹⁵; above 0 and below 1.

    Raises:
        Malformed: a δ of zero: no ρ above 0 is a pure ε.
    """
    if rho_nano == 0:
        return 0
    if not 0 < delta_femto < _FEMTO:
        wrong("delta_femto", "a delta above 0 and below 1")
    rho, delta = Decimal(rho_nano) / _NANO, Decimal(delta_femto) / _FEMTO
    order = _order(float(rho), float(delta))
    epsilon = _EXACT.add(_bound(rho, delta, order), _SLACK)
    return max(0, int((epsilon * _NANO).to_integral_value(ROUND_CEILING)))


def rho_of(epsilon_nano: int, delta_femto: int) -> int:
    """The most ρ in 10⁻⁹, rounded down, that stays within (ε, δ); 0 where there is none.

    Raises:
        Malformed: as `epsilon_of`.
    """
    low, high = 0, 1
    while epsilon_of(high, delta_femto) <= epsilon_nano:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if epsilon_of(middle, delta_femto) <= epsilon_nano else (low, middle)
    return low


def rho_of_pure(epsilon_nano: int) -> int:
    """The ρ in 10⁻⁹, rounded up, of a release that costs a pure ε: ε² / 2."""
    return -(-(epsilon_nano**2) // (2 * _NANO))


def _bound(rho: Decimal, delta: Decimal, order: Decimal) -> Decimal:
    """ε at order α: αρ + (ln(1/δ) + α ln(1 - 1/α) - ln(α - 1)) / (α - 1)."""
    less = order - 1
    inner = _EXACT.subtract(order * _EXACT.ln(_EXACT.divide(less, order)), _EXACT.ln(delta) + _EXACT.ln(less))
    return _EXACT.add(order * rho, _EXACT.divide(inner, less))


def _order(rho: float, delta: float) -> Decimal:
    """An α near the best one: by narrowing an interval of ln(α - 1), where the bound has one valley."""

    def found(place: float) -> float:
        less = math.exp(place)
        order = 1.0 + less
        return order * rho + (-math.log(delta) - order * math.log1p(1.0 / less) - place) / less

    golden = (math.sqrt(5.0) - 1.0) / 2.0
    low, high = -12.0, 40.0
    for _ in range(_NARROWINGS):
        first, second = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, second) if found(first) <= found(second) else (first, high)
    return 1 + _SHORT.create_decimal_from_float(math.exp((low + high) / 2.0))
