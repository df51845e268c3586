"""The consumer's side: a small SQL, read into a typed plan by a positive list of words.

    SELECT region, COUNT(*) AS n, AVG(age)    -- or HISTOGRAM(age, 10), which stands alone
    FROM data                                 -- or "prd-…", or "prd-…"."res-…" where a product has several
    WHERE age >= 18 AND region IN ('north', 'south') AND NOT income IS NULL
    GROUP BY region

Whatever is not listed here is refused with the word and the reason. The text goes no further than this room: the
plan is what is signed and sent, and the provider makes its own statement from that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import sqlglot
from hefu.errors import Malformed
from hefu_policies.budget import PrivacyLoss
from hefu_policies.product import Description
from hefu_policies.reading import write_decimal
from sqlglot import exp

from hefu_connector.computing import predicates as p
from hefu_connector.computing.computation import Aggregate, Plan

LONGEST_QUERY = 10_000  # characters
DATA = "data"  # what stands for the product that is asked
_ROWS = "rows never leave; select group keys, COUNT, SUM, AVG or HISTOGRAM"
_OPERATORS: Mapping[type[Any], str] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_MIRRORED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_MOMENTS = {"DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMPNTZ": "timestamp"}


def parse(text: str, description: Description, loss: PrivacyLoss) -> Plan:
    """The plan of a query.

    Args:
        text: one SELECT statement.
        description: of the data product that is asked.
        loss: what to offer for the answer.

    Raises:
        Malformed: not SQL, or a word that is not of the dialect; the sentence names it and says why.
    """
    select = _statement(text)
    _only(select, "SELECT", "expressions", "from_", "where", "group")
    resource = _resource(select.args.get("from_"), description)
    group_by = _group_by(select.args.get("group"))
    aggregates = []
    for item in select.expressions:
        if type(item) is exp.Column:
            if _column(item) not in group_by:
                _refuse(_column(item), f"{_ROWS}, or name the column in GROUP BY")
        else:
            aggregates.append(_aggregate(item))
    if not aggregates:
        _refuse("SELECT", _ROWS)
    where = select.args.get("where")
    if where is not None:
        _only(where, "WHERE", "this")
    return Plan(
        product=description.product,
        resource=resource,
        aggregates=tuple(aggregates),
        loss=loss,
        filter=None if where is None else _predicate(where.this),
        group_by=group_by,
    )


def _statement(text: str) -> Any:
    if len(text) > LONGEST_QUERY:
        _refuse("the query", f"it is longer than {LONGEST_QUERY} characters")
    try:
        found = sqlglot.parse(text, read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError):
        _refuse("the query", "it is not SQL; check quotes and brackets, and put the product in double quotes")
    if len(found) != 1 or found[0] is None:
        _refuse("the query", "write exactly one SELECT statement")
    if type(found[0]) is not exp.Select:
        _refuse(_word(found[0]), "only SELECT is")
    return found[0]


def _resource(from_: Any, description: Description) -> str:
    if from_ is None:
        _refuse("SELECT", "name the data: FROM data")
    _only(from_, "FROM", "this")
    table = from_.this
    if type(table) is not exp.Table or type(table.this) is not exp.Identifier:
        _refuse(_word(table), "one data product stands here, such as FROM data")
    _only(table, "FROM", "this", "db")
    *owner, name = [each.name for each in (table.args.get("db"), table.this) if each is not None]
    resources = [each.id for each in description.resources]
    if owner and owner[0] not in (DATA, description.product):
        _refuse(owner[0], f"this contract is about {description.product}")
    if name in resources:
        return name
    if owner or name not in (DATA, description.product):
        _refuse(name, f"write FROM data or FROM {_quoted(description.product)}")
    if len(resources) > 1:
        names = ", ".join(f"data.{_quoted(each)}" for each in resources)
        _refuse(name, f"the product has several resources; write FROM one of {names}")
    return ""


def _quoted(name: str) -> str:
    return f'"{name}"'


def _group_by(group: Any) -> tuple[str, ...]:
    if group is None:
        return ()
    _only(group, "GROUP BY", "expressions")
    return tuple(_column(each) for each in group.expressions)


def _aggregate(item: Any) -> Aggregate:
    alias = ""
    if type(item) is exp.Alias:
        _only(item, "AS", "this", "alias")
        item, alias = item.this, item.alias
    if type(item) is exp.Count:
        return _count(item, alias)
    if type(item) in (exp.Sum, exp.Avg):
        _only(item, _word(item), "this")
        function = "sum" if type(item) is exp.Sum else "mean"
        column = _column(item.this)
        return Aggregate(function, alias or f"{function}_{column}", column)
    if type(item) is exp.Anonymous and str(item.this).upper() == "HISTOGRAM":
        return _histogram(item, alias)
    return _refuse(_word(item), _ROWS)


def _count(item: Any, alias: str) -> Aggregate:
    _only(item, "COUNT", "this", "big_int")
    if type(item.this) is exp.Star:
        _only(item.this, "COUNT(*)")
        return Aggregate("count", alias or "count")
    if type(item.this) is exp.Distinct:
        _refuse("DISTINCT", "each unit is bounded by the provider; use COUNT(*)")
    column = _column(item.this)
    return Aggregate("count", alias or f"count_{column}", column)


def _histogram(item: Any, alias: str) -> Aggregate:
    if not item.expressions:
        _refuse("HISTOGRAM", "write HISTOGRAM(column), HISTOGRAM(column, bins) or HISTOGRAM(column, edge, edge, …)")
    column, *numbers = item.expressions
    name = _column(column)
    literals = [_literal(each) for each in numbers]
    if any(each.type not in ("integer", "decimal") for each in literals):
        _refuse("HISTOGRAM", "bins and edges are numbers")
    alias = alias or f"histogram_{name}"
    if not literals:
        return Aggregate("histogram", alias, name)
    if len(literals) == 1:
        if literals[0].type != "integer":
            _refuse("HISTOGRAM", "the number of bins is a whole number")
        return Aggregate("histogram", alias, name, bins=int(literals[0].text))
    return Aggregate("histogram", alias, name, edges=tuple(Decimal(each.text) for each in literals))


def _predicate(node: Any) -> p.Predicate:
    node = node.unnest()  # brackets
    if type(node) in (exp.And, exp.Or):
        items = tuple(_predicate(each) for each in node.flatten())
        return p.All(items) if type(node) is exp.And else p.Any(items)
    if type(node) is exp.Not:
        _only(node, "NOT", "this")
        return p.Not(_predicate(node.this))
    if type(node) in _OPERATORS:
        return _compare(node)
    read = _TERMS.get(type(node))
    if read is None:
        why = "compare it, for example = TRUE" if type(node) is exp.Column else "it is no comparison of the dialect"
        _refuse(_word(node), why)
    return read(node)


def _compare(node: Any) -> p.Predicate:
    _only(node, "a comparison", "this", "expression")
    operator = _OPERATORS[type(node)]
    left, right = node.this.unnest(), node.expression.unnest()
    if type(right) is exp.Column:
        left, right, operator = right, left, _MIRRORED[operator]
    if type(right) is exp.Null:
        _refuse("NULL", "write IS NULL or IS NOT NULL")
    return p.Compare(_column(left), operator, _literal(right))


def _in(node: Any) -> p.Predicate:
    _only(node, "IN", "this", "expressions")
    if not 1 <= len(node.expressions) <= p.MOST_CHOICES:
        _refuse("IN", f"list 1 to {p.MOST_CHOICES} constants")
    return p.In(_column(node.this), tuple(_literal(each) for each in node.expressions))


def _between(node: Any) -> p.Predicate:
    _only(node, "BETWEEN", "this", "low", "high")
    return p.Between(_column(node.this), _literal(node.args["low"]), _literal(node.args["high"]))


def _is(node: Any) -> p.Predicate:
    _only(node, "IS", "this", "expression")
    if type(node.expression) is not exp.Null:
        _refuse("IS", "only NULL follows; write = TRUE")
    return p.IsNull(_column(node.this))


_TERMS: Mapping[type[Any], Callable[[Any], p.Predicate]] = {exp.In: _in, exp.Between: _between, exp.Is: _is}


def _literal(node: Any) -> p.Literal:
    node = node.unnest()
    if type(node) is exp.Boolean:
        return p.Literal("boolean", "true" if node.this else "false")
    if type(node) is exp.Cast:
        _only(node, "a constant", "this", "to")
        kind = _MOMENTS.get(node.to.this.name if type(node.to) is exp.DataType else "")
        if kind and type(node.this) is exp.Literal and node.this.is_string:
            return p.Literal(kind, node.this.this)
    if type(node) is exp.Literal and node.is_string:
        return p.Literal("text", node.this)
    sign = -1 if type(node) is exp.Neg else 1
    number = node.this if sign < 0 else node
    if type(number) is exp.Literal and not number.is_string:
        return _number(number.this, sign)
    return _refuse(_word(node), "a constant stands here")


def _number(text: str, sign: int) -> p.Literal:
    try:
        number = sign * Decimal(text)
    except InvalidOperation:
        _refuse(text, "it is no decimal number")
    if not number.is_finite() or number.adjusted() > 40 or number.adjusted() < -40:
        _refuse(text, "it is too large or too fine")
    written = write_decimal(number)
    return p.Literal("integer" if text.isdigit() else "decimal", written)


def _column(node: Any) -> str:
    if type(node) is not exp.Column or type(node.this) is not exp.Identifier:
        _refuse(_word(node), "the name of a column stands here")
    _only(node, node.name, "this")
    return str(node.name)


def _only(node: Any, word: str, *allowed: str) -> None:
    """Refuse a node that has any part but the allowed: what a later version of the parser adds is refused too."""
    for name, value in node.args.items():
        if name not in allowed and name != "_type" and value not in (None, False, [], ()):
            if name == "joins":
                _refuse("JOIN", "a query reads one data product")
            _refuse(name.strip("_").upper(), f"it may not stand with {word}")


def _word(node: Any) -> str:
    if isinstance(node, exp.Star):
        return "*"
    text = node.sql(dialect="duckdb") if isinstance(node, exp.Expression) else str(node)
    return text if len(text) <= 40 else text[:37] + "…"


def _refuse(word: str, why: str) -> NoReturn:
    raise Malformed("query.refused", word=word[:60], why=why)
