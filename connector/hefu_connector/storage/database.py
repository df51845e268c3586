"""One database of the connector, as one space sees it: opened, migrated, and its two kinds of transaction.

SQLite: WAL, synchronous=FULL (a commit is on disk when it returns), foreign keys on. A writer begins with BEGIN
IMMEDIATE, so that what it reads cannot change under it; threads of one process queue at a lock, other processes wait
up to ten seconds. PostgreSQL lets several write at once: there rows are locked before they are judged, and `lock`
orders whoever writes to one thing; a reader sees one snapshot.

With a key the file is encrypted (`hefu.keeping.sqlcipher`); a plain one of an earlier version is taken over when it
is opened. A copy put back later would forget charges; `hefu_connector.membership.continuity` notices that.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.errors import Conflict, Malformed, Unavailable
from hefu.keeping import sqlcipher
from hefu.running import faults
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, func, inspect, literal, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from hefu_connector.storage import sealing
from hefu_connector.storage.models import LOCKS, MEMBERSHIPS, METADATA

if TYPE_CHECKING:
    from alembic.config import Config

Fence = Callable[[Connection], None]  # raises Unavailable where a process may not write any longer
VERSION_TABLE = "hefu_connector_version"
_MIGRATIONS = Path(__file__).parent / "migrations"
_WRITES, _LOOSELY = "hefu_writes", "loosely"
_MIGRATING = 0x68656675  # the name of PostgreSQL's lock around migrations
_STATES = {  # of PostgreSQL: lock not available, deadlock, serialization failure; disk full
    **dict.fromkeys(("55P03", "40P01", "40001"), "another process holds it too long"),
    "53100": "the disk is full",
}
_BUSY_SECONDS = 10
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Database:
    """The connector's database, migrated to the newest schema when it is opened. Safe to use from many threads.

    Args:
        url: ``sqlite:////var/lib/hefu/connector.db`` or ``postgresql://user@host/name``; see `at`.
        space: whose rows are read and written here; sources, assets and their accounts are everybody's.
        key: 32 bytes that a SQLite file is encrypted with, and PostgreSQL's columns (`hefu_connector.storage.sealing`);
            without one it lies in the clear.

    Raises:
        Conflict: the schema is newer than this version of hefu, the database is somebody else's, or of another key.
        Unavailable: it cannot be opened.
    """

    def __init__(self, url: str, space: str, key: bytes | None = None) -> None:
        self.space = space
        self.engine = _engine(url, key)
        self._writer = self.engine.execution_options(**{_WRITES: True})
        self._notes = self.engine.execution_options(**{_WRITES: _LOOSELY})
        self._reader = self.engine
        one_writer = self.engine.dialect.name == "sqlite"
        if not one_writer:
            view = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            self._reader = self.engine.execution_options(**view)
        self._turn = threading.Lock() if one_writer else nullcontext()
        with ExitStack() as undo:
            undo.callback(self.close)
            with self.writing() as connection:
                _migrate(connection, space)
                if not one_writer:
                    sealing.settle(connection, METADATA, LOCKS)
            undo.pop_all()

    @classmethod
    def at(cls, path: Path, space: str, key: bytes | None = None) -> Database:
        """The SQLite database of this file; made, with mode 0600, if absent."""
        return cls(f"sqlite:///{path.absolute()}", space, key)

    def claim(self, participant: str, connector: str) -> None:
        """Keep whose store this is: one participant's, and in each space one connector's with its replicas.

        Raises:
            Conflict: it is another participant's, or another connector works on it in this space.
        """
        with self.writing() as connection:
            lock(connection, "memberships")
            insert_new(connection, MEMBERSHIPS, space=self.space, participant=participant, connector=connector)
            rows = connection.execute(select(MEMBERSHIPS)).all()
            for row in rows:
                if row.participant != participant or (row.space == self.space and row.connector != connector):
                    raise Conflict("store.other", participant=row.participant, connector=row.connector)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; raises Unavailable."""
        with _translated(), self._reader.connect() as connection, connection.begin():
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

    @contextmanager
    def noting(self) -> Iterator[Connection]:
        """A small transaction that need not survive a power cut, such as a sign of life; raises Unavailable."""
        with self._turn, _translated(), self._notes.connect() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            yield connection

    def forget(self) -> None:
        """Have what was deleted overwritten in the log of writes too, where the database keeps one beside itself."""
        if self.engine.dialect.name != "sqlite":
            return  # PostgreSQL reuses the space when it vacuums, and recycles its log; its disk is its operator's
        held = self.engine.raw_connection()
        try:
            held.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            held.close()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def insert_new(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless one with its key is there; whether it was inserted."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # What was inserted is returned; the count of rows of an INSERT is not told by every driver.
    new = insert(table).values(**values).on_conflict_do_nothing().returning(literal(1))
    return connection.execute(new).first() is not None


def lock(connection: Connection, name: str) -> None:
    """Wait until no other transaction holds this name; held until the transaction's end."""
    if connection.dialect.name == "sqlite":
        return  # whoever writes holds the whole database
    wanted = select(LOCKS.c.name).where(LOCKS.c.name == name).with_for_update()
    if connection.execute(wanted).one_or_none() is None:
        insert_new(connection, LOCKS, name=name)
        connection.execute(wanted).one()


def write_instant(instant: datetime) -> int:
    """An instant as whole microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def read_instant(microseconds: int) -> datetime:
    """The instant that `write_instant` wrote, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for a connection."""
    from alembic.config import Config

    config = Config(stdout=io.StringIO())  # it reports by exceptions; nothing may mix with a command's answer
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def newest_version() -> str:
    """The revision of the newest migration: what its file's name begins with."""
    return max(_versions())


def _versions() -> set[str]:
    return {file.name[: len("connector_0000")] for file in (_MIGRATIONS / "versions").glob("connector_*.py")}


def _migrate(connection: Connection, space: str) -> None:
    """Bring the schema to the newest version; where it is, nothing heavy is imported."""
    if connection.dialect.name == "postgresql":  # of processes that start together, one migrates
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
    present = _version(connection)
    if present is not None and present not in _versions():
        raise Conflict("store.newer", found=present)
    if present != newest_version():
        _upgrade(connection, space)


def _upgrade(connection: Connection, space: str) -> None:
    from alembic import command

    config = configuration(connection)
    config.attributes["space"] = space
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    """The version of the schema; None where there is none yet. Raises Conflict where the tables are somebody else's."""
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        found: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608
        return found
    if tables:
        raise Conflict("store.mixed", path=connection.engine.url.database or "")
    return None


def _engine(url: str, key: bytes | None) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(parsed, key)
    if parsed.get_backend_name() != "sqlite":
        raise Malformed(
            "settings.value", name="database", expected="a URL that begins with sqlite:/// or postgresql://"
        )
    if parsed.database:
        _make_private(Path(parsed.database))
    opening: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS, "check_same_thread": False}}
    if key is not None:
        opening = _sealed(Path(parsed.database or ""), key)
    # No value of a row may stand in an error. The connection that was used last has the freshest pages.
    engine = create_engine(parsed, hide_parameters=True, pool_size=8, max_overflow=120, pool_use_lifo=True, **opening)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _sealed(path: Path, key: bytes) -> dict[str, Any]:
    """How SQLAlchemy opens an encrypted file, once what lay in the clear is encrypted and the key is known to fit."""
    sqlcipher.encrypt(path, key)
    sqlcipher.check(path, key)
    return {"module": sqlcipher.module(), "creator": partial(sqlcipher.connect, path, key, _BUSY_SECONDS)}


