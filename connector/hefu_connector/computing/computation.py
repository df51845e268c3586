"""The words of a run: the plan of a private query, as the consumer signs it and the provider reads it anew.

A plan is typed and closed: aggregates over columns, a filter tree, public group keys, a requested privacy loss.
Query text stays on the consumer's side (`hefu_connector.engines.language`); only this form crosses, as canonical JSON.
The plan never says bounds, sensitivities or contributions: those are the provider's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from hefu import canonical
from hefu.canonical import Json, Object
from hefu_policies.budget import PrivacyLoss
from hefu_policies.reading import Place, unique, write_decimal, wrong

from hefu_connector.computing import groups
from hefu_connector.computing.expressions import (
    Expression,
    check_condition,
    check_size,
    numbers,
    read_condition,
    read_expression,
)
from hefu_connector.computing.groups import GroupKey, heading, read_key, write_key
from hefu_connector.computing.predicates import Predicate, columns, read_name

FUNCTIONS = ("count", "sum", "mean", "histogram", "units", "variance", "stddev", "quantile", "mode")
_FIRST_FUNCTIONS = FUNCTIONS[:4]  # what version 1 of a plan knows
MOST_AGGREGATES = 16
MOST_BINS = 200
LARGEST_PLAN = 64 * 1024  # bytes
FIRST, SECOND = 1, 2  # versions; a plan that needs nothing of the second is written as the first


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One number per group, or with `histogram` one number per group and bin.

    Attributes:
        function: one of `FUNCTIONS`.
        column: what is aggregated; None for a count of rows or units, or where a number is. A count of a column counts
            its present values.
        alias: the heading of the answer's column.
        bins: of a histogram: so many even bins between the provider's bounds.
        edges: of a histogram: the edges of its bins, rising.  Without bins and edges its bins are the declared
            categories of the column.
        number: what is aggregated in place of a column: an expression.
        quantile: of a quantile: which, between 0 and 1.
    """

    function: str
    alias: str
    column: str | None = None
    bins: int | None = None
    edges: tuple[Decimal, ...] | None = None
    number: Expression | None = None
    quantile: Decimal | None = None

    def __post_init__(self) -> None:
        where = f"aggregate {self.alias}"
        Place(self.function, where).choice(*FUNCTIONS)
        read_name(Place(self.alias, f"{where}.alias"))
        self._check_subject(where)
        if self.function != "histogram" and (self.bins is not None or self.edges is not None):
            wrong(where, "bins and edges with a histogram only")
        if self.bins is not None and self.edges is not None:
            wrong(where, "bins or edges, not both")
        if self.bins is not None:
            Place(self.bins, f"{where}.bins").integer(1, MOST_BINS)
        if self.edges is not None:
            _check_edges(self.edges, f"{where}.edges")

    def _check_subject(self, where: str) -> None:
        if self.function == "units" and (self.column is not None or self.number is not None):
            wrong(f"{where}.column", "no column: units are the provider's")
        if self.column is None and self.number is None and self.function not in ("count", "units"):
            wrong(f"{where}.column", "the column to aggregate")
        if self.number is not None:
            if self.column is not None or self.function == "histogram":
                wrong(f"{where}.number", "a column or a number, and for a histogram a column")
            check_size(self.number, f"{where}.number")
        if (self.quantile is not None) != (self.function == "quantile"):
            wrong(f"{where}.quantile", "which quantile, with a quantile only")
        if self.quantile is not None and not 0 < self.quantile < 1:
            wrong(f"{where}.quantile", "a decimal between 0 and 1")

    @property
    def version(self) -> int:
        """Of the plans in which it can stand."""
        return FIRST if self.function in _FIRST_FUNCTIONS and self.number is None else SECOND

    def body(self) -> Object:
        """As JSON; members that are not set are left out."""
        body: Object = {"function": self.function, "alias": self.alias}
        if self.column is not None:
            body["column"] = self.column
        if self.bins is not None:
            body["bins"] = self.bins
        if self.edges is not None:
            body["edges"] = [write_decimal(each) for each in self.edges]
        if self.number is not None:
            body["number"] = self.number.body()
        if self.quantile is not None:
            body["quantile"] = write_decimal(self.quantile)
        return body

    @classmethod
    def of(cls, place: Place) -> Aggregate:
        """Read what `body` wrote; raises Malformed."""
        found = place.members(("function", "alias"), ("column", "bins", "edges", "number", "quantile"))
        edges = found.get("edges")
        return cls(
            function=found["function"].choice(*FUNCTIONS),
            alias=read_name(found["alias"]),
            column=read_name(found["column"]) if "column" in found else None,
            bins=found["bins"].integer(1, MOST_BINS) if "bins" in found else None,
            edges=tuple(each.decimal() for each in edges.items()) if edges else None,
            number=read_expression(found["number"]) if "number" in found else None,
            quantile=found["quantile"].decimal() if "quantile" in found else None,
        )


@dataclass(frozen=True, slots=True)
class Join:
    """The other product of a join; its rows are those of the same privacy unit.

    Attributes:
        product: of the same provider, under an agreement of its own.
        on: the column that is joined on, which must be the privacy unit of both.
        resource: which of its resources; empty where it has one.
    """

    product: str
    on: str
    resource: str = ""

    def __post_init__(self) -> None:
        Place(self.product, "plan.join.product").text(64)
        read_name(Place(self.on, "plan.join.on"))
        Place(self.resource, "plan.join.resource").text(64, empty=True)

    def body(self) -> Object:
        """As JSON."""
        body: Object = {"product": self.product, "on": self.on}
        return body | {"resource": self.resource} if self.resource else body

    @classmethod
    def of(cls, place: Place) -> Join:
        """Read what `body` wrote; raises Malformed."""
        found = place.members(("product", "on"), ("resource",))
        resource = found["resource"].text(64) if "resource" in found else ""
        return cls(found["product"].text(64), read_name(found["on"]), resource)


