"""One measure's noise as a plain value: which mechanism, what a unit moves, and the share of the loss it may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from hefu.canonical import Object
from hefu.errors import Defect
from hefu_policies.reading import Place

from hefu_connector.engines.noise import choosing, gaussian, laplace

DISCRETE_LAPLACE = "discrete-laplace"
DISCRETE_GAUSSIAN = "discrete-gaussian"
NOISY_MAX = "report-noisy-max"  # exponential noise, counted in ε
NOISY_MAX_RHO = "report-noisy-max-gumbel"  # Gumbel noise, counted in ρ
NOISY_QUANTILE = "noisy-quantile"  # report noisy max of how near each candidate's rank is; exponential noise, in ε
NOISY_QUANTILE_RHO = "noisy-quantile-gumbel"  # the same with Gumbel noise, in ρ
CHOOSING = (NOISY_MAX, NOISY_MAX_RHO, NOISY_QUANTILE, NOISY_QUANTILE_RHO)
MONOTONIC = (NOISY_MAX, NOISY_MAX_RHO)
IN_EPSILON = (DISCRETE_LAPLACE, NOISY_MAX, NOISY_QUANTILE)
CONFIDENCE = 0.95
LARGEST_EXACT = 2**62  # exact aggregates are clamped to ± this, which no bounded table reaches


class Moves(Protocol):
    """How far adding or removing one privacy unit moves a measure, in whole steps."""

    @property
    def l0(self) -> int:
        """Cells moved at most."""
        ...

    @property
    def linf(self) -> int:
        """The most that one cell moves."""
        ...

    @property
    def l1(self) -> int:
        """The most that all cells together move."""
        ...


def worst_square(moves: Moves) -> int:
    """The most by which one unit moves a measure in squared L2.

    Of numbers of at most `linf`, at most `l0` of them, that add up to at most `l1`, the squares add up to at most
    linf · min(l1, l0 · linf), as each square is at most `linf` times its number.
    """
    return moves.linf * min(moves.l1, moves.l0 * moves.linf)


def least(mechanism: str, moves: Moves) -> int:
    """The sensitivity that noise of this mechanism must be for."""
    return worst_square(moves) if mechanism == DISCRETE_GAUSSIAN else moves.l1


@dataclass(frozen=True, slots=True)
class _Mechanism:
    scale_of: Callable[[int, int], float]
    half_width: Callable[[float, float], int]
    variance: Callable[[float], float]


_MECHANISMS = MappingProxyType(
    {
        DISCRETE_LAPLACE: _Mechanism(laplace.scale_of, laplace.half_width, laplace.variance),
        DISCRETE_GAUSSIAN: _Mechanism(gaussian.scale_of, gaussian.half_width, gaussian.variance),
        NOISY_MAX: _Mechanism(choosing.scale_of_epsilon, choosing.short_by, choosing.variance_of_epsilon),
        NOISY_MAX_RHO: _Mechanism(choosing.scale_of_rho, choosing.short_by, choosing.variance_of_rho),
        NOISY_QUANTILE: _Mechanism(
            choosing.scale_of_epsilon_both_ways, choosing.short_by, choosing.variance_of_epsilon
        ),
        NOISY_QUANTILE_RHO: _Mechanism(choosing.scale_of_rho_both_ways, choosing.short_by, choosing.variance_of_rho),
    }
)


@dataclass(frozen=True, slots=True)
class Noise:
    """How one measure is made private: all that a worker needs, and all that its error depends on.

    Attributes:
        mechanism: `DISCRETE_LAPLACE`, `DISCRETE_GAUSSIAN`, or where one of the numbers is chosen one of `CHOOSING`.
        sensitivity: what one privacy unit moves over all cells together, in whole steps: the *square* of the
            L2 distance for Gaussian, else the L1 distance.
        share_nano: what it may cost in 10⁻⁹: ε for `IN_EPSILON`, else ρ.
    """

    mechanism: str
    sensitivity: int
    share_nano: int

    def __post_init__(self) -> None:
        if self.mechanism not in _MECHANISMS or self.sensitivity < 1 or self.share_nano < 1:
            raise Defect("internal", reference="noise", detail="noise without a mechanism, sensitivity or share")

    @property
    def scale(self) -> float:
        """Of the noise in steps; σ for Gaussian.

        Raises:
            Refused: the share is too small for noise that 64-bit integers can hold.
        """
        return _MECHANISMS[self.mechanism].scale_of(self.sensitivity, self.share_nano)

    @property
    def variance(self) -> float:
        """Of one cell's noise in squared steps; raises as `scale`."""
        return _MECHANISMS[self.mechanism].variance(self.scale)

    def half_width(self, confidence: float = CONFIDENCE) -> int:
        """Steps within which one cell's noise lies with this probability; raises as `scale`."""
        return _MECHANISMS[self.mechanism].half_width(self.scale, confidence)

    def body(self) -> Object:
        """``{mechanism, sensitivity, share_nano}``: a worker's parameters; the sensitivity as text."""
        return {
            "mechanism": self.mechanism,
            "sensitivity": str(self.sensitivity),
            "share_nano": self.share_nano,
        }

    @classmethod
    def of(cls, place: Place, moves: Moves | None = None) -> Noise:
        """Read what `body` wrote.

        Args:
            moves: the measure's sensitivity, if it is known here: the noise must be for no less.

        Raises:
            Malformed: not of this form.
            Defect: it is for less than the measure moves.
        """
        found = place.members(("mechanism", "sensitivity", "share_nano"))
        noise = cls(
            found["mechanism"].choice(*_MECHANISMS),
            int(found["sensitivity"].text()),
            found["share_nano"].integer(1),
        )
        if moves is not None and noise.sensitivity < least(noise.mechanism, moves):
            raise Defect("internal", reference="noise", detail="noise for less than its measure moves")
        return noise


def half_width(scale: float, confidence: float = CONFIDENCE) -> int:
    """Of discrete Laplace noise."""
    return laplace.half_width(scale, confidence)
