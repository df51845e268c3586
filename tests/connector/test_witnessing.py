"""A connector as a witness: its key is its own, and what it cosigned is never taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hefu.errors import Conflict
from hefu.keeping import keys
from hefu.tlog.note import COSIGNATURE
from hefu_connector.membership.witnessing import MarksMemory, own_key
from hefu_connector.storage import Database
from hefu_connector.storage.marks import SqlMarks

from tests.protocol.test_tlog_witness import LOG_KEY, note


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.at(tmp_path / "connector.db", "demo")


def test_the_key_is_drawn_once_and_encrypted(tmp_path: Path) -> None:
    made = own_key(tmp_path, "grid-north", "demo", b"a passphrase")
    assert made.public == own_key(tmp_path, "grid-north", "demo", b"a passphrase").public
    assert (made.public.name, made.public.kind) == ("grid-north.demo/witness", COSIGNATURE)
    assert b"ENCRYPTED" in (tmp_path / "witness.key").read_bytes()
    assert keys.read_key(tmp_path / "witness.key", b"a passphrase")


def test_the_memory_changes_hands_only_from_what_stood_there_and_never_back(database: Database) -> None:
    one, other = MarksMemory(SqlMarks(database)), MarksMemory(SqlMarks(database))
    assert one.newest(LOG_KEY.name) is None
    assert one.replace(LOG_KEY.name, None, note(5))
    assert not other.replace(LOG_KEY.name, None, note(7))
    assert other.newest(LOG_KEY.name) == note(5)
    assert other.replace(LOG_KEY.name, note(5), note(7))
    assert not one.replace(LOG_KEY.name, note(7), note(5))
    assert MarksMemory(SqlMarks(database)).newest(LOG_KEY.name) == note(7)


def test_a_process_that_leads_no_more_remembers_nothing_new(database: Database) -> None:
    def fence(connection: object) -> None:
        raise Conflict("log.moved")

    memory = MarksMemory(SqlMarks(database, fence))
    assert not memory.replace(LOG_KEY.name, None, note(5))
    assert memory.newest(LOG_KEY.name) is None
