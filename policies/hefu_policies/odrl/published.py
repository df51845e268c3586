"""What the profile's own IRIs stand for, all out of the one table: JSON-LD context, RDF vocabulary, JSON schema.

`docs/generate.py` writes them into ``bundled`` and fails when they are stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from hefu_policies.odrl.checks import PROHIBIT
from hefu_policies.odrl.conditions import PARTIES
from hefu_policies.odrl.contexts import DSPACE, NAMESPACES
from hefu_policies.odrl.values import EXAMPLES, PATTERNS, Form, form_of, full
from hefu_policies.words.purposes import LINEAGE
from hefu_policies.words.terms import (
    ACTIONS,
    CONTEXTS,
    OPERANDS,
    PROFILE,
    SET_OPERATORS,
    Combine,
    Kind,
    Operand,
)  # fmt: skip

_SCHEMA_ID: Final = "https://w3id.org/hefu/policy/1.0/schema.json"
_TIME: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_DURATION: Final = r"P(?=[0-9T])(?:[0-9]{1,5}D)?(?:T(?=[0-9])(?:[0-9]{1,5}H)?(?:[0-9]{1,5}M)?(?:[0-9]{1,6}S)?)?"
_USES: Final = {"permission": "duty", "prohibition": "remedy", "obligation": "consequence", "duty": "consequence"}


def context() -> str:
    """The JSON-LD context: prefixes of all terms of the table, and the members that the protocol's context drops."""
    used = {term.partition(":")[0] for term in (*OPERANDS, *ACTIONS)} | {"xsd", "dpv"}
    terms: dict[str, Any] = {"@version": 1.1}
    terms |= {prefix: namespace for prefix, namespace in NAMESPACES.items() if prefix in used}
    terms["timestamp"] = f"{DSPACE}timestamp"
    terms["conflict"] = {"@id": "odrl:conflict", "@type": "@vocab"}
    terms[PROHIBIT] = f"odrl:{PROHIBIT}"
    for name in ("refinement", "consequence", "remedy"):
        terms[name] = {"@id": f"odrl:{name}", "@type": "@id", "@container": "@set"}
    for name in ("unit", "inheritFrom", *sorted({each.partition(":")[2] for each in PARTIES.values()})):
        terms[name] = {"@id": f"odrl:{name}", "@type": "@id"}
    return _text({"@context": terms})


def vocabulary() -> str:
    """The profile in Turtle: actions with their tree, operands with everything the table says, and their concepts."""
    heads = {"owl": "http://www.w3.org/2002/07/owl#", "skos": "http://www.w3.org/2004/02/skos/core#",
             "rdfs": "http://www.w3.org/2000/01/rdf-schema#"}  # fmt: skip
    prefixes = {name: NAMESPACES[name] for name in ("odrl", "hefu", "dpv", "xsd", "dct")} | heads
    lines = ["# Generated from hefu_policies.words.terms by docs/generate.py."]
    lines += [f"@prefix {name}: <{iri}> ." for name, iri in prefixes.items()]
    lines += [
        "", f"<{PROFILE}> a owl:Ontology ;", '  rdfs:label "Hefu profile of ODRL 2.2"@en , "合符 ODRL 2.2 规范"@zh ;',
        "  dct:conformsTo <https://www.w3.org/TR/odrl-model/> .",
    ]  # fmt: skip
    for action in ACTIONS.values():
        broader = [("odrl:includedIn", each) for each in action.included_in]
        lines += _concept(action.term, "odrl:Action", action.en, action.zh, broader)
    for operand in OPERANDS.values():
        lines += _concept(operand.term, "odrl:LeftOperand", operand.en, operand.zh, _said(operand))
    own = {word for each in OPERANDS.values() for word in each.words if ":" not in word}
    for word in sorted(own):
        lines += ["", f"hefu:{word} a skos:Concept ;", f"  rdfs:isDefinedBy <{PROFILE}> ."]
    return "\n".join([*lines, ""])


def schema() -> str:
    """The JSON schema of the strict form. What it lets pass may still be refused: it knows no ids used twice."""
    named = {"type": "string", "pattern": _whole(PATTERNS[Kind.IRI])}
    head: dict[str, Any] = {
        "@context": {"const": [*CONTEXTS]}, "@id": named, "profile": {"const": [PROFILE]},
        "conflict": {"const": PROHIBIT}, **{use: _many(use) for use in ("permission", "prohibition", "obligation")},
    }  # fmt: skip
    binding = dict.fromkeys(("target", "assigner", "assignee"), named)
    needed = ["@context", "@id", "@type", "profile", "conflict", "permission"]
    offer = _object(head | {"@type": {"const": "Offer"}}, needed)
    time = {"timestamp": {"type": "string", "pattern": _whole(_TIME)}}
    bound = head | {"@type": {"const": "Agreement"}} | binding | time
    return _text({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _SCHEMA_ID,
        "title": "A policy in the Hefu profile of ODRL 2.2",
        "oneOf": [offer, _object(bound, [*needed, *binding, *time])],
        "$defs": {"iri": named, "condition": _condition("condition"), "gate": _condition("gate")}
        | {use: _rule(use) for use in (*_USES, "remedy", "consequence")},
    })  # fmt: skip


