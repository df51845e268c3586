"""The Chinese view of contracts (TC609-6-2025-14): both ways without loss, and nothing in it contradicts the rest."""

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu_policies import odrl, tc609
from hefu_policies.agreeing.agreement import Agreement, Party, Strategy
from hefu_policies.reading import Place
from hefu_policies.tc609 import identifiers
from hefu_policies.tc609.clauses import read_constraint, write_constraint
from hefu_policies.tc609.view import DigitalContract, Signed
from hefu_policies.tc609.words import ACTIONS, CONSTRAINTS, EXPANSION, OPERATORS, STATES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.policies.analysed import AT
from tests.policies.whole_policies import whole_policies

several = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAME = "Admissions 入院记录"


def contract_of(agreement: Agreement, *policies: Object) -> DigitalContract:
    strategies = tuple(Strategy(f"str-{i}", agreement.provider.connector, each) for i, each in enumerate(policies))
    return DigitalContract(
        replace(agreement, strategies=strategies) if policies else agreement,
        NAME, "Statistics for research 科研统计", "05",
        (Signed("hospital-a", "c2ln", AT), Signed("pharma-b", "c2ln", AT + timedelta(minutes=1))),
        {"hospital-a": "12100000400000624P"}, "3100",
    )  # fmt: skip


@several
@given(st.lists(whole_policies, min_size=1, max_size=2))
def test_every_agreement_comes_back_out_of_its_view(agreement: Agreement, policies: list[Object]) -> None:
    contract = contract_of(agreement, *policies)
    view = canonical.decode(canonical.encode(tc609.write(contract)))
    found = tc609.read(view)
    assert found.agreement.body() == contract.agreement.body()
    assert found == contract


def test_a_contract_reads_as_the_standard_has_it(agreement: Agreement) -> None:
    view: Any = tc609.write(contract_of(agreement))
    assert len(view["contractId"]) == 47
    assert identifiers.check_character(view["contractId"][:-1]) == view["contractId"][-1]
    assert view["contractId"][2:20] == "12100000400000624P"
    assert [each["signatorytype"] for each in view["signatoryEntities"]] == ["01", "02"]
    assert view["signatoryEntities"][1]["signatoryEntityId"].startswith("Z")
    first = view["strategies"][0]
    names = [each["constraintName"] for each in first["constraints"]]
    assert {"dataField", "count", "time"} <= set(names)
    count = next(each for each in first["constraints"] if each["constraintName"] == "count")
    assert (count["constraintOperator"], count["constraintValue"]) == ("11", "200")
    # No word of the standard means a privacy loss: it travels whole.
    losses = [each["constraintValue"] for each in first["constraints"] if each["constraintName"] == EXPANSION]
    assert "hefu:epsilon" in [each["leftOperand"] for each in losses]
    assert view[EXPANSION]["hefu"]["budget"] == agreement.budget.body()


