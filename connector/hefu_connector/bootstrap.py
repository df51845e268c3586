"""The only place where a connector is put together. Nobody else makes an adapter, and nobody else holds them all.

INVARIANT: sources, engines and workers are handed to the enforcement point here. Only `SourceLook` and `Layouts` get
sources and workers too: for a look at names and types of columns, and to lay a source out, as the provider's own people
ask; what is made stays here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import grpc
from hefu.envelope import Statement, new_id
from hefu.errors import HefuError, NotFound, Unavailable
from hefu.keeping import keys
from hefu.keeping.vault import Vault
from hefu.membership.enrolment import KeyRing
from hefu.running import faults
from hefu.space import SpaceFile
from hefu.statements.notices import DEVIATED, FULFILLED, Deviated
from hefu.times import Clock, SystemClock
from hefu.tlog.note import VerifierKey
from hefu.tlog.policy import WitnessPolicy
from hefu.wire import transport

from hefu_connector import probes
from hefu_connector.background import Loop
from hefu_connector.brokerage import Progress
from hefu_connector.clients.broker import (
    CatalogClient,
    ChartersClient,
    Link,
    LogClient,
    MandatesClient,
    NegotiationsClient,
    NoticesClient,
    PagesClient,
    RegistryClient,
)
from hefu_connector.clients.peer import PeerClient
from hefu_connector.clients.relay import Inward, Relays
from hefu_connector.computing.asking import Asking
from hefu_connector.computing.bench import Bench
from hefu_connector.computing.custody import Custody
from hefu_connector.computing.ends import Scribe
from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.computing.estimates import Estimates
from hefu_connector.computing.handover import Handover
from hefu_connector.computing.score_keys import ScoreKeys
from hefu_connector.computing.scoring import Scores
from hefu_connector.computing.totals import Tools, Totals
from hefu_connector.computing.uploads import Uploads
from hefu_connector.computing.world import Rules, World
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.consumer import Consumer
from hefu_connector.contracting.contracts import Pins
from hefu_connector.contracting.doings import Doings
from hefu_connector.contracting.endorser import Endorser
from hefu_connector.contracting.filer import Filer
from hefu_connector.contracting.limits import LimitBook
from hefu_connector.contracting.negotiating import Pen, Watch
from hefu_connector.contracting.notices import Notices
from hefu_connector.contracting.owing import Owing, performed_for_all
from hefu_connector.contracting.provider import Provider
from hefu_connector.contracting.shelf import Shelf
from hefu_connector.desk.aftermath import Aftermath
from hefu_connector.desk.overview import Overview
from hefu_connector.desk.source_book import SourceBook
from hefu_connector.desk.tables import Tables
from hefu_connector.engines.delivery import Delivery
from hefu_connector.engines.exact.engine import Exact
from hefu_connector.engines.scoring import Scoring
from hefu_connector.engines.statistics import Statistics
from hefu_connector.engines.totals import Totals as JointTotals
from hefu_connector.engines.totals import propose
from hefu_connector.membership.anchoring import Anchoring, Taken
from hefu_connector.membership.continuity import Continuity, HighWater, Others
from hefu_connector.membership.enrolling import Enrolment
from hefu_connector.membership.filing import Handing
from hefu_connector.membership.flush import AnnouncedJournal, Flush
from hefu_connector.membership.leading import Led
from hefu_connector.membership.log_history import LogHistory
from hefu_connector.membership.orders import OrderBook
from hefu_connector.membership.reinstating import Reinstating
from hefu_connector.membership.renewal import TransportIdentity
from hefu_connector.membership.submitting import NotedCatalog, NotedNegotiations, NotedNotices
from hefu_connector.membership.trust import SpaceTrust
from hefu_connector.membership.witnessing import Cosigning, MarksMemory, own_key
from hefu_connector.ports import Contract, Engine, Source
from hefu_connector.rpc.control import About, Desk
from hefu_connector.rpc.peers import ComputationServicer
from hefu_connector.running import Connector
from hefu_connector.settings import Home, Settings
from hefu_connector.sources import spool
from hefu_connector.sources.laid_sources import LaidSources
from hefu_connector.sources.layouts import Layouts
from hefu_connector.sources.look import SourceLook
from hefu_connector.sources.sealed import SealedFolder
from hefu_connector.sources.uploaded import Uploaded
from hefu_connector.storage.afterwards import SqlDuties, SqlNotices
from hefu_connector.storage.contracts import SqlContracts
from hefu_connector.storage.database import Database
from hefu_connector.storage.deliveries import SqlDeliveries
from hefu_connector.storage.disclosures import SqlDisclosures
from hefu_connector.storage.filed import SqlFiled
from hefu_connector.storage.fleet import BEAT, SqlFleet
from hefu_connector.storage.handed import SqlHanded
from hefu_connector.storage.journal import SqlJournal
from hefu_connector.storage.ledger import SqlLedger
from hefu_connector.storage.marks import SqlMarks
from hefu_connector.storage.products import SqlProducts
from hefu_connector.storage.requests import SqlRequests
from hefu_connector.storage.scores import SqlScores
from hefu_connector.storage.sources import SqlSources
from hefu_connector.unlocking import unlock
from hefu_connector.workers.pool import Limits, Pool

log = logging.getLogger("hefu.connector")

# Seconds between two steps of what goes on in the background; most are nudged sooner.
ORDERS = 2.0
WATCH, SWEEP, FLUSH, PROOFS, AGAIN, RENEW, RESUME, LAYING, AT_ONCE = 0.4, 1.0, 2.0, 0.5, 2.0, 30.0, 20.0, 5.0, 0.05
ANCHOR = 5.0
DIFFERS = "receipt.differs"
# Whoever asks much may watch as much: a watch holds a thread until the end, and a release is fetched by a stream too.
_LIMITS = transport.Limits(calls=192, threads=160, streams_each=40)
_RECENT = 200  # own computations that are looked through for duties


@dataclass(frozen=True, slots=True)
class _Shelves:
    """Everything durable, in one database."""

    database: Database
    marks: SqlMarks
    products: SqlProducts
    sources: SqlSources
    requests: SqlRequests
    journal: SqlJournal
    ledger: SqlLedger
    fleet: SqlFleet
    deliveries: SqlDeliveries
    handed: SqlHanded
    notices: SqlNotices
    duties: SqlDuties
    disclosures: SqlDisclosures
    filed: SqlFiled
    scores: SqlScores


@dataclass(frozen=True, slots=True)
class _Broker:
    """The broker's services over one link."""

    link: Link
    registry: RegistryClient
    catalog: NotedCatalog
    negotiations: NotedNegotiations
    notices: NotedNotices
    log: LogClient
    charters: ChartersClient
    mandates: MandatesClient
    relays: Relays


