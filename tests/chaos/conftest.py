"""Spaces of real processes whose network, disks and clocks a test can spoil."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hefu.envelope import new_id
from hefu_space import data, harness, products
from hefu_space.space import Member, Node, Space, free_ports

from tests.chaos.proxy import Proxy
from tests.chaos.recording import Recording
from tests.journeys import acts

PROVIDER = Member("hospital-a", ("Hospital A", "甲医院"), ("provider",))
CONSUMER = Member("institute", ("Institute", "研究院"), ("consumer",))


@dataclass
class Town:
    """A broker, a provider and a consumer, each behind a proxy where somebody dials it."""

    space: Space
    regulator: Path
    product: str
    clock: Path
    broker_way: Proxy
    provider_way: Proxy

    @property
    def provider(self) -> Node:
        return self.space.nodes[PROVIDER.name]

    @property
    def consumer(self) -> Node:
        return self.space.nodes[CONSUMER.name]

    def record(self) -> Recording:
        """A fresh agreement, and what is asked under it."""
        provider, consumer = self.provider, self.consumer
        # A link that was broken a moment ago comes back within seconds.
        deal = acts.patiently(lambda: acts.agree(provider, consumer, self.product, "research"), "peer.unreachable")
        return Recording(self.space, self.regulator, deal)

    def heal(self) -> None:
        """Everything runs, on a good network, by the right clock."""
        self.broker_way.become("pass")
        self.provider_way.become("pass")
        self.clock.write_text("0\n")
        for process in self.space.processes():
            if not process.alive:
                process.start()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town for each file: a journal whose clock once went back says so to every auditor for ever."""
    folder = tmp_path_factory.mktemp("town")
    clock = folder / "clock"
    clock.write_text("0\n")
    environment = {"HEFU_TEST": "1", "HEFU_CLOCK": str(clock)}
    space = Space(folder / "space", environment, {"quantum_ms": 50, "workers": 1})
    ways: list[Proxy] = []
    try:
        space.found()
        _add_relay(space)
        nodes = space.enrol([PROVIDER, CONSUMER])
        ways += [Proxy(_port(json.loads(space.space_file.read_text())["address"]))]
        provider = space.nodes[PROVIDER.name]
        ways += [Proxy(_port(_settings(provider)["listen"]))]
        for node in nodes:  # the broker's address is pinned in the file each participant was handed
            _change(node.folder / "space.json", address=f"127.0.0.1:{ways[0].port}")
        _change(provider.folder / "connector.json", endpoint=f"127.0.0.1:{ways[1].port}")
        for node in nodes:
            node.process.begin()
        for node in nodes:
            node.process.wait_ready()
        regulator = space.join_regulator("regulator")
        yield Town(space, regulator, publish(provider), clock, *ways)
    finally:
        space.stop()
        for way in ways:
            way.close()


@pytest.fixture
def healed(town: Town) -> Iterator[Town]:
    """The town, and afterwards all of it is well."""
    yield town
    town.heal()


def publish(provider: Node) -> str:
    """A product over tumour samples, in plenty."""
    (made,) = products.tumour_products([data.hospitals()[0]], [(provider.name, provider.member.titles)])
    from dataclasses import replace

    terms = replace(made.terms, approval="automatic", budget="500", releases=5000, minimum_group=1)
    made = replace(made, terms=terms, lifetime=("9000", 1_000_000)).named(new_id("prd"))
    table = provider.folder / "data" / "tumours.csv"
    made.extract.write(table)
    provider.do("source", "add", "tumours", str(table))
    file = provider.folder / "tumours.yaml"
    file.write_text(made.text(), "utf-8")
    provider.do("product", "publish", str(file))
    assert harness.until(lambda: bool(provider.do("connector", "status")), 20)
    return str(made.id)


def _add_relay(space: Space) -> None:
    """Connectors reach each other through the broker where no direct way is left."""
    space.broker.stop()
    (port,) = free_ports(1)
    for name in ("broker.json", "space.json"):
        _change(space.broker_folder / name, relay=f"127.0.0.1:{port}")
    space.broker.start()


def _settings(node: Node) -> dict[str, str]:
    found: dict[str, str] = json.loads((node.folder / "connector.json").read_text("utf-8"))
    return found


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _change(path: Path, **changes: str) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}, indent=2), "utf-8")
