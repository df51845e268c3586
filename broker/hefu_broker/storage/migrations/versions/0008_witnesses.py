"""Witnesses: the checkpoint that waits for cosignatures, and those that came."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString()
_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "log_candidate",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("size", _BIG, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id"),
    )
    op.create_table(
        "log_cosignature",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("size", _BIG, nullable=False),
        sa.Column("witness", TEXT, nullable=False),
        sa.Column("line", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "size", "witness"),
    )


def downgrade() -> None:
    raise NotImplementedError("a schema is never taken back: restore a backup")
