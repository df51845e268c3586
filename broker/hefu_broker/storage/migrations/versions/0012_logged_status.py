"""the newest status list that stands in the log: what proves that somebody may act again."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("status", sa.Column("logged", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("a schema is never taken back: restore a backup")
