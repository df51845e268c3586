"""The total of an asset may be counted in ρ of zero-concentrated privacy; what was there has none."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("resource", sa.Column("rho_nano", _BIG, nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("a schema is never taken back: restore a backup")
