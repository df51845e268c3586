"""One seed: a space is founded, its people publish, agree, ask, cancel, end, are revoked, while the weather is bad.

Then all faults end, everything has time to come right, and the history is complete.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path

from hefu.canonical import Object
from hefu.errors import Conflict, HefuError, Unauthenticated, Unavailable, Untrusted
from hefu.running import faults
from hefu_broker.log.latest import Latest
from hefu_broker.log.sequencer import Sequencer
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.contracting.acceptances import EVERY
from hefu_connector.engines.statistics import Statistics
from hefu_connector.membership.continuity import HighWater
from hefu_policies.bargaining.acceptance import Acceptable
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.library import template

from hefu_space.history import History
from hefu_space.simulator.accounts import CHAIN
from hefu_space.simulator.centre import Centre
from hefu_space.simulator.centre_stores import ENTRIES
from hefu_space.simulator.disk import Crashed, Disk, Rows
from hefu_space.simulator.founding import BROKER, Founded, NodeClock, Person, seeded
from hefu_space.simulator.member import Around, Kinds, Member
from hefu_space.simulator.network import Network
from hefu_space.simulator.schedule import Schedule
from hefu_space.simulator.watching import Watching
from hefu_space.simulator.weather import Weather

PROVIDERS, CONSUMERS = ("provider-1", "provider-2"), ("consumer-1", "consumer-2")
PURPOSE = "dpv:ScientificResearch"
STORM, CALM = 60.0, 45.0  # seconds of virtual time
_UNTIL = "2026-12-20T00:00:00Z"
# As offered, narrower, inside the provider's limits, and beyond them: the last is answered with a counter-offer.
_TERMS: tuple[Mapping[str, str], ...] = (
    {}, {}, {"releases": "6"}, {"epsilon": "0.55"}, {"epsilon": "0.9"}, {"epsilon": "2", "releases": "7"},
)  # fmt: skip


@dataclass(frozen=True)
class Bugs:
    """What is planted, so that a checker can show that it finds it."""

    kinds: Kinds = field(default_factory=Kinds)
    sequencer: type[Sequencer] = Sequencer


class Simulation:
    """A space and its story. Use it once.

    Args:
        folder: for the broker's ``checkpoint.latest``, the one file that is really written.
    """

    def __init__(self, seed: int, folder: Path, bugs: Bugs | None = None) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a seed, not a secret
        self.bugs = bugs or Bugs()
        self._latest = folder / "checkpoint.latest"
        self.disks = {name: Disk(name) for name in (*PROVIDERS, *CONSUMERS)}
        self.disks[BROKER] = Disk(BROKER, ("broker.before_commit", "broker.committed"))
        self.schedule = Schedule(self.disks)
        self.history = History(lambda: round(self.schedule.now, 3))
        for disk in self.disks.values():
            disk.saw = Watching(disk, self.history)
        self.weather = Weather.drawn(self.chance, self.schedule, self.history, self.crash)
        self.network = Network(self.schedule, self.weather, lambda name: name in self._running)
        self._running: dict[str, Centre | Member] = {}
        self.clocks = {name: NodeClock(lambda: self.schedule.now) for name in self.disks}
        self.founded = Founded(self.chance)
        for name in PROVIDERS:
            self.founded.add(name, "provider")
        for name in CONSUMERS:
            self.founded.add(name, "consumer")
        self._known: dict[Member, list[str]] = {}
        self._farthest = 0.0

    # ------------------------------------------------------------ the story

    def run(self) -> History:
        """Everything, from the founding to the end."""
        with seeded(self.chance), faults.watched(self.weather.point):
            for name in (BROKER, *PROVIDERS, *CONSUMERS):
                self.schedule.after(self.chance.uniform(0, 0.2), name, partial(self.start, name))
            self._plan_deeds()
            self._plan_storm()
            self.schedule.run(self.chance.choice((0.0, 12.0, 15.0)))
            self.weather.calm = False
            self.schedule.run(STORM)
            self._calm()
            self.schedule.run(STORM + CALM)
            self.history.note("", "settled")
            self.schedule.close()
        return self.history

    def start(self, name: str) -> None:
        """Start a node's process; where it cannot, once more later."""
        try:
            self._running[name] = self._made(name)
        except HefuError as fault:
            self.history.note(name, "not_started", code=fault.code)
            self.schedule.after(self.chance.uniform(0.5, 2), name, lambda: self.start(name))
            return
        self.history.note(name, "started")
        self._loops(name)

    def crash(self, name: str) -> None:
        """End a node's process where it stands: memory is lost, the disk stays.

        Raises:
            Crashed: always.
        """
        self.disks[name].crash()
        self._running.pop(name, None)
        self.schedule.after(self.chance.uniform(0.3, 6), name, lambda: self.start(name))
        raise Crashed(name)

    def centre(self) -> Centre:
        """The broker's process; raises Unavailable where it does not run."""
        found = self._running.get(BROKER)
        if not isinstance(found, Centre):
            raise Unavailable("peer.unreachable", peer=BROKER)
        return found

    def member(self, name: str) -> Member:
        """A connector's process; raises as `centre`."""
        found = self._running.get(name)
        if not isinstance(found, Member):
            raise Unavailable("peer.unreachable", peer=name)
        return found

    # ------------------------------------------------------------ processes

    def _made(self, name: str) -> Centre | Member:
        return self._centre() if name == BROKER else self._member(self.founded.people[name])

    def _centre(self) -> Centre:
        tick = lambda: self.schedule.now  # noqa: E731 - a clock
        return Centre(self.founded, self.disks[BROKER], self._latest, self.clocks[BROKER], tick, self.bugs.sequencer)

    def _member(self, person: Person) -> Member:
        around = Around(
            self.founded,
            self.schedule,
            self.network,
            self.history,
            self.chance,
            self._latest.parent,
            self.centre,
            self.member,
        )
        return Member(around, person, self.disks[person.name], self.clocks[person.name], self.bugs.kinds)

    def _loops(self, name: str) -> None:
        if name == BROKER:
            centre = self.centre()
            self._loop(name, "sequencer", centre.sequence, 0.4)
            self._loop(name, "status", centre.standings.refresh, 8)
            return
        member = self.member(name)
        self._loop(name, "bind", member.bind, 1)
        self._loop(name, "members", member.trust.refresh_members, 20)
        self._loop(name, "status", lambda: self._status(member), 4)
        self._loop(name, "negotiations", member.watch.follow, 0.7)
        self._loop(name, "negotiations again", member.watch.try_again, 3)
        self._loop(name, "proofs", member.agreements.catch_up, 1)
        if name in PROVIDERS:
            self._loop(name, "sweep", member.enforcement.sweep, 1.5)
            self._loop(name, "flush", member.hand_in, 1.5)
            self._loop(name, "continuity", member.hold, 1)
        else:
            self._loop(name, "resume", member.asking.resume, 1)
            self._loop(name, "answers", lambda: self._answer(member), 2)

    def _loop(self, name: str, what: str, step: Callable[[], object], every: float) -> None:
        """As `hefu_connector.background.Loop`: what is Unavailable is tried again, other errors are told."""

        def once() -> None:
            with self._telling(name, what):
                step()
            self.schedule.after(every * self.chance.uniform(0.5, 1.5), name, once)

        self.schedule.after(every * self.chance.uniform(0.05, 1), name, once)

    @contextmanager
    def _telling(self, name: str, what: str) -> Iterator[None]:
        try:
            yield
        except (Unavailable, Unauthenticated):
            pass
        except HefuError as fault:
            self.history.note(name, "complains", of=what, code=fault.code)

    def _status(self, member: Member) -> None:
        member.trust.refresh_status()
        words = {each.id: member.trust.standing(each.id) for each in member.trust.participants()}
        revoked = sorted(id_ for id_, word in words.items() if word == "revoked")
        if revoked != self._known.get(member):
            self._known[member] = revoked
            self.history.note(member.person.name, "knows", revoked=revoked)

    # ------------------------------------------------------------ deeds

    def _plan_deeds(self) -> None:
        chance = self.chance
        for number, name in enumerate(PROVIDERS):
            self._deed(chance.uniform(0.5, 1.5), name, partial(_publish, number))
        self._plan_negotiations()
        for _ in range(chance.randint(15, 40)):
            self._deed(chance.uniform(8, STORM + 2), chance.choice(CONSUMERS), self._ask)
        for _ in range(chance.randint(0, 3)):
            self._deed(chance.uniform(15, STORM), chance.choice(CONSUMERS), self._cancel)
        for _ in range(chance.randint(0, 4)):
            self._deed(chance.uniform(15, STORM), chance.choice((*PROVIDERS, *CONSUMERS)), self._terminate)
        if chance.random() < 0.25:
            self._revoke(chance.uniform(20, STORM), chance.choice(CONSUMERS))

    def _plan_negotiations(self) -> None:
        """Requests of one provider and of both, offers that nobody asked for, and a consumer that accepts by itself."""
        chance = self.chance
        for _ in range(chance.randint(3, 6)):
            who, what = chance.choice(CONSUMERS), chance.randrange(len(PROVIDERS))
            self._deed(chance.uniform(2, 12), who, partial(_request, what, chance.choice(_TERMS)))
        for _ in range(chance.randint(0, 2)):
            self._deed(chance.uniform(3, 20), chance.choice(CONSUMERS), _request_of_both)
        for _ in range(chance.randint(0, 3)):
            what, whom = chance.randrange(len(PROVIDERS)), chance.choice(CONSUMERS)
            self._deed(chance.uniform(3, 25), PROVIDERS[what], partial(_propose, what, whom, chance.choice(_TERMS)))
        if chance.random() < 0.5:
            self._deed(chance.uniform(1, 10), chance.choice(CONSUMERS), _accept_by_itself)

    def _deed(self, at: float, name: str, work: Callable[[Member], object], tries: int = 8) -> None:
        """Let somebody's people do something; where it is Unavailable, they try again."""

        def once() -> None:
            try:
                work(self.member(name))
            except HefuError as fault:
                if tries and (isinstance(fault, Unavailable) or fault.code == "identity.unknown"):
                    self._deed(self.chance.uniform(0.5, 3), name, work, tries - 1)
                else:
                    self.history.note(name, "refused", code=fault.code)

        self.schedule.after(at, name, once, free=False, bound=False)

    def _ask(self, member: Member) -> None:
        held = [each for each in member.agreements.all() if each.termination is None]
        if not held:
            return
        contract = self.chance.choice(held)
        loss = self.chance.choice(("0.1", "0.25", "0.5", "0.6"))
        plan = Plan(
            self.chance.choice([each.product for each in contract.agreement.contributions]),
            (Aggregate("count", "n"), Aggregate("mean", "mean", "age")),
            PrivacyLoss.of_text(loss),
            group_by=("region",),
        )
        member.asking.ask(plan.body(), contract.agreement.id, PURPOSE, "li")

    def _answer(self, member: Member) -> None:
        """Answer an offer: mostly yes, at times other terms, seldom no."""
        for each in member.consumer.offers()[:1]:
            word, purpose = self.chance.random(), "" if each.request.is_answered else PURPOSE
            if word < 0.6:
                member.consumer.accept(each.id, "li", purpose)
            elif word < 0.9:
                member.consumer.counter(each.id, {"epsilon": self.chance.choice(("0.54", "0.9"))}, "li", purpose)
            else:
                member.consumer.withdraw(each.id, "not on these terms", "li")

    def _cancel(self, member: Member) -> None:
        asked = member.asking.all(10)
        if asked:
            member.asking.cancel(self.chance.choice(asked).id)

    def _terminate(self, member: Member) -> None:
        running = {name for each in member.journal.unfinished() for name in each.agreements}
        if member.person.name in PROVIDERS and not running and self.chance.random() < 0.9:
            raise Unavailable("source.changing")  # wait for a moment in which it hurts most
        held = [each.agreement.id for each in member.agreements.all() if each.termination is None]
        worst = [each for each in held if each in running]
        if held:
            member.agreements.terminate(self.chance.choice(worst or held), "ended", "plans changed", "li")

    def _revoke(self, at: float, name: str) -> None:
        def once() -> None:
            try:
                self.centre().standings.revoke(name, "a test")
                self.history.note(BROKER, "revoked", participant=name)
            except Unavailable:
                self._revoke(1, name)

        self.schedule.after(at, BROKER, once, bound=False)

    # ------------------------------------------------------------ the storm

    def _plan_storm(self) -> None:
        chance = self.chance
        names = (*PROVIDERS, *CONSUMERS, BROKER)
        for _ in range(chance.randint(0, 5)):
            one, other = chance.sample(names, 2)
            seconds, both = chance.uniform(1, 15), chance.random() < 0.5
            self._at_storm(partial(self.weather.part, one, other, seconds, both=both))
        for _ in range(chance.randint(0, 3)):
            node, kind = chance.choice(names), chance.choice(("enospc", "eio"))
            seconds = chance.uniform(1, 8)
            self._at_storm(partial(self.weather.break_disk, node, seconds, kind))
        for _ in range(chance.randint(0, 3)):
            node, off = chance.choice(names), chance.choice((-3700, -240, -20, 20, 240, 3700))
            self._at_storm(partial(self._step_clock, node, off))
        for _ in range(chance.randint(0, 3)):
            node = chance.choice(names)
            self._at_storm(partial(self._kill, node))
        if chance.random() < 0.3:
            self._at_storm(partial(self._back_up, BROKER))
        if chance.random() < 0.4:
            self._at_storm(partial(self._back_up, chance.choice(PROVIDERS)))

    def _at_storm(self, work: Callable[[], object]) -> None:
        self.schedule.after(self.chance.uniform(2, STORM - 5), "", work, free=True, bound=False)

    def _step_clock(self, node: str, off: float) -> None:
        self.clocks[node].off = off
        self._farthest = max(self._farthest, off)
        self.history.note(node, "clock", off=off)

    def _kill(self, node: str) -> None:
        if node not in self._running or self.weather.calm:
            return
        self.history.note(node, "crashed", point="")
        try:
            self.crash(node)
        except Crashed:
            return

    def _back_up(self, name: str) -> None:
        """Copy a node's database, and put the copy back a while later: it must be noticed."""
        backup = self.disks[name].copy()
        self.schedule.after(self.chance.uniform(1, 10), name, partial(self._put_back, name, backup), bound=False)

    def _put_back(self, name: str, backup: dict[str, Rows]) -> None:
        disk, before = self.disks[name], _newest(name, backup)
        if name not in self._running or self.weather.calm or self._memory(name) <= before:
            return
        kept = disk.copy()
        self.history.note(name, "restored", entries=before)
        disk.crash()
        self._running.pop(name)
        disk.restore(backup)
        try:
            self._running[name] = self._made(name)
        except (Conflict, Untrusted) as fault:
            self.history.note(name, "refused", code=fault.code)
        except HefuError as fault:  # it could not be looked at now; what is right is put back
            self.history.note(name, "not_started", code=fault.code)
        else:
            self._loops(name)
            return
        disk.crash()
        disk.restore(kept)
        self.start(name)

    def _memory(self, name: str) -> int:
        """How much of a node's past is known outside of its database."""
        if name != BROKER:
            return HighWater(self._latest.parent / name).read()[0]
        signed = Latest(self._latest, self.founded.log_key).read()
        return signed.size if signed else 0

    def _calm(self) -> None:
        self.weather.calm = True
        latest = self._farthest
        for clock in self.clocks.values():
            clock.off = latest  # time has passed the fastest clock: what was dated ahead is so no longer
        self.history.note("", "calm")


