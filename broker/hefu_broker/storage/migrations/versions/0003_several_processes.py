"""several processes on one database: who leads, what changed last; and 64 bits where PostgreSQL's integers have 32."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString()
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WIDE = {
    "status": ("sequence",),
    "resource": ("epsilon_nano", "delta_femto", "releases"),
    "negotiation": ("proof_index", "revision"),
    "counter": ("value",),
    "outbox": ("id",),
    "log_entry": ("index",),
    "log_tile": ("index",),
    "log_head": ("size",),
    "log_checkpoint": ("size",),
}


def upgrade() -> None:
    op.create_table(
        "lease",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("epoch", BIG, nullable=False),
        sa.Column("beat", BIG, nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "name"),
    )
    # What was there before comes first: nothing has a revision below 0.
    for table in ("participant", "binding", "status"):
        op.add_column(table, sa.Column("revision", BIG, nullable=False, server_default="0"))
        if op.get_context().dialect.name == "postgresql":
            op.alter_column(table, "revision", server_default=None)
    if op.get_context().dialect.name == "postgresql":
        for table, columns in _WIDE.items():
            for column in columns:
                op.alter_column(table, column, type_=sa.BigInteger())
        op.execute("ALTER SEQUENCE outbox_id_seq AS bigint")


def downgrade() -> None:
    raise NotImplementedError("a schema is never taken back: restore a backup")
