"""Which of several processes leads: it holds a lease, and every process watches that it beats.

No clocks are compared. A lease that a process has seen rest for `REST` seconds of its own time may be taken, under a
new epoch; what the old leader still writes names the old epoch and is refused inside the very transaction. A wrong
judgement of time therefore costs a change of hands and never two writers.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from hefu.errors import Conflict

from hefu_broker.ports import LeaseStore
from hefu_broker.records import Lease

BEAT = 1.0  # seconds between two beats of a leader that has nothing to write
LOOK = 0.5  # seconds between two looks of those who follow
REST = 3.0  # seconds without a beat, after which another may take over


class Leadership:
    """One process's part in it. One thread uses it.

    Args:
        holder: this process's node. One process a node runs at a time (it holds a lock on its folder), so a lease of
            its own name that it finds at the start is its predecessor's and is taken at once.
        tick: seconds of a clock that only goes forward.
    """

    def __init__(self, store: LeaseStore, holder: str, tick: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._holder = holder
        self._tick = tick
        self._lease: Lease | None = None
        self._seen: Lease | None = None
        self._looked = False
        self._since = self._beaten = tick()

    @property
    def lease(self) -> Lease | None:
        """The lease, while this process leads as far as it knows."""
        return self._lease

    def seek(self) -> bool:
        """Take the lease if it is free, our predecessor's, or rests; whether this process leads now."""
        if self._lease is not None:
            return True
        held = self._store.held()
        if held != self._seen:
            self._seen, self._since = held, self._tick()
        free = held is None or not held.holder or (held.holder == self._holder and not self._looked)
        self._looked = True
        if free or self._tick() - self._since >= REST:
            self._lease = self._store.take(held, self._holder)
            self._beaten = self._tick()
        return self._lease is not None

    def keep(self) -> None:
        """Beat, if it is time to.

        Raises:
            Conflict: another process leads.
        """
        if self._lease is not None and self._tick() - self._beaten >= BEAT:
            self._store.beat(self._lease)
            self._beaten = self._tick()

    def used(self) -> None:
        """The lease just beat within a transaction of ours."""
        self._beaten = self._tick()

    def lose(self) -> None:
        """Lead no longer: somebody else does, or this process is in doubt."""
        self._lease = None

    def release(self) -> None:
        """Give the lease back, so that another process need not wait."""
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                self._store.release(lease)
            except Conflict:  # it is another's already
                return
