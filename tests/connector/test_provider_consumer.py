"""Two connectors and a broker, from a description to an answer; and what happens where somebody does not play fair."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hefu.__main__ import main
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, NotFound, Refused, Unavailable, Untrusted
from hefu.membership.charter import Charter
from hefu.tlog.tree import leaf_hash
from hefu_connector.brokerage import Progress
from hefu_connector.contracting import negotiating
from hefu_connector.contracting.consumer import Consumer
from hefu_connector.contracting.negotiating import Pen, Watch, embedded
from hefu_connector.contracting.provider import Provider
from hefu_connector.ports import ComputationState
from hefu_connector.running import Connector
from hefu_policies.agreeing.contract import AGREEMENT, Agreement
from hefu_policies.budget import Budget
from hefu_policies.states.negotiation import Role, State, advance

from tests.connector.small_space import PURPOSE, Space, agree, description, eventually, offer, plan, provide


@dataclass
class Pair:
    """A space with one provider, one consumer and one published product."""

    space: Space
    folder: Path
    product: str
    resource: str

    @property
    def provider(self) -> Connector:
        return self.space.connectors["hospital-a"]

    @property
    def consumer(self) -> Connector:
        return self.space.connectors["pharma-b"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("space")
    space = Space(folder).open()
    try:
        provider = space.member("hospital-a", "provider", quantum_ms=20)
        space.member("pharma-b", "consumer")
        offers = (offer(), offer(id="off-manual", approval="manual"))
        made = provide(provider, folder, offers=offers)
        yield Pair(space, folder, made.product, made.resources[0].id)
    finally:
        space.close()


@pytest.fixture(scope="module")
def agreement(pair: Pair) -> str:
    return agree(pair.provider, pair.consumer, pair.product)


# ---------------------------------------------------------------- products


def test_a_consumer_finds_what_a_provider_published_and_reads_it_verified(pair: Pair) -> None:
    found = pair.consumer.consumer.search("visits")
    assert [each.description.product for each in found.products] == [pair.product]
    assert (found.dropped, found.total) == (0, 1)
    assert pair.consumer.consumer.show(pair.product).listing.provider == "hospital-a"


def test_publishing_the_same_again_changes_nothing_and_a_change_makes_the_next_version(pair: Pair) -> None:
    side = pair.provider.provider
    made = side.publish(description(pair.resource, "prd-versions"))
    again = side.publish(description(pair.resource, "prd-versions"))
    assert again.statement == made.statement
    changed = side.publish(description(pair.resource, "prd-versions", keywords=("new",)))
    assert (changed.version, changed.description.previous) == (2, made.statement.digest())
    retired = side.retire("prd-versions", "a test")
    assert side.retire("prd-versions", "again") == retired
    with pytest.raises(HefuError):
        pair.consumer.consumer.request("prd-versions", "off-research", PURPOSE)


def test_a_version_that_the_broker_took_just_before_a_crash_is_taken_up(pair: Pair) -> None:
    """The broker said yes and this side never wrote it down."""
    side = pair.provider.provider
    first = side.publish(description(pair.resource, "prd-crashed"))
    second = description(pair.resource, "prd-crashed", keywords=("second",))
    lost = replace(second, version=2, previous=first.statement.digest())
    side._catalog.publish(side._author.say("product.published", lost.body()))
    third = side.publish(description(pair.resource, "prd-crashed", keywords=("third",)))
    assert third.version == 3


def test_a_product_that_nobody_published_is_not_found(pair: Pair) -> None:
    with pytest.raises(NotFound):
        pair.consumer.consumer.request("prd-nothing", "off-research", PURPOSE)
    with pytest.raises(NotFound):
        pair.consumer.consumer.request(pair.product, "off-nothing", PURPOSE)
    with pytest.raises(Conflict):
        pair.consumer.consumer.request(pair.product, "", PURPOSE)


# ---------------------------------------------------------------- negotiation


def test_an_offer_with_automatic_approval_is_in_force_on_both_sides_without_anybody(pair: Pair, agreement: str) -> None:
    ours, theirs = pair.consumer.agreements.load(agreement), pair.provider.agreements.load(agreement)
    assert ours.statement == theirs.statement
    assert {each.key.partition("#")[0] for each in ours.statement.signatures} == {"hospital-a", "pharma-b"}
    assert ours.countersignature.issuer == "broker"
    assert ours.proof


def test_an_offer_with_manual_approval_waits_for_a_person(pair: Pair) -> None:
    asked = pair.consumer.consumer.request(pair.product, "off-manual", PURPOSE, "rui")
    (waiting,) = eventually(pair.provider.provider.waiting)
    assert (waiting.id, waiting.request.consumer) == (asked.id, "pharma-b")
    assert waiting.opening.actor == {"kind": "person", "user": "rui"}
    pair.provider.provider.approve(asked.id)
    held = eventually(
        lambda: [each for each in pair.consumer.agreements.all() if each.agreement.negotiation == asked.id]
    )
    assert held[0].agreement.offer == "off-manual"
    assert pair.provider.provider.waiting() == []
    with pytest.raises(Conflict):
        pair.provider.provider.approve(asked.id)


def test_a_refusal_is_told_to_the_consumer_with_its_reason(pair: Pair) -> None:
    asked = pair.consumer.consumer.request(pair.product, "off-manual", PURPOSE)
    eventually(pair.provider.provider.waiting)
    pair.provider.provider.refuse(asked.id, "not this year")
    told = negotiating.find(pair.consumer.desk.overview._negotiations, asked.id)
    assert told.state is State.TERMINATED
    assert told.messages[-1].body["reason"] == "not this year"


def test_a_consumer_can_withdraw_its_request(pair: Pair) -> None:
    asked = pair.consumer.consumer.request(pair.product, "off-manual", PURPOSE)
    assert pair.consumer.consumer.withdraw(asked.id, "changed our mind").state is State.TERMINATED
    assert asked.id not in {each.id for each in pair.provider.provider.waiting()}


def test_uses_and_money_under_a_contract_are_shown_with_its_budget(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    twice: Object = {
        "leftOperand": "hefu:frequency", "operator": "lteq", "unit": "urn:hefu:per:P1D",
        "rightOperand": {"@value": "2", "@type": "xsd:integer"},
    }  # fmt: skip
    price: Object = {
        "leftOperand": "odrl:payAmount", "operator": "eq", "unit": "urn:iso:std:iso:4217:CNY",
        "rightOperand": {"@value": "5.50", "@type": "xsd:decimal"},
    }  # fmt: skip
    policy = copy.deepcopy(offer().policy)
    policy["permission"][0]["constraint"] += [twice, price]  # type: ignore[index,call-overload,operator]
    offers = (offer(id="off-metered", policy=policy),)
    pair.provider.provider.publish(description(pair.resource, "prd-metered", offers=offers))
    held = agree(pair.provider, pair.consumer, "prd-metered", "off-metered")
    done = pair.consumer.asking.compute(plan("prd-metered", "0.1"), held, PURPOSE, "rui")
    assert done.own.state is ComputationState.RELEASED
    where = ["budget", "show", held, "--dir", str(pair.space.folder / "hospital-a")]
    assert main([*where, "--json"]) == 0
    used, paid = json.loads(capsys.readouterr().out)["meters"]
    assert [used[name] for name in ("operand", "window", "taken", "remaining")] == ["hefu:frequency", "P1D", 1, 1]
    assert [paid[name] for name in ("operand", "unit", "taken", "limit")] == ["odrl:payAmount", "CNY", 550, None]
    assert (bool(used["last"]), paid["agreement"]) == (True, held)
    assert main([*where, "--lang", "zh"]) == 0
    assert "5.50 CNY" in capsys.readouterr().out


# ---------------------------------------------------------------- a broker that cannot be relied on


@dataclass
class GullibleBroker:
    """`brokerage.Negotiations` that takes every message and believes nothing: what a broken broker might do."""

    held: dict[str, list[Statement]] = field(default_factory=dict)
    sent: list[Statement] = field(default_factory=list)
    away: bool = False

    def advance(self, message: Statement) -> Progress:
        if self.away:
            raise Unavailable("peer.unreachable", peer="the broker")
        id_ = str(message.body["negotiation"])
        self.sent.append(message)
        if message not in self.held.setdefault(id_, []):
            self.held[id_].append(message)
        return self.negotiation(id_)

    def negotiation(self, name: str) -> Progress:
        messages = self.held[name.rpartition("/")[2]]
        body, state = messages[0].body, None
        roles = {body["consumer"]: Role.CONSUMER, body["provider"]: Role.PROVIDER}
        for each in messages:
            state = advance(state, roles.get(each.issuer, Role.PROVIDER), negotiating._move(each))
        assert state is not None
        consumer, provider = str(body["consumer"]), str(body["provider"])
        return Progress(str(body["negotiation"]), state, consumer, provider, tuple(messages))

    def negotiations(self) -> list[Progress]:
        return [self.negotiation(each) for each in self.held]

    def watch(self, after: int) -> Iterator[Progress]:
        yield from ()

    def terminate(self, termination: Statement) -> Progress:
        raise NotImplementedError


@dataclass
class Sides:
    """Both roles with their real keys, trust and stores, and between them a broker that believes everything."""

    broker: GullibleBroker
    provider: Provider
    consumer: Consumer
    pair: Pair
    charters: list[Charter]

    def ask(self, offer_id: str = "off-research") -> Progress:
        return self.consumer.request(self.pair.product, offer_id, PURPOSE)

    def provider_says(self, progress: Progress, type_: str, body: Object) -> Progress:
        """A message that the provider signs, whatever it says."""
        previous = [each.digest() for each in progress.messages]
        return self.broker.advance(
            self.provider._author.say(type_, {"negotiation": progress.id, "previous": [*previous], **body})
        )

    def drawn_up(self, progress: Progress) -> Agreement:
        """The agreement that an honest provider would sign."""
        found = self.provider._read(progress)
        made = self.provider._draw_up(found)["agreement"]
        assert isinstance(made, dict)
        payload = made["payload"]
        assert isinstance(payload, dict)
        return Agreement.of(payload["body"])

    def agree_on(self, progress: Progress, agreement: Agreement) -> Progress:
        signed = self.provider._author.say(AGREEMENT, agreement.body())
        return self.provider_says(progress, "negotiation.agreed", {"agreement": embedded(signed)})


@pytest.fixture
def sides(pair: Pair) -> Sides:
    broker, provider, consumer = GullibleBroker(), pair.provider.provider, pair.consumer.consumer
    charters: list[Charter] = []

    def chartered() -> Charter | None:
        return charters[-1] if charters else None

    return Sides(
        broker,
        Provider(
            provider._author, provider._trust, provider._products, provider._catalog, broker,
            Pen(provider._author, broker, provider._pen._marks), provider._agreements, provider._origin,
            chartered, provider.limits, provider._shelf, provider._connector_of,
        ),
        Consumer(
            consumer._author, consumer._trust, consumer._catalog, broker,
            Pen(consumer._author, broker, consumer._pen._marks), consumer._agreements, consumer._marks,
            consumer._origin, chartered,
        ),
        pair,
        charters,
    )  # fmt: skip


def test_a_provider_refuses_whom_its_policy_excludes_as_if_the_offer_were_not_there(sides: Sides) -> None:
    role: Object = {"leftOperand": "hefu:role", "operator": "isAnyOf", "rightOperand": [{"@id": "hefu:service"}]}
    policy = copy.deepcopy(offer().policy)
    policy["permission"][0]["constraint"].append(role)  # type: ignore[index,union-attr,call-overload]
    made = description(sides.pair.resource, "prd-selective", offers=(offer(), offer(id="off-closed", policy=policy)))
    sides.pair.provider.provider.publish(made)
    ends = []
    for name in ("off-closed", "off-research"):
        asked = sides.consumer.request("prd-selective", name, PURPOSE)
        sides.provider.react(asked)
        ends.append(sides.broker.held[asked.id][-1])
    assert [each.type for each in ends] == ["negotiation.terminated", "negotiation.agreed"]
    assert ends[0].body["code"] == "offer.not_found"


def types(broker: GullibleBroker) -> list[str]:
    return [each.type.removeprefix("negotiation.") for each in broker.sent]


def test_a_broker_that_shows_a_request_again_gets_the_same_agreement_again(sides: Sides) -> None:
    asked = sides.ask()
    sides.provider.react(asked)
    sides.provider.react(asked)
    first, second = sides.broker.sent[1:]
    assert first.type == "negotiation.agreed"
    assert first.to_bytes() == second.to_bytes()


def test_a_message_that_could_not_be_sent_is_sent_later_as_the_same_bytes(sides: Sides) -> None:
    asked = sides.ask()
    sides.broker.away = True
    with pytest.raises(Unavailable):
        sides.provider.react(asked)
    said = sides.provider._pen.said(asked.id, negotiating.Move.AGREE)
    sides.broker.away = False
    sides.provider.react(asked)
    assert said is not None
    assert sides.broker.sent[-1].to_bytes() == said.to_bytes()


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("budget", {"budget": Budget.of_text("5", releases=49)}),
        ("offline_share_percent", {"offline_share_percent": 99}),
        ("computations", {"computations": ("hefu:dpQuery", "hefu:deliver")}),
        ("log", {"log": "example.org/other"}),
    ],
)
def test_an_agreement_that_differs_from_the_offer_is_not_signed(sides: Sides, where: str, change: Object) -> None:
    asked = sides.ask()
    agreed = sides.agree_on(asked, replace(sides.drawn_up(asked), **change))  # type: ignore[arg-type]
    sides.consumer.react(agreed)
    assert types(sides.broker)[-1] == "terminated"
    assert sides.broker.sent[-1].body["code"] == "agreement.differs"
    assert where in str(sides.broker.sent[-1].body["reason"])


def test_an_agreement_that_begins_long_before_it_was_asked_for_is_not_signed(sides: Sides) -> None:
    asked = sides.ask()
    made = sides.drawn_up(asked)
    lasts = made.not_after - made.not_before
    earlier = made.not_before - lasts / 2
    sides.consumer.react(sides.agree_on(asked, replace(made, not_before=earlier, not_after=earlier + lasts)))
    assert types(sides.broker)[-1] == "terminated"


def test_an_agreement_that_only_the_broker_made_up_is_not_signed(sides: Sides) -> None:
    """The provider's message carries an agreement that somebody else signed."""
    asked = sides.ask()
    signed = sides.consumer._author.say(AGREEMENT, sides.drawn_up(asked).body())
    sides.consumer.react(sides.provider_says(asked, "negotiation.agreed", {"agreement": embedded(signed)}))
    assert types(sides.broker)[-1] == "terminated"


