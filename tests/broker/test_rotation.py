"""Keys change while the log is written to, the log's own and a participant's, each with a time in which both count."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu.envelope import PublicKey, Statement, draft
from hefu.errors import HefuError, Unauthenticated, Untrusted
from hefu.evidence.bundle import BundleEntry
from hefu.evidence.record import Record
from hefu.identity import BOUND, CERTIFIED, ROOT, Binding
from hefu.keeping import keys
from hefu.keeping.keys import FileSigner
from hefu.tlog import checkpoint, tree
from hefu.tlog.note import VerifierKey
from hefu_broker.bootstrap import LOG_KEY, open_rooms
from hefu_broker.founding import SPACE, read_root, sign_as_root
from hefu_broker.records import EVERYBODY, Outgoing
from hefu_broker.replication import Replica, replicate
from hefu_broker.rooms import Rooms
from hefu_broker.settings import Settings
from hefu_broker.storage.log import SqlLogStore
from hefu_broker.storage.outbox import SqlOutboxStore

from tests.broker.world import Person, World

NEXT, BEFORE = "log.next.key", "log.before.key"


@dataclass
class Process:
    """One process of the broker; whoever calls it holds its lock, so that it ends between two calls."""

    folder: Path
    rooms: Rooms
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Load:
    """A participant that appends without a pause, wherever a process takes it."""

    person: Person
    processes: list[Process]
    signer: FileSigner
    taken: list[bytes] = field(default_factory=list)
    refused: list[HefuError] = field(default_factory=list)
    pace: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: bool = False

    def says(self, number: int, signer: FileSigner | None = None) -> bytes:
        at = self.person.clock.now()
        body: Any = {"computation": f"cmp-{number}"}
        made = draft("computation.refused", body, space=self.person.space, issuer=self.person.id, at=at)
        return made.sign(signer or self.signer, at).to_bytes()

    def run(self) -> None:
        while self.pace.acquire() and not self.ended:
            said = [self.says(len(self.taken) + each) for each in range(4)]
            free = next(each for each in self.processes * 2 if each.lock.acquire(timeout=1))
            try:
                free.rooms.log.append(self.person.caller, said)
                self.taken += said
            except HefuError as fault:
                self.refused.append(fault)
            finally:
                free.lock.release()


@dataclass
class Broker:
    """Two processes of a broker on one database, under load."""

    world: World
    processes: list[Process]
    load: Load

    @property
    def note(self) -> str:
        return self.processes[0].rooms.log.checkpoint()

    def go_on(self, more: int = 24) -> None:
        """Both work until so many statements more are published, and both know of it."""
        wanted = len(self.load.taken) + more
        while len(self.load.taken) < wanted:
            self.load.pace.release()
            for each in self.processes:
                each.rooms.sequencer.turn()
        assert not self.load.refused

    def restart(self) -> None:
        """One process after the other ends and begins; the load never stops."""
        for each in self.processes:
            with each.lock:
                each.rooms.sequencer._leadership.release()
                each.rooms.database.close()
                each.rooms = open_rooms(each.folder, self.world.clock, serving=True)
                each.rooms.sequencer.recover()
            self.go_on()

    def check(self, *under: VerifierKey) -> None:
        """What was taken is proved, and the newest checkpoint is signed, under each of these keys."""
        for each in self.processes:
            each.rooms.sequencer.turn()
        for key in under:
            checkpoint.verify(self.note, key)
            for process in self.processes:
                for data in self.load.taken[:: max(1, len(self.load.taken) // 5)]:
                    leaf = tree.leaf_hash(data)
                    process.rooms.log.proof(leaf).verify(leaf, key)

    def certify(self, *signing: FileSigner) -> None:
        """The root certifies the participant's keys anew.

        LIMIT: the broker has no door for that yet; its administrator puts the root's statement in.
        """
        world, person = self.world, self.load.person
        world.clock.move(seconds=1)
        held = self.processes[0].rooms.registry.directory.participant(person.id)
        body = replace(held, signing=tuple(PublicKey(e.key, person.id, e.public) for e in signing)).body()
        made = draft(CERTIFIED, body, space=person.space, issuer=ROOT, at=world.clock.now())
        said = sign_as_root(made, read_root(world.root), world.clock)
        world.rooms = self.processes[0].rooms
        world.tamper("UPDATE counter SET value = value + 1 WHERE name = 'registry'")
        world.tamper(
            "UPDATE participant SET certification = :said, revision ="
            " (SELECT value FROM counter WHERE name = 'registry') WHERE id = :id",
            said=said.to_bytes(),
            id=person.id,
        )
        SqlOutboxStore(world.rooms.database).queue([Outgoing.of(said, EVERYBODY)])
        for each in self.processes:
            each.rooms.registry.reload()

    def entries(self) -> list[bytes]:
        found = SqlLogStore(self.processes[0].rooms.database).entries(0, 100_000)
        return [each.outgoing.envelope for each in found]


@pytest.fixture
def broker(world: World, provider: Person, tmp_path: Path) -> Iterator[Broker]:
    world.sequenced()
    world.rooms.database.close()
    settings = Settings.read(world.folder)
    replace(settings, database=f"sqlite:///{world.folder.absolute()}/broker.db").write(world.folder)
    replicate(Replica(world.folder, tmp_path / "replica"))
    folders = (world.folder, tmp_path / "replica")
    processes = [Process(each, open_rooms(each, world.clock, serving=True)) for each in folders]
    load = Load(provider, processes, provider.ring.signer())
    thread = threading.Thread(target=load.run)
    thread.start()
    for each in processes:
        each.rooms.sequencer.recover()
    yield Broker(world, processes, load)
    load.ended = True
    load.pace.release()
    thread.join()
    for each in processes:
        each.rooms.database.close()
    world.rooms = open_rooms(world.folder, world.clock)


def test_the_keys_of_log_and_participant_change_under_load(broker: Broker) -> None:
    world, load, old = broker.world, broker.load, VerifierKey.parse(broker.world.space.log_key)
    broker.go_on()
    first = checkpoint.verify(broker.note, old)
    broker.check(old)

    private = Ed25519PrivateKey.generate()
    new = VerifierKey(old.name, old.kind, private.public_key().public_bytes_raw())
    for each in broker.processes:
        keys.write_key(each.folder / "keys" / NEXT, private)
    broker.restart()
    broker.check(old, new)

    former, latter = load.signer, FileSigner(load.person.id, Ed25519PrivateKey.generate())
    broker.certify(former, latter)
    broker.go_on()  # under the old one
    load.signer = latter
    broker.go_on()
    _bind_again(broker, latter)
    broker.certify(latter)
    broker.go_on()
    with pytest.raises(Unauthenticated) as caught:
        broker.processes[1].rooms.log.append(load.person.caller, [load.says(0, former)])
    assert caught.value.code == "key.unknown"

    for each in broker.processes:
        replace(world.space, log_key=str(new)).write(each.folder / SPACE)
        for here, there in ((LOG_KEY, BEFORE), (NEXT, LOG_KEY)):
            (each.folder / "keys" / here).rename(each.folder / "keys" / there)
    broker.restart()
    broker.check(old, new)

    for each in broker.processes:
        keys.shred(each.folder / "keys" / BEFORE)
    broker.restart()
    broker.check(new)
    with pytest.raises(Untrusted):
        checkpoint.verify(broker.note, old)

    entries, last = broker.entries(), checkpoint.verify(broker.note, new)
    hashes = broker.processes[0].rooms.log.consistency(first.size, last.size)
    tree.verify_consistency(first.size, last.size, first.root, last.root, hashes)
    assert sorted(each for each in entries if each in {*load.taken}) == sorted(load.taken)
    record = Record(world.space, world.space.root)
    for number, each in enumerate(entries):
        record.add(BundleEntry.whole(number, each))
    assert record.faults == []
    assert {each.key for data in load.taken for each in Statement.parse(data).signatures} == {former.key, latter.key}


def _bind_again(broker: Broker, signer: FileSigner) -> None:
    """The participant says under its new key that its certificate is its own."""
    person, at = broker.load.person, broker.world.clock.now()
    held: Binding = person.caller
    made = draft(BOUND, held.body(), space=person.space, issuer=person.id, at=at).sign(signer, at)
    broker.processes[0].rooms.registry.bind(person.caller, made.to_bytes())
    broker.processes[1].rooms.registry.reload()
