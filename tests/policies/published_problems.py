"""The published policy problems (Mustafa et al., arXiv:2602.19883, 2606.23442): their policies as ours, in their words.

Their operands, and the slices of GeoNames, DPV and BCP 47 that they argue with, make a vocabulary of its own; what
compares and decides is the same code as everywhere.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hefu_policies.deciding.policy import Condition, Constraint, Logical, Policy, Rule, Value
from hefu_policies.words.terms import Action, Combine, Kind, Meet, Operand, Operator, Phase, Source, Vocabulary
from rdflib import RDF, BNode, Graph, Namespace, URIRef
from rdflib.collection import Collection

FOLDER = "vectors/odrl"
ODRL = Namespace("http://www.w3.org/ns/odrl/2/")
SKOS = Namespace("http://www.w3.org/2004/02/skos/core#")
RDFS = Namespace("http://www.w3.org/2000/01/rdf-schema#")
GEO = Namespace("https://www.geonames.org/ontology#")
USE = "odrl:use"
_LINES = {
    "absoluteSizeWidth": Kind.DECIMAL, "absoluteSizeHeight": Kind.DECIMAL, "absoluteSizeDepth": Kind.DECIMAL,
    "spatialCoordinatesAltitude": Kind.DECIMAL, "dateTime": Kind.TIME, "elapsedTime": Kind.DURATION,
    "delayPeriod": Kind.DURATION, "meteredTime": Kind.DURATION, "timeInterval": Kind.DURATION,
}  # fmt: skip
_TAXONOMIES = {"language": "bcp47", "purpose": "dpv", "spatial": "geonames"}


@dataclass(frozen=True)
class Problem:
    """One of the published problems.

    Attributes:
        status: of the SMT-LIB file, ``sat`` or ``unsat``.
        policies: of the file in Turtle, one or two; empty where it has no whole policies.
    """

    id: str
    category: str
    verdict: str
    status: str
    smt: Path
    policies: tuple[Policy, ...]


def vocabulary(shared: Path) -> Vocabulary:
    """The words that the problems use."""
    resources = shared / FOLDER / "mustaf-conflict-benchmark/Problems/ODRL/KGConstraints/Resources"
    operands = [_operand(name, kind, "") for name, kind in _LINES.items()]
    operands += [_operand(name, Kind.PURPOSE, taxonomy) for name, taxonomy in _TAXONOMIES.items()]
    return Vocabulary(
        {USE: Action(USE, (), frozenset({"permission"}), "use", "使用")},
        {each.term: each for each in operands},
        {name: _lineages(resources / f"{name}.ttl") for name in _TAXONOMIES.values()},
    )


def problems(shared: Path, words: Vocabulary) -> Iterator[Problem]:
    """All problems, in the order of the index."""
    for row in json.loads((shared / FOLDER / "mustaf-conflict-benchmark/index.json").read_text(encoding="utf-8")):
        turtle = row["policy_pair_ttl"]
        yield Problem(
            row["id"],
            f"{row['family']} {row['category']}",
            row["verdict"] or "",
            row["smt_status"],
            shared / FOLDER / row["smt2"],
            tuple(_policies(shared / FOLDER / turtle, words)) if turtle else (),
        )


def _operand(name: str, kind: Kind, taxonomy: str) -> Operand:
    every = frozenset(Operator)
    return Operand(name, name, kind, every, frozenset({Phase.RELEASE}), Meet.ALLOWED, Source.REQUEST, name, name,
                   taxonomy=taxonomy)  # fmt: skip


def _lineages(path: Path) -> dict[str, frozenset[str]]:
    graph = Graph().parse(path)
    broader = (SKOS.broader, RDFS.subClassOf, GEO.parentFeature)
    names = {str(each) for each in graph.subjects() if isinstance(each, URIRef)}
    return {
        name: frozenset(
            str(each) for predicate in broader for each in graph.transitive_objects(URIRef(name), predicate)
        )
        for name in names
    }


def _policies(path: Path, words: Vocabulary) -> Iterator[Policy]:
    graph = Graph().parse(data=path.read_text(encoding="utf-8").replace("\\:", ":"), format="turtle")
    for policy in sorted(graph.subjects(RDF.type, ODRL.Set)):
        rules = [_rule(graph, each, words) for each in graph.objects(policy, ODRL.permission)]
        yield Policy(str(policy), "Set", tuple(rules))
    for rule in sorted(each for each in graph.subjects(RDF.type, ODRL.Permission) if isinstance(each, URIRef)):
        yield Policy(str(rule), "Set", (_rule(graph, rule, words),))


def _rule(graph: Graph, node: Any, words: Vocabulary) -> Rule:
    found = [_condition(graph, each, words) for each in graph.objects(node, ODRL.constraint)]
    return Rule(str(node), USE, tuple(found))


def _condition(graph: Graph, node: Any, words: Vocabulary) -> Condition:
    for combine in Combine:
        parts = graph.value(node, ODRL[combine.value])
        if graph.value(node, ODRL.operator) == ODRL[combine.value]:  # some write logic as an operator
            parts = graph.value(node, ODRL.rightOperand)
        if parts is not None:
            return Logical(
                str(node), combine, tuple(_condition(graph, each, words) for each in Collection(graph, parts))
            )
    operand = words.operands[_name(graph.value(node, ODRL.leftOperand))]
    right = list(graph.objects(node, ODRL.rightOperand))
    if len(right) == 1 and isinstance(right[0], BNode):
        right = list(Collection(graph, right[0]))
    values = tuple(_value(str(each), operand.kind) for each in right)
    operator = Operator(_name(graph.value(node, ODRL.operator)))
    return Constraint(str(node), operand, operator, values, tuple(map(str, values)))


def _name(iri: Any) -> str:
    return str(iri).replace("#", "/").rpartition("/")[2]


def _value(text: str, kind: Kind) -> Value:
    match kind:
        case Kind.DECIMAL:
            return Decimal(text)
        case Kind.TIME:
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        case Kind.DURATION:
            return timedelta(days=int(text.removeprefix("P").removesuffix("D")))
    return text
