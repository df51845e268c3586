"""News from other processes on the same database: what they wrote is taken in here, within half a second.

The database is what all read. Where it can wake us (PostgreSQL's LISTEN) we hear at once; in any case it is looked at
four times a second, by one cheap query.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from hefu.errors import HefuError

from hefu_broker.ports import TidingsStore
from hefu_broker.records import Marks

log = logging.getLogger("hefu.broker")
_LOOK_SECONDS = 0.25


class Tidings:
    """Looks for what changed, in a thread of its own.

    Args:
        registry: called when participants, bindings or the status list changed.
        published: called when there is a newer checkpoint, or something waits for the sequencer.
        talks: called when negotiations changed; after the others, so that proofs are there.
    """

    def __init__(
        self,
        store: TidingsStore,
        registry: Callable[[], None],
        published: Callable[[], None],
        talks: Callable[[], None],
    ) -> None:
        self._store = store
        self._registry = registry
        self._published = published
        self._talks = talks
        self._seen: Marks | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tidings", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._store.close()

    def look(self) -> None:
        """Look once, and take in what changed. Raises what the calls raise; then the same is taken in again."""
        found, seen = self._store.marks(), self._seen
        if seen is None or found.registry != seen.registry:
            self._registry()
        if seen is None or found.waiting or found.published != seen.published:
            self._published()
        if seen is None or found.talks != seen.talks:
            self._talks()
        self._seen = found

    def _run(self) -> None:
        failed = False
        while not self._stopped.is_set():
            self._store.wait(_LOOK_SECONDS)
            try:
                self.look()
                failed = False
            except HefuError as fault:
                if not failed:  # once, and not four times a second
                    log.warning("what other processes wrote could not be taken in: %s", fault.code)
                failed = True
