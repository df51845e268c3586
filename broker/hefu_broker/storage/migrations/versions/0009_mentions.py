"""which entries of the log name which agreement, so that a contract's page need not read the whole log."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString()
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "log_mention",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("agreement", TEXT, nullable=False),
        sa.Column("index", BIG, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("epsilon_nano", BIG, nullable=False),
        sa.Column("delta_femto", BIG, nullable=False),
        sa.Column("releases", BIG, nullable=False),
        sa.Column("rho_nano", BIG, nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "agreement", "index"),
    )
    op.create_table(
        "log_mentioned",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id"),
    )


def downgrade() -> None:
    raise NotImplementedError("a schema is never taken back: restore a backup")
