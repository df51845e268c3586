"""Two products joined on the privacy unit, as one resource: what a question of both is held to, before data is touched.

PROOF (sketch). Let J(A, B) be the inner join of two tables on the unit, after each table's rows of a unit were bounded
by a function of that unit's rows and a secret salt. The rows of J with unit u depend on the rows of A and B with unit u
and nothing else: the join compares units for equality, and a bound looks at one unit's rows. So a table pair without u,
in either table or in both, gives a J that lacks or changes rows of u only. From there on J is a table like any other:
the filter looks at single rows, at most `max_contribution` rows of u are kept, and every rule of
`hefu_connector.engines.sensitivities` holds for adding or removing u. A unit that only one table has is in no row of J.

Adding u to one table can change which rows of J stand for u, and not only add some: at most as many leave as were
there. A unit that stands in B already contributes nothing to J before it is added to A, since an inner join needs both;
and removing it from A removes all its rows from J. So for each asset alone, and for both together, neighbours differ by
all rows of u in J or none: adding or removing one unit, never replacing one.
"""

from __future__ import annotations

from dataclasses import replace

from hefu.errors import Malformed, Refused
from hefu_policies.goods.resource import Column, Resource

from hefu_connector.computing.computation import Join
from hefu_connector.engines.shape import Joined

MOST_PAIRS = 10_000  # rows of one unit before the joined rows are bounded: its share of a question's work


def joined(left: Resource, right: Resource, join: Join) -> tuple[Resource, Joined]:
    """The resource that a question of both reads, and what of it the second table has.

    Its privacy is that of either: its unit is theirs, and its rows of one unit are bounded by the larger declaration,
    after each table's own. Whose lifetime total is charged is not its matter: both are.

    Raises:
        Malformed, Refused: they cannot be joined; the sentence says why.
    """
    unit = _unit(left, right, join)
    ours, theirs = left.privacy.max_contribution, right.privacy.max_contribution
    if ours * theirs > MOST_PAIRS:
        raise Refused("plan.join_bounds", limit=MOST_PAIRS)
    taken = {each.name.lower() for each in left.schema}
    both = {each.name.lower() for each in right.schema if each.name.lower() in taken}
    schema = [each for each in (*left.schema, *right.schema) if each.name.lower() not in both]
    privacy = replace(left.privacy, max_contribution=max(ours, theirs))
    names = frozenset(each.name for each in right.schema)
    return Resource(left.id, (unit, *schema), privacy), Joined(names, ours, theirs)


def check_columns(left: Resource, right: Resource, join: Join, used: frozenset[str]) -> None:
    """Refuse columns that both have under one name: nobody could tell which is meant. Raises Malformed."""
    both = {each.name.lower() for each in left.schema} & {each.name.lower() for each in right.schema}
    for name in sorted(used - {join.on}):
        if name.lower() in both:
            raise Malformed("plan.join_column", column=name)


def _unit(left: Resource, right: Resource, join: Join) -> Column:
    """The column of the unit, which both have; raises Malformed, Refused."""
    if left.id == right.id:
        raise Refused("plan.join_self", product=join.product)
    if left.privacy.lifetime.currency != right.privacy.lifetime.currency:
        raise Refused("plan.join_currency")
    found = []
    for each in (left, right):
        column = each.column(join.on) if each.privacy.unit == join.on else None
        if column is None:
            raise Refused("plan.join_key", column=join.on, unit=each.privacy.unit)
        found.append(column)
    if found[0].type != found[1].type:
        raise Refused("plan.join_type", column=join.on, first=found[0].type, second=found[1].type)
    # Whatever one table declares of its values does not hold in the other.
    return replace(found[0], bounds=None, categories=None)
