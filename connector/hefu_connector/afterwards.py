"""What a connector keeps about agreements after they were made: the parties' notices, and the duties that are owed.

Contract of every method: as in `hefu_connector.shelves`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from hefu.envelope import Statement


class Notices(Protocol):
    """Verified notices of either party, but for suspensions and resumptions: these stand with their contract."""

    def keep(self, agreement: str, statement: Statement) -> bool:
        """Keep a notice; whether it was new."""
        ...

    def of(self, agreement: str = "", type_: str = "") -> Sequence[Statement]:
        """Notices in the order in which they came: of an agreement, of a type, or all."""
        ...


class DutyState(StrEnum):
    """Where a duty stands that was activated."""

    PENDING = "pending"  # what activates it has begun: a release that is not journalled yet
    ACTIVE = "active"
    FULFILLED = "fulfilled"
    VIOLATED = "violated"
    VOID = "void"  # nothing was released, so nothing is owed


@dataclass(frozen=True, slots=True)
class Owed:
    """A duty that somebody owes, or performed.

    Attributes:
        duty: its id in the agreement's policy.
        subject: what it is owed for: a computation's id, the digest of a plan; empty for the agreement as a whole.
        follows: of a consequence, the id of the duty whose violation it follows; else empty.
        due: until when it must be performed; None where nothing says so.
        proof: the signed `agreement.fulfilled`, or what else proves it; None until then.
        alarm: digest of the `agreement.deviated` that told of its violation; empty before.
        used: the computation that this performance served; each serves one. Empty where none did yet.
        computation: that asked for it first, where it is owed before a use.
        revision: grows with every change; 0 of what is not kept yet.
    """

    agreement: str
    duty: str
    subject: str
    action: str
    state: DutyState
    since: datetime
    due: datetime | None = None
    follows: str = ""
    proof: bytes | None = None
    alarm: str = ""
    used: str = ""
    computation: str = ""
    revision: int = 0


class Duties(Protocol):
    """Duties that were activated or performed, one for each duty of a policy and subject."""

    def find(self, agreement: str, duty: str, subject: str) -> Owed | None:
        """One of them, or None."""
        ...

    def of(self, agreement: str) -> Sequence[Owed]:
        """All of an agreement, in the order in which they were first kept."""
        ...

    def bearing(self, agreement: str, subject: str) -> Sequence[Owed]:
        """Those of an agreement that bear on what is asked now: all that are open, and what was performed for this
        subject or for the agreement as a whole."""
        ...

    def open(self) -> Sequence[Owed]:
        """All that are neither fulfilled nor void, of every agreement of this space."""
        ...

    def keep(self, owed: Owed) -> Owed:
        """Keep one as it is now.

        Args:
            owed: with the revision that the change was decided on.

        Returns:
            The same with its new revision.

        Raises:
            Conflict: it changed meanwhile; decide again.
        """
        ...
