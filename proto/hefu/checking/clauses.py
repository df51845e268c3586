"""What the clauses of a signed agreement say of deliveries, as far as an offline verifier needs it.

The whole decision is made again by `hefu_policies.proving.replay`. Here an agreement is a stranger's JSON: what has
another form than a policy has says nothing, and so permits nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from hefu.canonical import Json, Object
from hefu.statements.delivery import Delivered

DELIVER = "hefu:deliver"


def are_signed(agreement: Object) -> bool:
    """Whether an agreement has rules at all; one without is judged elsewhere."""
    return "strategies" in agreement


def delivery_faults(agreement: Object, strategy: str, clause: str, said: Delivered, kind: str) -> Iterator[str]:
    """What a delivery breaks of the clause under which it says that it was permitted."""
    rule = _permission(agreement, clause, DELIVER, strategy)
    if rule is None:
        yield "stands under a clause that permits no delivery"
        return
    facts: dict[str, str | int] = {"processing": said.processing, "outputKind": kind, "outputRows": said.rows}
    if said.minimum_group is not None:
        facts["minGroup"] = said.minimum_group
    for each in _objects(rule.get("constraint")):
        name = str(each.get("leftOperand")).removeprefix("hefu:")
        right = each.get("rightOperand")
        values = [_value(one) for one in (right if isinstance(right, list) else [right])]
        if name in facts and not _holds(facts[name], str(each.get("operator")), values):
            yield f"was not delivered as clause {clause} says: {name}"


def permits(agreement: Object, clause: str, action: str) -> bool:
    """Whether a clause of an agreement permits an action."""
    return _permission(agreement, clause, action) is not None


def _permission(agreement: Object, clause: str, action: str, strategy: str = "") -> Object | None:
    for each in _objects(agreement.get("strategies")):
        policy = each.get("policy")
        if strategy not in ("", each.get("strategy")) or not isinstance(policy, dict):
            continue
        for index, rule in enumerate(_objects(policy.get("permission"))):
            if rule.get("@id", f"policy.permission[{index}]") == clause and rule.get("action") == action:
                return rule
    return None


def _holds(fact: str | int, operator: str, values: list[str]) -> bool:
    if isinstance(fact, str):
        inside = fact in values or f"hefu:{fact}" in values
        return not inside if operator == "isNoneOf" else inside
    limits = [int(each) for each in values if each.isascii() and each.isdigit() and len(each) < 20]
    if len(limits) != 1:
        return False
    return {"lteq": fact <= limits[0], "gteq": fact >= limits[0], "eq": fact == limits[0]}.get(operator, False)


def _value(value: Json) -> str:
    if isinstance(value, dict):
        value = value.get("@value", value.get("@id"))
    return value if isinstance(value, str) else ""


def _objects(value: Json) -> list[Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
