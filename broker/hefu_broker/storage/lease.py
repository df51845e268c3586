"""Leases in the database: who does what only one process may do."""

from __future__ import annotations

from hefu.errors import Conflict
from sqlalchemy import CursorResult
from sqlmodel import Session, col, update

from hefu_broker.records import Lease
from hefu_broker.storage.database import Database
from hefu_broker.storage.models import LeaseRow


class SqlLeaseStore:
    """`hefu_broker.ports.LeaseStore` in the database.

    Args:
        name: of what is led, within the space of the database.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._key = (database.space, name)

    def held(self) -> Lease | None:
        """See the port."""
        with self._database.reading() as session:
            row = session.get(LeaseRow, self._key)
            return _lease(row) if row else None

    def take(self, seen: Lease | None, holder: str) -> Lease | None:
        """See the port."""
        with self._database.writing(lease=True) as session:
            row = session.get(LeaseRow, self._key)
            if (_lease(row) if row else None) != seen:
                return None
            if row is None:
                row = LeaseRow(space_id=self._key[0], name=self._key[1], holder=holder, epoch=0, beat=0)
                session.add(row)
            row.holder, row.epoch, row.beat = holder, row.epoch + 1, row.beat + 1
            return _lease(row)

    def beat(self, lease: Lease) -> None:
        """See the port."""
        with self._database.writing(lease=True) as session:
            self._database.may_be_lost(session)
            touch(session, self._database.space, lease)

    def release(self, lease: Lease) -> None:
        """See the port."""
        with self._database.writing(lease=True) as session:
            touch(session, self._database.space, lease, holder="")


def touch(session: Session, space: str, lease: Lease, **changes: object) -> None:
    """Beat once, inside a writer's transaction, if the lease still is of this epoch.

    Raises:
        Conflict: it changed hands.
    """
    wanted = update(LeaseRow).where(
        col(LeaseRow.space_id) == space,
        col(LeaseRow.name) == lease.name,
        col(LeaseRow.epoch) == lease.epoch,
        col(LeaseRow.holder) == lease.holder,
    )
    done: CursorResult[tuple[()]] = session.exec(wanted.values(beat=LeaseRow.beat + 1, **changes))
    if done.rowcount != 1:
        raise Conflict("log.moved")


def _lease(row: LeaseRow) -> Lease:
    return Lease(row.name, row.holder, row.epoch, row.beat)
