"""The outbox in the database: statements committed with a change of state, which wait for the log's sequencer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlmodel import Session

from hefu_broker.records import Outgoing, Pending
from hefu_broker.storage import bulk
from hefu_broker.storage.database import Database
from hefu_broker.storage.models import ENTRIES, OUTBOX

_COLUMNS = ("space_id", "digest", "type", "issuer", "parties", "envelope")


def queue(session: Session, space: str, outgoing: Iterable[Outgoing]) -> None:
    """Queue statements inside a writer's transaction; those queued or logged already change nothing."""
    fresh = {each.digest: each for each in outgoing}
    connection = session.connection()
    for table in (ENTRIES, OUTBOX):
        for digest in bulk.known(connection, table, "digest", [*fresh]):
            fresh.pop(digest, None)
    if fresh:
        bulk.insert(connection, OUTBOX, _COLUMNS, [_values(space, digest, each) for digest, each in fresh.items()])


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
            wanted = select(*(OUTBOX.c[each] for each in ("id", "envelope", "type", "issuer", "parties")))
            wanted = wanted.where(OUTBOX.c.space_id == self._database.space).order_by(OUTBOX.c.id).limit(most)
            rows = session.connection().execute(wanted).all()
            return [
                Pending(id_, Outgoing(envelope, type_, issuer, tuple(parties.split())))
                for id_, envelope, type_, issuer, parties in rows
            ]


def _values(space: str, digest: str, outgoing: Outgoing) -> tuple[object, ...]:
    """In the order of `_COLUMNS`."""
    return (space, digest, outgoing.type, outgoing.issuer, " ".join(outgoing.parties), outgoing.envelope)
