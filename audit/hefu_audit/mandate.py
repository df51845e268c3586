"""A regulator's mandate at its desk: orders signed, accesses logged before anything is shown, garbage proven.

Steps of an opening:
1. Agreement and ends are those of a verified record; the filing key is unwrapped with the regulator's own key.
2. A signed `audit.opened` with reason and basis is handed in.
3. Its proof is awaited and verified under the pinned log key. Nothing goes on without.
4. What the broker hands over is opened and held against the very receipts it belongs to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu.canonical import Object
from hefu.checking.checks import Facts
from hefu.envelope import Signer, Statement, draft
from hefu.errors import Malformed, NotFound, Unavailable, Untrusted
from hefu.evidence.record import AGREEMENT, Logged, Record
from hefu.identity import write_bytes
from hefu.membership.mandate import LIFTED, OPENED, SUSPENDED, Access, Lift, Order
from hefu.statements import filing, openings
from hefu.statements.filing import Filing
from hefu.statements.openings import End, Openings
from hefu.times import Clock
from hefu.tlog.note import VerifierKey
from hefu.tlog.tree import leaf_hash

from hefu_audit.ports import Mandated

WAIT, PAUSE = 30.0, 0.2  # seconds for a proof, between two looks


@dataclass(frozen=True, slots=True)
class Regulator:
    """Who acts: its name, keys, and what it pinned.

    Attributes:
        filing: the private key to which contracts are filed for it.
        log: the pinned key of the log.
    """

    name: str
    space: str
    signer: Signer
    filing: X25519PrivateKey
    log: VerifierKey
    clock: Clock

    def says(self, type_: str, body: Object) -> Statement:
        """A signed statement of this regulator."""
        at = self.clock.now()
        return draft(type_, body, space=self.space, issuer=self.name, at=at).sign(self.signer, at)


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found of one end of a computation.

    Attributes:
        openings: None where nothing is kept any more, or it does not open.
        faults: what is wrong with what was filed; ``evidence`` proves it to anybody then.
    """

    logged: Logged
    end: End
    openings: Openings | None
    faults: tuple[str, ...] = ()
    evidence: Object | None = field(default=None, repr=False)

    @property
    def erased(self) -> bool:
        """Whether the sealed openings are gone."""
        return self.openings is None and not self.faults

    def document(self) -> Object:
        """For machines; salts are left out."""
        found = self.openings
        values: Object = {name: value for name, (value, _) in found.values.items()} if found else {}
        asked = Statement.parse(found.request).body if found and not self.faults else None
        return {
            "entry": self.logged.index,
            "type": self.logged.type,
            "computation": self.end.computation,
            "request": asked,
            "values": values,
            "erased": self.erased,
            "faults": [*self.faults],
        }


def suspend(regulator: Regulator, broker: Mandated, order: Order) -> tuple[Statement, int]:
    """Order a suspension; the signed order, and its entry in the log once that is proven.

    Raises:
        Refused: it is outside of the mandate.
        Unavailable: the broker is away, or the log does not show it.
    """
    return _told(regulator, broker, regulator.says(SUSPENDED, order.body()))


def lift(regulator: Regulator, broker: Mandated, order: str, reason: str) -> tuple[Statement, int]:
    """Lift an order of this regulator, by its digest; as `suspend`."""
    return _told(regulator, broker, regulator.says(LIFTED, Lift(order, reason).body()))


def _told(regulator: Regulator, broker: Mandated, statement: Statement) -> tuple[Statement, int]:
    broker.order(statement)
    return statement, prove(regulator, broker, statement)


def prove(
    regulator: Regulator, broker: Mandated, statement: Statement, pause: Callable[[float], None] = time.sleep
) -> int:
    """The entry of a statement in the log, once a checkpoint under the pinned key shows it.

    Raises:
        Unavailable: none does in time.
        Untrusted: the proof does not hold.
    """
    leaf = leaf_hash(statement.to_bytes())
    for _ in range(int(WAIT / PAUSE)):
        try:
            proof = broker.inclusion(leaf)
        except NotFound:
            pause(PAUSE)
            continue
        proof.verify(leaf, regulator.log)
        return proof.index
    raise Unavailable("log.closed")


def open_filed(
    regulator: Regulator, broker: Mandated, record: Record, name: str, reason: str, basis: str
) -> tuple[int, list[Opened]]:
    """Open what an agreement files, or what one computation under it does: the access's entry, and what was found.

    Args:
        record: verified.
        name: the id of an agreement or a computation.

    Raises:
        NotFound: the record has no such thing, or nothing is filed under it.
        Untrusted: what is wrapped for this regulator is not the key that the parties signed for.
        Refused, Unavailable: as `suspend`.
    """
    agreement, ends = _ends(record, name)
    id_ = str(agreement.statement.body["agreement"])
    key = filing.unwrap(Filing.of(agreement.statement.body["filing"]), id_, regulator.name, regulator.filing)  # 1
    access = Access(id_, tuple(logged.envelope for logged, _ in ends), reason, basis)
    said = regulator.says(OPENED, access.body())
    broker.access(said)  # 2
    index = prove(regulator, broker, said)  # 3
    sealed = broker.opened(leaf_hash(said.to_bytes()))
    return index, [_look(agreement, key, logged, end, sealed.get(logged.envelope)) for logged, end in ends]  # 4


def _ends(record: Record, name: str) -> tuple[Logged, list[tuple[Logged, End]]]:
    facts = Facts.of(record)
    every: Sequence[tuple[Logged, End]] = sorted([*facts.ended, *facts.refused], key=lambda each: each[0].index)
    filed = [(logged, end) for logged, end in every if end.filed]
    ends = [(logged, end) for logged, end in filed if name in (end.computation, _first(end))]
    of = _first(ends[0][1]) if ends else name
    agreement = next((each for each in record.of(AGREEMENT) if each.statement.body.get("agreement") == of), None)
    if agreement is None or not ends or "filing" not in agreement.statement.body:
        raise NotFound("resource.not_found", what="agreement or computation that files anything", name=name[:64])
    return agreement, ends


def _first(end: End) -> str:
    """The agreement under whose filing key an end's openings are sealed."""
    first = end.agreements[0]
    return first if isinstance(first, str) else first.agreement


def _look(agreement: Logged, key: bytes, logged: Logged, end: End, sealed: bytes | None) -> Opened:
    if sealed is None:
        return Opened(logged, end, None)
    try:
        found = openings.unseal(key, _first(end), end.computation, sealed)
        faults = openings.faults(end, sealed, found)
    except Untrusted as fault:
        found, faults = None, [fault.public()]
    evidence = _evidence(agreement, key, logged, sealed) if faults else None
    return Opened(logged, end, found, tuple(faults), evidence)


def _evidence(agreement: Logged, key: bytes, logged: Logged, sealed: bytes) -> Object:
    return {
        "agreement": agreement.statement.to_bytes().decode(),
        "end": logged.statement.to_bytes().decode(),
        "sealed": write_bytes(sealed),
        "key": write_bytes(key),
    }


def listed(statements: Sequence[Statement]) -> Iterator[tuple[Statement, Order, bool]]:
    """Every order with whether it was lifted; those that cannot be read are left out."""
    lifted = {_lifts(each) for each in statements if each.type == LIFTED}
    for each in statements:
        if each.type == SUSPENDED:
            yield each, Order.of(each), (each.issuer, each.digest()) in lifted


def _lifts(statement: Statement) -> tuple[str, str]:
    try:
        return statement.issuer, Lift.of(statement).order
    except Malformed:
        return statement.issuer, ""
