"""The broker as a regulator with a mandate uses it: orders, accesses, and what is handed over on them."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from hefu.envelope import Statement
from hefu.tlog.proof import LogProof
from hefu.v1 import audit_pb2, audit_pb2_grpc, common_pb2, mandate_pb2, mandate_pb2_grpc
from hefu.wire import transport

from hefu_audit.clients.broker import PEER


class MandateClient:
    """`hefu_audit.ports.Mandated` over gRPC."""

    def __init__(self, channel: grpc.Channel, timeout: float = 30.0) -> None:
        self._stub = mandate_pb2_grpc.MandateServiceStub(channel)
        self._log = audit_pb2_grpc.LogServiceStub(channel)
        self._timeout = timeout

    def order(self, statement: Statement) -> None:
        """As in the port."""
        request = mandate_pb2.RecordOrderRequest(order=_write(statement))
        transport.invoke(self._stub.RecordOrder, request, peer=PEER, timeout=self._timeout)

    def orders(self, after: int) -> tuple[int, Sequence[Statement]]:
        """As in the port."""
        request = mandate_pb2.ListOrdersRequest(after=after)
        answer = transport.invoke(self._stub.ListOrders, request, peer=PEER, timeout=self._timeout)
        return answer.newest, [Statement.parse(each.envelope) for each in answer.orders]

    def access(self, statement: Statement) -> None:
        """As in the port."""
        request = mandate_pb2.RecordAccessRequest(access=_write(statement))
        transport.invoke(self._stub.RecordAccess, request, peer=PEER, timeout=self._timeout)

    def inclusion(self, leaf_hash: bytes) -> LogProof:
        """As in the port."""
        request = audit_pb2.GetInclusionProofRequest(leaf_hash=leaf_hash)
        found = transport.invoke(self._log.GetInclusionProof, request, peer=PEER, timeout=self._timeout)
        return LogProof(found.index, tuple(found.hashes), found.checkpoint)

    def opened(self, leaf_hash: bytes) -> dict[str, bytes]:
        """As in the port."""
        request = mandate_pb2.OpenFiledRequest(leaf_hash=leaf_hash)
        answer = transport.invoke(self._stub.OpenFiled, request, peer=PEER, timeout=self._timeout)
        return {each.end: each.sealed for each in answer.filed}


def _write(statement: Statement) -> common_pb2.Statement:
    return common_pb2.Statement(envelope=statement.to_bytes())
