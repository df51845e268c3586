"""Both sides derive the agreement with one function; whatever was altered is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Statement, draft
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Untrusted
from hefu_policies import odrl
from hefu_policies.agreeing.contract import Agreement, ContractRequest, agreement_from, check_agreement
from hefu_policies.goods.product import Description, Visibility

Again = Callable[..., Statement]


def _offered(agreement: Agreement, now: datetime, issuer: str = "hospital-a", space: str = "demo") -> Statement:
    return draft("agreement", agreement.body(), space=space, issuer=issuer, at=now)


def _derive(published: Statement, requested: Statement, at: datetime) -> Agreement:
    return agreement_from(
        published, requested, agreement="agr-1", strategy="str-1", connector="hospital-a-main", log="demo/log", at=at
    )


def test_the_consumer_derives_the_same_bytes(
    agreement: Agreement, published: Statement, requested: Statement, now: datetime
) -> None:
    derived = check_agreement(_offered(agreement, now), published, requested, log="demo/log")
    assert canonical.encode(derived.body()) == canonical.encode(agreement.body())


def test_a_fraction_of_a_second_does_not_part_the_two_sides(
    published: Statement, requested: Statement, now: datetime
) -> None:
    offered = _offered(_derive(published, requested, now + timedelta(microseconds=999_999)), now)
    check_agreement(offered, published, requested, log="demo/log")


def test_the_policy_of_the_offer_becomes_an_agreement_between_the_parties(
    agreement: Agreement, description: Description
) -> None:
    (strategy,) = agreement.strategies
    policy = odrl.load(strategy.policy)
    assert (policy.kind, policy.assigner, policy.assignee) == ("Agreement", "hospital-a", "pharma-b")
    assert policy.target == "prd-admissions"
    assert policy.permissions == odrl.load(description.offers[0].policy).permissions
    assert strategy.enforced_by == agreement.provider.connector == "hospital-a-main"
    assert agreement.computations == ("hefu:dpQuery",)
    assert agreement.budget == description.offers[0].budget


def _set(name: str, value: Json) -> Callable[[Object], None]:
    return lambda body: body.__setitem__(name, value)


def _widen(body: Object) -> None:
    constraints = body["strategies"][0]["policy"]["permission"][0]["constraint"]  # type: ignore[index,call-overload]
    constraints.pop()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("named", "alter"),
    [
        ("strategies", _widen),
        ("log", _set("log", "other/log")),
        ("negotiation", _set("negotiation", "neg-2")),
        ("offline_share_percent", _set("offline_share_percent", 100)),
        ("not_after", _set("not_after", "2036-11-21T10:00:00Z")),
        ("previous", _set("previous", ["sha256:" + "0" * 64])),
        ("computations", _set("computations", ["hefu:dpQuery", "hefu:preview"])),
        ("extensions", _set("extensions", {"note": "by the way"})),
        ("privacy", _set("privacy", {"unit": "row", "neighbouring": "add-remove"})),
        (
            "budget",
            _set("budget", {"currency": "epsilon-delta", "epsilon_nano": 1, "delta_femto": 0, "releases": 1}),
        ),
    ],
)
def test_an_altered_agreement_is_not_signed(
    agreement: Agreement,
    published: Statement,
    requested: Statement,
    now: datetime,
    named: str,
    alter: Callable[[Object], None],
) -> None:
    body = canonical.decode_object(canonical.encode(agreement.body()))
    alter(body)
    offered = draft("agreement", body, space="demo", issuer="hospital-a", at=now)
    with pytest.raises(Untrusted, match=named):
        check_agreement(offered, published, requested, log="demo/log")


@pytest.mark.parametrize(("issuer", "space"), [("hospital-c", "demo"), ("hospital-a", "other")])
def test_an_agreement_of_another_issuer_or_space_is_not_signed(
    agreement: Agreement, published: Statement, requested: Statement, now: datetime, issuer: str, space: str
) -> None:
    with pytest.raises(Untrusted):
        check_agreement(_offered(agreement, now, issuer, space), published, requested, log="demo/log")


@pytest.mark.parametrize(
    ("error", "named", "changes"),
    [
        (NotFound, "off-other", {"offer": "off-other"}),
        (Conflict, "description", {"description": "sha256:" + "0" * 64}),
        (Conflict, "provider", {"provider": "hospital-c"}),
        (Conflict, "consumer", {"consumer": "pharma-c"}),
        (Conflict, "product", {"product": "prd-other"}),
        (Malformed, "epsilon", {"changes": {"epsilon": "100"}}),
    ],
)
def test_a_request_that_does_not_fit_leads_to_no_agreement(
    published: Statement,
    request_body: ContractRequest,
    now: datetime,
    error: type[HefuError],
    named: str,
    changes: dict[str, object],
) -> None:
    body = replace(request_body, **changes).body()  # type: ignore[arg-type]
    requested = draft("negotiation.requested", body, space="demo", issuer="pharma-b", at=now)
    with pytest.raises(error, match=named):
        _derive(published, requested, now)


def test_a_request_of_another_space_leads_to_no_agreement(
    published: Statement, request_body: ContractRequest, now: datetime
) -> None:
    requested = draft("negotiation.requested", request_body.body(), space="other", issuer="pharma-b", at=now)
    with pytest.raises(Conflict, match="space"):
        _derive(published, requested, now)


def test_an_offer_for_listed_participants_does_not_exist_for_others(
    description: Description, request_body: ContractRequest, now: datetime
) -> None:
    listed = replace(description.offers[0], visibility=Visibility("listed", ("pharma-c",)))
    body = replace(description, offers=(listed,)).body()
    published = draft("product.published", body, space="demo", issuer="hospital-a", at=now)
    asked = replace(request_body, description=published.digest()).body()
    requested = draft("negotiation.requested", asked, space="demo", issuer="pharma-b", at=now)
    with pytest.raises(NotFound):
        _derive(published, requested, now)


def test_a_statement_of_another_type_is_no_request(published: Statement, now: datetime) -> None:
    with pytest.raises(Malformed):
        _derive(published, published, now)


def test_nobody_contracts_with_itself(request_body: ContractRequest) -> None:
    with pytest.raises(Malformed, match="provider"):
        replace(request_body, consumer="hospital-a")
