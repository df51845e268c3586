"""A founded space, copied for each test, and the people in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu.identity import Binding
from hefu_broker.bootstrap import open_rooms
from hefu_broker.founding import Plan, found

from tests.broker.world import Deal, Person, SetClock, World, description, publish

ROLES = {"hospital-a": "provider", "insurer-b": "consumer", "regulator-r": "regulator"}


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Binding]]:
    """A founded space with a provider, a consumer and a regulator, to be copied."""
    base, clock = tmp_path_factory.mktemp("founded"), SetClock()
    plan = Plan(base / "broker", base / "root", "demo", "127.0.0.1:0", "127.0.0.1:0", "hefu.example/demo")
    found(plan, clock)
    world = World(base / "broker", base / "root", clock, open_rooms(base / "broker", clock, serving=True))
    for name, role in ROLES.items():
        world.person(name, role)
    world.rooms.database.close()
    return base, world.callers


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[World]:
    """A space that was just founded."""
    clock = SetClock()
    plan = Plan(tmp_path / "broker", tmp_path / "root", "demo", "127.0.0.1:0", "127.0.0.1:0", "hefu.example/demo")
    found(plan, clock)
    made = World(plan.folder, plan.root, clock, open_rooms(plan.folder, clock, serving=True))
    yield made
    made.rooms.database.close()


@pytest.fixture
def world(founded: tuple[Path, dict[str, Binding]], tmp_path: Path) -> Iterator[World]:
    """A space of its own for each test, with the people of `ROLES`."""
    base = tmp_path / "space"
    shutil.copytree(founded[0], base)
    clock = SetClock()
    made = World(base / "broker", base / "root", clock, open_rooms(base / "broker", clock, serving=True))
    yield made.settle_in(founded[1])
    made.rooms.database.close()


@pytest.fixture
def provider(world: World) -> Person:
    return world.person("hospital-a", "provider")


@pytest.fixture
def consumer(world: World) -> Person:
    return world.person("insurer-b", "consumer")


@pytest.fixture
def regulator(world: World) -> Person:
    return world.person("regulator-r", "regulator")


@pytest.fixture
def deal(world: World, provider: Person, consumer: Person) -> Deal:
    return Deal(world, provider, consumer, publish(world, provider, description()))
