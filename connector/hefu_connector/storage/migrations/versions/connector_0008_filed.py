"""Sealed openings of the ends of computations, for the space's regulators."""

import sqlalchemy as sa
from alembic import op

revision = "connector_0008"
down_revision = "connector_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "filed",
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("computation", sa.String(), nullable=False),
        sa.Column("end", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space", "computation"], ["computations.space", "computations.id"], name=op.f("fk_filed_space")
        ),
        sa.PrimaryKeyConstraint("space", "computation", name=op.f("pk_filed")),
    )


def downgrade() -> None:
    raise NotImplementedError("what is filed for regulators never goes back: erase it instead")
