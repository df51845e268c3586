"""Computations and the hash-chained journal of their ends: one store, so that an end is written whole or not at all.

INVARIANT: a state, its receipt, its sealed parts, its link in the chain and its place in the outbox are one commit.
INVARIANT: sequences count from 0 without a gap, and each entry names the digest of the one before.

One chain a space: it is read and judged there, and ids of computations were chosen by participants of that space.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import Conflict, Defect, NotFound
from hefu.running import faults
from hefu_policies.budget import Charge, PrivacyLoss
from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, delete, insert, select, update

from hefu_connector.ports import FINAL, ComputationState, Entry, Run
from hefu_connector.storage import handed
from hefu_connector.storage.database import Database, Fence, insert_new, lock, read_instant, write_instant
from hefu_connector.storage.models import (
    COMPUTATIONS,
    DECISIONS,
    FILED,
    JOURNAL,
    MEMBERSHIPS,
    OUTBOX,
    PARTS,
    TRANSITIONS,
)

_OPEN = [each.value for each in ComputationState if each not in FINAL]


class SqlJournal:
    """`ports.Journal` and `ports.JournalReader` in the connector's database.

    Args:
        fence: checks inside the transaction that strikes envelopes off the outbox that this process may.
    """

    def __init__(self, database: Database, fence: Fence | None = None) -> None:
        self._database = database
        self._fence = fence
        self._space = database.space

    # ---- Journal

    def admit(self, run: Run) -> tuple[Run, bool]:
        """As in the port."""
        if run.state in FINAL:
            raise Defect("internal", reference="journal", detail="a computation is admitted before it ends")
        with self._database.writing() as connection:
            new = insert_new(connection, COMPUTATIONS, space=self._space, **_new_row(run))
            if new:
                self._note(connection, run.id, run.state, run.updated)
            kept = self._need(connection, run.id)
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
            run = self._need_open(connection, computation)
            if run.charge is not None:
                if run.charge != charge:
                    raise Conflict("budget.charged", computation=computation)
                return
            loss = charge.loss
            values = {
                "epsilon_nano": loss.epsilon_nano,
                "delta_femto": loss.delta_femto,
                "releases": charge.releases,
                "rho_nano": loss.rho_nano,
            }
            self._change(connection, computation, ComputationState.RUNNING, at, **values)

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
            lock(connection, f"journal/{self._space}")
            run = self._need_open(connection, computation)
            if state is ComputationState.RELEASED and run.charge is None:
                raise Conflict("computation.uncharged", computation=computation)
            sequence, said = append(connection, self._space, entry)
            whose = {"space": self._space, "computation": computation}
            sealed = [{**whose, "number": number, "sealed": each} for number, each in enumerate(parts)]
            if sealed:
                connection.execute(insert(PARTS), sealed)
            due = write_instant(entry.release_at)
            self._change(connection, computation, state, at, entry=sequence, parts=len(parts), release_at=due)
            if entry.decisions:
                connection.execute(insert(DECISIONS).values(**whose, record=entry.decisions))
            if entry.filed:
                end = canonical.digest(said.to_bytes())
                connection.execute(insert(FILED).values(**whose, end=end, sealed=entry.filed, told=False))
            if entry.due is not None:
                handed.enter(connection, self._space, computation, run.agreements[0], entry.due)
            ended = self._need(connection, computation)
            faults.point("journal.before_commit")
        faults.point("journal.closed")
        return ended

    def anchor(self, entry: Entry) -> Statement:
        """Write an entry that ends no computation: as in `membership.anchoring.Chain`."""
        with self._database.writing() as connection:
            lock(connection, f"journal/{self._space}")
            _, statement = append(connection, self._space, entry)
            faults.point("journal.before_commit")
        return statement

    def find(self, computation: str) -> Run | None:
        """As in the port."""
        with self._database.reading() as connection:
            return self._find(connection, computation)

    def part(self, computation: str, index: int) -> bytes:
        """As in the port."""
        columns = PARTS.c
        mine = columns.space == self._space, columns.computation == computation, columns.number == index
        query = select(columns.sealed).where(*mine)
        with self._database.reading() as connection:
            sealed: bytes | None = connection.execute(query).scalar_one_or_none()
        if sealed is None:
            raise NotFound("resource.not_found", what="release part", name=f"{computation}/{index}")
        return sealed

    def decisions(self, computation: str) -> bytes:
        """As in `ports.DecisionRecords`."""
        mine = DECISIONS.c.space == self._space, DECISIONS.c.computation == computation
        with self._database.reading() as connection:
            return connection.execute(select(DECISIONS.c.record).where(*mine)).scalar_one_or_none() or b""

    # ---- JournalReader

    def runs(self, limit: int, before: str = "") -> Sequence[Run]:
        """As in the port; nothing where `before` is not known."""
        columns = COMPUTATIONS.c
        query = _runs().where(columns.space == self._space).order_by(columns.position.desc()).limit(limit)
        if before:
            place = select(columns.position).where(columns.space == self._space, columns.id == before)
            query = query.where(columns.position < place.scalar_subquery())
        return self._runs(query)

    def unfinished(self) -> Sequence[Run]:
        """As in the port; oldest first."""
        columns = COMPUTATIONS.c
        unfinished = _runs().where(columns.space == self._space, columns.state.in_(_OPEN))
        return self._runs(unfinished.order_by(columns.position))

    def outbox(self, limit: int) -> Sequence[bytes]:
        """As in the port."""
        same = and_(OUTBOX.c.space == JOURNAL.c.space, OUTBOX.c.sequence == JOURNAL.c.sequence)
        query = select(JOURNAL.c.envelope).join(OUTBOX, same).where(JOURNAL.c.space == self._space)
        with self._database.reading() as connection:
            return list(connection.execute(query.order_by(JOURNAL.c.sequence).limit(limit)).scalars())

    def sent(self, digests: Sequence[str]) -> None:
        """As in the port."""
        taken = select(JOURNAL.c.sequence).where(JOURNAL.c.space == self._space, JOURNAL.c.digest.in_(list(digests)))
        with self._database.writing() as connection:
            if self._fence is not None:
                self._fence(connection)
            connection.execute(delete(OUTBOX).where(OUTBOX.c.space == self._space, OUTBOX.c.sequence.in_(taken)))

    def head(self) -> tuple[int, str]:
        """As in the port."""
        with self._database.reading() as connection:
            return _head(connection, self._space)

    def digest_at(self, sequence: int, space: str = "") -> str:
        """The digest of the envelope at a place in the chain, of another space if named; empty where there is none."""
        query = select(JOURNAL.c.digest).where(JOURNAL.c.space == (space or self._space))
        with self._database.reading() as connection:
            return str(connection.execute(query.where(JOURNAL.c.sequence == sequence)).scalar_one_or_none() or "")

    def others(self) -> dict[str, tuple[int, str]]:
        """The same as `head`, of the chains of the other spaces on this store."""
        spaces = select(MEMBERSHIPS.c.space).where(MEMBERSHIPS.c.space != self._space)
        with self._database.reading() as connection:
            return {space: _head(connection, space) for space in connection.execute(spaces).scalars()}

    def _runs(self, query: Select[Any]) -> Sequence[Run]:
        with self._database.reading() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def _change(
        self, connection: Connection, computation: str, state: ComputationState, at: datetime, **values: Any
    ) -> None:
        columns = COMPUTATIONS.c
        still = columns.space == self._space, columns.id == computation, columns.state.in_(_OPEN)
        changed = update(COMPUTATIONS).where(*still).values(state=state.value, updated=write_instant(at), **values)
        if connection.execute(changed).rowcount != 1:
            self._need_open(connection, computation)
        self._note(connection, computation, state, at)

    def _note(self, connection: Connection, computation: str, state: ComputationState, at: datetime) -> None:
        row = {"space": self._space, "computation": computation, "state": state.value, "at": write_instant(at)}
        connection.execute(insert(TRANSITIONS).values(**row))

    def _need_open(self, connection: Connection, computation: str) -> Run:
        run = self._need(connection, computation, _LOCKED)
        if run.state in FINAL:
            raise Conflict("computation.final", computation=computation, state=run.state.value)
        return run

    def _need(self, connection: Connection, computation: str, query: Select[Any] | None = None) -> Run:
        run = self._find(connection, computation, query)
        if run is None:
            raise NotFound("resource.not_found", what="computation", name=computation)
        return run

    def _find(self, connection: Connection, computation: str, query: Select[Any] | None = None) -> Run | None:
        named = {"space": self._space, "computation": computation}
        row = connection.execute(_RUN if query is None else query, named).mappings().one_or_none()
        return None if row is None else _run(row)


def check_place(statement: Statement, sequence: int, previous: str) -> None:
    """Check that a signed entry names its place in the chain.

    Raises:
        Defect: it does not; nothing is written then.
    """
    place = statement.body.get("journal")
    if not isinstance(place, dict) or (place.get("sequence"), place.get("previous")) != (sequence, previous):
        raise Defect("internal", reference="journal", detail="an entry does not name its place in the chain")


def append(connection: Connection, space: str, entry: Entry) -> tuple[int, Statement]:
    """Write the next entry of a space's chain, whose lock ``journal/{space}`` the caller holds; its number and itself.

    Raises:
        Defect: what was signed is not for this place.
    """
    sequence, previous = _head(connection, space)
    statement = entry.sign(sequence, previous)
    check_place(statement, sequence, previous)
    if statement.space != space:
        raise Defect("internal", reference="journal", detail="an entry is of another space than its chain")
    envelope = statement.to_bytes()
    values = {"sequence": sequence, "digest": canonical.digest(envelope), "previous": previous}
    connection.execute(insert(JOURNAL).values(**values, space=space, envelope=envelope))
    connection.execute(insert(OUTBOX).values(space=space, sequence=sequence))
    return sequence, statement


def _head(connection: Connection, space: str) -> tuple[int, str]:
    last = connection.execute(_LAST, {"space": space}).one_or_none()
    return (0, "") if last is None else (last.sequence + 1, last.digest)


def _runs() -> Select[Any]:
    same = and_(JOURNAL.c.space == COMPUTATIONS.c.space, JOURNAL.c.sequence == COMPUTATIONS.c.entry)
    joined = COMPUTATIONS.outerjoin(JOURNAL, same)
    return select(COMPUTATIONS, JOURNAL.c.envelope.label("receipt")).select_from(joined)


# Built once: an expression costs more than its execution.
_RUN = _runs().where(COMPUTATIONS.c.space == bindparam("space"), COMPUTATIONS.c.id == bindparam("computation"))
_LOCKED = _RUN.with_for_update(of=COMPUTATIONS)
_CHAIN = select(JOURNAL.c.sequence, JOURNAL.c.digest).where(JOURNAL.c.space == bindparam("space"))
_LAST = _CHAIN.order_by(JOURNAL.c.sequence.desc()).limit(1)


def _run(row: RowMapping) -> Run:
    charge = None
    if row["epsilon_nano"] is not None:
        charge = Charge(PrivacyLoss(row["epsilon_nano"], row["delta_femto"], row["rho_nano"]), row["releases"])
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
        owner=row["owner"],
        stop=row["stop"],
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
        "owner": run.owner,
        "stop": "",
    }
