"""Every write of sequencer, witness and journal kills its process, fails or is torn: nothing witnessed is contradicted.

A few of them in `make test`; 500 kills and more in `make test-kills`, within some minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)
KILLS = 260 if os.environ.get("HEFU_DEEP") == "1" else 4  # of each
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that counts what writes a file, from the source beside this file."""
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler to count system calls with")
    made = tmp_path_factory.mktemp("shim") / "nth.so"
    source = Path(__file__).with_name("nth.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl"], check=True)
    return made


def play(shim: Path, folder: Path, name: str, kills: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos.killing", str(folder / "logs"), name, str(kills)],
        env={**os.environ, "LD_PRELOAD": str(shim)}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["sequencer", "journal"])
def test_whatever_write_a_process_dies_at_the_next_one_goes_on_and_contradicts_nothing(
    shim: Path, tmp_path: Path, name: str
) -> None:
    done = play(shim, tmp_path, name, KILLS)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["kills"] + counts["torn"] >= KILLS
    assert counts["failed"] > 0
    assert counts["writes"] > 20


@pytest.mark.slow
def test_a_broker_that_asked_its_witness_before_it_committed_would_be_caught(shim: Path, tmp_path: Path) -> None:
    done = play(shim, tmp_path, "hasty", 100)
    assert done.returncode != 0
    assert "NotCosigned" in done.stderr or "log." in done.stderr, done.stderr
