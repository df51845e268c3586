"""Two connectors: what is asked of a model of each kind, what is not asked, and what was lost on the way."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import hefu
import pytest
from hefu import canonical
from hefu.envelope import new_id
from hefu.errors import HefuError, Malformed, Refused
from hefu_connector.computing import scoring
from hefu_connector.computing.model import IDENTITY, LOGISTIC, RANKING, Feature, Model
from hefu_connector.computing.score_plan import ScorePlan
from hefu_connector.computing.scoring import Answered
from hefu_connector.running import Connector
from hefu_connector.shelves import SourceRecord
from hefu_policies.budget import NO_LOSS, Budget
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.goods.served import Served
from hefu_policies.library import template

from tests.connector.small_space import Space, agree, eventually

pytest.importorskip("tenseal")
RISK = "dpv:OrganisationRiskManagement"
STEP = Decimal("0.001")
FEATURES = (Feature("income", "kCNY", Decimal(0), Decimal(100)), Feature("age", "a", Decimal(18), Decimal(98)))
COUNT = 60


@dataclass
class Lending:
    """A bank with a model of each kind, and a lender with a contract on each."""

    space: Space
    agreements: dict[str, str]

    @property
    def lender(self) -> Connector:
        return self.space.connectors["lender"]

    def score(self, answer: str, table: Any, **more: Any) -> Any:
        product = hefu.connect(self.space.folder / "lender").product(f"prd-{answer}")
        return product.score(table, contract=self.agreements[answer], purpose=RISK, **more)

    def charged(self, answer: str) -> int:
        found = self.space.connectors["bank"].desk.overview.balances()
        names = {each.account.name: each.charged.releases for each, _ in found}
        return names.get(f"agreement/{self.agreements[answer]}", 0)


@pytest.fixture(scope="module")
def lending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lending]:
    space = Space(tmp_path_factory.mktemp("lending")).open()
    try:
        bank = space.member("bank", "provider", quantum_ms=0)
        lender = space.member("lender", "consumer")
        made = {}
        for answer in (IDENTITY, LOGISTIC, RANKING):
            publish(bank, space.folder, answer)
            made[answer] = agree(bank, lender, f"prd-{answer}")
        yield Lending(space, made)
    finally:
        space.close()


def model(answer: str) -> Model:
    return Model(FEATURES, (Decimal("0.02"), Decimal("-0.03")), Decimal("0.5"), answer, STEP, "07" * 32)


def publish(bank: Connector, folder: Path, answer: str) -> None:
    made = model(answer)
    file = folder / f"{answer}.json"
    file.write_bytes(canonical.encode(made.body()))
    resource = bank.desk.book.add(SourceRecord(answer, "", str(file), "")).resource
    schema = tuple(
        Column(each.name, "decimal", each.unit, bounds=Bounds(each.lower, each.upper, Decimal("0.01")))
        for each in FEATURES
    )
    served = Served(made.digest(), answer, STEP, made.suite.name, made.tolerance)
    asset = Resource(resource, schema, Privacy("row", 1, Budget(NO_LOSS, 100_000)), model=served)
    policy = template(
        "credit-scoring",
        {
            "models": [made.digest()], "columns": ["income", "age"], "bits": 128, "per_day": 1000, "count": 40_000,
            "until": "2036-01-01T00:00:00Z", "keep": "P30D",
        },
    )  # fmt: skip
    offer = Offer("off-research", policy, Budget(NO_LOSS, 40_000))
    described = Description(f"prd-{answer}", 1, {"en": answer}, (asset,), (offer,), kind="model")
    eventually(lambda: bank.provider.publish(described))


def table(seed: int) -> dict[str, list[float]]:
    drawn = random.Random(seed)
    bounds = {each.name: (float(each.lower), float(each.upper)) for each in FEATURES}
    return {name: [drawn.uniform(*ends) for _ in range(COUNT)] for name, ends in bounds.items()}


def plain(records: dict[str, list[float]]) -> list[float]:
    return [0.5 + 0.02 * income - 0.03 * age for income, age in zip(*records.values(), strict=True)]


def test_a_logistic_score_is_as_near_as_its_product_says(lending: Lending) -> None:
    records = table(1)
    found = lending.score(LOGISTIC, records)
    wanted = [1 / (1 + math.exp(-each)) for each in plain(records)]
    far = max(abs(float(got) - each) for got, each in zip(found, wanted, strict=True))
    assert far <= float(found.tolerance) == float(model(LOGISTIC).tolerance)
    assert found.charged == lending.charged(LOGISTIC) > 0
    assert all(each % STEP == 0 for each in found)


def test_a_ranking_orders_one_request_and_is_not_divided(lending: Lending) -> None:
    records = table(2)
    found = [*lending.score(RANKING, records)]
    order = sorted(range(COUNT), key=plain(records).__getitem__)
    assert all(found[low] <= found[high] + 2 * STEP for low, high in pairwise(order))
    before = lending.charged(RANKING)
    many = {name: values * 100 for name, values in records.items()}
    with pytest.raises(Malformed) as fault:
        lending.score(RANKING, many, each=4096)
    assert fault.value.code == "score.ranking"
    assert lending.charged(RANKING) == before


def test_what_was_uploaded_and_is_lost_is_sent_again_and_charged_once(lending: Lending) -> None:
    """The lender died after it had kept its request and before it sent it; then the bank forgot the ciphertexts."""
    records, agreement = table(3), lending.agreements[IDENTITY]
    values = array("d", [each for pair in zip(*records.values(), strict=True) for each in pair])
    scores = lending.lender.desk.scoring
    under = scores.under(agreement, "", RISK, "rui")
    lending.space.stop("bank")
    lost, digest = new_id("cmp"), "sha256:" + "1" * 64
    plan = ScorePlan("prd-identity", model(IDENTITY).digest(), "ckks-linear", digest, COUNT, digest, 1_100_000)
    scores._shelf.ask(agreement, scoring._name(under, values), lost)
    assert scores._asking.ask(plan.body(), agreement, RISK, "rui", computation=lost).state is None
    lending.space.start("bank")
    told = eventually(lambda: [*scores.score(under, [values])])
    (answered,) = [each for each in told if isinstance(each, Answered)]
    assert answered.computation != lost
    assert scores._asking.outcome(lost).end.code == "inputs.missing"  # type: ignore[union-attr]
    assert answered.charged == lending.charged(IDENTITY) > 0
    assert [abs(each * STEP - Decimal(repr(one))) <= model(IDENTITY).tolerance
            for each, one in zip(answered.steps, plain(records), strict=True)] == [True] * COUNT  # fmt: skip
    again = lending.score(IDENTITY, records)
    assert (again.charged, again.computations) == (0, (answered.computation,))


def test_what_a_policy_does_not_permit_is_refused_with_its_clause_and_may_be_asked_again(lending: Lending) -> None:
    records, before = table(4), lending.charged(IDENTITY)
    product = hefu.connect(lending.space.folder / "lender").product("prd-identity")
    for _ in range(2):  # a refusal is no answer
        with pytest.raises(Refused) as fault:
            product.score(records, contract=lending.agreements[IDENTITY], purpose="dpv:Marketing")
        assert (fault.value.code, lending.charged(IDENTITY)) == ("question.refused", before)
        assert fault.value.reasons
    assert lending.score(IDENTITY, records).charged > 0


def test_a_product_that_is_no_model_or_another_contract_s_is_not_scored(lending: Lending) -> None:
    space, before = hefu.connect(lending.space.folder / "lender"), lending.charged(IDENTITY)
    with pytest.raises(HefuError):
        space.product("prd-identity").score(table(5), contract=lending.agreements[RANKING], purpose=RISK)
    assert lending.charged(IDENTITY) == before