def test_a_negotiation_that_this_consumer_never_began_is_not_answered(sides: Sides) -> None:
    """A request in our name is shown whose bytes we never kept: our key alone does not make it ours."""
    asked = sides.ask()
    body = asked.messages[0].body | {"offer": "off-manual"}
    other = sides.consumer._author.say("negotiation.requested", body)
    shown = replace(asked, messages=(other,))
    agreed = sides.agree_on(shown, sides.drawn_up(asked))
    with pytest.raises(NotFound):
        sides.consumer.react(replace(agreed, messages=(other, *agreed.messages[1:])))


@pytest.mark.parametrize("fault", ["dropped", "doubled", "forged", "foreign"])
def test_messages_that_are_dropped_doubled_forged_or_foreign_are_not_answered(sides: Sides, fault: str) -> None:
    asked = sides.ask()
    agreed = sides.agree_on(asked, sides.drawn_up(asked))
    first, second = agreed.messages
    shown = {
        "dropped": (second,),
        "doubled": (first, first, second),
        "forged": (first, replace(second, signatures=first.signatures)),
        "foreign": (first, sides.ask().messages[0]),
    }[fault]
    sent = len(sides.broker.sent)
    with pytest.raises(HefuError):
        sides.consumer.react(replace(agreed, messages=shown))
    assert len(sides.broker.sent) == sent


