"""ContractService: negotiations and agreements."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from hefu import transport
from hefu.v1 import contract_pb2, contract_pb2_grpc

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

    def WatchNegotiations(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.WatchNegotiationsRequest, context: grpc.ServicerContext
    ) -> Iterator[contract_pb2.Negotiation]:
        """See the service. The thread sleeps until something changes or the call ends."""
        rooms, caller = self._spaces.member(transport.caller(context))
        context.add_callback(rooms.changes.announce)
        for talk in rooms.contracts.watch(caller, request.after_revision, lambda: not context.is_active()):
            yield answers.negotiation(talk, rooms.log)

    def TerminateAgreement(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.TerminateAgreementRequest, context: grpc.ServicerContext
    ) -> contract_pb2.Negotiation:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        return answers.negotiation(rooms.contracts.terminate(caller, request.termination.envelope), rooms.log)
