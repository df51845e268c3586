"""The consumer's side: a small SQL, read into a typed plan by a positive list of words.

    SELECT region, BIN(age, 10) AS decade, COUNT(*) AS n, AVG(income / 12), MEDIAN(age)
    FROM data                                 -- or "prd-…", or "prd-…"."res-…" where a product has several
    JOIN "prd-…" USING (person)               -- another product of its provider, on the privacy unit
    WHERE age >= 18 AND region IN ('north', 'south') AND NOT income IS NULL
    GROUP BY region, decade

Whatever is not listed here and in `hefu_connector.engines.dialect` is refused with the word and the reason. The text
goes no further than this room: the plan is what is signed and sent, and the provider makes its own statement from that.
"""

from __future__ import annotations

from typing import Any

import sqlglot
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.product import Description
from hefu_policies.goods.resource import ROW
from sqlglot import exp

from hefu_connector.computing import finding
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.groups import GroupKey, Sets
from hefu_connector.engines.dialect import joins, keys
from hefu_connector.engines.dialect.aggregates import aggregate
from hefu_connector.engines.dialect.numbers import condition
from hefu_connector.engines.dialect.sets import grouping
from hefu_connector.engines.dialect.words import ROWS, bare, only, refuse, word

LONGEST_QUERY = 10_000  # characters
DEEPEST = 60  # levels of brackets and operators
DATA = "data"  # what stands for the product that is asked


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
    only(select, "SELECT", "expressions", "from_", "joins", "where", "group")
    resource = _resource(select.args.get("from_"), description)
    selected = [_aliased(each) for each in select.expressions]
    unknown = _unknown(description, resource) if loss.delta_femto else frozenset()
    group_by, sets, taken = _group_by(select.args.get("group"), selected, unknown)
    aggregates = _aggregates(selected, taken, _unit(description, resource))
    where = select.args.get("where")
    if where is not None:
        only(where, "WHERE", "this")
    return Plan(
        product=description.product,
        resource=resource,
        aggregates=aggregates,
        loss=loss,
        filter=None if where is None else condition(where.this),
        group_by=group_by,
        sets=sets,
        join=joins.join(select.args.get("joins")),
    )


def _statement(text: str) -> Any:
    if len(text) > LONGEST_QUERY:
        refuse("the query", f"it is longer than {LONGEST_QUERY} characters")
    try:
        found = sqlglot.parse(text, read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError):
        refuse("the query", "it is not SQL; check quotes and brackets, and put the product in double quotes")
    if len(found) != 1 or found[0] is None:
        refuse("the query", "write exactly one SELECT statement")
    if type(found[0]) is not exp.Select:
        refuse(found[0].key.upper(), "only SELECT is")
    _check_depth(found[0])
    return found[0]


def _check_depth(select: Any) -> None:
    """Refuse what is nested so deep that nobody wrote it; a chain of ANDs or ORs counts as one level."""
    waiting = [(select, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST:
            refuse("the query", f"it has more than {DEEPEST} levels of brackets and operators")
        for each in node.iter_expressions():
            chain = type(each) is type(node) and type(each) in (exp.And, exp.Or)
            waiting.append((each, depth if chain else depth + 1))


def _resource(from_: Any, description: Description) -> str:
    if from_ is None:
        refuse("SELECT", "name the data: FROM data")
    only(from_, "FROM", "this")
    table = from_.this
    if type(table) is not exp.Table or type(table.this) is not exp.Identifier:
        refuse(word(table), "one data product stands here, such as FROM data")
    only(table, "FROM", "this", "db")
    *owner, name = [each.name for each in (table.args.get("db"), table.this) if each is not None]
    resources = [each.id for each in description.resources]
    if owner and owner[0] not in (DATA, description.product):
        refuse(owner[0], f"this contract is about {description.product}")
    if name in resources:
        return name
    if owner or name not in (DATA, description.product):
        refuse(name, f"write FROM data or FROM {_quoted(description.product)}")
    if len(resources) > 1:
        names = ", ".join(f"data.{_quoted(each)}" for each in resources)
        refuse(name, f"the product has several resources; write FROM one of {names}")
    return ""


def _quoted(name: str) -> str:
    return f'"{name}"'


def _aliased(item: Any) -> tuple[Any, str]:
    """What is selected, and its heading if it has one."""
    if type(item) is not exp.Alias:
        return bare(item), ""
    only(item, "AS", "this", "alias")
    return bare(item.this), str(item.alias)


def _group_by(
    group: Any, selected: list[tuple[Any, str]], unknown: frozenset[str]
) -> tuple[tuple[GroupKey, ...], Sets, set[int]]:
    """The group keys, the sets of them by which rows are grouped, and which of what is selected they are."""
    if group is None:
        return (), (), set()
    only(group, "GROUP BY", "expressions")
    found, taken = [], set()
    nodes, sets = grouping(group)
    for place, node in enumerate(nodes, 1):
        chosen = _chosen(node, selected)
        taken.update(chosen)
        if chosen and type(selected[chosen[0]][0]) is not exp.Column:
            item, alias = selected[chosen[0]]
            found.append(keys.key(item, alias, place))
        else:
            found.append(keys.key(node, "", place, unknown))
    return tuple(found), sets, taken


def _chosen(node: Any, selected: list[tuple[Any, str]]) -> list[int]:
    """The places at which a group key is selected: by its alias, or written out once more."""
    alias = node.name if type(node) is exp.Column and not node.table else ""
    return [place for place, (item, name) in enumerate(selected) if item == node or (alias and name == alias)]


def _aggregates(selected: list[tuple[Any, str]], taken: set[int], unit: str) -> tuple[Aggregate, ...]:
    found = []
    for place, (item, alias) in enumerate(selected):
        if place in taken:
            continue
        if type(item) is exp.Column or keys.is_key(item):
            refuse(word(item), f"{ROWS}, or name it in GROUP BY")
        found.append(aggregate(item, alias, place + 1, unit))
    if not found:
        refuse("SELECT", ROWS)
    return tuple(found)


def _unknown(description: Description, resource: str) -> frozenset[str]:
    """Columns whose groups nobody declared: with a δ they can be found."""
    columns = [column for each in description.resources if resource in ("", each.id) for column in each.schema]
    return frozenset(each.name for each in columns if each.categories is None and each.type in finding.TYPES)


def _unit(description: Description, resource: str) -> str:
    for each in description.resources:
        if resource in ("", each.id):
            return each.privacy.unit
    return ROW
