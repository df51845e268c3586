"""ContractService: negotiations and agreements."""

from __future__ import annotations

import threading
from contextlib import suppress

import grpc
from hefu.v1 import contract_pb2, contract_pb2_grpc
from hefu.wire import transport
from hefu.wire.transport import Send

from hefu_broker.records import Talk
from hefu_broker.rooms import Spaces
from hefu_broker.rpc import answers


class ContractServicer(contract_pb2_grpc.ContractServiceServicer):
    """Serves negotiations to their parties, and to those who oversee."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    def AdvanceNegotiation(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.AdvanceNegotiationRequest, context: grpc.ServicerContext
    ) -> contract_pb2.Negotiation:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        return answers.negotiation(rooms.contracts.advance(caller, request.message.envelope), rooms.log)

    def GetNegotiation(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.GetNegotiationRequest, context: grpc.ServicerContext
    ) -> contract_pb2.Negotiation:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        id_ = answers.named(request.name, "negotiations", "agreements")
        return answers.negotiation(rooms.contracts.talk(caller, id_), rooms.log)

    def ListNegotiations(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.ListNegotiationsRequest, context: grpc.ServicerContext
    ) -> contract_pb2.ListNegotiationsResponse:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        found, more = rooms.contracts.page(caller, request.page_size, request.page_token)
        listed = [answers.negotiation(each, rooms.log) for each in found]
        return contract_pb2.ListNegotiationsResponse(negotiations=listed, next_page_token=more)

    @transport.held
    def WatchNegotiations(  # type: ignore[override]  # noqa: N802 - a stream that holds no thread
        self, request: contract_pb2.WatchNegotiationsRequest, context: grpc.ServicerContext, send: Send
    ) -> None:
        """See the service. The stream holds no thread while nothing changes: a thousand connectors watch at once."""
        rooms, caller = self._spaces.member(transport.caller(context))
        sending = threading.Lock()  # gRPC sends one message of a stream at a time

        def tell(talk: Talk) -> None:
            rooms.registry.member(caller)  # who may act no longer is told nothing more
            with sending:
                send(answers.negotiation(talk, rooms.log))

        def end() -> None:
            if sending.acquire(blocking=False):  # who does not read is cut off with the server
                with suppress(ValueError):
                    send(None)
                sending.release()

        gone = rooms.watching.follow(caller, request.after_revision, tell, end)
        if not context.add_callback(gone):
            gone()

    def TerminateAgreement(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.TerminateAgreementRequest, context: grpc.ServicerContext
    ) -> contract_pb2.Negotiation:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        return answers.negotiation(rooms.contracts.terminate(caller, request.termination.envelope), rooms.log)

    def RecordNotice(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.RecordNoticeRequest, context: grpc.ServicerContext
    ) -> contract_pb2.Negotiation:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        return answers.negotiation(rooms.notices.record(caller, request.notice.envelope), rooms.log)

    def ListNotices(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.ListNoticesRequest, context: grpc.ServicerContext
    ) -> contract_pb2.ListNoticesResponse:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        found = rooms.notices.page(caller, answers.named(request.name, "agreements"), request.after)
        return contract_pb2.ListNoticesResponse(notices=map(answers.statement, found))