def test_a_broker_that_claims_another_state_than_the_messages_lead_to_gets_nothing(sides: Sides) -> None:
    asked = sides.ask("off-manual")
    for state, react in ((State.VERIFIED, sides.provider.react), (State.AGREED, sides.consumer.react)):
        sent = len(sides.broker.sent)
        with pytest.raises(HefuError):
            react(replace(asked, state=state))
        assert len(sides.broker.sent) == sent


def test_a_provider_does_not_confirm_other_bytes_than_it_signed_here(sides: Sides) -> None:
    """Both did sign what is sent, but in another negotiation."""
    asked, elsewhere = sides.ask(), sides.ask()
    sides.provider.react(asked)
    sides.provider.react(elsewhere)
    agreed = sides.broker.negotiation(asked.id)
    other = negotiating.agreement_in(sides.broker.negotiation(elsewhere.id).messages[1])
    assert other is not None
    author, previous = sides.consumer._author, [each.digest() for each in agreed.messages]
    both = other.sign(author.signer, author.clock.now())
    body: Object = {"negotiation": asked.id, "previous": [*previous], "agreement": embedded(both)}
    with pytest.raises(Untrusted):
        sides.provider.react(sides.broker.advance(author.say("negotiation.verified", body)))
    assert "finalized" not in types(sides.broker)


