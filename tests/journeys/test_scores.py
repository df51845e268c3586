"""Encrypted scores over real processes: a model is published and contracted, and scores records it is not shown."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import hefu
import pytest
from hefu import canonical
from hefu.envelope import new_id
from hefu_connector.computing.model import IDENTITY, Feature, Model
from hefu_space import harness
from hefu_space.space import Member, Node, Space

from tests.journeys import acts

pytest.importorskip("tenseal")
BANK = Member("bank", ("Bank", "银行"), ("provider",))
LENDER = Member("lender", ("Lender", "小贷公司"), ("consumer",))
RISK = "dpv:OrganisationRiskManagement"
COUNT, EACH = 90, 50  # records, and of one request
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
privacy: {{unit: row, max_contribution: 1, lifetime: {{epsilon: 0, releases: 1000}}}}
governance: {{security_grade: 2, personal_data: false, important_data: false, legal_basis: law, cross_border: false}}
offers:
  - name: scores
    policy: {{template: credit-scoring, models: ["{digest}"], columns: [age, income], bits: 128, per_day: 10,
             count: 500, until: "2099-01-01T00:00:00Z", keep: P30D}}
    budget: {{epsilon: 0, releases: 500}}
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    made = Space(tmp_path_factory.mktemp("scores") / "space", {"HEFU_TEST": "1"}, {"quantum_ms": 50, "workers": 1})
    try:
        made.found()
        made.join([BANK, LENDER])
        yield made
    finally:
        made.stop()


@pytest.mark.timeout(400)  # a space of processes, on a busy machine
def test_records_are_scored_unseen_and_a_kill_in_the_middle_asks_nothing_twice(space: Space, tmp_path: Path) -> None:
    bank, lender = (space.nodes[each.name] for each in (BANK, LENDER))
    product = _publish(bank)
    deal = acts.agree(bank, lender, product, "scores")
    path, plain = _records(tmp_path)

    def score(*words: str) -> harness.Answer:
        return lender.ask(
            "compute", "score", product, str(path), "--contract", deal.agreement, "--purpose", RISK, *words
        )  # fmt: skip

    # The consumer's connector dies just when the provider has taken the second request.
    lender.process.stop()
    lender.process.start(HEFU_FAULT="peer.answer:4:kill")
    assert not score("--each", str(EACH)).ok
    assert lender.process.wait(60) == -9
    lender.process.start()
    # The same again: every score is there, and no record was answered twice.
    out = tmp_path / "scores.csv"
    told = score("--each", str(EACH), "-o", str(out))
    assert told.ok, told.error
    assert (told.document["records"], told.document["charged"], len(told.document["computations"])) == (COUNT, 0, 2)
    assert acts.charged(deal) == (0, COUNT)
    with out.open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [(each["record"], each["id"]) for each in rows] == [(str(at), f"c{at}") for at in range(1, COUNT + 1)]
    for row, wanted in zip(rows, plain, strict=True):
        assert abs(Decimal(row["score"]) - Decimal(repr(wanted))) <= MODEL.tolerance
        assert Decimal(row["score"]) % STEP == 0
    # From Python they are the same, and free.
    with path.open(newline="") as file:
        table = [*csv.DictReader(file)]
    again = hefu.connect(lender.folder).product(product).score(table, contract=deal.agreement, purpose=RISK, each=EACH)
    assert ([*again], again.charged) == ([Decimal(each["score"]) for each in rows], 0)
    _refuse_what_is_wrong(lender, product, deal, tmp_path)
    # Each answer has a receipt, and a regulator who trusts neither verifies all of it.
    for computation in told.document["computations"]:
        shown = lender.do("compute", "show", computation, "--receipt", str(tmp_path / computation))
        assert shown["state"] == "released"
    regulator = space.join_regulator("regulator")
    assert harness.until(lambda: not acts.unsent(bank), 30)
    assert acts.audit(regulator, tmp_path / "evidence.zip", space.space_file)["verified"]


def _refuse_what_is_wrong(lender: Node, product: str, deal: acts.Deal, folder: Path) -> None:
    """Nothing is sent of records of which one is wrong, and more than is granted is refused before it is charged."""
    bad = folder / "bad.csv"
    bad.write_text("age,income\n30,1\n31,\n")
    words = ("compute", "score", product, str(bad), "--contract", deal.agreement, "--purpose", RISK)
    wrong = lender.ask(*words).error
    assert (wrong["error"], wrong["parameters"]) == ("score.value", {"row": "2", "column": "income"})
    bad.write_text("age,income\n" + "30,1\n" * 411)
    refused = lender.ask(*words).error
    assert refused["error"] == "question.refused"
    assert acts.charged(deal) == (0, COUNT)


def _records(folder: Path) -> tuple[Path, list[float]]:
    drawn = random.Random(5)
    rows = [(f"c{at}", drawn.randint(18, 98), round(drawn.uniform(0, 100), 2)) for at in range(1, COUNT + 1)]
    path = folder / "records.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "income", "age"), *((name, income, age) for name, age, income in rows)])
    return path, [0.5 - 0.02 * age + 0.01 * income for _, age, income in rows]


def _publish(bank: Node) -> str:
    file = bank.folder / "model.json"
    file.write_bytes(canonical.encode(MODEL.body()))
    file.chmod(0o600)
    bank.do("source", "add", "risk", str(file))
    product, text = new_id("prd"), bank.folder / "risk.yaml"
    members = {"product": product, "digest": MODEL.digest(), "tolerance": format(MODEL.tolerance.normalize(), "f")}
    text.write_text(PRODUCT.format(**members), "utf-8")
    bank.do("product", "publish", str(text))
    return product
