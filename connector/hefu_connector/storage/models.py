"""The connector's tables. They stay inside this folder; other rooms see the plain values of the ports.

Instants are whole microseconds since 1970 (UTC), privacy loss is in the integer units of `hefu_policies.budget`, and
statements are the exact bytes that were signed. Every number fits in 64 bits.

One store may serve one participant in several spaces. A row with a `space` belongs to that space alone; sources,
places, assets and the accounts of assets are shared by all of them (promise Q-e).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from hefu_connector.storage.sealing import Blinded, Sealed, SealedText

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
# SQLite counts by itself only where a key is spelled INTEGER; it has 64 bits all the same.
_COUNTER = BigInteger().with_variant(Integer, "sqlite")


class Rows(SQLModel, registry=registry(metadata=MetaData(naming_convention=_NAMES))):
    """The connector's tables only: another tower in the same process has its own."""


def _big() -> int:
    field: int = Field(sa_type=BigInteger)
    return field


def _space() -> str:
    field: str = Field(primary_key=True)
    return field


def _sealed(about: str, default: Any = ...) -> Any:
    return Field(default=default, sa_type=Sealed(about))


def _sealed_text(about: str, default: Any = ...) -> Any:
    return Field(default=default, sa_type=SealedText(about))


def _none_before() -> int:
    """An amount that rows of older stores have none of."""
    field: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    return field


def _position() -> int | None:
    field: int | None = Field(default=None, primary_key=True, sa_type=_COUNTER)
    return field


# ---------------------------------------------------------------- budgets


class AccountRow(Rows, table=True):
    """A limit and what is charged against it. ``charged`` may exceed a limit only where the limit fell afterwards.

    The space of an asset's account is empty: its lifetime total holds over all of them.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("charged_epsilon_nano >= 0 AND charged_delta_femto >= 0 AND charged_releases >= 0", "charged"),
        CheckConstraint("limit_epsilon_nano >= 0 AND limit_delta_femto >= 0 AND limit_releases >= 0", "limit"),
    )
    space: str = _space()
    name: str = Field(primary_key=True)
    currency: str
    limit_epsilon_nano: int = _big()
    limit_delta_femto: int = _big()
    limit_releases: int = _big()
    limit_rho_nano: int = _none_before()
    charged_epsilon_nano: int = _big()
    charged_delta_femto: int = _big()
    charged_releases: int = _big()
    charged_rho_nano: int = _none_before()


class ReservationRow(Rows, table=True):
    """A computation was charged once, with this."""

    __tablename__ = "reservations"
    space: str = _space()
    computation: str = Field(primary_key=True)
    epsilon_nano: int = _big()
    delta_femto: int = _big()
    releases: int = _big()
    rho_nano: int = _none_before()


class ChargeRow(Rows, table=True):
    """A reservation went against this account; `of` is the account's own space."""

    __tablename__ = "charges"
    __table_args__ = (
        ForeignKeyConstraint(["space", "computation"], ["reservations.space", "reservations.computation"]),
        ForeignKeyConstraint(["of", "account"], ["accounts.space", "accounts.name"]),
        Index("ix_charges_account", "account"),
    )
    space: str = _space()
    computation: str = Field(primary_key=True)
    of: str = _space()
    account: str = Field(primary_key=True)


class AllowanceRow(Rows, table=True):
    """What was taken of something else than privacy loss, in its newest period: uses, milliseconds, money."""

    __tablename__ = "allowances"
    __table_args__ = (CheckConstraint("taken >= 0 AND most >= 0", "taken"),)
    space: str = _space()
    name: str = Field(primary_key=True)
    unit: str
    most: int = _big()
    taken: int = _big()
    period: int = _big()
    last: int = _big()


class TakingRow(Rows, table=True):
    """A computation took this of an allowance; at most that much, once `settled` exactly that much."""

    __tablename__ = "takings"
    __table_args__ = (
        ForeignKeyConstraint(["space", "computation"], ["reservations.space", "reservations.computation"]),
        ForeignKeyConstraint(
            ["space", "allowance"], ["allowances.space", "allowances.name"], name="fk_takings_allowance"
        ),
    )
    space: str = _space()
    computation: str = Field(primary_key=True)
    allowance: str = Field(primary_key=True)
    amount: int = _big()
    period: int = _big()
    settled: int = 0


