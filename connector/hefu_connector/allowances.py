"""What a computation takes besides privacy loss: uses in a window, time, money. The port, and how two values meet.

All of it is taken in the transaction that charges privacy loss (`ports.BudgetLedger.reserve`): all or nothing.
Amounts are whole: uses, milliseconds, or the minor units of a currency.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from hefu.canonical import LARGEST_INTEGER
from hefu_policies.reading import whole, wrong

USES, MILLISECONDS = "uses", "milliseconds"
UNLIMITED = LARGEST_INTEGER  # of what is only added up, such as money that is owed


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much may be taken of one thing, and what one computation takes of it.

    Attributes:
        name: unique for agreement and clause, such as ``frequency/<agreement>/<constraint>``.
        unit: ``uses``, ``milliseconds`` or a currency, such as ``CNY``.
        limit: the most that may be taken in one period. Clauses that draw on the same may have limits of their own.
        amount: what is taken now; of time the most that it may become.
        at: when.
        period: the number of the window of time that `at` lies in; always 0 where the limit is for good.
        apart: at least this long after the last taking.
    """

    name: str
    unit: str
    limit: int
    amount: int
    at: datetime
    period: int = 0
    apart: timedelta = field(default=timedelta(0))

    def __post_init__(self) -> None:
        whole(self.limit, "allowance.limit")
        whole(self.amount, "allowance.amount")
        if max(self.limit, self.amount) > LARGEST_INTEGER:
            wrong("allowance", "numbers below 2^53")


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken in the newest period, and when last."""

    amount: int = 0
    period: int = 0
    last: datetime | None = None

    def within(self, period: int) -> int:
        """What was taken in a period that is not over."""
        return self.amount if period == self.period else 0


NONE = Taken()


def lack(taken: Taken, wanted: Allowance) -> str:
    """Why nothing more may be taken, in words that the requester may read; empty if it may.

    A clock that was set back opens no older period and shortens no distance.
    """
    if wanted.period < taken.period or (taken.last is not None and wanted.apart and wanted.at < taken.last):
        return f"{wanted.name}: a later time was seen already; ask again"
    if taken.last is not None and wanted.at - taken.last < wanted.apart:
        return f"{wanted.name}: the last use was less than {int(wanted.apart.total_seconds())} seconds ago"
    left = wanted.limit - taken.within(wanted.period)
    if wanted.amount > left:
        return f"{wanted.name}: {wanted.amount} {wanted.unit} asked, {max(0, left)} left"
    return ""


def take(taken: Taken, wanted: Allowance) -> Taken:
    """What is taken afterwards."""
    last = wanted.at if taken.last is None else max(taken.last, wanted.at)
    return Taken(taken.within(wanted.period) + wanted.amount, wanted.period, last)


class Metering(Protocol):
    """What was taken, beside the budgets of the same ledger; `BudgetLedger.reserve` takes."""

    def taken(self, name: str) -> Taken:
        """What was taken of an allowance; nothing if it was never used."""
        ...

    def settle(self, computation: str, unit: str, amount: int) -> None:
        """Give back what was taken too much of a unit, once it is known how much it was.

        Durable; only the first time counts, and never is more taken than before. Nothing happens where the
        computation took nothing of it. Whatever is never settled stays taken.
        """
        ...
