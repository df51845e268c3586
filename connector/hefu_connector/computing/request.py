"""The body of `computation.requested`: what a consumer asks, as both sides read it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hefu.canonical import Object
from hefu.envelope import Statement
from hefu_policies.reading import Place, wrong

REQUESTED = "computation.requested"
MOST_AGREEMENTS = 16
_ID = re.compile(r"cmp-[a-z2-7]{26}\Z")
_NONCE = re.compile(r"[A-Za-z0-9_-]{22,64}\Z")


@dataclass(frozen=True, slots=True)
class ComputationRequest:
    """What is asked.

    Attributes:
        computation: the id the consumer drew; it is the idempotency key.
        agreements: under which contracts; one for each provider asked.
        plan: the typed plan as canonical JSON; the engine validates it.
        purpose: a concept such as ``dpv:AcademicResearch``; declared, not provable.
        recipient: the participant for whom the release is sealed.
        nonce: 128 random bits or more, so that nobody can guess a request's digest.
    """

    computation: str
    agreements: tuple[str, ...]
    plan: Object
    purpose: str
    recipient: str
    nonce: str

    def __post_init__(self) -> None:
        if not _ID.match(self.computation):
            wrong("computation", "an id of the form cmp- and 26 letters and digits")
        if not _NONCE.match(self.nonce):
            wrong("nonce", "at least 128 random bits as base64url")
        if not 0 < len(set(self.agreements)) == len(self.agreements) <= MOST_AGREEMENTS:
            wrong("agreements", f"1 to {MOST_AGREEMENTS} different agreements")

    def body(self) -> Object:
        """The body of the statement."""
        return {
            "computation": self.computation,
            "agreements": [*self.agreements],
            "plan": self.plan,
            "purpose": self.purpose,
            "recipient": self.recipient,
            "nonce": self.nonce,
        }

    @classmethod
    def of(cls, statement: Statement) -> ComputationRequest:
        """Read a statement's body; its signature is the caller's to verify.

        Raises:
            Malformed: of another type, or a member is missing, unknown or of a wrong form.
        """
        place = Place(statement.expect(REQUESTED).body, "request")
        found = place.members(("computation", "agreements", "plan", "purpose", "recipient", "nonce"))
        return cls(
            found["computation"].text(64),
            found["agreements"].texts(64, 1),
            found["plan"].object(),
            found["purpose"].text(200),
            found["recipient"].text(64),
            found["nonce"].text(64),
        )


def user_of(statement: Statement) -> str:
    """The person or program who asked, as its participant says; empty if it does not say."""
    user = (statement.actor or {}).get("user")
    return user if isinstance(user, str) and len(user) <= 100 else ""
