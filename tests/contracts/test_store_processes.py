"""Several processes on one database, and processes that die at the worst instant (promise: A-b, Q-a)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hefu_connector.ports import ComputationState
from hefu_connector.storage import Database, SqlJournal, SqlLedger
from hefu_connector.storage.models import CHARGES, COMPUTATIONS, PARTS
from hefu_policies.budget import NOTHING
from sqlalchemy import select

from tests.contracts.spender import release
from tests.contracts.stories import account, assert_whole, charge

SPENDER = Path(__file__).with_name("spender.py")


def spender(kind: str, path: Path, *words: str, fault: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "HEFU_TEST": "1", "HEFU_FAULT": fault} if fault else None
    return subprocess.Popen(
        [sys.executable, str(SPENDER), kind, str(path), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str]) -> list[str]:
    rest, _ = process.communicate(timeout=60)
    return rest.split()


def test_four_processes_together_spend_the_budget_exactly(tmp_path: Path) -> None:
    path, budget = tmp_path / "connector.db", 41
    processes = [spender("race", path, name, "16", str(budget)) for name in "abcd"]
    assert [line(each) for each in processes] == ["ready"] * 4
    for each in processes:
        begin(each)
    succeeded = [int(finish(each)[0]) for each in processes]
    assert [each.returncode for each in processes] == [0] * 4
    assert sum(succeeded) == budget
    database = Database.at(path, "demo")
    agreement = account("agreement/agr-a", budget * 3, 0, 10**6)
    assert SqlLedger(database).balance(agreement).charged == charge(3 * budget, 0, budget)
    assert SqlLedger(database).balance(account("asset/res-a")).charged == charge(3 * budget, 0, budget)
    database.close()


@pytest.mark.parametrize(
    ("fault", "lines"),
    [
        ("ledger.before_commit:7:kill", 0),
        ("journal.before_commit:7:kill", 0),
        ("journal.closed:7:kill", 0),
        ("", 3),
        ("", 40),
    ],
)
def test_a_process_killed_at_any_instant_leaves_charged_at_least_what_was_released(
    tmp_path: Path, fault: str, lines: int
) -> None:
    path = tmp_path / "connector.db"
    process = spender("loop", path, "a", "3", fault=fault)
    assert line(process) == "ready"
    begin(process)
    told = [line(process) for _ in range(lines)]
    if not fault:
        process.kill()
    told += [each for each in finish(process) if each.count("-") == 3]
    assert process.returncode == -signal.SIGKILL
    assert told
    database = Database.at(path, "demo")
    assert_consistent(database, told)
    # Life goes on: the store takes the next computation, and the chain goes on where it was.
    release(SqlLedger(database), SqlJournal(database), "cmp-after-0-0")
    assert_consistent(database, [*told, "cmp-after-0-0"])
    database.close()


def assert_consistent(database: Database, told: list[str]) -> None:
    ledger, journal = SqlLedger(database), SqlJournal(database)
    runs = {each.id: each for each in journal.runs(10**6)}
    released = {id_: each for id_, each in runs.items() if each.state is ComputationState.RELEASED}
    assert set(told) <= set(released), "what was told to be closed is closed"
    for id_, each in released.items():
        assert each.receipt is not None
        assert each.parts == 2
        assert ledger.charged(id_) == each.charge == charge(2)
        assert [len(journal.part(id_, index)) for index in range(2)] == [5000, 5000]
    with database.reading() as connection:
        charged = connection.execute(select(CHARGES.c.computation, CHARGES.c.account)).all()
        with_parts = set(connection.execute(select(PARTS.c.computation)).scalars())
        with_entry = set(
            connection.execute(select(COMPUTATIONS.c.id).where(COMPUTATIONS.c.entry.isnot(None))).scalars()
        )
    assert with_parts == with_entry == set(released), "no part without a receipt"
    for name in ("asset/res-a", "agreement/agr-a"):
        total = sum((charge(2) for _, each in charged if each == name), NOTHING)
        balance = ledger.balance(account(name)).charged
        assert balance == total
        assert balance.releases >= len(released)
    assert_whole(list(journal.outbox(10**6)), journal.head())
    assert journal.head()[0] == len(released)
