"""What a connector keeps for itself: its sources, its products, the computations it asked for, and small marks.

Every method that writes returns after the write is synced to disk, may be called from any thread and process, and
either happens whole or not at all. Plain values cross these ports; ids, digests and envelopes are as in
`hefu.envelope`. All of them raise `Unavailable` where the store cannot be read or written (locked too long, disk full).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from hefu.canonical import Object
from hefu.envelope import Statement
from hefu_policies.goods.product import Description

from hefu_connector.ports import ComputationState, Entry

IN_PLACE = "in_place"  # an option of a source

# ---------------------------------------------------------------- a provider's own


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """Where the data of one resource lies.

    Attributes:
        name: chosen by the provider; local to this connector.
        resource: the resource (asset) id, ``res-…``. One source a resource; budgets hang on it.
        uri: in the one spelling that the sources room made of it, for example ``file:///srv/data/visits.csv``.
        form: ``csv``, ``parquet`` or ``arrow``.
        options: how to read it; no secret stands here.
    """

    name: str
    resource: str
    uri: str
    form: str
    options: Object = field(default_factory=dict)

    @property
    def in_place(self) -> bool:
        """Questions are counted by the database itself: nothing is copied or laid out for them."""
        return self.options.get(IN_PLACE) == "yes"


@dataclass(frozen=True, slots=True)
class LaidOut:
    """What its provider is told of a laid-out snapshot; none of it is to be published as it is.

    Attributes:
        snapshot: ``sha256:`` of it; origin: of the data that it was made of.
        size: bytes.
        rows, units: that are laid out.
        beyond: rows that no query without a filter reads, because their unit has more than it may contribute.
        seconds: that it took.
    """

    snapshot: str
    origin: str
    size: int
    rows: int
    units: int
    beyond: int
    seconds: float


class Sources(Protocol):
    """The registry of sources. A place that was once one asset stays that asset, even after removal (Q-e). It is one
    registry for all spaces of this store."""

    def add(self, source: SourceRecord) -> None:
        """Register a source.

        Raises:
            Conflict: the name or the resource is taken by another source, or the URI was ever registered under
                another resource; the same record again changes nothing.
        """
        ...

    def change(self, source: SourceRecord) -> None:
        """Replace URI, form and options of the source of this name.

        Raises:
            NotFound: no source of this name.
            Conflict: it has another resource, or the URI was ever registered under another one.
        """
        ...

    def remove(self, name: str) -> None:
        """Forget a source, but not which asset its place is; a source that is not there is no fault."""
        ...

    def find(self, *, name: str = "", resource: str = "", uri: str = "") -> SourceRecord | None:
        """The source of this name, resource or URI (give one)."""
        ...

    def all(self) -> Sequence[SourceRecord]:
        """All sources, by name."""
        ...


class ProductState(StrEnum):
    """Where an own product stands."""

    DRAFTED = "drafted"  # signed here; the broker has not yet said that it took it
    PUBLISHED = "published"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class OwnProduct:
    """One version of an own product.

    Attributes:
        statement: the signed `product.published`, as it is or will be sent.
        description: read from `statement`.
        retirement: the signed `product.retired`; set when the state is RETIRED.
    """

    product: str
    version: int
    state: ProductState
    statement: Statement
    description: Description
    retirement: Statement | None = None


class Products(Protocol):
    """Own descriptions, all versions for good: agreements name them by digest."""

    def keep(self, statement: Statement, state: ProductState) -> OwnProduct:
        """Keep a signed `product.published` (DRAFTED before it is sent, PUBLISHED once the broker took it) or a
        `product.retired` (RETIRED, once the broker took it). Keeping the same again changes nothing, and a state
        never goes back.

        Raises:
            Conflict: a version out of order, `previous` is not the digest of the newest published version, the
                product is retired, or a resource is known with another privacy unit, neighbouring relation or
                currency, or with a lower lifetime total (Q-e).
            NotFound: a retirement of a product that is not kept here.
        """
        ...

    def find(self, product: str) -> OwnProduct | None:
        """The newest version that is not merely drafted; where there is none, the newest draft."""
        ...

    def described(self, digest: str) -> OwnProduct | None:
        """The version whose statement has this payload digest, however old."""
        ...

    def draft(self, product: str) -> OwnProduct | None:
        """The newest draft that still follows on what is published: after a crash, send these bytes again."""
        ...

    def all(self, resource: str = "") -> Sequence[OwnProduct]:
        """What `find` gives for every own product of this space; or for those of all spaces of this store that have
        this resource. By product id."""
        ...


# ---------------------------------------------------------------- a consumer's own


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """A computation this connector asked another for.

    Attributes:
        id: the computation, ``cmp-…``.
        peer: the provider's participant id.
        envelope: exact bytes of the signed `computation.requested`; a repetition sends these and no others.
        state: what the provider last said; None until it answered once.
        fault: error code, where the provider turned it down without a receipt.
        receipt: the provider's verified receipt; None until it is kept.
        parts: how many sealed parts the provider said there are; None until the end.
        held: how many of them are kept here, from the first on without a gap.
        answer: path of the file into which the opened answer was last written; empty if never.
    """

    id: str
    peer: str
    agreements: tuple[str, ...]
    envelope: bytes
    created: datetime
    updated: datetime
    state: ComputationState | None = None
    fault: str = ""
    receipt: bytes | None = None
    parts: int | None = None
    held: int = 0
    answer: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing more is to come: turned down, or the receipt and every sealed part are kept here."""
        return bool(self.fault) or (self.receipt is not None and self.held == self.parts)


