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

from hefu_connector.computing.predicates import Predicate, check_size, columns, read_name, read_predicate

FUNCTIONS = ("count", "sum", "mean", "histogram")
MOST_AGGREGATES = 16
MOST_KEYS = 4
MOST_BINS = 200
LARGEST_PLAN = 64 * 1024  # bytes
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One number per group, or with `histogram` one number per group and bin.

    Attributes:
        function: one of `FUNCTIONS`.
        column: what is aggregated; None only for a count of rows. A count of a column counts its present values.
        alias: the heading of the answer's column.
        bins: of a histogram: so many even bins between the provider's bounds.
        edges: of a histogram: the edges of its bins, rising.  Without bins and edges its bins are the declared
            categories of the column.
    """

    function: str
    alias: str
    column: str | None = None
    bins: int | None = None
    edges: tuple[Decimal, ...] | None = None

    def __post_init__(self) -> None:
        where = f"aggregate {self.alias}"
        Place(self.function, where).choice(*FUNCTIONS)
        read_name(Place(self.alias, f"{where}.alias"))
        if self.column is None and self.function != "count":
            wrong(f"{where}.column", "the column to aggregate")
        if self.function != "histogram" and (self.bins is not None or self.edges is not None):
            wrong(where, "bins and edges with a histogram only")
        if self.bins is not None and self.edges is not None:
            wrong(where, "bins or edges, not both")
        if self.bins is not None:
            Place(self.bins, f"{where}.bins").integer(1, MOST_BINS)
        if self.edges is not None:
            _check_edges(self.edges, f"{where}.edges")

    def body(self) -> Object:
        """As JSON; members that are not set are left out."""
        body: Object = {"function": self.function, "alias": self.alias}
        if self.column is not None:
            body["column"] = self.column
        if self.bins is not None:
            body["bins"] = self.bins
        if self.edges is not None:
            body["edges"] = [write_decimal(each) for each in self.edges]
        return body

    @classmethod
    def of(cls, place: Place) -> Aggregate:
        """Read what `body` wrote; raises Malformed."""
        found = place.members(("function", "alias"), ("column", "bins", "edges"))
        edges = found.get("edges")
        return cls(
            function=found["function"].choice(*FUNCTIONS),
            alias=read_name(found["alias"]),
            column=read_name(found["column"]) if "column" in found else None,
            bins=found["bins"].integer(1, MOST_BINS) if "bins" in found else None,
            edges=tuple(each.decimal() for each in edges.items()) if edges else None,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A private query.

    Attributes:
        product: the data product asked.
        loss: what the consumer offers to spend; the charge is never more.
        filter: which rows count; None for all.
        group_by: columns whose declared categories are the groups; every declared group is answered.
        resource: which of the product's resources; empty where it has one.
    """

    product: str
    aggregates: tuple[Aggregate, ...]
    loss: PrivacyLoss
    filter: Predicate | None = None
    group_by: tuple[str, ...] = ()
    resource: str = ""

    def __post_init__(self) -> None:
        Place(self.product, "plan.product").text(64)
        Place(self.resource, "plan.resource").text(64, empty=True)
        if not 1 <= len(self.aggregates) <= MOST_AGGREGATES:
            wrong("plan.aggregates", f"1 to {MOST_AGGREGATES} aggregates")
        if len(self.group_by) > MOST_KEYS:
            wrong("plan.group_by", f"at most {MOST_KEYS} group keys")
        if len(self.aggregates) > 1 and any(each.function == "histogram" for each in self.aggregates):
            wrong("plan.aggregates", "a histogram alone; ask the others in another query")
        if self.filter is not None:
            check_size(self.filter, "plan.filter")
        unique(self.headings(), "plan.headings")

    def headings(self) -> tuple[str, ...]:
        """The answer's columns: group keys, a histogram's bins under its column's name, then the aggregates."""
        bins = [each.column or "" for each in self.aggregates if each.function == "histogram"]
        return (*self.group_by, *bins, *(each.alias for each in self.aggregates))

    def columns(self) -> frozenset[str]:
        """Every column used anywhere: aggregated, filtered or grouped by."""
        return frozenset(self._columns())

    def _columns(self) -> Iterator[str]:
        yield from self.group_by
        yield from (each.column for each in self.aggregates if each.column is not None)
        if self.filter is not None:
            yield from columns(self.filter)

    def body(self) -> Object:
        """The plan as it stands in a `computation.requested` statement."""
        body: Object = {
            "version": _VERSION,
            "product": self.product,
            "aggregates": [each.body() for each in self.aggregates],
            "filter": None if self.filter is None else self.filter.body(),
            "group_by": [*self.group_by],
            "loss": self.loss.body(),
        }
        if self.resource:
            body["resource"] = self.resource
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
        found = Place(body, "plan").members(needed, ("resource",))
        found["version"].integer(_VERSION, _VERSION)
        tree = found["filter"]
        return cls(
            product=found["product"].text(64),
            aggregates=tuple(Aggregate.of(each) for each in found["aggregates"].items(1)),
            loss=PrivacyLoss.of(found["loss"].value, "plan.loss"),
            filter=None if tree.value is None else read_predicate(tree.value, "plan.filter"),
            group_by=tuple(read_name(each) for each in found["group_by"].items()),
            resource=found["resource"].text(64) if "resource" in found else "",
        )


def _check_edges(edges: tuple[Decimal, ...], where: str) -> None:
    if not 2 <= len(edges) <= MOST_BINS + 1:
        wrong(where, f"2 to {MOST_BINS + 1} edges")
    if not all(each.is_finite() for each in edges):
        wrong(where, "finite decimals")
    if any(low >= high for low, high in pairwise(edges)):
        wrong(where, "rising edges")
