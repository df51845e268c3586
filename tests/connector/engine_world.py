"""A small public schema, tables for it, and a way to run a plan without a process: what tests of the engine share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from hefu.canonical import Object
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.predicates import Predicate
from hefu_connector.engines import counting, tables
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.statistics import Statistics
from hefu_connector.ports import Prepared, Values
from hefu_policies import library
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource

HUGE = PrivacyLoss(10**15)  # ε = 10⁶: noise of scale 10⁻⁶ · sensitivity, which is zero but once in e^10000 or so
SMALL = PrivacyLoss(10**9)
COLUMNS = (
    Column("person", "text"),
    Column("region", "text", categories=("north", "south", "east")),
    Column("age", "integer", bounds=Bounds(Decimal(0), Decimal(100), Decimal(1))),
    Column("income", "decimal", nullable=True, bounds=Bounds(Decimal(-50), Decimal(200), Decimal("0.25"))),
    Column("active", "boolean", categories=("true", "false")),
    Column("day", "date"),
    Column("seen", "timestamp"),
    Column("grade", "integer", categories=("1", "2")),
)
SCHEMA = pa.schema(
    [
        ("person", pa.string()),
        ("region", pa.string()),
        ("age", pa.int64()),
        ("income", pa.float64()),
        ("active", pa.bool_()),
        ("day", pa.date32()),
        ("seen", pa.timestamp("us")),
        ("grade", pa.int64()),
    ]
)
Row = Mapping[str, Any]


def resource(unit: str = "person", contribution: int = 2, columns: Iterable[Column] = COLUMNS) -> Resource:
    privacy = Privacy(unit, 1 if unit == "row" else contribution, Budget(PrivacyLoss(10**15), 1000))
    return Resource("res-people", tuple(columns), privacy)


def description(*resources: Resource) -> Description:
    policy = library.template("open-statistics", {"budget": "4", "columns": ["age"], "until": "2030-01-01T00:00:00Z"})
    offers = (Offer("off-open", policy, Budget(PrivacyLoss(10**9), 10)),)
    return Description("prd-people", 1, {"en": "People"}, resources or (resource(),), offers)


def plan(
    *aggregates: Aggregate, loss: PrivacyLoss = HUGE, where: Predicate | None = None, by: Sequence[str] = ()
) -> Plan:
    return Plan("prd-people", aggregates or (Aggregate("count", "n"),), loss, where, tuple(by))


def write(path: Path, rows: Sequence[Row], schema: pa.Schema = SCHEMA) -> Path:
    columns = {name: pa.array([row.get(name) for row in rows], schema.field(name).type) for name in schema.names}
    pyarrow.parquet.write_table(pa.table(columns, schema=schema), path)
    return path


def prepare(asked: Plan, of: Resource | None = None, minimum: int | None = None) -> Prepared:
    return Statistics().prepare(asked.body(), of or resource(), minimum)


def run(prepared: Prepared, path: Path, form: str = "parquet", layout: Object | None = None) -> Values:
    return Statistics().read(counting.run(prepared.parameters, path, form, layout or {}), prepared)


def answer(
    asked: Plan, rows: Sequence[Row], folder: Path, of: Resource | None = None, minimum: int | None = None
) -> list[tuple[str | None, ...]]:
    return list(run(prepare(asked, of, minimum), write(folder / "people.parquet", rows)).rows)


def exact(prepared: Prepared, path: Path) -> list[list[int]]:
    """The true whole numbers before noise: for tests of sensitivity only."""
    return counting._count(Shape.of(prepared.parameters["shape"]), tables.open_table(path, "parquet", {}))[0]
