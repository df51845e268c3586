"""Contracts as exact bytes. What is taken out was verified from exactly these bytes: an edited row opens nothing."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence

from hefu import canonical
from hefu.canonical import Json
from hefu.envelope import Statement
from hefu.errors import Conflict, Malformed, NotFound, Untrusted
from hefu.members import many, mapping, reading
from hefu.statements.notices import Change
from sqlalchemy import Connection, RowMapping, select, update

from hefu_connector.contracting.contracts import Papers, Pins, verify_contract, verify_termination, verify_turns
from hefu_connector.ports import Contract, Trust, Turn
from hefu_connector.storage.database import Database, insert_new, lock
from hefu_connector.storage.models import AGREEMENTS

_log = logging.getLogger(__name__)
_MOST_VERIFIED = 1024


class SqlContracts:
    """`ports.Contracts` in the connector's database. Bytes that were verified before are not verified twice.

    Args:
        trust: verifies signatures under certified keys.
        pins: the space, the broker and the log key.
    """

    def __init__(self, database: Database, trust: Trust, pins: Pins) -> None:
        self._database = database
        self._trust = trust
        self._pins = pins
        self._verified = _Verified()

    def load(self, agreement: str) -> Contract:
        """As in the port."""
        with self._database.reading() as connection:
            row = _row(connection, self._database.space, agreement)
        return self._verify(row)

    def keep(self, contract: Contract) -> None:
        """As in the port. It is verified before it is kept.

        Raises:
            Malformed, Untrusted: it does not hold.
            Conflict: another agreement is kept under this id.
        """
        papers = Papers.of(contract)
        verified = verify_contract(papers, self._trust, self._pins)
        id_, digest, space = verified.agreement.id, verified.statement.digest(), self._database.space
        with self._database.writing() as connection:
            new = insert_new(
                connection,
                AGREEMENTS,
                id=id_,
                space=space,
                digest=digest,
                agreement=papers.agreement,
                countersignature=papers.countersignature,
                description=papers.description,
                proof=papers.proof,
                termination=papers.termination,
            )
            kept = _row(connection, space, id_)
            if kept["digest"] != digest:
                raise Conflict("contract.other", agreement=id_)
            if not new and papers.termination is not None:
                _end(connection, space, id_, papers.termination)

    def terminate(self, agreement: str, termination: Statement) -> None:
        """As in the port. It is verified before it is kept.

        Raises:
            NotFound: no such agreement here.
            Malformed, Untrusted: the termination does not hold.
        """
        envelope = termination.to_bytes()
        contract = self.load(agreement)
        verify_termination(envelope, contract.statement, contract.agreement, self._trust, self._pins)
        with self._database.writing() as connection:
            _end(connection, self._database.space, agreement, envelope)

    def turn(self, agreement: str, turn: Turn) -> None:
        """As in the port. It is verified, with those before it, before it is kept.

        Raises:
            NotFound: no such agreement here.
            Malformed, Untrusted: it does not hold.
        """
        pair = turn.statement.to_bytes(), turn.proof
        with self._database.writing() as connection:
            lock(connection, f"agreement/{self._database.space}/{agreement}")
            row = _row(connection, self._database.space, agreement)
            held, turns = self._verify(row), _turns(row)
            if any(each.statement.digest() == turn.statement.digest() for each in held.turns):
                return
            last = held.last_turn(turn.statement.issuer)
            if Change.of(turn.statement).previous != (last.digest() if last else ""):
                raise Conflict("agreement.turned", agreement=agreement)
            verify_turns((*turns, pair), held.statement, held.agreement, self._trust, self._pins)
            mine = AGREEMENTS.c.space == self._database.space, AGREEMENTS.c.id == agreement
            connection.execute(update(AGREEMENTS).where(*mine).values(turns=_write_turns((*turns, pair))))

    def all(self) -> Sequence[Contract]:
        """As in the port. What no longer verifies is left out and logged; `load` says why."""
        query = select(AGREEMENTS).where(AGREEMENTS.c.space == self._database.space)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(AGREEMENTS.c.position.desc())).mappings().all()
        found = []
        for row in rows:
            try:
                found.append(self._verify(row))
            except (Malformed, Untrusted) as fault:
                _log.error("contract %s is left out: %s %s", row["id"], fault.code, fault.detail)
        return found

    def _verify(self, row: RowMapping) -> Contract:
        papers = Papers(
            agreement=row["agreement"],
            countersignature=row["countersignature"],
            description=row["description"],
            proof=row["proof"],
            termination=row["termination"],
            turns=_turns(row),
        )
        contract = self._verified.get(papers)
        if contract is None:
            contract = verify_contract(papers, self._trust, self._pins)
            self._verified.keep(papers, contract)
        if contract.agreement.id != row["id"]:
            raise Untrusted("contract.broken", agreement=row["id"], where="id")
        return contract


class _Verified:
    """Contracts by the very bytes they were verified from, the most recently used ones.

    Signatures over the same bytes under keys that are never taken back hold for ever; whether a key may still act is
    asked elsewhere, every time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[Papers, Contract] = OrderedDict()

    def get(self, papers: Papers) -> Contract | None:
        with self._lock:
            if papers in self._held:
                self._held.move_to_end(papers)
            return self._held.get(papers)

    def keep(self, papers: Papers, contract: Contract) -> None:
        with self._lock:
            self._held[papers] = contract
            if len(self._held) > _MOST_VERIFIED:
                self._held.popitem(last=False)


def _turns(row: RowMapping) -> tuple[tuple[bytes, bytes], ...]:
    kept = canonical.decode(row["turns"]) if row["turns"] else []
    with reading("suspension"):
        return many(kept, lambda each: (_bytes(mapping(each)["said"]), _bytes(mapping(each)["proof"])))


def _bytes(value: Json) -> bytes:
    if not isinstance(value, str):
        raise TypeError
    return value.encode()


def _write_turns(turns: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return canonical.encode([{"said": said.decode(), "proof": proof.decode()} for said, proof in turns])


def _end(connection: Connection, space: str, agreement: str, envelope: bytes) -> None:
    # The first end stands.
    mine = update(AGREEMENTS).where(AGREEMENTS.c.space == space, AGREEMENTS.c.id == agreement)
    running = mine.where(AGREEMENTS.c.termination.is_(None))
    connection.execute(running.values(termination=envelope))


def _row(connection: Connection, space: str, agreement: str) -> RowMapping:
    mine = select(AGREEMENTS).where(AGREEMENTS.c.space == space, AGREEMENTS.c.id == agreement)
    row = connection.execute(mine).mappings().one_or_none()
    if row is None:
        raise NotFound("resource.not_found", what="agreement", name=agreement)
    return row
