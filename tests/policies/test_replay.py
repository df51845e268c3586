"""A logged decision can be made again, by anybody, from its record alone."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed, Untrusted
from hefu_policies import odrl
from hefu_policies.deciding.decision import Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.proving.replay import read_facts, record, replay, write_facts
from hefu_policies.words.terms import Phase
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.deep import examples
from tests.policies.policies import agreement, agreements, facts

REQUEST = Request("hefu:dpQuery", "prd-1", "pharma-b")
LIMIT: Any = {
    "leftOperand": "hefu:epsilon", "operator": "lteq", "rightOperand": {"@value": "0.5", "@type": "xsd:decimal"},
}  # fmt: skip
POLICY = agreement([{"action": "hefu:dpQuery", "constraint": [LIMIT]}])


@pytest.mark.deep
@settings(max_examples=examples(120, 5000), deadline=None)
@given(agreements, facts, st.sampled_from(Phase), st.frozensets(st.just("hefu:log")))
def test_every_decision_comes_out_the_same_from_its_record(
    policy: Object, known: dict[str, object], phase: Phase, performed: frozenset[str]
) -> None:
    request = Request("hefu:dpQuery", "prd-1", "pharma-b", performed)
    decision = decide(compile_policy(odrl.load(policy)), request, known, phase)
    logged = canonical.decode_object(canonical.encode(record(decision)))
    again = replay(policy, logged)
    assert (again.effect, again.reasons, again.clause) == (decision.effect, decision.reasons, decision.clause)


def _logged() -> Object:
    return record(decide(compile_policy(odrl.load(POLICY)), REQUEST, {"epsilon": Decimal("0.5")}, Phase.RELEASE))


@pytest.mark.parametrize(
    ("named", "value"),
    [
        ("effect", "deny"),
        ("clause", "urn:r:other"),
        ("duties", ["hefu:log"]),
        ("reasons", []),
        ("policy", "sha256:" + "0" * 64),
    ],
)
def test_a_record_that_was_altered_is_found(named: str, value: Json) -> None:
    logged = _logged()
    replay(POLICY, logged)
    with pytest.raises(Untrusted, match=named):
        replay(POLICY, logged | {named: value})


def test_a_record_with_other_facts_is_found() -> None:
    with pytest.raises(Untrusted):
        replay(POLICY, _logged() | {"facts": {"epsilon": "0.6"}})


def test_a_record_of_another_evaluator_is_not_judged_by_this_one() -> None:
    with pytest.raises(Malformed, match="evaluator"):
        replay(POLICY, _logged() | {"evaluator": "hefu-policies/3"})


def test_facts_are_written_plainly_and_read_back() -> None:
    known = {
        "epsilon": Decimal("0.500000000"),
        "count": 3,
        "dateTime": datetime(2026, 11, 21, 10, tzinfo=UTC),
        "column": {"region", "age"},
        "purpose": "dpv:ScientificResearch",
    }
    body = write_facts(known)
    assert body == {
        "column": ["age", "region"],
        "count": 3,
        "dateTime": "2026-11-21T10:00:00Z",
        "epsilon": "0.5",
        "purpose": "dpv:ScientificResearch",
    }
    assert read_facts(body) == known


def test_facts_that_cannot_be_decided_on_are_left_out() -> None:
    assert write_facts({"epsilon": 0.5, "count": "3", "column": "age", "hidden": 1, "delta": None}) == {}


@pytest.mark.parametrize(
    "body", [[], {"hidden": 1}, {"epsilon": 0}, {"epsilon": "NaN"}, {"count": "3"}, {"column": "age"}, {"count": True}]
)
def test_facts_of_a_wrong_form_are_refused(body: Json) -> None:
    with pytest.raises(Malformed):
        read_facts(body)
