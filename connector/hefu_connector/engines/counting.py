"""Worker side of private statistics: exact whole numbers by a locked DuckDB, then noise; only that is returned.

True values live in this function and nowhere else: they are noised before it returns, and every error that leaves
the worker is one opaque word (`hefu_connector.workers.main`).
"""

from __future__ import annotations

import resource
import secrets
from collections.abc import Mapping
from decimal import Decimal
from math import prod
from pathlib import Path
from typing import Any

import duckdb
import opendp.prelude  # noqa: F401 - so that it is there before anybody waits
import pyarrow as pa
from hefu.canonical import Json, Object
from hefu_policies.reading import Place

from hefu_connector.computing.predicates import read_predicate
from hefu_connector.engines import Moved, noise
from hefu_connector.engines import duckdb_sql as sql
from hefu_connector.engines.tables import Opened, attach, open_table, require

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
    "SET preserve_insertion_order=false",
    "SET lock_configuration=true",
)
_SMALLEST_MEMORY = 256 << 20


def run(parameters: Object, path: Path, form: str, layout: Object) -> Object:
    """Count, add noise, forget.

    Args:
        parameters: as `Statistics.prepare` made them.
        path, form, layout: the table (`hefu_connector.ports.Table`).

    Returns:
        ``noised``: one list a measure, one whole number as text a cell; ``rows_read``: for the provider's meter.

    Raises:
        Moved: the file is not the table that was described.
    """
    shape, labels = _shape(parameters)
    try:
        exact, rows = _count(shape, labels, open_table(path, form, layout))
    except (duckdb.Error, Moved):
        # One value that DuckDB's reader stops at must not decide whether everybody's query fails.
        exact, rows = _count(shape, labels, open_table(path, form, layout, mend=True))
    noised: list[Json] = []
    for values, words in zip(exact, Place(parameters["measures"], "measures").items(), strict=True):
        found = words.members(("kind", "column", "centre", "sensitivity", "epsilon_nano"))
        private, _ = noise.add_noise(values, int(found["sensitivity"].text()), found["epsilon_nano"].integer())
        noised.append([str(value) for value in private])
    return {"noised": noised, "rows_read": rows}


def warm() -> None:
    """Do once what the first computation would have to wait for: load, link and prepare the libraries' own code."""
    connection = connect("")
    connection.register("nothing", pa.table({"key": ["a"], "value": pa.array([1], pa.int64())}))
    connection.execute("SELECT key, count(*), sum(value)::BIGINT FROM nothing GROUP BY key").fetchall()
    connection.close()
    noise.add_noise([0], 1, 10**9)


def connect(native: str) -> Any:
    """A DuckDB in memory that can reach no network, extension or setting, and no file but one at most."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    memory = max(_SMALLEST_MEMORY, limit // 2) if limit > 0 else 1 << 30
    connection = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": f"{memory >> 20}MiB"})
    if native:
        connection.execute(f"SET allowed_paths=['{native}']")
    for setting in LOCKS:
        connection.execute(setting)
    return connection


def _count(shape: sql.Shape, labels: dict[str, list[str]], opened: Opened) -> tuple[list[list[int]], int]:
    connection = connect(opened.native)
    try:
        require(opened, shape.columns)
        attach(connection, opened, shape.columns, sql.SOURCE)
        for key in shape.keys:
            if key.table:
                _declare(connection, key, labels[key.column], shape.columns[key.column])
        return _exact(connection, shape), opened.rows()
    finally:
        connection.close()
        opened.close()


def _exact(connection: Any, shape: sql.Shape) -> list[list[int]]:
    statement, values = sql.aggregate(shape, secrets.randbits(62))
    cells = prod(key.size for key in shape.keys)
    exact = [[0] * cells for _ in shape.measures]
    for cell, *found in connection.execute(statement, values).fetchall():
        for measure, value in zip(exact, found, strict=True):
            measure[int(cell)] = int(value)
    return exact


def _declare(connection: Any, key: sql.Key, labels: list[str], kind: str) -> None:
    texts = pa.table({"value": labels, "position": pa.array(range(len(labels)), pa.int64())})
    name = f"{key.table}_texts"
    connection.register(name, texts)
    connection.execute(sql.declared(key.table, kind))
    connection.unregister(name)


def _shape(parameters: Object) -> tuple[sql.Shape, dict[str, list[str]]]:
    found = Place(parameters, "parameters").members(
        ("columns", "unit", "max_contribution", "filter", "grids", "keys", "measures", "answer", "minimum")
    )
    keys: list[sql.Key] = []
    labels: dict[str, list[str]] = {}
    for index, place in enumerate(found["keys"].items()):
        key = place.members(("column", "labels", "edges"))
        column, names = key["column"].text(), [each.text(empty=True) for each in key["labels"].items(1)]
        edges = tuple(int(each.text()) for each in key["edges"].items())
        keys.append(sql.Key(column, len(names), "" if edges else f"key{index}", edges))
        if not edges:
            labels[column] = names
    unit, filter_ = found["unit"].value, found["filter"].value
    shape = sql.Shape(
        columns=_texts(found["columns"]),
        unit=None if unit is None else found["unit"].text(),
        max_contribution=found["max_contribution"].integer(1),
        filter=None if filter_ is None else read_predicate(filter_),
        grids={name: _grid(body) for name, body in _members(found["grids"]).items()},
        keys=tuple(keys),
        measures=tuple(_measure(each) for each in found["measures"].items(1)),
    )
    return shape, labels


def _measure(place: Place) -> sql.Measure:
    found = place.members(("kind", "column", "centre", "sensitivity", "epsilon_nano"))
    kind = found["kind"].choice("rows", "units", "present", "sum")
    return sql.Measure(kind, found["column"].text(empty=True), int(found["centre"].text()))


def _grid(place: Place) -> sql.Grid:
    found = place.members(("lower", "upper", "granularity"))
    return sql.Grid(*(Decimal(found[name].text()) for name in ("lower", "upper", "granularity")))


def _members(place: Place) -> Mapping[str, Place]:
    return place.members((), place.object())


def _texts(place: Place) -> dict[str, str]:
    return {name: each.text() for name, each in _members(place).items()}
