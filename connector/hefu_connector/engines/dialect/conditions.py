"""Conditions on a row: comparisons of columns with constants as they are, and of computed numbers with each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from hefu_connector.computing import predicates as p
from hefu_connector.engines.dialect.words import bare, column, find_literal, literal, only, refuse, refuse_node

Number = Callable[[Any], p.Numeric]
_OPERATORS: Mapping[type[Any], str] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_MIRRORED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def condition(node: Any, number: Number) -> p.Predicate:
    """A condition.

    Args:
        number: reads what is computed from a row.

    Raises:
        Malformed: a word that is not of the dialect.
    """
    node = bare(node)
    if type(node) in (exp.And, exp.Or):
        items = tuple(condition(each, number) for each in node.flatten())
        return p.All(items) if type(node) is exp.And else p.Any(items)
    if type(node) is exp.Not:
        only(node, "NOT", "this")
        return p.Not(condition(node.this, number))
    if type(node) in _OPERATORS:
        return _compare(node, number)
    read = _TERMS.get(type(node))
    if read is None:
        why = "compare it, for example = TRUE" if type(node) is exp.Column else "it is no comparison of the dialect"
        refuse_node(node, why)
    return read(node, number)


def _compare(node: Any, number: Number) -> p.Predicate:
    only(node, "a comparison", "this", "expression")
    operator = _OPERATORS[type(node)]
    left, right = bare(node.this), bare(node.expression)
    if exp.Null in (type(left), type(right)):
        refuse("NULL", "write IS NULL or IS NOT NULL")
    if type(right) is exp.Column and find_literal(left) is not None:
        left, right, operator = right, left, _MIRRORED[operator]
    constant = find_literal(right)
    if type(left) is exp.Column and constant is not None:
        return p.Compare(column(left), operator, constant)
    return p.Relation(number(left), operator, number(right))


def _in(node: Any, number: Number) -> p.Predicate:
    only(node, "IN", "this", "expressions")
    if not 1 <= len(node.expressions) <= p.MOST_CHOICES:
        refuse("IN", f"list 1 to {p.MOST_CHOICES} constants")
    values = tuple(literal(each) for each in node.expressions)
    if type(bare(node.this)) is exp.Column:
        return p.In(column(node.this), values)
    found = number(node.this)
    items = tuple(p.Relation(found, "=", number(each)) for each in node.expressions)
    return items[0] if len(items) == 1 else p.Any(items)


def _between(node: Any, number: Number) -> p.Predicate:
    only(node, "BETWEEN", "this", "low", "high")
    item, low, high = bare(node.this), node.args.get("low"), node.args.get("high")
    constants = find_literal(low), find_literal(high)
    if type(item) is exp.Column and constants[0] is not None and constants[1] is not None:
        return p.Between(column(item), constants[0], constants[1])
    found = number(item)
    return p.All((p.Relation(found, ">=", number(low)), p.Relation(found, "<=", number(high))))


def _is(node: Any, _: Number) -> p.Predicate:
    only(node, "IS", "this", "expression")
    if type(node.expression) is not exp.Null:
        refuse("IS", "only NULL follows; write = TRUE")
    return p.IsNull(column(node.this))


_TERMS: Mapping[type[Any], Callable[[Any, Number], p.Predicate]] = {
    exp.In: _in,
    exp.Between: _between,
    exp.Is: _is,
}