def _newest(name: str, backup: dict[str, Rows]) -> int:
    """How much of a node's past a copy of its database has, as `Simulation._memory` counts it."""
    return len(backup.get(ENTRIES, ())) if name == BROKER else len(backup.get(CHAIN, ())) - 1


def simulated(seed: int, bugs: Bugs | None = None) -> Simulation:
    """A seed, told to its end."""
    memory = Path("/dev/shm")  # noqa: S108 - one small file, synced again and again
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        made = Simulation(seed, Path(folder), bugs)
        made.run()
        return made


def _publish(number: int, member: Member) -> None:
    description = _description(number)
    member.provider.publish(description)
    member.provider.limits.set(description, description.offers[0], {"epsilon": "0.55"})


def _request(number: int, terms: Mapping[str, str], member: Member) -> None:
    member.consumer.request(f"prd-{number}", "off-research", PURPOSE, "li", terms)


def _request_of_both(member: Member) -> None:
    """An agreement of both providers with the consumer: each enforces its own terms and budget."""
    member.consumer.request("prd-0", "off-research", PURPOSE, "li", {}, [("prd-1", "off-research")])


def _propose(number: int, consumer: str, terms: Mapping[str, str], member: Member) -> None:
    member.provider.propose(f"prd-{number}", "off-research", consumer, terms, "for you", "wang")


def _accept_by_itself(member: Member) -> None:
    limits = Acceptable(2, computations=(Statistics.action,), providers=PROVIDERS, purpose=PURPOSE)
    member.consumer.acceptances.set(EVERY, limits)


def _description(number: int) -> Description:
    terms: Object = {
        "purpose": PURPOSE, "epsilon": "0.5", "min_group": 20, "columns": ["age", "region"], "until": _UNTIL,
        "count": 6, "budget": "2",
    }  # fmt: skip
    schema = (
        Column("patient", "text", sensitivity="personal"),
        Column("age", "integer", unit="year", bounds=Bounds(Decimal(0), Decimal(120), Decimal(1))),
        Column("region", "text", categories=("north", "south")),
    )
    asset = Resource(f"res-{number}", schema, Privacy("patient", 1, Budget.of_text("3", releases=10)))
    offer = Offer(
        "off-research", template("research-statistics", terms), Budget.of_text("2", releases=8),
        offline_window_seconds=3600, offline_share_percent=50,
    )  # fmt: skip
    return Description(f"prd-{number}", 1, {"en": f"Visits {number}"}, (asset,), (offer,))
