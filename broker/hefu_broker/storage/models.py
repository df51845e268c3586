"""The tables of the broker. They stay inside this folder; rooms see the values of `hefu_broker.records`.

Instants are RFC 3339 texts, digests ``algorithm:value``, statements the exact bytes that were verified. Tables that
stay empty for now (fulfilment, data elements) hold facts that no later migration may have to invent.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer
from sqlalchemy.orm import registry
from sqlmodel import Field, ForeignKeyConstraint, SQLModel, UniqueConstraint

# SQLite's integers have 64 bits as they are, and only under this name its row ids count by themselves.
_BIG = BigInteger().with_variant(Integer(), "sqlite")


class Table(SQLModel, registry=registry()):
    """Tables of the broker only: another tower in the same process has its own."""


class SpaceRow(Table, table=True):
    """A logical space that this broker serves, and the id of the node."""

    __tablename__ = "space"
    id: str = Field(primary_key=True)
    node: str


class ParticipantRow(Table, table=True):
    """A certified participant of a space."""

    __tablename__ = "participant"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    id: str = Field(primary_key=True)
    certified: str
    certification: bytes
    revision: int = Field(default=0, sa_type=_BIG)


class MembershipRow(Table, table=True):
    """Participant, space, role, and the state: active, suspended or revoked."""

    __tablename__ = "membership"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    participant: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    state: str


class ExternalIdRow(Table, table=True):
    """Another scheme's id of a participant, connector, product, resource, contract, strategy or process."""

    __tablename__ = "external_id"
    __table_args__ = (UniqueConstraint("space_id", "subject_kind", "subject", "scheme", "value"),)
    id: int | None = Field(default=None, primary_key=True)
    space_id: str = Field(foreign_key="space.id")
    subject_kind: str
    subject: str = Field(index=True)
    scheme: str
    value: str = Field(index=True)
    issuer: str
    status: str


class TokenRow(Table, table=True):
    """A one-time token, as its digest only."""

    __tablename__ = "token"
    digest: str = Field(primary_key=True)
    space_id: str = Field(foreign_key="space.id")
    participant: str
    roles: str
    expires: str


class EnrolmentRow(Table, table=True):
    """A request to take part; ``token`` is unique, so that a token serves once."""

    __tablename__ = "enrolment"
    id: str = Field(primary_key=True)
    space_id: str = Field(foreign_key="space.id")
    token: str = Field(foreign_key="token.digest", unique=True)
    participant: str
    connector: str = Field(index=True)
    roles: str
    request: bytes
    csr: bytes
    opened: str
    state: str = Field(index=True)
    certification: bytes | None = None


class CertificateRow(Table, table=True):
    """A transport certificate issued here."""

    __tablename__ = "certificate"
    fingerprint: str = Field(primary_key=True)
    space_id: str = Field(foreign_key="space.id")
    participant: str
    connector: str = Field(index=True)
    der: bytes
    not_after: str


class BindingRow(Table, table=True):
    """A certificate that its participant said is its own, and where it listens."""

    __tablename__ = "binding"
    fingerprint: str = Field(primary_key=True, foreign_key="certificate.fingerprint")
    space_id: str = Field(foreign_key="space.id")
    participant: str = Field(index=True)
    connector: str
    endpoint: str
    not_after: str
    statement: bytes
    revision: int = Field(default=0, sa_type=_BIG)


class StatusRow(Table, table=True):
    """The newest status list of a space, and the newest that is handed to the log: the last that changed an entry."""

    __tablename__ = "status"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    sequence: int = Field(sa_type=_BIG)
    statement: bytes
    revision: int = Field(default=0, sa_type=_BIG)
    logged: bytes | None = None


class CharterRow(Table, table=True):
    """A version of a space's charter, as the root signed it."""

    __tablename__ = "charter"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    version: int = Field(primary_key=True)
    statement: bytes


