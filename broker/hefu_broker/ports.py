"""What the broker's rooms need from the outside, in their own words.

Contract of every store: any thread may call; a method that writes is one durable transaction (committed to disk when
it returns, or nothing changed), and statements it is given go to the log's outbox in that same transaction; the same
envelope is never queued or logged twice. Nothing of the database leaves a store. `Unavailable` is raised where the
store is busy or the disk is full.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from hefu.envelope import Statement
from hefu.evidence.timestamps import Stamp
from hefu.identity import Binding, Participant, StatusList
from hefu.statements.receipt import Spent
from hefu.times import Clock
from hefu.tlog.tiles import Place, Tile

from hefu_broker.records import (
    Certificate,
    Enrolment,
    EnrolmentState,
    Entry,
    FiledEnd,
    Found,
    Head,
    Kept,
    Lease,
    Listing,
    Marks,
    Mention,
    Outgoing,
    Pending,
    ResourceRecord,
    Search,
    Talk,
    Token,
    Visit,
)

__all__ = [
    "CatalogStore",
    "CharterStore",
    "Clock",
    "EnrolmentStore",
    "EntryStore",
    "FiledStore",
    "LeaseStore",
    "LogStore",
    "LookupStore",
    "MentionStore",
    "NoticeStore",
    "OrderStore",
    "OutboxStore",
    "RegistryStore",
    "SpaceStore",
    "StampStore",
    "TalkStore",
    "TidingsStore",
    "VisitStore",
]


class SpaceStore(Protocol):
    """Which space something belongs to, over all spaces of the broker."""

    def of_certificate(self, fingerprint: str) -> str | None:
        """The space that a transport certificate was issued for, if it was issued here; it never changes."""
        ...

    def of_token(self, digest: str) -> str | None:
        """The space that a one-time token invites to, if there is such a token."""
        ...

    def of_enrolment(self, id_: str) -> str | None:
        """The space of an enrolment, if there is one of this id."""
        ...


class CharterStore(Protocol):
    """The charter of a space, in versions."""

    def newest(self) -> bytes | None:
        """The statement of the newest version; None where the space has no charter."""
        ...

    def keep(self, version: int, statement: Outgoing) -> None:
        """Keep a version.

        Raises:
            Conflict: it is not the one after the newest.
        """
        ...


class EnrolmentStore(Protocol):
    """One-time tokens and enrolments."""

    def issue(self, token: Token) -> None:
        """Keep a new token."""
        ...

    def open(self, enrolment: Enrolment, token: str, at: datetime) -> Enrolment:
        """Use up a token for an enrolment. Of many calls at once with one token, one wins.

        The very same request under the token that it used returns the stored enrolment.

        Args:
            token: the digest of the token.

        Raises:
            Unauthenticated: no such token, expired at that time, or used for another request.
            Refused: the token is for another name or has not all the roles.
        """
        ...

    def enrolment(self, id_: str) -> Enrolment:
        """One enrolment.

        Raises:
            NotFound: there is none of this id.
        """
        ...

    def enrolments(self, state: EnrolmentState) -> list[Enrolment]:
        """Enrolments in a state, oldest first."""
        ...

    def reject(self, id_: str) -> None:
        """Close a pending enrolment for good.

        Raises:
            Conflict: it is not pending.
        """
        ...


class RegistryStore(Protocol):
    """Participants and what vouches for them."""

    def statements(self, at: datetime, after: int = -1) -> Kept:
        """What a directory is rebuilt from, in order: certifications, bindings valid at that time, the status list.

        Args:
            after: only what was kept after this revision.
        """
        ...

    def certify(self, participant: Participant, certification: Outgoing, enrolment: str | None) -> None:
        """Keep a participant, its memberships and external ids, and close its enrolment.

        Raises:
            Conflict: the name is certified already, or the enrolment is not pending.
        """
        ...

    def issued(self, certificate: Certificate) -> None:
        """Keep a transport certificate before it is handed out."""
        ...

    def bind(self, binding: Binding, statement: Outgoing) -> Certificate:
        """Keep a binding of a certificate issued here; repeating one changes nothing.

        Raises:
            Untrusted: the certificate was not issued to this participant and connector.
        """
        ...

    def replace_status(self, status: StatusList, statement: Outgoing, *, logged: bool) -> None:
        """Make a list the newest and set the memberships' states by it.

        Raises:
            Conflict: the newest list kept is not the one before this.
        """
        ...


class LookupStore(Protocol):
    """What the registry looks up."""

    def certificate(self, fingerprint: str) -> Certificate | None:
        """A certificate issued here, if it was."""
        ...

    def holder(self, connector: str) -> str | None:
        """The participant whose connector has this name, if any has or has asked for it."""
        ...

    def opened(self, token: str) -> Enrolment | None:
        """The enrolment for which a token (its digest) was used up, if it was."""
        ...

    def status(self) -> bytes | None:
        """The newest status list."""
        ...

    def logged_status(self) -> bytes | None:
        """The newest status list that was queued for the log; None where none was since this is kept."""
        ...


class CatalogStore(Protocol):
    """Data products, their versions and resources."""

    def publish(self, listing: Listing, previous: str | None, words: tuple[str, str, str], outgoing: Outgoing) -> None:
        """Make a description version the newest of its product.

        Args:
            previous: digest of the version that must be the newest until now; None for a new product.
            words: of title, keywords and description (`hefu_broker.words`), under which it is found.

        Raises:
            Conflict: another version is the newest, the product is retired, or it is of another provider.
            Refused: a resource belongs to another provider or promised something else.
        """
        ...

    def retire(self, product: str, retirement: Outgoing) -> Listing:
        """List a product no longer; repeating it changes nothing. Raises NotFound."""
        ...

    def listing(self, product: str, description: str | None = None) -> Listing:
        """The newest version of a product, or the one with the given digest. Raises NotFound."""
        ...

    def search(self, query: Search, skip: int, size: int) -> Found:
        """Listed products: best match first, then by id."""
        ...

    def resource(self, id_: str) -> ResourceRecord | None:
        """What a resource promised when it was first published."""
        ...


class TalkStore(Protocol):
    """Contract negotiations and their agreements."""

    def record(self, talk: Talk, expected: int | None, outgoing: Sequence[Outgoing], most: int = 0) -> Talk:
        """Keep a changed negotiation: state, messages, agreement and outbox together.

        Args:
            expected: the revision that the change was decided on; None for a new negotiation.
            most: of a provider's offers may wait for one consumer's answer, if this is a new one; 0: any number.

        Returns:
            The negotiation with its new revision.

        Raises:
            Conflict: it changed meanwhile, or a new id or agreement id is taken.
            Refused: as many offers wait already.
        """
        ...

    def talk(self, id_: str) -> Talk:
        """A negotiation by its id or the id of its agreement. Raises NotFound."""
        ...

    def page(self, party: str | None, before: int | None, size: int) -> list[Talk]:
        """Negotiations of a party (None: all) with a revision below ``before``, newest change first."""
        ...

    def changes(self, party: str | None, after: int, size: int) -> list[Talk]:
        """Negotiations of a party (None: all) with a revision above ``after``, oldest change first."""
        ...

    def settle(self, size: int) -> int:
        """Note the index of each countersignature that stands below ``size`` in the log; each is a change.

        Returns:
            How many were noted.
        """
        ...


class NoticeStore(Protocol):
    """What parties state about their agreements; numbered from 1 for each agreement, without a gap."""

    def add(self, talk: Talk, expected: int, notice: Outgoing) -> Talk:
        """Keep one notice more, and what it makes of the agreement's negotiation; `Talk.notices` is its number.

        Args:
            expected: the revision that the notice was judged on.

        Returns:
            The negotiation with its new revision.

        Raises:
            Conflict: the negotiation changed meanwhile.
        """
        ...

    def knows(self, agreement: str, digest: str) -> bool:
        """Whether a statement of this payload digest is kept."""
        ...

    def given(self, agreement: str, issuer: str) -> int:
        """How many notices a party gave."""
        ...

    def page(self, agreement: str, after: int, most: int) -> list[Statement]:
        """Notices with a number above ``after``, in order."""
        ...


class OrderStore(Protocol):
    """Orders and lifts of regulators, numbered from 1 without a gap."""

    def keep(self, digest: str, number: int, order: Outgoing) -> None:
        """Keep an order or a lift.

        Raises:
            Conflict: the number is not the next.
        """
        ...

    def orders(self, after: int, most: int) -> tuple[int, list[bytes]]:
        """The newest number, and the statements above one, in order."""
        ...


class FiledStore(Protocol):
    """Sealed openings of the ends of computations, kept for regulators."""

    def logged(self, ends: Sequence[str]) -> list[bytes]:
        """The envelopes with these digests that are logged or queued."""
        ...

    def file(self, issuer: str, filed: Sequence[FiledEnd]) -> None:
        """Keep sealed openings of a participant's ends; those that are kept stay as they are."""
        ...

    def filed(self, ends: Sequence[str]) -> list[FiledEnd]:
        """The sealed openings of some ends, as far as they are there."""
        ...

    def erase(self, issuer: str, ends: Sequence[str]) -> int:
        """Delete those of a participant for good; how many there were."""
        ...


