"""What this participant says: every statement of this connector is drafted, dated and signed in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from hefu.canonical import Object
from hefu.envelope import Signer, Statement, draft
from hefu.statements import filing
from hefu.times import Clock
from hefu.tlog.checkpoint import Checkpoint
from hefu_policies.agreeing.agreement import Agreement
from hefu_policies.bargaining import charter


class Filing(Protocol):
    """The filing keys of a participant's agreements; see `hefu_connector.contracting.filer.Filer`."""

    def draw(self, agreement: str, parties: Iterable[str]) -> filing.Filing | None:
        """A filing key for an agreement that is drawn up."""
        ...

    def check(self, agreement: Agreement) -> None:
        """Check the filing of an agreement before it is signed; raises Untrusted."""
        ...

    def key(self, agreement: Agreement) -> bytes | None:
        """The filing key of an agreement; raises Untrusted."""
        ...


class Unfiled:
    """Nothing is filed: an agreement that says otherwise is not signed here."""

    def draw(self, agreement: str, parties: Iterable[str]) -> None:
        """None."""

    def check(self, agreement: Agreement) -> None:
        """As in `Filing`."""
        charter.check_filing(None, agreement)

    def key(self, agreement: Agreement) -> None:
        """None."""


_UNFILED = Unfiled()


def _nothing() -> Checkpoint | None:
    return None


@dataclass(frozen=True, slots=True)
class Author:
    """A participant behind its connector, with its signing key.

    Attributes:
        space: the one space its statements name.
        filer: the filing keys of its agreements; by default of a space that files nothing.
        seen: the newest checkpoint of the log that was verified here; every statement names it, and so the log tells
            of itself what it showed to whom.
    """

    participant: str
    connector: str
    space: str
    signer: Signer
    clock: Clock
    filer: Filing = _UNFILED
    seen: Callable[[], Checkpoint | None] = _nothing

    def say(self, type_: str, body: Object, *, user: str = "") -> Statement:
        """A signed statement, issued now.

        Args:
            user: the person or program of this participant who acts, where one does.
        """
        at = self.clock.now()
        actor: Object | None = {"kind": "person", "user": user} if user else None
        made = draft(type_, body, space=self.space, issuer=self.participant, at=at, actor=actor, seen=self.seen())
        return made.sign(self.signer, at)