def _postgresql(url: URL, key: bytes | None) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,  # no value of a row may stand in an error
        isolation_level="READ COMMITTED",  # whatever is usual there: who waited for a lock sees what was written
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=24,
        connect_args={
            "connect_timeout": _BUSY_SECONDS,
            "application_name": "hefu connector",
            "options": f"-c lock_timeout={_BUSY_SECONDS}s -c timezone=UTC {url.query.get('options', '')}",
        },
    )
    event.listen(engine, "connect", _make_durable)
    if key is not None:
        sealing.use(engine, key)
    return engine


def _make_durable(connection: Any, _: ConnectionPoolEntry) -> None:
    """A commit must be on disk when it returns, whatever the server's usual setting is."""
    with connection.cursor() as cursor:
        if cursor.execute("SHOW synchronous_commit").fetchone() == ("off",):
            cursor.execute("SET synchronous_commit = on")
    connection.commit()


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
    if writes:
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if writes == _LOOSELY else 'FULL'}")
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
        cause = getattr(fault, "orig", None)
        state = getattr(cause, "sqlstate", None)
        # PostgreSQL's own words may quote a row.
        detail = f"{type(cause).__name__} {state}" if state else str(cause or fault)
        words = {"locked": "another process holds it too long", "full": "the disk is full"} | _STATES
        why = next((said for word, said in words.items() if word in detail), "it cannot be read or written")
        raise Unavailable("store.unavailable", why=why, detail=detail) from None
