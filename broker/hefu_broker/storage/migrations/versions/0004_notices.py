"""What the parties state about an agreement after it was made: suspended, resumed, a duty fulfilled, a deviation."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sqlmodel.sql.sqltypes.AutoString()


def upgrade() -> None:
    op.create_table(
        "agreement_notice",
        sa.Column("space_id", TEXT, nullable=False),
        sa.Column("agreement", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["space_id", "agreement"], ["agreement.space_id", "agreement.id"]),
        sa.PrimaryKeyConstraint("space_id", "agreement", "number"),
        sa.UniqueConstraint("space_id", "digest"),
    )
    for column in (sa.Column("notices", sa.Integer(), nullable=False, server_default="0"),
                   sa.Column("turn", TEXT, nullable=False, server_default="")):  # fmt: skip
        op.add_column("agreement", column)
        if op.get_context().dialect.name == "postgresql":
            op.alter_column("agreement", column.name, server_default=None)


def downgrade() -> None:
    raise NotImplementedError("a schema is never taken back: restore a backup")
