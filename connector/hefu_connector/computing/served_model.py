"""What of a model may be known: features, units, ranges, answer, grid, tolerance and digest; both sides read it so.

A provider's worker makes it of the model's file, so that no weight ever is in the connector's own process; whoever
encrypts records takes the features from the signed description.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu_policies.goods.resource import NUMERIC, Bounds, Column, Resource
from hefu_policies.goods.served import Served
from hefu_policies.reading import Place

from hefu_connector.computing.model import Feature, Model

FORM = "model"  # of a source, and of its table
LARGEST_FILE = 1 << 20  # bytes
_FINE, _MOST_STEPS = 6, 2**53


@dataclass(frozen=True, slots=True)
class Told:
    """What a model's description says of it.

    Attributes:
        columns: one a feature, in the model's order.
    """

    served: Served
    columns: tuple[Column, ...]

    @classmethod
    def of_model(cls, model: Model) -> Told:
        """Of a model; its weights stay where it is."""
        served = Served(model.digest(), model.answer, model.step, model.suite.name, model.tolerance)
        return cls(served, tuple(map(_column, model.features)))

    def check(self, resource: Resource) -> None:
        """Check that a description is of this model: its features in their order, with their units and ranges.

        Raises:
            Malformed: it is not.
        """
        if resource.model != self.served or len(resource.schema) != len(self.columns):
            raise Malformed("model.described", resource=resource.id)
        for said, here in zip(resource.schema, self.columns, strict=True):
            if not alike(said, here):
                raise Malformed("model.feature", name=said.name, expected=wanted(here))

    def body(self) -> Object:
        """As JSON."""
        return {"served": self.served.body(), "columns": [each.body() for each in self.columns]}

    @classmethod
    def of(cls, body: Json) -> Told:
        """Read what `body` wrote; raises Malformed."""
        found = Place(body, "model").members(("served", "columns"))
        columns = tuple(Column.of(each.value, each.where) for each in found["columns"].items(1))
        return cls(Served.of(found["served"].value), columns)


def alike(said: Column, here: Column) -> bool:
    """Whether a described column is this feature: its step, type of number and words are the provider's to choose."""
    ranges = [(each.bounds.lower, each.bounds.upper) for each in (said, here) if each.bounds is not None]
    named = (said.name, said.unit) == (here.name, here.unit)
    return named and said.type in NUMERIC and len(ranges) == 2 and ranges[0] == ranges[1]


def wanted(here: Column) -> str:
    """How a feature is to be described."""
    bounds = here.body()["bounds"]
    lower, upper = (bounds["lower"], bounds["upper"]) if isinstance(bounds, dict) else ("", "")
    unit = f', unit "{here.unit}"' if here.unit else ""
    return f"{here.name}, a number from {lower} to {upper}{unit}"


def features_of(resource: Resource) -> tuple[Feature, ...]:
    """The features of a described model, in its order.

    Raises:
        Malformed: the resource is no model.
    """
    found = [(each, each.bounds) for each in resource.schema if each.bounds is not None]
    if resource.model is None or len(found) != len(resource.schema):
        raise Malformed("model.none", resource=resource.id)
    return tuple(Feature(each.name, each.unit, bounds.lower, bounds.upper) for each, bounds in found)


def _column(feature: Feature) -> Column:
    return Column(feature.name, "decimal", feature.unit, bounds=_bounds(feature.lower, feature.upper))


def _bounds(lower: Decimal, upper: Decimal) -> Bounds:
    """The bounds with a step of a millionth, or as fine as they are written or may be at most."""
    written = max(0, *(-int(each.normalize().as_tuple().exponent) for each in (lower, upper)))
    most = max(abs(lower), abs(upper))
    places = max(written, next((n for n in range(_FINE, 0, -1) if most * 10**n < _MOST_STEPS), 0))
    return Bounds(lower, upper, Decimal(1).scaleb(-places))
