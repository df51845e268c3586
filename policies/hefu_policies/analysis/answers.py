"""What the analysis answers with: a verdict, and an example or the clauses that it follows from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hefu_policies.deciding.policy import Policy


class Verdict(StrEnum):
    """Yes, no, or nobody knows."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Example:
    """A request, described: the action, and one value for every fact that matters."""

    action: str
    facts: dict[str, object]


@dataclass(frozen=True, slots=True, order=True)
class Clause:
    """A part of one of several policies.

    Attributes:
        policy: which one, counted from 0.
        part: a condition of the rule; empty where the rule itself is meant.
    """

    policy: int
    rule: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found out.

    Attributes:
        example: of what is permitted (satisfiable, joint), or that is permitted here and refused there (inside).
        clauses: of which none can be left out: together they make the answer "no".
        hidden: whether clauses that may not be shown are among the causes.
    """

    verdict: Verdict
    example: Example | None = None
    clauses: tuple[Clause, ...] = ()
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a policy lets one fact go; None is: without end.

    Attributes:
        attained: whether the ends themselves are permitted.
    """

    low: Any
    high: Any
    attained: tuple[bool, bool] = (True, True)


UNKNOWN = Answer(Verdict.UNKNOWN)


def refusal(policies: Sequence[Policy], clauses: Collection[Clause], public: Collection[Clause] | None) -> Answer:
    """The answer "no" with its causes, as far as they may be named; without any, the rules have no action in common."""
    named = clauses or [Clause(index, rule.id) for index, each in enumerate(policies) for rule in each.permissions]
    shown = tuple(sorted(each for each in named if public is None or each in public))
    return Answer(Verdict.NO, None, shown, len(shown) < len(named))
