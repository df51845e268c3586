"""Terms that are changed: what is narrower, what both sides can live with, and one agreement from the last word."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hefu.canonical import Json, Object
from hefu.envelope import Statement, draft
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Refused, Untrusted
from hefu.membership.charter import Charter
from hefu_policies import odrl
from hefu_policies.agreeing.changes import (
    BUDGET_EPSILON,
    MEMBERS,
    RELEASES,
    Sense,
    changed,
    changed_in,
    read,
    standing,
    terms_of,
)
from hefu_policies.agreeing.contract import Agreement, ContractRequest, agreement_from, check_agreement
from hefu_policies.agreeing.request import check_request
from hefu_policies.bargaining import charter, rounds
from hefu_policies.bargaining.haggling import Order, Verdict, answer, meet, order, orders
from hefu_policies.deciding.decision import Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.goods.product import Description, Offer
from hefu_policies.words import purposes
from hefu_policies.words.terms import Phase
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.conftest import NOW


def decimal(text: str) -> Json:
    return {"@value": text, "@type": "xsd:decimal"}


@pytest.fixture
def offer(description: Description) -> Offer:
    return description.offers[0]


def key(offer: Offer, name: str) -> str:
    return next(each.key for each in terms_of(offer).values() if each.name == name)


# ---------------------------------------------------------------- one term


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epsilon", "0.4", Order.NARROWER),
        ("epsilon", "0.50", Order.SAME),
        ("epsilon", "0.6", Order.WIDER),
        ("minGroup", "60", Order.NARROWER),
        ("minGroup", "40", Order.WIDER),
        ("column", "age", Order.NARROWER),
        ("column", "age,region,los_days,patient", Order.WIDER),
        ("column", "age,patient", Order.OTHER),
        ("column", "los_days,region,age", Order.SAME),
        ("dateTime", "2027-01-01T00:00:00Z", Order.NARROWER),
        ("dateTime", "2028-01-01T00:00:00Z", Order.WIDER),
        ("count", "201", Order.WIDER),
        ("outputKind", "Histogram", Order.NARROWER),
        ("outputKind", "Histogram,Scalar", Order.OTHER),
        ("purpose", "dpv:ResearchAndDevelopment", Order.WIDER),
        ("purpose", "dpv:Marketing", Order.OTHER),
        ("valid_days", "300", Order.NARROWER),
        ("valid_days", "366", Order.WIDER),
        ("releases", "100", Order.NARROWER),
        ("offline_share_percent", "11", Order.WIDER),
        ("urn:c:commercial", "dpv:Purpose", Order.NARROWER),  # what is prohibited is more
    ],
)  # fmt: skip
def test_a_change_is_narrower_or_wider_by_what_it_permits(offer: Offer, name: str, value: str, expected: Order) -> None:
    made = read(offer, {name: value})
    assert [*orders(offer, made).values()] == [expected]


def test_the_budget_stands_for_every_limit_on_it(offer: Offer) -> None:
    made = read(offer, {"budget": "2"})
    assert made[BUDGET_EPSILON] == 2 * 10**9
    assert made[key(offer, "epsilonBudget")] == decimal("2")
    assert changed(offer, made).budget.loss.epsilon == 2


def test_every_term_that_a_person_can_write_is_read_back_as_it_stands(offer: Offer) -> None:
    for each in terms_of(offer).values():
        assert each.read(each.text) == each.written


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        ({"nothing": "1"}, NotFound),
        ({"epsilon": "much"}, Malformed),
        ({"epsilon": "-1"}, Malformed),
        ({"valid_days": "0"}, Malformed),
        ({"valid_days": "ten"}, Malformed),
        ({"purpose": "dpv:Nothing"}, Malformed),
        ({"column": ""}, Malformed),
        ({"releases": "0"}, Malformed),
    ],
)
def test_what_the_offer_cannot_be_is_refused(offer: Offer, texts: dict[str, str], kind: type[HefuError]) -> None:
    with pytest.raises(kind):
        read(offer, texts)


def test_terms_beyond_the_product_itself_are_refused(description: Description, offer: Offer) -> None:
    for made in (read(offer, {"budget": "11"}), read(offer, {"column": "age,weight"})):
        with pytest.raises(Malformed):
            changed_in(description, offer, made)


def test_a_changed_offer_claims_its_template_no_more(offer: Offer) -> None:
    assert changed(offer, {}) is offer
    assert changed(offer, {"valid_days": 10}).template is None


def test_under_exactly_one_of_nothing_is_narrower(offer: Offer) -> None:
    """A narrower branch may let the other one be the only one."""
    one = terms_of(offer)[key(offer, "epsilon")]
    other = terms_of(changed(offer, read(offer, {"epsilon": "0.4"})))[one.key]
    unclear = Sense.UNCLEAR
    assert order(replace(other, sense=unclear), replace(one, sense=unclear)) is Order.OTHER
    assert meet(replace(other, sense=unclear), replace(one, sense=unclear)) is None


# ---------------------------------------------------------------- the answer


def test_what_is_inside_the_offer_is_accepted_without_limits(offer: Offer) -> None:
    found = answer(offer, read(offer, {"epsilon": "0.1", "releases": "5"}), {})
    assert (found.verdict, found.counter) == (Verdict.INSIDE_OFFER, None)


def test_what_is_inside_the_private_limits_is_accepted(offer: Offer) -> None:
    found = answer(offer, read(offer, {"epsilon": "0.8"}), read(offer, {"epsilon": "0.9"}))
    assert found.verdict is Verdict.INSIDE_LIMITS


def test_what_is_beyond_is_answered_with_what_both_can_live_with(offer: Offer) -> None:
    asked = read(offer, {"epsilon": "2", "minGroup": "10", "releases": "50", "count": "300"})
    found = answer(offer, asked, read(offer, {"epsilon": "0.8", "minGroup": "30"}))
    assert found.verdict is Verdict.BEYOND
    # ε and the group go as far as the limits, the count stays as published, fewer releases are granted as asked.
    assert found.counter == read(offer, {"epsilon": "0.8", "minGroup": "30", "releases": "50"})


def test_where_nothing_is_common_the_answer_names_public_terms_only(offer: Offer) -> None:
    asked = read(offer, {"purpose": "dpv:Marketing", "epsilon": "0.6"})
    found = answer(offer, asked, read(offer, {"epsilon": "0.7"}))
    assert (found.verdict, found.counter) == (Verdict.BEYOND, None)
    # ε is inside the limits: a consumer must not learn that from what is named.
    assert found.beyond == tuple(sorted(asked))


def test_lists_meet_in_what_is_on_both_and_prohibitions_in_either(offer: Offer) -> None:
    asked = read(offer, {"column": "age,patient"})
    assert answer(offer, asked, {}).counter == {key(offer, "column"): ["age"]}
    one, other = (terms_of(changed(offer, read(offer, {"outputKind": each})))["urn:c:output"]
                  for each in ("Histogram,Scalar", "Scalar,NoisyAggregate"))  # fmt: skip
    assert meet(one, other) == [{"@id": "hefu:Scalar"}]
    turned = [replace(each, sense=Sense.FORBIDS) for each in (one, other)]
    assert meet(*turned) == [{"@id": f"hefu:{each}"} for each in ("Histogram", "Scalar", "NoisyAggregate")]


# ---------------------------------------------------------------- narrower means narrower, for any facts

_PURPOSES = [*sorted(purposes.LINEAGE)[:14], "dpv:ScientificResearch", "dpv:ResearchAndDevelopment", "dpv:Purpose"]
_EPSILONS = st.integers(1, 12).map(lambda each: str(Decimal(each) / 10))
_COLUMNS = ("age", "region", "los_days", "patient")


@st.composite
def texts(draw: st.DrawFn) -> dict[str, str]:
    """Some terms, as a person would write them."""
    whole_lists = {
        "epsilon": _EPSILONS,
        "minGroup": st.integers(1, 120).map(str),
        "count": st.integers(1, 400).map(str),
        "column": st.lists(st.sampled_from(_COLUMNS), min_size=1, unique=True).map(",".join),
        "outputKind": st.lists(st.sampled_from(["NoisyAggregate", "Histogram", "Scalar"]), min_size=1, unique=True).map(
            ",".join
        ),
        "purpose": st.sampled_from(_PURPOSES),
        "urn:c:commercial": st.sampled_from(_PURPOSES),
        "dateTime": st.sampled_from(["2027-01-01T00:00:00Z", "2027-11-21T00:00:00Z", "2028-05-01T00:00:00Z"]),
        "valid_days": st.integers(1, 700).map(str),
        "releases": st.integers(1, 400).map(str),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(whole_lists)), unique=True, max_size=5))
    return {name: draw(whole_lists[name]) for name in chosen}


_FACTS = st.fixed_dictionaries(
    {
        "purpose": st.sampled_from(_PURPOSES),
        "epsilon": _EPSILONS.map(Decimal),
        "epsilonBudget": st.just(Decimal(1)),
        "minGroup": st.integers(1, 120),
        "count": st.integers(1, 400),
        "column": st.lists(st.sampled_from(_COLUMNS), min_size=1, unique=True),
        "outputKind": st.sampled_from(["NoisyAggregate", "Histogram", "Scalar"]),
        "dateTime": st.sampled_from([datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 12, 1, tzinfo=UTC)]),
    }
)


def permits(offer: Offer, known: dict[str, object]) -> bool:
    policy = odrl.bind(offer.policy, id_="urn:x:1", target="p", assigner="a", assignee="b", at=NOW)
    request = Request("hefu:dpQuery", "p", "b", frozenset({"hefu:log"}))
    return decide(compile_policy(odrl.load(policy)), request, known, Phase.RELEASE).permits


_ONE: dict[str, Offer] = {}


@pytest.fixture(autouse=True)
def _kept(offer: Offer) -> None:
    _ONE["offer"] = offer  # hypothesis asks for values, not for fixtures


@settings(deadline=None, max_examples=50)
@given(one=texts(), other=texts(), known=_FACTS)
def test_what_a_narrower_offer_permits_the_wider_one_permits(
    one: dict[str, str], other: dict[str, str], known: dict[str, object]
) -> None:
    offer = _ONE["offer"]
    first, second = changed(offer, read(offer, one)), changed(offer, read(offer, other))
    known_first, known_second = terms_of(first), terms_of(second)
    found = {order(known_first[each], known_second[each]) for each in known_first}
    if found <= {Order.SAME, Order.NARROWER} and permits(first, known):
        assert permits(second, known)
    if found == {Order.SAME}:
        assert permits(first, known) == permits(second, known)


@settings(deadline=None, max_examples=50)
@given(asked=texts(), limit=texts(), known=_FACTS)
def test_a_counter_offer_lies_inside_the_request_and_inside_what_the_provider_would_sign(
    asked: dict[str, str], limit: dict[str, str], known: dict[str, object]
) -> None:
    offer = _ONE["offer"]
    wanted, limits = read(offer, asked), read(offer, limit)
    limits = {each: limits[each] for each in limits if orders(offer, {each: limits[each]})[each] is not Order.OTHER}
    limits = {each: limits[each] for each in limits if orders(offer, {each: limits[each]})[each] is not Order.NARROWER}
    found = answer(offer, wanted, limits)
    widest = terms_of(changed(offer, limits))
    if found.verdict is not Verdict.BEYOND:
        terms = terms_of(changed(offer, wanted))
        assert all(order(terms[each], widest[each]) in (Order.SAME, Order.NARROWER) for each in terms)
        return
    if found.counter is None:
        return
    made = terms_of(changed(offer, found.counter))
    for each, term in made.items():
        assert order(term, widest[each]) in (Order.SAME, Order.NARROWER), each
        if each in found.counter:
            assert order(term, terms_of(changed(offer, wanted))[each]) in (Order.SAME, Order.NARROWER), each
    # Whoever takes the counter-offer asks for something that is accepted at once.
    assert answer(offer, found.counter, limits).verdict is not Verdict.BEYOND
    if permits(changed(offer, found.counter), known):
        assert permits(changed(offer, limits), known)


# ---------------------------------------------------------------- rounds, and the one agreement that follows


def said(type_: str, body: Object, issuer: str, actor: Object | None = None) -> Statement:
    return draft(type_, body, space="demo", issuer=issuer, at=NOW, actor=actor)


@pytest.fixture
def table(requested: Statement, request_body: ContractRequest, offer: Offer) -> list[Statement]:
    """A request, a counter-offer, a counter-request, a counter-offer."""
    messages = [requested]

    def previous() -> tuple[str, ...]:
        return tuple(each.digest() for each in messages)

    def offered(terms: dict[str, str]) -> Statement:
        body = rounds.CounterOffer("neg-1", read(offer, terms), previous(), "so much is possible").body()
        return said("negotiation.offered", body, "hospital-a", actor={"kind": "person", "user": "wang"})

    messages.append(offered({"epsilon": "0.7"}))
    again = replace(request_body, changes=read(offer, {"epsilon": "0.7", "releases": "60"}), previous=previous())
    messages.append(said("negotiation.requested", again.body(), "pharma-b"))
    messages.append(offered({"epsilon": "0.6", "releases": "50"}))
    return messages


def derived(published: Statement, table: list[Statement]) -> Agreement:
    return agreement_from(
        published, table[0], agreement="agr-1", strategy="str-1", connector="hospital-a-main", log="demo/log", at=NOW,
        rounds=table[1:],
    )  # fmt: skip


def test_the_agreement_has_the_terms_of_the_last_word(
    published: Statement, table: list[Statement], offer: Offer
) -> None:
    made = derived(published, table)
    assert made.budget.releases == 50
    policy = odrl.load(made.strategies[0].policy)
    limits = {each.operand.name: each.values for rule in policy.permissions for each in rule.constraints}
    assert limits["epsilon"] == (Decimal("0.6"),)
    assert made.previous == tuple(each.digest() for each in table)
    signed = said("agreement", made.body(), "hospital-a")
    assert check_agreement(signed, published, table[0], log="demo/log", rounds=table[1:]) == made
    for shorter in (table[1:3], table[1:2], [], [*table[1:], table[1]]):
        with pytest.raises(Untrusted):
            check_agreement(signed, published, table[0], log="demo/log", rounds=shorter)


def test_a_plain_request_still_gives_the_agreement_it_always_gave(
    published: Statement, requested: Statement, agreement: Agreement
) -> None:
    assert derived(published, [requested]).body() == agreement.body()
    assert standing([requested]) == {}


def test_history_tells_who_changed_what_from_what_to_what(
    description: Description, offer: Offer, table: list[Statement]
) -> None:
    found = rounds.history(description, offer, table)
    assert [(each.number, each.move.value, each.participant, each.user) for each in found] == [
        (1, "requested", "pharma-b", ""),
        (2, "offered", "hospital-a", "wang"),
        (3, "requested", "pharma-b", ""),
        (4, "offered", "hospital-a", "wang"),
    ]
    steps = [[(each.name, each.before, each.after, each.against_offer) for each in one.steps] for one in found]
    assert steps == [
        [],
        [("epsilon", "0.5", "0.7", Order.WIDER)],
        [(RELEASES, "200", "60", Order.NARROWER)],
        [("epsilon", "0.7", "0.6", Order.WIDER), (RELEASES, "60", "50", Order.NARROWER)],
    ]


@pytest.mark.parametrize("member", ["provider", "consumer", "connector", "product", "offer", "purpose", "description"])
def test_a_further_request_repeats_the_first_in_all_but_its_terms(
    request_body: ContractRequest, table: list[Statement], member: str
) -> None:
    check_request(request_body, table[2])
    other = "sha256:" + "1" * 64 if member == "description" else "dpv:Marketing"
    body = table[2].body | {member: other}
    with pytest.raises(Conflict):
        check_request(request_body, said("negotiation.requested", body, "pharma-b"))


def test_there_are_no_more_than_five_rounds(description: Description, offer: Offer, table: list[Statement]) -> None:
    again = table[2]
    five = [table[0], *[again] * (rounds.MOST_ROUNDS - 1)]
    rounds.check_round(description, offer, five[:-1], again)
    with pytest.raises(Conflict):
        rounds.check_round(description, offer, five, again)


# ---------------------------------------------------------------- the charter


def test_where_the_charter_names_templates_terms_are_only_narrowed(offer: Offer) -> None:
    from hefu_policies.goods.product import FromTemplate

    parameters: Object = {
        "purpose": "dpv:ScientificResearch", "epsilon": "0.5", "min_group": 50,
        "columns": ["age", "region", "los_days"], "until": "2027-11-21T00:00:00Z", "count": 200, "budget": "4",
    }  # fmt: skip
    made = replace(offer, template=FromTemplate("research-statistics", parameters))
    only = Charter(1, templates=("research-statistics",))
    charter.check_terms(only, made, read(made, {"epsilon": "0.4"}))
    charter.check_terms(None, made, read(made, {"epsilon": "0.9"}))
    with pytest.raises(Refused) as caught:
        charter.check_terms(only, made, read(made, {"epsilon": "0.9"}))
    assert caught.value.code == "charter.widened"


def test_members_and_constraints_never_bear_the_same_key(offer: Offer) -> None:
    constraints = [each for each in terms_of(offer) if each not in MEMBERS]
    assert all(":" in each for each in constraints)
