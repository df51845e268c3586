"""What policies mean together: do clauses clash, what is the meet, is one inside the other, what may be asked at most.

All answers are exact, come with an example or with the clauses that cause them, and need no solver. Where the cases
are too many to walk through, z3 is asked if the extra ``analysis`` is installed; else the answer is Unknown. Nothing
here takes part in a decision.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hefu.errors import Unavailable

from hefu_policies.analysis import proofs, questions
from hefu_policies.analysis.answers import UNKNOWN, Answer, Clause, Example, Reach, Verdict
from hefu_policies.analysis.clashes import Clash, Finding, clashes
from hefu_policies.analysis.meeting import meet, narrower_on_duties
from hefu_policies.deciding.policy import Policy
from hefu_policies.words.terms import HEFU, Vocabulary

__all__ = [
    "UNKNOWN", "Answer", "Clash", "Clause", "Example", "Finding", "Reach", "Verdict", "clashes", "difference", "inside",
    "joint", "meet", "narrower_on_duties", "reach", "satisfiable",
]  # fmt: skip


def satisfiable(policy: Policy, vocabulary: Vocabulary = HEFU) -> Answer:
    """Whether the policy permits anything at all; with an example."""
    return joint([policy], vocabulary=vocabulary)


def joint(
    policies: Sequence[Policy], public: Collection[Clause] | None = None, vocabulary: Vocabulary = HEFU
) -> Answer:
    """Whether one request can be permitted by all the policies; if not, because of which clauses.

    Args:
        public: the clauses that may be named; None for all.
    """
    found = questions.joint(policies, public, vocabulary)
    if found.verdict is not Verdict.UNKNOWN:
        return found
    try:
        return proofs.joint(policies, public, vocabulary)
    except Unavailable:
        return UNKNOWN


def inside(narrow: Policy, wide: Policy, vocabulary: Vocabulary = HEFU) -> Answer:
    """Whether all that the first policy permits is permitted by the second; if not, with a request that shows it.

    Duties are another question: `narrower_on_duties`.
    """
    found = questions.inside(narrow, wide, vocabulary)
    if found.verdict is not Verdict.UNKNOWN:
        return found
    try:
        return proofs.inside(narrow, wide, vocabulary)
    except Unavailable:
        return UNKNOWN


def difference(one: Policy, other: Policy, vocabulary: Vocabulary = HEFU) -> Example | None:
    """A request that the first policy permits and the second refuses; None where there is none, or nobody knows."""
    return inside(one, other, vocabulary).example


def reach(policy: Policy, fact: str, action: str | None = None, vocabulary: Vocabulary = HEFU) -> Reach | None:
    """How far the policy lets an ordered fact such as ``epsilon`` go, for one action or for any.

    Returns:
        None where it permits nothing, the fact has no order, or nobody knows.
    """
    found = questions.reach(policy, fact, action, vocabulary)
    if found is not None or questions.satisfiable(policy, vocabulary).verdict is not Verdict.UNKNOWN:
        return found
    try:
        return proofs.reach(policy, fact, action, vocabulary)
    except Unavailable:
        return None
