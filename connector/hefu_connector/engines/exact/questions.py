"""What exact answers hang on, as an asset's history keeps it: cells, and what figures are summed over. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hefu import canonical
from hefu.canonical import Json, Object
from hefu_policies.reading import Place

from hefu_connector.computing.expressions import Column, Expression, read_condition, read_expression
from hefu_connector.computing.steps import Grid
from hefu_connector.engines.shape import Key, Shape

ALL = ""  # the name of all rows of a cell
ROWS, SUM = "rows", "sum"  # kinds of figures: how many rows, or the sum of a column over them


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, as far as cells hang on it.

    Attributes:
        shape: columns, grids, filter and keys; it has no measures, and bounds nobody.
        sets: what its figures are summed over in each cell, by name: all rows, or those in which a number is present.
        sums: the columns whose sums it tells.
    """

    shape: Shape
    sets: Mapping[str, Expression | None]
    sums: tuple[str, ...]

    def size(self) -> int:
        """How many cells it has."""
        return self.shape.cells

    def body(self) -> Object:
        """As JSON."""
        shape = self.shape.body()
        return {
            **{name: shape[name] for name in ("columns", "grids", "filter", "keys")},
            "sets": [None if each is None else each.body() for each in self.sets.values()],
            "sums": [*self.sums],
        }

    @classmethod
    def of(cls, body: Object) -> Question:
        """Read what `body` wrote, or what 0.1.0 did; raises Malformed."""
        found = Place(body, "question").members(("columns", "grids", "filter", "keys", "sets", "sums"))
        tree, grids = found["filter"].value, found["grids"]
        sets = [_set(each) for each in found["sets"].items(1)]
        shape = made(
            {name: each.text() for name, each in found["columns"].members((), found["columns"].object()).items()},
            {name: _grid(each) for name, each in grids.members((), grids.object()).items()},
            None if tree is None else read_condition(tree, "filter"),
            tuple(_key(each) for each in found["keys"].items()),
        )
        return cls(shape, {name_of(each): each for each in sets}, tuple(each.text() for each in found["sums"].items()))


def made(columns: Mapping[str, str], grids: Mapping[str, Grid], filter_: Any, keys: tuple[Key, ...]) -> Shape:
    """The shape of a question."""
    return Shape(columns, None, 1, filter_, grids, keys, ())


def name_of(number: Expression | None) -> str:
    """The name of a set: a column's own, or what a number is as text; empty for all rows."""
    if number is None:
        return ALL
    return number.name if isinstance(number, Column) else canonical.encode(number.body()).decode()


def together(questions: Sequence[Question]) -> Shape | None:
    """The columns and grids of several; None where they describe one column in two ways."""
    columns: dict[str, str] = {}
    grids: dict[str, Grid] = {}
    for each in questions:
        if any(columns.setdefault(name, kind) != kind for name, kind in each.shape.columns.items()):
            return None
        if any(grids.setdefault(name, grid) != grid for name, grid in each.shape.grids.items()):
            return None
    return made(columns, grids, None, ())


def _set(place: Place) -> Expression | None:
    if place.value is None or place.value == "":
        return None
    return Column(place.text()) if isinstance(place.value, str) else read_expression(place)


def _key(place: Place) -> Key:
    if isinstance(place.value, dict) and "number" in place.value:
        return Key.of(place)
    found = place.members(("column", "labels", "edges"))
    labels = tuple(each.text(empty=True) for each in found["labels"].items(1))
    edges = tuple(_whole(each.value) for each in found["edges"].items())
    name = found["column"].text()
    return Key(labels, number=Column(name), edges=edges) if edges else Key(labels, name)


def _grid(place: Place) -> Grid:
    found = place.members(("lower", "upper", "granularity"))
    return Grid(*(Decimal(found[name].text()) for name in ("lower", "upper", "granularity")))


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else int(str(value))
