"""One agreement of several providers: drawn up by the first, endorsed by the others, enforced by each on its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hefu import canonical
from hefu.__main__ import main
from hefu.envelope import Statement
from hefu.errors import HefuError, NotFound, Refused
from hefu.statements.receipt import Receipt, Refusal
from hefu_connector.desk.overview import YOU
from hefu_connector.ports import Contract
from hefu_connector.running import Connector
from hefu_policies.budget import Budget
from hefu_policies.goods.product import Visibility

from tests.connector.small_space import PURPOSE, Space, eventually, offer, plan, provide

FIRST, SECOND, SERVICE, CONSUMER = "hospital-a", "hospital-b", "platform-s", "pharma-c"
PRODUCTS = {FIRST: "prd-first", SECOND: "prd-second"}


@dataclass
class Town:
    space: Space

    def __getitem__(self, name: str) -> Connector:
        return self.space.connectors[name]

    def ask(self, first: str = "off-research", second: str = "off-research", service: str = SERVICE) -> str:
        further = [(PRODUCTS[SECOND], second)]
        asked = self[CONSUMER].consumer.request(
            PRODUCTS[FIRST], first, PURPOSE, "rui", further=further, service=service
        )
        return asked.id

    def in_force(self, negotiation: str, *names: str) -> dict[str, Contract]:
        def held() -> dict[str, Contract]:
            found = {
                name: each
                for name in names
                for each in self[name].agreements.all()
                if each.agreement.negotiation == negotiation
            }
            return found if len(found) == len(names) else {}

        return eventually(held)

    def waits_for(self, name: str, negotiation: str) -> None:
        def turn() -> bool:
            waiting = self[name].desk.overview.contract(negotiation).waiting
            return waiting is not None and waiting.on == YOU

        eventually(turn)

    def state(self, negotiation: str) -> str:
        return self[CONSUMER].consumer._negotiations.negotiation(f"negotiations/{negotiation}").state.value


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    space = Space(tmp_path_factory.mktemp("joint")).open()
    try:
        small = offer(id="off-small", budget=Budget.of_text("1", releases=9))
        offers = (offer(), offer(id="off-manual", approval="manual"), small)
        hidden = offer(id="off-hidden", visibility=Visibility("listed", (CONSUMER,)))
        for name in (FIRST, SECOND):
            folder = tmp_path_factory.mktemp(name)
            provide(space.member(name, "provider"), folder, PRODUCTS[name], offers=(*offers, hidden))
        space.member(SERVICE, "service")
        consumer = space.member(CONSUMER, "consumer").consumer
        eventually(lambda: consumer.show(PRODUCTS[FIRST]))
        yield Town(space)
    finally:
        space.close()


@pytest.fixture(scope="module")
def contracts(town: Town) -> dict[str, Contract]:
    return town.in_force(town.ask(second="off-small"), FIRST, SECOND, SERVICE, CONSUMER)


def test_all_parties_hold_the_same_bytes_signed_by_all_in_turn(contracts: dict[str, Contract]) -> None:
    (payload,) = {each.statement.to_bytes() for each in contracts.values()}
    signers = [each.key.partition("#")[0] for each in Statement.parse(payload).signatures]
    assert signers == [FIRST, SECOND, SERVICE, CONSUMER]


def test_each_provider_reads_its_own_part_and_its_own_budget(contracts: dict[str, Contract]) -> None:
    for name in (FIRST, SECOND):
        agreement = contracts[name].agreement
        assert (agreement.provider.participant, agreement.product) == (name, PRODUCTS[name])
        assert contracts[name].description.product == PRODUCTS[name]
        assert {each.enforced_by for each in agreement.terms} == {f"{name}-c1"}
    assert [contracts[name].agreement.budget.releases for name in (FIRST, SECOND)] == [50, 9]


def test_the_signed_bytes_name_every_party_with_its_keys(contracts: dict[str, Contract], town: Town) -> None:
    for party in contracts[CONSUMER].agreement.parties:
        (certified,) = town[CONSUMER].trust.keys(party.participant)
        (named,) = party.keys
        assert (named.key, named.digest) == (certified.key, canonical.digest(certified.value))


def test_each_provider_answers_under_the_one_agreement_and_charges_its_own_account(
    contracts: dict[str, Contract], town: Town
) -> None:
    agreement = contracts[CONSUMER].agreement.id
    for name in (FIRST, SECOND):
        outcome = town[CONSUMER].asking.compute(plan(PRODUCTS[name]), agreement, PURPOSE, "rui")
        assert isinstance(outcome.end, Receipt), outcome
        assert (outcome.end.product, outcome.own.peer) == (PRODUCTS[name], name)
    for name in (FIRST, SECOND):
        spent = {each.account.name: each.charged.releases for each, _ in town[name].desk.overview.balances()}
        assert spent[f"agreement/{agreement}"] == 1


def test_one_providers_budget_is_not_the_others(contracts: dict[str, Contract], town: Town) -> None:
    """The second provider's own budget is an epsilon of 1: what the first allows does not help."""
    agreement = contracts[CONSUMER].agreement.id
    refused = town[CONSUMER].asking.compute(plan(PRODUCTS[SECOND], "0.9"), agreement, PURPOSE, "rui")
    assert isinstance(refused.end, Refusal)
    again = town[CONSUMER].asking.compute(plan(PRODUCTS[FIRST], "0.9"), agreement, PURPOSE, "rui")
    assert isinstance(again.end, Receipt)


