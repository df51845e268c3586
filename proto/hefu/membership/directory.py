"""Who is who, as far as this party has verified it itself: a trust workflow without I/O.

Rules, in order:
1. The root's key is pinned at the start (from the space file) and never learned from a message.
2. A participant is admitted by a `participant.certified` statement under the root's key, in this space.
3. A newer certification of the same participant replaces the older; an older one changes nothing. A key that the
   newer one leaves out still verifies what was signed before, and may sign nothing more.
4. A transport certificate is admitted by a `transport.bound` statement under a key of the participant it speaks for.
   Whoever bound a certificate first keeps it, and an older statement about it changes nothing.
5. A status list is admitted under a key of a participant with the role operator, and only if its sequence is not
   lower than that of the list already held. Suspension narrows rights and acts at first verified sight; revocation is
   final: a list that leaves out a revoked subject of the list held is refused. Who asks for it lets what a list leaves
   out rest until a later list is known to stand in the log: reinstatement widens rights.
6. The newest charter under the root's key counts: roles that it does not allow are as if they were not certified.
7. A participant may act while it is certified, within its validity, under a key of its newest certification, and no
   standing names it, its key or its certificate.
8. Orders count while the newest charter names their regulator (`hefu.membership.mandate`); one against an operator
does not.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hefu import identity
from hefu.envelope import PublicKey, Statement
from hefu.errors import NotFound, Refused, Unauthenticated, Untrusted
from hefu.identity import Binding, Participant, Standing, StatusList
from hefu.membership.charter import Charter
from hefu.membership.mandate import PARTICIPANT, Order, Orders, check_mandate
from hefu.times import write_time


@dataclass(frozen=True, slots=True)
class Resting:
    """Somebody whom a status list reinstated, before a proof of it: how it stood, and the number of the list that said
    so last."""

    standing: Standing
    sequence: int


class Directory:
    """Verified participants, bindings and standing. Safe to use from many threads.

    Args:
        space: the id of the space; statements of another are refused.
        root: the pinned root key.
    """

    def __init__(self, space: str, root: PublicKey) -> None:
        self.space = space
        self._root = {root.key: root}
        self._lock = threading.Lock()
        self._participants: dict[str, tuple[Statement, Participant]] = {}
        self._keys: Mapping[str, PublicKey] = {}
        self._bindings: dict[str, Binding] = {}
        self._bound: dict[str, datetime] = {}  # fingerprint -> when it was said
        self._status: StatusList | None = None
        self._resting: Mapping[str, Resting] = {}
        self._charter: tuple[Statement, Charter] | None = None
        self._orders = Orders()

    @property
    def keys(self) -> Mapping[str, PublicKey]:
        """Every signing key that was ever certified, by id, the root's not among them."""
        return self._keys  # never changed, but replaced

    @property
    def status(self) -> StatusList | None:
        """The newest verified status list."""
        return self._status

    @property
    def charter(self) -> Charter | None:
        """The newest verified charter of the space; None where it has none."""
        held = self._charter
        return held[1] if held else None

    def adopt(self, statement: Statement) -> Charter:
        """Take over a charter (rule 6). An older one changes nothing.

        Raises:
            Untrusted: not signed by the root, of another space, or another charter of the version held.
        """
        self._of_this_space(statement)
        statement.verify(self._root, identity.ROOT)
        charter = Charter.of(statement)
        with self._lock:
            held = self._charter
            if held is not None and held[1].version == charter.version and held[0].payload != statement.payload:
                raise Untrusted("charter.forked", version=charter.version)
            if held is None or held[1].version < charter.version:
                self._charter = (statement, charter)
            return self._charter[1] if self._charter else charter

    def roles(self, id_: str) -> frozenset[str]:
        """The roles of a participant that count in this space (rules 2, 6); raises as `participant`."""
        certified, charter = self.participant(id_).roles, self.charter
        return charter.honours(id_, certified) if charter else certified

    def certify(self, statement: Statement) -> Participant:
        """Admit a participant (rules 2, 3).

        Raises:
            Untrusted: not signed by the root, or of another space.
        """
        self._of_this_space(statement)
        statement.verify(self._root, identity.ROOT)
        participant = Participant.of(statement)
        with self._lock:
            held = self._participants.get(participant.id)
            if held is not None and held[0].time >= statement.time:
                return held[1]
            self._participants[participant.id] = (statement, participant)
            self._keys = {**self._keys, **{key.key: key for key in participant.signing}}
        return participant

    def bind(self, statement: Statement) -> Binding:
        """Admit a transport certificate (rule 4).

        Raises:
            Untrusted: not signed by the participant it speaks for, of another space, or another's certificate.
        """
        self._of_this_space(statement)
        self._under_newest_key(statement)
        binding = Binding.of(statement)
        with self._lock:
            held = self._bindings.get(binding.fingerprint)
            if held is not None and held.participant != binding.participant:
                raise Untrusted("certificate.taken", participant=binding.participant)
            if held is not None and self._bound[binding.fingerprint] > statement.time:
                return held
            self._bindings[binding.fingerprint] = binding
            self._bound[binding.fingerprint] = statement.time
        return binding

    def apply(self, statement: Statement, *, rests: bool = False) -> StatusList:
        """Take over a status list (rule 5).

        Args:
            rests: whom it reinstates may not act before `wake`.

        Raises:
            Untrusted: not signed by an operator, older than the list held, without a revocation of it, or another one
                of its number.
        """
        status = self._status_list(statement)
        with self._lock:
            held = self._status
            if held is not None and (status.sequence < held.sequence or held.revoked - status.revoked):
                raise Untrusted("status.rollback")
            if held is not None and status.sequence == held.sequence and status != held:
                raise Untrusted("status.equivocated", sequence=status.sequence)
            if held is not None and rests:
                named = {each.subject for each in status.standings}
                left = [each for each in held.standings if each.subject not in named]
                self._resting = {**self._resting, **{each.subject: Resting(each, held.sequence) for each in left}}
            self._status = status
        return status

    @property
    def resting(self) -> Mapping[str, Resting]:
        """Who was reinstated and may not act yet, by subject."""
        return self._resting  # never changed, but replaced

    def rest(self, resting: Resting) -> None:
        """Let somebody rest who did before a restart."""
        with self._lock:
            self._resting = {**self._resting, resting.standing.subject: resting}

    def wake(self, statement: Statement) -> frozenset[str]:
        """Let act again whom a list that stands in the log does not name; the caller saw the log's proof.

        Returns:
            The subjects that rest no longer.

        Raises:
            Untrusted: not signed by an operator.
        """
        status = self._status_list(statement)
        named = {each.subject for each in status.standings}
        with self._lock:
            woken = {
                subject
                for subject, each in self._resting.items()
                if subject not in named and each.sequence < status.sequence
            }
            self._resting = {key: each for key, each in self._resting.items() if key not in woken}
        return frozenset(woken)

    def _status_list(self, statement: Statement) -> StatusList:
        self._of_this_space(statement)
        self._under_newest_key(statement)
        if "operator" not in self.participant(statement.issuer).roles:
            raise Untrusted("permission.role", role="operator")
        return StatusList.of(statement)

    def order(self, statement: Statement) -> bool:
        """Take over an order or a lift of a regulator (rule 8); False where it was known.

        Raises:
            Untrusted: not signed by its issuer under a key that was ever certified, or of another space.
            Refused: its issuer regulates nothing here, or it lifts no order of its own.
        """
        self._check_order(statement)
        with self._lock:
            return self._orders.take(statement)

    def try_order(self, statement: Statement) -> None:
        """Check what `order` would check, and take nothing over."""
        self._check_order(statement)
        with self._lock:
            self._orders.admit(statement)

    def orders(self, at: datetime) -> list[tuple[Statement, Order]]:
        """The orders in force at a time."""
        charter = self.charter
        with self._lock:
            return [*self._orders.standing(charter, at)]

    def check_orders(self, at: datetime, *subjects: str) -> None:
        """Check that no order in force names one of these (`hefu.membership.mandate.subjects`).

        Raises:
            Refused: one does.
        """
        charter = self.charter
        with self._lock:
            self._orders.check(charter, at, *subjects)

    def _check_order(self, statement: Statement) -> None:
        self._of_this_space(statement)
        statement.verify(self.keys)
        check_mandate(self.charter, statement.issuer, self.roles(statement.issuer))

    def participant(self, id_: str) -> Participant:
        """A certified participant, whatever its standing.

        Raises:
            NotFound: nobody of this id is certified.
        """
        with self._lock:
            held = self._participants.get(id_)
        if held is None:
            raise NotFound("resource.not_found", what="participant", name=id_)
        return held[1]

    def keys_of(self, id_: str) -> list[PublicKey]:
        """Every key that was ever certified as a participant's, whether it may still act or not."""
        with self._lock:
            return [each for each in self._keys.values() if each.participant == id_]

    def certificate(self, id_: str) -> Statement:
        """The statement by which a participant is certified; raises as `participant`."""
        self.participant(id_)
        return self._participants[id_][0]

    def participants(self) -> list[Participant]:
        """All certified participants, by id."""
        with self._lock:
            return sorted((each for _, each in self._participants.values()), key=lambda one: one.id)

    def caller(self, fingerprint: str, at: datetime) -> Binding:
        """The binding of a transport certificate, if its participant may act now (rules 4, 7).

        Raises:
            Unauthenticated: the certificate is not bound, expired, suspended or revoked.
        """
        with self._lock:
            binding = self._bindings.get(fingerprint)
        if binding is None:
            raise Unauthenticated("identity.unknown")
        if binding.not_after < at:
            raise Unauthenticated("identity.expired", participant=binding.participant)
        self.check_active(binding.participant, at, fingerprint)
        return binding

    def endpoint(self, participant: str, at: datetime) -> Binding:
        """The newest binding of a participant that has an endpoint and is valid now.

        Raises:
            NotFound: the participant has bound none.
        """
        with self._lock:
            found = [
                each
                for each in self._bindings.values()
                if each.participant == participant and each.endpoint and each.not_after >= at
            ]
        if not found:
            raise NotFound("resource.not_found", what="connector of", name=participant)
        return max(found, key=lambda each: each.not_after)

    def bindings(self, participant: str, at: datetime) -> list[Binding]:
        """The bindings of a participant that are valid now, whether with an endpoint or not: of each transport key the
        newest, the newest first."""
        with self._lock:
            held = [each for each in self._bindings.values() if each.participant == participant]
        valid = sorted((each for each in held if each.not_after >= at), key=lambda each: each.not_after)
        return list({each.key: each for each in valid}.values())[::-1]

    def check_active(self, participant: str, at: datetime, *subjects: str) -> None:
        """Check rule 7 for a participant, and for keys or certificates it uses.

        Raises:
            Unauthenticated: it is not certified, not valid at that time, suspended or revoked, by the operator or by
                a regulator's order.
        """
        try:
            one = self.participant(participant)
        except NotFound:
            raise Unauthenticated("identity.unknown") from None
        if not one.not_before <= at <= one.not_after:
            raise Unauthenticated("identity.expired", participant=participant)
        newest = {key.key for key in one.signing}
        for key in subjects:
            if key in self._keys and key not in newest:
                raise Unauthenticated("key.unknown", key=key)
        named = {participant, *subjects}
        resting = [each.standing for each in self._resting.values()]
        for standing in (*(self._status.standings if self._status else ()), *resting):
            if standing.subject in named:
                raise Unauthenticated(
                    "identity.revoked",
                    participant=participant,
                    state=standing.state,
                    since=write_time(standing.since),
                )
        try:
            self.check_orders(at, *([] if "operator" in one.roles else [f"{PARTICIPANT}:{participant}"]))
        except Refused as fault:
            raise Unauthenticated("order.suspended", **fault.parameters) from None

    def _under_newest_key(self, statement: Statement) -> None:
        statement.verify(self.keys)
        newest = {key.key for key in self.participant(statement.issuer).signing}
        for signature in statement.signatures:
            if signature.key not in newest:
                raise Untrusted("key.unknown", key=signature.key)

    def _of_this_space(self, statement: Statement) -> None:
        if statement.space != self.space:
            raise Untrusted("space.other", found=statement.space, expected=self.space)
