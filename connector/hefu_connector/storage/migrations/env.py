"""Alembic's entry: runs on the connection that `hefu_connector.storage.database` gives, inside its transaction."""

from alembic import context
from hefu_connector.storage.database import VERSION_TABLE
from hefu_connector.storage.models import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
