"""The policy decision point: may this request be carried out, or this result released, under this contract?

Rules, in order:
1. The request must be about the contract's target, by its assignee; else nothing permits it.
2. A rule applies to its action and to all that are included in it.
3. A constraint is True, False or Unknown. A fact that is missing, of another type or with a value the vocabulary does
   not know makes it Unknown. Unknown about a fact that is due in a later phase defers it instead: it then counts as
   True in a permission and as False in a prohibition, for the later phase decides.
4. ``and`` and ``or`` are Kleene's; ``xone`` and ``andSequence`` are Unknown if any part is.
5. A prohibition fires unless one of its constraints is False. A permission holds if all its constraints are True.
6. Permit if a permission holds and no prohibition fires; deny by default.
7. A duty of the permission is due unless a gate of it is False. What is due before the use must be performed before
   the admission, what is due with it (``hefu:log``) before anything leaves; what is due afterwards is announced.
8. A duty whose deadline passed unperformed stops the next admission, whatever the rules say.

No I/O, no clock: the same arguments give the same decision, always.

Source: ODRL Information Model 2.2 sections 2.5 and 2.6; `conflict` is always ``prohibit``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from hefu_policies.deciding.policy import Compiled, CompiledDuty, CompiledRule, Group, Node, Policy
from hefu_policies.deciding.reasons import Code, Reason
from hefu_policies.words.terms import PHASES, Phase

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
        performed: duties performed so far: each by its id, or by its action where nothing is said about how.
        violated: ids of the duties under this agreement whose deadline passed and that are still not performed.
    """

    action: str
    target: str
    assignee: str
    performed: frozenset[str] = frozenset()
    violated: frozenset[str] = frozenset()


class Decision(NamedTuple):
    """A decision with its whole report; a tuple, as a frozen dataclass took a fifth of all the time to be made.

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
    contract: Compiled
    facts: Facts

    def __repr__(self) -> str:
        """All but contract and facts: no data value stands in a log."""
        return f"Decision{self[:-2]}"

    @property
    def pending(self) -> tuple[str, ...]:
        """The ids of the duties in ``duties``."""
        return tuple(each.part for each in self.reasons if each.code is Code.PENDING)

    @property
    def permits(self) -> bool:
        """Whether nothing stands against it but duties, which whoever asks must then perform."""
        return self.effect in (Effect.PERMIT, Effect.PERMIT_AFTER_DUTIES)


def decide(contract: Compiled, request: Request, facts: Facts, phase: Phase) -> Decision:
    """Decide.

    Args:
        facts: while it runs and at release, those of the admission too: at release nothing may be left undecided.
    """
    known = dict(facts)
    reasons = _elsewhere(contract.policy, request)
    if reasons:
        return Decision(Effect.DEFAULT_DENY, tuple(reasons), (), "", phase, request, contract, known)
    fired = _first_fired(contract, request, known, phase, reasons)
    held = _holding(contract, request, known, phase, reasons)
    effect, clause = Effect.DEFAULT_DENY, ""
    duties: tuple[str, ...] = ()
    if fired is not None:
        effect, clause = Effect.DENY, fired.rule.id
    elif held:
        effect, clause, duties = _under(contract, held, request, known, phase, reasons)
    elif not any(request.action in each.covers for each in contract.permissions):
        reasons.append(Reason(Code.NO_PERMISSION))
    if contract.obligations or request.violated:
        effect, clause = _obliged(contract, request, known, phase, effect, clause, reasons)
    return Decision(effect, tuple(reasons), duties, clause, phase, request, contract, known)


def _elsewhere(policy: Policy, request: Request) -> list[Reason]:
    """Why the request is none of this contract's; in an Agreement neither target nor assignee is open."""
    reasons = []
    if policy.target != request.target and policy.target is not None:
        reasons.append(Reason(Code.OTHER_TARGET))
    if policy.assignee != request.assignee and policy.assignee is not None:
        reasons.append(Reason(Code.OTHER_ASSIGNEE))
    return reasons


def _first_fired(
    contract: Compiled, request: Request, known: Facts, phase: Phase, reasons: list[Reason]
) -> CompiledRule | None:
    """The first prohibition that fires: unless it is definitely False. All are judged, for the report."""
    found = None
    for each in contract.prohibitions:
        if request.action not in each.covers:
            continue
        fires = False not in _judged(each, known, phase, False, reasons)
        reasons.append(each.effective if fires else each.idle)
        if fires and found is None:
            found = each
    return found


