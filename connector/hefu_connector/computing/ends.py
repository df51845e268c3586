"""How a computation begins and ends in the journal: its first row, its receipt, its place on the release quantum.

Made here, signed inside the journal's transaction, and released by the enforcement point and nobody else.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Signer, Statement, draft, new_id
from hefu.statements import receipt
from hefu.statements.delivery import DELETED, DENIED, USED, Deleted, Delivered, Denied, Told, Used
from hefu.times import Clock
from hefu.tlog.checkpoint import Checkpoint
from hefu_policies.budget import Charge

from hefu_connector.computing import guard
from hefu_connector.computing.admission import Admitted
from hefu_connector.computing.guard import Passed
from hefu_connector.computing.request import ComputationRequest
from hefu_connector.ports import ComputationState, Entry, Run, Table

End = receipt.Receipt | receipt.Refusal | receipt.Failure | Told
_TYPES = {
    receipt.Receipt: receipt.SEALED, receipt.Refusal: receipt.REFUSED, receipt.Failure: receipt.FAILED,
    Used: USED, Denied: DENIED, Deleted: DELETED,
}  # fmt: skip


def nothing_seen() -> Checkpoint | None:
    """No checkpoint of the log was verified."""
    return None


@dataclass(frozen=True, slots=True)
class Scribe:
    """Who signs the journal, and how time is told.

    Attributes:
        seen: the newest checkpoint of the log that was verified here.
        quantum_seconds: ends are told at whole multiples of it after admission; 0 tells them at once.
    """

    participant: str
    connector: str
    space: str
    signer: Signer
    clock: Clock
    quantum_seconds: float
    seen: Callable[[], Checkpoint | None] = nothing_seen


def first(request: ComputationRequest, statement: Statement, now: datetime, owner: str = "") -> Run:
    """A computation as it is admitted by the process `owner`: nothing is decided or charged yet."""
    return Run(
        id=request.computation,
        request=statement.digest(),
        envelope=statement.to_bytes(),
        consumer=statement.issuer,
        agreements=request.agreements,
        state=ComputationState.RESERVED,
        charge=None,
        receipt=None,
        parts=0,
        created=now,
        updated=now,
        owner=owner,
    )


def receipt_of(
    scribe: Scribe, admitted: Admitted, run: Run, passed: Passed, parts: tuple[bytes, ...], table: Table,
    facts: Sequence[Object],
) -> receipt.Receipt:  # fmt: skip
    """The receipt of a release, but for its commitments and its place in the journal.

    Args:
        facts: what each contract's decision knew, in the order of `Admitted.sides`.
    """
    prepared, charge = admitted.prepared, admitted.prepared.charge
    ticks = tick(scribe, run) - run.created
    rows = guard.count(passed, prepared)
    first, *joined = [
        receipt.Joined(
            side.under.agreement, side.contract.agreement.product, side.contract.agreement.description,
            side.resource.id, _snapshot(scribe, side, read), known,
        )
        for side, read, known in zip(admitted.sides, (table, *table.beside), facts, strict=True)
    ]  # fmt: skip
    return receipt.Receipt(
        computation=run.id,
        request=run.request,
        consumer=run.consumer,
        agreements=tuple(each.under for each in admitted.sides),
        product=first.product,
        description=first.description,
        resource=first.resource,
        snapshot=first.snapshot,
        engine=admitted.engine.name,
        engine_version=admitted.engine.version,
        charge=spent(charge),
        mechanisms=tuple(
            receipt.Noise(each.column, each.mechanism, each.scale, each.epsilon_nano, each.rho_nano)
            for each in prepared.mechanisms
        ),
        output=receipt.Released(prepared.kind, rows, passed.suppressed),
        parts=tuple(receipt.SealedPart(canonical.digest(each), len(each)) for each in parts),
        meters=receipt.Meters(1, rows, sum(map(len, parts)), int(ticks.total_seconds() * 1000)),
        admitted=run.created,
        facts=first.facts,
        joined=tuple(joined),
    )


def entry(scribe: Scribe, made: End, release_at: datetime) -> Entry:
    """What is to be journalled, signed once its place in the chain is known."""
    now, seen = scribe.clock.now(), scribe.seen()

    def sign(sequence: int, previous: str) -> Statement:
        body = made.linked(receipt.Link(sequence, previous, scribe.connector)).body()
        statement = draft(
            _TYPES[type(made)], body, space=scribe.space, issuer=scribe.participant, at=now, id_=new_id("stm"),
            seen=seen,
        )  # fmt: skip
        return statement.sign(scribe.signer, now)

    said = Delivered.of(made) if isinstance(made, receipt.Receipt) else None
    return Entry(sign, release_at, said.delete_by if said is not None else None)


def tick(scribe: Scribe, run: Run) -> datetime:
    """The next whole multiple of the release quantum after admission."""
    now, quantum = scribe.clock.now(), scribe.quantum_seconds
    if quantum <= 0:
        return now
    ticks = math.ceil(max((now - run.created).total_seconds(), 1e-6) / quantum)
    return run.created + timedelta(seconds=ticks * quantum)


def spent(charge: Charge) -> receipt.Spent:
    """A charge as receipts state it."""
    return receipt.Spent(charge.loss.epsilon_nano, charge.loss.delta_femto, charge.releases, charge.loss.rho_nano)


def _snapshot(scribe: Scribe, admitted: Admitted, table: Table) -> str:
    """What a receipt says of the data: the digest where it is agreed on, else a commitment to it.

    A digest of the bytes is a function of every row, without noise. The salt is this provider's signature of the
    computation's id, which nobody else can make and Ed25519 makes the same again: so the provider can open it. What is
    joined has a salt of its own, so that equal commitments do not tell of equal tables.
    """
    for digest in (table.snapshot, table.origin):  # what is laid out is the same data in another form
        if admitted.contract.agreement.snapshot_rule == f"pinned:{digest}":
            return digest
    name = admitted.request.computation
    if admitted.under.agreement != admitted.request.agreements[0] and admitted.prepared.joins:
        name = f"{name} {admitted.under.agreement}"
    salt = hashlib.sha256(scribe.signer.sign(f"hefu snapshot salt {name}".encode())).digest()
    return receipt.commit("snapshot", table.snapshot, salt)