def paths(value: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [each for name, inner in value.items() for each in paths(inner, (*path, name))]
    if isinstance(value, list):
        return [each for index, inner in enumerate(value) for each in paths(inner, (*path, index))]
    return [path]


def test_a_changed_field_is_refused_or_changes_the_agreement(agreement: Agreement) -> None:
    contract = contract_of(agreement)
    view = tc609.write(contract)
    refused = 0
    for path in paths(view):
        changed: Any = copy.deepcopy(view)
        inside = changed
        for step in path[:-1]:
            inside = inside[step]
        inside[path[-1]] = "x" + str(inside[path[-1]])
        try:
            assert tc609.read(changed) != contract, path
        except Malformed:
            refused += 1
    assert refused > 30


def test_the_standard_has_20_actions_18_constraints_and_12_operators() -> None:
    assert len(set(ACTIONS.values())) == 20
    assert len(CONSTRAINTS) == 18
    assert sorted(OPERATORS.values()) == [f"{number:02}" for number in range(1, 13)]
    assert set(STATES.values()) == {"01", "02", "03", "0301", "0302", "05", "06"}


def item(name: str, operator: str, value: Json) -> Object:
    return {"constraintName": name, "constraintOperator": operator, "constraintValue": value}


# The standard's constraints in its own words, each with what it is here.
WORDS: list[tuple[Object, str]] = [
    (item("time", "11", "20270630235959"), "odrl:dateTime"),
    (item("timeWindow", "09", ["1-5 08:00/18:00 +08:00"]), "hefu:timeWindow"),
    (item("region", "09", ["310000", "110105"]), "odrl:spatial"),
    (item("networkAddress", "07", ["192.0.2.0/24"]), "hefu:networkAddress"),
    (item("physicalAddress", "07", ["00-16-3e-5e-6c-00"]), "hefu:physicalAddress"),
    (item("count", "11", "200"), "odrl:count"),
    (item("dataSize", "11", "1048576"), "odrl:absoluteSize"),
    (item("dateRecord", "11", "5000"), "hefu:inputRows"),
    (item("dataField", "09", ["age", "region"]), "hefu:column"),
    (item("valueExpression", "01", "sha256:" + "0f" * 32), "hefu:rowFilter"),
    (item("algorithm", "07", ["sha256:" + "a1" * 32]), "hefu:program"),
    (item("machineLearningModels", "01", "sha256:" + "a1" * 32), "hefu:model"),
    (item("executionEnv", "07", ["03", "04", "06"]), "hefu:environment"),
    (item("encryptMode", "01", "02"), "hefu:encryptMode"),
    (item("deliveryMethod", "01", "03"), "odrl:deliveryChannel"),
    (item("payAmount", "11", "100.00 CNY"), "odrl:payAmount"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "term"), WORDS, ids=lambda each: str(each.get("constraintName") if isinstance(each, dict) else each)
)
def test_each_constraint_of_the_standard_goes_both_ways(words: Object, term: str) -> None:
    ours = read_constraint(Place(words, "constraint"))
    assert ours["leftOperand"] == term
    assert write_constraint(ours) == words


FOREIGN_ACTIONS = [
    each for each in ACTIONS.values() if each not in ("compute", "delivery", "logRecordSend", "plicyTransmit")
]
spelled = st.sampled_from([
    (item("application", "01", "sha256:" + "b2" * 32)), (item("dataField", "05", ["age", "region"])),
    (item("dataRecord", "11", 5000)), (item("count", "lteq", "7")), (item("region", "09", ["31"])),
])  # fmt: skip


@st.composite
def foreign(draw: st.DrawFn) -> Json:
    """Strategies as another platform writes them, with its own ids, names and spellings."""
    rules = []
    for index in range(draw(st.integers(1, 3))):
        body: Object = {
            "strategyId": f"S{index:035}",
            "subjectInfo": {"dataProductId": "P1", "dataProductName": "目录"},
            "executionNodeInfo": {"assignerId": "N1"},
            "actions": draw(
                st.lists(st.sampled_from([*FOREIGN_ACTIONS, "compute"]), min_size=1, max_size=2, unique=True)
            ),
        }
        constraints = st.lists(st.sampled_from([each for each, _ in WORDS]) | spelled, max_size=4)
        if found := draw(constraints):
            body["constraints"] = [copy.deepcopy(each) for each in found]
        rules.append(body)
    return rules


@several
@given(foreign())
def test_strategies_of_another_platform_come_back_as_they_were_written(strategies: Any) -> None:
    found = tc609.import_strategies(strategies, "urn:hefu:strategy:imported", compute="hefu:dpQuery")
    assert odrl.load(found.policy).kind == "Offer"
    assert tc609.export_strategies(found) == strategies


@pytest.mark.parametrize(("strategy", "where"), [
    ({"actions": ["export"]}, "[0].actions[0]"),
    ({"actions": ["read"], "constraints": [item("compensate", "01", "1")]}, "[0].constraints[0].constraintName"),
    ({"actions": ["read"], "constraints": [item("frequency", "11", "3")]}, "[0].constraints[0].constraintValue"),
    ({"actions": ["read"], "constraints": [item("algorithm", "01", "联邦逻辑回归")]}, ".permission[0].constraint[0]"),
    ({"actions": ["read"], "policyExpansion": {"duty": "使用前须取得书面同意"}}, "[0].policyExpansion.duty"),
    ({"actions": ["compute"]}, ".permission[0].action"),
])  # fmt: skip
def test_what_could_not_be_carried_out_is_refused_with_its_place(strategy: Object, where: str) -> None:
    with pytest.raises(Malformed) as refused:
        tc609.import_strategies([strategy], "urn:hefu:strategy:imported")
    assert refused.value.parameters["where"].removeprefix("strategies").startswith(where)


def test_the_check_character_is_the_published_one() -> None:
    assert identifiers.check_character("5A00000000000000001310000000001") == "6"


def test_an_agreement_of_several_providers_with_keys_comes_back_too(agreement: Agreement) -> None:
    second = replace(
        agreement.contribution, provider="clinic-c", product="prd-visits", resources=("res-visits",),
        offer="off-visits",
    )  # fmt: skip
    parties = (*agreement.parties, Party("clinic-c", "provider", "clinic-c-main"))
    theirs = replace(agreement.strategies[0], id="str-2", enforced_by="clinic-c-main")
    joint = replace(agreement, parties=parties, strategies=(*agreement.strategies, theirs), further=(second,))
    contract = contract_of(joint)
    view: Any = canonical.decode(canonical.encode(tc609.write(contract)))
    assert tc609.read(view) == contract
    assert {each["subjectInfo"]["dataProductId"] for each in view["strategies"]} == {"prd-admissions", "prd-visits"}