def _holding(
    contract: Compiled, request: Request, known: Facts, phase: Phase, reasons: list[Reason]
) -> list[CompiledRule]:
    """The permissions that hold: all their constraints are True. All are judged, for the report."""
    found = []
    for each in contract.permissions:
        if request.action not in each.covers:
            continue
        holds = all(_judged(each, known, phase, True, reasons))
        reasons.append(each.effective if holds else each.idle)
        if holds:
            found.append(each)
    return found


def _judged(rule: CompiledRule, known: Facts, phase: Phase, waiting: bool, reasons: list[Reason]) -> list[bool | None]:
    """What is known of each of a rule's constraints; those without logic are judged here, quicker."""
    if not rule.checks:
        return [truth(each, known, phase, waiting, reasons) for each in rule.nodes]
    fact, say = known.get, reasons.append
    results = [test(fact(name)) for name, test in rule.tests]
    if all(results):
        reasons += rule.all_held
        return results
    for place, check in enumerate(rule.checks):
        result = results[place]
        if result is None and phase in check.waits:
            say(check.deferred)
            results[place] = waiting
        else:
            say(check.said[result])
    return results


def truth(node: Node, known: Facts, phase: Phase | None, waiting: bool | None, reasons: list[Reason]) -> bool | None:
    """What is known of a constraint or of several combined; None is Unknown.

    Args:
        phase: None where no phase follows any more, for which a fact might wait.
        waiting: what a constraint counts as whose fact is due later: True in a permission, False in a prohibition.
        reasons: what was found is added, the parts before the whole.
    """
    if isinstance(node, Group):
        result = node.combine([truth(each, known, phase, waiting, reasons) for each in node.parts])
    else:
        result = node.test(known.get(node.name))
        if result is None and phase in node.waits:
            reasons.append(node.deferred)
            return waiting
    reasons.append(node.said[result])
    return result


def _under(
    contract: Compiled,
    held: list[CompiledRule],
    request: Request,
    known: Facts,
    phase: Phase,
    reasons: list[Reason],
) -> tuple[Effect, str, tuple[str, ...]]:
    """The permission that is used: the first that needs no duty first, or else the first."""
    chosen = held[0]
    if not chosen.duties:
        return Effect.PERMIT, chosen.rule.id, ()
    found = _pending(chosen, request, known, phase)
    for other in held[1:]:
        if not any(due is Phase.ADMISSION for due, _ in found.pending):
            break
        another = _pending(other, request, known, phase)
        if not any(due is Phase.ADMISSION for due, _ in another.pending):
            chosen, found = other, another
    reasons += found.reasons
    at = PHASES.index(phase)
    must = any(PHASES.index(due) <= at for due, _ in found.pending) and not contract.lenient
    effect = Effect.PERMIT_AFTER_DUTIES if must else Effect.PERMIT
    return effect, chosen.rule.id, tuple(action for _, action in found.pending)


class _Duties(NamedTuple):
    """Of a permission: what is said of its duties, and which must be performed before the release leaves, and when."""

    reasons: list[Reason]
    pending: list[tuple[Phase, str]]


def _pending(rule: CompiledRule, request: Request, known: Facts, phase: Phase) -> _Duties:
    found = _Duties([], [])
    for each in rule.duties:
        code = _state(each, request, known, phase, found.reasons)
        found.reasons.append(Reason(code, rule.rule.id, each.duty.id))
        if code is Code.PENDING:
            found.pending.append((each.due, each.duty.action))
    return found


def _state(each: CompiledDuty, request: Request, known: Facts, phase: Phase, reasons: list[Reason]) -> Code:
    gates = [truth(node, known, phase, None, reasons) for node in each.gates]
    if each.duty.id in request.violated:
        return Code.VIOLATED
    if False in gates:
        return Code.INACTIVE
    if each.duty.id in request.performed or (each.duty.action in request.performed and not each.how):
        return Code.PERFORMED
    if each.due is not Phase.POST:
        return Code.PENDING
    return Code.ACTIVE if phase in (Phase.RELEASE, Phase.POST) else Code.LATER


def _obliged(
    contract: Compiled,
    request: Request,
    known: Facts,
    phase: Phase,
    effect: Effect,
    clause: str,
    reasons: list[Reason],
) -> tuple[Effect, str]:
    """What obligations say; whatever is violated admits nothing new under the agreement until it is performed."""
    for each in contract.obligations:
        reasons.append(Reason(_state(each, request, known, phase, reasons), "", each.duty.id))
    if not request.violated or phase is not Phase.ADMISSION:
        return effect, clause
    told = {each.part for each in reasons if each.code is Code.VIOLATED}
    reasons += [Reason(Code.VIOLATED, "", each) for each in sorted(request.violated - told)]
    return (effect, clause) if effect is Effect.DENY else (Effect.DENY, min(request.violated))
