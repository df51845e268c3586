"""How long one decision takes: 12 constraints and a prohibition, with the full report. Aim: at most 20 µs.

Run: python benchmarks/policy_decision.py
"""

import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from hefu.canonical import Json, Object
from hefu_policies import odrl
from hefu_policies.decision import Facts, Phase, Request, decide
from hefu_policies.library.parameters import concepts, constraint, typed
from hefu_policies.policy import compile_policy
from hefu_policies.terms import CONTEXTS, PROFILE, Kind

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
    """The median and the best of 21 rounds, per call."""
    rounds = []
    for _ in range(21):
        start = time.perf_counter()
        for _ in range(times):
            work()
        rounds.append((time.perf_counter() - start) / times * 1e6)
    return statistics.median(rounds), min(rounds)


def main() -> None:
    """Print the medians and the machine."""
    contract = compile_policy(odrl.load(POLICY))
    assert decide(contract, REQUEST, FACTS, Phase.RELEASE).permits
    works: list[tuple[str, Callable[[], object]]] = [
        ("decide, 12 constraints and a prohibition", lambda: decide(contract, REQUEST, FACTS, Phase.RELEASE)),
        ("load from JSON, strict", lambda: odrl.load(POLICY)),
        ("compile", lambda: compile_policy(contract.policy)),
    ]
    for name, work in works:
        median, best = microseconds(work, 500)
        print(f"{name:45}{median:8.1f} µs (best {best:.1f})")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
