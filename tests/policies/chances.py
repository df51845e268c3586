"""Random policies of few operands, with requests and facts that often meet them."""

import random
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hefu import canonical
from hefu.canonical import Object
from hefu_policies.deciding.decision import Request
from hefu_policies.words import purposes
from hefu_policies.words.terms import OPERANDS, Combine, Kind
from hypothesis import strategies as st

from tests.policies.interpreter import HOW
from tests.policies.policies import agreement
from tests.policies.whole_policies import FREE, RULED, acts, atoms


@st.composite
def policies(draw: st.DrawFn) -> Object:
    free = draw(st.lists(st.sampled_from(FREE), min_size=2, max_size=4, unique_by=lambda each: each.term))
    ruled = [*free, draw(st.sampled_from(RULED))]
    leaf = atoms(free)
    inner: Any = st.builds(
        lambda combine, found: {combine.value: found}, st.sampled_from(Combine), st.lists(leaf, min_size=1, max_size=3)
    )
    logic: Any = st.builds(
        lambda combine, found: {combine.value: found},
        st.sampled_from(Combine),
        st.lists(leaf | inner, min_size=1, max_size=3),
    )
    conditions = st.lists(atoms(ruled) | leaf | logic, max_size=3)
    events = atoms([OPERANDS["odrl:event"]])
    how = atoms([OPERANDS[each] for each in sorted(HOW)])
    gates: Any = st.builds(
        lambda *parts: [each for part in parts for each in part],
        st.lists(leaf | logic, max_size=1), st.lists(how, max_size=1), st.lists(events, max_size=1),
    )  # fmt: skip
    duty = st.builds(lambda action, said: {"action": action} | _said(said), acts("duty"), gates)
    usual = st.sampled_from(["hefu:dpQuery", "hefu:dpQuery", "hefu:psi", "odrl:read"])
    permission = st.builds(
        lambda action, said, owed: {"action": action} | _said(said) | ({"duty": owed} if owed else {}),
        usual, conditions, st.lists(duty, max_size=2),
    )  # fmt: skip
    prohibition = st.builds(
        lambda action, said: {"action": action} | _said(said),
        st.sampled_from(["hefu:compute", "hefu:psi", "odrl:distribute"]),
        st.lists(leaf | logic, min_size=1, max_size=3),
    )  # fmt: skip
    obligation = st.just({"action": "odrl:delete", "constraint": [{
        "leftOperand": "hefu:retention", "operator": "lteq",
        "rightOperand": {"@value": "P30D", "@type": "xsd:duration"}}]})  # fmt: skip
    body: Any = agreement(
        draw(st.lists(permission, min_size=1, max_size=3)),  # type: ignore[arg-type]
        draw(st.lists(prohibition, max_size=2)),  # type: ignore[arg-type]
    )
    obliged = draw(st.lists(obligation, max_size=1))
    return _ids(body | ({"obligation": obliged} if obliged else {}), "urn:r")


def _said(constraints: list[Any]) -> dict[str, Any]:
    return {"constraint": constraints} if constraints else {}


def _ids(body: Any, id_: str) -> Any:
    if isinstance(body, list):
        return [_ids(each, f"{id_}.{index}") for index, each in enumerate(body)]
    if not isinstance(body, dict):
        return body
    found = {
        name: item if name in ("rightOperand", "@context", "profile") else _ids(item, f"{id_}-{name}")
        for name, item in body.items()
    }
    return found | ({"@id": id_} if {"action", "operator", "and", "or", "xone", "andSequence"} & set(body) else {})


NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
WRONG: list[object] = [
    True,
    0.5,
    b"x",
    object,
    [],
    [7],
    "",
    "x" * 300,
    Decimal("NaN"),
    Decimal("Infinity"),
    -1,
    "other",
]
GOOD: dict[Kind, list[object]] = {
    Kind.DECIMAL: [Decimal(0), 0, Decimal("0.50"), Decimal("0.000002"), 13],
    Kind.INTEGER: [0, 7, 8, 200],
    Kind.TIME: [NOW, NOW + timedelta(seconds=1, microseconds=7), NOW + timedelta(days=900), NOW.replace(tzinfo=None)],
    Kind.WINDOW: [NOW, NOW + timedelta(days=2), NOW + timedelta(days=2, hours=-12), NOW.replace(tzinfo=None)],
    Kind.DURATION: [timedelta(0), timedelta(hours=12, microseconds=5), timedelta(days=31), timedelta(seconds=-1)],
    Kind.BOOLEAN: [True, False, 1],
    Kind.PURPOSE: [*sorted(purposes.LINEAGE)[:9], "dpv:CommercialResearch", "dpv:Unheard"],
    Kind.PARTY: ["hospital-a", "did:web:pharma-b.example", "urn:hefu:participant:hospital-a", "nobody"],
    Kind.PARTIES: [{"hospital-a"}, {"hospital-a", "did:web:pharma-b.example"}, ["nobody"],
                   {"urn:hefu:participant:hospital-a"}],
    Kind.NAMES: [{"age"}, {"age", "los_days"}, ["hidden", "_x"], frozenset()],
    Kind.DIGEST: ["sha256:" + "0f" * 32, "sha256:" + "a1" * 32, "sha256:" + "a2" * 32, "sha256:x"],
    Kind.REGION: ["CN", "CN-31", "CN-3101", "CN-310104", "CN-32", "DE", "DE-BY", "cn"],
    Kind.INDUSTRY: ["C", "C27", "C271", "C2710", "D", "27"],
    Kind.ADDRESS: ["a.example", "A.example", "192.0.2.7", "192.0.2.8", "192.0.3.1", "2001:db8::7", "not a host"],
    Kind.CLAIM: [{"ResearchLicence.level=2"}, ["Member=yes", "x=y"], {"Member=no"}],
    Kind.IRI: ["urn:x:1", "https://e.example/a?b=c#d", "urn:x:2"],
    Kind.TEXT: ["patient", "row", "一个单元"],
}  # fmt: skip


def some_facts(policy: Object, luck: random.Random) -> dict[str, object]:
    text = canonical.encode(policy).decode()
    found: dict[str, object] = {}
    for term in sorted(set(re.findall(r'"leftOperand":"([^"]+)"', text))):
        operand = OPERANDS[term]
        good = GOOD.get(operand.kind) or [*sorted(operand.words), f"hefu:{min(operand.words)}"]
        for unit in re.findall(r'"unit":"[^"]*:(\w+)"', text) if operand.unit else [""]:
            if luck.random() < 0.85:
                pick = luck.choice(WRONG if luck.random() < 0.1 else good)
                found[operand.name + (f"@{unit}" if unit else "")] = pick
    return found


def some_request(policy: Object, luck: random.Random) -> Request:
    ids = re.findall(r'"@id":"(urn:r[^"]*-duty\.\d+)"', canonical.encode(policy).decode())
    performed = {each for each in (*ids, "hefu:log", "odrl:inform", "hefu:attest") if luck.random() < 0.4}
    return Request(
        luck.choice(["hefu:dpQuery"] * 6 + ["hefu:psi", "odrl:read", "hefu:unheard"]),
        luck.choice(["prd-1"] * 19 + ["prd-2"]),
        luck.choice(["pharma-b"] * 19 + ["hospital-a"]),
        frozenset(performed),
        frozenset({luck.choice([*ids, "urn:o:1"])} if luck.random() < 0.05 else ()),
    )
