"""The nearest permitted request: it is permitted, and it changes no more than it must."""

from decimal import Decimal
from typing import Any

import pytest
from hefu_policies import odrl
from hefu_policies.authoring.cases import described
from hefu_policies.authoring.possibilities import TooLarge, ask, enforceable, nearest
from hefu_policies.deciding.policy import Policy
from hefu_policies.library import TEMPLATES, examples, template
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.policies import agreements, facts
from tests.policies.whole_policies import whole_policies

RESEARCH = odrl.load(template("research-statistics", examples("research-statistics")))
FITTING = {
    "purpose": "dpv:ScientificResearch", "epsilon": "0.5", "epsilonBudget": "1", "minGroup": 20, "column": ["age"],
    "outputKind": "Histogram", "dateTime": "2027-01-01T00:00:00Z", "count": 1,
}  # fmt: skip


def _nearest(policy: Policy, action: str, **changes: Any) -> tuple[dict[str, object], dict[str, object]]:
    found = nearest(enforceable(policy), action, described({**FITTING, **changes}))
    assert found is not None
    assert found.decision.permits
    return {each.name: each.after for each in found.changed}, {each.name: each.after for each in found.added}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"epsilon": "0.9"}, {"epsilon": Decimal("0.5")}),
        ({"minGroup": 3}, {"minGroup": 20}),
        ({"column": ["age", "name"]}, {"column": frozenset({"age"})}),
        ({"count": 201, "epsilon": "2"}, {"count": 200, "epsilon": Decimal("0.5")}),
        ({}, {}),
    ],
)
def test_only_what_stands_in_the_way_is_changed(changes: dict[str, Any], expected: dict[str, object]) -> None:
    assert _nearest(RESEARCH, "hefu:dpQuery", **changes) == (expected, {})


def test_what_was_not_described_is_asked_for() -> None:
    found = nearest(enforceable(RESEARCH), "hefu:dpQuery", described({"epsilon": "0.1"}))
    assert found is not None
    assert found.changed == ()
    assert "purpose" in {each.name for each in found.added}


def test_an_action_that_nothing_permits_has_nothing_near() -> None:
    assert nearest(enforceable(RESEARCH), "hefu:psi", {}) is None


def test_a_prohibited_purpose_is_led_to_one_that_is_not() -> None:
    changed, _ = _nearest(RESEARCH, "hefu:dpQuery", purpose="dpv:CommercialResearch")
    assert set(changed) == {"purpose"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_permits_something(name: str) -> None:
    policy = odrl.load(template(name, examples(name)))
    for rule in policy.permissions:
        found = nearest(enforceable(policy), rule.action, {})
        assert found is not None
        assert found.decision.permits


@given(agreements, facts, st.sampled_from(["hefu:dpQuery", "hefu:deliver", "odrl:read"]))
@settings(max_examples=60, deadline=None)
def test_what_is_told_is_permitted(body: Any, known: dict[str, object], action: str) -> None:
    contract = enforceable(odrl.load(body))
    found = nearest(contract, action, known)
    if ask(contract, action, known).permits:
        assert found is None or found.changed == ()
    elif found is not None:
        assert found.decision.permits
        assert found.changed or found.added


@given(whole_policies, facts, st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_the_logic_what_is_told_is_permitted(body: Any, known: dict[str, object], data: st.DataObject) -> None:
    contract = enforceable(odrl.load(body))
    action = data.draw(st.sampled_from(sorted(contract.policy.actions())))
    try:
        found = nearest(contract, action, known)
    except TooLarge:
        return
    assert found is None or found.decision.permits
