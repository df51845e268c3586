"""A policy as typed values, and its compiled form.

`hefu_policies.odrl` reads a `Policy` from JSON and writes it again; `compile_policy` makes closures of its
constraints (`hefu_policies.comparisons`), for `hefu_policies.decision`. In here participants and products bear their
own ids, without the prefixes that make them IRIs in JSON.

Source: ODRL Information Model 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from hefu_policies import terms
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.comparisons import Test, Value, comparison
from hefu_policies.reading import wrong
from hefu_policies.reasons import Code, Reason
from hefu_policies.terms import Operand, Operator

__all__ = ["Compiled", "CompiledRule", "Constraint", "Duty", "Policy", "Rule", "Value", "compile_policy"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """One comparison of a fact with values.

    Attributes:
        id: its ``@id``, or its place in the policy where it has none (``named`` is False then).
        written: the values as they were written, so that they are written the same way again.
    """

    id: str
    operand: Operand
    operator: Operator
    values: tuple[Value, ...]
    written: tuple[str, ...]
    named: bool = True


@dataclass(frozen=True, slots=True)
class Duty:
    """What must be done for a permission to be used."""

    id: str
    action: str
    named: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """A permission, a prohibition or an obligation; only permissions have duties.

    The constraints of an obligation say how it is performed, and are not decided on.
    """

    id: str
    action: str
    constraints: tuple[Constraint, ...] = ()
    duties: tuple[Duty, ...] = ()
    named: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """An Offer, or an Agreement that names its parties and its target; only the latter is ever enforced.

    Attributes:
        kind: ``Offer`` or ``Agreement``.
        target: the id of the data product; ``assigner`` its provider, ``assignee`` the consumer.
    """

    id: str
    kind: str
    permissions: tuple[Rule, ...]
    prohibitions: tuple[Rule, ...] = ()
    target: str | None = None
    assigner: str | None = None
    assignee: str | None = None
    timestamp: datetime | None = None
    obligations: tuple[Rule, ...] = ()

    def columns(self) -> frozenset[str]:
        """Every column that the policy names."""
        return frozenset(
            str(value)
            for rule in (*self.permissions, *self.prohibitions)
            for constraint in rule.constraints
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
        found = [
            value
            for rule in self.permissions
            if action in terms.narrower(rule.action)
            for constraint in rule.constraints
            if constraint.operand.name == name and constraint.operator is Operator.GTEQ
            for value in constraint.values
            if isinstance(value, int)
        ]
        return max(found, default=None)

    def reach(self, action: str) -> tuple[int | None, frozenset[str] | None]:
        """How many rows and which columns an action may have, by any of its permissions; None where one sets no limit.

        What is asked at one time may be joined with what is asked at another: an engine must know all of it.
        """
        most: list[int | None] = []
        inside: list[frozenset[str] | None] = []
        for rule in self.permissions:
            if action in terms.narrower(rule.action):
                said = {(each.operand.name, each.operator): each.values for each in rule.constraints}
                rows = said.get(("outputRows", Operator.LTEQ))
                names = said.get(("column", Operator.IS_PART_OF))
                most.append(int(str(rows[0])) if rows else None)
                inside.append(frozenset(map(str, names)) if names is not None else None)
        limits, columns = [each for each in most if each is not None], [each for each in inside if each is not None]
        return (
            max(limits) if limits and len(limits) == len(most) else None,
            frozenset().union(*columns) if columns and len(columns) == len(inside) else None,
        )

    def permits_exact(self) -> bool:
        """Whether anything may leave under it without noise: then nobody has a differential privacy guarantee."""
        return any(rule.action == terms.DELIVER for rule in self.permissions)

    def processings(self) -> frozenset[str]:
        """Every processing in which something may be delivered: raw, masked, sampled, anonymised."""
        return frozenset(
            str(value)
            for rule in self.permissions
            for constraint in rule.constraints
            if rule.action == terms.DELIVER and constraint.operand.name == "processing"
            for value in constraint.values
        )

    def delete_by(self, since: datetime, end: datetime) -> datetime:
        """When what was delivered must be deleted: as the obligations say, and never after the agreement's end.

        Args:
            since: when it was delivered.
            end: of the agreement.
        """
        found = [end]
        for rule in self.obligations:
            for each in rule.constraints if rule.action == terms.DELETE else ():
                found += [since + value for value in each.values if isinstance(value, timedelta)]
                found += [value for value in each.values if isinstance(value, datetime)]
        return min(found)

    def narrow(self, clause: str, budget: Budget) -> Budget:
        """What may be spent under one permission: the budget, or less where the permission limits ε, δ or the count.

        A ledger that holds an account to it cannot be raced past the clause by computations decided at the same time.
        """
        for rule in self.permissions:
            for constraint in rule.constraints if rule.id == clause else ():
                budget = _narrow(budget, constraint)
        return budget


@dataclass(frozen=True, slots=True)
class Check:
    """A compiled constraint: which fact, whether it may wait for the release, the closure, and what to say of it."""

    name: str
    deferrable: bool
    test: Test
    held: Reason
    failed: Reason
    unknown: Reason
    deferred: Reason


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A compiled rule.

    Attributes:
        covers: the rule's action and all narrower ones.
        effective: what to say where it takes effect; ``idle`` where it does not.
    """

    rule: Rule
    covers: frozenset[str]
    checks: tuple[Check, ...]
    effective: Reason
    idle: Reason


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy ready for decisions. Make it once; it may be used from any thread."""

    policy: Policy
    permissions: tuple[CompiledRule, ...]
    prohibitions: tuple[CompiledRule, ...]


def compile_policy(policy: Policy) -> Compiled:
    """Make closures of a policy.

    Raises:
        Malformed: it is an Offer, which binds nobody.
    """
    if policy.kind != "Agreement" or None in (policy.target, policy.assigner, policy.assignee):
        wrong("policy.@type", "Agreement, with target, assigner and assignee: an Offer binds nobody")
    return Compiled(
        policy,
        tuple(_compile_rule(each, Code.HOLDS, Code.LACKS) for each in policy.permissions),
        tuple(_compile_rule(each, Code.FIRES, Code.RESTS) for each in policy.prohibitions),
    )


def _compile_rule(rule: Rule, effective: Code, idle: Code) -> CompiledRule:
    checks = tuple(_compile_check(each, rule.id) for each in rule.constraints)
    return CompiledRule(rule, terms.narrower(rule.action), checks, Reason(effective, rule.id), Reason(idle, rule.id))


def _compile_check(constraint: Constraint, rule: str) -> Check:
    operand, id_ = constraint.operand, constraint.id
    return Check(
        name=operand.name,
        deferrable=terms.Phase.ADMISSION not in operand.phases,
        test=comparison(operand, constraint.operator, constraint.values),
        held=Reason(Code.HELD, rule, id_),
        failed=Reason(Code.FAILED, rule, id_),
        unknown=Reason(Code.UNKNOWN, rule, id_),
        deferred=Reason(Code.DEFERRED, rule, id_),
    )


def _narrow(budget: Budget, constraint: Constraint) -> Budget:
    limit, loss = constraint.values[0], budget.loss
    if not isinstance(limit, Decimal | int):
        return budget
    match constraint.operand.name:
        case "epsilonBudget" if limit < loss.epsilon:
            units = PrivacyLoss.of_text(format(limit, "f"), rounding=ROUND_FLOOR).epsilon_nano
            return replace(budget, loss=replace(loss, epsilon_nano=units))
        case "deltaBudget" if limit < loss.delta:
            units = PrivacyLoss.of_text("0", format(limit, "f"), rounding=ROUND_FLOOR).delta_femto
            return replace(budget, loss=replace(loss, delta_femto=units))
        case "count" if limit < budget.releases:
            return replace(budget, releases=int(limit))
    return budget
