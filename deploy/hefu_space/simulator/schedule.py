"""What happens next: one thread, virtual time, and while somebody waits, somebody else's turn.

Every event runs as a coroutine (a greenlet) until it waits: for a message under way, or at a soft fault point. Then the
next event in time runs. So calls, jobs and loops of all nodes interleave, and the same seed interleaves them in the
same way. Two loops of one node never interleave: a loop may wait while it holds a lock of its node.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass, field

from greenlet import GreenletExit, getcurrent, greenlet

from hefu_space.simulator.disk import Crashed, Disk


@dataclass(slots=True)
class Task:
    """One coroutine.

    Attributes:
        stack: the nodes whose code runs in it, the innermost last: a call runs in the caller's task.
        held: the node's process that no other loop may run on meanwhile; None for a free task.
    """

    stack: list[str]
    held: tuple[str, int] | None
    run: greenlet | None = None


@dataclass(order=True, slots=True)
class Event:
    """Something to be done at a time.

    Attributes:
        work: to begin with; or `task`, to go on with.
        free: it takes no lock that a loop of its node may hold: a job, or a call that comes in.
        epoch: of the node's process that planned it; another process does not do it. None: whichever there is.
    """

    at: float
    order: int
    node: str = field(compare=False)
    work: Callable[[], object] | None = field(compare=False)
    free: bool = field(compare=False, default=True)
    epoch: int | None = field(compare=False, default=None)
    task: Task | None = field(compare=False, default=None)


class Schedule:
    """The events to come, and who is at work now.

    Args:
        disks: by node; an event of a process that died since is dropped.
    """

    def __init__(self, disks: dict[str, Disk]) -> None:
        self.now = 0.0
        self._disks = disks
        self._events: list[Event] = []
        self._order = 0
        self._task: Task | None = None
        self._tasks: dict[int, Task] = {}
        self._held: set[tuple[str, int]] = set()

    @property
    def node(self) -> str:
        """Whose code runs now; empty between events."""
        return self._task.stack[-1] if self._task else ""

    def after(
        self, seconds: float, node: str, work: Callable[[], object], *, free: bool = False, bound: bool = True
    ) -> None:
        """Do something later.

        Args:
            bound: only if the node's process is then the one of now.
        """
        epoch = self._epoch(node) if bound else None
        self._plan(seconds, node, work=work, free=free, epoch=epoch)

    def run(self, until: float) -> None:
        """Let everything happen that is due by then."""
        while event := self._due(until):
            self.now = max(self.now, event.at)
            if event.task is not None:
                self._go_on(event.task)
            elif event.work is not None and event.epoch in (None, self._epoch(event.node)):
                self._begin(event, event.work)
        self.now = max(self.now, until)

    def close(self) -> None:
        """End what still waits."""
        for task in [*self._tasks.values()]:
            if task.run is not None and not task.run.dead:
                task.run.throw(GreenletExit)
        self._events.clear()

    def wait(self, seconds: float) -> None:
        """Whoever is at work waits; others take their turns.

        Raises:
            Crashed: the waiting node's process died meanwhile.
        """
        task = self._task
        if task is None:
            return
        epoch, node = self._epoch(self.node), self.node
        self._plan(seconds, node, task=task)
        getcurrent().parent.switch()
        self.check(node, epoch)

    def inside(self, node: str, work: Callable[[], object]) -> object:
        """Run code of another node, such as a call that it takes, in the present task."""
        if self._task is None:
            return work()
        stack = self._task.stack
        stack.append(node)
        try:
            return work()
        finally:
            stack.pop()

    def check(self, node: str, epoch: int) -> None:
        """Raises Crashed where the process of that epoch is gone."""
        if self._epoch(node) != epoch:
            raise Crashed(node)

    def _begin(self, event: Event, work: Callable[[], object]) -> None:
        held = None if event.free else (event.node, self._epoch(event.node))
        task = Task([event.node], held)
        if held:
            self._held.add(held)

        def body() -> None:
            try:
                work()
            except Crashed as crash:
                if crash.node != event.node:
                    raise
            finally:
                if held:
                    self._held.discard(held)
                self._tasks.pop(id(task), None)

        task.run = greenlet(body)
        self._tasks[id(task)] = task
        self._go_on(task)

    def _go_on(self, task: Task) -> None:
        if task.run is None or task.run.dead:
            return
        self._task = task
        try:
            task.run.switch()
        finally:
            self._task = None

    def _plan(
        self,
        seconds: float,
        node: str,
        *,
        work: Callable[[], object] | None = None,
        free: bool = True,
        epoch: int | None = None,
        task: Task | None = None,
    ) -> None:
        self._order += 1
        bisect.insort(self._events, Event(self.now + seconds, self._order, node, work, free, epoch, task))

    def _epoch(self, node: str) -> int:
        return self._disks[node].epoch if node in self._disks else 0

    def _due(self, until: float) -> Event | None:
        for index, event in enumerate(self._events):
            if event.at > until:
                return None
            if event.free or (event.node, self._epoch(event.node)) not in self._held:
                return self._events.pop(index)
        return None
