"""How long one decision takes: 12 constraints and a prohibition, with the full report. Aim: at most 10 µs.

In the same run, where the extra ``benchmark`` is installed: the same policy in Cedar (cedarpy) and in Rego (regopy).
Neither gives a report by constraint; Cedar's decimals have four places, so δ is counted in millionths there.

Run: python benchmarks/policy_decision.py
"""

import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from hefu.canonical import Json, Object
from hefu_policies import odrl
from hefu_policies.deciding.decision import Facts, Phase, Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.library.parameters import concepts, constraint, typed
from hefu_policies.words.terms import CONTEXTS, PROFILE, Kind

CONSTRAINTS: list[Json] = [
    constraint("purpose", "odrl:purpose", "isA", {"@id": "dpv:ScientificResearch"}),
    constraint("epsilon", "hefu:epsilon", "lteq", typed("0.5", Kind.DECIMAL)),
    constraint("delta", "hefu:delta", "lteq", typed("0.000001", Kind.DECIMAL)),
    constraint("budget", "hefu:epsilonBudget", "lteq", typed("4", Kind.DECIMAL)),
    constraint("group", "hefu:minGroup", "gteq", typed(50, Kind.INTEGER)),
    constraint("columns", "hefu:column", "isPartOf", ["age_band", "region", "icd10_chapter", "los_days"]),
    constraint("output", "hefu:outputKind", "isAnyOf", concepts(["hefu:NoisyAggregate", "hefu:Histogram"])),
    constraint("rows", "hefu:outputRows", "lteq", typed(1000, Kind.INTEGER)),
    constraint("until", "odrl:dateTime", "lt", typed("2027-11-21T00:00:00Z", Kind.TIME)),
    constraint("count", "odrl:count", "lteq", typed(200, Kind.INTEGER)),
    constraint("contribution", "hefu:maxContribution", "lteq", typed(4, Kind.INTEGER)),
    constraint("recipient", "odrl:recipient", "eq", {"@id": "urn:hefu:participant:pharma-b"}),
]
COMMERCIAL = constraint("commercial", "odrl:purpose", "isA", {"@id": "dpv:CommercialPurpose"})
POLICY: Object = {
    "@context": [*CONTEXTS],
    "@id": "urn:hefu:strategy:str-1",
    "@type": "Agreement",
    "profile": [PROFILE],
    "conflict": "prohibit",
    "target": "urn:hefu:product:prd-1",
    "assigner": "urn:hefu:participant:hospital-a",
    "assignee": "urn:hefu:participant:pharma-b",
    "timestamp": "2026-11-21T10:00:00Z",
    "permission": [{"@id": "urn:rule:1", "action": "hefu:dpQuery", "constraint": CONSTRAINTS}],
    "prohibition": [{"@id": "urn:no:1", "action": "hefu:compute", "constraint": [COMMERCIAL]}],
}
FACTS: Facts = {
    "purpose": "dpv:ScientificResearch",
    "epsilon": Decimal("0.5"),
    "delta": Decimal("0.000001"),
    "epsilonBudget": Decimal("1.5"),
    "minGroup": 50,
    "column": frozenset({"age_band", "region"}),
    "outputKind": "Histogram",
    "outputRows": 12,
    "dateTime": datetime(2026, 12, 1, tzinfo=UTC),
    "count": 3,
    "maxContribution": 4,
    "recipient": "pharma-b",
}
REQUEST = Request("hefu:dpQuery", "prd-1", "pharma-b")


def microseconds(work: Callable[[], object], times: int) -> tuple[float, float]:
    """The median and the best of 21 rounds, per call: of the processor's time, in which others' work does not count."""
    rounds = []
    for _ in range(21):
        start = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - start) / times * 1e6)
    return statistics.median(rounds), min(rounds)


