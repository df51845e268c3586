"""Why a decision came out as it did, line by line: stable codes, so that software may act on them.

The sentences for people stand in `hefu_policies.telling.explanation`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    """What is said about a rule, a constraint or a duty."""

    OTHER_TARGET = "target.other"
    OTHER_ASSIGNEE = "assignee.other"
    NO_PERMISSION = "action.not_permitted"
    HELD = "constraint.held"
    FAILED = "constraint.failed"
    UNKNOWN = "constraint.unknown"
    DEFERRED = "constraint.deferred"
    LOGIC_HELD = "logic.held"
    LOGIC_FAILED = "logic.failed"
    LOGIC_UNKNOWN = "logic.unknown"
    HOLDS = "permission.holds"
    LACKS = "permission.lacks"
    FIRES = "prohibition.fires"
    RESTS = "prohibition.rests"
    PENDING = "duty.pending"
    PERFORMED = "duty.performed"
    INACTIVE = "duty.inactive"
    LATER = "duty.later"
    ACTIVE = "duty.active"
    VIOLATED = "duty.violated"


class Reason(NamedTuple):
    """One line of the report.

    Attributes:
        rule: the id of the rule; empty where the whole contract is meant.
        part: the id of the rule's constraint, logical constraint or duty; empty where the rule itself is meant. Of
            an obligation, which stands in no rule, its id.
    """

    code: Code
    rule: str = ""
    part: str = ""
