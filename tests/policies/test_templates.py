"""What each ready-made policy permits and refuses, what it says, and how wrong parameters are answered."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hefu.errors import Malformed
from hefu_policies import odrl
from hefu_policies.deciding.decision import Decision, Effect, Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.library import TEMPLATES, describe, find, template
from hefu_policies.words.terms import Phase

STATISTICS = ["research-statistics", "open-statistics", "regulator-statistics"]
END = datetime(2027, 11, 21, tzinfo=UTC)
SHARED: dict[str, Any] = {
    "epsilon": "0.5", "budget": "4", "min_group": 20, "columns": ["age", "region"], "until": "2027-11-21T00:00:00Z",
}  # fmt: skip
PARAMETERS: dict[str, dict[str, Any]] = {
    "research-statistics": SHARED | {"count": 200},
    "open-statistics": SHARED,
    "regulator-statistics": SHARED | {"recipients": ["health-commission"]},
}
FITTING: dict[str, dict[str, object]] = {
    "research-statistics": {"purpose": "dpv:ScientificResearch", "count": 200},
    "open-statistics": {"purpose": "dpv:Marketing"},
    "regulator-statistics": {"purpose": "dpv:ProvideOfficialStatistics", "recipient": "health-commission"},
}


def test_statistics_counted_in_rho_permit_what_fits_and_never_an_epsilon() -> None:
    """The other templates' twin: the same limits in another currency, of which nobody may know the other's amount."""
    shared = {key: value for key, value in SHARED.items() if key != "epsilon"} | {"rho": "0.05", "budget": "0.5"}
    policy = odrl.bind(
        template("rho-statistics", shared), id_="urn:hefu:strategy:str-1", target="prd-1", assigner="hospital-a",
        assignee="pharma-b", at=datetime(2026, 11, 21, tzinfo=UTC),
    )  # fmt: skip
    compiled, request = compile_policy(odrl.load(policy)), Request("hefu:dpQuery", "prd-1", "pharma-b")
    told = {key: value for key, value in FACTS.items() if "epsilon" not in key}
    fits = told | {"rho": Decimal("0.05"), "rhoBudget": Decimal("0.5")}
    assert decide(compiled, request, fits, Phase.RELEASE).permits
    for changes in ({"rho": Decimal("0.0500001")}, {"rhoBudget": Decimal("0.51")}, {"rho": None}, {"rhoBudget": None}):
        assert not decide(compiled, request, fits | changes, Phase.RELEASE).permits
    assert not decide(compiled, request, FACTS, Phase.RELEASE).permits
    assert "ρ = 0.05" in describe("rho-statistics", shared, "en")


FACTS: dict[str, object] = {
    "epsilon": Decimal("0.5"), "epsilonBudget": Decimal(4), "minGroup": 20, "column": {"age", "region"},
    "outputKind": "Histogram", "dateTime": END - timedelta(seconds=1),
}  # fmt: skip


def _decide(name: str, changes: dict[str, object], **parameters: Any) -> Decision:
    policy = odrl.bind(
        template(name, PARAMETERS[name] | parameters),
        id_="urn:hefu:strategy:str-1", target="prd-1", assigner="hospital-a", assignee="pharma-b",
        at=datetime(2026, 11, 21, tzinfo=UTC),
    )  # fmt: skip
    request = Request("hefu:dpQuery", "prd-1", "pharma-b")
    facts = FACTS | FITTING[name] | changes
    return decide(compile_policy(odrl.load(policy)), request, facts, Phase.RELEASE)


@pytest.mark.parametrize("name", STATISTICS)
def test_what_fits_exactly_is_permitted_once_it_is_logged(name: str) -> None:
    decision = _decide(name, {})
    assert (decision.effect, decision.duties) == (Effect.PERMIT_AFTER_DUTIES, ("hefu:log",))


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize(
    "changes",
    [
        {"epsilon": Decimal("0.500000001")},
        {"epsilonBudget": Decimal("4.000000001")},
        {"minGroup": 19},
        {"column": {"age", "patient"}},
        {"outputKind": "Scalar"},
        {"dateTime": END},
    ],
)
def test_one_step_over_any_shared_limit_is_refused(name: str, changes: dict[str, object]) -> None:
    assert _decide(name, changes).effect is Effect.DEFAULT_DENY


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("missing", FACTS)
def test_a_missing_fact_is_refused(name: str, missing: str) -> None:
    assert not _decide(name, {missing: None}).permits


@pytest.mark.parametrize(
    ("name", "changes", "effect"),
    [
        ("research-statistics", {"purpose": "dpv:CommercialResearch"}, Effect.DENY),
        ("research-statistics", {"purpose": "dpv:AcademicResearch"}, Effect.DEFAULT_DENY),
        ("research-statistics", {"purpose": None}, Effect.DENY),
        ("research-statistics", {"count": 201}, Effect.DEFAULT_DENY),
        ("open-statistics", {"purpose": None}, Effect.PERMIT_AFTER_DUTIES),
        ("regulator-statistics", {"recipient": "pharma-b"}, Effect.DEFAULT_DENY),
        ("regulator-statistics", {"purpose": "dpv:ScientificResearch"}, Effect.DEFAULT_DENY),
        ("regulator-statistics", {"purpose": "dpv:LegalCompliance"}, Effect.PERMIT_AFTER_DUTIES),
    ],
)
def test_who_may_ask_and_what_for(name: str, changes: dict[str, object], effect: Effect) -> None:
    assert _decide(name, changes).effect is effect


def test_a_research_policy_for_research_at_large_still_forbids_commerce() -> None:
    broad = {"purpose": "dpv:ResearchAndDevelopment"}
    assert _decide("research-statistics", {"purpose": "dpv:AcademicResearch"}, **broad).permits
    assert _decide("research-statistics", {"purpose": "dpv:CommercialResearch"}, **broad).effect is Effect.DENY


def test_a_research_policy_for_commercial_research_does_not_forbid_itself() -> None:
    assert _decide("research-statistics", {"purpose": "dpv:CommercialResearch"}, purpose="CommercialResearch").permits


@pytest.mark.parametrize("name", STATISTICS)
def test_a_template_is_an_offer_in_json_and_the_same_again(name: str) -> None:
    offer = template(name, PARAMETERS[name])
    assert odrl.load(offer).kind == "Offer"
    assert odrl.dump(odrl.load(offer)) == offer
    assert template(name, PARAMETERS[name]) == offer


def written(value: Any, language: str) -> str:
    """A parameter as people write it: lists in their language's way, a time without its letters."""
    if isinstance(value, list):
        return ("、" if language == "zh" else ", ").join(value)
    return str(value).replace("2027-11-21T00:00:00Z", "2027-11-21 00:00 UTC")


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_words_say_every_parameter(name: str, language: Any) -> None:
    text = describe(name, PARAMETERS[name], language)
    for value in PARAMETERS[name].values():
        assert written(value, language) in text
    assert "{" not in text