# ---------------------------------------------------------------- computations and their journal


class JournalRow(Rows, table=True):
    """One entry of a space's chain. Both unique constraints together make a fork impossible."""

    __tablename__ = "journal"
    __table_args__ = (
        CheckConstraint("sequence >= 0", "sequence"),
        UniqueConstraint("space", "digest", name="uq_journal_digest"),
        UniqueConstraint("space", "previous", name="uq_journal_previous"),
    )
    space: str = _space()
    sequence: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    digest: str
    previous: str
    envelope: bytes = _sealed("journal.envelope")


class ComputationRow(Rows, table=True):
    """A computation that another participant asked for. Its id was chosen there, so it names nothing elsewhere.

    `owner` is the process that carries it out, `stop` the code with which another process asks it to end it.
    """

    __tablename__ = "computations"
    __table_args__ = (
        UniqueConstraint("space", "id", name="uq_computations_id"),
        UniqueConstraint("space", "entry", name="uq_computations_entry"),
        ForeignKeyConstraint(["space", "entry"], ["journal.space", "journal.sequence"]),
    )
    position: int | None = _position()
    space: str
    id: str
    request: str
    envelope: bytes = _sealed("computations.envelope")
    consumer: str = Field(index=True)
    agreements: str = Field(sa_type=Text)
    state: str = Field(index=True)
    epsilon_nano: int | None = Field(default=None, sa_type=BigInteger)
    delta_femto: int | None = Field(default=None, sa_type=BigInteger)
    releases: int | None = Field(default=None, sa_type=BigInteger)
    rho_nano: int = _none_before()
    entry: int | None = Field(default=None, sa_type=BigInteger)
    parts: int = 0
    created: int = _big()
    updated: int = _big()
    release_at: int | None = Field(default=None, sa_type=BigInteger)
    owner: str = ""
    stop: str = ""


class TransitionRow(Rows, table=True):
    """When a computation came into a state."""

    __tablename__ = "transitions"
    __table_args__ = (
        ForeignKeyConstraint(["space", "computation"], ["computations.space", "computations.id"]),
        Index("ix_transitions_computation", "space", "computation"),
    )
    position: int | None = _position()
    space: str
    computation: str
    state: str
    at: int = _big()


class PartRow(Rows, table=True):
    """A sealed part of a release, numbered from 0."""

    __tablename__ = "parts"
    __table_args__ = (ForeignKeyConstraint(["space", "computation"], ["computations.space", "computations.id"]),)
    space: str = _space()
    computation: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    sealed: bytes = _sealed("parts.sealed")


class DecisionRow(Rows, table=True):
    """How a computation was decided, phase by phase: the owner's record, which no receipt shows."""

    __tablename__ = "decisions"
    __table_args__ = (ForeignKeyConstraint(["space", "computation"], ["computations.space", "computations.id"]),)
    space: str = _space()
    computation: str = Field(primary_key=True)
    record: bytes = _sealed("decisions.record")


class FiledRow(Rows, table=True):
    """Sealed openings of the end of a computation, for the space's regulators; gone once they are erased.

    ``end`` is the digest of the end's envelope, ``told`` whether the broker has them.
    """

    __tablename__ = "filed"
    __table_args__ = (ForeignKeyConstraint(["space", "computation"], ["computations.space", "computations.id"]),)
    space: str = _space()
    computation: str = Field(primary_key=True)
    end: str
    sealed: bytes = _sealed("filed.sealed")
    told: bool


class OutboxRow(Rows, table=True):
    """A journal entry that the broker's log has not yet taken."""

    __tablename__ = "outbox"
    __table_args__ = (ForeignKeyConstraint(["space", "sequence"], ["journal.space", "journal.sequence"]),)
    space: str = _space()
    sequence: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})


class LockRow(Rows, table=True):
    """Whoever writes to the named thing locks its row first, where a database lets several write at once."""

    __tablename__ = "locks"
    name: str = Field(primary_key=True)


# ---------------------------------------------------------------- who works on this store


class MembershipRow(Rows, table=True):
    """Who this store belongs to in a space: one participant, and one connector (with its replicas) a space."""

    __tablename__ = "memberships"
    space: str = _space()
    participant: str
    connector: str


