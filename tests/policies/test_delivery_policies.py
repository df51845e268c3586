"""What a contract must say for data to be delivered, what the ready-made policies permit, and when to delete."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hefu.errors import Malformed
from hefu_policies import odrl
from hefu_policies.agreeing.contract import Column, Description, Offer, Privacy, Resource
from hefu_policies.budget import Budget
from hefu_policies.deciding.decision import Decision, Effect, Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.goods.processing import KNOWN, PLAIN_WORDS, Treatment, treatment
from hefu_policies.library import describe, find, template
from hefu_policies.words.terms import PROCESSING, Phase

from tests.policies.test_templates import written

START = datetime(2026, 11, 21, tzinfo=UTC)
END = datetime(2027, 11, 21, tzinfo=UTC)
TEMPLATES = ("delivery-masked", "delivery-sampled", "delivery-anonymised", "delivery-raw", "delivery-file")
SHARED: dict[str, Any] = {"columns": ["age", "region"], "count": 2, "until": "2027-11-21T00:00:00Z"}
EXTRA: dict[str, dict[str, Any]] = {
    "delivery-masked": {"rows": 100},
    "delivery-sampled": {"rows": 100, "share": "0.1"},
    "delivery-anonymised": {"rows": 100, "min_group": 5},
    "delivery-raw": {"rows": 100},
    "delivery-file": {},
}
FACTS: dict[str, object] = {
    "purpose": "dpv:ScientificResearch", "column": {"age", "region"}, "count": 2, "outputKind": "Rows",
    "dateTime": END - timedelta(seconds=1), "outputRows": 100,
}  # fmt: skip
FITTING: dict[str, dict[str, object]] = {
    "delivery-masked": {"processing": "masked"},
    "delivery-sampled": {"processing": "sampled", "share": Decimal("0.1")},
    "delivery-anonymised": {"processing": "anonymised", "minGroup": 5},
    "delivery-raw": {"processing": "raw"},
    "delivery-file": {"processing": "raw", "outputKind": "File"},
}


def made(name: str, **parameters: Any) -> Any:
    return template(name, SHARED | EXTRA[name] | parameters)


def decided(name: str, changes: dict[str, object], action: str = "hefu:deliver", **parameters: Any) -> Decision:
    policy = odrl.bind(
        made(name, **parameters), id_="urn:hefu:strategy:str-1", target="prd-1", assigner="hospital-a",
        assignee="pharma-b", at=START,
    )  # fmt: skip
    facts = FACTS | FITTING[name] | changes
    return decide(compile_policy(odrl.load(policy)), Request(action, "prd-1", "pharma-b"), facts, Phase.RELEASE)


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_fits_exactly_is_delivered_once_it_is_logged(name: str) -> None:
    decision = decided(name, {})
    assert (decision.effect, decision.duties) == (Effect.PERMIT_AFTER_DUTIES, ("hefu:log",))


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("processing", sorted(PROCESSING))
def test_only_the_processing_that_the_contract_names_is_permitted(name: str, processing: str) -> None:
    assert decided(name, {"processing": processing}).permits is (FITTING[name]["processing"] == processing)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(
    "changes",
    [
        {"column": {"age", "patient"}},
        {"count": 3},
        {"dateTime": END},
        {"purpose": "dpv:Marketing"},
        {"processing": None},
        {"outputKind": "NoisyAggregate"},
    ],
)
def test_one_step_over_any_shared_limit_is_refused(name: str, changes: dict[str, object]) -> None:
    assert not decided(name, changes).permits


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("delivery-masked", {"outputRows": 101}),
        ("delivery-raw", {"outputRows": None}),
        ("delivery-sampled", {"share": Decimal("0.100001")}),
        ("delivery-sampled", {"share": None}),
        ("delivery-anonymised", {"minGroup": 4}),
        ("delivery-anonymised", {"minGroup": None}),
        ("delivery-file", {"outputKind": "Rows"}),
    ],
)
def test_one_step_over_its_own_limit_is_refused(name: str, changes: dict[str, object]) -> None:
    assert not decided(name, changes).permits


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_delivery_policy_permits_no_query_and_no_distribution(name: str) -> None:
    assert not decided(name, {}, "hefu:dpQuery").permits
    assert decided(name, {}, "odrl:distribute").effect is Effect.DENY


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_was_delivered_is_read_for_the_purpose_and_leaves_only_where_that_is_agreed(name: str) -> None:
    assert decided(name, {}, "odrl:read").permits
    assert not decided(name, {"purpose": "dpv:Marketing"}, "odrl:read").permits
    assert not decided(name, {"dateTime": END}, "odrl:read").permits
    assert decided(name, {}, "hefu:download").effect is Effect.DENY
    assert decided(name, {}, "hefu:download", export=True).permits


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_an_offer_in_json_and_the_same_again(name: str) -> None:
    assert odrl.dump(odrl.load(made(name))) == made(name)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_words_say_every_parameter_and_that_there_is_no_guarantee(name: str, language: Any) -> None:
    text = describe(name, SHARED | EXTRA[name], language)
    for value in (SHARED | EXTRA[name] | {"keep": {"en": "30 days", "zh": "30 天"}[language]}).values():
        assert written(value, language) in text
    assert {"en": "No differential privacy guarantee", "zh": "无差分隐私保证"}[language] in text
    assert "{" not in text


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_template_and_parameter_says_what_it_is_in_both_languages(name: str) -> None:
    found = find(name)
    for each in (found, *found.parameters):
        assert each.en
        assert any("\u4e00" <= letter <= "\u9fff" for letter in each.zh)


@pytest.mark.parametrize(
    ("keep", "since", "due"),
    [
        ("P30D", START, START + timedelta(days=30)),
        ("PT12H", START, START + timedelta(hours=12)),
        ("P1DT1H1M1S", START, START + timedelta(days=1, hours=1, minutes=1, seconds=1)),
        ("P30D", END - timedelta(days=1), END),  # never beyond the agreement
    ],
)
def test_what_was_delivered_is_to_be_deleted_when_the_contract_says(keep: str, since: datetime, due: datetime) -> None:
    assert odrl.load(made("delivery-masked", keep=keep)).delete_by(since, END) == due


def test_a_policy_without_an_obligation_lets_data_be_kept_to_the_agreements_end() -> None:
    policy = made("delivery-masked")
    del policy["obligation"]
    assert odrl.load(policy).delete_by(START, END) == END


def test_a_fixed_deadline_is_kept_too() -> None:
    policy = made("delivery-masked")
    right = {"@value": "2026-12-01T00:00:00Z", "@type": "xsd:dateTime"}
    policy["obligation"][0]["constraint"].append(
        {"leftOperand": "hefu:deadline", "operator": "lteq", "rightOperand": right}
    )
    assert odrl.dump(odrl.load(policy)) == policy
    assert odrl.load(policy).delete_by(START, END) == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize("keep", ["P1M", "P1Y", "P0D", "P", "PT", "30D", "P-1D", "P1.5D", 30])
def test_a_length_of_time_that_is_none_is_refused(keep: object) -> None:
    with pytest.raises(Malformed, match="keep"):
        made("delivery-masked", keep=keep)


@pytest.mark.parametrize(
    ("name", "operand"),
    [
        ("delivery-raw", "hefu:processing"),
        ("delivery-sampled", "hefu:share"),
        ("delivery-anonymised", "hefu:minGroup"),
    ],
)
def test_a_permission_to_deliver_that_does_not_say_how_is_refused(name: str, operand: str) -> None:
    policy = made(name)
    rule = policy["permission"][0]
    rule["constraint"] = [each for each in rule["constraint"] if each["leftOperand"] != operand]
    with pytest.raises(Malformed, match=operand) as caught:
        odrl.load(policy)
    assert caught.value.code == "policy.delivery"


def test_a_group_of_one_is_no_anonymity() -> None:
    policy = made("delivery-anonymised")
    for each in policy["permission"][0]["constraint"]:
        if each["leftOperand"] == "hefu:minGroup":
            each["rightOperand"]["@value"] = "1"
    with pytest.raises(Malformed, match="2 or more"):
        odrl.load(policy)


def test_how_an_obligation_is_performed_is_no_condition_of_a_permission() -> None:
    retention = {"leftOperand": "hefu:retention", "operator": "lteq", "rightOperand":
                 {"@value": "P30D", "@type": "xsd:duration"}}  # fmt: skip
    policy = made("delivery-raw")
    policy["permission"][0]["constraint"].append(retention)
    with pytest.raises(Malformed, match="leftOperand"):
        odrl.load(policy)


def _described(policy: Any, sensitivity: str, epsilon: str = "0") -> Description:
    schema = (Column("patient", "text"), Column("age", "integer", sensitivity=sensitivity), Column("region", "text"))
    schema = (*schema[:2], Column("region", "text", sensitivity="public"))
    budget = Budget.of_text(epsilon, releases=10)
    resource = Resource("res-1", schema, Privacy("patient", 1, budget))
    return Description("prd-1", 1, {"en": "t"}, (resource,), (Offer("off", policy, budget),))


def test_an_offer_of_deliveries_alone_needs_no_epsilon_and_is_labelled() -> None:
    described = _described(made("delivery-masked"), "quasi-identifier")
    assert not described.has_guarantee()
    assert Description.of(described.body()) == described


def test_an_offer_of_statistics_needs_an_epsilon() -> None:
    policy = template(
        "open-statistics",
        {"epsilon": "1", "budget": "1", "columns": ["age"], "until": "2027-11-21T00:00:00Z"},
    )
    with pytest.raises(Malformed, match="epsilon above 0"):
        _described(policy, "public")
    assert _described(policy, "public", "1").has_guarantee()


@pytest.mark.parametrize("sensitivity", ["", "Public", "secret-ish"])
def test_what_is_processed_by_its_sensitivity_must_have_one(sensitivity: str) -> None:
    with pytest.raises(Malformed, match="age") as caught:
        _described(made("delivery-masked"), sensitivity)
    assert caught.value.code == "policy.sensitivity"
    assert _described(made("delivery-raw"), sensitivity)


@pytest.mark.parametrize("processing", sorted(PROCESSING - {"raw"}))
def test_a_column_that_names_a_person_is_never_kept_as_it_is(processing: str) -> None:
    privacy = Privacy("patient", 1, Budget.of_text("1", releases=1))
    for word in ("identifier", "personal", "", "unheard"):
        columns = (Column("patient", "text", sensitivity="public"), Column("name", "text", sensitivity=word))
        for column in columns:
            found = treatment(column, processing, Resource("res-1", columns, privacy))
            assert found in (Treatment.PSEUDONYM, Treatment.DROP)


def test_every_word_and_processing_is_treated() -> None:
    privacy = Privacy("row", 1, Budget.of_text("1", releases=1))
    for word in KNOWN:
        column = Column("c", "text", sensitivity=word)
        assert treatment(column, "raw", Resource("res-1", (column,), privacy)) is Treatment.KEEP
        assert {treatment(column, each, Resource("res-1", (column,), privacy)) for each in PROCESSING}
    assert set(PLAIN_WORDS) == PROCESSING
