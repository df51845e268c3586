"""A whole release, from the consumer's call to its verified receipt and answer, beside the bare engine in the same run.

Aim: at most 20 ms (p50) and 60 ms (p99) over the engine, plus commits × the disk's sync. The release quantum is set to
0 here, since it is waiting on purpose; in production it is added (250 ms by default).
"""

from __future__ import annotations

import struct
import tempfile
import threading
from collections import deque
from functools import partial
from pathlib import Path

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.v1 import computation_pb2, control_pb2
from hefu.v1.control_pb2_grpc import ControlServiceStub
from hefu.wire import transport
from hefu_connector.engines import counting, language
from hefu_connector.engines.statistics import Statistics
from hefu_connector.ports import Table
from hefu_connector.workers.pool import Limits, Pool
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.product import Description
from hefu_space import data, harness
from hefu_space.space import Node, Space
from measure import Page, milliseconds, percentile, summary, sync_milliseconds
from world import founded

AIM = {"p50": 20.0, "p99": 60.0}
_ROUNDS = 60
_REST = 2.0  # seconds between releases, in which a fresh worker gets ready
_QUERY = 'SELECT diagnosis, COUNT(*) AS n, AVG(radius) AS mean FROM "{product}" GROUP BY diagnosis'


def main() -> None:
    """Measure and write the page."""
    page = Page("release", "A release from end to end, beside the bare engine")
    with tempfile.TemporaryDirectory() as folder:
        space = Space(Path(folder), settings={"quantum_ms": 0})
        try:
            consumer, product = founded(space)
            bench = _Bench(space, consumer, _agree(consumer, product), product)
            whole, worker, bare, commits = bench.measure()
        finally:
            space.stop()
        sync = sync_milliseconds(Path(folder))
    _tell(page, whole, worker, bare, commits, sync)
    page.write()


class _Bench:
    """One agreement, asked again and again; the same plan on the same file for the bare engine."""

    def __init__(self, space: Space, consumer: Node, contract: control_pb2.Contract, product: str) -> None:
        self._space = space
        self._consumer = consumer
        self._agreement = contract.agreement_name
        description = Description.of(Statement.parse(contract.description.envelope).body)
        loss = PrivacyLoss.of_text("0.1", "0")
        plan = language.parse(_QUERY.format(product=product), description, loss).body()
        self._plan = canonical.encode(plan)
        self._parameters: Object = Statistics().prepare(plan, description.resources[0], 1).parameters
        spool = space.folder / "bench-spool"
        spool.mkdir(mode=0o700)
        file = spool / "table.csv"
        data.hospitals()[0].write(file)
        self._table = Table(file, "csv", "sha256:" + "0" * 64, file.stat().st_size)
        self._spool = spool

    def measure(self) -> tuple[list[float], list[float], list[float], int]:
        """Whole releases, engine runs in a fresh worker, engine runs in this process; commits of one release."""
        whole, worker, bare, commits = [], [], [], []
        rest = threading.Event()
        databases = [each.folder / "connector.db" for each in self._space.nodes.values()]
        with self._consumer.control() as stub, Pool(self._spool, Limits(ready=1, most=2)) as pool:
            self._ask(stub)  # the first one opens connections
            self._engine()
            for number in range(_ROUNDS):
                rest.wait(_REST)
                before = sum(map(_commits, databases))
                whole.append(milliseconds(lambda: self._ask(stub)))
                commits.append(sum(map(_commits, databases)) - before)
                worker.append(milliseconds(partial(self._worker, pool, f"bench-{number}")))
                bare.append(milliseconds(self._engine))
        return whole, worker, bare, sorted(commits)[len(commits) // 2]

    def _ask(self, stub: ControlServiceStub) -> None:
        """From the consumer's call to the answer that its connector verified, with its receipt."""
        request = control_pb2.ControlServiceCreateComputationRequest(agreement=self._agreement, plan=self._plan)
        made = transport.invoke(stub.CreateComputation, request, peer="consumer", timeout=60)
        watch = computation_pb2.WatchComputationRequest(name=made.computation.name)
        deque(transport.stream(stub.WatchComputation, watch, peer="consumer", timeout=60), maxlen=0)
        found = computation_pb2.GetComputationRequest(name=made.computation.name)
        end = transport.invoke(stub.GetComputation, found, peer="consumer", timeout=60)
        if not end.answer.rows or not end.computation.receipt.envelope:
            raise RuntimeError(f"not released: {list(end.reasons)}")

    def _worker(self, pool: Pool, job: str) -> None:
        pool.run("statistics", self._parameters, self._table, job=job, deadline=60.0)

    def _engine(self) -> None:
        counting.run(self._parameters, self._table.path, "csv", {})


def _agree(consumer: Node, product: str) -> control_pb2.Contract:
    with consumer.control() as stub:
        request = control_pb2.RequestContractRequest(
            product=f"products/{product}", offer="bench", purpose="dpv:ScientificResearch"
        )
        made = transport.invoke(stub.RequestContract, request, peer="consumer", timeout=30)
        wanted = control_pb2.GetContractRequest(name=made.name)

        def active() -> bool:
            found: control_pb2.Contract = transport.invoke(stub.GetContract, wanted, peer="consumer")
            return found.state == control_pb2.Contract.STATE_ACTIVE

        if not harness.until(active, 30):
            raise RuntimeError("the contract did not come into force")
        return transport.invoke(stub.GetContract, wanted, peer="consumer")


def _commits(database: Path) -> int:
    """Transactions in a database's write-ahead log: frames that carry a size after commit.

    Source: https://www.sqlite.org/fileformat2.html section 4.1.
    """
    log = database.with_name(database.name + "-wal").read_bytes()
    page, salts = struct.unpack(">I", log[8:12])[0], log[16:24]
    found = 0
    for at in range(32, len(log) - 23, 24 + page):
        frame = log[at : at + 24]
        if frame[8:16] != salts:
            break
        found += struct.unpack(">I", frame[4:8])[0] > 0
    return found


def _tell(page: Page, whole: list[float], worker: list[float], bare: list[float], commits: int, sync: float) -> None:
    page.say(
        f"{_ROUNDS} releases one after another, two seconds apart, so that a fresh worker waits for each; so few that",
        "p99 is about the slowest. Release quantum 0 (by default 250 ms, waited on purpose). One count and one mean in",
        "two groups over 191 rows. Commits are transactions in both connectors' write-ahead logs meanwhile:",
        f"{commits}; a sync of 4 KiB took {sync:.2f} ms here.",
        "",
    )
    page.table(
        ("what", "time", "ratio of p50"),
        [
            ("whole release", summary(whole), "1.00"),
            ("the engine in a fresh worker", summary(worker), _ratio(whole, worker)),
            ("the engine in a warm process", summary(bare), _ratio(whole, bare)),
        ],
    )
    rows = []
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        over = percentile(whole, share) - percentile(worker, share)
        aim = AIM[name] + commits * sync
        rows.append((name, f"{over:.1f} ms", f"{aim:.1f} ms", f"{over / aim:.2f}", "yes" if over <= aim else "no"))
    page.table(("over the engine in a worker", "measured", "aim with commits", "ratio", "aim met"), rows)


def _ratio(whole: list[float], part: list[float]) -> str:
    return f"{percentile(whole, 0.5) / percentile(part, 0.5):.2f}"


if __name__ == "__main__":
    main()
