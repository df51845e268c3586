"""Negotiation in rounds at the broker: other terms are asked and offered, and one agreement has the last ones."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, Untrusted
from hefu_policies import odrl
from hefu_policies.bargaining.rounds import MOST_ROUNDS
from hefu_policies.states.negotiation import State

from tests.broker.world import Deal


def epsilon(agreement: Statement) -> Decimal:
    """The limit on one release that an agreement sets."""
    policy = odrl.load(agreement.body["strategies"][0]["policy"])  # type: ignore[index,call-overload]
    (limit,) = [each for rule in policy.permissions for each in rule.constraints if each.id == "urn:c:epsilon"]  # type: ignore[union-attr]
    return Decimal(str(limit.values[0]))  # type: ignore[union-attr]


def test_a_request_with_changes_is_agreed_on_its_own_terms(deal: Deal) -> None:
    deal.send(deal.consumer, deal.request(changes=deal.terms({"epsilon": "0.8", "releases": "3"})))
    deal.send(deal.provider, deal.agreed())
    deal.send(deal.consumer, deal.verified())
    talk = deal.send(deal.provider, deal.finalized())
    assert talk.state is State.FINALIZED
    assert epsilon(talk.agreement) == Decimal("0.8")
    assert talk.agreement.body["budget"]["releases"] == 3


def test_the_terms_of_an_accepted_counter_offer_are_those_of_the_agreement(deal: Deal) -> None:
    deal.send(deal.consumer, deal.request(changes=deal.terms({"epsilon": "2"})))
    deal.send(deal.provider, deal.counter_offer({"epsilon": "0.6"}))
    deal.send(deal.consumer, deal.counter_request({"epsilon": "0.9"}))
    deal.send(deal.provider, deal.counter_offer({"epsilon": "0.7", "valid_days": "30"}))
    deal.send(deal.consumer, deal.accepted())
    deal.send(deal.provider, deal.agreed())
    deal.send(deal.consumer, deal.verified())
    talk = deal.send(deal.provider, deal.finalized())
    assert epsilon(talk.agreement) == Decimal("0.7")
    assert talk.agreement.body["previous"] == [each.digest() for each in talk.messages[:5]]
    # All of it is in the log, for its parties and whoever oversees.
    deal.world.sequenced()
    for each in talk.messages:
        assert deal.world.rooms.log.proof_of(each) is not None


def test_after_a_restart_the_rounds_go_on(deal: Deal) -> None:
    before = deal.reach("ACCEPTED")
    deal.world.reopen()
    assert deal.world.rooms.contracts.talk(deal.consumer.caller, deal.id) == before
    deal.send(deal.provider, deal.agreed())
    deal.send(deal.consumer, deal.verified())
    assert deal.send(deal.provider, deal.finalized()).state is State.FINALIZED


@pytest.mark.parametrize("terms", [{}, {"epsilon": "0.5"}, {"epsilon": "0.9"}])
def test_an_agreement_on_other_terms_than_the_last_ones_is_refused(deal: Deal, terms: dict[str, str]) -> None:
    """The provider signs what was on the table earlier, or never."""
    deal.send(deal.consumer, deal.request(changes=deal.terms({"epsilon": "0.9"})))
    deal.send(deal.provider, deal.counter_offer({"epsilon": "0.6"}))
    deal.send(deal.consumer, deal.accepted())
    honest, table = deal.offered(), deal.messages
    deal.messages = [Statement.parse(deal.request(changes=deal.terms(terms)))]
    strategies = deal.offered().body["strategies"]
    deal.messages = table
    with pytest.raises(Untrusted) as caught:
        deal.send(deal.provider, deal.agreed(deal.offered(strategies=strategies)))
    assert caught.value.code == "agreement.differs"
    assert deal.send(deal.provider, deal.agreed(honest)).state is State.AGREED


@pytest.mark.parametrize(
    "spoil",
    [
        lambda deal: deal.counter_request({"epsilon": "0.9"}, purpose="dpv:Marketing"),
        lambda deal: deal.counter_request({"epsilon": "0.9"}, offer="off-other"),
        lambda deal: deal.counter_request({"epsilon": "0.9"}, connector="other-conn"),
        lambda deal: deal.counter_request({"epsilon": "0.9"}, description="sha256:" + "0" * 64),
        lambda deal: deal.counter_request({"epsilon": "0.9"}, previous=deal.previous()[:1]),
        lambda deal: deal.counter_request({"epsilon": "0.9"}, extra=1),
        lambda deal: deal.counter_request({}, changes={"urn:c:nothing": "1"}),
        lambda deal: deal.counter_request({}, changes={"budget.epsilon_nano": 11 * 10**9}),
        lambda deal: deal.counter_request({}, changes={"urn:c:columns": ["weight"]}),
        lambda deal: deal.accepted(previous=deal.previous()[:1]),
        lambda deal: deal.accepted(changes={}),
    ],
)
def test_a_consumers_round_that_does_not_fit_is_refused(deal: Deal, spoil: Callable[[Deal], bytes]) -> None:
    deal.reach("OFFERED")
    with pytest.raises(HefuError):
        deal.send(deal.consumer, spoil(deal))
    assert deal.world.rooms.contracts.talk(deal.consumer.caller, deal.id).state is State.OFFERED


@pytest.mark.parametrize(
    "changes",
    [
        {"changes": {"urn:c:epsilon": "0.4"}},
        {"changes": {"urn:c:epsilon": {"@value": "0.4", "@type": "xsd:integer"}}},
        {"changes": {"valid_days": 0}},
        {"changes": {"valid_days": True}},
        {"changes": {"offline_share_percent": 101}},
        {"changes": {"urn:rule:statistics": {}}},
        {"reason": "x" * 501},
        {"extra": 1},
    ],
)
def test_a_counter_offer_that_is_none_is_refused(deal: Deal, changes: dict[str, object]) -> None:
    deal.reach("REQUESTED")
    with pytest.raises(Malformed):
        deal.send(deal.provider, deal.counter_offer({}, **changes))
    assert deal.world.rooms.contracts.talk(deal.consumer.caller, deal.id).state is State.REQUESTED


def test_rounds_end(deal: Deal) -> None:
    deal.reach("OFFERED")
    for number in range(2, MOST_ROUNDS + 1):
        deal.send(deal.consumer, deal.counter_request({"epsilon": f"0.{number}"}))
        deal.send(deal.provider, deal.counter_offer({"epsilon": f"0.{number}"}))
    with pytest.raises(Conflict) as caught:
        deal.send(deal.consumer, deal.counter_request({"epsilon": "0.9"}))
    assert caught.value.code == "negotiation.rounds"
    deal.send(deal.consumer, deal.accepted())
    assert deal.send(deal.provider, deal.agreed()).state is State.AGREED


def test_of_two_moves_at_once_one_stands(deal: Deal) -> None:
    """The consumer accepts while the provider takes the offer back: whoever came second hears of the first."""
    deal.reach("OFFERED")
    accepted, ended = deal.accepted(), deal.terminated(deal.provider)
    deal.send(deal.consumer, accepted)
    with pytest.raises(Conflict) as caught:
        deal.send(deal.provider, ended)
    assert caught.value.code == "negotiation.previous"
    assert deal.send(deal.consumer, accepted).state is State.ACCEPTED
    assert deal.send(deal.provider, deal.terminated(deal.provider)).state is State.TERMINATED


def test_a_round_of_long_ago_is_no_round_of_now(deal: Deal) -> None:
    deal.reach("OFFERED")
    stale = deal.counter_request({"epsilon": "0.4"})
    deal.send(deal.consumer, deal.counter_request({"epsilon": "0.6"}))
    deal.send(deal.provider, deal.counter_offer({"epsilon": "0.55"}))
    with pytest.raises(Conflict):
        deal.send(deal.consumer, stale)
