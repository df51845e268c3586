"""GROUPING SETS, ROLLUP and CUBE: several groupings of the same rows in one question, and one release."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from sqlglot import exp

from hefu_connector.computing.groups import MOST_SETS, Sets
from hefu_connector.engines.dialect.words import only, refuse

_SETS = "GROUPING SETS"
_MOST_CUBED = 6  # keys: 64 sets


def grouping(group: Any) -> tuple[list[Any], Sets]:
    """The keys of a GROUP BY, each once, and its grouping sets; none where rows are grouped by all keys at once.

    Keys before a ROLLUP, CUBE or GROUPING SETS, and behind it, are in each of its sets.

    Raises:
        Malformed: more than one of these, or one within another.
    """
    nodes: list[Any] = []
    always, sets = [], None
    for each in group.expressions:
        if type(each) not in (exp.GroupingSets, exp.Rollup, exp.Cube):
            always.append(_place(each, nodes))
            continue
        if sets is not None:
            refuse(_SETS, "one ROLLUP, CUBE or GROUPING SETS stands in GROUP BY")
        only(each, _SETS, "expressions")
        sets = _sets([[_place(one, nodes) for one in _members(item)] for item in each.expressions], type(each))
    if sets is None:
        return nodes, ()
    found = tuple(dict.fromkeys(tuple(sorted({*always, *each})) for each in sets))
    if len(found) > MOST_SETS:
        refuse(_SETS, f"at most {MOST_SETS} sets")
    return nodes, found if len(found) > 1 else ()


def _sets(items: list[list[int]], kind: Any) -> list[list[int]]:
    """The sets that are meant, as places among the keys."""
    if kind is exp.GroupingSets:
        return items
    if kind is exp.Cube and len(items) > _MOST_CUBED:
        refuse("CUBE", f"at most {_MOST_CUBED} keys")
    sizes = range(len(items), -1, -1)
    chosen = [items[:size] for size in sizes] if kind is exp.Rollup else _every(items, sizes)
    return [[place for item in each for place in item] for each in chosen]


def _every(items: list[list[int]], sizes: range) -> list[list[list[int]]]:
    return [[*each] for size in sizes for each in combinations(items, size)]


def _members(node: Any) -> Sequence[Any]:
    """The keys of one set: in brackets, or one alone."""
    if type(node) in (exp.GroupingSets, exp.Rollup, exp.Cube):
        refuse(_SETS, "no other stands within it")
    if type(node) is exp.Tuple:
        only(node, _SETS, "expressions")
        return list(node.expressions)
    return [node]


def _place(node: Any, nodes: list[Any]) -> int:
    """The place of a key, which is added where it is new."""
    if type(node) is exp.Paren:
        only(node, _SETS, "this")
        node = node.this
    if node not in nodes:
        nodes.append(node)
    return nodes.index(node)
