"""The audit log as participants and regulators use it: statements in, proofs and entries out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from hefu.envelope import Statement
from hefu.errors import Malformed, NotFound, Refused, Unavailable, Untrusted
from hefu.identity import Binding
from hefu.tlog import tiles, tree
from hefu.tlog.proof import LogProof

from hefu_broker import pages
from hefu_broker.log.sequencer import Sequencer
from hefu_broker.membership.trust import Trust
from hefu_broker.membership.verifying import Verified
from hefu_broker.ports import Announce, EntryStore, LogStore, OutboxStore, TalkStore
from hefu_broker.records import EVERYBODY, Entry, Outgoing

LARGEST_STATEMENT = 16 * 1024  # bytes
MOST_STATEMENTS = 256
MOST_ENTRIES = 1000
USUAL_ENTRIES = 256
MOST_LOOKED, _LOOKED = 4096, 64
# What has a door of its own is not taken in through the journal's.
_ELSEWHERE = (
    "agreement", "audit.", "enrollment.", "negotiation.", "order.", "participant.", "product.", "space.", "status.",
    "transport.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A leaf as a reader may see it; without the envelope where it is not the reader's."""

    index: int
    leaf_hash: bytes
    envelope: bytes


class AuditLog:
    """Reading the log, and queueing journal statements for it.

    Args:
        announce: called after something was queued.
    """

    def __init__(
        self,
        trust: Trust,
        store: LogStore,
        entries: EntryStore,
        outbox: OutboxStore,
        talks: TalkStore,
        sequencer: Sequencer,
        announce: Announce,
    ) -> None:
        self._trust = trust
        self._store = store
        self._entries = entries
        self._outbox = outbox
        self._talks = talks
        self._sequencer = sequencer
        self._announce = announce

    def append(self, caller: Binding, envelopes: list[bytes]) -> int:
        """Queue journal statements of the caller; those known already change nothing.

        Raises:
            Malformed: too many, too large, or of a type that has a door of its own.
            Refused, Untrusted, Unauthenticated: as `Trust.read`; then none of them is queued.
        """
        if len(envelopes) > MOST_STATEMENTS:
            raise Malformed("request.malformed", why=f"at most {MOST_STATEMENTS} statements at once")
        statements = self._trust.read_all(envelopes, caller, LARGEST_STATEMENT)
        for each in statements:
            if each.type.startswith(_ELSEWHERE):
                raise Malformed("statement.wrong_type", found=each.type, expected="computation.*")
        readers = self._readers(statements, caller.participant)
        # The exact bytes that were verified, which are canonical: no need to write them again.
        self._outbox.queue(
            [
                Outgoing.read_by(data, each.type, each.issuer, chain(*(readers[one] for one in each.agreements)))
                for each, data in zip(statements, envelopes, strict=True)
            ]
        )
        self._announce()
        return len(statements)

    def checkpoint(self) -> str:
        """The newest checkpoint that any process published, a signed note: never one older than somebody saw before."""
        self._sequencer.follow()
        return self._sequencer.newest[1]

    def size(self) -> int:
        """Entries under the newest published checkpoint; 0 before the first."""
        try:
            self._sequencer.follow()
            return self._sequencer.newest[0]
        except Unavailable:
            return 0

    def index_of(self, leaf_hash: bytes) -> int | None:
        """Where a leaf stands under the newest published checkpoint; None where it does not."""
        index = self._entries.index_of(leaf_hash)
        return index if index is not None and index < self._published(index + 1)[0] else None

    def proof(self, leaf_hash: bytes) -> LogProof:
        """Proof that a leaf is in the tree of the newest published checkpoint.

        Raises:
            NotFound: it is not, or not yet.
        """
        index = self._entries.index_of(leaf_hash)
        size, note = self._published(0 if index is None else index + 1)
        if index is None or index >= size:
            raise NotFound("log.absent")
        path = tiles.at_once(size, partial(tree.inclusion_proof, index, size), self._store.tiles)
        return LogProof(index, tuple(path), note)

    def proof_of(self, statement: Statement) -> LogProof | None:
        """Proof of a statement with exactly the signatures it has; None until it is published."""
        try:
            return self.proof(tree.leaf_hash(statement.to_bytes()))
        except (NotFound, Unavailable):
            return None

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Proof that the tree of one size is a prefix of that of another.

        Raises:
            Malformed: not two sizes of the published tree, the first above 0.
        """
        size, _ = self._published(new)
        if not 0 < old <= new <= size:
            raise Malformed("log.sizes", size=size)
        return tiles.at_once(new, partial(tree.consistency_proof, old, new), self._store.tiles)

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The first hashes of a tile: public, and never more than the newest published checkpoint covers.

        Raises:
            NotFound: not all of them are under it.
        """
        first = index * tiles.WIDTH
        size, _ = self._published((first + width) << (tiles.HEIGHT * level) if level < 8 else 0)
        if first + width > size >> (tiles.HEIGHT * level):
            raise NotFound("log.beyond", size=size)
        data = self._store.tiles([(level, index)]).get((level, index), b"")[: width * tree.HASH_SIZE]
        if len(data) != width * tree.HASH_SIZE:
            raise Untrusted("log.tile", level=level, index=index)
        return data

    def bundle(self, caller: Binding, index: int, width: int) -> list[bytes]:
        """The entries of a bundle, if the caller may read every one of them.

        Raises:
            NotFound: not all of them are under the newest published checkpoint.
            Refused: one of them is not the caller's to read.
        """
        first = index * tiles.WIDTH
        size, _ = self._published(first + width)
        if first + width > size:
            raise NotFound("log.beyond", size=size)
        found, whole = self._entries.entries(first, width), self._trust.oversees(caller)
        if not whole and not all(_may_read(each, caller.participant) for each in found):
            raise Refused("log.private", first=first, last=first + width - 1)
        return [each.outgoing.envelope for each in found]

    def entries(self, caller: Binding | None, first: int, most: int) -> tuple[list[Seen], int]:
        """Published entries from an index on, and the size of the tree.

        Regulators and operators see every envelope; a participant those it issued or is a party of, and of the others
        the hash; a stranger (None) hashes only. A page ends early where its envelopes are too large together.
        """
        if first < 0 or most < 0:
            raise Malformed("request.malformed", why="first_index and page_size must not be negative")
        wanted = min(most or USUAL_ENTRIES, MOST_ENTRIES)
        size, _ = self._published(first + wanted)
        count = min(wanted, max(0, size - first))
        found = self._entries.entries(first, count) if count else []
        whole = caller is not None and self._trust.oversees(caller)
        name = None if caller is None else caller.participant
        fitting = pages.fitting(found, lambda each: len(each.outgoing.envelope))
        return [_seen(each, whole or (name is not None and _may_read(each, name))) for each in fitting], size

    def journal(self, caller: Binding) -> bytes:
        """The newest statement of the calling connector's own journal, queued or logged; empty where there is none.

        LIMIT: among the newest `MOST_LOOKED` statements of its participant.
        """
        for skip in range(0, MOST_LOOKED, _LOOKED):
            page = self._entries.newest_of(caller.participant, skip, _LOOKED)
            placed = [(place, each) for each in page if (place := _place(each, caller.connector)) >= 0]
            if placed:  # two processes may have sent them out of order
                return max(placed)[1]
            if len(page) < _LOOKED:
                break
        return b""

    def _published(self, wanted: int) -> tuple[int, str]:
        """The newest checkpoint; where it is smaller than wanted, another process may have published a larger one."""
        if not self._sequencer.is_open or self._sequencer.newest[0] < wanted:
            self._sequencer.follow()
        return self._sequencer.newest

    def _readers(self, statements: Sequence[Verified], issuer: str) -> dict[str, tuple[str, ...]]:
        """Who may read what an issuer says under each of the agreements that its statements name."""
        named = {each for said in statements for each in said.agreements}
        return {each: self._parties_of(each, issuer) for each in named}

    def _parties_of(self, agreement: str, issuer: str) -> tuple[str, ...]:
        """The other parties of an agreement that the issuer is party of."""
        try:
            talk = self._talks.talk(agreement)
        except NotFound:
            return ()
        if issuer not in talk.parties:
            return ()
        # What one provider computed concerns its consumer, not the other providers of the agreement.
        return talk.parties if issuer == talk.consumer else (issuer, talk.consumer)


def _place(envelope: bytes, connector: str) -> int:
    """Where a statement stands in a connector's journal; -1 for what is not in it."""
    place = Statement.parse(envelope).body.get("journal")
    if not isinstance(place, dict) or place.get("connector") != connector:
        return -1
    sequence = place.get("sequence")
    return sequence if isinstance(sequence, int) else -1


def _may_read(entry: Entry, participant: str) -> bool:
    return participant == entry.outgoing.issuer or bool({participant, EVERYBODY} & {*entry.outgoing.parties})


def _seen(entry: Entry, whole: bool) -> Seen:
    return Seen(entry.index, entry.leaf_hash, entry.outgoing.envelope if whole else b"")
