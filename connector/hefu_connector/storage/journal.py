"""Computations and the hash-chained journal of their ends: one store, so that an end is written whole or not at all.

INVARIANT: a state, its receipt, its sealed parts, its link in the chain and its place in the outbox are one commit.
INVARIANT: sequences count from 0 without a gap, and each entry names the digest of the one before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hefu import canonical, faults
from hefu.envelope import Statement
from hefu.errors import Conflict, Defect, NotFound
from hefu_policies.budget import Charge, PrivacyLoss
from sqlalchemy import Connection, RowMapping, Select, bindparam, delete, insert, select, update

from hefu_connector.ports import FINAL, ComputationState, Entry, Run
from hefu_connector.storage.database import Database, insert_new, lock, read_instant, write_instant
from hefu_connector.storage.models import COMPUTATIONS, JOURNAL, OUTBOX, PARTS, TRANSITIONS

_OPEN = [each.value for each in ComputationState if each not in FINAL]


class SqlJournal:
    """`ports.Journal` and `ports.JournalReader` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- Journal

    def admit(self, run: Run) -> tuple[Run, bool]:
        """As in the port."""
        if run.state in FINAL:
            raise Defect("internal", reference="journal", detail="a computation is admitted before it ends")
        with self._database.writing() as connection:
            new = insert_new(connection, COMPUTATIONS, **_new_row(run))
            if new:
                _note(connection, run.id, run.state, run.updated)
            kept = _need(connection, run.id)
        if (kept.request, kept.consumer) != (run.request, run.consumer):
            raise Conflict("computation.other", computation=run.id)
        return kept, new

    def start(self, computation: str, charge: Charge, at: datetime) -> None:
        """As in the port. Starting again with the same charge changes nothing.

        Raises:
            NotFound: it was never admitted.
            Conflict: it is final already, or started with another charge.
        """
        with self._database.writing() as connection:
            run = _need_open(connection, computation)
            if run.charge is not None:
                if run.charge != charge:
                    raise Conflict("budget.charged", computation=computation)
                return
            loss = charge.loss
            values = {"epsilon_nano": loss.epsilon_nano, "delta_femto": loss.delta_femto, "releases": charge.releases}
            _change(connection, computation, ComputationState.RUNNING, at, **values)

    def close(
        self, computation: str, state: ComputationState, entry: Entry, parts: Sequence[bytes], at: datetime
    ) -> Run:
        """As in the port.

        Raises:
            NotFound: it was never admitted.
            Conflict: it is final already, or was to be released without a charge.
        """
        if state not in FINAL or (parts and state is not ComputationState.RELEASED):
            raise Defect("internal", reference="journal", detail=f"{len(parts)} parts cannot end as {state}")
        with self._database.writing() as connection:
            lock(connection, "journal")
            run = _need_open(connection, computation)
            if state is ComputationState.RELEASED and run.charge is None:
                raise Conflict("computation.uncharged", computation=computation)
            sequence = _append(connection, entry)
            sealed = [{"computation": computation, "number": i, "sealed": each} for i, each in enumerate(parts)]
            if sealed:
                connection.execute(insert(PARTS), sealed)
            due = write_instant(entry.release_at)
            _change(connection, computation, state, at, entry=sequence, parts=len(parts), release_at=due)
            ended = _need(connection, computation)
            faults.point("journal.before_commit")
        faults.point("journal.closed")
        return ended

    def find(self, computation: str) -> Run | None:
        """As in the port."""
        with self._database.reading() as connection:
            return _find(connection, computation)

    def part(self, computation: str, index: int) -> bytes:
        """As in the port."""
        query = select(PARTS.c.sealed).where(PARTS.c.computation == computation, PARTS.c.number == index)
        with self._database.reading() as connection:
            sealed: bytes | None = connection.execute(query).scalar_one_or_none()
        if sealed is None:
            raise NotFound("resource.not_found", what="release part", name=f"{computation}/{index}")
        return sealed

    # ---- JournalReader

    def runs(self, limit: int, before: str = "") -> Sequence[Run]:
        """As in the port; nothing where `before` is not known."""
        query = _runs().order_by(COMPUTATIONS.c.position.desc()).limit(limit)
        if before:
            place = select(COMPUTATIONS.c.position).where(COMPUTATIONS.c.id == before).scalar_subquery()
            query = query.where(COMPUTATIONS.c.position < place)
        return self._runs(query)

    def unfinished(self) -> Sequence[Run]:
        """As in the port; oldest first."""
        return self._runs(_runs().where(COMPUTATIONS.c.state.in_(_OPEN)).order_by(COMPUTATIONS.c.position))

    def outbox(self, limit: int) -> Sequence[bytes]:
        """As in the port."""
        query = select(JOURNAL.c.envelope).join(OUTBOX, OUTBOX.c.sequence == JOURNAL.c.sequence)
        with self._database.reading() as connection:
            return list(connection.execute(query.order_by(JOURNAL.c.sequence).limit(limit)).scalars())

    def sent(self, digests: Sequence[str]) -> None:
        """As in the port."""
        taken = select(JOURNAL.c.sequence).where(JOURNAL.c.digest.in_(list(digests)))
        with self._database.writing() as connection:
            connection.execute(delete(OUTBOX).where(OUTBOX.c.sequence.in_(taken)))

    def head(self) -> tuple[int, str]:
        """As in the port."""
        with self._database.reading() as connection:
            return _head(connection)

    def _runs(self, query: Select[Any]) -> Sequence[Run]:
        with self._database.reading() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]