@dataclass(frozen=True, slots=True)
class _Ground:
    """What everything else stands on: who this is, what it pins, what it keeps, whom it trusts."""

    home: Home
    settings: Settings
    space: SpaceFile
    clock: Clock
    ring: KeyRing
    shelves: _Shelves
    identity: TransportIdentity
    broker: _Broker
    trust: SpaceTrust
    author: Author
    contracts: SqlContracts
    pins: Pins
    history: LogHistory
    vault: Vault | None


@dataclass(frozen=True, slots=True)
class _Roles:
    """The roles of this participant, and what they share."""

    agreements: Agreements
    notices: Notices
    owing: Owing
    provider: Provider
    consumer: Consumer
    endorser: Endorser
    asking: Asking
    peers: PeerClient
    tables: Tables


@dataclass(frozen=True, slots=True)
class _Deliveries:
    """Both ends of a delivery, and what goes on for them in the background."""

    custody: Custody
    handover: Handover
    loops: tuple[Loop, ...]


def build(directory: Path, clock: Clock | None = None) -> Connector:
    """Put a connector together from its directory. Nothing runs yet but waiting workers.

    Raises:
        Malformed: settings, space file, certificate or a key cannot be read.
        Untrusted: a private key can be read by others, or what was kept does not verify.
        Conflict: the database is of a newer version.
    """
    home = Home(directory.absolute())
    faults.arm(test=Settings.read(home).test)
    ground = _ground(home, clock or SystemClock())
    roles, settings = _roles(ground), ground.settings
    engines = _engines()
    snapshots = _spool(ground.home, settings)
    pool, uploaded = _pool(ground, snapshots), Uploaded(snapshots, ground.clock)
    layouts = Layouts(pool, ground.shelves.marks, ground.clock, snapshots, _kept(ground))
    fleet = ground.shelves.fleet
    continuity = _continuity(ground)
    flush = Flush(SqlJournal(ground.shelves.database, fleet.fence), ground.broker.log)
    told = Doings(ground.author, ground.shelves.marks, ground.broker.log, settings.told())
    handing = Handing(ground.shelves.filed, ground.broker.mandates)

    def send() -> None:
        continuity.ask()
        flush.step()
        handing.step()
        told.step()

    def hold() -> None:
        continuity.step()
        if ground.identity.bound.is_set():
            continuity.ask()

    flushing = Loop("journal to log", Led(fleet, send), FLUSH, ground.identity.bound)
    look = SourceLook(pool, snapshots, deadline=settings.deadline_seconds)
    least = settings.lay_out_mb << 20 if settings.lay_out_mb else None
    laid = LaidSources(look, layouts, ground.shelves.marks, ground.clock, least)
    book = SourceBook(ground.shelves.sources, ground.shelves.products, look, laid)
    _watch_people(roles, book, told)
    laying = Loop("laying out", book.follow, LAYING)
    enforcement = _enforcement(ground, engines, pool, laid, flushing, roles.owing, uploaded)
    roles.agreements.when_ended(enforcement.end_agreement)
    roles.notices.when_suspended(enforcement.suspend_agreement)
    deliveries = _deliveries(ground, roles, flushing)
    loops = [
        _beating(ground, roles, flushing),
        *_loops(ground, roles, enforcement.watch),
        flushing,
        Loop("journal heads", Led(fleet, _anchoring(ground, flushing).step), ANCHOR, ground.identity.bound),
        Loop("watch", enforcement.watch, WATCH),
        Loop("standing", enforcement.sweep, SWEEP),
        *deliveries.loops,
        Loop("continuity", hold, BEAT),
        laying,
    ]
    inward = _inward(ground)
    loops += [Loop("relay", each.step, AT_ONCE, ground.identity.bound) for each in inward]
    estimates = Estimates(ground.shelves.products, engines)
    taking = Uploads(settings.participant, ground.trust, ground.contracts, uploaded, ground.clock).take
    servicer = ComputationServicer(
        enforcement, estimates.estimate, deliveries.handover.confirm, taking, meetings=enforcement,
        relayed=bool(inward),
    )  # fmt: skip
    # Links before threads, so that nobody waits for an answer; the store last, since all others write to it.
    closing = [
        *(loop.end for loop in loops),
        ground.broker.link.close,
        roles.peers.close,
        ground.broker.relays.close,
        *(each.close for each in inward),
        *(loop.join for loop in loops if loop is not laying),
        enforcement.close,
        pool.close,  # ends a worker that lays out, which may take long
        uploaded.close,
        laying.join,
        layouts.close,
        continuity.end,
        fleet.leave,
        ground.shelves.database.close,
    ]
    public = _public(ground, servicer, inward) if settings.listen else None

    def clearing() -> None:
        spool.sweep(snapshots or ground.home.spool)
        continuity.check(ask=ground.identity.bound.is_set())
        fleet.join()

    shown = probes.of(
        probes.Seen(settings, ground.shelves.database, pool, ground.identity, ground.trust, flush, enforcement)
    )
    desk = _desk(ground, roles, book, deliveries.custody, pool, inward)
    connector = Connector(settings, desk, ground.trust, enforcement, clearing, public, loops, closing, shown)
    continuity.broken = connector.give_up
    return connector