@dataclass(frozen=True, slots=True)
class Plan:
    """A private query.

    Attributes:
        product: the data product asked.
        loss: what the consumer offers to spend; the charge is never more.
        filter: which rows count; None for all.
        group_by: columns whose declared categories are the groups, or keys that are worked out; every group is
            answered, unless a key is unknown (`groups.Unknown`). A histogram is a key behind them, and whatever stands
            beside it is told by bin.
        sets: grouping sets, as places among the keys: rows are grouped by each of them for itself, and what an answer
            has of one has no label under the other keys. Empty where rows are grouped by all keys at once.
        resource: which of the product's resources; empty where it has one.
        join: a second product, whose columns may be used beside those of the first.
    """

    product: str
    aggregates: tuple[Aggregate, ...]
    loss: PrivacyLoss
    filter: Predicate | None = None
    group_by: tuple[GroupKey, ...] = ()
    resource: str = ""
    sets: groups.Sets = ()
    join: Join | None = None

    def __post_init__(self) -> None:
        Place(self.product, "plan.product").text(64)
        Place(self.resource, "plan.resource").text(64, empty=True)
        if not 1 <= len(self.aggregates) <= MOST_AGGREGATES:
            wrong("plan.aggregates", f"1 to {MOST_AGGREGATES} aggregates")
        groups.check_sets(self.sets, len(self.group_by))
        if self.sets and any(each.function == "histogram" for each in self.aggregates):
            wrong("plan.sets", "no histogram beside grouping sets: group by bins")
        if sum(each.function == "histogram" for each in self.aggregates) > 1:
            wrong("plan.aggregates", "one histogram; ask for the other in another query, or group by bins")
        if self.filter is not None:
            check_condition(self.filter, "plan.filter")
        unique(self.headings(), "plan.headings")

    def headings(self) -> tuple[str, ...]:
        """The answer's columns: group keys, a histogram's bins under its column's name, then the aggregates."""
        bins = [each.column or "" for each in self.aggregates if each.function == "histogram"]
        return (*(heading(each) for each in self.group_by), *bins, *(each.alias for each in self.aggregates))

    def columns(self) -> frozenset[str]:
        """Every column used anywhere: aggregated, filtered or grouped by."""
        return frozenset(self._columns())

    def _columns(self) -> Iterator[str]:
        for key in self.group_by:
            yield from groups.columns(key)
        for each in self.aggregates:
            yield from (each.column,) if each.column is not None else ()
            yield from each.number.columns() if each.number is not None else ()
        if self.filter is not None:
            yield from columns(self.filter)

    @property
    def unknown(self) -> bool:
        """Whether the data says which groups there are, and so how many rows the answer has."""
        return any(isinstance(each, groups.Unknown) for each in self.group_by)

    @property
    def version(self) -> int:
        """The first in which it can be written."""
        histogram = any(each.function == "histogram" for each in self.aggregates)
        new = (
            self.join is not None,
            *(each.version == SECOND for each in self.aggregates),
            *(not isinstance(each, str) for each in self.group_by),
            histogram and len(self.aggregates) > 1,
            bool(self.sets),
            self.filter is not None and any(True for _ in numbers(self.filter)),
        )
        return SECOND if any(new) else FIRST

    def body(self) -> Object:
        """The plan as it stands in a `computation.requested` statement."""
        body: Object = {
            "version": self.version,
            "product": self.product,
            "aggregates": [each.body() for each in self.aggregates],
            "filter": None if self.filter is None else self.filter.body(),
            "group_by": [write_key(each) for each in self.group_by],
            "loss": self.loss.body(),
        }
        if self.resource:
            body["resource"] = self.resource
        if self.sets:
            body["sets"] = [[*each] for each in self.sets]
        if self.join is not None:
            body["join"] = self.join.body()
        return body

    @classmethod
    def of(cls, body: Json) -> Plan:
        """Read what `body` wrote. What it reads would be written the same way again.

        Raises:
            Malformed: a member is missing, unknown, of a wrong form, or the plan is larger than any query needs.
        """
        if len(canonical.encode(body)) > LARGEST_PLAN:
            wrong("plan", f"at most {LARGEST_PLAN} bytes")
        needed = ("version", "product", "aggregates", "filter", "group_by", "loss")
        found = Place(body, "plan").members(needed, ("resource", "sets", "join"))
        version = found["version"].integer(FIRST, SECOND)
        tree = found["filter"]
        plan = cls(
            product=found["product"].text(64),
            aggregates=tuple(Aggregate.of(each) for each in found["aggregates"].items(1)),
            loss=PrivacyLoss.of(found["loss"].value, "plan.loss"),
            filter=None if tree.value is None else read_condition(tree.value, "plan.filter"),
            group_by=tuple(read_key(each) for each in found["group_by"].items()),
            resource=found["resource"].text(64) if "resource" in found else "",
            sets=groups.read_sets(found["sets"]) if "sets" in found else (),
            join=Join.of(found["join"]) if "join" in found else None,
        )
        if plan.version != version:
            wrong("plan.version", f"{plan.version}: a plan is written in the first version that can say it")
        return plan


def _check_edges(edges: tuple[Decimal, ...], where: str) -> None:
    if not 2 <= len(edges) <= MOST_BINS + 1:
        wrong(where, f"2 to {MOST_BINS + 1} edges")
    if not all(each.is_finite() for each in edges):
        wrong(where, "finite decimals")
    if any(low >= high for low, high in pairwise(edges)):
        wrong(where, "rising edges")
