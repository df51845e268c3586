"""Numbers that are computed from a row: arithmetic, CASE, rounding, parts of dates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from sqlglot import exp

from hefu_connector.computing import expressions as e
from hefu_connector.computing import predicates as p
from hefu_connector.engines.dialect import conditions
from hefu_connector.engines.dialect.words import bare, column, decimal, find_literal, only, refuse, refuse_node, whole

_OPERATORS: Mapping[type[Any], str] = {exp.Add: "add", exp.Sub: "subtract", exp.Mul: "multiply", exp.Div: "divide"}
_PARTS: Mapping[type[Any], str] = {
    exp.Year: "year",
    exp.Quarter: "quarter",
    exp.Month: "month",
    exp.Day: "day",
    exp.DayOfMonth: "day",
    exp.DayOfWeekIso: "weekday",
    exp.Hour: "hour",
}
_EXTRACTED = {**{part: part for part in e.PARTS if part != "weekday"}, "isodow": "weekday"}


def number(node: Any) -> e.Expression:
    """A number of a row.

    Raises:
        Malformed: a word that is not of the dialect.
    """
    node = bare(node)
    constant = find_literal(node) if type(node) is not exp.Cast else None
    if constant is not None:
        return e.Number(decimal(node, constant.text))
    if type(node) is exp.Column:
        return e.Column(column(node))
    if type(node) in _OPERATORS:
        only(node, "arithmetic", "this", "expression", "typed", "safe")
        return e.Arithmetic(_OPERATORS[type(node)], number(node.this), number(node.expression))
    if type(node) in _PARTS:
        only(node, "a part of a date", "this")
        return e.Part(_PARTS[type(node)], column(node.this))
    if type(node) is exp.Anonymous:
        return _named(node)
    read = _FUNCTIONS.get(type(node))
    if read is None:
        refuse_node(node, "a column, a number or arithmetic stands here")
    return read(node)


def condition(node: Any) -> p.Predicate:
    """A condition on a row, in which numbers may be compared. Raises Malformed."""
    return conditions.condition(node, number)


def filtered(where: p.Predicate, item: e.Expression) -> e.Expression:
    """A number that is absent where a condition does not hold."""
    return e.Case((e.When(where, item),))


def _negate(node: Any) -> e.Expression:
    only(node, "-", "this")
    return e.Function("negate", number(node.this))


def _absolute(node: Any) -> e.Expression:
    only(node, "ABS", "this")
    return e.Function("absolute", number(node.this))


def _floor(node: Any) -> e.Expression:
    only(node, "FLOOR", "this")
    return e.Function("floor", number(node.this))


def _ceiling(node: Any) -> e.Expression:
    only(node, "CEIL", "this")
    return e.Function("negate", e.Function("floor", e.Function("negate", number(node.this))))


def _round(node: Any) -> e.Expression:
    only(node, "ROUND", "this", "decimals")
    digits = node.args.get("decimals")
    return e.Round(number(node.this), 0 if digits is None else whole(digits, "ROUND", e.COARSEST, e.FINEST))


def _case(node: Any) -> e.Expression:
    only(node, "CASE", "this", "ifs", "default")
    if node.this is not None:
        refuse("CASE", "write CASE WHEN x = 1 THEN …")
    whens = tuple(e.When(condition(each.this), number(each.args.get("true"))) for each in node.args["ifs"])
    return e.Case(whens, _otherwise(node.args.get("default")))


def _if(node: Any) -> e.Expression:
    only(node, "IF", "this", "true", "false")
    when = e.When(condition(node.this), number(node.args.get("true")))
    return e.Case((when,), _otherwise(node.args.get("false")))


def _otherwise(node: Any) -> e.Expression | None:
    return None if node is None or type(node) is exp.Null else number(node)


def _coalesce(node: Any) -> e.Expression:
    only(node, "COALESCE", "this", "expressions")
    if len(node.expressions) != 1:
        refuse("COALESCE", "write COALESCE(column, number)")
    name = column(node.this)
    return e.Case((e.When(p.IsNull(name), number(node.expressions[0])),), e.Column(name))


def _extreme(node: Any) -> e.Expression:
    """The larger or smaller of numbers; absent where one of them is."""
    text, operator = ("GREATEST", ">=") if type(node) is exp.Greatest else ("LEAST", "<=")
    only(node, text, "this", "expressions", "ignore_nulls")
    if not 1 <= len(node.expressions) <= 3:
        refuse(text, "it takes 2 to 4 numbers")
    found = number(node.this)
    for each in node.expressions:
        other = number(each)
        chosen = e.When(p.Relation(found, operator, other), found)
        found = e.Case((chosen, e.When(p.Relation(other, operator, found), other)))
    return found


def _extract(node: Any) -> e.Expression:
    only(node, "EXTRACT", "this", "expression")
    part = _EXTRACTED.get(bare(node.this).name.lower())
    if part is None:
        refuse("EXTRACT", "it takes one of " + ", ".join(_EXTRACTED))
    return e.Part(part, column(node.expression))


def _bucket(node: Any) -> e.Expression:
    """0 below the lower bound, 1 to n for n even buckets, n + 1 from the upper bound on: as in PostgreSQL."""
    only(node, "WIDTH_BUCKET", "this", "min_value", "max_value", "num_buckets")
    low, high = (decimal(node.args.get(name), "WIDTH_BUCKET") for name in ("min_value", "max_value"))
    buckets = whole(node.args.get("num_buckets"), "WIDTH_BUCKET", 1, 1000)
    if not low < high:
        refuse("WIDTH_BUCKET", "a lower bound below its upper stands here")
    above = e.Arithmetic("subtract", number(node.this), e.Number(low))
    share = e.Arithmetic("multiply", above, e.Number(Decimal(buckets)))
    place = e.Function("floor", e.Arithmetic("divide", share, e.Number(high - low)))
    return e.Arithmetic("add", e.Clamp(place, Decimal(-1), Decimal(buckets)), e.Number(Decimal(1)))


def _named(node: Any) -> e.Expression:
    name = str(node.this).upper()
    if name != "CLAMP" or len(node.expressions) != 3:
        refuse(name, "it is no function of the dialect; a column, a number or arithmetic stands here")
    item, low, high = node.expressions
    return e.Clamp(number(item), decimal(low, "CLAMP"), decimal(high, "CLAMP"))


_FUNCTIONS: Mapping[type[Any], Callable[[Any], e.Expression]] = {
    exp.Neg: _negate,
    exp.Abs: _absolute,
    exp.Floor: _floor,
    exp.Ceil: _ceiling,
    exp.Round: _round,
    exp.Case: _case,
    exp.If: _if,
    exp.Coalesce: _coalesce,
    exp.Greatest: _extreme,
    exp.Least: _extreme,
    exp.Extract: _extract,
    exp.WidthBucket: _bucket,
}
