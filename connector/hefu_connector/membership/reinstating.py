"""Who was reinstated acts again once the log shows it: what narrows acts at first sight, what widens needs a proof
that the log's witnesses stand behind (promise T-e). So a broker that was broken into lets nobody back in unseen.
"""

from __future__ import annotations

import logging

from hefu.errors import NotFound
from hefu.tlog.note import VerifierKey
from hefu.tlog.tree import leaf_hash

from hefu_connector.brokerage import Log, Registry
from hefu_connector.membership.log_history import LogHistory, Policy, nobody
from hefu_connector.membership.trust import SpaceTrust
from hefu_connector.shelves import Marks

log = logging.getLogger("hefu.reinstating")


class Reinstating:
    """Looks for the proof that somebody was reinstated, while somebody waits for it. One thread at a time.

    Args:
        key: the log's pinned key.
        policy: the witnesses whose quorum must stand behind the proof.
    """

    def __init__(
        self, trust: SpaceTrust, registry: Registry, log_: Log, marks: Marks, key: VerifierKey, policy: Policy = nobody
    ) -> None:
        self._trust = trust
        self._registry = registry
        self._history = LogHistory(log_, marks, key, policy)

    def step(self) -> None:
        """Wake whom the newest list in the log does not name.

        Raises:
            Unavailable: the broker is away; who rests, rests on.
            Untrusted: the list is not the operator's, or the log's proof does not hold.
        """
        if not self._trust.resting():
            return
        statement = self._registry.status(logged=True)
        try:
            proof = self._history.proof(leaf_hash(statement.to_bytes()))
        except NotFound:
            return
        if proof is not None:
            self._trust.wake(statement)