class OutboxStore(Protocol):
    """Statements on their way to the log."""

    def queue(self, outgoing: Sequence[Outgoing]) -> None:
        """Queue statements; those queued or logged already change nothing."""
        ...

    def pending(self, most: int) -> list[Pending]:
        """Rows that are not sequenced yet, whenever their transactions committed."""
        ...


class LogStore(Protocol):
    """The tree in tiles, its entries and its checkpoints. Who holds the lease writes."""

    def head(self) -> Head:
        """The newest committed state; an empty tree at first."""
        ...

    def append(
        self,
        lease: Lease,
        before: Head,
        rows: Sequence[int],
        entries: Sequence[Entry],
        tiles: Sequence[Tile],
        head: Head,
    ) -> None:
        """Delete outbox rows, insert entries, upsert tiles and move the head, all at once; the lease beats once.

        Args:
            before: the head that the new one was computed from.

        Raises:
            Conflict: the lease is of another epoch by now, or the head is another: nothing changed.
        """
        ...

    def tiles(self, places: Collection[Place]) -> Mapping[Place, bytes]:
        """The tiles at some places, all of one state of the log: a `hefu.tlog.tiles.ReadTiles`."""
        ...

    def keep_checkpoint(self, size: int, note: str) -> None:
        """Add a signed checkpoint to the history."""
        ...

    def checkpoint(self) -> str | None:
        """The checkpoint of the largest size that the history has."""
        ...


