"""A negotiation that its provider begins: what it is about, and the one agreement that follows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.errors import Conflict, HefuError, Malformed, Untrusted
from hefu_policies.agreeing.changes import read
from hefu_policies.agreeing.contract import Agreement, agreement_from, check_agreement
from hefu_policies.agreeing.request import ContractRequest, OpeningOffer, check_acceptance, check_request, subject
from hefu_policies.bargaining import rounds
from hefu_policies.goods.product import Description, Offer

from tests.policies.conftest import NOW


def said(type_: str, body: Object, issuer: str) -> Statement:
    return draft(f"negotiation.{type_}", body, space="demo", issuer=issuer, at=NOW)


@pytest.fixture
def offer(description: Description) -> Offer:
    return description.offers[0]


@pytest.fixture
def opening(published: Statement, offer: Offer) -> Statement:
    body = OpeningOffer(
        "neg-1", "hospital-a", "pharma-b", "prd-admissions", published.digest(), "off-research",
        read(offer, {"epsilon": "0.7"}), "for our partner",
    ).body()  # fmt: skip
    return said("offered", body, "hospital-a")


def accepted(opening: Statement, **changes: object) -> Statement:
    body: Object = {
        "negotiation": "neg-1", "previous": [opening.digest()], "connector": "pharma-b-main",
        "purpose": "dpv:ScientificResearch",
    }  # fmt: skip
    kept = {name: value for name, value in (body | changes).items() if value is not None}  # type: ignore[operator]
    return said("accepted", kept, "pharma-b")


def derived(published: Statement, *messages: Statement) -> Agreement:
    return agreement_from(
        published, messages[0], agreement="agr-1", strategy="str-1", connector="hospital-a-main", log="demo/log",
        at=NOW, rounds=messages[1:],
    )  # fmt: skip


def test_an_accepted_offer_and_the_request_for_the_same_give_the_same_terms(
    published: Statement, opening: Statement, request_body: ContractRequest, offer: Offer
) -> None:
    table = (opening, accepted(opening))
    made = derived(published, *table)
    asked = said("requested", replace(request_body, changes=read(offer, {"epsilon": "0.7"})).body(), "pharma-b")
    same = derived(published, asked)
    assert replace(made, previous=same.previous) == same
    assert made.previous == tuple(each.digest() for each in table)
    signed = draft("agreement", made.body(), space="demo", issuer="hospital-a", at=NOW)
    assert check_agreement(signed, published, opening, log="demo/log", rounds=table[1:]) == made
    other = accepted(opening, connector="pharma-b-other")
    with pytest.raises(Untrusted):
        check_agreement(signed, published, opening, log="demo/log", rounds=[other])


def test_an_offer_that_nobody_answered_gives_no_agreement(published: Statement, opening: Statement) -> None:
    with pytest.raises(Conflict):
        derived(published, opening)


def test_an_offer_in_anothers_name_gives_no_agreement(published: Statement, opening: Statement) -> None:
    forged = said("offered", opening.body, "mallory-m")
    with pytest.raises(Conflict):
        derived(published, forged, accepted(forged))


def test_what_the_consumer_asks_instead_is_about_the_same_and_names_its_connector_once(
    opening: Statement, request_body: ContractRequest, offer: Offer, published: Statement
) -> None:
    asked = replace(request_body, changes=read(offer, {"epsilon": "0.8"}), previous=(opening.digest(),))
    first = said("requested", asked.body(), "pharma-b")
    before = subject([opening])
    assert (before.is_answered, before.consumer) == (False, "pharma-b")
    check_request(before, first)
    told = subject([opening, first])
    assert (told.connector, told.purpose, told.is_answered) == ("pharma-b-main", "dpv:ScientificResearch", True)
    again = replace(asked, purpose="dpv:Marketing", previous=(opening.digest(), first.digest()))
    with pytest.raises(Conflict):
        check_request(told, said("requested", again.body(), "pharma-b"))
    for change in ({"product": "prd-other"}, {"consumer": "else-c"}, {"offer": "off-x"}, {"service": "svc-s"}):
        with pytest.raises(Conflict):
            check_request(before, said("requested", asked.body() | change, "pharma-b"))
    counter = rounds.CounterOffer("neg-1", read(offer, {"epsilon": "0.75"}), (), "").body()
    taken = accepted(opening, connector=None, purpose=None)
    assert derived(published, opening, first, said("offered", counter, "hospital-a"), taken).consumer.connector


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"connector": None, "purpose": None}, "negotiation.differs"),
        ({"purpose": None}, "contract.value"),
        ({"connector": None}, "contract.value"),
        ({"changes": {}}, "contract.unknown"),
        ({"purpose": ""}, "contract.value"),
    ],
)
def test_the_first_word_of_a_consumer_names_connector_and_purpose(
    opening: Statement, changes: dict[str, object], code: str
) -> None:
    with pytest.raises(HefuError) as caught:
        check_acceptance(subject([opening]), accepted(opening, **changes))
    assert caught.value.code == code


def test_later_words_name_neither(request_body: ContractRequest, opening: Statement) -> None:
    with pytest.raises(Conflict):
        check_acceptance(request_body, accepted(opening))


@pytest.mark.parametrize(
    "changes", [{"previous": ["sha256:" + "0" * 64]}, {"consumer": "hospital-a"}, {"extra": 1}, {"description": "x"}]
)
def test_an_opening_offer_that_is_none_is_refused(opening: Statement, changes: Object) -> None:
    with pytest.raises(Malformed):
        OpeningOffer.of(opening.body | changes)
    assert OpeningOffer.of(opening.body).body() == opening.body


def test_an_acceptance_begins_nothing(opening: Statement) -> None:
    with pytest.raises(Malformed):
        rounds.check_message((), accepted(opening))
