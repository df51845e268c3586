"""Calls between nodes: lost on the way there or back, late, twice, out of order, or met by nobody.

What is called runs in the callee's turn. A call that comes twice is carried out twice, the second time later than
others that came after it: so messages are reordered, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hefu.errors import HefuError, Unavailable
from hefu.running import faults

from hefu_space.simulator.disk import Crashed
from hefu_space.simulator.schedule import Schedule
from hefu_space.simulator.weather import Weather

Answer = TypeVar("Answer")


class Network:
    """The only way from one node to another.

    Args:
        up: whether a node's process runs.
    """

    def __init__(self, schedule: Schedule, weather: Weather, up: Callable[[str], bool]) -> None:
        self._schedule = schedule
        self._weather = weather
        self._up = up

    def call(self, source: str, target: str, work: Callable[[], Answer]) -> Answer:
        """Let `work` be done by the target, and take what it answers.

        Raises:
            Unavailable: request or answer was lost, or nobody was there. It may have been carried out.
            HefuError: what the target raised.
        """
        kind = "broker" if target == "broker" else "peer"
        faults.point(f"{kind}.call")
        self._weather.carry(source, target)
        answer: Answer | HefuError
        try:
            answer = self._take(target, work)
        except Crashed as crash:
            if crash.node != target:
                raise
            answer = Unavailable("peer.unreachable", peer=target)
        except HefuError as fault:
            answer = fault
        if self._weather.comes_twice():
            self._again(target, work)
        self._weather.carry(target, source)
        if isinstance(answer, HefuError):
            raise answer
        faults.point(f"{kind}.answer")
        return answer

    def _take(self, target: str, work: Callable[[], Answer]) -> Answer:
        if not self._up(target):
            raise Unavailable("peer.unreachable", peer=target)

        def taken() -> Answer:
            faults.point("call.taken")
            answer = work()
            faults.point("call.answered")
            return answer

        answer: Answer = self._schedule.inside(target, taken)  # type: ignore[assignment]
        return answer

    def _again(self, target: str, work: Callable[[], object]) -> None:
        def twice() -> None:
            if not self._up(target):
                return
            try:
                faults.point("call.taken")
                work()
            except HefuError:  # whoever sent it hears no answer to the second
                pass

        self._schedule.after(self._weather.chance.uniform(0.1, 6.0), target, twice, free=True, bound=False)
