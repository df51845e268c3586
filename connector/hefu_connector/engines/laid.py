"""What a laid-out snapshot holds: a Parquet file in which everything that a query would do to each row is done already.

Rows of one privacy unit lie together in random order, units lie in random order, and a row that names no unit is left
out. Field ``c<i>`` holds column i of the schema as its declared type, ``s<i>`` its steps where it has bounds, ``k<i>``
the position of its value among its categories, and ``u`` the number of the unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from hefu.canonical import Json, Object
from hefu_policies.goods.resource import NUMERIC, ROW, Column, Resource
from hefu_policies.reading import Place, write_decimal

from hefu_connector.computing.steps import Grid

FORM = "laid"  # of a `Table`
UNIT = "u"


@dataclass(frozen=True, slots=True)
class LaidColumn:
    """One column of the schema: its type, the grid of its steps and its categories, where it has them."""

    name: str
    type: str
    grid: Grid | None = None
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, column: Column) -> LaidColumn:
        """As a schema describes it."""
        bounds = column.bounds if column.type in NUMERIC else None
        grid = Grid(bounds.lower, bounds.upper, bounds.granularity) if bounds is not None else None
        return cls(column.name, column.type, grid, column.categories or ())


@dataclass(frozen=True)
class Laid:
    """What is laid out, and how.

    Attributes:
        unit_column: that names the privacy unit; None where each row is one, and rows lie as they came.
        contribution: rows of a unit that a query reads at most, for the count of those that none reads.
    """

    unit_column: str | None
    contribution: int
    columns: tuple[LaidColumn, ...]

    @classmethod
    def describe(cls, *resources: Resource) -> Laid:
        """The layout of an asset, by all its public schemas; the first that has a column says how it is laid out."""
        privacy = resources[0].privacy
        columns = {each.name: LaidColumn.of(each) for one in reversed(resources) for each in one.schema}
        return cls(None if privacy.unit == ROW else privacy.unit, privacy.max_contribution, tuple(columns.values()))

    def body(self) -> Object:
        """As JSON."""
        return {
            "unit": self.unit_column,
            "contribution": self.contribution,
            "columns": [
                {
                    "name": each.name,
                    "type": each.type,
                    "grid": None if each.grid is None else _grid_body(each.grid),
                    "labels": [*each.labels],
                }
                for each in self.columns
            ],
        }

    @classmethod
    def of(cls, body: Json) -> Laid:
        """Read what `body` wrote; raises Malformed."""
        found = Place(body, "laid").members(("unit", "contribution", "columns"))
        unit = None if found["unit"].value is None else found["unit"].text()
        columns = tuple(_column(each) for each in found["columns"].items(1))
        return cls(unit, found["contribution"].integer(1), columns)

    def fits(self, columns: object, unit: object) -> bool:
        """Whether the layout has these columns with these types (name to declared type), for this privacy unit."""
        if not isinstance(columns, Mapping) or unit != self.unit_column:
            return False
        return all(
            (found := self.found(str(name))) is not None and found.type == kind for name, kind in columns.items()
        )

    @property
    def unit(self) -> str:
        """The field with the number of the privacy unit."""
        return UNIT

    def found(self, name: str) -> LaidColumn | None:
        """The column of this name, if it is laid out."""
        return self.columns[self._places[name]] if name in self._places else None

    def field(self, name: str) -> str:
        """The field of a column's values."""
        return f"c{self._places[name]}"

    def steps(self, name: str, grid: Grid) -> str:
        """The field of a column's steps on this grid; empty where it was laid out on another, or none."""
        found = self.found(name)
        return f"s{self._places[name]}" if found is not None and found.grid == grid else ""

    def position(self, name: str, labels: tuple[str, ...]) -> str:
        """The field of a column's positions among these categories; empty where it was laid out with others."""
        found = self.found(name)
        return f"k{self._places[name]}" if found is not None and labels and found.labels == labels else ""

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {each.name: index for index, each in enumerate(self.columns)}


def _column(place: Place) -> LaidColumn:
    found = place.members(("name", "type", "grid", "labels"))
    grid = None if found["grid"].value is None else found["grid"].members(("lower", "upper", "granularity"))
    return LaidColumn(
        found["name"].text(),
        found["type"].text(),
        None if grid is None else Grid(*(Decimal(grid[name].text()) for name in ("lower", "upper", "granularity"))),
        tuple(each.text(empty=True) for each in found["labels"].items()),
    )


def _grid_body(grid: Grid) -> Object:
    return {
        "lower": write_decimal(grid.lower),
        "upper": write_decimal(grid.upper),
        "granularity": write_decimal(grid.granularity),
    }
