"""A table of PostgreSQL as a source that is counted in place: one statement, made from the shape of a question, in one
read-only transaction; only whole numbers by cell come from there, and a worker adds noise to them.

What is no question of private statistics (a delivery, exact aggregates) reads a copy, as of any other database. No text
of a consumer is in the statement, every constant is a parameter, and it calls functions of ``pg_catalog`` only.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy
from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Unavailable
from hefu_policies.goods.resource import Resource
from sqlalchemy.exc import SQLAlchemyError

from hefu_connector.engines.shape import Shape
from hefu_connector.engines.sql import postgres as words
from hefu_connector.engines.sql.sides import BESIDE, Side, columns_of
from hefu_connector.engines.sql.statement import SOURCE, aggregate
from hefu_connector.ports import Table
from hefu_connector.sources import in_place
from hefu_connector.sources.database import DatabaseSource

if TYPE_CHECKING:  # a connector without such a source starts without its driver
    import psycopg

log = logging.getLogger("hefu.sources")

KIND = "postgresql"
_CONNECT_SECONDS = 10
Name = tuple[str, str]  # of schema and table
_HOLDERS = {
    20: words.WHOLE, 21: words.WHOLE, 23: words.WHOLE, 700: words.SINGLE, 701: words.DOUBLE, 1700: words.NUMERIC,
    25: words.TEXT, 1043: words.TEXT, 16: words.BOOLEAN, 1082: words.DATE, 1114: words.TIMESTAMP, 1184: words.ZONED,
}  # fmt: skip
_DECLARED = {
    words.WHOLE: "integer", words.SINGLE: "decimal", words.DOUBLE: "decimal", words.NUMERIC: "decimal",
    words.FIXED: "decimal",
    words.TEXT: "text", words.ENUM: "text", words.BOOLEAN: "boolean", words.DATE: "date",
    words.TIMESTAMP: "timestamp", words.ZONED: "timestamp",
}  # fmt: skip
_PLACE = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass(%s)
"""
# Nobody's function or operator stands for one of PostgreSQL's own, and instants are those of UTC.
_SETTINGS = (
    "SET LOCAL search_path = pg_catalog, pg_temp",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
)
_MOMENT = "SELECT pg_catalog.now(), pg_catalog.pg_current_snapshot()::text"


@dataclass(frozen=True, slots=True)
class PostgresSource:
    """One table or view that is counted in place. An adapter of `hefu_connector.ports.Source`.

    Attributes:
        copied: the same table as it is copied for everything else.
        seconds: after which the database ends a statement.
    """

    copied: DatabaseSource
    seconds: float = 60

    @contextmanager
    def open(self, columns: Sequence[str], asked: Object | None = None) -> Iterator[Table]:
        """What is asked, counted by the database; a copy for what is not counted. See `Source.open`."""
        shape = in_place.counted(asked)
        if shape is None:
            with self.copied.open(columns, asked) as table:
                yield table
            return
        exact, moments = _count(shape, self)
        with in_place.handed(exact, *moments) as table:
            yield table

    def lies_with(self, other: PostgresSource) -> bool:
        """Whether one statement reads this table and the other: they lie in one database, under one role."""
        return self.copied.url == other.copied.url

    def names(self) -> list[str]:
        """The columns there are; see `DatabaseSource.names`."""
        return self.copied.names()

    def types(self) -> Mapping[str, str]:
        """The declared types that the columns fit, by their schema names, from the catalogue; empty where none does.

        Raises:
            Unavailable: no such table, or the database cannot be reached or does not write UTF-8.
        """
        theirs = {there: here for here, there in self.copied.named.items()}
        with self.reading() as cursor:
            found = _held(cursor, _places(cursor, self)[0], None)
        return {theirs.get(name, name): _DECLARED.get(held, "") for name, held in found.items()}

    def check(self, resource: Resource) -> None:
        """Check that every column of a description can be read in place.

        Raises:
            Malformed: one is absent, or of a type that does not hold the declared one.
            Unavailable: as `types`.
        """
        with self.reading() as cursor:
            found = _held(cursor, _places(cursor, self)[0], None)
        in_place.check(resource, found, self.copied.named, words.HOLDERS, lambda held: _DECLARED.get(held, ""))

    def side(self, cursor: psycopg.Cursor[Any], table: Name, columns: Mapping[str, str], name: str) -> Side:
        """Some columns of the table as a statement reads them; from now on, until the transaction ends, nobody can
        alter it.

        Args:
            table: the place of the table.
            columns: name to declared type.
            name: what the statement calls it.

        Raises:
            Unavailable: a column is not of a type that holds the declared one.
        """
        named = self.copied.named
        theirs = [named.get(each, each) for each in columns]
        held = _held(cursor, table, theirs)
        found = {here: held[there] for here, there in zip(columns, theirs, strict=True)}
        if not all(each in words.HOLDERS[columns[here]] for here, each in found.items()):
            raise Unavailable("source.moved", detail="a column's type")
        fields = ", ".join(f"{words.quote(named.get(each, each))} AS {words.quote(each)}" for each in found)
        place = ".".join(map(words.quote, table))
        return Side(f"(SELECT {fields} FROM {place}) AS {name}", words.words(found))  # noqa: S608

    def moment(self, now: datetime, seen: str) -> str:
        """What names the table at a moment, of which the log says more."""
        place = f"{sqlalchemy.make_url(self.copied.url).render_as_string()}#{self.copied.table}"
        said: Object = {"source": place, "moment": now.isoformat(), "transactions": seen}
        digest = canonical.digest(canonical.encode(said))
        log.info("counted in place: %s at %s, transactions %s, snapshot %s", place, now, seen, digest)
        return digest

    @contextmanager
    def reading(self) -> Iterator[psycopg.Cursor[Any]]:
        """A read-only transaction that sees one moment."""
        import psycopg

        try:
            with _connect(self.copied.url, self.seconds) as connection, connection.cursor() as cursor:
                if connection.info.parameter_status("server_encoding") != "UTF8":
                    raise Unavailable("source.moved", detail="the database's encoding is not UTF8")
                yield cursor
        except (psycopg.Error, SQLAlchemyError, OSError) as fault:
            # No word of the database's: it may hold a value.
            raise Unavailable("source.moved", detail=type(fault).__name__) from None


