"""RelayService: connections to connectors that nobody can dial."""

from __future__ import annotations

import grpc
from hefu.errors import NotFound, Unauthenticated
from hefu.v1 import relay_pb2, relay_pb2_grpc
from hefu.wire import transport
from hefu.wire.transport import Send

from hefu_broker.relay.books import Relay
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

        def tell(ticket: str) -> None:
            send(relay_pb2.Incoming(ticket=ticket))

        # Sending waits for as long as the other side takes nothing; only cancelling does not.
        over = self._relay.listen(rooms.space.space, caller, tell, context.cancel)
        if not context.add_callback(over):
            over()
        self._relay.greet(rooms.space.space, caller)

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
