"""The one service that other participants' connectors may call: thin, from protobuf to the enforcement point.

Every call comes with a certificate that its participant bound itself; a computation is shown to whoever asked for it
and to nobody else, not even its existence.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote

import grpc
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Malformed, NotFound
from hefu.times import write_time
from hefu.v1 import common_pb2, computation_pb2, computation_pb2_grpc
from hefu.wire import transport

from hefu_connector.computing.computation import LARGEST_PLAN
from hefu_connector.computing.uploads import Upload
from hefu_connector.inputs import LARGEST_CHUNK
from hefu_connector.ports import FINAL, NOWHERE, ComputationState, Connection, Prepared, Run
from hefu_connector.session import MOST_PARTIES

WAIT_SECONDS = 15.0  # between looks at a computation nothing is heard of
_LONGEST_NAME = 100
_UPLOAD_SECONDS = 600.0
_STATES = {
    ComputationState.RESERVED: computation_pb2.Computation.STATE_RESERVED,
    ComputationState.RUNNING: computation_pb2.Computation.STATE_RUNNING,
    ComputationState.RELEASED: computation_pb2.Computation.STATE_RELEASED,
    ComputationState.REFUSED: computation_pb2.Computation.STATE_REFUSED,
    ComputationState.FAILED: computation_pb2.Computation.STATE_FAILED,
    ComputationState.CANCELLED: computation_pb2.Computation.STATE_CANCELLED,
}

EstimatePlan = Callable[[str, Object, str], Prepared]
ConfirmDeletion = Callable[[Statement, str, str], None]
TakeUpload = Callable[[Upload, Iterable[bytes], str, str], None]


class Door(Protocol):
    """The enforcement point as this service sees it. Safe to use from many threads; all raise NotFound for a
    computation that is not the caller's."""

    def create(self, statement: Statement, caller: str, *subjects: str, over: Connection = NOWHERE) -> Run:
        """Take a signed request that came over a connection, or return what it led to before."""
        ...

    def view(self, computation: str, consumer: str) -> Run:
        """A computation as its consumer may see it."""
        ...

    def wait(self, computation: str, consumer: str, timeout: float) -> Run:
        """As `view`, after a change or when the time is over."""
        ...

    def part(self, computation: str, consumer: str, index: int, *subjects: str) -> bytes:
        """One sealed part; the standing of consumer and subjects is checked again."""
        ...

    def cancel(self, computation: str, consumer: str) -> Run:
        """Stop it."""
        ...


class Meetings(Protocol):
    """Runs over several connectors as this service sees them. Safe to use from many threads; raises as `Door`."""

    def join(self, computation: str, consumer: str, *subjects: str) -> Statement:
        """What this connector signs for its part of a run."""
        ...

    def carry_on(
        self, computation: str, consumer: str, words: Sequence[Statement], carried: str, *subjects: str
    ) -> Run:  # fmt: skip
        """Go on with what all parties signed."""
        ...


