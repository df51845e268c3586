"""Another participant's connector over gRPC, reached only by the certificate that participant itself vouched for.

A channel trusts one certificate: the bytes in the provider's own `transport.bound` statement. The broker's authority
opens nothing here, so a broken broker cannot stand in the middle, nor can a relay: TLS runs through it end to end.

A participant may have several processes, each with a certificate and perhaps an address of its own. They are tried one
after another, directly where there is an address and then through the relay; what answers is kept.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import grpc
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import NotFound, Unavailable
from hefu.identity import Binding
from hefu.running import faults
from hefu.v1 import common_pb2, computation_pb2
from hefu.v1.computation_pb2_grpc import ComputationServiceStub as Stub
from hefu.wire import transport
from hefu.wire.transport import Via
from hefu_policies.budget import Charge, PrivacyLoss

from hefu_connector.inputs import LARGEST_CHUNK
from hefu_connector.peering import Computed, Estimate, ExpectedError
from hefu_connector.ports import ComputationState

log = logging.getLogger("hefu.peers")
Result = TypeVar("Result")
_UNREACHED = frozenset({"peer.unreachable"})
_LONGEST_UPLOAD = 600.0  # seconds
_LONGEST_WATCH = 3600.0  # seconds; whoever waits longer watches again
_RELAYED_SECONDS = 1500.0  # a server ends connections at about 1800; the ticket of one that is over opens no other
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

    def bindings(self, participant: str, *, anew: bool = False) -> Sequence[Binding]:
        """The newest verified binding of each process of a participant that may act now, newest first.

        Args:
            anew: ask the broker first, as far as it answers.

        Raises:
            NotFound: there is none.
            Unauthenticated: the participant may not act.
        """
        ...


class Relay(Protocol):
    """The space's relay, where it has one."""

    def via(self, fingerprint: str) -> Via:
        """A way to the connector that bound a certificate, for one connection within seconds.

        Raises:
            NotFound: it does not listen there.
            Unavailable: the broker or the relay is away or full.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Road:
    """One way to a provider."""

    binding: Binding
    relayed: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """A channel over a road, under a certificate of ours, since an instant (seconds, monotonic)."""

    road: _Road
    certificate: bytes
    channel: grpc.Channel
    since: float


class PeerClient:
    """`peering.Peers` over gRPC. Safe to use from many threads.

    Args:
        endpoints: where the certificates to pin come from.
        credentials: returns this connector's own (private key PEM, certificate PEM) as they are now.
        relay: for providers that cannot be dialled; None where the space has none.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        credentials: Callable[[], tuple[bytes, bytes]],
        timeout: float = 20.0,
        relay: Relay | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._credentials = credentials
        self._timeout = timeout
        self._relay = relay
        self._lock = threading.Lock()
        self._opening: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._channels: dict[str, _Held] = {}

    def estimate(self, provider: str, product: str, plan: Object) -> Estimate:
        """As in the port."""
        request = computation_pb2.EstimateComputationRequest(product=f"products/{product}", plan=canonical.encode(plan))
        answer = self._call(provider, lambda stub: stub.EstimateComputation, request)
        errors = tuple(
            ExpectedError(each.column, each.half_width, each.mechanism, each.scale) for each in answer.errors
        )
        loss = PrivacyLoss(answer.charge.epsilon_nano, answer.charge.delta_femto, answer.charge.rho_nano)
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

    def join(self, provider: str, computation: str) -> Statement:
        """As in `peering.Meeting`."""
        request = computation_pb2.JoinSessionRequest(name=_name(computation))
        answer = self._call(provider, lambda stub: stub.JoinSession, request)
        return Statement.parse(answer.joined.envelope)

    def carry_on(self, provider: str, computation: str, words: Sequence[Statement], carried: str) -> Computed:
        """As in `peering.Meeting`."""
        joined = [common_pb2.Statement(envelope=each.to_bytes()) for each in words]
        request = computation_pb2.ContinueSessionRequest(name=_name(computation), joined=joined, carried=carried)
        return _computed(self._call(provider, lambda stub: stub.ContinueSession, request))

    def report_deletion(self, provider: str, proof: Statement) -> None:
        """As in the port."""
        message = computation_pb2.ReportDeletionRequest(deletion=common_pb2.Statement(envelope=proof.to_bytes()))
        self._call(provider, lambda stub: stub.ReportDeletion, message)

    def upload(self, provider: str, computation: str, agreement: str, digest: str, size: int, file: Path) -> None:
        """As in the port."""
        announced = computation_pb2.InputsAnnounced(
            computation=_name(computation), agreement=agreement, digest=digest, size=size
        )

        def messages() -> Iterator[computation_pb2.UploadInputsRequest]:
            yield computation_pb2.UploadInputsRequest(announced=announced)
            with open(file, "rb") as reading:
                while chunk := reading.read(LARGEST_CHUNK):
                    yield computation_pb2.UploadInputsRequest(chunk=chunk)

        self._try(provider, lambda stub: stub.UploadInputs, messages, _LONGEST_UPLOAD)

    def close(self) -> None:
        """Close all channels."""
        with self._lock:
            for held in self._channels.values():
                held.channel.close()
            self._channels.clear()

    def _call(self, provider: str, method: Callable[[Stub], Callable[..., Result]], request: object) -> Result:
        """Over the first road that leads there. Every call may be repeated: a computation is known by its id."""
        return self._try(provider, method, lambda: request, self._timeout)

    def _try(
        self,
        provider: str,
        method: Callable[[Stub], Callable[..., Result]],
        request: Callable[[], object],
        timeout: float,
    ) -> Result:
        fault = Unavailable("peer.unreachable", peer=provider)
        for channel in self._ways(provider):
            faults.point("peer.call")
            try:
                answer = transport.invoke(method(Stub(channel)), request(), peer=provider, timeout=timeout)
                faults.point("peer.answer")
                return answer
            except Unavailable as found:
                if found.code not in _UNREACHED:
                    raise
                fault = found
        raise fault

    def _stream(self, provider: str, method: Callable[[Stub], Callable[..., Any]], request: object) -> Iterator[Any]:
        fault, heard = Unavailable("peer.unreachable", peer=provider), False
        for channel in self._ways(provider):
            try:
                call = method(Stub(channel))
                for each in transport.stream(call, request, peer=provider, timeout=_LONGEST_WATCH):
                    heard = True
                    faults.point("peer.heard")
                    yield each
                return
            except Unavailable as found:
                # Another road is tried, but not where the stream broke on its way.
                if heard or found.code not in _UNREACHED:
                    raise
                fault = found
        raise fault

    def _ways(self, provider: str) -> Iterator[grpc.Channel]:
        """Channels to a provider, the next asked for when the last led nowhere: the one in use, then every road as it
        is known, then every road that is new when the broker was asked again."""
        failed = self._held(provider)
        if failed is not None:
            yield failed.channel
        tried: set[tuple[str, str]] = set()
        for anew in (False, True):
            for road in self._roads(provider, anew=anew):
                # A direct road is not tried twice; through the relay each time is a new connection.
                mark = (road.binding.fingerprint, road.binding.endpoint)
                if mark in tried and not road.relayed:
                    continue
                tried.add(mark)
                with self._opening[provider]:
                    held = self._held(provider)
                    if held is None or held is failed:
                        held = self._open(provider, road)
                if held is not None:
                    failed = held
                    yield held.channel

    def _roads(self, provider: str, *, anew: bool) -> list[_Road]:
        found = self._endpoints.bindings(provider, anew=anew)
        direct = [_Road(each, relayed=False) for each in found if each.endpoint]
        relayed = [_Road(each, relayed=True) for each in found] if self._relay is not None else []
        if not direct and not relayed:
            raise NotFound("resource.not_found", what="connector of", name=provider)
        return direct + relayed

    def _held(self, provider: str) -> _Held | None:
        """The channel in use, if it is still the right one: our certificate and the provider's binding are as they
        were, and a relayed one is not about to be closed for its age."""
        with self._lock:
            held = self._channels.get(provider)
        if held is None or held.certificate != self._credentials()[1]:
            return None
        if held.road.relayed and time.monotonic() - held.since > _RELAYED_SECONDS:
            return None
        # Asked each time, since a participant that may act no longer is called no longer.
        return held if held.road.binding in self._endpoints.bindings(provider) else None

    def _open(self, provider: str, road: _Road) -> _Held | None:
        """A channel over a road, from now on the one in use; None where the relay does not lead there."""
        key, certificate = self._credentials()
        via = None
        if road.relayed and self._relay is not None:
            try:
                via = self._relay.via(road.binding.fingerprint)
            except (NotFound, Unavailable) as fault:
                log.info("the relay does not lead to %s: %s", provider, fault.public())
                return None
        channel = transport.connect(
            road.binding.endpoint,
            root_pem=transport.to_pem(road.binding.certificate),
            certificate_pem=certificate,
            key_pem=key,
            server_name=f"{road.binding.connector}.hefu",
            via=via,
        )
        held = _Held(road, certificate, channel, time.monotonic())
        with self._lock:
            # The old channel is left to calls under way; it closes when nobody holds it.
            self._channels[provider] = held
        return held


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
