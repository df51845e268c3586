"""Agreements of several providers follow from all their offers: one function, derived again by every party."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Untrusted
from hefu_policies import odrl, tc609
from hefu_policies.agreeing.coherence import check_coherent
from hefu_policies.agreeing.contract import (
    Agreement,
    Answering,
    ContractRequest,
    PartyKey,
    Sought,
    agreement_from,
    check_agreement,
)
from hefu_policies.agreeing.signatories import MOST_PARTIES
from hefu_policies.budget import Budget
from hefu_policies.goods.product import Description, Visibility
from hefu_policies.tc609.view import DigitalContract, Signed

SECOND, SERVICE = "hospital-b", "platform-s"
ANSWERING = Answering(
    {SECOND: "hospital-b-main", SERVICE: "platform-s-main"},
    {
        each: (PartyKey(f"{each}#1", canonical.digest(each.encode())),)
        for each in ("hospital-a", SECOND, SERVICE, "pharma-b")
    },
)


def another(description: Description, **changes: Any) -> Description:
    """What the second provider offers: its own product, resource, budget and term."""
    (resource,), (offer,) = description.resources, description.offers
    other = replace(offer, budget=Budget.of_text("2", "1e-6", releases=7), valid_days=30, **changes)
    return replace(description, product="prd-second", resources=(replace(resource, id="res-second"),), offers=(other,))


def publish(description: Description, issuer: str, now: datetime) -> Statement:
    return draft("product.published", description.body(), space="demo", issuer=issuer, at=now)


@pytest.fixture
def second(description: Description, now: datetime) -> Statement:
    return publish(another(description), SECOND, now)


@pytest.fixture
def asked(request_body: ContractRequest, second: Statement, now: datetime) -> Statement:
    sought = Sought(SECOND, "prd-second", second.digest(), "off-research")
    body = replace(request_body, further=(sought,), service=SERVICE).body()
    return draft("negotiation.requested", body, space="demo", issuer="pharma-b", at=now)


def derive(published: Statement, asked: Statement, *further: Statement, **changes: Any) -> Agreement:
    terms: Any = {
        "agreement": "agr-1", "strategy": "str-1", "connector": "hospital-a-main", "log": "demo/log",
        "at": asked.time, "further": further, "answering": ANSWERING,
    }  # fmt: skip
    return agreement_from(published, asked, **(terms | changes))


@pytest.fixture
def joint(published: Statement, asked: Statement, second: Statement) -> Agreement:
    return derive(published, asked, second)


def test_it_names_all_parties_in_the_order_in_which_they_sign(joint: Agreement) -> None:
    assert [(each.participant, each.role) for each in joint.parties] == [
        ("hospital-a", "provider"), (SECOND, "provider"), (SERVICE, "service"), ("pharma-b", "consumer"),
    ]  # fmt: skip
    assert all(each.keys == ANSWERING.keys[each.participant] for each in joint.parties)


def test_each_provider_has_its_own_product_policy_and_budget_and_the_shortest_term_holds(
    joint: Agreement, now: datetime
) -> None:
    facing = joint.facing(SECOND)
    assert (facing.product, facing.resources, facing.budget.releases) == ("prd-second", ("res-second",), 7)
    assert [each.enforced_by for each in facing.terms] == ["hospital-b-main"]
    assert [each.enforced_by for each in joint.terms] == ["hospital-a-main"]
    policy = odrl.load(facing.terms[0].policy)
    assert (policy.target, policy.assigner, policy.assignee) == ("prd-second", SECOND, "pharma-b")
    assert joint.not_after == now.replace(microsecond=0) + timedelta(days=30)
    assert facing.facing("hospital-a").body() == joint.body()


def test_its_bytes_read_back_and_agree_with_themselves(joint: Agreement) -> None:
    assert Agreement.of(canonical.decode(canonical.encode(joint.body()))) == joint
    check_coherent(joint)
    assert [each.context for each in joint.contexts] == joint.strategies[0].policy["@context"]


def test_every_other_party_derives_the_same_bytes(
    joint: Agreement, published: Statement, asked: Statement, second: Statement, now: datetime
) -> None:
    offered = draft("agreement", joint.body(), space="demo", issuer="hospital-a", at=now)
    found = check_agreement(offered, published, asked, log="demo/log", further=[second])
    assert canonical.encode(found.body()) == canonical.encode(joint.body())


def _further(body: Any) -> Any:
    return body["further"][0]


ALTERED: dict[str, Callable[[Any], object]] = {
    "a larger budget for the second": lambda body: _further(body)["budget"].update(releases=8),
    "another snapshot rule": lambda body: _further(body).update(snapshot_rule="pinned:sha256:" + "0" * 64),
    "a longer offline window": lambda body: _further(body).update(offline_window_seconds=7200),
    "a policy without its constraints": lambda body: body["strategies"][1]["policy"]["permission"][0].pop("constraint"),
    "the policies exchanged": lambda body: body["strategies"].reverse(),
    "the second's policy enforced by the first": lambda body: body["strategies"][1].update(
        enforced_by="hospital-a-main"
    ),
    "a party less": lambda body: body["parties"].pop(2),
    "the parties in another order": lambda body: body["parties"].reverse(),
    "nothing of the second": lambda body: body.pop("further"),
    "a longer validity": lambda body: body.update(not_after="2027-11-21T10:00:00Z"),
    "another context": lambda body: body["contexts"][0].update(digest="sha256:" + "0" * 64),
    "no contexts": lambda body: body.pop("contexts"),
}  # fmt: skip


@pytest.mark.parametrize("what", ALTERED)
def test_what_the_first_provider_slips_in_is_signed_by_nobody_else(
    joint: Agreement, published: Statement, asked: Statement, second: Statement, now: datetime, what: str
) -> None:
    body = canonical.decode_object(canonical.encode(joint.body()))
    ALTERED[what](body)
    offered = draft("agreement", body, space="demo", issuer="hospital-a", at=now)
    with pytest.raises((Untrusted, Malformed, Conflict)):
        check_agreement(offered, published, asked, log="demo/log", further=[second])


def test_an_offer_that_a_co_signatory_may_not_see_is_not_agreed_on(
    published: Statement, request_body: ContractRequest, description: Description, now: datetime
) -> None:
    """Its policy would stand in bytes that the co-signatory signs."""
    hidden = publish(another(description, visibility=Visibility("listed", ("pharma-b",))), SECOND, now)
    sought = Sought(SECOND, "prd-second", hidden.digest(), "off-research")
    body = replace(request_body, further=(sought,)).body()
    asked = draft("negotiation.requested", body, space="demo", issuer="pharma-b", at=now)
    with pytest.raises(NotFound):
        derive(published, asked, hidden)
    shown = publish(another(description, visibility=Visibility("listed", ("pharma-b", "hospital-a"))), SECOND, now)
    body = replace(request_body, further=(replace(sought, description=shown.digest()),)).body()
    asked = draft("negotiation.requested", body, space="demo", issuer="pharma-b", at=now)
    assert derive(published, asked, shown).further


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (Conflict, {"further": ()}),
        (Conflict, {"answering": Answering({}, {})}),
        (HefuError, {"rounds": "again"}),
    ],
)
def test_what_is_missing_leads_to_no_agreement(
    published: Statement, asked: Statement, second: Statement, error: type[HefuError], changes: Any
) -> None:
    if changes.get("rounds"):
        changes = {"rounds": (asked,)}
    with pytest.raises(error):
        derive(published, asked, *changes.pop("further", (second,)), **changes)


def test_a_request_names_each_party_once_not_too_many_and_no_changes(request_body: ContractRequest) -> None:
    sought = Sought(SECOND, "prd-second", "sha256:" + "0" * 64, "off-1")
    many = tuple(replace(sought, provider=f"hospital-{i}") for i in range(MOST_PARTIES))
    wrong: list[Any] = [
        {"further": (sought, sought)},
        {"further": (replace(sought, provider="hospital-a"),)},
        {"further": (sought,), "service": SECOND},
        {"further": many},
        {"further": (sought,), "changes": {"valid_days": 10}},
    ]
    for changes in wrong:
        with pytest.raises(Malformed):
            replace(request_body, **changes)
    made = replace(request_body, further=(sought,), service=SERVICE)
    assert ContractRequest.of(made.body()) == made
    assert not {"further", "service"} & {*request_body.body()}


def test_it_goes_through_the_chinese_view_without_loss(joint: Agreement, now: datetime) -> None:
    signed = tuple(Signed(each.participant, "c2ln", now) for each in joint.parties)
    contract = DigitalContract(joint, "Joint 联合", "Of several 多方", "05", signed, {}, "3100")
    view: Object = canonical.decode_object(canonical.encode(tc609.write(contract)))
    assert tc609.read(view) == contract
    strategies: Any = view["strategies"]
    assert {each["subjectInfo"]["dataProductId"] for each in strategies} == {"prd-admissions", "prd-second"}