class ComputationServicer(computation_pb2_grpc.ComputationServiceServicer):
    """Serves computations to other connectors.

    Args:
        estimate: prices a plan under an own product for a caller; raises NotFound where the caller may not see it.
        confirm: takes a caller's signed proof that it deleted a delivery; None where none are taken.
        take: keeps what a caller uploads for a request to come; None where nothing is taken.
        meetings: takes part in runs over several connectors; None where this one does not.
        relayed: whether connections through a relay end here too, which come from this machine itself.
    """

    def __init__(
        self,
        door: Door,
        estimate: EstimatePlan,
        confirm: ConfirmDeletion | None = None,
        take: TakeUpload | None = None,
        *,
        meetings: Meetings | None = None,
        relayed: bool = False,
    ) -> None:
        self._door = door
        self._meetings = meetings
        self._estimate = estimate
        self._confirm = confirm
        self._take = take
        self._relayed = relayed

    def add(self, server: grpc.Server) -> None:
        """Register this service."""
        computation_pb2_grpc.add_ComputationServiceServicer_to_server(self, server)

    def EstimateComputation(  # noqa: N802 - the name in the protocol
        self, request: computation_pb2.EstimateComputationRequest, context: grpc.ServicerContext
    ) -> computation_pb2.Estimate:
        """Price a plan; touches no data."""
        who = transport.caller(context)
        plan = canonical.decode_object(request.plan, LARGEST_PLAN)
        return _estimate(self._estimate(_id(request.product, "products"), plan, who.participant))

    def CreateComputation(  # noqa: N802
        self, request: computation_pb2.CreateComputationRequest, context: grpc.ServicerContext
    ) -> computation_pb2.Computation:
        """Take a signed request."""
        who = transport.caller(context)
        statement = Statement.parse(request.request.envelope)
        over = Connection(who.connector, who.key, self._address(context.peer()))
        return _computation(self._door.create(statement, who.participant, who.fingerprint, over=over))

    def GetComputation(  # noqa: N802
        self, request: computation_pb2.GetComputationRequest, context: grpc.ServicerContext
    ) -> computation_pb2.Computation:
        """One computation of the caller."""
        return _computation(self._door.view(_id(request.name), transport.caller(context).participant))

    def WatchComputation(  # noqa: N802
        self, request: computation_pb2.WatchComputationRequest, context: grpc.ServicerContext
    ) -> Iterator[computation_pb2.Computation]:
        """The present state and every change until the end."""
        id_, who = _id(request.name), transport.caller(context).participant
        told: ComputationState | None = None
        run = self._door.view(id_, who)
        while context.is_active():
            if run.state is not told:
                told = run.state
                yield _computation(run)
            if run.state in FINAL:
                return
            run = self._door.wait(id_, who, WAIT_SECONDS)

    def CancelComputation(  # noqa: N802
        self, request: computation_pb2.CancelComputationRequest, context: grpc.ServicerContext
    ) -> computation_pb2.Computation:
        """Stop a computation of the caller."""
        return _computation(self._door.cancel(_id(request.name), transport.caller(context).participant))

    def FetchRelease(  # noqa: N802
        self, request: computation_pb2.FetchReleaseRequest, context: grpc.ServicerContext
    ) -> Iterator[computation_pb2.ReleasePart]:
        """The sealed parts from one on; the caller's standing is checked for each."""
        id_, who = _id(request.name), transport.caller(context)
        if request.first_part < 0:
            raise Malformed("request.malformed", why="first_part is 0 or more")
        parts = self._door.view(id_, who.participant).parts
        # Where nothing is released yet, the door says so for the first part that is asked.
        for index in range(request.first_part, max(parts, 1)):
            sealed = self._door.part(id_, who.participant, index, who.fingerprint)
            yield computation_pb2.ReleasePart(index=index, sealed=sealed)

    def JoinSession(  # noqa: N802
        self, request: computation_pb2.JoinSessionRequest, context: grpc.ServicerContext
    ) -> computation_pb2.JoinSessionResponse:
        """This connector's word for its part of a run."""
        id_, who = _id(request.name), transport.caller(context)
        word = self._runs(id_).join(id_, who.participant, who.fingerprint)
        return computation_pb2.JoinSessionResponse(joined=common_pb2.Statement(envelope=word.to_bytes()))

    def ContinueSession(  # noqa: N802
        self, request: computation_pb2.ContinueSessionRequest, context: grpc.ServicerContext
    ) -> computation_pb2.Computation:
        """Go on with what all parties of a run signed."""
        id_, who = _id(request.name), transport.caller(context)
        if len(request.joined) > MOST_PARTIES or len(request.carried) > _LONGEST_NAME:
            raise Malformed("session.missing", parties="-")
        words = [Statement.parse(each.envelope) for each in request.joined]
        return _computation(
            self._runs(id_).carry_on(id_, who.participant, words, request.carried, who.fingerprint)
        )  # fmt: skip

    def _runs(self, computation: str) -> Meetings:
        if self._meetings is None:
            raise NotFound("resource.not_found", what="computation", name=computation)
        return self._meetings

    def _address(self, peer: str) -> str:
        """The caller's address; empty where it may be the relay's end on this machine and not the caller's."""
        found = address_of(peer)
        return "" if not found or (self._relayed and is_own(found)) else found

    def UploadInputs(  # noqa: N802
        self, request_iterator: Iterator[computation_pb2.UploadInputsRequest], context: grpc.ServicerContext
    ) -> computation_pb2.UploadInputsResponse:
        """Keep what a request of the caller will name."""
        who = transport.caller(context)
        # Whoever sends nothing more holds a thread, and the room that it announced: not for ever.
        patience = threading.Timer(_UPLOAD_SECONDS, context.cancel)
        patience.daemon = True
        patience.start()
        try:
            first = next(request_iterator, None)
            if first is None or not first.HasField("announced") or self._take is None:
                raise Malformed("request.malformed", why="an upload begins with what is announced")
            said = first.announced
            upload = Upload(_id(said.computation), said.agreement, said.digest, said.size)
            self._take(upload, _chunks(request_iterator), who.participant, who.fingerprint)
        finally:
            patience.cancel()
        return computation_pb2.UploadInputsResponse()

    def ReportDeletion(  # noqa: N802
        self, request: computation_pb2.ReportDeletionRequest, context: grpc.ServicerContext
    ) -> computation_pb2.ReportDeletionResponse:
        """Take the proof that a delivery was deleted."""
        who = transport.caller(context)
        statement = Statement.parse(request.deletion.envelope)
        if self._confirm is None:
            raise NotFound("resource.not_found", what="delivery", name=str(statement.body.get("delivery"))[:64])
        self._confirm(statement, who.participant, who.fingerprint)
        return computation_pb2.ReportDeletionResponse()


