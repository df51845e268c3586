"""Numbers that only grow: they order what changed, and tell other processes that it did."""

from __future__ import annotations

from sqlmodel import Session

from hefu_broker.storage.models import CounterRow

REVISION = "revision"  # of negotiations
REGISTRY = "registry"  # of participants, bindings, the status list and the charter


def next_of(session: Session, space: str, name: str) -> int:
    """The next number of a name, inside a writer's transaction; numbers are committed in their order."""
    row = session.get(CounterRow, (space, name))
    if row is None:
        row = CounterRow(space_id=space, name=name, value=0)
        session.add(row)
        session.flush()  # so that a second call in this transaction finds it
    row.value += 1
    return row.value
