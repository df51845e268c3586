"""The registry of sources, and the memory of which place is which asset: the same in all spaces of this store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hefu import canonical
from hefu.errors import Conflict, NotFound
from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, delete, insert, select, update

from hefu_connector.shelves import SourceRecord
from hefu_connector.storage.database import Database, insert_new, lock
from hefu_connector.storage.models import PLACES, SOURCES

_PLACE = bindparam("place", type_=PLACES.c.uri.type)
_OF_PLACE = select(PLACES.c.resource).where(PLACES.c.uri == _PLACE).scalar_subquery()


class SqlSources:
    """`shelves.Sources` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, source: SourceRecord) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, "sources")
            kept = _find(connection, {}, SOURCES.c.name == source.name)
            if kept == source:
                return
            if kept is not None:
                raise Conflict("source.taken", what="name", name=source.name)
            if _find(connection, {}, SOURCES.c.resource == source.resource) is not None:
                raise Conflict("source.taken", what="resource", name=source.resource)
            _claim(connection, source)
            connection.execute(insert(SOURCES).values(_row(source)))

    def change(self, source: SourceRecord) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, "sources")
            kept = _find(connection, {}, SOURCES.c.name == source.name)
            if kept is None:
                raise NotFound("resource.not_found", what="source", name=source.name)
            if kept.resource != source.resource:
                raise Conflict("source.taken", what="name", name=source.name)
            _claim(connection, source)
            connection.execute(update(SOURCES).where(SOURCES.c.name == source.name).values(_row(source)))

    def remove(self, name: str) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            connection.execute(delete(SOURCES).where(SOURCES.c.name == name))

    def find(self, *, name: str = "", resource: str = "", uri: str = "") -> SourceRecord | None:
        """As in the port. A URI belongs to one resource, and a resource to one source, so one is found at most."""
        wanted = {"name": name, "resource": resource}
        matches = [SOURCES.c[column] == value for column, value in wanted.items() if value]
        if uri:  # where columns are sealed, only places can be compared; a source may have moved from one
            matches.append(SOURCES.c.resource == _OF_PLACE)
        if not matches:
            return None
        with self._database.reading() as connection:
            found = _find(connection, {"place": uri}, *matches)
        return None if found is None or (uri and found.uri != uri) else found

    def all(self) -> Sequence[SourceRecord]:
        """As in the port."""
        with self._database.reading() as connection:
            found = [_read(row) for row in connection.execute(select(SOURCES)).mappings()]
        return sorted(found, key=lambda each: each.name)


def _claim(connection: Connection, source: SourceRecord) -> None:
    # INVARIANT: a place is one asset for good, so that removing a source never grants a second lifetime total (Q-e).
    insert_new(connection, PLACES, uri=source.uri, resource=source.resource)
    resource = connection.execute(select(PLACES.c.resource).where(PLACES.c.uri == source.uri)).scalar_one()
    if resource != source.resource:
        raise Conflict("source.same_data", resource=resource)


def _find(connection: Connection, parameters: dict[str, str], *matches: ColumnElement[bool]) -> SourceRecord | None:
    row = connection.execute(select(SOURCES).where(*matches), parameters).mappings().one_or_none()
    return None if row is None else _read(row)


def _row(source: SourceRecord) -> dict[str, Any]:
    return {
        "name": source.name,
        "resource": source.resource,
        "uri": source.uri,
        "form": source.form,
        "options": canonical.encode(source.options).decode(),
    }


def _read(row: RowMapping) -> SourceRecord:
    options = canonical.decode_object(row["options"].encode())
    return SourceRecord(row["name"], row["resource"], row["uri"], row["form"], options)
