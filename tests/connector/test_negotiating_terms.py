"""Two connectors that haggle: what is answered without anybody, what waits, and what a broken broker gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hefu import canonical
from hefu.__main__ import main
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Unavailable, Untrusted
from hefu.running import faults
from hefu_connector.brokerage import Progress
from hefu_connector.contracting import negotiating
from hefu_connector.contracting.consumer import Consumer
from hefu_connector.contracting.limits import ASK, Limits
from hefu_connector.contracting.negotiating import Pen, embedded
from hefu_connector.contracting.provider import Provider
from hefu_connector.desk.tables import Tables
from hefu_connector.ports import Contract
from hefu_connector.running import Connector
from hefu_policies import odrl
from hefu_policies.agreeing.contract import agreement_from
from hefu_policies.bargaining.haggling import Verdict
from hefu_policies.bargaining.rounds import MOST_ROUNDS, CounterOffer
from hefu_policies.goods.product import Offer
from hefu_policies.states.negotiation import Move, State

from tests.connector.small_space import PURPOSE, Space, eventually, offer, provide
from tests.connector.test_provider_consumer import GullibleBroker


@dataclass
class Pair:
    """A space with a provider, a consumer and a product under an automatic and a manual offer."""

    space: Space
    product: str
    resource: str

    @property
    def provider(self) -> Connector:
        return self.space.connectors["hospital-a"]

    @property
    def consumer(self) -> Connector:
        return self.space.connectors["pharma-b"]

    def limit(self, texts: Mapping[str, str], offer_id: str = "off-research", beyond: str = "") -> Limits:
        description_, offer_ = self.provider.provider.offered(self.product, offer_id)
        return self.provider.provider.limits.set(description_, offer_, texts, beyond)

    def ask(self, texts: Mapping[str, str], offer_id: str = "off-research") -> str:
        return eventually(lambda: self.consumer.consumer.request(self.product, offer_id, PURPOSE, "rui", texts)).id

    def state(self, negotiation: str) -> Progress:
        return negotiating.find(self.consumer.desk.overview._negotiations, negotiation)

    def until(self, negotiation: str, state: State) -> Progress:
        return eventually(lambda: found if (found := self.state(negotiation)).state is state else None)  # type: ignore[return-value]

    def contract(self, negotiation: str) -> Contract:
        """The contract once it is in force on both sides."""

        def both() -> Contract | None:
            held = [
                [each for each in side.agreements.all() if each.agreement.negotiation == negotiation]
                for side in (self.provider, self.consumer)
            ]
            return held[1][0] if all(held) else None

        return eventually(both)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("space")
    space = Space(folder).open()
    try:
        provider = space.member("hospital-a", "provider", quantum_ms=20)
        space.member("pharma-b", "consumer")
        offers = (offer(), offer(id="off-manual", approval="manual"))
        made = provide(provider, folder, offers=offers)
        yield Pair(space, made.product, made.resources[0].id)
    finally:
        space.close()


@pytest.fixture(autouse=True)
def _no_limits(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "pair" in request.fixturenames:
        found: Pair = request.getfixturevalue("pair")
        for each in ("off-research", "off-manual"):
            found.limit({"epsilon": "", "minGroup": "", "releases": "", "valid_days": ""}, each, "counter")


def epsilon(contract: Contract) -> Decimal:
    policy = odrl.load(contract.agreement.strategies[0].policy)
    (limit,) = [each for each in policy.constraints() if each.id == "urn:c:epsilon"]
    return Decimal(str(limit.values[0]))


# ---------------------------------------------------------------- the broker is honest


def test_a_narrower_request_is_agreed_to_on_its_own_terms(pair: Pair) -> None:
    made = pair.contract(pair.ask({"epsilon": "0.25", "releases": "7"}))
    assert (epsilon(made), made.agreement.budget.releases) == (Decimal("0.25"), 7)


def test_a_wider_request_inside_the_private_limits_is_agreed_to(pair: Pair) -> None:
    pair.limit({"epsilon": "2", "minGroup": "3"})
    assert epsilon(pair.contract(pair.ask({"epsilon": "1.5"}))) == Decimal("1.5")


def test_beyond_the_limits_the_answer_is_what_both_can_live_with_and_the_consumer_decides(pair: Pair) -> None:
    pair.limit({"epsilon": "2"})
    asked = pair.ask({"epsilon": "9", "minGroup": "1", "valid_days": "30"})
    offered = pair.until(asked, State.OFFERED)
    body = CounterOffer.of(offered.messages[-1].body)
    assert body.changes == {
        "urn:c:epsilon": {"@value": "2", "@type": "xsd:decimal"},
        "valid_days": 30,
    }
    assert "2" not in body.reason
    waiting = [each for each in pair.consumer.desk.overview.waiting() if each.name == asked]
    assert [each.on for each in waiting] == ["you"]
    pair.consumer.consumer.accept(asked, "rui")
    made = pair.contract(asked)
    assert (epsilon(made), (made.agreement.not_after - made.agreement.not_before).days) == (Decimal(2), 30)


def test_several_rounds_to_and_fro_are_told_with_who_when_before_and_after(pair: Pair) -> None:
    pair.limit({"epsilon": "2"})
    asked = pair.ask({"epsilon": "9"}, "off-manual")
    (queued,) = eventually(lambda: [each for each in pair.provider.provider.waiting() if each.id == asked])
    assert pair.provider.provider.verdict(queued) is Verdict.BEYOND or queued.request.offer == "off-manual"
    pair.provider.provider.counter(asked, {"epsilon": "1.2"}, "for a start", "wang")
    pair.until(asked, State.OFFERED)
    pair.consumer.consumer.counter(asked, {"epsilon": "1.4", "releases": "20"}, "rui")
    pair.until(asked, State.REQUESTED)
    eventually(lambda: [each for each in pair.provider.provider.waiting() if each.id == asked])
    pair.provider.provider.approve(asked, "wang")
    made = pair.contract(asked)
    assert (epsilon(made), made.agreement.budget.releases) == (Decimal("1.4"), 20)
    for side in (pair.provider, pair.consumer):
        rounds = side.desk.tables.history(asked)
        assert [(each.move.value, each.participant, each.user) for each in rounds[:4]] == [
            ("requested", "pharma-b", "rui"),
            ("offered", "hospital-a", "wang"),
            ("requested", "pharma-b", "rui"),
            ("agreed", "hospital-a", "wang"),
        ]
        steps = [[(each.name, each.before, each.after) for each in one.steps] for one in rounds]
        assert steps[0] == [("epsilon", "1", "9")]
        assert steps[1] == [("epsilon", "9", "1.2")]
        assert steps[2] == [("epsilon", "1.2", "1.4"), ("budget.releases", "50", "20")]
        assert rounds[1].reason == "for a start"


def test_what_goes_beyond_may_wait_for_a_person_instead(pair: Pair) -> None:
    pair.limit({"epsilon": "2"}, beyond=ASK)
    asked = pair.ask({"epsilon": "3"})
    (queued,) = eventually(lambda: [each for each in pair.provider.provider.waiting() if each.id == asked])
    assert pair.provider.provider.verdict(queued) is Verdict.BEYOND
    pair.provider.provider.approve(asked, "wang")
    assert epsilon(pair.contract(asked)) == Decimal(3)


def test_where_nothing_is_common_it_ends_and_names_public_terms_only(pair: Pair) -> None:
    pair.limit({"epsilon": "2"})
    asked = pair.ask({"purpose": "dpv:Marketing", "epsilon": "1.5"})
    ended = pair.until(asked, State.TERMINATED)
    assert ended.messages[-1].body["code"] == "negotiation.beyond"
    assert "urn:c:epsilon" in str(ended.messages[-1].body["reason"])
    assert "2" not in str(ended.messages[-1].body["reason"])


def test_limits_are_told_to_nobody(pair: Pair) -> None:
    pair.limit({"epsilon": "1.75"})
    asked = pair.ask({"epsilon": "1.5"})
    pair.contract(asked)
    told = [each.to_bytes() for each in pair.state(asked).messages]
    told.append(pair.consumer.consumer.show(pair.product).listing.description.to_bytes())
    assert not any(b"1.75" in each for each in told)


def test_a_limit_narrower_than_the_public_offer_is_refused(pair: Pair) -> None:
    with pytest.raises(Malformed) as caught:
        pair.limit({"epsilon": "0.5"})
    assert caught.value.code == "limits.narrower"
    with pytest.raises(NotFound):
        pair.limit({"nothing": "1"})
    with pytest.raises(Malformed):
        pair.limit({"budget": "1000"})  # more than the asset has for life
    assert pair.limit({"budget": "6"}).changes
    assert pair.limit({"budget": ""}).changes == {}


def test_limits_of_an_older_version_never_narrow_the_newer_one(pair: Pair) -> None:
    held = pair.limit({"epsilon": "2", "releases": "60"})
    wider = replace(offer(), budget=replace(offer().budget, releases=80))
    assert [*held.of(wider).changes] == ["urn:c:epsilon"]


def test_nothing_is_sent_that_the_offer_cannot_be(pair: Pair) -> None:
    for texts in ({"epsilon": "much"}, {"column": "weight"}, {"budget": "100"}):
        with pytest.raises(Malformed):
            pair.consumer.consumer.request(pair.product, "off-research", PURPOSE, "rui", texts)
    with pytest.raises(NotFound):
        pair.consumer.consumer.request(pair.product, "off-research", PURPOSE, "rui", {"nothing": "1"})


def test_moves_out_of_turn_are_told_apart(pair: Pair) -> None:
    asked = pair.ask({"epsilon": "3"}, "off-manual")
    with pytest.raises(Conflict) as caught:
        pair.consumer.consumer.accept(asked)
    assert caught.value.code == "negotiation.no_turn"
    eventually(lambda: [each for each in pair.provider.provider.waiting() if each.id == asked])
    pair.provider.provider.counter(asked, {"epsilon": "1"}, "", "wang")
    with pytest.raises(Conflict):
        pair.provider.provider.counter(asked, {"epsilon": "2"}, "", "wang")
    pair.until(asked, State.OFFERED)
    with pytest.raises(Conflict):
        pair.provider.provider.approve(asked, "wang")
    assert pair.consumer.consumer.withdraw(asked, "no").state is State.TERMINATED


class Nobody(GullibleBroker):
    """A broker that is away."""

    def negotiation(self, name: str) -> Progress:
        raise Unavailable("peer.unreachable", peer="the broker")


def test_history_is_shown_without_the_broker_once_it_is_over(pair: Pair) -> None:
    pair.limit({"epsilon": "2"})
    asked = pair.ask({"epsilon": "9"})
    pair.until(asked, State.OFFERED)
    pair.consumer.consumer.accept(asked, "rui")
    made = pair.contract(asked)
    with_broker = [eventually(lambda side=side: side.desk.tables._marks.find(f"rounds/{asked}"))  # type: ignore[misc]
                   and side.desk.tables.history(asked) for side in (pair.provider, pair.consumer)]  # fmt: skip
    for side, told in zip((pair.provider, pair.consumer), with_broker, strict=True):
        mine: Tables = side.desk.tables
        alone = Tables(mine._author, mine._trust, Nobody(), mine._described, mine._provider, mine._marks)
        assert alone.history(asked) == told
        assert alone.history(made.agreement.id) == told
        with pytest.raises(Unavailable):
            alone.history("neg-unknown")


# ---------------------------------------------------------------- people at their keyboards


@pytest.fixture
def told(pair: Pair, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command of a participant; what it prints, on either stream."""

    def call(who: str, *words: str, code: int = 0) -> str:
        capsys.readouterr()
        found = main([*words, "--dir", str(pair.space.folder / who)])
        out, error = capsys.readouterr()
        assert found == code, (words, out, error)
        return out + error

    return call


