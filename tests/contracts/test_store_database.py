"""The database itself: durable, private, migrated, and nothing half written when the disk is full."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from hefu.errors import Conflict, NotFound, Unavailable
from hefu_connector.ports import ComputationState
from hefu_connector.storage import Database, SqlJournal, SqlLedger
from hefu_connector.storage.database import VERSION_TABLE, configuration, lock
from hefu_connector.storage.models import ACCOUNTS, CHARGES, METADATA, PARTS
from hefu_policies.budget import NOTHING
from hefu_space.harness import until
from sqlalchemy import event, func, select
from sqlalchemy.exc import IntegrityError

from tests.contracts.stories import NOW, account, charge, entry, run
from tests.postgresql import PostgreSQL


@pytest.fixture
def database(sqlite_url: str, opened: Callable[..., Database]) -> Database:
    """What is SQLite's own; the suites of the ports run on every kind of store."""
    return opened(sqlite_url)


def limit_pages(database: Database, pages: int) -> None:
    """A disk with room for so many pages of this file; the limit belongs to a connection, so begin new ones."""
    database.engine.dispose()
    event.listen(
        database.engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count={pages}").close()
    )


def pages(path: Path) -> int:
    connection = sqlite3.connect(path)
    found = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    return int(found)


def test_a_commit_is_synced_before_it_returns(database: Database) -> None:
    with database.reading() as connection:
        found = {
            pragma: connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    database = Database.at(tmp_path / "connector.db", "demo")
    SqlLedger(database).reserve("cmp-1", [account("asset/res-a")], charge())
    files = list(tmp_path.iterdir())
    assert {each.suffix for each in files} == {".db", ".db-wal", ".db-shm"}
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    database.close()


def test_the_migrations_make_exactly_the_tables_of_the_models(database: Database) -> None:
    with database.reading() as connection:
        command.check(configuration(connection))


def test_opening_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    SqlLedger(database).reserve("cmp-1", [account("asset/res-a")], charge())
    again = Database.at(tmp_path / "connector.db", "demo")
    assert SqlLedger(again).charged("cmp-1") == charge()
    again.close()


def test_a_database_of_a_newer_schema_is_refused(database: Database, tmp_path: Path) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = 'connector_9999'")
    with pytest.raises(Conflict, match=r"newer version of hefu \(schema connector_9999\)"):
        Database.at(tmp_path / "connector.db", "demo")


def test_somebody_elses_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE patients (name TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(Conflict, match="not made by a hefu connector"):
        Database.at(path, "demo")
    assert sqlite3.connect(path).execute("SELECT name FROM sqlite_master").fetchall() == [("patients",)]
    assert len(path.read_bytes()) == len(before)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("these are notes, not a database " * 100)
    with pytest.raises(Unavailable, match="cannot be read"):
        Database.at(path, "demo")
    with pytest.raises(Unavailable):
        Database.at(tmp_path / "absent" / "connector.db", "demo")


def test_a_migration_that_runs_out_of_disk_leaves_an_empty_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "connector.db"
    monkeypatch.setattr(
        "hefu_connector.storage.database._PRAGMAS", ("journal_mode=WAL", "synchronous=FULL", "max_page_count=12")
    )
    with pytest.raises(Unavailable, match="disk is full"):
        Database.at(path, "demo")
    monkeypatch.undo()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    Database.at(path, "demo").close()


def test_a_full_disk_leaves_no_charge_half_written(database: Database, tmp_path: Path) -> None:
    ledger = SqlLedger(database)
    wide = [account("asset/res-a", 10**9, 0, 10**9), account("agreement/agr-a", 10**9, 0, 10**9)]
    ledger.reserve("cmp-0", wide, charge())
    limit_pages(database, pages(tmp_path / "connector.db") + 2)
    done = 0
    with pytest.raises(Unavailable, match="disk is full"):  # noqa: PT012
        for done in range(5000):
            ledger.reserve(f"cmp-with-a-rather-long-name-{done}", wide, charge())
    assert 0 < done < 4999
    assert ledger.charged(f"cmp-with-a-rather-long-name-{done}") is None
    for each in wide:
        assert ledger.balance(each).charged == charge(done + 1, 0, done + 1)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(CHARGES)).scalar() == 2 * (done + 1)
        assert connection.execute(select(func.count()).select_from(ACCOUNTS)).scalar() == 2


def test_a_full_disk_leaves_no_end_half_written(database: Database, tmp_path: Path) -> None:
    journal = SqlJournal(database)
    journal.admit(run("cmp-1"))
    journal.start("cmp-1", charge(), NOW)
    before = journal.find("cmp-1")
    room = pages(tmp_path / "connector.db")
    limit_pages(database, room + 8)
    # The first part fits, the second does not: had anything been written, it would be the receipt and the first part.
    parts = [b"x" * 8_000, b"y" * 400_000]
    with pytest.raises(Unavailable, match="disk is full"):
        journal.close("cmp-1", ComputationState.RELEASED, entry("cmp-1"), parts, NOW)
    assert journal.find("cmp-1") == before
    assert (journal.head(), list(journal.outbox(9))) == ((0, ""), [])
    with pytest.raises(NotFound):
        journal.part("cmp-1", 0)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(PARTS)).scalar() == 0
    limit_pages(database, room + 1000)
    ended = journal.close("cmp-1", ComputationState.RELEASED, entry("cmp-1"), parts, NOW)
    assert (ended.parts, journal.part("cmp-1", 1)) == (2, parts[1])


