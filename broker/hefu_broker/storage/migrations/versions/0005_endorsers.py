"""agreements of more than two parties: who besides the first provider and the consumer takes part in a negotiation."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString()


def upgrade() -> None:
    op.create_table(
        "negotiation_endorser",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("negotiation", TEXT, nullable=False),
        sa.Column("participant", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["space_id", "negotiation"], ["negotiation.space_id", "negotiation.id"]),
        sa.PrimaryKeyConstraint("space_id", "negotiation", "participant"),
    )
    op.create_index(op.f("ix_negotiation_endorser_participant"), "negotiation_endorser", ["participant"])


def downgrade() -> None:
    raise NotImplementedError("a schema is never taken back: restore a backup")