def test_the_whole_of_it_by_commands(pair: Pair, told: Callable[..., str]) -> None:
    def run(who: str, *words: str, code: int = 0) -> Any:
        return json.loads(told(who, *words, "--json", code=code))

    set_ = run("hospital-a", "product", "limits", pair.product, "--offer", "off-research", "--set", "epsilon=2")
    assert [(each["name"], each["before"], each["after"]) for each in set_["limits"]] == [("epsilon", "1", "2")]
    words = ("contract", "request", pair.product, "--offer", "off-research", "--purpose", PURPOSE)
    asked = run("pharma-b", *words, "--set", "epsilon=9", "--set", "valid_days=20", "--wait", "0")["negotiation"]
    pair.until(asked, State.OFFERED)
    (queued,) = [each for each in run("pharma-b", "contract", "queue")["contracts"] if each["negotiation"] == asked]
    assert (queued["state"], queued["round"], queued["waiting"]["on"]) == ("offered", 1, "you")
    assert {(each["name"], each["after"], each["order"]) for each in queued["changes"]} == {
        ("epsilon", "2", "wider"), ("valid_days", "20", "narrower"),
    }  # fmt: skip
    assert asked in told("pharma-b", "contract", "queue")
    assert "epsilon 1 → 2" in told("pharma-b", "contract", "queue", "--lang", "zh")
    assert "更宽" in told("pharma-b", "contract", "show", asked, "--lang", "zh")
    run("pharma-b", "contract", "counter", asked, "--set", "epsilon=1.5")
    made = pair.contract(asked)
    assert epsilon(made) == Decimal("1.5")
    assert run("pharma-b", "contract", "accept", asked, code=1)["error"] == "negotiation.no_turn"
    rounds = run("hospital-a", "contract", "history", made.agreement.id)["rounds"]
    assert [each["move"] for each in rounds[:4]] == ["requested", "offered", "requested", "agreed"]
    assert "2 → 1.5  [wider]" in told("pharma-b", "contract", "history", asked)
    assert run("pharma-b", "contract", "counter", asked, "--set", "epsilon", code=2)["error"] == "changes.set"
    assert "valid_days" in str(run("pharma-b", *words, "--set", "days=20", code=1)["parameters"]["known"])


