"""A policy as typed values: rules, duties, constraints and their logic.

`hefu_policies.odrl` reads a `Policy` from JSON and writes it again; `hefu_policies.deciding.policy` makes its compiled
form. In here participants and products bear their own ids, without the prefixes that make them IRIs in JSON.

Source: ODRL Information Model 2.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.words import terms
from hefu_policies.words.terms import Combine, Operand, Operator

JOIN_KEY = "joinKey"  # the operand of what tables are joined on
TIMED = frozenset({"retention", "delayPeriod", "deadline"})  # what says by when a duty must be performed
Value = Decimal | int | datetime | timedelta | str  # a bool is an int


@dataclass(frozen=True, slots=True)
class Constraint:
    """One comparison of a fact with values.

    Attributes:
        id: its ``@id``, or its place in the policy where it has none (``named`` is False then).
        written: the values as they were written, so that they are written the same way again.
        unit: an IRI, where the operand has one: ``urn:iso:std:iso:4217:CNY``, ``urn:hefu:per:P1D``.
    """

    id: str
    operand: Operand
    operator: Operator
    values: tuple[Value, ...]
    written: tuple[str, ...]
    named: bool = True
    unit: str = ""

    @property
    def fact(self) -> str:
        """The name of the fact it compares: the operand's, and with a unit its last part, as in ``frequency@P1D``."""
        return f"{self.operand.name}@{self.unit.rpartition(':')[2]}" if self.unit else self.operand.name


@dataclass(frozen=True, slots=True)
class Logical:
    """Constraints combined by logic: all, any, exactly one, or all in this order."""

    id: str
    combine: Combine
    parts: tuple[Condition, ...]
    named: bool = True


Condition = Constraint | Logical


@dataclass(frozen=True, slots=True)
class Duty:
    """What must be done: for a permission, on the policy's level (an obligation), as a remedy or a consequence.

    Attributes:
        constraints: those on performance operands say how it is performed; all others whether it is due at all.
        consequences: what must be done besides once its deadline has passed; they have no consequences of their own.
    """

    id: str
    action: str
    constraints: tuple[Condition, ...] = ()
    consequences: tuple[Duty, ...] = ()
    named: bool = True

    @property
    def is_timed(self) -> bool:
        """Whether it says by when it must be performed; else it is due at the agreement's end, if at all."""
        return any(each.operand.name in TIMED and each.operator is Operator.LTEQ for each in demanded(self))


@dataclass(frozen=True, slots=True)
class Rule:
    """A permission, which may have duties, or a prohibition, which may have remedies for when it was infringed."""

    id: str
    action: str
    constraints: tuple[Condition, ...] = ()
    duties: tuple[Duty, ...] = ()
    remedies: tuple[Duty, ...] = ()
    named: bool = True


def leaves(within: Rule | Duty | Condition) -> Iterator[Constraint]:
    """Every constraint of a rule, a duty or a condition, below whatever logic; not those of duties within a rule."""
    if isinstance(within, Constraint):
        yield within
        return
    for each in within.parts if isinstance(within, Logical) else within.constraints:
        yield from leaves(each)


def demanded(within: Rule | Duty) -> tuple[Constraint, ...]:
    """The constraints that must all hold: those directly there, or below ``and`` and ``andSequence`` only."""
    return tuple(_demanded(within.constraints))


def lets_join(rule: Rule) -> bool:
    """Whether a permission says on what its product may be joined with another; one that does not permits no join."""
    return any(each.operand.name == JOIN_KEY for each in demanded(rule))


