"""What goes wrong, drawn from the seed: the network's manners, crashes, full and broken disks, clocks that step."""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hefu.errors import Unavailable
from hefu.running import faults

from hefu_space.history import History
from hefu_space.simulator.schedule import Schedule

# Where code holds no lock, others may take their turn.
SOFT = frozenset(
    {
        "computation.admitted", "ledger.reserved", "worker.returned", "guard.passed", "disclosures.kept",
        "release.sent",
    }
)  # fmt: skip
_OFTEN = frozenset(
    {
        "store.before_commit", "store.committed", "broker.before_commit", "broker.committed", "broker.call",
        "broker.answer", "call.taken", "call.answered",
    }
)  # fmt: skip
_WRITES = frozenset(each.name for each in faults.POINTS if each.writes)
_RARER = 0.04  # how much less a crash is at a point that is passed all the time
_MOST_CRASHES = 14


@dataclass
class Weather:
    """One seed's weather: none of it while it is `calm`.

    Attributes:
        loss, twice: chances of a message to be lost, and to come twice.
        slow: seconds that a message may take.
        crash: chance of a crash at a point of a release.
    """

    chance: random.Random
    schedule: Schedule
    history: History
    crash_node: Callable[[str], None]
    loss: float = 0.0
    twice: float = 0.0
    slow: float = 0.05
    crash: float = 0.0
    calm: bool = True
    crashes: int = 0
    passed: Counter[str] = field(default_factory=Counter)
    blocked: dict[tuple[str, str], float] = field(default_factory=dict)
    broken: dict[str, tuple[float, str]] = field(default_factory=dict)

    @classmethod
    def drawn(
        cls, chance: random.Random, schedule: Schedule, history: History, crash_node: Callable[[str], None]
    ) -> Weather:
        """The weather of a seed."""
        return cls(
            chance, schedule, history, crash_node,
            loss=chance.choice((0.0, 0.02, 0.1)),
            twice=chance.choice((0.0, 0.05, 0.2)),
            slow=chance.choice((0.02, 0.1, 0.6)),
            crash=chance.choice((0.0, 0.02, 0.06)),
        )  # fmt: skip

    def point(self, name: str) -> None:
        """A fault point is passed: perhaps others take their turn, the disk fails, or the process dies."""
        node = self.schedule.node
        self.passed[name] += 1
        if not node:
            return
        if name in SOFT and self.chance.random() < 0.3:
            self.schedule.wait(self.chance.uniform(0, 0.4))
        if self.calm:
            return
        if name in _WRITES:
            self._disk(node)
        often = _RARER if name in _OFTEN else 1.0
        if self.crashes < _MOST_CRASHES and self.chance.random() < self.crash * often:
            self.crashes += 1
            self.history.note(node, "crashed", point=name)
            self.crash_node(node)

    def carry(self, source: str, target: str) -> None:
        """A message is on its way.

        Raises:
            Unavailable: it is lost.
        """
        self.schedule.wait(self.chance.uniform(0.001, 0.02 if self.calm else self.slow))
        if self.calm:
            return
        if self.blocked.get((source, target), 0.0) > self.schedule.now or self.chance.random() < self.loss:
            raise Unavailable("peer.unreachable", peer=target)

    def comes_twice(self) -> bool:
        """Whether this message will come once more, later."""
        return not self.calm and self.chance.random() < self.twice

    def part(self, one: str, other: str, seconds: float, *, both: bool) -> None:
        """Let nothing go from one node to another for a while, nor back where both ways are cut."""
        until = self.schedule.now + seconds
        self.blocked[one, other] = until
        if both:
            self.blocked[other, one] = until
        self.history.note(one, "cut", to=other, both=both, seconds=round(seconds, 1))

    def break_disk(self, node: str, seconds: float, kind: str) -> None:
        """Let writes of a node fail every other time for a while."""
        self.broken[node] = (self.schedule.now + seconds, kind)
        self.history.note(node, "disk", fails=kind, seconds=round(seconds, 1))

    def _disk(self, node: str) -> None:
        until, kind = self.broken.get(node, (0.0, ""))
        if until > self.schedule.now and self.chance.random() < 0.5:
            number = errno.ENOSPC if kind == "enospc" else errno.EIO
            raise OSError(number, os.strerror(number))
