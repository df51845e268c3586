"""Two hosts with addresses of their own and no shared disk; the providers' host lets no connection in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_SECONDS = 600.0


def _why_not() -> str:
    if os.geteuid() != 0:
        return "two hosts on one machine need root: network namespaces, and a filter on a device"
    missing = [each for each in ("ip", "tc", "unshare", "nsenter") if shutil.which(each) is None]
    if missing:
        return f"two hosts on one machine need {', '.join(missing)} (packages iproute2, util-linux)"
    tried = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)
    return "this machine gives no namespaces" if tried.returncode else ""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if why := _why_not():
        pytest.skip(f"NOT TESTED: {why}")
    folder, root = tmp_path_factory.mktemp("hosts"), Path(__file__).parents[2]
    words = ["unshare", "--net", sys.executable, "-m", "tests.journeys.two_hosts", str(folder)]
    with (folder / "told.log").open("wb") as log:
        done = subprocess.run(words, cwd=root, stdout=log, stderr=subprocess.STDOUT, timeout=_SECONDS, check=False)
    assert done.returncode == 0, (folder / "told.log").read_text("utf-8")[-4000:]
    found: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    return found


pytestmark = [pytest.mark.slow, pytest.mark.timeout(_SECONDS)]


def test_the_demos_story_holds_with_providers_that_nobody_can_dial(report: dict[str, Any]) -> None:
    assert report["broken"] == []
    assert report["lets_in"] is False, "the firewall must be one"
    assert report["endpoints"] == ["None"] * 3
    assert report["through_relay"] >= 4, "a tunnel of each provider, and the newcomer's, crossed the cable"


def test_the_two_hosts_share_no_disk(report: dict[str, Any]) -> None:
    assert (report["far_sees_near"], report["near_sees_far"]) == ("0", 0)


def test_a_newcomer_has_its_first_release_after_six_commands_at_most(report: dict[str, Any]) -> None:
    assert report["state"] == "released"
    assert len(report["typed"]) <= 6, report["typed"]
    assert report["seconds"] < 600


def test_the_cable_carries_nothing_that_can_be_read(report: dict[str, Any]) -> None:
    assert report["bytes"] > 100_000, "the capture heard the story"
    assert report["leaked"] == []
