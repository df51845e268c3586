"""The meet of policies: one policy that permits what all of them permit, and demands what any of them demands.

It plans and explains. In a joint computation every connector still decides its own contract, and all must permit.
Limits are the strictest, lists of what is allowed are intersected, prohibitions, duties and obligations are united
(so that payments add up), and what each contract counts for itself is held to the strictest of the counts. The meet
of policies does not depend on their order or grouping, and the meet of a policy with itself says what it said.

A permission of which nothing can be left is dropped; one without a common column may still use none. Prohibitions are
never dropped: one that contradicts itself still fires where nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from hefu_policies.analysis.normal import duty_key, implied, in_order, key, merged, rule_key
from hefu_policies.deciding.policy import Condition, Constraint, Duty, Logical, Policy, Rule
from hefu_policies.words.terms import HEFU, Vocabulary

MEET = "urn:hefu:meet"


def meet(*policies: Policy, vocabulary: Vocabulary = HEFU) -> Policy:
    """What all the policies permit, as an Offer that nobody signed; it has no permission where they permit nothing.

    Args:
        policies: at least one.
    """
    first, *others = [_normal(each, vocabulary) for each in policies]
    for each in others:
        first = _both(first, each, vocabulary)
    return _placed(first)


def narrower_on_duties(narrow: Policy, wide: Policy, vocabulary: Vocabulary = HEFU) -> bool:
    """Whether every permission of the first policy demands at least what a permission of the second does.

    A permission is held against those that cover its action; a duty is the same or a stricter one.
    """
    obliged = _owed(narrow.obligations, wide.obligations, vocabulary)
    return obliged and all(
        any(
            rule.action in vocabulary.narrower(other.action) and _owed(rule.duties, other.duties, vocabulary)
            for other in wide.permissions
        )
        for rule in narrow.permissions
    )


def _owed(mine: Sequence[Duty], theirs: Sequence[Duty], vocabulary: Vocabulary) -> bool:
    return all(any(_stricter(one, other, vocabulary) for one in mine) for other in theirs)


def _stricter(one: Duty, other: Duty, vocabulary: Vocabulary) -> bool:
    """Whether who performs the one duty has performed the other; gates must be the same."""
    gates = [{key(each) for each in duty.constraints if not _says_how(each)} for duty in (one, other)]
    return (
        one.action == other.action
        and gates[0] == gates[1]
        and all(implied(one.constraints, each, vocabulary) for each in other.constraints if _says_how(each))
        and {duty_key(each) for each in other.consequences} <= {duty_key(each) for each in one.consequences}
    )


def _says_how(condition: Condition) -> bool:
    return isinstance(condition, Constraint) and condition.operand.performance


def _normal(policy: Policy, vocabulary: Vocabulary) -> Policy:
    permissions = [_permission(each.action, each.constraints, each.duties, vocabulary) for each in policy.permissions]
    prohibitions = [_prohibition(each, vocabulary) for each in policy.prohibitions]
    return Policy(
        MEET,
        "Offer",
        _reduced(permissions, lambda rule: rule.duties, False, vocabulary),
        _reduced(prohibitions, lambda rule: rule.remedies, True, vocabulary),
        obligations=_united(policy.obligations),
    )


def _both(one: Policy, other: Policy, vocabulary: Vocabulary) -> Policy:
    permissions = [
        _permission(action, (*mine.constraints, *theirs.constraints), (*mine.duties, *theirs.duties), vocabulary)
        for mine in one.permissions
        for theirs in other.permissions
        for action in _common(mine.action, theirs.action, vocabulary)
    ]
    prohibitions = (*one.prohibitions, *other.prohibitions)
    return replace(
        one,
        permissions=_reduced(permissions, lambda rule: rule.duties, False, vocabulary),
        prohibitions=_reduced(prohibitions, lambda rule: rule.remedies, True, vocabulary),
        obligations=_united((*one.obligations, *other.obligations)),
    )


def _permission(
    action: str, conditions: Iterable[Condition], duties: Iterable[Duty], vocabulary: Vocabulary
) -> Rule | None:
    found = merged(conditions, vocabulary)
    return None if found is None else Rule("", action, found, _united(duties), named=False)


def _prohibition(rule: Rule, vocabulary: Vocabulary) -> Rule:
    found = merged(rule.constraints, vocabulary)
    if found is None:
        found = tuple(sorted(map(in_order, rule.constraints), key=lambda each: repr(key(each))))
    return Rule("", rule.action, found, (), _united(rule.remedies), named=False)


def _common(one: str, other: str, vocabulary: Vocabulary) -> list[str]:
    """The broadest actions that both cover."""
    shared = vocabulary.narrower(one) & vocabulary.narrower(other)
    return [each for each in shared if not any(each in vocabulary.narrower(wide) - {wide} for wide in shared)]


def _reduced(
    rules: Iterable[Rule | None],
    owed: Callable[[Rule], tuple[Duty, ...]],
    more: bool,
    vocabulary: Vocabulary,
) -> tuple[Rule, ...]:
    """The rules without those that add nothing to a broader one.

    Args:
        owed: the duties or remedies of a rule.
        more: whether the broader rule must demand more (a prohibition's remedies) or less (a permission's duties).
    """
    kept: list[Rule] = []
    distinct = {repr(rule_key(each)): each for each in rules if each is not None}
    for _, rule in sorted(distinct.items()):
        if any(_absorbs(each, rule, owed, more, vocabulary) for each in kept):
            continue
        kept = [each for each in kept if not _absorbs(rule, each, owed, more, vocabulary)]
        kept.append(rule)
    return tuple(kept)


def _absorbs(
    wide: Rule, narrow: Rule, owed: Callable[[Rule], tuple[Duty, ...]], more: bool, vocabulary: Vocabulary
) -> bool:
    ours, theirs = ({duty_key(each) for each in owed(rule)} for rule in (wide, narrow))
    return (
        narrow.action in vocabulary.narrower(wide.action)
        and (theirs <= ours if more else ours <= theirs)
        and all(implied(narrow.constraints, each, vocabulary) for each in wide.constraints)
    )


def _united(duties: Iterable[Duty]) -> tuple[Duty, ...]:
    found = {repr(duty_key(each)): each for each in duties}
    return tuple(found[each] for each in sorted(found))


def _placed(policy: Policy) -> Policy:
    """With the places as names, as a policy that was read has them where it has no others."""
    return replace(
        policy,
        permissions=tuple(_place(each, f"policy.permission[{index}]") for index, each in enumerate(policy.permissions)),
        prohibitions=tuple(
            _place(each, f"policy.prohibition[{index}]") for index, each in enumerate(policy.prohibitions)
        ),
        obligations=tuple(_duty(each, f"policy.obligation[{index}]") for index, each in enumerate(policy.obligations)),
    )


def _place(rule: Rule, where: str) -> Rule:
    return replace(
        rule,
        id=where,
        constraints=_conditions(rule.constraints, f"{where}.constraint"),
        duties=tuple(_duty(each, f"{where}.duty[{index}]") for index, each in enumerate(rule.duties)),
        remedies=tuple(_duty(each, f"{where}.remedy[{index}]") for index, each in enumerate(rule.remedies)),
    )


def _duty(duty: Duty, where: str) -> Duty:
    return duty if duty.named else replace(duty, id=where)


def _conditions(found: Sequence[Condition], where: str) -> tuple[Condition, ...]:
    return tuple(_condition(each, f"{where}[{index}]") for index, each in enumerate(found))


def _condition(condition: Condition, where: str) -> Condition:
    if isinstance(condition, Logical):
        parts = _conditions(condition.parts, f"{where}.{condition.combine}")
        return replace(condition, id=where, parts=parts, named=False)
    return replace(condition, id=where, named=False)
