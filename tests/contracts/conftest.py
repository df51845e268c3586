"""Every adapter of each port: a suite that takes one of these fixtures runs on all of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hefu_connector.storage import Database, SqlJournal, SqlLedger
from hefu_space.simulator.accounts import MemoryJournal, MemoryLedger

from tests.postgresql import PostgreSQL

STORES = ("sqlite", "postgresql", "sealed")
ADAPTERS = ("memory", "sqlcipher", *STORES)
KEY = bytes(range(32))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the newest schema, made once; copying it is cheaper than migrating again."""
    path = tmp_path_factory.mktemp("migrated") / "connector.db"
    Database.at(path, "demo").close()
    return path


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, encrypted."""
    path = tmp_path_factory.mktemp("sealed") / "connector.db"
    Database.at(path, "demo", KEY).close()
    return path


@pytest.fixture(scope="session")
def prepared(postgresql: PostgreSQL) -> str:
    """An empty PostgreSQL database of the newest schema."""
    url = postgresql.database()
    Database(url, "demo").close()
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated: Path) -> str:
    shutil.copy(migrated, tmp_path / "connector.db")
    return f"sqlite:///{tmp_path}/connector.db"


@pytest.fixture
def sqlcipher_url(tmp_path: Path, sealed: Path) -> str:
    shutil.copy(sealed, tmp_path / "encrypted.db")
    return f"sqlite:///{tmp_path}/encrypted.db"


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL, prepared: str) -> Iterator[str]:
    url = postgresql.lend(prepared)
    yield url
    postgresql.take_back(url, prepared)


@pytest.fixture
def sealed_url(postgresql_url: str) -> str:
    """PostgreSQL under a key: every column that says something is sealed."""
    return f"{postgresql_url}&application_name=sealed"


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    """Where an empty store is; every kind of it."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def opened() -> Iterator[Callable[..., Database]]:
    """Opens a store as a space sees it, and closes it after the test."""
    found: list[Database] = []

    def open_one(url: str, space: str = "demo") -> Database:
        keyed = url.endswith("/encrypted.db") or "application_name=sealed" in url
        found.append(Database(url, space, KEY if keyed else None))
        return found[-1]

    yield open_one
    for each in found:
        each.close()


@pytest.fixture
def database(url: str, opened: Callable[..., Database]) -> Database:
    return opened(url)


@pytest.fixture(params=ADAPTERS)
def store(request: pytest.FixtureRequest, opened: Callable[..., Database]) -> Database | None:
    """A store of every kind; None is memory."""
    return None if request.param == "memory" else opened(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def ledger(store: Database | None) -> MemoryLedger | SqlLedger:
    return MemoryLedger() if store is None else SqlLedger(store)


@pytest.fixture
def journal(store: Database | None) -> MemoryJournal | SqlJournal:
    return MemoryJournal() if store is None else SqlJournal(store)
