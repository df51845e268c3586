"""The audit log in the database: entries, tiles, head and checkpoints."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hefu.errors import Conflict
from hefu.tlog.tiles import Place, Tile
from hefu.tlog.tree import EMPTY_ROOT
from sqlmodel import Session, col, func, select, tuple_

from hefu_broker.records import Entry, Head, Lease, Outgoing
from hefu_broker.storage import bulk
from hefu_broker.storage.database import Database
from hefu_broker.storage.lease import touch
from hefu_broker.storage.models import (
    ENTRIES,
    HEADS,
    OUTBOX,
    TILES,
    CheckpointRow,
    EntryRow,
    HeadRow,
    OutboxRow,
)

_ENTRY = ("index", "space_id", "digest", "leaf_hash", "type", "issuer", "parties", "envelope")


class SqlLogStore:
    """`hefu_broker.ports.LogStore` and `EntryStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self) -> Head:
        """See the port."""
        with self._database.reading() as session:
            return _head(session, self._database.space)

    def append(
        self,
        lease: Lease,
        before: Head,
        rows: Sequence[int],
        entries: Sequence[Entry],
        tiles: Sequence[Tile],
        head: Head,
    ) -> None:
        """See the port."""
        space = self._database.space
        with self._database.writing() as session:
            touch(session, space, lease)
            if _head(session, space) != before:
                raise Conflict("log.moved")
            connection = session.connection()
            bulk.delete(connection, OUTBOX, rows)
            bulk.insert(connection, ENTRIES, _ENTRY, [_entry_values(each, space) for each in entries])
            placed = [(space, each.level, each.index, each.hashes) for each in tiles]
            bulk.upsert(connection, TILES, ("space_id", "level", "index", "hashes"), 3, placed)
            bulk.upsert(connection, HEADS, ("space_id", "size", "root"), 1, [(space, head.size, head.root)])

    def tiles(self, places: Collection[Place]) -> dict[Place, bytes]:
        """See the port."""
        if not places:
            return {}
        at = tuple_(TILES.c.level, TILES.c.index)
        wanted = select(TILES.c.level, TILES.c.index, TILES.c.hashes).where(TILES.c.space_id == self._database.space)
        with self._database.reading() as session:
            rows = session.connection().execute(wanted.where(at.in_([*places])))
            return {(level, index): hashes for level, index, hashes in rows}

    def keep_checkpoint(self, size: int, note: str) -> None:
        """See the port."""
        with self._database.writing() as session:
            session.add(CheckpointRow(space_id=self._database.space, size=size, note=note))

    def checkpoint(self) -> str | None:
        """See the port."""
        with self._database.reading() as session:
            wanted = select(CheckpointRow.note).where(CheckpointRow.space_id == self._database.space)
            newest = col(CheckpointRow.size).desc(), col(CheckpointRow.id).desc()
            return session.exec(wanted.order_by(*newest).limit(1)).first()

    def counts(self, size: int) -> dict[str, int]:
        """How many entries below a size there are of each type."""
        wanted = select(ENTRIES.c.type, func.count()).where(
            ENTRIES.c.space_id == self._database.space, ENTRIES.c.index < size
        )
        with self._database.reading() as session:
            rows = session.connection().execute(wanted.group_by(ENTRIES.c.type))
            return {str(name): int(number) for name, number in rows}

    def index_of(self, leaf_hash: bytes) -> int | None:
        """See the port."""
        with self._database.reading() as session:
            wanted = select(EntryRow.index).where(
                EntryRow.space_id == self._database.space, EntryRow.leaf_hash == leaf_hash
            )
            return session.exec(wanted).first()

    def entries(self, first: int, most: int) -> list[Entry]:
        """See the port."""
        with self._database.reading() as session:
            wanted = select(EntryRow).where(EntryRow.space_id == self._database.space, col(EntryRow.index) >= first)
            return [_entry(row) for row in session.exec(wanted.order_by(col(EntryRow.index)).limit(most))]

    def newest_of(self, issuer: str, skip: int, most: int) -> list[bytes]:
        """See the port."""
        space, found = self._database.space, []
        with self._database.reading() as session:
            queued = select(OutboxRow.envelope).where(OutboxRow.space_id == space, OutboxRow.issuer == issuer)
            found = list(session.exec(queued.order_by(col(OutboxRow.id).desc()).limit(skip + most)))
            logged = select(EntryRow.envelope).where(EntryRow.space_id == space, EntryRow.issuer == issuer)
            found += session.exec(logged.order_by(col(EntryRow.index).desc()).limit(skip + most))
        return found[skip : skip + most]


def _head(session: Session, space: str) -> Head:
    row = session.get(HeadRow, space)
    return Head(row.size, row.root) if row else Head(0, EMPTY_ROOT)


def _entry_values(entry: Entry, space: str) -> tuple[object, ...]:
    """In the order of `_ENTRY`."""
    one = entry.outgoing
    parties = " ".join(one.parties)
    return (entry.index, space, one.digest, entry.leaf_hash, one.type, one.issuer, parties, one.envelope)


def _entry(row: EntryRow) -> Entry:
    return Entry(row.index, row.leaf_hash, Outgoing(row.envelope, row.type, row.issuer, tuple(row.parties.split())))