def test_a_product_of_nobody_in_the_agreement_is_not_asked(contracts: dict[str, Contract], town: Town) -> None:
    with pytest.raises(NotFound):
        town[CONSUMER].asking.ask(plan("prd-other"), contracts[CONSUMER].agreement.id, PURPOSE, "rui")


def test_a_further_provider_that_decides_by_hand_is_waited_for(town: Town) -> None:
    asked = town.ask(second="off-manual")
    town.waits_for(SECOND, asked)
    assert town.state(asked) == "AGREED"
    town[SECOND].desk.endorser.approve(asked)
    town.in_force(asked, FIRST, SECOND, SERVICE, CONSUMER)


def test_a_further_provider_may_refuse(town: Town) -> None:
    asked = town.ask(second="off-manual")
    town.waits_for(SECOND, asked)
    town[SECOND].desk.endorser.refuse(asked, "not with this partner")
    assert town.state(asked) == "TERMINATED"


def test_an_offer_that_is_not_meant_for_a_co_signatory_is_not_shown_to_it(town: Town) -> None:
    with pytest.raises(NotFound):
        town.ask(second="off-hidden")


def test_any_party_may_end_it_for_all(town: Town) -> None:
    asked = town.ask()
    held = town.in_force(asked, FIRST, SECOND, SERVICE, CONSUMER)
    agreement = held[SECOND].agreement.id
    town[SECOND].agreements.terminate(agreement, "agreement.ended", "our ethics board says no")
    for name in (FIRST, SERVICE, CONSUMER):
        eventually(lambda name=name: town[name].agreements.load(agreement).termination)
    with pytest.raises(Refused):
        town[CONSUMER].asking.ask(plan(PRODUCTS[FIRST]), agreement, PURPOSE, "rui")


def test_a_signature_moved_between_two_parties_holds_for_neither(contracts: dict[str, Contract], town: Town) -> None:
    statement = contracts[CONSUMER].statement
    first, second, *rest = statement.signatures
    swapped = (replace(first, value=second.value), replace(second, value=first.value))
    forged = replace(statement, signatures=(*swapped, *rest))
    with pytest.raises(HefuError):
        town[CONSUMER].trust.verify(forged, *(each.participant for each in contracts[CONSUMER].agreement.parties))


def test_people_ask_for_it_see_it_and_compute_under_it_by_commands(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--dir", str(town.space.folder / CONSUMER), "--json"]

    def run(*words: str) -> Any:
        assert main([*words, *where]) == 0
        return json.loads(capsys.readouterr().out)

    asked = run(
        "contract", "request", PRODUCTS[FIRST], "--offer", "off-research", "--purpose", PURPOSE, "--wait", "20",
        "--with", f"{PRODUCTS[SECOND]}:off-small", "--service", SERVICE,
    )  # fmt: skip
    found = run("contract", "show", asked["negotiation"], "--wait", "20")
    assert found["state"] == "active"
    assert [each["participant"] for each in found["terms"]["parties"]] == [FIRST, SECOND, SERVICE, CONSUMER]
    assert main(["contract", "show", found["agreement"], *where[:2]]) == 0
    assert f"{SECOND}: {PRODUCTS[SECOND]} (offer off-small)" in capsys.readouterr().out
    query = "SELECT region, COUNT(*) AS n FROM data GROUP BY region"
    for name in (FIRST, SECOND):
        told = run(
            "compute", "query", query, "--contract", found["agreement"], "--product", PRODUCTS[name], "--epsilon", "0.1"
        )
        assert (told["state"], told["provider"]) == ("released", name)
