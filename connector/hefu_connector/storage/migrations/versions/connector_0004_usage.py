"""What is counted besides privacy loss, and the owner's record of how each computation was decided."""

import sqlalchemy as sa
from alembic import op

revision = "connector_0004"
down_revision = "connector_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "allowances",
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        *_numbers("most", "taken", "period", "last"),
        sa.CheckConstraint("taken >= 0 AND most >= 0", name=op.f("ck_allowances_taken")),
        sa.PrimaryKeyConstraint("space", "name", name=op.f("pk_allowances")),
    )
    op.create_table(
        "takings",
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("computation", sa.String(), nullable=False),
        sa.Column("allowance", sa.String(), nullable=False),
        *_numbers("amount", "period"),
        sa.Column("settled", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space", "computation"], ["reservations.space", "reservations.computation"], name=op.f("fk_takings_space")
        ),
        sa.ForeignKeyConstraint(
            ["space", "allowance"], ["allowances.space", "allowances.name"], name=op.f("fk_takings_allowance")
        ),
        sa.PrimaryKeyConstraint("space", "computation", "allowance", name=op.f("pk_takings")),
    )
    op.create_table(
        "decisions",
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("computation", sa.String(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["space", "computation"], ["computations.space", "computations.id"], name=op.f("fk_decisions_space")
        ),
        sa.PrimaryKeyConstraint("space", "computation", name=op.f("pk_decisions")),
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger never goes back: that would be a way to forget charges")


def _numbers(*names: str) -> tuple[sa.Column, ...]:
    return tuple(sa.Column(name, sa.BigInteger(), nullable=False) for name in names)
