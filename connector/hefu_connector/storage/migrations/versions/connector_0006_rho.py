"""Accounts and charges in ρ of zero-concentrated privacy, beside those in (ε, δ); what was there has none."""

import sqlalchemy as sa
from alembic import op

revision = "connector_0006"
down_revision = "connector_0005"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("accounts", "limit_rho_nano"),
    ("accounts", "charged_rho_nano"),
    ("reservations", "rho_nano"),
    ("computations", "rho_nano"),
    ("assets", "rho_nano"),
)


def upgrade() -> None:
    for table, column in _COLUMNS:
        op.add_column(table, sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("a ledger never goes back: that would be a way to forget charges")
