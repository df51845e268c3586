"""Orders of regulators, and sealed openings that are kept for them."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString()


def upgrade() -> None:
    op.create_table(
        "regulator_order",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "number"),
        sa.UniqueConstraint("space_id", "digest"),
    )
    op.create_table(
        "filed",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("end", TEXT, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("space_id", "end"),
    )


def downgrade() -> None:
    raise NotImplementedError("orders and openings do not fit into the schema before: restore a backup")
