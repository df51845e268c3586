"""What other processes wrote to the database: one cheap look, and a way to be woken for it."""

from __future__ import annotations

import logging
import time
from typing import Any

from sqlalchemy import and_, func
from sqlmodel import col, exists, select

from hefu_broker.records import Marks
from hefu_broker.storage import postgresql
from hefu_broker.storage.counter import REGISTRY, REVISION
from hefu_broker.storage.database import Database
from hefu_broker.storage.models import NEGOTIATIONS, CheckpointRow, CounterRow, EndorserRow, OutboxRow

log = logging.getLogger("hefu.broker")


class SqlTidings:
    """`hefu_broker.ports.TidingsStore` in the database. One thread waits; any may look."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listening: Any = None
        space = database.space
        counted = select(CounterRow.value).where(CounterRow.space_id == space)
        self._look = select(
            counted.where(CounterRow.name == REGISTRY).scalar_subquery(),
            counted.where(CounterRow.name == REVISION).scalar_subquery(),
            select(func.max(CheckpointRow.size)).where(CheckpointRow.space_id == space).scalar_subquery(),
            exists().where(col(OutboxRow.space_id) == space),
        )

        self._changed = select(NEGOTIATIONS.c.revision, NEGOTIATIONS.c.provider, NEGOTIATIONS.c.consumer).where(
            NEGOTIATIONS.c.space_id == space
        )

        self._further = (
            select(EndorserRow.participant)
            .join(
                NEGOTIATIONS,
                and_(
                    NEGOTIATIONS.c.space_id == col(EndorserRow.space_id),
                    NEGOTIATIONS.c.id == col(EndorserRow.negotiation),
                ),
            )
            .where(EndorserRow.space_id == space)
        )

    def marks(self) -> Marks:
        """See the port."""
        with self._database.reading() as session:
            registry, talks, published, waiting = session.exec(self._look).one()
            return Marks(registry or 0, talks or 0, -1 if published is None else published, waiting)

    def concerned(self, after: int) -> tuple[int, frozenset[str]]:
        """See the port."""
        with self._database.reading() as session:
            rows = session.connection().execute(self._changed.where(NEGOTIATIONS.c.revision > after)).all()
            further = session.exec(self._further.where(NEGOTIATIONS.c.revision > after)).all() if rows else ()
        newest = max((revision for revision, *_ in rows), default=after)
        return newest, frozenset(party for _, *parties in rows for party in parties) | {*further}

    def wait(self, seconds: float) -> None:
        """See the port."""
        if self._database.dialect == "sqlite":
            time.sleep(seconds)
            return
        import psycopg

        try:
            if self._listening is None:
                self._listening = postgresql.listen(self._database.url)
            postgresql.heard(self._listening, seconds)
        except (psycopg.Error, OSError) as fault:
            log.info("the database is not heard, and looked at instead: %s", type(fault).__name__)
            self.close()
            time.sleep(seconds)

    def close(self) -> None:
        """See the port."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