@dataclass(frozen=True, slots=True)
class PostgresJoin:
    """Two tables of one database, which counts a join of both in one statement and at one moment.

    An adapter of `hefu_connector.ports.Source`: its table has the second one's snapshot beside.
    """

    first: PostgresSource
    second: PostgresSource

    @contextmanager
    def open(self, columns: Sequence[str], asked: Object | None = None) -> Iterator[Table]:
        """What is asked of both, counted by the database. See `Source.open`."""
        del columns
        exact, moments = _count(in_place.counted_of_both(asked), self.first, self.second)
        with in_place.handed(exact, *moments) as table:
            yield table


def _count(shape: Shape, *sources: PostgresSource) -> tuple[list[list[int]], list[str]]:
    """The exact numbers, and for each table what names the moment that they are of."""
    from hefu_connector.engines import cells

    parts = [shape.columns] if shape.joined is None else columns_of(shape, shape.joined)
    with sources[0].reading() as cursor:
        places = _places(cursor, *sources)
        sides = [
            source.side(cursor, place, columns, name)
            for source, place, columns, name in zip(sources, places, parts, (SOURCE, BESIDE), strict=False)
        ]
        cursor.execute(_MOMENT)
        ((now, seen),) = cursor.fetchall()
        statement, values = aggregate(shape, secrets.randbits(62), sides[0].words, tables=sides)
        cursor.execute(statement, values, prepare=False)
        exact = cells.add_up(shape, [cursor.fetchall()])
    return exact, [each.moment(now, str(seen)) for each in sources]


def _places(cursor: psycopg.Cursor[Any], *sources: PostgresSource) -> list[Name]:
    """The tables' full names, as the usual search path finds them; then no other schema is searched any more."""
    from psycopg import sql

    found: list[Name] = []
    for each in sources:
        cursor.execute(_PLACE, [sql.Identifier(*each.copied.table.rsplit(".", 1)).as_string(cursor)])
        rows = cursor.fetchall()
        if not rows:
            raise Unavailable("source.moved", detail="no such table")
        found.append((rows[0][0], rows[0][1]))
    for setting in _SETTINGS:
        cursor.execute(setting)
    return found


def _connect(url: str, seconds: float) -> psycopg.Connection[Any]:
    import psycopg

    dialect = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg").get_dialect()()
    arguments, given = dialect.create_connect_args(sqlalchemy.make_url(url))
    connection = psycopg.connect(
        *arguments,
        **{
            **given,
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": "hefu connector",
            "client_encoding": "utf8",
            "options": f"{given.get('options', '')} -c statement_timeout={int(seconds * 1000)}",
        },
    )
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return connection


def _held(cursor: psycopg.Cursor[Any], table: Name, columns: Sequence[str] | None) -> dict[str, str]:
    """What columns lie in, by the table's names: those named, or all. A domain lies in its base type."""
    from psycopg import sql

    fields: sql.Composable = sql.SQL("*")
    if columns is not None:
        fields = sql.SQL(", ").join(map(sql.Identifier, columns)) if columns else sql.SQL("1")
    cursor.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(fields, sql.Identifier(*table)))
    told = [(each.name, each.type_code, (each.precision, each.scale)) for each in cursor.description or ()]
    cursor.execute("SELECT oid FROM pg_type WHERE typtype = 'e'")
    enums = {oid for (oid,) in cursor.fetchall()}
    found = {name: _HOLDERS.get(code, words.ENUM if code in enums else "unknown") for name, code, _ in told}
    few = {name for name, _, (digits, scale) in told if 0 <= (scale or 0) <= (digits or -1) <= words.MOST_DIGITS}
    return {name: words.FIXED if held == words.NUMERIC and name in few else held for name, held in found.items()}
