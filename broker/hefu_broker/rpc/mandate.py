"""MandateService: orders of regulators, and what is filed for them."""

from __future__ import annotations

import grpc
from hefu.v1 import common_pb2, mandate_pb2, mandate_pb2_grpc
from hefu.wire import transport

from hefu_broker.records import FiledEnd
from hefu_broker.rooms import Spaces


class MandateServicer(mandate_pb2_grpc.MandateServiceServicer):
    """Serves orders to members, and takes them and opens for regulators that the charter names."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    def RecordOrder(  # noqa: N802 - the name in the protocol
        self, request: mandate_pb2.RecordOrderRequest, context: grpc.ServicerContext
    ) -> mandate_pb2.RecordOrderResponse:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        rooms.orders.record(caller, request.order.envelope)
        return mandate_pb2.RecordOrderResponse()

    def ListOrders(  # noqa: N802 - the name in the protocol
        self, request: mandate_pb2.ListOrdersRequest, context: grpc.ServicerContext
    ) -> mandate_pb2.ListOrdersResponse:
        """See the service."""
        rooms, _ = self._spaces.member(transport.caller(context))
        newest, found = rooms.orders.page(request.after)
        return mandate_pb2.ListOrdersResponse(
            orders=[common_pb2.Statement(envelope=each) for each in found], newest=newest
        )

    def FileOpenings(  # noqa: N802 - the name in the protocol
        self, request: mandate_pb2.FileOpeningsRequest, context: grpc.ServicerContext
    ) -> mandate_pb2.FileOpeningsResponse:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        filed = [FiledEnd(each.end, each.sealed) for each in request.filed]
        return mandate_pb2.FileOpeningsResponse(accepted=rooms.openings.file(caller, filed))

    def EraseOpenings(  # noqa: N802 - the name in the protocol
        self, request: mandate_pb2.EraseOpeningsRequest, context: grpc.ServicerContext
    ) -> mandate_pb2.EraseOpeningsResponse:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        return mandate_pb2.EraseOpeningsResponse(erased=rooms.openings.erase(caller, [*request.ends]))

    def RecordAccess(  # noqa: N802 - the name in the protocol
        self, request: mandate_pb2.RecordAccessRequest, context: grpc.ServicerContext
    ) -> mandate_pb2.RecordAccessResponse:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        rooms.openings.access(caller, request.access.envelope)
        return mandate_pb2.RecordAccessResponse()

    def OpenFiled(  # noqa: N802 - the name in the protocol
        self, request: mandate_pb2.OpenFiledRequest, context: grpc.ServicerContext
    ) -> mandate_pb2.OpenFiledResponse:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        found = rooms.openings.opened(caller, request.leaf_hash)
        return mandate_pb2.OpenFiledResponse(
            filed=[mandate_pb2.Filed(end=each.end, sealed=each.sealed) for each in found]
        )
