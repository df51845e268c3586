"""A delivery's whole life over real processes: named in a contract, sealed, used under control, deleted with proof."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hefu.envelope import new_id
from hefu.errors import HefuError
from hefu.times import read_time
from hefu.v1 import control_pb2
from hefu.wire import transport
from hefu_space import harness
from hefu_space.space import Member, Node, Space

from tests.journeys import acts
from tests.journeys.acts import Deal

PROVIDER = Member("clinic", ("Clinic", "诊所"), ("provider",))
CONSUMER = Member("institute", ("Institute", "研究院"), ("consumer",))
HOUR = 3600
CANARY = "CANARY-PATIENT-4711"
PRODUCT = """\
apiVersion: hefu/v1
kind: DataProduct
product: {product}
title: {{en: "Visits", zh: "就诊"}}
description: {{en: "Visits of patients.", zh: "患者就诊记录。"}}
source: visits
columns:
  - {{name: patient, type: text, sensitivity: personal}}
  - {{name: age, type: integer, sensitivity: quasi-identifier, bounds: {{lower: 0, upper: 120}}}}
  - {{name: region, type: text, sensitivity: public}}
  - {{name: diagnosis, type: text, sensitivity: sensitive}}
privacy: {{unit: patient, max_contribution: 5, lifetime: {{epsilon: 0, releases: 100}}}}
governance: {{security_grade: 2, personal_data: true, important_data: false, legal_basis: consent, cross_border: false}}
offers:
  - name: masked
    policy: {{template: delivery-masked, rows: 100, columns: [patient, age, region, diagnosis], {until}, keep: PT1H}}
    budget: {{epsilon: 0, releases: 10}}
  - name: anonymised
    policy: {{template: delivery-anonymised, rows: 200, min_group: 5, {until}, keep: P30D, export: true,
             columns: [patient, age, region, diagnosis]}}
    budget: {{epsilon: 0, releases: 10}}
"""


FILE = """\
apiVersion: hefu/v1
kind: DataProduct
product: {product}
title: {{en: "Model", zh: "模型"}}
description: {{en: "A trained model.", zh: "训练好的模型。"}}
source: model
columns: [{{name: file, type: text}}]
privacy: {{unit: row, max_contribution: 1, lifetime: {{epsilon: 0, releases: 100}}}}
governance: {{security_grade: 1, personal_data: false, important_data: false, legal_basis: none, cross_border: false}}
offers:
  - name: whole
    policy: {{template: delivery-file, {until}, export: true}}
    budget: {{epsilon: 0, releases: 10}}
