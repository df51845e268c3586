"""Publication by quorum: nothing is published before the witnesses cosigned, and nobody contradicts what they did."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hefu.errors import Malformed, NotFound, Unavailable, Untrusted
from hefu.running import faults
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note, VerifierKey
from hefu.tlog.policy import WitnessPolicy
from hefu.tlog.witness import NotCosigned, Request
from hefu_audit.witnessing.home import WitnessHome
from hefu_audit.witnessing.memory import FileMemory
from hefu_audit.witnessing.server import Server
from hefu_broker.bootstrap import open_rooms
from hefu_broker.log.asking import Answer, Asking
from hefu_broker.rooms import Rooms
from hefu_space.harness import until

from tests.broker.test_charters import set_charter
from tests.broker.world import BOTH, Person, World
from tests.cosigning import Cosigner, policy

KINDS = BOTH


def log_key(world: World) -> VerifierKey:
    return VerifierKey.parse(world.space.log_key)


def cosigners(world: World, *names: str) -> list[Cosigner]:
    return [Cosigner(each, log_key(world), world.clock.now) for each in names]


def demand(world: World, least: int, *names: str, url: str = "") -> list[Cosigner]:
    """Pin a policy: so many of these witnesses."""
    world.sequenced()
    found = cosigners(world, *names)
    set_charter(world, witnesses=policy(least, *found, url=url))
    return found


def publish(world: World) -> None:
    while world.rooms.sequencer.sequence():
        pass
    world.rooms.sequencer.publish()


def answer(rooms: Rooms, *asked: Cosigner) -> None:
    """These witnesses ask for what waits, cosign it and hand it in; then the sequencer looks."""
    for each in asked:
        found = rooms.witnesses.next_for(str(each.key), each.newest, 0)
        if found.note:
            rooms.witnesses.add(each.cosigned(Request(found.old, found.proof, found.note)))


def says(person: Person, number: int) -> bytes:
    return person.says("computation.sealed", {"computation": f"cmp-{number}"})


def test_publication_waits_for_the_quorum_and_the_log_goes_on(world: World, provider: Person) -> None:
    regulator, grid, bank = demand(world, 2, "regulator-a", "grid-north", "bank-east")
    published = world.rooms.sequencer.newest
    data = says(provider, 1)
    world.rooms.log.append(provider.caller, [data])
    publish(world)
    assert world.rooms.sequencer.committed > published[0]
    assert world.rooms.sequencer.newest == published
    with pytest.raises(NotFound):
        world.rooms.log.proof(tree.leaf_hash(data))
    answer(world.rooms, bank)
    publish(world)
    assert world.rooms.sequencer.newest == published
    assert world.rooms.witnesses.missing(patient=False) == ("regulator-a", "grid-north")
    assert world.rooms.witnesses.lacking() == ("regulator-a", "grid-north")
    assert not world.rooms.witnesses.missing()  # a moment is usual
    world.clock.move(seconds=11)
    assert world.rooms.witnesses.missing()
    waiting = world.rooms.witnesses.candidate()
    later = says(provider, 2)
    world.rooms.log.append(provider.caller, [later])
    publish(world)
    assert world.rooms.witnesses.candidate() == waiting  # one text for all, until it is published
    answer(world.rooms, grid)
    publish(world)
    assert not world.rooms.witnesses.missing()  # the next one waits since a moment only
    proof = world.rooms.log.proof(tree.leaf_hash(data))
    proof.verify(tree.leaf_hash(data), log_key(world))
    assert {*WitnessPolicy.parse(policy(2, regulator, grid, bank)).verify(Note.parse(proof.checkpoint))} == {
        "grid-north",
        "bank-east",
    }
    with pytest.raises(NotFound):
        world.rooms.log.proof(tree.leaf_hash(later))
    answer(world.rooms, regulator, grid)
    publish(world)
    assert world.rooms.log.proof(tree.leaf_hash(later))
    assert world.rooms.sequencer.newest[0] == world.rooms.sequencer.committed


def test_what_strangers_and_liars_hand_in_counts_for_nothing(world: World) -> None:
    good, *_ = demand(world, 1, "regulator-a")
    publish(world)
    before, (stranger,) = world.rooms.sequencer.newest, cosigners(world, "stranger")
    waits = world.rooms.witnesses.next_for(str(good.key), "", 0)
    request = Request(waits.old, waits.proof, waits.note)
    with pytest.raises(NotFound):
        world.rooms.witnesses.next_for(str(stranger.key), "", 0)
    assert world.rooms.witnesses.add(stranger.cosigned(request)) == 0
    text = Note.parse(waits.note).text
    forged = Note(text).add(good.key, (int(world.clock.now().timestamp())).to_bytes(8, "big") + bytes(64))
    other = Note(str(Checkpoint("elsewhere", 3, bytes(32)))).add(good.key, bytes(72))
    early = Cosigner("regulator-a", log_key(world), lambda: world.clock.now() + timedelta(hours=1))
    for bad in (str(forged), str(other), "", "x" * 70_000):
        with pytest.raises((Untrusted, Malformed)):
            world.rooms.witnesses.add(bad)
    set_charter(world, witnesses=policy(1, early))
    with pytest.raises(Untrusted):
        world.rooms.witnesses.add(early.cosigned(request))
    publish(world)
    assert world.rooms.sequencer.newest == before


def test_a_witness_that_knows_more_than_the_database_stops_the_log(world: World, provider: Person) -> None:
    (one,) = demand(world, 1, "regulator-a")
    publish(world)
    backup = world.back_up()
    rooms = world.reopen()
    rooms.sequencer.recover()
    rooms.log.append(provider.caller, [says(provider, 1)])
    publish(world)
    for _ in range(2):
        answer(rooms, one)
        publish(world)
    kept = world.folder / "checkpoint.latest"
    kept.write_text(rooms.log.checkpoint())
    world.restore(backup)
    old = world.reopen()
    with pytest.raises(Untrusted) as refused:
        old.sequencer.recover()  # by the kept file
    assert refused.value.code == "log.behind"
    with pytest.raises(Untrusted) as refused:
        old.witnesses.next_for(str(one.key), one.newest, 0)  # by what the witness has in its hands
    assert refused.value.code == "log.behind"
    assert old.witnesses.accused is not None
    with pytest.raises(Untrusted):
        old.sequencer.turn()


def test_a_restored_broker_asks_the_witnesses_before_it_starts(world: World, provider: Person, tmp_path: Path) -> None:
    (one,) = demand(world, 1, "regulator-a", url="http://127.0.0.1:1")
    publish(world)
    kept = (world.folder / "checkpoint.latest").read_text()
    world.rooms.log.append(provider.caller, [says(provider, 1)])
    for _ in range(3):
        answer(world.rooms, one)
        publish(world)
    size = checkpoint.verify(kept, log_key(world)).size

    def ask(url: str, request: Request) -> Answer:
        try:
            return Answer(200, one.witness.add(request).encode())
        except NotCosigned as refused:
            return Answer(int(refused.refusal), f"{refused.size}\n".encode())

    asking = Asking(log_key(world), world.rooms.witnesses, lambda: True, ask)
    asking.check_start(kept, world.rooms.sequencer.committed)
    with pytest.raises(Untrusted) as refused:
        asking.check_start(kept, size)
    assert refused.value.code == "log.witnessed"
    world.reopen().sequencer.recover()  # nobody answers at its address: the start does not wait for it


def test_what_was_published_stays_so_over_a_restart_without_witnesses(world: World, provider: Person) -> None:
    (one,) = demand(world, 1, "regulator-a")
    publish(world)
    with_nobody = open_rooms(world.folder, world.clock, serving=True)
    with_nobody.sequencer.follow()
    with pytest.raises(Unavailable):
        _ = with_nobody.sequencer.newest  # what is of before the policy is not taken over
    answer(world.rooms, one)
    publish(world)
    newest = world.rooms.sequencer.newest
    with_nobody.sequencer.follow()
    assert with_nobody.sequencer.newest == newest
    with_nobody.database.close()
    world.rooms.log.append(provider.caller, [says(provider, 1)])
    publish(world)
    rooms = world.reopen()
    rooms.sequencer.recover()
    assert rooms.sequencer.newest == newest
    assert rooms.witnesses.missing(patient=False) == ("regulator-a",)


def test_witnesses_with_an_address_are_asked_over_http_until_they_answer(
    world: World, provider: Person, tmp_path: Path
) -> None:
    world.sequenced()
    key, lines = log_key(world), []
    homes = [
        WitnessHome.make(tmp_path / name, f"{name}.example/w", [key], kind, f"file:{tmp_path}/secret")
        for name, kind in (("regulator-a", "ed25519"), ("grid-north", "ml-dsa-44"))
    ]
    memories = [FileMemory(each.memory) for each in homes]
    servers = [
        Server("127.0.0.1:0", home.witness(memory, world.clock), home.logs())
        for home, memory in zip(homes, memories, strict=True)
    ]
    for name, home, server in zip(("regulator-a", "grid-north"), homes, servers, strict=True):
        lines.append(f"witness {name} {home.key().public} http://127.0.0.1:{server.port}")
    set_charter(world, witnesses="\n".join([*lines, "group two all regulator-a grid-north", "quorum two", ""]))
    rooms = world.rooms
    publish(world)
    rooms.asking.start()
    servers[0].start()
    first = rooms.sequencer.newest[0]
    assert until(lambda: rooms.witnesses.lacking() == ("grid-north",), 20)
    servers[1].start()  # one that was away is asked again

    def published() -> bool:
        publish(world)
        return rooms.sequencer.newest[0] > first

    assert until(published, 30)
    rooms.log.append(provider.caller, [says(provider, 1)])
    assert until(lambda: published() and rooms.sequencer.newest[0] == rooms.sequencer.committed, 30)
    assert len(Note.parse(rooms.log.checkpoint()).signatures) == 3
    rooms.witnesses.changes.close()
    rooms.asking.stop()
    for server, memory in zip(servers, memories, strict=True):
        server.stop()
        memory.close()


class Died(BaseException):
    """A power cut."""


@pytest.mark.parametrize("point", ["log.committed", "log.signed", "log.kept", "log.proposed", "broker.before_commit"])
def test_no_crash_makes_the_log_contradict_its_witnesses(
    world: World, provider: Person, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = demand(world, 2, "regulator-a", "grid-north")
    publish(world)
    died = 0
    for number in range(4):
        answer(world.rooms, *((one, two), (one,))[number % 2])
        world.rooms.log.append(provider.caller, [says(provider, number)])

        def die(name: str) -> None:
            if name == point:
                raise Died

        monkeypatch.setattr(faults, "point", die)
        try:
            publish(world)
        except Died:
            died += 1
        monkeypatch.undo()
        world.reopen().sequencer.recover()
    assert died
    for _ in range(3):
        answer(world.rooms, one, two)
        publish(world)
    assert world.rooms.sequencer.newest[0] == world.rooms.sequencer.committed
    assert not one.memory.caught
    assert not two.memory.caught
