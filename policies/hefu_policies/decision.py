"""The policy decision point: may this request be carried out, or this result released, under this contract?

Rules, in order:
1. The request must be about the contract's target, by its assignee; else nothing permits it.
2. A rule applies to its action and to all that are included in it.
3. A constraint is True, False or Unknown. A fact that is missing, of another type or with a value the vocabulary does
   not know makes it Unknown; at admission only, Unknown about a fact that is due at release defers it.
4. A prohibition fires unless one of its constraints is False (a deferred one counts as False: the release decides).
5. A permission holds if all its constraints are True (a deferred one counts as True).
6. Permit if a permission holds and no prohibition fires; deny by default.
7. At release, duties of the permitting rule that were not performed must be performed before anything leaves.
   `hefu:log` is performed by the transaction that seals and journals the release.

No I/O, no clock: the same arguments give the same decision, always.

Source: ODRL Information Model 2.2 sections 2.5 and 2.6; `conflict` is always ``prohibit``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hefu_policies.policy import Compiled, CompiledRule
from hefu_policies.reasons import Code, Reason
from hefu_policies.terms import Phase

Facts = Mapping[str, object]  # by an operand's name, for example "epsilon"; absent or None is Unknown


class Effect(StrEnum):
    """The four results."""

    PERMIT = "permit"
    PERMIT_AFTER_DUTIES = "permit_after_duties"
    DENY = "deny"
    DEFAULT_DENY = "default_deny"


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants to do.

    Attributes:
        action: for example ``hefu:dpQuery``.
        target: the id of the data product.
        assignee: the participant who asks, as authenticated.
        performed: duties performed so far, by action.
    """

    action: str
    target: str
    assignee: str
    performed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision with its whole report.

    Attributes:
        reasons: rule by rule, each rule's constraints first.
        duties: actions of the permitting rule's duties that are not performed yet.
        clause: the id of the rule that permits or prohibits; empty where none does.
        facts: what was known, for the explanation and the record.
    """

    effect: Effect
    reasons: tuple[Reason, ...]
    duties: tuple[str, ...]
    clause: str
    phase: Phase
    request: Request
    contract: Compiled = field(repr=False)
    facts: Facts = field(repr=False)

    @property
    def permits(self) -> bool:
        """Whether nothing stands against it but duties, which whoever asks must then perform."""
        return self.effect in (Effect.PERMIT, Effect.PERMIT_AFTER_DUTIES)


def decide(contract: Compiled, request: Request, facts: Facts, phase: Phase) -> Decision:
    """Decide.

    Args:
        facts: at release, those of the admission too: there nothing may be left undecided.
    """
    known = dict(facts)
    reasons: list[Reason] = []
    if not _concerns(contract, request, reasons):
        return Decision(Effect.DEFAULT_DENY, tuple(reasons), (), "", phase, request, contract, known)
    fired = _first(contract.prohibitions, False, request, known, phase, reasons)
    held = _first(contract.permissions, True, request, known, phase, reasons)
    effect, clause = Effect.DEFAULT_DENY, ""
    duties: tuple[str, ...] = ()
    if fired is not None:
        effect, clause = Effect.DENY, fired.rule.id
    elif held is not None:
        effect, clause = Effect.PERMIT, held.rule.id
        duties = _pending(held, request, reasons)
        if duties and phase is Phase.RELEASE:
            effect = Effect.PERMIT_AFTER_DUTIES
    elif not any(request.action in each.covers for each in contract.permissions):
        reasons.append(Reason(Code.NO_PERMISSION))
    return Decision(effect, tuple(reasons), duties, clause, phase, request, contract, known)


def _concerns(contract: Compiled, request: Request, reasons: list[Reason]) -> bool:
    if request.target != contract.policy.target:
        reasons.append(Reason(Code.OTHER_TARGET))
    if request.assignee != contract.policy.assignee:
        reasons.append(Reason(Code.OTHER_ASSIGNEE))
    return not reasons


def _first(
    rules: tuple[CompiledRule, ...],
    permitting: bool,
    request: Request,
    known: Mapping[str, object],
    phase: Phase,
    reasons: list[Reason],
) -> CompiledRule | None:
    """The first rule that takes effect; all are judged, for the report."""
    found = None
    for each in rules:
        if request.action not in each.covers:
            continue
        all_held, any_failed = _judge(each, permitting, known, phase, reasons)
        takes_effect = all_held if permitting else not any_failed
        reasons.append(each.effective if takes_effect else each.idle)
        if takes_effect and found is None:
            found = each
    return found


def _judge(
    rule: CompiledRule, permitting: bool, known: Mapping[str, object], phase: Phase, reasons: list[Reason]
) -> tuple[bool, bool]:
    """Whether all constraints are True, and whether any is False."""
    all_held, any_failed = True, False
    admission = phase is Phase.ADMISSION
    for check in rule.checks:
        value = known.get(check.name)
        result = None if value is None else check.test(value)
        if result is None and admission and check.deferrable:
            result = permitting
            reasons.append(check.deferred)
        else:
            reasons.append(check.held if result else check.unknown if result is None else check.failed)
        if not result:
            all_held = False
            any_failed = any_failed or result is False
    return all_held, any_failed


def _pending(rule: CompiledRule, request: Request, reasons: list[Reason]) -> tuple[str, ...]:
    pending = []
    for duty in rule.rule.duties:
        done = duty.action in request.performed
        reasons.append(Reason(Code.PERFORMED if done else Code.PENDING, rule.rule.id, duty.id))
        if not done:
            pending.append(duty.action)
    return tuple(pending)
