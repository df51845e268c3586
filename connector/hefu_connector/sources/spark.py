"""A table that Spark holds as a source: copied as any other, or counted in place, where it has outgrown one machine.

In place, one statement is made from the shape of a question and run by Spark; only whole numbers by cell come from
there, and a worker adds noise to them. No text of a consumer is in the statement, and every constant is a parameter.
A statement reads one version of a Delta or Iceberg table. LIMIT: of a table without versions it reads what its files
hold while it runs.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Malformed, Unavailable
from hefu_policies.goods.resource import Resource

from hefu_connector.engines.shape import Shape
from hefu_connector.engines.sql import spark as words
from hefu_connector.engines.sql.sides import BESIDE, Side, columns_of
from hefu_connector.engines.sql.statement import SOURCE, aggregate
from hefu_connector.ports import Table
from hefu_connector.sources import in_place, rows, spool
from hefu_connector.sources.spark_connect import Server, Session, Value, is_near, session

log = logging.getLogger("hefu.sources")

KIND = "spark"
SCHEME = "sc"
_PORT = 15002
_COPYING = 3600.0  # seconds that a whole copy may take
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?\Z")
_PART = re.compile(r"[^.`#\x00-\x1f]{1,255}\Z")
_MOMENT = "SELECT CAST(current_timestamp() AS STRING) AS moment"


@dataclass(frozen=True, slots=True)
class SparkSource:
    """One table or view. An adapter of `hefu_connector.ports.Source`.

    Attributes:
        table: its full name: catalog, schema and name, with dots between.
        spool: folder of snapshots; None keeps them in memory.
        named: schema name to the table's column name, where they differ.
        in_place: whether Spark counts what is asked; else it is copied for each question.
        seconds: that a statement may take.
    """

    server: Server
    table: str
    spool: Path | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    in_place: bool = False
    seconds: float = 60

    @contextmanager
    def open(self, columns: Sequence[str], asked: Object | None = None) -> Iterator[Table]:
        """What is asked, counted by Spark; a copy for what is not counted. See `Source.open`."""
        shape = in_place.counted(asked) if self.in_place else None
        if shape is None:
            with self._copy(list(columns)) as table:
                yield table
            return
        exact, moments = _count(shape, self)
        with in_place.handed(exact, *moments) as table:
            yield table

    def lies_with(self, other: SparkSource) -> bool:
        """Whether one statement reads this table and the other, and is to: one server counts both in place."""
        return self.in_place and other.in_place and self.server == other.server

    def names(self) -> list[str]:
        """The columns there are, by their schema names. Raises as `types`."""
        return [*self.types()]

    def types(self) -> Mapping[str, str]:
        """The declared types that the columns fit, by their schema names; empty where none does.

        Raises:
            Unavailable: no such table, or the server cannot be reached.
        """
        theirs = {there: here for here, there in self.named.items()}
        with session(self.server, self.seconds) as spark:
            found = self._held(spark)
        return {theirs.get(name, name): words.declared_type(kind) for name, kind in found.items()}

    def check(self, resource: Resource) -> None:
        """Check that every column of a description can be read in place, where it is to be.

        Raises:
            Malformed: one is absent, or of a type that does not hold the declared one.
            Unavailable: as `types`.
        """
        if not self.in_place:
            return
        with session(self.server, self.seconds) as spark:
            found = self._held(spark)
        in_place.check(resource, found, self.named, words.HOLDS, words.declared_type)

    def side(self, spark: Session, columns: Mapping[str, str], name: str) -> Side:
        """Some columns of the table as a statement reads them.

        Args:
            columns: name to declared type.
            name: what the statement calls it.

        Raises:
            Unavailable: a column is not of a type that holds the declared one.
        """
        found = self._held(spark)
        held = {each: found.get(self.named.get(each, each), "") for each in columns}
        if not all(held[each] in words.HOLDS[kind] for each, kind in columns.items()):
            raise Unavailable("source.moved", detail="a column is missing or of another type")
        fields = ", ".join(f"{words.quote(self.named.get(each, each))} AS {words.quote(each)}" for each in columns)
        return Side(f"(SELECT {fields or '1 AS nothing'} FROM {self._place()}) AS {name}", words.WORDS)  # noqa: S608

    def moment(self, now: str, session: str) -> str:
        """What names the table at a moment, of which the log says more."""
        place = f"{self.server.target}#{self.table}"
        digest = canonical.digest(canonical.encode({"source": place, "moment": now, "session": session}))
        log.info("counted in place: %s at %s, session %s, snapshot %s", place, now, session, digest)
        return digest

    @contextmanager
    def _copy(self, columns: list[str]) -> Iterator[Table]:
        theirs = [f"{words.quote(self.named.get(each, each))} AS {words.quote(each)}" for each in columns]
        # With no column, rows are still to be counted.
        query = f"SELECT {', '.join(theirs) or f'CAST(0 AS TINYINT) AS {rows.ROW}'} FROM {self._place()}"  # noqa: S608
        heads = columns or [rows.ROW]
        with spool.place(self.spool) as path:
            with session(self.server, _COPYING) as spark, open(spool.create(path), "wb") as file:
                batches = spark.batches(query, {})
                first = next(batches, None)
                if first is None:
                    raise Unavailable("source.moved", detail="Spark said nothing")

                def checked() -> Iterator[Any]:
                    yield first
                    for each in batches:
                        spool.check_room(path)
                        yield each

                rows.write(first.schema, checked(), heads, heads, file)
            digest, size = spool.measure(path)
            yield Table(path, "parquet", digest, size)

    def _held(self, spark: Session) -> Mapping[str, str]:
        """The types of the table's columns, by its names."""
        return spark.columns(f"SELECT * FROM {self._place()}")  # noqa: S608

    def _place(self) -> str:
        return ".".join(words.quote(each) for each in self.table.split("."))


