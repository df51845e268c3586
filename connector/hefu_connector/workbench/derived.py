"""Records of which some features are no columns of a table but follow from them, as the model's page says."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.errors import Malformed

from hefu_connector.computing import derived
from hefu_connector.computing.derived import Cell, Formula
from hefu_connector.workbench import records
from hefu_connector.workbench.records import CsvRecords, Piece, Records, TableRecords

if TYPE_CHECKING:
    from hefu_connector.computing.model import Feature


def of(table: Any, features: Sequence[Feature]) -> Records:
    """The records of a CSV file, by its path, or of a table; a feature that has no column is computed, if its unit
    says how. Raises Malformed."""
    names = tuple(each.name for each in features)
    formulas = {each.name: found for each in features if (found := derived.formula(each.unit)) is not None}
    if isinstance(table, str | os.PathLike):
        return _of_file(Path(table), names, formulas)
    made = _made(formulas, lambda name: records.has(table, name))
    columns = tuple(_filled(names, made, lambda name: records.column(table, name, names)))
    if len({len(each) for each in columns}) != 1:
        raise Malformed("score.shape")
    return TableRecords(columns)


@dataclass(frozen=True, slots=True)
class DerivedRecords:
    """A CSV file that lacks columns of some features. A `Records`.

    Attributes:
        given: the file with the features that it has.
        names: of all features, in the model's order.
        made: how those that it lacks follow.
    """

    given: CsvRecords
    names: tuple[str, ...]
    made: Mapping[str, Formula]

    @property
    def others(self) -> tuple[str, ...]:
        """As in the port."""
        return self.given.others

    def pieces(self) -> Iterator[Piece]:
        """As in the port."""
        width = len(self.names)
        for piece in self.given.pieces():
            columns = _filled(self.names, self.made, self._column_of(piece))
            values = array("d", bytes(8 * width * len(piece.others)))
            for place, each in enumerate(columns):
                values[place::width] = each
            yield Piece(values, piece.others)

    def _column_of(self, piece: Piece) -> Callable[[str], Sequence[Cell]]:
        present, others = self.given.features, self.given.others

        def column(name: str) -> Sequence[Cell]:
            if name in present:
                return piece.values[present.index(name) :: len(present)]
            at = others.index(name)
            return [each[at] for each in piece.others]

        return column


def _of_file(path: Path, names: tuple[str, ...], formulas: Mapping[str, Formula]) -> Records:
    found = CsvRecords.headed(path, (*names, *(each for one in formulas.values() for each in one.columns)))
    made = _made(formulas, found.headings.__contains__)
    present = tuple(each for each in names if each not in made)
    needed = dict.fromkeys(each for one in made.values() for each in one.columns if each not in present)
    records.check_headings(found.headings, (*present, *needed))
    given = CsvRecords(path, present, found.headings, found.delimiter)
    return DerivedRecords(given, names, made) if made else given


def _made(formulas: Mapping[str, Formula], has: Callable[[str], bool]) -> dict[str, Formula]:
    """What has no column and can be computed of those there are; a unit of measure may look like a formula, too."""
    return {name: each for name, each in formulas.items() if not has(name) and all(map(has, each.columns))}


def _filled(
    names: Sequence[str], made: Mapping[str, Formula], column: Callable[[str], Sequence[Cell]]
) -> list[array[float]]:  # fmt: skip
    """All features' columns, those that follow computed."""
    found = {name: each.of([column(one) for one in each.columns]) for name, each in made.items()}
    grouped: dict[str, list[array[float]]] = {}
    for name, each in made.items():
        if each.is_class:
            grouped.setdefault(each.columns[0], []).append(found[name])
    for classes in grouped.values():
        derived.one_each(classes)
    return [found[name] if name in made else array("d", records.numbers(column(name))) for name in names]