def test_a_request_for_a_version_that_is_not_offered_any_more_ends_with_a_reason(sides: Sides) -> None:
    resource = sides.pair.resource
    sides.provider.publish(description(resource, "prd-moving"))
    asked = sides.consumer.request("prd-moving", "", PURPOSE)
    sides.provider.publish(description(resource, "prd-moving", keywords=("moved",)))
    sides.provider.react(asked)
    assert types(sides.broker)[-1] == "terminated"
    assert sides.broker.sent[-1].body["code"] == "negotiation.differs"


def test_a_change_that_cannot_be_handled_yet_comes_again(pair: Pair, sides: Sides) -> None:
    asked, seen = sides.ask(), []

    def react(progress: Progress) -> None:
        seen.append(progress.id)
        if len(seen) < 3:
            raise Untrusted("key.unknown", key="somebody new")

    watch = Watch(sides.broker, pair.consumer.consumer._marks, react)
    watch.follow()
    watch.try_again()
    watch.try_again()
    watch.try_again()
    assert seen == [asked.id] * 3


def test_what_failed_before_a_crash_is_tried_by_the_next_process_also_where_it_is_over(
    pair: Pair, sides: Sides
) -> None:
    """The last change of a negotiation comes before the broker's key is known, and then the power goes."""
    asked, seen = sides.ask(), []
    marks = pair.consumer.consumer._marks

    def fails(progress: Progress) -> None:
        raise Untrusted("key.unknown", key="the broker's")

    Watch(sides.broker, marks, fails).follow()
    sides.provider.refuse(asked.id, "over")
    after = Watch(sides.broker, marks, lambda progress: seen.append(progress.state))
    after.follow()
    after.try_again()
    assert seen == [State.TERMINATED]
    Watch(sides.broker, marks, lambda progress: seen.append(progress.state)).follow()
    assert len(seen) == 1


