"""Why a decision came out as it did, in plain sentences for two audiences.

The policy's owner reads everything: what was known and what each clause demands. A requester reads what stands
against it, with its own values only (those of its request and plan), never what the connector knows besides; and the
duties that it must perform first, in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hefu.errors import Language, Refused

from hefu_policies.deciding.decision import Decision, Effect
from hefu_policies.deciding.reasons import Code, Reason
from hefu_policies.deciding.rules import Condition, Constraint, Duty, Logical, Policy
from hefu_policies.telling import phrases
from hefu_policies.telling.phrases import pick


class Audience(StrEnum):
    """Who reads the explanation."""

    OWNER = "owner"
    REQUESTER = "requester"


_HOLDS = ("{part}: {what}: holds{known}", "{part}：{what}：满足{known}")
_FAILS = ("{part}: {what}: does not hold{known}", "{part}：{what}：不满足{known}")
_SENTENCES: dict[Code, tuple[str, str]] = {
    Code.OTHER_TARGET: ("the contract is about another data product", "合约针对的是另一数据产品"),
    Code.OTHER_ASSIGNEE: ("the contract is with another participant", "合约的使用方是另一参与方"),
    Code.NO_PERMISSION: ("no permission is about {action}", "没有关于{action}的许可"),
    Code.HELD: _HOLDS,
    Code.FAILED: _FAILS,
    Code.UNKNOWN: (
        "{part}: {what}: cannot be decided, as the fact is not known{known}",
        "{part}：{what}：事实不明，无法裁决{known}",
    ),
    Code.DEFERRED: ("{part}: {what}: is decided later, by release", "{part}：{what}：稍后裁决，至迟于发布时"),
    Code.LOGIC_HELD: _HOLDS,
    Code.LOGIC_FAILED: _FAILS,
    Code.LOGIC_UNKNOWN: (
        "{part}: {what}: cannot be decided, as a fact is not known",
        "{part}：{what}：有事实不明，无法裁决",
    ),
    Code.HOLDS: ("permission {rule} holds", "许可 {rule} 成立"),
    Code.LACKS: ("permission {rule} does not hold", "许可 {rule} 不成立"),
    Code.FIRES: ("prohibition {rule} applies", "禁止 {rule} 适用"),
    Code.RESTS: ("prohibition {rule} does not apply", "禁止 {rule} 不适用"),
    Code.PENDING: ("{part}: the duty must be performed first: {what}", "{part}：须先履行义务：{what}"),
    Code.PERFORMED: ("{part}: the duty is performed: {what}", "{part}：义务已履行：{what}"),
    Code.INACTIVE: ("{part}: the duty does not apply here: {what}", "{part}：此处无须履行义务：{what}"),
    Code.LATER: ("{part}: the duty is due after the use: {what}", "{part}：义务于使用之后履行：{what}"),
    Code.ACTIVE: ("{part}: the duty is due from now on: {what}", "{part}：自此须履行义务：{what}"),
    Code.VIOLATED: (
        "{part}: the duty was not performed in time; until it is, nothing new is permitted: {what}",
        "{part}：义务逾期未履行，履行之前不再允许新的使用：{what}",
    ),
}

_NAYS = {Code.FAILED, Code.UNKNOWN, Code.LOGIC_FAILED, Code.LOGIC_UNKNOWN}
_YEAS = {Code.HELD, Code.UNKNOWN, Code.LOGIC_HELD, Code.LOGIC_UNKNOWN}
_AGAINST = {Code.OTHER_TARGET, Code.OTHER_ASSIGNEE, Code.NO_PERMISSION}


def explain(decision: Decision, audience: Audience = Audience.REQUESTER, language: Language = "en") -> tuple[str, ...]:
    """The report: all of it for the owner, what speaks against it for a requester."""
    index = _Index.of(decision)
    return tuple(
        _sentence(reason, decision, index, audience, language)
        for reason in decision.reasons
        if audience is Audience.OWNER or _concerns(reason, decision, index)
    )


def check_permitted(decision: Decision) -> None:
    """Go on only if the decision permits; its duties are the caller's to perform.

    Raises:
        Refused: with the requester's reasons; the owner's are the private detail.
    """
    if not decision.permits:
        detail = "; ".join(explain(decision, Audience.OWNER))
        raise Refused("policy.refused", reasons=explain(decision), detail=detail)


@dataclass(frozen=True, slots=True)
class _Index:
    """A decision's policy by id: conditions, in which logical constraint each stands, duties; and what was found."""

    conditions: Mapping[str, Condition]
    within: Mapping[str, str]
    duties: Mapping[str, Duty]
    codes: Mapping[str, Code]
    firing: frozenset[str]
    permissions: frozenset[str]

    @classmethod
    def of(cls, decision: Decision) -> _Index:
        policy = decision.contract.policy
        conditions: dict[str, Condition] = {}
        within: dict[str, str] = {}
        duties = {each.id: each for each in policy.duties()}
        for top in _tops(policy):
            _enter(top, "", conditions, within)
        return cls(
            conditions,
            within,
            duties,
            {each.part: each.code for each in decision.reasons if each.part},
            frozenset(each.rule for each in decision.reasons if each.code is Code.FIRES),
            frozenset(each.id for each in policy.permissions),
        )

    def decisive(self, part: str, codes: set[Code]) -> bool:
        """Whether a condition and all the logic that it stands in came out in one of these ways."""
        while part:
            if self.codes.get(part) not in codes:
                return False
            part = self.within.get(part, "")
        return True


