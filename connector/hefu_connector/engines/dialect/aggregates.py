"""What is asked of a group of rows: counts, sums, moments, quantiles, histograms, each with a FILTER where it helps."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hefu_policies.goods.resource import ROW
from sqlglot import exp

from hefu_connector.computing import expressions as e
from hefu_connector.computing import predicates as p
from hefu_connector.computing.computation import Aggregate
from hefu_connector.engines.dialect.numbers import condition, filtered, number
from hefu_connector.engines.dialect.words import ROWS, bare, column, decimal, literal, only, refuse, refuse_node, word

_OF_NUMBERS: Mapping[type[Any], str] = {
    exp.Sum: "sum",
    exp.Avg: "mean",
    exp.Variance: "variance",
    exp.Stddev: "stddev",
    exp.StddevSamp: "stddev",
    exp.Median: "quantile",
    exp.Mode: "mode",
}
_QUANTILES: Mapping[type[Any], str] = {exp.Quantile: "quantile", exp.PercentileDisc: "expression"}
_HALF = Decimal("0.5")


def aggregate(item: Any, alias: str, place: int, unit: str) -> Aggregate:
    """One aggregate.

    Args:
        alias: its heading; empty for one of its own.
        place: among what is selected, from 1; part of the heading where there is no column to name it by.
        unit: the column of the privacy unit, or `ROW`.

    Raises:
        Malformed: a word that is not of the dialect.
    """
    where = None
    if type(item) is exp.Filter:
        only(item, "FILTER", "this", "expression")
        only(item.expression, "FILTER", "this")
        item, where = item.this, condition(item.expression.this)
    if type(item) is exp.Count:
        return _count(item, alias, place, unit, where)
    if type(item) in _OF_NUMBERS:
        only(item, word(item), "this")
        function = _OF_NUMBERS[type(item)]
        named = "median" if type(item) is exp.Median else function
        return _of(function, named, item.this, alias, place, where, _HALF if function == "quantile" else None)
    if type(item) in _QUANTILES:
        name = _QUANTILES[type(item)]
        only(item, "QUANTILE", "this", name)
        which = None if item.args.get(name) is None else decimal(item.args[name], "QUANTILE")
        if which is None or not 0 < which < 1:
            refuse("QUANTILE", "write QUANTILE(x, q) with q between 0 and 1")
        return _of("quantile", "quantile", item.this, alias, place, where, which)
    if type(item) is exp.Anonymous and str(item.this).upper() == "HISTOGRAM":
        if where is not None:
            refuse("FILTER", "write WHERE, or CASE; a histogram's bins are of all rows")
        return _histogram(item, alias)
    return refuse_node(item, ROWS)


def _of(
    function: str, named: str, node: Any, alias: str, place: int, where: p.Predicate | None, which: Decimal | None
) -> Aggregate:
    if type(node) is exp.Distinct:
        refuse("DISTINCT", "a unit is bounded by its rows; leave it out")
    found = number(node)
    if isinstance(found, e.Column) and where is None:
        return Aggregate(function, alias or f"{named}_{found.name}", found.name, quantile=which)
    found = found if where is None else filtered(where, found)
    return Aggregate(function, alias or f"{named}_{place}", number=found, quantile=which)


def _count(item: Any, alias: str, place: int, unit: str, where: p.Predicate | None) -> Aggregate:
    only(item, "COUNT", "this", "big_int")
    if type(item.this) is exp.Distinct:
        return _distinct(item.this, alias, unit, where)
    if type(item.this) is exp.Star:
        only(item.this, "COUNT(*)")
        if where is None:
            return Aggregate("count", alias or "count")
        return Aggregate("count", alias or f"count_{place}", number=filtered(where, e.Number(Decimal(1))))
    if type(bare(item.this)) is not exp.Column:
        found = number(item.this) if where is None else filtered(where, number(item.this))
        return Aggregate("count", alias or f"count_{place}", number=found)
    name = column(item.this)
    if where is None:
        return Aggregate("count", alias or f"count_{name}", name)
    both = p.All((where, p.Not(p.IsNull(name))))
    return Aggregate("count", alias or f"count_{place}", number=filtered(both, e.Number(Decimal(1))))


def _distinct(node: Any, alias: str, unit: str, where: p.Predicate | None) -> Aggregate:
    only(node, "DISTINCT", "expressions")
    if where is not None:
        refuse("FILTER", "units are counted over all rows of a group; write WHERE")
    if unit == ROW:
        refuse("DISTINCT", "each row is a privacy unit of its own; write COUNT(*)")
    if len(node.expressions) != 1 or type(node.expressions[0]) is not exp.Column or column(node.expressions[0]) != unit:
        refuse("DISTINCT", f"only the privacy unit is counted so: write COUNT(DISTINCT {unit})")
    return Aggregate("units", alias or f"count_{unit}")


def _histogram(item: Any, alias: str) -> Aggregate:
    if not item.expressions:
        refuse("HISTOGRAM", "write HISTOGRAM(column), HISTOGRAM(column, bins) or HISTOGRAM(column, edge, edge, …)")
    first, *numbers = item.expressions
    name = column(first)
    literals = [literal(each) for each in numbers]
    if any(each.type not in ("integer", "decimal") for each in literals):
        refuse("HISTOGRAM", "bins and edges are numbers")
    alias = alias or f"histogram_{name}"
    if not literals:
        return Aggregate("histogram", alias, name)
    if len(literals) == 1:
        if literals[0].type != "integer":
            refuse("HISTOGRAM", "the number of bins is a whole number")
        return Aggregate("histogram", alias, name, bins=int(literals[0].text))
    return Aggregate("histogram", alias, name, edges=tuple(Decimal(each.text) for each in literals))
