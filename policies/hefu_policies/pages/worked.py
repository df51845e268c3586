"""Worked examples for docs/policies.md: one agreement, and what is decided under it; decided anew for every page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from hefu.canonical import Object

from hefu_policies import odrl
from hefu_policies.deciding.decision import Decision, Request, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.telling.explanation import Audience, explain
from hefu_policies.words.terms import CONTEXTS, PROFILE, Phase


def _decimal(text: str) -> Object:
    return {"@value": text, "@type": "xsd:decimal"}


def _compare(name: str, operand: str, operator: str, right: Any, **more: str) -> Object:
    return {"@id": f"urn:c:{name}", "leftOperand": operand, "operator": operator, "rightOperand": right, **more}


AGREEMENT: Final[Object] = {
    "@context": [*CONTEXTS],
    "@id": "urn:example:agreement",
    "@type": "Agreement",
    "profile": [PROFILE],
    "conflict": "prohibit",
    "target": "urn:hefu:product:admissions",
    "assigner": "urn:hefu:participant:hospital-a",
    "assignee": "urn:hefu:participant:pharma-b",
    "timestamp": "2026-11-21T10:00:00Z",
    "permission": [{
        "@id": "urn:r:statistics",
        "action": "hefu:dpQuery",
        "constraint": [
            _compare("purpose", "odrl:purpose", "isA", {"@id": "dpv:ResearchAndDevelopment"}),
            _compare("loss", "hefu:epsilon", "lteq", _decimal("0.5")),
            _compare("group", "hefu:minGroup", "gteq", {"@value": "50", "@type": "xsd:integer"}),
            _compare("daily", "hefu:frequency", "lteq", {"@value": "20", "@type": "xsd:integer"},
                     unit="urn:hefu:per:P1D"),
            {"@id": "urn:c:where-or-when", "or": [
                _compare("region", "odrl:spatial", "isPartOf", ["CN-31"]),
                _compare("hours", "hefu:timeWindow", "isPartOf", ["1-5 08:00/18:00 +08:00"]),
            ]},
        ],
        "duty": [{"@id": "urn:d:log", "action": "hefu:log"}],
    }],
    "prohibition": [{
        "@id": "urn:r:commerce",
        "action": "hefu:compute",
        "constraint": [_compare("commerce", "odrl:purpose", "isA", {"@id": "dpv:CommercialPurpose"})],
    }],
    "obligation": [{
        "@id": "urn:o:report",
        "action": "odrl:inform",
        "constraint": [
            _compare("to", "odrl:recipient", "eq", {"@id": "urn:hefu:participant:hospital-a"}),
            _compare("by", "hefu:deadline", "lteq", {"@value": "2027-02-01T00:00:00Z", "@type": "xsd:dateTime"}),
        ],
        "consequence": [{
            "@id": "urn:o:fine",
            "action": "odrl:compensate",
            "constraint": [
                _compare("fine", "odrl:payAmount", "eq", _decimal("500.00"), unit="urn:iso:std:iso:4217:CNY"),
            ],
        }],
    }],
}  # fmt: skip

_FACTS: Final[Mapping[str, object]] = MappingProxyType({
    "purpose": "dpv:ScientificResearch", "epsilon": Decimal("0.5"), "minGroup": 60, "frequency@P1D": 3,
    "spatial": "CN-310104", "timeWindow": datetime(2026, 11, 29, 2, 0, tzinfo=UTC),
})  # fmt: skip
_LOGGED: Final = frozenset({"hefu:log"})


@dataclass(frozen=True, slots=True)
class Example:
    """A request and what is known when it is decided.

    Attributes:
        changes: to the facts of the first example; None takes one away.
    """

    title: str
    phase: Phase
    changes: Mapping[str, object] = field(default_factory=dict)
    performed: frozenset[str] = _LOGGED
    violated: frozenset[str] = frozenset()

    def decided(self) -> Decision:
        """The decision."""
        facts = {name: value for name, value in {**_FACTS, **self.changes}.items() if value is not None}
        request = Request("hefu:dpQuery", "admissions", "pharma-b", self.performed, self.violated)
        return decide(compile_policy(odrl.load(AGREEMENT)), request, facts, self.phase)


EXAMPLES: Final = (
    Example("All is as agreed. It is a Sunday, but the place of use is Shanghai: one of the two suffices",
            Phase.RELEASE),
    Example("Before the computation nobody can know the smallest group: its constraint waits for the release",
            Phase.ADMISSION, {"minGroup": None}, frozenset()),
    Example("A group of 12 stops the release, and a loss of 0.9 besides", Phase.RELEASE,
            {"minGroup": 12, "epsilon": Decimal("0.9")}),
    Example("Commercial research is research, so the permission holds; it is commercial too, so the prohibition fires",
            Phase.RELEASE, {"purpose": "dpv:CommercialResearch"}),
    Example("Nobody knows the place, and the hours are over: an alternative that may be met does not permit",
            Phase.RELEASE, {"spatial": None}),
    Example("A purpose that the vocabulary does not know permits nothing, and the prohibition fires", Phase.RELEASE,
            {"purpose": "dpv:Unheard"}),
    Example("The report was due and did not come: nothing new until it does, with the fine", Phase.ADMISSION,
            violated=frozenset({"urn:o:report"})),
)  # fmt: skip


def lines() -> Iterator[str]:
    """The examples as Markdown: what came out, and the report for the owner; from the second on, what differs in it."""
    first: set[str] = set()
    for number, example in enumerate(EXAMPLES, 1):
        decision = example.decided()
        yield f"**{number}. {example.title}** ({example.phase}): `{decision.effect}`"
        yield ""
        said = explain(decision, Audience.OWNER)
        yield from (f"- {sentence}" for sentence in said if sentence not in first)
        yield ""
        first = first or set(said)
