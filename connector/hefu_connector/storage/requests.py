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
from hefu_connector.storage import handed
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
            insert_new(connection, REQUESTS, space=self._database.space, **_new_row(request))
            kept = self._need(connection, request.id)
        if (kept.envelope, kept.peer) != (request.envelope, request.peer):
            raise Conflict("computation.other", computation=request.id)
        return kept

    def advance(self, computation: str, state: ComputationState | None, at: datetime, *, fault: str = "") -> OwnRequest:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, f"requests/{self._database.space}")
            kept = self._need(connection, computation)
            late = kept.state in FINAL and state is not None and state not in FINAL and not fault
            if late or (kept.state, kept.fault) == (state, fault):
                return kept
            _need_open(kept)
            return self._change(connection, computation, at, state=state.value if state else None, fault=fault)

    def find(self, computation: str) -> OwnRequest | None:
        """As in the port."""
        with self._database.reading() as connection:
            return self._find(connection, computation)

    def unfinished(self) -> Sequence[OwnRequest]:
        """As in the port."""
        columns = REQUESTS.c
        waiting = or_(columns.receipt.is_(None), columns.held != columns.parts)
        return self._all(self._mine().where(columns.fault == "", waiting).order_by(columns.position))

    def all(self, limit: int, before: str = "") -> Sequence[OwnRequest]:
        """As in the port; nothing where `before` is not known."""
        query = self._mine().order_by(REQUESTS.c.position.desc()).limit(limit)
        if before:
            place = self._mine(before).with_only_columns(REQUESTS.c.position).scalar_subquery()
            query = query.where(REQUESTS.c.position < place)
        return self._all(query)

    # ---- Releases

    def receive(
        self, computation: str, state: ComputationState, receipt: bytes, parts: int, at: datetime,
        due: datetime | None = None,
    ) -> OwnRequest:  # fmt: skip
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, f"requests/{self._database.space}")
            kept = self._need(connection, computation)
            if (kept.state, kept.receipt, kept.parts) == (state, receipt, parts):
                return kept
            if kept.receipt is not None or state not in FINAL:
                raise Conflict("release.other", computation=computation)
            if kept.state is not state:
                _need_open(kept)
            if due is not None:
                handed.expect(connection, self._database.space, computation, due)
            return self._change(connection, computation, at, state=state.value, receipt=receipt, parts=parts)

    def add(self, computation: str, index: int, sealed: bytes) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, f"requests/{self._database.space}")
            kept = self._need(connection, computation)
            handed.need_kept(connection, self._database.space, computation)
            if not 0 <= index < (kept.parts or 0):
                raise NotFound("resource.not_found", what="release part", name=f"{computation}/{index}")
            if index > kept.held:
                raise Conflict("release.other", computation=computation)
            space = self._database.space
            place = {"space": space, "computation": computation, "number": index}
            if not insert_new(connection, RECEIVED, **place, sealed=sealed):
                if _part(connection, space, computation, index) != sealed:
                    raise Conflict("release.other", computation=computation)
                return
            self._set(connection, computation, held=index + 1)

    def parts(self, computation: str) -> Sequence[bytes]:
        """As in the port."""
        columns = RECEIVED.c
        mine = select(columns.sealed).where(columns.space == self._database.space, columns.computation == computation)
        with self._database.reading() as connection:
            return list(connection.execute(mine.order_by(columns.number)).scalars())

    def opened(self, computation: str, path: str) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            self._need(connection, computation)
            self._set(connection, computation, answer=path)

    def _all(self, query: Select[Any]) -> Sequence[OwnRequest]:
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(query).mappings()]

    def _mine(self, computation: str = "") -> Select[Any]:
        mine = select(REQUESTS).where(REQUESTS.c.space == self._database.space)
        return mine.where(REQUESTS.c.id == computation) if computation else mine

    def _find(self, connection: Connection, computation: str) -> OwnRequest | None:
        row = connection.execute(self._mine(computation)).mappings().one_or_none()
        return None if row is None else _read(row)

    def _need(self, connection: Connection, computation: str) -> OwnRequest:
        kept = self._find(connection, computation)
        if kept is None:
            raise NotFound("resource.not_found", what="computation", name=computation)
        return kept

    def _change(self, connection: Connection, computation: str, at: datetime, **values: Any) -> OwnRequest:
        self._set(connection, computation, updated=write_instant(at), **values)
        return self._need(connection, computation)

    def _set(self, connection: Connection, computation: str, **values: Any) -> None:
        mine = update(REQUESTS).where(REQUESTS.c.space == self._database.space, REQUESTS.c.id == computation)
        connection.execute(mine.values(**values))


def _need_open(kept: OwnRequest) -> None:
    if kept.fault or kept.state in FINAL:
        ended = kept.fault or str(kept.state)
        raise Conflict("computation.final", computation=kept.id, state=ended)


def _part(connection: Connection, space: str, computation: str, number: int) -> bytes | None:
    columns = RECEIVED.c
    mine = columns.space == space, columns.computation == computation, columns.number == number
    sealed: bytes | None = connection.execute(select(columns.sealed).where(*mine)).scalar_one_or_none()
    return sealed


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
