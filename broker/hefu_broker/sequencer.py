"""The sequencer of the audit log: the only writer of the tree, and the only user of the log's key.

Order of writes, so that no crash can fork the log:

1. one transaction: outbox rows deleted, entries inserted, tiles upserted, head moved (if it is where we left it);
2. the checkpoint is signed;
3. it is written durably to a file of its own, ``checkpoint.latest``, which belongs on other storage than the database;
4. it is added to the history and published.

At the start the tree is computed anew from its tiles and compared with the head and with ``checkpoint.latest``. A
database that is behind it was restored from a backup: going on would fork the log, so the broker refuses to.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from hefu import faults, telemetry
from hefu.errors import HefuError, Unavailable, Untrusted
from hefu.tlog import checkpoint, tiles, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Sign, VerifierKey

from hefu_broker.ports import LogStore, OutboxStore
from hefu_broker.records import Entry, Head

log = logging.getLogger("hefu.broker.log")
_BATCH = 1024
_RETRY_SECONDS = 1.0


class Sequencer:
    """Moves statements from the outbox into the tree and publishes checkpoints.

    Args:
        key: the log's public key; its name is the log's origin. `sign` holds the private one.
        latest: the file of the newest signed checkpoint.
        published: called with the size after each publication, and once at the start; must bear repetition.
    """

    def __init__(
        self,
        store: LogStore,
        outbox: OutboxStore,
        key: VerifierKey,
        sign: Sign,
        latest: Path,
        published: Sequence[Callable[[int], None]] = (),
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._key = key
        self._sign = sign
        self._latest = latest
        self._published = [*published]
        self._note = ""
        self._size = self._told = -1
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
        note = self._note
        if not note:
            raise Unavailable("log.closed")
        return Checkpoint.parse(note.partition("\n\n")[0] + "\n").size, note

    @property
    def is_open(self) -> bool:
        """Whether a checkpoint is published."""
        return bool(self._note)

    @property
    def ended(self) -> str:
        """Why it takes nothing into the log any more: the code of what ended it; empty while it works."""
        died = self._thread is not None and not self._thread.is_alive() and not self._stopping
        return self._ended or ("internal" if died else "")

    def waiting(self) -> int:
        """How many statements wait for the log, counted up to a thousand."""
        return len(self._outbox.pending(1000))

    def ring(self) -> None:
        """Say that something was queued."""
        self._bell.set()

    def on_published(self, call: Callable[[int], None]) -> None:
        """Call this, too, after each publication."""
        self._published.append(call)

    def recover(self) -> None:
        """Check the tree against its head and the newest signed checkpoint, then publish what was committed.

        Raises:
            Untrusted: the tiles do not give the head's root, or the database is behind the signed checkpoint.
        """
        head = self._store.head()
        if self._root(head.size) != head.root:
            raise Untrusted("log.inconsistent", size=head.size)
        self._check_latest(head)
        self.publish()

    def sequence(self) -> int:
        """Put one batch of what waits in the outbox into the tree, in one transaction; returns how many.

        Raises:
            Conflict: another process moved the head: this one must stop.
        """
        waiting = self._outbox.pending(_BATCH)
        if not waiting:
            return 0
        head = self._store.head()
        entries = [
            Entry(head.size + number, tree.leaf_hash(each.outgoing.envelope), each.outgoing)
            for number, each in enumerate(waiting)
        ]
        added = tiles.append(head.size, [each.leaf_hash for each in entries], self._store.tile)
        after = Head(added.size, added.root)
        faults.point("log.before_commit")
        self._store.append(head.size, [each.row for each in waiting], entries, added.tiles, after)
        faults.point("log.committed")
        return len(waiting)

    def publish(self) -> None:
        """Sign, keep and publish a checkpoint of the committed head, if it is newer than the published one."""
        head = self._store.head()
        if head.size != self._size:
            note = checkpoint.sign(Checkpoint(self._key.name, head.size, head.root), self._key, self._sign)
            faults.point("log.signed")
            _write(self._latest, note)
            faults.point("log.kept")
            self._store.keep_checkpoint(head.size, note)
            self._size, self._note = head.size, note
        if self._told != self._size:
            for call in self._published:
                call(head.size)
            self._told = self._size

    def start(self) -> None:
        """Recover, then sequence in a thread of its own. Raises as `recover`."""
        self.recover()
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._thread.start()
        self.ring()

    def stop(self) -> None:
        """Sequence what waits, and end the thread."""
        self._stopping = True
        self.ring()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._bell.wait()
            self._bell.clear()
            try:
                self._drain()
            except Unavailable:
                log.exception("the log is held up")
                if not self._stopping:
                    self._bell.wait(_RETRY_SECONDS)
                    self._bell.set()
            except HefuError as fault:
                self._ended = fault.code
                log.exception("the sequencer has stopped: another one is at work, or the tree is damaged")
                return
            if self._stopping and not self._bell.is_set():  # what came while it drained is drained too
                return

    def _drain(self) -> None:
        more = True
        while more:
            with telemetry.step("log.sequence"):
                more = self.sequence() == _BATCH
                self.publish()

    def _root(self, size: int) -> bytes:
        return tree.root_of(size, tiles.hashes(size, self._store.tile))

    def _check_latest(self, head: Head) -> None:
        try:
            note = self._latest.read_text("utf-8")
        except FileNotFoundError:
            if self._store.checkpoints():
                raise Untrusted("log.latest_missing", path=self._latest.name) from None
            return
        signed = checkpoint.verify(note, self._key)
        if signed.size > head.size:
            raise Untrusted("log.behind", found=head.size, expected=signed.size)
        if self._root(signed.size) != signed.root:
            raise Untrusted("log.inconsistent", size=signed.size)


def _write(path: Path, note: str) -> None:
    """Replace the file durably: either the old note is there or the new one.

    Raises:
        Unavailable: the disk is full or fails.
    """
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        faults.point("log.written")
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as fault:
        raise Unavailable("storage.busy", detail=str(fault)) from None
