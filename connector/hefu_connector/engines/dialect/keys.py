"""What rows are grouped by: a column with declared categories, bins, the values of a number, the labels of a CASE."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlglot import exp

from hefu_connector.computing.groups import Bins, GroupKey, Labels, Unknown, Values
from hefu_connector.computing.predicates import Predicate
from hefu_connector.engines.dialect.numbers import condition, number
from hefu_connector.engines.dialect.words import bare, column, decimal, refuse

BIN = "BIN"


def key(node: Any, alias: str, place: int, unknown: Collection[str] = ()) -> GroupKey:
    """One group key.

    Args:
        alias: its heading; empty for one of its own.
        place: among the keys, from 1.
        unknown: columns whose groups are found in the data.

    Raises:
        Malformed: a word that is not of the dialect.
    """
    node = bare(node)
    alias = alias or f"group_{place}"
    if type(node) is exp.Column:
        name = column(node)
        return Unknown(name) if name in unknown else name
    if type(node) is exp.Literal:
        refuse(node.name, "the name of a column, its alias or an expression stands in GROUP BY, no place")
    if _is_bin(node):
        return _bins(node, alias)
    if type(node) is exp.Case and all(_is_label(each.args.get("true")) for each in node.args["ifs"]):
        return _labels(node, alias)
    return Values(alias, number(node))


def is_key(node: Any) -> bool:
    """Whether what is selected can only be a group key."""
    return _is_bin(bare(node))


def _is_bin(node: Any) -> bool:
    return type(node) is exp.Anonymous and str(node.this).upper() == BIN


def _is_label(node: Any) -> bool:
    return type(node) is exp.Literal and bool(node.is_string)


def _bins(node: Any, alias: str) -> GroupKey:
    if len(node.expressions) != 2:
        refuse(BIN, "write BIN(x, 10)")
    item, width = node.expressions
    found = decimal(width, BIN)
    if found <= 0:
        refuse(BIN, "a width above 0 stands here")
    return Bins(alias, number(item), found)


def _labels(node: Any, alias: str) -> GroupKey:
    if node.this is not None:
        refuse("CASE", "write CASE WHEN x = 1 THEN …")
    whens: list[tuple[Predicate, str]] = []
    for each in node.args["ifs"]:
        whens.append((condition(each.this), str(bare(each.args.get("true")).this)))
    rest = node.args.get("default")
    if rest is not None and type(rest) is not exp.Null and not _is_label(rest):
        refuse("ELSE", "a text stands here, as behind THEN")
    otherwise = str(rest.this) if rest is not None and _is_label(rest) else None
    return Labels(alias, tuple(whens), otherwise)
