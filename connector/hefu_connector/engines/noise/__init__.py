"""How exact whole numbers become private: what noise costs, how wide it is, how a loss is split, and the drawing of it.

Everything but `drawing` is arithmetic, without data, and may be used anywhere. `drawing` belongs into a worker: OpenDP
is imported there and draws from the operating system's randomness; no number of ours enters the noise but its scale,
and OpenDP's own map must say that it costs no more than its share before anything is drawn.
"""

from hefu_connector.engines.noise.drawing import add_noise, choose, choose_quantile, draw, draw_found, draw_share
from hefu_connector.engines.noise.laplace import LARGEST_SCALE, scale_of
from hefu_connector.engines.noise.mechanisms import (
    CHOOSING,
    CONFIDENCE,
    DISCRETE_GAUSSIAN,
    DISCRETE_LAPLACE,
    IN_EPSILON,
    LARGEST_EXACT,
    Moves,
    Noise,
    half_width,
    worst_square,
)
from hefu_connector.engines.noise.pricing import Asked, Bill, price, price_in_rho
from hefu_connector.engines.noise.threshold import Threshold

NAME = DISCRETE_LAPLACE

__all__ = [
    "CHOOSING",
    "CONFIDENCE",
    "DISCRETE_GAUSSIAN",
    "DISCRETE_LAPLACE",
    "IN_EPSILON",
    "LARGEST_EXACT",
    "LARGEST_SCALE",
    "NAME",
    "Asked",
    "Bill",
    "Moves",
    "Noise",
    "Threshold",
    "add_noise",
    "choose",
    "choose_quantile",
    "draw",
    "draw_found",
    "draw_share",
    "half_width",
    "price",
    "price_in_rho",
    "scale_of",
    "worst_square",
]
