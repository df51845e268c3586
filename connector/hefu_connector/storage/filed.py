"""Sealed openings of the ends of computations, in the connector's database; the journal writes them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, update

from hefu_connector.ports import FiledEnd
from hefu_connector.storage.database import Database
from hefu_connector.storage.models import FILED


class SqlFiled:
    """`ports.Filed` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mine = FILED.c.space == database.space

    def untold(self, most: int) -> Sequence[FiledEnd]:
        """As in the port."""
        query = select(FILED.c.end, FILED.c.sealed).where(self._mine, FILED.c.told.is_(False)).limit(most)
        with self._database.reading() as connection:
            return [FiledEnd(row.end, row.sealed) for row in connection.execute(query)]

    def told(self, ends: Sequence[str]) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            connection.execute(update(FILED).where(self._mine, FILED.c.end.in_([*ends])).values(told=True))

    def of(self, computations: Sequence[str]) -> Sequence[FiledEnd]:
        """As in the port."""
        wanted = FILED.c.computation.in_([*computations])
        query = select(FILED.c.end, FILED.c.sealed).where(self._mine, wanted)
        with self._database.reading() as connection:
            return [FiledEnd(row.end, row.sealed) for row in connection.execute(query)]

    def erase(self, ends: Sequence[str]) -> int:
        """As in the port."""
        with self._database.writing() as connection:
            return int(connection.execute(delete(FILED).where(self._mine, FILED.c.end.in_([*ends]))).rowcount)