CEDAR = """
permit(principal == Party::"pharma-b", action == Action::"dpQuery", resource == Product::"prd-1") when {
  context.purposes.contains("dpv:ScientificResearch") && context.epsilon.lessThanOrEqual(decimal("0.5"))
  && context.deltaMillionths <= 1 && context.epsilonBudget.lessThanOrEqual(decimal("4.0")) && context.minGroup >= 50
  && ["age_band", "region", "icd10_chapter", "los_days"].containsAll(context.columns)
  && ["NoisyAggregate", "Histogram"].contains(context.outputKind) && context.outputRows <= 1000
  && context.time < 1826755200 && context.count <= 200 && context.maxContribution <= 4
  && context.recipient == "pharma-b"
};
forbid(principal, action == Action::"dpQuery", resource) when { context.purposes.contains("dpv:CommercialPurpose") };
"""
LINEAGE = ["dpv:ScientificResearch", "dpv:ResearchAndDevelopment", "dpv:Purpose"]
CONTEXT = {
    "purposes": LINEAGE, "epsilon": {"__extn": {"fn": "decimal", "arg": "0.5"}}, "deltaMillionths": 1,
    "epsilonBudget": {"__extn": {"fn": "decimal", "arg": "1.5"}}, "minGroup": 50, "columns": ["age_band", "region"],
    "outputKind": "Histogram", "outputRows": 12, "time": 1796083200, "count": 3, "maxContribution": 4,
    "recipient": "pharma-b",
}  # fmt: skip
REGO = """
package p
allowed := {"age_band", "region", "icd10_chapter", "los_days"}
permitted if {
  input.target == "prd-1"; input.assignee == "pharma-b"; input.action == "hefu:dpQuery"
  "dpv:ScientificResearch" in input.purposes
  input.epsilon <= 0.5; input.delta <= 0.000001; input.epsilonBudget <= 4; input.minGroup >= 50
  count({c | some c in input.columns; not allowed[c]}) == 0
  input.outputKind in {"NoisyAggregate", "Histogram"}
  input.outputRows <= 1000; input.time < 1826755200; input.count <= 200; input.maxContribution <= 4
  input.recipient == "pharma-b"
}
prohibited if "dpv:CommercialPurpose" in input.purposes
permit if { permitted; not prohibited }
"""


def cedar() -> Callable[[], object]:
    """The same question to Cedar; its policy is parsed once where it can be."""
    import cedarpy

    policies = cedarpy.PolicySet.from_str(CEDAR)
    request = {
        "principal": 'Party::"pharma-b"', "action": 'Action::"dpQuery"', "resource": 'Product::"prd-1"',
        "context": CONTEXT,
    }  # fmt: skip

    def ask() -> object:
        return cedarpy.is_authorized(request, policies, [])

    found = ask()
    assert str(found.decision).endswith("Allow"), found.diagnostics.errors  # type: ignore[attr-defined]
    return ask


def rego() -> Callable[[], object]:
    """The same question to Rego; the query is compiled once."""
    from regopy import Interpreter

    interpreter = Interpreter()
    interpreter.add_module("p", REGO)
    bundle = interpreter.build("data.p.permit")
    asked = {
        **{name: value for name, value in CONTEXT.items() if not isinstance(value, dict)},
        "epsilon": 0.5, "delta": 0.000001, "epsilonBudget": 1.5, "target": "prd-1", "assignee": "pharma-b",
        "action": "hefu:dpQuery",
    }  # fmt: skip

    def ask() -> object:
        interpreter.set_input(asked)
        return interpreter.query_bundle(bundle)

    assert "[true]" in str(ask()), ask()
    return ask


def main() -> None:
    """Print the medians and the machine."""
    contract = compile_policy(odrl.load(POLICY))
    assert decide(contract, REQUEST, FACTS, Phase.RELEASE).permits
    works: list[tuple[str, Callable[[], object], int]] = [
        ("decide, 12 constraints and a prohibition", lambda: decide(contract, REQUEST, FACTS, Phase.RELEASE), 500),
        ("load from JSON, strict", lambda: odrl.load(POLICY), 50),
        ("compile", lambda: compile_policy(contract.policy), 100),
    ]
    for name, module, make in (("cedarpy", "cedarpy", cedar), ("regopy", "regopy", rego)):
        if importlib.util.find_spec(module):
            works.append((f"the same in {name}, without a report", make(), 50))
    own = 0.0
    for name, work, times in works:
        median, best = microseconds(work, times)
        own = own or median
        ratio = f"  {median / own:6.1f} times ours" if name.startswith("the same") else ""
        print(f"{name:45}{median:8.1f} µs (best {best:.1f}){ratio}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
