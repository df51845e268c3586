"""Any policy in plain words, in English and Chinese: what it permits, forbids and demands, and what it does not allow.

`explain` gives numbered sections for a person who signs; it reads the typed policy only, so a policy written by hand
is told as well as one from a template. Why one decision came out as it did is told by
`hefu_policies.telling.explanation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hefu.errors import Language
from hefu.times import write_time

from hefu_policies.deciding.policy import Constraint, Duty, Policy, Rule, leaves
from hefu_policies.telling.wording.conditions import condition_lines, constraint_text, duty_lines
from hefu_policies.telling.wording.guarantees import USES, guarantees, warnings
from hefu_policies.telling.wording.sentences import TIMES
from hefu_policies.telling.wording.values import pick
from hefu_policies.words import terms
from hefu_policies.words.terms import ACTIONS

__all__ = ["Section", "clauses", "constraint_text", "explain", "guarantees", "text", "warnings"]

# What people ask first whether it is allowed.
_TELLING = (
    terms.DP_QUERY, "hefu:aggregateQuery", "hefu:heInference", "hefu:federatedTrain", "hefu:psi", "hefu:teeExecute",
    terms.DELIVER, terms.DOWNLOAD, "odrl:distribute",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """A numbered part of an explanation; deeper lines begin with spaces."""

    title: str
    lines: tuple[str, ...]


def explain(policy: Policy, language: Language = "en") -> tuple[Section, ...]:
    """A policy in words."""
    said = (
        (("About", "概述"), _head(policy, language)),
        (("What is permitted", "许可"), _rules(policy.permissions, language, "permission")),
        (("What is prohibited, whatever is permitted above", "禁止（优先于上述许可）"),
         _rules(policy.prohibitions, language, "prohibition")),
        (("What must be done besides", "义务"), _obligations(policy.obligations, language)),
        (("What this does not allow", "未予许可"), _not_allowed(policy, language)),
        (("How private the answers are", "隐私保障"), guarantees(policy, language)),
    )  # fmt: skip
    found = ((title, tuple(lines)) for title, lines in said)
    return tuple(Section(pick(title, language), lines) for title, lines in found if lines)


def clauses(policy: Policy, language: Language = "en") -> tuple[str, ...]:
    """What a policy permits, prohibits and demands, line by line, without headings."""
    return (
        *_rules(policy.permissions, language, "permission"),
        *_rules(policy.prohibitions, language, "prohibition"),
        *_obligations(policy.obligations, language),
    )


def text(policy: Policy, language: Language = "en") -> str:
    """The same as one text, the sections numbered."""
    parts = []
    for index, each in enumerate(explain(policy, language)):
        head = each.title if index == 0 else f"{index}. {each.title}"
        parts.append("\n".join((head, *(f"   {line}" for line in each.lines))))
    return "\n\n".join(parts)


def _head(policy: Policy, language: Language) -> Iterator[str]:
    if policy.kind != "Agreement":
        yield pick((
            "An offer: it binds nobody until both parties have signed an agreement made of it.",
            "要约：双方据此签署合约之前，对任何一方均无约束力。",
        ), language)  # fmt: skip
        return
    yield pick((
        f"An agreement of {policy.assigner} (provider) with {policy.assignee} (consumer) on {policy.target}.",
        f"合约：提供方 {policy.assigner} 与使用方 {policy.assignee}，标的 {policy.target}。",
    ), language)  # fmt: skip
    if policy.timestamp is not None:
        at = write_time(policy.timestamp)
        yield pick((f"In force from {at}, once the log holds it.", f"自 {at} 起，经日志收录后生效。"), language)


def _rules(rules: Sequence[Rule], language: Language, use: str) -> Iterator[str]:
    for rule in rules:
        yield from _opening(rule, use, language)
        if rule.duties:
            yield pick(("   and with these duties:", "   并须履行以下义务："), language)
        for duty in rule.duties:
            yield from _timed(duty, language)
        for remedy in rule.remedies:
            yield pick(("   whoever does it all the same must", "   违反者须："), language)
            yield from duty_lines(remedy, language, "      ")


def _opening(rule: Rule, use: str, language: Language) -> Iterator[str]:
    """What the rule is about, and its conditions; a single condition of a prohibition stands in the same line."""
    found = ACTIONS.get(rule.action)
    label = pick((found.en, found.zh), language) if found else rule.action
    at, single = f"  [{rule.id}]", rule.constraints[0] if len(rule.constraints) == 1 else None
    if not rule.constraints:
        yield "• " + pick(_ALWAYS[use], language).format(label=label) + at
    elif use == "prohibition" and isinstance(single, Constraint):
        yield "• " + pick(_WHERE, language).format(label=label, what=constraint_text(single, language)) + at
    else:
        yield "• " + pick(_IF[use], language).format(label=label) + at
        yield from condition_lines(rule.constraints, language)


_ALWAYS = {
    "permission": ("The consumer may {label}, without any condition.", "使用方可以：{label}；不附条件。"),
    "prohibition": ("Nobody may {label}, in any case.", "任何情形下禁止：{label}。"),
}
_WHERE = (
    "Nobody may {label} if {what}, or if that cannot be ruled out.",
    "禁止：{label}，如{what}，或无法排除该情形。",
)
_IF = {
    "permission": ("The consumer may {label} if", "使用方可以：{label}；条件为"),
    "prohibition": (
        "Nobody may {label} where all of these hold, or cannot be ruled out:",
        "以下各项均成立或无法排除时，禁止：{label}：",
    ),
}


def _timed(duty: Duty, language: Language) -> Iterator[str]:
    """A duty of a permission with the moment at which it is due."""
    action = ACTIONS.get(duty.action)
    said = next((each.operator.value for each in leaves(duty) if each.operand.name == "event"), "")
    due = _DUE.get(said) or (action.due.value if action else "admission")
    first, *rest = duty_lines(duty, language, "")
    yield f"      – {pick(TIMES[due], language)}{pick((': ', '：'), language)}{first}"
    yield from (f"        {line}" for line in rest)


_DUE = {"lt": "admission", "gteq": "release", "gt": "post"}


def _obligations(duties: Sequence[Duty], language: Language) -> Iterator[str]:
    for duty in duties:
        lines = list(duty_lines(duty, language, ""))
        yield pick((f"• The consumer must {lines[0]}  [{duty.id}]", f"• 使用方须{lines[0]}  [{duty.id}]"), language)
        yield from (f"   {line}" for line in lines[1:])


def _not_allowed(policy: Policy, language: Language) -> Iterator[str]:
    covered = frozenset().union(*(terms.narrower(rule.action) for rule in policy.permissions))
    left = [ACTIONS[each] for each in _TELLING if each in ACTIONS and each not in covered]
    names = pick((", ", "、"), language).join(pick((each.en, each.zh), language) for each in left)
    yield pick((
        "Whatever is not named above is refused, and so is whatever cannot be decided because a fact is not known.",
        "凡上文未列明者一律拒绝；因事实不明而无法裁决者亦予拒绝。",
    ), language)  # fmt: skip
    if names:
        yield pick((f"In particular it is not allowed to: {names}.", f"尤其不得：{names}。"), language)
    yield from _unlimited(policy, language)


_OPEN = (
    ({"purpose"}, "No purpose is named: it may be used for any.", "未限定用途：可用于任何目的。"),
    ({"dateTime", "elapsedTime"}, "No end is named: it lasts as long as the agreement.",
    "未限定截止时间：与合约同期。"),
    ({"count", "frequency", "epsilonBudget", "rhoBudget"},
     "The number of uses is limited by the agreement's budget only.", "次数仅受合约额度限制。"),
)  # fmt: skip


def _unlimited(policy: Policy, language: Language) -> Iterator[str]:
    """What some permission does not limit: a reader must not take silence for a limit."""
    asked = [rule for rule in policy.permissions if rule.action not in USES]
    for names, en, zh in _OPEN:
        if any(not names & {each.operand.name for each in leaves(rule)} for rule in asked):
            yield pick((en, zh), language)
