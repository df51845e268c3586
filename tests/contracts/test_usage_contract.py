"""What every ledger must do with uses, time and money: taken with the charge, all or nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hefu.errors import BudgetExceeded, Conflict, Malformed
from hefu_connector.allowances import MILLISECONDS, UNLIMITED, USES, Allowance, Taken
from hefu_connector.ports import Ledger
from hefu_policies.budget import NOTHING

from tests.contracts.stories import NOW, account, charge

ASSET = account("asset/res-a", 10**6, 0, 10**6)
DAILY = Allowance("frequency/agr-a/c1", USES, limit=2, amount=1, at=NOW)
SPACED = Allowance("interval/agr-a/c2", USES, limit=UNLIMITED, amount=1, at=NOW, apart=timedelta(minutes=10))
TIME = Allowance("metered/agr-a/c3", MILLISECONDS, limit=60_000, amount=40_000, at=NOW)
MONEY = Allowance("payment/agr-a/c4", "CNY", limit=UNLIMITED, amount=500, at=NOW)


def later(allowance: Allowance, **shift: float) -> Allowance:
    return replace(allowance, at=allowance.at + timedelta(**shift))


def test_what_was_never_used_has_nothing_taken(ledger: Ledger) -> None:
    assert ledger.taken(DAILY.name) == Taken()


def test_uses_time_and_money_are_taken_with_the_charge(ledger: Ledger) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(2), [DAILY, SPACED, TIME, MONEY])
    assert ledger.balance(ASSET).charged == charge(2)
    assert [ledger.taken(each.name).amount for each in (DAILY, SPACED, TIME, MONEY)] == [1, 1, 40_000, 500]
    assert ledger.taken(MONEY.name) == Taken(500, 0, NOW)


def test_what_one_allowance_refuses_is_neither_charged_nor_taken_of_another(ledger: Ledger) -> None:
    greedy = replace(TIME, amount=60_001)
    with pytest.raises(BudgetExceeded) as refusal:
        ledger.reserve("cmp-1", [ASSET], charge(2), [DAILY, MONEY, greedy])
    assert refusal.value.reasons == (f"{TIME.name}: 60001 milliseconds asked, 60000 left",)
    assert ledger.balance(ASSET).charged == NOTHING
    assert ledger.charged("cmp-1") is None
    assert [ledger.taken(each.name).amount for each in (DAILY, MONEY, TIME)] == [0, 0, 0]


def test_what_a_budget_refuses_takes_of_no_allowance(ledger: Ledger) -> None:
    with pytest.raises(BudgetExceeded):
        ledger.reserve("cmp-1", [account("agreement/agr-a", 1)], charge(2), [DAILY])
    assert ledger.taken(DAILY.name).amount == 0


def test_the_same_computation_takes_once(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.reserve("cmp-1", [ASSET], charge(1), [DAILY, MONEY])
    assert (ledger.taken(DAILY.name).amount, ledger.taken(MONEY.name).amount) == (1, 500)


def test_a_window_has_its_own_count_and_a_clock_set_back_opens_none_again(ledger: Ledger) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(1), [DAILY])
    ledger.reserve("cmp-2", [ASSET], charge(1), [DAILY])
    with pytest.raises(BudgetExceeded):
        ledger.reserve("cmp-3", [ASSET], charge(1), [DAILY])
    ledger.reserve("cmp-3", [ASSET], charge(1), [replace(later(DAILY, days=1), period=1)])
    assert ledger.taken(DAILY.name).amount == 1
    with pytest.raises(BudgetExceeded) as refusal:
        ledger.reserve("cmp-4", [ASSET], charge(1), [DAILY])
    assert "a later time was seen already" in refusal.value.reasons[0]


@pytest.mark.parametrize(("shift", "permitted"), [(-3600.0, False), (0.0, False), (599.999, False), (600.0, True)])
def test_uses_keep_their_distance_whatever_the_clock_says(ledger: Ledger, shift: float, permitted: bool) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(1), [SPACED])
    try:
        ledger.reserve("cmp-2", [ASSET], charge(1), [later(SPACED, seconds=shift)])
    except BudgetExceeded:
        assert not permitted
    else:
        assert permitted
    last = ledger.taken(SPACED.name).last
    assert last == (NOW + timedelta(seconds=shift) if permitted else NOW)


def test_time_is_taken_at_most_and_given_back_once(ledger: Ledger) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(1), [TIME, MONEY])
    ledger.settle("cmp-1", MILLISECONDS, 250)
    ledger.settle("cmp-1", MILLISECONDS, 0)
    assert ledger.taken(TIME.name).amount == 250
    assert ledger.taken(MONEY.name).amount == 500
    ledger.reserve("cmp-2", [ASSET], charge(1), [TIME])
    ledger.settle("cmp-2", MILLISECONDS, 10**9)
    assert ledger.taken(TIME.name).amount == 40_250
    ledger.settle("cmp-unknown", MILLISECONDS, 0)
    assert ledger.taken(TIME.name).amount == 40_250


def test_nothing_comes_back_to_a_window_that_is_over(ledger: Ledger) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(1), [TIME])
    ledger.reserve("cmp-2", [ASSET], charge(1), [replace(TIME, period=1)])
    ledger.settle("cmp-1", MILLISECONDS, 0)
    assert ledger.taken(TIME.name) == Taken(40_000, 1, NOW)


def test_clauses_share_a_count_and_have_limits_of_their_own(ledger: Ledger) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(1), [DAILY])
    ledger.reserve("cmp-2", [ASSET], charge(1), [DAILY])
    ledger.reserve("cmp-3", [ASSET], charge(1), [replace(DAILY, limit=3)])
    for narrow in (DAILY, replace(DAILY, limit=3)):
        with pytest.raises(BudgetExceeded):
            ledger.reserve("cmp-4", [ASSET], charge(1), [narrow])
    assert ledger.taken(DAILY.name).amount == 3


def test_a_unit_is_fixed_at_first_use(ledger: Ledger) -> None:
    ledger.reserve("cmp-1", [ASSET], charge(1), [DAILY])
    with pytest.raises(Conflict):
        ledger.reserve("cmp-2", [ASSET], charge(1), [replace(DAILY, unit="CNY")])
    assert ledger.charged("cmp-2") is None


@pytest.mark.parametrize("amount", [-1, 2**53])
def test_an_amount_that_is_none_is_refused(amount: int) -> None:
    with pytest.raises(Malformed):
        replace(MONEY, amount=amount)


def test_of_64_at_once_exactly_one_gets_the_last_use_and_all_others_cost_nothing(ledger: Ledger) -> None:
    ledger.reserve("cmp-first", [ASSET], charge(1), [DAILY, MONEY])

    def ask(number: int) -> bool:
        both = [DAILY, MONEY] if number % 2 else [MONEY, DAILY]
        try:
            ledger.reserve(f"cmp-{number}", [ASSET], charge(1), both)
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(64) as threads:
        assert sum(threads.map(ask, range(64))) == 1
    assert ledger.taken(DAILY.name).amount == 2
    assert ledger.taken(MONEY.name).amount == 1000
    assert ledger.balance(ASSET).charged == charge(2, 0, 2)


def test_instants_are_kept_to_the_microsecond(ledger: Ledger) -> None:
    at: datetime = NOW + timedelta(microseconds=1)
    ledger.reserve("cmp-1", [ASSET], charge(1), [replace(SPACED, at=at)])
    assert ledger.taken(SPACED.name).last == at
