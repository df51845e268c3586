"""A list that shows itself as a table, in a terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, SupportsIndex, TypeVar, overload

from hefu_connector.workbench import tables


class Listed(Protocol):
    """What can stand in a listing."""

    def row(self) -> list[str]:
        """Its cells."""


Item_co = TypeVar("Item_co", bound=Listed, covariant=True)


class Listing(Sequence[Item_co]):
    """Things under headings, in order."""

    def __init__(self, headings: Sequence[str], items: Sequence[Item_co]) -> None:
        self._headings = tuple(headings)
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Item_co: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Item_co]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Item_co | Sequence[Item_co]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return "\n".join(tables.lines(self._headings, self._rows())) if self._items else "(none)"

    def _repr_html_(self) -> str:
        return tables.html(self._headings, self._rows())

    def _rows(self) -> list[list[str]]:
        return [each.row() for each in self._items]
