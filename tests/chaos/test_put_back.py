"""A database file that was copied by hand and put back later: forgetting is noticed, and nobody is served."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hefu_space import harness

from tests.chaos.conftest import Town
from tests.journeys import acts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def _copy(folder: Path, pattern: str, to: Path) -> None:
    to.mkdir(exist_ok=True)
    for each in folder.glob(pattern):
        shutil.copy2(each, to / each.name)


def _put_back(folder: Path, pattern: str, kept: Path) -> None:
    for each in folder.glob(pattern):
        each.unlink()
    for each in kept.glob(pattern):
        shutil.copy2(each, folder / each.name)


def test_an_old_store_of_a_connector_is_refused(healed: Town, tmp_path: Path) -> None:
    process, folder = healed.provider.process, healed.provider.folder
    record = healed.record()
    with acts.caller(healed.consumer, healed.provider) as caller:
        assert record.ask(caller)
    process.stop()
    _copy(folder, "connector.db*", tmp_path / "old")
    process.start()
    with acts.caller(healed.consumer, healed.provider) as caller:
        acts.patiently(lambda: record.ask(caller) or None, "peer.unreachable")
    record.settle()
    process.stop()
    _copy(folder, "connector.db*", tmp_path / "new")
    _put_back(folder, "connector.db*", tmp_path / "old")
    answer = harness.run(("connector", "serve", "--dir", str(folder)), process.environment)
    assert answer.error["error"] == "journal.behind"
    _put_back(folder, "connector.db*", tmp_path / "new")
    process.start()
    record.check(tmp_path)


def test_an_old_database_of_the_broker_is_refused(healed: Town, tmp_path: Path) -> None:
    broker, folder = healed.space.broker, healed.space.broker_folder
    healed.space.operator.close()
    broker.stop()
    _copy(folder, "broker.db*", tmp_path / "old")
    broker.start()
    record = healed.record()
    with acts.caller(healed.consumer, healed.provider) as caller:
        assert record.ask(caller)
    record.settle()
    broker.stop()
    _copy(folder, "broker.db*", tmp_path / "new")
    _put_back(folder, "broker.db*", tmp_path / "old")
    answer = harness.run(("broker", "serve", "--dir", str(folder)), broker.environment)
    assert answer.error["error"] == "log.behind"
    _put_back(folder, "broker.db*", tmp_path / "new")
    broker.start()
    record.check(tmp_path)
