"""Orders of regulators and sealed openings, in the broker's database."""

from __future__ import annotations

from collections.abc import Sequence

from hefu.errors import Conflict
from sqlalchemy import delete, func, select, union_all
from sqlmodel import Session, col

from hefu_broker.records import FiledEnd, Outgoing
from hefu_broker.storage.counter import REGISTRY, next_of
from hefu_broker.storage.database import Database
from hefu_broker.storage.models import ENTRIES, OUTBOX, FiledRow, OrderRow
from hefu_broker.storage.outbox import queue


class SqlMandateStore:
    """`hefu_broker.ports.OrderStore` and `FiledStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, digest: str, number: int, order: Outgoing) -> None:
        """See the port."""
        space = self._database.space
        with self._database.writing() as session:
            if number != self._newest(session) + 1:
                raise Conflict("log.moved")
            session.add(OrderRow(space_id=space, number=number, digest=digest, statement=order.envelope))
            next_of(session, space, REGISTRY)  # so that other processes take it in
            queue(session, space, [order])

    def orders(self, after: int, most: int) -> tuple[int, list[bytes]]:
        """See the port."""
        wanted = select(col(OrderRow.statement)).where(
            col(OrderRow.space_id) == self._database.space, col(OrderRow.number) > after
        )
        with self._database.reading() as session:
            found = session.connection().execute(wanted.order_by(col(OrderRow.number)).limit(most)).scalars()
            return self._newest(session), [*found]

    def logged(self, ends: Sequence[str]) -> list[bytes]:
        """See the port."""
        space = self._database.space
        kept = union_all(
            *(
                select(each.c.envelope).where(each.c.space_id == space, each.c.digest.in_([*ends]))
                for each in (ENTRIES, OUTBOX)
            )
        )
        with self._database.reading() as session:
            return [*session.connection().execute(kept).scalars()]

    def file(self, issuer: str, filed: Sequence[FiledEnd]) -> None:
        """See the port."""
        space = self._database.space
        with self._database.writing() as session:
            for each in filed:
                if session.get(FiledRow, (space, each.end)) is None:
                    session.add(FiledRow(space_id=space, end=each.end, issuer=issuer, sealed=each.sealed))

    def filed(self, ends: Sequence[str]) -> list[FiledEnd]:
        """See the port."""
        mine = col(FiledRow.space_id) == self._database.space
        wanted = select(col(FiledRow.end), col(FiledRow.sealed)).where(mine, col(FiledRow.end).in_([*ends]))
        with self._database.reading() as session:
            return [FiledEnd(end, sealed) for end, sealed in session.connection().execute(wanted)]

    def erase(self, issuer: str, ends: Sequence[str]) -> int:
        """See the port."""
        mine = col(FiledRow.space_id) == self._database.space, col(FiledRow.issuer) == issuer
        gone = delete(FiledRow).where(*mine, col(FiledRow.end).in_([*ends]))
        with self._database.writing() as session:
            return int(session.connection().execute(gone).rowcount)

    def _newest(self, session: Session) -> int:
        wanted = select(func.max(col(OrderRow.number))).where(col(OrderRow.space_id) == self._database.space)
        return int(session.connection().execute(wanted).scalar() or 0)
