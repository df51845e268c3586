"""Every adapter of each port: a suite that takes one of these fixtures runs on all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu_connector.storage import Database, SqlJournal, SqlLedger

from tests.contracts.memory import MemoryJournal, MemoryLedger

ADAPTERS = ("memory", "sqlite", "sqlcipher")
KEY = bytes(range(32))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the newest schema, made once; copying it is cheaper than migrating again."""
    path = tmp_path_factory.mktemp("migrated") / "connector.db"
    Database.at(path).close()
    return path


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, encrypted."""
    path = tmp_path_factory.mktemp("sealed") / "connector.db"
    Database.at(path, KEY).close()
    return path


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    shutil.copy(migrated, tmp_path / "connector.db")
    found = Database.at(tmp_path / "connector.db")
    yield found
    found.close()


@pytest.fixture
def encrypted(tmp_path: Path, sealed: Path) -> Iterator[Database]:
    shutil.copy(sealed, tmp_path / "encrypted.db")
    found = Database.at(tmp_path / "encrypted.db", KEY)
    yield found
    found.close()


@pytest.fixture(params=ADAPTERS)
def ledger(request: pytest.FixtureRequest) -> MemoryLedger | SqlLedger:
    if request.param == "memory":
        return MemoryLedger()
    return SqlLedger(request.getfixturevalue("encrypted" if request.param == "sqlcipher" else "database"))


@pytest.fixture(params=ADAPTERS)
def journal(request: pytest.FixtureRequest) -> MemoryJournal | SqlJournal:
    if request.param == "memory":
        return MemoryJournal()
    return SqlJournal(request.getfixturevalue("encrypted" if request.param == "sqlcipher" else "database"))
