"""Operators by table: every kind of value, what is held, what fails, and what nobody can know."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hefu.errors import Malformed
from hefu_policies.deciding.comparisons import comparison
from hefu_policies.deciding.windows import read_window
from hefu_policies.words.terms import HEFU, OPERANDS, Kind, Meet, Operand, Operator, Phase, Source, Vocabulary

T, F, U = True, False, None
EVERY = frozenset(Operator)
SEEN = frozenset({Phase.ADMISSION})
DIGEST, OTHER = "sha256:" + "0" * 64, "sha256:" + "1" * 64


def test(term: str, operator: str, values: list[Any], fact: object) -> bool | None:
    return comparison(OPERANDS[term], Operator(operator), tuple(values), HEFU)(fact)


test.__test__ = False  # type: ignore[attr-defined]

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)

TABLE: list[tuple[str, str, list[Any], object, bool | None]] = [
    ("odrl:elapsedTime", "lteq", [timedelta(days=1)], timedelta(days=1), T),
    ("odrl:elapsedTime", "lteq", [timedelta(days=1)], timedelta(days=1, microseconds=999_999), T),
    ("odrl:elapsedTime", "lteq", [timedelta(days=1)], timedelta(days=1, seconds=1), F),
    ("odrl:elapsedTime", "lteq", [timedelta(days=1)], timedelta(seconds=-1), U),
    ("odrl:elapsedTime", "lteq", [timedelta(days=1)], 3600, U),
    ("odrl:timeInterval", "gteq", [timedelta(hours=1)], timedelta(minutes=59), F),
    ("hefu:secureAggregation", "eq", [True], True, T),
    ("hefu:secureAggregation", "eq", [True], False, F),
    ("hefu:secureAggregation", "eq", [True], 1, U),
    ("hefu:secureAggregation", "eq", [True], "true", U),
    ("hefu:securityLevel", "gteq", ["L3"], "L3", T),
    ("hefu:securityLevel", "gteq", ["L3"], "hefu:L5", T),
    ("hefu:securityLevel", "gteq", ["L3"], "L2", F),
    ("hefu:securityLevel", "gteq", ["L3"], "L6", U),
    ("hefu:securityLevel", "gteq", ["L3"], 5, U),
    ("hefu:program", "isAnyOf", [DIGEST], DIGEST, T),
    ("hefu:program", "isAnyOf", [DIGEST], OTHER, F),
    ("hefu:program", "isAnyOf", [DIGEST], DIGEST.upper(), U),
    ("hefu:program", "isAnyOf", [DIGEST], "0" * 64, U),
    ("odrl:spatial", "isPartOf", ["CN-31"], "CN-31", T),
    ("odrl:spatial", "isPartOf", ["CN-31"], "CN-310104", T),
    ("odrl:spatial", "isPartOf", ["CN"], "CN-310104", T),
    ("odrl:spatial", "isPartOf", ["CN-31"], "CN-32", F),
    ("odrl:spatial", "isPartOf", ["CN-31"], "DE", F),
    ("odrl:spatial", "isPartOf", ["CN-31"], "CN", U),  # somewhere in China: perhaps in Shanghai
    ("odrl:spatial", "isNoneOf", ["CN-31"], "CN", U),
    ("odrl:spatial", "isNoneOf", ["CN-31"], "CN-3101", F),
    ("odrl:spatial", "isNoneOf", ["CN-31"], "US-CA", T),
    ("odrl:spatial", "isPartOf", ["CN-31"], "urn:iso:3166:CN-31", U),
    ("odrl:spatial", "isPartOf", ["CN-31"], "Shanghai", U),
    ("odrl:industry", "isAnyOf", ["C27"], "C2710", T),
    ("odrl:industry", "isAnyOf", ["C27"], "C28", F),
    ("odrl:industry", "isAnyOf", ["C27"], "C", U),
    ("odrl:industry", "isNoneOf", ["C"], "C27", F),
    ("odrl:industry", "isAnyOf", ["C27"], "27", U),
    ("hefu:networkAddress", "isAnyOf", ["192.0.2.0/24"], "192.0.2.9", T),
    ("hefu:networkAddress", "isAnyOf", ["192.0.2.0/24"], "::ffff:192.0.2.9", T),
    ("hefu:networkAddress", "isAnyOf", ["192.0.2.0/24"], "192.0.3.9", F),
    ("hefu:networkAddress", "isAnyOf", ["192.0.2.0/24"], "host.example", U),
    ("hefu:networkAddress", "isAnyOf", ["host.example"], "Host.Example.", T),
    ("hefu:networkAddress", "isAnyOf", ["host.example"], "evil.example", F),
    ("hefu:networkAddress", "isAnyOf", ["host.example"], "192.0.2.9", U),
    ("hefu:networkAddress", "isAnyOf", ["2001:db8::/32", "host.example"], "2001:db8::1", T),
    ("hefu:networkAddress", "isAnyOf", ["192.0.2.0/24"], "", U),
    ("hefu:networkAddress", "isAnyOf", ["192.0.2.0/24"], "192.0.2", U),
    ("hefu:timeWindow", "isPartOf", ["1-5 08:00/18:00 +08:00"], MONDAY, T),
    ("hefu:timeWindow", "isPartOf", ["1-5 08:00/18:00 +08:00"], MONDAY - timedelta(seconds=1), F),
    ("hefu:timeWindow", "isPartOf", ["1-5 08:00/18:00 +08:00"], MONDAY + timedelta(hours=10), F),
    ("hefu:timeWindow", "isPartOf", ["1-5 08:00/18:00 +08:00"], MONDAY + timedelta(hours=10, seconds=-1), T),
    ("hefu:timeWindow", "isPartOf", ["6,7 00:00/24:00 Z", "1 00:00/01:00 Z"], MONDAY + timedelta(minutes=59), T),
    ("hefu:timeWindow", "isPartOf", ["7 22:00/06:00 Z"], MONDAY + timedelta(hours=5), T),
    ("hefu:timeWindow", "isPartOf", ["1 22:00/06:00 Z"], MONDAY + timedelta(hours=5), F),
    ("hefu:timeWindow", "isPartOf", ["1-5 08:00/18:00 +08:00"], MONDAY.replace(tzinfo=None), U),
    ("hefu:counterparty", "isPartOf", ["a", "b"], {"a"}, T),
    ("hefu:counterparty", "isPartOf", ["a", "b"], {"a", "c"}, F),
    ("hefu:counterparty", "isPartOf", ["a", "b"], {"urn:hefu:participant:a"}, T),
    ("hefu:counterparty", "isAllOf", ["a", "b"], {"a", "b", "c"}, T),
    ("hefu:counterparty", "isAllOf", ["a", "b"], {"a"}, F),
    ("hefu:counterparty", "isAllOf", ["a", "b"], "a", U),
    ("hefu:credential", "eq", ["Licence.level=2"], {"Licence.level=2", "Member=yes"}, T),
    ("hefu:credential", "eq", ["Licence.level=2"], {"Licence.level=3"}, F),
    ("hefu:credential", "isAnyOf", ["Licence.level=2", "Member=yes"], ["Member=yes"], T),
    ("hefu:credential", "eq", ["Licence.level=2"], "Licence.level=2", U),
    ("hefu:connector", "eq", ["con-1"], "urn:hefu:connector:con-1", T),
    ("hefu:privacyUnit", "eq", ["patient"], "row", F),
    ("hefu:role", "isNoneOf", ["operator"], "consumer", T),
    ("hefu:role", "isNoneOf", ["operator"], "king", U),
]  # fmt: skip


@pytest.mark.parametrize(("term", "operator", "values", "fact", "expected"), TABLE)
def test_a_fact_is_compared_as_its_kind_says(
    term: str, operator: str, values: list[Any], fact: object, expected: bool | None
) -> None:
    assert test(term, operator, values, fact) is expected
    assert test(term, operator, values, None) is None


FAMILY = {"x:animal": frozenset({"x:animal"}), "x:cat": frozenset({"x:cat", "x:animal"})}
SMALL = Vocabulary({}, {}, {"family": FAMILY})


def small(kind: Kind, taxonomy: str = "") -> Operand:
    return Operand("o", "x:o", kind, EVERY, SEEN, Meet.EQUAL, Source.REQUEST, "o", "o", taxonomy=taxonomy)


# One meaning for every operator, for every vocabulary: V, operator, R.
MEANINGS: list[tuple[Operand, object, str, list[Any], bool | None]] = [
    (small(Kind.INTEGER), 3, "eq", [3], T), (small(Kind.INTEGER), 3, "neq", [3], F),
    (small(Kind.INTEGER), 3, "gt", [2], T), (small(Kind.INTEGER), 3, "lt", [3], F),
    (small(Kind.INTEGER), 3, "isAnyOf", [1, 3], T), (small(Kind.INTEGER), 3, "isNoneOf", [1, 3], F),
    (small(Kind.INTEGER), "3", "neq", [4], U), (small(Kind.INTEGER), "3", "isNoneOf", [4], U),
    (small(Kind.IRI), "x:a", "eq", ["x:a"], T), (small(Kind.IRI), "x:a", "neq", ["x:a"], F),
    (small(Kind.IRI), "x:a", "isA", ["x:a"], T), (small(Kind.IRI), "x:a", "isPartOf", ["x:a", "x:b"], T),
    (small(Kind.IRI), "x:a", "isAllOf", ["x:a"], T), (small(Kind.IRI), "x:a", "hasPart", ["x:a", "x:b"], F),
    (small(Kind.IRI), 7, "neq", ["x:a"], U), (small(Kind.IRI), "", "isNoneOf", ["x:a"], U),
    (small(Kind.IRI, "family"), "x:cat", "isA", ["x:animal"], T),
    (small(Kind.IRI, "family"), "x:cat", "eq", ["x:animal"], F),
    (small(Kind.IRI, "family"), "x:cat", "neq", ["x:animal"], T),
    (small(Kind.IRI, "family"), "x:cat", "isNoneOf", ["x:animal"], F),
    (small(Kind.IRI, "family"), "x:cat", "isAllOf", ["x:animal", "x:cat"], T),
    (small(Kind.IRI, "family"), "x:animal", "isA", ["x:cat"], F),
    (small(Kind.IRI, "family"), "x:stone", "isNoneOf", ["x:cat"], U),
    (small(Kind.NAMES), {"a", "b"}, "eq", ["b", "a"], T), (small(Kind.NAMES), {"a"}, "neq", ["a"], F),
    (small(Kind.NAMES), {"a", "b"}, "hasPart", ["a"], T), (small(Kind.NAMES), {"a"}, "isAllOf", ["a", "b"], F),
    (small(Kind.NAMES), {"a", "b"}, "isPartOf", ["a"], F), (small(Kind.NAMES), set(), "isNoneOf", ["a"], T),
    (small(Kind.NAMES), {"a", "b"}, "isAnyOf", ["b", "c"], T),
]  # fmt: skip


@pytest.mark.parametrize(("operand", "fact", "operator", "values", "expected"), MEANINGS)
def test_every_operator_has_one_meaning(
    operand: Operand, fact: object, operator: str, values: list[Any], expected: bool | None
) -> None:
    assert comparison(operand, Operator(operator), tuple(values), SMALL)(fact) is expected


@pytest.mark.parametrize(
    ("kind", "operator"), [(Kind.IRI, "lt"), (Kind.NAMES, "gt"), (Kind.INTEGER, "isA"), (Kind.WINDOW, "eq")]
)
def test_an_operator_without_a_meaning_is_refused(kind: Kind, operator: str) -> None:
    values = ("1-5 08:00/18:00 Z",) if kind is Kind.WINDOW else (1,)
    with pytest.raises(Malformed):
        comparison(small(kind), Operator(operator), values, SMALL)


@pytest.mark.parametrize(
    "text", ["", "1-5", "8 08:00/09:00 Z", "5-1 08:00/09:00 Z", "1 08:00/08:00 Z", "1 24:00/25:00 Z", "1 8:00/9:00 Z",
             "1 08:00/09:00", "1 08:00/09:00 +8", "1 08:00/09:00 +15:00", "0 08:00/09:00 Z", "1 08:00/09:00 Z\n"],
)  # fmt: skip
def test_what_is_no_window_is_none(text: str) -> None:
    assert read_window(text) is None
