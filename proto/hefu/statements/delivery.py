"""Deliveries as statements: what a receipt says of one, and what its recipient's connector says of keeping it.

A delivery is a computation whose output is ``Rows`` or a ``File``. Its receipt's facts name the processing, the rows
and the deadline; `Delivered` reads them. The recipient's connector then journals every use (`delivery.used`), every use
that it refused (`delivery.denied`), and the deletion (`delivery.deleted`): a signed proof for provider and auditor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.members import digest, exactly, listed, many, mapping, reading, text, whole
from hefu.statements import receipt
from hefu.statements.receipt import Link, Receipt
from hefu.times import read_time, write_time

USED, DENIED, DELETED = "delivery.used", "delivery.denied", "delivery.deleted"
KINDS = frozenset({"Rows", "File"})
PROCESSING = frozenset({"raw", "masked", "sampled", "anonymised"})
CONTENT = "content"  # the commitment to what was delivered
_NOWHERE = Link(0, "", "")
CAUSES = frozenset({"retention", "agreement_ended", "asked"})


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a receipt says of a delivery.

    Attributes:
        processing: one of `PROCESSING`.
        rows: how many were delivered; 1 for a file.
        delete_by: when the recipient must have deleted it at the latest.
        minimum_group: of anonymised rows, how many privacy units share each combination; else None.
    """

    processing: str
    rows: int
    delete_by: datetime
    minimum_group: int | None = None

    @classmethod
    def of(cls, made: Receipt) -> Delivered | None:
        """What is said of a delivery; None where the receipt is of something else.

        Raises:
            Malformed: it is of a delivery and does not say what it must.
        """
        if made.output.kind not in KINDS:
            return None
        facts = made.facts
        with reading(receipt.SEALED):
            processing = text(facts["processing"])
            if processing not in PROCESSING or CONTENT not in made.commitments:
                raise ValueError
            group = whole(facts["minGroup"]) if processing == "anonymised" else None
            return cls(processing, whole(facts["outputRows"]), read_time(text(facts["deadline"])), group)


@dataclass(frozen=True, slots=True)
class Kept:
    """Which delivery a statement is about: the computation, its agreements, and the digest of its receipt's payload."""

    delivery: str
    agreements: tuple[str, ...]
    receipt: str

    def body(self) -> Object:
        """``{delivery, agreements, receipt}``."""
        return {"delivery": self.delivery, "agreements": listed(self.agreements), "receipt": self.receipt}

    @classmethod
    def of(cls, body: Object) -> Kept:
        """Read what `body` wrote, among other members; raises as `Link.of`."""
        return cls(text(body["delivery"]), many(body["agreements"], text), digest(body["receipt"]))


_KEPT = ("delivery", "agreements", "receipt")


@dataclass(frozen=True, slots=True)
class Used:
    """The body of `delivery.used`: journalled before anybody sees a byte.

    Attributes:
        action: ``odrl:read``, or ``hefu:download`` where it left the connector.
        clause: of the agreement's policy that permits it.
        facts: what the decision knew, by short name.
        commitments: to the user; opened by the consumer.
    """

    kept: Kept
    action: str
    clause: str
    facts: Object = field(default_factory=dict)
    commitments: Object = field(default_factory=dict)
    journal: Link = _NOWHERE

    def linked(self, journal: Link) -> Used:
        """The same at its place in the journal."""
        return replace(self, journal=journal)

    def body(self) -> Object:
        """The body of the statement."""
        return {
            **self.kept.body(),
            "action": self.action,
            "clause": self.clause,
            "facts": dict(self.facts),
            "commitments": dict(self.commitments),
            "journal": self.journal.body(),
        }

    @classmethod
    def of(cls, statement: Statement) -> Used:
        """Read a `delivery.used` statement; its signature is the caller's to verify.

        Raises:
            Malformed: another type, or a member missing, unknown or of a wrong form.
        """
        body = statement.expect(USED).body
        with reading(USED):
            exactly(body, *_KEPT, "action", "clause", "facts", "commitments", "journal")
            return cls(
                Kept.of(body), text(body["action"]), text(body["clause"]), mapping(body["facts"]),
                mapping(body["commitments"]), Link.of(body["journal"]),
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Denied:
    """The body of `delivery.denied`: a use that the recipient's own connector refused, with its reasons."""

    kept: Kept
    action: str
    code: str
    reasons: tuple[str, ...]
    journal: Link = _NOWHERE

    def linked(self, journal: Link) -> Denied:
        """The same at its place in the journal."""
        return replace(self, journal=journal)

    def body(self) -> Object:
        """The body of the statement."""
        return {
            **self.kept.body(),
            "action": self.action,
            "code": self.code,
            "reasons": listed(self.reasons),
            "journal": self.journal.body(),
        }

    @classmethod
    def of(cls, statement: Statement) -> Denied:
        """Read a `delivery.denied` statement; raises as `Used.of`."""
        body = statement.expect(DENIED).body
        with reading(DENIED):
            exactly(body, *_KEPT, "action", "code", "reasons", "journal")
            return cls(
                Kept.of(body), text(body["action"]), text(body["code"]), many(body["reasons"], text),
                Link.of(body["journal"]),
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deleted:
    """The body of `delivery.deleted`: written in one transaction with the deletion itself.

    Attributes:
        cause: ``retention`` (its time was over), ``agreement_ended``, or ``asked`` (by the recipient's own people).
        parts: how many sealed parts were deleted; 0 where none had arrived.
        uses: how often it had been used.
    """

    kept: Kept
    cause: str
    parts: int
    uses: int
    journal: Link = _NOWHERE

    def __post_init__(self) -> None:
        if self.cause not in CAUSES:
            raise Malformed("statement.malformed", why=f"a cause is one of {', '.join(sorted(CAUSES))}")

    def linked(self, journal: Link) -> Deleted:
        """The same at its place in the journal."""
        return replace(self, journal=journal)

    def body(self) -> Object:
        """The body of the statement."""
        return {
            **self.kept.body(),
            "cause": self.cause,
            "parts": self.parts,
            "uses": self.uses,
            "journal": self.journal.body(),
        }

    @classmethod
    def of(cls, statement: Statement) -> Deleted:
        """Read a `delivery.deleted` statement; raises as `Used.of`."""
        body = statement.expect(DELETED).body
        with reading(DELETED):
            exactly(body, *_KEPT, "cause", "parts", "uses", "journal")
            return cls(
                Kept.of(body), text(body["cause"]), whole(body["parts"]), whole(body["uses"]), Link.of(body["journal"])
            )


Told = Used | Denied | Deleted
READERS: dict[str, Callable[[Statement], Told]] = {USED: Used.of, DENIED: Denied.of, DELETED: Deleted.of}


def deadline(facts: Object, delete_by: datetime) -> Object:
    """The facts of a delivery's decision with the time by which it must be deleted, as `Delivered` reads it."""
    return {**facts, "deadline": write_time(delete_by)}
