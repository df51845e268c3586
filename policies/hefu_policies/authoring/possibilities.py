"""What would this permit? The permitted request that lies nearest to one that somebody describes.

The facts that a policy tells apart fall into cells (`hefu_policies.analysis.space`); of the cells in which it permits,
that one is taken in which the fewest described facts change, and of each changed fact the nearest value. What is
found is decided on once more before it is told: the decision point has the last word.

Duties are no part of the search: what must be done first is told with the decision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from hefu_policies.analysis.points import TooLarge
from hefu_policies.analysis.space import Axis, Box, Space, space_of
from hefu_policies.deciding.comparisons import comparison, is_names
from hefu_policies.deciding.decision import Decision, Facts, Request, decide
from hefu_policies.deciding.policy import Compiled, Policy, compile_policy
from hefu_policies.words.terms import Kind, Phase

__all__ = ["ANYBODY", "ANYTHING", "Change", "Nearest", "TooLarge", "ask", "enforceable", "nearest"]

ANYBODY = "consumer"
ANYTHING = "product"
_SETS = (Kind.NAMES, Kind.PARTIES, Kind.CLAIM)


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that would have to be otherwise.

    Attributes:
        name: of the fact.
        before: None where nothing was described.
    """

    name: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Nearest:
    """A request that is permitted.

    Attributes:
        changed: what was described, and would have to be otherwise; ``added`` what was not described and must be so.
        decision: about the request with all of it.
    """

    changed: tuple[Change, ...]
    added: tuple[Change, ...]
    decision: Decision


def enforceable(policy: Policy) -> Compiled:
    """A policy ready to be asked; an Offer is read as if it were agreed on with `ANYBODY`."""
    if policy.kind != "Agreement":
        policy = replace(policy, kind="Agreement", target=ANYTHING, assigner="provider", assignee=ANYBODY)
    return compile_policy(policy)


def ask(contract: Compiled, action: str, facts: Facts, performed: Collection[str] = ()) -> Decision:
    """What the whole of a policy says of a described request, everything being decided that is decided at release."""
    policy = contract.policy
    request = Request(action, str(policy.target), str(policy.assignee), frozenset(performed))
    return decide(contract, request, facts, Phase.RELEASE)


def nearest(contract: Compiled, action: str, facts: Facts) -> Nearest | None:
    """The nearest permitted request of the same action; None where no such request is permitted.

    Raises:
        TooLarge: there are too many cases to walk through.
    """
    policy, vocabulary = contract.policy, contract.vocabulary
    covers = {rule.action for rule in policy.rules if action in vocabulary.narrower(rule.action)}
    space = space_of([rule for rule in policy.rules if rule.action in covers], vocabulary)
    boxes = space.permitted(policy, covers)
    known = {name: value for name, value in facts.items() if value is not None}
    found = sorted((_fit(space, box, known, contract) for box in boxes), key=_cost)
    for wanted, changes in found:
        decision = ask(contract, action, {**known, **wanted})
        if decision.permits:
            changed = tuple(each for each in changes if each.before is not None)
            return Nearest(changed, tuple(each for each in changes if each.before is None), decision)
    return None


Fit = tuple[dict[str, object], list[Change]]


def _cost(fit: Fit) -> tuple[int, int]:
    changed = sum(each.before is not None for each in fit[1])
    return changed, len(fit[1])


def _fit(space: Space, box: Box, known: Mapping[str, object], contract: Compiled) -> Fit:
    wanted: dict[str, object] = {}
    changes: list[Change] = []
    for name, axis in space.axes.items():
        cells = box.get(name, axis.full)
        value = known.get(name)
        if value is not None and _inside(axis, cells, value, contract):
            continue
        wanted[name] = _best(axis, cells, value, contract)
        changes.append(Change(name, value, wanted[name]))
    return wanted, changes


def _inside(axis: Axis, cells: int, value: object, contract: Compiled) -> bool:
    cell = _cell(axis, value, contract)
    return bool(cell & cells)


def _cell(axis: Axis, value: object, contract: Compiled) -> int:
    """The cells that a value cannot be told apart from; none where a constraint cannot judge it."""
    found = axis.full
    for (_, operator, values), (true, false) in axis.truths.items():
        truth = comparison(axis.operand, operator, values, contract.vocabulary)(value)  # type: ignore[arg-type]
        if truth is None:
            return 0
        found &= true if truth else false
    return found


def _best(axis: Axis, cells: int, value: object, contract: Compiled) -> object:
    options = [point.value for point in axis.among(cells)]
    if value is None or value != value:  # noqa: PLR0124 - no number is nearer to none than another
        return options[0]
    if axis.operand.kind in _SETS and is_names(value):
        options += [each for each in _near_sets(axis, frozenset(value)) if _inside(axis, cells, each, contract)]
        return min(options, key=lambda each: len(frozenset(value) ^ frozenset(each)))  # type: ignore[call-overload]
    return min(options, key=lambda each: _distance(value, each))


def _near_sets(axis: Axis, value: frozenset[str]) -> Iterator[frozenset[str]]:
    for _, _, values in axis.truths:
        named = frozenset(map(str, values))
        yield value & named
        yield value - named
        yield value | named


def _distance(one: object, other: object) -> Decimal:
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return abs(Decimal(one) - Decimal(other))
    if isinstance(one, datetime) and isinstance(other, datetime):
        return Decimal(abs((one - other).total_seconds()))
    if isinstance(one, timedelta) and isinstance(other, timedelta):
        return Decimal(abs((one - other).total_seconds()))
    return Decimal(0)
