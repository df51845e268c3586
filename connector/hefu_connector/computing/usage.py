"""What a computation takes besides privacy loss: uses in a window, distance between uses, time and money.

Each is counted once for an agreement, whichever of its clauses permits; the clause says how much there may be. The
facts tell the decision point what was taken before; the ledger takes, so that nobody can race past a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Final

from hefu_policies.agreeing.contract import Agreement
from hefu_policies.deciding.policy import Constraint, Policy, Rule, demanded, leaves
from hefu_policies.goods.product import Price
from hefu_policies.reading import Place
from hefu_policies.words.terms import Operator, narrower

from hefu_connector.allowances import MILLISECONDS, UNLIMITED, USES, Allowance, Metering

NEVER: Final = timedelta(days=36_525)  # since the use before the first: a hundred years
_MILLISECOND: Final = timedelta(milliseconds=1)
_FREQUENCY, _INTERVAL, _METERED, _PRICE = "frequency", "timeInterval", "meteredTime", "payAmount"
# Digits of the minor unit, where it is not two. Source: ISO 4217, list one.
_MINOR: Final[Mapping[str, int]] = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF",
                     "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counted:
    """Something that the ledger counts for an agreement besides privacy loss.

    Attributes:
        name: under which the ledger has it.
        term: of the operand, such as ``hefu:frequency``.
        unit: ``uses``, ``milliseconds`` or a currency, in its minor unit.
        window: the length of the window that is counted in, such as ``P1D``; empty where it is for good.
        period: the number of the present window.
        limit: the most that any clause allows; None where one sets no limit.
    """

    name: str
    term: str
    unit: str
    window: str
    period: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one computation would take under an agreement, whatever the clause.

    Attributes:
        policies: of the strategies that this connector enforces.
        price: of the product, for contracts that name no one price themselves.
        most: how long the computation may run.
        now: this connector's own clock.
    """

    agreement: Agreement
    policies: Sequence[Policy]
    action: str
    price: Price | None
    most: timedelta
    now: datetime

    def facts(self, metering: Metering) -> dict[str, object]:
        """What the policies ask of the ledger besides budgets, this computation included; None where it is unknown."""
        return {fact: self._fact(fact, each, metering) for fact, each in self._asked().items()}

    def seconds(self, metering: Metering) -> float:
        """How long the computation may run: what remains of the metered time, if that is less than the usual."""
        rules = [rule for rule in self._rules() if self.action in narrower(rule.action)]
        limits = [_least(each, _METERED) for each in rules]
        if not limits or None in limits:
            return self.most.total_seconds()
        left = max(each for each in limits if each is not None) - metering.taken(self._name(_METERED)).amount
        left_over = timedelta(milliseconds=left)
        return (left_over if _MILLISECOND <= left_over < self.most else self.most).total_seconds()

    def allowances(self, clause: Rule, seconds: float) -> tuple[Allowance, ...]:
        """What the computation takes under a clause.

        Args:
            seconds: how long it may run.
        """
        found = [self._allowance(fact, each, clause, seconds) for fact, each in self._asked().items()]
        return tuple(each for each in found if each is not None)

    def counted(self) -> list[Counted]:
        """All that is counted for the agreement, whichever of its clauses asks for it."""
        return [self._counted(fact, each) for fact, each in sorted(self._asked().items())]

    # ------------------------------------------------------------ inside

    def _counted(self, fact: str, each: Constraint) -> Counted:
        name, ending = each.operand.name, each.unit.rpartition(":")[2]
        unit = {_PRICE: ending, _METERED: MILLISECONDS}.get(name, USES)
        window, period = (ending, self._period(each)) if name == _FREQUENCY else ("", 0)
        # Two uses have a distance, and what is paid adds up: neither is ever used up.
        limits = [] if name in (_PRICE, _INTERVAL) else [_least(demanded(rule), fact) for rule in self._rules()]
        known = [limit for limit in limits if limit is not None]
        most = max(known) if known and len(known) == len(limits) else None
        return Counted(self._name(fact), each.operand.term, unit, window, period, most)

    def _rules(self) -> Iterator[Rule]:
        return (rule for policy in self.policies for rule in policy.permissions)

    def _asked(self) -> dict[str, Constraint]:
        """One constraint for each fact that a ledger counts, whichever rule names it."""
        names = (_FREQUENCY, _INTERVAL, _METERED, _PRICE)
        rules = (rule for policy in self.policies for rule in (*policy.permissions, *policy.prohibitions))
        return {each.fact: each for rule in rules for each in leaves(rule) if each.operand.name in names}

    def _name(self, fact: str) -> str:
        return f"{fact}/{self.agreement.id}"

    def _fact(self, fact: str, each: Constraint, metering: Metering) -> object:
        if each.operand.name == _PRICE:
            return self._price(each)
        taken = metering.taken(self._name(fact))
        if each.operand.name == _FREQUENCY:
            period = self._period(each)
            return taken.within(period) + 1 if period >= taken.period else None
        if each.operand.name == _INTERVAL:
            since = NEVER if taken.last is None else self.now - taken.last
            return since if since >= timedelta(0) else None
        return timedelta(milliseconds=taken.amount) + timedelta(seconds=self.seconds(metering))

    def _allowance(self, fact: str, each: Constraint, clause: Rule, seconds: float) -> Allowance | None:
        name, limit = self._name(fact), _least(demanded(clause), fact)
        most = UNLIMITED if limit is None else limit
        if each.operand.name == _FREQUENCY:
            return Allowance(name, USES, most, 1, self.now, self._period(each))
        if each.operand.name == _INTERVAL:
            return Allowance(name, USES, UNLIMITED, 1, self.now, apart=_apart(clause))
        if each.operand.name == _METERED:
            return Allowance(name, MILLISECONDS, most, milliseconds(timedelta(seconds=seconds)), self.now)
        price, currency = self._price(each), fact.rpartition("@")[2]
        pays = price is not None and any(one.fact == fact for one in demanded(clause))
        return Allowance(name, currency, UNLIMITED, minor_units(price, currency), self.now) if pays and price else None

    def _period(self, each: Constraint) -> int:
        """The number of the window that now lies in; the first begins with the agreement."""
        length = Place(each.unit.rpartition(":")[2], "unit").duration()
        return max(0, (self.now - self.agreement.not_before) // length)

    def _price(self, each: Constraint) -> Decimal | None:
        """The price of one computation: the contract's if it names but one in this currency, else the product's."""
        named = {
            value
            for rule in self._rules()
            for one in leaves(rule)
            if one.fact == each.fact and self.action in narrower(rule.action)
            for value in one.values
            if isinstance(value, Decimal | int)
        }
        if len(named) == 1:
            return Decimal(named.pop())
        same = self.price is not None and self.price.currency == each.fact.rpartition("@")[2]
        return Decimal(self.price.amount) if self.price is not None and same else None


def digits(currency: str) -> int:
    """How many digits of a currency's amount are its minor unit."""
    return _MINOR.get(currency, 2)


def milliseconds(length: timedelta) -> int:
    """Whole milliseconds, rounded up."""
    return -(-length // _MILLISECOND)


def minor_units(amount: Decimal, currency: str) -> int:
    """An amount of money in the smallest unit of its currency, rounded up."""
    return int(amount.scaleb(digits(currency)).to_integral_value(ROUND_CEILING))


def in_quanta(length: timedelta, quantum: float) -> int:
    """A time that was used, in milliseconds: whole release quanta, as nothing finer may be told (promise Q-c)."""
    step = max(_MILLISECOND, timedelta(seconds=quantum))
    return milliseconds(-(-length // step) * step)


def _least(constraints: Iterable[Constraint] | Rule, fact: str) -> int | None:
    """The lowest upper limit on a fact, in the ledger's unit."""
    within = demanded(constraints) if isinstance(constraints, Rule) else constraints
    values = [value for each in within if each.fact == fact and each.operator is Operator.LTEQ for value in each.values]
    limits = [value // _MILLISECOND if isinstance(value, timedelta) else value for value in values]
    return min((each for each in limits if isinstance(each, int)), default=None)


def _apart(clause: Rule) -> timedelta:
    lengths = [value for each in demanded(clause) if each.operand.name == _INTERVAL for value in each.values]
    return max((each for each in lengths if isinstance(each, timedelta)), default=timedelta(0))
