"""Records to be scored, as people have them: a CSV file or a table of any library, read twice and never held whole.

The first reading checks every value, so that nothing is sent of records of which one is wrong.
"""

from __future__ import annotations

import csv
import math
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hefu.errors import Malformed

if TYPE_CHECKING:
    from hefu_connector.computing.records import Scored

_VALUES = 1 << 16  # of one piece, about
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records.

    Attributes:
        values: record after record, features in the model's order; NaN where one is missing or no number.
        others: of each record, what stands in the columns that are no features; never sent.
    """

    values: array[float]
    others: Sequence[Sequence[str]]


class Records(Protocol):
    """Records that can be read again and again."""

    @property
    def others(self) -> tuple[str, ...]:
        """Columns that are no features."""

    def pieces(self) -> Iterator[Piece]:
        """All records, in order."""


def check(records: Records, model: Scored) -> int:
    """Check every value of every record; how many records there are.

    Raises:
        Malformed: a value is missing, no number, out of range or not whole; its record and column are named.
    """
    count = 0
    for piece in records.pieces():
        count += model.check(piece.values, count)
    return count


@dataclass(frozen=True, slots=True)
class CsvRecords:
    """A CSV file with a heading for each feature, in any order; commas, semicolons or tabs divide its columns."""

    path: Path
    features: tuple[str, ...]
    headings: tuple[str, ...]
    delimiter: str

    @classmethod
    def of(cls, path: Path, features: tuple[str, ...]) -> CsvRecords:
        """Look at a file's headings.

        Raises:
            Malformed: it cannot be read, or a feature has no column or several.
        """
        found = cls.headed(path, features)
        check_headings(found.headings, features)
        return found

    @classmethod
    def headed(cls, path: Path, sought: tuple[str, ...]) -> CsvRecords:
        """As `of`, of a file that may lack columns; what divides them is what gives the most of those sought."""
        with _opened(path) as file:
            line = file.readline()
        found = [next(csv.reader([line], delimiter=each), []) for each in _DELIMITERS]
        best = max(range(len(found)), key=lambda at: sum(each in found[at] for each in sought))
        return cls(path, sought, tuple(each.strip() for each in found[best]), _DELIMITERS[best])

    @property
    def others(self) -> tuple[str, ...]:
        """As in the port."""
        return tuple(each for each in self.headings if each not in self.features)

    def pieces(self) -> Iterator[Piece]:
        """As in the port."""
        places = [self.headings.index(each) for each in self.features]
        beside = [at for at, each in enumerate(self.headings) if each not in self.features]
        values, others, most = array("d"), list[list[str]](), max(1, _VALUES // max(1, len(places)))
        with _opened(self.path) as file:
            rows = csv.reader(file, delimiter=self.delimiter)
            next(rows, None)
            for row in rows:
                if not row and len(self.headings) > 1:  # an empty line
                    continue
                cells = row if len(row) == len(self.headings) else [""] * len(self.headings)
                values.extend(_numbers([cells[at] for at in places]))
                others.append([cells[at] for at in beside])
                if len(others) == most:
                    yield Piece(values, others)
                    values, others = array("d"), []
        if others:
            yield Piece(values, others)


@dataclass(frozen=True, slots=True)
class TableRecords:
    """Columns of numbers in memory, in the model's order."""

    columns: tuple[array[float], ...]

    @classmethod
    def of(cls, table: Any, features: tuple[str, ...]) -> TableRecords:
        """Of a table of pandas, polars or Arrow, of a mapping of columns, or of a sequence of mappings.

        Raises:
            Malformed: a feature has no column, or columns are of several lengths.
        """
        columns = tuple(array("d", numbers(column(table, each, features))) for each in features)
        if len({len(each) for each in columns}) != 1:
            raise Malformed("score.shape")
        return cls(columns)

    @property
    def others(self) -> tuple[str, ...]:
        """As in the port: none."""
        return ()

    def pieces(self) -> Iterator[Piece]:
        """As in the port."""
        width, count = len(self.columns), len(self.columns[0])
        most = max(1, _VALUES // width)
        for start in range(0, count, most):
            cut = [each[start : start + most] for each in self.columns]
            values = array("d", bytes(8 * width * len(cut[0])))
            for place, each in enumerate(cut):
                values[place::width] = each
            yield Piece(values, [()] * len(cut[0]))


def of(table: Any, features: tuple[str, ...]) -> Records:
    """The records of a CSV file, by its path, or of a table; raises Malformed."""
    if isinstance(table, str | os.PathLike):
        return CsvRecords.of(Path(table), features)
    return TableRecords.of(table, features)


def has(table: Any, name: str) -> bool:
    """Whether a table in memory has a column of this name."""
    try:
        column(table, name, ())
    except Malformed:
        return False
    return not isinstance(table, Sequence) or all(name in each for each in table)


def column(table: Any, name: str, features: tuple[str, ...]) -> Sequence[Any]:
    """A column of a table in memory; raises Malformed where there is none."""
    if isinstance(table, Sequence) and all(isinstance(each, Mapping) for each in table):
        return [each.get(name) for each in table]
    try:
        found = table[name]
    except (KeyError, TypeError, IndexError, ValueError):
        raise Malformed("score.column", column=name, features=", ".join(features)) from None
    for word in ("to_list", "tolist", "to_pylist"):
        if hasattr(found, word):
            listed: Sequence[Any] = getattr(found, word)()
            return listed
    return list(found)


def numbers(cells: Iterable[Any]) -> Iterable[float]:
    """Values as numbers, NaN where one is missing or none."""
    return map(_number, cells)


def check_headings(headings: tuple[str, ...], features: tuple[str, ...]) -> None:
    """Check that each feature has one column; raises Malformed."""
    for each in features:
        if headings.count(each) != 1:
            raise Malformed("score.column", column=each, features=", ".join(features))


def _numbers(cells: Sequence[str]) -> Iterable[float]:
    try:
        found = [*map(float, cells)]
    except ValueError:
        return map(_number, cells)
    return map(_number, cells) if any("_" in each for each in cells) else found


def _number(cell: Any) -> float:
    if isinstance(cell, str) and "_" in cell:
        return math.nan
    try:
        return float(cell)
    except (TypeError, ValueError):
        return math.nan
    except OverflowError:
        return math.inf


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as fault:
        raise Malformed("command.file", path=str(path), why=fault.strerror or "not readable") from None
    except (csv.Error, UnicodeDecodeError):
        raise Malformed("command.file", path=str(path), why="not a CSV file in UTF-8") from None
