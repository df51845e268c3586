"""What a consumer accepts without asking anybody: limits of its own, as private as a provider's are.

An offer is inside them where all of this holds; what the limits do not name they do not grant:
1. Nothing costs more at once, for a use or as a duty, than the price named for that currency.
2. Every duty is one that is named, or one that the connectors perform themselves (the log, notices of refusals), or a
   payment, of which 1 speaks.
3. Every computation that is needed is permitted, and forbidden by nothing that always holds.
4. Nothing is delivered, unless deliveries are allowed: whoever receives data answers for it.
5. Every term that must be reached is: it permits at least as much as the value named.

Pure. An offer that cannot be judged is outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from hefu.canonical import Json, Object
from hefu.errors import HefuError

from hefu_policies import odrl
from hefu_policies.agreeing.changes import read
from hefu_policies.bargaining.haggling import Order, orders
from hefu_policies.deciding.rules import Policy, leaves
from hefu_policies.goods.product import Offer
from hefu_policies.reading import Place, unique, wrong
from hefu_policies.words.terms import ACTIONS, COMPENSATE, DELIVER, LOG, NOTIFY_DENY, narrower

MOST_CONTRACTS = 1000  # that are accepted before a person is asked again
_OURS = frozenset({LOG, NOTIFY_DENY})  # the connectors see to it
_CURRENCY = re.compile(r"[A-Z]{3}\Z")
_TEXTS = ("duties", "computations", "providers")


class Lacking(StrEnum):
    """Why an offer is not inside the limits."""

    PRICE = "price"
    DUTY = "duty"
    COMPUTATION = "computation"
    DELIVERY = "delivery"
    LEAST = "least"
    PROVIDER = "provider"  # of an offer that was not asked for
    PURPOSE = "purpose"
    CONTRACTS = "contracts"  # as many as may be were accepted already


@dataclass(frozen=True, slots=True, order=True)
class Shortfall:
    """One reason, and what it is about: an amount, an action, a term."""

    code: Lacking
    about: str = ""


@dataclass(frozen=True, slots=True)
class Acceptable:
    """A consumer's limits.

    Attributes:
        contracts: how many contracts are accepted under them before a person is asked again.
        prices: the most that is paid at once, by currency (``CNY``).
        duties: the actions of duties that are taken on.
        computations: the actions that must be permitted.
        delivery: whether data may be delivered.
        least: the terms that must be reached, by the name of an operand or member, as a person writes them.
        providers: from whom an offer is accepted that was not asked for; counter-offers are from any.
        purpose: what for, in the acceptance of such an offer; without it they wait for a person.
    """

    contracts: int
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    duties: tuple[str, ...] = ()
    computations: tuple[str, ...] = ()
    delivery: bool = False
    least: Mapping[str, str] = field(default_factory=dict)
    providers: tuple[str, ...] = ()
    purpose: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.contracts <= MOST_CONTRACTS:
            wrong("acceptance.contracts", f"a whole number from 1 to {MOST_CONTRACTS}")
        for currency, amount in self.prices.items():
            if not _CURRENCY.match(currency) or not amount.is_finite() or amount < 0:
                wrong("acceptance.prices", "amounts such as 100.00, each by a currency such as CNY")
        for name in (*self.duties, *self.computations):
            if name not in ACTIONS:
                wrong("acceptance", f"actions of the vocabulary; {name[:60]} is none")
        for each in _TEXTS:
            unique(getattr(self, each), f"acceptance.{each}")

    def body(self) -> Object:
        """All attributes by their names."""
        rows: dict[str, Json] = {each: [*getattr(self, each)] for each in _TEXTS}
        return rows | {
            "contracts": self.contracts,
            "prices": {name: format(amount, "f") for name, amount in self.prices.items()},
            "delivery": self.delivery,
            "least": dict(self.least),
            "purpose": self.purpose,
        }

    @classmethod
    def of(cls, body: Json, where: str = "acceptance") -> Acceptable:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(("contracts", "prices", "delivery", "least", "purpose", *_TEXTS))
        prices, least = found["prices"].object(), found["least"].object()
        return cls(
            contracts=found["contracts"].integer(),
            prices={name: Place(value, f"{where}.prices").decimal() for name, value in prices.items()},
            delivery=found["delivery"].flag(),
            least={name: Place(value, f"{where}.least").text() for name, value in least.items()},
            purpose=found["purpose"].text(empty=True),
            **{name: found[name].texts() for name in _TEXTS},
        )


def judge(offer: Offer, limits: Acceptable) -> tuple[Shortfall, ...]:
    """Why an offer, on the terms on the table, is not inside the limits; nothing where it is."""
    policy = odrl.load(offer.policy)
    found = {*_prices(policy, limits), *_duties(policy, limits), *_computations(policy, limits)}
    if DELIVER in policy.actions() and not limits.delivery:
        found.add(Shortfall(Lacking.DELIVERY))
    return tuple(sorted(found | {*_least(offer, limits)}))


def judge_unasked(provider: str, limits: Acceptable) -> tuple[Shortfall, ...]:
    """The same of an offer that was not asked for: besides `judge`, who it is from and what it would be used for."""
    found = [] if provider in limits.providers else [Shortfall(Lacking.PROVIDER, provider)]
    return (*found, *([] if limits.purpose else [Shortfall(Lacking.PURPOSE)]))


def _prices(policy: Policy, limits: Acceptable) -> Iterator[Shortfall]:
    for each in policy.constraints():
        if each.operand.name != "payAmount":
            continue
        currency = each.unit.rpartition(":")[2]
        most = limits.prices.get(currency, Decimal(0))
        for amount in each.values:
            if not isinstance(amount, Decimal | int) or amount > most:
                yield Shortfall(Lacking.PRICE, f"{amount} {currency}".strip())


def _duties(policy: Policy, limits: Acceptable) -> Iterator[Shortfall]:
    for each in policy.duties():
        priced = any(one.operand.name == "payAmount" for one in leaves(each))
        paid = each.action == COMPENSATE and priced
        if not paid and each.action not in _OURS | {*limits.duties}:
            yield Shortfall(Lacking.DUTY, each.action)


def _computations(policy: Policy, limits: Acceptable) -> Iterator[Shortfall]:
    barred = {one for each in policy.prohibitions if not each.constraints for one in narrower(each.action)}
    permitted = {one for each in policy.permissions for one in narrower(each.action)} - barred
    for each in limits.computations:
        if each not in permitted:
            yield Shortfall(Lacking.COMPUTATION, each)


def _least(offer: Offer, limits: Acceptable) -> Iterator[Shortfall]:
    for name, text in limits.least.items():
        try:
            found = orders(offer, read(offer, {name: text}))
        except HefuError:  # the offer has no such term, or one of another form
            yield Shortfall(Lacking.LEAST, name)
            continue
        if not all(each in (Order.SAME, Order.NARROWER) for each in found.values()):
            yield Shortfall(Lacking.LEAST, name)
