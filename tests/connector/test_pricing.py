"""Prices of noise: the mechanism by the kind of loss, shares that are least in error and never more than offered."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hefu.errors import Defect, HefuError, Refused
from hefu_connector.engines.noise import DISCRETE_GAUSSIAN, DISCRETE_LAPLACE, Asked, Noise, price, worst_square
from hefu_connector.engines.noise.drawing import certified, opendp
from hefu_connector.engines.noise.splitting import split
from hefu_connector.engines.shape import Sensitivity
from hefu_policies.budget import PrivacyLoss
from hefu_policies.conversion import epsilon_of, rho_of, rho_of_pure
from hefu_policies.reading import Place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opendp.combinators import make_zCDP_to_approxDP

from tests.deep import examples

COSTS = st.lists(st.builds(Fraction, st.integers(1, 10**18), st.sampled_from([1, 3, 10**9])), min_size=1, max_size=8)
CALM = settings(max_examples=examples(60, 3000), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.deep
@CALM
@given(COSTS, st.integers(10**6, 10**12), st.sampled_from([2, 3]))
def test_shares_add_up_and_no_exchange_between_two_makes_the_error_less(
    costs: list[Fraction], total: int, degree: int
) -> None:
    try:
        shares = split(total, costs, degree)
    except Refused:
        return
    assert sum(shares) == total
    power = degree - 1  # the variance falls with ε² or ρ
    error = sum(float(cost) / share**power for cost, share in zip(costs, shares, strict=True))
    part = total // 1000
    for giver in range(len(shares)):
        for taker in range(len(shares)):
            if giver != taker and shares[giver] > part:
                other = [*shares]
                other[giver] -= part
                other[taker] += part
                worse = sum(float(cost) / share**power for cost, share in zip(costs, other, strict=True))
                assert worse >= error * (1 - 1e-5)


def test_equal_costs_have_equal_shares_and_known_ones_their_roots() -> None:
    assert split(100, [Fraction(3)] * 3, 3) == [34, 33, 33]
    assert split(300, [Fraction(1), Fraction(8)], 3) == [100, 200]
    assert split(300, [Fraction(1), Fraction(4)], 2) == [100, 200]
    with pytest.raises(Refused):
        split(2, [Fraction(1)] * 3, 2)
    with pytest.raises(Defect):
        split(9, [Fraction(0)], 2)


MOVES = st.builds(
    lambda l0, linf, part: Sensitivity(l0, linf, max(linf, int(l0 * linf * part))),
    st.integers(1, 20), st.integers(1, 10**6), st.floats(0, 1),
)  # fmt: skip


@pytest.mark.deep
@CALM
@given(MOVES, st.data())
def test_the_worst_square_is_never_passed(moves: Sensitivity, data: st.DataObject) -> None:
    left, moved = moves.l1, []
    for _ in range(moves.l0):
        one = data.draw(st.integers(0, min(moves.linf, left)))
        left -= one
        moved.append(one)
    assert sum(each**2 for each in moved) <= worst_square(moves)


LOSSES = st.one_of(
    st.builds(PrivacyLoss, st.integers(10**4, 10**11)),
    st.builds(PrivacyLoss, st.integers(10**6, 10**11), st.integers(1, 10**12)),
    st.builds(lambda rho: PrivacyLoss(0, 0, rho), st.integers(10**3, 10**11)),
)


@pytest.mark.deep
@CALM
@given(st.lists(MOVES, min_size=1, max_size=4), LOSSES)
def test_opendp_certifies_that_all_measures_together_cost_what_is_charged(
    moves: list[Sensitivity], offered: PrivacyLoss
) -> None:
    """An independent accountant: OpenDP composes the very measurements, and says ε, (ε, δ) or ρ of all of them."""
    asked = [Asked(each, Fraction(1, each.linf**2)) for each in moves]
    try:
        bill = price(asked, offered)
    except HefuError:
        return
    assert bill.loss.fits(offered)
    spent = sum((Fraction(certified(each)[0].map(_distance(each))) for each in bill.noises), Fraction(0))
    if bill.noises[0].mechanism == DISCRETE_LAPLACE:
        assert spent <= Fraction(bill.loss.epsilon_nano, 10**9)
    elif bill.loss.rho_nano:
        assert spent <= Fraction(bill.loss.rho_nano, 10**9)
    else:
        dp = opendp()
        rho = math.nextafter(float(spent), 1e9)
        one = dp.m.make_gaussian(
            dp.vector_domain(dp.atom_domain(T=dp.i64)), dp.l2_distance(T=dp.f64), scale=math.sqrt(1 / (2 * rho))
        )
        epsilon = make_zCDP_to_approxDP(one).map(1.0).epsilon(float(bill.loss.delta))
        assert epsilon <= float(bill.loss.epsilon) * (1 + 1e-9)


def _distance(noise: Noise) -> float:
    return noise.sensitivity if noise.mechanism == DISCRETE_LAPLACE else math.sqrt(noise.sensitivity)


def test_the_mechanism_follows_the_kind_of_loss_and_the_smaller_error() -> None:
    one, many = Asked(Sensitivity(1, 1, 1)), [Asked(Sensitivity(1, 1, 1))] * 200
    assert price([one], PrivacyLoss(10**9)).noises[0].mechanism == DISCRETE_LAPLACE
    assert price([one], PrivacyLoss(0, 0, 10**7)).noises[0].mechanism == DISCRETE_GAUSSIAN
    single = price([one], PrivacyLoss(10**9, 10**9))
    assert (single.noises[0].mechanism, single.loss) == (DISCRETE_LAPLACE, PrivacyLoss(10**9))  # δ is not charged
    whole = price(many, PrivacyLoss(10**9, 10**9))
    assert (whole.noises[0].mechanism, whole.loss) == (DISCRETE_GAUSSIAN, PrivacyLoss(10**9, 10**9))
    assert whole.error(many) < price(many, PrivacyLoss(10**9)).error(many) / 10
    with pytest.raises(Refused):
        price([one], PrivacyLoss(0, 10**9))


def test_noise_is_written_and_read_the_same_and_never_without_a_share() -> None:
    noise = Noise(DISCRETE_GAUSSIAN, 10**20, 7)
    assert Noise.of(Place(noise.body(), "noise")) == noise
    for words in ((DISCRETE_GAUSSIAN, 0, 1), (DISCRETE_LAPLACE, 1, 0), ("uniform", 1, 1)):
        with pytest.raises(Defect):
            Noise(*words)


@pytest.mark.parametrize("delta", [1, 10**6, 10**9, 10**12])
@pytest.mark.parametrize("rho", [1, 10**4, 5 * 10**6, 10**9, 10**11])
def test_conversion_agrees_with_opendp_and_rounds_to_the_safe_side(rho: int, delta: int) -> None:
    dp = opendp()
    domain, metric = dp.vector_domain(dp.atom_domain(T=dp.i64)), dp.l2_distance(T=dp.f64)
    gaussian = dp.m.make_gaussian(domain, metric, scale=math.sqrt(1 / (2 * rho / 10**9)))
    theirs = make_zCDP_to_approxDP(gaussian).map(1.0).epsilon(delta / 10**15)
    ours = epsilon_of(rho, delta)
    assert -1e-9 * theirs <= ours / 10**9 - theirs <= 1e-9 + 1e-9 * theirs
    if ours:
        back = rho_of(ours, delta)
        assert back >= rho
        assert epsilon_of(back, delta) <= ours < epsilon_of(back + 1, delta)


def test_a_pure_epsilon_is_half_its_square_of_rho() -> None:
    assert rho_of_pure(10**9) == 5 * 10**8
    assert rho_of_pure(1) == 1
    assert epsilon_of(0, 10**9) == 0
