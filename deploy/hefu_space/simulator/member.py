"""A connector of a simulated space: the real rooms of both roles over stores in memory, put together as bootstrap does.

`enforcement`, ledger and journal are classes that a planted bug may replace; nothing else is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Statement, draft
from hefu.errors import NotFound, Unavailable
from hefu.identity import BOUND
from hefu.running import faults
from hefu.times import Clock
from hefu_connector.brokerage import Progress
from hefu_connector.computing.asking import Asking
from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.computing.world import Rules, World
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.consumer import Consumer
from hefu_connector.contracting.contracts import Pins
from hefu_connector.contracting.endorser import Endorser
from hefu_connector.contracting.limits import LimitBook
from hefu_connector.contracting.negotiating import Pen, Watch
from hefu_connector.contracting.provider import Provider
from hefu_connector.contracting.shelf import Shelf
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.statistics import Statistics
from hefu_connector.membership.continuity import Continuity, HighWater
from hefu_connector.membership.flush import Flush
from hefu_connector.membership.trust import SpaceTrust
from hefu_connector.peering import Computed, Estimate
from hefu_connector.ports import FINAL, Run, Table

from hefu_space.history import History
from hefu_space.simulator.accounts import MemoryJournal, MemoryLedger
from hefu_space.simulator.centre import Centre, Uplink, ports
from hefu_space.simulator.disk import Disk, Store
from hefu_space.simulator.founding import SPACE, Founded, Person, fingerprint
from hefu_space.simulator.network import Network
from hefu_space.simulator.schedule import Schedule
from hefu_space.simulator.shelves import MemoryContracts, MemoryMarks, MemoryProducts, MemoryRequests

Result = TypeVar("Result")
_RULES = Rules(quantum_seconds=0.25, deadline_seconds=20, jobs=2)


@dataclass(frozen=True)
class Kinds:
    """The classes of what a planted bug may be in."""

    enforcement: type[Enforcement] = Enforcement
    ledger: type[MemoryLedger] = MemoryLedger
    journal: type[MemoryJournal] = MemoryJournal
    contracts: type[MemoryContracts] = MemoryContracts
    continuity: type[Continuity] = Continuity


@dataclass(frozen=True)
class Around:
    """What a connector finds around it.

    Attributes:
        folder: for the few files beside the disks that are really written.
        centre, peer: the processes as they are when a call arrives.
    """

    founded: Founded
    schedule: Schedule
    network: Network
    history: History
    chance: random.Random
    folder: Path
    centre: Callable[[], Centre]
    peer: Callable[[str], Member]


class Member:
    """One process of a connector: put together from its disk, gone when it crashes."""

    def __init__(self, around: Around, person: Person, disk: Disk, clock: Clock, kinds: Kinds) -> None:
        store, space = Store(disk), around.founded.file
        self.person, self._around = person, around
        self.marks, self.journal = MemoryMarks(store), kinds.journal(store)
        products, self.requests = MemoryProducts(store), MemoryRequests(store)
        uplink = Uplink(around.network, person.name, fingerprint(person), around.centre)
        self.registry, negotiations, log, catalog = ports(uplink)
        self.trust = SpaceTrust(space, self.registry, self.marks, clock)
        self.trust.load()
        self.trust.certify(person.certification)
        self.author = Author(person.name, person.connector, SPACE, person.signer, clock)
        pins = Pins(space.space, space.broker, around.founded.log_key, person.name)
        self.contracts = kinds.contracts(self.trust, pins, store)

        shelf = Shelf(self.trust, catalog, products, self.marks)
        self.agreements = Agreements(
            self.author,
            self.trust,
            pins,
            self.contracts,
            negotiations,
            log,
            self.marks,
            shelf.find,
            self.trust.bindings,
        )
        pen, origin = Pen(self.author, negotiations, self.marks), space.log_origin
        self.provider = Provider(
            self.author, self.trust, products, catalog, negotiations, pen, self.agreements, origin, self.trust.charter,
            LimitBook(self.marks),
            shelf, lambda other: self.trust.bindings(other)[0].connector,
        )  # fmt: skip
        self.consumer = Consumer(
            self.author, self.trust, catalog, negotiations, pen, self.agreements, self.marks, origin, self.trust.charter
        )
        self.endorser = Endorser(
            self.author, self.trust, products, shelf, negotiations, pen, self.agreements, origin, self.trust.charter
        )
        self.asking = Asking(
            self.author, self.trust, self.agreements, Peers(self), self.requests, self.requests, person.sealing,
            self._provider_of,
        )  # fmt: skip
        self.ledger = kinds.ledger(store)
        self.enforcement = kinds.enforcement(self._world(clock))
        self.agreements.when_ended(self.enforcement.end_agreement)
        self.watch = Watch(negotiations, self.marks, self._react)
        self.flush = Flush(self.journal, log)
        high = HighWater(around.folder / person.name)
        self.continuity = kinds.continuity(self.journal, high, log, self.trust, person.name, person.connector)
        self.continuity.check()
        self.enforcement.recover()
        self._bound = False

    def hand_in(self) -> None:
        """What the flushing loop does: nothing is sent before the broker said how far this journal had come."""
        self.continuity.ask()
        self.flush.step()

    def hold(self) -> None:
        """What the loop of continuity does."""
        self.continuity.step()
        self.continuity.ask()

    def bind(self) -> None:
        """Make the certificate known to the space, once."""
        if self._bound:
            return
        at = self.author.clock.now()
        body = self.person.binding.body()
        self.registry.bind(draft(BOUND, body, space=SPACE, issuer=self.person.name, at=at).sign(self.author.signer, at))
        self._bound = True

    def take(self, mark: str, work: Callable[[Enforcement, str], Result]) -> Result:
        """A call of another connector, from its certificate on."""
        caller = self.trust.authenticate(mark)
        return work(self.enforcement, caller.participant)

    @property
    def around(self) -> Around:
        """What this connector finds around it."""
        return self._around

    def _provider_of(self, product: str) -> str:
        return self.consumer.show(product).listing.provider

    def _react(self, progress: Progress) -> None:
        if progress.provider == self.person.name:
            self.provider.react(progress)
        elif progress.consumer == self.person.name:
            self.consumer.react(progress)
        else:
            self.endorser.react(progress)

    def _world(self, clock: Clock) -> World:
        around, name = self._around, self.person.name
        return World(
            participant=name,
            connector=self.person.connector,
            space=SPACE,
            signer=self.person.signer,
            clock=clock,
            trust=self.trust,
            contracts=self.contracts,
            ledger=self.ledger,
            journal=self.journal,
            reader=self.journal,
            sources=lambda _: Snapshot(name),
            engines={Statistics.action: Statistics()},
            workers=Workers(around.chance),
            rules=_RULES,
            executor=Turns(around.schedule, around.chance, name),
        )


class Turns(Executor):
    """Jobs as events: each has its turn a little later."""

    def __init__(self, schedule: Schedule, chance: random.Random, node: str) -> None:
        self._schedule = schedule
        self._chance = chance
        self._node = node

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As in the base."""
        later: Future[Any] = Future()
        seconds = self._chance.uniform(0.005, 0.6) if self._chance.random() < 0.8 else self._chance.uniform(1, 6)
        self._schedule.after(seconds, self._node, lambda: later.set_result(fn(*args, **kwargs)), free=True)
        return later


