"""The algebra of charges and budgets."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hefu.errors import Malformed
from hefu_policies.budget import NOTHING, Budget, Charge, PrivacyLoss, remaining, would_exceed
from hypothesis import given
from hypothesis import strategies as st

units = st.integers(0, 2**50)
losses = st.builds(PrivacyLoss, units, st.integers(0, 10**14))
charges = st.builds(Charge, losses, st.integers(0, 1000))
budgets = st.builds(Budget, losses, st.integers(0, 10_000))


@given(charges, charges, charges)
def test_charges_add_in_any_order(one: Charge, two: Charge, three: Charge) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + NOTHING == one


@given(charges, charges, charges, budgets)
def test_more_never_fits_where_less_exceeds(spent: Charge, charge: Charge, more: Charge, budget: Budget) -> None:
    if would_exceed(spent, charge, budget):
        assert would_exceed(spent + more, charge, budget)
        assert would_exceed(spent, charge + more, budget)


@given(charges, charges, budgets)
def test_a_charge_fits_exactly_if_it_fits_what_remains(spent: Charge, charge: Charge, budget: Budget) -> None:
    inside = not would_exceed(spent, NOTHING, budget)
    left = remaining(spent, budget)
    if inside:
        assert would_exceed(spent, charge, budget) is would_exceed(NOTHING, charge, left)
    assert left.fits(budget)


@given(st.lists(charges, max_size=30), budgets)
def test_charges_admitted_one_by_one_never_overspend(asked: list[Charge], budget: Budget) -> None:
    spent = NOTHING
    for charge in asked:
        if not would_exceed(spent, charge, budget):
            spent += charge
    assert spent.loss.epsilon_nano <= budget.loss.epsilon_nano
    assert spent.loss.delta_femto <= budget.loss.delta_femto
    assert spent.releases <= budget.releases


@pytest.mark.parametrize(
    ("spent", "charge"),
    [
        (Charge(PrivacyLoss(10, 0), 0), Charge(PrivacyLoss(1, 0), 0)),
        (Charge(PrivacyLoss(0, 5), 0), Charge(PrivacyLoss(0, 1), 0)),
        (Charge(PrivacyLoss(0, 0), 2), Charge(PrivacyLoss(0, 0), 1)),
    ],
)
def test_each_of_epsilon_delta_and_releases_exceeds_on_its_own(spent: Charge, charge: Charge) -> None:
    budget = Budget(PrivacyLoss(10, 5), 2)
    assert not would_exceed(spent, NOTHING, budget)
    assert would_exceed(spent, charge, budget)


decimals = st.decimals(0, 999_999, allow_nan=False, allow_infinity=False, places=20)


@given(decimals)
def test_a_loss_is_rounded_up_and_a_budget_down_by_less_than_a_unit(number: Decimal) -> None:
    text = format(number, "f")
    exact = Fraction(number) * 10**9
    spent = PrivacyLoss.of_text(text).epsilon_nano
    granted = Budget.of_text(text, releases=1).loss.epsilon_nano
    assert granted <= exact <= spent
    assert spent - granted <= 1


def test_long_decimals_are_not_rounded_before_they_are_rounded_up() -> None:
    assert (
        PrivacyLoss.of_text("123456789.0000000000000000000000000000000000000001").epsilon_nano == 123456789 * 10**9 + 1
    )


def test_the_smallest_loss_costs_one_unit() -> None:
    assert PrivacyLoss.of_text("1e-40", "1e-40") == PrivacyLoss(1, 1)


@pytest.mark.parametrize("text", ["-1", "NaN", "inf", "1,5", "", " 1", "1e5", "0x1", "١", "1e-400"])
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="epsilon"):
        PrivacyLoss.of_text(text)


def test_a_loss_reads_back_as_the_decimal_it_was() -> None:
    loss = PrivacyLoss.of_text("0.5", "1e-6")
    assert (loss.epsilon, loss.delta) == (Decimal("0.5"), Decimal("0.000001"))


@given(budgets, charges)
def test_budgets_and_charges_read_back_what_they_wrote(budget: Budget, charge: Charge) -> None:
    assert Budget.of(budget.body()) == budget
    assert Charge.of(charge.body()) == charge
    assert PrivacyLoss.of(charge.loss.body()) == charge.loss


@pytest.mark.parametrize("value", [-1, True, 0.5, "1", None])
def test_an_amount_that_is_no_whole_number_cannot_be_built(value: object) -> None:
    with pytest.raises(Malformed):
        PrivacyLoss(value)  # type: ignore[arg-type]


def test_a_delta_of_one_or_another_currency_cannot_be_granted() -> None:
    with pytest.raises(Malformed, match="delta"):
        Budget(PrivacyLoss(1, 10**15), 1)
    with pytest.raises(Malformed, match="currency"):
        Budget(PrivacyLoss(1, 0), 1, "rho")


@pytest.mark.parametrize("budget", [Budget(PrivacyLoss(0, 5), 1), Budget(PrivacyLoss(5, 5), 0)])
def test_an_empty_budget_may_remain_but_not_be_granted(budget: Budget) -> None:
    with pytest.raises(Malformed, match="above 0"):
        budget.check_granted("offer")