class OwnerRow(Rows, table=True):
    """A process that works on this store, for as long as its beat moves. The row goes when it ends or is given up."""

    __tablename__ = "owners"
    id: str = Field(primary_key=True)
    space: str
    home: str
    beat: int = _big()


class LeaseRow(Rows, table=True):
    """Which owner does what only one may do in a space; the epoch grows whenever another takes over."""

    __tablename__ = "leases"
    space: str = _space()
    name: str = Field(primary_key=True)
    holder: str
    epoch: int = _big()


# ---------------------------------------------------------------- contracts, products, sources


class AgreementRow(Rows, table=True):
    """A contract's papers, as exact bytes."""

    __tablename__ = "agreements"
    __table_args__ = (UniqueConstraint("space", "id", name="uq_agreements_id"),)
    position: int | None = _position()
    id: str
    space: str
    digest: str
    agreement: bytes = _sealed("agreements.agreement")
    countersignature: bytes = _sealed("agreements.countersignature")
    description: bytes = _sealed("agreements.description")
    proof: bytes = _sealed("agreements.proof")
    termination: bytes | None = _sealed("agreements.termination", None)
    turns: bytes | None = _sealed("agreements.turns", None)


class NoticeRow(Rows, table=True):
    """What a party stated about an agreement after it was made, verified."""

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("space", "digest", name="uq_notices_digest"),
        Index("ix_notices_agreement", "space", "agreement"),
    )
    position: int | None = _position()
    space: str
    agreement: str
    digest: str
    type: str
    envelope: bytes = _sealed("notices.envelope")


class DutyRow(Rows, table=True):
    """A duty that is owed under an agreement, or was performed."""

    __tablename__ = "duties"
    __table_args__ = (
        UniqueConstraint("space", "agreement", "duty", "subject", name="uq_duties_subject"),
        Index("ix_duties_state", "space", "state"),
    )
    position: int | None = _position()
    space: str
    agreement: str
    duty: str
    subject: str
    action: str
    state: str
    since: int = _big()
    due: int | None = Field(default=None, sa_type=BigInteger)
    follows: str = ""
    proof: bytes | None = _sealed("duties.proof", None)
    alarm: str = ""
    used: str = ""
    computation: str = ""
    revision: int = 0


class DisclosureRow(Rows, table=True):
    """What an exact answer told of an asset, in whatever space; rows are never deleted."""

    __tablename__ = "disclosures"
    resource: str = Field(primary_key=True)
    place: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    edition: str = _sealed_text("disclosures.edition")
    snapshot: str = _sealed_text("disclosures.snapshot")
    body: bytes = _sealed("disclosures.body")


class SourceRow(Rows, table=True):
    """Where the data of one resource lies."""

    __tablename__ = "sources"
    name: str = Field(primary_key=True)
    resource: str = Field(unique=True)
    uri: str = _sealed_text("sources.uri")
    form: str
    options: str = _sealed_text("sources.options")


class PlaceRow(Rows, table=True):
    """A place was once this asset; rows are never deleted."""

    __tablename__ = "places"
    uri: str = Field(primary_key=True, sa_type=Blinded)
    resource: str


class AssetRow(Rows, table=True):
    """What an asset keeps for life, over products and versions; the total may only fall."""

    __tablename__ = "assets"
    resource: str = Field(primary_key=True)
    unit: str
    neighbouring: str
    currency: str
    epsilon_nano: int = _big()
    delta_femto: int = _big()
    releases: int = _big()
    rho_nano: int = _none_before()


class ProductRow(Rows, table=True):
    """A version of an own product; rows are never deleted, as agreements name them by digest."""

    __tablename__ = "products"
    __table_args__ = (UniqueConstraint("space", "digest", name="uq_products_digest"),)
    position: int | None = _position()
    digest: str
    space: str
    product: str = Field(index=True)
    version: int = _big()
    state: str
    statement: bytes = _sealed("products.statement")
    retirement: bytes | None = _sealed("products.retirement", None)


# ---------------------------------------------------------------- what was asked of others, and marks


class RequestRow(Rows, table=True):
    """A computation this connector asked another for."""

    __tablename__ = "requests"
    __table_args__ = (UniqueConstraint("space", "id", name="uq_requests_id"),)
    position: int | None = _position()
    space: str
    id: str
    peer: str
    agreements: str = Field(sa_type=Text)
    envelope: bytes = _sealed("requests.envelope")
    created: int = _big()
    updated: int = _big()
    state: str | None = None
    fault: str = ""
    receipt: bytes | None = _sealed("requests.receipt", None)
    parts: int | None = None
    held: int = 0
    answer: str = _sealed_text("requests.answer", "")


