"""The broker's database: opened, migrated, and its two kinds of transaction.

A file of SQLite by default, PostgreSQL by URL; what a store may rely on is the same. A writer is alone from its first
read to its commit, over all processes; what it committed is on disk. A reader sees one consistent view.
"""

from __future__ import annotations

import copy
import io
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from hefu.errors import Conflict, Malformed, Unavailable
from hefu.running import faults
from sqlalchemy import URL, Connection, Engine, inspect, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from hefu_broker.storage import postgresql, sqlite
from hefu_broker.storage.models import SpaceRow

_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """The broker's database as one space sees it, migrated to the newest schema when it is opened.

    Args:
        where: a file, made if absent, or a URL (``postgresql://…``, ``sqlite:////path``).
        space: id of the space whose rows the stores read and write.
        node: id of this broker's node, kept at first opening.
        key: 32 bytes that a file is encrypted with (`hefu.keeping.sqlcipher`), whatever it was before; without one it
            lies in the clear. LIMIT: PostgreSQL is not encrypted by us; its administrator encrypts its disk.

    Raises:
        Malformed: the URL is of no database that is supported.
        Conflict: the database is of a newer version, or somebody else's.
        Unavailable: it cannot be reached.
    """

    def __init__(self, where: Path | str, space: str, node: str, key: bytes | None = None) -> None:
        self.space = space
        self.node = node
        self.url = parse(where)
        self._kind: Any = sqlite if self.url.get_backend_name() == "sqlite" else postgresql
        self._turn: AbstractContextManager[object] = threading.Lock() if self._kind is sqlite else nullcontext()
        self.engine: Engine = self._kind.engine(self.url, key)
        self._reader: Engine = self._kind.reader(self.engine)
        self._writer: Engine = self._kind.writer(self.engine, self.url, key)
        with ExitStack() as undo, _translated("database.unreachable"):
            undo.callback(self.close)
            migrate(self.engine, self._writer)
            self._keep_space()
            undo.pop_all()

    def beside(self, space: str) -> Database:
        """The same database as another space sees it: other rows, the same connections and the same writer's lock."""
        found = copy.copy(self)
        found.space = space
        found._keep_space()
        return found

    @property
    def dialect(self) -> str:
        """Which database it is: ``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view; nothing is written.

        Raises:
            Unavailable: the database cannot be reached.
        """
        with _translated(), Session(self._reader) as session:
            yield session

    @contextmanager
    def writing(self, *, lease: bool = False) -> Iterator[Session]:
        """One transaction: committed and on disk at the end, or nothing changed. No other writer is between.

        Args:
            lease: it moves a lease only; such writes come every second and have fault points of their own.

        Raises:
            Unavailable: another process holds the database, it cannot be reached, or the disk is full.
        """
        with _translated(), self._turn, Session(self._writer) as session, session.begin():
            yield session
            faults.point("lease.before_commit") if lease else faults.point("broker.before_commit")
        faults.point("lease.committed") if lease else faults.point("broker.committed")

    def may_be_lost(self, session: Session) -> None:
        """Say of this writer's transaction that a power cut may take it back: nobody need wait for the disk."""
        if self.dialect == "postgresql":
            session.connection().exec_driver_sql("SET LOCAL synchronous_commit = off")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        if self._writer.pool is not self.engine.pool:
            self._writer.dispose()

    def _keep_space(self) -> None:
        with self.reading() as session:
            if session.get(SpaceRow, self.space) is not None:
                return
        with self.writing() as session:
            if session.get(SpaceRow, self.space) is None:
                session.add(SpaceRow(id=self.space, node=self.node))


def parse(where: Path | str) -> URL:
    """The URL of a database, from a file or a URL.

    Raises:
        Malformed: it is neither; the message holds no password.
    """
    if isinstance(where, Path):
        return sqlite.url(where)
    try:
        found = make_url(where)
    except ArgumentError:
        raise Malformed("database.url") from None
    if found.drivername in ("postgres", "postgresql", postgresql.DRIVER):
        postgresql.check_driver()
        return found.set(drivername=postgresql.DRIVER)
    if found.drivername == "sqlite" and found.database and Path(found.database).is_absolute():
        return found
    raise Malformed("database.url")


def migrate(reader: Engine, writer: Engine) -> None:
    """Bring the schema to the newest version; where it is, nothing heavy is imported.

    Raises:
        Conflict: it is newer than this version of hefu, or the database holds somebody else's tables.
    """
    with reader.connect() as connection:
        found = version(connection)
    if found == newest_version():
        return
    if found is not None and found > newest_version():
        raise Conflict("database.newer", found=found)
    with writer.begin() as connection:  # as a writer: of several processes that start, one migrates
        if version(connection) != newest_version():
            _upgrade(connection)


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


def version(connection: Connection) -> str | None:
    """The version of the schema; None where there is none.

    Raises:
        Conflict: there are tables, and they are not the broker's.
    """
    tables = inspect(connection)
    if not tables.has_table("alembic_version"):
        if tables.get_table_names():
            raise Conflict("database.foreign")
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def _upgrade(connection: Connection) -> None:
    from alembic import command

    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true),"
            " set_config('idle_in_transaction_session_timeout', '0', true)"
        )
    command.upgrade(configuration(connection), "head")
    if connection.dialect.name == "postgresql":
        postgresql.bytewise(connection)


@contextmanager
def _translated(code: str = "storage.busy") -> Iterator[None]:
    try:
        yield
    except (OperationalError, InternalError, InterfaceError) as fault:
        raise Unavailable(code, detail=str(fault.orig)) from None
    except (PoolTimeout, OSError) as fault:
        raise Unavailable(code, detail=str(fault)) from None
