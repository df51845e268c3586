"""A contract whose budget is counted in ρ of zero-concentrated privacy, from its offer to the offline verifier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hefu import canonical
from hefu.checking.agreed import budget_of
from hefu.errors import Malformed
from hefu.statements.receipt import Noise, Receipt, Spent
from hefu_connector.engines.noise import DISCRETE_GAUSSIAN
from hefu_connector.ports import ComputationState
from hefu_connector.running import Connector
from hefu_connector.shelves import SourceRecord
from hefu_policies.agreeing.changes import changed, read
from hefu_policies.budget import ZCDP, Budget, Charge, PrivacyLoss, would_exceed
from hefu_policies.goods.product import Offer
from hefu_policies.goods.resource import Privacy, Resource
from hefu_policies.library import template

from tests.connector.small_space import PURPOSE, Space, agree, description, plan, write_table
from tests.connector.small_space import eventually as until


def rho_offer() -> Offer:
    limits = {"rho": "0.2", "budget": "0.5", "min_group": 5, "columns": ["age", "region"]}
    policy = template("rho-statistics", limits | {"until": "2036-01-01T00:00:00Z"})
    return Offer("off-rho", policy, Budget.of_rho("0.5", releases=50))


def test_bodies_without_rho_are_what_they_were_and_with_it_are_read_again() -> None:
    assert PrivacyLoss(1, 2).body() == {"epsilon_nano": 1, "delta_femto": 2}
    assert Spent(1, 2, 3).body() == {"epsilon_nano": 1, "delta_femto": 2, "releases": 3}
    assert Noise("n", "discrete-laplace", "1", 5).body() == {
        "column": "n", "mechanism": "discrete-laplace", "scale": "1", "epsilon_nano": 5,
    }  # fmt: skip
    for one in (PrivacyLoss(0, 1, 7), Charge(PrivacyLoss(0, 0, 7), 3), Budget(PrivacyLoss(0, 1, 7), 3, ZCDP)):
        assert type(one).of(one.body()) == one
    assert Spent.of(Spent(0, 1, 2, 7).body()) == Spent(0, 1, 2, 7)
    assert not Spent(0, 0, 1, 8).within(Spent(10, 0, 5, 7))  # how an offline verifier judges Σ charges
    assert budget_of(Budget(PrivacyLoss(0, 1, 7), 3, ZCDP).body()) == Spent(0, 1, 3, 7)
    with pytest.raises(Malformed):  # a ρ of 0 is left out, so there is one spelling only
        PrivacyLoss.of({"epsilon_nano": 1, "delta_femto": 0, "rho_nano": 0})


@pytest.mark.parametrize(
    "body",
    [
        {"currency": "zcdp", "epsilon_nano": 1, "delta_femto": 0, "releases": 1, "rho_nano": 7},
        {"currency": "epsilon-delta", "epsilon_nano": 1, "delta_femto": 0, "releases": 1, "rho_nano": 7},
        {"currency": "zcdp", "epsilon_nano": 1, "delta_femto": 0, "releases": 1},
        {"currency": "renyi", "epsilon_nano": 1, "delta_femto": 0, "releases": 1},
    ],
)
def test_a_limit_has_one_currency(body: canonical.Object) -> None:
    with pytest.raises(Malformed):
        Budget.of(body)
    with pytest.raises((ValueError, KeyError)):
        budget_of(body)


def test_no_loss_fits_a_budget_of_the_other_currency() -> None:
    rho, epsilon = Budget.of_rho("1", releases=9), Budget.of_text("1", releases=9)
    nothing = Charge(PrivacyLoss(0), 0)
    assert would_exceed(nothing, Charge(PrivacyLoss(1)), rho)
    assert would_exceed(nothing, Charge(PrivacyLoss(0, 0, 1)), epsilon)
    assert not would_exceed(nothing, Charge(PrivacyLoss(0, 0, 10**9)), rho)
    assert not rho.fits(epsilon)


def test_a_negotiation_changes_rho_where_the_offer_counts_in_it() -> None:
    asked = read(rho_offer(), {"budget": "0.4"})
    assert asked["budget.rho_nano"] == 4 * 10**8
    made = changed(rho_offer(), asked)
    assert made.budget == Budget.of_rho("0.4", releases=50)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connector, Connector, str]]:
    folder = tmp_path_factory.mktemp("rho")
    space = Space(folder).open()
    try:
        provider = space.member("hospital-a", "provider", quantum_ms=20)
        consumer = space.member("pharma-b", "consumer")
        resource = provider.desk.book.add(SourceRecord("visits", "", str(write_table(folder)), "csv")).resource
        asset = description(resource, "prd-visits").resources[0]
        counted = Resource(asset.id, asset.schema, Privacy("patient", 1, Budget.of_rho("2", releases=100)))
        made = description(resource, "prd-visits", resources=(counted,), offers=(rho_offer(),))
        until(lambda: provider.provider.publish(made))
        yield provider, consumer, agree(provider, consumer, "prd-visits", "off-rho")
    finally:
        space.close()


def test_a_question_is_charged_in_rho_and_says_so_in_its_receipt(sides: tuple[Connector, Connector, str]) -> None:
    provider, consumer, agreement = sides
    asked = plan("prd-visits", loss=PrivacyLoss.of_rho("0.1"))
    outcome = consumer.asking.compute(asked, agreement, PURPOSE, "rui")
    assert outcome.own.state is ComputationState.RELEASED
    assert outcome.receipt is not None
    receipt = Receipt.of(outcome.receipt)
    assert receipt.charge == Spent(0, 0, 1, 10**8)
    assert {each.mechanism.partition(":")[0] for each in receipt.mechanisms} == {DISCRETE_GAUSSIAN}
    assert sum(each.rho_nano for each in receipt.mechanisms) == 10**8
    assert sum(each.epsilon_nano for each in receipt.mechanisms) == 0
    assert receipt.facts["rho"] == "0.1"
    assert "epsilon" not in receipt.facts
    charged = {each.account.name: each.charged for each, _ in provider.desk.overview.balances()}
    assert charged[f"agreement/{agreement}"].loss == PrivacyLoss(0, 0, 10**8)


def test_an_epsilon_is_not_taken_where_the_contract_counts_in_rho(sides: tuple[Connector, Connector, str]) -> None:
    _, consumer, agreement = sides
    outcome = consumer.asking.compute(plan("prd-visits", epsilon="0.01"), agreement, PURPOSE, "rui")
    assert outcome.own.state is ComputationState.REFUSED


def test_a_rho_above_what_remains_is_refused(sides: tuple[Connector, Connector, str]) -> None:
    _, consumer, agreement = sides
    asked = plan("prd-visits", loss=PrivacyLoss.of_rho("0.45"))
    outcome = consumer.asking.compute(asked, agreement, PURPOSE, "rui")
    assert outcome.own.state is ComputationState.REFUSED
