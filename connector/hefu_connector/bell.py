"""A bell inside the process: whoever waits is woken when something changed, and nobody looks again and again."""

from __future__ import annotations

import threading


class Bell:
    """Counts changes and wakes who waits for the next one. Safe to use from many threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def ring(self) -> None:
        """Say that something changed; never blocks for long."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def mark(self) -> int:
        """The number of changes so far. Take it *before* reading, so that no change falls in between."""
        with self._condition:
            return self._count

    def wait(self, mark: int, seconds: float) -> None:
        """Return when something changed after the mark, or when the time is over."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != mark, seconds)
