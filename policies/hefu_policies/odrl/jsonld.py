"""Policies in unfamiliar but equivalent JSON-LD, brought into the one form that `hefu_policies.odrl.load` reads.

What is brought over: plain ODRL 2.2 with action objects and refinements, the expanded form, other prefixes, messages
of the Dataspace Protocol, Sets, parties and targets and actions named once for the whole policy or several times for
one rule (one rule a combination), `odrl:use` with the operations it is meant for, function parties, and other
spellings of the same instant, region or currency. What the profile cannot say is refused with its place.

Source: ODRL Information Model 2.2 (2.7, policy rule composition); Dataspace Protocol 2025-1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Final

from hefu.canonical import Json, Object
from hefu.errors import Malformed

from hefu_policies.odrl import unfolding
from hefu_policies.odrl.checks import MOST_RULES, PROHIBIT
from hefu_policies.odrl.conditions import instant
from hefu_policies.odrl.expansion import expand
from hefu_policies.odrl.nodes import Node, literal
from hefu_policies.odrl.reader import load
from hefu_policies.reading import wrong
from hefu_policies.words.terms import CONTEXTS, PROFILE

_KINDS: Final = {"odrl:Set": "Offer", "odrl:Policy": "Offer", "odrl:Offer": "Offer", "odrl:Agreement": "Agreement"}
_MESSAGES: Final = {
    "dspace:ContractAgreementMessage": "dspace:agreement",
    "dspace:ContractOfferMessage": "dspace:offer",
    "dspace:ContractRequestMessage": "dspace:offer",
}
_ENVELOPE = ("dspace:providerPid", "dspace:consumerPid", "dspace:callbackAddress")
_USES: Final = {"odrl:permission": "permission", "odrl:prohibition": "prohibition", "odrl:obligation": "obligation"}
_TIMES = ("dspace:timestamp", "dct:issued")
_Placing = tuple[str, str, str]  # target, assigner, assignee; each may be empty


@dataclass(frozen=True, slots=True)
class Imported:
    """A policy in the strict form, and what was said about whom it concerns.

    Attributes:
        policy: an Offer without parties, or an Agreement with all of them.
        target: as it was named, with a known prefix; of an Offer it stands here only, and may be empty.
    """

    policy: Object
    target: str
    assigner: str
    assignee: str

    @property
    def said_of_offer(self) -> dict[str, str]:
        """What an Offer named and its strict form has no place for: target and assigner, as far as they were named."""
        if self.policy["@type"] != "Offer":
            return {}
        said = {"target": self.target, "assigner": self.assigner}
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class _Draft:
    use: str
    body: Object
    placing: _Placing


def read(value: Json, where: str = "policy") -> tuple[Imported, ...]:
    """The policies that a document stands for: one for each target and each pair of parties in it.

    Raises:
        Malformed: it is no JSON-LD that keeps all it says, or says what the profile cannot.
        Unavailable: the JSON-LD processor is not installed.
    """
    node = _policy_of(Node.of(expand(value, where), where))
    kinds = [_KINDS[each] for each in node.types if each in _KINDS]
    node.allow(("odrl:profile", "odrl:conflict", "odrl:action", *unfolding.PLACED, *_USES, *_TIMES), _KINDS)
    if not kinds or len(set(kinds)) > 1:
        wrong(f"{where}.@type", "Set, Offer or Agreement")
    _check_head(node)
    drafts = [each for name, use in _USES.items() for rule in node.nodes(name) for each in _drafts(rule, use, node)]
    placings = list(dict.fromkeys(each.placing for each in drafts if each.use != "obligation"))
    if not placings or not all(any(_fits(each, placing) for placing in placings) for each in drafts):
        wrong(where, "a permission or prohibition, and obligations with the targets and parties of those")
    return tuple(_bound(node, kinds[0], each, drafts, index) for index, each in enumerate(placings))


def _policy_of(node: Node) -> Node:
    for name, member in _MESSAGES.items():
        if name in node.types:
            node.allow((member, *_ENVELOPE, "dspace:timestamp"), (name,))
            inner = node.nodes(member)
            return inner[0] if len(inner) == 1 else wrong(node.at(member), "one policy")
    return node


def _check_head(node: Node) -> None:
    if node.references("odrl:profile") != ["hefu:"]:
        raise Malformed("policy.profile", where=node.at("odrl:profile"), profile=PROFILE)
    if node.references("odrl:conflict") != [f"odrl:{PROHIBIT}"]:
        raise Malformed("policy.conflict", where=node.at("odrl:conflict"))


def _drafts(rule: Node, use: str, policy: Node) -> Iterator[_Draft]:
    """The rules that one stands for: one a combination of action, target and parties; its own before the policy's."""
    placings = [rule.references(name) or policy.references(name) or [""] for name in unfolding.PLACED]
    bodies = unfolding.few(unfolding.bodies(rule, use, unfolding.actions(policy)), rule.where)
    if len(bodies) * prod(map(len, placings)) > MOST_RULES:
        wrong(rule.where, f"what stands for at most {MOST_RULES} rules")
    kept = [(body, placing) for body in bodies for placing in product(*placings)]
    copies = unfolding.numbered(body for body, _ in kept)
    for body, (_, (target, assigner, assignee)) in zip(copies, kept, strict=True):
        yield _Draft(use, body, (target, assigner, assignee))


def _bound(node: Node, kind: str, placing: _Placing, drafts: list[_Draft], index: int) -> Imported:
    """The policy of one placing; an obligation that names no target or party is owed in each."""
    target, assigner, assignee = placing
    if not node.id:
        wrong(node.where, "an @id")
    if kind == "Offer" and assignee:
        wrong(node.at("assignee"), "an Agreement: an Offer is made to everybody who may see it")
    policy: Object = {
        "@context": [*CONTEXTS], "@id": node.id + (f".{index + 1}" if index else ""), "@type": kind,
        "profile": [PROFILE], "conflict": PROHIBIT,
    }  # fmt: skip
    for use in _USES.values():
        bodies: list[Json] = [each.body for each in drafts if each.use == use and _fits(each, placing)]
        policy |= {use: bodies} if bodies else {}
    if kind == "Agreement":
        policy |= {"target": target, "assigner": assigner, "assignee": assignee}
    load(policy | _timestamp(node), node.where)
    return Imported(policy | _timestamp(node), target, assigner, assignee)


def _fits(draft: _Draft, placing: _Placing) -> bool:
    if draft.use != "obligation":
        return draft.placing == placing
    return all(mine in ("", theirs) for mine, theirs in zip(draft.placing, placing, strict=True))


def _timestamp(node: Node) -> Object:
    found = [(name, each) for name in _TIMES for each in node.values(name)]
    if not found:
        return {}
    text, datatype = literal(found[0][1], node.at("timestamp"))
    if len(found) > 1 or datatype not in ("xsd:string", "xsd:dateTime"):
        wrong(node.at("timestamp"), "one time of agreement")
    return {"timestamp": instant(str(text))}
