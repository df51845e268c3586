"""ContractService: negotiations and agreements."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from hefu import transport
from hefu.changes import Changes
from hefu.v1 import contract_pb2, contract_pb2_grpc

from hefu_broker.contracts import Contracts
from hefu_broker.log import AuditLog
from hefu_broker.registry import Registry
from hefu_broker.rpc import answers


class ContractServicer(contract_pb2_grpc.ContractServiceServicer):
    """Serves negotiations to their parties, and to those who oversee."""

    def __init__(self, registry: Registry, contracts: Contracts, log: AuditLog, changes: Changes) -> None:
        self._registry = registry
        self._contracts = contracts
        self._log = log
        self._changes = changes

    def AdvanceNegotiation(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.AdvanceNegotiationRequest, context: grpc.ServicerContext
    ) -> contract_pb2.Negotiation:
        """See the service."""
        caller = self._registry.member(transport.caller(context))
        return answers.negotiation(self._contracts.advance(caller, request.message.envelope), self._log)

    def GetNegotiation(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.GetNegotiationRequest, context: grpc.ServicerContext
    ) -> contract_pb2.Negotiation:
        """See the service."""
        caller = self._registry.member(transport.caller(context))
        id_ = answers.named(request.name, "negotiations", "agreements")
        return answers.negotiation(self._contracts.talk(caller, id_), self._log)

    def ListNegotiations(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.ListNegotiationsRequest, context: grpc.ServicerContext
    ) -> contract_pb2.ListNegotiationsResponse:
        """See the service."""
        caller = self._registry.member(transport.caller(context))
        found, more = self._contracts.page(caller, request.page_size, request.page_token)
        listed = [answers.negotiation(each, self._log) for each in found]
        return contract_pb2.ListNegotiationsResponse(negotiations=listed, next_page_token=more)

    def WatchNegotiations(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.WatchNegotiationsRequest, context: grpc.ServicerContext
    ) -> Iterator[contract_pb2.Negotiation]:
        """See the service. The thread sleeps until something changes or the call ends."""
        caller = self._registry.member(transport.caller(context))
        context.add_callback(self._changes.announce)
        for talk in self._contracts.watch(caller, request.after_revision, lambda: not context.is_active()):
            yield answers.negotiation(talk, self._log)

    def TerminateAgreement(  # noqa: N802 - the name in the protocol
        self, request: contract_pb2.TerminateAgreementRequest, context: grpc.ServicerContext
    ) -> contract_pb2.Negotiation:
        """See the service."""
        caller = self._registry.member(transport.caller(context))
        return answers.negotiation(self._contracts.terminate(caller, request.termination.envelope), self._log)