def test_a_person_of_the_provider_sees_counters_and_rejects(pair: Pair, told: Callable[..., str]) -> None:
    pair.limit({"epsilon": "2"}, "off-manual")
    asked = pair.ask({"epsilon": "1.5"}, "off-manual")
    eventually(lambda: asked in told("hospital-a", "contract", "queue"))
    assert "inside your limits" in told("hospital-a", "contract", "queue")
    assert "在底线之内" in told("hospital-a", "contract", "show", asked, "--lang", "zh")
    told("hospital-a", "contract", "counter", asked, "--set", "epsilon=1.25", "--reason", "a bit less")
    pair.until(asked, State.OFFERED)
    assert "a bit less" in told("pharma-b", "contract", "history", asked)
    other = pair.ask({"epsilon": "1.5"}, "off-manual")
    eventually(lambda: other in told("hospital-a", "contract", "queue"))
    told("hospital-a", "contract", "reject", other, "--reason", "not this year")
    assert pair.state(other).messages[-1].body["reason"] == "not this year"
    told("pharma-b", "contract", "reject", asked)
    assert pair.state(asked).state is State.TERMINATED


# ---------------------------------------------------------------- the broker is not


@dataclass
class Sides:
    """Both roles with their real keys and stores, and between them a broker that believes everything."""

    broker: GullibleBroker
    provider: Provider
    consumer: Consumer
    pair: Pair

    def ask(self, texts: Mapping[str, str], offer_id: str = "off-manual") -> Progress:
        return self.consumer.request(self.pair.product, offer_id, PURPOSE, "rui", texts)

    def say(self, who: Provider | Consumer, progress: Progress, type_: str, body: Object) -> Progress:
        """A message under somebody's key that its connector never wrote: the key was stolen."""
        previous = [each.digest() for each in progress.messages]
        return self.broker.advance(who._author.say(type_, {"negotiation": progress.id, "previous": previous, **body}))

    def changes(self, texts: Mapping[str, str]) -> Object:
        from hefu_policies.agreeing.changes import read

        return read(self.offer, texts)

    @property
    def offer(self) -> Offer:
        return self.provider.offered(self.pair.product, "off-manual")[1]


