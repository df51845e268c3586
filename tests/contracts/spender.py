"""A process of its own for the tests: waits for a line on stdin, then spends as many threads as it is told.

Usage: spender.py race DATABASE NAME THREADS LIMIT    prints how many reservations succeeded
       spender.py loop DATABASE NAME THREADS          reserves and releases for ever, printing each id once it is closed
"""

from __future__ import annotations

import itertools
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hefu.errors import BudgetExceeded
from hefu.running import faults
from hefu_connector.ports import ComputationState
from hefu_connector.storage import Database, SqlJournal, SqlLedger

from tests.contracts.stories import NOW, account, charge, entry, run

WIDE = (account("asset/res-a", 10**9, 0, 10**9), account("agreement/agr-a", 10**9, 0, 10**9))
PARTS = (b"sealed one" * 500, b"sealed two" * 500)


def race(database: Database, name: str, threads: int, limit: int) -> None:
    accounts = [account("asset/res-a", 10**6, 0, 10**6), account("agreement/agr-a", limit * 3, 0, 10**6)]
    ledger = SqlLedger(database)

    def spend(number: int) -> bool:
        try:
            ledger.reserve(f"cmp-{name}-{number}", accounts, charge(3))
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(threads) as pool:
        print(sum(pool.map(spend, range(threads))), flush=True)


def loop(database: Database, name: str, threads: int) -> None:
    ledger, journal = SqlLedger(database), SqlJournal(database)

    def spend(thread: int) -> None:
        for number in itertools.count():
            release(ledger, journal, f"cmp-{name}-{thread}-{number}")
            # One write a line: print writes the line's end apart, and another thread's line comes between.
            os.write(1, f"cmp-{name}-{thread}-{number}\n".encode())

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(spend, range(threads)))


def release(ledger: SqlLedger, journal: SqlJournal, id_: str) -> None:
    """One computation from its admission to its release, as the enforcement point keeps it."""
    journal.admit(run(id_))
    ledger.reserve(id_, WIDE, charge(2))
    journal.start(id_, charge(2), NOW)
    journal.close(id_, ComputationState.RELEASED, entry(id_), PARTS, NOW)


if __name__ == "__main__":
    kind, path, name, threads, *rest = sys.argv[1:]
    faults.arm(test=True)
    opened = Database.at(Path(path), "demo")
    print("ready", flush=True)
    sys.stdin.readline()
    if kind == "race":
        race(opened, name, int(threads), int(rest[0]))
    else:
        loop(opened, name, int(threads))
