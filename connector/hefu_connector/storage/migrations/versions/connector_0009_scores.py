"""Keys for encrypted scores, and which computation answers which records."""

import sqlalchemy as sa
from alembic import op

revision = "connector_0009"
down_revision = "connector_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "score_keys",
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("agreement", sa.String(), nullable=False),
        sa.Column("suite", sa.String(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("space", "agreement", "suite", name=op.f("pk_score_keys")),
    )
    op.create_table(
        "scores",
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("agreement", sa.String(), nullable=False),
        sa.Column("records", sa.String(), nullable=False),
        sa.Column("computation", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("space", "agreement", "records", name=op.f("pk_scores")),
    )


def downgrade() -> None:
    raise NotImplementedError("answers are unreadable without their keys: these tables never go back")
