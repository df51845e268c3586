"""The relay of one process, put together: its books, its service over mutual TLS, and the one port before both."""

from __future__ import annotations

import grpc
from hefu.wire import transport
from hefu.wire.transport import Running

from hefu_broker.relay.books import Relay
from hefu_broker.relay.port import RelayPort
from hefu_broker.rooms import Spaces


class Relaying:
    """Serves all spaces of a broker from `start` to `stop`.

    Attributes:
        relay: its books.
        outer: its port; the service stands behind it on the loopback, on a port that nobody is told.
    """

    def __init__(self, spaces: Spaces) -> None:
        self.relay = Relay(spaces.first.clock)
        self.outer: RelayPort | None = None
        self._spaces = spaces
        self._service: Running | None = None

    @property
    def port(self) -> int:
        """Where it serves; 0 before `start`."""
        return self.outer.port if self.outer is not None else 0

    def start(self, address: str, credentials: grpc.ServerCredentials) -> None:
        """Serve; returns at once. Raises Unavailable where the address cannot be bound."""
        from hefu_broker.rpc import services

        offered = services.relaying(self._spaces, self.relay)
        self._service = transport.serve("127.0.0.1:0", offered, credentials, self._spaces.authenticate)
        self.outer = RelayPort(address, self.relay)
        self.outer.start(self._service.port)

    def stop(self) -> None:
        """End all connections; does nothing where it was not started."""
        self.relay.stop()
        if self.outer is not None:
            self.outer.stop()
        if self._service is not None:
            self._service.stop(0)
