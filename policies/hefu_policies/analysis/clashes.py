"""Which clauses clash: rules that can never take effect, that take each other's effect away, or that add nothing.

Always on: no solver is needed. Within one policy `clashes` finds what its author did not mean; between policies
`hefu_policies.analysis.questions.joint` says whether they leave anything in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hefu.errors import Language, sentence

from hefu_policies.analysis.normal import duty_key
from hefu_policies.analysis.points import TooLarge
from hefu_policies.analysis.questions import kinds_of_request, satisfiable
from hefu_policies.analysis.space import Box, Space, cross, space_of
from hefu_policies.deciding.policy import Condition, Policy, Rule
from hefu_policies.words.terms import HEFU, Vocabulary


class Finding(StrEnum):
    """What was found; each value is the code of its sentence."""

    NOTHING = "analysis.nothing"  # the policy permits nothing at all
    CONTRADICTION = "analysis.contradiction"  # the conditions of a permission contradict each other
    NEVER_FIRES = "analysis.never_fires"  # those of a prohibition do
    OVERRIDDEN = "analysis.overridden"  # whatever a permission grants is prohibited
    ADDS_NOTHING = "analysis.adds_nothing"  # a rule says nothing that a broader one does not
    SUPERFLUOUS = "analysis.superfluous"  # a condition that follows from the others of its rule
    NARROWED = "analysis.narrowed"  # a prohibition takes away a part of a permission
    TOO_LARGE = "analysis.too_large"  # a rule with more cases than can be walked through


FAULTS = frozenset({Finding.NOTHING, Finding.CONTRADICTION, Finding.NEVER_FIRES, Finding.OVERRIDDEN})


@dataclass(frozen=True, slots=True)
class Clash:
    """One finding.

    Attributes:
        rule: which it is about; empty for the whole policy.
        others: the conditions of the rule, or the other rules, that it follows from.
    """

    finding: Finding
    rule: str = ""
    others: tuple[str, ...] = ()

    @property
    def is_fault(self) -> bool:
        """Whether it cannot have been meant; else it is worth knowing."""
        return self.finding in FAULTS

    def sentence(self, language: Language = "en") -> str:
        """The finding in words, with what to do about it."""
        return sentence(self.finding, language, {"rule": self.rule, "others": ", ".join(self.others)})


def clashes(policy: Policy, vocabulary: Vocabulary = HEFU) -> tuple[Clash, ...]:
    """Everything that was found in one policy, in the order of its rules."""
    found = [each for rule in policy.permissions for each in _of_permission(policy, rule, vocabulary)]
    found += [each for rule in policy.prohibitions for each in _of_prohibition(policy, rule, vocabulary)]
    if satisfiable(policy, vocabulary).verdict == "no":
        found.append(Clash(Finding.NOTHING, others=tuple(rule.id for rule in policy.rules)))
    return tuple(found)


def _of_permission(policy: Policy, rule: Rule, vocabulary: Vocabulary) -> Iterator[Clash]:
    try:
        own = _conditions(rule, Finding.CONTRADICTION, vocabulary)
        yield from own
        if any(each.finding is Finding.CONTRADICTION for each in own):
            return
        taking = tuple(each for each in policy.prohibitions if _meet(rule, each, vocabulary))
        if taking and _left(rule, taking, vocabulary) == 0:
            yield Clash(Finding.OVERRIDDEN, rule.id, _needed(rule, taking, vocabulary))
            return
        yield from (Clash(Finding.NARROWED, rule.id, (each.id,)) for each in taking)
        yield from _within_others(rule, policy.permissions, True, vocabulary)
    except TooLarge:
        yield Clash(Finding.TOO_LARGE, rule.id)


def _of_prohibition(policy: Policy, rule: Rule, vocabulary: Vocabulary) -> Iterator[Clash]:
    try:
        own = _conditions(rule, Finding.NEVER_FIRES, vocabulary)
        yield from own
        if not any(each.finding is Finding.NEVER_FIRES for each in own):
            yield from _within_others(rule, policy.prohibitions, False, vocabulary)
    except TooLarge:
        yield Clash(Finding.TOO_LARGE, rule.id)


def _conditions(rule: Rule, impossible: Finding, vocabulary: Vocabulary) -> list[Clash]:
    """Contradictions among the conditions of a rule; else those that follow from the others."""
    space = space_of([rule], vocabulary)
    region = _where(space, impossible is Finding.CONTRADICTION)
    parts = rule.constraints
    if not region(parts):
        for each in parts:
            rest = tuple(one for one in parts if one is not each)
            if not region(rest):
                parts = rest
        return [Clash(impossible, rule.id, tuple(each.id for each in parts))]
    found = []
    for each in parts:
        rest = tuple(one for one in parts if one is not each)
        if rest and not space.minus(region(rest), region((each,))):
            parts = rest
            found.append(Clash(Finding.SUPERFLUOUS, rule.id, (each.id,)))
    return found


def _where(space: Space, permitting: bool) -> Callable[[tuple[Condition, ...]], list[Box]]:
    """Where a permission with such conditions holds, or where a prohibition with them fires."""
    if permitting:
        return space.region
    return lambda conditions: space.prohibits(Rule("", "", conditions))


def _meet(rule: Rule, prohibition: Rule, vocabulary: Vocabulary) -> bool:
    if not vocabulary.narrower(rule.action) & vocabulary.narrower(prohibition.action):
        return False
    space = space_of((rule, prohibition), vocabulary)
    return bool(cross(space.region(rule.constraints), space.prohibits(prohibition)))


def _left(rule: Rule, prohibitions: Sequence[Rule], vocabulary: Vocabulary) -> int:
    """In how many pieces a permission is left by prohibitions; 0 is: nothing."""
    alone = Policy("", "Offer", (rule,), tuple(prohibitions))
    space = space_of(alone.rules, vocabulary)
    return sum(len(space.permitted(alone, covers)) for _, covers in kinds_of_request((alone,), vocabulary))


def _needed(rule: Rule, prohibitions: tuple[Rule, ...], vocabulary: Vocabulary) -> tuple[str, ...]:
    for each in prohibitions:
        rest = tuple(one for one in prohibitions if one is not each)
        if _left(rule, rest, vocabulary) == 0:
            prohibitions = rest
    return tuple(each.id for each in prohibitions)


def _within_others(rule: Rule, rules: Sequence[Rule], permitting: bool, vocabulary: Vocabulary) -> Iterator[Clash]:
    """A rule inside one broader rule of its kind; of two that say the same, the later one."""
    for other in rules:
        if other is rule or not _within(rule, other, permitting, vocabulary):
            continue
        if not _within(other, rule, permitting, vocabulary) or rules.index(other) < rules.index(rule):
            yield Clash(Finding.ADDS_NOTHING, rule.id, (other.id,))
            return


def _within(narrow: Rule, wide: Rule, permitting: bool, vocabulary: Vocabulary) -> bool:
    same = {duty_key(each) for each in wide.duties} <= {duty_key(each) for each in narrow.duties}
    held = {duty_key(each) for each in narrow.remedies} <= {duty_key(each) for each in wide.remedies}
    if not (same and held and narrow.action in vocabulary.narrower(wide.action)):
        return False
    space = space_of((narrow, wide), vocabulary)
    region = _where(space, permitting)
    return not space.minus(region(narrow.constraints), region(wide.constraints))
