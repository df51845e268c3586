"""pages for browsers: one-time links and the visits that they open, as digests."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString()


def upgrade() -> None:
    op.create_table(
        "page_visit",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("page", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["space_id"], ["space.id"]),
        sa.PrimaryKeyConstraint("digest"),
    )


def downgrade() -> None:
    raise NotImplementedError("a schema is never taken back: restore a backup")
