"""Several processes on one store: who is at work, who leads, and whose word counts (promise: A-b, T-c)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hefu import canonical
from hefu.errors import Conflict, Unavailable
from hefu_connector.ports import ComputationState
from hefu_connector.shelves import Mark
from hefu_connector.storage import Database, SqlJournal, SqlMarks
from hefu_connector.storage.fleet import SqlFleet

from tests.contracts.stories import NOW, charge, entry, run

Open = Callable[..., Database]


class Seconds:
    """A clock of one process that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Process:
    """One process on a store."""

    def __init__(self, database: Database, me: str, home: str = "") -> None:
        self.clock = Seconds()
        self.fleet = SqlFleet(database, me, home or me, self.clock, silence=5)
        self.journal = SqlJournal(database, self.fleet.fence)
        self.marks = SqlMarks(database, self.fleet.fence)

    def beat(self, seconds: float = 1.0) -> None:
        self.clock.now += seconds
        self.fleet.beat()


@pytest.fixture
def process(url: str, opened: Open) -> Callable[..., Process]:
    return lambda me, home="", space="demo": Process(opened(url, space), me, home)


def test_one_leads_and_the_next_takes_over_at_once_when_it_leaves(process: Callable[..., Process]) -> None:
    one, two = process("own-1"), process("own-2")
    one.fleet.join()
    two.fleet.join()
    for _ in range(20):
        one.beat()
        two.beat()
    assert (one.fleet.epoch, two.fleet.epoch) == (1, 0)
    gone: list[int] = []
    two.fleet.when_gone(lambda: gone.append(1))
    one.fleet.leave()
    two.beat()
    assert (two.fleet.epoch, gone) == (2, [1])
    assert not two.fleet.alive("own-1")


def test_a_silent_process_is_given_up_after_a_while_by_whoever_looks(process: Callable[..., Process]) -> None:
    one, two, three = process("own-1"), process("own-2"), process("own-3")
    for each in (one, two, three):
        each.fleet.join()
    for _ in range(5):
        two.beat()
        three.beat()
        assert two.fleet.epoch == 0
        assert two.fleet.alive("own-1")
    two.beat()
    assert two.fleet.epoch == 2
    assert not two.fleet.alive("own-1")
    three.beat()
    assert not three.fleet.alive("own-1"), "one judgement holds for all"
    assert three.fleet.epoch == 0


def test_of_many_that_take_over_at_once_one_leads(process: Callable[..., Process]) -> None:
    dead = process("own-dead")
    dead.fleet.join()
    many = [process(f"own-{number}") for number in range(6)]
    for each in many:
        each.fleet.join()
    dead.fleet.leave()
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda each: each.beat(), many))
    assert sorted(each.fleet.epoch for each in many) == [0, 0, 0, 0, 0, 2]


def test_who_lost_the_lead_writes_neither_marks_nor_the_outbox(process: Callable[..., Process]) -> None:
    """A process that slept for an hour wakes in the middle of its step."""
    one, two = process("own-1"), process("own-2")
    one.fleet.join()
    two.fleet.join()
    one.journal.admit(run("cmp-1"))
    ended = one.journal.close("cmp-1", ComputationState.REFUSED, entry("cmp-1"), (), NOW)
    one.marks.advance(Mark("negotiations", 3))
    for _ in range(9):
        two.beat()
    assert (one.fleet.epoch, two.fleet.epoch) == (1, 2), "it does not know yet"
    assert ended.receipt is not None
    with pytest.raises(Unavailable, match="Another process"):
        one.journal.sent([canonical.digest(ended.receipt)])
    with pytest.raises(Unavailable, match="Another process"):
        one.marks.advance(Mark("negotiations", 9))
    assert two.marks.find("negotiations") == Mark("negotiations", 3)
    assert len(two.journal.outbox(9)) == 1
    two.marks.advance(Mark("negotiations", 4))
    two.journal.sent([canonical.digest(ended.receipt)])
    one.beat()
    assert (one.fleet.epoch, two.fleet.alive("own-1")) == (0, True), "it is at work again and does not lead"


def test_a_process_that_cannot_beat_leads_no_longer_by_its_own_clock(
    process: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = process("own-1")
    one.fleet.join()

    def away() -> None:
        raise Unavailable("store.unavailable", why="it is away")

    monkeypatch.setattr(one.fleet._database, "noting", away)
    for epoch in (1, 0):
        with pytest.raises(Unavailable):
            one.beat(3)
        assert one.fleet.epoch == epoch
    monkeypatch.undo()
    one.beat()
    assert one.fleet.epoch == 1, "nobody else took it"


def test_earlier_runs_of_a_home_are_over_when_it_begins_again(process: Callable[..., Process]) -> None:
    """After kill -9 nobody waits: two processes of one directory never run at once."""
    before = process("own-1", "home-a")
    before.fleet.join()
    again = process("own-2", "home-a")
    again.fleet.join()
    assert not again.fleet.alive("own-1")
    assert again.fleet.epoch == 2


def test_a_process_that_came_after_the_last_look_is_at_work(process: Callable[..., Process]) -> None:
    one, two = process("own-1"), process("own-2")
    one.fleet.join()
    two.fleet.join()
    assert one.fleet.alive("own-2")
    assert not one.fleet.alive("own-9")
    assert not one.fleet.alive("")


def test_spaces_on_one_store_have_their_own_leads(process: Callable[..., Process]) -> None:
    one, other = process("own-1"), process("own-2", space="second")
    one.fleet.join()
    other.fleet.join()
    assert (one.fleet.epoch, other.fleet.epoch) == (1, 1)


def test_who_is_asked_to_stop_a_run_sees_it_and_the_first_word_stands(process: Callable[..., Process]) -> None:
    one, two = process("own-1"), process("own-2")
    one.journal.admit(replace(run("cmp-1"), owner="own-1"))
    one.journal.start("cmp-1", charge(), NOW)
    two.fleet.stop("cmp-1", "cancelled")
    two.fleet.stop("cmp-1", "contract.ended")
    two.fleet.stop("cmp-none", "cancelled")
    assert [(each.owner, each.stop) for each in one.journal.unfinished()] == [("own-1", "cancelled")]


def test_of_many_first_marks_one_stands_and_none_beside_what_rules_it_out(url: str, opened: Open) -> None:
    stores = [SqlMarks(opened(url)) for _ in range(4)]
    with ThreadPoolExecutor(8) as threads:
        kept = set(threads.map(lambda number: stores[number % 4].first(Mark("said/agree", 1, f"{number}")), range(24)))
    assert len(kept) == 1
    assert stores[0].find("said/agree") in kept
    stores[1].first(Mark("said/end", 1, "no"))
    with pytest.raises(Conflict):
        stores[2].first(Mark("said/other", 1, "yes"), "said/end")
    assert stores[3].find("said/other") is None
