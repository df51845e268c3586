"""A provider offers a product to a named consumer: what each side answers, and what a stolen key or broker gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hefu.__main__ import main
from hefu.canonical import Object
from hefu.errors import Conflict, HefuError, Malformed, Untrusted
from hefu_connector.brokerage import Progress
from hefu_policies.agreeing.request import OpeningOffer
from hefu_policies.states.negotiation import State

from tests.connector.small_space import PURPOSE, Space, eventually, offer, provide
from tests.connector.test_negotiating_terms import Pair, Sides, epsilon, sides, types

__all__ = ["sides"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("space")
    space = Space(folder).open()
    try:
        provider = space.member("hospital-a", "provider", quantum_ms=20)
        space.member("pharma-b", "consumer")
        offers = (offer(), offer(id="off-manual", approval="manual"), offer(id="off-fined", policy=fined()))
        made = provide(provider, folder, offers=offers)
        eventually(lambda: provider.desk.author and "consumer" in provider.provider._trust.roles("pharma-b"))
        yield Pair(space, made.product, made.resources[0].id)
    finally:
        space.close()


def fined() -> Object:
    """The policy of an offer, which forbids to hand anything on, and fines whoever does."""
    money: Object = {
        "leftOperand": "odrl:payAmount", "operator": "eq", "unit": "urn:iso:std:iso:4217:CNY",
        "rightOperand": {"@value": "500", "@type": "xsd:decimal"},
    }  # fmt: skip
    remedy: Object = {"@id": "urn:d:fine", "action": "odrl:compensate", "constraint": [money]}
    return {**offer().policy, "prohibition": [{"@id": "urn:no:resale", "action": "odrl:sell", "remedy": [remedy]}]}


def propose(pair: Pair, terms: dict[str, str], offer_id: str = "off-research", to: str = "pharma-b") -> str:
    return pair.provider.provider.propose(pair.product, offer_id, to, terms, "for our partner", "wang").id


def heard(pair: Pair, negotiation: str) -> None:
    """Its consumer knows of it, with the description that is offered."""
    digest = str(pair.state(negotiation).messages[0].body["description"])
    eventually(lambda: pair.consumer.consumer.described(digest))


def test_an_accepted_offer_is_in_force_on_both_sides(pair: Pair) -> None:
    made = propose(pair, {"epsilon": "2", "valid_days": "30"})
    heard(pair, made)
    (waits,) = [each for each in pair.consumer.desk.overview.waiting() if each.name == made]
    assert waits.on == "you"
    shown = pair.consumer.desk.overview.contract(made)
    assert shown.table is not None
    assert (shown.table.round, [each.after for each in shown.table.steps]) == (0, ["2", "30"])
    with pytest.raises(Malformed) as caught:
        pair.consumer.consumer.accept(made, "rui")
    assert caught.value.code == "negotiation.purpose"
    pair.consumer.consumer.accept(made, "rui", PURPOSE)
    agreed = pair.contract(made)
    assert str(epsilon(agreed)) == "2"
    assert agreed.agreement.consumer.connector == "pharma-b-c1"
    for side in (pair.provider, pair.consumer):
        assert side.desk.overview.contract(made).purpose == PURPOSE
        told = side.desk.tables.history(made)
        assert [(each.move.value, each.user) for each in told[:2]] == [("offered", "wang"), ("accepted", "rui")]
        assert told[0].reason == "for our partner"


def test_less_than_was_offered_is_agreed_to_and_more_is_answered_as_ever(pair: Pair) -> None:
    made = propose(pair, {"epsilon": "2"})
    heard(pair, made)
    pair.consumer.consumer.counter(made, {"epsilon": "1.5"}, "rui", PURPOSE)
    assert str(epsilon(pair.contract(made))) == "1.5"
    more = propose(pair, {"epsilon": "1.2"})
    heard(pair, more)
    pair.consumer.consumer.counter(more, {"epsilon": "1.9"}, "rui", PURPOSE)
    again = eventually(lambda: found if len((found := pair.state(more)).messages) == 3 else None)
    assert again is not None
    assert again.messages[-1].body["changes"] == {}  # as published: nobody set a limit
    with pytest.raises(Conflict):
        pair.consumer.consumer.accept(more, "rui", "dpv:Marketing")  # it named another purpose before
    pair.consumer.consumer.accept(more, "rui")
    assert str(epsilon(pair.contract(more))) == "1"


def test_either_side_may_end_it(pair: Pair) -> None:
    made = propose(pair, {})
    pair.provider.provider.refuse(made, "a mistake", "wang")
    assert pair.state(made).state is State.TERMINATED
    other = propose(pair, {})
    heard(pair, other)
    assert pair.consumer.consumer.withdraw(other, "not interested").state is State.TERMINATED


def test_it_is_offered_to_consumers_only_and_on_terms_that_can_be_had(pair: Pair) -> None:
    for work in (
        lambda: propose(pair, {}, to="hospital-a"),
        lambda: propose(pair, {}, to="nobody-n"),
        lambda: propose(pair, {"budget": "1000"}),
        lambda: propose(pair, {"nothing": "1"}),
        lambda: propose(pair, {}, "off-nothing"),
        lambda: propose(pair, {}, ""),
    ):
        with pytest.raises(HefuError):
            work()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_whole_of_it_by_commands(pair: Pair, capsys: pytest.CaptureFixture[str], language: str) -> None:
    def told(name: str, *words: str) -> str:
        assert main([*words, "--dir", str(pair.space.folder / name), "--lang", language]) == 0
        return capsys.readouterr().out

    def data(name: str, *words: str) -> Object:
        return json.loads(told(name, *words, "--json"))  # type: ignore[no-any-return]

    made = data("hospital-a", "contract", "offer", pair.product, "--offer", "off-manual", "--to", "pharma-b",
                "--set", "epsilon=1.25", "--reason", "to begin with")  # fmt: skip
    id_ = str(made["negotiation"])
    assert (made["state"], made["consumer"], made["purpose"]) == ("offered", "pharma-b", "")
    heard(pair, id_)
    queue = told("pharma-b", "contract", "queue")
    assert id_ in queue
    assert "1.25" in queue
    assert ("主动报价" if language == "zh" else "an offer to you") in queue
    assert "--purpose" in queue
    done = data("pharma-b", "contract", "accept", id_, "--purpose", PURPOSE)
    assert (done["state"], done["purpose"]) == ("active", PURPOSE)


def test_what_a_provider_says_was_infringed_is_owed_and_shown_by_commands(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(name: str, *words: str, code: int = 0) -> Any:
        assert main(["contract", *words, "--dir", str(pair.space.folder / name), "--json"]) == code
        told = capsys.readouterr()
        return json.loads(told.out or told.err)

    made = propose(pair, {}, "off-fined")
    heard(pair, made)
    pair.consumer.consumer.accept(made, "rui", PURPOSE)
    held = pair.contract(made).agreement.id
    (rests,) = [each for each in run("pharma-b", "duties", held)["duties"] if each["duty"] == "urn:d:fine"]
    assert (rests["state"], rests["when"]) == ("dormant", "infringed")
    why = ("--reason", "seen on a market of addresses")
    assert run("pharma-b", "infringed", held, "urn:no:resale", *why, code=1)["error"] == "agreement.provider_only"
    said = run("hospital-a", "infringed", held, "urn:no:resale", *why)
    assert (said["code"], said["about"], said["duty"]) == ("prohibition.infringed", "pharma-b", "urn:no:resale")

    def owed() -> bool:
        found = [each for each in run("pharma-b", "duties", held)["duties"] if each["duty"] == "urn:d:fine"]
        return [each["state"] for each in found] == ["owed"]

    assert eventually(owed)
    assert [each["code"] for each in run("pharma-b", "alarms", held)["alarms"]] == ["prohibition.infringed"]
    assert main(["contract", "show", held, "--lang", "zh", "--dir", str(pair.space.folder / "pharma-b")]) == 0
    shown = capsys.readouterr().out
    assert "违反禁止条款" in shown
    assert "urn:d:fine" in shown


# ---------------------------------------------------------------- the broker is not, or a key was stolen


def opened(sides: Sides, **changes: object) -> Progress:
    """An opening offer that the provider's connector never wrote."""
    held = sides.provider.product(sides.pair.product)
    members: dict[str, object] = {
        "negotiation": "neg-aaaaaaaaaaaaaaaaaaaaaaaaaa", "provider": "hospital-a", "consumer": "pharma-b",
        "product": held.product, "description": held.statement.digest(), "offer": "off-research",
        "changes": sides.changes({"epsilon": "9"}),
    }  # fmt: skip
    body = OpeningOffer(**(members | changes)).body()  # type: ignore[arg-type]
    return sides.broker.advance(sides.provider._author.say("negotiation.offered", body))