class Snapshot:
    """`ports.Source` of a table that no worker here reads."""

    def __init__(self, node: str) -> None:
        self._digest = canonical.digest(node.encode())

    @contextmanager
    def open(self, columns: object, asked: object = None) -> Iterator[Table]:
        """As in the port."""
        try:
            faults.point("spool.written")
        except OSError as fault:
            raise Unavailable("source.moved", detail=type(fault).__name__) from None
        yield Table(Path("/nowhere"), "csv", self._digest, 100)


class Workers:
    """`ports.Workers` that answer numbers of the right shape, die at times, and know nothing of data."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def run(
        self, engine: str, parameters: Object, table: Table, *, job: str, deadline: float, spare: int = 0
    ) -> Object:
        """As in the port."""
        if self._chance.random() < 0.03:
            raise Unavailable("worker.failed")
        shape = Shape.of(parameters["shape"])
        noised: list[Json] = [
            [str(300 + self._chance.randrange(50)) for _ in range(shape.cells)] for _ in shape.measures
        ]
        return {"noised": noised, "rows_read": 100}

    def make(
        self, engine: str, parameters: Object, table: Table, take: Callable[[bytes], object], *, job: str,
        deadline: float,
    ) -> Object:  # fmt: skip
        """As in the port; no story asks for a file."""
        raise Unavailable("worker.failed")

    def cancel(self, job: str) -> None:
        """As in the port; a job here has no process."""

    def close(self) -> None:
        """As in the port."""


class Peers:
    """`peering.Peers` of one connector over the simulated network."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._mark = fingerprint(member.person)

    def estimate(self, provider: str, product: str, plan: Object) -> Estimate:
        """As in the port; no story estimates."""
        raise NotFound("resource.not_found", what="product", name=product)

    def create(self, provider: str, request: Statement) -> Computed:
        """As in the port."""
        mark = self._mark
        return self._call(provider, lambda door, who: _computed(door.create(request, who, mark)))

    def watch(self, provider: str, computation: str) -> Iterator[Computed]:
        """As in the port; the stream breaks after the present state, unless that is the end."""
        found = self._call(provider, lambda door, who: _computed(door.view(computation, who)))
        yield found
        if found.state not in FINAL:
            raise Unavailable("cancelled")

    def cancel(self, provider: str, computation: str) -> Computed:
        """As in the port."""
        return self._call(provider, lambda door, who: _computed(door.cancel(computation, who)))

    def fetch(self, provider: str, computation: str, first: int) -> Iterator[tuple[int, bytes]]:
        """As in the port."""
        mark = self._mark

        def part(index: int) -> bytes | None:
            def served(door: Enforcement, who: str) -> bytes | None:
                if index >= max(door.view(computation, who).parts, 1):
                    return None
                data = door.part(computation, who, index, mark)
                digest = canonical.digest(data)
                facts = {"computation": computation, "consumer": who, "index": index, "digest": digest}
                self._member.around.history.note(provider, "served", **facts)
                return data

            return self._call(provider, served)

        while (data := part(first)) is not None:
            yield first, data
            first += 1

    def _call(self, provider: str, work: Callable[[Enforcement, str], Result]) -> Result:
        member = self._member
        member.trust.endpoint(provider)

        def taken() -> Result:
            return member.around.peer(provider).take(self._mark, work)

        return member.around.network.call(member.person.name, provider, taken)


def _computed(run: Run) -> Computed:
    return Computed(run.id, run.state, Statement.parse(run.receipt) if run.receipt else None, run.parts)


def _objects(value: Json) -> list[Object]:
    return [each for each in _list(value) if isinstance(each, dict)]


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
