"""What is asked of a table, typed and engine-neutral: from it every backend makes the same whole numbers.

The order is fixed: give every column its declared type, keep rows that pass the filter and fall into a declared
group, bound what one privacy unit contributes, aggregate whole numbers. Each step works on one row, or on the rows
of one unit, so that adding or removing a unit moves nothing of anybody else.

A shape is made from a plan and the provider's signed schema only, and travels to workers as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import prod

from hefu.canonical import Json, Object
from hefu.errors import Defect
from hefu_policies.reading import Place, write_decimal

from hefu_connector.computing.expressions import Expression, read_condition, read_expression
from hefu_connector.computing.groups import Sets, read_sets
from hefu_connector.computing.predicates import Predicate
from hefu_connector.computing.steps import Grid, Lowered, lower

ROWS, UNITS, PRESENT, SUM = "rows", "units", "present", "sum"
SQUARES = "squares"
STEPS_HISTOGRAM = "steps-histogram"
LEFT_OUT = 1  # units of an unknown group that are not counted (`engines.partitions`)
KINDS = (ROWS, UNITS, PRESENT, SUM, SQUARES, STEPS_HISTOGRAM)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The most that adding or removing one privacy unit moves a measure, in whole numbers.

    Attributes:
        l0: how many numbers of it, at most.
        linf: the most it moves one of them.
        l1: the most it moves all of them together.
    """

    l0: int
    linf: int
    l1: int

    def __post_init__(self) -> None:
        if not (self.l0 >= 1 <= self.linf <= self.l1 <= self.l0 * self.linf):
            raise Defect("internal", reference="sensitivity", detail="l0, linf and l1 do not fit together")

    def body(self) -> Object:
        """As JSON; texts, since they may be larger than a double."""
        return {"l0": str(self.l0), "linf": str(self.linf), "l1": str(self.l1)}

    @classmethod
    def of(cls, place: Place) -> Sensitivity:
        """Read what `body` wrote."""
        found = place.members(("l0", "linf", "l1"))
        return cls(*(int(found[name].text()) for name in ("l0", "linf", "l1")))


@dataclass(frozen=True, slots=True)
class Key:
    """One dimension of the answer; a row that falls into none of its groups is left out.

    One of these decides the group of a row:

    * `column`: a column with declared categories, which are its labels;
    * `number` and `edges`: bins of an expression, in steps; each holds its lower edge, the last its upper edge too;
    * `number` alone: each step of the expression, from its least to its most;
    * `conditions`: the place of the first condition that is true; behind them, where there is one label more, of none;
    * `column`, where `unknown`: its own value, and there are no labels. A row without a value falls into no group.

    Attributes:
        labels: one for each group, in the order of the answer.
    """

    labels: tuple[str, ...]
    column: str = ""
    number: Expression | None = None
    edges: tuple[int, ...] = ()
    conditions: tuple[Predicate, ...] = ()
    unknown: bool = False

    @property
    def size(self) -> int:
        """How many groups; where they are unknown 1, which all of them share."""
        return 1 if self.unknown else len(self.labels)

    def body(self) -> Object:
        """As JSON."""
        return {
            "labels": [*self.labels],
            "column": self.column,
            "number": _written(self.number),
            "edges": [str(each) for each in self.edges],
            "conditions": [each.body() for each in self.conditions],
            "unknown": self.unknown,
        }

    @classmethod
    def of(cls, place: Place) -> Key:
        """Read what `body` wrote."""
        found = place.members(("labels", "column", "number", "edges", "conditions", "unknown"))
        unknown = found["unknown"].flag()
        return cls(
            labels=tuple(each.text(empty=True) for each in found["labels"].items(0 if unknown else 1)),
            column=found["column"].text(empty=True),
            number=_number(found["number"]),
            edges=tuple(int(each.text()) for each in found["edges"].items()),
            conditions=tuple(read_condition(each.value, each.where) for each in found["conditions"].items()),
            unknown=unknown,
        )


@dataclass(frozen=True, slots=True)
class Measure:
    """One whole number per group; of a steps-histogram, one per group and bin.

    Attributes:
        kind: ``rows``; ``units``, distinct; ``present``, values of `number` that are not absent; ``sum`` of
            ``number - centre``; ``squares``, the sum of ``(number - centre)² - less``; ``steps-histogram``, how many
            rows have their `number` in each bin.
        number: an expression; for ``present`` a column may be of any type. None for rows and units.
        centre: in steps of the number.
        less: of squares, in steps².
        edges: of a steps-histogram, in steps, rising; bin i holds ``edges[i] <= number < edges[i + 1]``, the last its
            upper edge too. A number beyond them is moved to the nearest bin.
        chosen: of a steps-histogram, only which bin has the largest count is told, and not the counts.
        which: of a steps-histogram, only which bin holds this quantile, or is near it, is told.
    """

    kind: str
    sensitivity: Sensitivity
    number: Expression | None = None
    centre: int = 0
    less: int = 0
    edges: tuple[int, ...] = ()
    chosen: bool = False
    which: Fraction | None = None

    @property
    def placed(self) -> bool:
        """Whether the place of a bin is told, and no counts."""
        return self.chosen or self.which is not None

    @property
    def told(self) -> int:
        """How many numbers a group has once noise is added."""
        return 1 if self.placed else self.width

    @property
    def width(self) -> int:
        """How many numbers a group has."""
        return len(self.edges) - 1 if self.kind == STEPS_HISTOGRAM else 1

    def body(self) -> Object:
        """As JSON."""
        return {
            "kind": self.kind,
            "sensitivity": self.sensitivity.body(),
            "number": _written(self.number),
            "centre": str(self.centre),
            "less": str(self.less),
            "edges": [str(each) for each in self.edges],
            "chosen": self.chosen,
            **({} if self.which is None else {"which": str(self.which)}),
        }

    @classmethod
    def of(cls, place: Place) -> Measure:
        """Read what `body` wrote."""
        found = place.members(("kind", "sensitivity", "number", "centre", "less", "edges", "chosen"), ("which",))
        return cls(
            kind=found["kind"].choice(*KINDS),
            sensitivity=Sensitivity.of(found["sensitivity"]),
            number=_number(found["number"]),
            centre=int(found["centre"].text()),
            less=int(found["less"].text()),
            edges=tuple(int(each.text()) for each in found["edges"].items()),
            chosen=found["chosen"].flag(),
            which=Fraction(found["which"].text()) if "which" in found else None,
        )


