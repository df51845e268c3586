"""The public suites of ODRL, compiled and decided by the same code as our policies, with a small vocabulary each.

A suite's rules have targets and parties of their own, or none. So each rule becomes a policy of one rule, in which
what is left open matches everything; who belongs to a collection, as the state of the world says, is as named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hefu_policies.deciding.decision import Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.deciding.rules import Condition, Constraint, Duty, Logical, Policy, Rule
from hefu_policies.words.vocabulary import Action, Combine, Kind, Meet, Operand, Operator, Phase, Source, Vocabulary
from rdflib import RDF, Graph, Namespace, URIRef
from rdflib import Literal as Value
from rdflib.term import Node

ODRL = Namespace("http://www.w3.org/ns/odrl/2/")
REPORT = Namespace("https://w3id.org/force/compliance-report#")
SKOS = Namespace("http://www.w3.org/2004/02/skos/core#")
DCT = Namespace("http://purl.org/dc/terms/")
CURRENT = URIRef("http://example.com/request/currentTime")
ANY = "urn:any"  # what a rule without an action is about


def operand(name: str, kind: Kind, *, performance: bool = False, unit: str = "") -> Operand:
    return Operand(
        name, name, kind, frozenset(Operator), frozenset({Phase.ADMISSION}), Meet.ALLOWED, Source.REQUEST, name, name,
        performance=performance, unit=unit,
    )  # fmt: skip


def actions(vocabulary: Path) -> dict[str, Action]:
    """The tree of actions in the W3C's vocabulary; a deprecated action is its successor."""
    graph = Graph().parse(vocabulary, format="turtle")
    found = {}
    for each in graph.subjects(RDF.type, ODRL.Action):
        broader = [*graph.objects(each, ODRL.includedIn), *graph.objects(each, SKOS.exactMatch)]
        found[str(each)] = Action(str(each), (*map(str, broader), ANY), frozenset(), "", "")
    return found | {ANY: Action(ANY, (), frozenset(), "", "")}


def vocabulary(shared: Path, *operands: Operand) -> Vocabulary:
    tree = actions(shared / "vectors/odrl/vocab/w3c-poe/vocab/ODRL22.ttl")
    return Vocabulary(tree, {each.term: each for each in operands})


def only(graph: Graph, subject: Node, predicate: URIRef) -> Any:
    """The one object there is, or None."""
    found = list(graph.objects(subject, predicate))
    assert len(found) < 2, (subject, predicate)
    return found[0] if found else None


# ---------------------------------------------------------------- SolidLab


@dataclass(frozen=True)
class Case:
    """One of SolidLab's: a rule of a policy, a request, a world, and whether the rule is active there."""

    name: str
    graph: Graph  # policy, request and world
    policy: URIRef
    request: URIRef
    rule: URIRef
    active: bool


def solidlab(folder: Path, index: list[Any]) -> Iterator[Case]:
    for each in index:
        graph = Graph()
        for part in ("policy", "request", "sotw"):
            graph.parse(folder.parent / each[part], format="turtle")
        (expected,) = each["expected"]
        policy, request = URIRef(each["policy_iri"]), URIRef(each["request_iri"])
        active = expected["activationState"] == "Active"
        yield Case(Path(each["testcase"]).stem, graph, policy, request, URIRef(expected["rule"]), active)


def is_active(case: Case, words: Vocabulary, duties: Literal["strict", "lenient"]) -> bool:
    """Whether the rule takes effect: a permission permits, a prohibition denies."""
    graph = case.graph
    (asked,) = graph.objects(case.request, ODRL.permission)
    target, assignee = (str(only(graph, asked, each)) for each in (ODRL.target, ODRL.assignee))
    permits = (case.policy, ODRL.permission, case.rule) in graph
    rule = Rule(str(case.rule), _action(graph, case.rule), tuple(_conditions(graph, case.rule, words)), ())
    owed = tuple(Duty(str(each), _action(graph, each)) for each in graph.objects(case.rule, ODRL.duty))
    rule = Rule(rule.id, rule.action, rule.constraints, owed)
    policy = Policy(
        id=str(case.policy), kind="Set", permissions=(rule,) if permits else (),
        prohibitions=() if permits else (rule,),
        target=_meant(graph, case.rule, ODRL.target, target),
        assignee=_meant(graph, case.rule, ODRL.assignee, assignee),
    )  # fmt: skip
    done, broken = (_duties_in(graph, REPORT[state]) for state in ("Fulfilled", "Violated"))
    request = Request(str(only(graph, asked, ODRL.action)), target, assignee, done, broken)
    compiled = compile_policy(policy, words, duties=duties, binding=("Set", "Agreement"))
    facts = {"dateTime": time(str(only(graph, CURRENT, DCT.issued)))}
    decision = decide(compiled, request, facts, Phase.ADMISSION)
    return decision.effect.value == ("permit" if permits else "deny")


def _action(graph: Graph, rule: Node) -> str:
    found = only(graph, rule, ODRL.action)
    return ANY if found is None else str(found)


def _meant(graph: Graph, rule: Node, predicate: URIRef, asked: str) -> str | None:
    named = only(graph, rule, predicate)
    if named is None:
        return None
    return asked if (URIRef(asked), ODRL.partOf, named) in graph else str(named)


def _duties_in(graph: Graph, state: URIRef) -> frozenset[str]:
    return frozenset(str(only(graph, each, REPORT.rule)) for each in graph.subjects(REPORT.deonticState, state))


def _conditions(graph: Graph, within: Node, words: Vocabulary) -> Iterator[Condition]:
    for each in graph.objects(within, ODRL.constraint):
        yield _condition(graph, each, words)


def _condition(graph: Graph, node: Node, words: Vocabulary) -> Condition:
    for combine in Combine:
        if parts := list(graph.objects(node, ODRL[combine.value])):
            return Logical(str(node), combine, tuple(_condition(graph, each, words) for each in parts))
    name = str(only(graph, node, ODRL.leftOperand)).removeprefix(str(ODRL))
    operator = Operator(str(only(graph, node, ODRL.operator)).removeprefix(str(ODRL)))
    right = only(graph, node, ODRL.rightOperand)
    assert isinstance(right, Value)
    return Constraint(str(node), words.operands[name], operator, (time(str(right)),), (str(right),))


def time(text: str) -> datetime:
    """An instant in whole seconds, as ours are; one without a zone is in UTC."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