def _anchoring(ground: _Ground, flushing: Loop) -> Anchoring:
    every = timedelta(seconds=ground.settings.anchor_seconds)
    chain, marks = ground.shelves.journal, ground.shelves.marks
    return Anchoring(
        ground.author, chain, marks, ground.broker.log, ground.pins.log, every, flushing.nudge, ground.pins.policy
    )


def _watch_people(roles: _Roles, book: SourceBook, told: Doings) -> None:
    """State what this participant's people change that no other statement tells of."""
    roles.provider.limits.changed = lambda product: told.note("limits.changed", product)
    roles.consumer.acceptances.changed = lambda product: told.note("acceptance.changed", product)
    book.changed = lambda resource: told.note("source.changed", resource)


def _continuity(ground: _Ground) -> Continuity:
    settings, chain = ground.settings, ground.shelves.journal
    keeper = settings.keeper(ground.home)

    def beside() -> dict[str, tuple[int, str]]:
        if keeper == ground.home or not (keeper.space.exists() and keeper.high_water.exists()):
            return {}
        return {SpaceFile.read(keeper.space).space: HighWater(keeper.high_water).read()}

    high, others = HighWater(ground.home.high_water), Others(ground.home.others_high, beside)
    return Continuity(chain, high, ground.broker.log, ground.trust, settings.participant, settings.connector, others)