@dataclass(frozen=True, slots=True)
class Joined:
    """A second table, joined on the unit (`hefu_connector.engines.joining`).

    Attributes:
        columns: that it has; every other but the unit is the first table's.
        first, second: rows of one unit that are kept of each table before they are joined.
    """

    columns: frozenset[str]
    first: int
    second: int

    def body(self) -> Object:
        """As JSON."""
        return {"columns": [*sorted(self.columns)], "first": self.first, "second": self.second}

    @classmethod
    def of(cls, place: Place) -> Joined:
        """Read what `body` wrote."""
        found = place.members(("columns", "first", "second"))
        return cls(frozenset(found["columns"].texts(least=1)), found["first"].integer(1), found["second"].integer(1))


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked, typed: all that an engine's statement is made from.

    Attributes:
        columns: name to declared type, of every column that is read.
        unit: the column of the privacy unit; None where each row is one.
        max_contribution: rows of one unit that are kept, after the filter and the groups.
        grids: of each numeric column that is computed with.
        sets: grouping sets, as places among the keys, one behind the other in the answer; empty for one of all keys.
        joined: a second table, where there is one.
    """

    columns: Mapping[str, str]
    unit: str | None
    max_contribution: int
    filter: Predicate | None
    grids: Mapping[str, Grid]
    keys: tuple[Key, ...]
    measures: tuple[Measure, ...]
    sets: Sets = ()
    joined: Joined | None = None

    @property
    def cells(self) -> int:
        """How many groups the declared keys make."""
        return sum(sizes(self.keys, self.sets))

    @property
    def unknown(self) -> tuple[Key, ...]:
        """The keys whose groups are found in the data, in order."""
        return tuple(each for each in self.keys if each.unknown)

    def groups(self) -> Iterator[tuple[str | None, ...]]:
        """The labels of each group, in the order of the answer; None under a key that its grouping set has not."""
        for places in self.sets or (tuple(range(len(self.keys))),):
            for labels in product(*(self.keys[place].labels for place in places)):
                told = dict(zip(places, labels, strict=True))
                yield tuple(told.get(place) for place in range(len(self.keys)))

    def lowered(self, number: Expression) -> Lowered:
        """An expression in whole numbers."""
        return lower(number, self.grids)

    def body(self) -> Object:
        """As JSON."""
        joined: Object = {} if self.joined is None else {"joined": self.joined.body()}
        return joined | {
            "columns": {name: self.columns[name] for name in sorted(self.columns)},
            "unit": self.unit,
            "max_contribution": self.max_contribution,
            "filter": None if self.filter is None else self.filter.body(),
            "grids": {name: _grid_body(grid) for name, grid in self.grids.items()},
            "keys": [each.body() for each in self.keys],
            "measures": [each.body() for each in self.measures],
            **({"sets": [[*each] for each in self.sets]} if self.sets else {}),
        }

    @classmethod
    def of(cls, body: Json) -> Shape:
        """Read what `body` wrote; raises Malformed."""
        found = Place(body, "shape").members(
            ("columns", "unit", "max_contribution", "filter", "grids", "keys", "measures"), ("sets", "joined")
        )
        unit, filter_ = found["unit"], found["filter"]
        return cls(
            columns={name: each.text() for name, each in _members(found["columns"]).items()},
            unit=None if unit.value is None else unit.text(),
            max_contribution=found["max_contribution"].integer(1),
            filter=None if filter_.value is None else read_condition(filter_.value, "filter"),
            grids={name: _grid(each) for name, each in _members(found["grids"]).items()},
            keys=tuple(Key.of(each) for each in found["keys"].items()),
            measures=tuple(Measure.of(each) for each in found["measures"].items(1)),
            sets=read_sets(found["sets"]) if "sets" in found else (),
            joined=Joined.of(found["joined"]) if "joined" in found else None,
        )


def sizes(keys: Sequence[Key], sets: Sets) -> list[int]:
    """How many groups each grouping set has; of one of all keys where there are no sets."""
    return [prod(keys[place].size for place in each) for each in sets] or [prod(each.size for each in keys)]


def _written(number: Expression | None) -> Json:
    return None if number is None else number.body()


def _number(place: Place) -> Expression | None:
    return None if place.value is None else read_expression(place)


def _members(place: Place) -> Mapping[str, Place]:
    return place.members((), place.object())


def _grid_body(grid: Grid) -> Object:
    return {
        "lower": write_decimal(grid.lower),
        "upper": write_decimal(grid.upper),
        "granularity": write_decimal(grid.granularity),
    }


def _grid(place: Place) -> Grid:
    found = place.members(("lower", "upper", "granularity"))
    return Grid(*(Decimal(found[name].text()) for name in ("lower", "upper", "granularity")))
