"""Random typed policies with logic, of few words, so that their clauses meet; and requests that pin every fact."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from hefu_policies.analysis.answers import Example
from hefu_policies.deciding.policy import Condition, Constraint, Duty, Logical, Policy, Rule, Value
from hefu_policies.words.purposes import LINEAGE
from hefu_policies.words.terms import BY_NAME, Combine, Kind, Operand, Operator, narrower
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.deep import examples as counted

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
NAMES = ["epsilon", "minGroup", "purpose", "outputKind", "recipient", "column", "dateTime", "count", "processing"]
MORE = [
    *NAMES, "spatial", "industry", "networkAddress", "timeWindow", "elapsedTime", "securityLevel", "secureAggregation",
    "program", "counterparty", "credential", "connector",
]  # fmt: skip
ACTIONS = ["hefu:dpQuery", "hefu:deliver", "hefu:federatedTrain", "hefu:federatedEvaluate"]
BROADER = [*ACTIONS, "hefu:compute"]
SINGLE = frozenset({Operator.EQ, Operator.NEQ, Operator.LT, Operator.LTEQ, Operator.GT, Operator.GTEQ, Operator.IS_A})
_VALUES: dict[Kind, list[Value]] = {
    Kind.DECIMAL: [Decimal(0), Decimal("0.4"), Decimal("0.5"), Decimal(3)],
    Kind.INTEGER: [0, 1, 2, 4],
    Kind.TIME: [AT - timedelta(seconds=1), AT, AT + timedelta(seconds=1), AT + timedelta(days=9)],
    Kind.NAMES: ["age", "region", "los_days", "patient"],
    Kind.PURPOSE: [
        "dpv:Purpose", "dpv:ResearchAndDevelopment", "dpv:CommercialPurpose", "dpv:CommercialResearch",
        "dpv:ScientificResearch", "dpv:NonCommercialPurpose",
    ],
    Kind.PARTY: ["pharma-b", "hospital-a", "did:web:other.example"],
    Kind.PARTIES: ["pharma-b", "hospital-a", "bank-c"],
    Kind.REGION: ["CN", "CN-31", "CN-3101", "CN-11", "DE"],
    Kind.INDUSTRY: ["C", "C27", "C2710", "Q"],
    Kind.ADDRESS: ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "gate.example"],
    Kind.WINDOW: ["1-5 08:00/18:00 +08:00", "6,7 22:00/02:00 Z", "1 09:30/09:31 -03:30"],
    Kind.DURATION: [timedelta(hours=1), timedelta(days=1), timedelta(days=30)],
    Kind.BOOLEAN: [True, False],
    Kind.DIGEST: ["sha256:" + "a" * 64, "sha256:" + "0" * 64],
    Kind.CLAIM: ["Licence.level=2", "Licence.level=3"],
    Kind.IRI: ["hospital-a-main", "urn:x:device"],
}  # fmt: skip
_numbers = count()


def slowly(examples: int) -> settings:
    """Settings for tests of whole policies; a failing one is shown as it was drawn: making it small is slow."""
    return settings(
        deadline=None,
        max_examples=counted(few=examples // 2, many=examples * 50),
        suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )


def values_of(operand: Operand) -> list[Value]:
    """A few values of an operand."""
    return _VALUES.get(operand.kind) or sorted(operand.words)[:4]


def leaf(name: str, operator: Operator, *values: Value) -> Constraint:
    """A constraint with a name of its own."""
    operand = BY_NAME[name]
    return Constraint(f"urn:c:{next(_numbers)}", operand, operator, values, tuple(map(str, values)))


@st.composite
def constraints(draw: st.DrawFn, names: list[str] = NAMES) -> Constraint:
    operand = BY_NAME[draw(st.sampled_from(names))]
    operator = draw(st.sampled_from(sorted(operand.operators)))
    most = 1 if operator in SINGLE else 3
    values = draw(st.lists(st.sampled_from(values_of(operand)), min_size=1, max_size=most, unique=True))
    return leaf(operand.name, operator, *values)


def _logical(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(parts, min_size=1, max_size=3).map(tuple)
    return st.builds(
        lambda combine, inner: Logical(f"urn:c:{next(_numbers)}", combine, inner), st.sampled_from(Combine), several
    )


duties = st.sampled_from([(), (Duty("urn:d:log", "hefu:log"),), (Duty("urn:d:inform", "odrl:inform"),)])


def rules(actions: list[str], conditions: st.SearchStrategy[Condition]) -> st.SearchStrategy[Rule]:
    found = st.lists(conditions, max_size=4).map(tuple)
    return st.builds(
        lambda action, inside, owed: Rule(f"urn:r:{next(_numbers)}", action, inside, owed),
        st.sampled_from(actions), found, duties,
    )  # fmt: skip


def policies_about(names: list[str]) -> st.SearchStrategy[Policy]:
    """Random policies about these facts."""
    conditions = st.recursive(constraints(names), _logical, max_leaves=4)
    return st.builds(
        lambda permissions, prohibitions: Policy(
            "urn:p", "Agreement", tuple(permissions), tuple(replace(each, duties=()) for each in prohibitions),
            target="prd-1", assigner="hospital-a", assignee="pharma-b", timestamp=AT,
        ),
        st.lists(rules(ACTIONS, conditions), min_size=1, max_size=3),
        st.lists(rules(BROADER, conditions), max_size=2),
    )  # fmt: skip


policies = policies_about(NAMES)
policies_about_all = policies_about(MORE)

_FACTS: dict[Kind, st.SearchStrategy[object]] = {
    Kind.DECIMAL: st.sampled_from([Decimal("0"), Decimal("0.2"), Decimal("0.45"), Decimal("0.5"), Decimal("9")]),
    Kind.INTEGER: st.integers(0, 5),
    Kind.TIME: st.sampled_from([AT + timedelta(seconds=each) for each in (-5, -1, 0, 1, 2, 10**6)]),
    Kind.NAMES: st.frozensets(st.sampled_from(["age", "region", "los_days", "patient", "hidden"]), max_size=4),
    Kind.PURPOSE: st.sampled_from(["dpv:Marketing", *map(str, _VALUES[Kind.PURPOSE])]),
    Kind.PARTY: st.sampled_from(["pharma-b", "hospital-a", "did:web:other.example", "somebody-else"]),
}
requests = st.builds(
    Example,
    st.sampled_from(ACTIONS),
    st.fixed_dictionaries(
        {
            name: _FACTS.get(BY_NAME[name].kind, st.sampled_from(sorted(BY_NAME[name].words or {"none"})))
            for name in NAMES
        }
    ),
)


def pinned(request: Example) -> Policy:
    """The policy that permits this request and no other."""
    found: list[Constraint] = []
    never = [Rule(f"urn:n:{each}", each) for each in sorted(narrower(request.action) - {request.action})]
    for name, value in request.facts.items():
        if isinstance(value, frozenset):
            found.append(leaf(name, Operator.IS_PART_OF, *sorted(value)))
            lacking = [leaf(name, Operator.IS_NONE_OF, each) for each in sorted(value)]
            never += [Rule(f"urn:n:{each.id}", request.action, (each,)) for each in lacking]
        elif BY_NAME[name].kind is Kind.PURPOSE:
            under = [each for each in LINEAGE if each != value and value in LINEAGE[each]]
            found.append(leaf(name, Operator.IS_A, str(value)))
            found += [leaf(name, Operator.IS_NONE_OF, *under)] if under else []
        elif isinstance(value, str):
            found.append(leaf(name, Operator.IS_ANY_OF, value))
        else:
            found += [leaf(name, each, value) for each in (Operator.LTEQ, Operator.GTEQ)]  # type: ignore[arg-type]
    return Policy("urn:pinned", "Offer", (Rule("urn:r:pinned", request.action, tuple(found)),), tuple(never))
