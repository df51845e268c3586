"""Random policies and facts in JSON and as values, for the tests that compare readings of them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hefu.canonical import Json, Object
from hefu_policies.odrl import jsonld
from hefu_policies.words.purposes import LINEAGE
from hefu_policies.words.terms import ACTIONS, CONTEXTS, OPERANDS, PROFILE, SET_OPERATORS, Kind, Operand
from hypothesis import strategies as st

PURPOSES = sorted(LINEAGE)
COLUMNS = ["age", "region", "los_days", "patient"]
PARTIES = ["pharma-b", "hospital-a", "did:web:other.example"]
TIMES = ["2026-11-21T09:59:59Z", "2026-11-21T10:00:00Z", "2026-11-21T10:00:01Z"]
FIRST = {
    "purpose", "operation", "column", "function", "epsilon", "delta", "epsilonBudget", "deltaBudget", "count",
    "dateTime", "minGroup", "outputKind", "outputRows", "maxContribution", "recipient", "processing", "share",
}  # fmt: skip
WRITTEN = [each for each in OPERANDS.values() if each.name in FIRST]
NUMBERS = ["0", "0.4", "0.5", "0.50", "0.6", "3"]


def read_one(value: Json) -> jsonld.Imported:
    """A document that stands for exactly one policy."""
    (found,) = jsonld.read(value)
    return found


def typed(value: str, kind: Kind) -> Json:
    return {"@value": value, "@type": kind.value}


def _single(operand: Operand) -> st.SearchStrategy[Json]:
    if operand.kind is Kind.DECIMAL:
        return st.sampled_from(NUMBERS).map(lambda text: typed(text, Kind.DECIMAL))
    if operand.kind is Kind.INTEGER:
        return st.integers(0, 4).map(lambda number: typed(str(number), Kind.INTEGER))
    if operand.kind is Kind.TIME:
        return st.sampled_from(TIMES).map(lambda text: typed(text, Kind.TIME))
    if operand.kind is Kind.NAMES:
        return st.sampled_from(COLUMNS)
    if operand.kind is Kind.PURPOSE:
        return st.sampled_from(PURPOSES).map(lambda name: {"@id": name})
    if operand.kind is Kind.PARTY:
        iris = [each if ":" in each else f"urn:hefu:participant:{each}" for each in PARTIES]
        return st.sampled_from(iris).map(lambda name: {"@id": name})
    words = [each if ":" in each else f"hefu:{each}" for each in sorted(operand.words)]
    return st.sampled_from(words).map(lambda name: {"@id": name})


@st.composite
def constraints(draw: st.DrawFn) -> Object:
    operand = draw(st.sampled_from(WRITTEN))
    operator = draw(st.sampled_from(sorted(operand.operators)))
    one = _single(operand)
    right: Any = one
    if operator in SET_OPERATORS:
        right = st.lists(one, min_size=1, max_size=3, unique_by=repr)
    return {"leftOperand": operand.term, "operator": operator.value, "rightOperand": draw(right)}


def rules(use: str) -> st.SearchStrategy[Object]:
    actions = sorted(each.term for each in ACTIONS.values() if use in each.uses)
    optional = {"constraint": st.lists(constraints(), min_size=1, max_size=5)}
    if use == "permission":
        optional["duty"] = st.just([{"action": "hefu:log"}])  # type: ignore[assignment]
    found = st.fixed_dictionaries({"action": st.sampled_from(actions)}, optional=optional)  # type: ignore[arg-type]
    return found.map(_named) if use == "permission" else found


def _named(rule: Object) -> Object:
    """A permission to deliver says how: with the processing, the share and the group that it is refused without."""
    if rule["action"] != "hefu:deliver":
        return rule
    how: list[Json] = [
        {"leftOperand": "hefu:processing", "operator": "isAnyOf", "rightOperand": [{"@id": "hefu:masked"}]},
    ]
    given = rule.get("constraint")
    rest = [each for each in given if each["leftOperand"] != "hefu:processing"] if isinstance(given, list) else []  # type: ignore[call-overload, index]
    return rule | {"constraint": how + rest}


def agreement(permission: list[Json], prohibition: list[Json] | None = None) -> Object:
    body: Object = {
        "@context": [*CONTEXTS],
        "@id": "urn:hefu:strategy:str-1",
        "@type": "Agreement",
        "profile": [PROFILE],
        "conflict": "prohibit",
        "target": "urn:hefu:product:prd-1",
        "assigner": "urn:hefu:participant:hospital-a",
        "assignee": "urn:hefu:participant:pharma-b",
        "timestamp": "2026-11-21T10:00:00Z",
        "permission": permission,
    }
    return body | ({"prohibition": prohibition} if prohibition else {})


agreements = st.builds(
    agreement,
    st.lists(rules("permission"), min_size=1, max_size=3),
    st.lists(rules("prohibition"), max_size=2),
)

WRONG = st.sampled_from([True, 0.5, b"x", object, [], [7], "", "x" * 300, Decimal("NaN"), Decimal("Infinity"), -1])

_GOOD: dict[Kind, st.SearchStrategy[object]] = {
    Kind.DECIMAL: st.sampled_from([Decimal(text) for text in NUMBERS]) | st.integers(0, 4),
    Kind.INTEGER: st.integers(0, 5),
    Kind.TIME: st.sampled_from([
        datetime(2026, 11, 21, 9, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC),
        datetime(2026, 11, 21, 10, 0, 0, 700_000, tzinfo=UTC),
        datetime(2026, 11, 21, 10, 0, 1, tzinfo=UTC),
        datetime(2026, 11, 21, 10, 0, 0),  # noqa: DTZ001 (a time of no zone is no instant)
    ]),
    Kind.NAMES: st.frozensets(st.sampled_from([*COLUMNS, "hidden"])) | st.lists(st.sampled_from(COLUMNS), max_size=2),
    Kind.PURPOSE: st.sampled_from([*PURPOSES, "dpv:Unheard", "Purpose"]),
    Kind.PARTY: st.sampled_from([*PARTIES, "urn:hefu:participant:pharma-b", "pharma-c"]),
    Kind.CONCEPT: st.sampled_from(["Histogram", "hefu:Histogram", "Scalar", "hefu:dpQuery", "Other", "masked"]),
    Kind.DURATION: st.just(timedelta(days=1)),
}  # fmt: skip

facts = st.fixed_dictionaries(
    {},
    optional={each.name: st.one_of(_GOOD[each.kind], _GOOD[each.kind], WRONG) for each in WRITTEN},  # type: ignore[arg-type]
)
