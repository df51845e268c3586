"""A provider begins a negotiation at the broker: with whom it may, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hefu.envelope import new_id
from hefu.errors import Conflict, HefuError, NotFound, Refused
from hefu_broker.dealing.contracts import MOST_UNANSWERED
from hefu_policies.agreeing.contract import Visibility
from hefu_policies.states.negotiation import State

from tests.broker.test_rounds import epsilon
from tests.broker.world import Deal, World, description, publish


def taken(deal: Deal, **changes: object) -> bytes:
    named = {"connector": deal.consumer.ring.connector, "purpose": "dpv:ScientificResearch"}
    return deal.accepted(**(named | changes))


def test_an_offer_that_its_consumer_accepts_becomes_a_contract(deal: Deal) -> None:
    talk = deal.send(deal.provider, deal.opening({"epsilon": "0.7"}))
    assert (talk.state, talk.consumer, talk.product) == (State.OFFERED, deal.consumer.id, "prd-diabetes")
    assert [each.id for each in deal.world.rooms.contracts.changed(deal.consumer.id, 0)] == [deal.id]
    deal.send(deal.consumer, taken(deal))
    deal.send(deal.provider, deal.agreed())
    deal.send(deal.consumer, deal.verified())
    talk = deal.send(deal.provider, deal.finalized())
    assert talk.state is State.FINALIZED
    assert str(epsilon(talk.agreement)) == "0.7"
    assert talk.agreement.body["previous"] == [each.digest() for each in talk.messages[:2]]
    deal.world.sequenced()
    assert all(deal.world.rooms.log.proof_of(each) is not None for each in talk.messages)


def test_a_consumer_may_ask_for_other_terms_and_the_rounds_go_on_after_a_restart(deal: Deal) -> None:
    opening = deal.opening({"epsilon": "0.4"})
    deal.send(deal.provider, opening)
    assert deal.send(deal.provider, opening).state is State.OFFERED  # the same again changes nothing
    deal.send(deal.consumer, deal.counter_request({"epsilon": "0.8"}))
    deal.world.reopen()
    deal.send(deal.provider, deal.counter_offer({"epsilon": "0.6"}))
    with pytest.raises(Conflict):  # its connector and purpose are named already
        deal.send(deal.consumer, taken(deal))
    deal.send(deal.consumer, deal.accepted())
    assert str(epsilon(deal.send(deal.provider, deal.agreed()).agreement)) == "0.6"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda deal: taken(deal, connector="other-conn"),
        lambda deal: deal.accepted(),
        lambda deal: taken(deal, purpose=""),
        lambda deal: deal.counter_request({"epsilon": "0.9"}, connector="other-conn"),
        lambda deal: deal.counter_request({"epsilon": "0.9"}, product="prd-other"),
        lambda deal: deal.request(),
    ],
)
def test_an_answer_that_does_not_fit_the_offer_is_refused(deal: Deal, spoil: Callable[[Deal], bytes]) -> None:
    deal.send(deal.provider, deal.opening({}))
    with pytest.raises(HefuError):
        deal.send(deal.consumer, spoil(deal))
    assert deal.world.rooms.contracts.talk(deal.consumer.caller, deal.id).state is State.OFFERED


def test_a_provider_makes_no_agreement_of_its_own_offer(deal: Deal) -> None:
    """Nobody else accepts for the consumer, and without its word there is nothing to agree on."""
    deal.send(deal.provider, deal.opening({}))
    for spoil in (
        deal.agreed,
        lambda: deal.provider.says("negotiation.accepted", {"negotiation": deal.id, "previous": deal.previous()}),
        lambda: deal.counter_offer({"epsilon": "0.4"}),
    ):
        with pytest.raises(HefuError):
            deal.send(deal.provider, spoil())
    assert deal.send(deal.provider, deal.terminated(deal.provider)).state is State.TERMINATED


@pytest.mark.parametrize(
    "member", ["provider", "consumer", "product", "description", "offer", "changes", "negotiation"]
)
def test_an_offer_of_what_the_provider_has_not_is_refused(deal: Deal, member: str) -> None:
    other: dict[str, object] = {"description": "sha256:" + "0" * 64, "changes": {"urn:c:nothing": "1"}}
    with pytest.raises(HefuError):
        deal.send(deal.provider, deal.opening({}, **{member: other.get(member, "nobody-at-all")}))
    with pytest.raises(NotFound):
        deal.world.rooms.contracts.talk(deal.provider.caller, deal.id)


def test_only_a_provider_offers_and_only_to_a_consumer_that_the_offer_is_for(deal: Deal, world: World) -> None:
    with pytest.raises(Refused):  # a consumer offers nothing
        deal.send(deal.consumer, deal.consumer.says("negotiation.offered", deal.opening_body({})))
    other = world.person("clinic-x", "provider")
    with pytest.raises(HefuError):  # to somebody who is no consumer
        deal.send(deal.provider, deal.opening({}, consumer=other.id))
    with pytest.raises(HefuError):  # another's product
        deal.send(other, other.says("negotiation.offered", deal.opening_body({}) | {"provider": other.id}))
    hidden = description("prd-hidden", resource="res-hidden", visibility=Visibility("listed", ("bank-y",)))
    deal.product = publish(world, deal.provider, hidden)
    with pytest.raises(NotFound):
        deal.send(deal.provider, deal.opening({}))


def test_a_consumer_is_asked_and_not_flooded(deal: Deal) -> None:
    others = [replace(deal, id=new_id("neg"), messages=[]) for _ in range(MOST_UNANSWERED)]
    for each in others:
        each.send(deal.provider, each.opening({"epsilon": "0.4"}))
    opening = deal.opening({"epsilon": "0.4"})
    with pytest.raises(Refused) as refused:
        deal.send(deal.provider, opening)
    assert refused.value.code == "negotiation.unanswered"
    others[0].send(deal.consumer, taken(others[0]))  # one is answered, and there is room for one
    assert deal.send(deal.provider, opening).state is State.OFFERED
    assert deal.send(deal.provider, opening).state is State.OFFERED
