"""What came after an agreement was made: suspensions, resumptions, the notices of its parties, and what is owed."""

import sqlalchemy as sa
from alembic import op

revision = "connector_0005"
down_revision = "connector_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agreements", sa.Column("turns", sa.LargeBinary(), nullable=True))
    op.create_table(
        "notices",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        *_texts("space", "agreement", "digest", "type"),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_notices")),
        sa.UniqueConstraint("space", "digest", name="uq_notices_digest"),
    )
    op.create_index("ix_notices_agreement", "notices", ["space", "agreement"])
    op.create_table(
        "duties",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        *_texts("space", "agreement", "duty", "subject", "action", "state", "follows", "alarm", "used", "computation"),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_duties")),
        sa.UniqueConstraint("space", "agreement", "duty", "subject", name="uq_duties_subject"),
    )
    op.create_index("ix_duties_state", "duties", ["space", "state"])


def downgrade() -> None:
    raise NotImplementedError("a ledger never goes back: that would be a way to forget charges")


def _texts(*names: str) -> tuple[sa.Column, ...]:
    return tuple(sa.Column(name, sa.String(), nullable=False) for name in names)
