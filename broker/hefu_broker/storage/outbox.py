"""The outbox in the database: statements committed with a change of state, which wait for the log's sequencer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import insert, union_all
from sqlmodel import Session, col, select

from hefu_broker.records import Outgoing, Pending
from hefu_broker.storage.database import Database
from hefu_broker.storage.models import ENTRIES, OUTBOX, OutboxRow


def queue(session: Session, space: str, outgoing: Iterable[Outgoing]) -> None:
    """Queue statements inside a writer's transaction; those queued or logged already change nothing."""
    fresh = {each.digest: each for each in outgoing}
    connection = session.connection()
    known = union_all(*(select(each.c.digest).where(each.c.digest.in_([*fresh])) for each in (ENTRIES, OUTBOX)))
    for digest in connection.execute(known).scalars():
        fresh.pop(digest, None)
    if fresh:
        connection.execute(insert(OUTBOX), [_values(space, digest, each) for digest, each in fresh.items()])


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


def _values(space: str, digest: str, outgoing: Outgoing) -> dict[str, object]:
    return {
        "space_id": space,
        "digest": digest,
        "type": outgoing.type,
        "issuer": outgoing.issuer,
        "parties": " ".join(outgoing.parties),
        "envelope": outgoing.envelope,
    }


def _outgoing(row: OutboxRow) -> Outgoing:
    return Outgoing(row.envelope, row.type, row.issuer, tuple(row.parties.split()))