def test_the_words_mention_the_prohibition_only_where_there_is_one() -> None:
    research = PARAMETERS["research-statistics"]
    assert "prohibited" in describe("research-statistics", research)
    assert "prohibited" not in describe("research-statistics", research | {"purpose": "dpv:CommercialResearch"})


@pytest.mark.parametrize("name", STATISTICS)
def test_each_template_and_parameter_says_what_it_is_in_both_languages(name: str) -> None:
    found = find(name)
    for each in (found, *found.parameters):
        assert each.en
        assert any("\u4e00" <= letter <= "\u9fff" for letter in each.zh)


def test_an_unknown_template_is_answered_with_those_that_exist() -> None:
    with pytest.raises(Malformed) as caught:
        template("free-for-all", {})
    for name in TEMPLATES:
        assert name in caught.value.public()


def test_an_unknown_parameter_is_answered_with_the_nearest() -> None:
    with pytest.raises(Malformed, match="min_group") as caught:
        template("open-statistics", SHARED | {"min_groups": 5})
    assert caught.value.code == "template.parameter_unknown"


@pytest.mark.parametrize("name", ["budget", "columns", "until"])
def test_a_missing_parameter_is_answered_with_what_to_write(name: str) -> None:
    with pytest.raises(Malformed, match=f"needs the parameter {name}: .*such as"):
        template("open-statistics", {key: value for key, value in SHARED.items() if key != name})


@pytest.mark.parametrize(
    ("template_name", "name", "value"),
    [
        ("open-statistics", "epsilon", "0"),
        ("open-statistics", "epsilon", "-1"),
        ("open-statistics", "epsilon", "a lot"),
        ("open-statistics", "epsilon", True),
        ("open-statistics", "epsilon", ["1"]),
        ("open-statistics", "min_group", 0),
        ("open-statistics", "min_group", "20"),
        ("open-statistics", "min_group", True),
        ("open-statistics", "columns", []),
        ("open-statistics", "columns", "age"),
        ("open-statistics", "columns", ["age", "age"]),
        ("open-statistics", "columns", ["age; drop"]),
        ("open-statistics", "until", "tomorrow"),
        ("open-statistics", "until", "2027-11-21"),
        ("research-statistics", "purpose", "dpv:Unheard"),
        ("research-statistics", "purpose", ""),
        ("research-statistics", "count", -1),
        ("regulator-statistics", "recipients", []),
        ("regulator-statistics", "recipients", ["Health Commission"]),
        ("regulator-statistics", "recipients", "health-commission"),
    ],
)
def test_a_wrong_value_is_answered_with_what_to_write(template_name: str, name: str, value: Any) -> None:
    with pytest.raises(Malformed, match=name) as caught:
        template(template_name, PARAMETERS[template_name] | {name: value})
    assert caught.value.code == "template.parameter_wrong"
    assert "such as" in caught.value.public()


def test_numbers_have_one_spelling_however_they_are_given() -> None:
    assert template("open-statistics", SHARED | {"budget": 4}) == template(
        "open-statistics", SHARED | {"budget": "4.0"}
    )
