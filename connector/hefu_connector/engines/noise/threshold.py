"""Which groups may be told where nobody declared them: those whose noised count reaches a threshold.

A stable partition: every group in which the data has a unit is counted, the counts are noised, and a group is told
only if its noised count reaches the threshold T. Adding a unit makes at most `groups` groups appear that were not
there, each with a count of 1; that any of them is told is what δ pays for:

    δ <= groups · P(1 + noise >= T).

All other groups are there with and without the unit, and their counts are covered by the ε (or ρ) of the noise.

Source: Korolova, Kenthapadi, Mishra, Ntoulas 2009; with Gaussian noise and a δ beside ρ, Rogers 2023, "A Unifying
Privacy Analysis Framework for Unknown Domain Algorithms".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from hefu.canonical import Object
from hefu.errors import Defect, Refused
from hefu_policies.reading import Place

from hefu_connector.engines.noise.laplace import LARGEST_SCALE
from hefu_connector.engines.noise.mechanisms import DISCRETE_LAPLACE, Noise

LEAST = 3  # nearer to what one unit makes of a group, OpenDP certifies nothing
_FEMTO = 10**15
# Of each group's part of δ, what is left to roundings, here and in OpenDP, which works out 1 - (1 - p)^groups.
_INSIDE, _ROUNDED = 1 - 1e-6, 4e-16


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a found group must reach, and what it costs.

    Attributes:
        groups: how many one unit can be in.
        delta_femto: δ in 10⁻¹⁵ that all of them together may cost.
        least: the noised count from which on a group is told.
    """

    groups: int
    delta_femto: int
    least: int

    def __post_init__(self) -> None:
        if self.groups < 1 or self.delta_femto < 1 or self.least < LEAST:
            raise Defect("internal", reference="noise", detail="a threshold without a delta")

    def body(self) -> Object:
        """``{groups, delta_femto, least}``; the threshold as text."""
        return {"groups": self.groups, "delta_femto": self.delta_femto, "least": str(self.least)}

    @classmethod
    def of(cls, place: Place) -> Threshold:
        """Read what `body` wrote; raises Malformed."""
        found = place.members(("groups", "delta_femto", "least"))
        return cls(found["groups"].integer(1), found["delta_femto"].integer(1), int(found["least"].text()))


def threshold(noise: Noise, groups: int, delta_femto: int) -> Threshold:
    """The least threshold at which groups that only one unit is in cost at most δ. Pure.

    Args:
        noise: of the counts of units.
        groups: how many one unit can be in.

    Raises:
        Refused: δ is 0, or so small that integers cannot hold the threshold.
    """
    each = delta_femto / _FEMTO * _INSIDE / groups - _ROUNDED  # of one group, by the union bound
    if each <= 0:
        raise Refused("plan.no_delta")
    scale = noise.scale
    if noise.mechanism == DISCRETE_LAPLACE:
        # P(X >= m) = a^m / (1 + a) for m >= 0, a = exp(-1/scale); m = T - 1.
        least = max(LEAST, 1 + math.ceil(-scale * math.log(each * (1 + math.exp(-1 / scale)))))
    else:
        # P(X >= m) <= P(N(0, σ²) >= m - 1). Source: Canonne, Kamath, Steinke 2020, proposition 25.
        least = max(LEAST, 2 + math.ceil(-scale * NormalDist().inv_cdf(min(each, 0.5))))
    if least >= LARGEST_SCALE:
        raise Refused("plan.too_little_loss")
    return Threshold(groups, delta_femto, least)