class Requests(Protocol):
    """Computations asked for. Keep before sending: after a power cut the same bytes are sent again."""

    def keep(self, request: OwnRequest) -> OwnRequest:
        """Keep a new request, or return the one kept under this id.

        Raises:
            Conflict: the id is kept with another envelope or peer.
        """
        ...

    def advance(self, computation: str, state: ComputationState | None, at: datetime, *, fault: str = "") -> OwnRequest:
        """Note what the provider said, or the error code with which it turned the request down. The same again
        changes nothing, nor does a running state that arrives after the end. A final state without its receipt
        (`Releases.receive`) leaves the request unfinished.

        Raises:
            NotFound: no such request.
            Conflict: it was turned down, or another end was told before; the first end stands.
        """
        ...

    def find(self, computation: str) -> OwnRequest | None:
        """A request, or None."""
        ...

    def unfinished(self) -> Sequence[OwnRequest]:
        """Requests that are not `finished`, oldest first."""
        ...

    def all(self, limit: int, before: str = "") -> Sequence[OwnRequest]:
        """Requests, newest first; `before` is the id after which to go on."""
        ...


class Releases(Protocol):
    """What came back: receipts and sealed parts, kept sealed (they open with this participant's sealing key)."""

    def receive(
        self, computation: str, state: ComputationState, receipt: bytes, parts: int, at: datetime,
        due: datetime | None = None,
    ) -> OwnRequest:  # fmt: skip
        """Keep a verified receipt (or refusal) and with it the final state; the same again changes nothing.

        Args:
            due: of a delivery, when it must be deleted; it is entered among the `Deliveries` then.

        Raises:
            NotFound: no such request.
            Conflict: another receipt is kept, or the request ended otherwise.
        """
        ...

    def add(self, computation: str, index: int, sealed: bytes) -> None:
        """Keep one sealed part whose digest was checked against the receipt; the same again changes nothing.

        Raises:
            NotFound: no receipt of this computation is kept, or it has fewer parts.
            Conflict: other bytes are kept as this part, or an earlier part is missing.
        """
        ...

    def parts(self, computation: str) -> Sequence[bytes]:
        """The sealed parts kept so far, in order."""
        ...

    def opened(self, computation: str, path: str) -> None:
        """Note into which file the answer was written; raises NotFound."""
        ...


