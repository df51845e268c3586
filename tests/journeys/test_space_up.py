"""`hefu space`: an outside harness gets a space, its process ids and its clock, and can end it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hefu_space import harness
from hefu_space.space import Node
from hefu_space.standing import start_time


@pytest.mark.timeout(170)
@pytest.mark.slow
@pytest.mark.deep
def test_a_space_is_started_killed_restarted_with_a_fault_and_ended(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    words = ("--dir", str(folder))
    try:
        found = harness.must(("space", "up", "--connectors", "2", *words))
        pids = [found["broker"]["pid"], *(each["pid"] for each in found["connectors"])]
        assert all(start_time(pid) for pid in pids)
        assert {each["participant"] for each in found["connectors"]} == {"member-1", "member-2"}
        member = found["connectors"][0]
        told = harness.must(("connector", "status", "--dir", member["dir"]))
        assert told["participant"] == member["participant"]
        os.kill(member["pid"], signal.SIGKILL)
        assert harness.until(lambda: not start_time(member["pid"]), 10)
        assert not harness.must(("space", "status", *words))["connectors"][0]["alive"]
        again = harness.must(("space", "up", *words, "--fault", "member-1=broker.call:2000:kill"))
        assert again["connectors"][0]["pid"] != member["pid"]
        assert again["connectors"][1]["pid"] == found["connectors"][1]["pid"]
        harness.must(("space", "clock", "40", *words))
        listed = harness.must(("connector", "status", "--dir", member["dir"]))
        assert listed["status_list_of"]
    finally:
        ended = harness.must(("space", "down", *words))["ended"]
    assert set(ended) == {"broker", "member-1", "member-2"}
    assert harness.must(("space", "down", *words))["ended"] == []


def test_a_server_that_is_no_test_does_not_start_with_a_fault(provider: Node) -> None:
    settings = provider.folder / "connector.json"
    kept = settings.read_text()
    settings.write_text(kept.replace('"test": true', '"test": false'))
    try:
        answer = harness.run(
            ("connector", "serve", "--dir", str(provider.folder)),
            {"HEFU_FAULT": "ledger.reserved:1:kill", "HEFU_TEST": "1"},
        )
    finally:
        settings.write_text(kept)
    assert answer.error["error"] == "fault.in_production"


def test_the_points_are_listed_in_both_languages() -> None:
    points = harness.must(("space", "faults"))["points"]
    assert {"ledger.reserved", "log.signed", "call.taken"} <= {each["name"] for each in points}
    assert all(each["en"] and each["zh"] and "kill" in each["kinds"] for each in points)
