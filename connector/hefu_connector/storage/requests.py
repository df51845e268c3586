"""What this connector asked of others, and what came back: receipts and parts that stay sealed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hefu.errors import Conflict, NotFound
from sqlalchemy import Connection, RowMapping, Select, or_, select, update

from hefu_connector.ports import FINAL, ComputationState
from hefu_connector.shelves import OwnRequest
from hefu_connector.storage.database import Database, insert_new, lock, read_instant, write_instant
from hefu_connector.storage.models import RECEIVED, REQUESTS


class SqlRequests:
    """`shelves.Requests` and `shelves.Releases` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- Requests

    def keep(self, request: OwnRequest) -> OwnRequest:
        """As in the port."""
        with self._database.writing() as connection:
            insert_new(connection, REQUESTS, **_new_row(request))
            kept = _need(connection, request.id)
        if (kept.envelope, kept.peer) != (request.envelope, request.peer):
            raise Conflict("computation.other", computation=request.id)
        return kept

    def advance(self, computation: str, state: ComputationState | None, at: datetime, *, fault: str = "") -> OwnRequest:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, "requests")
            kept = _need(connection, computation)
            late = kept.state in FINAL and state is not None and state not in FINAL and not fault
            if late or (kept.state, kept.fault) == (state, fault):
                return kept
            _need_open(kept)
            return _change(connection, computation, at, state=state.value if state else None, fault=fault)

    def find(self, computation: str) -> OwnRequest | None:
        """As in the port."""
        with self._database.reading() as connection:
            return _find(connection, computation)

    def unfinished(self) -> Sequence[OwnRequest]:
        """As in the port."""
        columns = REQUESTS.c
        waiting = or_(columns.receipt.is_(None), columns.held != columns.parts)
        return self._all(select(REQUESTS).where(columns.fault == "", waiting).order_by(columns.position))

    def all(self, limit: int, before: str = "") -> Sequence[OwnRequest]:
        """As in the port; nothing where `before` is not known."""
        query = select(REQUESTS).order_by(REQUESTS.c.position.desc()).limit(limit)
        if before:
            place = select(REQUESTS.c.position).where(REQUESTS.c.id == before).scalar_subquery()
            query = query.where(REQUESTS.c.position < place)
        return self._all(query)

    # ---- Releases

    def receive(
        self, computation: str, state: ComputationState, receipt: bytes, parts: int, at: datetime
    ) -> OwnRequest:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, "requests")
            kept = _need(connection, computation)
            if (kept.state, kept.receipt, kept.parts) == (state, receipt, parts):
                return kept
            if kept.receipt is not None or state not in FINAL:
                raise Conflict("release.other", computation=computation)
            if kept.state is not state:
                _need_open(kept)
            return _change(connection, computation, at, state=state.value, receipt=receipt, parts=parts)

    def add(self, computation: str, index: int, sealed: bytes) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, "requests")
            kept = _need(connection, computation)
            if not 0 <= index < (kept.parts or 0):
                raise NotFound("resource.not_found", what="release part", name=f"{computation}/{index}")
            if index > kept.held:
                raise Conflict("release.other", computation=computation)
            if not insert_new(connection, RECEIVED, computation=computation, number=index, sealed=sealed):
                if _part(connection, computation, index) != sealed:
                    raise Conflict("release.other", computation=computation)
                return
            connection.execute(update(REQUESTS).where(REQUESTS.c.id == computation).values(held=index + 1))

    def parts(self, computation: str) -> Sequence[bytes]:
        """As in the port."""
        query = select(RECEIVED.c.sealed).where(RECEIVED.c.computation == computation).order_by(RECEIVED.c.number)
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    def opened(self, computation: str, path: str) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            _need(connection, computation)
            connection.execute(update(REQUESTS).where(REQUESTS.c.id == computation).values(answer=path))

    def _all(self, query: Select[Any]) -> Sequence[OwnRequest]:
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(query).mappings()]


def _need_open(kept: OwnRequest) -> None:
    if kept.fault or kept.state in FINAL:
        ended = kept.fault or str(kept.state)
        raise Conflict("computation.final", computation=kept.id, state=ended)


def _change(connection: Connection, computation: str, at: datetime, **values: Any) -> OwnRequest:
    mine = update(REQUESTS).where(REQUESTS.c.id == computation)
    connection.execute(mine.values(updated=write_instant(at), **values))
    return _need(connection, computation)


def _part(connection: Connection, computation: str, index: int) -> bytes | None:
    query = select(RECEIVED.c.sealed).where(RECEIVED.c.computation == computation, RECEIVED.c.number == index)
    sealed: bytes | None = connection.execute(query).scalar_one_or_none()
    return sealed


def _need(connection: Connection, computation: str) -> OwnRequest:
    kept = _find(connection, computation)
    if kept is None:
        raise NotFound("resource.not_found", what="computation", name=computation)
    return kept


def _find(connection: Connection, computation: str) -> OwnRequest | None:
    row = connection.execute(select(REQUESTS).where(REQUESTS.c.id == computation)).mappings().one_or_none()
    return None if row is None else _read(row)


def _new_row(request: OwnRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "peer": request.peer,
        "agreements": json.dumps(request.agreements),
        "envelope": request.envelope,
        "created": write_instant(request.created),
        "updated": write_instant(request.updated),
        "state": request.state.value if request.state else None,
        "fault": request.fault,
        "held": 0,
        "answer": "",
    }


def _read(row: RowMapping) -> OwnRequest:
    return OwnRequest(
        id=row["id"],
        peer=row["peer"],
        agreements=tuple(json.loads(row["agreements"])),
        envelope=row["envelope"],
        created=read_instant(row["created"]),
        updated=read_instant(row["updated"]),
        state=ComputationState(row["state"]) if row["state"] else None,
        fault=row["fault"],
        receipt=row["receipt"],
        parts=row["parts"],
        held=row["held"],
        answer=row["answer"],
    )
