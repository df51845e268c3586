"""What encryption at rest costs the ledger: the same work on an open and on an encrypted store, turn and turn about.

Run: ``python benchmarks/at_rest.py [--seconds N]``. Both stores lie on the same disk, and each measurement takes
many short turns on either, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

from hefu_connector.storage import Database, SqlJournal, SqlLedger, SqlMarks
from ledger import measure, reserve, whole
from measure import Page

TURNS = 30


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each kind of work on each store")
    seconds = parser.parse_args().seconds / TURNS
    page = Page("at_rest", "What encryption at rest costs the ledger")
    with tempfile.TemporaryDirectory() as folder:
        stores = [Database.at(Path(folder) / f"{n}.db", "demo", key) for n, key in enumerate((None, os.urandom(32)))]
        rows = [_row(name, work, stores, seconds) for name, work in _works().items()]
        for each in stores:
            each.close()
    page.say(f"{TURNS} turns of {seconds:.2f} s on either store; SQLite and SQLCipher, WAL, synchronous=FULL.", "")
    page.table(("work", "open", "encrypted", "a second, open", "encrypted", "kept"), rows)
    page.write()


def _works() -> dict[str, Callable[[Database, str], object]]:
    return {
        "reserve, 2 accounts": lambda store, id_: reserve(SqlLedger(store), id_),
        "admit … close (4 commits)": lambda store, id_: whole(SqlLedger(store), SqlJournal(store), id_),
        "read a mark": lambda store, _: SqlMarks(store).find("a"),
    }


def _row(name: str, work: Callable[[Database, str], object], stores: list[Database], seconds: float) -> tuple[str, ...]:
    ids = count()
    found: list[list[float]] = [[] for _ in stores]
    for _ in range(TURNS):
        for store, durations in zip(stores, found, strict=True):
            durations.extend(measure(lambda store=store: work(store, f"cmp-{id(work)}-{next(ids)}"), seconds))
    middle = [statistics.median(each) * 1000 for each in found]
    rates = [len(each) / sum(each) for each in found]
    told = (*(f"p50 {each:.2f} ms" for each in middle), *(f"{each:.0f}" for each in rates))
    return (name, *told, f"{rates[1] / rates[0]:.0%}")


if __name__ == "__main__":
    main()
