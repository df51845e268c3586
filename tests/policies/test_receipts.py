"""The decision behind a receipt is made again from the receipt and the signed agreement alone."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hefu import canonical
from hefu.envelope import Statement, draft
from hefu.errors import Untrusted
from hefu.statements.receipt import Meters, Receipt, Released, SealedPart, Spent, Under
from hefu_policies import odrl
from hefu_policies.agreeing.contract import Agreement
from hefu_policies.deciding.decision import Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.proving.receipts import again, records
from hefu_policies.proving.replay import record, write_facts
from hefu_policies.words.terms import Phase

DIGEST = "sha256:" + "0" * 64
FACTS: dict[str, Any] = {
    "purpose": "dpv:ScientificResearch", "operation": "hefu:dpQuery", "epsilon": Decimal("0.5"),
    "epsilonBudget": Decimal(1), "minGroup": 50, "column": {"age"}, "outputKind": "Histogram", "count": 3,
    "recipient": "pharma-b",
}  # fmt: skip


@pytest.fixture
def signed(agreement: Agreement, now: datetime) -> Statement:
    return draft("agreement", agreement.body(), space="demo", issuer="hospital-a", at=now)


@pytest.fixture
def receipt(signed: Statement, now: datetime) -> Receipt:
    return Receipt(
        computation="cmp-1", request=DIGEST, consumer="pharma-b",
        agreements=(Under("agr-1", signed.digest(), "str-1", "urn:rule:statistics"),), product="prd-admissions",
        description=DIGEST, resource="res-admissions", snapshot=DIGEST, engine="statistics", engine_version="1",
        charge=Spent(500_000_000, 0, 1), mechanisms=(), output=Released("Histogram", 3, 0),
        parts=(SealedPart(DIGEST, 10),), meters=Meters(1, 3, 10, 250), admitted=now,
        facts=write_facts(FACTS | {"dateTime": now}),
    )  # fmt: skip


def test_what_was_permitted_is_permitted_again(receipt: Receipt, signed: Statement) -> None:
    (decision,) = again(receipt, signed)
    assert decision.permits
    assert decision.clause == "urn:rule:statistics"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epsilon", "0.6"), ("minGroup", 49), ("column", ["age", "patient"]), ("purpose", "dpv:CommercialResearch"),
        ("count", 201), ("operation", "hefu:deliver"), ("dateTime", "2027-11-21T00:00:00Z"),
    ],
)  # fmt: skip
def test_facts_that_break_the_contract_are_found(receipt: Receipt, signed: Statement, name: str, value: Any) -> None:
    with pytest.raises(Untrusted, match="effect"):
        again(replace(receipt, facts={**receipt.facts, name: value}), signed)


@pytest.mark.parametrize("name", [name for name in FACTS if name not in ("operation", "recipient")])
def test_a_fact_that_was_left_out_is_found(receipt: Receipt, signed: Statement, name: str) -> None:
    facts = {key: value for key, value in receipt.facts.items() if key != name}
    with pytest.raises(Untrusted, match="effect"):
        again(replace(receipt, facts=facts), signed)


def test_another_clause_strategy_or_agreement_is_found(receipt: Receipt, signed: Statement) -> None:
    (under,) = receipt.agreements
    for other, what in (
        (replace(under, clause="urn:rule:other"), "clause"),
        (replace(under, strategy="str-2"), "strategy"),
        (replace(under, digest=DIGEST), "agreement"),
        (replace(under, agreement="agr-2"), "agreement"),
    ):
        with pytest.raises(Untrusted, match=what):
            again(replace(receipt, agreements=(other,)), signed)


def test_a_receipt_over_another_product_is_found(receipt: Receipt, signed: Statement) -> None:
    with pytest.raises(Untrusted, match="agreement"):
        again(replace(receipt, product="prd-other"), signed)


def test_what_another_strategy_prohibits_is_found(receipt: Receipt, agreement: Agreement, now: datetime) -> None:
    first = agreement.strategies[0]
    policy: Any = dict(first.policy) | {"@id": "urn:hefu:strategy:str-2"}
    policy["prohibition"] = [{"@id": "urn:no:all", "action": "hefu:compute"}]
    second = replace(first, id="str-2", policy=policy)
    body = replace(agreement, strategies=(first, second)).body()
    signed = draft("agreement", body, space="demo", issuer="hospital-a", at=now)
    under = replace(receipt.agreements[0], digest=signed.digest())
    with pytest.raises(Untrusted, match="effect"):
        again(replace(receipt, agreements=(under,)), signed)


def test_an_owners_record_is_made_again_phase_by_phase(agreement: Agreement, signed: Statement, now: datetime) -> None:
    compiled = compile_policy(odrl.load(agreement.strategies[0].policy))
    request = Request("hefu:dpQuery", "prd-admissions", "pharma-b")
    phases = (Phase.ADMISSION, Phase.RELEASE)
    made = [record(decide(compiled, request, FACTS | {"dateTime": now}, phase)) for phase in phases]
    document: Any = canonical.decode_object(canonical.encode({"version": 1, "decisions": [*made]}))
    assert [each.phase for each in records(document, signed)] == [*phases]
    document["decisions"][1]["facts"]["epsilon"] = "0.6"
    with pytest.raises(Untrusted):
        list(records(document, signed))
