"""Private statistics beside the same aggregates in raw DuckDB, and beside other libraries: ratios of one run.

    python benchmarks/query.py                                  10 M rows, ours beside the exact query
    python benchmarks/query.py --rows 1000000 --peers           beside OpenDP-Polars, SmartNoise-SQL, Tumult too
    python benchmarks/query.py --clients 1 8 32                 questions a second through two connectors

The question is a grouped count and two sums, 50 keys, once with each row as the privacy unit and once with at most
three rows of a person. A release here is what a worker does from parameters to noised integers, with the snapshot that
was laid out before, and what the connector does to hand it over and to read the answer; workers wait ready, as many as
a connector keeps, and the release quantum is not in it. The exact query is DuckDB's on the Parquet file as it came,
with as many threads. Other libraries answer in processes that wait ready too, from the same file (SmartNoise from
memory). Each is asked when no worker is being started.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
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
from measure import Page, processor_seconds
from peering import PACKAGES, Absent, Peer

CONTRIBUTION = 3
EPSILON = 1
READY = 3  # workers, as a connector keeps for two computations at once
MEMORY = 2 << 30  # address space of a worker, of which DuckDB may use half
PATIENCE = 900.0  # seconds for one answer of another library
MAKE = """COPY (SELECT 'p' || (hash(i) % ($rows * 2 // 5 + 1)) AS person, 'r' || (hash(i, 1) % 50) AS region,
  round((hash(i, 2) % 60000) / 100.0, 2) AS amount, (hash(i, 3) % 100)::BIGINT AS age FROM range($rows) t(i)) TO """
EXACT = "SELECT region, count(*), sum(amount), sum(age) FROM read_parquet(?) GROUP BY region"
TRUE = "SELECT region, count(*), sum(least(amount, 500)), sum(age) FROM read_parquet(?) GROUP BY region"
COLUMNS = (
    Column("person", "text"),
    Column("region", "text", categories=tuple(f"r{index}" for index in range(50))),
    Column("amount", "decimal", bounds=Bounds(Decimal(0), Decimal(500), Decimal("0.01"))),
    Column("age", "integer", bounds=Bounds(Decimal(0), Decimal(100), Decimal(1))),
)
UNITS = {"row": "each row a unit", "person": f"at most {CONTRIBUTION} rows a person"}
Answer = Mapping[str, Sequence[float]]
Way = Callable[[], tuple[float, Answer]]  # milliseconds, and the values of each region


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
    return Plan("prd-bench", asked, PrivacyLoss(EPSILON * 10**9), None, ("region",)).body()


def answer(path: Path, question: str) -> tuple[float, Answer]:
    """DuckDB's own, in a fresh instance that waits ready as ours does."""
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        start = time.perf_counter()
        found = connection.execute(question, [str(path)]).fetchall()
        took = 1000 * (time.perf_counter() - start)
    return took, {region: [float(each) for each in values] for region, *values in found}


class Ours:
    """A pool, and a file laid out for each unit."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._pool = stack.enter_context(Pool(None, Limits(ready=READY, memory=MEMORY, seconds=3000)))
        self._layouts = Layouts(self._pool, NoMarks(), SystemClock())
        stack.callback(self._layouts.close)
        self.made: dict[str, Made] = {}
        self.seconds: dict[str, float] = {}
        for unit in UNITS:
            of, start = resource(unit), time.perf_counter()
            self.made[unit] = self._layouts.make(of.id, FileSource(path, "parquet"), Laid.describe(of))
            self.seconds[unit] = time.perf_counter() - start

    def ask(self, unit: str) -> tuple[float, Answer]:
        """One release."""
        of = resource(unit)
        prepared = Statistics().prepare(plan(), of, None)
        self.rest()
        start = time.perf_counter()
        rows = self._release(of, prepared)
        return 1000 * (time.perf_counter() - start), {
            str(region): [float(each or 0) for each in values] for region, *values in rows
        }

    def rest(self) -> None:
        """Wait until every worker waits, so that nobody is measured beside the start of one."""
        while self._pool.ready < READY:
            time.sleep(0.05)

    def _release(self, of: Resource, prepared: Prepared) -> Sequence[Sequence[str | None]]:
        with self._layouts.open(of.id, prepared.parameters) as table:
            assert table is not None, "it was laid out"
            output = self._pool.run("statistics", prepared.parameters, table, job="bench", deadline=600)
        return Statistics().read(output, prepared).rows


class Measured:
    """Times and errors of every way, each in turn, so that all meet the same machine."""

    def __init__(self, truth: Answer) -> None:
        self.times: dict[tuple[str, str], list[float]] = {}
        self.absent: dict[str, str] = {}
        self._truth = truth
        self._squares: dict[tuple[str, str], list[list[float]]] = {}

    def note(self, name: str, unit: str, way: Way) -> None:
        """One answer; a way that failed once is asked no more."""
        if name in self.absent:
            return
        try:
            took, found = way()
        except Absent as fault:
            self.absent[name] = str(fault)
            return
        self.times.setdefault((name, unit), []).append(took)
        errors = self._squares.setdefault((name, unit), [[], [], []])
        for region, values in self._truth.items():
            for place, value in enumerate(values):
                errors[place].append((found[region][place] - value) ** 2)

    def errors(self, name: str, unit: str) -> list[float]:
        """Root mean square error of the count and the two sums, over regions and rounds."""
        return [math.sqrt(statistics.fmean(each)) for each in self._squares[name, unit]]


def measure(page: Page, rows: int, rounds: int, peers: bool) -> None:
    """One size: a table of times, one of errors, one of what was laid out."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = folder / "rows.parquet"
        duckdb.execute(MAKE + f"'{path}'", {"rows": rows})
        ours, found = Ours(path, stack), Measured(answer(path, TRUE)[1])
        others = [*_peers(path, rows, found, stack)] if peers else []
        for _ in range(rounds):
            ours.rest()
            found.times.setdefault(("exact", ""), []).append(answer(path, EXACT)[0])
            for unit in UNITS:
                found.note("ours", unit, lambda unit=unit: ours.ask(unit))
                for each in others:
                    ours.rest()
                    found.note(each.name, unit, lambda each=each, unit=unit: each.ask(unit))
    page.say(f"## {rows:,} rows, {rounds} rounds", "")
    _tell(page, found, [each.name for each in others])
    page.table(
        ("laid out", "seconds", "MB", "rows beyond the bound"),
        [
            (
                UNITS[unit],
                f"{ours.seconds[unit]:.1f}",
                f"{each.size / 1e6:.0f}",
                f"{100 * each.beyond / each.rows:.1f} %",
            )
            for unit, each in ours.made.items()
        ],
    )
    for name, why in found.absent.items():
        page.say(f"Not compared: {name}: {why}.")


def _peers(path: Path, rows: int, found: Measured, stack: ExitStack) -> list[Peer]:
    peers = []
    for package in PACKAGES:
        if rows > package.most:
            found.absent[package.name] = f"more than {package.most:,} rows are not asked of it here"
            continue
        try:
            arguments = [str(path), str(rows), str(CONTRIBUTION), str(EPSILON)]
            peers.append(stack.enter_context(Peer(package, arguments, PATIENCE)))
        except Absent as fault:
            found.absent[package.name] = str(fault)
    return peers


def _tell(page: Page, found: Measured, others: Sequence[str]) -> None:
    exact = found.times["exact", ""]
    lines = [("exact, raw DuckDB, 2 threads", _spread(exact), "1.00; 1.00", "", "")]
    for unit, words in UNITS.items():
        ours = found.times["ours", unit]
        for name in ("ours", *others):
            if (name, unit) in found.times:
                took = found.times[name, unit]
                errors = "; ".join(f"{each:.3g}" for each in found.errors(name, unit))
                lines.append((f"{name}, {words}", _spread(took), _ratio(took, exact), _ratio(took, ours), errors))
    page.say(
        f"ε = {EPSILON} for each answer. Errors are those of the count, the sum of amounts and the sum of ages, with",
        "what a bound leaves out, as root mean squares over keys and rounds; the fewer rounds, the rougher (seven in a",
        "hundred for 250 values of Laplace noise). Ratios are of the least times; of the medians.",
        "",
    )
    page.table(("what", "min / median ms", "÷ exact", "÷ ours", "error"), lines)


def _spread(found: Sequence[float]) -> str:
    return f"{min(found):.0f} / {statistics.median(found):.0f}"


def _ratio(found: Sequence[float], beside: Sequence[float]) -> str:
    return f"{min(found) / min(beside):.2f}; {statistics.median(found) / statistics.median(beside):.2f}"


def rates(page: Page, clients: Sequence[int], seconds: float) -> None:
    """Small questions through a consumer's and a provider's connector."""
    import load

    rows = []
    with ExitStack() as stack:
        consumer, _, product = stack.enter_context(load._space("", stack, 2))
        asker = load.Asker(consumer, product)
        load.sustained(asker, 1, min(5.0, seconds))  # connections and workers
        pids = consumer.process.pid, _beside(consumer.process.pid, "provider")
        for count in clients:
            before = [*map(processor_seconds, pids)]
            rate, took, answers = load.sustained(asker, count, seconds)
            theirs, ours = (
                [b - a for a, b in zip(*pair, strict=True)]
                for pair in zip(before, map(processor_seconds, pids), strict=True)
            )
            spent = [f"{1000 * each / answers:.0f} ms" for each in (ours[1], ours[0], theirs[0])]
            rows.append((count, f"{rate:.1f}", f"{statistics.median(took):.0f} ms", *spent))
    page.say(
        "## Small questions through two connectors",
        "",
        "One count over 191 rows; quantum 0; two workers. Each figure is of at least two rounds, as many answers as",
        "clients; processor time is of all answers, and depends less on what else the machine does than times do.",
        "",
    )
    page.table(("clients", "answers/s", "p50", "processor time an answer: workers", "provider", "consumer"), rows)


def _beside(pid: int, name: str) -> int:
    """The process that serves a participant, started by whoever started this one."""
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    for each in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if f"/{name}" in Path(f"/proc/{each}/cmdline").read_text():
            return int(each)
    raise LookupError(name)


def main(arguments: argparse.Namespace) -> None:
    """Measure, print, keep."""
    most = max(arguments.rows, default=0)
    size = f"{most // 1_000_000}M" if most >= 1_000_000 else f"{most // 1000}k"
    page = Page(f"query-{size}" if arguments.rows else "query-rates", "Private statistics beside the exact query")
    for rows in arguments.rows:
        measure(page, rows, arguments.rounds, arguments.peers)
    if arguments.clients:
        rates(page, arguments.clients, arguments.seconds)
    if arguments.write:
        page.write()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000_000], help="of each table")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="other libraries too, in environments made for them")
    parser.add_argument("--clients", type=int, nargs="*", default=[], help="questions a second of so many at once")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each number of clients")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print only")
    main(parser.parse_args())
