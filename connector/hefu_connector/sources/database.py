"""A table of an SQL database as a source: the columns that are used are read to a Parquet file in the spool.

Every value is written as the text of its type. A worker then reads texts as it does of a CSV, so that a value that
is not of its declared type counts as absent and no record makes a query fail. The reading is one SELECT, and so one
moment of the database. LIMIT: the order of rows is the database's, so the digest of equal tables may differ.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from hefu.canonical import Object
from hefu.errors import Malformed, Unavailable
from sqlalchemy.exc import SQLAlchemyError

from hefu_connector.ports import Table
from hefu_connector.sources import spool

_BATCH = 20_000  # rows
_ROW = "row"  # no column of a schema may be called so


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """One table or view. An adapter of `hefu_connector.ports.Source`.

    Attributes:
        url: an SQLAlchemy URL; it may hold a password and stands in no message.
        table: its name; ``schema.table`` where it is not in the default schema.
        spool: folder of snapshots; None keeps them in memory.
        named: schema name to the table's column name, where they differ.
    """

    url: str = field(repr=False)
    table: str
    spool: Path | None = None
    named: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def open(self, columns: Sequence[str], asked: Object | None = None) -> Iterator[Table]:
        """The present snapshot of some columns, and of no others. See `Source.open`."""
        del asked
        with spool.place(self.spool) as path:
            try:
                self._read(list(columns), path)
            except (SQLAlchemyError, sqlite3.Error, OSError) as fault:
                raise Unavailable("source.moved", detail=type(fault).__name__) from None
            digest, size = spool.measure(path)
            yield Table(path, "parquet", digest, size)

    def names(self) -> list[str]:
        """The columns there are, by their schema names.

        Raises:
            Unavailable: no such table, or the database cannot be reached.
        """
        theirs = {there: here for here, there in self.named.items()}
        engine = _engine(self.url)
        try:
            schema, name = self._place()
            found = sqlalchemy.inspect(engine).get_columns(name, schema=schema)
            return [theirs.get(each["name"], each["name"]) for each in found]
        except (SQLAlchemyError, sqlite3.Error, OSError) as fault:
            raise Unavailable("source.moved", detail=type(fault).__name__) from None
        finally:
            engine.dispose()

    def _place(self) -> tuple[str | None, str]:
        schema, _, name = self.table.rpartition(".")
        return schema or None, name

    def _read(self, columns: list[str], path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        schema, name = self._place()
        fields: list[Any] = [sqlalchemy.column(self.named.get(each, each)) for each in columns]
        table = sqlalchemy.table(name, *fields, schema=schema)
        # With no column, rows are still to be counted.
        query = sqlalchemy.select(*fields) if fields else sqlalchemy.select(sqlalchemy.literal(1))
        heads = columns or [_ROW]
        form = pa.schema([(each, pa.string()) for each in heads])
        engine = _engine(self.url)
        try:
            with engine.connect() as connection, open(spool.create(path), "wb") as file:
                result = connection.execution_options(stream_results=True).execute(query.select_from(table))
                with parquet.ParquetWriter(file, form) as writer:
                    for rows in result.partitions(_BATCH):
                        texts = [[write(value) for value in column] for column in zip(*rows, strict=True)]
                        writer.write_table(pa.table(texts, schema=form))
                        spool.check_room(path)
        finally:
            engine.dispose()


def write(value: Any) -> str | None:
    """A database's value as text that reads as its type; None for what no column of ours can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and (not value or abs(value.adjusted()) < 100) else None
    if isinstance(value, datetime):
        try:
            utc = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:  # the first and the last day there are, in another zone
            return None
        return utc.isoformat(" ")
    return str(value) if isinstance(value, int | date) else None


def spell(url: str) -> tuple[str, str]:
    """A URL in its one spelling, and the kind of database it names.

    Raises:
        Malformed: SQLAlchemy cannot read it, or a password stands in it.
    """
    try:
        parsed = sqlalchemy.make_url(url)
        kind = parsed.get_backend_name()
        parsed.get_dialect()
    except SQLAlchemyError:
        raise Malformed("source.settings", name="uri", expected="sqlite:////path or another SQLAlchemy URL") from None
    if parsed.password is not None:
        raise Malformed("source.settings", name="uri", expected="a URL without a password; use the driver's own file")
    if kind == "sqlite":
        if not parsed.database or parsed.query:
            raise Malformed("source.settings", name="uri", expected="sqlite:// and the path of a file")
        parsed = parsed.set(database=str(Path(parsed.database).resolve()))
    return parsed.render_as_string(), kind


def _engine(url: str) -> sqlalchemy.Engine:
    parsed = sqlalchemy.make_url(url)
    pool = sqlalchemy.NullPool
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        engine = sqlalchemy.create_engine(parsed, poolclass=pool, hide_parameters=True)
        if engine.driver == "psycopg":
            sqlalchemy.event.listen(engine, "connect", _read_all)
        return engine
    # SQLite would make an empty database where there is none, so it is opened for reading only.
    address = f"file:{quote(parsed.database)}?mode=ro"
    return sqlalchemy.create_engine(
        "sqlite://", poolclass=pool, hide_parameters=True, creator=lambda: _readonly(address)
    )


def _read_all(connection: Any, _: object) -> None:
    """A moment that Python has no number for, such as infinity, is absent; it must not make the reading fail."""
    from psycopg import DataError
    from psycopg.types import datetime as loaders

    for kind, loader in (
        ("date", loaders.DateLoader),
        ("timestamp", loaders.TimestampLoader),
        ("timestamptz", loaders.TimestamptzLoader),
    ):

        class Total(loader):  # type: ignore[misc, valid-type]
            """As its parent, and None for what that cannot read."""

            def load(self, data: Any) -> Any:
                """A value or None."""
                try:
                    return super().load(data)
                except (DataError, ValueError, OverflowError):
                    return None

        connection.adapters.register_loader(kind, Total)


def _readonly(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, check_same_thread=False)
    # A text that is not UTF-8 must not make the reading fail.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection
