"""Members that watch their negotiations: told of each change as it comes, without a thread or a question of their own.

One thread hears that something changed, asks once whom it concerns, and wakes those only. A thread sends to a member
while there is something to send: who reads slowly keeps nobody else waiting.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hefu.errors import HefuError
from hefu.identity import Binding
from hefu.running.changes import Changes

from hefu_broker.dealing.contracts import Contracts
from hefu_broker.ports import TidingsStore
from hefu_broker.records import Talk

log = logging.getLogger("hefu.broker")
_AGAIN_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class _Watcher:
    """Who watches.

    Attributes:
        party: whose negotiations; None watches all.
        after: the revision it was told last.
    """

    caller: Binding
    party: str | None
    after: int
    tell: Callable[[Talk], None]
    end: Callable[[], None]
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: bool = False
    woken: bool = False
    sending: bool = False


class Watching:
    """The watchers of one space.

    Args:
        changes: rings after every change of a negotiation, whichever process made it.
    """

    def __init__(self, contracts: Contracts, store: TidingsStore, changes: Changes) -> None:
        self._contracts = contracts
        self._store = store
        self._changes = changes
        self._lock = threading.Lock()
        self._watchers: dict[str | None, set[_Watcher]] = {}
        self._seen = -1
        self._thread = threading.Thread(target=self._run, name="watching", daemon=True)

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._watchers.values()))

    def start(self) -> None:
        """Tell of changes from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End all streams; the changes must be closed."""
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            held = [each for group in self._watchers.values() for each in group]
        for each in held:
            self._end(each)

    def follow(
        self, caller: Binding, after: int, tell: Callable[[Talk], None], end: Callable[[], None]
    ) -> Callable[[], None]:
        """Tell of every change of the caller's negotiations above a revision, in order.

        Args:
            tell: may block; called by one thread at a time.
            end: called once where the watch ends from here.

        Returns:
            What to call when the caller is gone.
        """
        watcher = _Watcher(caller, self._contracts.reader(caller), after, tell, end)
        with self._lock:
            self._watchers.setdefault(watcher.party, set()).add(watcher)
        self._wake(watcher)
        return lambda: self._forget(watcher)

    def _run(self) -> None:
        while not self._changes.closed:
            mark = self._changes.mark()
            try:
                if self._seen < 0:  # who begins to watch reads by itself what was before
                    self._seen = self._store.marks().talks
                self._seen, parties = self._store.concerned(self._seen)
            except HefuError as fault:
                log.warning("changes of negotiations cannot be read now: %s", fault.code)
                self._changes.wait(mark, seconds=_AGAIN_SECONDS)
                continue
            if not parties:
                self._changes.wait(mark)
                continue
            with self._lock:
                woken = [each for party in (None, *parties) for each in self._watchers.get(party, ())]
            for each in woken:
                self._wake(each)

    def _wake(self, watcher: _Watcher) -> None:
        with watcher.lock:
            watcher.woken = True
            if watcher.sending or watcher.over:
                return
            watcher.sending = True
        threading.Thread(target=self._send, args=(watcher,), name="watcher", daemon=True).start()

    def _send(self, watcher: _Watcher) -> None:
        try:
            while self._goes_on(watcher):
                if self._contracts.reader(watcher.caller) != watcher.party:
                    self._end(watcher)  # a charter gave or took a role meanwhile: it asks again as what it is now
                    return
                for talk in self._contracts.changed(watcher.party, watcher.after):
                    watcher.tell(talk)
                    watcher.after = talk.revision
                    watcher.woken = True  # there may be more than one batch
        except HefuError as fault:  # it asks again where it was
            log.warning("a watch of negotiations ends: %s", fault.code)
            self._end(watcher)

    def _goes_on(self, watcher: _Watcher) -> bool:
        with watcher.lock:
            watcher.sending = watcher.woken and not watcher.over
            watcher.woken = False
            return watcher.sending

    def _end(self, watcher: _Watcher) -> None:
        self._forget(watcher)
        watcher.end()

    def _forget(self, watcher: _Watcher) -> None:
        with watcher.lock:
            watcher.over = True
        with self._lock:
            group = self._watchers.get(watcher.party, set())
            group.discard(watcher)
            if not group:
                self._watchers.pop(watcher.party, None)
