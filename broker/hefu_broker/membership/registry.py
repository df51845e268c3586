"""Who takes part: the directory rebuilt from kept statements, transport certificates and their bindings."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime

from hefu.envelope import Statement
from hefu.errors import Refused, Unauthenticated
from hefu.identity import BOUND, CERTIFIED, Binding
from hefu.membership.directory import Directory

from hefu_broker.membership.authority import Authority, requested_key
from hefu_broker.membership.trust import Trust
from hefu_broker.ports import Announce, CharterStore, LookupStore, OrderStore, RegistryStore
from hefu_broker.records import Certificate, Outgoing

MOST_BINDINGS = 64  # of one participant that may be used at a time: everybody is told all of them
MOST_ORDERS = 1 << 30
LARGEST_BINDING = 8 * 1024  # bytes


class Registry:
    """Participants and the certificates that speak for them.

    The directory is the truth in memory. It is built from statements only, each verified again when it is taken in:
    a row that somebody edited in the database admits nobody.

    Args:
        trust: holds the directory.
        charters: the space's charter comes from there.
        orders: the orders of regulators come from there.
        announce: called after something was queued for the log.
    """

    def __init__(
        self,
        trust: Trust,
        store: RegistryStore,
        lookups: LookupStore,
        charters: CharterStore,
        orders: OrderStore,
        authority: Authority,
        announce: Announce,
    ) -> None:
        self._trust = trust
        self._store = store
        self._lookups = lookups
        self._charters = charters
        self._orders = orders
        self._authority = authority
        self._announce = announce
        self._lock = threading.Lock()
        self._revision = self._anew = -1
        self._changed: dict[str, int] = {}  # participant -> revision
        self._status = b""
        self._bindings: dict[str, dict[str, Statement]] = {}

    @property
    def directory(self) -> Directory:
        """Who is who."""
        return self._trust.directory

    def now(self) -> datetime:
        """The present instant by the broker's clock."""
        return self._trust.clock.now()

    def reload(self) -> None:
        """Take in what was kept since the last time, by this process or by a command.

        Raises:
            Untrusted: a kept statement does not hold: the database was altered.
        """
        with self._lock:
            charter = self._charters.newest()
            if charter is not None:
                self.directory.adopt(Statement.parse(charter))
            kept = self._store.statements(self._trust.clock.now(), self._revision)
            for data in kept.envelopes:
                self._take(data, kept.revision)
            if kept.revision != self._revision:
                self._obey()
            self._revision = kept.revision

    def changed(self) -> None:
        """Take in what was just kept, and let it be logged."""
        self.reload()
        self._announce()

    @property
    def status(self) -> bytes:
        """The newest status list as it is kept; empty before the first."""
        return self._status

    def changes(self, after: int) -> tuple[int, list[str]]:
        """The revision that is reached, and the participants that changed after the given one, by id.

        One who asks after a revision that is not reached is told of all: what it knew is of another registry.
        """
        if after > self._revision:
            self.reload()  # another process may have told it
        with self._lock:
            revision, anew, changed = self._revision, self._anew, dict(self._changed)
        ids = [each.id for each in self.directory.participants()]
        if not 0 < after <= revision or after < anew:
            return revision, ids
        return revision, [each for each in ids if changed.get(each, 0) > after]

    def authenticate(self, fingerprint: str) -> Binding:
        """Who speaks with a certificate: the participant that bound it or, until then, the one it was issued to.

        Raises:
            Unauthenticated: not issued here, expired, or its participant may not act.
        """
        now = self._trust.clock.now()
        try:
            return self.directory.caller(fingerprint, now)
        except Unauthenticated as fault:
            issued = self._lookups.certificate(fingerprint) if fault.code == "identity.unknown" else None
            if issued is None:
                raise
        if issued.not_after < now:
            raise Unauthenticated("identity.expired", participant=issued.participant)
        self.directory.check_active(issued.participant, now, fingerprint)
        return Binding(issued.participant, issued.connector, issued.der, "", issued.not_after)

    def member(self, caller: Binding) -> Binding:
        """The caller, if its participant has bound the certificate: all calls but binding need that.

        Raises:
            Unauthenticated: the certificate is issued and not bound yet.
        """
        now = self._trust.clock.now()
        try:
            return self.directory.caller(caller.fingerprint, now)
        except Unauthenticated as fault:
            if fault.code != "identity.unknown":
                raise
        self.reload()  # it may have been bound a moment ago, at another process
        return self.directory.caller(caller.fingerprint, now)

    def bind(self, caller: Binding, data: bytes) -> Binding:
        """Keep the caller's own statement that a certificate issued to it is its own.

        Raises:
            Untrusted: the certificate was not issued to it.
            Refused: it is another connector's, or one too many.
        """
        statement = self._trust.read(data, caller, BOUND, LARGEST_BINDING)
        binding = Binding.of(statement)
        if binding.connector != caller.connector:
            raise Refused("identity.mismatch", found=caller.connector, expected=binding.connector)
        others = {Binding.of(each).fingerprint for each in self.bindings(binding.participant)} - {binding.fingerprint}
        if len(others) >= MOST_BINDINGS:
            raise Refused("certificate.too_many", participant=binding.participant, most=MOST_BINDINGS)
        self._store.bind(binding, Outgoing.of(statement))
        self.changed()
        return binding

    def renew(self, caller: Binding, csr: bytes) -> Certificate:
        """A new certificate for the caller's connector.

        Raises:
            Malformed, Untrusted: the signing request is not a good one.
        """
        return self.issue(caller.participant, caller.connector, csr)

    def issue(self, participant: str, connector: str, csr: bytes) -> Certificate:
        """A new certificate for a connector, kept before it is handed out; raises as `renew`."""
        issued = self._authority.issue(requested_key(csr), participant, connector, self._trust.clock.now())
        self._store.issued(issued)
        return issued

    def bindings(self, participant: str) -> list[Statement]:
        """The bindings of a participant that are still valid and may be used, newest last."""
        with self._lock:
            held = list(self._bindings.get(participant, {}).items())
        return [statement for fingerprint, statement in held if self._usable(fingerprint)]

    def _usable(self, fingerprint: str) -> bool:
        try:
            self.directory.caller(fingerprint, self._trust.clock.now())
        except Unauthenticated:
            return False
        return True

    def _obey(self) -> None:
        _, kept = self._orders.orders(0, MOST_ORDERS)
        for each in kept:
            with suppress(Refused):  # its regulator is none any more
                self.directory.order(Statement.parse(each))

    def _take(self, data: bytes, revision: int) -> None:
        statement = Statement.parse(data)
        if statement.type == CERTIFIED:
            self._changed[self.directory.certify(statement).id] = revision
        elif statement.type == BOUND:
            binding = self.directory.bind(statement)
            self._bindings.setdefault(binding.participant, {})[binding.fingerprint] = statement
            self._changed[binding.participant] = revision
        else:
            held = self.directory.status
            if self.directory.apply(statement).standings != (held.standings if held else ()):
                self._anew = revision  # bindings come and go with standing
            self._status = data
