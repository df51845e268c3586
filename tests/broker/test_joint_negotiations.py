"""Negotiations of more than two parties: each signs in its turn, and without all of them nothing is countersigned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.errors import Conflict, HefuError, NotFound, Refused, Untrusted
from hefu_policies.agreeing.contract import AGREEMENT, Answering, Sought, agreement_from
from hefu_policies.goods.product import Visibility
from hefu_policies.states.negotiation import State

from tests.broker.world import Deal, Person, World, description, publish

KINDS = ("sqlite", "postgresql")


@dataclass
class Joint(Deal):
    """A deal of two providers, a service provider and a consumer."""

    second: Person = None  # type: ignore[assignment]
    service: Person = None  # type: ignore[assignment]
    other: Statement = None  # type: ignore[assignment]

    def request(self, **changes: Any) -> bytes:
        sought = Sought(self.second.id, str(self.other.body["product"]), self.other.digest(), "off-research")
        return super().request(**({"further": [sought.body()], "service": self.service.id} | changes))

    def offered(self, **changes: Any) -> Statement:
        connectors = {each.id: each.ring.connector for each in (self.second, self.service)}
        agreed = agreement_from(
            self.product, self.messages[0], agreement=self.agreement_id, strategy=f"str-{self.agreement_id[4:]}",
            connector=self.provider.ring.connector, log=self.world.space.log_origin, at=self.world.clock.now(),
            further=[self.other], answering=Answering(connectors, {}),
        )  # fmt: skip
        at = self.world.clock.now()
        made = draft(AGREEMENT, agreed.body() | changes, space=self.provider.space, issuer=self.provider.id, at=at)
        return self.provider.signs(made)

    def endorsed(self, who: Person, agreement: Statement | None = None) -> bytes:
        if agreement is None:
            assert self.agreement is not None
            self.agreement = agreement = who.signs(self.agreement)
        return who.says("negotiation.endorsed", self._holding(agreement))

    def reach(self, state: str) -> Any:
        """As `Deal.reach`; SECOND and SERVICE are AGREED with that party's signature."""
        steps = {
            "REQUESTED": lambda: self.send(self.consumer, self.request()),
            "AGREED": lambda: self.send(self.provider, self.agreed()),
            "SECOND": lambda: self.send(self.second, self.endorsed(self.second)),
            "SERVICE": lambda: self.send(self.service, self.endorsed(self.service)),
            "VERIFIED": lambda: self.send(self.consumer, self.verified()),
            "FINALIZED": lambda: self.send(self.provider, self.finalized()),
        }
        talk = None
        for name, step in steps.items():
            talk = step()
            if name == state:
                break
        return talk


@pytest.fixture
def joint(world: World, provider: Person, consumer: Person) -> Joint:
    second, service = world.person("hospital-b", "provider"), world.person("platform-s", "service")
    other = publish(world, second, description("prd-second", resource="res-second"))
    made = Joint(world, provider, consumer, publish(world, provider, description()))
    return replace(made, second=second, service=service, other=other, messages=[])


def test_all_sign_in_turn_and_the_broker_countersigns_what_all_signed(joint: Joint) -> None:
    talk = joint.reach("FINALIZED")
    assert talk.state is State.FINALIZED
    parties = [joint.provider.id, joint.second.id, joint.service.id, joint.consumer.id]
    assert [each.key.partition("#")[0] for each in talk.agreement.signatures] == parties
    assert talk.countersignature.body["parties"] == parties
    assert joint.world.rooms.contracts.talk(joint.second.caller, joint.id).parties == tuple(parties)


def test_the_consumer_signs_last(joint: Joint) -> None:
    steps = (
        lambda: joint.send(joint.consumer, joint.request()),
        lambda: joint.send(joint.provider, joint.agreed()),
        lambda: joint.send(joint.second, joint.endorsed(joint.second)),
    )
    for step in steps:
        step()
        held = joint.agreement
        with pytest.raises(HefuError):
            joint.send(joint.consumer, joint.verified(joint.consumer.signs(held or joint.offered())))
        joint.agreement = held


def test_nobody_endorses_out_of_turn_twice_or_as_a_stranger(joint: Joint, world: World) -> None:
    joint.reach("AGREED")
    assert joint.agreement is not None
    first = joint.agreement
    with pytest.raises(Conflict):
        joint.send(joint.service, joint.endorsed(joint.service, joint.service.signs(first)))
    stranger = world.person("stranger-s", "provider")
    with pytest.raises(NotFound):
        joint.send(stranger, joint.endorsed(stranger, stranger.signs(first)))
    with pytest.raises(Conflict):  # the table knows no such move of theirs
        joint.send(joint.consumer, joint.endorsed(joint.consumer, joint.consumer.signs(first)))
    joint.send(joint.second, joint.endorsed(joint.second))
    with pytest.raises(HefuError):
        joint.send(joint.second, joint.endorsed(joint.second, joint.second.signs(joint.agreement)))