def test_an_offer_that_only_the_providers_stolen_key_made_is_not_agreed_to(sides: Sides) -> None:
    forged = opened(sides)
    accepted = sides.consumer.accept(forged.id, "rui", PURPOSE)
    with pytest.raises(Untrusted) as caught:
        sides.provider.react(accepted)
    assert caught.value.code == "negotiation.unheld"
    assert "agreed" not in types(sides.broker)


def test_an_acceptance_that_only_the_consumers_stolen_key_made_leads_to_no_signature(sides: Sides) -> None:
    made = sides.provider.propose(sides.pair.product, "off-research", "pharma-b", {}, "", "wang")
    named: Object = {"connector": "pharma-b-c1", "purpose": PURPOSE}
    sides.provider.react(sides.say(sides.consumer, made, "negotiation.accepted", named))
    agreed = sides.broker.negotiation(made.id)
    assert agreed.state is State.AGREED
    with pytest.raises(Untrusted):
        sides.consumer.react(agreed)
    assert "verified" not in types(sides.broker)


def test_what_was_accepted_and_not_sent_goes_out_after_a_restart_and_nothing_else_does(sides: Sides) -> None:
    made = sides.provider.propose(sides.pair.product, "off-research", "pharma-b", {"epsilon": "1.5"}, "", "wang")
    sides.consumer.react(made)
    sides.broker.away = True
    with pytest.raises(HefuError):
        sides.consumer.accept(made.id, "rui", PURPOSE)
    sides.broker.away = False
    with pytest.raises(Conflict):
        sides.consumer.counter(made.id, {"epsilon": "1.2"}, "rui", PURPOSE)
    sides.consumer.react(made)
    taken = sides.broker.negotiation(made.id)
    assert (taken.state, taken.messages[-1].body["purpose"]) == (State.ACCEPTED, PURPOSE)
    sides.provider.react(taken)
    sides.consumer.react(sides.broker.negotiation(made.id))
    assert types(sides.broker)[-1] == "verified"


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "clinic-x"},
        {"consumer": "insurer-c"},
        {"description": "sha256:" + "0" * 64},
        {"offer": "off-nothing"},
        {"changes": {"urn:c:nothing": "1"}},
    ],
)
def test_an_offer_of_something_else_is_not_accepted(sides: Sides, change: dict[str, object]) -> None:
    shown = opened(sides, **change)
    with pytest.raises(HefuError):
        sides.consumer.accept(shown.id, "rui", PURPOSE)
    assert types(sides.broker) == ["offered"]


def test_nobody_accepts_twice_or_for_another(sides: Sides) -> None:
    made = sides.provider.propose(sides.pair.product, "off-research", "pharma-b", {}, "", "wang")
    sides.consumer.accept(made.id, "rui", PURPOSE)
    work: tuple[Callable[[], object], ...] = (
        lambda: sides.consumer.accept(made.id, "li", PURPOSE),
        lambda: sides.provider.approve(made.id, "wang"),
    )
    for each in work:
        with pytest.raises(HefuError):
            each()
    assert types(sides.broker) == ["offered", "accepted"]
