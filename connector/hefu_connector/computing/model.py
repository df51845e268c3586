"""A model that is served on encrypted records: a linear score, perhaps bent by a logistic curve, on a declared grid.

Feature names, units and ranges are public; weights are the provider's secret. All arithmetic of the form is in exact
decimals: a digest of it names the model in contracts, and a random nonce in it stops guessing weights from the digest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from hefu import canonical
from hefu.canonical import Object
from hefu_policies.reading import Place, unique, write_decimal, wrong

from hefu_connector.computing.predicates import read_name
from hefu_connector.computing.suites import CURVED, LINEAR, Suite

IDENTITY, RANKING, LOGISTIC = "identity", "ranking", "logistic"
MOST_FEATURES = 512
LARGEST_SCORE = Decimal(4096)
STEEPEST = Decimal(8)  # of the linear part of a logistic model: beyond, the polynomial errs by more than its bound
_DEGREE = 7
_SMALLEST_STEP = Decimal(
    "0.0001"
)  # CKKS errs by some 1e-6; what floods that must be far above, and the grid above both


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the records that are scored.

    Attributes:
        lower, upper: what values may be; the consumer's connector refuses others: a score of them is worth nothing.
    """

    name: str
    unit: str
    lower: Decimal
    upper: Decimal

    def __post_init__(self) -> None:
        read_name(Place(self.name, "feature.name"))
        if not self.lower < self.upper:
            wrong(f"feature {self.name}", "a lower bound below the upper one")

    @property
    def middle(self) -> Decimal:
        """Of its range."""
        return (self.lower + self.upper) / 2

    @property
    def half(self) -> Decimal:
        """Of the width of its range."""
        return (self.upper - self.lower) / 2

    def body(self) -> Object:
        """As JSON."""
        lower, upper = write_decimal(self.lower), write_decimal(self.upper)
        return {"name": self.name, "unit": self.unit, "lower": lower, "upper": upper}

    @classmethod
    def of(cls, place: Place) -> Feature:
        """Read what `body` wrote; raises Malformed."""
        found = place.members(("name", "unit", "lower", "upper"))
        unit = found["unit"].text(40, empty=True)
        return cls(read_name(found["name"]), unit, found["lower"].decimal(), found["upper"].decimal())


@dataclass(frozen=True, slots=True)
class Model:
    """A score: the intercept and each weight times its feature, and what becomes of that.

    Attributes:
        answer: ``identity``; ``ranking``, under a slope and shift that are drawn for each request; ``logistic``.
        step: the grid of what is released.
        nonce: 32 random bytes as hex digits.
    """

    features: tuple[Feature, ...]
    weights: tuple[Decimal, ...]
    intercept: Decimal
    answer: str
    step: Decimal
    nonce: str

    def __post_init__(self) -> None:
        unique((each.name for each in self.features), "model.features")
        if not 1 <= len(self.features) <= MOST_FEATURES or len(self.weights) != len(self.features):
            wrong("model.weights", f"one weight for each of 1 to {MOST_FEATURES} features")
        Place(self.answer, "model.answer").choice(IDENTITY, RANKING, LOGISTIC)
        if self.step < _SMALLEST_STEP:
            wrong("model.step", f"at least {_SMALLEST_STEP}")
        most = STEEPEST if self.answer == LOGISTIC else LARGEST_SCORE
        if self.reach > most:
            wrong("model.weights", f"scores within ±{most} over the declared ranges")

    @property
    def suite(self) -> Suite:
        """The parameters that it is computed under."""
        return CURVED if self.answer == LOGISTIC else LINEAR

    @property
    def scaled(self) -> tuple[tuple[Decimal, ...], Decimal]:
        """Weights and intercept for features that are shifted and scaled to ±1."""
        pairs = [*zip(self.weights, self.features, strict=True)]
        return tuple(w * f.half for w, f in pairs), self.intercept + sum((w * f.middle for w, f in pairs), Decimal(0))

    @property
    def reach(self) -> Decimal:
        """The largest linear score there is, in absolute value, over the declared ranges."""
        weights, intercept = self.scaled
        return sum(map(abs, weights), abs(intercept))

    @property
    def tolerance(self) -> Decimal:
        """How far what is released may be from the plain model's score: the grid, the flooding, and the curve."""
        return self.step * 3 / 4 + (curve_error() if self.answer == LOGISTIC else Decimal(0))

    def body(self) -> Object:
        """As JSON: what the provider keeps."""
        return {
            "features": [each.body() for each in self.features],
            "weights": [write_decimal(each) for each in self.weights],
            "intercept": write_decimal(self.intercept),
            "answer": self.answer,
            "step": write_decimal(self.step),
            "nonce": self.nonce,
        }

    def digest(self) -> str:
        """Names the model."""
        return canonical.digest(canonical.encode(self.body()))

    @classmethod
    def of(cls, place: Place) -> Model:
        """Read what `body` wrote; raises Malformed."""
        found = place.members(("features", "weights", "intercept", "answer", "step", "nonce"))
        return cls(
            features=tuple(map(Feature.of, found["features"].items(1))),
            weights=tuple(each.decimal() for each in found["weights"].items(1)),
            intercept=found["intercept"].decimal(),
            answer=found["answer"].text(),
            step=found["step"].decimal(),
            nonce=found["nonce"].text(64),
        )


def curve() -> list[float]:
    """Coefficients of the polynomial that stands for the logistic curve over ±`STEEPEST`, lowest degree first.

    Chebyshev interpolation of degree 7: within a factor of a few of the best polynomial of its degree.
    """
    most, size = float(STEEPEST), _DEGREE + 1
    nodes = [math.cos(math.pi * (2 * k + 1) / (2 * size)) for k in range(size)]
    values = [_logistic(most * each) for each in nodes]
    weights = [
        2 / size * sum(value * math.cos(n * math.pi * (2 * k + 1) / (2 * size)) for k, value in enumerate(values))
        for n in range(size)
    ]
    weights[0] /= 2
    found, before, now = [0.0] * size, [1.0], [0.0, 1.0]  # T0, T1 as powers of the scaled argument
    for n, weight in enumerate(weights):
        chebyshev = before if n == 0 else now
        for power, each in enumerate(chebyshev):
            found[power] += weight * each
        if n:
            before, now = now, _next(now, before)
    return [each / most**power for power, each in enumerate(found)]


def curve_error() -> Decimal:
    """How far the polynomial is from the logistic curve, at most, rounded up.

    Looked at on a grid so fine that between two points neither moves by more than the margin that is added.
    """
    coefficients, most, steps = curve(), float(STEEPEST), 4000
    points = (most * (2 * k / steps - 1) for k in range(steps + 1))
    worst = max(abs(sum(c * x**n for n, c in enumerate(coefficients)) - _logistic(x)) for x in points)
    return Decimal(math.ceil((worst + most / steps) * 1000)) / 1000


def _next(now: list[float], before: list[float]) -> list[float]:
    doubled = [0.0, *(2 * each for each in now)]
    return [each - (before[power] if power < len(before) else 0.0) for power, each in enumerate(doubled)]


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))
