"""Numbers that only grow: they order what changed, and tell other processes that it did."""

from __future__ import annotations

from sqlalchemy import insert, update
from sqlmodel import Session

from hefu_broker.storage.models import COUNTERS

REVISION = "revision"  # of negotiations
REGISTRY = "registry"  # of participants, bindings, the status list and the charter


def next_of(session: Session, space: str, name: str) -> int:
    """The next number of a name, inside a writer's transaction; numbers are committed in their order."""
    grown = update(COUNTERS).where(COUNTERS.c.space_id == space, COUNTERS.c.name == name)
    connection = session.connection()
    value = connection.execute(grown.values(value=COUNTERS.c.value + 1).returning(COUNTERS.c.value)).scalar()
    if value is None:
        value = 1
        connection.execute(insert(COUNTERS).values(space_id=space, name=name, value=value))
    return int(value)
