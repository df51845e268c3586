"""What a running computation was decided on: nothing is released before every constraint was, in each of its phases.

A phase that was skipped, a prohibition that was never asked, an operand whose monitor never ran: each is found here,
however well the rest of the connector works.
"""

from __future__ import annotations

from collections.abc import Iterable

from hefu_policies.deciding.decision import Decision
from hefu_policies.deciding.policy import Compiled, Rule, leaves
from hefu_policies.deciding.reasons import Code
from hefu_policies.words.terms import Phase

Covered = frozenset[tuple[str, Phase]]  # the id of a constraint, and a phase in which it was decided

_DECIDED = frozenset({Code.HELD, Code.FAILED, Code.UNKNOWN})
_RUNNING = (Phase.ADMISSION, Phase.MONITOR, Phase.RELEASE)


def covered(decisions: Iterable[Decision]) -> Covered:
    """What decisions of one contract decided; a constraint that waits for a later phase is not decided."""
    return frozenset(
        (each.part, decision.phase) for decision in decisions for each in decision.reasons if each.code in _DECIDED
    )


def missing(contract: Compiled, clause: str, found: Covered, action: str = "") -> tuple[tuple[str, Phase], ...]:
    """What was never decided of the permission that is used and of the prohibitions that could have stopped it.

    Args:
        clause: the id of the permission; empty where it stands in another policy, so that only prohibitions count.
        found: all that was decided from the admission on, the release included.
        action: that was asked, where it is narrower than the permission's.

    Returns:
        Constraints and phases; empty where nothing stands against a release. A clause that is no permission of the
        contract is missing itself.
    """
    used = [each.rule for each in contract.permissions if clause and each.rule.id == clause]
    if clause and not used:
        return ((clause, Phase.RELEASE),)
    action = action or next((each.action for each in used), "")
    against = [each.rule for each in contract.prohibitions if not action or action in each.covers]
    return tuple(each for rule in (*used, *against) for each in _needed(rule) if each not in found)


def _needed(rule: Rule) -> list[tuple[str, Phase]]:
    return [(each.id, phase) for each in leaves(rule) for phase in _RUNNING if phase in each.operand.phases]
