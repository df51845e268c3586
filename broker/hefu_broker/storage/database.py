"""One SQLite database: durable (WAL, synchronous=FULL), foreign keys on, writers one after another.

A writer begins with BEGIN IMMEDIATE, so what it reads cannot change under it. Threads of one process queue at a lock
instead of in SQLite's retries; other processes (the commands) wait up to ten seconds.
"""

from __future__ import annotations

import copy
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hefu import faults, sqlcipher
from hefu.errors import Unavailable
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session, create_engine

from hefu_broker.storage.models import SpaceRow

_WRITES = "hefu_writes"
_BUSY_SECONDS = 10
_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """The broker's database as one space sees it, migrated to the newest schema when it is opened.

    Args:
        path: the file; made if absent.
        space: id of the space whose rows the stores read and write.
        node: id of this broker's node, kept at first opening.
        key: 32 bytes that the file is encrypted with (`hefu.sqlcipher`), whatever it was before; without one it lies
            in the clear.
    """

    def __init__(self, path: Path, space: str, node: str, key: bytes | None = None) -> None:
        self.space = space
        self.node = node
        self._lock = threading.Lock()
        self.engine = _engine(path, key)
        self._writer = self.engine.execution_options(**{_WRITES: True})
        migrate(self.engine)
        self._keep_space()

    def beside(self, space: str) -> Database:
        """The same database as another space sees it: other rows, the same connections and the same writer's lock."""
        found = copy.copy(self)
        found.space = space
        found._keep_space()
        return found

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view; nothing is written."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: committed and on disk at the end, or nothing changed.

        Raises:
            Unavailable: another process holds the database, or the disk is full.
        """
        try:
            with self._lock, Session(self._writer) as session, session.begin():
                yield session
                faults.point("broker.before_commit")
        except OperationalError as fault:
            raise Unavailable("storage.busy", detail=str(fault.orig)) from None
        except OSError as fault:
            raise Unavailable("storage.busy", detail=str(fault)) from None
        faults.point("broker.committed")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _keep_space(self) -> None:
        with self.writing() as session:
            if session.get(SpaceRow, self.space) is None:
                session.add(SpaceRow(id=self.space, node=self.node))


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest version; where it is, nothing heavy is imported."""
    if _version(engine) == newest_version():
        return
    from alembic import command

    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        command.upgrade(configuration(connection), "head")


def newest_version() -> str:
    """The revision of the newest migration: the number that its file begins with."""
    return max(file.name.partition("_")[0] for file in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def configuration(connection: Connection):  # type: ignore[no-untyped-def]  # alembic is imported where it is used
    """Alembic's configuration for a connection."""
    from alembic.config import Config

    config = Config(stdout=io.StringIO())  # it reports by exceptions; nothing may mix with a command's answer
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        known = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").first()
        if known is None:
            return None
        version: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return version


def _engine(path: Path, key: bytes | None = None) -> Engine:
    opening: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS, "check_same_thread": False}}
    if key is not None:
        sqlcipher.encrypt(path, key)
        sqlcipher.check(path, key)
        opening = {"module": sqlcipher.module(), "creator": partial(sqlcipher.connect, path, key, _BUSY_SECONDS)}
    engine = create_engine(f"sqlite:///{path}", pool_size=32, max_overflow=96, **opening)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: object, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # transactions are begun by `_begin`
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