def test_a_reader_never_waits_for_a_writer_and_sees_whole_transactions_only(database: Database) -> None:
    ledger, asset = SqlLedger(database), account("asset/res-a")
    ledger.reserve("cmp-1", [asset], charge())
    with database.writing() as connection:
        connection.execute(ACCOUNTS.update().values(charged_releases=9))
        assert ledger.balance(asset).charged == charge()
    assert ledger.balance(asset).charged == charge(1, 0, 9)


def test_a_transaction_that_fails_leaves_nothing_and_frees_the_lock(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        connection.execute(ACCOUNTS.update().values(charged_releases=1 // 0))
    SqlLedger(database).reserve("cmp-1", [account("asset/res-a")], charge())
    assert SqlLedger(database).balance(account("asset/res-a")).charged != NOTHING


def test_a_place_in_the_chain_cannot_be_taken_twice(database: Database) -> None:
    """The constraints hold even against our own code."""
    journal = METADATA.tables["journal"]
    rows = [
        {"sequence": 0, "digest": "sha256:a", "previous": "", "space": "demo", "envelope": b"a"},
        {"sequence": 0, "digest": "sha256:b", "previous": "sha256:a", "space": "demo", "envelope": b"b"},
        {"sequence": 1, "digest": "sha256:c", "previous": "", "space": "demo", "envelope": b"c"},
        {"sequence": 1, "digest": "sha256:a", "previous": "sha256:a", "space": "demo", "envelope": b"a"},
    ]
    with database.writing() as connection:
        connection.execute(journal.insert().values(rows[0]))
    for row in rows[1:]:
        with pytest.raises(IntegrityError), database.writing() as connection:
            connection.execute(journal.insert().values(row))


def test_what_was_waited_for_is_seen_whatever_isolation_the_server_has_by_default(
    postgresql: PostgreSQL, postgresql_url: str
) -> None:
    """Else who waited for the lock of a chain would judge by what stood there before, and end as a defect."""
    postgresql.alter(postgresql_url, "SET default_transaction_isolation = 'repeatable read'")
    database = Database(postgresql_url, "demo")
    journal, waits = SqlJournal(database), threading.Barrier(2)
    for each in ("cmp-1", "cmp-2"):
        journal.admit(run(each))

    def end(name: str) -> None:
        waits.wait()
        journal.close(name, ComputationState.REFUSED, entry(name), (), NOW)

    with ThreadPoolExecutor(2) as pool:
        with database.writing() as holding:
            lock(holding, "journal/demo")
            ends = [pool.submit(end, each) for each in ("cmp-1", "cmp-2")]
            assert until(lambda: _waiting(database) == 2, 10)
        for each in ends:
            each.result()
    assert journal.head()[0] == 2
    database.close()


def _waiting(database: Database) -> int:
    with database.reading() as connection:
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        return int(connection.exec_driver_sql(query).scalar_one())
