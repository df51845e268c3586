"""PostgreSQL: the same promises as the file gives, for several broker processes on one database.

Writers come one after another, as in SQLite: each takes one advisory lock for its transaction, before it reads. So a
store may read and then write without a thought for what another process does meanwhile. Reading sees one snapshot
(REPEATABLE READ) and waits for nobody. Every writer tells all processes that it committed (`listen`).

LIMIT: LISTEN and the transaction's lock need a connection of their own: a pooler must pool sessions, not statements.
"""

from __future__ import annotations

import secrets
from typing import Any
from weakref import WeakSet

from hefu.errors import Malformed
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import create_engine

DRIVER = "postgresql+psycopg"
CHANNEL = "hefu_broker"
_LOCK = 0x68656675  # one lock for the writers of a database
_CONNECT_SECONDS = 5
_POOL, _OVERFLOW = 8, 24
_PROCESS = secrets.token_hex(8)  # who rang: nobody needs to hear itself
# A silent writer (its host is gone, or it is stopped) gives its lock back after some seconds. What is committed is on
# disk, whatever the server's own setting says.
_SETTINGS = (
    "SELECT set_config('lock_timeout', '10s', false), set_config('statement_timeout', '30s', false),"
    " set_config('idle_in_transaction_session_timeout', '4s', false), set_config('synchronous_commit',"
    " CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, false)"
)
_KEEPALIVE = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}


def engine(where: URL, _key: bytes | None) -> Engine:
    """Connections to the database."""
    made = create_engine(
        where.set(drivername=DRIVER),
        connect_args=_KEEPALIVE,
        pool_size=_POOL,
        max_overflow=_OVERFLOW,
        pool_timeout=10,
        hide_parameters=True,
    )
    event.listen(made, "connect", _prepare)
    _close_all_at_the_end(made)
    return made


def reader(of: Engine) -> Engine:
    """The same connections, for transactions that read: each sees one snapshot."""
    return of.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def writer(of: Engine, _where: URL, _key: bytes | None) -> Engine:
    """The same connections, for transactions that write: one at a time over all processes."""
    made = of.execution_options(isolation_level="READ COMMITTED")
    event.listen(made, "begin", _begin)
    return made


def listen(where: URL) -> Any:
    """A connection of its own that hears when another process committed; raises `psycopg.Error`."""
    import psycopg

    plain = where.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(plain, autocommit=True, **_KEEPALIVE)  # type: ignore[arg-type]  # plain numbers
    connection.execute(f"LISTEN {CHANNEL}")
    return connection


def heard(connection: Any, seconds: float) -> bool:
    """Wait until another process says that it committed; whether one did. Raises `psycopg.Error`."""
    return any(each.payload != _PROCESS for each in connection.notifies(timeout=seconds, stop_after=1))


def check_driver() -> None:
    """Check that the driver is installed.

    Raises:
        Malformed: it is not.
    """
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise Malformed("database.driver") from None


def bytewise(connection: Connection) -> None:
    """Compare texts by their bytes, as SQLite does: instants and ids are ordered, and languages order them otherwise.

    Called after each migration, so that no migration need think of it.
    """
    found = connection.exec_driver_sql(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND data_type IN ('character varying', 'text') AND collation_name IS DISTINCT FROM 'C'"
    ).all()
    quote = connection.dialect.identifier_preparer.quote
    for table, column in found:
        # Names come from the catalog of the database itself, and are quoted.
        connection.exec_driver_sql(f'ALTER TABLE {quote(table)} ALTER COLUMN {quote(column)} TYPE varchar COLLATE "C"')


def _prepare(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.autocommit = True
    connection.execute(_SETTINGS)
    connection.autocommit = False


def _close_all_at_the_end(made: Engine) -> None:
    """Disposing closes what lies in the pool; what was lent out when the server went away lies there no more."""
    opened: WeakSet[Any] = WeakSet()
    event.listen(made, "connect", lambda connection, _: opened.add(connection))
    event.listen(made, "engine_disposed", lambda _: [each.close() for each in list(opened)])


def _begin(connection: Connection) -> None:
    # What is told is heard at the commit only.
    connection.exec_driver_sql("SELECT pg_notify(%s, %s), pg_advisory_xact_lock(%s)", (CHANNEL, _PROCESS, _LOCK))