class ResourceRow(Table, table=True):
    """An asset: its owner, privacy unit, neighbouring relation and total for life; none of them ever changes."""

    __tablename__ = "resource"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    id: str = Field(primary_key=True)
    provider: str
    unit: str
    neighbouring: str
    currency: str
    epsilon_nano: int = Field(sa_type=_BIG)
    delta_femto: int = Field(sa_type=_BIG)
    releases: int = Field(sa_type=_BIG)
    rho_nano: int = Field(default=0, sa_type=_BIG, sa_column_kwargs={"server_default": "0"})


class ProductRow(Table, table=True):
    """An entry of the catalog; ``version`` is the newest description version."""

    __tablename__ = "product"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    id: str = Field(primary_key=True)
    provider: str = Field(index=True)
    kind: str
    state: str
    version: int
    retirement: bytes | None = None


class VersionRow(Table, table=True):
    """A description version; ``id`` is also its row in the full-text index."""

    __tablename__ = "product_version"
    __table_args__ = (
        ForeignKeyConstraint(["space_id", "product"], ["product.space_id", "product.id"]),
        UniqueConstraint("space_id", "product", "version"),
    )
    id: int | None = Field(default=None, primary_key=True)
    space_id: str = Field(foreign_key="space.id")
    product: str
    version: int
    digest: str = Field(unique=True)
    previous: str | None
    published: str
    snapshot_rule: str
    product_form: str
    delivery_mode: str
    execution_environment: str
    encryption: str
    security_grade: int
    personal_data: bool
    important_data: bool
    legal_basis: str
    cross_border: bool
    price_amount: str | None
    price_currency: str | None
    statement: bytes


class VersionResourceRow(Table, table=True):
    """Products and resources, many to many."""

    __tablename__ = "version_resource"
    version: int = Field(primary_key=True, foreign_key="product_version.id")
    resource: str = Field(primary_key=True, index=True)


class KeywordRow(Table, table=True):
    """A keyword of a description version."""

    __tablename__ = "version_keyword"
    version: int = Field(primary_key=True, foreign_key="product_version.id")
    keyword: str = Field(primary_key=True, index=True)


class ClassificationRow(Table, table=True):
    """A classification of a description version: scheme and code."""

    __tablename__ = "version_classification"
    version: int = Field(primary_key=True, foreign_key="product_version.id")
    scheme: str = Field(primary_key=True)
    code: str = Field(primary_key=True)


class OfferRow(Table, table=True):
    """An offer of a description version; visibility is ``members`` or ``listed``."""

    __tablename__ = "offer"
    version: int = Field(primary_key=True, foreign_key="product_version.id")
    id: str = Field(primary_key=True)
    visibility: str
    approval: str


class OfferReaderRow(Table, table=True):
    """A participant that may see a listed offer."""

    __tablename__ = "offer_reader"
    version: int = Field(primary_key=True, foreign_key="product_version.id")
    offer: str = Field(primary_key=True)
    participant: str = Field(primary_key=True, index=True)


class DataElementRow(Table, table=True):
    """A data element of a standard, which columns cite."""

    __tablename__ = "data_element"
    standard: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    code: str = Field(primary_key=True)
    names: str


class NegotiationRow(Table, table=True):
    """A contract negotiation; ``proof_index`` is set once its countersignature stands under a checkpoint."""

    __tablename__ = "negotiation"
    __table_args__ = (UniqueConstraint("space_id", "agreement_id"), UniqueConstraint("space_id", "revision"))
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    id: str = Field(primary_key=True)
    provider: str = Field(index=True)
    consumer: str = Field(index=True)
    product: str = Field(index=True)
    description: str
    offer: str
    state: str
    agreement_id: str | None = None
    agreement: bytes | None = None
    countersignature: bytes | None = None
    countersignature_digest: str | None = Field(default=None, index=True)
    proof_index: int | None = Field(default=None, sa_type=_BIG)
    revision: int = Field(sa_type=_BIG)
    updated: str


