"""Why a decision came out as it did, in plain sentences for two audiences.

The policy's owner reads everything: what was known and what the clause demands. A requester reads the clause and its
own values only (those of its request and plan), never what the connector knows besides.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from hefu.errors import Language, Refused
from hefu.times import write_time

from hefu_policies import purposes
from hefu_policies.comparisons import is_names
from hefu_policies.decision import Decision, Effect
from hefu_policies.reading import write_decimal
from hefu_policies.reasons import Code, Reason
from hefu_policies.rules import Constraint, leaves
from hefu_policies.terms import ACTIONS, Kind, Operator


class Audience(StrEnum):
    """Who reads the explanation."""

    OWNER = "owner"
    REQUESTER = "requester"


_OPERATORS: dict[Operator, tuple[str, str]] = {
    Operator.EQ: ("must be", "须为"),
    Operator.LT: ("must be below", "须小于"),
    Operator.LTEQ: ("must be at most", "须不超过"),
    Operator.GT: ("must be above", "须大于"),
    Operator.NEQ: ("must not be", "不得为"),
    Operator.GTEQ: ("must be at least", "须不低于"),
    Operator.IS_A: ("must be a kind of", "须属于"),
    Operator.IS_ANY_OF: ("must be one of", "须为其一："),
    Operator.IS_NONE_OF: ("must be none of", "不得为："),
    Operator.IS_ALL_OF: ("must include all of", "须包含全部："),
    Operator.HAS_PART: ("must include", "须包含："),
    Operator.IS_PART_OF: ("must lie within", "须在以下范围内："),
}

_SENTENCES: dict[Code, tuple[str, str]] = {
    Code.OTHER_TARGET: ("the contract is about another data product", "合约针对的是另一数据产品"),
    Code.OTHER_ASSIGNEE: ("the contract is with another participant", "合约的使用方是另一参与方"),
    Code.NO_PERMISSION: ("no permission is about {action}", "没有关于{action}的许可"),
    Code.HELD: ("{part}: {what}: holds{known}", "{part}：{what}：满足{known}"),
    Code.FAILED: ("{part}: {what}: does not hold{known}", "{part}：{what}：不满足{known}"),
    Code.UNKNOWN: (
        "{part}: {what}: cannot be decided, as the fact is not known{known}",
        "{part}：{what}：事实不明，无法裁决{known}",
    ),
    Code.DEFERRED: ("{part}: {what}: is decided at release", "{part}：{what}：发布时裁决"),
    Code.HOLDS: ("permission {rule} holds", "许可 {rule} 成立"),
    Code.LACKS: ("permission {rule} does not hold", "许可 {rule} 不成立"),
    Code.FIRES: ("prohibition {rule} applies", "禁止 {rule} 适用"),
    Code.RESTS: ("prohibition {rule} does not apply", "禁止 {rule} 不适用"),
    Code.PENDING: ("{part}: the duty must be performed before the release leaves", "{part}：发布前须履行义务"),
    Code.PERFORMED: ("{part}: the duty is performed", "{part}：义务已履行"),
}

_AGAINST = {Code.OTHER_TARGET, Code.OTHER_ASSIGNEE, Code.NO_PERMISSION, Code.FIRES, Code.FAILED, Code.UNKNOWN}


def explain(decision: Decision, audience: Audience = Audience.REQUESTER, language: Language = "en") -> tuple[str, ...]:
    """The report: all of it for the owner, what speaks against it for a requester."""
    constraints, firing = _index(decision)
    lines = []
    for reason in decision.reasons:
        if audience is Audience.OWNER or _concerns(reason, decision, firing):
            lines.append(_sentence(reason, decision, constraints, audience, language))
    return tuple(lines)


def check_permitted(decision: Decision) -> None:
    """Go on only if the decision permits; its duties are the caller's to perform.

    Raises:
        Refused: with the requester's reasons; the owner's are the private detail.
    """
    if not decision.permits:
        detail = "; ".join(explain(decision, Audience.OWNER))
        raise Refused("policy.refused", reasons=explain(decision), detail=detail)


def _index(decision: Decision) -> tuple[dict[str, Constraint], set[str]]:
    policy = decision.contract.policy
    rules = (*policy.permissions, *policy.prohibitions)
    constraints = {constraint.id: constraint for rule in rules for constraint in leaves(rule)}
    return constraints, {each.rule for each in decision.reasons if each.code is Code.FIRES}


def _concerns(reason: Reason, decision: Decision, firing: set[str]) -> bool:
    if decision.effect is Effect.DENY:  # whatever permissions say, the prohibition decided
        return reason.rule in firing and reason.code in (Code.FIRES, Code.UNKNOWN, Code.HELD)
    prohibitions = {each.id for each in decision.contract.policy.prohibitions}
    return reason.code in _AGAINST and reason.rule not in prohibitions


def _sentence(
    reason: Reason, decision: Decision, constraints: dict[str, Constraint], audience: Audience, language: Language
) -> str:
    constraint = constraints.get(reason.part)
    what = known = ""
    if constraint is not None:
        full = audience is Audience.OWNER
        what = _demand(constraint, language) if full else _label(constraint, language)
        if full or constraint.operand.is_own:
            known = _known(decision.facts.get(constraint.operand.name), constraint.operand.kind, language)
    action = ACTIONS.get(decision.request.action)
    return _pick(_SENTENCES[reason.code], language).format(
        part=reason.part,
        rule=reason.rule,
        what=what,
        known=known,
        action=_pick((action.en, action.zh), language) if action else "?",
    )


def _label(constraint: Constraint, language: Language) -> str:
    return _pick((constraint.operand.en, constraint.operand.zh), language)


def _demand(constraint: Constraint, language: Language) -> str:
    values = ", ".join(_text(each, constraint.operand.kind, language) for each in constraint.values)
    gap = " " if language == "en" else ""
    return f"{_label(constraint, language)}{gap}{_pick(_OPERATORS[constraint.operator], language)} {values}"


def _known(value: object, kind: Kind, language: Language) -> str:
    if value is None:
        return ""
    text = _text(value, kind, language)
    return f" (it is {text})" if language == "en" else f"（实为 {text}）"


def _text(value: object, kind: Kind, language: Language) -> str:
    if isinstance(value, str):
        return purposes.label(value[:100], language) if kind is Kind.PURPOSE else value[:100]
    if isinstance(value, datetime):
        return write_time(value)
    if isinstance(value, Decimal):
        return write_decimal(value) if value.is_finite() else "?"
    if is_names(value):
        return _names(value)
    return str(value) if isinstance(value, int) else "?"


def _names(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:20]) or "–"


def _pick(pair: tuple[str, str], language: Language) -> str:
    return pair[1] if language == "zh" else pair[0]
