"""Noise that several parties draw together: each adds a share of it, and no party's number need be seen.

Every party adds discrete Gaussian noise of the same σ to each whole number. Of the parties at least `honest` keep to
it; what the others add may be nothing, or known to whoever reads the sum. So what protects a unit is the sum of
`honest` shares, of variance honest · σ². A sum of discrete Gaussians is not one, but nearly: with

    τ = 10 · Σ_{k=1}^{h-1} exp(-2π²σ² · k / (k+1)),

a sum of h shares, added to numbers that a unit moves by Δ in d places, is ρ-zCDP with

    ρ = Δ₂²/2hσ² + min(Δ₁, √d Δ₂) · τ/(√h σ) + dτ²/2.

Places that a unit does not move cost nothing, since shares are independent from place to place: so d is the number of
those that it moves, and not of all. Further honest shares only add noise that does not depend on the data.

Source: Kairouz, Liu, Steinke 2021, "The Distributed Discrete Gaussian Mechanism for Federated Learning with Secure
Aggregation" (arXiv 2102.06387), proposition 14, its second and third bound, which are linear in α; τ from theorem 1.
It wants σ² >= 1/2. For h = 1 it is theorem 4 of Canonne, Kamath, Steinke 2020.
"""

from __future__ import annotations

import math
from fractions import Fraction

from hefu.errors import Defect, Refused

from hefu_connector.engines.noise import gaussian
from hefu_connector.engines.noise.mechanisms import CONFIDENCE, Moves, worst_square

NAME = "distributed-discrete-gaussian"
FINE = 1000  # a share's σ is told in so many parts of a step
LEAST_SHARE = 708  # σ² >= 1/2
LARGEST_SHARE = 2**50  # beyond, no plaintext modulus holds the noise
_NANO = 10**9
_UP = 1.0 + 1e-9  # what roundings of floats may take away, many times over
_FAINT = 1e-300  # τ is above 0 however large σ is
_NEVER = 64 * math.log(2.0)  # of 2^64 answers, less than one has noise beyond its tail


def cost(moves: Moves, share: int, honest: int, numbers: int) -> int:
    """ρ in 10⁻⁹, rounded up, of numbers to which each of `honest` parties adds a share. Pure.

    Args:
        moves: what one privacy unit moves in the sum of all parties' numbers.
        share: σ in thousandths of a step.
        numbers: how many there are.
    """
    if not LEAST_SHARE <= share <= LARGEST_SHARE or honest < 1 or numbers < 1:
        raise Defect("internal", reference="noise", detail="a share of noise that no bound holds for")
    square = worst_square(moves)
    alone = Fraction(square * FINE**2, 2 * honest * share**2)
    found = tau(share, honest)
    places = min(moves.l0, numbers)
    apart = min(float(moves.l1), math.sqrt(places * square)) * found * FINE / (math.sqrt(honest) * share)
    more = Fraction((apart + places * found**2 / 2.0) * _UP)
    nano = (alone + more) * _NANO
    return -(-nano.numerator // nano.denominator)


def least_share(moves: Moves, rho_nano: int, honest: int, numbers: int) -> int:
    """The least σ of a share, in thousandths of a step, at which the cost is at most ρ.

    Raises:
        Refused: ρ is too small for any plaintext modulus to hold the noise.
    """
    low, high = LEAST_SHARE - 1, LEAST_SHARE
    while high <= LARGEST_SHARE and cost(moves, high, honest, numbers) > rho_nano:
        low, high = high, 2 * high
    if high > LARGEST_SHARE:
        raise Refused("plan.too_little_loss")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cost(moves, middle, honest, numbers) <= rho_nano else (middle, high)
    return high


def tau(share: int, count: int) -> float:
    """How far a sum of so many shares is from one discrete Gaussian, at most, in the logarithm of probabilities."""
    if count < 2:
        return 0.0
    square = (share / FINE) ** 2
    parts = (math.exp(-2.0 * math.pi**2 * square * each / (each + 1)) for each in range(1, count))
    return max(_FAINT, 10.0 * math.fsum(parts) * _UP)


def scale(share: int, parties: int) -> float:
    """σ of the sum of all parties' shares, in steps."""
    return share / FINE * math.sqrt(parties)


def half_width(share: int, parties: int, confidence: float = CONFIDENCE) -> int:
    """Steps within which the noise of all parties lies with this probability, if all keep to it.

    Whatever one discrete Gaussian of the same variance misses with probability p, the sum misses with at most p · e^τ.
    """
    inside = 1.0 - (1.0 - confidence) * math.exp(-tau(share, parties))
    return gaussian.half_width(scale(share, parties), inside)


def tail(share: int, parties: int, numbers: int) -> int:
    """Steps that the noise of none of so many numbers exceeds, but with a probability below 2⁻⁶⁴.

    A discrete Gaussian is subgaussian with its σ², and so is a sum with the sum of these: P(|X| >= m) is at most
    2 exp(-m²/2nσ²).

    Source: Canonne, Kamath, Steinke 2020, corollary 17; union bound.
    """
    return math.ceil(scale(share, parties) * math.sqrt(2.0 * (_NEVER + math.log(2.0 * numbers)))) + 1
