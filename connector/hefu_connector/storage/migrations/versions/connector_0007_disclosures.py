"""What exact answers told of each asset, so that later ones are held against it."""

import sqlalchemy as sa
from alembic import op

revision = "connector_0007"
down_revision = "connector_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "disclosures",
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("edition", sa.Text(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "place", name=op.f("pk_disclosures")),
    )


def downgrade() -> None:
    raise NotImplementedError("a history never goes back: that would be a way to forget what was told")