def _said(operand: Operand) -> list[tuple[str, str]]:
    facts = [("hefu:operator", f"odrl:{each}") for each in sorted(operand.operators)]
    facts += [("hefu:phase", f'"{each}"') for each in sorted(operand.phases)]
    facts += [("hefu:datatype", f'"{operand.kind.value}"'), ("hefu:meet", f'"{operand.meet}"')]
    facts += [("hefu:source", f'"{operand.source}"'), ("hefu:performance", str(operand.performance).lower())]
    return facts


def _concept(term: str, kind: str, en: str, zh: str, facts: Iterable[tuple[str, str]]) -> list[str]:
    lines = ["", f"{term} a {kind} , skos:Concept ;", f'  skos:prefLabel "{en}"@en , "{zh}"@zh ;']
    lines += [f"  {name} {value} ;" for name, value in facts]
    return [*lines, f"  rdfs:isDefinedBy <{PROFILE if term.startswith('hefu:') else NAMESPACES['odrl']}> ."]


def _rule(use: str) -> dict[str, Any]:
    uses = {"duty", "obligation"} if use in ("remedy", "consequence") else {use}
    members: dict[str, Any] = {
        "@id": {"$ref": "#/$defs/iri"},
        "action": {"enum": sorted(each.term for each in ACTIONS.values() if uses & each.uses)},
        "constraint": _many("condition" if use in ("permission", "prohibition") else "gate"),
    }
    if use in _USES:
        members[_USES[use]] = _many(_USES[use])
    return _object(members, ["action", "constraint"] if use == "obligation" else ["action"])


def _condition(name: str) -> dict[str, Any]:
    """A constraint of a rule, or one of a duty: there also on what says how the duty is performed."""
    named = {"@id": {"$ref": "#/$defs/iri"}}
    logical = [_object({each.value: _many(name), **named}, [each.value]) for each in Combine]
    alike: dict[str, list[Operand]] = {}
    for each in (each for each in OPERANDS.values() if each.in_rules or name == "gate"):
        alike.setdefault(f"{sorted(each.operators)} {_value(each)} {each.unit}", []).append(each)
    return {"anyOf": [*map(_atomic, alike.values()), *logical]}


def _atomic(alike: list[Operand]) -> dict[str, Any]:
    """A constraint on any of several operands of the same operators, values and unit."""
    operand = alike[0]
    members: dict[str, Any] = {
        "leftOperand": {"enum": [each.term for each in alike]}, "operator": {"enum": sorted(operand.operators)},
        "@id": {"$ref": "#/$defs/iri"},
    }  # fmt: skip
    needed = ["leftOperand", "operator", "rightOperand"]
    if operand.unit:
        members["unit"] = {"type": "string", "pattern": f"^{operand.unit}.+$"}
        needed.append("unit")
    one = _value(operand)
    many = {"type": "array", "minItems": 1, "uniqueItems": True, "items": one}
    lists = operand.operators & SET_OPERATORS
    members["rightOperand"] = many if lists == operand.operators else {"anyOf": [one, many]} if lists else one
    return _object(members, needed)


def _value(operand: Operand) -> dict[str, Any]:
    kind = operand.kind
    match form_of(kind):
        case Form.NAME:
            names = sorted(LINEAGE) if kind is Kind.PURPOSE else sorted(full(each, "hefu:") for each in operand.words)
            inner: dict[str, Any] = {"enum": names} if names else {"$ref": "#/$defs/iri"}
            return _object({"@id": inner}, ["@id"])
        case Form.LITERAL:
            pattern = {Kind.TIME: _TIME, Kind.DURATION: _DURATION}.get(kind) or PATTERNS[kind]
            text = {"type": "string", "pattern": _whole(pattern)}
            return _object({"@value": text, "@type": {"const": kind.value}}, ["@value", "@type"])
        case Form.TEXT:
            pattern = PATTERNS.get(kind, ".{1,200}")
            return {"type": "string", "pattern": _whole(pattern), "examples": [EXAMPLES[kind]]}


def _many(name: str) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": {"$ref": f"#/$defs/{name}"}}


def _object(members: dict[str, Any], needed: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": needed, "additionalProperties": False}


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"


def _text(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"
