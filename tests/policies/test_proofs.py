"""The same questions put to z3, which reads the operators on its own: it must agree with the decision and the cells."""

from decimal import Decimal

import pytest
from hefu.errors import Unavailable
from hefu_policies.analysis import encoding, proofs, questions
from hefu_policies.analysis.answers import Clause, Example, Reach, Verdict
from hefu_policies.analysis.meeting import meet
from hefu_policies.deciding.decision import Request, decide
from hefu_policies.deciding.policy import Policy, Rule, compile_policy
from hefu_policies.words.terms import Operator, Phase
from hypothesis import given
from hypothesis import strategies as st

from tests.policies.analysed import AT, leaf, pinned, policies, policies_about_all, requests, slowly


def permits(policy: Policy, request: Example) -> bool:
    asked = Request(request.action, "prd-1", "pharma-b")
    return decide(compile_policy(policy), asked, request.facts, Phase.RELEASE).permits


pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


@slowly(25)
@pytest.mark.deep
@given(policies, requests)
def test_the_solver_and_the_decision_agree_on_every_request(policy: Policy, request: Example) -> None:
    found = proofs.joint([policy, pinned(request)])
    assert (found.verdict is Verdict.YES) is permits(policy, request)


@slowly(25)
@pytest.mark.deep
@given(policies_about_all, policies_about_all)
def test_the_solver_and_the_cells_agree_on_inside(one: Policy, other: Policy) -> None:
    found = proofs.inside(one, other)
    assert found.verdict is questions.inside(one, other).verdict
    if found.example is not None:
        assert permits(one, found.example)
        assert not permits(other, found.example)


@slowly(25)
@pytest.mark.deep
@given(policies_about_all, policies_about_all)
def test_the_solver_and_the_cells_agree_on_what_is_in_common(one: Policy, other: Policy) -> None:
    found = proofs.joint([one, other])
    assert found.verdict is questions.joint([one, other]).verdict
    if found.verdict is Verdict.YES:
        assert found.example is not None
        assert permits(one, found.example)
        assert permits(other, found.example)


@slowly(25)
@pytest.mark.deep
@given(policies_about_all, policies_about_all)
def test_the_meet_is_inside_both(one: Policy, other: Policy) -> None:
    both = meet(one, other)
    if both.permissions:
        assert proofs.inside(both, one).verdict is Verdict.YES
        assert proofs.inside(both, other).verdict is Verdict.YES


@slowly(25)
@pytest.mark.deep
@given(policies, st.sampled_from(["epsilon", "minGroup", "dateTime", "count"]))
def test_the_solver_and_the_cells_agree_on_the_reach(policy: Policy, fact: str) -> None:
    found, walked = proofs.reach(policy, fact), questions.reach(policy, fact)
    if found is not None and walked is not None and fact != "dateTime":
        assert (found.low or 0, found.high, found.attained[1]) == (walked.low or 0, walked.high, walked.attained[1])
    elif found is not None and walked is not None:
        assert found == walked


def test_clauses_that_clash_are_a_core_and_private_ones_stay_unnamed() -> None:
    mine = leaf("epsilon", Operator.LTEQ, Decimal("0.5"))
    group = leaf("minGroup", Operator.GTEQ, 50)
    one = Policy("urn:a", "Offer", (Rule("urn:r:1", "hefu:dpQuery", (mine, group)),))
    never = Rule("urn:n", "hefu:compute", (leaf("epsilon", Operator.LTEQ, Decimal("0.7")),))
    other = Policy("urn:b", "Offer", (Rule("urn:r:2", "hefu:dpQuery"),), (never,))
    found = proofs.joint([one, other])
    assert found.clauses == (Clause(0, "urn:r:1", mine.id), Clause(1, "urn:n"))
    shown = proofs.joint([one, other], public=[Clause(0, "urn:r:1", mine.id)])
    assert shown.clauses == (Clause(0, "urn:r:1", mine.id),)
    assert shown.hidden


def test_the_most_a_policy_can_ever_allow() -> None:
    rule = Rule("urn:r", "hefu:dpQuery", (
        leaf("epsilon", Operator.LTEQ, Decimal("0.5")), leaf("minGroup", Operator.GTEQ, 50),
        leaf("dateTime", Operator.LTEQ, AT),
    ))  # fmt: skip
    policy = Policy("urn:a", "Offer", (rule,))
    assert proofs.reach(policy, "epsilon") == Reach(Decimal(0), Decimal("0.5"))
    assert proofs.reach(policy, "minGroup") == Reach(50, None)
    assert proofs.reach(policy, "dateTime") == Reach(None, AT)


def test_without_the_solver_the_question_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "z3", None)
    with pytest.raises(Unavailable, match="analysis"):
        encoding.solver_library()
