"""Questions about whole policies, answered exactly and without a solver: what may be asked at all, and what differs.

Every answer has an example or the clauses that it follows from. Where the cases are too many to walk through the
answer is Unknown, which is never to be read as yes; `hefu_policies.analysis.proofs` may know then.

Duties are no part of what is compared here: they say what a permission costs, not what it permits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from hefu_policies.analysis.answers import UNKNOWN, Answer, Clause, Example, Reach, Verdict, refusal
from hefu_policies.analysis.points import TooLarge
from hefu_policies.analysis.space import Box, Space, cross, space_of
from hefu_policies.deciding.policy import Constraint, Policy, Rule
from hefu_policies.words.terms import HEFU, Meet, Vocabulary


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
    separate = [without_sums(each) for each in policies] if len(policies) > 1 else list(policies)
    try:
        found = _together(separate, vocabulary)
        if found is not None:
            return Answer(Verdict.YES, found)
        clauses = minimal(_clauses(separate), lambda kept: _together(_reduced(separate, kept), vocabulary) is None)
    except TooLarge:
        return UNKNOWN
    return refusal(separate, clauses, public)


def inside(narrow: Policy, wide: Policy, vocabulary: Vocabulary = HEFU) -> Answer:
    """Whether all that the first policy permits is permitted by the second; if not, with a request that shows it."""
    try:
        space = space_of((*narrow.rules, *wide.rules), vocabulary)
        for action, covers in kinds_of_request((narrow,), vocabulary, wide.rules):
            left = space.minus(space.permitted(narrow, covers), space.permitted(wide, covers))
            if left:
                return Answer(Verdict.NO, Example(action, space.example(left[0])))
    except TooLarge:
        return UNKNOWN
    return Answer(Verdict.YES)


def difference(one: Policy, other: Policy, vocabulary: Vocabulary = HEFU) -> Example | None:
    """A request that the first policy permits and the second refuses; None where there is none, or nobody knows."""
    return inside(one, other, vocabulary).example


def reach(policy: Policy, fact: str, action: str | None = None, vocabulary: Vocabulary = HEFU) -> Reach | None:
    """How far the policy lets an ordered fact such as ``epsilon`` go, for one action or for any.

    Returns:
        None where it permits nothing, the fact has no order, or nobody knows.
    """
    try:
        space = space_of(policy.rules, vocabulary)
        regions = [
            space.permitted(policy, covers)
            for each, covers in kinds_of_request((policy,), vocabulary)
            if action in (None, each)
        ]
    except TooLarge:
        return None
    boxes = [box for region in regions for box in region]
    if fact not in space.axes:
        return Reach(None, None) if boxes else None
    return _ends(space, fact, boxes)


def kinds_of_request(
    policies: Sequence[Policy], vocabulary: Vocabulary, others: Sequence[Rule] = ()
) -> Iterator[tuple[str, frozenset[str]]]:
    """One action for each group of actions that the rules treat alike, and the rules' actions that cover it.

    Args:
        policies: only actions that each of them has a permission for.
        others: rules besides theirs by which actions are told apart.
    """
    rules = [*(rule for each in policies for rule in each.rules), *others]
    common = frozenset.intersection(*(_permitted_actions(each, vocabulary) for each in policies))
    seen = set()
    for action in sorted(common):
        covers = frozenset(rule.action for rule in rules if action in vocabulary.narrower(rule.action))
        if covers not in seen:
            seen.add(covers)
            yield action, covers


def minimal(clauses: Sequence[Clause], still: Callable[[frozenset[Clause]], bool]) -> tuple[Clause, ...]:
    """Leave out one clause after the other as long as what was found still holds without it."""
    kept = frozenset(clauses)
    for each in clauses:
        if still(kept - {each}):
            kept -= {each}
    return tuple(sorted(kept))


def _permitted_actions(policy: Policy, vocabulary: Vocabulary) -> frozenset[str]:
    return frozenset().union(*(vocabulary.narrower(rule.action) for rule in policy.permissions))


def _together(policies: Sequence[Policy], vocabulary: Vocabulary) -> Example | None:
    if not all(each.permissions for each in policies):
        return None
    space = space_of((rule for each in policies for rule in each.rules), vocabulary)
    for action, covers in kinds_of_request(policies, vocabulary):
        region: list[Box] = [{}]
        for each in policies:
            region = cross(region, space.permitted(each, covers))
        if region:
            return Example(action, space.example(region[0]))
    return None


def _clauses(policies: Sequence[Policy]) -> list[Clause]:
    """What can be left out: conditions of permissions, and whole prohibitions."""
    found = []
    for index, policy in enumerate(policies):
        found += [Clause(index, rule.id, each.id) for rule in policy.permissions for each in rule.constraints]
        found += [Clause(index, rule.id) for rule in policy.prohibitions]
    return found


def _reduced(policies: Sequence[Policy], kept: frozenset[Clause]) -> list[Policy]:
    return [
        replace(
            policy,
            permissions=tuple(
                _with(rule, (each.id for each in rule.constraints if Clause(index, rule.id, each.id) in kept))
                for rule in policy.permissions
            ),
            prohibitions=tuple(rule for rule in policy.prohibitions if Clause(index, rule.id) in kept),
        )
        for index, policy in enumerate(policies)
    ]


def _with(rule: Rule, ids: Iterable[str]) -> Rule:
    kept = frozenset(ids)
    return replace(rule, constraints=tuple(each for each in rule.constraints if each.id in kept))


def without_sums(policy: Policy) -> Policy:
    """What each contract counts or is paid for itself is not one fact of several contracts."""
    return replace(
        policy,
        permissions=tuple(
            replace(
                rule,
                constraints=tuple(
                    each
                    for each in rule.constraints
                    if not (isinstance(each, Constraint) and each.operand.meet in (Meet.ADDED, Meet.SEPARATE))
                ),
            )
            for rule in policy.permissions
        ),
    )


def _ends(space: Space, fact: str, boxes: Sequence[Box]) -> Reach | None:
    axis = space.axes[fact]
    cells = 0
    for box in boxes:
        cells |= box.get(fact, axis.full)
    found = list(axis.among(cells))
    if not found or not axis.is_ordered:
        return None
    order = axis.operand.levels.index if axis.operand.levels else lambda value: value
    low = min(found, key=lambda each: order(each.value))
    high = max(found, key=lambda each: order(each.value))
    ends = low.attained or low.low is None, high.attained or high.high is None
    return Reach(low.low, high.high, ends)
