"""What a query joins: one more product of the same provider, on the privacy unit: ``JOIN "prd-b" USING (person)``."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from hefu_connector.computing.computation import Join
from hefu_connector.engines.dialect.words import column, only, refuse, word

_HOW = 'write JOIN "prd-…" USING (the privacy unit)'


def join(nodes: list[Any] | None) -> Join | None:
    """What a query joins, if anything.

    Raises:
        Malformed: another join than of one product on one column.
    """
    if not nodes:
        return None
    if len(nodes) > 1:
        refuse("JOIN", "two products are joined at most; ask in two queries")
    (node,) = nodes
    kind = " ".join(str(node.args.get(name) or "") for name in ("method", "side", "kind")).split()
    if [each.upper() for each in kind] not in ([], ["INNER"]):
        refuse(f"{' '.join(kind)} JOIN".upper(), f"rows that one product lacks are left out; {_HOW}")
    if node.args.get("on") is not None or not node.args.get("using"):
        refuse("JOIN", f"products are joined on the privacy unit by its name; {_HOW}")
    only(node, "JOIN", "this", "using", "kind")
    if len(node.args["using"]) != 1:
        refuse("USING", "products are joined on the privacy unit alone")
    product, resource = _table(node.this)
    (key,) = node.args["using"]
    return Join(product, column(exp.Column(this=key)), resource)


def _table(table: Any) -> tuple[str, str]:
    if type(table) is not exp.Table or type(table.this) is not exp.Identifier:
        refuse(word(table), f"one data product stands here; {_HOW}")
    only(table, "JOIN", "this", "db")
    owner = table.args.get("db")
    return (owner.name, table.this.name) if owner is not None else (table.this.name, "")
