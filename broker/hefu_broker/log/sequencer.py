"""The sequencer of the audit log: of all processes on a database one writes the tree and signs with the log's key.

Order of writes, so that no crash can fork the log:

1. one transaction: outbox rows deleted, entries inserted, tiles upserted, head moved, if the lease is of our epoch and
   the head is where we left it;
2. the checkpoint is signed;
3. it is written durably to a file of its own (`hefu_broker.log.latest`), before anybody sees it;
4. where the charter pins witnesses, they cosign it (`hefu_broker.log.witnesses`): meanwhile the log goes on, and
   nothing newer is published;
5. it is added to the history, with the quorum's cosignatures, and published.

At the start, and whenever it takes the lead, a process computes the tree anew from its tiles and compares it with the
head, with the newest checkpoint it has seen, and with what witnesses cosigned. A database that is behind was restored
from a backup: going on would fork the log, so the process refuses to. Those who follow take over each new checkpoint
from the history, after they verified that it extends the one before and has the quorum behind it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from hefu.errors import Conflict, HefuError, Unavailable, Untrusted
from hefu.running import faults, telemetry
from hefu.tlog import checkpoint, tiles, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note, Sign, VerifierKey

from hefu_broker.log.latest import Latest
from hefu_broker.log.leadership import BEAT, LOOK, Leadership
from hefu_broker.log.witnesses import Witnesses
from hefu_broker.ports import LogStore, OutboxStore
from hefu_broker.records import Entry, Head, Lease, Pending

log = logging.getLogger("hefu.broker.log")
_BATCH = 1024
_RETRY_SECONDS = 1.0


class Sequencer:
    """Moves statements from the outbox into the tree and publishes checkpoints, or follows the process that does.

    Args:
        key: the log's public key; its name is the log's origin. `sign` holds the private one.
        published: called with the size after each publication by this process, and once when it takes the lead; must
            bear repetition.
        witnesses: of the log; without them its own signature is enough.
        beside: further keys of the log, the next or the one before: while keys change, all of them sign.
    """

    def __init__(
        self,
        store: LogStore,
        outbox: OutboxStore,
        leadership: Leadership,
        key: VerifierKey,
        sign: Sign,
        latest: Latest,
        published: Sequence[Callable[[int], None]] = (),
        witnesses: Witnesses | None = None,
        beside: Sequence[tuple[VerifierKey, Sign]] = (),
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._leadership = leadership
        self._key = key
        self._sign = sign
        self._latest = latest
        self._published = [*published]
        self._witnesses = witnesses
        self._beside = beside
        self._newest: tuple[Checkpoint, str] | None = None
        self._head: Head | None = None  # what this process committed or checked; only that is ever signed
        self._told = -1
        self._asked_at_start: Callable[[str, int], None] | None = None
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._stopping = False
        self._ended = ""
        self._thread: threading.Thread | None = None

    @property
    def newest(self) -> tuple[int, str]:
        """Size and signed note of the newest published checkpoint.

        Raises:
            Unavailable: none is published yet.
        """
        if self._newest is None:
            raise Unavailable("log.closed")
        return self._newest[0].size, self._newest[1]

    @property
    def committed(self) -> int:
        """How many entries are in the tree, published or not."""
        return self._store.head().size

    @property
    def is_open(self) -> bool:
        """Whether a checkpoint is published."""
        return self._newest is not None

    @property
    def leads(self) -> bool:
        """Whether this process writes the log, as far as it knows."""
        return self._leadership.lease is not None

    @property
    def ended(self) -> str:
        """Why it does nothing about the log any more: the code of what ended it; empty while it works."""
        died = self._thread is not None and not self._thread.is_alive() and not self._stopping
        return self._ended or ("internal" if died else "")

    def waiting(self) -> int:
        """How many statements wait for the log, counted up to a thousand."""
        return len(self._outbox.pending(1000))

    def ring(self) -> None:
        """Say that something was queued, or published by another process."""
        self._bell.set()

    def at_start(self, call: Callable[[str, int], None]) -> None:
        """At the start call this with the newest checkpoint that was signed and the size of the tree; it may refuse."""
        self._asked_at_start = call

    def on_published(self, call: Callable[[int], None]) -> None:
        """Call this, too, after each publication."""
        self._published.append(call)

    def remember(self, note: str) -> None:
        """Take a checkpoint that somebody else kept for the newest seen, if it is newer than that.

        Raises:
            Untrusted: it is not signed by the log's key, or the database is behind it, or of another history.
        """
        signed, seen = checkpoint.verify(note, self._key), self._latest.read()
        if seen is None or signed.size > seen.size:
            self._latest.write(note)
        self._check(self._store.head())
        self._check_contains(signed)

    def recover(self) -> None:
        """Check the database against the newest checkpoint seen, then lead or follow.

        Raises:
            Untrusted: the tiles do not give the head's root, or the database is behind the newest checkpoint seen.
        """
        head = self._store.head()
        self._check(head)
        self._ask_at_start(head)
        if self._leadership.seek():
            self._take_charge()
        else:
            self.follow()

    def sequence(self) -> int:
        """Put one batch of what waits in the outbox into the tree, in one transaction; returns how many.

        Raises:
            Conflict: another process leads: this one must not go on.
        """
        lease, before = self._charge()
        waiting = self._outbox.pending(_BATCH)
        if not waiting:
            return 0
        with telemetry.step("log.sequence", entries=len(waiting)):
            self._append(lease, before, waiting)
        self._leadership.used()
        return len(waiting)

    def _append(self, lease: Lease, before: Head, waiting: Sequence[Pending]) -> None:
        if self._store.head() != before:  # seen here, it costs no work; what counts is that `append` sees it
            raise Conflict("log.moved")
        entries = [
            Entry(before.size + number, tree.leaf_hash(each.outgoing.envelope), each.outgoing)
            for number, each in enumerate(waiting)
        ]
        edge = tiles.held(self._store.tiles(tiles.edge(before.size)))
        added = tiles.append(before.size, [each.leaf_hash for each in entries], edge)
        after = Head(added.size, added.root)
        faults.point("log.before_commit")
        self._head = None  # until it is known to be committed: else it is looked at again
        self._store.append(lease, before, [each.row for each in waiting], entries, added.tiles, after)
        self._head = after
        faults.point("log.committed")

    def publish(self) -> None:
        """Sign and keep a checkpoint of the head that was committed, and publish it once it counts.

        Where witnesses must cosign, the one that waits for them is published first, as soon as the quorum is there.
        """
        _, head = self._charge()
        while self._newest is None or head.size != self._newest[0].size or self._bare(self._newest[1]):
            with self._lock:
                signed, note = self._awaited(head) or self._signed(head)
                whole = note if self._witnesses is None else self._witnesses.gathered(signed, note)
                if whole is None:
                    break
                self._store.keep_checkpoint(signed.size, whole)
                self._newest = signed, whole
        self._tell()

    def _signed(self, head: Head) -> tuple[Checkpoint, str]:
        """A new checkpoint of the head, kept durably before anybody sees it, and put up for the witnesses."""
        signed = Checkpoint(self._key.name, head.size, head.root)
        note = checkpoint.sign(signed, self._key, self._sign)
        for key, sign in self._beside:
            note = str(Note.parse(note).sign(key, sign))
        faults.point("log.signed")
        self._latest.write(note)
        faults.point("log.kept")
        if self._demanding is not None:
            self._demanding.propose(signed, note)
            faults.point("log.proposed")
        return signed, note

    def _awaited(self, head: Head) -> tuple[Checkpoint, str] | None:
        """The checkpoint that was put up for the witnesses and is not published yet, of this process or one before."""
        note = self._demanding.candidate() if self._demanding is not None else None
        if note is None:
            return None
        signed = checkpoint.verify(note, self._key)
        if self._newest is not None and signed.size < self._newest[0].size + (not self._bare(self._newest[1])):
            return None
        if signed.size > head.size:
            raise Untrusted("log.behind", found=head.size, expected=signed.size)
        self._check_contains(signed)  # it may be of another process
        return signed, note

    def _bare(self, note: str) -> bool:
        """Whether what is published lacks the quorum: it is of before the policy, and is witnessed now."""
        return self._demanding is not None and not self._demanding.counts(note)

    @property
    def _demanding(self) -> Witnesses | None:
        """The witnesses, where there is a policy that asks for them."""
        return self._witnesses if self._witnesses is not None and self._witnesses.policy is not None else None

    def _tell(self) -> None:
        size = self._newest[0].size if self._newest is not None else -1
        if self._told < size:
            for call in self._published:
                call(size)
            self._told = size
            if self._demanding is not None:
                self._demanding.published(size)

    def follow(self) -> None:
        """Take over the newest checkpoint that another process published. Any thread may call.

        Raises:
            Untrusted: it is not signed by the log's key, or does not extend the one before.
        """
        with self._lock:
            note = self._store.checkpoint()
            if note is None or (self._newest is not None and note == self._newest[1]):
                return
            signed, seen = checkpoint.verify(note, self._key), self._seen()
            if self._witnesses is not None and not self._witnesses.counts(note):
                return  # the quorum is not behind it: of before the policy, or the leader's fault
            if seen is not None and signed.size < seen.size:
                # What was seen is not in the history (a crash, or witnesses are missing): whoever leads publishes it.
                head = self._store.head()
                if head.size < seen.size:
                    raise Untrusted("log.behind", found=head.size, expected=seen.size)
                if self._demanding is None or (self._newest is not None and signed.size <= self._newest[0].size):
                    return
            self._check_contains(signed)
            if seen is not None:
                self._check_contains(seen)
            if seen is None or signed.size >= seen.size:
                self._latest.write(note)
            self._newest = signed, note

    def start(self) -> None:
        """Recover, then lead or follow in a thread of its own. Raises as `recover`."""
        self.recover()
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._thread.start()
        self.ring()

    def stop(self) -> None:
        """Sequence what waits, give the lead back, and end the thread."""
        self._stopping = True
        self.ring()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended:
            self._bell.wait(BEAT if self.leads else LOOK)
            self._bell.clear()
            self._attempt()
            if self._stopping and not self._bell.is_set():  # what came while it drained is drained too
                break
        self._give_back()

    def _attempt(self) -> None:
        try:
            self.turn()
        except Unavailable:
            log.exception("the log is held up")
            if not self._stopping:
                self._bell.wait(_RETRY_SECONDS)
                self._bell.set()
        except Conflict:
            log.warning("another process writes the log; this one follows")
            self._leadership.lose()
            self._head = None
        except HefuError as fault:
            log.exception("the sequencer has stopped: the database is not what it was")
            self._ended = fault.code

    def turn(self) -> None:
        """Lead or follow once: what the thread does at each ring.

        Raises:
            Conflict: another process leads.
            Unavailable: the database or the disk does not take it now.
            Untrusted: as `recover`.
        """
        if self._witnesses is not None and self._witnesses.accused is not None:
            raise self._witnesses.accused
        if not self.leads and not self._leadership.seek():
            self.follow()
            return
        if self._head is None:
            self._take_charge()
        self._leadership.keep()
        more = True
        while more:
            more = self.sequence() == _BATCH
            self.publish()

    def _take_charge(self) -> None:
        head = self._store.head()
        self._check(head)
        self._head = head
        if self._newest is None and self._demanding is not None:
            self.follow()  # what the quorum is behind stays published while witnesses are away
        self.publish()
        log.info("this process writes the log from entry %d on", head.size)

    def _give_back(self) -> None:
        try:
            self._leadership.release()
        except HefuError:
            log.exception("the lead could not be given back; others take it when it rests")

    def _charge(self) -> tuple[Lease, Head]:
        """The lease and the head of a process that leads."""
        lease = self._leadership.lease
        if lease is None or self._head is None:
            raise Conflict("log.moved")
        return lease, self._head

    def _check(self, head: Head) -> None:
        if self._root(head.size) != head.root:
            raise Untrusted("log.inconsistent", size=head.size)
        seen = self._seen()
        if seen is None:
            if self._store.checkpoint() is not None:
                raise Untrusted("log.latest_missing", path=self._latest.name)
            return
        if seen.size > head.size:
            raise Untrusted("log.behind", found=head.size, expected=seen.size)
        self._check_contains(seen)

    def _seen(self) -> Checkpoint | None:
        """The newest checkpoint that this process published, followed or signed."""
        kept, newest = self._latest.read(), self._newest[0] if self._newest else None
        return max(filter(None, (kept, newest)), key=lambda each: each.size, default=None)

    def _ask_at_start(self, head: Head) -> None:
        """Hold the database against what the witnesses cosigned, those that answer."""
        kept = self._latest.text()
        if self._asked_at_start is not None and kept is not None:
            self._asked_at_start(kept, head.size)

    def _check_contains(self, signed: Checkpoint) -> None:
        if self._root(signed.size) != signed.root:
            raise Untrusted("log.inconsistent", size=signed.size)

    def _root(self, size: int) -> bytes:
        return tiles.at_once(size, partial(tree.root_of, size), self._store.tiles)
