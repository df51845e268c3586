"""What a consumer accepts by itself: each limit alone keeps an offer out, and what is not named is not granted."""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal

import pytest
from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu_policies.agreeing.changes import changed, read
from hefu_policies.bargaining.acceptance import Acceptable, Lacking, Shortfall, judge, judge_unasked
from hefu_policies.goods.product import Description, Offer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WIDE = Acceptable(3)
RAW: Object = {
    "leftOperand": "hefu:processing", "operator": "isAnyOf", "rightOperand": [{"@id": "hefu:raw"}],
}  # fmt: skip


@pytest.fixture
def offer(description: Description) -> Offer:
    return description.offers[0]


def with_rules(offer: Offer, **members: Json) -> Offer:
    """The offer with more in its policy; ``duty`` and ``constraint`` go to its permission."""
    policy = copy.deepcopy(offer.policy)
    rule = policy["permission"][0]  # type: ignore[index,call-overload]
    for name, value in members.items():
        if name in ("duty", "constraint"):
            rule[name] = [*rule.get(name, []), *value]  # type: ignore[index,union-attr,misc]
        else:
            policy[name] = value
    return replace(offer, policy=policy, template=None)


def pay(amount: str, currency: str = "CNY") -> Object:
    return {
        "leftOperand": "odrl:payAmount", "operator": "eq", "unit": f"urn:iso:std:iso:4217:{currency}",
        "rightOperand": {"@value": amount, "@type": "xsd:decimal"},
    }  # fmt: skip


def found(offer: Offer, limits: Acceptable = WIDE) -> list[tuple[str, str]]:
    return [(each.code.value, each.about) for each in judge(offer, limits)]


def test_an_offer_that_asks_for_nothing_is_inside(offer: Offer) -> None:
    assert found(offer) == []
    assert found(offer, replace(WIDE, computations=("hefu:dpQuery",), least={"epsilon": "0.5", "budget": "4"})) == []


@pytest.mark.parametrize("where", ["constraint", "duty", "obligation"])
def test_a_price_above_the_limit_or_in_another_currency_is_outside(offer: Offer, where: str) -> None:
    paid: Json = (
        [pay("20.50")] if where == "constraint" else [{"action": "odrl:compensate", "constraint": [pay("20.50")]}]
    )
    dear = with_rules(offer, **{where: paid})
    assert found(dear) == [("price", "20.50 CNY")]
    assert found(dear, replace(WIDE, prices={"CNY": Decimal("20.49")})) == [("price", "20.50 CNY")]
    assert found(dear, replace(WIDE, prices={"EUR": Decimal(900)})) == [("price", "20.50 CNY")]
    assert found(dear, replace(WIDE, prices={"CNY": Decimal("20.5")})) == []


def test_a_payment_of_no_named_amount_is_a_duty_like_any_other(offer: Offer) -> None:
    vague = with_rules(offer, duty=[{"action": "odrl:compensate"}])
    assert found(vague, replace(WIDE, prices={"CNY": Decimal(99)})) == [("duty", "odrl:compensate")]


def test_duties_are_taken_on_only_where_they_are_named_also_those_that_follow(offer: Offer) -> None:
    inform: Object = {
        "action": "odrl:inform",
        "constraint": [{"leftOperand": "hefu:deadline", "operator": "lteq",
                        "rightOperand": {"@value": "2027-02-01T00:00:00Z", "@type": "xsd:dateTime"}}],
        "consequence": [{"action": "hefu:attest"}],
    }  # fmt: skip
    owing = with_rules(offer, obligation=[inform], duty=[{"action": "hefu:log"}])
    assert found(owing) == [("duty", "hefu:attest"), ("duty", "odrl:inform")]
    assert found(owing, replace(WIDE, duties=("odrl:inform",))) == [("duty", "hefu:attest")]
    assert found(owing, replace(WIDE, duties=("odrl:inform", "hefu:attest"))) == []