class CosigningStore(Protocol):
    """The checkpoint that waits for witnesses, and what they signed under it. Any process may call."""

    def candidate(self) -> str | None:
        """The signed checkpoint that was put up last; None before the first."""
        ...

    def propose(self, size: int, note: str) -> None:
        """Put a signed checkpoint up, unless one of that size or a larger one is."""
        ...

    def cosign(self, size: int, witness: str, line: str) -> None:
        """Keep a verified cosignature line under the checkpoint of a size; one of the same witness is replaced.

        Args:
            witness: its key's name and id.
        """
        ...

    def cosignatures(self, size: int) -> Mapping[str, str]:
        """The lines under the checkpoint of a size, by witness."""
        ...

    def forget(self, below: int) -> None:
        """Forget the lines under smaller checkpoints."""
        ...


class StampStore(Protocol):
    """Time stamps of checkpoints."""

    def keep(self, authority: str, stamp: Stamp) -> None:
        """Keep a verified stamp of an authority (its URL); a second one of the same size replaces the first."""
        ...

    def stamped(self, authority: str) -> int:
        """The largest size that an authority stamped; -1 before the first."""
        ...

    def stamps(self, most: int) -> list[Stamp]:
        """The newest stamps of all authorities, oldest first."""
        ...


class LeaseStore(Protocol):
    """The lease of one thing that only one process may do. It knows no time: who watches judges that it rests."""

    def held(self) -> Lease | None:
        """The lease as it stands; None before the first."""
        ...

    def take(self, seen: Lease | None, holder: str) -> Lease | None:
        """Take the lease under a new epoch, if it still is exactly as it was seen; None where it is not."""
        ...

    def beat(self, lease: Lease) -> None:
        """Show that it is still held. A power cut may take this back, unlike other writes.

        Raises:
            Conflict: it is another's by now.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Give it back, so that another may take it at once. Raises as `beat`."""
        ...


class TidingsStore(Protocol):
    """What other processes did to the database."""

    def marks(self) -> Marks:
        """How far the space is."""
        ...

    def concerned(self, after: int) -> tuple[int, frozenset[str]]:
        """The newest revision of a negotiation, and the parties of those that changed after the given one."""
        ...

    def wait(self, seconds: float) -> None:
        """Return after this time, or sooner where another process is known to have committed. Raises nothing."""
        ...

    def close(self) -> None:
        """Listen no more."""
        ...


class EntryStore(Protocol):
    """Reading the log's entries."""

    def index_of(self, leaf_hash: bytes) -> int | None:
        """Where a leaf stands, if it is sequenced."""
        ...

    def entries(self, first: int, most: int) -> list[Entry]:
        """Entries from an index on, in order."""
        ...

    def newest_of(self, issuer: str, skip: int, most: int) -> list[bytes]:
        """Envelopes that a participant issued, queued ones too, the newest first but for so many."""
        ...


class MentionStore(Protocol):
    """Which entries of the log name which agreement: a finding aid."""

    def reached(self) -> int:
        """How many entries were looked through."""
        ...

    def add(self, start: int, end: int, mentions: Sequence[Mention]) -> int:
        """Keep what the entries from ``start`` to before ``end`` mention, if so many were looked through until now.

        Returns:
            How many entries were looked through by now.
        """
        ...

    def of(self, agreement: str, issuers: Collection[str], before: int | None, most: int) -> list[Mention]:
        """What these issuers said about an agreement below an index (None: all), newest first."""
        ...

    def charged(self, agreement: str, issuers: Collection[str]) -> dict[str, Spent]:
        """What these issuers charged under an agreement in all, by issuer."""
        ...


class VisitStore(Protocol):
    """One-time links to pages, and the visits that they opened, by the digests of their secrets."""

    def keep(self, digest: str, link: Visit, at: datetime) -> None:
        """Keep a new link; what is over by then is forgotten."""
        ...

    def open(self, digest: str, visit: str, until: datetime, at: datetime) -> Visit | None:
        """Use up a link for a visit until then. Of many calls at once with one link, one wins; None for the others.

        Args:
            visit: the digest of the visit's secret.
        """
        ...

    def visit(self, digest: str, at: datetime) -> Visit | None:
        """A visit that goes on at that time."""
        ...


Announce = Callable[[], None]  # rings when something was committed; must not block
