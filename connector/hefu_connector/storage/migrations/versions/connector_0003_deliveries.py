"""What was delivered: to this participant and by it, until when, and the proofs that it was deleted."""

import sqlalchemy as sa
from alembic import op

revision = "connector_0003"
down_revision = "connector_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agreement_secrets",
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("agreement", sa.String(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("space", "agreement", name=op.f("pk_agreement_secrets")),
    )
    op.create_table(
        "handed",
        *_delivery(),
        sa.Column("agreement", sa.String(), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space", "computation"], ["computations.space", "computations.id"], name=op.f("fk_handed_space")
        ),
        sa.PrimaryKeyConstraint("space", "computation", name=op.f("pk_handed")),
    )
    op.create_table(
        "deliveries",
        *_delivery(),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space", "computation"], ["requests.space", "requests.id"], name=op.f("fk_deliveries_space")
        ),
        sa.PrimaryKeyConstraint("space", "computation", name=op.f("pk_deliveries")),
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger never goes back: that would be a way to forget charges")


def _delivery() -> tuple[sa.Column, ...]:
    return (
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("computation", sa.String(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
    )
