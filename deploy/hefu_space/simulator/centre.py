"""The broker of a simulated space: its real rooms over stores in memory, and how its connectors reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from hefu.envelope import Statement
from hefu.errors import NotFound
from hefu.identity import Binding, Participant
from hefu.membership.directory import Directory
from hefu.running.changes import Changes
from hefu.times import Clock
from hefu.tlog.proof import LogProof
from hefu_broker import records
from hefu_broker.dealing.catalog import Catalog
from hefu_broker.dealing.contracts import Contracts
from hefu_broker.dealing.notary import Notary
from hefu_broker.log.entries import AuditLog
from hefu_broker.log.latest import Latest
from hefu_broker.log.leadership import Leadership
from hefu_broker.log.sequencer import Sequencer
from hefu_broker.membership.authority import Authority
from hefu_broker.membership.registry import Registry
from hefu_broker.membership.standing import Standings
from hefu_broker.membership.trust import Trust
from hefu_broker.records import EVERYBODY, Certificate, Outgoing, Talk
from hefu_connector import brokerage
from hefu_connector.brokerage import Listing, Member, Page, Progress
from hefu_policies.states.lifecycle import ProductState

from hefu_space.simulator.centre_stores import (
    MemoryCatalog,
    MemoryCharters,
    MemoryLease,
    MemoryLog,
    MemoryOrders,
    MemoryOutbox,
    MemoryRegistry,
    MemoryTalks,
)
from hefu_space.simulator.disk import Disk, Store
from hefu_space.simulator.founding import BROKER, Founded, fingerprint
from hefu_space.simulator.network import Network

Answer = TypeVar("Answer")
_NO_AUTHORITY = Authority(ec.generate_private_key(ec.SECP256R1()), None, None)  # type: ignore[arg-type]  # issues nothing


class Centre:
    """One process of the broker: put together from its disk, gone when it crashes.

    Args:
        latest: the file of the newest signed checkpoint.
        tick: seconds that only go forward.
        sequencer: the class to use; a planted bug gives another.

    Raises:
        Untrusted: the disk is behind the newest signed checkpoint.
    """

    def __init__(
        self,
        founded: Founded,
        disk: Disk,
        latest: Path,
        clock: Clock,
        tick: Callable[[], float],
        sequencer: type[Sequencer] = Sequencer,
    ) -> None:
        store = Store(disk)
        self.store = MemoryRegistry(store)
        talks, log, outbox, products = MemoryTalks(store), MemoryLog(store), MemoryOutbox(store), MemoryCatalog(store)
        space = founded.file
        trust = Trust(Directory(space.space, space.root), clock)
        leadership = Leadership(MemoryLease(store), "broker", tick)
        key, sign = founded.log_key, founded.log.sign
        self.sequencer = sequencer(log, outbox, leadership, key, sign, Latest(latest, key))
        ring = self.sequencer.ring
        self.registry = Registry(
            trust, self.store, self.store, MemoryCharters(store), MemoryOrders(store), _NO_AUTHORITY, ring
        )
        self.registry.reload()
        self._admit(founded)
        signer = founded.people[BROKER].signer
        notary = Notary(trust, products, BROKER, signer, space.log_origin)
        self.contracts = Contracts(trust, talks, notary, ring, Changes())
        self.sequencer.on_published(self.contracts.settle)
        self.standings = Standings(BROKER, signer, self.registry, self.store, self.store, clock, ring)
        self.catalog = Catalog(trust, products, ring)
        self.log = AuditLog(trust, log, log, outbox, talks, self.sequencer, ring)
        self.sequencer.recover()

    def sequence(self) -> None:
        """What the sequencer's thread does when it is rung."""
        self.sequencer.turn()

    def caller(self, mark: str, *, bound: bool = True) -> Binding:
        """Who calls with a certificate; raises Unauthenticated."""
        found = self.registry.authenticate(mark)
        return self.registry.member(found) if bound else found

    def progress(self, talk: Talk) -> Progress:
        """A negotiation as the broker shows it."""
        final = talk.countersignature
        proof = self.log.proof_of(final) if final is not None and talk.index is not None else None
        return Progress(
            talk.id, talk.state, talk.consumer, talk.provider, talk.messages, talk.agreement, final, proof,
            talk.termination, talk.revision, endorsers=talk.endorsers,
        )  # fmt: skip

    def member(self, name: str) -> Member:
        """A participant as the registry shows it."""
        return Member(self.registry.directory.certificate(name), tuple(self.registry.bindings(name)))

    def listing(self, held: records.Listing) -> Listing:
        """A product as the catalog shows it."""
        retired = held.state is ProductState.RETIRED
        return Listing(held.product, held.provider, held.statement, retired, self.log.proof_of(held.statement))

    def _admit(self, founded: Founded) -> None:
        """What commands of the operator do before anybody is served; after a crash, what of it is still to do."""
        known = {each.id for each in self.registry.directory.participants()}
        for person in founded.people.values():
            if person.name not in known:
                certified = Outgoing.of(person.certification, EVERYBODY)
                self.store.certify(Participant.of(person.certification), certified, None)
            if self.store.certificate(fingerprint(person)) is None:
                bound = person.binding
                self.store.issued(
                    Certificate(bound.fingerprint, bound.certificate, person.name, bound.connector, bound.not_after)
                )
        self.registry.reload()


