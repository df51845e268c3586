"""What parties state about an agreement after it was made: who may, in which order, and who sees it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Refused
from hefu.tlog import tree
from hefu.tlog.note import VerifierKey
from hefu_policies.states.lifecycle import AgreementState

from tests.broker.world import Deal, Person, World


def change(deal: Deal, word: str, who: Person | None = None, **changes: Any) -> bytes:
    assert deal.agreement is not None
    held = deal.world.rooms.contracts.talk(deal.provider.caller, deal.agreement_id)
    body: Object = {
        "agreement": deal.agreement_id, "digest": deal.agreement.digest(), "code": "asked", "reason": "a check",
        "previous": held.turn,
    }  # fmt: skip
    return (who or deal.provider).says(f"agreement.{word}", body | changes)


def fulfilled(deal: Deal, who: Person, **changes: Any) -> bytes:
    assert deal.agreement is not None
    body: Object = {
        "agreement": deal.agreement_id, "digest": deal.agreement.digest(), "duty": "urn:d:1", "subject": "",
        "reference": "",
    }  # fmt: skip
    return who.says("agreement.fulfilled", body | changes)


def record(deal: Deal, who: Person, data: bytes) -> Any:
    return deal.world.rooms.notices.record(who.caller, data)


def test_the_provider_suspends_resumes_and_suspends_again(deal: Deal) -> None:
    revision = deal.reach("FINALIZED").revision
    for number, (word, state) in enumerate([("suspended", "suspended"), ("resumed", "active")] * 2, 1):
        talk = record(deal, deal.provider, change(deal, word))
        assert (talk.notices, talk.standing, talk.revision) == (number, AgreementState(state), revision + number)
    found = deal.world.rooms.notices.page(deal.consumer.caller, deal.agreement_id, 1)
    assert [each.type for each in found] == ["agreement.resumed", "agreement.suspended", "agreement.resumed"]
    assert deal.world.rooms.contracts.talk(deal.consumer.caller, deal.id) == talk


def test_an_old_resumption_does_not_follow_a_newer_suspension(deal: Deal) -> None:
    deal.reach("FINALIZED")
    record(deal, deal.provider, change(deal, "suspended"))
    resumed = change(deal, "resumed")
    record(deal, deal.provider, resumed)
    talk = record(deal, deal.provider, change(deal, "suspended"))
    assert record(deal, deal.provider, resumed) == talk  # known already: nothing changes
    with pytest.raises(Conflict, match="suspended or resumed meanwhile"):
        record(deal, deal.provider, change(deal, "resumed", previous=""))
    assert deal.world.rooms.contracts.talk(deal.provider.caller, deal.id).standing is AgreementState.SUSPENDED


@pytest.mark.parametrize("word", ["suspended", "resumed"])
def test_the_consumer_changes_nothing(deal: Deal, word: str) -> None:
    deal.reach("FINALIZED")
    if word == "resumed":
        record(deal, deal.provider, change(deal, "suspended"))
    with pytest.raises(Conflict):
        record(deal, deal.consumer, change(deal, word, deal.consumer))


def test_what_is_over_is_not_suspended_and_a_suspended_agreement_may_end(deal: Deal) -> None:
    deal.reach("FINALIZED")
    record(deal, deal.provider, change(deal, "suspended"))
    deal.world.rooms.contracts.terminate(deal.consumer.caller, deal.ended(deal.consumer))
    with pytest.raises(Conflict):
        record(deal, deal.provider, change(deal, "resumed"))
    # What is owed after the end is still stated.
    assert record(deal, deal.consumer, fulfilled(deal, deal.consumer)).notices == 2


def test_every_notice_is_logged_for_both_parties(deal: Deal) -> None:
    deal.reach("FINALIZED")
    data = fulfilled(deal, deal.consumer)
    record(deal, deal.consumer, data)
    deal.world.sequenced()
    proof = deal.world.rooms.log.proof_of(Statement.parse(data))
    assert proof is not None
    proof.verify(tree.leaf_hash(data), VerifierKey.parse(deal.world.space.log_key))
    seen, _ = deal.world.rooms.log.entries(deal.provider.caller, proof.index, 1)
    assert seen[0].envelope == data


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"digest": "sha256:" + "0" * 64}, Conflict),
        ({"agreement": "agr-another-one-that-is-not"}, NotFound),
        ({"surplus": 1}, Malformed),
        ({"duty": ""}, Malformed),
    ],
)
def test_a_notice_about_something_else_is_refused(deal: Deal, changes: Object, kind: type[HefuError]) -> None:
    deal.reach("FINALIZED")
    with pytest.raises(kind):
        record(deal, deal.consumer, fulfilled(deal, deal.consumer, **changes))
    assert deal.world.rooms.notices.page(deal.consumer.caller, deal.agreement_id, 0) == []


def test_strangers_neither_state_nor_see_anything(world: World, deal: Deal) -> None:
    deal.reach("FINALIZED")
    record(deal, deal.provider, change(deal, "suspended"))
    stranger = world.person("stranger", "consumer")
    with pytest.raises(NotFound):
        record(deal, stranger, fulfilled(deal, stranger))
    with pytest.raises(Refused):
        record(deal, stranger, fulfilled(deal, deal.consumer))
    with pytest.raises(NotFound):
        world.rooms.notices.page(stranger.caller, deal.agreement_id, 0)


def test_of_many_suspensions_at_once_one_stands(deal: Deal) -> None:
    deal.reach("FINALIZED")
    told = [change(deal, "suspended", reason=str(number)) for number in range(8)]
    outcomes: list[str] = []

    def send(data: bytes) -> None:
        try:
            record(deal, deal.provider, data)
            outcomes.append("taken")
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=send, args=(each,)) for each in told]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == ["refused"] * 7 + ["taken"]
