"""Whose computation is next: consumers take turns, so that one who asks much waits for itself and not others for it.

One place more than the operator's number is kept for a consumer of whom nothing runs, and who asks much leaves a
waiting worker process to others: an honest caller finds place and process at once, whatever others ask.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

Work = Callable[[bool], object]  # is told whether its consumer has more that runs or waits


class Turns:
    """Hands work to an executor, one of each consumer after the other. Any thread may call.

    Args:
        executor: begins what is due; it needs `jobs` + 1 threads.
        jobs: computations at once, but for one more of a consumer of whom nothing runs.
    """

    def __init__(self, executor: Executor, jobs: int) -> None:
        self._executor = executor
        self._jobs = jobs
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, deque[Work]] = OrderedDict()
        self._running: Counter[str] = Counter()

    def offer(self, consumer: str, work: Work) -> None:
        """Do this in the consumer's turn; its own work is done in the order of offering."""
        with self._lock:
            self._waiting.setdefault(consumer, deque()).append(work)
        self._executor.submit(self._go_on)

    def close(self) -> None:
        """Begin nothing more, and wait for what was begun."""
        with self._lock:
            self._waiting.clear()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _go_on(self) -> None:
        """Do what is due until nothing may begin: whoever ends something begins what waited for that."""
        while (due := self._begin()) is not None:
            consumer, work, much = due
            try:
                work(much)
            finally:
                with self._lock:
                    self._running[consumer] -= 1
                    self._running += Counter()  # forgets what is at zero

    def _begin(self) -> tuple[str, Work, bool] | None:
        with self._lock:
            consumer = next(filter(self._may_begin, self._waiting), None)
            if consumer is None:
                return None
            theirs = self._waiting.pop(consumer)
            work = theirs.popleft()
            if theirs:
                self._waiting[consumer] = theirs  # behind everybody else who waits
            much = bool(theirs or self._running[consumer])
            self._running[consumer] += 1
            return consumer, work, much

    def _may_begin(self, consumer: str) -> bool:
        return self._running.total() < self._jobs + (consumer not in self._running)


def may_wait(consumer: str, holders: Iterable[str], each: int, most: int) -> bool:
    """Whether one more computation of a consumer may wait.

    Args:
        holders: the consumer of every computation that runs or waits.
        each: of one consumer, whatever room there is.
        most: of all together; beyond it only who holds less than an equal share is taken in.
    """
    held = Counter(holders)
    share = most // len({*held, consumer})
    return held[consumer] < each and (held.total() < most or held[consumer] < share)
