"""Refusing words, and reading the smallest ones: names and constants."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from hefu.errors import Malformed
from hefu_policies.reading import Place, write_decimal
from sqlglot import exp

from hefu_connector.computing import predicates as p

ROWS = "rows never leave; select group keys or aggregates such as COUNT, SUM, AVG, VARIANCE, MEDIAN or HISTOGRAM"
REFUSALS: Mapping[str, str] = {
    "MIN": "it is one person's value; ask QUANTILE(x, 0.05)",
    "MAX": "it is one person's value; ask QUANTILE(x, 0.95)",
    "FIRST": "it is one person's value; ask MODE(x)",
    "ANY_VALUE": "it is one person's value; ask MODE(x)",
    "LIST": "it is a list of people's values; ask HISTOGRAM(x, 10)",
    "ARRAY_AGG": "it is a list of people's values; ask HISTOGRAM(x, 10)",
    "STRING_AGG": "it is a list of people's values",
    "VAR_POP": "the size of a group is noised; ask VARIANCE(x), of a sample",
    "STDDEV_POP": "the size of a group is noised; ask STDDEV(x), of a sample",
    "CORR": "ask SUM(x * y), SUM(x) and SUM(y), and work it out",
    "//": "write FLOOR(a / b)",
    "%": "write a - b * FLOOR(a / b)",
    "SQRT": "a root has no exact steps; ask for the number and take the root of the answer",
    "LN": "a logarithm has no exact steps; group by bins",
    "POWER": "write x * x",
    "CAST": "columns have the types that the provider declares; write ROUND(x, digits)",
    "TRUNC": "write FLOOR(x) or ROUND(x)",
    "NULLIF": "write CASE WHEN x <> 0 THEN x END",
    "LOWER": "texts are compared as they are",
    "UPPER": "texts are compared as they are",
    "LIKE": "texts are compared as they are; write IN ('one', 'two')",
    "APPROX_COUNT_DISTINCT": "write COUNT(DISTINCT …) with the column of the privacy unit",
}
_KINDS: Mapping[type[Any], str] = {
    exp.Min: "MIN",
    exp.Max: "MAX",
    exp.First: "FIRST",
    exp.AnyValue: "ANY_VALUE",
    exp.ArrayAgg: "ARRAY_AGG",
    exp.List: "LIST",
    exp.GroupConcat: "STRING_AGG",
    exp.VariancePop: "VAR_POP",
    exp.StddevPop: "STDDEV_POP",
    exp.Corr: "CORR",
    exp.IntDiv: "//",
    exp.Mod: "%",
    exp.Sqrt: "SQRT",
    exp.Ln: "LN",
    exp.Pow: "POWER",
    exp.Cast: "CAST",
    exp.Trunc: "TRUNC",
    exp.Nullif: "NULLIF",
    exp.Lower: "LOWER",
    exp.Upper: "UPPER",
    exp.Like: "LIKE",
    exp.ApproxDistinct: "APPROX_COUNT_DISTINCT",
}
_MOMENTS = {"DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMPNTZ": "timestamp"}


def refuse(text: str, why: str) -> NoReturn:
    """Refuse a word of a query with the reason. Raises Malformed."""
    raise Malformed("query.refused", word=text[:60], why=why)


def refuse_node(node: Any, why: str) -> NoReturn:
    """Refuse what stands at a place; with its own reason where it has one. Raises Malformed."""
    known = _KINDS.get(type(node))
    refuse(known or word(node), REFUSALS[known] if known else why)


def only(node: Any, text: str, *allowed: str) -> None:
    """Refuse a node that has any part but the allowed: what a later version of the parser adds is refused too."""
    for name, value in node.args.items():
        if name not in allowed and name != "_type" and value not in (None, False, [], ()):
            if name == "joins":
                refuse("JOIN", "a query reads one data product")
            refuse(name.strip("_").upper(), f"it may not stand with {text}")


def bare(node: Any) -> Any:
    """What stands at a place, without brackets around it; something must."""
    if not isinstance(node, exp.Expression):
        refuse("the query", "something is missing in it; a function has its arguments in brackets")
    return node.unnest()


def word(node: Any) -> str:
    """What stands at a place, as text."""
    if isinstance(node, exp.Star):
        return "*"
    text = node.sql(dialect="duckdb") if isinstance(node, exp.Expression) else str(node)
    return text if len(text) <= 40 else text[:37] + "…"


def column(node: Any) -> str:
    """The name of a column."""
    node = bare(node)
    if type(node) is not exp.Column or type(node.this) is not exp.Identifier:
        refuse_node(node, "the name of a column stands here")
    only(node, node.name, "this")
    try:
        return p.read_name(Place(node.name, "column"))
    except Malformed:
        refuse(node.name, "no schema has a column of this name")


def literal(node: Any) -> p.Literal:
    """A typed constant."""
    found = find_literal(node)
    return refuse(word(node), "a constant stands here") if found is None else found


def find_literal(node: Any) -> p.Literal | None:
    """A typed constant, if one stands here."""
    node = bare(node)
    if type(node) is exp.Boolean:
        return p.Literal("boolean", "true" if node.this else "false")
    if type(node) is exp.Cast:
        only(node, "a constant", "this", "to")
        kind = _MOMENTS.get(node.to.this.name if type(node.to) is exp.DataType else "")
        if kind and type(node.this) is exp.Literal and node.this.is_string:
            return p.Literal(kind, node.this.this)
    if type(node) is exp.Literal and node.is_string:
        return p.Literal("text", node.this)
    sign = -1 if type(node) is exp.Neg else 1
    number = node.this if sign < 0 else node
    if type(number) is exp.Literal and not number.is_string:
        return _number(number.this, sign)
    return None


def decimal(node: Any, text: str) -> Decimal:
    """A constant number; a part of what `text` names."""
    found = find_literal(node)
    if found is None or found.type not in ("integer", "decimal"):
        refuse(text, "a constant number stands here")
    return Decimal(found.text)


def whole(node: Any, text: str, least: int, most: int) -> int:
    """A constant whole number in a range."""
    found = decimal(node, text)
    if found % 1 or not least <= found <= most:
        refuse(text, f"a whole number from {least} to {most} stands here")
    return int(found)


def _number(text: str, sign: int) -> p.Literal:
    try:
        number = sign * Decimal(text)
    except InvalidOperation:
        refuse(text, "it is no decimal number")
    if not number.is_finite() or number.adjusted() > 40 or number.adjusted() < -40:
        refuse(text, "it is too large or too fine")
    written = write_decimal(number)
    return p.Literal("integer" if text.isdigit() else "decimal", written)