def _ground(home: Home, clock: Clock) -> _Ground:
    settings, opened = unlock(home)
    space, ring = SpaceFile.read(home.space), settings.ring(home)
    signer = ring.signer()
    database = Database(settings.store(home), space.space, opened.derive("database") if opened else None)
    database.claim(settings.participant, settings.connector)
    marks, reissue = SqlMarks(database), Enrolment(home.directory, clock).reissue
    identity = TransportIdentity(ring, home.certificate, space, settings.endpoint, marks, clock, reissue)
    shelves = _Shelves(
        database, marks, SqlProducts(database), SqlSources(database), SqlRequests(database),
        SqlJournal(database), SqlLedger(database), SqlFleet(database, new_id("own"), identity.home),
        SqlDeliveries(database), SqlHanded(database), SqlNotices(database), SqlDuties(database),
        SqlDisclosures(database), SqlFiled(database), SqlScores(database),
    )  # fmt: skip
    link = Link(space, identity.credentials, settings.broker_timeout_seconds)
    taken = Taken(marks).note
    broker = _Broker(
        link,
        RegistryClient(link),
        NotedCatalog(CatalogClient(link), taken),
        NotedNegotiations(NegotiationsClient(link), taken),
        NotedNotices(NoticesClient(link), taken),
        LogClient(link),
        ChartersClient(link),
        MandatesClient(link),
        Relays(space, identity.credentials),
    )
    trust = SpaceTrust(space, broker.registry, shelves.marks, clock)
    trust.load()
    if home.certification.exists():
        trust.certify(Statement.parse(home.certification.read_bytes()))
    log_key, policy = VerifierKey.parse(space.log_key), partial(_policy, trust)
    history = LogHistory(broker.log, marks, log_key, policy)
    filer = Filer(settings.participant, trust, trust.charter, ring.sealing())
    author = Author(settings.participant, settings.connector, space.space, signer, clock, filer, history.seen)
    pins = Pins(space.space, space.broker, log_key, settings.participant, policy)
    contracts = SqlContracts(database, trust, pins)
    return _Ground(
        home, settings, space, clock, ring, shelves, identity, broker, trust, author, contracts, pins, history, opened
    )


def _policy(trust: SpaceTrust) -> WitnessPolicy | None:
    charter = trust.charter()
    return charter.policy if charter is not None else None


def _engines() -> dict[str, Engine]:
    """What is carried out, by action; on ciphertexts only with the library, or it would be charged and fail."""
    plain: tuple[Engine, ...] = (Statistics(), Delivery(), Exact())
    encrypted: tuple[Engine, ...] = (Scoring(), JointTotals()) if find_spec("tenseal") else ()
    return {each.action: each for each in (*plain, *encrypted)}


def _spool(home: Home, settings: Settings) -> Path | None:
    """The folder of snapshots; None where they stay in memory."""
    if not settings.spool:
        return None
    folder = home.directory / settings.spool
    if not spool.lies_in_memory(folder):
        log.warning("snapshots of sources lie in %s, on a disk, in the clear, while a worker reads them", folder)
    return folder


def _kept(ground: _Ground) -> SealedFolder | None:
    """The folder of what is laid out; None where that is gone with the process."""
    if not ground.settings.layouts:
        return None
    folder = ground.home.directory / ground.settings.layouts
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if ground.vault is None and not spool.lies_in_memory(folder):
        log.warning("laid-out snapshots lie in %s, on a disk, in the clear: set a secret", folder)
    return SealedFolder(folder, ground.vault.derive("layouts") if ground.vault is not None else None)


def _pool(ground: _Ground, snapshots: Path | None) -> Pool:
    return Pool(snapshots, Limits(ready=_waiting(ground), most=ground.settings.workers + 3))


def _waiting(ground: _Ground) -> int:
    """How many workers wait: a provider's for its consumers; one is enough for who only reads what it was sent."""
    certified = ground.home.certification.exists()
    provides = not certified or "provider" in ground.trust.roles(ground.settings.participant)
    return ground.settings.workers + 1 if provides else 1


