"""Constraints, logic and duties in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_lowercase

from hefu.errors import Language

from hefu_policies.deciding.policy import Condition, Constraint, Duty, Logical
from hefu_policies.telling.wording.sentences import CONDITIONS, DUTIES, MANNERS, OPERATORS, PHRASES, Pair
from hefu_policies.telling.wording.values import pick, unit_text, values_text
from hefu_policies.words.terms import ACTIONS

_HEADS = {
    "and": ("all of these hold:", "以下各项同时成立："),
    "or": ("at least one of these holds:", "以下至少一项成立："),
    "xone": ("exactly one of these holds:", "以下恰有一项成立："),
    "andSequence": ("these hold, in this order:", "以下各项依次成立："),
}
_STEP = "   "


def constraint_text(constraint: Constraint, language: Language) -> str:
    """One constraint as half a sentence."""
    value = values_text(constraint, language)
    pair = _pair(constraint)
    if pair is None:
        label = pick((constraint.operand.en, constraint.operand.zh), language)
        said = pick(OPERATORS[constraint.operator.value], language).format(v=value)
        return f"{label} {said}" if language == "en" else f"{label}{said}"
    return pick(pair, language).format(v=value, unit=unit_text(constraint.unit, language)).rstrip()


def _pair(constraint: Constraint) -> Pair | None:
    """The line of the table; one of a single value reads as if it had to be equal."""
    name, operator = constraint.operand.name, constraint.operator.value
    exact = CONDITIONS.get((name, f"{operator}:{constraint.written[0]}")) if constraint.written else None
    if exact is None and operator == "isAnyOf" and len(constraint.written) == 1:
        exact = CONDITIONS.get((name, "isA" if name == "purpose" else "eq"))
    return exact or CONDITIONS.get((name, operator))


def condition_lines(conditions: Sequence[Condition], language: Language, indent: str = _STEP) -> Iterator[str]:
    """Conditions that all must hold, each on a line with its letter; logic is indented below its head."""
    for index, each in enumerate(conditions):
        letter = ascii_lowercase[index] if index < len(ascii_lowercase) else str(index + 1)
        yield from _lines(each, f"{indent}{letter}) ", indent, language)


def _lines(condition: Condition, head: str, indent: str, language: Language) -> Iterator[str]:
    if isinstance(condition, Logical):
        yield head + pick(_HEADS[condition.combine.value], language)
        for part in condition.parts:
            yield from _lines(part, f"{indent}{_STEP}– ", indent + _STEP, language)
    else:
        yield head + constraint_text(condition, language)


def duty_lines(duty: Duty, language: Language, indent: str = _STEP) -> Iterator[str]:
    """A duty: what is done and how, when it is due, and what becomes due where it is not done in time."""
    how = [each for each in duty.constraints if isinstance(each, Constraint) and _is_manner(each)]
    gates = [each for each in duty.constraints if not (isinstance(each, Constraint) and _is_manner(each))]
    said = duty_text(duty, how, language)
    yield indent + said + (pick((", if", "，条件为："), language) if gates else "")
    yield from condition_lines(gates, language, indent + _STEP)
    if duty.consequences:
        yield indent + pick(("if that is not done in time, besides:", "逾期未履行的，另须："), language)
    for each in duty.consequences:
        yield from duty_lines(each, language, indent + _STEP)


def duty_text(duty: Duty, how: Sequence[Constraint], language: Language) -> str:
    """What a duty comes to, in one phrase."""
    first = next((each for each in how if (duty.action, each.operand.name) in PHRASES), None)
    if first is None:
        action = ACTIONS.get(duty.action)
        known = (action.en, action.zh) if action else (duty.action, duty.action)
        text = pick(DUTIES.get(duty.action, known), language)
    else:
        text = _filled(PHRASES[duty.action, first.operand.name], first, language)
    late = any(each.operand.name in _TERMS for each in how)
    for each in how:
        if each is not first and not (each.operand.name == "event" and late):
            text += pick((", ", "，"), language) + _filled(_manner(each), each, language)
    return text


_TERMS = frozenset({"delayPeriod", "deadline", "retention"})
_EVENTS = {"lt": ("before the use", "使用之前"), "gteq": ("with the use", "使用之时")}


def _is_manner(constraint: Constraint) -> bool:
    return constraint.operand.performance or constraint.operand.name == "event"


def _manner(constraint: Constraint) -> Pair:
    if constraint.operand.name == "event":
        return _EVENTS.get(constraint.operator.value, MANNERS["event"])
    return MANNERS.get(constraint.operand.name) or _pair(constraint) or ("{v}", "{v}")


def _filled(pair: Pair, constraint: Constraint, language: Language) -> str:
    value = values_text(constraint, language)
    return pick(pair, language).format(v=value, unit=unit_text(constraint.unit, language)).rstrip()