class ReceivedRow(Rows, table=True):
    """A sealed part that came back, numbered from 0."""

    __tablename__ = "received"
    __table_args__ = (ForeignKeyConstraint(["space", "computation"], ["requests.space", "requests.id"]),)
    space: str = _space()
    computation: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    sealed: bytes = _sealed("received.sealed")


# ---------------------------------------------------------------- deliveries


class AgreementSecretRow(Rows, table=True):
    """What an agreement's pseudonyms and samples hang on; known to its provider only."""

    __tablename__ = "agreement_secrets"
    space: str = _space()
    agreement: str = Field(primary_key=True)
    secret: bytes = _sealed("agreement_secrets.secret")


class HandedRow(Rows, table=True):
    """A delivery by this participant: until when its parts are handed over, and the proof that it was deleted."""

    __tablename__ = "handed"
    __table_args__ = (ForeignKeyConstraint(["space", "computation"], ["computations.space", "computations.id"]),)
    space: str = _space()
    computation: str = Field(primary_key=True)
    due: int = _big()
    proof: bytes | None = _sealed("handed.proof", None)
    agreement: str
    dropped: int = 0


class DeliveryRow(Rows, table=True):
    """A delivery to this participant: until when it is kept, how often it was used, and the proof that it is gone."""

    __tablename__ = "deliveries"
    __table_args__ = (ForeignKeyConstraint(["space", "computation"], ["requests.space", "requests.id"]),)
    space: str = _space()
    computation: str = Field(primary_key=True)
    due: int = _big()
    proof: bytes | None = _sealed("deliveries.proof", None)
    uses: int = 0
    cause: str = ""
    told: int = 0


class ScoreKeyRow(Rows, table=True):
    """Keys of homomorphic encryption under one contract; the secret one is sealed once more."""

    __tablename__ = "score_keys"
    space: str = _space()
    agreement: str = Field(primary_key=True)
    suite: str = Field(primary_key=True)
    public: bytes = _sealed("score_keys.public")
    secret: bytes = _sealed("score_keys.secret")


class ScoreRow(Rows, table=True):
    """Which computation was asked to score which records, by their digest."""

    __tablename__ = "scores"
    space: str = _space()
    agreement: str = Field(primary_key=True)
    records: str = Field(primary_key=True, sa_type=Blinded)
    computation: str


class MarkRow(Rows, table=True):
    """A small durable value whose number never falls."""

    __tablename__ = "marks"
    space: str = _space()
    name: str = Field(primary_key=True)
    number: int = _big()
    text: str = _sealed_text("marks.text")


METADATA = Rows.metadata


def _table(row: type[Rows]) -> Table:
    return METADATA.tables[str(row.__tablename__)]


ACCOUNTS, RESERVATIONS, CHARGES = _table(AccountRow), _table(ReservationRow), _table(ChargeRow)
ALLOWANCES, TAKINGS = _table(AllowanceRow), _table(TakingRow)
COMPUTATIONS, TRANSITIONS, PARTS = _table(ComputationRow), _table(TransitionRow), _table(PartRow)
MEMBERSHIPS, OWNERS, LEASES = _table(MembershipRow), _table(OwnerRow), _table(LeaseRow)
DECISIONS, FILED = _table(DecisionRow), _table(FiledRow)
JOURNAL, OUTBOX, LOCKS = _table(JournalRow), _table(OutboxRow), _table(LockRow)
AGREEMENTS, SOURCES, PLACES = _table(AgreementRow), _table(SourceRow), _table(PlaceRow)
DISCLOSURES = _table(DisclosureRow)
ASSETS, PRODUCTS = _table(AssetRow), _table(ProductRow)
NOTICES, DUTIES = _table(NoticeRow), _table(DutyRow)
SECRETS, HANDED, DELIVERIES = _table(AgreementSecretRow), _table(HandedRow), _table(DeliveryRow)
REQUESTS, RECEIVED, MARKS = _table(RequestRow), _table(ReceivedRow), _table(MarkRow)
SCORE_KEYS, SCORES = _table(ScoreKeyRow), _table(ScoreRow)
