"""The words of a delivery: what a consumer asks to receive, as both sides read it.

A plan names columns, a processing and a row limit; no filter, since a filter over a column tells what its masking
hides. What each processing does to a column stands in `hefu_policies.goods.processing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hefu import canonical
from hefu.canonical import Json, Object
from hefu_policies.budget import NO_LOSS, PrivacyLoss
from hefu_policies.reading import Place, unique, write_decimal, wrong
from hefu_policies.words.terms import DELIVER, FILE, PROCESSING, RAW, ROWS, SAMPLED

from hefu_connector.computing.computation import LARGEST_PLAN
from hefu_connector.computing.predicates import read_name

MOST_ROWS = 100_000
MOST_CELLS = 1_000_000
MOST_COLUMNS = 200
_VERSION = 1


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """What is to be delivered.

    Attributes:
        columns: in the order in which they are delivered.
        processing: ``raw``, ``masked``, ``sampled`` or ``anonymised``.
        rows: at most so many; 1 for a file.
        form: ``Rows``, or ``File`` for a whole file as it is.
        share: of the privacy units, for a sample; None otherwise.
        resource: which of the product's resources; empty where it has one.
    """

    product: str
    columns: tuple[str, ...]
    processing: str
    rows: int
    form: str = ROWS
    share: Decimal | None = None
    resource: str = ""

    def __post_init__(self) -> None:
        Place(self.product, "plan.product").text(64)
        Place(self.resource, "plan.resource").text(64, empty=True)
        Place(self.processing, "plan.processing").choice(*sorted(PROCESSING))
        Place(self.form, "plan.form").choice(ROWS, FILE)
        unique(self.columns, "plan.columns")
        if not 1 <= len(self.columns) <= MOST_COLUMNS:
            wrong("plan.columns", f"1 to {MOST_COLUMNS} columns")
        most = 1 if self.form == FILE else min(MOST_ROWS, MOST_CELLS // len(self.columns))
        Place(self.rows, "plan.rows").integer(1, most)
        if self.form == FILE and self.processing != RAW:
            wrong("plan.processing", "raw: a file is delivered whole, as it is")
        if (self.processing == SAMPLED) != (self.share is not None):
            wrong("plan.share", "the share of a sample, with the processing sampled only")
        if self.share is not None and not 0 < self.share <= 1:
            wrong("plan.share", "above 0 and at most 1")

    @property
    def loss(self) -> PrivacyLoss:
        """None: what leaves without noise is counted as an exact release and not as an amount of ε."""
        return NO_LOSS

    def body(self) -> Object:
        """The plan as it stands in a `computation.requested` statement."""
        body: Object = {
            "version": _VERSION,
            "operation": DELIVER,
            "product": self.product,
            "columns": [*self.columns],
            "processing": self.processing,
            "rows": self.rows,
            "form": self.form,
        }
        if self.share is not None:
            body["share"] = write_decimal(self.share)
        if self.resource:
            body["resource"] = self.resource
        return body

    @classmethod
    def of(cls, body: Json) -> DeliveryPlan:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        if len(canonical.encode(body)) > LARGEST_PLAN:
            wrong("plan", f"at most {LARGEST_PLAN} bytes")
        needed = ("version", "operation", "product", "columns", "processing", "rows", "form")
        found = Place(body, "plan").members(needed, ("share", "resource"))
        found["version"].integer(_VERSION, _VERSION)
        found["operation"].choice(DELIVER)
        return cls(
            product=found["product"].text(64),
            columns=tuple(read_name(each) for each in found["columns"].items(1)),
            processing=found["processing"].text(),
            rows=found["rows"].integer(1),
            form=found["form"].text(),
            share=found["share"].decimal() if "share" in found else None,
            resource=found["resource"].text(64) if "resource" in found else "",
        )
