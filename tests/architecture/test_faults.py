"""Fault points: each stands in the list and in the code, at every durable write, and nowhere in production."""

from __future__ import annotations

import ast
import errno
from pathlib import Path

import pytest
from hefu import times
from hefu.errors import Malformed, Unavailable
from hefu.running import faults
from hefu.times import SystemClock

from tests.architecture.conftest import Room

TOWERS = ("broker/hefu_broker/", "connector/hefu_connector/", "proto/hefu/")
# Rooms of the servers where a file is written, and why it has no point of its own.
WITHOUT = {
    "proto/hefu/running/backup.py": "a command",
    "proto/hefu/membership/invitation.py": "a command",
    "proto/hefu/keeping/secret.py": "a command",
    "proto/hefu/keeping/vault.py": "a command, or the first start under a secret, which tests/protocol cuts off",
    "proto/hefu/keeping/sqlcipher.py": "the first start under a secret: tests/contracts/test_store_encrypted.py",
    "proto/hefu/space.py": "written when a space is founded, or a port was drawn",
    "proto/hefu/evidence/bundle.py": "a regulator's command",
    "proto/hefu/checking/tiled.py": "a command",
    "proto/hefu/keeping/keys.py": "keys are made by commands; a certificate's place is in renewal",
    "broker/hefu_broker/settings.py": "written when a space is founded, or a port was drawn",
    "broker/hefu_broker/founding.py": "a command",
    "broker/hefu_broker/commands/broker.py": "a command",
    "broker/hefu_broker/commands/charter.py": "a command",
    "connector/hefu_connector/settings.py": "a command",
    "connector/hefu_connector/commands/compute.py": "a command",
    "connector/hefu_connector/setup.py": "a command",
    "connector/hefu_connector/membership/enrolling.py": "a command",
    "connector/hefu_connector/replica.py": "a command",
    "connector/hefu_connector/computing/bench.py": "a file in memory, gone with its worker",
    "connector/hefu_connector/sources/sealed.py": "a file counts once the store names it; the store has its own points",
}
_WRITES = {"write_text", "write_bytes", "write_private", "fsync"}


def _placed(rooms: tuple[Room, ...]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for room in rooms:
        for call in room.calls():
            if isinstance(call.func, ast.Attribute) and call.func.attr == "point" and call.args:
                name = call.args[0]
                if room.path.startswith(TOWERS) and isinstance(name, ast.Constant):
                    found.setdefault(str(name.value), set()).add(room.path)
    return found


def test_every_point_is_placed_and_every_placed_point_is_listed(rooms: tuple[Room, ...]) -> None:
    assert set(_placed(rooms)) == set(faults.NAMES)
    assert len(set(faults.NAMES)) == len(faults.NAMES)


def test_every_point_stands_in_the_tower_that_the_list_says(rooms: tuple[Room, ...]) -> None:
    placed = _placed(rooms)
    tower = {"connector": "connector/", "broker": "broker/", "both": "proto/"}
    assert [
        each.name for each in faults.POINTS if not all(p.startswith(tower[each.where]) for p in placed[each.name])
    ] == []


def test_every_room_of_a_server_that_writes_a_file_has_a_point(rooms: tuple[Room, ...]) -> None:
    pointed = set().union(*_placed(rooms).values())
    writing = {
        room.path
        for room in rooms
        if room.path.startswith(TOWERS)
        and any(
            isinstance(c.func, ast.Attribute | ast.Name) and _name(c) in _WRITES and _on_files(c) for c in room.calls()
        )
    }
    # A new durable write gets a `faults.point` and a line in `hefu.running.faults.POINTS`; a command's, a line in
    # WITHOUT.
    assert sorted(writing - pointed - set(WITHOUT)) == []


def test_every_point_says_what_it_is_in_both_languages() -> None:
    assert [each.name for each in faults.POINTS if len(each.en) < 15 or len(each.zh) < 6] == []


def test_nothing_is_armed_unless_settings_and_environment_both_say_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEFU_FAULT", "ledger.reserved:1:error")
    for test, word in ((False, "1"), (True, "0"), (False, "")):
        monkeypatch.setenv("HEFU_TEST", word)
        with pytest.raises(Malformed) as raised:
            faults.arm(test=test)
        assert raised.value.code == "fault.in_production"
    faults.point("ledger.reserved")


def test_a_clock_without_a_test_stops_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("90\n")
    monkeypatch.setenv("HEFU_CLOCK", str(tmp_path / "clock"))
    with pytest.raises(Malformed):
        faults.arm(test=False)


def test_a_tested_clock_moves_with_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(times, "_moved", None)
    file = tmp_path / "clock"
    file.write_text("0")
    times.move_by(str(file))
    before = SystemClock().now()
    file.write_text("-3600")
    assert -3601 < (SystemClock().now() - before).total_seconds() < -3590
    file.write_text("")
    assert abs((SystemClock().now() - before).total_seconds()) < 10
    with pytest.raises(Malformed):
        times.move_by(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "setting",
    ["ledger.reserved", "ledger.reserved:x:kill", "nowhere:1:kill", "ledger.reserved:1:enospc", "a:1:kill:2", ""],
)
def test_a_misspelt_fault_stops_the_start(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("HEFU_TEST", "1")
    monkeypatch.setenv("HEFU_FAULT", setting)
    with pytest.raises(Malformed) as raised:
        faults.arm(test=True)
    assert raised.value.code == "fault.malformed"


def test_a_fault_acts_at_its_passing_and_at_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_act", None)
    monkeypatch.setenv("HEFU_TEST", "1")
    monkeypatch.setenv("HEFU_FAULT", "store.before_commit:2:enospc,ledger.reserved:1:error")
    faults.arm(test=True)
    faults.point("store.before_commit")
    with pytest.raises(OSError, match="No space left") as raised:
        faults.point("store.before_commit")
    assert raised.value.errno == errno.ENOSPC
    faults.point("store.before_commit")
    with pytest.raises(Unavailable):
        faults.point("ledger.reserved")


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _on_files(call: ast.Call) -> bool:
    """`hefu.identity.write_bytes` writes base64, not files."""
    return not (isinstance(call.func, ast.Name) and call.func.id == "write_bytes") and not (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "identity"
    )
