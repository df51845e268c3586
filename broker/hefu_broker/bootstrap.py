"""The only place that wires: rooms onto stores, services onto rooms, threads around them."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound
from hefu.identity import Participant
from hefu.keeping import keys
from hefu.membership.directory import Directory
from hefu.membership.enrolment import KeyRing
from hefu.running import health
from hefu.running.changes import Changes
from hefu.space import SpaceFile
from hefu.times import Clock, SystemClock
from hefu.tlog.note import Sign, VerifierKey
from hefu.tlog.policy import WitnessPolicy
from hefu.wire import transport
from hefu.wire.transport import Running

from hefu_broker import bell, probes
from hefu_broker.bell import Bell
from hefu_broker.dealing.catalog import Catalog
from hefu_broker.dealing.contracts import Contracts
from hefu_broker.dealing.notary import Notary
from hefu_broker.dealing.notices import Notices
from hefu_broker.dealing.watching import Watching
from hefu_broker.doings import Doings
from hefu_broker.founding import SPACE, folder_of, further, ring_of, unlock
from hefu_broker.log.asking import Asking
from hefu_broker.log.entries import AuditLog
from hefu_broker.log.latest import Latest
from hefu_broker.log.leadership import Leadership
from hefu_broker.log.reporting import LOOK_SECONDS, Reporting
from hefu_broker.log.sequencer import Sequencer
from hefu_broker.log.stamping import Stamping, authorities
from hefu_broker.log.witnesses import Witnesses
from hefu_broker.mandate.openings import Openings
from hefu_broker.mandate.orders import Denials, Orders
from hefu_broker.membership.authority import Authority
from hefu_broker.membership.charters import Charters
from hefu_broker.membership.enrolment import Enrolments
from hefu_broker.membership.registry import Registry
from hefu_broker.membership.standing import Standings
from hefu_broker.membership.trust import Trust
from hefu_broker.membership.verifying import Verifying
from hefu_broker.membership.visits import Visits
from hefu_broker.mentions import Mentions
from hefu_broker.records import EVERYBODY, Certificate, Outgoing
from hefu_broker.relaying import Relaying
from hefu_broker.rooms import Rooms, Spaces
from hefu_broker.settings import Settings
from hefu_broker.storage.catalog import SqlCatalogStore
from hefu_broker.storage.charters import SqlCharterStore
from hefu_broker.storage.contracts import SqlNoticeStore, SqlTalkStore
from hefu_broker.storage.cosigning import SqlCosigningStore
from hefu_broker.storage.database import Database
from hefu_broker.storage.lease import SqlLeaseStore
from hefu_broker.storage.log import SqlLogStore
from hefu_broker.storage.mandate import SqlMandateStore
from hefu_broker.storage.mentions import SqlMentionStore
from hefu_broker.storage.outbox import SqlOutboxStore
from hefu_broker.storage.registry import SqlEnrolmentStore, SqlRegistryStore
from hefu_broker.storage.spaces import SqlSpaceStore
from hefu_broker.storage.stamps import SqlStampStore
from hefu_broker.storage.tidings import SqlTidings
from hefu_broker.storage.visits import SqlVisitStore
from hefu_broker.tidings import Tidings

if TYPE_CHECKING:
    from hefu_broker.web.listener import Listener

log = logging.getLogger("hefu.broker")
_LOOK_SECONDS = 2.0
_BATCHES = 16  # of the log, in one go
DATABASE = "broker.db"
LEASE = "sequencer"
LOG_KEY = "log.key"


def open_rooms(folder: Path, clock: Clock | None = None, *, serving: bool = False, space: str = "") -> Rooms:
    """Wire the rooms of one space of a broker.

    Args:
        serving: the caller runs the sequencer; otherwise what is queued wakes the process that does.
        space: its id; empty for the one the broker was founded with.

    Raises:
        Malformed: there is no broker, or a file of it cannot be read.
        NotFound: the broker has no such space.
        Untrusted: a kept statement does not hold.
    """
    ground = _Ground.of(folder, clock or SystemClock(), serving=serving)
    with ground.closed_on_failure():
        return ground.rooms(space or ground.settings.space)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all spaces of a broker stand on."""

    folder: Path
    settings: Settings
    clock: Clock
    database: Database
    authority: Authority
    serving: bool
    verifying: Verifying

    @classmethod
    def of(cls, folder: Path, clock: Clock, *, serving: bool) -> _Ground:
        settings, space = Settings.read(folder), SpaceFile.read(folder / SPACE)
        opened = unlock(folder, settings) if serving else settings.lock(folder).open()
        authority = _authority(ring_of(folder), space, settings.certificate_life)
        key = opened.derive("database") if opened else None
        database = Database(settings.database or folder / DATABASE, settings.space, settings.node, key)
        verifying = Verifying(settings.verifiers if serving else 0)
        return cls(folder, settings, clock, database, authority, serving, verifying)

    @contextmanager
    def closed_on_failure(self) -> Iterator[None]:
        """Close the database where the rooms on it cannot be opened."""
        try:
            yield
        except HefuError:
            self.database.close()
            raise

    def spaces(self) -> Spaces:
        """All spaces that are there."""
        found = Spaces(self.rooms(self.settings.space), SqlSpaceStore(self.database))
        for each in further(self.folder):
            found.add(self.rooms(each))
        return found

    def rooms(self, id_: str) -> Rooms:
        """The rooms of one space; raises as `open_rooms`."""
        first = id_ == self.settings.space
        if not first and id_ not in further(self.folder):
            raise NotFound("resource.not_found", what="space", name=id_[:64])
        folder = folder_of(self.folder, self.settings, id_)
        space = SpaceFile.read(folder / SPACE)
        settings = self.settings if first else self.settings.of_space(space)
        return self._wire(folder, settings, space, self.database if first else self.database.beside(id_))

    def _wire(self, folder: Path, settings: Settings, space: SpaceFile, database: Database) -> Rooms:
        clock = self.clock
        enrolment_store, registry_store = SqlEnrolmentStore(database), SqlRegistryStore(database)
        talks, log_store, outbox, products = (
            SqlTalkStore(database), SqlLogStore(database), SqlOutboxStore(database), SqlCatalogStore(database),
        )  # fmt: skip
        ring = ring_of(self.folder, folder)
        origin = VerifierKey.parse(space.log_key)
        trust = Trust(Directory(space.space, space.root), clock, self.verifying)
        witnesses = Witnesses(origin, partial(_policy, trust.directory), SqlCosigningStore(database), log_store, clock)
        sequencer = Sequencer(
            log_store,
            outbox,
            Leadership(SqlLeaseStore(database, LEASE), settings.node),
            origin,
            _own_key(ring, origin).sign,
            Latest(folder / settings.checkpoint, origin),
            witnesses=witnesses,
            beside=[*_beside(ring, origin)],
        )
        witnesses.when_heard(sequencer.ring)
        asking = Asking(origin, witnesses, lambda: sequencer.leads)
        sequencer.at_start(asking.check_start)
        announce = sequencer.ring if self.serving else lambda: bell.ring(self.folder)
        charters = SqlCharterStore(database)
        mandates, notices = SqlMandateStore(database), SqlNoticeStore(database)
        registry = Registry(trust, registry_store, registry_store, charters, mandates, self.authority, announce)
        registry.reload()
        _admit_self(folder, registry, registry_store)
        signer, changes = ring.signer(), Changes()
        notary = Notary(trust, products, settings.broker, signer, space.log_origin)
        contracts = Contracts(trust, talks, notary, announce, changes)
        sequencer.on_published(contracts.settle)
        log = AuditLog(trust, log_store, log_store, outbox, talks, sequencer, announce)
        denials = Denials(trust, outbox, settings.broker, signer, announce)
        return Rooms(
            folder=folder,
            settings=settings,
            space=space,
            clock=clock,
            database=database,
            authority=self.authority,
            registry=registry,
            enrolments=Enrolments(
                registry.directory, space.root, enrolment_store, registry_store, registry_store, clock, registry.changed
            ),
            standings=Standings(settings.broker, signer, registry, registry_store, registry_store, clock, announce),
            charters=Charters(registry.directory, space.root, charters, clock, registry.changed),
            catalog=Catalog(trust, products, announce),
            contracts=contracts,
            notices=Notices(trust, talks, notices, announce, changes),
            changes=changes,
            watching=Watching(contracts, SqlTidings(database), changes),
            sequencer=sequencer,
            reporting=Reporting(
                folder,
                settings.report_to if self.serving else "",
                timedelta(hours=settings.report_hours),
                registry.directory,
                (settings.broker, signer),
                lambda: sequencer.newest,
                log_store.counts,
                clock,
                lambda: sequencer.leads,
            ),
            stamping=Stamping(
                SqlStampStore(database),
                authorities(settings.timestamps, self.folder) if self.serving else (),
                lambda: sequencer.newest,
                lambda: sequencer.leads,
            ),
            witnesses=witnesses,
            asking=asking,
            log=log,
            mentions=Mentions(SqlMentionStore(database), log_store, log),
            visits=Visits(registry, SqlVisitStore(database), clock),
            doings=Doings(space.space, settings.broker, signer, settings.told(), outbox, log_store, clock, announce),
            orders=Orders(trust, registry, mandates, denials, changes),
            openings=Openings(trust, mandates, talks, notices, log_store, log, denials, announce, changes),
        )


