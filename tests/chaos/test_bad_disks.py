"""A full disk, and one on which nothing becomes durable, under real processes: what is not written is not released."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hefu.errors import HefuError
from hefu_space import harness
from hefu_space.harness import Process

from tests.chaos.conftest import Town
from tests.chaos.recording import Recording
from tests.journeys import acts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes fsync fail, from the source beside this file."""
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler to make fsync fail with")
    made = tmp_path_factory.mktemp("shim") / "eio.so"
    source = Path(__file__).with_name("eio.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl"], check=True)
    return made


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 megabytes: a write-ahead log grows to four before it is folded."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "none", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("file systems cannot be mounted here: run it as root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def some(record: Recording, number: int = 4) -> int:
    """How many of some requests came to their end now."""
    done = 0
    with suppress(HefuError), acts.caller(record.deal.consumer, record.deal.provider) as caller:
        for _ in range(number):
            done += record.ask(caller)
    return done


@pytest.mark.parametrize("victim", ["provider", "broker"])
def test_where_fsync_fails_nothing_is_released_and_afterwards_all_comes_right(
    healed: Town, shim: Path, tmp_path: Path, victim: str
) -> None:
    record, flag = healed.record(), tmp_path / "broken"
    process = healed.provider.process if victim == "provider" else healed.space.broker
    process.stop()
    process.start(LD_PRELOAD=str(shim), HEFU_EIO=str(flag))
    assert some(record, 2) == 2
    flag.touch()
    during = some(record)
    assert during == 0 or victim == "broker", "a release left that is not durable"
    flag.unlink()
    restart(process)
    record.settle()
    record.check(tmp_path)


def test_where_the_disk_is_full_nothing_is_released_and_afterwards_all_comes_right(
    healed: Town, small: Path, tmp_path: Path
) -> None:
    record, provider = healed.record(), healed.provider
    home = provider.folder
    provider.process.stop()
    moved = [each for each in home.glob("connector.db*") if each.is_file()]
    for each in moved:
        shutil.copy2(each, small / each.name)
        each.rename(each.with_name("kept-" + each.name))
        each.symlink_to(small / each.name)
    try:
        provider.process.start()
        assert some(record, 2) == 2
        filler = fill(small)
        refused = sum(some(record, 1) == 0 for _ in range(40))
        assert refused, "the disk was full and nothing noticed"
        filler.unlink()
        record.settle()
        record.check(tmp_path)
    finally:
        provider.process.stop()
        for each in home.glob("connector.db*"):
            each.unlink()
        for each in small.glob("connector.db*"):
            shutil.copy2(each, home / each.name)
        for each in home.glob("kept-*"):
            each.unlink()


def fill(folder: Path) -> Path:
    """Take all that is left of a file system."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\x00" * 4096)
    return path


def restart(process: Process) -> None:
    """As an operator does once the disk is replaced: whatever state it was left in, a plain start must do."""
    if process.alive:
        process.kill()
    process.start()
    assert harness.until(lambda: process.alive, 5)
    assert os.path.exists(f"/proc/{process.pid}")
