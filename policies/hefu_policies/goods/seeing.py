"""The catalog phase: may this participant see an offer, as far as a registry and a clock can tell?

1. Only operands of the phase are asked about. What all others will be nobody knows yet: they are Unknown.
2. Unknown hides nothing: nothing is permitted by showing an offer, and the admission decides on it.
3. An agreement lasts: what the time of day decides is judged for all of the time to come. A constraint that begins to
   hold later, or holds only until then, is Unknown; one whose time is over is False for good.
4. An offer is hidden where nothing that it permits can be had: each permission is definitely False, or all that it
   covers is forbidden by prohibitions that definitely hold.

Who shows offers and who agrees to them decides by the same rules, each from what it verified itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from hefu.canonical import Object
from hefu.identity import CREDENTIAL, INDUSTRY, JURISDICTION, SECURITY_LEVEL

from hefu_policies import odrl
from hefu_policies.deciding.decision import Facts, truth
from hefu_policies.deciding.policy import CompiledRule, Group, Node, compile_policy
from hefu_policies.deciding.rules import Condition, Logical
from hefu_policies.words.terms import Operator, Phase, Source

_SCHEMES = {"industry": INDUSTRY, "jurisdiction": JURISDICTION, "securityLevel": SECURITY_LEVEL}
TIME = "dateTime"
_ABOUT_SOMEBODY = (Source.REGISTRY, Source.CREDENTIAL)


def certified(roles: frozenset[str], attributes: Mapping[str, frozenset[str]]) -> dict[str, object]:
    """What a registry vouches for, as facts; what it does not tell, or tells twice, is left out.

    Args:
        roles: those that count in the space.
        attributes: of the participant, by scheme (`hefu.identity.Participant.attributes`).
    """
    found: dict[str, object] = {"role": roles}
    for name, scheme in _SCHEMES.items():
        values = attributes.get(scheme, frozenset())
        if len(values) == 1:
            found[name] = next(iter(values))
    if claims := attributes.get(CREDENTIAL):
        found["credential"] = claims
    return found


def known(roles: frozenset[str], attributes: Mapping[str, frozenset[str]], now: datetime) -> Facts:
    """All facts of the catalog phase about a participant."""
    return {**certified(roles, attributes), TIME: now}


@dataclass(frozen=True, slots=True)
class Sight:
    """An offer's policy, ready for the catalog phase. Make it once; it may be used from any thread.

    Attributes:
        is_selective: whether who somebody is can decide; else only the time can.
    """

    permissions: tuple[CompiledRule, ...] = field(repr=False)
    prohibitions: tuple[CompiledRule, ...] = field(repr=False)
    is_selective: bool

    @classmethod
    def of(cls, policy: Object) -> Sight:
        """Of an ODRL Offer in JSON.

        Raises:
            Malformed: it is none.
        """
        made = odrl.load(policy)
        compiled = compile_policy(made, binding=("Offer",))
        selective = any(
            Phase.CATALOG in each.operand.phases and each.operand.source in _ABOUT_SOMEBODY
            for each in made.constraints()
        )
        permissions, prohibitions = map(_for_good, compiled.permissions), map(_for_good, compiled.prohibitions)
        return cls(tuple(permissions), tuple(prohibitions), selective)

    def allows(self, facts: Facts) -> bool:
        """Whether it is shown to a participant of whom this is `known`."""
        barred: set[str] = set()
        for each in self.prohibitions:
            if _truth(each, facts):
                barred |= each.covers
        return any(not each.covers <= barred and _truth(each, facts) is not False for each in self.permissions)


def _for_good(rule: CompiledRule) -> CompiledRule:
    return replace(rule, nodes=tuple(map(_lasting, rule.nodes, rule.rule.constraints)))


def _lasting(node: Node, condition: Condition) -> Node:
    """The node as it stands for all time from now on: what the clock may still turn over is Unknown."""
    if isinstance(node, Group):
        parts = condition.parts if isinstance(condition, Logical) else ()
        return replace(node, parts=tuple(_lasting(each, part) for each, part in zip(node.parts, parts, strict=True)))
    if isinstance(condition, Logical) or condition.operand.name != TIME:
        return node
    final, test = condition.operator in (Operator.GT, Operator.GTEQ), node.test
    return node._replace(test=lambda value: found if (found := test(value)) is final else None)


def _truth(rule: CompiledRule, facts: Facts) -> bool | None:
    found: Iterable[bool | None] = [truth(node, facts, Phase.CATALOG, None, []) for node in rule.nodes]
    return False if False in found else None if None in found else True