def check_place(statement: Statement, sequence: int, previous: str) -> None:
    """Check that a signed entry names its place in the chain.

    Raises:
        Defect: it does not; nothing is written then.
    """
    place = statement.body.get("journal")
    if not isinstance(place, dict) or (place.get("sequence"), place.get("previous")) != (sequence, previous):
        raise Defect("internal", reference="journal", detail="an entry does not name its place in the chain")


def _append(connection: Connection, entry: Entry) -> int:
    sequence, previous = _head(connection)
    statement = entry.sign(sequence, previous)
    check_place(statement, sequence, previous)
    envelope = statement.to_bytes()
    values = {"sequence": sequence, "digest": canonical.digest(envelope), "previous": previous}
    connection.execute(insert(JOURNAL).values(**values, space=statement.space, envelope=envelope))
    connection.execute(insert(OUTBOX).values(sequence=sequence))
    return sequence


def _head(connection: Connection) -> tuple[int, str]:
    last = connection.execute(_LAST).one_or_none()
    return (0, "") if last is None else (last.sequence + 1, last.digest)


def _change(connection: Connection, computation: str, state: ComputationState, at: datetime, **values: Any) -> None:
    still = update(COMPUTATIONS).where(COMPUTATIONS.c.id == computation, COMPUTATIONS.c.state.in_(_OPEN))
    changed = connection.execute(still.values(state=state.value, updated=write_instant(at), **values)).rowcount
    if changed != 1:
        _need_open(connection, computation)
    _note(connection, computation, state, at)


def _note(connection: Connection, computation: str, state: ComputationState, at: datetime) -> None:
    connection.execute(insert(TRANSITIONS).values(computation=computation, state=state.value, at=write_instant(at)))


def _need_open(connection: Connection, computation: str) -> Run:
    run = _need(connection, computation)
    if run.state in FINAL:
        raise Conflict("computation.final", computation=computation, state=run.state.value)
    return run


def _need(connection: Connection, computation: str) -> Run:
    run = _find(connection, computation)
    if run is None:
        raise NotFound("resource.not_found", what="computation", name=computation)
    return run


def _find(connection: Connection, computation: str) -> Run | None:
    row = connection.execute(_RUN, {"computation": computation}).mappings().one_or_none()
    return None if row is None else _run(row)


def _runs() -> Select[Any]:
    joined = COMPUTATIONS.outerjoin(JOURNAL, JOURNAL.c.sequence == COMPUTATIONS.c.entry)
    return select(COMPUTATIONS, JOURNAL.c.envelope.label("receipt")).select_from(joined)


# Built once: an expression costs more than its execution.
_RUN = _runs().where(COMPUTATIONS.c.id == bindparam("computation"))
_LAST = select(JOURNAL.c.sequence, JOURNAL.c.digest).order_by(JOURNAL.c.sequence.desc()).limit(1)


def _run(row: RowMapping) -> Run:
    charge = None
    if row["epsilon_nano"] is not None:
        charge = Charge(PrivacyLoss(row["epsilon_nano"], row["delta_femto"]), row["releases"])
    return Run(
        id=row["id"],
        request=row["request"],
        envelope=row["envelope"],
        consumer=row["consumer"],
        agreements=tuple(json.loads(row["agreements"])),
        state=ComputationState(row["state"]),
        charge=charge,
        receipt=row["receipt"],
        parts=row["parts"],
        created=read_instant(row["created"]),
        updated=read_instant(row["updated"]),
        release_at=None if row["release_at"] is None else read_instant(row["release_at"]),
    )


def _new_row(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "request": run.request,
        "envelope": run.envelope,
        "consumer": run.consumer,
        "agreements": json.dumps(run.agreements),
        "state": run.state.value,
        "parts": 0,
        "created": write_instant(run.created),
        "updated": write_instant(run.updated),
    }