def _tops(policy: Policy) -> list[Condition]:
    rules = [each for rule in policy.rules for each in rule.constraints]
    return rules + [each for duty in policy.duties() for each in duty.constraints]


def _enter(condition: Condition, parent: str, conditions: dict[str, Condition], within: dict[str, str]) -> None:
    conditions[condition.id] = condition
    within[condition.id] = parent
    for each in condition.parts if isinstance(condition, Logical) else ():
        _enter(each, condition.id, conditions, within)


def _concerns(reason: Reason, decision: Decision, index: _Index) -> bool:
    if reason.code is Code.VIOLATED or reason.code in _AGAINST:
        return True
    if reason.code is Code.PENDING:
        return decision.effect is Effect.PERMIT_AFTER_DUTIES
    if reason.part and reason.part not in index.conditions:
        return False
    if decision.permits:
        return reason.code is Code.HOLDS and reason.rule == decision.clause
    if decision.effect is Effect.DENY:  # whatever permissions say, the prohibition decided
        return reason.rule in index.firing and (
            reason.code is Code.FIRES or (reason.code in _YEAS and index.decisive(reason.part, _YEAS))
        )
    against = reason.code in _NAYS and reason.rule in index.permissions
    return against and index.decisive(reason.part, _NAYS)


def _sentence(reason: Reason, decision: Decision, index: _Index, audience: Audience, language: Language) -> str:
    condition, duty = index.conditions.get(reason.part), index.duties.get(reason.part)
    what = phrases.duty(duty, language) if duty else ""
    known = ""
    if condition is not None:
        full = audience is Audience.OWNER
        what = phrases.demand(condition, language) if full else phrases.label(condition, language)
        known = _known(condition, decision, full, language)
    return pick(_SENTENCES[reason.code], language).format(
        part=reason.part,
        rule=reason.rule,
        what=what or "?",
        known=known,
        action=phrases.action(decision.request.action, language),
    )


def _known(condition: Condition, decision: Decision, full: bool, language: Language) -> str:
    if not isinstance(condition, Constraint) or not (full or condition.operand.is_own):
        return ""
    value = decision.facts.get(condition.fact)
    if value is None:
        return ""
    told = phrases.text(value, condition.operand.kind, language)
    return f" (it is {told})" if language == "en" else f"（实为 {told}）"
