"""Deliveries to this participant: every use and the deletion stand in the journal, in one transaction with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hefu.errors import Conflict, NotFound
from sqlalchemy import Connection, RowMapping, delete, select, update

from hefu_connector.ports import Entry
from hefu_connector.shelves import Delivery
from hefu_connector.storage.database import Database, lock, read_instant
from hefu_connector.storage.journal import append
from hefu_connector.storage.models import DELIVERIES, RECEIVED, REQUESTS


class SqlDeliveries:
    """`shelves.Deliveries` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._space = database.space

    def find(self, computation: str) -> Delivery | None:
        """As in the port."""
        with self._database.reading() as connection:
            return self._find(connection, computation)

    def all(self) -> Sequence[Delivery]:
        """As in the port."""
        columns = REQUESTS.c
        mine = columns.space == DELIVERIES.c.space, columns.id == DELIVERIES.c.computation
        query = select(DELIVERIES).join(REQUESTS, mine[0] & mine[1]).where(DELIVERIES.c.space == self._space)
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(query.order_by(columns.position.desc())).mappings()]

    def note(self, computation: str, entry: Entry, uses: int | None) -> Delivery:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, f"journal/{self._space}")
            kept = self._need(connection, computation)
            if kept.proof is not None:
                raise NotFound("delivery.deleted", delivery=computation)
            if uses is not None:
                if kept.uses != uses:
                    raise Conflict("delivery.used_meanwhile", delivery=computation)
                self._set(connection, computation, uses=uses + 1)
            append(connection, self._space, entry)
            return self._need(connection, computation)

    def delete(self, computation: str, entry: Entry, cause: str) -> Delivery:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, f"journal/{self._space}")
            lock(connection, f"requests/{self._space}")
            kept = self._need(connection, computation)
            if kept.proof is not None:
                return kept
            _, proof = append(connection, self._space, entry)
            received = RECEIVED.c.space == self._space, RECEIVED.c.computation == computation
            connection.execute(delete(RECEIVED).where(*received))
            # Nothing more of it is fetched: what is deleted is as good as complete.
            asked = REQUESTS.c.space == self._space, REQUESTS.c.id == computation
            connection.execute(update(REQUESTS).where(*asked).values(held=REQUESTS.c.parts))
            self._set(connection, computation, proof=proof.to_bytes(), cause=cause)
            gone = self._need(connection, computation)
        self._database.forget()
        return gone

    def told(self, computation: str) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            self._set(connection, computation, told=1)

    def _set(self, connection: Connection, computation: str, **values: Any) -> None:
        columns = DELIVERIES.c
        mine = update(DELIVERIES).where(columns.space == self._space, columns.computation == computation)
        connection.execute(mine.values(**values))

    def _need(self, connection: Connection, computation: str) -> Delivery:
        found = self._find(connection, computation)
        if found is None:
            raise NotFound("resource.not_found", what="delivery", name=computation)
        return found

    def _find(self, connection: Connection, computation: str) -> Delivery | None:
        columns = DELIVERIES.c
        mine = select(DELIVERIES).where(columns.space == self._space, columns.computation == computation)
        row = connection.execute(mine).mappings().one_or_none()
        return None if row is None else _read(row)


def _read(row: RowMapping) -> Delivery:
    return Delivery(
        row["computation"], read_instant(row["due"]), row["uses"], row["proof"], row["cause"], bool(row["told"])
    )