class EndorserRow(Table, table=True):
    """A party of a negotiation besides its first provider and its consumer."""

    __tablename__ = "negotiation_endorser"
    __table_args__ = (ForeignKeyConstraint(["space_id", "negotiation"], ["negotiation.space_id", "negotiation.id"]),)
    space_id: str = Field(primary_key=True)
    negotiation: str = Field(primary_key=True)
    participant: str = Field(primary_key=True, index=True)


class MessageRow(Table, table=True):
    """A message of a negotiation."""

    __tablename__ = "negotiation_message"
    __table_args__ = (ForeignKeyConstraint(["space_id", "negotiation"], ["negotiation.space_id", "negotiation.id"]),)
    space_id: str = Field(primary_key=True)
    negotiation: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    digest: str = Field(unique=True)
    type: str
    issuer: str
    statement: bytes


class AgreementRow(Table, table=True):
    """A finalized agreement, as exact bytes; its state is active, suspended or ended."""

    __tablename__ = "agreement"
    __table_args__ = (
        ForeignKeyConstraint(["space_id", "negotiation"], ["negotiation.space_id", "negotiation.id"]),
        UniqueConstraint("space_id", "negotiation"),
    )
    space_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    negotiation: str
    digest: str = Field(unique=True)
    envelope: bytes
    state: str
    not_before: str
    not_after: str
    termination: bytes | None = None
    notices: int = 0
    turn: str = ""


class NoticeRow(Table, table=True):
    """What a party stated about an agreement; numbered from 1."""

    __tablename__ = "agreement_notice"
    __table_args__ = (
        ForeignKeyConstraint(["space_id", "agreement"], ["agreement.space_id", "agreement.id"]),
        UniqueConstraint("space_id", "digest"),
    )
    space_id: str = Field(primary_key=True)
    agreement: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    digest: str
    type: str
    issuer: str
    statement: bytes


class OrderRow(Table, table=True):
    """An order or a lift of a regulator; numbered from 1 in its space."""

    __tablename__ = "regulator_order"
    __table_args__ = (UniqueConstraint("space_id", "digest"),)
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    number: int = Field(primary_key=True)
    digest: str
    statement: bytes


class FiledRow(Table, table=True):
    """Sealed openings of the end of a computation, by the digest of the end's envelope; gone once they are erased."""

    __tablename__ = "filed"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    end: str = Field(primary_key=True)
    issuer: str
    sealed: bytes


class PartyRow(Table, table=True):
    """A party of an agreement: role, connector, and when it signed."""

    __tablename__ = "agreement_party"
    __table_args__ = (ForeignKeyConstraint(["space_id", "agreement"], ["agreement.space_id", "agreement.id"]),)
    space_id: str = Field(primary_key=True)
    agreement: str = Field(primary_key=True)
    participant: str = Field(primary_key=True, index=True)
    role: str = Field(primary_key=True)
    connector: str
    signed: str


class FulfilmentRow(Table, table=True):
    """A transfer process under an agreement, in the Dataspace Protocol's states."""

    __tablename__ = "fulfilment"
    __table_args__ = (ForeignKeyConstraint(["space_id", "agreement"], ["agreement.space_id", "agreement.id"]),)
    space_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    agreement: str = Field(index=True)
    operation: str
    state: str
    updated: str


class CounterRow(Table, table=True):
    """A number that only grows: the revision of a space's negotiations (``revision``) and of its ``registry``."""

    __tablename__ = "counter"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    name: str = Field(primary_key=True)
    value: int = Field(sa_type=_BIG)


class OutboxRow(Table, table=True):
    """A verified statement that waits for the sequencer."""

    __tablename__ = "outbox"
    id: int | None = Field(default=None, primary_key=True, sa_type=_BIG)
    space_id: str = Field(foreign_key="space.id")
    digest: str = Field(unique=True)
    type: str
    issuer: str
    parties: str
    envelope: bytes


