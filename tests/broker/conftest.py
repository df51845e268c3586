"""A founded space, copied for each test, and the people in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hefu.identity import Binding
from hefu_broker.bootstrap import open_rooms
from hefu_broker.founding import Plan, found
from hefu_broker.settings import Settings

from tests.broker.site import Site, serving
from tests.broker.world import Deal, Person, SetClock, World, description, publish
from tests.postgresql import PostgreSQL

ROLES = {"hospital-a": "provider", "insurer-b": "consumer", "regulator-r": "regulator"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a module on each kind of database that it names."""
    if "kind" in metafunc.fixturenames and hasattr(metafunc.module, "KINDS"):
        metafunc.parametrize("kind", metafunc.module.KINDS, indirect=True)


class Founded(NamedTuple):
    """A founded space with a provider, a consumer and a regulator, to be copied."""

    base: Path
    callers: dict[str, Binding]
    server: PostgreSQL | None
    database: str


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Which database the worlds of this test stand on. See `pytest_generate_tests`."""
    found: str = getattr(request, "param", "sqlite")
    return found


@pytest.fixture(scope="session")
def foundings(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[[str], Founded]:
    """Founds a space on each kind of database, once."""

    @cache
    def make(kind: str) -> Founded:
        server: PostgreSQL | None = request.getfixturevalue("postgresql") if kind == "postgresql" else None
        base, clock, url = tmp_path_factory.mktemp("founded"), SetClock(), server.database() if server else ""
        addresses = ("127.0.0.1:0", "127.0.0.1:0", "hefu.example/demo")
        found(Plan(base / "broker", base / "root", "demo", *addresses, database=url), clock)
        world = World(base / "broker", base / "root", clock, open_rooms(base / "broker", clock, serving=True))
        for name, role in ROLES.items():
            world.person(name, role)
        world.rooms.database.close()
        return Founded(base, world.callers, server, url)

    return make


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
def world(foundings: Callable[[str], Founded], kind: str, tmp_path: Path) -> Iterator[World]:
    """A space of its own for each test, with the people of `ROLES`."""
    base, founded, clock = tmp_path / "space", foundings(kind), SetClock()
    shutil.copytree(founded.base, base)
    if founded.server:
        settings = Settings.read(base / "broker")
        replace(settings, database=founded.server.lend(founded.database)).write(base / "broker")
    made = World(base / "broker", base / "root", clock, open_rooms(base / "broker", clock, serving=True))
    made.server, made.template = founded.server, founded.database
    yield made.settle_in(founded.callers)
    made.close()


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
def site(world: World) -> Iterator[Site]:
    """The pages of the world's broker, over HTTP."""
    with serving(world) as found:
        yield found


@pytest.fixture
def deal(world: World, provider: Person, consumer: Person) -> Deal:
    return Deal(world, provider, consumer, publish(world, provider, description()))
