"""Work that goes on beside the calls: one step done again and again in a thread of its own."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from hefu.errors import HefuError, Unauthenticated, Unavailable
from hefu.running import telemetry

log = logging.getLogger("hefu.background")

SHORTEST = 0.2  # seconds, after a first failure
LONGEST = 4.0  # seconds, after many
_LOOK = 0.1  # seconds, between looks whether work may begin


class Loop:
    """A step that is repeated until stopped: at an interval, sooner when nudged, later while it fails.

    A step that raises Unavailable, or Unauthenticated since the broker knows this connector no longer or not yet, is
    tried again with growing pauses; that is said once. Any other failure is logged and does not end the loop.

    Args:
        step: must return in a time bounded by the deadlines of the calls it makes.
        every: seconds between two steps.
        after: the first step waits until this is set.
    """

    def __init__(self, name: str, step: Callable[[], None], every: float, after: threading.Event | None = None) -> None:
        self.name = name
        self._step = step
        self._every = every
        self._after = after
        self._failures = 0
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin, with a first step at once."""
        self._thread.start()

    def nudge(self) -> None:
        """Do the next step now. May be called from any thread, before `start` too."""
        self._wake.set()

    def end(self) -> None:
        """Begin no further step; returns at once."""
        self._stopped.set()
        self._wake.set()

    def join(self, wait: float = 5.0) -> None:
        """Wait up to so many seconds for the present step, after `end`."""
        if self._thread.ident is not None:
            self._thread.join(wait)

    @property
    def stopped(self) -> bool:
        """Whether `end` was called."""
        return self._stopped.is_set()

    def _run(self) -> None:
        while self._after is not None and not self._after.wait(_LOOK):
            if self._stopped.is_set():
                return
        while not self._stopped.is_set():
            pause = self._once()
            self._wake.wait(pause)
            self._wake.clear()

    def _once(self) -> float:
        try:
            self._step()
        except (Unavailable, Unauthenticated) as fault:
            if self._failures == 0 and not self._stopped.is_set():
                log.warning("%s waits: %s", self.name, fault.public())
            self._failures += 1
            telemetry.count("hefu_loop_failures_total", self.name)
            # Full jitter, so that a hundred connectors do not come back in the same instant.
            return random.uniform(SHORTEST, min(LONGEST, SHORTEST * 2**self._failures))  # noqa: S311 - not a secret
        except HefuError as fault:
            log.error("%s: %s: %s %s", self.name, fault.code, fault.public(), fault.detail)  # noqa: TRY400
            telemetry.count("hefu_loop_failures_total", self.name)
        except Exception:
            log.exception("%s failed", self.name)
            telemetry.count("hefu_loop_failures_total", self.name)
        if self._failures:
            log.info("%s goes on", self.name)
        self._failures = 0
        return self._every
