"""Policies in JSON: what is read is written again, and everything unfamiliar is refused with place and remedy."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Malformed
from hefu_policies import odrl
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.words.terms import CONTEXTS
from hypothesis import given, settings

from tests.deep import examples
from tests.policies.policies import agreement, agreements

EPSILON: Any = {
    "@id": "urn:c:eps", "leftOperand": "hefu:epsilon", "operator": "lteq",
    "rightOperand": {"@value": "0.5", "@type": "xsd:decimal"},
}  # fmt: skip
PURPOSE: Any = {"leftOperand": "odrl:purpose", "operator": "isA", "rightOperand": {"@id": "dpv:ScientificResearch"}}
COUNT: Any = {"leftOperand": "odrl:count", "operator": "lteq", "rightOperand": {"@value": "5", "@type": "xsd:integer"}}
FREQUENCY: Any = COUNT | {"leftOperand": "hefu:frequency"}
PAY: Any = {
    "leftOperand": "odrl:payAmount", "operator": "eq", "rightOperand": {"@value": "20.00", "@type": "xsd:decimal"},
}  # fmt: skip
RETENTION: Any = {
    "leftOperand": "hefu:retention", "operator": "lteq", "rightOperand": {"@value": "P30D", "@type": "xsd:duration"},
}  # fmt: skip
COLUMN: Any = {"leftOperand": "hefu:column", "operator": "isPartOf", "rightOperand": ["age", "region"]}


def _policy() -> Any:
    duty = {"action": "hefu:log", "@id": "urn:d:log"}
    rule = {"@id": "urn:r:1", "action": "hefu:dpQuery", "constraint": [EPSILON, PURPOSE, COLUMN], "duty": [duty]}
    return copy.deepcopy(agreement([rule], [{"action": "odrl:read"}]))


@pytest.mark.deep
@settings(max_examples=examples(80, 5000), deadline=None)
@given(agreements)
def test_what_was_read_is_written_again(policy: Object) -> None:
    assert canonical.encode(odrl.dump(odrl.load(policy))) == canonical.encode(policy)


def test_ids_and_spellings_are_kept() -> None:
    policy = _policy()
    policy["permission"][0]["constraint"][0]["rightOperand"]["@value"] = "0.50"
    assert odrl.dump(odrl.load(policy)) == policy


def test_names_of_ours_lose_their_prefix_and_others_do_not() -> None:
    policy = _policy()
    policy["assignee"] = "did:web:pharma-b.example"
    read = odrl.load(policy)
    assert (read.target, read.assigner, read.assignee) == ("prd-1", "hospital-a", "did:web:pharma-b.example")
    assert odrl.dump(read) == policy


def _set(*path_and_value: Any) -> Callable[[Any], None]:
    *path, name, value = path_and_value

    def alter(policy: Any) -> None:
        for step in path:
            policy = policy[step]
        if value is DELETED:
            del policy[name]
        else:
            policy[name] = value

    return alter


DELETED = object()
RULE = ("permission", 0)
FIRST = (*RULE, "constraint", 0)
OTHER_CONTEXT = [*CONTEXTS[:2], "https://evil.example/context.jsonld"]

REFUSALS: list[tuple[str, str, str, Callable[[Any], None]]] = [
    # place, remedy, code, change
    ("policy.@context", "exactly the known contexts", "policy.context", _set("@context", OTHER_CONTEXT)),
    ("policy.@context", "in this order", "policy.context", _set("@context", [*reversed(CONTEXTS)])),
    ("policy.@context", "in this order", "policy.context", _set("@context", CONTEXTS[0])),
    ("policy.@context", "in this order", "policy.context", _set("@context", [{"hefu": "https://evil.example"}])),
    ("policy.profile", "hefu/policy/1.0", "policy.profile", _set("profile", ["https://evil.example"])),
    ("policy.profile", "hefu/policy/1.0", "policy.profile", _set("profile", "https://w3id.org/hefu/policy/1.0#")),
    ("policy", '"conflict": "prohibit"', "policy.conflict", _set("conflict", DELETED)),
    ("policy.conflict", '"conflict": "prohibit"', "policy.conflict", _set("conflict", "perm")),
    ("policy.conflict", '"conflict": "prohibit"', "policy.conflict", _set("conflict", "invalid")),
    ("policy.@type", "Offer, Agreement", "contract.value", _set("@type", "Set")),
    ("policy.@id", "an IRI", "contract.value", _set("@id", "str-1")),
    ("policy", "lacks target", "contract.missing", _set("target", DELETED)),
    ("policy", "lacks assignee", "contract.missing", _set("assignee", DELETED)),
    ("policy", "lacks profile", "contract.missing", _set("profile", DELETED)),
    ("policy.target", "an IRI", "contract.value", _set("target", "prd-1")),
    ("policy.assignee", "an id", "contract.value", _set("assignee", "urn:hefu:participant:")),
    ("policy.assignee", "an id", "contract.value", _set("assignee", "urn:hefu:participant:a:b")),
    ("policy.timestamp", "a time", "contract.value", _set("timestamp", "2026-11-21")),
    ("policy.obligation[0]", "constraint", "contract.missing", _set("obligation", [{"action": "odrl:delete"}])),
    ("policy", "Remove it", "policy.member", _set("inheritFrom", ["urn:x:y"])),
    ("policy.permission", "a list of 1", "contract.value", _set("permission", [])),
    ("policy.prohibition", "a list of 1", "contract.value", _set("prohibition", [])),
    ("policy.permission[0]", "an object", "contract.value", _set("permission", 0, "use")),
    ("policy.permission[0]", "Remove it", "policy.member", _set(*RULE, "target", "urn:x:y")),
    ("policy.permission[0]", "Remove it", "policy.member", _set(*RULE, "remedy", [])),
    ("policy.prohibition[0]", "Remove it", "policy.member", _set("prohibition", 0, "duty", [{"action": "hefu:log"}])),
    ("policy.permission[0].action", "hefu:dpQuery", "policy.bare_use", _set(*RULE, "action", "odrl:use")),
    ("policy.permission[0].action", "hefu:dpQuery", "policy.bare_use", _set(*RULE, "action", "use")),
    ("policy.prohibition[0].action", "hefu:dpQuery", "policy.bare_use", _set("prohibition", 0, "action", "odrl:use")),
    ("policy.permission[0].action", "hefu:dpQuery", "policy.unknown", _set(*RULE, "action", "odrl:stream")),
    ("policy.permission[0].action", "hefu:dpQuery", "policy.unknown", _set(*RULE, "action", "hefu:compute")),
    ("policy.permission[0].action", "hefu:dpQuery", "policy.unknown", _set(*RULE, "action", "hefu:psy")),
    ("policy.permission[0].action", "a text", "contract.value", _set(*RULE, "action", [{"@id": "hefu:dpQuery"}])),
    ("policy.permission[0].action", "a text", "contract.value", _set(*RULE, "action", {"refinement": []})),
    ("policy.permission[0].duty[0].action", "hefu:log", "policy.unknown", _set(*RULE, "duty", 0, "action", "odrl:pay")),
    ("policy.permission[0].duty[0]", "Remove it", "policy.member", _set(*RULE, "duty", 0, "target", "urn:x:y")),
    ("policy.permission[0].duty[0].consequence[0]", "Remove it", "policy.member",
     _set(*RULE, "duty", 0, "consequence", [{"action": "odrl:inform", "consequence": [{"action": "odrl:delete"}]}])),
    ("urn:d:log", "odrl:delayPeriod", "policy.consequence",
     _set(*RULE, "duty", 0, "consequence", [{"action": "odrl:inform"}])),
    ("urn:o:pay", "hefu:deadline", "policy.consequence", _set("obligation", [{
        "@id": "urn:o:pay", "action": "odrl:delete", "constraint": [RETENTION | {
            "leftOperand": "odrl:delayPeriod", "operator": "gteq"}], "consequence": [{"action": "odrl:inform"}]}])),
    ("policy.prohibition[0].remedy[0]", "Remove it", "policy.member",
     _set("prohibition", 0, "remedy", [{"action": "odrl:inform", "consequence": [{"action": "odrl:delete"}]}])),
    ("policy.prohibition[0].remedy[0].action", "odrl:inform", "policy.unknown",
     _set("prohibition", 0, "remedy", [{"action": "hefu:dpQuery"}])),
    ("policy.permission[0].constraint", "a list of 1", "contract.value", _set(*RULE, "constraint", [])),
    ("policy.permission[0].constraint[0]", "Remove it", "policy.member",
     _set(*FIRST, {"or": [PURPOSE], "and": [COLUMN]})),
    ("policy.permission[0].constraint[0]", "Remove it", "policy.member", _set(*FIRST, {"or": [PURPOSE], **COLUMN})),
    ("policy.permission[0].constraint[0].or", "a list of 1", "contract.value", _set(*FIRST, {"or": []})),
    ("policy.permission[0].constraint[0].or", "a list of 1", "contract.value", _set(*FIRST, {"or": PURPOSE})),
    ("policy.permission[0].constraint[0].or[0]", "an object", "contract.value", _set(*FIRST, {"or": ["urn:c:1"]})),
    ("policy.permission[0].constraint[0].or[0]", "under and", "policy.account", _set(*FIRST, {"or": [COUNT]})),
    ("policy.permission[0].constraint[0].andSequence[0]", "under and", "policy.account",
     _set(*FIRST, {"andSequence": [COUNT]})),
    ("policy.permission[0].constraint[0].xone[0].and[0]", "under and", "policy.account",
     _set(*FIRST, {"xone": [{"and": [COUNT]}]})),
    ("policy.permission[0].duty[0].constraint[0].or[0]", "directly in the duty", "policy.performance",
     _set(*RULE, "duty", 0, "constraint", [{"or": [RETENTION]}])),
    ("or[0].or[0].or[0].or[0]", "4 levels", "contract.value",
     _set(*FIRST, {"or": [{"or": [{"or": [{"or": [{"or": [PURPOSE]}]}]}]}]})),
    ("policy.permission[0].constraint[0].leftOperand", "one of: ", "policy.unknown", _set(*FIRST, RETENTION)),
    ("policy.permission[0].constraint[0]", "lacks unit", "contract.missing", _set(*FIRST, FREQUENCY)),
    ("policy.permission[0].constraint[0].unit", "urn:hefu:per:", "contract.value",
     _set(*FIRST, FREQUENCY | {"unit": "urn:x:day"})),
    ("policy.permission[0].constraint[0].unit", "P30D", "contract.value",
     _set(*FIRST, FREQUENCY | {"unit": "urn:hefu:per:P1M"})),
    ("policy.permission[0].constraint[0].unit", "urn:iso:std:iso:4217:CNY", "contract.value",
     _set(*FIRST, PAY | {"unit": "urn:iso:std:iso:4217:yuan"})),
    ("policy.permission[0].constraint[0]", "Remove it", "policy.member", _set(*FIRST, "unit", "urn:x:euro")),
    ("policy.permission[0].constraint[0]", "Remove it", "policy.member", _set(*FIRST, "rightOperandReference", "u:x")),
    ("policy.permission[0].constraint[0]", "lacks operator", "contract.missing", _set(*FIRST, "operator", DELETED)),
    ("constraint[0].leftOperand", "one of: ", "policy.unknown", _set(*FIRST, "leftOperand", "odrl:percentage")),
    ("constraint[0].leftOperand", "hefu:epsilon", "policy.unknown", _set(*FIRST, "leftOperand", "epsilon")),
    ("constraint[0].leftOperand", "hefu:epsilon", "policy.unknown", _set(*FIRST, "leftOperand", "hefu:Epsilon")),
    ("constraint[0].leftOperand", "hefu:epsilon", "policy.unknown", _set(*FIRST, "leftOperand", "hefu:еpsilon")),
    ("constraint[0].operator", "one of: lteq", "policy.unknown", _set(*FIRST, "operator", "gteq")),
    ("constraint[0].operator", "one of: lteq", "policy.unknown", _set(*FIRST, "operator", "odrl:lteq")),
    ("constraint[0].operator", "one of: lteq", "policy.unknown", _set(*FIRST, "operator", "term-lteq")),
    ("constraint[0].rightOperand", "xsd:decimal", "policy.bare_value", _set(*FIRST, "rightOperand", 1)),
    ("constraint[0].rightOperand", "xsd:decimal", "policy.bare_value", _set(*FIRST, "rightOperand", True)),
    ("constraint[0].rightOperand", "xsd:decimal", "policy.bare_value", _set(*FIRST, "rightOperand", "0.5")),
    ("constraint[0].rightOperand", "an object", "contract.value", _set(*FIRST, "rightOperand", ["0.5"])),
    ("rightOperand.@type", "xsd:decimal", "policy.unknown", _set(*FIRST, "rightOperand", "@type", "xsd:float")),
    ("rightOperand.@type", "xsd:decimal", "policy.unknown", _set(*FIRST, "rightOperand", "@type", "xsd:integer")),
    ("rightOperand.@value", "a text", "contract.value", _set(*FIRST, "rightOperand", "@value", 1)),
    ("rightOperand", "a decimal as text", "contract.value", _set(*FIRST, "rightOperand", "@value", "1e3")),
    ("rightOperand", "a decimal as text", "contract.value", _set(*FIRST, "rightOperand", "@value", "NaN")),
    ("rightOperand", "a decimal as text", "contract.value", _set(*FIRST, "rightOperand", "@value", "00.5")),
    ("rightOperand", "0 or more", "contract.value", _set(*FIRST, "rightOperand", "@value", "-1")),
    ("rightOperand", "Remove it", "policy.member", _set(*FIRST, "rightOperand", "@language", "en")),
    ("constraint[1].rightOperand", '"@id"', "policy.bare_value",
     _set(*RULE, "constraint", 1, "rightOperand", "dpv:ScientificResearch")),
    ("constraint[1].rightOperand", "dpv:ScientificResearch", "policy.unknown",
     _set(*RULE, "constraint", 1, "rightOperand", "@id", "dpv:Unheard")),
    ("constraint[2].rightOperand", "a list", "contract.value", _set(*RULE, "constraint", 2, "rightOperand", "age")),
    ("constraint[2].rightOperand", "a list", "contract.value", _set(*RULE, "constraint", 2, "rightOperand", [])),
    ("constraint[2].rightOperand", "age twice", "contract.duplicate",
     _set(*RULE, "constraint", 2, "rightOperand", ["age", "age"])),
    ("constraint[2].rightOperand[0]", "names of letters", "contract.value",
     _set(*RULE, "constraint", 2, "rightOperand", ["аge"])),  # the first letter is Cyrillic
    ("constraint[2].rightOperand[0]", "a text", "contract.value",
     _set(*RULE, "constraint", 2, "rightOperand", [{"@id": "urn:x:age"}])),
    ("policy", "urn:r:1 twice", "contract.duplicate", _set(*FIRST, "@id", "urn:r:1")),
    ("constraint[0].@id", "an IRI", "contract.value", _set(*FIRST, "@id", "policy.permission[0]")),
]  # fmt: skip


@pytest.mark.parametrize(("place", "remedy", "code", "alter"), REFUSALS)
def test_what_is_unfamiliar_is_refused_with_place_and_remedy(
    place: str, remedy: str, code: str, alter: Callable[[Any], None]
) -> None:
    policy = _policy()
    odrl.load(policy)
    alter(policy)
    with pytest.raises(Malformed) as caught:
        odrl.load(policy)
    assert caught.value.code == code
    assert caught.value.parameters["where"].endswith(place)
    assert remedy in caught.value.public()
    assert "?" not in caught.value.public("zh")


def test_a_name_has_one_spelling_and_a_duty_one_moment() -> None:
    policy = _policy()
    policy["permission"][0]["@id"] = "https://w3id.org/hefu/policy/1.0#rule"
    with pytest.raises(Malformed, match="hefu:rule"):
        odrl.load(policy)
    policy = _policy()
    event = {"leftOperand": "odrl:event", "rightOperand": {"@id": "odrl:policyUsage"}}
    before, after = event | {"operator": "lt"}, event | {"operator": "gt"}
    policy["permission"][0]["duty"][0]["constraint"] = [before]
    odrl.load(policy)
    policy["permission"][0]["duty"][0]["constraint"] = [before, after]
    with pytest.raises(Malformed, match="one odrl:event"):
        odrl.load(policy)


VALUES: list[tuple[str, str, str, str]] = [
    # operand, operator, a good value, a bad one
    ("hefu:program", "eq", "sha256:" + "0f" * 32, "sha256:" + "0F" * 32),
    ("odrl:spatial", "isPartOf", "CN-310104", "cn-31"),
    ("odrl:industry", "isAnyOf", "C2710", "27"),
    ("hefu:networkAddress", "isAnyOf", "192.0.2.0/24", "192.0.2.1/24"),
    ("hefu:networkAddress", "isAnyOf", "node.example", "Node.example"),
    ("hefu:networkAddress", "isAnyOf", "2001:db8::/32", "2001:db8::/129"),
    ("hefu:networkAddress", "isAnyOf", "192.0.2.7", "192.0.2.777"),
    ("hefu:timeWindow", "isPartOf", "1-5 08:00/18:00 +08:00", "1-8 08:00/18:00 +08:00"),
    ("hefu:timeWindow", "isPartOf", "6,7 22:00/06:00 Z", "6,7 22:00/06:00"),
    ("hefu:credential", "eq", "ResearchLicence.level=2", "ResearchLicence.level"),
    ("hefu:credential", "eq", "Member=yes", "Member=\tyes"),
]


@pytest.mark.parametrize(("operand", "operator", "good", "bad"), VALUES)
def test_texts_of_each_kind_are_read_or_refused(operand: str, operator: str, good: str, bad: str) -> None:
    for text, name in ((good, ""), (bad, "rightOperand")):
        policy = _policy()
        right = [text] if operator.startswith("is") else text
        at = {"leftOperand": operand, "operator": operator, "rightOperand": right}
        policy["permission"][0]["constraint"] = [at]
        if not name:
            assert odrl.dump(odrl.load(policy)) == policy
            continue
        with pytest.raises(Malformed, match=name):
            odrl.load(policy)


@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_a_float_is_refused_anywhere(value: float) -> None:
    policy = _policy()
    policy["permission"][0]["constraint"][0]["rightOperand"] = value
    with pytest.raises(Malformed, match="float"):
        odrl.load(policy)


@pytest.mark.parametrize("value", [None, [], "policy", 1])
def test_what_is_no_object_is_no_policy(value: Any) -> None:
    with pytest.raises(Malformed, match="an object"):
        odrl.load(value)


def test_too_many_rules_or_constraints_are_refused() -> None:
    rule = {"action": "hefu:dpQuery"}
    with pytest.raises(Malformed, match="200 rules"):
        odrl.load(agreement([dict(rule) for _ in range(201)]))
    constraint = {key: value for key, value in EPSILON.items() if key != "@id"}
    full: Any = {"action": "hefu:dpQuery", "constraint": [constraint] * 700}
    with pytest.raises(Malformed, match="2000 constraints"):
        odrl.load(agreement([full, full, full]))


def test_an_offer_names_no_parties_and_binds_nobody() -> None:
    policy = _policy()
    for name in ("target", "assigner", "assignee", "timestamp"):
        del policy[name]
    policy["@type"] = "Offer"
    with pytest.raises(Malformed, match="binds nobody"):
        compile_policy(odrl.load(policy))
    bound = odrl.bind(
        policy,
        id_="urn:hefu:strategy:str-1",
        target="prd-1",
        assigner="hospital-a",
        assignee="pharma-b",
        at=datetime(2026, 11, 21, 10, tzinfo=UTC),
    )
    assert bound == _policy()
    with pytest.raises(Malformed, match="Offer"):
        odrl.bind(_policy(), id_="urn:x:y", target="t", assigner="a", assignee="b", at=datetime.now(UTC))
    with pytest.raises(Malformed, match="target"):
        odrl.load(policy | {"target": "urn:hefu:product:prd-1"})


def test_the_strictest_minimum_group_is_what_an_engine_must_suppress() -> None:
    group = {"leftOperand": "hefu:minGroup", "operator": "gteq"}
    low: Any = {**group, "rightOperand": {"@value": "5", "@type": "xsd:integer"}}
    high: Any = {**group, "rightOperand": {"@value": "20", "@type": "xsd:integer"}}
    rules: Any = [{"action": "hefu:dpQuery", "constraint": [low]}, {"action": "hefu:dpQuery", "constraint": [high]}]
    policy = odrl.load(agreement(rules))
    assert policy.least("hefu:dpQuery", "minGroup") == 20
    assert policy.least("hefu:psi", "minGroup") is None
    assert odrl.load(_policy()).least("hefu:dpQuery", "minGroup") is None
