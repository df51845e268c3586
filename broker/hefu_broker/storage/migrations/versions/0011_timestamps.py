"""time stamps of checkpoints, as authorities gave them."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString()


def upgrade() -> None:
    op.create_table(
        "log_timestamp",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("authority", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "authority", "size"),
    )


def downgrade() -> None:
    raise NotImplementedError("a schema is never taken back: restore a backup")
