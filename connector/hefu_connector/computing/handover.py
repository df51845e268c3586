"""After a delivery, on its provider's side: proofs of deletion are taken, and what is due is handed over no more."""

from __future__ import annotations

from collections.abc import Callable

from hefu.envelope import Statement
from hefu.errors import NotFound, Unauthenticated, Untrusted
from hefu.statements.delivery import Deleted
from hefu.times import Clock

from hefu_connector.ports import Run, Trust
from hefu_connector.shelves import Handed


class Handover:
    """Takes proofs and drops what is due. Safe to use from many threads.

    Args:
        find: a computation of this provider, or None.
    """

    def __init__(self, trust: Trust, find: Callable[[str], Run | None], handed: Handed, clock: Clock) -> None:
        self._trust = trust
        self._find = find
        self._handed = handed
        self._clock = clock

    def confirm(self, statement: Statement, caller: str, *subjects: str) -> None:
        """Take a recipient's signed `delivery.deleted`; the same again changes nothing.

        Raises:
            Unauthenticated: it is not the caller's, or the caller may not act.
            NotFound: it received no such delivery.
            Untrusted: the signature does not hold, or it is about another receipt.
        """
        told = Deleted.of(statement)
        if statement.issuer != caller:
            raise Unauthenticated("identity.mismatch", found=caller, expected=statement.issuer[:64])
        self._trust.verify(statement)
        self._trust.check(caller, *subjects)
        name = told.kept.delivery
        run = self._find(name)
        if run is None or run.consumer != caller or run.receipt is None or self._handed.find(name) is None:
            raise NotFound("resource.not_found", what="delivery", name=name[:64])
        if Statement.parse(run.receipt).digest() != told.kept.receipt:
            raise Untrusted("delivery.differs", delivery=name)
        self._handed.confirm(name, statement.to_bytes())

    def sweep(self) -> None:
        """Drop what is due; called every few seconds."""
        self._handed.drop_due(self._clock.now())

    def ended(self, agreement: str) -> None:
        """Drop what was delivered under an agreement that has ended."""
        self._handed.drop_under(agreement)
