"""Which services stand on which port."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hefu.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    contract_pb2,
    contract_pb2_grpc,
    mandate_pb2,
    mandate_pb2_grpc,
    page_pb2,
    page_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
    relay_pb2,
    relay_pb2_grpc,
)

from hefu_broker.rpc.catalog import CatalogServicer
from hefu_broker.rpc.contract import ContractServicer
from hefu_broker.rpc.enrollment import EnrollmentServicer
from hefu_broker.rpc.log import LogServicer
from hefu_broker.rpc.mandate import MandateServicer
from hefu_broker.rpc.page import PageServicer
from hefu_broker.rpc.registry import RegistryServicer
from hefu_broker.rpc.relay import RelayServicer

if TYPE_CHECKING:
    from hefu_broker.relay.books import Relay
    from hefu_broker.rooms import Spaces

Add = Callable[[grpc.Server], None]


def main(spaces: Spaces, *, reflection: bool) -> list[Add]:
    """The services over mutual TLS; the caller's certificate decides the space."""
    registry, contracts = RegistryServicer(spaces), ContractServicer(spaces)
    names = [
        _full_name(audit_pb2, "LogService"),
        _full_name(catalog_pb2, "CatalogService"),
        _full_name(contract_pb2, "ContractService"),
        _full_name(page_pb2, "PageService"),
        _full_name(mandate_pb2, "MandateService"),
        _full_name(registry_pb2, "RegistryService"),
    ]
    added: list[Add] = [
        lambda server: registry_pb2_grpc.add_RegistryServiceServicer_to_server(registry, server),
        lambda server: catalog_pb2_grpc.add_CatalogServiceServicer_to_server(CatalogServicer(spaces), server),
        lambda server: contract_pb2_grpc.add_ContractServiceServicer_to_server(contracts, server),
        lambda server: audit_pb2_grpc.add_LogServiceServicer_to_server(LogServicer(spaces), server),
        lambda server: page_pb2_grpc.add_PageServiceServicer_to_server(PageServicer(spaces), server),
        lambda server: mandate_pb2_grpc.add_MandateServiceServicer_to_server(MandateServicer(spaces), server),
        _health(names),
    ]
    return [*added, _reflection(names)] if reflection else added


def relaying(spaces: Spaces, relay: Relay) -> list[Add]:
    """The relay's service, over mutual TLS too."""
    servicer = RelayServicer(spaces, relay)
    return [
        lambda server: relay_pb2_grpc.add_RelayServiceServicer_to_server(servicer, server),
        _health([_full_name(relay_pb2, "RelayService")]),
    ]


def enrolment(spaces: Spaces) -> list[Add]:
    """The services for callers without a certificate; the token decides the space."""
    servicer = EnrollmentServicer(spaces)
    return [
        lambda server: registry_pb2_grpc.add_EnrollmentServiceServicer_to_server(servicer, server),
        _health([_full_name(registry_pb2, "EnrollmentService")]),
    ]


def _health(names: list[str]) -> Add:
    # Blocking, because the guard of `hefu.wire.transport` wraps plain handlers only.
    servicer = health.HealthServicer(experimental_non_blocking=False)
    for name in ["", *names]:
        servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return lambda server: health_pb2_grpc.add_HealthServicer_to_server(servicer, server)


def _reflection(names: list[str]) -> Add:
    def add(server: grpc.Server) -> None:
        from grpc_reflection.v1alpha import reflection

        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)

    return add


def _full_name(module: object, service: str) -> str:
    name: str = module.DESCRIPTOR.services_by_name[service].full_name  # type: ignore[attr-defined]  # generated
    return name
