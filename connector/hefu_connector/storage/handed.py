"""Deliveries by this participant: entered with their receipts, handed over until due, then dropped here too."""

from __future__ import annotations

import secrets
from datetime import datetime

from hefu.errors import NotFound
from sqlalchemy import ColumnElement, Connection, delete, select, update

from hefu_connector.shelves import HandedOver
from hefu_connector.storage.database import Database, insert_new, read_instant, write_instant
from hefu_connector.storage.models import DELIVERIES, HANDED, PARTS, SECRETS

SECRET_SIZE = 32  # bytes


class SqlHanded:
    """`shelves.Handed` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._space = database.space

    def secret(self, agreement: str) -> bytes:
        """As in the port."""
        mine = select(SECRETS.c.secret).where(SECRETS.c.space == self._space, SECRETS.c.agreement == agreement)
        with self._database.reading() as connection:
            found: bytes | None = connection.execute(mine).scalar_one_or_none()
        if found is not None:
            return found
        with self._database.writing() as connection:
            drawn = secrets.token_bytes(SECRET_SIZE)
            insert_new(connection, SECRETS, space=self._space, agreement=agreement, secret=drawn)
            kept: bytes = connection.execute(mine).scalar_one()  # another process may have drawn first
            return kept

    def find(self, computation: str) -> HandedOver | None:
        """As in the port."""
        with self._database.reading() as connection:
            return self._find(connection, computation)

    def drop_due(self, now: datetime) -> int:
        """As in the port."""
        return self._drop(HANDED.c.due <= write_instant(now))

    def drop_under(self, agreement: str) -> None:
        """As in the port."""
        self._drop(HANDED.c.agreement == agreement)

    def confirm(self, computation: str, proof: bytes) -> HandedOver:
        """As in the port."""
        with self._database.writing() as connection:
            columns = HANDED.c
            mine = columns.space == self._space, columns.computation == computation
            connection.execute(update(HANDED).where(*mine, columns.proof.is_(None)).values(proof=proof))
            found = self._find(connection, computation)
        if found is None:
            raise NotFound("resource.not_found", what="delivery", name=computation)
        self._drop(HANDED.c.computation == computation)
        return found

    def _drop(self, which: ColumnElement[bool]) -> int:
        columns = HANDED.c
        held = select(columns.computation).where(columns.space == self._space, columns.dropped == 0, which)
        with self._database.reading() as connection:
            if connection.execute(held.limit(1)).first() is None:
                return 0
        with self._database.writing() as connection:
            found = list(connection.execute(held).scalars())
            parts = delete(PARTS).where(PARTS.c.space == self._space, PARTS.c.computation.in_(found))
            connection.execute(parts)
            mine = update(HANDED).where(columns.space == self._space, columns.computation.in_(found))
            connection.execute(mine.values(dropped=1))
        self._database.forget()
        return len(found)

    def _find(self, connection: Connection, computation: str) -> HandedOver | None:
        mine = select(HANDED).where(HANDED.c.space == self._space, HANDED.c.computation == computation)
        row = connection.execute(mine).mappings().one_or_none()
        return None if row is None else HandedOver(row["computation"], read_instant(row["due"]), row["proof"])


def enter(connection: Connection, space: str, computation: str, agreement: str, due: datetime) -> None:
    """Enter a delivery, inside the transaction that journals its receipt."""
    values = {"due": write_instant(due), "agreement": agreement, "dropped": 0}
    insert_new(connection, HANDED, space=space, computation=computation, **values)


def expect(connection: Connection, space: str, computation: str, due: datetime) -> None:
    """The same on its recipient's side, inside the transaction that keeps the receipt."""
    values = {"due": write_instant(due), "uses": 0, "cause": "", "told": 0}
    insert_new(connection, DELIVERIES, space=space, computation=computation, **values)


def need_kept(connection: Connection, space: str, computation: str) -> None:
    """Check that a delivery is not deleted, so that none of its parts comes back.

    Raises:
        NotFound: it is.
    """
    columns = DELIVERIES.c
    gone = columns.space == space, columns.computation == computation, columns.proof.is_not(None)
    if connection.execute(select(columns.computation).where(*gone)).first() is not None:
        raise NotFound("delivery.deleted", delivery=computation)