def test_an_endorsement_is_over_the_same_bytes_and_keeps_the_signatures_before_it(joint: Joint) -> None:
    joint.reach("AGREED")
    altered = joint.offered(extensions={"note": "by the way"})
    with pytest.raises(Untrusted):
        joint.send(joint.second, joint.endorsed(joint.second, joint.second.signs(altered)))
    assert joint.agreement is not None
    alone = joint.second.signs(replace(joint.agreement, signatures=()))
    with pytest.raises(Untrusted):
        joint.send(joint.second, joint.endorsed(joint.second, alone))


def test_what_follows_from_no_offer_is_not_taken_from_the_first_provider(joint: Joint) -> None:
    joint.reach("REQUESTED")
    wrong: list[Object] = [
        {"offline_share_percent": 99},
        {"further": []},
        {"previous": ["sha256:" + "0" * 64]},
        {"programs": [{"kind": "model", "digest": "sha256:" + "0" * 64}]},
    ]
    for changes in wrong:
        with pytest.raises(HefuError):
            joint.send(joint.provider, joint.agreed(joint.offered(**changes)))


def test_terms_of_several_providers_are_taken_as_they_stand(joint: Joint) -> None:
    with pytest.raises(HefuError):
        joint.send(joint.consumer, joint.request(changes=joint.terms({"epsilon": "0.4"})))
    joint.reach("REQUESTED")
    with pytest.raises(Conflict, match="as it stands"):
        joint.send(joint.provider, joint.counter_offer({"epsilon": "0.4"}))


@pytest.mark.parametrize(
    ("state", "who"), [("REQUESTED", "service"), ("AGREED", "second"), ("SECOND", "second"), ("VERIFIED", "service")]
)
def test_any_further_party_may_end_it_until_it_is_final(joint: Joint, state: str, who: str) -> None:
    joint.reach(state)
    person = getattr(joint, who)
    assert joint.send(person, joint.terminated(person)).state is State.TERMINATED
    with pytest.raises(HefuError):
        joint.send(joint.provider, joint.finalized() if joint.agreement else joint.agreed())


def test_any_further_party_may_end_the_agreement(joint: Joint) -> None:
    joint.reach("FINALIZED")
    talk = joint.world.rooms.contracts.terminate(joint.service.caller, joint.ended(joint.service))
    assert talk.termination is not None
    with pytest.raises(HefuError):
        joint.world.rooms.contracts.terminate(joint.second.caller, joint.ended(joint.second))


def test_further_parties_find_and_are_woken_for_their_negotiations(joint: Joint, world: World) -> None:
    joint.reach("AGREED")
    for person in (joint.second, joint.service):
        found, _ = world.rooms.contracts.page(person.caller, 10, "")
        assert [each.id for each in found] == [joint.id]
        assert [each.id for each in world.rooms.contracts.changed(person.id, 0)] == [joint.id]
    stranger = world.person("stranger-s", "provider")
    assert world.rooms.contracts.page(stranger.caller, 10, "") == ([], "")


@pytest.mark.parametrize("missing", ["role", "offer", "visibility"])
def test_a_request_that_not_all_can_meet_is_not_taken(joint: Joint, world: World, missing: str) -> None:
    changes: dict[str, Any] = {}
    if missing == "role":
        changes["service"] = "insurer-x"
        world.person("insurer-x", "consumer")
    sought = Sought(joint.second.id, "prd-second", joint.other.digest(), "off-other")
    if missing == "offer":
        changes["further"] = [sought.body()]
    if missing == "visibility":  # the first provider would read what was not meant for it
        hidden = description("prd-hidden", resource="res-hidden", visibility=Visibility("listed", (joint.consumer.id,)))
        statement = publish(world, joint.second, hidden)
        own = Sought(joint.second.id, "prd-hidden", statement.digest(), "off-research")
        changes["further"] = [own.body()]
    with pytest.raises((NotFound, Refused)):
        joint.send(joint.consumer, joint.request(**changes))


def test_each_provider_suspends_for_itself_and_the_service_provider_does_not(joint: Joint) -> None:
    joint.reach("FINALIZED")
    assert joint.agreement is not None
    last: dict[str, str] = {}

    def turn(who: Person, word: str) -> str:
        assert joint.agreement is not None
        body: Object = {
            "agreement": joint.agreement_id, "digest": joint.agreement.digest(), "code": "asked", "reason": "a check",
            "previous": last.get(who.id, ""),
        }  # fmt: skip
        data = who.says(f"agreement.{word}", body)
        talk = joint.world.rooms.notices.record(who.caller, data)
        last[who.id] = Statement.parse(data).digest()
        return str(talk.standing.value)

    assert turn(joint.second, "suspended") == "suspended"
    with pytest.raises(Conflict):  # the first suspended nothing that it could resume
        turn(joint.provider, "resumed")
    assert turn(joint.provider, "suspended") == "suspended"
    assert turn(joint.second, "resumed") == "suspended"
    assert turn(joint.provider, "resumed") == "active"
    with pytest.raises(Conflict):
        turn(joint.service, "suspended")
