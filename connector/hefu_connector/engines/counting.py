"""Worker side of private statistics: exact whole numbers by a locked DuckDB, then noise; only that is returned.

True values live in this function and nowhere else: they are noised before it returns, and every error that leaves
the worker is one opaque word (`hefu_connector.workers.main`).
"""

from __future__ import annotations

import resource
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from hefu.canonical import Json, Object
from hefu_policies.reading import Place

from hefu_connector.engines import cells, noise, partitions
from hefu_connector.engines.laid import FORM, Laid
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.sql import duckdb as words
from hefu_connector.engines.sql.sides import BESIDE, columns_of
from hefu_connector.engines.sql.statement import SOURCE, aggregate
from hefu_connector.engines.tables import Opened, attach, open_table, read_or_mend, require

# DuckDB trusts its SQL. What it is given here is generated, and it is locked all the same.
# Source: reference engines.md section 7.1: these settings stopped 28 of 28 ways out.
LOCKS = (
    "SET temp_directory=''",
    "SET enable_external_access=false",
    "SET autoinstall_known_extensions=false",
    "SET autoload_known_extensions=false",
    "SET allow_community_extensions=false",
    "SET python_enable_replacements=false",
    "SET TimeZone='UTC'",
    "SET lock_configuration=true",
)
_SMALLEST_MEMORY = 256 << 20
THREADS = 2
_SHARED = 100_000  # units, from which on threads share them
Part = tuple[int, int] | None
Rows = Sequence[Sequence[Any]]  # of each group that the table has: its cell, values of unknown keys, its numbers
_waiting: list[Any] = []  # one connection that `warm` opened, since opening takes longer than many a question
_once: list[ExitStack] = []  # of a process that computes once and ends: what it read with


def run(parameters: Object, path: Path, form: str, layout: Object) -> Object:
    """Count, add noise, forget.

    Args:
        parameters: as `Statistics.prepare` made them.
        path, form, layout: the table (`hefu_connector.ports.Table`).

    Returns:
        ``noised``: one list a measure, one whole number as text a cell; ``rows_read``: for the provider's meter; where
        groups are found, ``groups``: those that are told.

    Raises:
        Moved: the file is not the table that was described.
    """
    shape = Shape.of(parameters["shape"])
    places = Place(parameters["noise"], "noise").items()
    noises = [noise.Noise.of(place, measure.sensitivity) for measure, place in zip(shape.measures, places, strict=True)]
    if shape.unknown:
        counted, rows = _counted(shape, path, form, layout)
        said = Place(parameters["found"], "found")
        return {**partitions.release(partitions.gather(shape, counted), shape, noises, said), "rows_read": rows}
    exact, rows = _exact_of(shape, path, form, layout)
    noised: list[Json] = []
    for values, measure, its in zip(exact, shape.measures, noises, strict=True):
        noised.append([str(value) for value in partitions.drawn_of(values, measure, its)])
    return {"noised": noised, "rows_read": rows}


def exact(shape: Shape, path: Path, form: str, layout: Object) -> tuple[list[list[int]], int]:
    """The exact numbers of a shape and the rows read. Of a table that is nobody's: anywhere else they are noised first.

    Raises:
        Moved: the file is not the table that was described.
    """
    return _exact_of(shape, path, form, layout)


def warm() -> None:
    """Make this process ready to compute once and end: load, link and prepare the libraries' own code."""
    _once.append(ExitStack())
    connection = _open()
    connection.register("nothing", pa.table({"key": ["a"], "value": pa.array([1], pa.int64())}))
    connection.execute("SELECT key, count(*), sum(value)::BIGINT FROM nothing GROUP BY key").fetchall()
    connection.unregister("nothing")
    noise.add_noise([0], 1, 10**9)
    _waiting.append(connection)


def connect(*native: str, ordered: bool = False) -> Any:
    """A DuckDB in memory that can reach no network, extension or setting, and no file but those of its tables.

    Args:
        native: their paths; empty where DuckDB reads none itself.
        ordered: rows stay in the order of their file wherever DuckDB promises it.
    """
    connection = _waiting.pop() if _waiting else _open()
    if paths := ", ".join(f"'{each}'" for each in native if each):
        connection.execute(f"SET allowed_paths=[{paths}]")
    connection.execute("; ".join((f"SET preserve_insertion_order={str(ordered).lower()}", *LOCKS)))
    return connection


