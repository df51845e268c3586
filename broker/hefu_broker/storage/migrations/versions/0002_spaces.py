"""several spaces in one database: ids, revisions and logs are counted within a space."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString()


def upgrade() -> None:
    """Every table whose key changes, and those that hang on one, is put aside, made anew and filled again.

    Neither SQLite nor PostgreSQL need special words for that. There is one space so far: its id fills what is new.
    """
    connection, metadata = op.get_bind(), sa.MetaData()
    sa.Table("space", metadata, sa.Column("id", TEXT, primary_key=True))
    _catalog(metadata)
    _contracts(metadata)
    _log(metadata)
    tables = [each for each in metadata.sorted_tables if each.name != "space"]
    kept = {each.name: sa.Table(each.name, sa.MetaData(), autoload_with=connection).columns.keys() for each in tables}
    for table in reversed(tables):
        connection.execute(sa.text(f"CREATE TABLE aside_{table.name} AS SELECT * FROM {table.name}"))  # noqa: S608
        connection.execute(sa.text(f"DROP TABLE {table.name}"))
    for table in tables:
        table.create(connection)
        _fill(connection, table, kept[table.name])
        connection.execute(sa.text(f"DROP TABLE aside_{table.name}"))
    op.create_table(
        "charter",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "version"),
    )


def downgrade() -> None:
    raise NotImplementedError("several spaces do not fit into the schema before: restore a backup")


def _fill(connection, table, old) -> None:
    aside = sa.table(f"aside_{table.name}", *(sa.column(name) for name in old))
    space = sa.select(sa.func.min(sa.column("id"))).select_from(sa.table("space")).scalar_subquery()
    names = [each.name for each in table.columns if each.name in old or each.name == "space_id"]
    values = [aside.columns[name] if name in old else space for name in names]
    connection.execute(sa.insert(table).from_select(names, sa.select(*values).select_from(aside)))
    if connection.dialect.name == "postgresql" and "id" in names and isinstance(table.columns["id"].type, sa.Integer):
        counted = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), MAX(id)) FROM {table.name}"  # noqa: S608
        connection.execute(sa.text(counted))


def _catalog(metadata) -> None:
    sa.Table(
        "product",
        metadata,
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("provider", TEXT, nullable=False, index=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("retirement", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )
    sa.Table(
        "product_version",
        metadata,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("product", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("previous", TEXT, nullable=True),
        sa.Column("published", TEXT, nullable=False),
        sa.Column("snapshot_rule", TEXT, nullable=False),
        sa.Column("product_form", TEXT, nullable=False),
        sa.Column("delivery_mode", TEXT, nullable=False),
        sa.Column("execution_environment", TEXT, nullable=False),
        sa.Column("encryption", TEXT, nullable=False),
        sa.Column("security_grade", sa.Integer(), nullable=False),
        sa.Column("personal_data", sa.Boolean(), nullable=False),
        sa.Column("important_data", sa.Boolean(), nullable=False),
        sa.Column("legal_basis", TEXT, nullable=False),
        sa.Column("cross_border", sa.Boolean(), nullable=False),
        sa.Column("price_amount", TEXT, nullable=True),
        sa.Column("price_currency", TEXT, nullable=True),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.ForeignKeyConstraint(["space_id", "product"], ["product.space_id", "product.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("space_id", "product", "version"),
    )
    sa.Table(
        "offer",
        metadata,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("visibility", TEXT, nullable=False),
        sa.Column("approval", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["version"], ["product_version.id"]),
        sa.PrimaryKeyConstraint("version", "id"),
    )
    sa.Table(
        "offer_reader",
        metadata,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("offer", TEXT, nullable=False),
        sa.Column("participant", TEXT, nullable=False, index=True),
        sa.ForeignKeyConstraint(["version"], ["product_version.id"]),
        sa.PrimaryKeyConstraint("version", "offer", "participant"),
    )
    sa.Table(
        "version_classification",
        metadata,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("scheme", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["version"], ["product_version.id"]),
        sa.PrimaryKeyConstraint("version", "scheme", "code"),
    )
    sa.Table(
        "version_keyword",
        metadata,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("keyword", TEXT, nullable=False, index=True),
        sa.ForeignKeyConstraint(["version"], ["product_version.id"]),
        sa.PrimaryKeyConstraint("version", "keyword"),
    )
    sa.Table(
        "version_resource",
        metadata,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("resource", TEXT, nullable=False, index=True),
        sa.ForeignKeyConstraint(["version"], ["product_version.id"]),
        sa.PrimaryKeyConstraint("version", "resource"),
    )


def _contracts(metadata) -> None:
    sa.Table(
        "negotiation",
        metadata,
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("provider", TEXT, nullable=False, index=True),
        sa.Column("consumer", TEXT, nullable=False, index=True),
        sa.Column("product", TEXT, nullable=False, index=True),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("offer", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("agreement_id", TEXT, nullable=True),
        sa.Column("agreement", sa.LargeBinary(), nullable=True),
        sa.Column("countersignature", sa.LargeBinary(), nullable=True),
        sa.Column("countersignature_digest", TEXT, nullable=True, index=True),
        sa.Column("proof_index", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
        sa.UniqueConstraint("space_id", "agreement_id"),
        sa.UniqueConstraint("space_id", "revision"),
    )
    sa.Table(
        "agreement",
        metadata,
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("negotiation", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("not_before", TEXT, nullable=False),
        sa.Column("not_after", TEXT, nullable=False),
        sa.Column("termination", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["space_id", "negotiation"], ["negotiation.space_id", "negotiation.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("space_id", "negotiation"),
    )
    sa.Table(
        "negotiation_message",
        metadata,
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("negotiation", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id", "negotiation"], ["negotiation.space_id", "negotiation.id"]),
        sa.PrimaryKeyConstraint("space_id", "negotiation", "position"),
        sa.UniqueConstraint("digest"),
    )
    sa.Table(
        "agreement_party",
        metadata,
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("agreement", TEXT, nullable=False),
        sa.Column("participant", TEXT, nullable=False, index=True),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("connector", TEXT, nullable=False),
        sa.Column("signed", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["space_id", "agreement"], ["agreement.space_id", "agreement.id"]),
        sa.PrimaryKeyConstraint("space_id", "agreement", "participant", "role"),
    )
    sa.Table(
        "fulfilment",
        metadata,
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("agreement", TEXT, nullable=False, index=True),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("updated", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["space_id", "agreement"], ["agreement.space_id", "agreement.id"]),
        sa.PrimaryKeyConstraint("space_id", "id"),
    )


def _log(metadata) -> None:
    sa.Table(
        "log_checkpoint",
        metadata,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False, index=True),
        sa.Column("note", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    sa.Table(
        "log_entry",
        metadata,
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("parties", TEXT, nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "index"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("leaf_hash"),
    )
    sa.Table(
        "log_head",
        metadata,
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id"),
    )
    sa.Table(
        "log_tile",
        metadata,
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "level", "index"),
    )