# ---------------------------------------------------------------- computations


def test_a_computation_is_asked_answered_and_its_receipt_verified(pair: Pair, agreement: str) -> None:
    outcome = pair.consumer.asking.compute(plan(pair.product), agreement, PURPOSE, "rui")
    assert outcome.own.state is ComputationState.RELEASED
    assert outcome.answer is not None
    assert outcome.answer.headings == ("region", "n", "age_mean")
    assert [row[0] for row in outcome.answer.rows] == ["north", "south"]
    # 300 and 100 of 400, with noise of scale 6: further off than 150 less than once in 10^10.
    for row, exact in zip(outcome.answer.rows, (300, 100), strict=True):
        assert row[1] is None or abs(int(row[1]) - exact) < 150
    assert outcome.receipt is not None
    assert outcome.receipt.issuer == "hospital-a"
    reopened = pair.consumer.asking.outcome(outcome.own.id)
    assert reopened.answer == outcome.answer


def test_a_refused_computation_shows_its_reasons_and_charges_nothing(pair: Pair, agreement: str) -> None:
    outcome = pair.consumer.asking.compute(plan(pair.product), agreement, "dpv:Marketing", "rui")
    assert outcome.own.state is ComputationState.REFUSED
    assert outcome.reasons
    assert outcome.answer is None


