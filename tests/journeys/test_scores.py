"""Encrypted scores over real processes: a model is published and contracted, and scores records it is not shown."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import hefu
import pytest
from hefu import canonical
from hefu.envelope import Statement, new_id
from hefu.errors import Malformed, Refused
from hefu.statements.receipt import Receipt
from hefu.v1 import computation_pb2
from hefu.wire import transport
from hefu_connector.computing.model import IDENTITY, Feature, Model
from hefu_connector.computing.suites import LINEAR
from hefu_space import harness
from hefu_space.space import Node, Space

from tests.journeys import acts

pytest.importorskip("tenseal")
RISK = "dpv:OrganisationRiskManagement"
EACH = LINEAR.slots  # records of one request
COUNT = EACH + 34  # in two requests, each charged in whole blocks
STEP = Decimal("0.001")
MODEL = Model(
    (Feature("age", "a", Decimal(18), Decimal(98)), Feature("income", "kCNY", Decimal(0), Decimal(100))),
    (Decimal("-0.02"), Decimal("0.01")), Decimal("0.5"), IDENTITY, STEP, "07" * 32,
)  # fmt: skip
PRODUCT = """\
apiVersion: hefu/v1
kind: Model
product: {product}
title: {{en: "Risk", zh: "风险"}}
description: {{en: "Risk of loans.", zh: "贷款风险。"}}
source: risk
model: {{digest: "{digest}", answer: identity, step: 0.001, suite: ckks-linear, tolerance: {tolerance}}}
columns:
  - {{name: age, type: decimal, unit: a, sensitivity: internal, bounds: {{lower: 18, upper: 98, granularity: 1}}}}
  - {{name: income, type: decimal, unit: kCNY, sensitivity: internal,
     bounds: {{lower: 0, upper: 100, granularity: 0.000001}}}}
privacy: {{unit: row, max_contribution: 1, lifetime: {{epsilon: 0, releases: 100000}}}}
governance: {{security_grade: 2, personal_data: false, important_data: false, legal_basis: law, cross_border: false}}
offers:
  - name: scores
    policy: {{template: credit-scoring, models: ["{digest}"], columns: [age, income], bits: 128, per_day: 10,
             count: 9000, until: "2099-01-01T00:00:00Z", keep: P30D}}
    budget: {{epsilon: 0, releases: 9000}}
"""


def test_records_are_scored_unseen_and_a_kill_in_the_middle_asks_nothing_twice(
    space: Space, provider: Node, consumer: Node, regulator: Path, tmp_path: Path, restored: Callable[..., None]
) -> None:
    product = _publish(provider)
    deal = acts.agree(provider, consumer, product, "scores")
    path, plain = _records(tmp_path)
    words = ("compute", "score", product, str(path), "--contract", deal.agreement, "--each", str(EACH))
    # The consumer's connector dies just when the provider has taken the second request.
    consumer.process.stop()
    consumer.process.start(HEFU_FAULT="peer.answer:4:kill")
    assert not consumer.ask(*words, "--purpose", RISK).ok
    assert consumer.process.wait(60) == -9
    consumer.process.start()
    # The same again: every score is there, and no record was answered twice.
    out = tmp_path / "scores.csv"
    told = consumer.do(*words, "--purpose", RISK, "-o", str(out))
    assert (told["records"], told["charged"], len(told["computations"])) == (COUNT, 0, 2)
    spent = [_charge(consumer, each) for each in told["computations"]]
    assert acts.charged(deal) == (0, sum(spent))
    rows = _rows(out)
    assert [(each["record"], each["id"]) for each in rows] == [(str(at), f"c{at}") for at in range(1, COUNT + 1)]
    for row, wanted in zip(rows, plain, strict=True):
        assert abs(Decimal(row["score"]) - Decimal(repr(wanted))) <= MODEL.tolerance
        assert Decimal(row["score"]) % STEP == 0
    # From Python they are the same, and free.
    model = hefu.connect(consumer.folder).product(product)
    again = model.score(_rows(path), contract=deal.agreement, purpose=RISK, each=EACH)
    assert ([*again], again.charged) == ([Decimal(each["score"]) for each in rows], 0)
    # Nothing is sent of records of which one is wrong, and more than is granted is refused before it is charged.
    with pytest.raises(Malformed) as wrong:
        model.score({"age": [30, 31], "income": [1, None]}, contract=deal.agreement, purpose=RISK)
    assert wrong.value.parameters == {"row": "2", "column": "income"}
    with pytest.raises(Refused, match="refused"):
        model.score({"age": [30] * 4900, "income": [1] * 4900}, contract=deal.agreement, purpose=RISK)
    assert acts.charged(deal) == (0, sum(spent))
    # A regulator who trusts neither verifies all of it.
    assert harness.until(lambda: not acts.unsent(provider), 30)
    assert acts.audit(regulator, tmp_path / "evidence.zip", space.space_file)["verified"]


def _charge(consumer: Node, computation: str) -> int:
    """What an answer's receipt says that it cost."""
    with consumer.control() as stub:
        request = computation_pb2.GetComputationRequest(name=f"computations/{computation}")
        found = transport.invoke(stub.GetComputation, request, peer=consumer.name)
    return Receipt.of(Statement.parse(found.computation.receipt.envelope)).charge.releases


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def _records(folder: Path) -> tuple[Path, list[float]]:
    drawn = random.Random(5)
    rows = [(f"c{at}", drawn.randint(18, 98), round(drawn.uniform(0, 100), 2)) for at in range(1, COUNT + 1)]
    path = folder / "records.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "income", "age"), *((name, income, age) for name, age, income in rows)])
    return path, [0.5 - 0.02 * age + 0.01 * income for _, age, income in rows]


def _publish(provider: Node) -> str:
    file = provider.folder / "model.json"
    file.write_bytes(canonical.encode(MODEL.body()))
    file.chmod(0o600)
    provider.do("source", "add", "risk", str(file))
    product, text = new_id("prd"), provider.folder / "risk.yaml"
    members = {"product": product, "digest": MODEL.digest(), "tolerance": format(MODEL.tolerance.normalize(), "f")}
    text.write_text(PRODUCT.format(**members), "utf-8")
    provider.do("product", "publish", str(text))
    return product
