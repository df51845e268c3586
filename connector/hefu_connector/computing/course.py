"""How one computation was decided, phase by phase: for the coverage check before a release, and for the owner's record.

The record holds the last decision of each phase with all its facts, so that `hefu_policies.proving.replay` can make
each again. It stays with the owner. The receipt commits to its digest; a random number in it keeps others from guessing
its facts.
"""

from __future__ import annotations

import secrets
import threading

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Refused
from hefu_policies.deciding import coverage
from hefu_policies.deciding.decision import Decision
from hefu_policies.deciding.reasons import Code
from hefu_policies.proving import replay
from hefu_policies.words.terms import Phase

from hefu_connector.computing.request import ComputationRequest

VERSION = 1


class Course:
    """The decisions on one computation under one agreement. Safe to use from many threads.

    Args:
        agreement: the id, for one behind the first.

    Attributes:
        joined: the courses under the agreements behind the first, where products are joined.
    """

    def __init__(self, agreement: str = "") -> None:
        self.joined: list[Course] = []
        self._agreement = agreement
        self._lock = threading.Lock()
        self._last: dict[tuple[Phase, str], Decision] = {}
        self._looks: dict[Phase, int] = {}

    def join(self, agreement: str) -> Course:
        """The course under another agreement, which the owner's record holds too."""
        made = Course(agreement)
        self.joined.append(made)
        return made

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
        released = [each for each in self.decisions if each.phase is Phase.RELEASE]
        used = [each.contract.policy.id for each in released if clause in _permissions(each)]
        lacking = [] if used else [clause]
        for each in released:
            policy = each.contract.policy.id
            found = coverage.covered(one for one in self.decisions if one.contract.policy.id == policy)
            under = clause if policy in used else ""
            lacking += [part for part, _ in coverage.missing(each.contract, under, found, each.request.action)]
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
        joined = [each._told() for each in self.joined if each.decisions]
        return canonical.encode(body | {"joined": [*joined]} if joined else body)

    def _told(self) -> Object:
        return {"agreement": self._agreement, "decisions": [replay.record(each) for each in self.decisions]}


def _permissions(decision: Decision) -> set[str]:
    return {each.rule.id for each in decision.contract.permissions}
