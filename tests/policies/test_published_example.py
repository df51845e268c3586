"""The full example of the reference, reduced to the operands that are evaluated now."""

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hefu.errors import Malformed
from hefu_policies import odrl
from hefu_policies.decision import Decision, Effect, Request, decide
from hefu_policies.policy import compile_policy
from hefu_policies.reasons import Code
from hefu_policies.terms import CONTEXTS, OPERANDS, PROFILE, Phase

TARGET, ASSIGNEE = "urn:dataset:hospital-a:admissions-2025", "did:web:pharma-b.example"
FACTS: dict[str, object] = {
    "purpose": "dpv:ScientificResearch", "epsilon": Decimal("0.5"), "epsilonBudget": Decimal("1.5"),
    "delta": Decimal("0.000001"), "minGroup": 50, "column": {"age_band", "region"}, "outputKind": "Histogram",
    "outputRows": 12, "dateTime": datetime(2026, 12, 1, tzinfo=UTC), "count": 3,
}  # fmt: skip


@pytest.fixture
def example(shared: Path) -> Any:
    message = json.loads((shared / "vectors/odrl/hefu-example/agreement.json").read_text(encoding="utf-8"))
    return {"@context": [*CONTEXTS], **message["agreement"]}


@pytest.fixture
def reduced(example: Any) -> Any:
    policy = copy.deepcopy(example)
    del policy["obligation"]
    policy["permission"] = [each for each in policy["permission"] if each["action"] == "hefu:dpQuery"]
    (rule,) = policy["permission"]
    rule["constraint"] = [
        each for each in rule["constraint"] if each["leftOperand"] in OPERANDS and each["leftOperand"] != "odrl:spatial"
    ]
    rule["duty"] = [{"@id": "urn:d:log", "action": "hefu:log"}]
    assert len(rule["constraint"]) == 10
    return policy


def _decide(policy: Any, changes: dict[str, object], action: str = "hefu:dpQuery") -> Decision:
    request = Request(action, TARGET, ASSIGNEE, frozenset({"hefu:log"}))
    return decide(compile_policy(odrl.load(policy)), request, FACTS | changes, Phase.RELEASE)


def test_the_whole_example_is_refused_as_not_all_of_it_is_evaluated_yet(example: Any) -> None:
    with pytest.raises(Malformed, match=r"Remove it|one of"):
        odrl.load(example)


def test_the_context_and_profile_are_those_of_the_example(shared: Path, reduced: Any) -> None:
    context = json.loads((shared / "vectors/odrl/hefu-example/context.jsonld").read_text(encoding="utf-8"))["@context"]
    assert context["hefu"] == PROFILE
    prefixes = {each.split(":")[0] for each in OPERANDS}
    assert prefixes <= set(context)
    assert odrl.dump(odrl.load(reduced)) == reduced


def test_the_allowed_request_is_permitted(reduced: Any) -> None:
    decision = _decide(reduced, {})
    assert (decision.effect, decision.clause) == (Effect.PERMIT, "urn:rule:dp-query")


def test_too_much_loss_and_too_small_groups_are_denied_naming_both_clauses(reduced: Any) -> None:
    decision = _decide(reduced, {"epsilon": Decimal("0.9"), "minGroup": 12})
    failed = [each.part for each in decision.reasons if each.code is Code.FAILED and each.rule == "urn:rule:dp-query"]
    assert decision.effect is Effect.DEFAULT_DENY
    assert failed == ["urn:c:eps", "urn:c:cohort"]


def test_distributing_is_denied(reduced: Any) -> None:
    decision = _decide(reduced, {}, "odrl:distribute")
    assert (decision.effect, decision.clause) == (Effect.DENY, "urn:no:raw")


def test_commercial_research_is_denied(reduced: Any) -> None:
    decision = _decide(reduced, {"purpose": "dpv:CommercialResearch"})
    assert (decision.effect, decision.clause) == (Effect.DENY, "urn:no:commercial")