@pytest.fixture
def sides(pair: Pair) -> Sides:
    broker, provider, consumer = GullibleBroker(), pair.provider.provider, pair.consumer.consumer
    return Sides(
        broker,
        Provider(
            provider._author, provider._trust, provider._products, provider._catalog, broker,
            Pen(provider._author, broker, provider._pen._marks), provider._agreements, provider._origin,
            lambda: None, provider.limits, provider._shelf, provider._connector_of,
        ),
        Consumer(
            consumer._author, consumer._trust, consumer._catalog, broker,
            Pen(consumer._author, broker, consumer._pen._marks), consumer._agreements, consumer._marks,
            consumer._origin, lambda: None,
        ),
        pair,
    )  # fmt: skip


def types(broker: GullibleBroker) -> list[str]:
    return [each.type.removeprefix("negotiation.") for each in broker.sent]


def test_a_counter_offer_that_only_our_stolen_key_made_is_not_agreed_to(sides: Sides) -> None:
    asked = sides.ask({"epsilon": "2"})
    forged: Object = {"changes": sides.changes({"epsilon": "9"}), "reason": ""}
    offered = sides.say(sides.provider, asked, "negotiation.offered", forged)
    accepted = sides.say(sides.consumer, offered, "negotiation.accepted", {})
    with pytest.raises(Untrusted) as caught:
        sides.provider.react(accepted)
    assert caught.value.code == "negotiation.unheld"
    assert "agreed" not in types(sides.broker)


