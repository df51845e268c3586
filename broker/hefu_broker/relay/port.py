"""The relay's port: the only room of the relay that knows sockets. All tunnels run on one loop in one thread.

A connection presents a ticket in the form of HTTP CONNECT, as gRPC's clients do, waits for its other half, and is then
copied to it. What is copied is TLS between two connectors; nothing here could read it, and nothing here tries to. A
connection that begins with TLS is for the relay's own service: so a relay is one address, and whoever listens at it is
called at it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hefu.errors import HefuError, Unavailable
from hefu.wire import tunnel
from hefu.wire.tunnel import End

from hefu_broker.relay.books import Relay, Tunnel

log = logging.getLogger("hefu.relay")
_START_SECONDS = 10.0
_SWEEP_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class _Pair:
    """The halves of a tunnel that have come, and since when the last one is here."""

    tunnel: Tunnel
    since: float
    ends: list[End] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return len(self.ends) == 2


class RelayPort:
    """Serves the port from `start` to `stop`.

    Attributes:
        port: in use; 0 before `start`.
    """

    def __init__(self, address: str, relay: Relay) -> None:
        self.port = 0
        self._address = address
        self._relay = relay
        self._thread: threading.Thread | None = None
        self._heads: dict[End, float] = {}  # connections without a ticket yet, and since when
        self._pairs: dict[Tunnel, _Pair] = {}
        self._of: dict[End, _Pair] = {}
        self._inside: set[End] = set()  # connections to the service, the far ends of those
        self._leading: set[asyncio.Task[None]] = set()
        self._service = 0
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.Task[None] | None = None

    def start(self, service: int) -> None:
        """Serve; returns at once.

        Args:
            service: the port of the relay's own service on this host.

        Raises:
            Unavailable: the address cannot be bound.
        """
        self._service, self._loop = service, asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        try:
            self._run(self._open())
        except (OSError, ValueError):
            self.stop()
            raise Unavailable("address.taken", address=self._address) from None

    def stop(self) -> None:
        """Close everything; does nothing where it was not started, or a second time."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_SECONDS)

    # ------------------------------------------------------------ on the loop

    async def _open(self) -> None:
        host, _, port = self._address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        self._server = await self._loop.create_server(self._end, host or None, int(port), backlog=256)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._sweeping = self._loop.create_task(self._sweep())

    async def _close(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping
        await self._loop.shutdown_default_executor()
        if self._server is not None:
            self._server.close()
        for end in [*self._heads, *self._of, *self._inside]:
            end.abort()
        await asyncio.sleep(0)  # lets the connections say that they are over

    def _end(self) -> End:
        end = _Knocking(self._head, self._lost, self._admit)
        self._heads[end] = self._loop.time()
        return end

    def _admit(self, end: End) -> bool:
        """Whether there is room for one more connection that nobody vouches for yet."""
        limits = self._relay.limits
        hosts = Counter(each.host for each in self._heads)
        return len(self._heads) <= limits.heads and hosts[end.host] <= limits.heads_each

    def _head(self, end: End, head: bytes) -> None:
        self._heads.pop(end, None)
        if not head:
            leading = self._loop.create_task(self._lead_in(end))
            self._leading.add(leading)
            leading.add_done_callback(self._leading.discard)
            return
        try:
            found = self._relay.redeem(tunnel.asked(head))
        except HefuError as fault:
            status = (400, "Bad Request") if fault.kind == "malformed" else (407, "Proxy Authentication Required")
            _refuse(end, *status)
            return
        pair = self._pairs.setdefault(found, _Pair(found, self._loop.time()))
        pair.ends.append(end)
        self._of[end] = pair
        if pair.whole:
            pair.since = self._loop.time()
            for each in pair.ends:
                each.send(tunnel.answer(200, "OK"))
            tunnel.join(*pair.ends)

    async def _lead_in(self, end: End) -> None:
        """Join a connection to the relay's own service, which asks for a certificate."""
        inner = End(None, self._inside.discard)
        try:
            if len(self._inside) >= self._relay.limits.services:
                raise OSError("too many connections")
            await self._loop.create_connection(lambda: inner, "127.0.0.1", self._service)
        except OSError as fault:
            log.warning("a connection to the relay's service is refused: %s", fault)
            end.abort()
            return
        self._inside.add(inner)
        tunnel.join(end, inner)

    def _lost(self, end: End) -> None:
        self._heads.pop(end, None)
        pair = self._of.pop(end, None)
        if pair is None:
            return
        if not pair.whole:  # the half that waited went away: the other finds nothing
            pair.ends.clear()
        if not any(each in self._of for each in pair.ends):
            self._pairs.pop(pair.tunnel, None)
            self._relay.close(pair.tunnel)
            if pair.whole:
                log.info("a tunnel is over: %d bytes one way, %d the other", *(each.bytes for each in pair.ends))

    async def _sweep(self) -> None:
        last = self._loop.time()
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self._end_silent()
            if self._loop.time() - last >= self._relay.limits.check_seconds:
                last = self._loop.time()
                # Standing is looked up under locks and in a database: not on this loop.
                ended = await self._loop.run_in_executor(None, self._relay.sweep)
                for each in ended:
                    self._end_pair(each)

    def _end_silent(self) -> None:
        now, limits = self._loop.time(), self._relay.limits
        for end, since in list(self._heads.items()):
            if now - since > limits.head_seconds:
                end.abort()
        for pair in list(self._pairs.values()):
            if not pair.whole and now - pair.since > limits.ticket_seconds:
                _refuse(pair.ends[0], 504, "Gateway Timeout")
            elif pair.whole and now - max(each.heard for each in pair.ends) > limits.idle_seconds:
                self._end_pair(pair.tunnel)

    def _end_pair(self, ended: Tunnel) -> None:
        pair = self._pairs.get(ended)
        for each in pair.ends if pair else ():
            each.abort()
        self._relay.close(ended)


class _Knocking(End):
    """An end that came in: it is let in only where there is room."""

    def __init__(self, on_head: tunnel.OnHead, on_lost: tunnel.OnLost, admit: Any) -> None:
        super().__init__(on_head, on_lost)
        self._admit = admit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        with suppress(OSError):  # it may have gone already
            super().connection_made(transport)
        if not self._admit(self):
            self.abort()


def _refuse(end: End, status: int, reason: str) -> None:
    end.send(tunnel.answer(status, reason))
    end.close()