class EntryRow(Table, table=True):
    """A leaf of a space's audit log."""

    __tablename__ = "log_entry"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    index: int = Field(primary_key=True, sa_type=_BIG)
    digest: str = Field(unique=True)
    leaf_hash: bytes = Field(unique=True)
    type: str
    issuer: str
    parties: str
    envelope: bytes


class MentionRow(Table, table=True):
    """An entry of the log that names an agreement, and what it charges; a finding aid, filled as the log grows."""

    __tablename__ = "log_mention"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    agreement: str = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=_BIG)
    type: str
    issuer: str
    epsilon_nano: int = Field(sa_type=_BIG)
    delta_femto: int = Field(sa_type=_BIG)
    releases: int = Field(sa_type=_BIG)
    rho_nano: int = Field(sa_type=_BIG)


class MentionedRow(Table, table=True):
    """How many entries of a space's log were looked through for mentions."""

    __tablename__ = "log_mentioned"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    size: int = Field(sa_type=_BIG)


class VisitRow(Table, table=True):
    """A one-time link to a page, or the visit that one opened; ``digest`` is of its secret, never the secret."""

    __tablename__ = "page_visit"
    digest: str = Field(primary_key=True)
    space_id: str = Field(foreign_key="space.id")
    kind: str
    fingerprint: str
    page: str
    expires: str


class TileRow(Table, table=True):
    """A tile of a log's tree."""

    __tablename__ = "log_tile"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    level: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=_BIG)
    hashes: bytes


class HeadRow(Table, table=True):
    """The committed head of a space's log."""

    __tablename__ = "log_head"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    size: int = Field(sa_type=_BIG)
    root: bytes


class CheckpointRow(Table, table=True):
    """A checkpoint that was signed."""

    __tablename__ = "log_checkpoint"
    id: int | None = Field(default=None, primary_key=True)
    space_id: str = Field(foreign_key="space.id")
    size: int = Field(index=True, sa_type=_BIG)
    note: str


class CandidateRow(Table, table=True):
    """The checkpoint of a space's log that the witnesses are asked to cosign: signed by the log."""

    __tablename__ = "log_candidate"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    size: int = Field(sa_type=_BIG)
    note: str


class CosignatureRow(Table, table=True):
    """A verified cosignature line of a witness, which its key's name and id name, on the checkpoint of a size."""

    __tablename__ = "log_cosignature"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    size: int = Field(primary_key=True, sa_type=_BIG)
    witness: str = Field(primary_key=True)
    line: str


class StampRow(Table, table=True):
    """A time stamp of a checkpoint's text, as the authority gave it."""

    __tablename__ = "log_timestamp"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    authority: str = Field(primary_key=True)
    size: int = Field(primary_key=True, sa_type=_BIG)
    response: bytes


class LeaseRow(Table, table=True):
    """Who does what only one process may do, such as writing the log of a space.

    ``epoch`` grows with every change of hands, ``beat`` while one hand holds it; ``holder`` is empty where it is free.
    """

    __tablename__ = "lease"
    space_id: str = Field(primary_key=True, foreign_key="space.id")
    name: str = Field(primary_key=True)
    holder: str
    epoch: int = Field(sa_type=_BIG)
    beat: int = Field(sa_type=_BIG)


# The tables themselves, for what is done at every call: a row is then no object first.
COUNTERS = Table.metadata.tables["counter"]
ENTRIES = Table.metadata.tables["log_entry"]
MESSAGES = Table.metadata.tables["negotiation_message"]
NEGOTIATIONS = Table.metadata.tables["negotiation"]
OUTBOX = Table.metadata.tables["outbox"]
HEADS = Table.metadata.tables["log_head"]
TILES = Table.metadata.tables["log_tile"]
PRODUCTS = Table.metadata.tables["product"]
VERSIONS = Table.metadata.tables["product_version"]
