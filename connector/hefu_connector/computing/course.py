"""How one computation was decided, phase by phase: for the coverage check before a release, and for the owner's record.

The record holds the last decision of each phase with all its facts, so that `hefu_policies.replay` can make each again.
It stays with the owner. The receipt commits to its digest; a random number in it keeps others from guessing its facts.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Refused
from hefu_policies import replay
from hefu_policies.decision import Decision
from hefu_policies.policy import leaves
from hefu_policies.reasons import Code
from hefu_policies.terms import Phase

from hefu_connector.computing.request import ComputationRequest

VERSION = 1


class Course:
    """The decisions on one computation. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[tuple[Phase, str], Decision] = {}
        self._looks: dict[Phase, int] = {}

    def note(self, decision: Decision) -> None:
        """Add a decision."""
        with self._lock:
            self._last[decision.phase, decision.contract.policy.id] = decision
            self._looks[decision.phase] = self._looks.get(decision.phase, 0) + 1

    def check_coverage(self, clause: str) -> None:
        """Check that every constraint on which the release hangs was decided in each of its phases.

        Args:
            clause: the permission that the release stands under.

        Raises:
            Refused: one was not.
        """
        decided = {(each.contract.policy.id, part, each.phase) for each in self.decisions for part in _decided(each)}
        lacking = []
        for each in self.decisions:
            if each.phase is Phase.RELEASE:
                lacking += [
                    part for part, phase in _due(each, clause) if (each.contract.policy.id, part, phase) not in decided
                ]
        if lacking:
            raise Refused("policy.undecided", clauses=", ".join(lacking)[:400])

    @property
    def decisions(self) -> list[Decision]:
        """The last decision of each phase on each policy, in the order in which they first came."""
        with self._lock:
            return [*self._last.values()]

    def parts(self, phase: Phase, code: Code) -> list[str]:
        """The parts of policies of which this was said in the last decisions of a phase, each once."""
        found = (reason for each in self.decisions if each.phase is phase for reason in each.reasons)
        return [*dict.fromkeys(each.part for each in found if each.code is code)]

    def document(self, request: ComputationRequest) -> bytes:
        """The owner's record, as canonical JSON; empty where nothing was decided."""
        found = self.decisions
        if not found:
            return b""
        with self._lock:
            looks: Object = {phase.value: number for phase, number in self._looks.items()}
        body: Object = {
            "version": VERSION,
            "computation": request.computation,
            "nonce": secrets.token_hex(16),
            "looks": looks,
            "decisions": [replay.record(each) for each in found],
        }
        return canonical.encode(body)


_RUNNING = frozenset({Phase.ADMISSION, Phase.MONITOR, Phase.RELEASE})
_DECIDED = frozenset({Code.HELD, Code.FAILED, Code.UNKNOWN})


def _decided(decision: Decision) -> Iterator[str]:
    return (each.part for each in decision.reasons if each.code in _DECIDED)


def _due(decision: Decision, clause: str) -> Iterator[tuple[str, Phase]]:
    """Every constraint on which a release hangs, with each phase of its operand while it runs."""
    rules = [each for each in decision.contract.permissions if each.rule.id == clause]
    for each in (*rules, *decision.contract.prohibitions):
        for leaf in leaves(each.rule) if decision.request.action in each.covers else ():
            yield from ((leaf.id, phase) for phase in leaf.operand.phases & _RUNNING)
