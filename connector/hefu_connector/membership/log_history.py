"""One log, one history: every checkpoint this connector acts on must extend, or be extended by, the newest it knows.

Where the charter pins witnesses, a checkpoint counts only with their quorum's cosignatures: the log's key alone widens
nothing.

Two checkpoints that the log signed and that no consistency proof connects are evidence against it. Both are kept for
good, and nothing that widens rights is taken in from the one that came later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime

from hefu import canonical
from hefu.errors import Conflict, HefuError, Unavailable, Untrusted
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note, VerifierKey
from hefu.tlog.policy import WitnessPolicy
from hefu.tlog.proof import LogProof

from hefu_connector.brokerage import Log
from hefu_connector.shelves import Mark, Marks

log = logging.getLogger("hefu.agreements")
_REMEMBERED = 2.0  # seconds
CHECKPOINT, SPLIT = "log/checkpoint", "log/split/"  # marks; number: size, text: the signed note (both, of a split)


Policy = Callable[[], WitnessPolicy | None]


def nobody() -> WitnessPolicy | None:
    """No witness need have cosigned."""
    return None


class LogHistory:
    """The newest checkpoint this connector verified, over restarts. One thread at a time.

    Args:
        key: the log's pinned key.
        policy: the witness policy in force; None where the log's own signature is enough.
    """

    def __init__(self, log: Log, marks: Marks, key: VerifierKey, policy: Policy = nobody) -> None:
        self._log = log
        self._marks = marks
        self._key = key
        self._policy = policy
        self._seen: Checkpoint | None = None
        self._due = 0.0

    def look(self) -> None:
        """Take up the newest published checkpoint; raises as `check`."""
        note = self._log.checkpoint()
        if self.counts(note):
            self.check(note)

    def seen(self) -> Checkpoint | None:
        """The newest checkpoint that was verified here; None before the first."""
        now = time.monotonic()
        if now >= self._due:  # every statement names it: the store is not asked for each
            kept = self._marks.find(CHECKPOINT)
            self._seen = None if kept is None else Checkpoint.parse(Note.parse(kept.text).text)
            self._due = now + _REMEMBERED
        return self._seen

    def counts(self, note: str) -> bool:
        """Whether the quorum of the witnesses stands behind a checkpoint; what it proves has no effect before.

        Raises:
            Unavailable: the charter is not known yet.
        """
        policy = self._policy()
        if policy is None:
            return True
        try:
            policy.verify(Note.parse(note))
        except HefuError as fault:
            log.info("a checkpoint does not count yet: %s", fault.public())
            return False
        return True

    def proof(self, leaf: bytes) -> LogProof | None:
        """The log's proof of a leaf, verified; None while the witnesses do not stand behind its checkpoint.

        Raises:
            NotFound: the log does not show it.
            Untrusted: the proof does not hold, or is of another history; the evidence is kept.
            Unavailable: the log cannot be asked now, or the charter is not known yet.
        """
        found = self._log.inclusion(leaf)
        found.verify(leaf, self._key)
        if not self.counts(found.checkpoint):
            return None
        self.check(found.checkpoint)
        return found

    def check(self, note: str) -> Checkpoint:
        """Verify a signed checkpoint and that it is of the history known here.

        Raises:
            Untrusted: not the log's, or of another history; the evidence is kept.
            Unavailable: the log cannot be asked for a proof now.
        """
        head, kept = checkpoint.verify(note, self._key), self._marks.find(CHECKPOINT)
        if kept is not None and not self._connected(checkpoint.verify(kept.text, self._key), head):
            name = SPLIT + canonical.digest((kept.text + note).encode())[7:23]
            self._marks.advance(Mark(name, head.size, f"{kept.text}\n{note}"))
            raise Untrusted("log.inconsistent", size=min(kept.number, head.size))
        if kept is None or head.size > kept.number:
            try:
                self._marks.advance(Mark(CHECKPOINT, head.size, note))
            except Conflict:  # a replica kept a newer one meanwhile: this one must be of its history too
                return self.check(note)
        return head

    def rests_since(self, instant: datetime) -> bool:
        """Whether the witnesses cosigned nothing after an instant: publication waits for them, and what is not under
        the newest checkpoint need not be missing. Raises Unavailable."""
        policy = self._policy()
        if policy is None:
            return False
        cosigned = policy.cosigners(Note.parse(self._log.checkpoint()))
        return all(each.time < instant for each in cosigned.values())

    def _connected(self, one: Checkpoint, other: Checkpoint) -> bool:
        old, new = sorted((one, other), key=lambda each: each.size)
        if old.size == 0:
            return True
        if old.size == new.size:
            return old.root == new.root
        try:
            proof = self._log.consistency(old.size, new.size)
            tree.verify_consistency(old.size, new.size, old.root, new.root, proof)
        except Unavailable:
            raise
        except HefuError:  # a log that gives no proof where it signed both has none
            return False
        return True
