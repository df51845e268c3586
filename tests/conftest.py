"""What every folder of tests may use."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hefu_broker.storage import database as broker_database
from hefu_connector.storage import database as connector_database

from tests import division
from tests.deep import DEEP
from tests.policies.counts import COUNTS
from tests.postgresql import PostgreSQL
from tests.schemas import remembered

for each in (broker_database, connector_database):
    each._upgrade = remembered(each._upgrade)

# Each command of a journey is a process: where compiled files are forbidden, each would compile all it imports anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first. Many examples take an hour at most; a few take no longer than any other test."""
    items.sort(key=lambda item: division.turn(item.nodeid.partition("::")[0]))
    for each in items:
        if DEEP and each.get_closest_marker("deep") and not each.get_closest_marker("timeout"):
            each.add_marker(pytest.mark.timeout(3600))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out files, but those that share a space together."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Divided(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return division.unit(super()._split_scope(nodeid))

    return Divided(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a process counted to the one that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["counts"] = dict(COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what one of several processes counted."""
    COUNTS.update({suite: tuple(found) for suite, found in getattr(node, "workeroutput", {}).get("counts", {}).items()})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases of each public suite came out as published."""
    for suite, (right, of) in sorted(COUNTS.items()):
        terminalreporter.write_line(f"{suite}: {right} of {of} as published")


@pytest.fixture(scope="session", autouse=True)
def secrets_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Secrets that nobody named are drawn in a folder of the run, not in somebody's home."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A real PostgreSQL, started when the first test asks for it."""
    # Not in the folder of pytest: a server does not run as root, and each pytest that starts shuts that to others.
    folder = Path(tempfile.mkdtemp(prefix="hefu-postgresql-"))
    server = PostgreSQL(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)
