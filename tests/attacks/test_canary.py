"""Promise T-f, and the first sentence of all: what is in the data is found nowhere else, whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def told() -> Any:
    if os.geteuid() != 0:
        pytest.skip("CANARY NOT LOOKED FOR: it needs root for a network and folders of its own")
    words = [sys.executable, "-m", "tests.attacks.canary"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=600, check=False)
    if b"Impossible" in done.stderr:
        pytest.skip(f"CANARY NOT LOOKED FOR: {done.stderr.decode().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_the_story_had_its_good_and_bad_days(told: Any) -> None:
    events = told["events"]
    assert events["answered"] == [2, 2, 2]
    assert events["refused"] == [False, False]
    assert (events["worker aborted"], events["connector aborted"]) == (True, True)
    assert events["again"] == 2
    assert 7 not in events["broken"]


def test_the_detectors_detect(told: Any) -> None:
    assert told["control"] == ["file", "packet", "process"]
    # Otherwise this kernel hands dumps to a program, and whether one was made is not seen here.
    assert told["dumps"] is (told["pattern"] == "core")
    assert told["looked"]["packets"] > 500
    assert told["looked"]["files"] > 20
    assert told["looked"]["processes"] > 20


def test_t_f_data_is_found_in_no_file_packet_or_process_outside_its_source(told: Any) -> None:
    assert told["found"] == []


def test_t_f_a_copied_disk_yields_no_request_receipt_budget_or_answer(told: Any) -> None:
    copy = told["copy"]
    assert copy["databases"] == 3
    assert copy["readable"] == []
    assert copy["keys in the clear"] == []
    assert copy["started"] == [False, False]
