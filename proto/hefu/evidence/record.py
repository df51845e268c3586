"""What a log says, entry by entry: each statement verified under the keys that were certified before it.

A pure pass over entries in log order. Rules, in order:
1. A key counts from the entry after the one in which the pinned root certified it. A newer certification of its
   participant that leaves it out ends it at that certification's time.
2. A statement is read from the leaf's exact bytes, is of this space, and stands in the log once.
3. Every signature on it holds, and all its parties signed: the participants of an agreement, else the issuer. An
   enrolment request is signed by the key it asks for, and grants nothing.
4. The time of every signature lies within the validity of the signer's certification.
5. Only the operator that the space file pins countersigns agreements.
6. A statement that carries another (an agreement inside a negotiation) vouches for the signatures on it.
7. Only that operator signs status lists. A participant or key that the newest list before names signs nothing that is
   dated later than that by over a minute, the time in which standing must be known everywhere (promise, T-b).

8. Charters are the root's, each of a higher version than the one before.

What breaks a rule is a fault with its entry's number, and is used no further.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hefu import canonical, identity
from hefu.canonical import Json
from hefu.envelope import PublicKey, Statement
from hefu.errors import HefuError, Malformed, Untrusted
from hefu.evidence.bundle import BundleEntry
from hefu.identity import Participant, Standing, StatusList
from hefu.members import mapping, reading, text
from hefu.membership.charter import CHARTERED, Charter
from hefu.space import SpaceFile
from hefu.times import write_time

AGREEMENT, FINALIZED, TERMINATED = "agreement", "agreement.finalized", "agreement.terminated"
ENROLLED = "enrollment.requested"
# Standing acts at first verified sight, and sight within a minute of the broker being reachable (promise, T-b).
SIGHT = timedelta(seconds=60)
_CARRIERS = ("negotiation.agreed", "negotiation.verified")


@dataclass(frozen=True, slots=True)
class Logged:
    """A verified statement, its place in the log, and the digest of its envelope's bytes."""

    index: int
    statement: Statement
    envelope: str

    @property
    def type(self) -> str:
        """The statement's type."""
        return self.statement.type


