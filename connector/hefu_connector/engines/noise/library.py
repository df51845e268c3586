"""What is used of OpenDP, name by name. Workers only.

Its prelude would import every extra library that happens to be installed, which costs each new worker seconds.
"""

from opendp import measurements as m
from opendp.domains import atom_domain, map_domain, vector_domain
from opendp.measures import max_divergence, zero_concentrated_divergence
from opendp.metrics import (
    absolute_distance,
    l01inf_distance,
    l02inf_distance,
    l1_distance,
    l2_distance,
    linf_distance,
)
from opendp.mod import enable_features
from opendp.typing import f64, i64

__all__ = [
    "absolute_distance",
    "atom_domain",
    "enable_features",
    "f64",
    "i64",
    "l01inf_distance",
    "l02inf_distance",
    "l1_distance",
    "l2_distance",
    "linf_distance",
    "m",
    "map_domain",
    "max_divergence",
    "vector_domain",
    "zero_concentrated_divergence",
]
