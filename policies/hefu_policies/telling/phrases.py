"""Facts, constraints and duties in plain words, for explanations in English and Chinese."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal

from hefu.errors import Language
from hefu.times import write_time

from hefu_policies.deciding.comparisons import is_names
from hefu_policies.deciding.rules import Condition, Constraint, Duty, Logical
from hefu_policies.reading import write_decimal
from hefu_policies.words import purposes
from hefu_policies.words.terms import ACTIONS, Combine, Kind, Operator

_OPERATORS: dict[Operator, tuple[str, str]] = {
    Operator.EQ: ("must be", "须为"),
    Operator.NEQ: ("must not be", "不得为"),
    Operator.LT: ("must be below", "须小于"),
    Operator.LTEQ: ("must be at most", "须不超过"),
    Operator.GT: ("must be above", "须大于"),
    Operator.GTEQ: ("must be at least", "须不低于"),
    Operator.IS_A: ("must be a kind of", "须属于"),
    Operator.IS_ANY_OF: ("must be one of", "须为其一："),
    Operator.IS_NONE_OF: ("must be none of", "不得为："),
    Operator.IS_ALL_OF: ("must include all of", "须包含全部："),
    Operator.HAS_PART: ("must include", "须包含："),
    Operator.IS_PART_OF: ("must lie within", "须在以下范围内："),
}
_LOGIC: dict[Combine, tuple[str, str]] = {
    Combine.AND: ("all of {count} conditions", "{count} 项条件全部"),
    Combine.OR: ("any of {count} conditions", "{count} 项条件任一"),
    Combine.XONE: ("exactly one of {count} conditions", "{count} 项条件恰有一项"),
    Combine.AND_SEQUENCE: ("{count} conditions in this order", "{count} 项条件依次"),
}


def label(condition: Condition, language: Language) -> str:
    """What a condition is about, without its values."""
    if isinstance(condition, Logical):
        return pick(_LOGIC[condition.combine], language).format(count=len(condition.parts))
    return pick((condition.operand.en, condition.operand.zh), language)


def demand(condition: Condition, language: Language) -> str:
    """What a condition demands."""
    if isinstance(condition, Logical):
        return label(condition, language)
    values = ", ".join(text(each, condition.operand.kind, language) for each in condition.values)
    gap = " " if language == "en" else ""
    unit = f" {condition.unit.rpartition(':')[2]}" if condition.unit else ""
    if unit and condition.operand.name == "frequency":
        unit = f" /{unit}"
    return f"{label(condition, language)}{gap}{pick(_OPERATORS[condition.operator], language)} {values}{unit}"


def duty(what: Duty, language: Language) -> str:
    """What a duty demands, with how it is performed."""
    how = [each for each in what.constraints if isinstance(each, Constraint) and each.operand.performance]
    told = "; " if language == "en" else "；"
    return told.join([action(what.action, language), *(demand(each, language) for each in how)])


def action(term: str, language: Language) -> str:
    """An action by its label."""
    found = ACTIONS.get(term)
    return pick((found.en, found.zh), language) if found else "?"


def text(value: object, kind: Kind, language: Language) -> str:
    """A value; never more of it than fits a sentence."""
    if isinstance(value, str):
        return purposes.label(value[:100], language) if kind is Kind.PURPOSE else value[:100]
    if isinstance(value, bool):
        return pick(("yes", "是") if value else ("no", "否"), language)
    if isinstance(value, datetime):
        return write_time(value)
    if isinstance(value, timedelta):
        return _length(value, language)
    if isinstance(value, Decimal):
        return write_decimal(value) if value.is_finite() else "?"
    if is_names(value):
        return _names(value)
    return str(value) if isinstance(value, int) else "?"


def pick(pair: tuple[str, str], language: Language) -> str:
    """The sentence of a language."""
    return pair[1] if language == "zh" else pair[0]


def _length(length: timedelta, language: Language) -> str:
    seconds = int(length.total_seconds())
    parts = (
        (seconds // 86400, ("d", "天")),
        (seconds // 3600 % 24, ("h", "小时")),
        (seconds // 60 % 60, ("min", "分")),
        (seconds % 60, ("s", "秒")),
    )
    told = [f"{number} {pick(unit, language)}" for number, unit in parts if number]
    return " ".join(told) or f"0 {pick(('s', '秒'), language)}"


def _names(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:20]) or "–"
