"""What every `BudgetLedger` must do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hefu.errors import BudgetExceeded, Conflict, Defect
from hefu_connector.ports import Account, BudgetLedger
from hefu_policies.budget import NOTHING, ZCDP, Budget, Charge, PrivacyLoss

from tests.contracts.stories import account, charge

ASSET, AGREEMENT = account("asset/res-a"), account("agreement/agr-a", epsilon=4)


def test_an_unused_account_has_nothing_charged(ledger: BudgetLedger) -> None:
    balance = ledger.balance(ASSET)
    assert (balance.account, balance.charged) == (ASSET, NOTHING)
    assert list(ledger.balances()) == []
    assert ledger.charged("cmp-1") is None


def test_a_charge_goes_against_all_its_accounts(ledger: BudgetLedger) -> None:
    ledger.reserve("cmp-1", [ASSET, AGREEMENT], charge(2, 3, 1))
    ledger.reserve("cmp-2", [ASSET], charge(1, 1, 2))
    assert ledger.balance(ASSET).charged == charge(3, 4, 3)
    assert ledger.balance(AGREEMENT).charged == charge(2, 3, 1)
    assert [each.account.name for each in ledger.balances()] == ["agreement/agr-a", "asset/res-a"]
    assert ledger.charged("cmp-1") == charge(2, 3, 1)


def test_the_last_unit_can_be_spent_and_no_more(ledger: BudgetLedger) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(10, 10, 10))
    with pytest.raises(BudgetExceeded):
        ledger.reserve("cmp-2", [ASSET], charge(1, 0, 0))
    assert ledger.balance(ASSET).charged == charge(10, 10, 10)


@pytest.mark.parametrize("spent", [charge(11, 0, 0), charge(0, 11, 0), charge(0, 0, 11)])
def test_each_unit_has_its_own_limit(ledger: BudgetLedger, spent: Charge) -> None:
    with pytest.raises(BudgetExceeded):
        ledger.reserve("cmp-1", [ASSET], spent)
    assert ledger.charged("cmp-1") is None


def test_a_charge_that_one_account_refuses_leaves_the_others_untouched(ledger: BudgetLedger) -> None:
    with pytest.raises(BudgetExceeded) as refusal:
        ledger.reserve("cmp-1", [AGREEMENT, ASSET], charge(5))
    assert ledger.balance(ASSET).charged == ledger.balance(AGREEMENT).charged == NOTHING
    assert ledger.charged("cmp-1") is None
    assert refusal.value.parameters["account"] == AGREEMENT.name
    assert len(refusal.value.reasons) == 1
    assert AGREEMENT.name in refusal.value.reasons[0]


def test_the_same_computation_is_charged_once(ledger: BudgetLedger) -> None:
    for _ in range(3):
        ledger.reserve("cmp-1", [ASSET, AGREEMENT], charge(4))
    assert ledger.balance(AGREEMENT).charged == charge(4)


def test_a_computation_cannot_be_charged_otherwise_later(ledger: BudgetLedger) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(1))
    with pytest.raises(Conflict, match="otherwise"):
        ledger.reserve("cmp-1", [ASSET], charge(9))
    assert ledger.charged("cmp-1") == charge(1)


def test_a_refused_computation_may_ask_again_for_less(ledger: BudgetLedger) -> None:
    with pytest.raises(BudgetExceeded):
        ledger.reserve("cmp-1", [ASSET], charge(11))
    ledger.reserve("cmp-1", [ASSET], charge(10))
    assert ledger.balance(ASSET).charged == charge(10)


def test_an_account_named_twice_is_charged_once(ledger: BudgetLedger) -> None:
    ledger.reserve("cmp-1", [ASSET, ASSET], charge(6))
    assert ledger.balance(ASSET).charged == charge(6)


def test_a_charge_without_an_account_is_never_free(ledger: BudgetLedger) -> None:
    with pytest.raises(Defect):
        ledger.reserve("cmp-1", [], charge(1))
    assert ledger.charged("cmp-1") is None


@pytest.mark.parametrize(
    "grown", [account("asset/res-a", epsilon=11), account("asset/res-a", delta=11), account("asset/res-a", releases=11)]
)
def test_an_assets_limit_never_grows(ledger: BudgetLedger, grown: object) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(1))
    with pytest.raises(Conflict, match="may only fall"):
        ledger.reserve("cmp-2", [grown], charge(1))  # type: ignore[list-item]
    assert ledger.balance(ASSET).account.limit == ASSET.limit
    assert ledger.balance(ASSET).charged == charge(1)


def test_an_assets_limit_that_fell_is_honoured_for_good(ledger: BudgetLedger) -> None:
    lower = account("asset/res-a", epsilon=5)
    ledger.reserve("cmp-1", [ASSET], charge(4))
    with pytest.raises(BudgetExceeded):
        ledger.reserve("cmp-2", [lower], charge(2))
    with pytest.raises(Conflict, match="may only fall"):
        ledger.reserve("cmp-3", [ASSET], charge(1))
    ledger.reserve("cmp-4", [lower], charge(1))
    assert ledger.balance(lower).charged == charge(5, 0, 2)
    assert ledger.balance(ASSET).account == lower


def test_an_assets_limit_may_fall_below_what_is_spent_and_then_nothing_fits(ledger: BudgetLedger) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(8))
    with pytest.raises(BudgetExceeded):
        ledger.reserve("cmp-2", [account("asset/res-a", epsilon=3)], charge(0, 0, 0 + 1))
    assert ledger.balance(ASSET).charged == charge(8)


@pytest.mark.parametrize("name", ["agreement/agr-a", "offline/agr-a"])
@pytest.mark.parametrize("epsilon", [9, 11])
def test_limits_of_agreements_are_fixed_at_first_use(ledger: BudgetLedger, name: str, epsilon: int) -> None:
    ledger.reserve("cmp-1", [account(name)], charge(1))
    with pytest.raises(Conflict, match="fixed at first use"):
        ledger.reserve("cmp-2", [ASSET, account(name, epsilon=epsilon)], charge(1))
    assert ledger.balance(ASSET).charged == NOTHING
    assert ledger.charged("cmp-2") is None


@pytest.mark.parametrize("huge", [2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**40])
def test_numbers_that_would_wrap_around_are_refused(ledger: BudgetLedger, huge: int) -> None:
    most = account("asset/res-a", epsilon=2**53 - 1, delta=10**15 - 1, releases=2**53 - 1)
    ledger.reserve("cmp-0", [most], charge(2**53 - 2, 10**15 - 2, 2**53 - 2))
    for spent in (charge(huge, 0, 0), charge(0, huge, 0), charge(0, 0, huge)):
        with pytest.raises(BudgetExceeded):
            ledger.reserve("cmp-1", [most], spent)
    ledger.reserve("cmp-1", [most], charge(1, 1, 1))
    full = ledger.balance(most)
    assert full.charged == Charge(full.account.limit.loss, full.account.limit.releases)


def test_threads_together_spend_the_budget_exactly(ledger: BudgetLedger) -> None:
    tight = account("asset/res-a", epsilon=21, delta=100, releases=100)
    wide = account("agreement/agr-a", epsilon=1000, delta=1000, releases=1000)

    def spend(number: int) -> bool:
        # Both orders, so that accounts locked one after another could block each other.
        named = [tight, wide] if number % 2 else [wide, tight]
        try:
            ledger.reserve(f"cmp-{number % 30}", named, Charge(PrivacyLoss(3), 1))
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(spend, range(60)))
    assert ledger.balance(tight).charged == charge(21, 0, 7)
    assert ledger.balance(wide).charged == charge(21, 0, 7)
    assert sum(ledger.charged(f"cmp-{number}") is not None for number in range(30)) == 7


def test_a_balance_tells_the_limit_that_is_kept(ledger: BudgetLedger) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(1))
    asked = replace(ASSET, limit=account("x", epsilon=99).limit)
    assert ledger.balance(asked).account == ASSET


def test_rho_adds_up_to_its_limit_and_losses_of_the_other_currency_never_fit(ledger: BudgetLedger) -> None:
    asset = Account("asset/res-rho", Budget(PrivacyLoss(0, 5, 10), 10, ZCDP))
    ledger.reserve("cmp-1", [asset], Charge(PrivacyLoss(0, 0, 7)))
    ledger.reserve("cmp-2", [asset], Charge(PrivacyLoss(0, 5, 3)))
    assert ledger.balance(asset).charged == Charge(PrivacyLoss(0, 5, 10), 2)
    assert ledger.charged("cmp-1") == Charge(PrivacyLoss(0, 0, 7))
    for loss in (PrivacyLoss(0, 0, 1), PrivacyLoss(1)):
        with pytest.raises(BudgetExceeded):
            ledger.reserve("cmp-3", [asset], Charge(loss))
    with pytest.raises(BudgetExceeded):
        ledger.reserve("cmp-3", [ASSET], Charge(PrivacyLoss(0, 0, 1)))
    with pytest.raises(Conflict):  # the same asset in another currency
        ledger.reserve("cmp-3", [account("asset/res-rho", epsilon=1)], Charge(PrivacyLoss(0), 1))
