"""An old copy of a connector's store is put back, by hand and past all commands: nothing is served from it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu.v1 import computation_pb2
from hefu_space import harness
from hefu_space.space import Node, Space

from tests.journeys import acts
from tests.journeys.acts import Deal

State = computation_pb2.Computation


@pytest.fixture
def stopped(deal: Deal, provider: Node, tmp_path: Path) -> Iterator[Path]:
    """The provider is down after a release; afterwards it runs, on its newest store if the test left it down."""
    assert acts.query(deal).computation.state == State.STATE_RELEASED
    provider.process.stop()
    yield tmp_path
    if not provider.process.alive:
        put(tmp_path / "newest", provider.folder)
        provider.process.start()


def copy(folder: Path, to: Path, *more: str) -> None:
    to.mkdir()
    for each in [*folder.glob("connector.db*"), *(folder / name for name in more)]:
        shutil.copy(each, to)


def put(back: Path, folder: Path) -> None:
    for each in folder.glob("connector.db*"):
        each.unlink()
    for each in back.iterdir():
        shutil.copy(each, folder)


def refused(node: Node) -> str:
    """What a connector says that does not start."""
    node.process.begin()
    assert node.process.wait(60) == 1
    return node.process.log.read_text()[-1500:]


@pytest.mark.timeout(400)  # seven starts
def test_an_old_store_is_refused_by_its_own_memory_and_by_the_brokers(
    space: Space, deal: Deal, provider: Node, stopped: Path
) -> None:
    copy(provider.folder, stopped / "old", "journal.high")
    provider.process.start()
    assert acts.query(deal).computation.state == State.STATE_RELEASED
    assert harness.until(lambda: not acts.unsent(provider), 30)
    provider.process.stop()
    copy(provider.folder, stopped / "newest", "journal.high")
    # The store alone: the file beside it knows better, though the broker is away.
    put(stopped / "old", provider.folder)
    shutil.copy(stopped / "newest" / "journal.high", provider.folder)
    space.broker.stop()
    try:
        assert "old copy" in refused(provider)
    finally:
        space.broker.start()
    # Everything: the broker's log knows better.
    put(stopped / "old", provider.folder)
    assert "old copy" in refused(provider)
    # Everything, and the broker is away at the start: it serves inside its contracts' windows, until it hears of it.
    space.broker.stop()
    try:
        provider.process.start()
    finally:
        space.broker.start()
    assert provider.process.wait(60) == 1
    assert "old copy" in provider.process.log.read_text()[-1500:]
    # The newest store is served, and nothing is lost.
    put(stopped / "newest", provider.folder)
    provider.process.start()
    assert acts.charged(deal) == (200_000_000, 2)
    assert acts.query(deal).computation.state == State.STATE_RELEASED
