"""Orders of the space's regulators, as the broker tells them: verified here, kept, and obeyed at first sight.

An order stops what runs within a second of its sight. A lift widens rights, so it counts once the log shows it
(promise T-e). A broker that forgets orders, as after a backup was put back, makes nobody forget them here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from hefu.envelope import Statement
from hefu.errors import HefuError, NotFound, Unavailable
from hefu.membership.mandate import LIFTED
from hefu.tlog.note import VerifierKey
from hefu.tlog.tree import leaf_hash

from hefu_connector.brokerage import Log, Mandates
from hefu_connector.membership.log_history import LogHistory, Policy, nobody
from hefu_connector.membership.trust import SpaceTrust
from hefu_connector.shelves import Marks

log = logging.getLogger("hefu.orders")
_MOST_PAGES = 500


class OrderBook:
    """Follows the orders of the space. One thread at a time.

    Args:
        key: the log's pinned key.
        policy: the witnesses whose quorum must stand behind a lift's proof.
    """

    def __init__(
        self,
        trust: SpaceTrust,
        mandates: Mandates,
        log_: Log,
        marks: Marks,
        key: VerifierKey,
        policy: Policy = nobody,
    ) -> None:
        self._trust = trust
        self._mandates = mandates
        self._history = LogHistory(log_, marks, key, policy)
        self._after = 0
        self._said: set[str] = set()
        self._changed: list[Callable[[], None]] = []

    def when_changed(self, call: Callable[[], None]) -> None:
        """Call when an order or a lift was taken in."""
        self._changed.append(call)

    def step(self) -> None:
        """Take in what is new; what does not count yet is looked at again.

        Raises:
            Unavailable: the broker is away; what was seen stays in force.
        """
        whole, after = True, self._after
        for _ in range(_MOST_PAGES):
            newest, found = self._mandates.orders(after)
            for each in found:
                whole = self._take(each) and whole
            after += len(found)
            if not found or after >= newest:
                break
        # A broker with fewer than were seen is another one than it was: all are asked for again.
        self._after = after if whole and after == newest else 0

    def _take(self, statement: Statement) -> bool:
        try:
            if statement.type == LIFTED and not self._is_logged(statement):
                return False
            new = self._trust.order(statement)
        except Unavailable:
            raise
        except HefuError as fault:
            # It may count later, as where the charter that names its regulator was not seen yet.
            if statement.digest() not in self._said:
                log.warning("%s is not obeyed: %s %s", statement.type, fault.code, fault.public())
                self._said.add(statement.digest())
            return False
        if new:
            log.warning("%s by %s is obeyed", statement.type, statement.issuer)
            for call in self._changed:
                call()
        return True

    def _is_logged(self, statement: Statement) -> bool:
        try:
            return self._history.proof(leaf_hash(statement.to_bytes())) is not None
        except NotFound:
            return False
