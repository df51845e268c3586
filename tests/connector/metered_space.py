"""An energy group on one machine: three grids with metered consumption, and the group that wants its total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.totals import Step, Total, Totals, Wish
from hefu_connector.running import Connector
from hefu_connector.shelves import SourceRecord
from hefu_policies.budget import Budget, Charge, PrivacyLoss
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Fact, Privacy, Resource
from hefu_policies.library import template

from tests.connector.small_space import Space, agree, eventually

GRIDS, GROUP = ("grid-east", "grid-north", "grid-west"), "energy-group"
CLASSES = ("coal", "gas", "wind")
MOST = 500  # kWh of one meter
PURPOSE = "dpv:ServiceProvision"
SQL = "SELECT class, SUM(kwh) AS kwh FROM data GROUP BY class"
RHO = "0.2"


def readings(grid: int, rows: int = 300) -> list[tuple[str, str, int]]:
    """Meters of one grid."""
    return [(f"m{grid}-{at}", CLASSES[(at * (grid + 1)) % 3], (37 * at + 11 * grid) % (MOST + 1)) for at in range(rows)]


def truth(grids: Sequence[int] = (0, 1, 2)) -> dict[str, int]:
    """What the total would be without noise."""
    found = dict.fromkeys(CLASSES, 0)
    for grid in grids:
        for _, kind, kwh in readings(grid):
            found[kind] += kwh
    return found


def description(resource: str, product: str, rows: int = 300) -> Description:
    """Metered consumption, under one offer of joint totals."""
    schema = (
        Column("meter", "text", sensitivity="personal"),
        Column("class", "text", categories=CLASSES),
        Column("kwh", "integer", unit="kW.h", bounds=Bounds(Decimal(0), Decimal(MOST), Decimal(1))),
    )
    budget = Budget.of_rho("5", releases=50)
    privacy = Privacy("meter", 1, budget, exclusive=True)
    asset = Resource(resource, schema, privacy, facts=(Fact("rows", str(rows)),))
    policy = template(
        "rho-joint-totals",
        {
            "purpose": PURPOSE, "parties": [*GRIDS, GROUP], "least_parties": 3, "colluding": 1, "rho": "0.5",
            "budget": "5", "columns": ["class", "kwh"], "count": 50, "until": "2036-01-01T00:00:00Z",
        },
    )  # fmt: skip
    offer = Offer("off-totals", policy, budget)
    return Description(product, 1, {"en": "Metered consumption", "zh": "计量用电"}, (asset,), (offer,))


def write(folder: Path, grid: int) -> Path:
    """One grid's meters in a file."""
    path = folder / f"meters-{grid}.csv"
    path.write_text("meter,class,kwh\n" + "".join(f"{a},{b},{c}\n" for a, b, c in readings(grid)))
    return path


@dataclass
class Group:
    """A space that runs, with a contract of each grid."""

    space: Space
    agreements: tuple[str, ...]

    @property
    def totals(self) -> Totals:
        return self.consumer.desk.totals

    @property
    def consumer(self) -> Connector:
        return self.space.connectors[GROUP]

    def grid(self, name: str) -> Connector:
        return self.space.connectors[name]

    def wish(self, **changes: object) -> Wish:
        query = Plan(
            "prd-grid-east", (Aggregate("sum", "kwh", "kwh"),), PrivacyLoss.of_rho(RHO), group_by=("class",)
        )  # fmt: skip
        members: dict[str, object] = {
            "query": query, "agreements": self.agreements, "aggregator": "grid-north", "honest": 2,
            "purpose": PURPOSE, "user": "rui",
        }  # fmt: skip
        return Wish(**(members | changes))  # type: ignore[arg-type]

    def total(self, totals: Totals | None = None, **changes: object) -> tuple[list[Step], Total]:
        *steps, last = (totals or self.totals).total(self.wish(**changes))
        assert isinstance(last, Total)
        return [each for each in steps if isinstance(each, Step)], last

    def charged(self, name: str) -> Charge:
        (asset,) = [
            each for each, _ in self.grid(name).desk.overview.balances() if each.account.name.startswith("asset/")
        ]
        return asset.charged


def open_group(folder: Path, **settings: object) -> Group:
    """Found the space, publish three products, agree on them."""
    space = Space(folder).open()
    agreements = []
    consumer = space.member(GROUP, "consumer")
    for at, name in enumerate(GRIDS):
        provider = space.member(name, "provider", quantum_ms=20, **settings)
        record = SourceRecord("meters", "", str(write(folder, at)), "csv")
        resource = provider.desk.book.add(record).resource
        product = f"prd-{name}"
        eventually(lambda provider=provider, resource=resource, product=product: provider.provider.publish(
            description(resource, product), "rui"
        ))  # fmt: skip
        agreements.append(agree(provider, consumer, product, "off-totals"))
    return Group(space, tuple(agreements))
