"""What the broker keeps, as plain values: the words that the rooms and the stores share.

No value here belongs to a database. Envelopes are the exact bytes of statements that a room has verified.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hefu import canonical
from hefu.envelope import Statement
from hefu.statements.receipt import Spent
from hefu_policies.agreeing.contract import Description, Sought
from hefu_policies.budget import Budget
from hefu_policies.states.lifecycle import AgreementState, ProductState
from hefu_policies.states.negotiation import State

from hefu_broker.words import Phrase

EVERYBODY = "*"  # every member of the space


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A verified statement on its way to the audit log.

    Attributes:
        parties: participants that may read the leaf, besides its issuer, regulators and operators; `EVERYBODY` for all.
    """

    envelope: bytes
    type: str
    issuer: str
    parties: tuple[str, ...] = ()

    @classmethod
    def of(cls, statement: Statement, *parties: str) -> Outgoing:
        """A statement with the signatures it has, readable by its issuer and the given parties."""
        return cls.read_by(statement.to_bytes(), statement.type, statement.issuer, parties)

    @classmethod
    def read_by(cls, envelope: bytes, type_: str, issuer: str, parties: Iterable[str]) -> Outgoing:
        """As `of`, of a statement whose bytes were verified elsewhere."""
        return cls(envelope, type_, issuer, tuple(sorted({*parties} - {issuer})))

    @property
    def digest(self) -> str:
        """``sha256:`` of the envelope: one log holds it once."""
        return canonical.digest(self.envelope)


@dataclass(frozen=True, slots=True)
class FiledEnd:
    """Sealed openings of the end of a computation; ``end`` is the digest of the end's envelope."""

    end: str
    sealed: bytes


class EnrolmentState(StrEnum):
    """Where an enrolment stands."""

    PENDING = "pending"
    CERTIFIED = "certified"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Token:
    """A one-time token as it is stored: never the token itself.

    Attributes:
        digest: ``sha256:`` of the token's text.
        participant: the only name that may be enrolled with it.
    """

    digest: str
    participant: str
    roles: frozenset[str]
    expires: datetime


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A request to take part, with proof that its sender holds the keys.

    Attributes:
        id: random and known to the sender only.
        request: the self-signed ``enrollment.requested`` envelope.
        csr: PKCS#10 in DER; only its public key is ever used.
        certification: the ``participant.certified`` envelope, once there.
    """

    id: str
    participant: str
    connector: str
    roles: frozenset[str]
    request: bytes
    csr: bytes
    opened: datetime
    state: EnrolmentState = EnrolmentState.PENDING
    certification: bytes | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A transport certificate that this broker issued."""

    fingerprint: str
    der: bytes
    participant: str
    connector: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Mention:
    """An entry of the log that names an agreement.

    Attributes:
        charge: what it charges under the agreement, by its issuer's word; nothing where it charges nothing.
    """

    agreement: str
    index: int
    type: str
    issuer: str
    charge: Spent


@dataclass(frozen=True, slots=True)
class Visit:
    """What a browser may read: one page, as whom, until when.

    Attributes:
        fingerprint: of the transport certificate of whoever asked for it.
    """

    fingerprint: str
    page: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class ResourceRecord:
    """What a resource promised when it was first published; it holds for ever (promise Q-e)."""

    id: str
    provider: str
    unit: str
    neighbouring: str
    lifetime: Budget


@dataclass(frozen=True, slots=True)
class Listing:
    """A data product in the catalog: its newest description version."""

    statement: Statement
    description: Description
    state: ProductState = ProductState.LISTED

    @property
    def product(self) -> str:
        """The id of the product."""
        return self.description.product

    @property
    def provider(self) -> str:
        """Who provides it."""
        return self.statement.issuer

    @property
    def digest(self) -> str:
        """The digest of the description version."""
        return self.statement.digest()

    def resources(self) -> tuple[ResourceRecord, ...]:
        """What its resources promise."""
        return tuple(
            ResourceRecord(each.id, self.provider, each.privacy.unit, each.privacy.neighbouring, each.privacy.lifetime)
            for each in self.description.resources
        )


@dataclass(frozen=True, slots=True)
class Search:
    """What a caller looks for in the catalog.

    Attributes:
        phrases: all of them must be there; none matches everything.
        reader: only what this participant may see, or for an empty name a stranger; None sees all (regulators, the
            operator).
    """

    phrases: tuple[Phrase, ...] = ()
    provider: str = ""
    kind: str = ""
    keyword: str = ""
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """What a search shows of a listed product: its description as kept bytes, which its reader verifies."""

    product: str
    provider: str
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search, and how many match in all."""

    cards: tuple[Card, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Talk:
    """A contract negotiation as it stands.

    Attributes:
        messages: every verified message, in order.
        agreement: with the signatures it has; from AGREED on.
        countersignature: the broker's ``agreement.finalized``; once FINALIZED.
        index: where the countersignature stands in a published checkpoint's tree; None until then.
        termination: the ``agreement.terminated`` by which a party ended the agreement.
        revision: grows by one with every change in the space.
        notices: how many the parties gave about the agreement.
        standing: active or suspended; ``turn`` is the digest of the notice that made it so, empty at first.
        further: what is asked of further providers; ``service`` is a party that carries out joint computations.
    """

    id: str
    consumer: str
    provider: str
    product: str
    description: str
    offer: str
    state: State
    messages: tuple[Statement, ...]
    updated: datetime
    agreement: Statement | None = None
    countersignature: Statement | None = None
    termination: Statement | None = None
    index: int | None = None
    revision: int = 0
    notices: int = 0
    standing: AgreementState = AgreementState.ACTIVE
    turn: str = ""
    further: tuple[Sought, ...] = ()
    service: str = ""

    @property
    def parties(self) -> tuple[str, ...]:
        """All who sign, in the order in which they do: provider, further ones, consumer."""
        return self.provider, *self.endorsers, self.consumer

    @property
    def endorsers(self) -> tuple[str, ...]:
        """All parties but the provider that draws up and the consumer."""
        return (*(each.provider for each in self.further), *([self.service] if self.service else []))

    @property
    def sought(self) -> tuple[Sought, ...]:
        """What is asked of every provider, the first one's first."""
        return Sought(self.provider, self.product, self.description, self.offer), *self.further


@dataclass(frozen=True, slots=True)
class Pending:
    """A row of the outbox: a statement that is not in the log yet."""

    row: int
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf of the log."""

    index: int
    leaf_hash: bytes
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Head:
    """The newest committed state of the tree."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What a directory is built from.

    Attributes:
        revision: of the registry when it was read; ask for what came after it next time.
    """

    revision: int
    envelopes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Lease:
    """Who does what only one process may do.

    Attributes:
        name: of what is done, such as the log's sequencing.
        holder: the process's node; empty where the lease was given back.
        epoch: grows whenever another process takes it.
        beat: grows while it is held and used.
    """

    name: str
    holder: str
    epoch: int
    beat: int


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a space is, in numbers that grow with every change.

    Attributes:
        registry: of participants, bindings and the status list.
        talks: of negotiations.
        published: size of the newest checkpoint kept; -1 before the first.
        waiting: whether something waits for the sequencer.
    """

    registry: int
    talks: int
    published: int
    waiting: bool
