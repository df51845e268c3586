"""The log's witnesses at the broker: which checkpoint waits for them, what they answered, and whether it is enough.

The charter pins the witness policy. While it asks for a quorum, a checkpoint that the log signed is a *candidate* until
the quorum's cosignatures stand under it; only then is it published. One candidate waits at a time and stays the same
until it is published, so that all witnesses sign one text; what is committed meanwhile is in the next one. Nothing here
ever holds up the sequencer: it looks at what is there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from hefu.errors import HefuError, Malformed, NotFound, Untrusted
from hefu.running.changes import Changes
from hefu.times import Clock
from hefu.tlog import checkpoint, cosignature, tiles, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note, VerifierKey
from hefu.tlog.policy import Known, WitnessPolicy

from hefu_broker.ports import CosigningStore, LogStore

log = logging.getLogger("hefu.broker.witnesses")
LONGEST_WAIT = 20.0  # seconds that one question for a candidate may be held
_MOST_HELD = 16  # questions held at once; further ones are answered at once
_LARGEST_ANSWER = 64 << 10  # characters of cosignature lines in one answer
_PATIENCE = timedelta(seconds=10)  # before it is told that witnesses are missing
_AHEAD = timedelta(minutes=5)  # how far a witness's clock may be before ours


@dataclass(frozen=True, slots=True)
class Candidate:
    """A checkpoint to be cosigned, with what leads to it from the witness's own; an empty note where none waits."""

    note: str = ""
    old: int = 0
    proof: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Waiting:
    """The checkpoint that is not published yet, as this process looked at it last."""

    size: int
    since: datetime
    missing: tuple[str, ...] = field(default=())


