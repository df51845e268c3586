"""Where a duty stands: not set, active, fulfilled or violated, from what was performed and when.

Duties of permissions, obligations, remedies and consequences are all judged here, by the same rules:
1. A duty is not set until what triggers it has happened: the agreement or a use for an obligation, a use for a duty
   that is due afterwards, an infringement for a remedy, the passed deadline of the original for a consequence.
2. Nor is it while one of its gates is False; Unknown leaves it active.
3. It is fulfilled by a performance that is as the performance operands say and not after the deadline.
4. Once the deadline has passed without one, it is violated, and its consequences are active besides: it is fulfilled
   again, late, when the original and all consequences have been performed.

No I/O, no clock. Times count in whole UTC seconds.

Source: ODRL Information Model 2.2 section 2.6; the deadline and its consequences are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from hefu_policies.deciding.decision import Facts, truth
from hefu_policies.deciding.policy import CompiledDuty
from hefu_policies.deciding.reasons import Reason
from hefu_policies.deciding.rules import TIMED
from hefu_policies.words.terms import Operator


class State(StrEnum):
    """Where a duty stands."""

    NOT_SET = "not_set"
    ACTIVE = "active"
    FULFILLED = "fulfilled"
    VIOLATED = "violated"


@dataclass(frozen=True, slots=True)
class Performance:
    """Something that was done.

    Attributes:
        duty: the id of the duty it performs.
        how: facts of its performance operands: ``recipient``, ``payAmount@CNY``, ``logLevel``.
    """

    duty: str
    at: datetime
    how: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a duty stands now.

    Attributes:
        deadline: until when it must be performed; None where nothing says it.
        outstanding: the ids of what must still be performed: the duty, and consequences.
        late: it is fulfilled, but was violated before.
    """

    state: State
    deadline: datetime | None = None
    outstanding: tuple[str, ...] = ()
    late: bool = False


NOT_SET = Standing(State.NOT_SET)


def standing(
    duty: CompiledDuty,
    performed: Iterable[Performance],
    *,
    since: datetime | None,
    now: datetime,
    facts: Facts | None = None,
) -> Standing:
    """Judge a duty.

    Args:
        performed: whatever was performed; only performances of this duty and its consequences count.
        since: when its trigger happened; None where it has not.
        facts: that its gates are decided on: at release for what is due afterwards, now for obligations.
    """
    if since is None or now < since:
        return NOT_SET
    reasons: list[Reason] = []
    if any(truth(each, facts or {}, None, None, reasons) is False for each in duty.gates):
        return NOT_SET
    done = [each for each in performed if _whole(each.at) >= _whole(since) and each.at <= now]
    by = deadline(duty, since)
    if _is_done(duty, done, since, by):
        return Standing(State.FULFILLED, by)
    if by is None or _whole(now) <= by:
        return Standing(State.ACTIVE, by, (duty.duty.id,))
    left = [] if _is_done(duty, done, since, None) else [duty.duty.id]
    for each in duty.consequences:
        left += standing(each, done, since=by, now=now, facts=facts).outstanding
    return Standing(State.VIOLATED if left else State.FULFILLED, by, tuple(left), late=not left)


def deadline(duty: CompiledDuty, since: datetime) -> datetime | None:
    """Until when a duty must be performed that was triggered at a time; None where it says nothing of it."""
    found = []
    for each in duty.how:
        if each.constraint.operator is Operator.LTEQ and each.constraint.operand.name in TIMED:
            (value,) = each.constraint.values
            found.append(_whole(since) + value if isinstance(value, timedelta) else value)
    return min((each for each in found if isinstance(each, datetime)), default=None)


def _is_done(duty: CompiledDuty, done: list[Performance], since: datetime, by: datetime | None) -> bool:
    return any(_performs(each, duty, since, by) for each in done if each.duty == duty.duty.id)


def _performs(performance: Performance, duty: CompiledDuty, since: datetime, by: datetime | None) -> bool:
    at = _whole(performance.at)
    if by is not None and at > by:
        return False
    for each in duty.how:
        name, values = each.constraint.operand.name, each.constraint.values
        if name in TIMED:
            early = each.constraint.operator is Operator.GTEQ and isinstance(values[0], timedelta)
            if early and at < _whole(since) + values[0]:  # type: ignore[operator]
                return False
        elif not each.test(performance.how.get(each.constraint.fact)):
            return False
    return True


def _whole(time: datetime) -> datetime:
    return time.replace(microsecond=0)
