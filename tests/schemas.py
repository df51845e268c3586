"""A database that is new gets its schema as the first one of this process got it, without the library of migrations.

The first is migrated as ever; what came of it, statement by statement, makes the next. So a test that wants an empty
database waits a hundredth of what forty migrations take, and tables are what the migrations made. Tests of migrations
begin with a schema of before, and run them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, inspect

Upgrade = Callable[..., None]


def remembered(upgrade: Upgrade) -> Upgrade:
    """An upgrade that runs once for all new SQLite databases of this process."""
    statements: list[tuple[str, tuple[Any, ...]]] = []

    def once(connection: Connection, *more: object) -> None:
        if connection.dialect.name != "sqlite" or inspect(connection).get_table_names():
            upgrade(connection, *more)
            return
        if not statements:
            upgrade(connection, *more)
            statements.extend(_made(connection))
            return
        for statement, values in statements:
            connection.exec_driver_sql(statement, values)

    return once


def _made(connection: Connection) -> list[tuple[str, tuple[Any, ...]]]:
    listed = "SELECT name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
    found = [*connection.exec_driver_sql(listed)]
    searched = tuple(each.name for each in found if each.sql.startswith("CREATE VIRTUAL"))
    within = tuple(f"{name}_" for name in searched)  # tables that a virtual one makes for itself
    own = [each for each in found if not each.tbl_name.startswith(within)] if within else found
    made: list[tuple[str, tuple[Any, ...]]] = [(each.sql, ()) for each in own]
    for name in sorted({each.tbl_name for each in own} - {*searched}):
        for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"'):
            places = ", ".join("?" * len(row))
            made.append((f'INSERT INTO "{name}" VALUES ({places})', tuple(row)))
    return made
