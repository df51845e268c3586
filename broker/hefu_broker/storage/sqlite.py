"""SQLite: one file, durable (WAL, synchronous=FULL), foreign keys on, writers one after another.

A writer begins with BEGIN IMMEDIATE, so what it reads cannot change under it. Threads of one process queue at a lock
(`hefu_broker.storage.database`) instead of in SQLite's retries; other processes wait up to ten seconds.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from hefu import sqlcipher
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import create_engine

WRITES = "hefu_writes"
_BUSY_SECONDS = 10


def url(path: Path) -> URL:
    """The URL of a file."""
    return URL.create("sqlite", database=str(path.absolute()))


def engine(where: URL, key: bytes | None) -> Engine:
    """Connections to the file; it is made where it is absent, and encrypted where there is a key."""
    opening: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS, "check_same_thread": False}}
    path = Path(where.database or "")
    if key is not None:
        sqlcipher.encrypt(path, key)
        sqlcipher.check(path, key)
        opening = {"module": sqlcipher.module(), "creator": partial(sqlcipher.connect, path, key, _BUSY_SECONDS)}
    # No value of a row may stand in an error.
    made = create_engine(where, pool_size=32, max_overflow=96, hide_parameters=True, **opening)
    event.listen(made, "connect", _prepare)
    event.listen(made, "begin", _begin)
    return made


def reader(of: Engine) -> Engine:
    """The same connections, for transactions that read: each sees one snapshot."""
    return of


def writer(of: Engine) -> Engine:
    """The same connections, for transactions that write."""
    return of.execution_options(**{WRITES: True})


def _prepare(connection: object, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # transactions are begun by `_begin`
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