class Uplink:
    """`brokerage.Registry`, `Catalog`, `Negotiations` and `Log` of one connector, over the simulated network.

    Args:
        centre: the broker's process as it is when a call arrives.
        mark: fingerprint of the caller's certificate.
    """

    def __init__(self, network: Network, name: str, mark: str, centre: Callable[[], Centre]) -> None:
        self._network = network
        self._name = name
        self._mark = mark
        self._centre = centre

    # ---- Registry

    def renew(self, csr: bytes) -> bytes:
        """As in the port; certificates outlive a simulation."""
        raise NotFound("resource.not_found", what="certificate", name=self._name)

    def bind(self, binding: Statement) -> None:
        """As in the port."""
        self._call(lambda at, who: at.registry.bind(who, binding.to_bytes()), bound=False)

    def member(self, participant: str) -> Member:
        """As in the port."""
        return self._call(lambda at, _: at.member(participant))

    def members(self, after: int = 0) -> tuple[int, Sequence[Member]]:
        """As in the port."""

        def ask(at: Centre, _: Binding) -> tuple[int, Sequence[Member]]:
            revision, changed = at.registry.changes(after)
            return revision, [at.member(each) for each in changed]

        return self._call(ask)

    def status(self, *, logged: bool = False) -> Statement:
        """As in the port."""
        return self._call(lambda at, _: at.standings.logged() if logged else at.standings.newest())

    # ---- Log

    def append(self, envelopes: Sequence[bytes]) -> int:
        """As in the port."""
        return self._call(lambda at, who: at.log.append(who, list(envelopes)))

    def newest(self) -> Statement | None:
        """As in the port."""
        found = self._call(lambda at, who: at.log.journal(who))
        return Statement.parse(found) if found else None

    def checkpoint(self) -> str:
        """As in the port."""
        return self._call(lambda at, _: at.log.checkpoint())

    def inclusion(self, leaf_hash: bytes) -> LogProof:
        """As in the port."""
        return self._call(lambda at, _: at.log.proof(leaf_hash))

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """As in the port."""
        return self._call(lambda at, _: at.log.consistency(old, new))

    # ---- Negotiations

    def advance(self, message: Statement) -> Progress:
        """As in the port."""
        return self._call(lambda at, who: at.progress(at.contracts.advance(who, message.to_bytes())))

    def negotiation(self, name: str) -> Progress:
        """As in the port."""
        return self._call(lambda at, who: at.progress(at.contracts.talk(who, name.partition("/")[2])))

    def negotiations(self) -> Sequence[Progress]:
        """As in the port."""
        return self._call(lambda at, who: [at.progress(each) for each in at.contracts.page(who, 1000, "")[0]])

    def watch(self, after: int) -> Iterator[Progress]:
        """As in the port; the stream ends when there is nothing new."""

        def changes(at: Centre, who: Binding) -> list[Progress]:
            asked = iter((False, True, True, True))
            return [at.progress(each) for each in at.contracts.watch(who, after, lambda: next(asked, True))]

        yield from self._call(changes)

    def terminate(self, termination: Statement) -> Progress:
        """As in the port."""
        return self._call(lambda at, who: at.progress(at.contracts.terminate(who, termination.to_bytes())))

    def _call(self, work: Callable[[Centre, Binding], Answer], *, bound: bool = True) -> Answer:
        def taken() -> Answer:
            centre = self._centre()
            return work(centre, centre.caller(self._mark, bound=bound))

        return self._network.call(self._name, BROKER, taken)


class Shop:
    """`brokerage.Catalog` of one connector: apart, since its words are those of other ports too."""

    def __init__(self, uplink: Uplink) -> None:
        self._call = uplink._call

    def publish(self, description: Statement) -> Listing:
        """As in the port."""
        return self._call(lambda at, who: at.listing(at.catalog.publish(who, description.to_bytes())))

    def retire(self, retirement: Statement) -> Listing:
        """As in the port."""
        return self._call(lambda at, who: at.listing(at.catalog.retire(who, retirement.to_bytes())))

    def product(self, product: str) -> Listing:
        """As in the port."""
        return self._call(lambda at, who: at.listing(at.catalog.product(who, product)))

    def search(self, query: str, narrowing: str = "", token: str = "", size: int = 50) -> Page:
        """As in the port."""
        found, more = self._call(lambda at, who: at.catalog.search(who, query, narrowing, size, token))
        listings = [Listing(each.product, each.provider, Statement.parse(each.envelope)) for each in found.cards]
        return Page(tuple(listings), more, found.total)


def ports(uplink: Uplink) -> tuple[brokerage.Registry, brokerage.Negotiations, brokerage.Log, brokerage.Catalog]:
    """The four ports that one uplink is."""
    return uplink, uplink, uplink, Shop(uplink)
