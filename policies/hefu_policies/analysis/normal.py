"""Conditions in one form: what stands side by side about one fact is merged, as the table of operands says.

Limits become the strictest, lists of what is allowed are intersected, lists of what is excluded or demanded are
united, of purposes and regions remains what lies under both. What cannot be written as one constraint stays as
several, which is the same. The form does not depend on the order in which conditions came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hefu_policies.analysis.points import TooLarge
from hefu_policies.analysis.space import space_of
from hefu_policies.deciding.comparisons import comparison
from hefu_policies.deciding.policy import Condition, Constraint, Duty, Logical, Rule, Value
from hefu_policies.reading import write_decimal
from hefu_policies.words.terms import HEFU, Combine, Kind, Meet, Operator, Vocabulary

Key = tuple[object, ...]
_UPPER = (Operator.LT, Operator.LTEQ)
_LOWER = (Operator.GT, Operator.GTEQ)
_ALLOW = (Operator.EQ, Operator.IS_A, Operator.IS_ANY_OF, Operator.IS_PART_OF)
_DENY = (Operator.NEQ, Operator.IS_NONE_OF)
_DEMAND = (Operator.IS_ALL_OF, Operator.HAS_PART)
_ON_A_LINE = frozenset({Kind.DECIMAL, Kind.INTEGER, Kind.TIME, Kind.DURATION, Kind.LEVEL})
_SETS = frozenset({Kind.NAMES, Kind.PARTIES})
NO_NAME = "_"
_CONTAINED = frozenset({Kind.REGION, Kind.INDUSTRY})
_AS_THEY_STAND = frozenset({Kind.WINDOW, Kind.CLAIM, Kind.ADDRESS})


class Nothing(Exception):
    """The conditions leave nothing."""


def merged(conditions: Iterable[Condition], vocabulary: Vocabulary = HEFU) -> tuple[Condition, ...] | None:
    """The conditions, all of which must hold, in their one form and order; None if they contradict each other."""
    by_fact: dict[str, list[Constraint]] = {}
    logic: dict[Key, Condition] = {}
    for each in sorted(map(in_order, _flat(conditions)), key=_spelling, reverse=True):
        if isinstance(each, Constraint):
            by_fact.setdefault(each.fact, []).append(each)
        else:
            logic[key(each)] = each
    try:
        found = [leaf for each in by_fact.values() for leaf in _merge(each, vocabulary)]
    except Nothing:
        return None
    return tuple(sorted([*found, *logic.values()], key=lambda each: _order(key(each))))


def key(condition: Condition) -> Key:
    """What a condition says, without its name and with its values in order."""
    if isinstance(condition, Constraint):
        values = tuple(sorted(_text(each) for each in condition.values))
        return "", condition.fact, condition.operator.value, values, condition.unit
    parts = [key(each) for each in condition.parts]
    ordered = parts if condition.combine is Combine.AND_SEQUENCE else sorted(parts, key=_order)
    return condition.combine.value, "", "", tuple(ordered), ""


def in_order(condition: Condition) -> Condition:
    """The same condition with its values, and its parts where their order says nothing, in one order."""
    if isinstance(condition, Constraint):
        pairs = zip(condition.values, condition.written, strict=True)
        ordered = sorted(pairs, key=lambda each: (_text(each[0]), each[1]))
        return replace(condition, values=tuple(v for v, _ in ordered), written=tuple(text for _, text in ordered))
    parts = [in_order(each) for each in condition.parts]
    if condition.combine is not Combine.AND_SEQUENCE:
        parts.sort(key=lambda each: (_order(key(each)), _spelling(each)))
    return replace(condition, parts=tuple(parts))


def _spelling(condition: Condition) -> str:
    """How a condition's values are written: of two that say the same, one is taken, whichever came first."""
    if isinstance(condition, Constraint):
        return repr(condition.written)
    return repr([_spelling(each) for each in condition.parts])


def duty_key(duty: Duty) -> Key:
    """What a duty says; two payments with names of their own are two payments."""
    name = duty.id if duty.named else ""
    parts = tuple(sorted((key(each) for each in duty.constraints), key=_order))
    return duty.action, name, parts, tuple(sorted(map(duty_key, duty.consequences), key=_order))


def rule_key(rule: Rule) -> Key:
    """What a rule says."""
    duties = tuple(sorted(map(duty_key, (*rule.duties, *rule.remedies)), key=_order))
    return rule.action, tuple(map(key, rule.constraints)), duties


def implied(by: Sequence[Condition], condition: Condition, vocabulary: Vocabulary = HEFU) -> bool:
    """Whether conditions that all hold imply another one; judged fact by fact, and logic only if it is the same."""
    if isinstance(condition, Logical):
        return key(condition) in map(key, by)
    same = [each for each in by if isinstance(each, Constraint) and each.fact == condition.fact]
    if not same:
        return False
    try:
        space = space_of([Rule("", "", (*same, condition))], vocabulary)
    except TooLarge:
        return key(condition) in map(key, same)
    true, false = -1, 0
    for each in same:
        true &= space.cells(each)
        false |= space.cells(each, False)
    return not true & ~space.cells(condition) and not space.cells(condition, False) & ~false


def _order(found: Key) -> str:
    return repr(found)


def _flat(conditions: Iterable[Condition]) -> Iterable[Condition]:
    for each in conditions:
        if isinstance(each, Logical) and (each.combine is Combine.AND or len(each.parts) == 1):
            yield from _flat(each.parts)
        else:
            yield each