# ---------------------------------------------------------------- deliveries


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was delivered to this participant.

    Attributes:
        due: when it must be deleted at the latest.
        uses: how often it was used.
        proof: the signed `delivery.deleted`; None while it is kept.
        cause: why it was deleted; empty while it is kept.
        told: whether its provider has the proof.
    """

    computation: str
    due: datetime
    uses: int = 0
    proof: bytes | None = None
    cause: str = ""
    told: bool = False


class Deliveries(Protocol):
    """Deliveries to this participant. One is entered with its receipt, by `Releases.receive`; its parts stay sealed."""

    def find(self, computation: str) -> Delivery | None:
        """A delivery, or None."""
        ...

    def all(self) -> Sequence[Delivery]:
        """All deliveries, newest first."""
        ...

    def note(self, computation: str, entry: Entry, uses: int | None) -> Delivery:
        """Journal a use, or one that was refused.

        Args:
            uses: how often it was used before this use; None for a refusal, which is none.

        Raises:
            NotFound: no such delivery, or it is deleted.
            Conflict: it was used meanwhile; decide again.
        """
        ...

    def delete(self, computation: str, entry: Entry, cause: str) -> Delivery:
        """Delete all parts and journal the proof, in one transaction; what is deleted stays as it is.

        Raises:
            NotFound: no such delivery.
        """
        ...

    def told(self, computation: str) -> None:
        """Its provider has the proof."""
        ...


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What this participant delivered.

    Attributes:
        due: when it must be deleted at the latest.
        proof: the recipient's signed `delivery.deleted`; None until it came.
    """

    computation: str
    due: datetime
    proof: bytes | None = None


class Handed(Protocol):
    """Deliveries by this participant. One is entered with its receipt, by `ports.Journal.close`."""

    def secret(self, agreement: str) -> bytes:
        """32 bytes that belong to an agreement, drawn once; the same for every process that works on this store."""
        ...

    def find(self, computation: str) -> HandedOver | None:
        """A delivery, or None."""
        ...

    def drop_due(self, now: datetime) -> int:
        """Delete the sealed parts of all that is due; how many deliveries that were."""
        ...

    def drop_under(self, agreement: str) -> None:
        """Delete the sealed parts of all deliveries under an agreement."""
        ...

    def confirm(self, computation: str, proof: bytes) -> HandedOver:
        """Keep a verified proof of deletion, and delete the sealed parts here too. The first proof stands.

        Raises:
            NotFound: no such delivery.
        """
        ...


# ---------------------------------------------------------------- scores


@dataclass(frozen=True, slots=True)
class ScoreKey:
    """A consumer's keys of homomorphic encryption under one contract.

    Attributes:
        suite: name of the parameter set.
        public: what the provider may have.
        secret: as whoever keeps it sealed it.
    """

    suite: str
    public: bytes
    secret: bytes = field(repr=False)


class ScoreShelf(Protocol):
    """Keys for encrypted scores, and which computation answers which records."""

    def key(self, agreement: str, suite: str) -> ScoreKey | None:
        """The keys of an agreement for a parameter set, or None."""
        ...

    def keep(self, agreement: str, key: ScoreKey) -> ScoreKey:
        """Keep new keys, and return those that are kept: of several at once the first stand."""
        ...

    def asked(self, agreement: str, records: str) -> str:
        """The computation that was last asked for these records, by their digest; empty if there was none."""
        ...

    def ask(self, agreement: str, records: str, computation: str) -> None:
        """Note that a computation is about to be asked for these records, in place of the one before."""
        ...


# ---------------------------------------------------------------- marks


@dataclass(frozen=True, slots=True)
class Mark:
    """A small durable value: a number that never falls, and a text that belongs to it."""

    name: str
    number: int
    text: str = ""


# Names used across rooms.
STATUS = "status"  # number: sequence of the newest verified status list; text: its envelope
NEGOTIATIONS = "negotiations"  # number: the last revision seen of WatchNegotiations


class Marks(Protocol):
    """Named marks. A participant's certificate or a binding may be kept as one too (number: its time)."""

    def advance(self, mark: Mark) -> None:
        """Keep a mark whose number is not lower than the one kept; with the same number the text is replaced.

        Raises:
            Conflict: the number is lower: a rollback, also after a restart.
        """
        ...

    def first(self, mark: Mark, *unless: str) -> Mark:
        """Keep a mark unless one of its name is kept, and return the one that is: of many at once, one stands.

        Raises:
            Conflict: a mark of one of the names `unless` is kept; then this one is not.
        """
        ...

    def find(self, name: str) -> Mark | None:
        """A mark, or None."""
        ...

    def all(self, prefix: str = "") -> Sequence[Mark]:
        """The marks whose name begins so, by name."""
        ...

    def remove(self, name: str) -> None:
        """Forget a mark; one that is not there is no fault."""
        ...
