"""Another participant's connector over gRPC, reached only by the certificate that participant itself vouched for.

A channel trusts one certificate: the bytes in the provider's own `transport.bound` statement. The broker's authority
opens nothing here, so a broken broker cannot stand in the middle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import grpc
from hefu import canonical, faults, transport
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import NotFound, Unavailable
from hefu.identity import Binding
from hefu.v1 import common_pb2, computation_pb2, computation_pb2_grpc
from hefu_policies.budget import Charge, PrivacyLoss

from hefu_connector.peering import Computed, Estimate, ExpectedError
from hefu_connector.ports import ComputationState

Result = TypeVar("Result")
_UNREACHED = frozenset({"peer.unreachable"})
_LONGEST_WATCH = 3600.0  # seconds; whoever waits longer watches again
_STATES = {
    computation_pb2.Computation.STATE_RESERVED: ComputationState.RESERVED,
    computation_pb2.Computation.STATE_RUNNING: ComputationState.RUNNING,
    computation_pb2.Computation.STATE_RELEASED: ComputationState.RELEASED,
    computation_pb2.Computation.STATE_REFUSED: ComputationState.REFUSED,
    computation_pb2.Computation.STATE_FAILED: ComputationState.FAILED,
    computation_pb2.Computation.STATE_CANCELLED: ComputationState.CANCELLED,
}


class Endpoints(Protocol):
    """Where connectors are, as this participant verified it."""

    def endpoint(self, participant: str, *, anew: bool = False) -> Binding:
        """The newest verified binding with an address of a participant that may act now.

        Args:
            anew: ask the broker first, as far as it answers.

        Raises:
            NotFound: there is none.
            Unauthenticated: the participant may not act.
        """
        ...


class PeerClient:
    """`peering.Peers` over gRPC. Safe to use from many threads.

    Args:
        endpoints: where the certificates to pin come from.
        credentials: returns this connector's own (private key PEM, certificate PEM) as they are now.
    """

    def __init__(
        self, endpoints: Endpoints, credentials: Callable[[], tuple[bytes, bytes]], timeout: float = 20.0
    ) -> None:
        self._endpoints = endpoints
        self._credentials = credentials
        self._timeout = timeout
        self._lock = threading.Lock()
        self._channels: dict[str, tuple[tuple[str, str, bytes], grpc.Channel]] = {}

    def estimate(self, provider: str, product: str, plan: Object) -> Estimate:
        """As in the port."""
        request = computation_pb2.EstimateComputationRequest(product=f"products/{product}", plan=canonical.encode(plan))
        answer = self._call(provider, lambda stub: stub.EstimateComputation, request)
        errors = tuple(
            ExpectedError(each.column, each.half_width, each.mechanism, each.scale) for each in answer.errors
        )
        loss = PrivacyLoss(answer.charge.epsilon_nano, answer.charge.delta_femto)
        return Estimate(Charge(loss), errors, answer.cells)

    def create(self, provider: str, request: Statement) -> Computed:
        """As in the port."""
        message = computation_pb2.CreateComputationRequest(request=common_pb2.Statement(envelope=request.to_bytes()))
        return _computed(self._call(provider, lambda stub: stub.CreateComputation, message))

    def watch(self, provider: str, computation: str) -> Iterator[Computed]:
        """As in the port."""
        request = computation_pb2.WatchComputationRequest(name=_name(computation))
        for each in self._stream(provider, lambda stub: stub.WatchComputation, request):
            yield _computed(each)

    def cancel(self, provider: str, computation: str) -> Computed:
        """As in the port."""
        request = computation_pb2.CancelComputationRequest(name=_name(computation))
        return _computed(self._call(provider, lambda stub: stub.CancelComputation, request))

    def fetch(self, provider: str, computation: str, first: int) -> Iterator[tuple[int, bytes]]:
        """As in the port."""
        request = computation_pb2.FetchReleaseRequest(name=_name(computation), first_part=first)
        for each in self._stream(provider, lambda stub: stub.FetchRelease, request):
            yield each.index, each.sealed

    def close(self) -> None:
        """Close all channels."""
        with self._lock:
            for _, channel in self._channels.values():
                channel.close()
            self._channels.clear()

    def _call(
        self,
        provider: str,
        method: Callable[[computation_pb2_grpc.ComputationServiceStub], Callable[..., Result]],
        request: object,
    ) -> Result:
        faults.point("peer.call")
        try:
            answer = transport.invoke(method(self._stub(provider)), request, peer=provider, timeout=self._timeout)
            faults.point("peer.answer")
            return answer
        except Unavailable as fault:
            if fault.code not in _UNREACHED:
                raise
        # It may have a new certificate or address. Every call may be repeated: a computation is known by its id.
        stub = self._stub(provider, anew=True)
        return transport.invoke(method(stub), request, peer=provider, timeout=self._timeout)

    def _stream(
        self,
        provider: str,
        method: Callable[[computation_pb2_grpc.ComputationServiceStub], Callable[..., Any]],
        request: object,
    ) -> Iterator[Any]:
        for anew in (False, True):
            heard = False
            try:
                call = method(self._stub(provider, anew=anew))
                for each in transport.stream(call, request, peer=provider, timeout=_LONGEST_WATCH):
                    heard = True
                    faults.point("peer.heard")
                    yield each
                return
            except Unavailable as fault:
                # Look for a new certificate or address once, but not where the stream broke on its way.
                if heard or anew or fault.code not in _UNREACHED:
                    raise

    def _stub(self, provider: str, *, anew: bool = False) -> computation_pb2_grpc.ComputationServiceStub:
        binding = self._endpoints.endpoint(provider, anew=anew)
        if not binding.endpoint:
            raise NotFound("resource.not_found", what="connector of", name=provider)
        key, certificate = self._credentials()
        wanted = (binding.fingerprint, binding.endpoint, certificate)
        with self._lock:
            held = self._channels.get(provider)
            if held is None or held[0] != wanted:
                # The old channel is left to calls under way; it closes when nobody holds it.
                channel = transport.connect(
                    binding.endpoint,
                    root_pem=transport.to_pem(binding.certificate),
                    certificate_pem=certificate,
                    key_pem=key,
                    server_name=f"{binding.connector}.hefu",
                )
                self._channels[provider] = held = (wanted, channel)
            return computation_pb2_grpc.ComputationServiceStub(held[1])


def _name(computation: str) -> str:
    return f"computations/{computation}"


def _computed(message: computation_pb2.Computation) -> Computed:
    state = _STATES.get(message.state)
    if state is None:
        raise Unavailable("peer.unreachable", peer="the provider", detail="a computation in no known state")
    return Computed(
        id=message.name.removeprefix("computations/"),
        state=state,
        receipt=Statement.parse(message.receipt.envelope) if message.receipt.envelope else None,
        parts=message.parts,
    )
