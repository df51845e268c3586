"""What a party states about an agreement after it was made: suspended, resumed, a duty fulfilled, a deviation seen.

Each notice names the agreement by id and digest. Suspensions and resumptions of one provider form a chain: each names
the digest of the one before, so that an old resumption cannot be shown again after a newer suspension. A termination
has a form of its own (`agreement.terminated`) and is final.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.members import digest, exactly, reading, text

SUSPENDED, RESUMED = "agreement.suspended", "agreement.resumed"
FULFILLED, DEVIATED = "agreement.fulfilled", "agreement.deviated"
CHANGES = frozenset({SUSPENDED, RESUMED})


@dataclass(frozen=True, slots=True)
class Change:
    """The body of `agreement.suspended` and `agreement.resumed`.

    Attributes:
        agreement: its id; ``digest`` is that of its payload.
        code: a stable word, ``reason`` a sentence for people.
        previous: digest of the issuer's change before it; empty for its first.
    """

    agreement: str
    digest: str
    code: str
    reason: str
    previous: str

    def body(self) -> Object:
        """``{agreement, digest, code, reason, previous}``."""
        return {
            "agreement": self.agreement,
            "digest": self.digest,
            "code": self.code,
            "reason": self.reason,
            "previous": self.previous,
        }

    @classmethod
    def of(cls, statement: Statement) -> Change:
        """Read a suspension or resumption; its signature is the caller's to verify.

        Raises:
            Malformed: another type, or a member missing, unknown or of a wrong form.
        """
        with reading(_expect(statement, *sorted(CHANGES))):
            body = exactly(statement.body, "agreement", "digest", "code", "reason", "previous")
            before = text(body["previous"])
            return cls(
                _word(body["agreement"]), digest(body["digest"]), _word(body["code"]), _sentence(body["reason"]),
                digest(before) if before else "",
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fulfilled:
    """The body of `agreement.fulfilled`: a duty was performed, says who may say so.

    Attributes:
        duty: its id in the agreement's policy.
        subject: what it was performed for: a computation's id, the digest of a plan; empty for the agreement.
        reference: where the proof lies, such as a statement's digest or the number of an invoice; perhaps empty.
    """

    agreement: str
    digest: str
    duty: str
    subject: str = ""
    reference: str = ""

    def body(self) -> Object:
        """``{agreement, digest, duty, subject, reference}``."""
        return {
            "agreement": self.agreement,
            "digest": self.digest,
            "duty": self.duty,
            "subject": self.subject,
            "reference": self.reference,
        }

    @classmethod
    def of(cls, statement: Statement) -> Fulfilled:
        """Read an `agreement.fulfilled`; raises as `Change.of`."""
        with reading(_expect(statement, FULFILLED)):
            body = exactly(statement.body, "agreement", "digest", "duty", "subject", "reference")
            return cls(
                _word(body["agreement"]), digest(body["digest"]), _word(body["duty"]), _short(body["subject"]),
                _sentence(body["reference"]),
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deviated:
    """The body of `agreement.deviated`: an alarm, that something is not as was agreed.

    Attributes:
        code: what kind, such as ``duty.violated``.
        about: the participant who deviates, as the issuer sees it.
        duty, subject: as in `Fulfilled`; both may be empty.
        reason: a sentence for people; no data value in it.
    """

    agreement: str
    digest: str
    code: str
    about: str
    duty: str = ""
    subject: str = ""
    reason: str = ""

    def body(self) -> Object:
        """``{agreement, digest, code, about, duty, subject, reason}``."""
        return {
            "agreement": self.agreement,
            "digest": self.digest,
            "code": self.code,
            "about": self.about,
            "duty": self.duty,
            "subject": self.subject,
            "reason": self.reason,
        }

    @classmethod
    def of(cls, statement: Statement) -> Deviated:
        """Read an `agreement.deviated`; raises as `Change.of`."""
        with reading(_expect(statement, DEVIATED)):
            body = exactly(statement.body, "agreement", "digest", "code", "about", "duty", "subject", "reason")
            return cls(
                _word(body["agreement"]), digest(body["digest"]), _word(body["code"]), _word(body["about"]),
                _short(body["duty"]), _short(body["subject"]), _sentence(body["reason"]),
            )  # fmt: skip


Notice = Change | Fulfilled | Deviated
READERS: dict[str, Callable[[Statement], Notice]] = {
    SUSPENDED: Change.of,
    RESUMED: Change.of,
    FULFILLED: Fulfilled.of,
    DEVIATED: Deviated.of,
}


def read(statement: Statement) -> Notice:
    """The notice in a statement of any of these types; raises Malformed."""
    return READERS[_expect(statement, *READERS)](statement)


def _expect(statement: Statement, *types: str) -> str:
    if statement.type not in types:
        raise Malformed("statement.wrong_type", found=statement.type[:64], expected=" or ".join(types))
    return statement.type


def _word(value: object) -> str:
    found = _short(value)
    if not found:
        raise ValueError
    return found


def _short(value: object) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise TypeError
    return value


def _sentence(value: object) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise TypeError
    return value
