"""RelayService: connections to connectors that nobody can dial."""

from __future__ import annotations

import threading

import grpc
from hefu import transport
from hefu.errors import NotFound, Unauthenticated
from hefu.transport import Send
from hefu.v1 import relay_pb2, relay_pb2_grpc

from hefu_broker.relay import Relay
from hefu_broker.rooms import Spaces


class RelayServicer(relay_pb2_grpc.RelayServiceServicer):
    """Serves the relay to the members of all spaces; those of one are not found by those of another."""

    def __init__(self, spaces: Spaces, relay: Relay) -> None:
        self._spaces = spaces
        self._relay = relay

    @transport.held
    def Listen(  # type: ignore[override]  # noqa: N802 - a stream that holds no thread
        self, request: relay_pb2.ListenRequest, context: grpc.ServicerContext, send: Send
    ) -> None:
        """See the service. The stream holds no thread: a thousand connectors listen at once."""
        del request
        rooms, caller = self._spaces.member(transport.caller(context))
        sending = threading.Lock()  # gRPC sends one message of a stream at a time

        def say(message: relay_pb2.Incoming | None) -> None:
            with sending:
                send(message)

        def tell(ticket: str) -> None:
            say(relay_pb2.Incoming(ticket=ticket))

        over = self._relay.listen(rooms.space.space, caller, tell, lambda: say(None))
        if not context.add_callback(over):
            over()
        tell("")

    def OpenTunnel(  # noqa: N802 - the name in the protocol
        self, request: relay_pb2.OpenTunnelRequest, context: grpc.ServicerContext
    ) -> relay_pb2.Tunnel:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        now, standing = rooms.clock.now, rooms.registry.directory.caller
        try:
            target = standing(request.certificate, now())
        except Unauthenticated:
            raise NotFound("resource.not_found", what="connector", name=request.certificate[:80]) from None

        def check() -> None:
            for each in (caller, target):
                standing(each.fingerprint, now())

        return relay_pb2.Tunnel(ticket=self._relay.open(rooms.space.space, caller, target, check))
