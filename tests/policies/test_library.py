"""What each ready-made policy for other computations permits and refuses: one table a template."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hefu_policies import odrl
from hefu_policies.authoring.cases import described
from hefu_policies.authoring.lints import lint
from hefu_policies.deciding.decision import Decision, Effect, Request, decide
from hefu_policies.deciding.policy import Compiled, compile_policy, leaves
from hefu_policies.library import TEMPLATES, describe, examples, template
from hefu_policies.telling import wording
from hefu_policies.words.terms import Phase

DIGEST = "sha256:" + "0" * 64
OTHER = "sha256:" + "1" * 64
LATER = "2027-11-21T00:00:00Z"  # the end of every example
IN_TIME = "2027-11-20T23:59:59Z"
NOON = "2026-11-23T04:00:00Z"  # a Monday, 12:00 in Shanghai
PRIVATE = {
    "epsilon": "0.5", "epsilonBudget": "4", "minGroup": 20, "column": ["age", "region"], "outputKind": "Histogram",
}  # fmt: skip
TOTAL = {
    "purpose": "dpv:ServiceProvision", "counterparty": ["hospital-a", "hospital-b", "hospital-c"], "minParties": 3,
    "collusionThreshold": 1, "encryptMode": "CipherText", "securityBits": 128, "function": ["sum", "count", "units"],
    "column": ["age"], "outputKind": "EncryptedResult", "count": 200, "dateTime": IN_TIME,
}  # fmt: skip

# By template: the action, facts that just fit, facts that may be missing, and changes each of which is refused.
TABLE: dict[str, tuple[str, dict[str, Any], set[str], list[dict[str, Any]]]] = {
    "official-statistics": (
        "hefu:aggregateQuery",
        {
            "recipient": "health-commission", "purpose": "dpv:ProvideOfficialStatistics", "minGroup": 20,
            "rounding": "5", "column": ["age"], "outputKind": "Aggregate", "function": ["sum", "count"], "count": 200,
            "dateTime": IN_TIME,
        },
        set(),
        [
            {"recipient": "pharma-b"}, {"purpose": "dpv:Marketing"}, {"minGroup": 19}, {"rounding": "4.9"},
            {"column": ["age", "name"]}, {"outputKind": "Rows"}, {"function": ["max"]}, {"count": 201},
            {"dateTime": LATER},
        ],
    ),
    "carbon-accounting": (
        "hefu:aggregateQuery",
        {
            "recipient": "anybody", "purpose": "dpv:CombatClimateChange", "minGroup": 20, "rounding": "5",
            "column": ["age"], "outputKind": "Scalar", "function": ["sum"], "count": 1, "dateTime": IN_TIME,
        },
        {"recipient"},
        [
            {"purpose": "dpv:LegalCompliance"}, {"purpose": "dpv:PublicBenefit"}, {"minGroup": 3}, {"rounding": "1"},
            {"purpose": "dpv:Marketing", "recipient": "health-commission"}, {"function": ["median"]},
        ],
    ),
    "grid-load-statistics": (
        "hefu:dpQuery",
        PRIVATE | {
            "purpose": "dpv:ImprovePublicServices", "spatial": "CN-31", "timeInterval": "PT15M", "dateTime": IN_TIME,
        },
        set(),
        [
            {"purpose": "dpv:Marketing"}, {"purpose": "dpv:PersonalisedAdvertising"}, {"spatial": "CN-32"},
            {"timeInterval": "PT14M59S"}, {"epsilon": "0.6"}, {"minGroup": 19}, {"column": ["household"]},
        ],
    ),
    "emergency-use": (
        "hefu:aggregateQuery",
        {
            "recipient": "health-commission", "purpose": "dpv:ProtectionOfPublicSecurity", "elapsedTime": "P3D",
            "minGroup": 20, "column": ["age"], "outputKind": "Aggregate", "count": 200,
        },
        set(),
        [
            {"recipient": "police-b"}, {"purpose": "dpv:PublicBenefit"}, {"elapsedTime": "P3DT1S"}, {"minGroup": 1},
            {"outputKind": "Rows"}, {"count": 201},
        ],
    ),
    "credit-scoring": (
        "hefu:heInference",
        {
            "purpose": "dpv:CustomerSolvencyMonitoring", "model": DIGEST, "column": ["age"],
            "encryptMode": "CipherText", "securityBits": 128, "outputKind": "EncryptedResult", "frequency@P1D": 20,
            "count": 200, "dateTime": IN_TIME,
        },
        set(),
        [
            {"purpose": "dpv:Marketing"}, {"purpose": "dpv:HumanResourceManagement"}, {"model": OTHER},
            {"encryptMode": "PlainText"}, {"securityBits": 127}, {"outputKind": "Scalar"}, {"frequency@P1D": 21},
            {"count": 201},
        ],
    ),
    "encrypted-scoring": (
        "hefu:heInference",
        {
            "purpose": "dpv:ServiceProvision", "model": DIGEST, "column": ["age"], "encryptMode": "CipherText",
            "securityBits": 128, "outputKind": "EncryptedResult", "count": 200, "dateTime": IN_TIME,
        },
        set(),
        [
            {"purpose": "dpv:Marketing"}, {"model": OTHER}, {"column": ["age", "name"]}, {"encryptMode": "PlainText"},
            {"securityBits": 112}, {"outputKind": "Scalar"}, {"count": 201}, {"dateTime": LATER},
        ],
    ),
    "model-service": (
        "hefu:heInference",
        {
            "purpose": "dpv:ServiceOptimisation", "model": DIGEST, "encryptMode": "CipherText",
            "environment": "Ciphertext", "outputKind": "EncryptedResult", "frequency@P1D": 20, "dateTime": IN_TIME,
        },
        {"environment"},
        [
            {"encryptMode": "PlainText"}, {"encryptMode": "PlainText", "environment": "Sandbox"}, {"model": OTHER},
            {"outputKind": "ModelWeights"}, {"frequency@P1D": 21}, {"purpose": "dpv:AcademicResearch"},
        ],
    ),
    "joint-statistics": (
        "hefu:mpcEvaluate",
        {
            "purpose": "dpv:ServiceProvision", "counterparty": ["hospital-a", "hospital-b", "hospital-c"],
            "minParties": 3, "collusionThreshold": 2, "securityBits": 128, "function": ["variance"], "column": ["age"],
            "minGroup": 20, "outputKind": "Scalar", "count": 200, "dateTime": IN_TIME,
        },
        set(),
        [
            {"counterparty": ["hospital-a", "stranger"]}, {"minParties": 2}, {"collusionThreshold": 1},
            {"securityBits": 112}, {"function": ["max"]}, {"minGroup": 19}, {"outputKind": "Rows"},
        ],
    ),
    "joint-totals": (
        "hefu:mpcEvaluate",
        TOTAL | {"epsilon": "0.5", "delta": "0.000001", "epsilonBudget": "4"},
        set(),
        [
            {"counterparty": ["hospital-a", "stranger"]}, {"minParties": 2}, {"collusionThreshold": 0},
            {"securityBits": 112}, {"function": ["mean"]}, {"outputKind": "Aggregate"}, {"encryptMode": "PlainText"},
            {"epsilon": "0.6"}, {"delta": "0.00001"}, {"epsilonBudget": "4.1"}, {"count": 201}, {"column": ["name"]},
        ],
    ),
    "rho-joint-totals": (
        "hefu:mpcEvaluate",
        TOTAL | {"rho": "0.05", "rhoBudget": "0.5"},
        set(),
        [{"rho": "0.06"}, {"rhoBudget": "0.6"}, {"minParties": 2}, {"purpose": "dpv:AcademicResearch"}],
    ),
    "tee-program": (
        "hefu:teeExecute",
        {
            "purpose": "dpv:ServiceProvision", "program": DIGEST, "programSigner": "did:web:lab.example",
            "environment": "TrustedExecution", "attestation": ["Enclave.measurement=4f2a"], "column": ["age"],
            "outputKind": "Scalar", "outputBytes": 65536, "count": 200, "dateTime": IN_TIME,
        },
        set(),
        [
            {"program": OTHER}, {"programSigner": "did:web:other.example"}, {"environment": "Sandbox"},
            {"attestation": ["Enclave.measurement=beef"]}, {"outputBytes": 65537}, {"column": ["name"]},
        ],
    ),
    "federated-training": (
        "hefu:federatedTrain",
        {
            "purpose": "dpv:ScientificResearch", "program": DIGEST, "counterparty": ["hospital-a", "hospital-b"],
            "minParties": 3, "secureAggregation": True, "rounds": 50, "clipNorm": "1", "column": ["age"],
            "outputKind": "ModelUpdate", "count": 200, "dateTime": IN_TIME,
        },
        set(),
        [
            {"purpose": "dpv:CommercialResearch"}, {"program": OTHER}, {"counterparty": ["hospital-a", "insurer"]},
            {"minParties": 2}, {"secureAggregation": False}, {"rounds": 51}, {"clipNorm": "1.1"},
            {"outputKind": "Rows"},
        ],
    ),
    "federated-evaluation": (
        "hefu:federatedEvaluate",
        {
            "purpose": "dpv:ScientificResearch", "model": DIGEST, "minGroup": 20, "timeInterval": "PT1H",
            "column": ["age"], "outputKind": "Metrics", "count": 200, "dateTime": IN_TIME,
        },
        set(),
        [
            {"model": OTHER}, {"minGroup": 19}, {"timeInterval": "PT59M"}, {"outputKind": "ModelWeights"},
            {"count": 201}, {"purpose": "dpv:Marketing"},
        ],
    ),
    "intersection-once": (
        "hefu:psi",
        {
            "purpose": "dpv:ScientificResearch", "joinKey": ["person_id"], "column": ["person_id"],
            "counterparty": ["hospital-a"], "inputRows": 100000, "minGroup": 20, "outputKind": "IntersectionIds",
            "count": 1, "dateTime": IN_TIME,
        },
        set(),
        [
            {"count": 2}, {"joinKey": ["name"]}, {"column": ["person_id", "diagnosis"]}, {"counterparty": ["broker"]},
            {"inputRows": 100001}, {"minGroup": 19}, {"outputKind": "Rows"},
        ],
    ),
    "intersection-size": (
        "hefu:psi",
        {
            "purpose": "dpv:ScientificResearch", "joinKey": ["person_id"], "column": ["person_id"],
            "counterparty": ["hospital-a"], "inputRows": 1, "minGroup": 20, "outputKind": "CardinalityOnly",
            "count": 200, "dateTime": IN_TIME,
        },
        set(),
        [{"outputKind": "IntersectionIds"}, {"count": 201}, {"minGroup": 1}, {"dateTime": LATER}],
    ),
    "intersection-no-marketing": (
        "hefu:psi",
        {
            "purpose": "dpv:CounterMoneyLaundering", "joinKey": ["person_id"], "column": ["person_id"],
            "counterparty": ["hospital-a"], "inputRows": 1, "minGroup": 20, "outputKind": "IntersectionIds",
            "count": 200, "dateTime": IN_TIME,
        },
        set(),
        [
            {"purpose": "dpv:Marketing"}, {"purpose": "dpv:SocialMediaMarketing"}, {"purpose": "dpv:Personalisation"},
            {"purpose": "dpv:SellInsightsFromData"}, {"purpose": "dpv:EnforceSecurity"}, {"count": 201},
        ],
    ),
    "data-trial": (
        "hefu:dpQuery",
        {
            "epsilon": "0.5", "epsilonBudget": "4", "minGroup": 20, "outputKind": "NoisyAggregate",
            "elapsedTime": "P14D",
        },
        set(),
        [{"elapsedTime": "P14DT1S"}, {"epsilon": "1"}, {"epsilonBudget": "4.1"}, {"outputKind": "Rows"}],
    ),
    "paid-per-query": (
        "hefu:dpQuery",
        PRIVATE | {"count": 200, "dateTime": IN_TIME},
        set(),
        [{"count": 201}, {"epsilon": "0.6"}, {"dateTime": LATER}],
    ),
    "office-hours": (
        "hefu:dpQuery",
        PRIVATE | {"timeWindow": NOON, "networkAddress": "10.1.2.3", "spatial": "CN-31", "dateTime": NOON},
        set(),
        [
            {"timeWindow": "2026-11-23T10:00:01Z"}, {"timeWindow": "2026-11-22T04:00:00Z"},
            {"networkAddress": "192.0.2.1"}, {"spatial": "US"},
        ],
    ),
}  # fmt: skip
# These stand in tests/policies/test_templates.py.
EARLIER = {"research-statistics", "open-statistics", "regulator-statistics", "rho-statistics"}
DELIVERIES = {name for name in TEMPLATES if name.startswith("delivery-")}  # tests/policies/test_delivery_policies.py
REFUSED = [(name, change) for name, row in TABLE.items() for change in row[3]]


@cache
def _contract(name: str) -> Compiled:
    policy = odrl.bind(
        template(name, examples(name)),
        id_="urn:hefu:strategy:str-1", target="prd-1", assigner="hospital-a", assignee="pharma-b",
        at=datetime(2026, 11, 21, tzinfo=UTC),
    )  # fmt: skip
    return compile_policy(odrl.load(policy))


def _decide(
    name: str, changes: dict[str, Any], action: str = "", phase: Phase = Phase.RELEASE, **given: Any
) -> Decision:
    facts = {key: value for key, value in (TABLE[name][1] | changes).items() if value is not None}
    request = Request(action or TABLE[name][0], "prd-1", "pharma-b", frozenset(given.get("performed", ())))
    return decide(_contract(name), request, described(facts), phase)


def test_every_template_has_its_table() -> None:
    assert set(TABLE) | EARLIER | DELIVERIES == set(TEMPLATES)
    assert len(TEMPLATES) >= 16


@pytest.mark.parametrize("name", TABLE)
def test_what_just_fits_is_permitted(name: str) -> None:
    decision = _decide(name, {})
    assert decision.effect is Effect.PERMIT_AFTER_DUTIES
    assert "hefu:log" in decision.duties


@pytest.mark.parametrize(("name", "change"), REFUSED, ids=lambda each: str(each)[:60])
def test_one_step_aside_is_refused(name: str, change: dict[str, Any]) -> None:
    assert not _decide(name, change).permits


@pytest.mark.parametrize(("name", "missing"), [(name, key) for name, row in TABLE.items() for key in row[1]])
def test_what_is_not_known_never_permits(name: str, missing: str) -> None:
    assert _decide(name, {missing: None}).permits is (missing in TABLE[name][2])


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("action", ["hefu:deliver", "odrl:distribute", "hefu:download", "odrl:sell"])
def test_rows_never_leave_under_any_of_them(name: str, action: str) -> None:
    assert not _decide(name, {}, action).permits


@pytest.mark.parametrize("name", TABLE)
def test_what_the_guard_learns_later_does_not_stop_the_admission(name: str) -> None:
    late = {"minGroup": None, "rounding": None, "outputRows": None, "outputBytes": None}
    assert _decide(name, late, phase=Phase.ADMISSION).permits


@pytest.mark.parametrize(
    ("name", "duty", "id_"),
    [
        ("federated-training", "hefu:obtainApproval", "urn:d:approval"),
        ("intersection-once", "hefu:obtainApproval", "urn:d:approval"),
        ("paid-per-query", "odrl:compensate", "urn:d:pay"),
        ("model-service", "odrl:compensate", "urn:d:pay"),
        ("tee-program", "hefu:attest", "urn:d:attest"),
    ],
)
def test_what_must_be_done_first_stands_in_the_way_until_it_is_done(name: str, duty: str, id_: str) -> None:
    before = _decide(name, {}, phase=Phase.ADMISSION)
    assert before.effect is Effect.PERMIT_AFTER_DUTIES
    assert duty in before.duties
    after = _decide(name, {}, phase=Phase.ADMISSION, performed={id_})
    assert after.effect is Effect.PERMIT
    assert duty not in after.duties


def test_an_emergency_needs_no_approval_but_notice_afterwards() -> None:
    assert _decide("emergency-use", {}, phase=Phase.ADMISSION).effect is Effect.PERMIT
    notice = odrl.load(template("emergency-use", examples("emergency-use"))).permissions[0].duties[0]
    assert [each.action for each in notice.consequences] == ["odrl:delete"]
    assert "delayPeriod" in {each.operand.name for each in leaves(notice)}


def test_a_model_is_served_encrypted_or_in_an_enclave_and_not_otherwise() -> None:
    enclave = {"encryptMode": "PlainText", "environment": "TrustedExecution", "outputKind": "Scalar"}
    assert _decide("model-service", enclave).permits


def test_whoever_verifies_carbon_accounts_may_ask_by_law() -> None:
    change = {"purpose": "dpv:LegalCompliance", "recipient": "health-commission"}
    assert _decide("carbon-accounting", change).permits


def test_a_trial_shows_a_synthetic_sample() -> None:
    look = {"outputRows": 100, "elapsedTime": "P1D", "count": 1}
    assert _decide("data-trial", look, "hefu:preview").clause == "urn:rule:look"
    assert not _decide("data-trial", look | {"outputRows": 101}, "hefu:preview").permits


def test_totals_with_noise_keep_the_guarantee_and_exact_ones_do_not() -> None:
    exact, noised, both = (
        odrl.load(template(name, examples(name))) for name in ("joint-statistics", "joint-totals", "rho-joint-totals")
    )
    assert [each.permits_exact() for each in (exact, noised, both)] == [True, False, False]
    assert "e^4" in wording.text(noised, "en")
    assert "result is exact" in wording.text(exact, "en")
    assert "result is exact" not in wording.text(both, "en")


def test_permission_to_evaluate_is_no_permission_to_train() -> None:
    assert not _decide("federated-evaluation", {}, "hefu:federatedTrain").permits


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_reads_as_it_is_written(name: str) -> None:
    offer = template(name, examples(name))
    assert odrl.dump(odrl.load(offer)) == offer


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_careless_stands_in_a_template(name: str) -> None:
    assert [each.code for each in lint(odrl.load(template(name, examples(name)))) if each.is_warning] == []


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_words_of_a_template_say_every_limit(name: str, language: Any) -> None:
    said = describe(name, examples(name), language)
    assert "{" not in said
    for value in examples(name).values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int) and not isinstance(one, bool):
                assert str(one) in said
    whole = wording.text(odrl.load(template(name, examples(name))), language)
    for rule in odrl.load(template(name, examples(name))).rules:
        assert rule.id in whole
