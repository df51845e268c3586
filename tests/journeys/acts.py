"""What people and programs do in the journeys, over the same sockets and certificates as anybody."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement, draft, new_id
from hefu.keeping.keys import FileSigner
from hefu.times import SystemClock
from hefu.v1 import common_pb2, computation_pb2, computation_pb2_grpc, control_pb2
from hefu.wire import transport
from hefu_connector.computing.asking import new_nonce
from hefu_connector.computing.request import REQUESTED, ComputationRequest
from hefu_connector.engines import language
from hefu_connector.settings import Home, Settings
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.product import Description
from hefu_space import harness
from hefu_space.space import Node

PURPOSE = "dpv:ScientificResearch"
FINAL = {
    computation_pb2.Computation.STATE_RELEASED,
    computation_pb2.Computation.STATE_REFUSED,
    computation_pb2.Computation.STATE_FAILED,
    computation_pb2.Computation.STATE_CANCELLED,
}
COUNT = 'SELECT COUNT(*) AS n FROM "{product}"'


@dataclass(frozen=True)
class Deal:
    """An agreement in force between two of the space's participants."""

    provider: Node
    consumer: Node
    product: str
    agreement: str
    description: Description

    def plan(self, query: str = COUNT, epsilon: str = "0.1") -> Object:
        """The typed plan of a query, as the consumer's commands make it."""
        text = query.format(product=self.product)
        return language.parse(text, self.description, PrivacyLoss.of_text(epsilon, "0")).body()


def agree(provider: Node, consumer: Node, product: str, offer: str) -> Deal:
    """Request a contract and wait until it is in force on both sides."""
    with consumer.control() as stub:
        request = control_pb2.RequestContractRequest(product=f"products/{product}", offer=offer, purpose=PURPOSE)
        made = transport.invoke(stub.RequestContract, request, peer=consumer.name, timeout=30)
    for node in (consumer, provider):
        assert harness.until(lambda node=node: contract(node, made.name).state == ACTIVE, 20), node.name
    held = contract(consumer, made.name)
    description = Description.of(Statement.parse(held.description.envelope).body)
    return Deal(provider, consumer, product, held.agreement_name.removeprefix("agreements/"), description)


ACTIVE = control_pb2.Contract.STATE_ACTIVE


def contract(node: Node, name: str) -> control_pb2.Contract:
    """One contract as a participant sees it."""
    with node.control() as stub:
        return transport.invoke(stub.GetContract, control_pb2.GetContractRequest(name=name), peer=node.name)


def query(deal: Deal, text: str = COUNT, epsilon: str = "0.1") -> control_pb2.OwnComputation:
    """Ask through the consumer's own connector, and follow to the end."""
    with deal.consumer.control() as stub:
        request = control_pb2.ControlServiceCreateComputationRequest(
            agreement=f"agreements/{deal.agreement}", plan=canonical.encode(deal.plan(text, epsilon))
        )
        last = transport.invoke(stub.CreateComputation, request, peer=deal.consumer.name, timeout=60)
        watch = computation_pb2.WatchComputationRequest(name=last.computation.name)
        deque(transport.stream(stub.WatchComputation, watch, peer=deal.consumer.name, timeout=60), maxlen=0)
        found = computation_pb2.GetComputationRequest(name=last.computation.name)
        return transport.invoke(stub.GetComputation, found, peer=deal.consumer.name, timeout=30)


def balances(node: Node) -> dict[str, control_pb2.Balance]:
    """Every account of a participant, by name."""
    with node.control() as stub:
        found = transport.invoke(stub.ListBalances, control_pb2.ListBalancesRequest(), peer=node.name)
    return {each.account: each for each in found.balances}


def charged(deal: Deal) -> tuple[int, int]:
    """(ε in 10⁻⁹, releases) charged to an agreement at its provider."""
    found = balances(deal.provider).get(f"agreement/{deal.agreement}")
    return (found.charged.epsilon_nano, found.charged_releases) if found else (0, 0)


