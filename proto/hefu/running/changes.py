"""A bell inside the process: whoever waits is woken when something changed, and nobody asks again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Changes:
    """Counts changes and wakes who waits for the next one. Safe to use from many threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nothing will ever change again: the process ends."""
        return self._closed

    def close(self) -> None:
        """Wake everybody for the last time."""
        self._closed = True
        self.announce()

    def announce(self) -> None:
        """Say that something changed; never blocks for long."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def mark(self) -> int:
        """The number of changes so far. Take it *before* reading, so that no change falls in between."""
        with self._condition:
            return self._count

    def wait(self, mark: int, done: Callable[[], bool] = lambda: False, seconds: float | None = None) -> None:
        """Return when something changed after the mark, when `done` holds at a wake-up, or when the time is over.

        Args:
            seconds: how long at most; None waits for as long as it takes.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._count != mark or done(), seconds)
