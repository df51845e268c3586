"""Where facts come from: what a contract may ask of this connector, and what it answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hefu.canonical import Json, Object
from hefu.envelope import Statement, draft
from hefu.identity import CERTIFIED, ROOT
from hefu.statements import receipt
from hefu_connector.computing import facts
from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.computing.usage import in_quanta, minor_units
from hefu_connector.ports import FINAL, ComputationState, Connection, Run
from hefu_policies import odrl
from hefu_policies.budget import Budget
from hefu_policies.goods.resource import Column, Fact, Privacy, Resource
from hefu_policies.library import template
from hefu_policies.proving import replay
from hefu_policies.words.terms import BY_NAME, Phase

from tests.connector.world import CONSUMER, SPACE, Space

OVER = Connection("pharma-b-main", "sha256:" + "7" * 64, "10.0.0.7")
# Nobody in a connector of today knows these. A contract that asks for one never permits.
NOBODY = {
    "program", "programSigner", "rounds", "clipNorm", "secureAggregation", "attestation", "physicalAddress",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def literal(value: str, kind: str) -> Object:
    return {"@value": value, "@type": f"xsd:{kind}"}


def policy(*constraints: tuple[str, str, Json] | tuple[str, str, Json, str], rule: str = "permission") -> Object:
    """Research statistics with further constraints on its permission or its prohibition."""
    made = template(
        "research-statistics",
        {
            "purpose": "dpv:ScientificResearch", "epsilon": "0.5", "min_group": 20, "columns": ["age", "region"],
            "until": "2027-11-21T00:00:00Z", "count": 200, "budget": "50",
        },
    )  # fmt: skip
    rules = made[rule]
    assert isinstance(rules, list)
    assert isinstance(rules[0], dict)
    more: list[Json] = [
        {"@id": f"urn:more:{at}", "leftOperand": each[0], "operator": each[1], "rightOperand": each[2]}
        | ({"unit": each[3]} if len(each) == 4 else {})
        for at, each in enumerate(constraints)
    ]
    had = rules[0].get("constraint", [])
    assert isinstance(had, list)
    rules[0]["constraint"] = [*had, *more]
    return made


def ask(space: Space, over: Connection = OVER) -> Run:
    run = space.enforcement.create(space.request(), CONSUMER, over=over)
    while run.state not in FINAL:
        run = space.enforcement.wait(run.id, CONSUMER, 10)
    return run


def certify(space: Space, *rows: tuple[str, str, str]) -> None:
    """The root vouches for attributes of the consumer."""
    external: tuple[Object, ...] = tuple(
        {"scheme": scheme, "value": value, "issuer": "root", "status": status} for scheme, value, status in rows
    )
    one = replace(space.directory.participant(CONSUMER), external_ids=external)
    at = space.clock.now() + timedelta(seconds=1)
    space.directory.certify(draft(CERTIFIED, one.body(), space=SPACE, issuer=ROOT, at=at).sign(space.root, at))


def asking(folder: Path, *constraints: tuple[str, str, Json], rule: str = "permission") -> Run:
    space = Space(folder, budget="50", lifetime="100", policy=policy(*constraints, rule=rule))
    space.enforcement.close()
    space.enforcement = Enforcement(replace(space.enforcement._world, region="CN-31"))
    certify(
        space, ("hefu:industry", "C2710", "valid"), ("hefu:jurisdiction", "CN-11", "valid"),
        ("hefu:securityLevel", "L3", "valid"), ("hefu:credential", "ResearchLicence.level=2", "valid"),
        ("hefu:credential", "ResearchLicence.level=3", "expired"),
    )  # fmt: skip
    try:
        return ask(space)
    finally:
        space.enforcement.close()


def test_every_operand_has_one_source_of_facts_or_is_known_to_have_none() -> None:
    asked = {name for name, each in BY_NAME.items() if each.phases - {Phase.POST}}
    assert set(BY_NAME) >= facts.KNOWN
    assert asked - facts.KNOWN == NOBODY


CASES: tuple[tuple[str, str, Json, bool], ...] = (
    ("hefu:environment", "eq", {"@id": "hefu:Sandbox"}, True),
    ("hefu:environment", "isAnyOf", [{"@id": "hefu:TrustedExecution"}], False),
    ("hefu:encryptMode", "eq", {"@id": "hefu:PlainText"}, True),
    ("hefu:encryptMode", "eq", {"@id": "hefu:CipherText"}, False),
    ("odrl:deliveryChannel", "eq", {"@id": "hefu:InterfaceChannel"}, True),
    ("hefu:protocol", "isAnyOf", [{"@id": "hefu:DiscreteLaplace"}], True),
    ("hefu:protocol", "isAnyOf", [{"@id": "hefu:DiscreteGaussian"}], False),
    ("hefu:minParties", "gteq", literal("1", "integer"), True),
    ("hefu:minParties", "gteq", literal("2", "integer"), False),
    ("hefu:neighbouring", "eq", {"@id": "hefu:add-remove"}, True),
    ("hefu:joinKey", "isPartOf", ["region"], True),
    ("hefu:role", "isAnyOf", [{"@id": "hefu:consumer"}], True),
    ("hefu:role", "isAnyOf", [{"@id": "hefu:regulator"}], False),
    ("hefu:role", "isNoneOf", [{"@id": "hefu:operator"}], True),
    ("hefu:dataClassification", "isAnyOf", [{"@id": "hefu:Personal"}], True),
    ("hefu:dataClassification", "isNoneOf", [{"@id": "hefu:Personal"}], False),
    ("odrl:elapsedTime", "lteq", literal("P1D", "duration"), True),
    ("odrl:timeInterval", "gteq", literal("P1D", "duration"), True),
    ("odrl:meteredTime", "lteq", literal("PT10S", "duration"), True),
    ("hefu:timeWindow", "isPartOf", ["1-5 08:00/18:00 +08:00", "6 18:00/20:00 +08:00"], True),  # a Saturday, 10:00 UTC
    ("hefu:timeWindow", "isPartOf", ["1-5 08:00/18:00 +08:00"], False),
    ("hefu:networkAddress", "isAnyOf", ["10.0.0.0/24"], True),
    ("hefu:networkAddress", "isAnyOf", ["10.0.1.0/24"], False),
    ("hefu:connector", "eq", {"@id": "urn:hefu:connector:pharma-b-main"}, True),
    ("hefu:counterparty", "isPartOf", [{"@id": "urn:hefu:participant:pharma-b"}], True),
    ("odrl:spatial", "isPartOf", ["CN-31"], True),
    ("odrl:spatial", "isPartOf", ["US"], False),
    ("odrl:industry", "isAnyOf", ["C27"], True),
    ("odrl:industry", "isNoneOf", ["J"], True),
    ("hefu:jurisdiction", "isPartOf", ["CN"], True),
    ("hefu:securityLevel", "gteq", {"@id": "hefu:L3"}, True),
    ("hefu:securityLevel", "gteq", {"@id": "hefu:L4"}, False),
    ("hefu:credential", "isAnyOf", ["ResearchLicence.level=2"], True),
    ("hefu:credential", "isAnyOf", ["ResearchLicence.level=3"], False),  # its status is not valid
    ("hefu:inputRows", "lteq", literal("1000000", "integer"), False),  # its provider declared no size
    ("hefu:rounding", "gteq", literal("10", "decimal"), False),
)


@pytest.mark.parametrize(("operand", "operator", "right", "permitted"), CASES)
def test_what_a_contract_asks_is_answered_by_this_connector(
    folder: Path, operand: str, operator: str, right: Json, permitted: bool
) -> None:
    run = asking(folder, (operand, operator, right))
    assert (run.state is ComputationState.RELEASED) is permitted


def test_a_prohibition_on_what_nobody_knows_always_fires(folder: Path) -> None:
    commercial = ("hefu:rounds", "lteq", literal("3", "integer"))
    made = policy()
    made["prohibition"] = [{"action": "hefu:compute", "constraint": [constraint(*commercial)]}]
    space = Space(folder, budget="50", lifetime="100", policy=made)
    assert ask(space).state is ComputationState.REFUSED
    space.enforcement.close()


def constraint(operand: str, operator: str, right: Json) -> Object:
    return {"leftOperand": operand, "operator": operator, "rightOperand": right}


def test_all_facts_are_of_their_operands_kinds_and_stand_in_the_record(folder: Path) -> None:
    every = [each.term for name, each in BY_NAME.items() if name in facts.FACTS]
    space = Space(folder)
    statement = space.request()
    run = ask(space)
    assert run.receipt is not None
    engine = space.enforcement._world.engines["hefu:dpQuery"]
    request = facts.ComputationRequest.of(statement)
    resource = space.contract.description.resources[0]
    known = facts.Known(
        request, space.contract, resource, engine, engine.prepare(request.plan, resource, 20),
        space.ledger.charged(run.id), space.trust, OVER, "CN-31", space.clock.now(),
    )  # fmt: skip
    found = facts.taken(known, frozenset(facts.FACTS))
    absent = set(facts.FACTS) - set(found)
    assert len(every) == len(facts.FACTS)
    assert absent == {
        "processing", "share", "outputRows", "inputRows", "absoluteSize", "industry", "jurisdiction", "securityLevel",
        "credential", "rho", "rhoBudget", "collusionThreshold", "model", "securityBits",
    }  # fmt: skip
    assert set(replay.write_facts(found)) == set(found)
    assert replay.write_facts(replay.read_facts(replay.write_facts(found))) == replay.write_facts(found)


def test_a_receipt_tells_the_usual_facts_and_those_that_a_clause_asks_for(folder: Path) -> None:
    run = asking(folder, ("hefu:environment", "eq", {"@id": "hefu:Sandbox"}))
    assert run.receipt is not None
    told = receipt.Receipt.of(Statement.parse(run.receipt)).facts
    assert told["environment"] == "Sandbox"
    assert "networkAddress" not in told
    assert "privacyUnit" not in told


def test_constraints_without_a_source_are_found_before_a_product_is_published() -> None:
    resource = Resource("res-a", (Column("age", "integer"),), Privacy("row", 1, Budget.of_text("1", releases=1)))
    large = replace(resource, facts=(Fact("rows", "300"),))
    asked = [("hefu:rounds", "lteq", literal("3", "integer")), ("hefu:inputRows", "lteq", literal("9", "integer"))]
    made = odrl.load(policy(*asked))
    assert [each.operand.name for each in facts.without_source(made, resource)] == ["rounds", "inputRows"]
    assert [each.operand.name for each in facts.without_source(made, large)] == ["rounds"]
    assert facts.without_source(odrl.load(policy()), resource) == []


@pytest.mark.parametrize(
    ("used", "quantum", "told"),
    [(0.0, 0.25, 0), (0.1, 0.25, 250), (0.25, 0.25, 250), (0.2501, 0.25, 500), (1, 0, 1000)],
)
def test_time_is_told_in_whole_release_quanta(used: float, quantum: float, told: int) -> None:
    assert in_quanta(timedelta(seconds=used), quantum) == told


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("5", "CNY", 500), ("0.125", "CNY", 13), ("5", "JPY", 5), ("1.0005", "KWD", 1001)],
)
def test_money_is_counted_in_minor_units_rounded_up(amount: str, currency: str, minor: int) -> None:
    assert minor_units(Decimal(amount), currency) == minor
