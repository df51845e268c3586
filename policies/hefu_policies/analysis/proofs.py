"""The questions of `hefu_policies.analysis.questions` put to z3, for policies whose cases are too many to walk through.

Every call has a limit of time; when it runs out the answer is Unknown. z3 is the extra ``analysis``; it never takes
part in a decision.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from hefu_policies.analysis.answers import UNKNOWN, Answer, Clause, Example, Reach, Verdict, refusal
from hefu_policies.analysis.encoding import Clauses, Encoding, fraction
from hefu_policies.analysis.questions import without_sums
from hefu_policies.deciding.policy import Policy
from hefu_policies.words.terms import HEFU, Vocabulary

MILLISECONDS = 2000  # for one question


def satisfiable(policy: Policy, vocabulary: Vocabulary = HEFU) -> Answer:
    """Whether the policy permits anything at all; with an example.

    Raises:
        Unavailable: z3 is not installed. So do all here.
    """
    return joint([policy], vocabulary=vocabulary)


def joint(
    policies: Sequence[Policy], public: Collection[Clause] | None = None, vocabulary: Vocabulary = HEFU
) -> Answer:
    """Whether one request can be permitted by all the policies; if not, because of which clauses.

    Args:
        public: the clauses that may be named; None for all.
    """
    separate = [without_sums(each) for each in policies] if len(policies) > 1 else list(policies)
    encoding = Encoding((rule for each in separate for rule in each.rules), vocabulary)
    solver = _solver(encoding)
    switches: dict[str, tuple[Any, Clause]] = {}
    for index, policy in enumerate(separate):
        solver.add(encoding.permits(policy, _switches(encoding, index, switches)))
    result = solver.check(*(switch for switch, _ in switches.values()))
    if result == encoding.z3.sat:
        return Answer(Verdict.YES, Example(*encoding.read(solver.model())))
    if result != encoding.z3.unsat:
        return UNKNOWN
    return refusal(separate, [switches[each.decl().name()][1] for each in solver.unsat_core()], public)


def inside(narrow: Policy, wide: Policy, vocabulary: Vocabulary = HEFU) -> Answer:
    """Whether all that the first policy permits is permitted by the second; if not, with a request that shows it."""
    encoding = Encoding((*narrow.rules, *wide.rules), vocabulary)
    solver = _solver(encoding)
    solver.add(encoding.permits(narrow), encoding.negation(encoding.permits(wide)))
    result = solver.check()
    if result == encoding.z3.sat:
        return Answer(Verdict.NO, Example(*encoding.read(solver.model())))
    return Answer(Verdict.YES) if result == encoding.z3.unsat else UNKNOWN


def reach(policy: Policy, fact: str, action: str | None = None, vocabulary: Vocabulary = HEFU) -> Reach | None:
    """How far the policy lets an ordered fact such as ``epsilon`` go, for one action or for any.

    Returns:
        None where it permits nothing, says nothing of such a fact, or the time ran out.
    """
    encoding = Encoding(policy.rules, vocabulary)
    number = encoding.number(fact)
    if number is None or (action is not None and action not in encoding.actions):
        return None
    ends = [_end(encoding, policy, fact, action, largest) for largest in (False, True)]
    if None in ends:
        return None
    (low, low_attained), (high, high_attained) = ends  # type: ignore[misc]
    return Reach(low, high, (low_attained, high_attained))


def _end(
    encoding: Encoding, policy: Policy, fact: str, action: str | None, largest: bool
) -> tuple[object, bool] | None:
    search = encoding.z3.Optimize(ctx=encoding.context)
    search.set("timeout", MILLISECONDS)
    search.add(encoding.domain(), encoding.permits(policy))
    if action is not None:
        search.add(encoding.action == encoding.actions.index(action))
    number = encoding.number(fact)
    goal = search.maximize(number) if largest else search.minimize(number)
    if search.check() != encoding.z3.sat:
        return None
    # Each end is (infinity, number, epsilon): infinity times ∞, plus the number, plus epsilon times something tiny.
    infinity, found, tiny = goal.upper_values() if largest else goal.lower_values()
    if fraction(infinity):
        return None, True
    return encoding.value(fact, fraction(found)), not fraction(tiny)


def _solver(encoding: Encoding) -> Any:
    solver = encoding.z3.Solver(ctx=encoding.context)
    solver.set("timeout", MILLISECONDS)
    solver.set("core.minimize", True)
    solver.add(encoding.domain())
    return solver


def _switches(encoding: Encoding, policy: int, found: dict[str, tuple[Any, Clause]]) -> Clauses:
    def switch(rule: str, part: str) -> Any:
        clause = Clause(policy, rule, part)
        name = f"clause {policy} {rule} {part}"
        if name not in found:
            found[name] = (encoding.z3.Bool(name, encoding.context), clause)
        return found[name][0]

    return switch
