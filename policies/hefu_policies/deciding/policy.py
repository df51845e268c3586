"""A policy in its compiled form: closures of its constraints, made once, for `hefu_policies.deciding.decision`.

The typed values themselves are those of `hefu_policies.deciding.rules`, and may be imported from here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hefu_policies.deciding.comparisons import Test, comparison
from hefu_policies.deciding.reasons import Code, Reason
from hefu_policies.deciding.rules import (
    Condition,
    Constraint,
    Duty,
    Logical,
    Policy,
    Rule,
    Value,
    demanded,
    leaves,
)
from hefu_policies.reading import wrong
from hefu_policies.words.terms import HEFU, Combine, Phase, Vocabulary

__all__ = [
    "Check", "Compiled", "CompiledDuty", "CompiledRule", "Condition", "Constraint", "Duty", "Group", "How", "Logical",
    "Policy", "Rule", "Value", "compile_policy", "demanded", "leaves",
]  # fmt: skip


class Check(NamedTuple):
    """A compiled constraint.

    Attributes:
        name: of its fact.
        waits: the phases in which the fact need not be known yet.
        said: what to say of it where it is True, False, Unknown; ``deferred`` where it waits.
    """

    name: str
    test: Test
    waits: tuple[Phase, ...]
    said: Mapping[bool | None, Reason]
    deferred: Reason


@dataclass(frozen=True, slots=True)
class Group:
    """A compiled logical constraint."""

    parts: tuple[Node, ...]
    combine: Callable[[list[bool | None]], bool | None]
    said: Mapping[bool | None, Reason]


Node = Check | Group


@dataclass(frozen=True, slots=True)
class How:
    """A compiled constraint on a performance operand: how a duty must be performed."""

    constraint: Constraint
    test: Test


@dataclass(frozen=True, slots=True)
class CompiledDuty:
    """A compiled duty.

    Attributes:
        gates: the constraints that say whether it is due at all.
        how: those that say how it is performed; where there are any, only a performance that names its id performs it.
        due: the phase in which a permission needs it performed; what is no duty of a permission is due afterwards.
    """

    duty: Duty
    gates: tuple[Node, ...]
    how: tuple[How, ...]
    due: Phase
    consequences: tuple[CompiledDuty, ...] = ()


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A compiled rule.

    Attributes:
        covers: the rule's action and all narrower ones.
        checks: the nodes where all of them are constraints without logic; else empty. Of these, ``tests`` is what a
            decision must ask, and ``all_held`` what it says where each of them is True.
        duties: of a permission; the remedies of a prohibition.
        effective: what to say where it takes effect; ``idle`` where it does not.
    """

    rule: Rule
    covers: frozenset[str]
    nodes: tuple[Node, ...]
    checks: tuple[Check, ...]
    tests: tuple[tuple[str, Test], ...]
    all_held: tuple[Reason, ...]
    duties: tuple[CompiledDuty, ...]
    effective: Reason
    idle: Reason


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy ready for decisions. Make it once; it may be used from any thread.

    Attributes:
        lenient: whether duties that are not performed leave a permission as it is; for published suites only.
    """

    policy: Policy
    permissions: tuple[CompiledRule, ...]
    prohibitions: tuple[CompiledRule, ...]
    obligations: tuple[CompiledDuty, ...] = ()
    vocabulary: Vocabulary = HEFU
    lenient: bool = False


def compile_policy(
    policy: Policy,
    vocabulary: Vocabulary = HEFU,
    *,
    duties: Literal["strict", "lenient"] = "strict",
    binding: Collection[str] = ("Agreement",),
) -> Compiled:
    """Make closures of a policy.

    Args:
        vocabulary: whose actions and taxonomies count.
        duties: ``lenient`` lets a permission hold before its duties are performed; for published suites only.
        binding: the kinds of policy that are enforced: an Offer binds nobody. Others, for published suites and for
            the catalog phase only, may leave target and parties open; what is left open matches everything.

    Raises:
        Malformed: its kind binds nobody.
    """
    whole = policy.kind == "Agreement" and None not in (policy.target, policy.assigner, policy.assignee)
    if policy.kind not in binding or (tuple(binding) == ("Agreement",) and not whole):
        wrong("policy.@type", "Agreement, with target, assigner and assignee: an Offer binds nobody")
    return Compiled(
        policy,
        tuple(_rule(each, Code.HOLDS, Code.LACKS, vocabulary) for each in policy.permissions),
        tuple(_rule(each, Code.FIRES, Code.RESTS, vocabulary) for each in policy.prohibitions),
        tuple(_duty(each, each.id, vocabulary, Phase.POST) for each in policy.obligations),
        vocabulary,
        duties == "lenient",
    )


def _rule(rule: Rule, effective: Code, idle: Code, vocabulary: Vocabulary) -> CompiledRule:
    nodes = tuple(_node(each, rule.id, vocabulary) for each in rule.constraints)
    checks = tuple(each for each in nodes if isinstance(each, Check))
    if len(checks) < len(nodes):
        checks = ()
    return CompiledRule(
        rule,
        vocabulary.narrower(rule.action),
        nodes,
        checks,
        tuple((each.name, each.test) for each in checks),
        tuple(each.said[True] for each in checks),
        (
            *(_duty(each, rule.id, vocabulary, _due(each, vocabulary)) for each in rule.duties),
            *(_duty(each, rule.id, vocabulary, Phase.POST) for each in rule.remedies),
        ),
        Reason(effective, rule.id),
        Reason(idle, rule.id),
    )


def _duty(duty: Duty, rule: str, vocabulary: Vocabulary, due: Phase) -> CompiledDuty:
    performing = [each for each in duty.constraints if isinstance(each, Constraint) and each.operand.performance]
    return CompiledDuty(
        duty,
        tuple(_node(each, rule, vocabulary) for each in duty.constraints if _is_gate(each)),
        tuple(How(each, comparison(each.operand, each.operator, each.values, vocabulary)) for each in performing),
        due,
        tuple(_duty(each, rule, vocabulary, Phase.POST) for each in duty.consequences),
    )


def _is_gate(condition: Condition) -> bool:
    """Whether a condition of a duty says if it is due at all: not how it is performed, nor after what."""
    if isinstance(condition, Logical):
        return True
    return condition.operand.in_rules and not condition.operand.performance


def _due(duty: Duty, vocabulary: Vocabulary) -> Phase:
    """When a duty of a permission is due: before, at or after the use, as ``odrl:event`` or else its action says."""
    said = [each.operator.value for each in demanded(duty) if each.operand.name == "event"]
    if said:
        return {"lt": Phase.ADMISSION, "gteq": Phase.RELEASE}.get(said[0], Phase.POST)
    action = vocabulary.actions.get(duty.action)
    return Phase.ADMISSION if action is None else action.due


def _node(condition: Condition, rule: str, vocabulary: Vocabulary) -> Node:
    id_ = condition.id
    if isinstance(condition, Logical):
        return Group(
            tuple(_node(each, rule, vocabulary) for each in condition.parts),
            _COMBINE[condition.combine],
            {result: Reason(code, rule, id_) for result, code in _LOGIC.items()},
        )
    return Check(
        condition.fact,
        comparison(condition.operand, condition.operator, condition.values, vocabulary),
        condition.operand.waits,
        {result: Reason(code, rule, id_) for result, code in _PLAIN.items()},
        Reason(Code.DEFERRED, rule, id_),
    )


_PLAIN: dict[bool | None, Code] = {True: Code.HELD, False: Code.FAILED, None: Code.UNKNOWN}
_LOGIC: dict[bool | None, Code] = {True: Code.LOGIC_HELD, False: Code.LOGIC_FAILED, None: Code.LOGIC_UNKNOWN}


def _and(results: list[bool | None]) -> bool | None:
    return False if False in results else None if None in results else True


def _or(results: list[bool | None]) -> bool | None:
    return True if True in results else None if None in results else False


def _xone(results: list[bool | None]) -> bool | None:
    return None if None in results else results.count(True) == 1


def _sequence(results: list[bool | None]) -> bool | None:
    return None if None in results else False not in results


_COMBINE: dict[Combine, Callable[[list[bool | None]], bool | None]] = {
    Combine.AND: _and,
    Combine.OR: _or,
    Combine.XONE: _xone,
    Combine.AND_SEQUENCE: _sequence,
}
