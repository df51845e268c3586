"""A regulator's mandate: orders that suspend and lift, and the word that something filed is opened. Pure.

An order is a signed statement of a regulator whom the space's charter names. It suspends a contract, a participant or
a product until it is lifted, its time is over, or the charter names its regulator no longer. A lift names the order by
digest and ends that one for good, so that an old lift says nothing about a newer order.

Whoever opens what was filed says so first, in the log: `audit.opened`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Refused
from hefu.members import digest, exactly, many, reading, text
from hefu.membership.charter import REGULATOR, Charter
from hefu.times import read_time, write_time

SUSPENDED, LIFTED, DENIED = "order.suspended", "order.lifted", "order.denied"
OPENED = "audit.opened"
CONTRACT, PARTICIPANT, PRODUCT = SCOPES = ("contract", "participant", "product")
_LONGEST = 1000  # characters of a reason
_MOST_ENDS = 256

Roles = Callable[[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Order:
    """The body of `order.suspended`.

    Attributes:
        scope: one of `SCOPES`; ``subject`` is the id of an agreement, a participant or a product.
        reason: a sentence for people; ``basis`` the law or rule it rests on.
        until: when it ends by itself; None for until it is lifted.
    """

    scope: str
    subject: str
    reason: str
    basis: str
    until: datetime | None = None

    @property
    def names(self) -> str:
        """What it suspends, as `Orders.check` is asked."""
        return f"{self.scope}:{self.subject}"

    def body(self) -> Object:
        """``{scope, subject, reason, basis}``, and ``until`` where there is one."""
        until: Object = {"until": write_time(self.until)} if self.until else {}
        return {"scope": self.scope, "subject": self.subject, "reason": self.reason, "basis": self.basis, **until}

    @classmethod
    def of(cls, statement: Statement) -> Order:
        """Read an `order.suspended`; its signature and mandate are the caller's to check. Raises Malformed."""
        body = statement.expect(SUSPENDED).body
        with reading(SUSPENDED):
            exactly(body, "scope", "subject", "reason", "basis", *{"until"} & body.keys())
            until = read_time(text(body["until"])) if "until" in body else None
            words = _word(body["scope"]), _word(body["subject"]), _sentence(body["reason"]), _sentence(body["basis"])
            if words[0] not in SCOPES:
                raise ValueError
            return cls(*words, until)


@dataclass(frozen=True, slots=True)
class Lift:
    """The body of `order.lifted`: ends the order of this digest."""

    order: str
    reason: str

    def body(self) -> Object:
        """``{order, reason}``."""
        return {"order": self.order, "reason": self.reason}

    @classmethod
    def of(cls, statement: Statement) -> Lift:
        """Read an `order.lifted`; as `Order.of`."""
        body = statement.expect(LIFTED).body
        with reading(LIFTED):
            exactly(body, "order", "reason")
            return cls(digest(body["order"]), _sentence(body["reason"]))


@dataclass(frozen=True, slots=True)
class Access:
    """The body of `audit.opened`: what a regulator is about to read, and why.

    Attributes:
        ends: digests of the envelopes of the receipts, refusals and failures that are opened.
    """

    agreement: str
    ends: tuple[str, ...]
    reason: str
    basis: str

    def body(self) -> Object:
        """``{agreement, ends, reason, basis}``."""
        return {"agreement": self.agreement, "ends": [*self.ends], "reason": self.reason, "basis": self.basis}

    @classmethod
    def of(cls, statement: Statement) -> Access:
        """Read an `audit.opened`; as `Order.of`."""
        body = statement.expect(OPENED).body
        with reading(OPENED):
            exactly(body, "agreement", "ends", "reason", "basis")
            ends = many(body["ends"], digest)
            if not 0 < len(ends) <= _MOST_ENDS or len({*ends}) < len(ends):
                raise ValueError
            return cls(_word(body["agreement"]), ends, _sentence(body["reason"]), _sentence(body["basis"]))


def check_mandate(charter: Charter | None, regulator: str, roles: frozenset[str]) -> None:
    """Check that somebody regulates this space: named by its charter, and certified for it.

    Raises:
        Refused: it does not.
    """
    if charter is None or regulator not in charter.regulators or REGULATOR not in roles:
        raise Refused("order.mandate", regulator=regulator[:64])


@dataclass(slots=True)
class Orders:
    """The orders of a space, as far as they were verified. Not safe to use from many threads."""

    _orders: dict[str, tuple[Statement, Order]] = field(default_factory=dict)
    _lifted: dict[str, Statement] = field(default_factory=dict)

    def take(self, statement: Statement) -> bool:
        """Take in an order or a lift whose signature and mandate were verified; False where it was known.

        Raises:
            Refused: it lifts what is not an order of the same regulator here.
        """
        read = self.admit(statement)
        if isinstance(read, Order):
            new = statement.digest() not in self._orders
            self._orders.setdefault(statement.digest(), (statement, read))
            return new
        new = read.order not in self._lifted
        self._lifted.setdefault(read.order, statement)
        return new

    def admit(self, statement: Statement) -> Order | Lift:
        """What `take` would take in; raises as it does."""
        if statement.type == SUSPENDED:
            return Order.of(statement)
        lift = Lift.of(statement)
        held = self._orders.get(lift.order)
        if held is None or held[0].issuer != statement.issuer:
            raise Refused("order.other", order=lift.order[:80])
        return lift

    def standing(self, charter: Charter | None, at: datetime) -> Iterator[tuple[Statement, Order]]:
        """The orders in force at a time."""
        named = charter.regulators if charter else ()
        for key, (statement, order) in self._orders.items():
            over = order.until is not None and at >= order.until
            if key not in self._lifted and not over and statement.issuer in named:
                yield statement, order

    def check(self, charter: Charter | None, at: datetime, *subjects: str) -> None:
        """Check that no order in force names one of these: ``contract:ID``, ``participant:ID``, ``product:ID``.

        Raises:
            Refused: one does.
        """
        for statement, order in self.standing(charter, at) if self._orders else ():
            if order.names in subjects:
                raise Refused(
                    "order.suspended",
                    scope=order.scope,
                    subject=order.subject,
                    regulator=statement.issuer,
                    since=write_time(statement.time),
                )


def subjects(agreement: str, products: tuple[str, ...], *participants: str) -> tuple[str, ...]:
    """What `Orders.check` is asked about work under an agreement."""
    return (
        f"{CONTRACT}:{agreement}",
        *(f"{PRODUCT}:{each}" for each in products),
        *(f"{PARTICIPANT}:{each}" for each in participants),
    )


READERS: Mapping[str, Callable[[Statement], Order | Lift | Access]] = {
    SUSPENDED: Order.of,
    LIFTED: Lift.of,
    OPENED: Access.of,
}


def _word(value: Json) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise TypeError
    return value


def _sentence(value: Json) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise TypeError
    return value
