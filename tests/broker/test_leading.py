"""Who leads: a process that dies at any point is followed by another, and the log stays one log.

Two processes' rooms over one database, each with a folder of its own; a process dies by an exception that nothing
catches, at a named fault point, and nothing of its memory is used again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from hefu.errors import Conflict, Unavailable
from hefu.running import faults
from hefu.tlog import checkpoint, tiles, tree
from hefu.tlog.note import VerifierKey
from hefu_broker.bootstrap import open_rooms
from hefu_broker.log.leadership import REST
from hefu_broker.replication import Replica, replicate
from hefu_broker.rooms import Rooms
from hefu_broker.settings import Settings
from hefu_broker.storage.log import SqlLogStore
from sqlalchemy import text

from tests.broker.world import BOTH, Person, World

KINDS = BOTH
POINTS = (
    "log.before_commit", "broker.before_commit", "broker.committed", "log.committed", "log.signed", "log.written",
    "log.kept", "lease.before_commit", "lease.committed",
)  # fmt: skip


class Died(BaseException):
    """A power cut."""


@dataclass
class Tick:
    """Seconds that tests set."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Two:
    """Two folders of one broker on one database."""

    world: World
    folders: tuple[Path, Path]
    tick: Tick

    def open(self, which: int) -> Rooms:
        rooms = open_rooms(self.folders[which], self.world.clock, serving=True)
        rooms.sequencer._leadership._tick = self.tick
        return rooms

    def check(self, rooms: Rooms, expected: set[bytes]) -> None:
        """Every checkpoint that anybody signed or kept is of the tree that is there now, and nothing is lost."""
        store, key = SqlLogStore(rooms.database), VerifierKey.parse(self.world.space.log_key)
        with rooms.database.engine.connect() as connection:
            notes = [*connection.execute(text("SELECT note FROM log_checkpoint")).scalars()]
        notes += [(each / "checkpoint.latest").read_text() for each in self.folders]
        for each in {checkpoint.verify(note, key) for note in notes}:
            assert tiles.at_once(each.size, partial(tree.root_of, each.size), store.tiles) == each.root
        entries = store.entries(0, 10_000)
        assert [each.index for each in entries] == list(range(store.head().size))
        logged = [each.outgoing.envelope for each in entries]
        assert len(logged) == len(set(logged))
        assert expected <= {*logged}


@pytest.fixture
def two(world: World, tmp_path: Path) -> Iterator[Two]:
    world.sequenced()
    world.rooms.database.close()
    settings = Settings.read(world.folder)
    if not settings.database:
        settings = replace(settings, database=f"sqlite:///{world.folder.absolute()}/broker.db")
        settings.write(world.folder)
    replicate(Replica(world.folder, tmp_path / "replica"))
    yield Two(world, (world.folder, tmp_path / "replica"), Tick())
    world.rooms = open_rooms(world.folder, world.clock)


def test_whoever_dies_is_followed_and_the_log_stays_one(two: Two, provider: Person) -> None:
    leader, said = two.open(0), set[bytes]()
    leader.sequencer.recover()
    for number, point in enumerate(POINTS):
        follower = two.open(1 - number % 2)
        follower.sequencer.recover()
        assert not follower.sequencer.leads
        data = provider.says("computation.sealed", {"computation": f"cmp-{number}"})
        follower.log.append(provider.caller, [data])  # taken in by who follows, logged by who leads
        said.add(data)
        died = _dies_at(point, leader)
        follower.sequencer.recover()  # sees the last beat
        two.tick.seconds += REST - 0.1
        follower.sequencer.recover()
        assert not follower.sequencer.leads, "a lease that may still be held was taken"
        two.tick.seconds += 0.2
        follower.sequencer.recover()
        assert follower.sequencer.leads
        assert died, f"nothing passes {point}"
        while follower.sequencer.sequence():
            pass
        follower.sequencer.publish()
        with pytest.raises(Conflict):  # the dead one was only slow, and goes on: too late
            _go_on(leader)
        two.check(follower, said)
        leader.database.close()
        leader = follower
    leader.database.close()


def _go_on(rooms: Rooms) -> None:
    rooms.sequencer._leadership.keep()
    rooms.sequencer.sequence()


def _dies_at(point: str, rooms: Rooms) -> bool:
    def act(name: str) -> None:
        if name == point:
            raise Died

    try:
        with faults.watched(act):
            rooms.sequencer._leadership._beaten = -1e9  # a beat is due
            rooms.sequencer._leadership.keep()
            rooms.sequencer.sequence()
            rooms.sequencer.publish()
    except Died:
        return True
    return False


def test_who_gives_the_lead_back_is_followed_at_once(two: Two) -> None:
    leader, follower = two.open(0), two.open(1)
    leader.sequencer.start()
    follower.sequencer.recover()
    assert not follower.sequencer.leads
    leader.sequencer.stop()
    follower.sequencer.recover()
    assert follower.sequencer.leads
    for each in (leader, follower):
        each.database.close()


def test_two_folders_of_one_name_do_not_take_the_lead_from_each_other_for_ever(two: Two) -> None:
    """Somebody copied a folder by hand: the second takes over at its start, and the first then follows."""
    node = Settings.read(two.folders[0]).node
    replace(Settings.read(two.folders[1]), node=node).write(two.folders[1])
    first, second = two.open(0), two.open(1)
    first.sequencer.recover()
    second.sequencer.recover()
    assert second.sequencer.leads
    with pytest.raises(Conflict):
        first.sequencer._leadership._store.beat(first.sequencer._leadership.lease)  # type: ignore[arg-type]
    first.sequencer._leadership.lose()
    assert not first.sequencer._leadership.seek()
    for each in (first, second):
        each.database.close()


def test_a_failing_database_is_not_taken_for_another_leader(two: Two, provider: Person) -> None:
    """What was being committed when the connection broke may be committed or not: it is looked at again."""
    for when in ("broker.before_commit", "broker.committed"):
        rooms = two.open(0)
        rooms.sequencer.recover()
        data = provider.says("computation.sealed", {"computation": when})
        rooms.log.append(provider.caller, [data])

        def fail(name: str, when: str = when) -> None:
            if name == when:
                raise Unavailable("storage.busy")

        with faults.watched(fail), pytest.raises(Unavailable):
            rooms.sequencer.sequence()
        rooms.sequencer.turn()
        assert rooms.sequencer.leads
        two.check(rooms, {data})
        rooms.database.close()
