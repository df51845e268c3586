"""One database of the connector: opened, migrated, and its two kinds of transaction.

SQLite now: WAL, synchronous=FULL (a commit is on disk when it returns), foreign keys on. A writer begins with BEGIN
IMMEDIATE, so that what it reads cannot change under it; threads of one process queue at a lock, other processes wait
up to ten seconds. Statements are portable: where another database lets several write at once, `lock` orders them.

With a key the file is encrypted (`hefu.sqlcipher`); a plain one of an earlier version is taken over when it is opened.
LIMIT: a copy of the file put back later would forget charges; the broker's log shows such a fork, this room cannot.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu import faults, sqlcipher
from hefu.errors import Conflict, Unavailable
from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from hefu_connector.storage.models import LOCKS

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "hefu_connector_version"
_WRITES = "hefu_writes"
_BUSY_SECONDS = 10
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Database:
    """The connector's database, migrated to the newest schema when it is opened. Safe to use from many threads.

    Args:
        url: an SQLAlchemy URL, for example ``sqlite:////var/lib/hefu/connector.db``; see `at`.
        key: 32 bytes that the file is encrypted with; without one it lies in the clear.

    Raises:
        Conflict: the schema is newer than this version of hefu, the database is somebody else's, or of another key.
        Unavailable: it cannot be opened.
    """

    def __init__(self, url: str, key: bytes | None = None) -> None:
        self.engine = _engine(url, key)
        self._writer = self.engine.execution_options(**{_WRITES: True})
        one_writer = self.engine.dialect.name == "sqlite"
        self._turn = threading.Lock() if one_writer else nullcontext()
        with ExitStack() as undo:
            undo.callback(self.close)
            with self.writing() as connection:
                _migrate(connection)
            undo.pop_all()

    @classmethod
    def at(cls, path: Path, key: bytes | None = None) -> Database:
        """The SQLite database of this file; made, with mode 0600, if absent."""
        return cls(f"sqlite:///{path.absolute()}", key)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; raises Unavailable."""
        with _translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: whole and synced to disk when the block is left, or nothing of it.

        Raises:
            Unavailable: locked too long, disk full, or broken.
        """
        with self._turn, _translated(), self._writer.connect() as connection, connection.begin():
            yield connection
            faults.point("store.before_commit")
        faults.point("store.committed")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def insert_new(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless one with its key is there; whether it was inserted."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return connection.execute(insert(table).values(**values).on_conflict_do_nothing()).rowcount == 1


def lock(connection: Connection, name: str) -> None:
    """Wait until no other transaction holds this name; held until the transaction's end."""
    connection.execute(select(LOCKS.c.name).where(LOCKS.c.name == name).with_for_update()).one()


def write_instant(instant: datetime) -> int:
    """An instant as whole microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def read_instant(microseconds: int) -> datetime:
    """The instant that `write_instant` wrote, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for a connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = configuration(connection)
    tables = set(inspect(connection).get_table_names())
    if tables and VERSION_TABLE not in tables:
        raise Conflict("store.mixed", path=connection.engine.url.database or "")
    present = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    scripts = ScriptDirectory.from_config(config)
    if present is not None and present not in {each.revision for each in scripts.walk_revisions()}:
        raise Conflict("store.newer", found=present)
    if present != scripts.get_current_head():
        command.upgrade(config, "head")


def _engine(url: str, key: bytes | None) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, hide_parameters=True)
    if parsed.database:
        _make_private(Path(parsed.database))
    opening: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS, "check_same_thread": False}}
    if key is not None:
        opening = _sealed(Path(parsed.database or ""), key)
    # No value of a row may stand in an error.
    engine = create_engine(parsed, hide_parameters=True, pool_size=8, max_overflow=120, **opening)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _sealed(path: Path, key: bytes) -> dict[str, Any]:
    """How SQLAlchemy opens an encrypted file, once what lay in the clear is encrypted and the key is known to fit."""
    sqlcipher.encrypt(path, key)
    sqlcipher.check(path, key)
    return {"module": sqlcipher.module(), "creator": partial(sqlcipher.connect, path, key, _BUSY_SECONDS)}


def _make_private(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as fault:
        raise Unavailable("store.unavailable", why=fault.strerror or "it cannot be opened", detail=str(path)) from None


def _prepare(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin`
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise  # our own fault, and an edge says so
    except OSError as fault:
        raise Unavailable(
            "store.unavailable", why=fault.strerror or "it cannot be written", detail=str(fault)
        ) from None
    except (DBAPIError, PoolTimeout) as fault:
        detail = str(getattr(fault, "orig", None) or fault)
        words = {"locked": "another process holds it too long", "full": "the disk is full"}
        why = next((said for word, said in words.items() if word in detail), "it cannot be read or written")
        raise Unavailable("store.unavailable", why=why, detail=detail) from None
