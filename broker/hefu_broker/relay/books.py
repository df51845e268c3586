"""Who listens at the relay, which tickets are out, which tunnels are open: plain values, no socket.

A connector that nobody can dial keeps a stream open and hears of callers. Each connection has two halves, each half a
ticket of its own: 256 random bits, used once, gone after a few seconds. A ticket opens a pipe and no door: inside, TLS
runs from connector to connector, and neither the relay nor a thief of a ticket has a key to it.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hefu.errors import HefuError, NotFound, Unauthenticated, Unavailable
from hefu.identity import Binding
from hefu.running import faults
from hefu.times import Clock

Tell = Callable[[str], None]
Check = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one relay takes on.

    Attributes:
        tunnels: at once, those whose tickets are out included.
        of_caller: tunnels of one participant, whatever certificates it calls with; to_target: to one listening
            connector; of_pair: from one to the other. A caller's process needs one for each connector, so nobody can
            keep another out.
        ticket_seconds: life of a ticket; the second half must have come by then.
        missed: tickets in a row that a listening connector may leave unused before it counts as gone.
        idle_seconds: after which a tunnel in which nothing moves is closed.
        heads: connections that have not presented a ticket yet, and of one host.
        services: connections to the relay's own service, which is behind the same port.
        head_seconds: in which a connection must present its ticket.
        check_seconds: between two checks of the standing of both sides of each tunnel.
    """

    tunnels: int = 1024
    of_caller: int = 64
    to_target: int = 256
    of_pair: int = 16
    ticket_seconds: float = 10.0
    missed: int = 8
    idle_seconds: float = 600.0
    heads: int = 256
    heads_each: int = 64
    services: int = 4096
    head_seconds: float = 5.0
    check_seconds: float = 2.0


@dataclass(eq=False, slots=True)
class Tunnel:
    """One connection to be made or made. Two are never equal.

    Attributes:
        caller: (space, participant); new certificates are had for the asking, and give no more room.
        target: (space, transport key).
        check: raises HefuError once one of both sides may act no longer.
        deadline: of its tickets.
    """

    caller: tuple[str, str]
    target: tuple[str, str]
    check: Check
    deadline: datetime
    tickets: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class _Listener:
    binding: Binding
    tell: Tell
    end: Callable[[], object]
    missed: int = 0
    since: datetime | None = None  # when the sending began that is not over yet
    waiting: deque[str] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, ticket: str, clock: Clock) -> None:
        """Tell it a ticket. Its side of the stream may take nothing: one thread waits for that, and no second one."""
        with self.lock:
            self.waiting.append(ticket)
            if self.since is not None:
                return
            self.since = clock.now()
        while True:
            with self.lock:
                if not self.waiting:
                    self.since = None
                    return
                self.since, next_ = clock.now(), self.waiting.popleft()
            self.tell(next_)

    def stuck(self, before: datetime) -> bool:
        """Whether what was begun to be sent then is not sent yet."""
        with self.lock:
            return self.since is not None and self.since < before


@dataclass(slots=True)
class _Books:
    listeners: dict[tuple[str, str], _Listener] = field(default_factory=dict)
    tickets: dict[str, Tunnel] = field(default_factory=dict)
    tunnels: set[Tunnel] = field(default_factory=set)


