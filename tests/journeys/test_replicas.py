"""Two processes of one provider's connector on one store (promise Q-e, A-b): one budget, one chain, one leader."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hefu.envelope import new_id
from hefu.v1 import computation_pb2
from hefu_space import data, harness, products
from hefu_space.space import Node, Space

from tests.journeys import acts
from tests.journeys.acts import Deal
from tests.journeys.conftest import CONSUMER, FEW, PROVIDER, _small

State = computation_pb2.Computation


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.slow, pytest.mark.deep])]
)
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    """A space whose provider keeps its store where the test wants it."""
    made = Space(tmp_path_factory.mktemp("town"), {"HEFU_TEST": "1"}, {"quantum_ms": 50})
    try:
        made.found()
        provider, consumer = made.enrol([PROVIDER, CONSUMER])
        if request.param == "postgresql":
            keep_in(provider, request.getfixturevalue("postgresql").database())
        for node in (provider, consumer):
            node.process.begin()
        for node in (provider, consumer):
            node.process.wait_ready()
        yield made
    finally:
        made.stop()


def keep_in(node: Node, url: str) -> None:
    path = node.folder / "connector.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "database": url}))


@pytest.fixture(scope="module")
def first(town: Space) -> Node:
    return town.nodes[PROVIDER.name]


@pytest.fixture(scope="module")
def second(town: Space, first: Node) -> Iterator[Node]:
    """The replica: made by its command, started like any connector."""
    folder = town.folder / "replica"
    made = harness.must(("connector", "replica", "--of", str(first.folder), "--dir", str(folder)))
    assert made["connector"] == f"{first.name}-c1"
    serving = ("connector", "serve", "--dir", str(folder), "--json")
    process = harness.Process("replica", serving, town.folder / "logs" / "replica.log", town.environment)
    node = Node(first.member, folder, process.start())
    yield node
    process.stop()


@pytest.fixture(scope="module")
def product(first: Node) -> products.Product:
    (made,) = products.tumour_products([data.hospitals()[0]], [(first.name, PROVIDER.titles)])
    terms = replace(made.terms, approval="automatic", budget="100", releases=1000, minimum_group=1)
    made = replace(made, terms=terms, lifetime=("1000", 100000)).named(new_id("prd"))
    table = first.folder / "data" / "tumours.csv"
    made.extract.write(table)
    first.do("source", "add", "tumours", str(table))
    file = first.folder / "tumours.yaml"
    file.write_text(made.text() + _small(terms), "utf-8")
    first.do("product", "publish", str(file))
    return made


@pytest.fixture
def deal(town: Space, first: Node, second: Node, product: products.Product) -> Deal:
    return acts.agree(first, town.nodes[CONSUMER.name], product.id, "few")


def test_of_sixty_four_requests_at_once_over_two_replicas_exactly_the_granted_number_is_released(
    deal: Deal, first: Node, second: Node
) -> None:
    with acts.caller(deal.consumer, first) as one, acts.caller(deal.consumer, second) as two:
        envelopes = [one.request(deal).to_bytes() for _ in range(64)]

        def ask(number: int) -> computation_pb2.Computation:
            here, there = (one, two) if number % 2 else (two, one)
            found = acts.patiently(lambda: here.send(envelopes[number]), "peer.overloaded")
            id_ = found.name.removeprefix("computations/")
            end = there.end(id_)
            assert here.send(envelopes[number]).receipt == end.receipt
            return end

        with ThreadPoolExecutor(16) as pool:
            ends = [each.state for each in pool.map(ask, range(64))]
    assert ends.count(State.STATE_RELEASED) == FEW
    assert ends.count(State.STATE_REFUSED) == 64 - FEW
    assert acts.charged(deal) == acts.charged(replace(deal, provider=second)) == (FEW * 100_000_000, FEW)


def test_one_request_sent_to_both_replicas_at_once_is_one_computation(deal: Deal, first: Node, second: Node) -> None:
    with acts.caller(deal.consumer, first) as one, acts.caller(deal.consumer, second) as two:
        envelope = one.request(deal).to_bytes()
        with ThreadPoolExecutor(8) as pool:
            names = {each.name for each in pool.map(lambda n: (one, two)[n % 2].send(envelope), range(8))}
        (name,) = names
        id_ = name.removeprefix("computations/")
        assert one.end(id_).receipt == two.end(id_).receipt
        assert one.fetch(id_) == two.fetch(id_) != []
    assert acts.charged(deal) == (100_000_000, 1)


def test_a_replica_killed_at_work_leaves_its_runs_to_the_other(
    town: Space, deal: Deal, first: Node, second: Node, tmp_path: Path
) -> None:
    """The first one led. The second ends what it carried out, takes the lead, and the consumer hears of it there."""
    first.process.stop()
    first.process.start(HEFU_FAULT="worker.returned:1:kill")
    with acts.caller(deal.consumer, first) as one, acts.caller(deal.consumer, second) as two:
        request = one.request(deal)
        id_ = str(request.body["computation"])
        one.send(request.to_bytes())
        assert first.process.wait() == -signal.SIGKILL
        ended = two.end(id_)
        assert ended.state == State.STATE_FAILED
        assert two.send(request.to_bytes()).receipt == ended.receipt, "the same request is the same computation"
        # charged ≥ released, and the budget goes on where it was.
        assert acts.charged(replace(deal, provider=second)) == (100_000_000, 1)
    # The consumer's own connector finds the replica that is left, for a new contract and for its answer.
    again = acts.agree(second, deal.consumer, deal.product, "few")
    found = acts.query(again)
    assert found.computation.state == State.STATE_RELEASED
    assert harness.until(lambda: not acts.unsent(second), 30), "the one that is left sends the journal of both"
    first.process.start()
    assert harness.until(lambda: acts.contract(first, f"agreements/{again.agreement}").state == acts.ACTIVE, 20)


def test_a_computation_is_cancelled_through_the_other_replica(deal: Deal, first: Node, second: Node) -> None:
    first.process.stop()
    first.process.start(HEFU_FAULT="worker.returned:1:delay")
    with acts.caller(deal.consumer, first) as one, acts.caller(deal.consumer, second) as two:
        request = one.request(deal)
        id_ = str(request.body["computation"])
        one.send(request.to_bytes())
        cancel = computation_pb2.CancelComputationRequest(name=f"computations/{id_}")
        two.stub.CancelComputation(cancel, timeout=20)
        assert one.end(id_).state in (State.STATE_CANCELLED, State.STATE_FAILED)
    assert acts.charged(deal) == (100_000_000, 1)


def test_a_replica_that_sleeps_too_long_loses_its_runs_and_releases_nothing_twice(
    deal: Deal, first: Node, second: Node
) -> None:
    """A machine that stood still wakes up in the middle of a computation that the other has ended."""
    first.process.stop()
    first.process.start(HEFU_FAULT="guard.passed:1:delay")
    with acts.caller(deal.consumer, first) as one, acts.caller(deal.consumer, second) as two:
        request = one.request(deal)
        id_ = str(request.body["computation"])
        one.send(request.to_bytes())
        os.kill(first.process.pid, signal.SIGSTOP)
        try:
            ended = two.end(id_)
        finally:
            os.kill(first.process.pid, signal.SIGCONT)
        assert one.end(id_).receipt == ended.receipt
        if ended.state == State.STATE_FAILED:
            assert two.see(id_).parts == 0
    assert acts.charged(deal) == (100_000_000, 1)


def test_the_journal_of_both_is_one_whole_chain(town: Space, deal: Deal, second: Node, tmp_path: Path) -> None:
    acts.query(deal)
    regulator = town.join_regulator("regulator")
    assert harness.until(lambda: not acts.unsent(second), 30)
    assert acts.audit(regulator, tmp_path / "bundle", town.space_file)["verified"]
