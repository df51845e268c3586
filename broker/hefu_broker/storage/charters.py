"""Charters in the broker's database: every version that the root signed."""

from __future__ import annotations

from hefu.errors import Conflict
from sqlmodel import col, select

from hefu_broker.records import Outgoing
from hefu_broker.storage.counter import REGISTRY, next_of
from hefu_broker.storage.database import Database
from hefu_broker.storage.models import CharterRow
from hefu_broker.storage.outbox import queue


class SqlCharterStore:
    """`hefu_broker.ports.CharterStore` in the broker's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> bytes | None:
        """See the port."""
        wanted = select(CharterRow.statement).where(CharterRow.space_id == self._database.space)
        with self._database.reading() as session:
            return session.exec(wanted.order_by(col(CharterRow.version).desc()).limit(1)).first()

    def keep(self, version: int, statement: Outgoing) -> None:
        """See the port."""
        space = self._database.space
        held = select(CharterRow.version).where(CharterRow.space_id == space).order_by(col(CharterRow.version).desc())
        with self._database.writing() as session:
            if version != (session.exec(held.limit(1)).first() or 0) + 1:
                raise Conflict("charter.version", version=version)
            session.add(CharterRow(space_id=space, version=version, statement=statement.envelope))
            next_of(session, space, REGISTRY)  # so that other processes take it in
            queue(session, space, [statement])