def _chunks(messages: Iterator[computation_pb2.UploadInputsRequest]) -> Iterator[bytes]:
    for each in messages:
        if not 0 < len(each.chunk) <= LARGEST_CHUNK:
            raise Malformed("request.malformed", why="after the first message of an upload come chunks of up to 1 MiB")
        yield each.chunk


def address_of(peer: str) -> str:
    """The IP address in gRPC's name of a peer, such as ``ipv4:10.0.0.7:41200``; empty for anything else."""
    kind, _, rest = peer.partition(":")
    host = unquote(rest).rpartition(":")[0].strip("[]")
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found) if kind in ("ipv4", "ipv6") else ""


@lru_cache(maxsize=1024)
def is_own(address: str) -> bool:
    """Whether this machine has the address: only then a socket can be bound to it."""
    found = ipaddress.ip_address(address)
    family = socket.AF_INET if found.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.bind((address, 0))
    except OSError:
        return False
    return True


def _id(name: str, collection: str = "computations") -> str:
    """The id in a resource name such as ``computations/{id}``."""
    kind, slash, id_ = name.partition("/")
    if kind != collection or not slash or not id_ or "/" in id_ or len(name) > _LONGEST_NAME:
        raise Malformed("request.malformed", why=f"a name is {collection}/ and an id")
    return id_


def _computation(run: Run) -> computation_pb2.Computation:
    return computation_pb2.Computation(
        name=f"computations/{run.id}",
        state=_STATES[run.state],
        receipt=common_pb2.Statement(envelope=run.receipt) if run.receipt else None,
        parts=run.parts,
        update_time=write_time(run.updated),
    )


def _estimate(prepared: Prepared) -> computation_pb2.Estimate:
    loss = prepared.charge.loss
    return computation_pb2.Estimate(
        charge=common_pb2.PrivacyLoss(
            epsilon_nano=loss.epsilon_nano, delta_femto=loss.delta_femto, rho_nano=loss.rho_nano
        ),
        errors=[
            computation_pb2.ExpectedError(
                column=each.column, half_width=each.half_width, mechanism=each.mechanism, scale=each.scale
            )
            for each in prepared.mechanisms
        ],
        cells=prepared.cells,
    )