def _open() -> Any:
    """A DuckDB that is not locked yet, and that no table was read with."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    memory = max(_SMALLEST_MEMORY, limit // 2) if limit > 0 else 1 << 30
    return duckdb.connect(":memory:", config={"threads": THREADS, "memory_limit": f"{memory >> 20}MiB"})


def _exact_of(shape: Shape, path: Path, form: str, layout: Object) -> tuple[list[list[int]], int]:
    if form == cells.FORM:
        exact = cells.read(shape, path)
        return exact, len(exact[0])
    if shape.joined is not None:
        return _joined(shape, path, form, layout)
    counted, rows = _counted(shape, path, form, layout)
    return cells.add_up(shape, [counted]), rows


def _counted(shape: Shape, path: Path, form: str, layout: Object) -> tuple[Rows, int]:
    """What the statement returns, and how many rows were read."""
    if form == FORM:
        laid, units = Laid.of(layout["laid"]), Place(layout["units"], "units").integer()
        # Which groups only one unit is in can be seen where all units are counted together.
        shared = units if shape.unit is not None and not shape.unknown else 0
        return _read(shape, open_table(path, "parquet", {}), laid, _parts(shared))
    return read_or_mend(lambda mend: _read(shape, open_table(path, form, layout, mend=mend)))


def _joined(shape: Shape, path: Path, form: str, layout: Object) -> tuple[list[list[int]], int]:
    (beside,) = Place(layout["beside"], "beside").items(1)
    other = beside.members(("path", "form", "layout"))
    second = Path(other["path"].text(1000)), other["form"].text(), other["layout"].object()
    sides = (path, form, layout), second
    return read_or_mend(lambda mend: _count_joined(shape, *(_as_table(*each, mend=mend) for each in sides)))


def _as_table(path: Path, form: str, layout: Object, *, mend: bool) -> Opened:
    """A table of any form; a laid-out one as what it was made of, since each numbers its units for itself."""
    if form != FORM:
        return open_table(path, form, layout, mend=mend)
    laid = Laid.of(layout["laid"])
    names: Object = {each.name: laid.field(each.name) for each in laid.columns}
    return open_table(path, "parquet", {"names": names}, mend=mend)


def _count_joined(shape: Shape, first: Opened, second: Opened) -> tuple[list[list[int]], int]:
    assert shape.joined is not None  # noqa: S101 - whoever calls saw it
    ours, theirs = columns_of(shape, shape.joined)
    with ExitStack() as held:
        held.callback(first.close)
        held.callback(second.close)
        connection = connect(first.native, second.native)
        held.callback(connection.close)
        for opened, columns, view in ((first, ours, SOURCE), (second, theirs, BESIDE)):
            require(opened, columns)
            attach(connection, opened, columns, view)
        for index, key in enumerate(shape.keys):
            if key.column:
                declare(connection, words.table_of(index), key.labels, shape.columns[key.column])
        found = connection.execute(*aggregate(shape, secrets.randbits(62), words.WORDS)).fetchall()
        rows = first.rows() + second.rows()
        _leave(held)
    return cells.add_up(shape, [found]), rows


def _leave(held: ExitStack) -> None:
    """Take nothing apart in a worker, which is gone sooner; elsewhere all is closed."""
    if _once:
        _once[0].push(held.pop_all())


def _parts(units: int) -> Sequence[Part]:
    """Ranges of numbers of units, one for each thread: a window that keeps an order has no more than one."""
    if units < _SHARED:
        return (None,)
    cuts = [1 + units * index // THREADS for index in range(THREADS)]
    return tuple(pairwise([*cuts, 1 << 62]))


def _count(
    shape: Shape, opened: Opened, laid: Laid | None = None, parts: Sequence[Part] = (None,)
) -> tuple[list[list[int]], int]:
    """The exact numbers of public groups, and how many rows were read."""
    counted, rows = _read(shape, opened, laid, parts)
    return cells.add_up(shape, [counted]), rows


def _read(
    shape: Shape, opened: Opened, laid: Laid | None = None, parts: Sequence[Part] = (None,)
) -> tuple[Rows, int]:  # fmt: skip
    with ExitStack() as held:
        held.callback(opened.close)
        connection = connect(opened.native, ordered=laid is not None)
        held.callback(connection.close)
        if laid is None:
            require(opened, shape.columns)
        salt = secrets.randbits(62)
        with ThreadPoolExecutor(len(parts)) as threads:
            found = threads.map(lambda part: _cells(connection, shape, opened, laid, salt, part), parts)
            counted = [row for rows in found for row in rows]
        read = opened.rows()
        _leave(held)
    return counted, read


def _cells(connection: Any, shape: Shape, opened: Opened, laid: Laid | None, salt: int, part: Part) -> Rows:
    """What the statement of a shape returns for one part."""
    with connection.cursor() as cursor:
        attach(cursor, opened, shape.columns if laid is None else opened.fields, SOURCE)
        for index, key in enumerate(shape.keys):
            if key.labels and key.column and not (laid and laid.position(key.column, key.labels)):
                declare(cursor, words.table_of(index), key.labels, shape.columns[key.column])
        statement, values = aggregate(shape, salt, words.WORDS, laid, part)
        found: Rows = cursor.execute(statement, values).fetchall()
        return found


def declare(connection: Any, table: str, labels: tuple[str, ...], kind: str) -> None:
    """Make the table of a key's declared values and their positions."""
    texts = pa.table({"value": list(labels), "position": pa.array(range(len(labels)), pa.int64())})
    name = f"{table}_texts"
    connection.register(name, texts)
    connection.execute(words.declared(table, kind))
    connection.unregister(name)
