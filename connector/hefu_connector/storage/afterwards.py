"""Notices and duties in the connector's database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hefu.envelope import Statement
from hefu.errors import Conflict
from sqlalchemy import ColumnElement, RowMapping, and_, or_, select, update

from hefu_connector.afterwards import DutyState, Owed
from hefu_connector.storage.database import Database, insert_new, read_instant, write_instant
from hefu_connector.storage.models import DUTIES, NOTICES

_OPEN = [each.value for each in DutyState if each not in (DutyState.FULFILLED, DutyState.VOID)]


class SqlNotices:
    """`afterwards.Notices` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._space = database.space

    def keep(self, agreement: str, statement: Statement) -> bool:
        """As in the port."""
        values = {"type": statement.type, "envelope": statement.to_bytes()}
        with self._database.writing() as connection:
            return insert_new(
                connection, NOTICES, space=self._space, agreement=agreement, digest=statement.digest(), **values
            )

    def of(self, agreement: str = "", type_: str = "") -> Sequence[Statement]:
        """As in the port."""
        mine = [NOTICES.c.space == self._space]
        mine += [NOTICES.c.agreement == agreement] if agreement else []
        mine += [NOTICES.c.type == type_] if type_ else []
        query = select(NOTICES.c.envelope).where(*mine).order_by(NOTICES.c.position)
        with self._database.reading() as connection:
            return [Statement.parse(each) for each in connection.execute(query).scalars()]


class SqlDuties:
    """`afterwards.Duties` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._space = database.space

    def find(self, agreement: str, duty: str, subject: str) -> Owed | None:
        """As in the port."""
        found = self._read(*_named(agreement, duty, subject))
        return found[0] if found else None

    def of(self, agreement: str) -> Sequence[Owed]:
        """As in the port."""
        return self._read(DUTIES.c.agreement == agreement)

    def bearing(self, agreement: str, subject: str) -> Sequence[Owed]:
        """As in the port."""
        done = and_(DUTIES.c.state == DutyState.FULFILLED.value, DUTIES.c.subject.in_(["", subject]))
        return self._read(DUTIES.c.agreement == agreement, or_(DUTIES.c.state.in_(_OPEN), done))

    def open(self) -> Sequence[Owed]:
        """As in the port."""
        return self._read(DUTIES.c.state.in_(_OPEN))

    def keep(self, owed: Owed) -> Owed:
        """As in the port."""
        kept = replace(owed, revision=owed.revision + 1)
        name = {"agreement": owed.agreement, "duty": owed.duty, "subject": owed.subject}
        with self._database.writing() as connection:
            if owed.revision == 0:
                done = insert_new(connection, DUTIES, space=self._space, **name, **_values(kept))
            else:
                mine = DUTIES.c.space == self._space, *_named(**name), DUTIES.c.revision == owed.revision
                done = connection.execute(update(DUTIES).where(*mine).values(**_values(kept))).rowcount == 1
        if not done:
            raise Conflict("duty.changed", duty=owed.duty, agreement=owed.agreement)
        return kept

    def _read(self, *which: ColumnElement[bool]) -> list[Owed]:
        query = select(DUTIES).where(DUTIES.c.space == self._space, *which).order_by(DUTIES.c.position)
        with self._database.reading() as connection:
            return [_owed(row) for row in connection.execute(query).mappings()]


def _named(agreement: str, duty: str, subject: str) -> tuple[ColumnElement[bool], ...]:
    columns = DUTIES.c
    return columns.agreement == agreement, columns.duty == duty, columns.subject == subject


def _values(owed: Owed) -> dict[str, Any]:
    return {
        "action": owed.action,
        "state": owed.state.value,
        "since": write_instant(owed.since),
        "due": None if owed.due is None else write_instant(owed.due),
        "follows": owed.follows,
        "proof": owed.proof,
        "alarm": owed.alarm,
        "used": owed.used,
        "computation": owed.computation,
        "revision": owed.revision,
    }


def _owed(row: RowMapping) -> Owed:
    return Owed(
        row["agreement"],
        row["duty"],
        row["subject"],
        row["action"],
        DutyState(row["state"]),
        read_instant(row["since"]),
        None if row["due"] is None else read_instant(row["due"]),
        row["follows"],
        row["proof"],
        row["alarm"],
        row["used"],
        row["computation"],
        row["revision"],
    )