def unsent(node: Node) -> bool:
    """Whether a connector still has statements that the broker's log has not."""
    with node.control() as stub:
        found = transport.invoke(stub.GetConnector, control_pb2.GetConnectorRequest(), peer=node.name)
    return any(each.kind == control_pb2.Waiting.KIND_OUTBOX for each in found.waiting)


def audit(regulator: Path, out: Path, space_file: Path) -> Any:
    """The regulator's visit, then the verification that anybody can repeat; the report."""
    fetched = harness.run(("audit", "fetch", "--out", str(out), "--dir", str(regulator)))
    assert fetched.ok, fetched.error or fetched.document
    verified = harness.run(("verify", str(out), "--space", str(space_file)))
    assert verified.ok, verified.document
    return verified.document


@dataclass(frozen=True)
class Caller:
    """Somebody with a participant's own keys, who may say to a provider's connector whatever a wire can carry."""

    participant: str
    signer: FileSigner
    space: str
    stub: computation_pb2_grpc.ComputationServiceStub

    def request(self, deal: Deal, plan: Object | None = None, **changes: Any) -> Statement:
        """A signed request under a deal; ``changes`` replace members of `ComputationRequest`."""
        asked = ComputationRequest(
            computation=new_id("cmp"),
            agreements=(deal.agreement,),
            plan=deal.plan() if plan is None else plan,
            purpose=PURPOSE,
            recipient=self.participant,
            nonce=new_nonce(),
        )
        return self.sign(replace(asked, **changes).body())

    def sign(self, body: Object) -> Statement:
        """A signed request of any body."""
        at = SystemClock().now()
        actor: Object = {"kind": "person", "user": "tester"}
        made = draft(REQUESTED, body, space=self.space, issuer=self.participant, at=at, actor=actor)
        return made.sign(self.signer, at)

    def send(self, envelope: bytes) -> computation_pb2.Computation:
        """CreateComputation with these exact bytes."""
        message = computation_pb2.CreateComputationRequest(request=common_pb2.Statement(envelope=envelope))
        return transport.invoke(self.stub.CreateComputation, message, peer="the provider", timeout=30)

    def see(self, computation: str) -> computation_pb2.Computation:
        """GetComputation."""
        request = computation_pb2.GetComputationRequest(name=f"computations/{computation}")
        return transport.invoke(self.stub.GetComputation, request, peer="the provider")

    def end(self, computation: str) -> computation_pb2.Computation:
        """Watch a computation until it ends."""
        request = computation_pb2.WatchComputationRequest(name=f"computations/{computation}")
        changes = transport.stream(self.stub.WatchComputation, request, peer="the provider", timeout=60)
        (last,) = deque(changes, maxlen=1)
        assert last.state in FINAL
        return last

    def fetch(self, computation: str) -> list[bytes]:
        """All sealed parts of a release."""
        request = computation_pb2.FetchReleaseRequest(name=f"computations/{computation}")
        parts = transport.stream(self.stub.FetchRelease, request, peer="the provider", timeout=30)
        return [each.sealed for each in parts]


@contextmanager
def caller(node: Node, provider: Node) -> Iterator[Caller]:
    """Speak to a provider's connector with a participant's own certificate and key, past its connector."""
    home = Home(node.folder)
    settings = Settings.read(home)
    ring = settings.ring(home)
    with transport.connect(
        provider.process.ready["endpoint"],
        root_pem=(provider.folder / "transport.pem").read_bytes(),
        certificate_pem=home.certificate.read_bytes(),
        key_pem=ring.transport_pem(),
        server_name=f"{Settings.read(Home(provider.folder)).connector}.hefu",
    ) as channel:
        space = str(json.loads(home.space.read_text())["space"])
        stub = computation_pb2_grpc.ComputationServiceStub(channel)
        yield Caller(node.name, ring.signer(), space, stub)


def patiently(work: Callable[[], Any], code: str, seconds: float = 60) -> Any:
    """Repeat what is shed under load, as every client may; the first result that is not ``code``."""
    from hefu.errors import HefuError

    found: list[Any] = []

    def done() -> bool:
        try:
            found.append(work())
        except HefuError as fault:
            if fault.code != code:
                raise
        return bool(found)

    assert harness.until(done, seconds), f"still {code}"
    return found[0]
