"""The space's relay, for connectors that nobody can dial: asked over gRPC, reached by connections that go out.

Both sides of a connection dial the relay's pinned address, and nothing else whatever a message says.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

from hefu.errors import HefuError, NotFound, Unauthenticated, Unavailable
from hefu.running import faults
from hefu.space import SpaceFile
from hefu.v1 import relay_pb2, relay_pb2_grpc
from hefu.wire import transport, tunnel
from hefu.wire.transport import Via
from hefu.wire.tunnel import End

from hefu_connector.clients.broker import Link

log = logging.getLogger("hefu.relay")
PEER = "the relay"
_DIAL_SECONDS = 10.0
_MOST = 256  # connections that come in at once, and that are being made


class RelayClient:
    """One relay: its service over a link to its own address.

    Args:
        address: the relay's ``host:port`` as the space file pins it.
    """

    def __init__(self, space: SpaceFile, address: str, credentials: Callable[[], tuple[bytes, bytes]]) -> None:
        self.address = address
        self._link = Link(replace(space, address=address), credentials)

    def via(self, fingerprint: str) -> Via:
        """A way to the connector that bound a certificate, for one connection within seconds.

        Raises:
            NotFound: it does not listen at this relay.
            Unavailable: the relay is away, or full.
        """
        request = relay_pb2.OpenTunnelRequest(certificate=fingerprint)
        stub = relay_pb2_grpc.RelayServiceStub(self._link.channel())
        answer = transport.invoke(stub.OpenTunnel, request, peer=PEER, timeout=self._link.timeout)
        faults.point("relay.asked")
        return Via(self.address, answer.ticket)

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    def listen(self) -> Iterator[str]:
        """Tickets of connections that come in, an empty one first; until the stream breaks.

        Raises:
            Unavailable: the broker is away.
        """
        stub = relay_pb2_grpc.RelayServiceStub(self._link.channel())
        for each in transport.stream(stub.Listen, relay_pb2.ListenRequest(), peer=PEER, timeout=None):
            yield each.ticket


class Relays:
    """All relays of a space; a connector listens at each, so any of them leads to it."""

    def __init__(self, space: SpaceFile, credentials: Callable[[], tuple[bytes, bytes]]) -> None:
        self.each = [RelayClient(space, address, credentials) for address in space.relays]

    def via(self, fingerprint: str) -> Via:
        """As `RelayClient.via`, by the first relay that leads there."""
        if not self.each:
            raise NotFound("resource.not_found", what="relay in", name="this space")
        *others, last = self.each
        for client in others:
            try:
                return client.via(fingerprint)
            except (NotFound, Unavailable, Unauthenticated) as fault:
                log.info("the relay %s does not lead there: %s", client.address, fault.code)
        return last.via(fingerprint)

    def close(self) -> None:
        """Close all links."""
        for each in self.each:
            each.close()


class Inward:
    """Connections that come in through the relay: dialled from here, and led to this connector's own TLS server.

    Args:
        own: ``host:port`` that this connector is set to listen on.

    Attributes:
        listening: set while the broker tells of callers.
    """

    def __init__(self, client: RelayClient, own: str) -> None:
        self.listening = threading.Event()
        self._client = client
        host, _, _ = own.rpartition(":")
        self._host = "127.0.0.1" if host in ("", "0.0.0.0", "[::]", "*") else host.strip("[]")  # noqa: S104 - not bound
        self._port = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ends: set[End] = set()
        self._coming = 0

    @property
    def relay(self) -> str:
        """The relay's ``host:port``."""
        return self._client.address

    def open(self, port: int) -> None:
        """The own server serves on this port: connections may come."""
        with self._lock:
            self._port, self._loop = port, asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="relayed", daemon=True)
            self._thread.start()

    def step(self) -> None:
        """Listen until the stream breaks; one that was whole for a while is to be begun again at once.

        Raises:
            Unavailable: the broker is away.
        """
        try:
            for ticket in self._client.listen():
                self.listening.set()
                if ticket:
                    faults.point("relay.incoming")
                    self._accept(ticket)
        except Unavailable:
            if not self.listening.is_set():
                raise
        finally:
            self.listening.clear()

    def close(self) -> None:
        """End all connections; a second call does nothing."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).result(_DIAL_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    def _accept(self, ticket: str) -> None:
        with self._lock:
            if self._loop is None or self._coming >= _MOST or len(self._ends) >= 2 * _MOST:
                return
            self._coming += 1
            carried = asyncio.run_coroutine_threadsafe(self._carry(ticket), self._loop)
        carried.add_done_callback(self._came)

    def _came(self, carried: Future[None]) -> None:
        with self._lock:
            self._coming -= 1
        _tell(carried)

    # ------------------------------------------------------------ on the loop

    async def _carry(self, ticket: str) -> None:
        """Steps: dial the relay; present the ticket; when the other half is there, dial the own server; join."""
        loop, ask = asyncio.get_running_loop(), tunnel.ask(ticket)
        head: asyncio.Future[bytes] = loop.create_future()

        def lost(end: End) -> None:
            self._ends.discard(end)
            if not head.done():
                head.set_result(b"")

        host, _, port = self._client.address.rpartition(":")
        away = End(lambda _, found: head.set_result(found), lost)
        await asyncio.wait_for(loop.create_connection(lambda: away, host.strip("[]"), int(port)), _DIAL_SECONDS)
        self._ends.add(away)
        try:
            away.send(ask)
            status = tunnel.answered(await asyncio.wait_for(head, 2 * _DIAL_SECONDS))
            if status != 200:
                raise OSError(f"the relay answered {status}")
            home = End(None, self._ends.discard)
            await loop.create_connection(lambda: home, self._host, self._port)
            self._ends.add(home)
            tunnel.join(away, home)
        except (OSError, TimeoutError):
            away.abort()
            raise

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        for end in list(self._ends):
            end.abort()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)


def _tell(carried: Future[None]) -> None:
    """Say in the log what became of a connection that failed; its caller tries again."""
    if carried.cancelled():
        return
    fault = carried.exception()
    if isinstance(fault, OSError | TimeoutError | HefuError):
        log.info("a connection through the relay was not made: %s", fault)
    elif fault is not None:
        log.error("a connection through the relay failed", exc_info=fault)
