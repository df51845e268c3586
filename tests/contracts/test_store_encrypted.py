"""A store under a key: unreadable without it, and a plain one of an earlier version taken over whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hefu.errors import Conflict, Unavailable
from hefu.keeping import sqlcipher
from hefu_connector.ports import ComputationState
from hefu_connector.storage import Database, SqlJournal, SqlLedger

from tests.contracts.conftest import KEY
from tests.contracts.stories import NOW, account, charge, entry, run

WORDS = (b"cmp-1", b"asset/res-a", b"SQLite format", b"CREATE TABLE", b"sealed part")


def fill(database: Database) -> None:
    SqlLedger(database).reserve("cmp-1", [account("asset/res-a")], charge())
    journal = SqlJournal(database)
    journal.admit(run("cmp-1"))
    journal.start("cmp-1", charge(), NOW)
    journal.close("cmp-1", ComputationState.RELEASED, entry("cmp-1"), [b"sealed part"], NOW)


def readable(folder: Path) -> list[bytes]:
    whole = b"".join(each.read_bytes() for each in folder.iterdir() if each.is_file())
    return [word for word in WORDS if word in whole]


def test_nothing_of_a_store_can_be_read_without_its_key(tmp_path: Path) -> None:
    for name, key in (("plain", None), ("sealed", KEY)):
        (tmp_path / name).mkdir()
        database = Database.at(tmp_path / name / "connector.db", "demo", key)
        fill(database)
        assert {each.suffix for each in (tmp_path / name).iterdir()} == {".db", ".db-wal", ".db-shm"}
        found = readable(tmp_path / name)  # while its log is full
        database.close()
        assert (found, readable(tmp_path / name)) == (([], []) if key else (list(WORDS), list(WORDS)))


def test_another_key_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "connector.db"
    Database.at(path, "demo", KEY).close()
    before = path.read_bytes()
    with pytest.raises(Conflict, match="another store key"):
        Database.at(path, "demo", KEY[::-1])
    with pytest.raises(Unavailable):
        Database.at(path, "demo")
    assert path.read_bytes() == before


def test_an_altered_page_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "connector.db"
    database = Database.at(path, "demo", KEY)
    fill(database)
    database.close()
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 + 100] ^= 1
    path.write_bytes(data)
    with pytest.raises((Unavailable, Conflict)):
        SqlLedger(Database.at(path, "demo", KEY)).balances()


@pytest.mark.parametrize("killed", [False, True])
def test_a_plain_store_is_taken_over_with_what_its_log_still_held(tmp_path: Path, killed: bool) -> None:
    path = tmp_path / "connector.db"
    database = Database.at(path, "demo")
    fill(database)
    if killed:  # the log is left behind, as after a power cut; its own process holds the file no more
        for end in ("", "-wal", "-shm"):
            (tmp_path / f"copy.db{end}").write_bytes((tmp_path / f"connector.db{end}").read_bytes())
    database.close()
    if killed:
        for end in ("", "-wal", "-shm"):
            (tmp_path / f"connector.db{end}").unlink(missing_ok=True)
            os.replace(tmp_path / f"copy.db{end}", tmp_path / f"connector.db{end}")
    with path.open("rb") as watched:
        opened = Database.at(path, "demo", KEY)
        assert SqlLedger(opened).charged("cmp-1") == charge()
        assert SqlJournal(opened).part("cmp-1", 0) == b"sealed part"
        opened.close()
        assert b"asset/res-a" not in watched.read()  # the old file itself was overwritten
    assert readable(tmp_path) == []
    assert {each.name for each in tmp_path.iterdir()} == {"connector.db"}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("call", ["link", "replace"])
def test_a_take_over_that_is_cut_off_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "connector.db"
    database = Database.at(path, "demo")
    fill(database)
    database.close()
    real = getattr(os, call)

    def cut(*places: Path) -> None:
        if call == "replace":
            real(*places)
        raise KeyboardInterrupt

    monkeypatch.setattr(sqlcipher.os, call, cut)
    with pytest.raises(KeyboardInterrupt):
        Database.at(path, "demo", KEY)
    monkeypatch.undo()
    opened = Database.at(path, "demo", KEY)
    assert SqlLedger(opened).charged("cmp-1") == charge()
    opened.close()
    assert readable(tmp_path) == []
    assert {each.name for each in tmp_path.iterdir()} == {"connector.db"}


def test_a_store_that_another_process_holds_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "connector.db"
    Database.at(path, "demo").close()
    hold = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM accounts').close()"
    hold += "; print('held', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", hold, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(Unavailable, match="another process"):
            Database.at(path, "demo", KEY)
    assert path.read_bytes()[:6] == b"SQLite"
    Database.at(path, "demo", KEY).close()
