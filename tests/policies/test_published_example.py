"""The full example of the reference, as a message of the Dataspace Protocol: imported, decided, written again."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hefu.canonical import Object
from hefu.errors import Malformed
from hefu_policies import odrl
from hefu_policies.deciding.decision import Decision, Effect, Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.deciding.reasons import Code
from hefu_policies.odrl import plain
from hefu_policies.words.terms import CONTEXTS, OPERANDS, PROFILE, Phase

from tests.policies.policies import read_one

TARGET, ASSIGNEE = "urn:dataset:hospital-a:admissions-2025", "did:web:pharma-b.example"
FACTS: dict[str, object] = {
    "purpose": "dpv:ScientificResearch", "epsilon": Decimal("0.5"), "epsilonBudget": Decimal("1.5"),
    "delta": Decimal("0.000001"), "minGroup": 50, "column": {"age_band", "region"}, "outputKind": "Histogram",
    "outputRows": 12, "dateTime": datetime(2026, 12, 1, tzinfo=UTC), "count": 3, "spatial": "DE",
}  # fmt: skip


@pytest.fixture
def message(shared: Path) -> Any:
    return json.loads((shared / "vectors/odrl/hefu-example/agreement.json").read_text(encoding="utf-8"))


@pytest.fixture
def policy(message: Any) -> Object:
    return read_one(message).policy


def _decide(policy: Object, changes: dict[str, object], action: str = "hefu:dpQuery", paid: bool = True) -> Decision:
    request = Request(action, TARGET, ASSIGNEE, frozenset({"hefu:log", *(["urn:d:pay"] if paid else [])}))
    return decide(compile_policy(odrl.load(policy)), request, FACTS | changes, Phase.RELEASE)


def test_the_example_is_not_in_the_strict_form_and_says_where(message: Any) -> None:
    with pytest.raises(Malformed, match=r"permission\[0\]\.constraint\[10\]\.rightOperand"):
        odrl.load({"@context": [*CONTEXTS], **message["agreement"]})


def test_the_context_is_that_of_the_example_and_two_parties_more(shared: Path) -> None:
    from hefu_policies.odrl import published

    context = json.loads((shared / "vectors/odrl/hefu-example/context.jsonld").read_text(encoding="utf-8"))["@context"]
    ours = json.loads(published.context())["@context"]
    assert {name: ours[name] for name in context} == context
    assert set(ours) - set(context) == {"attributedParty", "consentingParty"}
    assert context["hefu"] == PROFILE
    assert {each.split(":")[0] for each in OPERANDS} <= set(context)


def test_the_example_is_written_in_all_forms_and_read_again(message: Any, policy: Object) -> None:
    loaded = odrl.load(policy)
    assert odrl.dump(loaded) == policy
    assert read_one(plain.plain(loaded)).policy == policy
    pids = {"provider": message["providerPid"], "consumer": message["consumerPid"]}
    written = plain.agreement_message(loaded, **pids)
    assert {**written, "agreement": None} == {**message, "agreement": None}
    assert read_one(written).policy == policy


def test_the_allowed_request_is_permitted_once_it_is_paid(policy: Object) -> None:
    decision = _decide(policy, {})
    assert (decision.effect, decision.clause) == (Effect.PERMIT, "urn:rule:dp-query")
    unpaid = _decide(policy, {}, paid=False)
    assert (unpaid.effect, unpaid.duties) == (Effect.PERMIT_AFTER_DUTIES, ("odrl:compensate",))


def test_too_much_loss_and_too_small_groups_are_denied_naming_both_clauses(policy: Object) -> None:
    decision = _decide(policy, {"epsilon": Decimal("0.9"), "minGroup": 12})
    failed = [each.part for each in decision.reasons if each.code is Code.FAILED and each.rule == "urn:rule:dp-query"]
    assert decision.effect is Effect.DEFAULT_DENY
    assert failed == ["urn:c:eps", "urn:c:cohort"]


def test_distributing_is_denied(policy: Object) -> None:
    decision = _decide(policy, {}, "odrl:distribute")
    assert (decision.effect, decision.clause) == (Effect.DENY, "urn:no:raw")


def test_commercial_research_is_denied(policy: Object) -> None:
    decision = _decide(policy, {"purpose": "dpv:CommercialResearch"})
    assert (decision.effect, decision.clause) == (Effect.DENY, "urn:no:commercial")
