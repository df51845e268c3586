"""Many rows at once, by the fastest way a database has: COPY where it is PostgreSQL, else one prepared statement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert rows inside a writer's transaction; a key that is there already fails them all."""
    if not rows:
        return
    names = _names(connection, table, columns)
    if connection.dialect.name == "postgresql":
        _copy(connection, f"COPY {names} FROM STDIN", rows)
    else:
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {names} VALUES ({marks})", list(rows))  # noqa: S608 - names are ours


def upsert(connection: Connection, table: Table, columns: Sequence[str], keys: int, rows: Sequence[Row]) -> None:
    """Insert rows, or replace those with the same key, which the first columns are."""
    if not rows:
        return
    quote = connection.dialect.identifier_preparer.quote
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    key = ", ".join(quote(each) for each in columns[:keys])
    changes = ", ".join(f"{quote(each)} = excluded.{quote(each)}" for each in columns[keys:])
    marks = ", ".join([mark] * len(columns))
    statement = (
        f"INSERT INTO {_names(connection, table, columns)} VALUES ({marks})"  # noqa: S608 - names are ours
        f" ON CONFLICT ({key}) DO UPDATE SET {changes}"
    )
    connection.exec_driver_sql(statement, list(rows))


def delete(connection: Connection, table: Table, ids: Sequence[int]) -> None:
    """Delete rows by their id."""
    among, value = _among(connection, "id", ids)
    connection.exec_driver_sql(f"DELETE FROM {table.name} WHERE {among}", (value,))  # noqa: S608


def known(connection: Connection, table: Table, column: str, values: Sequence[str]) -> list[str]:
    """Which of these values stand in a column."""
    among, value = _among(connection, column, values)
    wanted = f"SELECT {column} FROM {table.name} WHERE {among}"  # noqa: S608 - names are ours
    return [each[0] for each in connection.exec_driver_sql(wanted, (value,)).all()]


def _among(connection: Connection, column: str, values: Sequence[int] | Sequence[str]) -> tuple[str, Any]:
    """A condition with one parameter, however many the values are, and that parameter."""
    if connection.dialect.name == "postgresql":
        return f"{column} = ANY(%s)", [*values]
    return f"{column} IN (SELECT value FROM json_each(?))", json.dumps([*values])  # noqa: S608 - names are ours


def _names(connection: Connection, table: Table, columns: Sequence[str]) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return f"{table.name} ({', '.join(quote(each) for each in columns)})"


def _copy(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    """COPY through the driver; its faults become those that every other statement has."""
    import psycopg

    held: Any = connection.connection.driver_connection
    try:
        with held.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as fault:
        raise DBAPIError.instance(
            statement, None, fault, psycopg.Error, hide_parameters=True, dialect=connection.dialect
        ) from None
