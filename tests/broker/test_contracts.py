"""Contract negotiation with real keys: the way to an agreement, and every way that does not lead there."""

from __future__ import annotations

import copy
import threading
from dataclasses import replace
from itertools import permutations, product

import pytest
from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Refused, Unauthenticated, Untrusted
from hefu.tlog import tree
from hefu.tlog.note import VerifierKey
from hefu_policies.agreeing.contract import Offer, Visibility
from hefu_policies.states.negotiation import State

from tests.broker.world import POLICY, Deal, Person, World, description, only_for, publish

MOVES = ("request", "offered", "accepted", "agreed", "verified", "finalized", "terminated")
STATES = ("REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "FINALIZED")
ALLOWED = {
    ("REQUESTED", "offered", "provider"),
    ("OFFERED", "request", "consumer"),
    ("OFFERED", "accepted", "consumer"),
    ("OFFERED", "terminated", "provider"),
    ("OFFERED", "terminated", "consumer"),
    ("ACCEPTED", "agreed", "provider"),
    ("ACCEPTED", "terminated", "provider"),
    ("REQUESTED", "agreed", "provider"),
    ("AGREED", "verified", "consumer"),
    ("VERIFIED", "finalized", "provider"),
    ("REQUESTED", "terminated", "provider"),
    ("REQUESTED", "terminated", "consumer"),
    ("AGREED", "terminated", "consumer"),
    ("VERIFIED", "terminated", "provider"),
}


def test_both_halves_meet_and_the_broker_countersigns(deal: Deal) -> None:
    talk = deal.reach("FINALIZED")
    assert talk.state is State.FINALIZED
    keys = deal.world.rooms.registry.directory.keys
    talk.agreement.verify(keys, deal.provider.id, deal.consumer.id)
    talk.countersignature.verify(keys, "broker")
    assert talk.countersignature.body == {
        "negotiation": deal.id,
        "agreement": talk.agreement.digest(),
        "envelope": canonical.digest(talk.agreement.to_bytes()),
        "parties": [deal.provider.id, deal.consumer.id],
    }


def test_every_message_the_agreement_and_the_countersignature_are_logged(deal: Deal) -> None:
    talk = deal.reach("FINALIZED")
    deal.world.sequenced()
    for statement in (*talk.messages, talk.agreement, talk.countersignature):
        proof = deal.world.rooms.log.proof_of(statement)
        assert proof is not None
        proof.verify(tree.leaf_hash(statement.to_bytes()), VerifierKey.parse(deal.world.space.log_key))


def test_the_negotiation_shows_its_index_once_its_proof_is_there(deal: Deal) -> None:
    before = deal.reach("FINALIZED")
    assert before.index is None
    deal.world.sequenced()
    after = deal.world.rooms.contracts.talk(deal.consumer.caller, deal.agreement_id)
    assert after.index is not None
    assert after.revision > before.revision


def said(deal: Deal, move: str, who: Person) -> bytes:
    """A message that makes the move, well-formed in all else, whoever says it."""
    made = {
        "request": lambda: deal.counter_request({"epsilon": "0.3"}),
        "offered": lambda: deal.counter_offer({"epsilon": "0.3"}),
        "accepted": deal.accepted,
        "agreed": lambda: deal.agreed(deal.agreement or deal.offered()),
        "verified": deal.verified,
        "finalized": deal.finalized,
        "terminated": lambda: deal.terminated(who),
    }[move]
    found = Statement.parse(made())
    return who.says(found.type, found.body)


@pytest.mark.parametrize("state", STATES)
def test_every_move_that_is_not_in_the_table_is_refused(deal: Deal, state: str) -> None:
    """One negotiation for all of them: what is refused changes nothing."""
    before = deal.reach(state)
    deal.agreement = deal.agreement or deal.offered()
    for move, (who, other) in product(MOVES, permutations((deal.provider, deal.consumer))):
        if (state, move, "provider" if who is deal.provider else "consumer") not in ALLOWED:
            with pytest.raises(Conflict):
                deal.send(who, said(deal, move, who))
            assert deal.world.rooms.contracts.talk(other.caller, deal.id) == before, move


@pytest.mark.parametrize(("state", "move", "role"), sorted(ALLOWED))
def test_every_move_of_the_table_is_taken(deal: Deal, state: str, move: str, role: str) -> None:
    deal.reach(state)
    deal.agreement = deal.agreement or deal.offered()
    who = deal.provider if role == "provider" else deal.consumer
    assert deal.send(who, said(deal, move, who)).revision


def test_what_is_terminated_stays_so(deal: Deal) -> None:
    deal.reach("REQUESTED")
    deal.send(deal.consumer, deal.terminated(deal.consumer))
    deal.agreement = deal.offered()
    deal.world.clock.move(seconds=1)
    for move, who in product(MOVES, (deal.consumer, deal.provider)):
        with pytest.raises(Conflict):
            deal.send(who, said(deal, move, who))


def test_the_same_message_again_has_the_same_answer(deal: Deal) -> None:
    sent = deal.request()
    first = deal.send(deal.consumer, sent)
    assert deal.send(deal.consumer, sent) == first
    agreed = deal.agreed()
    second = deal.send(deal.provider, agreed)
    assert deal.send(deal.provider, agreed) == second
    assert deal.send(deal.consumer, sent) == second  # replayed later, it moves nothing back


def test_a_repeated_message_is_answered_to_active_participants_only(deal: Deal) -> None:
    sent = deal.request()
    deal.send(deal.consumer, sent)
    deal.world.rooms.standings.revoke(deal.consumer.id, "why")
    with pytest.raises(Unauthenticated):
        deal.send(deal.consumer, sent)


def test_another_request_under_the_same_id_is_a_conflict(deal: Deal, world: World) -> None:
    deal.reach("REQUESTED")
    with pytest.raises(Conflict):
        deal.send(deal.consumer, deal.request(purpose="dpv:Marketing"))
    thief = world.person("stranger-s", "consumer")
    stolen = Deal(world, deal.provider, thief, deal.product, id=deal.id)
    with pytest.raises(Conflict):
        stolen.reach("REQUESTED")


def test_a_message_of_another_negotiation_does_not_fit(deal: Deal, world: World) -> None:
    deal.reach("AGREED")
    other = Deal(world, deal.provider, deal.consumer, deal.product)
    other.reach("REQUESTED")
    with pytest.raises(Conflict) as caught:
        other.send(
            deal.provider,
            deal.provider.says("negotiation.agreed", Statement.parse(deal.agreed()).body | {"negotiation": other.id}),
        )
    assert caught.value.code == "negotiation.previous"


@pytest.mark.parametrize("previous", [[], ["sha256:" + "0" * 64], "extra"])
def test_a_message_must_name_the_messages_before_it(deal: Deal, previous: object) -> None:
    deal.reach("REQUESTED")
    named = [*deal.previous(), "sha256:" + "0" * 64] if previous == "extra" else previous
    with pytest.raises(Conflict):
        deal.send(deal.provider, deal.agreed(previous=named))


def test_nobody_but_a_party_moves_or_sees_a_negotiation(deal: Deal, world: World, regulator: Person) -> None:
    deal.reach("AGREED")
    stranger = world.person("stranger-s", "provider", "consumer")
    body = Statement.parse(deal.verified()).body
    with pytest.raises(NotFound):
        world.rooms.contracts.advance(stranger.caller, stranger.says("negotiation.verified", body))
    with pytest.raises(NotFound):
        world.rooms.contracts.talk(stranger.caller, deal.id)
    with pytest.raises(NotFound):
        world.rooms.contracts.talk(stranger.caller, deal.agreement_id)
    assert world.rooms.contracts.page(stranger.caller, 0, "") == ([], "")
    assert world.rooms.contracts.talk(regulator.caller, deal.id).id == deal.id
    with pytest.raises(NotFound):  # a regulator reads and does not move
        world.rooms.contracts.advance(regulator.caller, regulator.says("negotiation.verified", body))


def test_a_message_sent_by_another_is_refused(deal: Deal) -> None:
    with pytest.raises(Refused):
        deal.send(deal.provider, deal.request())


def test_a_request_for_an_older_version_is_refused(deal: Deal) -> None:
    held = deal.world.rooms.catalog.product(deal.provider.caller, "prd-diabetes")
    publish(deal.world, deal.provider, replace(held.description, version=2, previous=held.digest))
    with pytest.raises(Conflict) as caught:
        deal.reach("REQUESTED")
    assert caught.value.code == "product.version"


def test_a_version_published_meanwhile_does_not_change_what_is_negotiated(deal: Deal) -> None:
    deal.reach("REQUESTED")
    held = deal.world.rooms.catalog.product(deal.provider.caller, "prd-diabetes")
    publish(deal.world, deal.provider, replace(held.description, version=2, previous=held.digest))
    deal.send(deal.provider, deal.agreed())
    deal.send(deal.consumer, deal.verified())
    assert deal.send(deal.provider, deal.finalized()).state is State.FINALIZED


@pytest.mark.parametrize("state", ["", "REQUESTED", "AGREED", "VERIFIED"])
def test_no_agreement_is_made_on_a_retired_product(deal: Deal, state: str) -> None:
    if state:
        deal.reach(state)
    body = {"product": "prd-diabetes", "description": deal.product.digest(), "reason": "gone"}
    deal.world.rooms.catalog.retire(deal.provider.caller, deal.provider.says("product.retired", body))
    step = {"": deal.request, "REQUESTED": deal.agreed, "AGREED": deal.verified, "VERIFIED": deal.finalized}[state]
    with pytest.raises(Conflict) as caught:
        deal.send(deal.consumer if state in ("", "AGREED") else deal.provider, step())
    assert caught.value.code == "product.unlisted"


def test_an_offer_that_one_may_not_see_cannot_be_requested(world: World, provider: Person, consumer: Person) -> None:
    hidden = publish(world, provider, description(visibility=Visibility("listed", ("somebody-else",))))
    with pytest.raises(NotFound):
        Deal(world, provider, consumer, hidden).reach("REQUESTED")


@pytest.mark.parametrize(
    "changes",
    [
        {"offer": "off-other"},
        {"provider": "insurer-b"},
        {"consumer": "hospital-a"},
        {"connector": "other-conn"},
        {"product": "prd-unknown"},
        {"description": "sha256:" + "0" * 64},
        {"changes": {"budget": "more"}},
        {"changes": {"urn:c:epsilon": "0.4"}},
        {"changes": {"budget.epsilon_nano": 11 * 10**9}},
        {"changes": []},
        {"previous": ["sha256:" + "0" * 64]},
        {"negotiation": "agr-aaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {"extra": 1},
    ],
)
def test_a_request_that_does_not_fit_is_refused(deal: Deal, changes: dict[str, object]) -> None:
    with pytest.raises(HefuError):
        deal.send(deal.consumer, deal.request(**changes))
    assert deal.world.rooms.contracts.page(deal.provider.caller, 0, "") == ([], "")


def test_only_consumers_request(deal: Deal, world: World) -> None:
    other = world.person("bank-c", "provider")
    with pytest.raises(Refused):
        Deal(world, deal.provider, other, deal.product).reach("REQUESTED")


@pytest.mark.parametrize(
    "changes",
    [
        {"budget": {"currency": "epsilon-delta", "epsilon_nano": 2_000_000_000, "delta_femto": 0, "releases": 10}},
        {"offline_share_percent": 100},
        {"computations": ["hefu:dpQuery", "hefu:train"]},
        {"log": "hefu.example/other"},
        {"not_after": "2099-01-01T00:00:00Z"},
        {"agreement": "neg-aaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {"extensions": {"hidden": "yes"}},
    ],
)
def test_an_agreement_that_differs_from_the_offer_is_refused(deal: Deal, changes: dict[str, object]) -> None:
    deal.reach("REQUESTED")
    with pytest.raises((Untrusted, Malformed)):
        deal.send(deal.provider, deal.agreed(deal.offered(**changes)))


def test_an_agreement_that_began_long_ago_is_refused(deal: Deal) -> None:
    deal.reach("REQUESTED")
    old = deal.offered()
    deal.world.clock.move(hours=2)
    with pytest.raises(Untrusted):
        deal.send(deal.provider, deal.agreed(old))


def test_an_unsigned_agreement_is_refused(deal: Deal) -> None:
    deal.reach("REQUESTED")
    bare = replace(deal.offered(), signatures=())
    with pytest.raises(Untrusted):
        deal.send(deal.provider, deal.agreed(bare))


def test_an_agreement_signed_by_the_consumer_alone_is_refused(deal: Deal) -> None:
    deal.reach("REQUESTED")
    with pytest.raises(Untrusted):
        deal.send(deal.provider, deal.agreed(deal.consumer.signs(replace(deal.offered(), signatures=()))))


def test_one_signature_is_not_two(deal: Deal) -> None:
    deal.reach("AGREED")
    assert deal.agreement is not None
    with pytest.raises(Untrusted):
        deal.send(deal.consumer, deal.verified(deal.agreement))
    swapped = deal.consumer.signs(replace(deal.agreement, signatures=()))
    with pytest.raises(Untrusted):
        deal.send(deal.consumer, deal.verified(swapped))


def test_altered_agreement_bytes_are_refused(deal: Deal) -> None:
    deal.reach("AGREED")
    assert deal.agreement is not None
    body = deal.agreement.body | {"offline_share_percent": 99}
    payload = canonical.decode_object(deal.agreement.payload) | {"body": body}
    altered = replace(deal.agreement, payload=canonical.encode(payload), body=body)
    with pytest.raises(Untrusted) as caught:
        deal.send(deal.consumer, deal.verified(deal.consumer.signs(altered)))
    assert caught.value.code == "agreement.altered"


def test_a_third_signature_is_refused(deal: Deal, world: World) -> None:
    deal.reach("AGREED")
    assert deal.agreement is not None
    stranger = world.person("stranger-s", "consumer")
    with pytest.raises(Untrusted) as caught:
        deal.send(deal.consumer, deal.verified(stranger.signs(deal.consumer.signs(deal.agreement))))
    assert caught.value.code == "signature.surplus"


def test_finalizing_another_agreement_is_refused(deal: Deal) -> None:
    deal.reach("VERIFIED")
    with pytest.raises(Conflict):
        deal.send(deal.provider, deal.finalized(agreement="sha256:" + "0" * 64))


def test_nothing_is_finalized_with_a_party_that_was_suspended_meanwhile(deal: Deal) -> None:
    deal.reach("VERIFIED")
    deal.world.rooms.standings.suspend(deal.consumer.id, "why")
    with pytest.raises(Unauthenticated):
        deal.send(deal.provider, deal.finalized())


def test_nothing_is_finalized_under_a_key_that_was_revoked_meanwhile(deal: Deal) -> None:
    deal.reach("VERIFIED")
    deal.world.rooms.standings.revoke(deal.consumer.ring.signer().key, "lost")
    with pytest.raises(Unauthenticated):
        deal.send(deal.provider, deal.finalized())


def test_the_agreement_id_of_another_agreement_is_refused(deal: Deal, world: World) -> None:
    deal.reach("FINALIZED")
    other = Deal(world, deal.provider, deal.consumer, deal.product, agreement_id=deal.agreement_id)
    other.reach("REQUESTED")
    with pytest.raises(Conflict) as caught:
        other.send(other.provider, other.agreed())
    assert caught.value.code == "agreement.taken"


@pytest.mark.parametrize("role", ["provider", "consumer"])
def test_each_party_may_end_an_agreement_at_once(deal: Deal, role: str) -> None:
    deal.reach("FINALIZED")
    who = deal.provider if role == "provider" else deal.consumer
    data = deal.ended(who)
    talk = deal.world.rooms.contracts.terminate(who.caller, data)
    assert talk.termination is not None
    assert deal.world.rooms.contracts.terminate(who.caller, data) == talk
    deal.world.clock.move(seconds=1)
    with pytest.raises(Conflict):
        deal.world.rooms.contracts.terminate(who.caller, deal.ended(who))


def test_nobody_else_ends_an_agreement(deal: Deal, world: World) -> None:
    deal.reach("FINALIZED")
    stranger = world.person("stranger-s", "consumer")
    with pytest.raises(NotFound):
        world.rooms.contracts.terminate(stranger.caller, deal.ended(stranger))
    with pytest.raises(Conflict):
        world.rooms.contracts.terminate(deal.consumer.caller, deal.ended(deal.consumer, digest="sha256:" + "0" * 64))


def test_what_is_not_finalized_is_no_agreement_to_end(deal: Deal) -> None:
    deal.reach("VERIFIED")
    with pytest.raises(NotFound):
        deal.world.rooms.contracts.terminate(deal.consumer.caller, deal.ended(deal.consumer))


def test_pages_go_from_the_newest_change_to_the_oldest(deal: Deal, world: World) -> None:
    deals = [Deal(world, deal.provider, deal.consumer, deal.product) for _ in range(3)]
    for each in deals:
        each.reach("REQUESTED")
    first, token = world.rooms.contracts.page(deal.consumer.caller, 2, "")
    rest, end = world.rooms.contracts.page(deal.consumer.caller, 2, token)
    assert [each.id for each in (*first, *rest)] == [each.id for each in reversed(deals)]
    assert end == ""
    with pytest.raises(Malformed):
        world.rooms.contracts.page(deal.provider.caller, 2, token)


def test_a_watcher_sees_each_change_and_the_proof(deal: Deal) -> None:
    seen: list[tuple[str, bool]] = []
    done, ready = threading.Event(), threading.Event()

    def watch() -> None:
        ready.set()
        for talk in deal.world.rooms.contracts.watch(deal.consumer.caller, 0, done.is_set):
            seen.append((talk.state.value, talk.index is not None))
            if talk.index is not None:
                done.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    ready.wait()
    deal.reach("FINALIZED")
    deal.world.sequenced()
    watcher.join(10)
    assert not watcher.is_alive()
    assert seen[-1] == ("FINALIZED", True)


def test_a_watcher_resumes_after_a_revision(deal: Deal) -> None:
    first = deal.reach("REQUESTED")
    deal.send(deal.provider, deal.agreed())
    watching = deal.world.rooms.contracts.watch(deal.consumer.caller, first.revision, lambda: False)
    assert next(watching).state is State.AGREED
    watching.close()


def test_all_is_kept_over_a_restart(deal: Deal) -> None:
    before = deal.reach("VERIFIED")
    deal.world.reopen()
    assert deal.world.rooms.contracts.talk(deal.consumer.caller, deal.id) == before
    assert deal.send(deal.provider, deal.finalized()).state is State.FINALIZED


@pytest.mark.parametrize("offer", [only_for("service"), only_for("service", action="hefu:dpQuery")])
def test_an_offer_whose_policy_excludes_the_consumer_is_refused_as_if_it_were_not_there(
    world: World, provider: Person, consumer: Person, offer: Offer
) -> None:
    deal = Deal(world, provider, consumer, publish(world, provider, description(offers=(offer,))))
    with pytest.raises(NotFound) as hidden:
        deal.reach("REQUESTED")
    with pytest.raises(NotFound) as absent:
        deal.send(consumer, deal.request(offer="off-nothing"))
    assert (hidden.value.code, absent.value.code) == ("offer.not_found", "offer.not_found")
    served = world.person("clinic-c", "consumer", "service")
    assert Deal(world, provider, served, deal.product).reach("FINALIZED").state is State.FINALIZED


def test_an_offer_whose_time_is_over_leads_to_no_agreement(world: World, provider: Person, consumer: Person) -> None:
    policy = copy.deepcopy(POLICY)
    for each in policy["permission"][0]["constraint"]:  # type: ignore[index,union-attr,call-overload]
        if each["leftOperand"] == "odrl:dateTime":
            each["rightOperand"]["@value"] = "2026-11-21T10:10:00Z"
    offer = replace(description().offers[0], policy=policy)
    deal = Deal(world, provider, consumer, publish(world, provider, description(offers=(offer,))))
    deal.reach("AGREED")
    world.clock.move(minutes=11)
    with pytest.raises(NotFound):
        deal.send(consumer, deal.verified())
    assert deal.send(consumer, deal.terminated(consumer)).state is State.TERMINATED
