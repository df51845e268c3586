"""What durability costs on this machine: fsync, an empty commit, reservations and whole computations per second.

Run: ``python benchmarks/ledger.py [--seconds N] [--folder DIR]``. Numbers differ by disk; compare on one machine only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu.envelope import Statement, draft
from hefu.keeping.keys import FileSigner
from hefu_connector.ports import Account, ComputationState, Entry, Run
from hefu_connector.shelves import Mark
from hefu_connector.storage import Database, SqlJournal, SqlLedger, SqlMarks
from hefu_policies.budget import Budget, Charge, PrivacyLoss

NOW = datetime(2026, 11, 21, tzinfo=UTC)
WIDE = Budget(PrivacyLoss(2**53 - 1, 10**15 - 1), 2**53 - 1)
ACCOUNTS = [Account("asset/res-a", WIDE), Account("agreement/agr-a", WIDE)]
CHARGE = Charge(PrivacyLoss(1))
SIGNER = FileSigner("hospital-a", Ed25519PrivateKey.generate())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; a temporary one by default")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        database = Database.at(Path(folder) / "connector.db", "demo")
        names = count()
        sync = fsync(Path(folder) / "fsync")
        marks, ledger, journal = SqlMarks(database), SqlLedger(database), SqlJournal(database)
        show("fsync of 4 KiB", measure(sync, chosen.seconds))
        show("commit of one row", measure(lambda: marks.advance(Mark("a", next(names))), chosen.seconds))
        show("reserve, 2 accounts", measure(lambda: reserve(ledger, f"cmp-{next(names)}"), chosen.seconds))
        for threads in (4, 16):
            rate = together(lambda: reserve(ledger, f"cmp-{next(names)}"), threads, chosen.seconds)
            print(f"reserve, {threads:>2} threads    {rate:10.0f} a second")
        show("admit … close", measure(lambda: whole(ledger, journal, f"cmp-{next(names)}"), chosen.seconds))
        database.close()
    return 0


def fsync(path: Path) -> Callable[[], None]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    page = os.urandom(4096)

    def once() -> None:
        os.write(handle, page)
        os.fsync(handle)

    return once


def reserve(ledger: SqlLedger, id_: str) -> None:
    ledger.reserve(id_, ACCOUNTS, CHARGE)


def whole(ledger: SqlLedger, journal: SqlJournal, id_: str) -> None:
    """A computation as the enforcement point keeps it: four commits."""

    def sign(sequence: int, previous: str) -> Statement:
        link = {"sequence": sequence, "previous": previous}
        statement = draft("computation.sealed", {"journal": {**link}}, space="demo", issuer="hospital-a", at=NOW)
        return statement.sign(SIGNER, NOW)

    run = Run(id_, "sha256:0", b"request", "pharma-b", ("agr-a",), ComputationState.RESERVED, None, None, 0, NOW, NOW)
    journal.admit(run)
    ledger.reserve(id_, ACCOUNTS, CHARGE)
    journal.start(id_, CHARGE, NOW)
    journal.close(id_, ComputationState.RELEASED, Entry(sign, NOW), [b"sealed" * 200], NOW)


def measure(act: Callable[[], None], seconds: float) -> list[float]:
    """Durations in seconds."""
    durations: list[float] = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        act()
        durations.append(time.perf_counter() - start)
    return durations


def together(act: Callable[[], None], threads: int, seconds: float) -> float:
    """How often a second, all threads together."""
    with ThreadPoolExecutor(threads) as pool:
        done = sum(len(each) for each in pool.map(lambda _: measure(act, seconds), range(threads)))
    return done / seconds


def show(name: str, durations: list[float]) -> None:
    milliseconds = [each * 1000 for each in durations]
    middle, worst = statistics.median(milliseconds), statistics.quantiles(milliseconds, n=100)[98]
    rate = len(durations) / sum(durations)
    print(f"{name:<22} {rate:10.0f} a second   median {middle:7.3f} ms   99th {worst:7.3f} ms")


if __name__ == "__main__":
    sys.exit(main())
