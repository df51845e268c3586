"""Time stamps of checkpoints in the database."""

from __future__ import annotations

from hefu.evidence.timestamps import Stamp
from sqlmodel import col, func, select

from hefu_broker.storage.database import Database
from hefu_broker.storage.models import StampRow


class SqlStampStore:
    """`hefu_broker.ports.StampStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, authority: str, stamp: Stamp) -> None:
        """See the port."""
        with self._database.writing() as session:
            session.merge(
                StampRow(space_id=self._database.space, authority=authority, size=stamp.size, response=stamp.response)
            )

    def stamped(self, authority: str) -> int:
        """See the port."""
        wanted = select(func.max(StampRow.size)).where(
            StampRow.space_id == self._database.space, StampRow.authority == authority
        )
        with self._database.reading() as session:
            found = session.exec(wanted).one()
            return -1 if found is None else found

    def stamps(self, most: int) -> list[Stamp]:
        """See the port."""
        wanted = select(StampRow).where(StampRow.space_id == self._database.space)
        with self._database.reading() as session:
            rows = session.exec(wanted.order_by(col(StampRow.size).desc(), col(StampRow.authority)).limit(most))
            return [Stamp(row.size, row.response) for row in rows][::-1]
