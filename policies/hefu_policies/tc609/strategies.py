"""Policies as strategies of a digital contract, and back: one strategy a rule.

The standard's strategy is a permission with duties before it, a prohibition with remedies, or an obligation with
liability for its breach; those stand in ``policyExpansion`` as texts, and we write them as canonical JSON.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed

from hefu_policies import odrl
from hefu_policies.reading import Place, wrong
from hefu_policies.tc609.clauses import read_action, read_constraint, text_of, write_action, write_constraint
from hefu_policies.tc609.spelling import Spelling, differences, respell
from hefu_policies.tc609.words import EXPANSION
from hefu_policies.words.terms import CONTEXTS, PROFILE

RULES = ("permission", "prohibition", "obligation")
_OWED = {"duty": "duty", "remedy": "remedy", "consequence": "liability"}
_HEFU = uuid.uuid5(uuid.NAMESPACE_URL, PROFILE)
_STRATEGY = ("actions", "constraints")
_BESIDE = ("strategyId", "subjectInfo", "executionNodeInfo", "policyExpansion")


@dataclass(frozen=True, slots=True)
class Imported:
    """Strategies of another platform.

    Attributes:
        policy: an ODRL Offer of ours that means the same.
        spelling: what was written otherwise than we would; signed with the contract, it gives back what came in.
    """

    policy: Object
    spelling: Spelling


def write_rules(policy: Object, base: str, around: Object) -> list[Json]:
    """The strategies of a policy.

    Args:
        base: what their ids are drawn from.
        around: what every strategy says besides: subjectInfo, executionNodeInfo.
    """
    found: list[Json] = []
    for use in RULES:
        rules = policy.get(use, [])
        for index, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, dict):
                found.append(_write_rule(rule, use, str(uuid.uuid5(_HEFU, f"{base} {use} {index}")), around))
    return found


def read_rules(places: Sequence[Place], compute: str = "") -> Object:
    """The rules of strategies, as members of a policy.

    Raises:
        Malformed: a strategy says what cannot be carried out, with its place.
    """
    found: dict[str, list[Json]] = {}
    for each in places:
        use, rules = _read_rule(each, compute)
        found.setdefault(use, []).extend(rules)
    made: Object = {}
    made.update(found)
    return made


def import_strategies(strategies: Json, id_: str, compute: str = "") -> Imported:
    """Strategies of another platform as an Offer of ours.

    Args:
        id_: an IRI for the policy.
        compute: the action that ``compute`` shall be; empty where none of them says it.

    Raises:
        Malformed: something in them means nothing here; nothing is left out in silence.
    """
    rules = read_rules(Place(strategies, "strategies").items(1), compute)
    policy: Object = {
        "@context": [*CONTEXTS], "@id": id_, "@type": "Offer", "profile": [PROFILE], "conflict": odrl.PROHIBIT, **rules,
    }  # fmt: skip
    odrl.load(policy, "strategies")
    return Imported(policy, differences(write_rules(policy, id_, {}), strategies))


def export_strategies(imported: Imported) -> Json:
    """The strategies as they came in."""
    return respell(write_rules(imported.policy, str(imported.policy["@id"]), {}), imported.spelling)


def _write_rule(rule: Object, use: str, id_: str, around: Object) -> Object:
    action, constraints = str(rule["action"]), rule.get("constraint", [])
    conditions = [each for each in constraints if isinstance(each, dict)] if isinstance(constraints, list) else []
    expansion: Object = {"type": use}
    if write_action(action) == EXPANSION:
        expansion["action"] = action
    if "@id" in rule:
        expansion["name"] = rule["@id"]
    names: list[Json] = [each.get("@id") for each in conditions]
    if any(names):
        expansion["names"] = names
    expansion |= {theirs: text_of(rule[ours]) for ours, theirs in _OWED.items() if ours in rule}
    bare = [{name: value for name, value in each.items() if name != "@id"} for each in conditions]
    return around | {
        "strategyId": id_,
        "actions": [write_action(action)],
        "constraints": [write_constraint(each) for each in bare],
        "policyExpansion": expansion,
    }


def _read_rule(place: Place, compute: str) -> tuple[str, list[Json]]:
    """One strategy: its use, and a rule for each of its actions."""
    found = place.members(("actions",), (*_STRATEGY, *_BESIDE))
    known = found["policyExpansion"] if "policyExpansion" in found else Place({}, place.where)
    said = known.members((), ("type", "action", "name", "names", *_OWED.values()))
    use = said["type"].choice(*RULES) if "type" in said else RULES[0]
    constraints = _read_constraints(found["constraints"].items() if "constraints" in found else [], said.get("names"))
    rule: Object = {"constraint": constraints} if constraints else {}
    rule |= {ours: _owed(said[theirs]) for ours, theirs in _OWED.items() if theirs in said}
    if "name" in said:
        rule["@id"] = said["name"].text()
    return use, [rule | {"action": _action(each, said, compute)} for each in found["actions"].items(1)]


def _action(place: Place, said: dict[str, Place], compute: str) -> str:
    if place.value == EXPANSION and "action" in said:
        return said["action"].text()
    return read_action(place, compute)


def _read_constraints(places: Sequence[Place], names: Place | None) -> list[Json]:
    found = [read_constraint(each) for each in places]
    if names is None:
        return [*found]
    given = names.items()
    if len(given) != len(found):
        wrong(names.where, "a name or null for every constraint")
    return [
        each if name.value is None else each | {"@id": name.text()} for each, name in zip(found, given, strict=True)
    ]


def _owed(place: Place) -> Json:
    """Duties, remedies or liability: free text cannot be carried out, and to leave it out would drop a duty."""
    try:
        return canonical.decode(place.text(100_000).encode())
    except Malformed:
        raise Malformed("tc609.free_text", where=place.where) from None
