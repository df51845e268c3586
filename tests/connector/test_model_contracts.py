"""A model from its file to a contract that decides: published by command, negotiated, asked for over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hefu import canonical
from hefu.__main__ import main
from hefu.envelope import Statement
from hefu.errors import HefuError
from hefu.statements.receipt import Receipt, Refusal
from hefu_connector.computing import blobs, plans
from hefu_connector.computing.model import Model
from hefu_connector.computing.score_plan import ScorePlan
from hefu_connector.ports import ComputationState
from hefu_connector.running import Connector
from hefu_connector.shelves import OwnRequest
from hefu_policies.reading import Place

from tests.connector.small_space import Space, eventually
from tests.connector.test_served_models import TABLE

pytest.importorskip("tenseal")
from hefu_connector.engines.homomorphic import keys, scoring

BANK, LENDER, PRODUCT = "bank-a", "lender-b", "prd-credit"
RISK, SERVICE = "dpv:OrganisationRiskManagement", "dpv:ServiceProvision"
DIGEST = "sha256:" + "0" * 64
UNTIL = '"2036-01-01T00:00:00Z"'
DECIDED = {
    "  en": "Credit scores", "description": "Scores of credit.", "    description": "As of the application.",
    "    releases": "1000000", "      releases": "20480", "  security_grade": "2", "  personal_data": "true",
    "  important_data": "false", "  legal_basis": "consent", "  cross_border": "false", "      until": UNTIL,
}  # fmt: skip
PAID = f"""  - name: paid
    policy:
      template: model-service
      price: "2.5"
      until: {UNTIL}
    budget:
      epsilon: 0
      releases: 20480
    approval: automatic
"""


class Town:
    """A space with a bank that serves a model and a lender that asks; the lender's records are encrypted here."""

    def __init__(self, folder: Path) -> None:
        self.space = Space(folder).open()
        self.folder = folder
        self.bank = self.space.member(BANK, "provider")
        self.lender = self.space.member(LENDER, "consumer")
        self.model = self.publish()
        self.own = keys.make(self.model.suite)

    def do(self, who: str, *words: str) -> int:
        return main([*words, "--dir", str(self.folder / who)])

    def publish(self) -> Model:
        table, file, product = (self.folder / each for each in ("table.csv", "m.json", "credit.yaml"))
        table.write_text(TABLE)
        assert main(["model", "make", str(table), "-o", str(file)]) == 0
        assert self.do(BANK, "source", "add", "credit", str(file)) == 0
        assert self.do(BANK, "product", "draft", "credit", "-o", str(product)) == 0
        lines = []
        for line in product.read_text().splitlines():
            key, _, rest = line.partition(":")
            lines.append(f"{key}: {DECIDED[key]}" if rest.startswith(" DECIDE") else line)
        text = "\n".join(lines).replace("approval: manual", "approval: automatic") + "\n" + PAID
        named = next(each for each in lines if each.startswith("product: ")).split()[1]
        product.write_text(text.replace(named, PRODUCT))
        assert self.do(BANK, "product", "check", str(product)) == 0
        assert eventually(lambda: self.do(BANK, "product", "publish", str(product)) == 0)
        return Model.of(Place(canonical.decode(file.read_bytes()), "model"))

    def agree(self, offer: str, purpose: str, **terms: str) -> str:
        asked = eventually(lambda: self.lender.desk.consumer.request(PRODUCT, offer, purpose, "rui", terms))

        def in_force() -> str:
            sides = (self.bank, self.lender)
            held = [{e.agreement.id for e in each.desk.agreements.all() if e.agreement.negotiation == asked.id}
                    for each in sides]  # fmt: skip
            return next(iter(held[0] & held[1]), "")

        return eventually(in_force)

    def plan(self, records: int, agreement: str) -> ScorePlan:
        """Encrypt so many records and upload them."""
        public, parts, columns = keys.public(self.own), [], [[30.0 + at % 60 for at in range(records)]] * 2
        for start in range(0, records, self.model.suite.slots):
            block = [each[start : start + self.model.suite.slots] for each in columns]
            parts += scoring.encrypt(self.own, self.model.features, block)
        data = blobs.encode([public, *parts])
        plan = self.said(records, canonical.digest(public), canonical.digest(data), len(data))
        file = self.folder / "inputs"
        file.write_bytes(data)
        peers: Any = self.lender.desk.asking._peers
        peers.upload(BANK, "cmp-upload", agreement, plan.inputs, plan.size, file)
        return plan

    def said(self, records: int, public: str = DIGEST, data: str = DIGEST, size: int = 1) -> ScorePlan:
        return ScorePlan(PRODUCT, self.model.digest(), self.model.suite.name, public, records, data, size)

    def ask(self, plan: ScorePlan, agreement: str, purpose: str) -> OwnRequest:
        asking = self.lender.desk.asking
        *_, last = asking.follow(asking.ask(plan.body(), agreement, purpose, "rui").id)
        return last


