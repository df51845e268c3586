"""A second person's witness follows the broker's log: while it is away nothing new is published, and then all is."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hefu.errors import Unavailable
from hefu.v1 import control_pb2
from hefu.wire import transport
from hefu_space import data, harness, products
from hefu_space.space import LOCAL, Member, Node, Space, free_ports

from tests.journeys import acts

PROVIDER = Member("hospital-a", ("Hospital A", "甲医院"), ("provider",))
CONSUMER = Member("institute", ("Institute", "研究院"), ("consumer",))


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Space]:
    made = Space(tmp_path / "space", {"HEFU_TEST": "1"}, {"quantum_ms": 50, "workers": 1, "members_seconds": 1})
    made.broker.words = (*made.broker.words, "--http", f"{LOCAL}:{free_ports(1)[0]}")
    try:
        made.found()
        yield made
    finally:
        made.stop()


def metric(space: Space, name: str) -> float:
    with urllib.request.urlopen(f"http://{LOCAL}:{space.broker.ready['http_port']}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(each.split()[-1] for each in lines if each.startswith(f"{name} ")))


def state(node: Node, name: str) -> int | None:
    """Of a contract; None while the broker is not reached again."""
    try:
        return int(acts.contract(node, name).state)
    except Unavailable:
        return None


def test_nothing_new_has_effect_while_the_witness_is_away(space: Space, tmp_path: Path) -> None:
    regulator = space.join_regulator("regulator")
    witness = space.join_witness("watcher", regulator)
    provider, consumer = space.enrol([PROVIDER, CONSUMER])
    second = provider.do("connector", "witness")["line"]
    for node in (provider, consumer):
        node.process.start()
    first_line = (space.folder / "policy.txt").read_text().split("\n")[0]
    both = f"{first_line}\n{second}\ngroup both all watcher {provider.name}\nquorum both\n"
    space.operator.charter((regulator.name,), both)
    (made,) = products.tumour_products([data.hospitals()[0]], [(PROVIDER.name, PROVIDER.titles)])
    made = replace(made, terms=replace(made.terms, approval="automatic")).named("prd-witnessed")
    table, file = provider.folder / "data" / "tumours.csv", provider.folder / "tumours.yaml"
    made.extract.write(table)
    provider.do("source", "add", "tumours", str(table))
    file.write_text(made.text(), "utf-8")
    provider.do("product", "publish", str(file))
    first = acts.agree(provider, consumer, made.id, made.terms.name)

    witness.kill()
    with consumer.control() as stub:
        request = control_pb2.RequestContractRequest(
            product=f"products/{made.id}", offer=made.terms.name, purpose=acts.PURPOSE
        )
        asked = transport.invoke(stub.RequestContract, request, peer=consumer.name, timeout=30)

    def waits() -> bool:
        return metric(space, "hefu_witnesses_missing") == 1 and metric(space, "hefu_log_unpublished") > 0

    assert harness.until(waits, 20)
    assert harness.until(lambda: acts.contract(consumer, asked.name).state != acts.ACTIVE, 5)
    assert acts.query(first).computation.state in acts.FINAL  # contracts in force go on
    assert metric(space, "hefu_log_unpublished") > 0
    assert acts.contract(consumer, asked.name).state != acts.ACTIVE
    space.broker.kill()
    space.broker.start()  # what the quorum is behind stays published; the rest waits still
    assert harness.until(waits, 20)
    assert harness.until(lambda: state(consumer, asked.name) not in (None, acts.ACTIVE), 20)

    witness.start()
    for node in (consumer, provider):
        assert harness.until(lambda node=node: state(node, asked.name) == acts.ACTIVE, 30), node.name  # type: ignore[misc]
    bundle = tmp_path / "evidence.zip"
    harness.must(("audit", "fetch", "--out", str(bundle), "--dir", str(regulator)))
    answer = harness.run(("verify", str(bundle), "--space", str(regulator / "space.json")))
    checks = {each["name"]: each for each in answer.document["checks"]}
    assert answer.ok, answer.document
    assert checks["witnesses"]["seen"] == 2
    assert checks["gossip"]["seen"] > 0
    status = harness.must(("witness", "status", "--dir", str(space.folder / "watcher")))
    assert not status["evidence"]
    assert next(iter(status["logs"].values()))["size"] >= answer.document["size"]
