"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "connector_0001"
down_revision = None
branch_labels = None
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _budgets()
    _journal()
    _computations()
    _contracts()
    _sources()
    _requests()
    _marks()


def downgrade() -> None:
    raise NotImplementedError("a ledger never goes back: that would be a way to forget charges")


def _budgets() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("limit_epsilon_nano", sa.BigInteger(), nullable=False),
        sa.Column("limit_delta_femto", sa.BigInteger(), nullable=False),
        sa.Column("limit_releases", sa.BigInteger(), nullable=False),
        sa.Column("charged_epsilon_nano", sa.BigInteger(), nullable=False),
        sa.Column("charged_delta_femto", sa.BigInteger(), nullable=False),
        sa.Column("charged_releases", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "charged_epsilon_nano >= 0 AND charged_delta_femto >= 0 AND charged_releases >= 0",
            name=op.f("ck_accounts_charged"),
        ),
        sa.CheckConstraint(
            "limit_epsilon_nano >= 0 AND limit_delta_femto >= 0 AND limit_releases >= 0", name=op.f("ck_accounts_limit")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_accounts")),
    )
    op.create_table(
        "reservations",
        sa.Column("computation", sa.String(), nullable=False),
        sa.Column("epsilon_nano", sa.BigInteger(), nullable=False),
        sa.Column("delta_femto", sa.BigInteger(), nullable=False),
        sa.Column("releases", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("computation", name=op.f("pk_reservations")),
    )
    op.create_table(
        "charges",
        sa.Column("computation", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_charges_account")),
        sa.ForeignKeyConstraint(["computation"], ["reservations.computation"], name=op.f("fk_charges_computation")),
        sa.PrimaryKeyConstraint("computation", "account", name=op.f("pk_charges")),
    )
    op.create_index("ix_charges_account", "charges", ["account"])


def _journal() -> None:
    op.create_table(
        "journal",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("sequence >= 0", name=op.f("ck_journal_sequence")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_journal")),
        sa.UniqueConstraint("digest", name=op.f("uq_journal_digest")),
        sa.UniqueConstraint("previous", name=op.f("uq_journal_previous")),
    )
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["sequence"], ["journal.sequence"], name=op.f("fk_outbox_sequence")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox")),
    )
    locks = op.create_table(
        "locks", sa.Column("name", sa.String(), nullable=False), sa.PrimaryKeyConstraint("name", name=op.f("pk_locks"))
    )
    op.bulk_insert(locks, [{"name": "journal"}, {"name": "products"}, {"name": "sources"}, {"name": "requests"}])


def _computations() -> None:
    op.create_table(
        "computations",
        sa.Column("position", _COUNTER, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("consumer", sa.String(), nullable=False),
        sa.Column("agreements", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("epsilon_nano", sa.BigInteger(), nullable=True),
        sa.Column("delta_femto", sa.BigInteger(), nullable=True),
        sa.Column("releases", sa.BigInteger(), nullable=True),
        sa.Column("entry", sa.BigInteger(), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("release_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["entry"], ["journal.sequence"], name=op.f("fk_computations_entry")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_computations")),
        sa.UniqueConstraint("entry", name=op.f("uq_computations_entry")),
        sa.UniqueConstraint("id", name=op.f("uq_computations_id")),
    )
    op.create_index("ix_computations_consumer", "computations", ["consumer"])
    op.create_index("ix_computations_state", "computations", ["state"])
    op.create_table(
        "transitions",
        sa.Column("position", _COUNTER, nullable=False),
        sa.Column("computation", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["computation"], ["computations.id"], name=op.f("fk_transitions_computation")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_transitions")),
    )
    op.create_index("ix_transitions_computation", "transitions", ["computation"])
    op.create_table(
        "parts",
        sa.Column("computation", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["computation"], ["computations.id"], name=op.f("fk_parts_computation")),
        sa.PrimaryKeyConstraint("computation", "number", name=op.f("pk_parts")),
    )


def _contracts() -> None:
    op.create_table(
        "agreements",
        sa.Column("position", _COUNTER, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("agreement", sa.LargeBinary(), nullable=False),
        sa.Column("countersignature", sa.LargeBinary(), nullable=False),
        sa.Column("description", sa.LargeBinary(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.Column("termination", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_agreements")),
        sa.UniqueConstraint("id", name=op.f("uq_agreements_id")),
    )
    op.create_table(
        "products",
        sa.Column("position", _COUNTER, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("retirement", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_products")),
        sa.UniqueConstraint("digest", name=op.f("uq_products_digest")),
    )
    op.create_index("ix_products_product", "products", ["product"])


def _sources() -> None:
    op.create_table(
        "sources",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
        sa.UniqueConstraint("resource", name=op.f("uq_sources_resource")),
    )
    op.create_table(
        "places",
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("uri", name=op.f("pk_places")),
    )
    op.create_table(
        "assets",
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("neighbouring", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("epsilon_nano", sa.BigInteger(), nullable=False),
        sa.Column("delta_femto", sa.BigInteger(), nullable=False),
        sa.Column("releases", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", name=op.f("pk_assets")),
    )


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("position", _COUNTER, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("peer", sa.String(), nullable=False),
        sa.Column("agreements", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=True),
        sa.Column("fault", sa.String(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=True),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_requests")),
        sa.UniqueConstraint("id", name=op.f("uq_requests_id")),
    )
    op.create_table(
        "received",
        sa.Column("computation", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["computation"], ["requests.id"], name=op.f("fk_received_computation")),
        sa.PrimaryKeyConstraint("computation", "number", name=op.f("pk_received")),
    )


def _marks() -> None:
    op.create_table(
        "marks",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_marks")),
    )
