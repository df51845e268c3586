"""An agreement of two providers over real processes: each signs in its turn, answers for itself, and may stop all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hefu.envelope import Statement, new_id
from hefu.errors import NotFound, Unavailable
from hefu.v1 import control_pb2
from hefu.wire import transport
from hefu_connector.workbench.link import contract_name
from hefu_space import data, harness, products
from hefu_space.space import Member, Node, Space

from tests.journeys import acts

FIRST = Member("hospital-a", ("Hospital A", "甲医院"), ("provider",))
SECOND = Member("hospital-b", ("Hospital B", "乙医院"), ("provider",))
CONSUMER = Member("institute", ("Institute", "研究院"), ("consumer",))
CAPS = {FIRST.name: "1", SECOND.name: "0.5"}  # the ε that each provider's own terms allow one release
QUERY = "SELECT COUNT(*) AS n FROM data"


@dataclass(frozen=True)
class Town:
    space: Space
    offered: dict[str, str]  # provider -> product
    regulator: Path

    def __getitem__(self, name: str) -> Node:
        return self.space.nodes[name]

    @property
    def consumer(self) -> Node:
        return self[CONSUMER.name]

    def request(self) -> str:
        """Ask both providers for one agreement; the negotiation."""
        first, second = self.offered.values()
        words = ("contract", "request", first, "--offer", "research", "--purpose", acts.PURPOSE)
        asked = self.consumer.do(*words, "--with", f"{second}:research", "--wait", "0")
        return str(asked["negotiation"])

    def shown(self, name: str, contract: str) -> Any:
        return self[name].do("contract", "show", contract)

    def reaches(self, contract: str, state: str) -> bool:
        return all(
            harness.until(lambda name=name: self.state(name, contract) == state, 30) for name in self.space.nodes
        )

    def state(self, name: str, contract: str) -> str:
        """As the control socket tells who asks again and again; empty while nothing is known of it."""
        try:
            found = acts.contract(self[name], contract_name(contract)).state
        except NotFound:
            return ""
        return control_pb2.Contract.State.Name(found).removeprefix("STATE_").lower()

    def ask(self, provider: str, agreement: str, epsilon: str = "0.1") -> str:
        """Compute on what one provider brings; how it ended."""
        words = ("compute", "query", QUERY, "--contract", agreement, "--product", self.offered[provider])
        answer = harness.run((*words, "--epsilon", epsilon, "--dir", str(self.consumer.folder)))
        return str((answer.document or answer.error).get("state") or answer.error.get("error"))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    space = Space(tmp_path_factory.mktemp("joint"), {"HEFU_TEST": "1"}, {"quantum_ms": 50, "workers": 1})
    try:
        space.found()
        space.join([FIRST, SECOND, CONSUMER])
        offered = {
            each.name: _publish(space.nodes[each.name], each, samples)
            for each, samples in zip((FIRST, SECOND), data.hospitals(), strict=False)
        }
        yield Town(space, offered, space.join_regulator("regulator"))
    finally:
        space.stop()


def _publish(node: Node, member: Member, samples: data.Extract) -> str:
    (made,) = products.tumour_products([samples], [(member.name, member.titles)])
    terms = replace(made.terms, approval="automatic", epsilon=CAPS[member.name])
    made = replace(made, terms=terms).named(new_id("prd"))
    table = node.folder / "data" / "tumours.csv"
    made.extract.write(table)
    node.do("source", "add", "tumours", str(table))
    file = node.folder / "tumours.yaml"
    file.write_text(made.text(), "utf-8")
    node.do("product", "publish", str(file))
    return made.id


@pytest.fixture(scope="module")
def agreement(town: Town) -> str:
    asked = town.request()
    assert town.reaches(asked, "active")
    return str(town.shown(CONSUMER.name, asked)["agreement"])


def test_both_providers_and_the_consumer_sign_the_same_bytes_in_turn(town: Town, agreement: str) -> None:
    found = acts.contract(town.consumer, f"agreements/{agreement}")
    assert [town.shown(name, agreement)["state"] for name in town.space.nodes] == ["active"] * 3
    signed = Statement.parse(found.agreement.envelope)
    assert [each.key.partition("#")[0] for each in signed.signatures] == [FIRST.name, SECOND.name, CONSUMER.name]
    moves = [each["move"] for each in town.consumer.do("contract", "history", agreement)["rounds"]]
    assert moves == ["requested", "agreed", "endorsed", "verified", "finalized"]


def test_each_provider_answers_under_its_own_strategy(town: Town, agreement: str) -> None:
    assert [town.ask(name, agreement) for name in CAPS] == ["released", "released"]
    assert [town.ask(name, agreement, "0.8") for name in CAPS] == ["released", "refused"]
    spent = {name: acts.balances(town[name])[f"agreement/{agreement}"].charged_releases for name in CAPS}
    assert spent == {FIRST.name: 2, SECOND.name: 1}


def test_either_provider_suspends_and_only_who_suspended_resumes(town: Town, agreement: str) -> None:
    why = ("--reason", "a complaint is looked into")
    town[SECOND.name].do("contract", "suspend", agreement, *why)
    assert town.reaches(agreement, "suspended")
    assert [town.ask(name, agreement) for name in CAPS] == ["contract.suspended"] * 2
    with pytest.raises(Unavailable):  # what the second narrowed the first does not widen
        town[FIRST.name].do("contract", "resume", agreement, *why)
    town[FIRST.name].do("contract", "suspend", agreement, *why)
    town[SECOND.name].do("contract", "resume", agreement, *why)
    assert all(harness.until(lambda name=name: len(_turns(town, name, agreement)) == 3, 30) for name in CAPS)
    assert town.reaches(agreement, "suspended")
    town[FIRST.name].do("contract", "resume", agreement, *why)
    assert town.reaches(agreement, "active")
    assert [town.ask(name, agreement) for name in CAPS] == ["released", "released"]


def _turns(town: Town, name: str, agreement: str) -> list[str]:
    with town[name].control() as stub:
        request = control_pb2.ListAlarmsRequest(name=f"agreements/{agreement}")
        alarms = transport.invoke(stub.ListAlarms, request, peer=name).alarms
    return [each.code for each in alarms if each.code in ("agreement.suspended", "agreement.resumed")]


def test_a_provider_killed_as_it_endorses_does_so_when_it_is_back_and_may_end_it_for_all(town: Town) -> None:
    second = town[SECOND.name].process
    second.stop()
    second.start(HEFU_FAULT="negotiation.kept:1:kill")  # it signed and kept its word, and nobody has it yet
    asked = town.request()
    assert second.wait(60) == -9
    assert town.shown(CONSUMER.name, asked)["state"] == "agreed"
    second.start()
    assert town.reaches(asked, "active")
    town[SECOND.name].do("contract", "terminate", asked, "--reason", "our ethics board says no")
    assert town.reaches(asked, "terminated")
    agreement = str(town.shown(CONSUMER.name, asked)["agreement"])
    assert [town.ask(name, agreement) for name in CAPS] == ["contract.ended"] * 2


def test_what_several_providers_did_verifies_offline(town: Town, agreement: str, tmp_path: Path) -> None:
    assert all(harness.until(lambda name=name: not acts.unsent(town[name]), 20) for name in CAPS)
    report = acts.audit(town.regulator, tmp_path / "evidence.zip", town.space.space_file)
    checks = {each["name"]: each for each in report["checks"]}
    assert report["verified"]
    assert checks["suspensions"]["seen"] >= 4
