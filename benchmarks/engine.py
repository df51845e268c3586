"""A private release in a worker beside the same aggregates in raw DuckDB, on the same generated rows, in one run.

    python benchmarks/engine.py [rows]

What our side does more: a snapshot with its digest, a process, declared types, bounded contributions, noise. Report
the ratio; times of one machine say little on another.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.engines.statistics import Statistics
from hefu_connector.shelves import SourceRecord
from hefu_connector.sources.look import SourceLook
from hefu_connector.workers.pool import Limits, Pool
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource

ROUNDS = 5
REGIONS = tuple(f"r{index}" for index in range(50))
MAKE = """COPY (SELECT 'p' || (hash(i) % ($rows * 2 // 5 + 1)) AS person, 'r' || (hash(i, 1) % 50) AS region,
  round((hash(i, 2) % 60000) / 100.0, 2) AS amount, (hash(i, 3) % 100)::BIGINT AS age FROM range($rows) t(i)) TO """
RAW = "SELECT region, count(*), sum(amount), avg(age) FROM read_parquet(?) WHERE age >= 18 GROUP BY region"
BOUNDED = """SELECT region, count(*), sum(amount), avg(age) FROM (SELECT * FROM read_parquet(?) WHERE age >= 18
  QUALIFY row_number() OVER (PARTITION BY person ORDER BY hash(region, amount, age, 7)) <= 3) GROUP BY region"""


def resource(unit: str) -> Resource:
    columns = (
        Column("person", "text"),
        Column("region", "text", categories=REGIONS),
        Column("amount", "decimal", bounds=Bounds(Decimal(0), Decimal(500), Decimal("0.01"))),
        Column("age", "integer", bounds=Bounds(Decimal(0), Decimal(100), Decimal(1))),
    )
    return Resource("res-bench", columns, Privacy(unit, 3 if unit != "row" else 1, Budget(PrivacyLoss(10**12), 1000)))


def plan() -> Plan:
    from hefu_connector.computing.predicates import Compare, Literal

    aggregates = (Aggregate("count", "n"), Aggregate("sum", "s", "amount"), Aggregate("mean", "m", "age"))
    where = Compare("age", ">=", Literal("integer", "18"))
    return Plan("prd-bench", aggregates, PrivacyLoss(10**9), where, ("region",))


def least(work: Callable[[], float]) -> tuple[float, float]:
    """The least and the median time of some rounds, milliseconds."""
    times = [1000 * work() for _ in range(ROUNDS)]
    return min(times), statistics.median(times)


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        duckdb.execute(MAKE + f"'{path}'", {"rows": rows})
        begin = time.monotonic()
        with Pool(Path(folder) / "spool", Limits(ready=1)) as pool:
            reached = pool.hello()
            print(f"first worker ready in {1000 * (time.monotonic() - begin):.0f} ms; {reached}")
            look = SourceLook(pool, Path(folder) / "spool")
            source = look.source(look.spell(SourceRecord("bench", "", str(path), "")))

            def release(unit: str) -> float:
                pool.hello()  # a connector has a worker ready; its start is told above
                start = time.monotonic()
                prepared = Statistics().prepare(plan().body(), resource(unit), None)
                with source.open(sorted({*prepared.columns, unit} - {"row"})) as table:
                    output = pool.run("statistics", prepared.parameters, table, job="bench", deadline=600)
                Statistics().read(output, prepared)
                return time.monotonic() - start

            def raw(query: str) -> float:
                start = time.monotonic()
                with duckdb.connect(":memory:", config={"threads": 2}) as connection:
                    connection.execute(query, [str(path)]).fetchall()
                return time.monotonic() - start

            for name, unit, query in (("each row a unit", "row", RAW), ("three rows a person", "person", BOUNDED)):
                ours, theirs = least(lambda unit=unit: release(unit)), least(lambda query=query: raw(query))
                print(
                    f"{rows} rows, {name}: release {ours[0]:.0f} / {ours[1]:.0f} ms, raw DuckDB {theirs[0]:.0f} / "
                    f"{theirs[1]:.0f} ms (min / median); ratio {ours[0] / theirs[0]:.2f}"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