@dataclass(slots=True)
class Record:
    """The log so far. Feed it every entry in order with `add`.

    Attributes:
        leaves: every leaf hash.
        hidden: how many entries the holder may not read.
        logged: verified statements in log order.
        faults: what broke a rule, one plain sentence each.
        charter: the newest that the root signed; None where there is none.
    """

    space: SpaceFile
    root: PublicKey
    leaves: list[bytes] = field(default_factory=list)
    hidden: int = 0
    logged: list[Logged] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _keys: dict[str, PublicKey] = field(default_factory=dict)
    _participants: dict[str, Participant] = field(default_factory=dict)
    _retired: dict[str, datetime] = field(default_factory=dict)
    _standing: dict[str, Standing] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    charter: Charter | None = None

    def add(self, entry: BundleEntry) -> None:
        """Take the next entry."""
        self.leaves.append(entry.leaf_hash)
        if entry.envelope is None:
            self.hidden += 1
            return
        try:
            statement = Statement.parse(entry.envelope)
            self._admit(statement)
        except HefuError as fault:
            self.faults.append(f"entry {entry.index}: {fault.public()}")
            return
        self.logged.append(Logged(entry.index, statement, canonical.digest(entry.envelope)))

    def of(self, *types: str) -> Iterator[Logged]:
        """The verified statements of some types, in log order."""
        return (each for each in self.logged if each.type in types)

    def participant(self, id_: str) -> Participant | None:
        """A certified participant."""
        return self._participants.get(id_)

    def key(self, id_: str) -> PublicKey | None:
        """A certified signing key."""
        return self._keys.get(id_)

    def signers(self, statement: Statement) -> tuple[str, ...]:
        """The participants whose keys signed a statement, as far as the keys are certified."""
        found = (self.root if each.key == self.root.key else self._keys.get(each.key) for each in statement.signatures)
        return tuple(each.participant for each in found if each is not None)

    def _admit(self, statement: Statement) -> None:
        if statement.space != self.space.space:  # 2
            raise Untrusted("space.other", found=statement.space, expected=self.space.space)
        if statement.id in self._seen:
            raise Malformed("statement.malformed", why="a statement of this id stands in the log already")
        self._check_signed(statement)
        if statement.type in _CARRIERS:  # 6
            inner = carried(statement)
            self._verify(inner, inner.issuer)
        if statement.type in (FINALIZED, identity.STATUS) and statement.issuer != self.space.broker:  # 5, 7
            raise Untrusted("identity.mismatch", found=statement.issuer, expected=self.space.broker)
        if statement.type == identity.STATUS:  # 7
            self._standing = {each.subject: each for each in StatusList.of(statement).standings}
        self._seen.add(statement.id)

    def _check_signed(self, statement: Statement) -> None:
        if statement.type == identity.CERTIFIED:
            self._certify(statement)
        elif statement.type == CHARTERED:  # 8
            self._adopt(statement)
        elif statement.type == ENROLLED:
            statement.verify(_own_keys(statement))  # 3
        else:
            self._verify(statement, *parties(statement))

    def _certify(self, statement: Statement) -> None:
        statement.verify({self.root.key: self.root}, identity.ROOT)
        participant = Participant.of(statement)
        for key in participant.signing:
            if self._keys.get(key.key, key).participant != participant.id:
                raise Untrusted("key.unknown", key=key.key)
        before = self._participants.get(participant.id)
        kept = {key.key for key in participant.signing}
        for key in before.signing if before else ():
            if key.key not in kept:
                self._retired.setdefault(key.key, statement.time)
        self._participants[participant.id] = participant
        self._keys.update({key.key: key for key in participant.signing})  # 1

    def _adopt(self, statement: Statement) -> None:
        statement.verify({self.root.key: self.root}, identity.ROOT)
        charter = Charter.of(statement)
        if self.charter is not None and charter.version <= self.charter.version:
            raise Untrusted("charter.forked", version=charter.version)
        self.charter = charter

    def _verify(self, statement: Statement, *signers: str) -> None:
        statement.verify(self._keys, *signers)  # 3
        for signature in statement.signatures:
            one = self._participants[self._keys[signature.key].participant]
            if not one.not_before <= signature.time <= one.not_after:  # 4
                raise Untrusted("identity.expired", participant=one.id)
            if signature.key in self._retired and signature.time > self._retired[signature.key]:  # 1
                raise Untrusted("key.unknown", key=signature.key)
            for held in filter(None, map(self._standing.get, (one.id, signature.key))):  # 7
                if signature.time > held.since + SIGHT:
                    since = write_time(held.since)
                    raise Untrusted("identity.revoked", participant=one.id, state=held.state, since=since)


def parties(statement: Statement) -> tuple[str, ...]:
    """Who must have signed a statement.

    Raises:
        Malformed: an agreement names no two parties.
    """
    if statement.type != AGREEMENT:
        return (statement.issuer,)
    with reading(AGREEMENT):
        members = statement.body["parties"]
        if not isinstance(members, list):
            raise TypeError
        found = tuple(text(mapping(each)["participant"]) for each in members)
        if len(set(found)) < 2 or statement.issuer not in found:
            raise ValueError
    return found


def carried(statement: Statement) -> Statement:
    """The agreement inside a negotiation's statement, with the signatures it had by then."""
    with reading(statement.type):
        inner: Json = mapping(statement.body["agreement"])
    return Statement.parse(canonical.encode(inner)).expect(AGREEMENT)


def _own_keys(statement: Statement) -> dict[str, PublicKey]:
    with reading(ENROLLED):
        rows = statement.body["keys"]
        if not isinstance(rows, list):
            raise TypeError
        return {
            text(row["key"]): PublicKey(
                text(row["key"]), statement.issuer, identity.read_bytes(text(row["value"])), text(row["suite"])
            )
            for row in map(mapping, rows)
        }
