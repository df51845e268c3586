"""What is counted under a provider's agreements besides privacy loss: uses, time and money."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hefu_policies import odrl

from hefu_connector.allowances import Metering
from hefu_connector.computing.usage import Counted, Usage
from hefu_connector.ports import Contract


@dataclass(frozen=True, slots=True)
class Meter:
    """One account of uses, time or money.

    Attributes:
        taken: in the present window, or ever where there is none.
        last: when something was taken last.
        title: of the data product.
    """

    agreement: str
    counted: Counted
    taken: int
    last: datetime | None
    title: str


def meters(contracts: Iterable[Contract], metering: Metering, now: datetime) -> list[Meter]:
    """Every account of these agreements, used already or not."""
    found = []
    for contract in contracts:
        policies = [odrl.load(each.policy) for each in contract.agreement.terms]
        usage = Usage(contract.agreement, policies, "", contract.description.price, timedelta(0), now)
        title = next(iter(contract.description.title.values()), "")
        for each in usage.counted():
            taken = metering.taken(each.name)
            found.append(Meter(contract.agreement.id, each, taken.within(each.period), taken.last, title))
    return found