@dataclass(frozen=True, slots=True)
class Policy:
    """An Offer, or an Agreement that names its parties and its target; only the latter is ever enforced.

    Attributes:
        kind: ``Offer`` or ``Agreement``.
        target: the id of the data product; ``assigner`` its provider, ``assignee`` the consumer.
        obligations: what must be done whether or not a permission is used.
    """

    id: str
    kind: str
    permissions: tuple[Rule, ...]
    prohibitions: tuple[Rule, ...] = ()
    target: str | None = None
    assigner: str | None = None
    assignee: str | None = None
    timestamp: datetime | None = None
    obligations: tuple[Duty, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Permissions and prohibitions."""
        return (*self.permissions, *self.prohibitions)

    def duties(self) -> Iterator[Duty]:
        """Every duty: of permissions, remedies of prohibitions, obligations, and the consequences of each."""
        for each in (*(one for rule in self.rules for one in (*rule.duties, *rule.remedies)), *self.obligations):
            yield each
            yield from each.consequences

    def constraints(self) -> Iterator[Constraint]:
        """Every constraint of every rule and duty."""
        for rule in self.rules:
            yield from leaves(rule)
        for duty in self.duties():
            yield from leaves(duty)

    def columns(self) -> frozenset[str]:
        """Every column that the policy names."""
        return frozenset(
            str(value)
            for constraint in self.constraints()
            if constraint.operand.name == "column"
            for value in constraint.values
        )

    def actions(self) -> tuple[str, ...]:
        """The actions that some rule permits, sorted."""
        return tuple(sorted({rule.action for rule in self.permissions}))

    def least(self, action: str, name: str) -> int | None:
        """The highest lower limit that any permission of the action puts on an integer operand, if one does.

        With ``minGroup`` it tells an engine which groups to suppress so that the release can be permitted.
        """
        return max((each for each in self._limits_below(action, name) if isinstance(each, int)), default=None)

    def least_decimal(self, action: str, name: str) -> Decimal | None:
        """The same of a decimal operand: with ``rounding`` it tells an engine the step that figures are rounded to."""
        return max((each for each in self._limits_below(action, name) if isinstance(each, Decimal)), default=None)

    def _limits_below(self, action: str, name: str) -> Iterator[object]:
        for rule in self.permissions:
            for constraint in leaves(rule) if action in terms.narrower(rule.action) else ():
                if constraint.operand.name == name and constraint.operator is Operator.GTEQ:
                    yield from constraint.values

    def reach(self, action: str) -> tuple[int | None, frozenset[str] | None]:
        """How many rows and which columns an action may have, by any of its permissions; None where one sets no limit.

        What is asked at one time may be joined with what is asked at another: an engine must know all of it.
        """
        found = [demanded(rule) for rule in self.permissions if action in terms.narrower(rule.action)]
        rows = [_smallest(each) for each in found]
        columns = [_common(each) for each in found]
        limits, named = [each for each in rows if each is not None], [each for each in columns if each is not None]
        return (
            max(limits) if limits and len(limits) == len(rows) else None,
            frozenset().union(*named) if named and len(named) == len(columns) else None,
        )

    def permits_exact(self) -> bool:
        """Whether anything may leave under it without noise: then nobody has a differential privacy guarantee.

        Delivering is what leaves; reading what was delivered adds nothing to it.
        """
        return any(
            rule.action not in (terms.DP_QUERY, terms.READ, terms.DOWNLOAD) and not is_noised(rule)
            for rule in self.permissions
        )

    def processings(self) -> frozenset[str]:
        """Every processing in which something may be delivered: raw, masked, sampled, anonymised."""
        return frozenset(
            str(value)
            for rule in self.permissions
            for constraint in leaves(rule)
            if rule.action == terms.DELIVER and constraint.operand.name == "processing"
            for value in constraint.values
        )

    def delete_by(self, since: datetime, end: datetime) -> datetime:
        """When what was delivered must be deleted: as any duty to delete says, and never after the agreement's end.

        Args:
            since: when it was delivered.
            end: of the agreement.
        """
        found = [end]
        for duty in self.duties():
            for each in leaves(duty) if duty.action == terms.DELETE else ():
                if each.operand.performance and each.operator is Operator.LTEQ:
                    found += [since + value for value in each.values if isinstance(value, timedelta)]
                    found += [value for value in each.values if isinstance(value, datetime)]
        return min(found)

    def narrow(self, clause: str, budget: Budget) -> Budget:
        """What may be spent under one permission: the budget, or less where the permission limits ε, δ or the count.

        A ledger that holds an account to it cannot be raced past the clause by computations decided at the same time.
        """
        for rule in self.permissions:
            for constraint in demanded(rule) if rule.id == clause else ():
                budget = _narrow(budget, constraint)
        return budget


def is_noised(rule: Rule) -> bool:
    """Whether what several parties compute together under a permission has noise: it limits what it may cost."""
    limits = (each.operand.name for each in demanded(rule) if each.operator is Operator.LTEQ)
    return rule.action == terms.MPC_EVALUATE and not {"epsilon", "rho"}.isdisjoint(limits)


def _demanded(conditions: tuple[Condition, ...]) -> Iterator[Constraint]:
    for each in conditions:
        if isinstance(each, Constraint):
            yield each
        elif each.combine in (Combine.AND, Combine.AND_SEQUENCE):
            yield from _demanded(each.parts)


def _smallest(constraints: tuple[Constraint, ...]) -> int | None:
    rows = [each for each in constraints if each.operand.name == "outputRows" and each.operator is Operator.LTEQ]
    return min((int(str(each.values[0])) for each in rows), default=None)


def _common(constraints: tuple[Constraint, ...]) -> frozenset[str] | None:
    named = [
        frozenset(map(str, each.values))
        for each in constraints
        if each.operand.name == "column" and each.operator is Operator.IS_PART_OF
    ]
    return frozenset.intersection(*named) if named else None


def _narrow(budget: Budget, constraint: Constraint) -> Budget:
    limit, loss = constraint.values[0], budget.loss
    if not isinstance(limit, Decimal | int):
        return budget
    match constraint.operand.name:
        case "epsilonBudget" if limit < loss.epsilon:
            units = PrivacyLoss.of_text(format(limit, "f"), rounding=ROUND_FLOOR).epsilon_nano
            return replace(budget, loss=replace(loss, epsilon_nano=units))
        case "rhoBudget" if limit < loss.rho:
            units = PrivacyLoss.of_rho(format(limit, "f"), rounding=ROUND_FLOOR).rho_nano
            return replace(budget, loss=replace(loss, rho_nano=units))
        case "deltaBudget" if limit < loss.delta:
            units = PrivacyLoss.of_text("0", format(limit, "f"), rounding=ROUND_FLOOR).delta_femto
            return replace(budget, loss=replace(loss, delta_femto=units))
        case "count" if limit < budget.releases:
            return replace(budget, releases=int(limit))
    return budget
