"""Rules and duties of plain ODRL in the strict form: one action each, refinements as constraints, operations named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from hefu.canonical import Json, Object
from hefu.errors import Malformed

from hefu_policies.odrl.checks import MOST_RULES
from hefu_policies.odrl.conditions import PARTIES, condition, recipient
from hefu_policies.odrl.nodes import Node
from hefu_policies.reading import wrong
from hefu_policies.words.terms import OPERANDS, USE, Operator

_ACTION = "odrl:action"
_INNER = {"duty": "odrl:duty", "remedy": "odrl:remedy", "consequence": "odrl:consequence"}
_HAS = {
    "permission": ("duty",), "prohibition": ("remedy",), "obligation": ("consequence",), "duty": ("consequence",),
    "remedy": (), "consequence": (),
}  # fmt: skip
_TYPES = {
    "permission": "odrl:Permission", "prohibition": "odrl:Prohibition", "obligation": "odrl:Duty", "duty": "odrl:Duty",
    "remedy": "odrl:Duty", "consequence": "odrl:Duty",
}  # fmt: skip
_DUTIES = frozenset({"obligation", "duty", "remedy", "consequence"})
PLACED = ("odrl:target", "odrl:assigner", "odrl:assignee")
_FUNCTIONS = frozenset(PARTIES.values())


@dataclass(frozen=True, slots=True)
class Action:
    """An action, and what is said about how it is carried out."""

    term: str
    refinements: tuple[Object, ...]


def actions(node: Node) -> list[Action]:
    """The actions of a rule or of a whole policy, whose rules then all have them."""
    return [_action(each) for each in node.nodes(_ACTION)]


def bodies(node: Node, use: str, inherited: list[Action]) -> Iterator[Object]:
    """The rules that a rule stands for: one an action, and one an operation where the action is ``odrl:use``.

    Args:
        use: ``permission``, ``prohibition``, ``obligation``, ``duty``, ``remedy`` or ``consequence``.
        inherited: the actions of the policy, for a rule without any.

    Raises:
        Malformed: what the strict form cannot say.
    """
    parties = [name for name in sorted(_FUNCTIONS & set(node.members)) if use in _DUTIES]
    inner = [_INNER[each] for each in _HAS[use]]
    placed = PLACED if use in ("permission", "prohibition", "obligation") else ()
    node.allow((_ACTION, "odrl:constraint", *inner, *placed, *parties), (_TYPES[use], "odrl:Rule"))
    found = actions(node) or inherited
    if not found:
        raise Malformed("contract.missing", where=node.where, member="action")
    owed = _duties(node, use)
    for action in found:
        body: Object = {"@id": node.id} if node.id else {}
        given = [condition(each) for each in node.nodes("odrl:constraint")]
        given += [_refinement(each, use, node.where) for each in action.refinements]
        given += [_party(node, name, action.term) for name in parties]
        for term, kept in _named_operations(action.term, given, node.where):
            yield body | {"action": term} | _list("constraint", kept) | owed


def _duties(node: Node, use: str) -> Object:
    found: Object = {}
    for name in _HAS[use]:
        inner = (body for each in node.nodes(_INNER[name]) for body in numbered(bodies(each, name, [])))
        found |= _list(name, few(inner, node.where))
    return found


def _action(node: Node) -> Action:
    node.allow(("rdf:value", "odrl:refinement"), ("odrl:Action",))
    if "rdf:value" not in node.members:
        if not node.id or "odrl:refinement" in node.members:
            wrong(node.where, 'the action as "rdf:value", beside its refinement')
        return Action(node.id, ())
    if node.id:
        node.refuse("@id")
    refinements = tuple(condition(each) for each in node.nodes("odrl:refinement"))
    return Action(node.reference("rdf:value"), refinements)


def _refinement(body: Object, use: str, where: str) -> Object:
    """A refinement of a duty's action says how it is performed, and so must its operand."""
    operand = OPERANDS.get(str(body.get("leftOperand")))
    if use in _DUTIES and (operand is None or not operand.performance):
        wrong(f"{where}.action.refinement", "an operand that says how a duty is performed; others as constraints")
    return body


def _party(node: Node, name: str, action: str) -> Object:
    if PARTIES.get(action) != name:
        node.refuse(name)
    return recipient(node.reference(name))


def _named_operations(term: str, given: list[Object], where: str) -> Iterator[tuple[str, list[Object]]]:
    """`odrl:use` is accepted only with the operations that it is meant for, and becomes them."""
    if term != USE:
        yield term, given
        return
    named = [each for each in given if each.get("leftOperand") == "hefu:operation"]
    if not named:
        raise Malformed("policy.bare_use", where=f"{where}.action")
    kept = [each for each in given if each not in named[:1]]
    right = named[0]["rightOperand"]
    if named[0]["operator"] not in (Operator.EQ, Operator.IS_ANY_OF):
        wrong(f"{where}.constraint", "hefu:operation with eq or isAnyOf")
    for each in right if isinstance(right, list) else [right]:
        yield str(each["@id"] if isinstance(each, dict) else each), kept


def few(found: Iterable[Object], where: str) -> list[Object]:
    """No more rules than a policy may have: lists multiply, and a small document could stand for a million.

    Raises:
        Malformed: there are more.
    """
    taken = list(islice(found, MOST_RULES + 1))
    return taken if len(taken) <= MOST_RULES else wrong(where, f"what stands for at most {MOST_RULES} rules")


def numbered(found: Iterator[Object]) -> Iterator[Object]:
    """Copies of one rule: from the second on, their ids and those of all in them bear a number."""
    for index, body in enumerate(found):
        yield body if not index else _renamed(body, f".{index + 1}")


def _renamed(body: Object, suffix: str) -> Object:
    found: Object = {}
    for name, item in body.items():
        if name == "@id":
            found[name] = f"{item}{suffix}"
        elif isinstance(item, list) and name != "rightOperand":
            found[name] = [_renamed(each, suffix) if isinstance(each, dict) else each for each in item]
        else:
            found[name] = item
    return found


def _list(name: str, found: list[Object]) -> Object:
    items: list[Json] = [*found]
    return {name: items} if items else {}
