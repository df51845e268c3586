"""What this participant says: every statement of this connector is drafted, dated and signed in one place."""

from __future__ import annotations

from dataclasses import dataclass

from hefu.canonical import Object
from hefu.envelope import Signer, Statement, draft
from hefu.times import Clock


@dataclass(frozen=True, slots=True)
class Author:
    """A participant behind its connector, with its signing key.

    Attributes:
        space: the one space its statements name.
    """

    participant: str
    connector: str
    space: str
    signer: Signer
    clock: Clock

    def say(self, type_: str, body: Object, *, user: str = "") -> Statement:
        """A signed statement, issued now.

        Args:
            user: the person or program of this participant who acts, where one does.
        """
        at = self.clock.now()
        actor: Object | None = {"kind": "person", "user": user} if user else None
        made = draft(type_, body, space=self.space, issuer=self.participant, at=at, actor=actor)
        return made.sign(self.signer, at)
