"""Engines that turn a shape into whole numbers, behind one interface: a suite that takes one runs on all of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg
from hefu_connector.engines import cells
from hefu_connector.engines.shape import Shape
from hefu_connector.ports import Prepared
from hefu_connector.sources.database import DatabaseSource
from hefu_connector.sources.postgres import PostgresSource
from psycopg import sql

from tests.connector import engine_world as world
from tests.connector.engine_world import Row


class Backend(Protocol):
    """One engine."""

    def exact(self, prepared: Prepared, rows: Sequence[Row]) -> list[list[int]]:
        """The whole numbers of each measure by cell before noise; rows are as in `engine_world.SCHEMA`."""
        ...


class DuckDB:
    """A worker's engine, on a Parquet file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "rows.parquet"

        self._rows: Sequence[Row] | None = None

    def exact(self, prepared: Prepared, rows: Sequence[Row]) -> list[list[int]]:
        """As in the protocol."""
        if rows is not self._rows:
            world.write(self._path, rows)
            self._rows = rows
        return world.exact(prepared, self._path)


class InPlace:
    """A real PostgreSQL, by the source that counts in place."""

    TYPES = "person text, region varchar(40), age bigint, income double precision, active boolean, day date, "
    TYPES += "seen timestamp, grade bigint"

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = itertools.count()
        self._held: tuple[Sequence[Row], str] = ([], "")

    def exact(self, prepared: Prepared, rows: Sequence[Row]) -> list[list[int]]:
        """As in the protocol."""
        if rows is not self._held[0]:
            names = [each.split()[0] for each in self.TYPES.split(", ")]
            values = [tuple(row.get(name) for name in names) for row in rows]
            self._held = rows, self.table(self.TYPES, values)
        return self.count(prepared, self._held[1])

    def table(self, types: str, rows: Sequence[Sequence[Any]]) -> str:
        """A new table with these rows."""
        name = f"rows{next(self._numbers)}"
        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {name} ({types})")  # type: ignore[arg-type]
            if rows:
                marks = sql.SQL(", ").join([sql.Placeholder()] * len(rows[0]))
                cursor.executemany(sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(name), marks), rows)
        return name

    def source(self, table: str, **named: str) -> PostgresSource:
        """A source that counts a table in place."""
        return PostgresSource(DatabaseSource(self.url, table, None, named))

    def count(self, prepared: Prepared, table: str, **named: str) -> list[list[int]]:
        """The whole numbers of a table, as a worker would read them."""
        with self.source(table, **named).open(sorted(prepared.reads), prepared.parameters) as found:
            assert found.form == cells.FORM
            return cells.read(Shape.of(prepared.parameters["shape"]), found.path)
