"""A sample's file, read by a disposable worker under the operating system's limits: a stranger may have made it."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hefu.errors import Malformed, Unavailable
from hefu_policies.reading import Place

if TYPE_CHECKING:
    from hefu.canonical import Object

LARGEST = 256 << 20  # bytes of a file
Cell = str | int | Decimal | bool | dt.date | dt.datetime | None
_DEADLINE = 60.0
_OF: Mapping[str, Callable[[str], Cell]] = {
    "text": str,
    "integer": int,
    "decimal": Decimal,
    "boolean": lambda text: {"true": True, "false": False}[text],
    "date": dt.date.fromisoformat,
    "timestamp": dt.datetime.fromisoformat,
}
KINDS = tuple(_OF)


def read(path: Path) -> tuple[Mapping[str, Place], Mapping[str, tuple[Cell, ...]]]:
    """What a sample says of itself, and its columns.

    Raises:
        Malformed: there is no such file, or it is no sample.
    """
    try:
        found = _told(path)
        told = Place(found, "sample").members(("about", "columns"))
        about = told["about"].members(("product", "resource", "kinds", "data_rows", "pairs", "left_out", "receipt"))
        kinds = {name: Place(kind, name).choice(*KINDS) for name, kind in about["kinds"].object().items()}
        cells = told["columns"].members((*kinds,)) if kinds else {}
        return about, {
            name: tuple(_cell(_OF[kind], each) for each in cells[name].items()) for name, kind in kinds.items()
        }
    except FileNotFoundError:
        raise Malformed("command.file", path=str(path), why="no such file") from None
    except (Malformed, Unavailable, OSError, ArithmeticError, LookupError, ValueError):
        raise Malformed("sample.file", path=str(path)) from None


def _cell(of: Callable[[str], Cell], place: Place) -> Cell:
    return None if place.value is None else of(place.text(empty=True))


def _told(path: Path) -> Object:
    """What the worker returns; it sees a copy and nothing beside it."""
    from hefu_connector.ports import Table
    from hefu_connector.workers.pool import Limits, Pool

    if path.stat().st_size > LARGEST:
        raise ValueError
    with TemporaryDirectory() as folder:
        copy = Path(shutil.copyfile(path, Path(folder) / "sample"))
        form = "arrow" if path.suffix.lower() == ".arrow" else "parquet"
        table = Table(copy, form, "sha256:" + "0" * 64, copy.stat().st_size)
        with Pool(Path(folder), Limits(ready=1, most=1)) as pool:
            return pool.run("sample", {}, table, job="sample", deadline=_DEADLINE)