class Relay:
    """The relay of one broker process, for all its spaces. Safe to use from many threads.

    Args:
        clock: for the life of tickets.
    """

    def __init__(self, clock: Clock, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._clock = clock
        self._lock = threading.Lock()
        self._books = _Books()

    def listen(self, space: str, caller: Binding, tell: Tell, end: Callable[[], object]) -> Callable[[], None]:
        """Take note of a connector that listens; the newest stream of a transport key replaces the one before.

        Args:
            tell: takes a ticket; called from the thread of whoever calls, one call at a time, and may block.
            end: called when it is replaced, leaves its tickets unused, or takes none; must not block, and ends what
                blocks in `tell`.

        Returns:
            What to call when the stream is over.
        """
        key, listener = (space, caller.key), _Listener(caller, tell, end)
        with self._lock:
            before, self._books.listeners[key] = self._books.listeners.get(key), listener
        if before is not None:
            before.end()

        def over() -> None:
            with self._lock:
                if self._books.listeners.get(key) is listener:
                    del self._books.listeners[key]

        return over

    def greet(self, space: str, caller: Binding) -> None:
        """Tell a connector that it is listened to: an empty ticket."""
        with self._lock:
            listener = self._books.listeners.get((space, caller.key))
        if listener is not None:
            listener.say("", self._clock)

    def open(self, space: str, caller: Binding, target: Binding, check: Check) -> str:
        """Announce a connection to the target; the caller's ticket.

        Raises:
            NotFound: the target does not listen here.
            Unavailable: there are too many connections already.
        """
        mine, theirs = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        deadline = self._clock.now() + timedelta(seconds=self.limits.ticket_seconds)
        tunnel = Tunnel((space, caller.participant), (space, target.key), check, deadline, (mine, theirs))
        with self._lock:
            listener = self._books.listeners.get(tunnel.target)
            if listener is None:
                raise NotFound("relay.not_listening", participant=target.participant)
            self._make_room_for(tunnel)
            self._books.tunnels.add(tunnel)
            self._books.tickets |= {mine: tunnel, theirs: tunnel}
        faults.point("relay.told")
        listener.say(theirs, self._clock)
        return mine

    def redeem(self, ticket: str) -> Tunnel:
        """Use up one half's ticket.

        Raises:
            Unauthenticated: it is unknown, used or too old, or one of the two sides may act no longer.
        """
        with self._lock:
            tunnel = self._books.tickets.pop(ticket, None)
            if tunnel is None or tunnel.deadline < self._clock.now():
                raise Unauthenticated("relay.ticket")
            listener = self._books.listeners.get(tunnel.target)
            if listener is not None and ticket == tunnel.tickets[1]:
                listener.missed = 0
        tunnel.check()
        return tunnel

    def close(self, tunnel: Tunnel) -> None:
        """A tunnel is over: its tickets are worth nothing, and there is room for another."""
        with self._lock:
            self._forget(tunnel)

    def sweep(self) -> list[Tunnel]:
        """Forget tickets that nobody used and listeners that take none; the tunnels whose two sides may not both act
        any longer."""
        gone, now = [], self._clock.now()
        with self._lock:
            late = {each for each in self._books.tickets.values() if each.deadline < now}
            for tunnel in late:
                gone += self._missed(tunnel)
                self._forget(tunnel)
            gone += self._stuck(now - timedelta(seconds=self.limits.ticket_seconds))
            held = list(self._books.tunnels)
        for listener in gone:
            listener.end()
        return [each for each in held if not _stands(each)]

    def stop(self) -> None:
        """End all streams."""
        with self._lock:
            listeners, self._books = list(self._books.listeners.values()), _Books()
        for each in listeners:
            each.end()

    @property
    def load(self) -> tuple[int, int]:
        """How many connectors listen, how many tunnels there are."""
        with self._lock:
            return len(self._books.listeners), len(self._books.tunnels)

    def _make_room_for(self, tunnel: Tunnel) -> None:
        mine = [each.target for each in self._books.tunnels if each.caller == tunnel.caller]
        theirs = sum(each.target == tunnel.target for each in self._books.tunnels)
        if (
            len(self._books.tunnels) >= self.limits.tunnels
            or len(mine) >= self.limits.of_caller
            or mine.count(tunnel.target) >= self.limits.of_pair
            or theirs >= self.limits.to_target
        ):
            raise Unavailable("relay.full")

    def _missed(self, tunnel: Tunnel) -> list[_Listener]:
        """Count a ticket that the listening side left unused; the listener, where it was one too many."""
        listener = self._books.listeners.get(tunnel.target)
        if listener is None or tunnel.tickets[1] not in self._books.tickets:
            return []
        listener.missed += 1
        if listener.missed < self.limits.missed:
            return []
        del self._books.listeners[tunnel.target]
        return [listener]

    def _stuck(self, before: datetime) -> list[_Listener]:
        found = {key: each for key, each in self._books.listeners.items() if each.stuck(before)}
        for key in found:
            del self._books.listeners[key]
        return [*found.values()]

    def _forget(self, tunnel: Tunnel) -> None:
        self._books.tunnels.discard(tunnel)
        for each in tunnel.tickets:
            self._books.tickets.pop(each, None)


def _stands(tunnel: Tunnel) -> bool:
    try:
        tunnel.check()
    except HefuError:
        return False
    return True
