"""What a whole policy must keep to: its size, ids of its own, accounts that are plain, deliveries that say how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hefu.errors import Malformed

from hefu_policies.deciding.rules import Condition, Duty, Logical, Policy, Rule, Value, demanded
from hefu_policies.reading import unique, wrong
from hefu_policies.words.terms import ANONYMISED, DELIVER, SAMPLED, Combine

PROHIBIT: Final = "prohibit"
SMALLEST_GROUP: Final = 2  # below it, anonymised would be a word only
LARGEST_POLICY: Final = 256 * 1024  # bytes
MOST_RULES: Final = 200
_MOST_CONSTRAINTS = 2000


def check(policy: Policy, where: str) -> None:
    """Check what no single rule shows.

    Raises:
        Malformed: with the place and what to write instead.
    """
    rules: list[Rule | Duty] = [*policy.rules, *policy.duties()]
    conditions = [each for rule in rules for each in _all(rule.constraints)]
    if len(rules) > MOST_RULES or len(conditions) > _MOST_CONSTRAINTS:
        wrong(where, f"at most {MOST_RULES} rules and {_MOST_CONSTRAINTS} constraints")
    unique((*(each.id for each in rules), *(each.id for each in conditions)), where)
    for each in rules:
        for condition in each.constraints:
            _check_plain(condition, isinstance(each, Duty), True, True)
        if sum(one.operand.name == "event" for one in demanded(each)) > 1:
            wrong(each.id, "one odrl:event: before, at or after the use")
    for duty in policy.duties():
        _check_consequences(duty)
    for rule in policy.permissions:
        _check_delivery(rule)


def _all(conditions: tuple[Condition, ...]) -> Iterator[Condition]:
    for each in conditions:
        yield each
        if isinstance(each, Logical):
            yield from _all(each.parts)


def _check_plain(condition: Condition, in_duty: bool, direct: bool, conjunctive: bool) -> None:
    """A ledger must know what to charge, and a duty how it is performed: neither may hang on an alternative."""
    if isinstance(condition, Logical):
        for each in condition.parts:
            _check_plain(each, in_duty, False, conjunctive and condition.combine is Combine.AND)
    elif in_duty and (condition.operand.performance or not condition.operand.in_rules) and not direct:
        raise Malformed("policy.performance", where=condition.id, term=condition.operand.term)
    elif condition.operand.in_ledger and not conjunctive:
        raise Malformed("policy.account", where=condition.id, term=condition.operand.term)


def _check_consequences(duty: Duty) -> None:
    """That a duty was not performed in time is what makes its consequences due."""
    if duty.consequences and not duty.is_timed:
        raise Malformed("policy.consequence", where=duty.id)


def _check_delivery(rule: Rule) -> None:
    """A permission to deliver names the processing, and of how large a sample or how large a group it is."""
    if rule.action != DELIVER:
        return
    said: dict[str, set[Value]] = {}
    for each in demanded(rule):
        said.setdefault(each.operand.name, set()).update(each.values)
    processing = said.get("processing", set())
    if not processing:
        raise Malformed("policy.delivery", where=rule.id, term="hefu:processing")
    if SAMPLED in processing and "share" not in said:
        raise Malformed("policy.delivery", where=rule.id, term="hefu:share")
    groups = said.get("minGroup", set())
    if ANONYMISED in processing and not any(isinstance(each, int) and each >= SMALLEST_GROUP for each in groups):
        raise Malformed("policy.delivery", where=rule.id, term=f"hefu:minGroup ({SMALLEST_GROUP} or more)")