"""


@dataclass
class Stage:
    """The space, its two participants, and the file by which its clocks are moved."""

    space: Space
    provider: Node
    consumer: Node
    clock: Path
    product: str

    def agree(self, offer: str) -> Deal:
        return acts.agree(self.provider, self.consumer, self.product, offer)

    def move(self, seconds: int) -> None:
        """Everybody's clock; until the next status list is signed, the newest one is as old as the step was long."""
        known = [(node, self.listed(node)) for node in (self.provider, self.consumer)]
        self.clock.write_text(str(int(self.clock.read_text()) + seconds))
        for node, before in known:
            assert harness.until(lambda node=node, before=before: self.listed(node) - before > seconds / 2, 60)

    def listed(self, node: Node) -> float:
        """When the status list was signed that a connector goes by; seconds."""
        with node.control() as stub:
            found = transport.invoke(stub.GetConnector, control_pb2.GetConnectorRequest(), peer=node.name)
        return read_time(found.status_time).timestamp()

    def kept(self, name: str) -> control_pb2.Delivery:
        """A delivery at its recipient, for who asks again and again."""
        with self.consumer.control() as stub:
            request = control_pb2.GetDeliveryRequest(name=f"deliveries/{name}")
            return transport.invoke(stub.GetDelivery, request, peer=CONSUMER.name)

    def delivery(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.consumer.do("delivery", "show", name)
        return found

    def handed(self, name: str) -> dict[str, Any]:
        """The delivery as its provider's journal has it."""
        found = self.provider.do("release", "list")["releases"]
        (one,) = [each["delivery"] for each in found if each["computation"] == name]
        return dict(one)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("delivery")
    clock = folder / "clock"
    clock.write_text("0")
    made = Space(folder / "space", {"HEFU_TEST": "1", "HEFU_CLOCK": str(clock)}, {"quantum_ms": 50, "workers": 1})
    try:
        made.found()
        provider, consumer = made.join([PROVIDER, CONSUMER])
        product = new_id("prd")
        _publish(provider, product)
        yield Stage(made, provider, consumer, clock, product)
    finally:
        made.stop()


def _publish(provider: Node, product: str) -> None:
    table = provider.folder / "visits.csv"
    rows = [f"p{i},{20 + i % 60},{'north' if i % 2 else 'south'},d{i % 3}" for i in range(300)]
    table.write_text("\n".join(["patient,age,region,diagnosis", f"{CANARY},44,north,d1", *rows, ""]))
    provider.do("source", "add", "visits", str(table))
    file = provider.folder / "visits.yaml"
    file.write_text(PRODUCT.format(product=product, until='until: "2099-01-01T00:00:00Z"'), "utf-8")
    provider.do("product", "publish", str(file))


def _released(stage: Stage, contract: str, *words: str) -> str:
    answer = stage.consumer.ask("delivery", "request", "--contract", contract, *words)
    assert answer.ok, answer.error
    made = answer.document
    assert (made["state"], made["uses"]) == ("kept", 0)
    return str(made["delivery"])


def test_masked_rows_arrive_are_read_under_control_and_are_deleted_in_time_with_a_proof(
    stage: Stage, tmp_path: Path
) -> None:
    regulator = stage.space.join_regulator("regulator")
    deal = stage.agree("masked")
    name = _released(stage, deal.agreement)
    # It is kept sealed, and shown by no other command.
    assert stage.delivery(name)["processing"] == "masked"
    assert stage.consumer.do("compute", "show", name)["answer"] is None
    # Each use is decided here, by the contract.
    read = stage.consumer.do("delivery", "read", name)
    assert len(read["rows"]) == 100
    assert all(patient.startswith("psn-") and diagnosis is None for patient, _, _, diagnosis in read["rows"])
    assert {region for _, _, region, _ in read["rows"]} == {"north", "south"}
    refused = stage.consumer.ask("delivery", "read", name, "--purpose", "dpv:Marketing")
    assert (refused.ok, "purpose" in " ".join(refused.error["reasons"])) == (False, True)
    out = tmp_path / "out.csv"
    taken = stage.consumer.ask("delivery", "export", name, "--output", str(out))
    assert (taken.ok, out.exists(), taken.error["error"]) == (False, False, "policy.refused")
    assert stage.delivery(name)["uses"] == 1
    # The provider counted one exact release, and waits for the proof.
    assert acts.charged(deal) == (0, 1)
    assert stage.handed(name)["deleted"] is False
    # Its time is over: it is gone here, the provider has the proof, and hands nothing over any more.
    stage.move(HOUR + 5)
    assert harness.until(lambda: stage.kept(name).confirmed, 60)
    gone = stage.delivery(name)
    assert (gone["state"], gone["cause"], gone["uses"]) == ("deleted", "retention", 1)
    assert not stage.consumer.ask("delivery", "read", name).ok
    handed = stage.handed(name)
    assert (handed["deleted"], handed["cause"], handed["proof"]) == (True, "retention", gone["proof"])
    with acts.caller(stage.consumer, stage.provider) as other, pytest.raises(HefuError):
        other.fetch(name)
    # An auditor who trusts neither sees all of it.
    assert harness.until(lambda: not acts.unsent(stage.consumer) and not acts.unsent(stage.provider), 30)
    report = acts.audit(regulator, tmp_path / "evidence.zip", stage.space.space_file)
    checks = {each["name"]: each for each in report["checks"]}
    assert report["verified"]
    assert (checks["deliveries"]["seen"], checks["deliveries"]["unchecked"]) == (1, 0)


def test_anonymised_rows_may_be_exported_and_are_deleted_when_the_contract_ends(stage: Stage, tmp_path: Path) -> None:
    deal = stage.agree("anonymised")
    name = _released(stage, deal.agreement)
    out = tmp_path / "out.csv"
    stage.consumer.do("delivery", "export", name, "--output", str(out))
    with out.open(newline="") as file:
        heads, *rows = csv.reader(file)
    assert heads == ["age", "region", "diagnosis"]
    assert rows
    assert CANARY not in out.read_text()
    assert min(sum(other[0] == row[0] for other in rows) for row in rows) >= 5
    stage.provider.do("contract", "terminate", deal.agreement, "--reason", "over")
    assert harness.until(lambda: stage.kept(name).state == control_pb2.Delivery.STATE_DELETED, 60)
    assert stage.delivery(name)["cause"] == "agreement_ended"
    assert harness.until(lambda: stage.kept(name).confirmed, 60)
    assert stage.handed(name)["deleted"]


def test_a_file_is_delivered_whole_where_raw_is_named_and_nothing_of_it_is_told_before(
    stage: Stage, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 5000
    model = stage.provider.folder / "model.bin"
    model.write_bytes(content)
    product = new_id("prd")
    stage.provider.do("source", "add", "model", str(model), "--form", "file")
    file = stage.provider.folder / "model.yaml"
    file.write_text(FILE.format(product=product, until='until: "2099-01-01T00:00:00Z"'), "utf-8")
    stage.provider.do("product", "publish", str(file))
    assert stage.consumer.do("catalog", "show", product)["differential_privacy_guarantee"] is False
    deal = acts.agree(stage.provider, stage.consumer, product, "whole")
    name = _released(stage, deal.agreement)
    out = tmp_path / "model.bin"
    stage.consumer.do("delivery", "export", name, "--output", str(out))
    assert out.read_bytes() == content


def test_a_delivery_that_the_contract_does_not_name_is_refused_and_costs_nothing(stage: Stage) -> None:
    deal = stage.agree("masked")
    asked = stage.consumer.ask("delivery", "request", "--contract", deal.agreement, "--processing", "raw")
    assert not asked.ok
    asked = stage.consumer.ask("delivery", "request", "--contract", deal.agreement, "--rows", "101")
    assert not asked.ok
    assert acts.charged(deal) == (0, 0)


def test_what_its_owner_deletes_is_gone_at_once_and_stays_gone_over_a_kill(stage: Stage) -> None:
    deal = stage.agree("masked")
    name = _released(stage, deal.agreement)
    assert stage.consumer.do("delivery", "delete", name)["state"] == "deleted"
    stage.consumer.process.kill()
    stage.consumer.process.start()
    again = stage.delivery(name)
    assert (again["state"], again["cause"]) == ("deleted", "asked")
    assert harness.until(lambda: stage.kept(name).confirmed, 60)
    assert stage.handed(name)["deleted"]
    assert not stage.consumer.ask("delivery", "read", name).ok
