"""CatalogService: data products."""

from __future__ import annotations

import grpc
from hefu.v1 import catalog_pb2, catalog_pb2_grpc
from hefu.wire import transport

from hefu_broker.rooms import Spaces
from hefu_broker.rpc import answers


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """Serves the catalog to members."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    def PublishProduct(  # noqa: N802 - the name in the protocol
        self, request: catalog_pb2.PublishProductRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.Product:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        return answers.product(rooms.catalog.publish(caller, request.product.envelope), rooms.log)

    def RetireProduct(  # noqa: N802 - the name in the protocol
        self, request: catalog_pb2.RetireProductRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.Product:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        return answers.product(rooms.catalog.retire(caller, request.retirement.envelope), rooms.log)

    def GetProduct(self, request: catalog_pb2.GetProductRequest, context: grpc.ServicerContext) -> catalog_pb2.Product:  # noqa: N802 - the name in the protocol
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        return answers.product(rooms.catalog.product(caller, answers.named(request.name, "products")), rooms.log)

    def SearchProducts(  # noqa: N802 - the name in the protocol
        self, request: catalog_pb2.SearchProductsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.SearchProductsResponse:
        """See the service. Proofs come with a single product, not with a list."""
        rooms, caller = self._spaces.member(transport.caller(context))
        found, more = rooms.catalog.search(caller, request.query, request.filter, request.page_size, request.page_token)
        products = [answers.card(each) for each in found.cards]
        return catalog_pb2.SearchProductsResponse(products=products, next_page_token=more, total_size=found.total)