def _roles(ground: _Ground) -> _Roles:
    author, trust, broker, marks = ground.author, ground.trust, ground.broker, ground.shelves.marks
    products, requests, origin = ground.shelves.products, ground.shelves.requests, ground.space.log_origin

    def connector_of(participant: str) -> str:
        return trust.bindings(participant)[0].connector

    shelf = Shelf(trust, broker.catalog, products, marks)
    agreements = Agreements(
        author, trust, ground.pins, ground.contracts, broker.negotiations, broker.log, marks, shelf.find, trust.bindings
    )
    notices = Notices(
        author, trust, ground.pins, ground.contracts, broker.notices, broker.negotiations, broker.log, marks,
        ground.shelves.notices,
    )  # fmt: skip
    agreements.when_settled(notices.settle)
    notices.when_changed(agreements.changed.announce)
    pen = Pen(author, broker.negotiations, marks)
    provider = Provider(
        author, trust, products, broker.catalog, broker.negotiations, pen, agreements, origin, trust.charter,
        LimitBook(marks), shelf, connector_of,
    )  # fmt: skip
    endorser = Endorser(author, trust, products, shelf, broker.negotiations, pen, agreements, origin, trust.charter)
    consumer = Consumer(
        author, trust, broker.catalog, broker.negotiations, pen, agreements, marks, origin, trust.charter
    )
    peers = PeerClient(trust, ground.identity.credentials, relay=broker.relays if broker.relays.each else None)

    def provider_of(product: str) -> str:
        for held in agreements.all():
            found = held.agreement.over(product)
            if found is not None:
                return found.provider.participant
        return consumer.show(product).listing.provider

    private = ground.ring.sealing()
    asking = Asking(author, trust, agreements, peers, requests, requests, private, provider_of)
    asking.when_differs(partial(_accuse, notices))
    tables = Tables(author, trust, broker.negotiations, shelf.find, provider, marks, consumer)
    owing = _owing(ground, agreements, notices)
    return _Roles(agreements, notices, owing, provider, consumer, endorser, asking, peers, tables)


def _accuse(notices: Notices, contract: Contract, computation: str, fault: HefuError) -> None:
    """Raise an alarm, once for a computation: its provider signed something that is not as was agreed."""
    told = (Deviated.of(each) for each in notices.of(contract.agreement.id, DEVIATED))
    if not any((each.code, each.subject) == (DIFFERS, computation) for each in told):
        about = contract.agreement.provider.participant
        notices.deviated(contract, DIFFERS, about, subject=computation, reason=fault.public())


def _owing(ground: _Ground, agreements: Agreements, notices: Notices) -> Owing:
    shelves = ground.shelves

    def deleted(computation: str) -> bytes | None:
        handed = shelves.handed.find(computation)
        return handed.proof if handed is not None else None

    books = Owing(
        ground.author.participant, shelves.duties, ground.contracts, notices, shelves.journal.find, deleted,
        ground.clock,
    )  # fmt: skip
    notices.when_heard(books.heard)
    agreements.when_settled(lambda _, contract: books.begin(contract))
    return books


def _enforcement(
    ground: _Ground, engines: dict[str, Engine], pool: Pool, laid: LaidSources, flushing: Loop, owing: Owing,
    uploaded: Uploaded,
) -> Enforcement:  # fmt: skip
    settings, shelves = ground.settings, ground.shelves

    def source_of(resource: str) -> Source:
        held = shelves.sources.find(resource=resource)
        if held is None:
            raise Unavailable("source.moved", detail=f"no source is registered for {resource}")
        return laid.source(held)

    def joint_of(first: str, second: str) -> Source | None:
        one, other = (shelves.sources.find(resource=each) for each in (first, second))
        return laid.joint(one, other) if one is not None and other is not None else None

    world = World(
        participant=settings.participant,
        connector=settings.connector,
        space=ground.space.space,
        signer=ground.author.signer,
        clock=ground.clock,
        trust=ground.trust,
        contracts=ground.contracts,
        ledger=shelves.ledger,
        journal=AnnouncedJournal(shelves.journal, flushing.nudge),
        reader=shelves.journal,
        sources=source_of,
        joint=joint_of,
        engines=engines,
        workers=pool,
        fleet=shelves.fleet,
        rules=Rules(
            settings.quantum_ms / 1000,
            float(settings.deadline_seconds),
            settings.workers,
            session_seconds=float(settings.session_seconds),
        ),
        secret=shelves.handed.secret,
        filing=ground.author.filer.key,
        owing=owing,
        region=settings.region,
        disclosures=shelves.disclosures,
        inputs=uploaded,
        unseal=_unsealing(ground),
        seen=ground.history.seen,
    )
    return Enforcement(world)


