"""first schema."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:  # noqa: PLR0915 - one statement a table
    op.create_table(
        "data_element",
        sa.Column("standard", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("version", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("code", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("names", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("standard", "version", "code"),
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("note", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("log_checkpoint", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_log_checkpoint_size"), ["size"], unique=False)

    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "log_tile",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "index"),
    )
    op.create_table(
        "space",
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("node", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "certificate",
        sa.Column("fingerprint", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("participant", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("connector", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("not_after", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    with op.batch_alter_table("certificate", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_certificate_connector"), ["connector"], unique=False)

    op.create_table(
        "counter",
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("space_id", "name"),
    )
    op.create_table(
        "external_id",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("subject_kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("subject", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("scheme", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("value", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("issuer", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("space_id", "subject_kind", "subject", "scheme", "value"),
    )
    with op.batch_alter_table("external_id", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_external_id_subject"), ["subject"], unique=False)
        batch_op.create_index(batch_op.f("ix_external_id_value"), ["value"], unique=False)

    op.create_table(
        "log_entry",
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("digest", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("type", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("issuer", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("parties", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("index"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("leaf_hash"),
    )
    op.create_table(
        "membership",
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("participant", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("role", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("state", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("space_id", "participant", "role"),
    )
    op.create_table(
        "negotiation",
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("provider", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("consumer", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("product", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("description", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("offer", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("state", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("agreement_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("agreement", sa.LargeBinary(), nullable=True),
        sa.Column("countersignature", sa.LargeBinary(), nullable=True),
        sa.Column("countersignature_digest", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("proof_index", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("agreement_id"),
        sa.UniqueConstraint("revision"),
    )
    with op.batch_alter_table("negotiation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_negotiation_consumer"), ["consumer"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_negotiation_countersignature_digest"), ["countersignature_digest"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_negotiation_product"), ["product"], unique=False)
        batch_op.create_index(batch_op.f("ix_negotiation_provider"), ["provider"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("digest", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("type", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("issuer", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("parties", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "participant",
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("certified", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("certification", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_table(
        "product",
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("provider", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("state", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("retirement", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("product", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_product_provider"), ["provider"], unique=False)

    op.create_table(
        "resource",
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("provider", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("unit", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("neighbouring", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("currency", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("epsilon_nano", sa.Integer(), nullable=False),
        sa.Column("delta_femto", sa.Integer(), nullable=False),
        sa.Column("releases", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    op.create_table(
        "status",
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("space_id"),
    )
    op.create_table(
        "token",
        sa.Column("digest", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("participant", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("roles", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("expires", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "agreement",
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("negotiation", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("digest", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("state", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("not_before", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("not_after", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("termination", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["negotiation"],
            ["negotiation.id"],
        ),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("negotiation"),
    )
    op.create_table(
        "binding",
        sa.Column("fingerprint", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("participant", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("connector", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("endpoint", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("not_after", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fingerprint"],
            ["certificate.fingerprint"],
        ),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    with op.batch_alter_table("binding", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_binding_participant"), ["participant"], unique=False)

    op.create_table(
        "enrolment",
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("token", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("participant", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("connector", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("roles", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("csr", sa.LargeBinary(), nullable=False),
        sa.Column("opened", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("state", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("certification", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.ForeignKeyConstraint(
            ["token"],
            ["token.digest"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token"),
    )
    with op.batch_alter_table("enrolment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrolment_connector"), ["connector"], unique=False)
        batch_op.create_index(batch_op.f("ix_enrolment_state"), ["state"], unique=False)

    op.create_table(
        "negotiation_message",
        sa.Column("negotiation", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("type", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("issuer", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["negotiation"],
            ["negotiation.id"],
        ),
        sa.PrimaryKeyConstraint("negotiation", "position"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "product_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("product", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("previous", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("published", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("snapshot_rule", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("product_form", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("delivery_mode", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("execution_environment", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("encryption", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("security_grade", sa.Integer(), nullable=False),
        sa.Column("personal_data", sa.Boolean(), nullable=False),
        sa.Column("important_data", sa.Boolean(), nullable=False),
        sa.Column("legal_basis", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("cross_border", sa.Boolean(), nullable=False),
        sa.Column("price_amount", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("price_currency", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product"],
            ["product.id"],
        ),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("product", "version"),
    )
    op.create_table(
        "agreement_party",
        sa.Column("agreement", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("participant", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("role", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("connector", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("signed", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agreement"],
            ["agreement.id"],
        ),
        sa.PrimaryKeyConstraint("agreement", "participant", "role"),
    )
    with op.batch_alter_table("agreement_party", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agreement_party_participant"), ["participant"], unique=False)

    op.create_table(
        "fulfilment",
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("space_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("agreement", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("operation", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("state", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("updated", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agreement"],
            ["agreement.id"],
        ),
        sa.ForeignKeyConstraint(
            ["space_id"],
            ["space.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("fulfilment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fulfilment_agreement"), ["agreement"], unique=False)

    op.create_table(
        "offer",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("visibility", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("approval", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["product_version.id"],
        ),
        sa.PrimaryKeyConstraint("version", "id"),
    )
    op.create_table(
        "offer_reader",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("offer", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("participant", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["product_version.id"],
        ),
        sa.PrimaryKeyConstraint("version", "offer", "participant"),
    )
    with op.batch_alter_table("offer_reader", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_offer_reader_participant"), ["participant"], unique=False)

    op.create_table(
        "version_classification",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("scheme", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("code", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["product_version.id"],
        ),
        sa.PrimaryKeyConstraint("version", "scheme", "code"),
    )
    op.create_table(
        "version_keyword",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("keyword", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["product_version.id"],
        ),
        sa.PrimaryKeyConstraint("version", "keyword"),
    )
    with op.batch_alter_table("version_keyword", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_version_keyword_keyword"), ["keyword"], unique=False)

    op.create_table(
        "version_resource",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("resource", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["product_version.id"],
        ),
        sa.PrimaryKeyConstraint("version", "resource"),
    )
    with op.batch_alter_table("version_resource", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_version_resource_resource"), ["resource"], unique=False)

    # Contentless: the words are made in Python (hefu_broker.words) and need not be kept twice. One row a description
    # version, so that nothing is ever deleted from it. PostgreSQL holds the same words with their places.
    if op.get_context().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE product_text"
            " USING fts5(title, keywords, description, content='', tokenize='unicode61')"
        )
    else:
        op.execute("CREATE TABLE product_text (version integer PRIMARY KEY, words tsvector NOT NULL)")
        op.execute("CREATE INDEX ix_product_text_words ON product_text USING gin (words)")


def downgrade() -> None:
    raise NotImplementedError("there is no schema before the first: restore a backup")
