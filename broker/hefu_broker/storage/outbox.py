"""The outbox in the database: statements committed with a change of state, which wait for the log's sequencer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, select

from hefu_broker.records import Outgoing, Pending
from hefu_broker.storage.database import Database
from hefu_broker.storage.models import EntryRow, OutboxRow


def queue(session: Session, space: str, outgoing: Iterable[Outgoing]) -> None:
    """Queue statements inside a writer's transaction; those queued or logged already change nothing."""
    fresh = {each.digest: each for each in outgoing}
    known = {*session.exec(select(EntryRow.digest).where(col(EntryRow.digest).in_(fresh)))}
    known |= {*session.exec(select(OutboxRow.digest).where(col(OutboxRow.digest).in_(fresh)))}
    for digest, each in fresh.items():
        if digest not in known:
            session.add(
                OutboxRow(
                    space_id=space,
                    digest=digest,
                    type=each.type,
                    issuer=each.issuer,
                    parties=" ".join(each.parties),
                    envelope=each.envelope,
                )
            )


class SqlOutboxStore:
    """`hefu_broker.ports.OutboxStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def queue(self, outgoing: Sequence[Outgoing]) -> None:
        """See the port."""
        with self._database.writing() as session:
            queue(session, self._database.space, outgoing)

    def pending(self, most: int) -> list[Pending]:
        """See the port."""
        with self._database.reading() as session:
            # All rows that are there, never "id above a watermark": an id says nothing about when it was committed.
            wanted = select(OutboxRow).where(OutboxRow.space_id == self._database.space)
            rows = session.exec(wanted.order_by(col(OutboxRow.id)).limit(most))
            return [Pending(row.id or 0, _outgoing(row)) for row in rows]


def _outgoing(row: OutboxRow) -> Outgoing:
    return Outgoing(row.envelope, row.type, row.issuer, tuple(row.parties.split()))