def test_an_acceptance_that_only_our_stolen_key_made_leads_to_no_signature(sides: Sides) -> None:
    asked = sides.ask({"epsilon": "2"})
    offered = sides.provider.counter(asked.id, {"epsilon": "1.5"}, "", "wang")
    accepted = sides.say(sides.consumer, offered, "negotiation.accepted", {})
    sides.provider.react(accepted)
    agreed = sides.broker.negotiation(asked.id)
    assert agreed.state is State.AGREED
    with pytest.raises(Untrusted):
        sides.consumer.react(agreed)
    assert "verified" not in types(sides.broker)


def test_of_two_decisions_at_once_one_is_sent(sides: Sides) -> None:
    """Two people of the provider, or two of its replicas: one approves, one offers other terms."""
    asked = sides.ask({"epsilon": "2"})
    sides.broker.away = True
    with pytest.raises(Unavailable):
        sides.provider.counter(asked.id, {"epsilon": "1.5"}, "", "wang")
    sides.broker.away = False
    with pytest.raises(Conflict) as caught:
        sides.provider.approve(asked.id, "li")
    assert caught.value.code == "negotiation.moved"
    # The one that was kept is the one that is sent, also where its author asks for something else now.
    offered = sides.provider.counter(asked.id, {"epsilon": "1.9"}, "", "li")
    assert CounterOffer.of(offered.messages[-1].body).changes == sides.changes({"epsilon": "1.5"})


def test_what_a_person_said_and_was_not_sent_goes_out_after_a_restart(sides: Sides) -> None:
    asked = sides.ask({"epsilon": "2"})
    sides.broker.away = True
    with pytest.raises(Unavailable):
        sides.provider.counter(asked.id, {"epsilon": "1.5"}, "", "wang")
    sides.broker.away = False
    sides.provider.react(asked)
    offered = sides.broker.negotiation(asked.id)
    assert offered.state is State.OFFERED
    sides.consumer.react(offered)
    assert sides.broker.negotiation(asked.id).state is State.OFFERED  # nobody has answered that yet
    sides.broker.away = True
    with pytest.raises(Unavailable):
        sides.consumer.accept(asked.id, "rui")
    sides.broker.away = False
    sides.consumer.react(offered)
    assert sides.broker.negotiation(asked.id).state is State.ACCEPTED


def test_a_broker_that_shows_an_old_round_gets_no_second_agreement(sides: Sides) -> None:
    asked = sides.ask({"epsilon": "2"})
    offered = sides.provider.counter(asked.id, {"epsilon": "1.5"}, "", "wang")
    accepted = sides.consumer.accept(offered.id, "rui")
    sides.provider.react(accepted)
    agreed = [each for each in sides.broker.sent if each.type == "negotiation.agreed"]
    assert len(agreed) == 1
    for shown in (asked, offered, accepted):
        sides.broker.held[asked.id] = list(shown.messages)
        for work in (
            lambda: sides.provider.approve(asked.id, "li"),
            lambda: sides.provider.counter(asked.id, {"epsilon": "1.1"}, "", "li"),
            lambda shown=shown: sides.provider.react(shown),
        ):
            try:
                work()  # type: ignore[no-untyped-call]
            except HefuError:
                continue
    again = [each for each in sides.broker.sent if each.type == "negotiation.agreed"]
    assert {each.to_bytes() for each in again} == {agreed[0].to_bytes()}


def test_an_agreement_on_terms_of_an_earlier_round_is_not_signed(sides: Sides) -> None:
    asked = sides.ask({"epsilon": "2"})
    offered = sides.provider.counter(asked.id, {"epsilon": "0.5"}, "", "wang")
    sides.consumer.accept(offered.id, "rui")
    table = sides.broker.negotiation(asked.id)
    described = sides.consumer.described(str(asked.messages[0].body["description"]))
    assert described is not None
    made = agreement_from(
        described, table.messages[0], agreement="agr-aaaaaaaaaaaaaaaaaaaaaaaaaa", strategy="str-a",
        connector=sides.provider._author.connector, log=sides.provider._origin, at=sides.provider._author.clock.now(),
    )  # fmt: skip
    made = replace(made, previous=tuple(each.digest() for each in table.messages))
    signed = sides.provider._author.say("agreement", made.body())
    sides.consumer.react(sides.say(sides.provider, table, "negotiation.agreed", {"agreement": embedded(signed)}))
    assert types(sides.broker)[-1] == "terminated"
    assert sides.broker.sent[-1].body["code"] == "agreement.differs"