@dataclass(frozen=True, slots=True)
class SparkJoin:
    """Two tables of one server, which counts a join of both in one statement.

    An adapter of `hefu_connector.ports.Source`: its table has the second one's snapshot beside.
    """

    first: SparkSource
    second: SparkSource

    @contextmanager
    def open(self, columns: Sequence[str], asked: Object | None = None) -> Iterator[Table]:
        """What is asked of both, counted by Spark. See `Source.open`."""
        del columns
        exact, moments = _count(in_place.counted_of_both(asked), self.first, self.second)
        with in_place.handed(exact, *moments) as table:
            yield table


def _count(shape: Shape, *sources: SparkSource) -> tuple[list[list[int]], list[str]]:
    """The exact numbers, and for each table what names the moment that they are of."""
    from hefu_connector.engines import cells

    parts = [shape.columns] if shape.joined is None else columns_of(shape, shape.joined)
    with session(sources[0].server, sources[0].seconds) as spark:
        sides = [
            source.side(spark, columns, name)
            for source, columns, name in zip(sources, parts, (SOURCE, BESIDE), strict=False)
        ]
        statement, values = aggregate(shape, secrets.randbits(62), words.WORDS, tables=sides)
        moment = next(str(row[0]) for row in _rows(spark, _MOMENT, {}))
        exact = cells.add_up(shape, [_rows(spark, statement, _plain(values))])
    return exact, [each.moment(moment, spark.name) for each in sources]


def spell(uri: str, table: str) -> str:
    """A server and a table in their one spelling: ``sc://host:port#catalog.schema.table``.

    Raises:
        Malformed: it is none, or says more, such as a token.
    """
    try:
        found = urlsplit(uri.partition("#")[0])
        port = found.port or _PORT
    except ValueError:
        raise _refused("uri") from None
    host = (found.hostname or "").lower()
    # Whoever is named, and by which token, stands in the environment; whether TLS is spoken, in an option.
    if not (_HOST.match(host) or ":" in host) or found.path not in ("", "/") or found.query or "@" in found.netloc:
        raise _refused("uri")
    parts = table.split(".")
    if len(parts) < 3 or not all(_PART.match(each) for each in parts):
        raise _refused("table")
    place = f"[{host}]" if ":" in host else host
    return f"{SCHEME}://{place}:{port}#{table}"


def server_of(uri: str, tls: str) -> tuple[Server, str]:
    """The server and the table that a spelt URI names.

    Args:
        tls: ``on`` or ``off``; empty for on, where the server is another machine.
    """
    address, _, table = uri.partition("#")
    found = urlsplit(address)
    host = found.hostname or ""
    return Server(host, found.port or _PORT, tls == "on" if tls else not is_near(host)), unquote(table)


def _rows(spark: Session, query: str, values: Mapping[str, Value]) -> Iterator[Sequence[Any]]:
    for batch in spark.batches(query, values):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _plain(values: Mapping[str, Any]) -> dict[str, Value]:
    """Constants, of which this engine's words bind no lists."""
    return {name: value for name, value in values.items() if isinstance(value, str | int | float)}


def _refused(name: str) -> Malformed:
    expected = {
        "uri": "sc://HOST:PORT and nothing more; a token stands in the connector's environment, TLS in the option tls",
        "table": "CATALOG.SCHEMA.TABLE, such as spark_catalog.clinic.visits",
    }[name]
    return Malformed("source.settings", name=name, expected=expected)