class Server:
    """A running broker: two to four ports for all its spaces, their sequencers and status lists, and the bell.

    Args:
        folder: the broker's.
        clock: for tests; the system's by default.
    """

    def __init__(self, folder: Path, clock: Clock | None = None, http: str | None = None) -> None:
        self._lock = _lock(folder)
        try:
            self._ground = _Ground.of(folder, clock or SystemClock(), serving=True)
            with self._ground.closed_on_failure():
                self.spaces = self._ground.spaces()
        except HefuError:
            os.close(self._lock)
            raise
        settings = self._ground.settings
        self._relay = Relaying(self.spaces) if settings.relay and not settings.relay_apart else None
        self._stopped = threading.Event()
        self._bell = Bell(folder, self._look)
        self._running: list[Running] = []
        self._threads: list[threading.Thread] = []
        self._tidings: list[Tidings] = []
        self._health: health.Port | None = None
        self._web: Listener | None = None
        self._http = self._ground.settings.http if http is None else http

    @property
    def rooms(self) -> Rooms:
        """The rooms of the space that the broker was founded with."""
        return self.spaces.first

    @property
    def ports(self) -> dict[str, int]:
        """The ports of the services, of enrolment and, where there is one, of the relay."""
        main, enrolment = self._running
        relay = {"relay_port": self._relay.port} if self._relay else {}
        web = {"web_port": self._web.number} if self._web else {}
        return {"port": main.port, "enrolment_port": enrolment.port, **relay, **web}

    @property
    def http(self) -> int:
        """The port of `hefu.running.health`; 0 where there is none."""
        return self._health.number if self._health else 0

    def start(self) -> None:
        """Recover the log and sign a status list of every space, then serve.

        Raises:
            Untrusted: the database is behind the newest signed checkpoint of a space.
            Unavailable: an address is taken.
        """
        for rooms in self.spaces:
            self._open(rooms)
        self._repeat("status", self._ground.settings.status_seconds, self._refresh)
        if self._ground.settings.report_to:
            self._repeat("reports", LOOK_SECONDS, self._report)
        if self._ground.settings.timestamps:
            self._repeat("timestamps", self._ground.settings.timestamp_seconds, self._stamp)
        self._serve()
        self._serve_pages()
        self._keep_ports()
        for rooms in self.spaces:
            self._later("software", rooms.doings.started)
        self._look()  # a space may have been added since the first look, and was told of no port
        self._bell.start()
        if self._http:
            self._health = health.Port(self._http, probes.of(self.spaces))

    def stop(self, grace: float = 2.0) -> None:
        """Finish running calls within `grace` seconds, sequence what waits, close the database."""
        self._stopped.set()
        for port in (self._health, self._web):
            if port is not None:
                port.stop()
        for rooms in self.spaces:
            rooms.changes.close()
            rooms.witnesses.changes.close()
            rooms.watching.stop()
            rooms.asking.stop()
        if self._relay is not None:
            self._relay.stop()
        for each in self._running:
            each.stop(grace)
        self._bell.stop()
        self._come_to_rest()

    def _come_to_rest(self) -> None:
        for heard in self._tidings:
            heard.stop()
        for thread in self._threads:
            thread.join()
        for rooms in self.spaces:
            rooms.sequencer.stop()
        self._ground.verifying.close()
        self._ground.database.close()
        os.close(self._lock)

    def _serve(self) -> None:
        from hefu_broker.rpc import services

        settings, spaces = self._ground.settings, self.spaces
        load = _Identity(self.rooms)
        roots = self.rooms.space.transport_ca.encode()
        if self._relay is not None:
            self._relay.start(settings.relay, transport.server_credentials(load, roots))
        self._running.append(
            transport.serve(
                settings.address,
                services.main(spaces, reflection=settings.reflection),
                transport.server_credentials(load, roots),
                spaces.authenticate,
            )
        )
        self._running.append(
            transport.serve(
                settings.enrolment, services.enrolment(spaces), transport.server_credentials(load, None), None
            )
        )

    def _serve_pages(self) -> None:
        settings = self._ground.settings
        if not settings.web:
            return
        from hefu_broker.web import app
        from hefu_broker.web.listener import Listener

        load = None if settings.web_plain else _Identity(self.rooms, _hosts(settings))
        self._web = Listener(settings.web, app.make(self.spaces), load)
        for rooms in self.spaces:
            self._tell_address(rooms)
        self._web.start()
        self._repeat("mentions", _LOOK_SECONDS, self._look_through)

    def _look_through(self) -> None:
        for rooms in self.spaces:
            _tolerant(f"looking through the log of {rooms.space.space}", partial(rooms.mentions.catch_up, _BATCHES))

    def _tell_address(self, rooms: Rooms) -> None:
        """Where a browser finds a space's pages, for the links that are given."""
        settings = self._ground.settings
        if self._web is not None:
            scheme, at = "http" if settings.web_plain else "https", _drawn(settings.web, self._web.number)
            below = "" if rooms is self.rooms else f"/space/{rooms.space.space}"
            rooms.visits.address = (settings.web_url or f"{scheme}://{at}") + below

    def _keep_ports(self) -> None:
        """A port that was drawn stays: participants pin the space file, and a restart must serve where it says."""
        settings, ports = self._ground.settings, self.ports
        main, enrolment, relay = ports["port"], ports["enrolment_port"], ports.get("relay_port", 0)
        kept = replace(
            settings,
            address=_drawn(settings.address, main),
            enrolment=_drawn(settings.enrolment, enrolment),
            relay=_drawn(settings.relay, relay),
            web=_drawn(settings.web, ports.get("web_port", 0)),
        )
        if kept != settings:
            kept.write(self._ground.folder)
        for rooms in self.spaces:
            self._tell_ports(rooms.folder)

    def _tell_ports(self, folder: Path) -> None:
        space, ports = SpaceFile.read(folder / SPACE), self.ports
        told = replace(
            space,
            address=_drawn(space.address, ports["port"]),
            enrolment=_drawn(space.enrolment, ports["enrolment_port"]),
            relay=_drawn(space.relay, ports.get("relay_port", 0)),
        )
        if told != space:
            told.write(folder / SPACE)

    def _report(self) -> None:
        for rooms in self.spaces:
            _tolerant(f"a report of {rooms.space.space}", rooms.reporting.step)

    def _stamp(self) -> None:
        for rooms in self.spaces:
            _tolerant(f"time stamps of {rooms.space.space}", rooms.stamping.stamp)

    def _refresh(self) -> None:
        for rooms in self.spaces:
            _tolerant(f"the status list of {rooms.space.space}", rooms.standings.refresh)

    def _look(self) -> None:
        """A command wrote something, or added a space: take it in."""
        for each in further(self._ground.folder):
            if each not in self.spaces:
                _tolerant(f"the new space {each}", partial(self._take_in, each))
        for rooms in self.spaces:
            _tolerant(f"what a command wrote in {rooms.space.space}", rooms.registry.reload)
            rooms.sequencer.ring()

    def _open(self, rooms: Rooms) -> None:
        rooms.sequencer.start()
        rooms.asking.start()
        rooms.standings.refresh()
        heard = Tidings(SqlTidings(rooms.database), rooms.registry.reload, rooms.sequencer.ring, rooms.changes.announce)
        self._tidings.append(heard)
        heard.start()
        rooms.watching.start()

    def _take_in(self, space: str) -> None:
        rooms = self._ground.rooms(space)
        try:
            self._open(rooms)
        except HefuError:
            rooms.sequencer.stop()
            raise
        self._tell_ports(rooms.folder)
        self._tell_address(rooms)
        self.spaces.add(rooms)

    def _later(self, name: str, work: Callable[[], object]) -> None:
        thread = threading.Thread(target=lambda: _tolerant(name, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        def run() -> None:
            while not self._stopped.wait(seconds):
                _tolerant(name, work)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()


class RelayServer:
    """The relay as a process of its own beside the broker's: contracted work goes on through it while that one is down.

    Args:
        folder: the broker's.
        clock: for tests; the system's by default.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self._ground = _Ground.of(folder, clock or SystemClock(), serving=False)
        self.spaces = self._ground.spaces()
        self._relay = Relaying(self.spaces)
        self._stopped = threading.Event()
        self._looking = threading.Thread(target=self._look, name="look", daemon=True)

    @property
    def port(self) -> int:
        """Where it serves."""
        return self._relay.port

    def start(self) -> None:
        """Serve, and take in what the broker writes. Raises Unavailable where the address is taken, Malformed where
        the settings have none."""
        if not self._ground.settings.relay_apart or not self._ground.settings.relay:
            raise Malformed("relay.not_apart")
        roots = self.spaces.first.space.transport_ca.encode()
        credentials = transport.server_credentials(_Identity(self.spaces.first), roots)
        self._relay.start(self._ground.settings.relay, credentials)
        self._looking.start()

    def stop(self) -> None:
        """End all connections."""
        self._stopped.set()
        if self._looking.ident is not None:
            self._looking.join()
        self._relay.stop()
        for rooms in self.spaces:
            rooms.sequencer.stop()
        self._ground.database.close()

    def _look(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            for each in further(self._ground.folder):
                if each not in self.spaces:
                    _tolerant(f"the new space {each}", lambda id_=each: self.spaces.add(self._ground.rooms(id_)))  # type: ignore[misc]
            for rooms in self.spaces:
                _tolerant(f"what was written in {rooms.space.space}", rooms.registry.reload)


def _policy(directory: Directory) -> WitnessPolicy | None:
    charter = directory.charter
    return charter.policy if charter is not None else None


class _Identity:
    """The broker's own server certificate, issued by its authority and renewed at half its life."""

    def __init__(self, rooms: Rooms, hosts: tuple[str, ...] = ()) -> None:
        self._rooms = rooms
        self._hosts = hosts
        self._ring = ring_of(rooms.folder)
        self._lock = threading.Lock()
        self._held: Certificate | None = None

    def __call__(self) -> tuple[bytes, bytes]:
        with self._lock:
            now, life = self._rooms.clock.now(), self._rooms.settings.certificate_life
            if self._held is None or self._held.not_after - now < life / 2:
                public = self._ring.transport().public_key()
                broker = self._rooms.settings.broker
                self._held = self._rooms.authority.issue(public, broker, broker, now, self._hosts)
            return self._ring.transport_pem(), transport.to_pem(self._held.der)


def _tolerant(what: str, work: Callable[[], object]) -> None:
    """One space's trouble is told and leaves the others alone."""
    try:
        work()
    except HefuError:
        log.exception("%s failed and is tried again", what)


def _hosts(settings: Settings) -> tuple[str, ...]:
    """The names that browsers dial, which the certificate must have for them."""
    named = (settings.web.rpartition(":")[0], urlsplit(settings.web_url).hostname or "")
    return tuple(sorted({each.strip("[]") for each in named} - {"", "0.0.0.0", "::"}))  # noqa: S104


def _drawn(address: str, port: int) -> str:
    host, _, asked = address.rpartition(":")
    return f"{host}:{port}" if asked == "0" else address


def _admit_self(folder: Path, registry: Registry, store: SqlRegistryStore) -> None:
    certification = Statement.parse((folder / "operator.json").read_bytes())
    try:
        registry.directory.participant(Participant.of(certification).id)
    except NotFound:
        operator = registry.directory.certify(certification)
        with suppress(Conflict):  # another process on the same database was here a moment ago
            store.certify(operator, Outgoing.of(certification, EVERYBODY), None)


def _authority(ring: KeyRing, space: SpaceFile, life: timedelta) -> Authority:
    path = ring.folder / "authority.key"
    key = keys.read_key(path, ring.passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Malformed("key.unreadable", path=str(path), why="not a P-256 key")
    return Authority(key, x509.load_pem_x509_certificate(space.transport_ca.encode()), life)


def _own_key(ring: KeyRing, origin: VerifierKey) -> Ed25519PrivateKey:
    key = _log_key(ring)
    if key.public_key().public_bytes_raw() != origin.value:
        path, why = str(ring.folder / LOG_KEY), "not the key that the space file names for the log"
        raise Malformed("key.unreadable", path=path, why=why)
    return key


def _beside(ring: KeyRing, origin: VerifierKey) -> Iterator[tuple[VerifierKey, Sign]]:
    """Further keys of the log, such as ``log.next.key`` and ``log.before.key``: see docs/running.md."""
    for path in sorted(ring.folder.glob("log.*.key")):
        key = _log_key(ring, path.name)
        public = VerifierKey(origin.name, origin.kind, key.public_key().public_bytes_raw())
        log.info("the log is signed beside its own key by that of %s: %s", path.name, public)
        yield public, key.sign


def _log_key(ring: KeyRing, name: str = LOG_KEY) -> Ed25519PrivateKey:
    path = ring.folder / name
    key = keys.read_key(path, ring.passphrase)
    if not isinstance(key, Ed25519PrivateKey):
        raise Malformed("key.unreadable", path=str(path), why="not an Ed25519 key")
    return key


def _lock(folder: Path) -> int:
    """Hold the folder for one server."""
    if not folder.is_dir():
        raise Malformed("broker.absent", path=str(folder))
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise Conflict("broker.running") from None
    return handle
