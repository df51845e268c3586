"""The compiled decision against a second reading of the JSON itself, written for clarity and not for speed.

Nothing of the policy's compiled form is used here: the interpreter walks the JSON and knows the operators, the
taxonomy of purposes and Kleene's logic on its own.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hefu.canonical import Object
from hefu_policies import odrl, purposes
from hefu_policies.decision import Effect, Request, decide
from hefu_policies.policy import compile_policy
from hefu_policies.terms import ACTIONS, OPERANDS, Phase
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.policies import agreements, facts

LATE = {"hefu:minGroup", "hefu:outputRows"}
INCLUDED_IN = {each.term: each.included_in[0] for each in ACTIONS.values() if each.included_in}
WORDS = {
    "hefu:outputKind": OPERANDS["hefu:outputKind"].words,
    "hefu:operation": OPERANDS["hefu:operation"].words,
    "hefu:processing": {"raw", "masked", "sampled", "anonymised"},
}
DECIMALS = {"hefu:share", "hefu:epsilon", "hefu:delta", "hefu:epsilonBudget", "hefu:deltaBudget"}
INTEGERS = {"odrl:count", "hefu:minGroup", "hefu:outputRows", "hefu:maxContribution"}
DEFER = "defer"


def is_a(purpose: str, wanted: str) -> bool:
    return purpose == wanted or any(is_a(parent, wanted) for parent in purposes.parents(purpose))


def right_values(right: Any) -> list[str]:
    items = right if isinstance(right, list) else [right]
    return [item if isinstance(item, str) else item.get("@id", item.get("@value")) for item in items]


def scalar(operand: str, value: object) -> Any:
    """The fact as a comparable number or time, or None."""
    if operand in DECIMALS:
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            return None
        return value if Decimal(value).is_finite() else None
    if operand in INTEGERS:
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return datetime(*value.timetuple()[:6], tzinfo=UTC)
    return None


def compare(operator: str, one: Any, other: Any) -> bool:
    return {"lt": one < other, "lteq": one <= other, "gt": one > other, "gteq": one >= other}[operator]


def set_truth(operator: str, value: object, right: list[str]) -> bool | None:
    if isinstance(value, str) or not isinstance(value, (list, set, frozenset, tuple)):
        return None
    if not all(isinstance(each, str) and each and len(each) <= 200 for each in value):
        return None
    if operator == "isPartOf":
        return all(each in right for each in value)
    return not any(each in right for each in value)


def truth(operand: str, operator: str, right: Any, value: object) -> bool | None:
    texts = right_values(right)
    if operand in ("hefu:column", "hefu:function"):
        return set_truth(operator, value, texts)
    if operand in DECIMALS | INTEGERS:
        known = scalar(operand, value)
        return None if known is None else compare(operator, Decimal(known), Decimal(texts[0]))
    if operand == "odrl:dateTime":
        known = scalar(operand, value)
        return None if known is None else compare(operator, known, datetime.fromisoformat(texts[0]))
    if not isinstance(value, str):
        return None
    if operand == "odrl:purpose":
        if value not in purposes.LINEAGE:
            return None
        some = any(is_a(value, each) for each in texts)
        return not some if operator == "isNoneOf" else some
    if operand == "odrl:recipient":
        plain = [each.removeprefix("urn:hefu:participant:") for each in texts]
        return value.removeprefix("urn:hefu:participant:") in plain if 0 < len(value) <= 200 else None
    word = value if value in WORDS[operand] else value.removeprefix("hefu:")
    if word not in WORDS[operand]:
        return None
    return word in texts or f"hefu:{word}" in texts


def judge(constraint: Any, known: dict[str, object], phase: Phase) -> bool | str | None:
    operand = constraint["leftOperand"]
    value = known.get(operand.split(":")[1])
    known_truth = None if value is None else truth(operand, constraint["operator"], constraint["rightOperand"], value)
    return DEFER if known_truth is None and operand in LATE and phase is Phase.ADMISSION else known_truth


def covers(rule: Any, action: str) -> bool:
    return rule["action"] == action or (action in INCLUDED_IN and covers(rule, INCLUDED_IN[action]))


def interpret(policy: Any, request: Request, known: dict[str, object], phase: Phase) -> Effect:
    named = {"urn:hefu:product:" + request.target, "urn:hefu:participant:" + request.assignee}
    if named != {policy["target"], policy["assignee"]}:
        return Effect.DEFAULT_DENY
    for rule in policy.get("prohibition", []):
        results = [judge(each, known, phase) for each in rule.get("constraint", [])]
        if covers(rule, request.action) and not any(each is False or each is DEFER for each in results):
            return Effect.DENY
    for rule in policy["permission"]:
        results = [judge(each, known, phase) for each in rule.get("constraint", [])]
        if covers(rule, request.action) and all(each is True or each is DEFER for each in results):
            duties = {each["action"] for each in rule.get("duty", [])} - request.performed
            return Effect.PERMIT_AFTER_DUTIES if duties and phase is Phase.RELEASE else Effect.PERMIT
    return Effect.DEFAULT_DENY


requests = st.builds(
    Request,
    st.sampled_from(
        ["hefu:dpQuery", "hefu:dpQuery", "hefu:dpQuery", "odrl:read", "hefu:deliver", "hefu:download", "hefu:psi"]
    ),
    st.sampled_from(["prd-1", "prd-1", "prd-1", "prd-2"]),
    st.sampled_from(["pharma-b", "pharma-b", "pharma-b", "hospital-a"]),
    st.frozensets(st.just("hefu:log")),
)


@settings(max_examples=1500, deadline=None)
@given(agreements, requests, facts, st.sampled_from([Phase.ADMISSION, Phase.RELEASE]))
def test_the_compiled_decision_equals_a_slow_reading_of_the_json(
    policy: Object, request: Request, known: dict[str, object], phase: Phase
) -> None:
    decision = decide(compile_policy(odrl.load(policy)), request, known, phase)
    assert decision.effect is interpret(policy, request, known, phase)


@settings(max_examples=300, deadline=None)
@given(agreements, requests, facts, st.sampled_from([Phase.ADMISSION, Phase.RELEASE]), st.data())
def test_knowing_less_never_permits_what_knowing_more_forbids(
    policy: Object, request: Request, known: dict[str, object], phase: Phase, data: st.DataObject
) -> None:
    contract = compile_policy(odrl.load(policy))
    kept = data.draw(st.sets(st.sampled_from(sorted(known)))) if known else set()
    less = {name: known[name] for name in kept}
    if phase is Phase.RELEASE and decide(contract, request, less, phase).permits:
        assert decide(contract, request, known, phase).permits
