"""Small durable values of a space whose number never falls: the newest status list, the last revision seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from hefu.errors import Conflict
from sqlalchemy import ColumnElement, Connection, delete, select, update

from hefu_connector.shelves import Mark
from hefu_connector.storage.database import Database, Fence, insert_new, lock
from hefu_connector.storage.models import MARKS


class SqlMarks:
    """`shelves.Marks` in the connector's database.

    Args:
        fence: checks inside the transaction that advances a mark that it may; only one process may advance such marks.
    """

    def __init__(self, database: Database, fence: Fence | None = None) -> None:
        self._database = database
        self._fence = fence

    def advance(self, mark: Mark) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            if self._fence is not None:
                self._fence(connection)
            if insert_new(connection, MARKS, space=self._database.space, **asdict(mark)):
                return
            forward = update(MARKS).where(*self._mine(mark.name), MARKS.c.number <= mark.number)
            if connection.execute(forward.values(number=mark.number, text=mark.text)).rowcount != 1:
                raise Conflict("mark.rollback", name=mark.name)

    def first(self, mark: Mark, *unless: str) -> Mark:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, f"marks/{self._database.space}")
            for name in unless:
                if _read(connection, *self._mine(name)) is not None:
                    raise Conflict("mark.other", name=name)
            insert_new(connection, MARKS, space=self._database.space, **asdict(mark))
            return _read(connection, *self._mine(mark.name)) or mark

    def find(self, name: str) -> Mark | None:
        """As in the port."""
        with self._database.reading() as connection:
            return _read(connection, *self._mine(name))

    def all(self, prefix: str = "") -> Sequence[Mark]:
        """As in the port."""
        begins = MARKS.c.name.startswith(prefix, autoescape=True)
        query = select(MARKS).where(MARKS.c.space == self._database.space, begins)
        with self._database.reading() as connection:
            marks = [Mark(row.name, row.number, row.text) for row in connection.execute(query)]
        # LIKE may not mind the case of letters, and an order not the one of names; names do.
        return sorted((each for each in marks if each.name.startswith(prefix)), key=lambda each: each.name)

    def remove(self, name: str) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            connection.execute(delete(MARKS).where(*self._mine(name)))

    def _mine(self, name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return MARKS.c.space == self._database.space, MARKS.c.name == name


def _read(connection: Connection, *mine: ColumnElement[bool]) -> Mark | None:
    row = connection.execute(select(MARKS).where(*mine)).one_or_none()
    return None if row is None else Mark(row.name, row.number, row.text)