def _beating(ground: _Ground, roles: _Roles, flushing: Loop) -> Loop:
    """Be seen by the replicas of this connector, and take up what one of them left."""
    fleet = ground.shelves.fleet
    for call in (roles.agreements.look_again, flushing.nudge):
        fleet.when_gone(call)

    def beat() -> None:
        fleet.beat()
        if fleet.epoch == 0:  # what the leader took in is heard of here by looking
            roles.agreements.changed.announce()

    return Loop("fleet", beat, BEAT)


def _loops(ground: _Ground, roles: _Roles, obey: Callable[[], None]) -> list[Loop]:
    settings, trust, broker = ground.settings, ground.trust, ground.broker
    fleet = ground.shelves.fleet
    watch = Watch(broker.negotiations, SqlMarks(ground.shelves.database, fleet.fence), _reaction(ground, roles))
    bound = ground.identity.bound
    proofs = Loop("log proofs", roles.agreements.catch_up, PROOFS, bound)
    roles.agreements.when_unsent(proofs.nudge)
    pins = ground.pins
    orders = OrderBook(trust, broker.mandates, broker.log, ground.shelves.marks, pins.log, pins.policy)
    orders.when_changed(obey)
    reinstating = Reinstating(trust, broker.registry, broker.log, ground.shelves.marks, pins.log, pins.policy)
    telling = Loop("notices", roles.notices.catch_up, PROOFS, bound)
    roles.notices.when_changed(telling.nudge)
    return [
        Loop("duties", Led(fleet, roles.owing.step), SWEEP),
        Loop("certificate", lambda: ground.identity.keep_valid(broker.registry), RENEW),
        Loop("participants", trust.refresh_members, settings.members_seconds, bound),
        Loop("charter", lambda: trust.adopt(broker.charters.charter()), settings.members_seconds, bound),
        Loop("log", ground.history.look, settings.members_seconds, bound),
        Loop("orders", orders.step, min(settings.status_seconds, ORDERS), bound),
        Loop("reinstatements", reinstating.step, min(settings.status_seconds, ORDERS), bound),
        Loop("status list", trust.refresh_status, settings.status_seconds, bound),
        Loop("negotiations", Led(fleet, watch.follow, watch.look_again), 0.1, bound),
        Loop("negotiations again", Led(fleet, watch.try_again), AGAIN, bound),
        Loop("computations", Led(fleet, roles.asking.resume), RESUME, bound),
        proofs,
        telling,
        *_witnessing(ground),
    ]


def _witnessing(ground: _Ground) -> list[Loop]:
    """Cosign the log's checkpoints, where this connector is a witness: one of its processes does."""
    if not ground.settings.witness:
        return []
    fleet, passphrase = ground.shelves.fleet, ground.vault.passphrase if ground.vault else None
    key = own_key(ground.home.keys, ground.settings.participant, ground.space.space, passphrase)
    memory = MarksMemory(SqlMarks(ground.shelves.database, fleet.fence))
    cosigning = Cosigning(key, ground.pins.log, memory, ground.broker.link.channel, ground.clock)
    return [Loop("witness", Led(fleet, cosigning.step), AT_ONCE, ground.identity.bound)]


def _reaction(ground: _Ground, roles: _Roles) -> Callable[[Progress], None]:
    mine = ground.settings.participant

    def react(progress: Progress) -> None:
        if progress.provider == mine:
            roles.provider.react(progress)
        elif progress.consumer == mine:
            roles.consumer.react(progress)
        else:
            roles.endorser.react(progress)
        roles.tables.archive(progress)

    return react


def _deliveries(ground: _Ground, roles: _Roles, flushing: Loop) -> _Deliveries:
    """What was delivered to this participant and by it: used, deleted and proven from here on."""
    shelves, author = ground.shelves, ground.author
    scribe = Scribe(author.participant, author.connector, author.space, author.signer, ground.clock, 0, author.seen)
    custody = Custody(
        scribe, ground.trust, ground.contracts, shelves.requests, shelves.requests, shelves.deliveries,
        ground.ring.sealing(), roles.peers, flushing.nudge,
        lambda contract: performed_for_all(contract, roles.notices.of(contract.agreement.id, FULFILLED)),
    )  # fmt: skip
    handover = Handover(ground.trust, shelves.journal.find, shelves.handed, ground.clock)
    keeping = Loop("deliveries", custody.sweep, SWEEP)
    proving = Loop("proofs of deletion", custody.report, AGAIN, ground.identity.bound)
    dropping = Loop("handed over", handover.sweep, AGAIN)
    roles.agreements.when_ended(handover.ended)
    roles.agreements.when_ended(lambda _: keeping.nudge())
    return _Deliveries(custody, handover, (keeping, proving, dropping))


