"""The catalog phase: what is definitely excluded is hidden, what is unknown is not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hefu.canonical import Json, Object
from hefu_policies.goods.seeing import Sight, known
from hefu_policies.words.terms import CONTEXTS, PROFILE

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
HOSPITAL = known(frozenset({"consumer"}), {"hefu:jurisdiction": frozenset({"CN-31"})}, NOW)


def constraint(operand: str, operator: str, *values: Json) -> Object:
    right: Any = [*values] if operator.startswith("is") else values[0]
    return {"leftOperand": operand, "operator": operator, "rightOperand": right}


def time(operator: str, text: str) -> Object:
    return constraint("odrl:dateTime", operator, {"@value": text, "@type": "xsd:dateTime"})


def role(operator: str, *names: str) -> Object:
    return constraint("hefu:role", operator, *({"@id": f"hefu:{each}"} for each in names))


def offer(*permissions: Object, forbidden: tuple[Object, ...] = ()) -> Sight:
    return Sight.of({
        "@context": [*CONTEXTS], "@type": "Offer", "@id": "urn:uuid:offer", "profile": [PROFILE],
        "conflict": "prohibit", "permission": [*permissions],
    } | ({"prohibition": [*forbidden]} if forbidden else {}))  # fmt: skip


def rule(*constraints: Object, action: str = "hefu:dpQuery") -> Object:
    return {"action": action, "constraint": [*constraints]} if constraints else {"action": action}


CHINA = constraint("hefu:jurisdiction", "isPartOf", "CN")
FRANCE = constraint("hefu:jurisdiction", "isPartOf", "FR")
ENERGY = constraint("odrl:industry", "isAnyOf", "D")
PRIVATE = constraint("hefu:epsilon", "lteq", {"@value": "0.5", "@type": "xsd:decimal"})
EITHER = {"or": [FRANCE, ENERGY]}


@pytest.mark.parametrize(
    ("sight", "seen"),
    [
        (offer(rule(CHINA)), True),
        (offer(rule(FRANCE)), False),
        (offer(rule(FRANCE, PRIVATE)), False),  # whatever ε will be
        (offer(rule(FRANCE), rule(PRIVATE)), True),  # the second may still hold
        (offer(rule(ENERGY)), True),  # nobody certified an industry: the admission decides
        (offer(rule(EITHER)), True),  # type: ignore[arg-type]
        (offer(rule(role("isNoneOf", "consumer"))), False),
        (offer(rule(role("isAnyOf", "consumer", "service"))), True),
        (offer(rule(time("lteq", "2026-11-21T09:59:59Z"))), False),
        (offer(rule(time("gteq", "2026-12-01T00:00:00Z"))), True),  # it can be signed now and used then
        (offer(rule(time("gteq", "2026-12-01T00:00:00Z"), time("lteq", "2026-11-20T00:00:00Z"))), False),
        (offer(rule({"or": [time("gteq", "2026-12-01T00:00:00Z"), FRANCE]})), True),  # type: ignore[list-item,dict-item]
        (offer(rule({"or": [time("lt", "2026-11-21T10:00:00Z"), FRANCE]})), False),  # type: ignore[list-item,dict-item]
        (offer(rule(), forbidden=(rule(time("lteq", "2026-12-01T00:00:00Z")),)), True),  # forbidden until then only
        (offer(rule(), forbidden=(rule(time("gteq", "2026-11-21T10:00:00Z")),)), False),  # from now on for good
        (offer(rule(), forbidden=(rule(time("gt", "2026-11-21T10:00:00Z")),)), True),
        (offer(rule(), forbidden=(rule(CHINA),)), False),
        (offer(rule(), forbidden=(rule(CHINA, action="hefu:compute"),)), False),  # it includes what is permitted
        (  # training remains
            offer(rule(action="hefu:federatedTrain"), forbidden=(rule(CHINA, action="hefu:federatedEvaluate"),)),
            True,
        ),
        (offer(rule(), forbidden=(rule(FRANCE),)), True),
        (offer(rule(), forbidden=(rule(ENERGY),)), True),
        (offer(rule(), forbidden=(rule(CHINA, PRIVATE),)), True),  # not yet known to hold
        (offer(rule(), forbidden=(rule(action="odrl:distribute"),)), True),
    ],
)
def test_an_offer_is_hidden_where_it_is_definitely_not_for_somebody(sight: Sight, seen: bool) -> None:
    assert sight.allows(HOSPITAL) is seen


def test_two_certified_values_say_nothing_and_hide_nothing() -> None:
    both = known(frozenset({"consumer"}), {"hefu:jurisdiction": frozenset({"CN-31", "US"})}, NOW)
    assert "jurisdiction" not in both
    assert offer(rule(FRANCE)).allows(both)


def test_only_what_is_asked_about_somebody_is_selective() -> None:
    assert offer(rule(CHINA)).is_selective
    assert not offer(rule(PRIVATE, time("lteq", "2027-01-01T00:00:00Z"))).is_selective