def test_a_plan_of_another_product_is_not_even_sent(pair: Pair, agreement: str) -> None:
    asked = len(pair.consumer.asking.all(1000))
    with pytest.raises(NotFound):
        pair.consumer.asking.ask(plan("prd-other"), agreement, PURPOSE, "rui")
    assert len(pair.consumer.asking.all(1000)) == asked


def test_an_estimate_needs_no_contract_and_says_what_it_will_cost(pair: Pair) -> None:
    found = pair.consumer.asking.estimate(pair.product, plan(pair.product, "0.5"))
    assert found.charge.loss.epsilon_nano <= 500_000_000
    assert found.cells == 2


def test_a_provider_does_not_ask_itself_under_its_own_agreement(pair: Pair, agreement: str) -> None:
    with pytest.raises(NotFound):
        pair.provider.asking.ask(plan(pair.product), agreement, PURPOSE, "rui")


def test_with_the_broker_down_work_goes_on_also_after_a_restart_and_is_logged_afterwards(
    pair: Pair, agreement: str
) -> None:
    pair.space.stop_broker()
    done = [pair.consumer.asking.compute(plan(pair.product, "0.1"), agreement, PURPOSE, "rui")]
    for name in ("hospital-a", "pharma-b"):
        pair.space.stop(name)
        pair.space.start(name)
    done.append(pair.consumer.asking.compute(plan(pair.product, "0.1"), agreement, PURPOSE, "rui"))
    assert [each.own.state for each in done] == [ComputationState.RELEASED] * 2
    with pytest.raises(Unavailable):
        pair.consumer.consumer.search("")
    # What narrows acts at once, without the broker: the agreement is over for the provider before anybody is told.
    pair.provider.agreements.terminate(agreement, "agreement.ended", "a test")
    refused = pair.consumer.asking.compute(plan(pair.product, "0.1"), agreement, PURPOSE, "rui")
    assert refused.own.state is ComputationState.REFUSED
    server = pair.space.start_broker()
    for each in (*done, refused):
        assert each.receipt is not None
        leaf = leaf_hash(each.receipt.to_bytes())
        assert eventually(lambda leaf=leaf: server.rooms.log.proof(leaf))  # type: ignore[misc]
    # And the consumer hears of the end, and asks no more.
    eventually(lambda: pair.consumer.agreements.load(agreement).termination)
    with pytest.raises(Refused):
        pair.consumer.asking.ask(plan(pair.product), agreement, PURPOSE, "rui")


# ---------------------------------------------------------------- the charter, where the broker does not care


def test_a_consumer_asks_for_nothing_that_the_charter_forbids(sides: Sides) -> None:
    sides.charters.append(Charter(1, templates=("open-statistics",)))
    with pytest.raises(Refused) as refused:
        sides.ask()
    assert refused.value.code == "charter.template"
    assert sides.broker.sent == []


def test_a_provider_neither_offers_nor_agrees_to_what_the_charter_forbids(sides: Sides) -> None:
    asked = sides.ask()
    sides.charters.append(Charter(1, templates=("open-statistics",)))
    sides.provider.react(asked)
    assert types(sides.broker) == ["requested", "terminated"]
    with pytest.raises(Refused):
        sides.provider.publish(description(sides.pair.resource, "prd-forbidden"))
    assert sides.pair.provider.provider._products.find("prd-forbidden") is None


def test_a_consumer_does_not_sign_what_a_newer_charter_forbids(sides: Sides) -> None:
    asked = sides.ask()
    sides.provider.react(asked)
    sides.charters.append(Charter(1, templates=("open-statistics",)))
    sides.consumer.react(sides.broker.negotiation(asked.id))
    assert types(sides.broker) == ["requested", "agreed", "terminated"]
