"""Consumers take turns: whoever asks much waits for itself."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hefu_connector.computing.turns import Turns, may_wait


class House:
    """Work that goes on until it is let go, so that a test decides the order of ends."""

    def __init__(self, jobs: int) -> None:
        self.turns = Turns(ThreadPoolExecutor(jobs + 1), jobs)
        self.begun: list[str] = []
        self.much: dict[str, bool] = {}
        self._changed = threading.Condition()
        self._let_go: set[str] = set()
        self._all = False

    def offer(self, name: str) -> None:
        self.turns.offer(name[0], partial(self._work, name))

    def let_go(self, name: str) -> None:
        with self._changed:
            self._let_go.add(name)
            self._changed.notify_all()

    def until(self, *names: str) -> None:
        """Wait until exactly these have begun, in this order."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= len(names), 10), self.begun
            assert self.begun == [*names]

    def empty(self) -> list[str]:
        """Let everything end; what began, in order."""
        with self._changed:
            self._all = True
            self._changed.notify_all()
        while self.turns._waiting or self.turns._running:
            threading.Event().wait(0.001)
        self.turns.close()
        return self.begun

    def _work(self, name: str, much: bool) -> None:
        with self._changed:
            self.begun.append(name)
            self.much[name] = much
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._all or name in self._let_go, 10)


def test_one_who_asks_much_does_not_hold_up_others() -> None:
    house = House(1)
    for name in ("f0", "f1", "f2"):
        house.offer(name)
    house.until("f0")
    house.offer("h0")
    house.until("f0", "h0")  # at once, on the place that is kept for such
    house.offer("i0")
    house.let_go("h0")
    house.until("f0", "h0", "i0")
    house.let_go("f0")
    house.let_go("i0")
    house.until("f0", "h0", "i0", "f1")
    assert house.much == {"f0": False, "f1": True, "h0": False, "i0": False}
    assert house.empty()[-1] == "f2"


def test_all_places_are_used_by_one_where_nobody_else_asks() -> None:
    house = House(2)
    for name in ("f0", "f1", "f2"):
        house.offer(name)
    with house._changed:
        assert house._changed.wait_for(lambda: len(house.begun) == 2, 10)
        assert not house._changed.wait_for(lambda: len(house.begun) > 2, 0.05), "the place kept for others"
    assert sorted(house.empty()) == ["f0", "f1", "f2"]


@pytest.mark.parametrize("seed", range(12))
def test_everything_is_done_once_however_it_comes(seed: int) -> None:
    chance = random.Random(seed)
    house = House(chance.randint(1, 3))
    names = [f"{chance.choice('abc')}{number:02}" for number in range(20)]
    for name in names:
        house.offer(name)
    done = house.empty()
    assert sorted(done) == sorted(names)


def test_a_full_house_has_room_for_who_holds_less_than_a_share() -> None:
    assert may_wait("a", [], each=4, most=8)
    assert not may_wait("a", ["a"] * 4, each=4, most=8), "its own limit"
    assert not may_wait("a", ["a", *["b"] * 4, *["c"] * 3, "d", "e"], each=4, most=8), "full, and it holds its share"
    assert may_wait("new", [*["b"] * 4, *["c"] * 4], each=4, most=8)


def test_nothing_begins_after_the_close() -> None:
    house = House(1)
    house.offer("a0")
    house.until("a0")
    house.offer("a1")
    closing = threading.Thread(target=house.turns.close)
    closing.start()
    while house.turns._waiting:  # the close has begun
        threading.Event().wait(0.001)
    house.let_go("a0")
    closing.join(10)
    assert house.begun == ["a0"]
