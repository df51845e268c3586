"""What the profile's IRIs stand for is made of the one table, and says no more and no less than the reader."""

import json
from typing import Any

import pytest
from hefu.canonical import Object
from hefu.errors import Malformed
from hefu_policies import odrl
from hefu_policies.odrl import published
from hefu_policies.odrl.contexts import NAMESPACES
from hefu_policies.words.terms import ACTIONS, OPERANDS
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from rdflib import RDF, Graph, URIRef

from tests.policies.test_odrl import REFUSALS, _policy
from tests.policies.whole_policies import whole_policies

VALIDATOR = Draft202012Validator(json.loads(published.schema()))
# What only the reader sees: ids used twice, alternatives of accounts, depth of logic, names that must be of ours.
BEYOND = {"contract.duplicate", "policy.account", "policy.consequence", "policy.performance", "contract.value"}


def _iri(term: str) -> URIRef:
    prefix, _, name = term.partition(":")
    return URIRef(NAMESPACES[prefix] + name)


def test_the_vocabulary_holds_the_table_and_nothing_else() -> None:
    graph = Graph().parse(data=published.vocabulary(), format="turtle")
    actions = set(graph.subjects(RDF.type, _iri("odrl:Action")))
    assert actions == {_iri(each) for each in ACTIONS}
    assert set(graph.subjects(RDF.type, _iri("odrl:LeftOperand"))) == {_iri(each) for each in OPERANDS}
    tree = {(str(a), str(b)) for a, b in graph.subject_objects(_iri("odrl:includedIn"))}
    assert tree == {(str(_iri(a.term)), str(_iri(b))) for a in ACTIONS.values() for b in a.included_in}
    labels = graph.objects(_iri("hefu:epsilon"), URIRef("http://www.w3.org/2004/02/skos/core#prefLabel"))
    assert {each.language for each in labels} == {"en", "zh"}  # type: ignore[attr-defined]


@settings(max_examples=15, deadline=None, suppress_health_check=[*HealthCheck], phases=[Phase.generate])
@given(whole_policies)
def test_the_schema_lets_pass_what_is_read(policy: Object) -> None:
    odrl.load(policy)
    assert [error.message for error in VALIDATOR.iter_errors(policy)] == []


@pytest.mark.parametrize(("code", "alter"), [each[2:] for each in REFUSALS if each[2] not in BEYOND])
def test_the_schema_refuses_what_the_reader_refuses(code: str, alter: Any) -> None:
    policy = _policy()
    assert VALIDATOR.is_valid(policy)
    alter(policy)
    with pytest.raises(Malformed) as caught:
        odrl.load(policy)
    assert caught.value.code == code
    assert not VALIDATOR.is_valid(policy), policy
