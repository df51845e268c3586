"""Exact whole numbers by cell, made where the data lives: as they lie in a table of the form ``cells``.

The table has one row, and of each measure a list of all its numbers, 0 where there are none, so that its size is
public. It is true data: it lies in memory only, is handed to one worker, and gone when that has added noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from hefu_connector.engines import Moved
from hefu_connector.engines.shape import STEPS_HISTOGRAM, Shape
from hefu_connector.engines.sql.words import counts

FORM = "cells"  # of a `Table`
_NUMBER = pa.decimal128(38, 0)


def add_up(shape: Shape, parts: Iterable[Iterable[Sequence[Any]]]) -> list[list[int]]:
    """One list for each measure: its numbers by cell, and within a cell by bin.

    Args:
        parts: rows of (cell, measures…), as the statement of a shape returns them; those of all parts are added up.
    """
    exact = [[0] * (shape.cells * each.width) for each in shape.measures]
    for rows in parts:
        for cell, *found in rows:
            add(exact, shape, int(cell), found)
    return exact


def add(exact: list[list[int]], shape: Shape, cell: int, found: Sequence[Any]) -> None:
    """Add what was found of each measure in one cell, in place."""
    for numbers, measure, value in zip(exact, shape.measures, found, strict=True):
        many = measure.kind == STEPS_HISTOGRAM
        for place, count in enumerate(counts(value, measure.width) if many else [int(value)]):
            numbers[cell * measure.width + place] += count


def write(exact: Sequence[Sequence[int]], file: BinaryIO) -> None:
    """Write the numbers of each measure."""
    lists = [pa.array([[Decimal(each) for each in numbers]], pa.list_(_NUMBER)) for numbers in exact]
    table = pa.table(lists, names=[f"m{index}" for index in range(len(exact))])
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read(shape: Shape, path: Path) -> list[list[int]]:
    """Read what `write` wrote for this shape.

    Raises:
        Moved: it is for another one, or no such file.
    """
    try:
        with pa.OSFile(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
            if table.num_rows != 1:
                raise Moved
            exact = [[int(each) for each in column[0].as_py()] for column in table.columns]
    except (pa.ArrowException, OSError, TypeError, ValueError):
        raise Moved from None
    if [len(each) for each in exact] != [shape.cells * each.width for each in shape.measures]:
        raise Moved
    return exact
