"""Duties as they are owed: which a policy demands, and when; until when; and whose word says that one was performed.

Whether a duty is due at all is decided with the rule it belongs to (`hefu_policies.deciding.decision`), and where it
stands by `hefu_policies.deciding.duties`. Pure: times are given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hefu_policies.deciding.duties import deadline
from hefu_policies.deciding.policy import Compiled, CompiledDuty
from hefu_policies.deciding.rules import Duty, leaves
from hefu_policies.words import terms
from hefu_policies.words.terms import Operator, Phase

_CONSENT = "odrl:obtainConsent"


class Word(StrEnum):
    """Whose signed word counts that a duty was performed."""

    PROVIDER = "provider"  # it approves, and confirms that it was paid
    CONSUMER = "consumer"  # who performs it says so: it informed, attested, named the source
    JOURNAL = "journal"  # the connectors see to it: what is logged, what is deleted


_WORDS = {
    terms.LOG: Word.JOURNAL,
    terms.NOTIFY_DENY: Word.JOURNAL,
    terms.DELETE: Word.JOURNAL,
    terms.OBTAIN_APPROVAL: Word.PROVIDER,
    _CONSENT: Word.PROVIDER,
    terms.COMPENSATE: Word.PROVIDER,
}


@dataclass(frozen=True, slots=True)
class Demand:
    """A duty of a policy, and when it is due.

    Attributes:
        clause: the permission it belongs to, or of a remedy the prohibition; empty for an obligation.
        compiled: the duty itself, with its gates and how it is performed.
        when: before a use (ADMISSION), at it (RELEASE), after it (POST).
        standing: it is owed from the agreement's beginning, whether or not anything is used.
        remedial: it is owed once the prohibition was infringed.
    """

    compiled: CompiledDuty
    clause: str
    when: Phase
    standing: bool = False
    remedial: bool = False

    @property
    def duty(self) -> Duty:
        """The duty as the policy has it."""
        return self.compiled.duty

    def every(self) -> tuple[CompiledDuty, ...]:
        """The duty and its consequences."""
        return (self.compiled, *self.compiled.consequences)


def demands(policy: Compiled) -> list[Demand]:
    """Every duty of permissions, every remedy, and every obligation; consequences stand with theirs."""
    found = [Demand(each, rule.rule.id, each.due) for rule in policy.permissions for each in rule.duties]
    for rule in policy.prohibitions:
        found += [Demand(each, rule.rule.id, each.due, remedial=True) for each in rule.duties]
    return [*found, *(Demand(each, "", _obliged(each), _stands(each)) for each in policy.obligations)]


def word_of(action: str) -> Word:
    """Whose word counts for a duty of this action."""
    return _WORDS.get(action, Word.CONSUMER)


def due_at(duty: CompiledDuty, since: datetime, end: datetime) -> datetime:
    """Until when a duty must be performed: as it says itself, and at the agreement's end where it says nothing.

    Args:
        since: when it was activated.
    """
    return deadline(duty, since) or end


def is_early(duty: CompiledDuty, since: datetime, at: datetime) -> bool:
    """Whether a performance comes before the time that the duty says must pass first."""
    waits = [
        value
        for each in duty.how
        for value in each.constraint.values
        if each.constraint.operand.name == "delayPeriod" and each.constraint.operator in (Operator.GT, Operator.GTEQ)
    ]
    return any(at < since + value for value in waits if isinstance(value, timedelta))


def named(duties: Iterable[Duty], name: str) -> list[Duty]:
    """The duties of this id, or else of this action."""
    every = list(duties)
    return [each for each in every if each.id == name] or [each for each in every if each.action == name]


def _obliged(each: CompiledDuty) -> Phase:
    return Phase.POST if _at_use(each) or each.duty.action == terms.DELETE else Phase.ADMISSION


def _stands(each: CompiledDuty) -> bool:
    return not _at_use(each) and word_of(each.duty.action) is not Word.JOURNAL


def _at_use(each: CompiledDuty) -> bool:
    return any(constraint.operand.name == "event" for constraint in leaves(each.duty))
