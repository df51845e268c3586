"""Runs migrations on the connection that `hefu_broker.storage.database` hands over."""

from alembic import context
from hefu_broker.storage import models

_TEXT_INDEX = "product_text"


def own(_object, name, kind, _reflected, _compared):
    """Leave the full-text index, its shadow tables and its own index to hand-written migrations."""
    return not (kind in ("table", "index") and name is not None and _TEXT_INDEX in name)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=models.Table.metadata,
    include_object=own,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
