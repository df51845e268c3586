"""The data dictionary of a product: what each column is, as its provider declared and signed it; no value of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hefu.terminal.commands import language, pick

from hefu_connector.workbench import tables
from hefu_connector.workbench.frames import package

if TYPE_CHECKING:
    from hefu_policies.goods.product import Description
    from hefu_policies.goods.resource import Column, Resource

_HEADINGS = ("column", "type", "unit", "values", "may be missing", "how to ask", "meaning")


@dataclass(frozen=True, slots=True)
class Entry:
    """A column, as declared.

    Attributes:
        lower, upper, granularity: what may occur, not what did; values beyond are moved to them.
        categories: the public group keys; every one of them is answered.
        asked: what the column can be asked for: ``GROUP BY``, ``SUM``, ``AVG``, ``HISTOGRAM``, ``WHERE``, ``COUNT``.
        unit_of_privacy: whether it names whose privacy is kept.
    """

    name: str
    type: str
    unit: str
    nullable: bool
    meaning: str
    asked: tuple[str, ...]
    lower: Decimal | None = None
    upper: Decimal | None = None
    granularity: Decimal | None = None
    categories: tuple[str, ...] = ()
    unit_of_privacy: bool = False

    @property
    def values(self) -> str:
        """What may occur, for people."""
        if self.lower is not None and self.upper is not None and self.granularity is not None:
            ends = f"{tables.number(self.lower)} … {tables.number(self.upper)}"
            return f"{ends} by {tables.number(self.granularity)}"
        shown = ", ".join(self.categories[:6])
        return shown + (f", … ({len(self.categories)})" if len(self.categories) > 6 else "")


@dataclass(frozen=True, slots=True, repr=False)
class Dictionary(Sequence[Entry]):
    """The columns of one resource. All of it is declared by its provider; nothing was measured.

    Attributes:
        unit: whose privacy is kept: a column's name, or ``row``.
        max_contribution: so many rows of one unit count at most.
    """

    resource: str
    entries: tuple[Entry, ...]
    unit: str
    max_contribution: int

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, one row a column."""
        names = ("name", "type", "unit", "lower", "upper", "granularity", "categories", "nullable", "meaning")
        rows = [{name: getattr(each, name) for name in names} | {"basis": "declared"} for each in self.entries]
        return package("pandas").DataFrame(rows)

    def __getitem__(self, index: Any) -> Any:
        return self.entries[index]

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return "\n".join([*tables.lines(_HEADINGS, self._rows()), *self._notes()])

    def _repr_html_(self) -> str:
        return tables.html(_HEADINGS, self._rows(), self._notes())

    def _rows(self) -> list[list[str]]:
        return [
            [each.name, each.type, each.unit, each.values, "yes" if each.nullable else "", ", ".join(each.asked),
             each.meaning]
            for each in self.entries
        ]  # fmt: skip

    def _notes(self) -> list[str]:
        whose = (
            "every row" if self.unit == "row" else f"{self.unit}, of which at most {self.max_contribution} rows count"
        )
        return [f"Privacy unit: {whose}. All of this is declared by the provider; nothing was measured."]


def dictionaries(description: Description) -> dict[str, Dictionary]:
    """The dictionary of each resource of a product, by its id."""
    return {each.id: _dictionary(each) for each in description.resources}


def _dictionary(resource: Resource) -> Dictionary:
    privacy = resource.privacy
    entries = tuple(_entry(each, privacy.unit) for each in resource.schema)
    return Dictionary(resource.id, entries, privacy.unit, privacy.max_contribution)


def _entry(column: Column, unit: str) -> Entry:
    bounds = column.bounds
    return Entry(
        name=column.name,
        type=column.type,
        unit=column.unit,
        nullable=column.nullable,
        meaning=pick(column.description, language()),
        asked=_asked(column),
        lower=bounds.lower if bounds else None,
        upper=bounds.upper if bounds else None,
        granularity=bounds.granularity if bounds else None,
        categories=column.categories or (),
        unit_of_privacy=column.name == unit,
    )


def _asked(column: Column) -> tuple[str, ...]:
    groups = ("GROUP BY", "HISTOGRAM") if column.categories else ()
    numbers = ("SUM", "AVG", "HISTOGRAM") if column.bounds else ()
    return (*dict.fromkeys((*groups, *numbers)), "COUNT", "WHERE")
