"""Orders of regulators at the broker: taken, logged, served, obeyed like a suspension by the operator.

The broker judges none: whom the charter names, regulates. What is outside of a mandate is refused, and that is logged.
"""

from __future__ import annotations

from hefu.canonical import Object
from hefu.envelope import Signer, Statement, draft
from hefu.errors import Conflict, HefuError, Malformed, Refused
from hefu.identity import Binding
from hefu.membership.mandate import DENIED, LIFTED, SUSPENDED, Order, check_mandate
from hefu.running.changes import Changes

from hefu_broker.membership.registry import Registry
from hefu_broker.membership.trust import Trust
from hefu_broker.ports import Announce, OrderStore, OutboxStore
from hefu_broker.records import EVERYBODY, Outgoing

LARGEST = 16 * 1024  # bytes of an order
PAGE, _TRIES = 200, 8


class Denials:
    """What is outside of a regulator's mandate, stated by the broker in the log.

    Args:
        operator: the broker's participant id; `signer` holds its key.
        announce: called after something was queued for the log.
    """

    def __init__(self, trust: Trust, outbox: OutboxStore, operator: str, signer: Signer, announce: Announce) -> None:
        self._trust = trust
        self._outbox = outbox
        self.operator = operator
        self._signer = signer
        self._announce = announce

    def note(self, statement: Statement, fault: HefuError) -> None:
        """State that a statement was refused."""
        at = self._trust.clock.now()
        body: Object = {"order": statement.digest(), "by": statement.issuer, "code": fault.code}
        made = draft(DENIED, body, space=self._trust.directory.space, issuer=self.operator, at=at)
        self._outbox.queue([Outgoing.of(made.sign(self._signer, at), statement.issuer)])
        self._announce()


class Orders:
    """The orders of one space.

    Args:
        changes: rings after every change of a negotiation.
    """

    def __init__(self, trust: Trust, registry: Registry, store: OrderStore, denials: Denials, changes: Changes) -> None:
        self._trust = trust
        self._registry = registry
        self._store = store
        self._denials = denials
        self._changes = changes

    def record(self, caller: Binding, data: bytes) -> None:
        """Take an order or a lift; it acts at once. The same again changes nothing.

        Raises:
            Refused: it is outside the caller's mandate; that is logged.
            Malformed, Untrusted, Unauthenticated: a check on the statement failed.
        """
        statement = self._trust.read(data, caller, limit=LARGEST)
        if statement.type not in (SUSPENDED, LIFTED):
            raise Malformed("statement.wrong_type", found=statement.type[:64], expected=f"{SUSPENDED} or {LIFTED}")
        directory = self._trust.directory
        try:
            self._check(statement)
        except Refused as fault:
            self._denials.note(statement, fault)
            raise
        for _ in range(_TRIES):
            newest, held = self._store.orders(0, 1 << 30)
            if any(Statement.parse(each).digest() == statement.digest() for each in held):
                return
            try:
                self._store.keep(statement.digest(), newest + 1, Outgoing.of(statement, EVERYBODY))
            except Conflict:
                continue  # another was kept meanwhile
            directory.order(statement)
            self._registry.changed()
            self._changes.announce()
            return
        raise Conflict("log.moved")

    def page(self, after: int) -> tuple[int, list[bytes]]:
        """How many orders there are, and those above a number."""
        return self._store.orders(max(after, 0), PAGE)

    def _check(self, statement: Statement) -> None:
        directory = self._trust.directory
        check_mandate(directory.charter, statement.issuer, directory.roles(statement.issuer))
        if statement.type == SUSPENDED and Order.of(statement).names == f"participant:{self._denials.operator}":
            raise Refused("standing.self")
        directory.try_order(statement)
