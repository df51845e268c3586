"""The strict form of a policy, out of its typed values; and an Offer bound to its target and parties."""

from __future__ import annotations

from datetime import datetime

from hefu.canonical import Json, Object
from hefu.times import write_time

from hefu_policies.deciding.rules import Condition, Constraint, Duty, Logical, Policy, Rule
from hefu_policies.odrl import values
from hefu_policies.odrl.checks import PROHIBIT
from hefu_policies.odrl.reader import load
from hefu_policies.odrl.values import PRODUCT_PREFIX, full
from hefu_policies.reading import wrong
from hefu_policies.words.terms import CONTEXTS, PARTICIPANT_PREFIX, PROFILE, SET_OPERATORS


def dump(policy: Policy) -> Object:
    """The JSON of a policy: equal to what `load` read."""
    body: Object = {
        "@context": [*CONTEXTS],
        "@id": policy.id,
        "@type": policy.kind,
        "profile": [PROFILE],
        "conflict": PROHIBIT,
        "permission": [_rule(each) for each in policy.permissions],
    }
    if policy.prohibitions:
        body["prohibition"] = [_rule(each) for each in policy.prohibitions]
    if policy.obligations:
        body["obligation"] = [_duty(each) for each in policy.obligations]
    body |= placed(policy.target, policy.assigner, policy.assignee)
    if policy.timestamp is not None:
        body["timestamp"] = write_time(policy.timestamp)
    return body


def bind(offer: Object, *, id_: str, target: str, assigner: str, assignee: str, at: datetime) -> Object:
    """The Agreement that an Offer becomes when its target and parties are filled in.

    Args:
        id_: an IRI of its own.
        target: the id of the data product; ``assigner`` and ``assignee`` are ids of participants.

    Raises:
        Malformed: the offer is none, or already names parties.
    """
    if load(offer).kind != "Offer":
        wrong("policy.@type", "Offer")
    terms: Object = {
        "@id": id_,
        "@type": "Agreement",
        "timestamp": write_time(at),
    }
    return offer | terms | placed(target, assigner, assignee)


def placed(target: str | None, assigner: str | None, assignee: str | None) -> Object:
    """What a policy is about and between whom, as IRIs; nothing where any of them is open."""
    if target is None or assigner is None or assignee is None:
        return {}
    return {
        "target": full(target, PRODUCT_PREFIX),
        "assigner": full(assigner, PARTICIPANT_PREFIX),
        "assignee": full(assignee, PARTICIPANT_PREFIX),
    }


def condition(each: Condition) -> Object:
    """The JSON of a constraint or of a logical one."""
    body = _logical(each) if isinstance(each, Logical) else _constraint(each)
    return body | ({"@id": each.id} if each.named else {})


def _rule(rule: Rule) -> Object:
    body = _head(rule)
    if rule.duties:
        body["duty"] = [_duty(each) for each in rule.duties]
    if rule.remedies:
        body["remedy"] = [_duty(each) for each in rule.remedies]
    return body


def _duty(duty: Duty) -> Object:
    body = _head(duty)
    if duty.consequences:
        body["consequence"] = [_duty(each) for each in duty.consequences]
    return body


def _head(each: Rule | Duty) -> Object:
    body: Object = {"action": each.action}
    if each.named:
        body["@id"] = each.id
    if each.constraints:
        body["constraint"] = [condition(one) for one in each.constraints]
    return body


def _logical(logical: Logical) -> Object:
    return {logical.combine.value: [condition(each) for each in logical.parts]}


def _constraint(constraint: Constraint) -> Object:
    right: list[Json] = [values.write(text, constraint.operand.kind) for text in constraint.written]
    body: Object = {
        "leftOperand": constraint.operand.term,
        "operator": constraint.operator.value,
        "rightOperand": right if constraint.operator in SET_OPERATORS else right[0],
    }
    return body | ({"unit": constraint.unit} if constraint.unit else {})