class Witnesses:
    """What the witnesses of one log are asked and what they said. Any thread may call.

    Args:
        key: the log's public key.
        policy: that is in force; None where nobody need cosign.
    """

    def __init__(
        self,
        key: VerifierKey,
        policy: Callable[[], WitnessPolicy | None],
        store: CosigningStore,
        log_store: LogStore,
        clock: Clock,
    ) -> None:
        self._key = key
        self._policy = policy
        self._store = store
        self._log = log_store
        self._clock = clock
        self._heard: list[Callable[[], None]] = []
        self._held = threading.Semaphore(_MOST_HELD)
        self._waiting: _Waiting | None = None
        self._accused: HefuError | None = None
        self.changes = Changes()  # announced when there may be another candidate

    def when_heard(self, call: Callable[[], None]) -> None:
        """Call when a witness answered: the sequencer looks whether it is enough."""
        self._heard.append(call)

    @property
    def policy(self) -> WitnessPolicy | None:
        """The policy in force."""
        return self._policy()

    @property
    def accused(self) -> HefuError | None:
        """What a witness proved against this log; None where nothing was."""
        return self._accused

    def counts(self, note: str) -> bool:
        """Whether a checkpoint that the log signed has the quorum's cosignatures, where a quorum is asked for."""
        policy = self.policy
        if policy is None:
            return True
        try:
            policy.verify(Note.parse(note))
        except HefuError:
            return False
        return True

    # ------------------------------------------------------------ the sequencer's side

    def candidate(self) -> str | None:
        """The newest checkpoint that was put up for cosigning; None before the first."""
        return self._store.candidate()

    def propose(self, head: Checkpoint, note: str) -> None:
        """Put a signed checkpoint up; one that is smaller than what was put up before changes nothing."""
        self._store.propose(head.size, note)
        self.changes.announce()

    def gathered(self, head: Checkpoint, note: str) -> str | None:
        """The checkpoint with its cosignatures; None while the quorum is missing. Without a policy it is as it was."""
        policy = self.policy
        if policy is None:
            self._waiting = None
            return note
        whole, names = Note.parse(note), []
        lines = self._store.cosignatures(head.size)
        for name, known in policy.witnesses.items():
            line = lines.get(_mark(known.key))
            if line is not None and (found := _verified(whole.text, line, known.key)) is not None:
                whole = Note(whole.text, (*whole.signatures, *found.signatures))
                names.append(name)
        if not policy.met_by(names):
            self._note_missing(head.size, policy.missing(names))
            return None
        self._waiting = None
        return str(whole)

    def published(self, size: int) -> None:
        """Forget the cosignatures under smaller checkpoints; call after a publication."""
        if self.policy is not None:
            self._store.forget(size)

    def missing(self, *, patient: bool = True) -> tuple[str, ...]:
        """The witnesses that publication waits for; empty where it waits for nobody.

        Args:
            patient: say nothing in the first seconds, in which witnesses usually answer.
        """
        found = self._waiting
        if found is None or (patient and self._clock.now() - found.since < _PATIENCE):
            return ()
        return found.missing

    def lacking(self) -> tuple[str, ...]:
        """The same for a process that does not write the log: from what is kept."""
        policy, note, newest = self.policy, self._store.candidate(), self._log.checkpoint()
        if (
            policy is None
            or note is None
            or (newest is not None and self.counts(newest) and _size(newest) >= _size(note))
        ):
            return ()
        lines = self._store.cosignatures(_size(note))
        there = [name for name, known in policy.witnesses.items() if _mark(known.key) in lines]
        return () if policy.met_by(there) else tuple(policy.missing(there))

    # ------------------------------------------------------------ the witnesses' side

    def next_for(self, key: str, newest: str, seconds: float) -> Candidate:
        """What a witness should cosign next, as soon as there is something; nothing when the time is over.

        Args:
            key: the witness's verifier key, as it stands in the policy.
            newest: the newest checkpoint it cosigned, with the log's signature; empty before the first.

        Raises:
            NotFound: it is no witness of the policy in force.
            Malformed, Untrusted: its newest checkpoint is not this log's. One that this log signed and that does not
                lead on to what it has now is kept as an accusation.
        """
        known = self._known(key)
        held = checkpoint.verify(newest, self._key) if newest else None
        end = time.monotonic() + min(seconds, LONGEST_WAIT)
        waits = self._held.acquire(blocking=False)
        try:
            while True:
                mark = self.changes.mark()
                found = self._next(known, held)
                left = end - time.monotonic()
                if found is not None or not waits or left <= 0 or self.changes.closed:
                    return found or Candidate()
                self.changes.wait(mark, seconds=min(left, 1.0))  # another process may have put it up
        finally:
            if waits:
                self._held.release()

    def add(self, text: str) -> int:
        """Take a checkpoint with cosignatures in; what is known already changes nothing.

        Args:
            text: the note; only lines of witnesses of the policy are looked at.

        Returns:
            How many of the lines hold.

        Raises:
            Malformed: not a note, too long, or not the checkpoint that waits.
            Untrusted: a line of a witness of the policy does not hold.
        """
        if len(text) > _LARGEST_ANSWER:
            raise Malformed("log.malformed", what="note", why="too long")
        note = Note.parse(text)
        return self._take(note, self._expected(note.text))

    def proof(self, old: int, head: Checkpoint) -> tuple[bytes, ...]:
        """What leads from one size to a checkpoint; nothing is needed from the empty log or the same size."""
        if not 0 < old < head.size:
            return ()
        return tuple(tiles.at_once(head.size, partial(tree.consistency_proof, old, head.size), self._log.tiles))

    def lacks(self, known: Known, head: Checkpoint) -> bool:
        """Whether a witness's cosignature of a checkpoint is not here yet."""
        return _mark(known.key) not in self._store.cosignatures(head.size)

    def _accuse(self, fault: HefuError) -> HefuError:
        """A witness proved that the log is not what it was: the sequencer stops at its next turn."""
        self._accused = fault
        log.error("a witness holds a checkpoint that this log signed and does not lead on from: %s", fault.code)
        self._announce()
        return fault

    def _known(self, key: str) -> Known:
        policy = self.policy
        for each in policy.witnesses.values() if policy else ():
            if str(each.key) == key:
                return each
        raise NotFound("witness.unlisted", name=key.partition("+")[0][:80])

    def _next(self, known: Known, held: Checkpoint | None) -> Candidate | None:
        if held is not None:
            self._check_held(held)
        note = self._store.candidate()
        if note is None:
            return None
        head, old = checkpoint.verify(note, self._key), held.size if held else 0
        if head.size < old or not self.lacks(known, head):
            return None
        return Candidate(note, old, self.proof(old, head))

    def _check_held(self, held: Checkpoint) -> None:
        head = self._log.head()
        if held.size > head.size:
            raise self._accuse(Untrusted("log.behind", found=head.size, expected=held.size))
        if tiles.at_once(held.size, partial(tree.root_of, held.size), self._log.tiles) != held.root:
            raise self._accuse(Untrusted("log.inconsistent", size=held.size))

    def _expected(self, text: str) -> Checkpoint:
        note = self._store.candidate()
        if note is None or Note.parse(note).text != text:
            raise Malformed("log.malformed", what="cosignature", why="it is not of the checkpoint that waits")
        return checkpoint.verify(note, self._key)

    def _take(self, note: Note, head: Checkpoint) -> int:
        policy, taken, held = self.policy, 0, self._store.cosignatures(head.size)
        for known in policy.witnesses.values() if policy else ():
            if not note.by(known.key):
                continue
            found = cosignature.verify(note, known.key)
            if found.time > self._clock.now() + _AHEAD:
                raise Untrusted("witness.early", name=known.key.name)
            line = Note(note.text).add(known.key, note.by(known.key)[0])
            text = str(line).rpartition("\n\n")[2]
            taken += 1
            if held.get(_mark(known.key)) != text:  # what anybody repeats costs no writing
                self._store.cosign(head.size, _mark(known.key), text)
        if taken:
            self._announce()
            self.changes.announce()
        return taken

    def _announce(self) -> None:
        for call in self._heard:
            call()

    def _note_missing(self, size: int, missing: Sequence[str]) -> None:
        held = self._waiting
        since = held.since if held is not None and held.size == size else self._clock.now()
        self._waiting = _Waiting(size, since, tuple(missing))


def _size(note: str) -> int:
    return Checkpoint.parse(Note.parse(note).text).size


def _mark(key: VerifierKey) -> str:
    return f"{key.name}+{key.id.hex()}"


def _verified(text: str, line: str, key: VerifierKey) -> Note | None:
    """A kept line, if it still holds; the database may have been altered."""
    try:
        note = Note.parse(f"{text}\n{line}")
        cosignature.verify(note, key)
    except HefuError:
        return None
    return note