def _merge(found: Sequence[Constraint], vocabulary: Vocabulary) -> list[Constraint]:
    operand = found[0].operand
    kept = sorted({key(each): each for each in found}.values(), key=lambda each: _order(key(each)))
    if operand.meet is Meet.ADDED or operand.kind in _AS_THEY_STAND:
        made = kept
    elif operand.kind in _ON_A_LINE:
        made = _limits(kept, vocabulary)
    elif operand.kind in _SETS:
        made = _lists(kept)
    else:
        made = _cones(kept, vocabulary)
    if operand.meet is not Meet.ADDED and _impossible(made, vocabulary):
        raise Nothing
    return made


def _impossible(found: Sequence[Constraint], vocabulary: Vocabulary) -> bool:
    try:
        space = space_of([Rule("", "", tuple(found))], vocabulary)
    except TooLarge:
        return False
    false = 0
    for each in found:
        false |= space.cells(each, False)
    return false == space.axes[found[0].fact].full


def _limits(found: Sequence[Constraint], vocabulary: Vocabulary) -> list[Constraint]:
    """The strictest limits on each side."""
    place = found[0].operand.levels.index if found[0].operand.levels else _same
    exact = [each for each in found if each.operator is Operator.EQ]
    if exact:
        if len({each.values for each in exact}) > 1:
            raise Nothing
        rest = [each for each in found if each.operator is not Operator.EQ]
        if all(comparison(each.operand, each.operator, each.values, vocabulary)(exact[0].values[0]) for each in rest):
            return exact[:1]
        raise Nothing
    upper = [each for each in found if each.operator in _UPPER]
    lower = [each for each in found if each.operator in _LOWER]
    others = [each for each in found if each.operator not in (*_UPPER, *_LOWER)]
    least = [min(upper, key=lambda each: (place(each.values[0]), each.operator is not Operator.LT))] if upper else []
    most = [max(lower, key=lambda each: (place(each.values[0]), each.operator is Operator.GT))] if lower else []
    return [*least, *most, *others]


def _same(value: Any) -> Any:
    return value


def _lists(found: Sequence[Constraint]) -> list[Constraint]:
    """Of sets: only what all allow, none of what one excludes, all that one demands."""
    made = []
    allowed = [each for each in found if each.operator is Operator.IS_PART_OF]
    denied = [each for each in found if each.operator in _DENY]
    if allowed:
        common = frozenset.intersection(*(frozenset(each.values) for each in allowed))
        if not common:  # only the empty set is left: there is no list of nothing, so one name is allowed and excluded
            common = frozenset({NO_NAME})
            denied.append(replace(allowed[0], operator=Operator.IS_NONE_OF, values=(NO_NAME,), written=(NO_NAME,)))
        made.append(_with(allowed, common))
    demanded = [each for each in found if each.operator in _DEMAND]
    for same in (denied, demanded):
        if same:
            made.append(_with(same, frozenset().union(*(each.values for each in same))))
    known = (Operator.IS_PART_OF, *_DENY, *_DEMAND)
    return [*made, *(each for each in found if each.operator not in known)]


def _cones(found: Sequence[Constraint], vocabulary: Vocabulary) -> list[Constraint]:
    """Of single values, each of which stands for all that is narrower: what lies under one of each list."""
    allowed = [each for each in found if each.operator in _ALLOW]
    denied = [each for each in found if each.operator in _DENY]
    others = [each for each in found if each.operator not in (*_ALLOW, *_DENY)]
    if len(denied) > 1 and Operator.IS_NONE_OF in found[0].operand.operators:
        denied = [_with(denied, frozenset().union(*(each.values for each in denied)), Operator.IS_NONE_OF)]
    if not allowed:
        return [*denied, *others]
    operand = found[0].operand
    listed = frozenset(value for each in allowed for value in each.values)
    every = frozenset(vocabulary.taxonomies[operand.taxonomy]) | listed if operand.taxonomy else listed
    within = [comparison(operand, each.operator, each.values, vocabulary) for each in allowed]
    without = [comparison(operand, each.operator, each.values, vocabulary) for each in denied]
    # What contains an excluded value stays, for the sake of the rest that it contains: only "no" takes it away.
    under = frozenset(
        value
        for value in every
        if all(test(value) for test in within) and not any(test(value) is False for test in without)
    )
    if not under and operand.kind in _CONTAINED:  # about what contains the values, both are Unknown and not false
        return [*allowed, *denied, *others]
    return [_with(allowed, _broadest(under, allowed[0], vocabulary)), *denied, *others]


def _broadest(values: frozenset[Value], like: Constraint, vocabulary: Vocabulary) -> frozenset[Value]:
    """Those that lie under no other one."""
    tests = {each: comparison(like.operand, like.operator, (each,), vocabulary) for each in values}
    return frozenset(
        value
        for value in values
        if not any(test(value) and not tests[value](broad) for broad, test in tests.items() if broad != value)
    )


def _with(found: Sequence[Constraint], values: frozenset[Value], operator: Operator | None = None) -> Constraint:
    """One constraint for several, with these values, written as they were first written."""
    if not values:
        raise Nothing
    spelling = {value: text for each in reversed(found) for value, text in zip(each.values, each.written, strict=True)}
    ordered = tuple(sorted(values, key=_text))
    can = found[0].operand.operators
    many = next((each for each in (Operator.IS_ANY_OF, Operator.IS_PART_OF) if each in can), found[0].operator)
    if operator is None:
        operator = many if found[0].operator in _ALLOW else found[0].operator
    written = tuple(spelling.get(value) or str(value) for value in ordered)
    return replace(found[0], operator=operator, values=ordered, written=written)


def _text(value: Value) -> str:
    if isinstance(value, Decimal):
        return write_decimal(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value.total_seconds()) if isinstance(value, timedelta) else str(value)