def refusal(own: OwnRequest) -> str:
    assert (own.state, own.receipt is not None) == (ComputationState.REFUSED, True)
    return Refusal.of(Statement.parse(own.receipt or b"")).code


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    made = Town(tmp_path_factory.mktemp("town"))
    yield made
    made.space.close()


def test_the_catalog_shows_a_model_and_how_many_answers_rebuild_it(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert town.do(LENDER, "catalog", "show", PRODUCT) == 0
    page = capsys.readouterr().out
    for said in (
        town.model.digest(),
        "3 answers on records of one's own choice",
        "20480 records at most",
        "ckks-linear",
    ):
        assert said in page
    assert town.do(LENDER, "catalog", "show", PRODUCT, "--lang", "zh") == 0
    assert "3 个答复" in capsys.readouterr().out
    assert town.do(LENDER, "catalog", "show", PRODUCT, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], [*told["answers_that_rebuild"].values()]) == ("model", [3])
    assert told["resources"][0]["model"]["digest"] == town.model.digest()
    assert not any(str(abs(each)) in json.dumps(told) for each in town.model.weights)


def test_a_negotiated_contract_on_scores_decides_by_model_purpose_and_number(town: Town) -> None:
    some, more = (plans.releases(town.said(each)) for each in (5, 4097))
    agreement = town.agree("scores", RISK, count=str(some + more))
    plan = town.plan(5, agreement)
    cases: list[tuple[str, ScorePlan, str]] = [
        ("policy.refused", plan, "dpv:Marketing"),
        ("score.other", replace(plan, model="sha256:" + "1" * 64), RISK),
        ("inputs.missing", replace(plan, inputs="sha256:" + "2" * 64), RISK),
        ("policy.refused", town.plan(some + more + 1, agreement), RISK),  # of the negotiated count, each record counts
    ]
    for code, each, purpose in cases:
        assert refusal(town.ask(each, agreement, purpose)) == code
    released = town.ask(plan, agreement, RISK)
    assert released.state is ComputationState.RELEASED
    told = Receipt.of(Statement.parse(released.receipt or b""))
    assert (told.charge.releases, told.output.kind) == (some, "EncryptedResult")
    assert town.ask(town.plan(4097, agreement), agreement, RISK).state is ComputationState.RELEASED
    assert refusal(town.ask(town.plan(1, agreement), agreement, RISK)) == "policy.refused"


def test_a_paid_model_answers_once_it_is_paid_for_and_not_twice(town: Town) -> None:
    agreement = town.agree("paid", SERVICE)
    first = town.ask(town.plan(4, agreement), agreement, SERVICE)
    assert refusal(first) == "contract.duties"
    desk = town.bank.desk.aftermath
    desk.fulfil(agreement, "odrl:compensate", first.id, "invoice 7", "li")
    # The records are encrypted and uploaded anew: paid is for their number.
    plan = town.plan(4, agreement)
    assert town.ask(plan, agreement, SERVICE).state is ComputationState.RELEASED
    assert refusal(town.ask(town.plan(4, agreement), agreement, SERVICE)) == "contract.duties"


def test_a_source_that_is_another_model_is_not_published_as_this_one_and_answers_nothing(town: Town) -> None:
    bank: Connector = town.bank
    agreement = town.agree("scores", RISK)
    assert main(["model", "make", str(town.folder / "table.csv"), "-o", str(town.folder / "new.json")]) == 0
    for file, state in (("new.json", ComputationState.FAILED), ("m.json", ComputationState.RELEASED)):
        assert town.do(BANK, "source", "change", "credit", str(town.folder / file)) == 0
        assert town.ask(town.plan(3, agreement), agreement, RISK).state is state
    (made,) = [each for each in bank.desk.provider.products() if each.product == PRODUCT]
    other = replace(made.description.resources[0], model=None, facts=())
    with pytest.raises(HefuError) as fault:
        bank.desk.book.check("credit", [other])
    assert fault.value.code == "model.described"
    with pytest.raises(HefuError) as fault:
        bank.desk.book.refresh("credit")
    assert fault.value.code == "source.model"
