"""One space for all journeys: a broker, a provider, two consumers and a regulator, each a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hefu.envelope import new_id
from hefu_space import data, products
from hefu_space.products import Product, Terms
from hefu_space.space import Member, Node, Space

from tests import division
from tests.journeys import acts
from tests.journeys.acts import Deal

PROVIDER = Member("hospital-a", ("Hospital A", "甲医院"), ("provider",))
CONSUMER = Member("institute", ("Institute", "研究院"), ("consumer",))
RIVAL = Member("pharma", ("Pharma", "药企"), ("consumer",))
FEW = 5  # releases that the small offer grants


_started: list[Space] = []


def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Four servers take processor time even while nobody asks them: they end with the last test that shares them."""
    if nextitem is None or not division.shares(nextitem.nodeid.partition("::")[0]):
        while _started:
            _started.pop().stop()


@pytest.fixture(scope="session")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    made = Space(tmp_path_factory.mktemp("space"), {"HEFU_TEST": "1"}, {"quantum_ms": 50})
    try:
        made.found()
        made.join([PROVIDER, CONSUMER, RIVAL])
        _started.append(made)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def regulator(space: Space) -> Path:
    return space.join_regulator("regulator")


@pytest.fixture(scope="session")
def provider(space: Space) -> Node:
    return space.nodes[PROVIDER.name]


@pytest.fixture(scope="session")
def consumer(space: Space) -> Node:
    return space.nodes[CONSUMER.name]


@pytest.fixture(scope="session")
def rival(space: Space) -> Node:
    return space.nodes[RIVAL.name]


@pytest.fixture(scope="session")
def samples() -> data.Extract:
    return data.hospitals()[0]


@pytest.fixture(scope="session")
def product(provider: Node, samples: data.Extract) -> Product:
    """The hospital's product, published through its commands; a second, small offer stands beside the first."""
    (made,) = products.tumour_products([samples], [(provider.name, PROVIDER.titles)])
    terms = replace(made.terms, approval="automatic", budget="100", releases=1000, minimum_group=1)
    made = replace(made, terms=terms, lifetime=("1000", 100000)).named(new_id("prd"))
    table = provider.folder / "data" / "tumours.csv"
    made.extract.write(table)
    provider.do("source", "add", "tumours", str(table))
    file = provider.folder / "tumours.yaml"
    file.write_text(made.text() + _small(terms), "utf-8")
    provider.do("product", "publish", str(file))
    return made


def _small(terms: Terms) -> str:
    few = replace(terms, name="few", releases=FEW)
    by_hand = replace(terms, name="by-hand", approval="manual")
    until = "2099-01-01T00:00:00Z"
    return "\n".join([*few.lines(until), *by_hand.lines(until), ""])


@pytest.fixture
def deal(provider: Node, consumer: Node, product: Product) -> Deal:
    """A fresh agreement on the large offer."""
    return acts.agree(provider, consumer, product.id, "research")


@pytest.fixture
def few(provider: Node, consumer: Node, product: Product) -> Deal:
    """A fresh agreement that grants `FEW` releases."""
    return acts.agree(provider, consumer, product.id, "few")


@pytest.fixture
def restored(space: Space) -> Iterator[Callable[..., None]]:
    """Stop and start processes at will; afterwards all run again, without a fault to come."""
    yield lambda *_: None
    for process in space.processes():
        if not process.alive:
            process.start()
