"""Private statistics beside the same aggregates in raw DuckDB: grouped count and two sums, 50 keys, one run.

    python benchmarks/query.py [rows]        ratios of this machine, into benchmarks/results
    python benchmarks/query.py [rows] -      printed only

A release here is what a worker does from parameters to noised integers, with the snapshot that was laid out before,
and what the connector does to hand it over and to read the answer; the worker waits ready, as a connector keeps one,
and the release quantum is not in it. The exact query is DuckDB's on the Parquet file as it came, with as many threads.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
from hefu.canonical import Object
from hefu.times import SystemClock
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.engines.laid import Laid
from hefu_connector.engines.statistics import Statistics
from hefu_connector.ports import Prepared
from hefu_connector.shelves import Mark
from hefu_connector.sources.files import FileSource
from hefu_connector.sources.layouts import Layouts, Made
from hefu_connector.workers.pool import Limits, Pool
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from measure import RESULTS, machine

ROUNDS = 5
CONTRIBUTION = 3
MEMORY = 2 << 30  # address space of a worker, of which DuckDB may use half
MAKE = """COPY (SELECT 'p' || (hash(i) % ($rows * 2 // 5 + 1)) AS person, 'r' || (hash(i, 1) % 50) AS region,
  round((hash(i, 2) % 60000) / 100.0, 2) AS amount, (hash(i, 3) % 100)::BIGINT AS age FROM range($rows) t(i)) TO """
EXACT = "SELECT region, count(*), sum(amount), sum(age) FROM read_parquet(?) GROUP BY region"
COLUMNS = (
    Column("person", "text"),
    Column("region", "text", categories=tuple(f"r{index}" for index in range(50))),
    Column("amount", "decimal", bounds=Bounds(Decimal(0), Decimal(500), Decimal("0.01"))),
    Column("age", "integer", bounds=Bounds(Decimal(0), Decimal(100), Decimal(1))),
)
Times = dict[str, list[float]]


class NoMarks:
    """`Marks` of layouts in memory, which keep none."""

    def advance(self, mark: Mark) -> None:
        """Keep nothing."""

    def first(self, mark: Mark, *unless: str) -> Mark:
        """Keep nothing."""
        return mark

    def find(self, name: str) -> Mark | None:
        """None."""
        return None

    def all(self, prefix: str = "") -> Sequence[Mark]:
        """None."""
        return []

    def remove(self, name: str) -> None:
        """Nothing to do."""


def resource(unit: str) -> Resource:
    """Rows, or persons, as the privacy unit."""
    budget = Budget(PrivacyLoss(10**12), 1000)
    return Resource(f"res-{unit}", COLUMNS, Privacy(unit, 1 if unit == "row" else CONTRIBUTION, budget))


def plan() -> Object:
    """The question."""
    asked = (Aggregate("count", "n"), Aggregate("sum", "s", "amount"), Aggregate("sum", "a", "age"))
    return Plan("prd-bench", asked, PrivacyLoss(10**9), None, ("region",)).body()


def clocked(work: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def exact(path: Path) -> None:
    """DuckDB's own answer."""
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        connection.execute(EXACT, [str(path)]).fetchall()


def release(pool: Pool, layouts: Layouts, prepared: Prepared, of: Resource) -> None:
    """One private answer."""
    with layouts.open(of.id, prepared.parameters) as table:
        if table is None:
            raise AssertionError("it was laid out")
        output = pool.run("statistics", prepared.parameters, table, job="bench", deadline=600)
    Statistics().read(output, prepared)


def measured(rows: int, folder: Path) -> tuple[Times, Mapping[str, Made], Mapping[str, float]]:
    """Times of each way, in turns, so that all meet the same machine."""
    path = folder / "rows.parquet"
    duckdb.execute(MAKE + f"'{path}'", {"rows": rows})
    made: dict[str, Made] = {}
    took: dict[str, float] = {}
    ways: dict[str, Callable[[], object]] = {"exact": lambda: exact(path)}
    times: Times = {}
    with ExitStack() as stack:
        pool = stack.enter_context(Pool(None, Limits(ready=1, memory=MEMORY, seconds=3000), more=[folder]))
        layouts = Layouts(pool, NoMarks(), SystemClock(), None)
        stack.callback(layouts.close)
        for unit in ("row", "person"):
            of = resource(unit)
            start = time.perf_counter()
            made[unit] = layouts.make(of.id, FileSource(path, "parquet", folder), Laid.describe(of))
            took[unit] = time.perf_counter() - start
            prepared = Statistics().prepare(plan(), of, None)
            ways[unit] = lambda prepared=prepared, of=of: release(pool, layouts, prepared, of)
        for _ in range(ROUNDS):
            for name, work in ways.items():
                pool.hello()
                times.setdefault(name, []).append(clocked(work))
    return times, made, took


def page(rows: int, times: Times, made: Mapping[str, Made], took: Mapping[str, float]) -> str:
    """The results as Markdown."""
    names = {
        "exact": "exact, raw DuckDB, 2 threads",
        "row": "release, each row a unit",
        "person": f"release, at most {CONTRIBUTION} rows a person",
    }
    least = min(times["exact"])
    lines = [
        "# Private statistics beside the exact query",
        "",
        f"{datetime.now(UTC):%F %H:%M} UTC; {machine()}.",
        "",
        f"{rows:,} generated rows; grouped count and two sums, 50 keys; {ROUNDS} rounds, each way in turn.",
        "",
        "| what | min / median ms | ÷ exact (of the least; of the medians) |",
        "|---|---|---|",
    ]
    for name, found in times.items():
        ratio = f"{min(found) / least:.2f}; {statistics.median(found) / statistics.median(times['exact']):.2f}"
        lines.append(f"| {names[name]} | {min(found):.0f} / {statistics.median(found):.0f} | {ratio} |")
    lines += ["", "| laid out | seconds | MB | rows beyond the bound |", "|---|---|---|---|"]
    for unit, each in made.items():
        lines.append(f"| {unit} | {took[unit]:.1f} | {each.size / 1e6:.0f} | {100 * each.beyond / each.rows:.1f} % |")
    return "\n".join(lines) + "\n"


def main(rows: int, keep: bool) -> None:
    """Measure, print, keep."""
    with tempfile.TemporaryDirectory() as folder:
        found = page(rows, *measured(rows, Path(folder)))
    print(found)
    if keep:
        (RESULTS / f"query-{rows // 1_000_000}M-{datetime.now(UTC):%F}.md").write_text(found, "utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000, len(sys.argv) < 3)
