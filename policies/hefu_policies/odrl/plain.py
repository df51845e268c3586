"""Policies for others: plain ODRL 2.2, and messages of the Dataspace Protocol.

In plain ODRL what says *how* a duty is performed stands as a refinement of its action: an evaluator that does not
know the profile would take it for a condition, find it unmet, and grant without the duty.

Source: ODRL Information Model 2.2; Dataspace Protocol 2025-1, contract negotiation messages.
"""

from __future__ import annotations

from typing import Final

from hefu.canonical import Json, Object
from hefu.times import write_time

from hefu_policies.deciding.rules import Condition, Constraint, Duty, Logical, Policy, Rule
from hefu_policies.odrl.checks import PROHIBIT
from hefu_policies.odrl.conditions import PARTIES
from hefu_policies.odrl.contexts import NAMESPACES, W3C
from hefu_policies.odrl.values import PRODUCT_PREFIX, full
from hefu_policies.odrl.values import write as write_value
from hefu_policies.odrl.writer import dump, placed
from hefu_policies.reading import wrong
from hefu_policies.words.terms import CONTEXTS, PROFILE, SET_OPERATORS, Operator

_OWN: Final = ("hefu", "dpv")  # prefixes that the W3C's context lacks
_MESSAGE_CONTEXTS: Final = (CONTEXTS[0], CONTEXTS[2])  # ODRL's terms are known inside messages


def plain(policy: Policy) -> Object:
    """A policy in the W3C's own JSON-LD: equal in meaning to what `hefu_policies.odrl.dump` writes."""
    own: Object = {prefix: NAMESPACES[prefix] for prefix in _OWN}
    body: Object = {
        "@context": [W3C, own],
        "@type": policy.kind,
        "uid": policy.id,
        "profile": PROFILE,
        "conflict": PROHIBIT,
        "permission": [_rule(each) for each in policy.permissions],
    }
    if policy.prohibitions:
        body["prohibition"] = [_rule(each) for each in policy.prohibitions]
    if policy.obligations:
        body["obligation"] = [_duty(each) for each in policy.obligations]
    body |= placed(policy.target, policy.assigner, policy.assignee)
    if policy.timestamp is not None:
        body["dct:issued"] = {"@value": write_time(policy.timestamp), "@type": "xsd:dateTime"}
    return body


def agreement_message(policy: Policy, *, provider: str, consumer: str) -> Object:
    """A ContractAgreementMessage.

    Args:
        policy: an Agreement.
        provider: the negotiation's id at the provider; ``consumer`` that at the consumer.
    """
    if policy.kind != "Agreement":
        wrong("policy.@type", "Agreement")
    head = _message("ContractAgreementMessage", providerPid=provider, consumerPid=consumer)
    return head | {"agreement": _inner(policy)}


def offer_message(policy: Policy, *, target: str, provider: str, consumer: str = "", callback: str = "") -> Object:
    """A ContractOfferMessage.

    Args:
        policy: an Offer; ``target`` is the id of the data product.
        provider: the negotiation's id at the provider.
        consumer: its id at the consumer; of a first offer empty, and then ``callback`` is where answers go.
    """
    head = _message("ContractOfferMessage", providerPid=provider, consumerPid=consumer, callbackAddress=callback)
    return head | {"offer": _inner(policy) | {"target": full(target, PRODUCT_PREFIX)}}


def request_message(policy: Policy, *, target: str, consumer: str, provider: str = "", callback: str = "") -> Object:
    """A ContractRequestMessage; as `offer_message`, with the sides exchanged."""
    head = _message("ContractRequestMessage", consumerPid=consumer, providerPid=provider, callbackAddress=callback)
    return head | {"offer": _inner(policy) | {"target": full(target, PRODUCT_PREFIX)}}


def _message(kind: str, **members: str) -> Object:
    given: Object = {name: value for name, value in members.items() if value}
    return {"@context": [*_MESSAGE_CONTEXTS], "@type": kind, **given}


def _inner(policy: Policy) -> Object:
    return {name: value for name, value in dump(policy).items() if name != "@context"}


def _rule(rule: Rule) -> Object:
    body = _head(rule, [_condition(each) for each in rule.constraints]) | {"action": rule.action}
    if rule.duties:
        body["duty"] = [_duty(each) for each in rule.duties]
    if rule.remedies:
        body["remedy"] = [_duty(each) for each in rule.remedies]
    return body


def _duty(duty: Duty) -> Object:
    hows = [each for each in duty.constraints if isinstance(each, Constraint) and each.operand.performance]
    body = _head(duty, [_condition(each) for each in duty.constraints if each not in hows])
    refinements: list[Json] = []
    for each in hows:
        party = PARTIES.get(duty.action, "")
        if party and party not in body and each.operand.name == "recipient" and _is_plain(each):
            body[party] = {"@id": each.written[0]}
        else:
            refinements.append(_condition(each))
    action: Object = {"rdf:value": {"@id": duty.action}, "refinement": refinements}
    body["action"] = [action] if refinements else duty.action
    if duty.consequences:
        body["consequence"] = [_duty(each) for each in duty.consequences]
    return body


def _is_plain(constraint: Constraint) -> bool:
    return constraint.operator is Operator.EQ and not constraint.named


def _head(each: Rule | Duty, conditions: list[Object]) -> Object:
    body: Object = {"uid": each.id} if each.named else {}
    items: list[Json] = [*conditions]
    return body | ({"constraint": items} if items else {})


def _condition(each: Condition) -> Object:
    body: Object = {"uid": each.id} if each.named else {}
    if isinstance(each, Logical):
        # A list, as in the examples of the model; for andSequence the order counts.
        return body | {each.combine.value: {"@list": [_condition(part) for part in each.parts]}}
    right: list[Json] = [write_value(text, each.operand.kind) for text in each.written]
    # Names with their prefix: the W3C's context misspells neq and industry.
    body |= {
        "leftOperand": each.operand.term,
        "operator": f"odrl:{each.operator.value}",
        "rightOperand": right if each.operator in SET_OPERATORS else right[0],
    }
    return body | ({"unit": {"@id": each.unit}} if each.unit else {})
