"""PageService: links that open pages in a browser."""

from __future__ import annotations

import grpc
from hefu.v1 import page_pb2, page_pb2_grpc
from hefu.wire import transport

from hefu_broker.membership import visits
from hefu_broker.rooms import Spaces
from hefu_broker.rpc import answers


class PageServicer(page_pb2_grpc.PageServiceServicer):
    """Gives links to members."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    def OpenPage(  # noqa: N802 - the name in the protocol
        self, request: page_pb2.OpenPageRequest, context: grpc.ServicerContext
    ) -> page_pb2.OpenPageResponse:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        page = request.page
        if page not in (visits.CATALOG, visits.LOG):
            id_ = answers.named(page, "agreements", "negotiations")
            rooms.contracts.talk(caller, id_)  # for its parties and those who oversee: NotFound for all others
            page = visits.contract_page(id_)
        return page_pb2.OpenPageResponse(url=rooms.visits.link(caller, page))