def _scoring(ground: _Ground, roles: _Roles, bench: Bench) -> Scores:
    """What this participant has scored: its records and keys lie in memory and in its store, and on no disk."""
    custody = ScoreKeys(ground.shelves.scores, bench, ground.vault)
    return Scores(roles.asking, roles.agreements, roles.peers, custody, ground.shelves.scores, bench)


def _totals(ground: _Ground, roles: _Roles, bench: Bench) -> Totals:
    """What this participant has added up over several providers; its keys lie in memory."""
    return Totals(
        Tools(
            ground.settings.participant, roles.asking, roles.agreements, ground.shelves.requests, roles.peers, bench,
            JointTotals(), propose, _unsealing(ground),
        )
    )  # fmt: skip


def _unsealing(ground: _Ground) -> Callable[[bytes, bytes], bytes]:
    private = ground.ring.sealing()
    return lambda sealed, info: keys.unseal(sealed, private, info)


def _desk(
    ground: _Ground, roles: _Roles, book: SourceBook, custody: Custody, pool: Pool, inward: Sequence[Inward]
) -> Desk:
    bench = Bench(pool, partial(spool.place, None), spool.measure, float(ground.settings.deadline_seconds))
    shelves, trust, identity = ground.shelves, ground.trust, ground.identity
    try:
        me = trust.participant(ground.settings.participant)
        known, names = tuple(sorted(me.roles)), dict(me.names)
    except NotFound:
        known, names = (), {}
    return Desk(
        directory=ground.home.directory,
        author=ground.author,
        about=About(
            known, ground.settings.endpoint, identity.valid_until, trust.status_time, names,
            lambda: [each.relay for each in inward if each.listening.is_set()],
        ),
        book=book,
        provider=roles.provider,
        consumer=roles.consumer,
        endorser=roles.endorser,
        asking=roles.asking,
        agreements=roles.agreements,
        overview=Overview(
            ground.author, trust, roles.consumer, roles.asking, roles.agreements, ground.broker.negotiations,
            shelves.journal, shelves.ledger, shelves.handed, roles.tables, shelves.journal,
        ),
        tables=roles.tables,
        custody=custody,
        scoring=_scoring(ground, roles, bench),
        aftermath=_aftermath(ground, roles),
        totals=_totals(ground, roles, bench),
        open_page=PagesClient(ground.broker.link).open,
    )  # fmt: skip


def _aftermath(ground: _Ground, roles: _Roles) -> Aftermath:
    journal, requests = ground.shelves.journal, ground.shelves.requests

    def envelope(computation: str) -> bytes | None:
        run, own = journal.find(computation), requests.find(computation)
        return run.envelope if run is not None else own.envelope if own is not None else None

    return Aftermath(
        ground.author.participant,
        roles.agreements,
        roles.notices,
        roles.owing,
        lambda: requests.all(_RECENT),
        envelope,
        ground.trust.orders,
    )


def _inward(ground: _Ground) -> list[Inward]:
    """Connections through the space's relays, where this connector serves others."""
    settings = ground.settings
    serves = settings.relay and settings.listen
    return [Inward(each, settings.listen) for each in ground.broker.relays.each] if serves else []


def _public(
    ground: _Ground, servicer: ComputationServicer, inward: Sequence[Inward]
) -> Callable[[], transport.Running]:
    def serve() -> transport.Running:
        credentials = transport.server_credentials(ground.identity.credentials, ground.space.transport_ca.encode())
        services: list[Callable[[grpc.Server], None]] = [servicer.add]
        if ground.settings.diagnostics:
            from hefu_connector.rpc import diagnostics

            services.append(diagnostics.add)
        running = transport.serve(ground.settings.listen, services, credentials, ground.trust.authenticate, _LIMITS)
        for each in inward:
            each.open(running.port)
        return running

    return serve
