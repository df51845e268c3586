"""Health and reflection on the public port, for development and for orchestrators: off unless the settings ask."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from hefu.v1 import computation_pb2

_SERVICE = computation_pb2.DESCRIPTOR.services_by_name["ComputationService"].full_name


def add(server: grpc.Server) -> None:
    """Register both services; callers need a bound certificate as for any other call."""
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    servicer.set(_SERVICE, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection((_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
