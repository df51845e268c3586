"""A second reading of a policy's JSON, written for clarity and not for speed.

Nothing of the compiled form is used here: it walks the JSON and knows the phases, the operators, the regions, the
taxonomy of purposes, Kleene's logic and the duties on its own.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Any

from hefu_policies.deciding.decision import Effect, Request
from hefu_policies.words import purposes
from hefu_policies.words.terms import ACTIONS, OPERANDS, Kind, Phase

LATE = {"hefu:minGroup", "hefu:outputRows", "hefu:outputBytes", "hefu:rounding"}
SEEN = {"odrl:dateTime", "hefu:jurisdiction", "hefu:securityLevel", "hefu:credential", "odrl:industry", "hefu:role"}
HOW = {"odrl:payAmount", "odrl:recipient", "hefu:retention", "hefu:deadline", "odrl:delayPeriod", "hefu:logLevel"}
AT_RELEASE = {"hefu:log"}
AFTERWARDS = {"odrl:delete", "hefu:notifyDeny", "odrl:attribute", "odrl:nextPolicy"}
DEFER = "defer"
REGION = re.compile(r"[A-Z]{2}(-([A-Z][A-Z0-9]{0,2}|[0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9][A-Z0-9]{0,2}))?")


def is_a(purpose: str, wanted: str) -> bool:
    return purpose == wanted or any(is_a(parent, wanted) for parent in purposes.parents(purpose))


def right_values(right: Any) -> list[str]:
    items = right if isinstance(right, list) else [right]
    return [item if isinstance(item, str) else item.get("@id", item.get("@value")) for item in items]


def names(value: object) -> list[str] | None:
    if isinstance(value, (list, set, frozenset, tuple)) and all(
        isinstance(each, str) and each and len(each) <= 200 for each in value
    ):
        return [each.removeprefix("urn:hefu:participant:") for each in value]
    return None


def compare(operator: str, one: Any, other: Any) -> bool:
    return {
        "eq": one == other, "lt": one < other, "lteq": one <= other, "gt": one > other, "gteq": one >= other,
    }[operator]  # fmt: skip


def length(text: str) -> timedelta:
    days, _, clock = text[1:].partition("T")
    found = timedelta(days=int(days[:-1])) if days else timedelta(0)
    for number, unit in re.findall(r"(\d+)([HM])", clock):
        found += timedelta(hours=int(number)) if unit == "H" else timedelta(minutes=int(number))
    return found


def scalar(kind: Kind, value: object) -> Any:
    """The fact as a comparable number, time or length, or None."""
    if isinstance(value, bool):
        return None
    if kind is Kind.DECIMAL and isinstance(value, (int, Decimal)):
        return value if Decimal(value).is_finite() else None
    if kind is Kind.INTEGER:
        return value if isinstance(value, int) else None
    if kind is Kind.TIME and isinstance(value, datetime) and value.tzinfo is not None:
        return datetime(*value.timetuple()[:6], tzinfo=UTC)
    if kind is Kind.DURATION and isinstance(value, timedelta) and value >= timedelta(0):
        return timedelta(seconds=int(value.total_seconds()))
    return None


def part_of(code: str, wanted: str) -> bool:
    return code == wanted or (code.startswith(wanted) and (code[len(wanted)] == "-" or code[len(wanted)].isdigit()))


def code_truth(operator: str, texts: list[str], value: str, form: str) -> bool | None:
    if not re.fullmatch(form, value):
        return None
    if any(part_of(value, each) for each in texts):
        return operator != "isNoneOf"
    if any(part_of(each, value) for each in texts):  # it contains one of them
        return None
    return operator == "isNoneOf"


def address_truth(texts: list[str], value: str) -> bool | None:
    try:
        address: Any = ip_address(value)
    except ValueError:
        address = None
    networks, hosts = [], []
    for each in texts:
        try:
            networks.append(ip_network(each))
        except ValueError:
            hosts.append(each)
    if address is not None:
        return any(address in each for each in networks) or (None if hosts else False)
    if not re.fullmatch(r"[a-z][a-z0-9.-]*", value.lower()) or any(len(each) > 63 for each in value.split(".")):
        return None
    return value.lower() in hosts or (None if networks else False)


def window_truth(texts: list[str], value: object) -> bool | None:
    known = scalar(Kind.TIME, value)
    if known is None:
        return None
    for text in texts:
        days, hours, offset = text.split(" ")
        first, _, last = days.partition("-")
        begin, end = hours.split("/")
        local = known + timedelta(hours=int(offset[:3]))
        inside = begin <= f"{local:%H:%M}" < end
        if int(first) <= local.isoweekday() <= int(last or first) and inside:
            return True
    return False


def set_truth(operator: str, value: object, texts: list[str]) -> bool | None:
    known = names(value)
    if known is None:
        return None
    wanted = [each.removeprefix("urn:hefu:participant:") for each in texts]
    if operator == "isPartOf":
        return all(each in wanted for each in known)
    if operator == "isAllOf":
        return all(each in known for each in wanted)
    some = any(each in wanted for each in known)
    return not some if operator == "isNoneOf" else some


def word_truth(term: str, operator: str, texts: list[str], value: str) -> bool | None:
    words = OPERANDS[term].words
    word = value if value in words else value.removeprefix("hefu:")
    if word not in words:
        return None
    wanted = [each if each in words else each.removeprefix("hefu:") for each in texts]
    if term == "hefu:securityLevel":
        return word >= wanted[0]  # L1 to L5
    return (word in wanted) is (operator != "isNoneOf")


def truth(term: str, operator: str, right: Any, value: object) -> bool | None:
    texts, kind = right_values(right), OPERANDS[term].kind
    if kind in (Kind.NAMES, Kind.PARTIES, Kind.CLAIM):
        return set_truth(operator, value, texts)
    if kind in (Kind.DECIMAL, Kind.INTEGER, Kind.TIME, Kind.DURATION):
        known = scalar(kind, value)
        other: Any = {Kind.TIME: datetime.fromisoformat, Kind.DURATION: length}.get(kind, Decimal)
        return None if known is None else compare(operator, known, other(texts[0]))
    if kind is Kind.WINDOW:
        return window_truth(texts, value)
    if kind is Kind.BOOLEAN:
        return value is (texts[0] == "true") if isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    if kind is Kind.PURPOSE:
        if value not in purposes.LINEAGE:
            return None
        return any(is_a(value, each) for each in texts) is (operator != "isNoneOf")
    if kind is Kind.REGION:
        return code_truth(operator, texts, value, REGION.pattern)
    if kind is Kind.INDUSTRY:
        return code_truth(operator, texts, value, "[A-Z]([0-9]{2,4})?")
    if kind is Kind.ADDRESS:
        return address_truth(texts, value)
    if kind is Kind.DIGEST:
        return value in texts if re.fullmatch("sha256:[0-9a-f]{64}", value) else None
    if OPERANDS[term].words:
        return word_truth(term, operator, texts, value)
    prefix = OPERANDS[term].prefix
    plain = [each.removeprefix(prefix) for each in texts]
    return value.removeprefix(prefix) in plain if 0 < len(value) <= 200 else None


def waits(term: str, phase: Phase) -> bool:
    if phase is Phase.CATALOG:
        return term not in SEEN
    return term in LATE and phase in (Phase.ADMISSION, Phase.MONITOR)


def judge(constraint: Any, known: dict[str, object], phase: Phase, waiting: bool | None) -> bool | None:
    for word in ("and", "or", "xone", "andSequence"):
        if word in constraint:
            parts = [judge(each, known, phase, waiting) for each in constraint[word]]
            if word == "and":
                return False if False in parts else None if None in parts else True
            if word == "or":
                return True if True in parts else None if None in parts else False
            if None in parts:
                return None
            return parts.count(True) == (1 if word == "xone" else len(parts))
    term = constraint["leftOperand"]
    name = term.split(":")[1] + ("@" + constraint["unit"].split(":")[-1] if "unit" in constraint else "")
    value = known.get(name)
    found = None if value is None else truth(term, constraint["operator"], constraint["rightOperand"], value)
    return waiting if found is None and waits(term, phase) else found


def covers(wanted: str, action: str) -> bool:
    return wanted == action or any(
        covers(wanted, each) for each in (ACTIONS[action].included_in if action in ACTIONS else ())
    )


def due(duty: Any) -> str:
    for each in duty.get("constraint", []):
        if each.get("leftOperand") == "odrl:event":
            return {"lt": "before", "gteq": "with", "gt": "after"}[each["operator"]]
    if duty["action"] in AT_RELEASE:
        return "with"
    return "after" if duty["action"] in AFTERWARDS else "before"


def pending(rule: Any, request: Request, known: dict[str, object], phase: Phase) -> list[tuple[str, str]]:
    """What must be performed before the release: when, and the action."""
    found = []
    for duty in rule.get("duty", []):
        said = duty.get("constraint", [])
        gates = [each for each in said if each.get("leftOperand") not in HOW | {"odrl:event"}]
        how = [each for each in said if each.get("leftOperand") in HOW]
        idle = any(judge(each, known, phase, None) is False for each in gates)
        done = duty["@id"] in request.performed or (not how and duty["action"] in request.performed)
        if not idle and not done and due(duty) != "after" and duty["@id"] not in request.violated:
            found.append((due(duty), duty["action"]))
    return found


def interpret(policy: Any, request: Request, known: dict[str, object], phase: Phase) -> tuple[Effect, str, list[str]]:
    named = {"urn:hefu:product:" + request.target, "urn:hefu:participant:" + request.assignee}
    if named != {policy["target"], policy["assignee"]}:
        return Effect.DEFAULT_DENY, "", []
    for rule in policy.get("prohibition", []):
        results = [judge(each, known, phase, False) for each in rule.get("constraint", [])]
        if covers(rule["action"], request.action) and False not in results:
            return Effect.DENY, rule["@id"], []
    held = [
        rule
        for rule in policy["permission"]
        if covers(rule["action"], request.action)
        and all(judge(each, known, phase, True) is True for each in rule.get("constraint", []))
    ]
    free = [rule for rule in held if all(when != "before" for when, _ in pending(rule, request, known, phase))]
    chosen = (free or held or [None])[0]
    open_ = pending(chosen, request, known, phase) if chosen else []
    if request.violated and phase is Phase.ADMISSION:
        return Effect.DENY, min(request.violated), [action for _, action in open_]
    if chosen is None:
        return Effect.DEFAULT_DENY, "", []
    now = {Phase.RELEASE: {"before", "with"}, Phase.POST: {"before", "with"}, Phase.CATALOG: set()}
    must = any(when in now.get(phase, {"before"}) for when, _ in open_)
    effect = Effect.PERMIT_AFTER_DUTIES if must else Effect.PERMIT
    return effect, chosen["@id"], [action for _, action in open_]
