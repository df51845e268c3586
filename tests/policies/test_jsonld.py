"""Equivalent policies of other forms are brought into the one form; what cannot be carried over is refused."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu_policies import odrl
from hefu_policies.library import TEMPLATES, examples, template
from hefu_policies.odrl import jsonld, plain
from hefu_policies.odrl.contexts import NAMESPACES, W3C
from hefu_policies.odrl.expansion import expand
from hefu_policies.words.terms import CONTEXTS, PROFILE
from hypothesis import HealthCheck, Phase, given, settings

from tests.deep import examples as examples_of
from tests.policies.policies import read_one
from tests.policies.whole_policies import whole_policies

# A failing policy is shown as it was drawn: to shrink it by way of the processor would take minutes.
SLOW = settings(
    max_examples=examples_of(12, 1000), deadline=None, suppress_health_check=[*HealthCheck],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)  # fmt: skip
SOME: Any = {
    "@context": [W3C, {"h": PROFILE, "dpv": NAMESPACES["dpv"]}],
    "@type": "Set",
    "uid": "urn:p:1",
    "profile": PROFILE,
    "conflict": "prohibit",
    "permission": [{
        "uid": "urn:r:1",
        "target": "urn:hefu:product:prd-1",
        "action": [{
            "rdf:value": {"@id": "h:dpQuery"},
            "refinement": [{
                "leftOperand": "h:epsilon", "operator": "lteq",
                "rightOperand": {"@value": "0.5", "@type": "xsd:decimal"},
            }],
        }],
        "constraint": [
            {"leftOperand": "purpose", "operator": "isA", "rightOperand": {"@id": "dpv:ScientificResearch"}},
        ],
    }],
}  # fmt: skip
STRICT: Object = {
    "@context": [*CONTEXTS], "@id": "urn:p:1", "@type": "Offer", "profile": [PROFILE], "conflict": "prohibit",
    "permission": [{
        "@id": "urn:r:1", "action": "hefu:dpQuery",
        "constraint": [
            {"leftOperand": "odrl:purpose", "operator": "isA", "rightOperand": {"@id": "dpv:ScientificResearch"}},
            {"leftOperand": "hefu:epsilon", "operator": "lteq",
             "rightOperand": {"@value": "0.5", "@type": "xsd:decimal"}},
        ],
    }],
}  # fmt: skip


def _some(*path_and_value: Any) -> Any:
    """`SOME` with one place altered."""
    policy = copy.deepcopy(SOME)
    *path, name, value = path_and_value
    at = policy
    for step in path:
        at = at[step]
    at[name] = value
    return policy


# ---------------------------------------------------------------- the fast way and the long way


@pytest.mark.deep
@SLOW
@given(whole_policies)
def test_the_fast_way_and_the_long_way_read_the_same(policy: Object) -> None:
    assert canonical.encode(odrl.dump(odrl.load(policy))) == canonical.encode(policy)
    assert canonical.encode(read_one(policy).policy) == canonical.encode(policy)


@pytest.mark.deep
@SLOW
@given(whole_policies)
def test_what_is_written_in_plain_odrl_is_read_the_same(policy: Object) -> None:
    again = read_one(plain.plain(odrl.load(policy))).policy
    assert canonical.encode(_sorted(again)) == canonical.encode(_sorted(policy))


@pytest.mark.deep
@SLOW
@given(whole_policies)
def test_the_expanded_form_and_the_message_are_read_the_same(policy: Object) -> None:
    assert read_one([expand(policy)]).policy == policy
    message = plain.agreement_message(odrl.load(policy), provider="urn:uuid:1", consumer="urn:uuid:2")
    assert read_one(message).policy == policy


def _sorted(value: Json) -> Json:
    """Constraints side by side in one order: refinements of duties come after their conditions."""
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _sorted(item) for name, item in value.items()}
    if isinstance(side := found.get("constraint"), list):
        found["constraint"] = sorted(side, key=lambda each: json.dumps(each, sort_keys=True))
    return found


def test_a_policy_of_plain_odrl_becomes_an_offer() -> None:
    found = read_one(SOME)
    assert found.policy == STRICT
    assert (found.target, found.assigner, found.assignee) == ("urn:hefu:product:prd-1", "", "")


def test_how_a_duty_is_performed_is_a_refinement_in_plain_odrl() -> None:
    pay: Any = {"leftOperand": "odrl:payAmount", "operator": "eq", "unit": "urn:iso:std:iso:4217:CNY",
                "rightOperand": {"@value": "20.00", "@type": "xsd:decimal"}}  # fmt: skip
    to: Any = {"leftOperand": "odrl:recipient", "operator": "eq", "rightOperand": {"@id": "did:web:a.example"}}
    gate: Any = {"leftOperand": "hefu:outputRows", "operator": "lteq",
                 "rightOperand": {"@value": "9", "@type": "xsd:integer"}}  # fmt: skip
    policy: Any = copy.deepcopy(STRICT)
    policy["permission"][0]["duty"] = [{"action": "odrl:compensate", "constraint": [gate, pay, to]}]
    written: Any = plain.plain(odrl.load(policy))
    (duty,) = written["permission"][0]["duty"]
    assert [each["leftOperand"] for each in duty["action"][0]["refinement"]] == ["odrl:payAmount"]
    assert [each["leftOperand"] for each in duty["constraint"]] == ["hefu:outputRows"]
    assert duty["odrl:compensatedParty"] == {"@id": "did:web:a.example"}
    assert read_one(written).policy == policy


# ---------------------------------------------------------------- equivalent forms


def _rights(policy: Any) -> list[Any]:
    return [each["rightOperand"] for each in policy["permission"][0]["constraint"]]


def _with(operand: str, operator: str, right: Any, **more: Any) -> Any:
    constraint = {"leftOperand": operand, "operator": operator, "rightOperand": right, **more}
    return _some("permission", 0, "constraint", [constraint])


EQUIVALENT: list[tuple[Any, Any]] = [
    (_with("h:outputRows", "lteq", {"@value": "5", "@type": "xsd:integer"}), {"@value": "5", "@type": "xsd:integer"}),
    (_with("h:outputRows", "lteq", 5), {"@value": "5", "@type": "xsd:integer"}),
    (_with("h:outputRows", "lteq", {"@value": "5", "@type": "xsd:nonNegativeInteger"}),
     {"@value": "5", "@type": "xsd:integer"}),
    (_with("h:rho", "lteq", {"@value": "5", "@type": "xsd:integer"}), {"@value": "5", "@type": "xsd:decimal"}),
    (_with("h:secureAggregation", "eq", True), {"@value": "true", "@type": "xsd:boolean"}),
    (_with("odrl:dateTime", "lt", {"@value": "2027-01-01T08:00:00.000+08:00", "@type": "xsd:dateTime"}),
     {"@value": "2027-01-01T00:00:00Z", "@type": "xsd:dateTime"}),
    (_with("spatial", "isPartOf", {"@id": "urn:iso:3166:CN-31"}), ["CN-31"]),
    (_with("h:column", "isPartOf", "age"), ["age"]),
    (_with("h:column", "isPartOf", {"@list": ["age", "sex"]}), ["age", "sex"]),
    (_with("h:column", "isA", ["age", "sex"]), ["age", "sex"]),
    (_with("h:outputKind", "eq", {"@id": f"{PROFILE}Histogram"}), {"@id": "hefu:Histogram"}),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "right"), EQUIVALENT)
def test_other_spellings_of_a_value_become_ours(policy: Any, right: Any) -> None:
    assert _rights(read_one(policy).policy)[0] == right


@pytest.mark.parametrize("words", [
    "odrl:permission odrl:constraint odrl:rightOperand",
    "permission constraint rightOperand",
])  # fmt: skip
def test_prefixes_and_whole_iris_are_the_same_words(words: str) -> None:
    text = json.dumps(SOME)
    for word in words.split():
        text = text.replace(f'"{word.removeprefix("odrl:")}"', f'"{word}"')
    assert read_one(json.loads(text.replace("h:dpQuery", f"{PROFILE}dpQuery"))).policy == STRICT


def test_use_is_read_only_with_its_operations_and_becomes_them() -> None:
    operations: Any = {"leftOperand": "h:operation", "operator": "isAnyOf",
                       "rightOperand": [{"@id": "h:dpQuery"}, {"@id": "h:psi"}]}  # fmt: skip
    policy = _some("permission", 0, "action", "use")
    policy["permission"][0]["constraint"].append(operations)
    found: Any = read_one(policy).policy["permission"]
    assert [(each["action"], each["@id"]) for each in found] == [("hefu:dpQuery", "urn:r:1"), ("hefu:psi", "urn:r:1.2")]
    assert [len(each["constraint"]) for each in found] == [1, 1]
    policy["permission"][0]["constraint"].pop()
    with pytest.raises(Malformed, match="reading and distributing"):
        read_one(policy)


def test_a_list_is_one_rule_a_combination_and_what_is_said_once_counts_for_all() -> None:
    policy = _some("permission", 0, "action", ["h:dpQuery", "h:psi"])
    policy |= {"assigner": "urn:hefu:participant:a", "@type": "Agreement", "dct:issued": "2026-11-21T10:00:00Z"}
    policy |= {"assignee": ["urn:hefu:participant:b", "urn:hefu:participant:c"]}
    policy["permission"].append({"action": "h:preview", "target": "urn:hefu:product:prd-2"})
    policy["obligation"] = [{"action": "delete", "constraint": [{
        "leftOperand": "h:retention", "operator": "lteq", "rightOperand": {"@value": "P1D", "@type": "xsd:duration"},
    }]}]  # fmt: skip
    found = jsonld.read(policy)
    assert [(each.target[-1], each.assignee[-1]) for each in found] == [("1", "b"), ("1", "c"), ("2", "b"), ("2", "c")]
    loaded = [odrl.load(each.policy) for each in found]
    assert [[rule.action for rule in each.permissions] for each in loaded] == [
        ["hefu:dpQuery", "hefu:psi"], ["hefu:dpQuery", "hefu:psi"], ["hefu:preview"], ["hefu:preview"],
    ]  # fmt: skip
    assert len({each.id for each in loaded}) == 4
    assert [len(each.obligations) for each in loaded] == [1, 1, 1, 1]


# ---------------------------------------------------------------- refusals

INNER = ("permission", 0, "constraint", 0)
REFUSED: list[tuple[str, Any]] = [
    ("drops or adds a member", _some("permission", 0, "note", "urn:x:y")),
    ("a null", _some(*INNER, "unit", None)),
    ("a word that no context knows", _some(*INNER, "leftOperand", "epsilon")),
    ("a name without a prefix", _some("permission", 0, "target", "prd-1")),
    ("a reference", _some(*INNER, {"@id": "urn:c:1"})),
    ("rightOperandReference", _some(*INNER, "rightOperandReference", "https://evil.example/limit")),
    ("inheritFrom", _some("inheritFrom", "urn:p:0")),
    ("another profile", _some("profile", "https://evil.example/")),
    ("several profiles", _some("profile", [PROFILE, "https://evil.example/"])),
    ("another conflict strategy", _some("conflict", "perm")),
    ("another context", _some("@context", [W3C, "https://evil.example/context.jsonld"])),
    ("a word with another meaning", _some("@context", [W3C, {"permission": "odrl:prohibition", "h": PROFILE}])),
    ("a vocabulary of its own", _some("@context", [W3C, {"@vocab": NAMESPACES["odrl"], "h": PROFILE}])),
    ("a base of its own", _some("@context", [W3C, {"@base": "https://evil.example/", "h": PROFILE}])),
    ("a prefix of elsewhere", _some("@context", [W3C, {"h": "https://evil.example/#"}])),
    ("a context inside", _some("permission", 0, "@context", {"h": PROFILE})),
    ("a graph", {"@context": SOME["@context"], "@graph": [{k: v for k, v in SOME.items() if k != "@context"}]}),
    ("a reverse", _some("permission", 0, "@reverse", {"odrl:permission": {"@id": "urn:x:1"}})),
    ("a language", _with("h:column", "isPartOf", {"@value": "age", "@language": "en"})),
    ("several actions of one constraint", _some(*INNER, "operator", ["isA", "isAnyOf"])),
    ("two values for one limit", _with("h:outputRows", "lteq", [5, 6])),
    ("a fraction of a second", _with("dateTime", "lt", {"@value": "2027-01-01T00:00:00.5Z", "@type": "xsd:dateTime"})),
    ("a time without a zone", _with("dateTime", "lt", {"@value": "2027-01-01T00:00:00", "@type": "xsd:dateTime"})),
    ("a text where an IRI is due", _with("purpose", "isA", "dpv:ScientificResearch")),
    ("an IRI where a text is due", _with("h:column", "isPartOf", {"@id": "urn:x:age"})),
    ("a float", _with("h:epsilon", "lteq", {"@value": "0.5", "@type": "xsd:float"})),
    ("an asset with refinements", _some("permission", 0, "target", {"@id": "urn:x:1", "refinement": []})),
    ("a description", _some("dct:description", "research only")),
    ("a duty for somebody else", _some("permission", 0, "duty", [{"action": "h:log", "assignee": "urn:x:z"}])),
    ("a party that its duty has not",
     _some("permission", 0, "duty", [{"action": "h:log", "informedParty": "urn:x:z"}])),
    ("a condition as a refinement of a duty", _some("permission", 0, "duty", [{
        "action": [{"rdf:value": {"@id": "odrl:inform"}, "refinement": SOME["permission"][0]["constraint"]}]}])),
    ("an action of no name", _some("permission", 0, "action", [{"refinement": []}])),
    ("an assertion", _some("@type", "Assertion")),
    ("two kinds", _some("@type", ["Offer", "Agreement"])),
    ("no rule", {key: value for key, value in SOME.items() if key != "permission"}),
    ("an obligation for somebody else", _some("obligation", [{
        "action": "delete", "assignee": "urn:x:z", "constraint": [{"leftOperand": "h:retention", "operator": "lteq",
        "rightOperand": {"@value": "P1D", "@type": "xsd:duration"}}]}])),
    ("thirty levels", _some("permission", 0, "constraint", json.loads('{"or":' * 30 + "[]" + "}" * 30))),
    ("an offer to one participant", SOME | {"assignee": "urn:hefu:participant:pharma-b"}),
    ("a million rules", _some("permission", 0, "target", [f"urn:x:{each}" for each in range(201)])),
    ("a million policies", _some("permission", 0, "action", ["h:psi"] * 20)
     | {"assigner": [f"urn:x:{each}" for each in range(40)], "assignee": [f"urn:y:{each}" for each in range(40)]}),
    ("a million duties", _some("permission", 0, "duty", [{"action": ["h:log"] * 20}] * 20)),
    ("a list of policies", [SOME, SOME]),
    ("a text", "policy"),
]  # fmt: skip


@pytest.mark.parametrize("policy", [each for _, each in REFUSED], ids=[name for name, _ in REFUSED])
def test_what_cannot_be_carried_over_is_refused(policy: Any) -> None:
    with pytest.raises(Malformed) as caught:
        jsonld.read(policy)
    assert "{" not in caught.value.public("zh").replace('{"@id"', "")


@pytest.mark.parametrize("member", ["rightOperandReference", "dataType"])
def test_a_datatype_that_only_expansion_adds_is_refused(member: str) -> None:
    with pytest.raises(Malformed, match="dropped or added"):
        expand(_some(*INNER, member, "https://e.example/limit"))


def test_nothing_is_fetched_and_no_policy_changes_how_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object) -> None:
        raise AssertionError("fetched")

    monkeypatch.setattr("socket.socket.connect", fetch)
    message = plain.offer_message(
        odrl.load(STRICT), target="prd-1", provider="urn:uuid:1", callback="https://c.example"
    )
    assert read_one(message).policy == STRICT
    stray = copy.deepcopy(message)
    stray["offer"]["permission"][0]["stray"] = "urn:x:1"  # type: ignore[index, call-overload]
    with pytest.raises(Malformed, match="stray"):
        read_one(stray)
    assert read_one(message) == read_one(message)


# ---------------------------------------------------------------- the Dataspace Protocol's own schemas


@pytest.fixture
def valid(shared: Path) -> Callable[[str, Json], list[str]]:
    """The faults that a schema of the protocol finds."""
    from jsonschema import Draft201909Validator
    from referencing import Registry, Resource

    found = [json.loads(path.read_text("utf-8")) for path in (shared / "vectors/dsp/spec").rglob("*-schema.json")]
    registry: Any = Registry().with_resources((each["$id"], Resource.from_contents(each)) for each in found)

    def faults(name: str, body: Json) -> list[str]:
        (schema,) = (each for each in found if each["$id"].endswith(f"/{name}-schema.json"))
        return [error.message for error in Draft201909Validator(schema, registry=registry).iter_errors(body)]

    return faults


@pytest.mark.deep
@SLOW
@given(policy=whole_policies)
def test_what_is_written_fits_the_schemas_of_the_protocol(
    valid: Callable[[str, Json], list[str]], policy: Object
) -> None:
    agreement = odrl.load(policy)
    offer = odrl.load({
        name: "Offer" if name == "@type" else value
        for name, value in policy.items() if name not in ("target", "assigner", "assignee", "timestamp")
    })  # fmt: skip
    assert valid("contract", policy) == []
    message = plain.agreement_message(agreement, provider="urn:uuid:1", consumer="urn:uuid:2")
    assert valid("contract-agreement-message", message) == []
    first = plain.offer_message(offer, target="prd-1", provider="urn:uuid:1", callback="https://c.example/")
    assert valid("contract-offer-message", first) == []
    again = plain.request_message(offer, target="prd-1", consumer="urn:uuid:2", provider="urn:uuid:1")
    assert valid("contract-request-message", again) == []
    assert read_one(again).policy["permission"] == policy["permission"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_is_an_offer_of_the_protocol(valid: Callable[[str, Json], list[str]], name: str) -> None:
    offer = odrl.load(template(name, examples(name)))
    message = plain.offer_message(offer, target="prd-1", provider="urn:uuid:1", callback="https://c.example/")
    assert valid("contract-offer-message", message) == []
    assert read_one(message).policy == odrl.dump(offer)


def test_the_schemas_find_faults(valid: Callable[[str, Json], list[str]]) -> None:
    assert valid("contract", STRICT | {"permission": [{"action": {"rdf:value": "hefu:dpQuery"}}]}) != []
