"""gRPC between participants: mutual TLS, limits, deadlines, keep-alive, and one translation of errors at each end.

A call is tied to the fingerprint of the certificate it came with, never to a name in it: `authenticate` maps the
fingerprint to a binding that this party verified. grpcio checks no revocation list and caps nothing by itself, so both
happen here: every call is authenticated, and the streams of a caller that loses its standing are cancelled.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from hefu import canonical
from hefu.envelope import new_id
from hefu.errors import KINDS, Defect, HefuError, Malformed, Unauthenticated, Unavailable
from hefu.messages import MESSAGES
from hefu.running import faults, telemetry

if TYPE_CHECKING:  # a command that asks its own connector needs no certificate
    from hefu.identity import Binding

log = logging.getLogger("hefu.transport")
Request = TypeVar("Request")
Response = TypeVar("Response")
Authenticate = Callable[[str], "Binding"]
Behaviour = TypeVar("Behaviour", bound=Callable[..., Any])
Send = Callable[[Any], None]

_DOMAIN = "hefu"
_CODES = {
    "refused": (code_pb2.PERMISSION_DENIED, grpc.StatusCode.PERMISSION_DENIED),
    "budget_exceeded": (code_pb2.RESOURCE_EXHAUSTED, grpc.StatusCode.RESOURCE_EXHAUSTED),
    "not_found": (code_pb2.NOT_FOUND, grpc.StatusCode.NOT_FOUND),
    "conflict": (code_pb2.ABORTED, grpc.StatusCode.ABORTED),
    "malformed": (code_pb2.INVALID_ARGUMENT, grpc.StatusCode.INVALID_ARGUMENT),
    "unauthenticated": (code_pb2.UNAUTHENTICATED, grpc.StatusCode.UNAUTHENTICATED),
    "untrusted": (code_pb2.FAILED_PRECONDITION, grpc.StatusCode.FAILED_PRECONDITION),
    "unavailable": (code_pb2.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE),
    "defect": (code_pb2.INTERNAL, grpc.StatusCode.INTERNAL),
}
_HELD = "experimental_non_blocking"  # grpcio's own word for a stream that holds no thread
# A first connection over a slow line takes some round trips; through the relay the other side has to dial, too.
_CONNECT_MS, _RELAYED_CONNECT_MS = 3_000, 12_000
_CALLER: contextvars.ContextVar[Binding] = contextvars.ContextVar("hefu_caller")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes on.

    Attributes:
        message_bytes: largest message; a sealed part of 4 MiB and its frame fit.
        calls: at once; more are shed with RESOURCE_EXHAUSTED. Streams that hold no thread (`held`) are not counted.
        threads: that run calls; other streams hold one each.
        connection_seconds: after which a client must connect anew, and so be authenticated by TLS again.
        recheck_seconds: between checks of the standing of callers with open streams.
        streams_each: open streams of one caller; more are shed, so that nobody holds all threads.
    """

    message_bytes: int = (4 << 20) + (64 << 10)
    calls: int = 128
    threads: int = 96
    connection_seconds: int = 1800
    recheck_seconds: float = 2.0
    streams_each: int = 24


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Via:
    """A way through a relay: its ``host:port``, and the ticket that opens one connection there (RFC 9110, CONNECT)."""

    relay: str
    ticket: str


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves."""

    server: grpc.Server
    port: int
    _stopped: threading.Event

    def stop(self, grace: float = 2.0) -> None:
        """Take no more calls, let running ones end within `grace` seconds, and return when all is closed."""
        self._stopped.set()
        self.server.stop(grace).wait()


def serve(
    address: str,
    services: Sequence[Callable[[grpc.Server], None]],
    credentials: grpc.ServerCredentials | None,
    authenticate: Authenticate | None,
    limits: Limits = DEFAULT_LIMITS,
) -> Running:
    """Start a server.

    Args:
        address: ``host:port`` (port 0 draws one) or ``unix:/path``.
        services: each registers a servicer, for example ``lambda server: add_X_to_server(servicer, server)``.
        credentials: from `server_credentials`; None only for a Unix socket.
        authenticate: maps a certificate's fingerprint to its verified binding or raises; None serves callers that
            have no certificate (enrolment; the owner's own socket).

    Raises:
        Unavailable: the address cannot be bound.
    """
    guard = _Guard(authenticate, limits.streams_each)
    server = grpc.server(
        futures.ThreadPoolExecutor(limits.threads, thread_name_prefix="rpc"),
        interceptors=[guard],
        maximum_concurrent_rpcs=limits.calls,
        options=_server_options(limits),
    )
    guard.widen = _widening(server)
    for add in services:
        add(server)
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError:
        raise Unavailable("address.taken", address=address) from None
    server.start()
    stopped = threading.Event()
    if authenticate is not None:
        threading.Thread(target=guard.watch, args=(stopped, limits.recheck_seconds), daemon=True).start()
    return Running(server, port, stopped)


def server_credentials(load: Callable[[], tuple[bytes, bytes]], client_roots: bytes | None) -> grpc.ServerCredentials:
    """Server credentials that follow a renewed certificate.

    Args:
        load: returns (private key PEM, certificate chain PEM); asked at every handshake, and only what is new is passed
            on: gRPC puts a configuration in the place of the one before without regard to handshakes that run at that
            time, and a server that is given one each time dies after some hundred. LIMIT: a renewal might still do it.
        client_roots: the transport authority that client certificates must come from; None asks for none.
    """

    lock, told = threading.Lock(), [load()]

    def configuration() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([told[0]], root_certificates=client_roots)

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        loaded = load()
        with lock:
            if loaded == told[0]:
                return None
            told[0] = loaded
            return configuration()

    return grpc.dynamic_ssl_server_credentials(
        configuration(),
        renewed,  # type: ignore[arg-type]  # None is for no change, as its documentation says
        require_client_authentication=client_roots is not None,
    )


def held(behaviour: Behaviour) -> Behaviour:
    """Marks a method of a servicer whose stream is kept open for long: it takes no thread while nothing is to be sent.

    The method takes a third argument, `Send`: it is called with each message, and with None to end the stream well. It
    may be kept after the method returned; `context.add_callback` tells when the stream is over.
    """
    setattr(behaviour, _HELD, True)
    return behaviour


def caller(context: grpc.ServicerContext) -> Binding:
    """The verified binding of whoever makes this call; inside a servicer only.

    Raises:
        Unauthenticated: the server asks for no certificates.
    """
    try:
        return _CALLER.get()
    except LookupError:
        raise Unauthenticated("identity.unknown") from None


def connect(
    address: str,
    *,
    root_pem: bytes | None,
    certificate_pem: bytes | None = None,
    key_pem: bytes | None = None,
    server_name: str = "",
    via: Via | None = None,
) -> grpc.Channel:
    """A channel to a peer. The connection is made at the first call.

    Args:
        root_pem: the only trust anchor: the peer's own bound certificate, or the transport authority for the broker;
            None for a Unix socket.
        address: ``host:port``; a name may have several addresses. Or several ``ip:port`` divided by commas, of which
            the first that answers is used.
        server_name: the name in the peer's certificate.
        via: a relay to go through; TLS then runs to the peer inside, and `address` is not used. The channel connects
            once: when that connection is over, a new channel with a new ticket is needed.
    """
    options: list[tuple[str, str | int]] = [
        ("grpc.max_receive_message_length", DEFAULT_LIMITS.message_bytes),
        ("grpc.max_send_message_length", DEFAULT_LIMITS.message_bytes),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        # Core's name misleads: it is the time that one attempt to connect may take.
        ("grpc.min_reconnect_backoff_ms", _RELAYED_CONNECT_MS if via else _CONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if via is not None:
        address = via.relay
        options += [("grpc.http_connect_server", f"{server_name}:443")]
        options += [("grpc.http_connect_headers", f"Proxy-Authorization: Bearer {via.ticket}")]
    if root_pem is None:
        return grpc.insecure_channel(address, options)
    credentials = grpc.ssl_channel_credentials(root_pem, key_pem, certificate_pem)
    # https://grpc.github.io/grpc/core/md_doc_naming.html: only addresses, not names, may be several.
    if "," in address:
        address = f"{'ipv6' if '[' in address else 'ipv4'}:{address}"
    return grpc.secure_channel(address, credentials, [*options, ("grpc.ssl_target_name_override", server_name)])


def invoke(method: Callable[..., Response], request: object, *, peer: str, timeout: float = 10.0) -> Response:
    """Make one call; whatever goes wrong is raised as the error that the peer raised, or Unavailable.

    Args:
        method: of a generated stub.
        peer: for the message when nobody answers.
        timeout: deadline in seconds; every call has one.
    """
    try:
        return method(request, timeout=timeout, metadata=telemetry.carry() or None)
    except grpc.RpcError as fault:
        raise _to_error(fault, peer) from None


def stream(method: Callable[..., Any], request: object, *, peer: str, timeout: float | None) -> Iterator[Any]:
    """Make a call that answers with a stream; errors as `invoke`. Closing the iterator cancels the call."""
    call = method(request, timeout=timeout, metadata=telemetry.carry() or None)
    try:
        yield from call
    except grpc.RpcError as fault:
        raise _to_error(fault, peer) from None
    finally:
        call.cancel()


def fingerprint(pem: bytes) -> str:
    """``sha256:`` of a PEM certificate's DER bytes."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return canonical.digest(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))


@lru_cache(maxsize=8192)
def _known_fingerprint(pem: bytes) -> str:
    """A connection's certificate is the same at each call."""
    return fingerprint(pem)


def to_pem(certificate: bytes) -> bytes:
    """A DER certificate as PEM.

    Raises:
        Malformed: not a certificate.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
    except ValueError:
        raise Malformed("request.malformed", why="not an X.509 certificate in DER") from None


class _Guard(grpc.ServerInterceptor):
    """Authenticates every call, translates what is raised, and ends streams of callers that lose their standing."""

    def __init__(self, authenticate: Authenticate | None, streams_each: int) -> None:
        self._authenticate = authenticate
        self._streams_each = streams_each
        self.widen: Callable[[int], None] = lambda _: None
        self._lock = threading.Lock()
        self._streams: dict[grpc.ServicerContext, str] = {}
        self._idle: set[grpc.ServicerContext] = set()  # streams that hold no thread

    def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = continuation(details)
        if handler is None:
            return None
        form = (handler.request_deserializer, handler.response_serializer)
        name = details.method
        # Reflection is the only service with streams both ways; it is guarded like every other.
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(self._streaming(name, handler.stream_stream), *form)
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(self._receiving(name, handler.stream_unary), *form)
        if handler.unary_stream and getattr(handler.unary_stream, _HELD, False):
            return grpc.unary_stream_rpc_method_handler(self._held(name, handler.unary_stream), *form)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._streaming(name, handler.unary_stream), *form)
        return grpc.unary_unary_rpc_method_handler(self._unary(name, handler.unary_unary), *form)

    def watch(self, stopped: threading.Event, every: float) -> None:
        """Until stopped, cancel the open streams of callers who may act no longer."""
        while not stopped.wait(every):
            with self._lock:
                held = list(self._streams.items())
            for context, mark in held:
                try:
                    self._check(mark)
                except HefuError:
                    context.cancel()

    def _unary(self, name: str, behaviour: Callable[[Any, grpc.ServicerContext], Any]) -> Callable[..., Any]:
        def run(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                with telemetry.served(name, self._metadata(context)):
                    self._identify(context)
                    faults.point("call.taken")
                    answer = behaviour(request, context)
                    faults.point("call.answered")
                    return answer
            except Exception as fault:  # noqa: BLE001 - this is the edge
                return _abort(context, fault)

        return run

    def _receiving(self, name: str, behaviour: Callable[[Any, grpc.ServicerContext], Any]) -> Callable[..., Any]:
        """A stream that comes in holds a thread as one that goes out does, and is counted and watched as one."""

        def received(request: Any, context: grpc.ServicerContext) -> Any:
            pem = context.auth_context().get("x509_pem_cert")
            self._hold(context, _known_fingerprint(bytes(pem[0])) if pem else "")
            try:
                return behaviour(request, context)
            finally:
                self._let_go(context)

        return self._unary(name, received)

    def _streaming(
        self, name: str, behaviour: Callable[[Any, grpc.ServicerContext], Iterator[Any]]
    ) -> Callable[..., Any]:
        def run(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                with telemetry.streamed(name, self._metadata(context)):
                    mark = self._identify(context)
                    self._hold(context, mark)
                    faults.point("call.taken")
                    for item in behaviour(request, context):
                        self._check(mark)
                        yield item
            except Exception as fault:  # noqa: BLE001 - this is the edge
                _abort(context, fault)
            finally:
                self._let_go(context)

        return run

    def _held(self, name: str, behaviour: Callable[[Any, grpc.ServicerContext, Send], None]) -> Callable[..., Any]:
        @held
        def run(request: Any, context: grpc.ServicerContext, send: Send) -> None:
            try:
                if context.add_callback(lambda: self._let_go(context)):
                    with telemetry.streamed(name, self._metadata(context)):  # only while it is begun
                        self._hold(context, self._identify(context), idle=True)
                        faults.point("call.taken")
                        behaviour(request, context, send)
                if not context.is_active():  # it may have ended before it was held
                    self._let_go(context)
            except Exception as fault:  # noqa: BLE001 - this is the edge
                _abort(context, fault)

        return run

    def _let_go(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self._streams.pop(context, None)
            idle = context in self._idle
            self._idle.discard(context)
        if idle:
            self.widen(-1)

    def _hold(self, context: grpc.ServicerContext, mark: str, *, idle: bool = False) -> None:
        with self._lock:
            if mark and list(self._streams.values()).count(mark) >= self._streams_each:
                raise Unavailable("peer.overloaded", peer="the server")
            self._streams[context] = mark
            if idle:
                self._idle.add(context)
        if idle:
            self.widen(1)

    def _metadata(self, context: grpc.ServicerContext) -> telemetry.Metadata:
        """What a caller with a certificate says beside its message; nobody else's trace is followed."""
        return context.invocation_metadata() if self._authenticate is not None else ()

    def _identify(self, context: grpc.ServicerContext) -> str:
        if self._authenticate is None:
            return ""
        pem = context.auth_context().get("x509_pem_cert")
        if not pem:
            raise Unauthenticated("identity.unknown")
        mark = _known_fingerprint(bytes(pem[0]))
        _CALLER.set(self._authenticate(mark))
        return mark

    def _check(self, mark: str) -> None:
        if self._authenticate is not None:
            self._authenticate(mark)


def _widening(server: grpc.Server) -> Callable[[int], None]:
    """Changes how many calls a server takes at once. Nothing public does: gRPC counts idle streams among them."""
    state = server._state  # type: ignore[attr-defined]

    def widen(by: int) -> None:
        with state.lock:
            state.maximum_concurrent_rpcs += by

    return widen


def _abort(context: grpc.ServicerContext, fault: Exception) -> None:
    if isinstance(fault, HefuError):
        error = fault
        if fault.detail:
            log.info("%s: %s", fault.code, fault.detail)
    elif not context.is_active():
        raise fault
    else:
        reference = new_id("err")
        # The traceback holds code, not data; values of a participant's table never enter this process.
        log.exception("defect %s", reference)
        error = Defect("internal", reference=reference)
    with suppress(ValueError):
        context.abort_with_status(rpc_status.to_status(_to_status(error)))
    raise fault


def _to_status(error: HefuError) -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(reason=error.code, domain=_DOMAIN, metadata=dict(error.parameters))
    details = [info]
    if error.reasons:
        violations = [
            error_details_pb2.PreconditionFailure.Violation(type=error.kind, description=each[:500])
            for each in error.reasons[:32]
        ]
        details.append(error_details_pb2.PreconditionFailure(violations=violations))
    packed = []
    for each in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(each)
    return status_pb2.Status(code=_CODES[error.kind][0], message=error.public()[:1000], details=packed)


def _to_error(fault: grpc.RpcError, peer: str) -> HefuError:
    told = _told(fault)
    if told is not None:
        return told
    code = fault.code() if isinstance(fault, grpc.Call) else grpc.StatusCode.UNKNOWN
    detail = f"{code}: {fault.details() if isinstance(fault, grpc.Call) else ''}"
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unavailable("peer.deadline", peer=peer, detail=detail)
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Unavailable("peer.overloaded", peer=peer, detail=detail)
    if code == grpc.StatusCode.CANCELLED:
        return Unavailable("cancelled", detail=detail)
    return Unavailable("peer.unreachable", peer=peer, detail=detail)


def _told(fault: grpc.RpcError) -> HefuError | None:
    """The error a peer of ours put into the details; None if it said nothing of the kind."""
    if not isinstance(fault, grpc.Call):
        return None
    try:
        status = rpc_status.from_call(fault)
    except ValueError:
        return None
    if status is None:
        return None
    info, failure = error_details_pb2.ErrorInfo(), error_details_pb2.PreconditionFailure()
    kinds = {number: kind for kind, (number, _) in _CODES.items()}
    found: tuple[str, ...] = ()
    for detail in status.details:
        if detail.Is(failure.DESCRIPTOR) and detail.Unpack(failure):
            found = tuple(each.description for each in failure.violations)
        elif detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
    if info.domain != _DOMAIN or info.reason not in MESSAGES or status.code not in kinds:
        return None
    # A peer chooses names and values: none may be taken for an argument of ours, or move a terminal's cursor.
    told = {name: _plain(value) for name, value in info.metadata.items() if name not in ("reasons", "detail")}
    return KINDS[kinds[status.code]](info.reason, reasons=tuple(map(_plain, found)), **told)


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:1000]


def _server_options(limits: Limits) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", limits.message_bytes),
        ("grpc.max_metadata_size", 16 << 10),
        ("grpc.max_concurrent_streams", limits.calls),
        ("grpc.max_connection_age_ms", limits.connection_seconds * 1000),
        ("grpc.max_connection_age_grace_ms", 30_000),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.so_reuseport", 0),
    ]