@pytest.mark.parametrize("fault", ["terms", "purpose", "reordered", "dropped"])
def test_rounds_that_were_altered_reordered_or_dropped_are_not_answered(sides: Sides, fault: str) -> None:
    asked = sides.ask({"epsilon": "2"})
    offered = sides.provider.counter(asked.id, {"epsilon": "1.5"}, "", "wang")
    again = sides.consumer.counter(offered.id, {"epsilon": "1.8"}, "rui")
    first, second, third = again.messages
    shown = {
        "terms": (first, altered(second, {"changes": {}}), third),
        "purpose": (first, second, _again(sides, third, {"purpose": "dpv:Marketing"})),
        "reordered": (first, third, second),
        "dropped": (first, third),
    }[fault]
    sent = len(sides.broker.sent)
    with pytest.raises(HefuError):
        sides.provider.react(replace(again, messages=shown))
    assert len(sides.broker.sent) == sent


def altered(message: Statement, changes: Object) -> Statement:
    """Other bytes under the old signatures."""
    body = message.body | changes
    payload = canonical.encode(canonical.decode_object(message.payload) | {"body": body})
    return replace(message, payload=payload, body=body)


def _again(sides: Sides, message: Statement, changes: Object) -> Statement:
    return sides.consumer._author.say(message.type, message.body | changes)


def test_rounds_end_on_both_sides(sides: Sides) -> None:
    progress = sides.ask({"epsilon": "9"})
    for number in range(1, MOST_ROUNDS + 1):
        progress = sides.provider.counter(progress.id, {"epsilon": f"1.{number}"}, "", "wang")
        if number < MOST_ROUNDS:
            progress = sides.consumer.counter(progress.id, {"epsilon": f"2.{number}"}, "rui")
    with pytest.raises(Conflict) as caught:
        sides.consumer.counter(progress.id, {"epsilon": "3"}, "rui")
    assert caught.value.code == "negotiation.rounds"
    assert sides.consumer.accept(progress.id, "rui").state is State.ACCEPTED


# ---------------------------------------------------------------- a crash at every point


def test_wherever_a_side_breaks_off_it_goes_on_with_the_same_words(sides: Sides) -> None:
    """At each fault point in turn everything stops; afterwards both sides react again to what the broker has."""
    passed = 0

    def story(stop: int) -> bool:
        """One negotiation that breaks off at the given point; whether there was such a point."""
        count = 0

        def act(name: str) -> None:
            nonlocal count
            count += 1
            if count == stop:
                raise Unavailable("fault.injected", name=name)

        asked = sides.ask({"epsilon": "2"})
        texts = {"epsilon": "1.5"}
        steps = [
            lambda: sides.provider.counter(asked.id, texts, "", "wang"),
            lambda: sides.consumer.counter(asked.id, {"epsilon": "1.7"}, "rui"),
            lambda: sides.provider.counter(asked.id, {"epsilon": "1.6"}, "", "wang"),
            lambda: sides.consumer.accept(asked.id, "rui"),
            lambda: sides.provider.react(sides.broker.negotiation(asked.id)),
            lambda: sides.consumer.react(sides.broker.negotiation(asked.id)),
            lambda: sides.provider.react(sides.broker.negotiation(asked.id)),
        ]
        for step in steps:
            try:
                with faults.watched(act):
                    step()  # type: ignore[no-untyped-call]
            except Unavailable:
                step()  # type: ignore[no-untyped-call]
        progress = sides.broker.negotiation(asked.id)
        assert progress.state is State.FINALIZED
        moves = [each.type.rpartition(".")[2] for each in progress.messages]
        assert moves == [
            "requested", "offered", "requested", "offered", "accepted", "agreed", "verified", "finalized",
        ]  # fmt: skip
        sent = [each for each in sides.broker.sent if each.body["negotiation"] == asked.id]
        assert len({each.digest() for each in sent}) == len(moves)  # nothing was said twice in other words
        return count >= stop

    while story(passed + 1):
        passed += 1
    assert passed > 8


def test_the_moves_of_the_pen_never_contradict_each_other() -> None:
    rivals = negotiating._RIVALS
    assert all(Move.TERMINATE in rivals[each] for each in Move if each is not Move.TERMINATE)
    for one, others in rivals.items():
        for other in others:
            assert other is Move.TERMINATE or one in rivals[other]
