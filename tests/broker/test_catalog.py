"""Data products: versions, resources, visibility, search."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hefu.errors import Conflict, Malformed, NotFound, Refused, Unauthenticated, Untrusted
from hefu.identity import read_bytes
from hefu_broker import words
from hefu_policies.agreeing.contract import Offer, Privacy, Visibility
from hefu_policies.budget import Budget
from hypothesis import given
from hypothesis import strategies as st

from tests.broker.world import BOTH, Person, World, description, only_for, publish

KINDS = BOTH


def find(world: World, who: Person, query: str = "", filter_: str = "") -> list[str]:
    found, _ = world.rooms.catalog.search(who.caller, query, filter_, 0, "")
    return [each.product for each in found.cards]


def next_version(world: World, provider: Person, **changes: object) -> None:
    held = world.rooms.catalog.product(provider.caller, "prd-diabetes")
    fresh = replace(held.description, version=held.description.version + 1, previous=held.digest, **changes)
    publish(world, provider, fresh)


def test_two_chinese_letters_and_english_words_are_found(world: World, provider: Person, consumer: Person) -> None:
    publish(world, provider, description())
    publish(
        world,
        provider,
        description("prd-flights", title={"zh": "航班延误"}, keywords=(), description={}, resource="res-f"),
    )
    for query in ("糖尿", "门诊", "糖尿病", "diabetes", "Visit", "华东 患者", "diabet"):
        assert find(world, consumer, query) == ["prd-diabetes"], query


def test_columns_are_found_by_their_description(world: World, provider: Person, consumer: Person) -> None:
    publish(world, provider, description())
    assert find(world, consumer, "年龄") == ["prd-diabetes"]


def test_a_single_chinese_letter_is_found_at_any_place(world: World, provider: Person, consumer: Person) -> None:
    publish(world, provider, description())
    for letter in "糖尿病诊":
        assert find(world, consumer, letter) == ["prd-diabetes"]


def test_what_is_not_there_is_not_found(world: World, provider: Person, consumer: Person) -> None:
    publish(world, provider, description())
    for query in ("糖果", "病糖", "diabetes 航班", "nothing"):
        assert find(world, consumer, query) == []


def test_an_empty_query_lists_everything(world: World, provider: Person, consumer: Person) -> None:
    publish(world, provider, description())
    assert find(world, consumer) == ["prd-diabetes"]


def test_a_query_is_words_and_never_syntax(world: World, provider: Person, consumer: Person) -> None:
    publish(world, provider, description())
    for query in ("a OR b NOT c*", "title:x", '糖尿" OR "x', "NEAR(a b)", "-x", "xx'--"):
        assert find(world, consumer, query) == [], query
    for query in ('"', "("):
        with pytest.raises(Malformed):
            find(world, consumer, query)


@given(st.text(max_size=60))
def test_any_text_makes_phrases_of_letters_and_digits_only(text: str) -> None:
    for phrase in words.phrases(text):
        assert phrase.words
        assert all(word.isalnum() for word in phrase.words)


@given(st.text(alphabet="糖尿病门诊数据", min_size=2, max_size=12))
def test_every_pair_of_neighbouring_letters_is_an_index_word(text: str) -> None:
    made = words.index(text).split()
    assert all(text[at : at + 2] in made for at in range(len(text) - 1))


def test_filters_narrow(world: World, provider: Person, consumer: Person) -> None:
    other = world.person("bank-c", "provider")
    publish(world, provider, description())
    publish(world, other, description("prd-loans", resource="res-loans", keywords=("loans",)))
    assert find(world, consumer, "", "provider=bank-c") == ["prd-loans"]
    assert find(world, consumer, "", "keyword=diabetes AND kind=data_product") == ["prd-diabetes"]
    assert find(world, consumer, "", "kind=model") == []


def test_a_filter_that_cannot_be_read_is_refused(world: World, consumer: Person) -> None:
    for filter_ in ("owner=x", "provider", "provider=", "provider=a AND provider=b", "provider=a OR b=c AND x"):
        with pytest.raises(Malformed):
            find(world, consumer, "", filter_)


def test_pages_hold_everything_once(world: World, provider: Person, consumer: Person) -> None:
    for number in range(5):
        publish(world, provider, description(f"prd-number-{number}", resource=f"res-{number}-x"))
    seen, token = [], ""
    while True:
        found, token = world.rooms.catalog.search(consumer.caller, "diabetes", "", 2, token)
        seen += [each.product for each in found.cards]
        assert len(seen) <= found.total <= 5
        if not token:
            break
    assert found.total == 5
    assert sorted(seen) == [f"prd-number-{number}" for number in range(5)]


def test_a_page_token_of_another_question_or_caller_is_refused(
    world: World, provider: Person, consumer: Person
) -> None:
    for number in range(3):
        publish(world, provider, description(f"prd-number-{number}", resource=f"res-{number}-x"))
    _, token = world.rooms.catalog.search(consumer.caller, "diabetes", "", 1, "")
    for caller, query, text in (
        (consumer.caller, "门诊", token),
        (provider.caller, "diabetes", token),
        (consumer.caller, "diabetes", "B" + token[1:]),
        (consumer.caller, "diabetes", "AAAA"),
    ):
        with pytest.raises(Malformed):
            world.rooms.catalog.search(caller, query, "", 1, text)


def test_a_listed_offer_is_seen_by_whom_it_names_the_provider_and_the_regulator(
    world: World, provider: Person, consumer: Person, regulator: Person
) -> None:
    stranger = world.person("stranger-s", "consumer")
    publish(world, provider, description(visibility=Visibility("listed", (consumer.id,))))
    for who in (consumer, provider, regulator):
        assert find(world, who, "糖尿") == ["prd-diabetes"]
        assert world.rooms.catalog.product(who.caller, "prd-diabetes").product == "prd-diabetes"
    assert find(world, stranger, "糖尿") == []
    with pytest.raises(NotFound):
        world.rooms.catalog.product(stranger.caller, "prd-diabetes")


def test_only_the_newest_version_is_found(world: World, provider: Person, consumer: Person) -> None:
    publish(world, provider, description())
    next_version(world, provider, title={"en": "Cardiology"}, keywords=(), description={})
    assert find(world, consumer, "cardiology") == ["prd-diabetes"]
    assert find(world, consumer, "糖尿") == []


def test_publishing_the_same_statement_again_changes_nothing(world: World, provider: Person) -> None:
    data = provider.says("product.published", description().body())
    first = world.rooms.catalog.publish(provider.caller, data)
    assert world.rooms.catalog.publish(provider.caller, data).digest == first.digest
    world.sequenced()
    seen, _ = world.rooms.log.entries(provider.caller, 0, 0)
    assert [each.envelope for each in seen].count(data) == 1


def test_a_version_must_follow_the_newest_one(world: World, provider: Person) -> None:
    first = publish(world, provider, description())
    next_version(world, provider)
    for version, previous in ((3, first.digest()), (2, first.digest()), (4, None)):
        with pytest.raises((Conflict, Malformed)):
            publish(world, provider, description(version=version, previous=previous))
    held = world.rooms.catalog.product(provider.caller, "prd-diabetes")
    with pytest.raises(Conflict):
        publish(world, provider, replace(held.description, version=4, previous=held.digest))


def test_a_product_belongs_to_its_first_provider(world: World, provider: Person) -> None:
    other = world.person("bank-c", "provider")
    first = publish(world, provider, description())
    with pytest.raises(Conflict):
        publish(world, other, description(resource="res-other"))
    with pytest.raises(Conflict):
        publish(world, other, description(resource="res-other", version=2, previous=first.digest()))


@pytest.mark.parametrize(
    "privacy",
    [
        Privacy("patient", 3, Budget.of_text("11", "1e-6", releases=1000)),
        Privacy("patient", 3, Budget.of_text("10", "1e-5", releases=1000)),
        Privacy("patient", 3, Budget.of_text("10", "1e-6", releases=1001)),
        Privacy("age", 3, Budget.of_text("10", "1e-6", releases=1000)),
        Privacy("row", 1, Budget.of_text("10", "1e-6", releases=1000)),
    ],
)
def test_what_a_resource_promised_is_never_raised_or_changed(world: World, provider: Person, privacy: Privacy) -> None:
    publish(world, provider, description())
    with pytest.raises(Refused) as caught:
        next_version(world, provider, resources=description(privacy=privacy).resources)
    assert caught.value.code == "resource.promised"
    with pytest.raises(Refused):
        publish(world, provider, description("prd-second", privacy=privacy))
    assert world.rooms.catalog.product(provider.caller, "prd-diabetes").description.version == 1


def test_a_second_product_over_the_same_resource_is_taken(world: World, provider: Person, consumer: Person) -> None:
    publish(world, provider, description())
    publish(world, provider, description("prd-second"))
    assert find(world, consumer) == ["prd-diabetes", "prd-second"]


def test_a_resource_belongs_to_its_first_provider(world: World, provider: Person) -> None:
    publish(world, provider, description())
    with pytest.raises(Refused):
        publish(world, world.person("bank-c", "provider"), description("prd-other"))


def test_a_refused_version_leaves_no_trace(world: World, provider: Person, consumer: Person) -> None:
    publish(world, provider, description())
    world.sequenced()
    before = world.rooms.sequencer.newest[0]
    privacy = Privacy("patient", 3, Budget.of_text("11", "1e-6", releases=1000))
    with pytest.raises(Refused):
        publish(world, provider, description("prd-second", privacy=privacy, title={"en": "Unseen"}))
    world.sequenced()
    assert world.rooms.sequencer.newest[0] == before
    assert find(world, consumer, "unseen") == []


def test_a_retired_product_is_not_found_and_takes_no_version(world: World, provider: Person, consumer: Person) -> None:
    first = publish(world, provider, description())
    body = {"product": "prd-diabetes", "description": first.digest(), "reason": "replaced"}
    data = provider.says("product.retired", body)
    assert world.rooms.catalog.retire(provider.caller, data).state == "retired"
    assert world.rooms.catalog.retire(provider.caller, data).state == "retired"
    assert find(world, consumer) == []
    assert world.rooms.catalog.product(consumer.caller, "prd-diabetes").state == "retired"
    with pytest.raises(Conflict):
        next_version(world, provider)


def test_nobody_retires_the_product_of_another(world: World, provider: Person) -> None:
    first = publish(world, provider, description())
    other = world.person("bank-c", "provider")
    body = {"product": "prd-diabetes", "description": first.digest(), "reason": "spite"}
    with pytest.raises(NotFound):
        world.rooms.catalog.retire(other.caller, other.says("product.retired", body))


def test_only_providers_publish(world: World, consumer: Person) -> None:
    with pytest.raises(Refused):
        publish(world, consumer, description())


def test_a_description_signed_by_another_is_refused(world: World, provider: Person) -> None:
    other = world.person("bank-c", "provider")
    data = provider.says("product.published", description().body(), issuer=other.id)
    with pytest.raises(Untrusted):  # says it is from bank-c, signed by hospital-a
        world.rooms.catalog.publish(other.caller, data)
    data = provider.says("product.published", description().body())
    with pytest.raises(Refused):  # sent by somebody else than its issuer
        world.rooms.catalog.publish(other.caller, data)


def test_a_description_of_another_space_is_refused(world: World, provider: Person) -> None:
    data = provider.says("product.published", description().body(), space="elsewhere")
    with pytest.raises(Untrusted):
        world.rooms.catalog.publish(provider.caller, data)


def test_a_description_from_the_future_is_refused(world: World, provider: Person) -> None:
    world.clock.move(hours=1)
    data = provider.says("product.published", description().body())
    world.clock.move(hours=-1)
    with pytest.raises(Untrusted):
        world.rooms.catalog.publish(provider.caller, data)


def test_a_suspended_provider_publishes_nothing(world: World, provider: Person) -> None:
    world.rooms.standings.suspend(provider.id, "why")
    with pytest.raises(Unauthenticated):
        publish(world, provider, description())


def test_an_unknown_member_is_refused(world: World, provider: Person) -> None:
    data = provider.says("product.published", description().body() | {"rows": []})
    with pytest.raises(Malformed):
        world.rooms.catalog.publish(provider.caller, data)


@pytest.mark.parametrize("offer", [only_for("service"), only_for("service", action="hefu:dpQuery")])
def test_an_offer_whose_policy_excludes_somebody_is_as_if_it_were_not_there(
    world: World, provider: Person, consumer: Person, regulator: Person, offer: Offer
) -> None:
    served = world.person("clinic-c", "consumer", "service")
    statement = publish(world, provider, description(offers=(offer,)))
    for who in (served, provider, regulator):
        assert find(world, who, "糖尿") == ["prd-diabetes"]
        assert world.rooms.catalog.product(who.caller, "prd-diabetes").product == "prd-diabetes"
    found, token = world.rooms.catalog.search(consumer.caller, "", "", 0, "")
    assert (found.cards, found.total, token) == ((), 0, "")
    with pytest.raises(NotFound) as hidden:
        world.rooms.catalog.product(consumer.caller, "prd-diabetes")
    with pytest.raises(NotFound) as absent:
        world.rooms.catalog.product(consumer.caller, "prd-another1")
    assert (hidden.value.code, {*hidden.value.parameters}) == (absent.value.code, {*absent.value.parameters})
    world.sequenced()
    leaves = [each.envelope for each in world.rooms.log.entries(consumer.caller, 0, 0)[0]]
    assert statement.to_bytes() not in leaves
    assert statement.to_bytes() in [each.envelope for each in world.rooms.log.entries(served.caller, 0, 0)[0]]


def test_an_offer_is_hidden_once_its_time_is_over(world: World, provider: Person, consumer: Person) -> None:
    publish(world, provider, description())
    assert find(world, consumer) == ["prd-diabetes"]
    world.clock.move(days=40)  # certificates end sooner than the policy: only the search is asked
    assert find(world, consumer) == ["prd-diabetes"]
    world.clock.move(days=330)
    assert find(world, consumer) == []
    assert find(world, provider) == ["prd-diabetes"]


def test_pages_skip_nothing_and_tell_nothing_of_what_is_hidden(
    world: World, provider: Person, consumer: Person
) -> None:
    shown = [4, 5, 9, 11]
    for number in range(14):
        offers = description().offers if number in shown else (only_for("service"),)
        publish(world, provider, description(f"prd-number-{number:02}", resource=f"res-{number:02}-x", offers=offers))
    catalog = world.rooms.catalog
    first, token = catalog.search(consumer.caller, "", "", 2, "")
    second, last = catalog.search(consumer.caller, "", "", 2, token)
    assert [each.product for each in (*first.cards, *second.cards)] == [f"prd-number-{each:02}" for each in shown]
    assert (first.total, second.total, last) == (3, 4, "")  # at least, then exactly: as if the others were not there
    again, _ = catalog.search(consumer.caller, "", "", 2, token)
    assert again == second
    assert (9).to_bytes(8, "big") not in read_bytes(token)  # where the next page starts among all
