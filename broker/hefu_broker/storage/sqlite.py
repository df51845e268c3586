"""SQLite: one file, durable (WAL, synchronous=FULL), foreign keys on, writers one after another.

A writer begins with BEGIN IMMEDIATE, so what it reads cannot change under it. Threads of one process queue at a lock
(`hefu_broker.storage.database`) instead of in SQLite's retries; other processes wait up to ten seconds. They all write
through one connection: digests fall anywhere in their indexes, and what it read of those stays with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hefu.keeping import sqlcipher
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import create_engine

WRITES = "hefu_writes"
_BUSY_SECONDS = 10
# Of the connection that writes. A page that many batches change is copied from the journal into the file once for all
# of them: when the journal is this long. What is committed is on disk before.
_WRITING = ("cache_size=-32768", "wal_autocheckpoint=8192")  # KiB; pages of 4 KiB


def url(path: Path) -> URL:
    """The URL of a file."""
    return URL.create("sqlite", database=str(path.absolute()))


def engine(where: URL, key: bytes | None) -> Engine:
    """Connections to the file; it is made where it is absent, and encrypted where there is a key."""
    path = Path(where.database or "")
    if key is not None:
        sqlcipher.encrypt(path, key)
        sqlcipher.check(path, key)
    return _connections(where, key, (), pool_size=32, max_overflow=96)


def reader(of: Engine) -> Engine:
    """The same connections, for transactions that read: each sees one snapshot."""
    return of


def writer(_: Engine, where: URL, key: bytes | None) -> Engine:
    """The one connection for transactions that write."""
    return _connections(where, key, _WRITING, pool_size=1, max_overflow=0).execution_options(**{WRITES: True})


def _connections(where: URL, key: bytes | None, pragmas: Sequence[str], **pool: int) -> Engine:
    opening: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS, "check_same_thread": False}}
    if key is not None:
        path = Path(where.database or "")
        opening = {"module": sqlcipher.module(), "creator": partial(sqlcipher.connect, path, key, _BUSY_SECONDS)}
    # No value of a row may stand in an error.
    made = create_engine(where, hide_parameters=True, **pool, **opening)
    event.listen(made, "connect", partial(_prepare, pragmas))
    event.listen(made, "begin", _begin)
    return made


def _prepare(pragmas: Sequence[str], connection: object, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # transactions are begun by `_begin`
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", *pragmas):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
