"""Links and visits in the database: digests only. A link is a row that is gone once it was opened."""

from __future__ import annotations

from datetime import datetime

from hefu.times import read_time, write_time
from sqlmodel import Session, col, delete

from hefu_broker.records import Visit
from hefu_broker.storage.database import Database
from hefu_broker.storage.models import VisitRow

_LINK, _VISIT = "link", "visit"


class SqlVisitStore:
    """`hefu_broker.ports.VisitStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, digest: str, link: Visit, at: datetime) -> None:
        """See the port."""
        with self._database.writing() as session:
            self._forget(session, at)
            session.add(self._row(digest, _LINK, link))

    def open(self, digest: str, visit: str, until: datetime, at: datetime) -> Visit | None:
        """See the port."""
        with self._database.writing() as session:
            row = session.get(VisitRow, digest)
            found = self._read(row, _LINK, at)
            if row is None or found is None:
                return None
            session.delete(row)
            opened = Visit(found.fingerprint, found.page, until)
            session.add(self._row(visit, _VISIT, opened))
            return opened

    def visit(self, digest: str, at: datetime) -> Visit | None:
        """See the port."""
        with self._database.reading() as session:
            return self._read(session.get(VisitRow, digest), _VISIT, at)

    def _read(self, row: VisitRow | None, kind: str, at: datetime) -> Visit | None:
        if row is None or row.kind != kind or row.space_id != self._database.space:
            return None
        found = Visit(row.fingerprint, row.page, read_time(row.expires))
        return found if at < found.expires else None

    def _row(self, digest: str, kind: str, visit: Visit) -> VisitRow:
        return VisitRow(
            digest=digest,
            space_id=self._database.space,
            kind=kind,
            fingerprint=visit.fingerprint,
            page=visit.page,
            expires=write_time(visit.expires),
        )

    def _forget(self, session: Session, at: datetime) -> None:
        over = col(VisitRow.expires) <= write_time(at)
        session.exec(delete(VisitRow).where(col(VisitRow.space_id) == self._database.space, over))
