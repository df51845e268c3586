"""What can be wrong with a connector: its examination for ``hefu doctor``. It changes nothing and signs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from hefu.envelope import Statement
from hefu.errors import HefuError, Unavailable
from hefu.identity import StatusList
from hefu.running import symptoms
from hefu.running.doctor import Doctor, Finding
from hefu.space import SpaceFile
from hefu.times import Clock, SystemClock

from hefu_connector.desk import control_socket
from hefu_connector.settings import Home, Settings

_LISTS_EVERY = 20.0  # seconds between the broker's status lists, as it is by default
_WORKER_SECONDS = 30.0


def examine(directory: Path) -> Iterator[Finding]:
    """Everything about a connector, from its files to the broker."""
    home = Home(directory)
    try:
        settings, space = Settings.read(home), SpaceFile.read(home.space)
    except HefuError as fault:
        yield Finding.raised("settings", fault)
        return
    yield Finding("settings")
    yield from _files(home, settings)
    yield from symptoms.memory()
    yield from symptoms.environment(settings.test)
    yield from _workers()
    running = control_socket.path(directory).is_socket() and _answers(directory)
    if not running:
        yield Finding.of("server", "note", "doctor.idle", tower="connector", path=str(directory))
    yield from _ports(settings, running=running)
    if running:
        yield from _backlog(directory)
    yield from _space(home, settings, space, SystemClock())


def _files(home: Home, settings: Settings) -> Iterator[Finding]:
    yield from symptoms.folder(home.directory)
    yield from symptoms.keys(home.keys)
    yield from symptoms.secrecy(settings.kept_under, home.directory)
    yield from symptoms.database(home.database, settings.kept_under)
    yield from symptoms.disk(home.directory)
    yield from symptoms.restored("connector", home.directory)
    if settings.spool:
        yield from symptoms.in_memory("spool", home.directory / settings.spool)


def _workers() -> Iterator[Finding]:
    """What a worker started here can still reach."""
    from hefu_connector.workers.pool import Limits, Pool

    with Pool(None, Limits(ready=1, most=1)) as pool:
        try:
            reached = pool.hello(_WORKER_SECONDS)
        except Unavailable:
            yield Finding.of("workers", "fault", "doctor.workers")
            return
    found = []
    if reached.get("network") != "none":
        found.append(Finding.of("workers", "warning", "doctor.workers_network"))
    if reached.get("files") != "few":
        found.append(Finding.of("workers", "warning", "doctor.workers_files"))
    yield from found or [Finding("workers")]


def _ports(settings: Settings, *, running: bool) -> Iterator[Finding]:
    if settings.listen and not settings.listen.endswith(":0"):
        yield from symptoms.port("listen", settings.listen, running=running)
    if running and settings.endpoint and not symptoms.answering(settings.endpoint):
        yield Finding.of("endpoint", "warning", "doctor.self_unreachable", address=settings.endpoint)
    yield from symptoms.shown(settings.http)


def _answers(directory: Path) -> bool:
    try:
        _connector(directory)
    except Unavailable:
        return False
    except HefuError:
        return True  # it answers, and finds fault with somebody
    return True


def _connector(directory: Path):  # type: ignore[no-untyped-def]  # protobuf is imported where it is used
    from hefu.v1 import control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub
    from hefu.wire import transport

    with (
        control_socket.address(directory) as address,
        transport.connect(address, root_pem=None) as channel,
    ):
        stub = ControlServiceStub(channel)
        return transport.invoke(stub.GetConnector, control_pb2.GetConnectorRequest(), peer="the connector")


def _backlog(directory: Path) -> Iterator[Finding]:
    from hefu.v1 import control_pb2

    try:
        told = _connector(directory).waiting
    except HefuError as fault:
        yield Finding.raised("log", fault, "warning")
        return
    waiting = [each for each in told if each.kind == control_pb2.Waiting.KIND_OUTBOX]
    for each in waiting:
        since = each.since_time or "?"
        yield Finding.of("log", "warning", "doctor.backlog", count=each.count, since=since)
    if not waiting:
        yield Finding("log")


def _space(home: Home, settings: Settings, space: SpaceFile, clock: Clock) -> Iterator[Finding]:
    """The certificate, and what the broker says under it."""
    if not home.certificate.exists():
        yield Finding.of("certificate", "fault", "command.not_enrolled", directory=str(home.directory))
        return
    held = x509.load_pem_x509_certificate(home.certificate.read_bytes())
    yield from symptoms.certificate("certificate", held.not_valid_before_utc, held.not_valid_after_utc, clock.now())
    if not symptoms.answering(space.address):
        yield Finding.of("broker", "fault", "doctor.broker_unreachable", address=space.address)
        return
    try:
        status = _status(home, settings, space)
    except HefuError as fault:
        yield Finding.raised("broker", fault)
        return
    yield Finding("broker")
    yield from symptoms.clock(status.time, clock.now(), _LISTS_EVERY)
    for each in StatusList.of(status).standings:
        if each.subject == settings.participant:
            yield Finding.of("standing", "fault", "doctor.standing", participant=each.subject, state=each.state)


def _status(home: Home, settings: Settings, space: SpaceFile) -> Statement:
    from hefu_connector.clients.broker import Link, RegistryClient

    key, certificate = settings.ring(home).transport_pem(), home.certificate.read_bytes()
    link = Link(space, lambda: (key, certificate), settings.broker_timeout_seconds)
    try:
        return RegistryClient(link).status()
    finally:
        link.close()


CONNECTOR = Doctor("connector.json", examine)