def test_what_is_needed_is_permitted_and_not_forbidden_for_good(offer: Offer) -> None:
    wants = replace(WIDE, computations=("hefu:dpQuery", "hefu:psi"))
    assert found(offer, wants) == [("computation", "hefu:psi")]
    barred = with_rules(offer, prohibition=[{"action": "hefu:compute"}])
    assert found(barred, replace(WIDE, computations=("hefu:dpQuery",))) == [("computation", "hefu:dpQuery")]
    assert found(barred) == []


def test_nothing_is_delivered_unless_deliveries_are_allowed(offer: Offer) -> None:
    policy = copy.deepcopy(offer.policy)
    policy["permission"].append({"action": "hefu:deliver", "constraint": [RAW]})  # type: ignore[union-attr]
    delivering = replace(offer, policy=policy, template=None)
    assert ("delivery", "") in found(delivering)
    assert ("delivery", "") not in found(delivering, replace(WIDE, delivery=True))


@pytest.mark.parametrize(
    ("name", "reached", "missed"),
    [
        ("epsilon", "0.5", "0.51"),
        ("budget", "4", "4.1"),
        ("releases", "200", "201"),
        ("valid_days", "365", "366"),
        ("minGroup", "50", "49"),
        ("column", "age,region", "age,patient"),
        ("purpose", "dpv:ScientificResearch", "dpv:Marketing"),
    ],
)
def test_terms_are_reached_or_not(offer: Offer, name: str, reached: str, missed: str) -> None:
    assert found(offer, replace(WIDE, least={name: reached})) == []
    assert found(offer, replace(WIDE, least={name: missed})) == [("least", name)]


def test_a_term_that_the_offer_has_not_is_not_reached(offer: Offer) -> None:
    assert found(offer, replace(WIDE, least={"epsiln": "0.1", "valid_days": "soon"})) == [
        ("least", "epsiln"), ("least", "valid_days"),
    ]  # fmt: skip


def test_an_offer_that_nobody_asked_for_needs_a_named_provider_and_a_purpose() -> None:
    assert judge_unasked("hospital-a", WIDE) == (Shortfall(Lacking.PROVIDER, "hospital-a"), Shortfall(Lacking.PURPOSE))
    assert judge_unasked("hospital-a", replace(WIDE, providers=("hospital-a",), purpose="dpv:Marketing")) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"contracts": 0}, {"contracts": 1001}, {"contracts": True}, {"prices": {"yuan": "1"}},
        {"prices": {"CNY": "-1"}},
        {"prices": {"CNY": "NaN"}}, {"prices": {"CNY": 1}}, {"duties": ["pay"]}, {"computations": ["sql"]},
        {"delivery": "no"}, {"providers": ["a", "a"]}, {"extra": 1},
    ],
)  # fmt: skip
def test_limits_that_are_none_are_refused(changes: Object) -> None:
    with pytest.raises(Malformed):
        Acceptable.of(WIDE.body() | changes)


def test_limits_read_back() -> None:
    limits = Acceptable(
        7,
        {"CNY": Decimal("1.50")},
        ("odrl:inform",),
        ("hefu:dpQuery",),
        True,
        {"epsilon": "0.5"},
        ("hospital-a",),
        "dpv:X",
    )
    assert Acceptable.of(canonical.decode(canonical.encode(limits.body()))) == limits


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(least=st.integers(1, 20), offered=st.integers(1, 20), narrower=st.integers(1, 20))
def test_what_permits_less_is_never_inside_where_more_was_not(
    description: Description, least: int, offered: int, narrower: int
) -> None:
    """An offer narrowed further never comes to be inside."""
    public, limits = description.offers[0], replace(WIDE, least={"epsilon": str(Decimal(least) / 10)})

    def on(epsilon: int) -> Offer:
        return changed(public, read(public, {"epsilon": str(Decimal(epsilon) / 10)}))

    assert (found(on(offered), limits) == []) is (offered >= least)
    if found(on(offered), limits):
        assert found(on(min(offered, narrower)), limits)
