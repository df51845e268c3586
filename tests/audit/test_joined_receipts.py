"""A regulator verifies receipts of joins offline: both contracts, both budgets, both assets, both decisions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.checking.verify import verify
from hefu.errors import Malformed
from hefu.evidence.bundle import open_bundle
from hefu.statements.receipt import SEALED, Failure, Joined, Receipt, Spent, Under
from hefu_policies.library import template
from hefu_policies.proving.evidence import CHECK

from tests.protocol import small_log
from tests.protocol.small_log import CONSUMER, DIGEST, LIFETIME, PROVIDER, SmallLog, budget

TERMS: Any = {
    "purpose": "dpv:ScientificResearch", "epsilon": "9", "min_group": 5, "columns": ["age"],
    "until": "2036-01-01T00:00:00Z", "count": 1000, "budget": "1000", "join_keys": ["flight"],
}  # fmt: skip


class Log(SmallLog):
    """A log with two products of one provider, a contract on each, and a release of both."""

    def __init__(self, second: Any = None, limit: Spent = small_log.BUDGET, lifetime: Spent = LIFETIME) -> None:
        super().__init__(policy=template("research-statistics", TERMS))
        self.tell()
        self.under = [self._under()]
        self.first = self.description
        asset: Any = {"resource": "res-two", "privacy": {"lifetime": budget(lifetime)}}
        self.description = self.say("product.published", {"product": "prd-two", "resources": [asset]}, PROVIDER)
        self.policy = template("research-statistics", TERMS | (second or {}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(small_log, "PRODUCT", "prd-two")
            patch.setattr(small_log, "RESOURCE", "res-two")
            self.agree(id_="agr-two", limit=limit)
        self.finalize()
        self.under.append(self._under())
        self.second, self.description = self.description, self.first

    @property
    def clause(self) -> str:
        return "urn:rule:statistics"

    def facts(self, epsilon_nano: int) -> Object:
        return {**super().facts(epsilon_nano), "joinKey": []}

    def _under(self) -> Under:
        return Under(str(self.agreement.body["agreement"]), self.agreement.digest(), "str-one", self.clause)

    def both(self, epsilon_nano: int = 100_000_000) -> Receipt:
        made = self.receipt("cmp-both", epsilon_nano)
        facts: Object = {**made.facts, "joinKey": ["flight"]}
        second = Joined("agr-two", "prd-two", self.second.digest(), "res-two", DIGEST, facts)
        return replace(made, agreements=tuple(self.under), facts=facts, joined=(second,))


def failed(log: Log, folder: Path) -> dict[str, list[str]]:
    with open_bundle(log.bundle(folder / "bundle.zip")) as bundle:
        report = verify(bundle, above=(CHECK,))
    return {each.name: [*each.faults] for each in report.results if each.faults}


def test_a_receipt_under_two_contracts_verifies_and_is_read_as_it_was_written(tmp_path: Path) -> None:
    log = Log()
    statement = log.journalled(SEALED, log.both())
    assert failed(log, tmp_path) == {}
    assert Receipt.of(statement).body() == statement.body
    assert "joined" not in log.receipt("cmp-alone").body()


@pytest.mark.parametrize(
    ("changes", "check", "word"),
    [
        ({"resource": "res-flights"}, "receipts", "resource"),
        ({"product": "prd-flights"}, "receipts", "product"),
        ({"facts": {}}, "policies", "joins"),
        ({"snapshot": canonical.digest(b"other")}, "", ""),
    ],
)
def test_what_is_said_of_the_joined_product_is_held_to_its_own_contract(
    tmp_path: Path, changes: Any, check: str, word: str
) -> None:
    log = Log()
    made = log.both()
    log.journalled(SEALED, replace(made, joined=(replace(made.joined[0], **changes),)))
    found = failed(log, tmp_path)
    assert bool(found) is bool(check)
    assert not check or any(word in each for each in found[check])


def test_a_join_under_a_contract_that_does_not_name_its_key_is_found(tmp_path: Path) -> None:
    log = Log({"join_keys": []})
    log.journalled(SEALED, log.both())
    assert any("joins" in each for each in failed(log, tmp_path)["policies"])


def test_a_join_that_overspends_the_second_contract_or_its_asset_is_found(tmp_path: Path) -> None:
    log = Log(limit=Spent(90_000_000, 0, 5), lifetime=Spent(95_000_000, 0, 5))
    log.journalled(SEALED, log.both())
    found = failed(log, tmp_path)
    assert any("agr-two" in each for each in found["budgets"])
    assert any("res-two" in each for each in found["lifetimes"])


def test_a_join_that_failed_stays_charged_to_both_and_to_no_other_asset(tmp_path: Path) -> None:
    log = Log(lifetime=Spent(95_000_000, 0, 5))
    ids = tuple(each.agreement for each in log.under)
    failure = Failure("cmp-both", DIGEST, CONSUMER, ids, "worker.died", Spent(99_000_000, 0, 1), "res-flights")
    log.journalled("computation.failed", replace(failure, joined=("res-two",)))
    assert [*failed(log, tmp_path)] == ["lifetimes"]


def test_a_receipt_whose_parts_do_not_stand_under_its_agreements_is_none() -> None:
    log = Log()
    made = log.both()
    for wrong in (
        {"agreements": made.agreements[:1]},
        {"agreements": made.agreements[::-1]},
        {"joined": made.joined * 2},
    ):
        with pytest.raises(Malformed):
            replace(made, **wrong)
