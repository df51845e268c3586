"""CatalogService: data products."""

from __future__ import annotations

import grpc
from hefu import transport
from hefu.v1 import catalog_pb2, catalog_pb2_grpc

from hefu_broker.catalog import Catalog
from hefu_broker.log import AuditLog
from hefu_broker.registry import Registry
from hefu_broker.rpc import answers


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """Serves the catalog to members."""

    def __init__(self, registry: Registry, catalog: Catalog, log: AuditLog) -> None:
        self._registry = registry
        self._catalog = catalog
        self._log = log

    def PublishProduct(  # noqa: N802 - the name in the protocol
        self, request: catalog_pb2.PublishProductRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.Product:
        """See the service."""
        caller = self._registry.member(transport.caller(context))
        return answers.product(self._catalog.publish(caller, request.product.envelope), self._log)

    def RetireProduct(  # noqa: N802 - the name in the protocol
        self, request: catalog_pb2.RetireProductRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.Product:
        """See the service."""
        caller = self._registry.member(transport.caller(context))
        return answers.product(self._catalog.retire(caller, request.retirement.envelope), self._log)

    def GetProduct(self, request: catalog_pb2.GetProductRequest, context: grpc.ServicerContext) -> catalog_pb2.Product:  # noqa: N802 - the name in the protocol
        """See the service."""
        caller = self._registry.member(transport.caller(context))
        return answers.product(self._catalog.product(caller, answers.named(request.name, "products")), self._log)

    def SearchProducts(  # noqa: N802 - the name in the protocol
        self, request: catalog_pb2.SearchProductsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.SearchProductsResponse:
        """See the service. Proofs come with a single product, not with a list."""
        caller = self._registry.member(transport.caller(context))
        found, more = self._catalog.search(caller, request.query, request.filter, request.page_size, request.page_token)
        products = [answers.card(each) for each in found.cards]
        return catalog_pb2.SearchProductsResponse(products=products, next_page_token=more, total_size=found.total)
