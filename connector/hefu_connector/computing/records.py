"""Records that are to be scored: checked before any leaves, and divided into requests.

The values of records stand in one array, record after record, each with the model's features in their order.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hefu.errors import Malformed
from hefu_policies.goods.resource import Resource
from hefu_policies.goods.served import Served

from hefu_connector.computing.model import LARGEST_SCORE, LOGISTIC, RANKING, Feature
from hefu_connector.computing.score_plan import MOST_RECORDS
from hefu_connector.computing.served_model import features_of
from hefu_connector.computing.suites import suite

_INPUTS = 128 << 20  # bytes of one request's ciphertexts, unless a single block is larger


@dataclass(frozen=True, slots=True)
class Scored:
    """A described model, as whoever has records scored sees it.

    Attributes:
        whole: which of the features are whole numbers.
    """

    resource: str
    served: Served
    features: tuple[Feature, ...]
    whole: tuple[bool, ...]

    @classmethod
    def of(cls, resource: Resource) -> Scored:
        """Raises Malformed where the resource is no model."""
        features = features_of(resource)
        if resource.model is None:
            raise Malformed("model.none", resource=resource.id)
        types = {each.name: each.type for each in resource.schema}
        return cls(resource.id, resource.model, features, tuple(types[each.name] == "integer" for each in features))

    @property
    def width(self) -> int:
        """Values of one record."""
        return len(self.features)

    @property
    def reach(self) -> tuple[Decimal, Decimal]:
        """Between what any score of such a model is, on what the contract says alone."""
        if self.served.answer == LOGISTIC:
            return -self.served.tolerance, 1 + self.served.tolerance
        most = LARGEST_SCORE * (2 if self.served.answer == RANKING else 1) + self.served.tolerance
        return -most, most

    @property
    def block(self) -> int:
        """How many records one ciphertext holds; each that is begun is charged whole, as it could answer as many."""
        return suite(self.served.suite).slots

    def each(self, wished: int = 0) -> int:
        """How many records one request has at most: whole blocks.

        Args:
            wished: no more than that, but for one block; 0 for as many as fit.
        """
        blocks = min(MOST_RECORDS // self.block, _INPUTS // (self.width * suite(self.served.suite).largest))
        if wished > 0:
            blocks = min(blocks, wished // self.block)
        return max(1, blocks) * self.block

    def charge(self, records: int) -> int:
        """How many exact releases a request for so many records costs; so do several whose blocks are full."""
        return suite(self.served.suite).places(records)

    def check_order(self, records: int, each: int) -> None:
        """Check that records may be divided: each request for a ranking has an order of its own.

        Raises:
            Malformed: there are none, or a ranking would be divided.
        """
        if records < 1:
            raise Malformed("score.none")
        if self.served.answer == RANKING and records > each:
            raise Malformed("score.ranking", records=records, most=each)

    def check(self, values: array[float], first: int = 0) -> int:
        """Check records against what the model was made for; how many they are.

        Args:
            first: how many records stand before these.

        Raises:
            Malformed: values are left over, or one is missing, out of range or not whole: with its record, counted
                from 1, and its column.
        """
        count, left = divmod(len(values), self.width)
        if left:
            raise Malformed("score.shape")
        wrong = [found for place in range(self.width) if (found := self._first(values[place :: self.width], place))]
        if wrong:
            at, place = min(wrong)
            raise Malformed("score.value", row=first + at, column=self.features[place].name)
        return count

    def _first(self, column: array[float], place: int) -> tuple[int, int] | None:
        """The first record, counted from 1, whose value of a feature does not fit, and the feature's place."""
        feature, whole = self.features[place], self.whole[place]
        if not column or _fits(column, feature, whole=whole):
            return None
        fits = _judge(feature, whole=whole)
        return next(at for at, each in enumerate(column, 1) if not fits(each)), place


def _fits(column: Sequence[float], feature: Feature, *, whole: bool) -> bool:
    known = not math.isnan(sum(column))
    within = float(feature.lower) <= min(column) and max(column) <= float(feature.upper)
    return known and within and (not whole or all(map(float.is_integer, column)))


def _judge(feature: Feature, *, whole: bool) -> Callable[[float], bool]:
    lower, upper = float(feature.lower), float(feature.upper)
    return lambda value: lower <= value <= upper and (not whole or value.is_integer())
