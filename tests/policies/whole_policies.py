"""Random policies in JSON with everything that the profile can say: every operand, logic, duties, remedies, units."""

from typing import Any

from hefu.canonical import Json, Object
from hefu_policies.odrl.values import EXAMPLES, write
from hefu_policies.words.purposes import LINEAGE
from hefu_policies.words.terms import ACTIONS, CURRENCY, DELIVER, OPERANDS, SET_OPERATORS, Combine, Kind, Operand
from hypothesis import strategies as st

from tests.policies.policies import agreement

TEXTS: dict[Kind, list[str]] = {
    Kind.DECIMAL: ["0", "0.50", "12.5", "0.000001"],
    Kind.INTEGER: ["0", "7", "200"],
    Kind.TIME: ["2027-11-21T00:00:00Z", "2026-11-21T10:00:01Z"],
    Kind.DURATION: ["P30D", "PT12H", "P1DT30M"],
    Kind.BOOLEAN: ["true", "false"],
    Kind.PURPOSE: sorted(LINEAGE)[:5],
    Kind.PARTY: ["urn:hefu:participant:hospital-a", "did:web:pharma-b.example", "https://b.example/#me"],
    Kind.PARTIES: ["urn:hefu:participant:hospital-a", "did:web:pharma-b.example"],
    Kind.NAMES: ["age", "los_days", "_x"],
    Kind.DIGEST: ["sha256:" + "0f" * 32, "sha256:" + "a1" * 32],
    Kind.REGION: ["CN", "CN-31", "CN-310104", "DE"],
    Kind.INDUSTRY: ["C", "C27", "C2710"],
    Kind.ADDRESS: ["a.example", "192.0.2.7", "192.0.2.0/24", "2001:db8::/32"],
    Kind.WINDOW: ["1-5 08:00/18:00 +08:00", "6 00:00/24:00 +00:00"],
    Kind.CLAIM: ["ResearchLicence.level=2", "Member=yes"],
    Kind.IRI: ["urn:x:1", "https://e.example/a?b=c#d"],
    Kind.TEXT: ["patient", "一个单元"],
}
UNITS = {CURRENCY: [f"{CURRENCY}CNY", f"{CURRENCY}EUR"], "urn:hefu:per:": ["urn:hefu:per:P1D", "urn:hefu:per:PT1H"]}


def texts(operand: Operand) -> list[str]:
    if operand.words:
        return [each if ":" in each else f"hefu:{each}" for each in sorted(operand.words)]
    return TEXTS[operand.kind]


@st.composite
def atoms(draw: st.DrawFn, within: list[Operand]) -> Object:
    operand = draw(st.sampled_from(within))
    operator = draw(st.sampled_from(sorted(operand.operators)))
    one = st.sampled_from([write(each, operand.kind) for each in texts(operand)])
    right: Any = st.lists(one, min_size=1, max_size=3, unique_by=repr) if operator in SET_OPERATORS else one
    unit: Object = {"unit": draw(st.sampled_from(UNITS[operand.unit]))} if operand.unit else {}
    body: Object = {"leftOperand": operand.term, "operator": operator.value, "rightOperand": draw(right)}
    return body | unit


RULED = [each for each in OPERANDS.values() if each.in_rules]
FREE = [each for each in RULED if not each.in_ledger and not each.performance]


def _combined(parts: st.SearchStrategy[Object]) -> st.SearchStrategy[Object]:
    inside: Any = st.lists(parts, min_size=1, max_size=3)
    return st.builds(lambda combine, found: {combine.value: found}, st.sampled_from(Combine), inside)


logic = _combined(atoms(FREE) | _combined(atoms(FREE) | _combined(atoms(FREE))))
conditions = st.lists(atoms(RULED) | logic, min_size=1, max_size=4)


def _one_event(found: list[Object]) -> list[Object]:
    events = [index for index, each in enumerate(found) if each.get("leftOperand") == "odrl:event"]
    return [each for index, each in enumerate(found) if index not in events[1:]]


gates = st.lists(atoms([*OPERANDS.values()]) | logic, min_size=1, max_size=3).map(_one_event)


def acts(*uses: str) -> st.SearchStrategy[str]:
    return st.sampled_from(
        sorted(each.term for each in ACTIONS.values() if {*uses} & each.uses and each.term != DELIVER)
    )


IN_TIME: Object = {
    "leftOperand": "odrl:delayPeriod", "operator": "lteq", "rightOperand": {"@value": "P30D", "@type": "xsd:duration"},
}  # fmt: skip


def _timed(duty: Object) -> Object:
    """A consequence needs a time by when its duty must be performed."""
    if "consequence" not in duty:
        return duty
    found: Any = duty.get("constraint", [])
    return duty | {"constraint": [*found, IN_TIME]}


inner = st.fixed_dictionaries({"action": acts("duty", "obligation")}, optional={"constraint": gates})
duties = st.fixed_dictionaries(
    {"action": acts("duty")}, optional={"constraint": gates, "consequence": st.lists(inner, min_size=1, max_size=2)}
).map(_timed)
obligations = st.fixed_dictionaries(
    {"action": acts("obligation"), "constraint": gates},
    optional={"consequence": st.lists(inner, min_size=1, max_size=2)},
).map(_timed)
permissions = st.fixed_dictionaries(
    {"action": acts("permission")},
    optional={"constraint": conditions, "duty": st.lists(duties, min_size=1, max_size=2)},
)
prohibitions = st.fixed_dictionaries(
    {"action": acts("prohibition")},
    optional={"constraint": conditions, "remedy": st.lists(inner, min_size=1, max_size=2)},
)


def _whole(permitted: Any, prohibited: Any, obliged: Any, named: bool) -> Object:
    body = agreement(permitted, prohibited) | ({"obligation": obliged} if obliged else {})
    return _with_ids(body, "urn:r:0") if named else body  # type: ignore[return-value]


def _with_ids(value: Json, id_: str) -> Json:
    """Every rule, duty and constraint gets an id that says where it stands."""
    if isinstance(value, list):
        return [_with_ids(each, f"{id_}.{index}") for index, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    found: Object = {
        name: item if name in ("rightOperand", "@context", "profile") else _with_ids(item, f"{id_}-{name}")
        for name, item in value.items()
    }
    return found | ({"@id": id_} if {"action", "operator", "and", "or", "xone", "andSequence"} & set(value) else {})


whole_policies = st.builds(
    _whole,
    st.lists(permissions, min_size=1, max_size=2),
    st.lists(prohibitions, max_size=2),
    st.lists(obligations, max_size=2),
    st.booleans(),
)
assert set(TEXTS) | {Kind.CONCEPT, Kind.LEVEL} == set(EXAMPLES)
