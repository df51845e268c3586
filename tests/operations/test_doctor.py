"""The doctor finds each mistake that is planted, says what to do about it, and changes nothing."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hefu.__main__ import main
from hefu.errors import Malformed
from hefu.running import doctor, symptoms
from hefu_broker import doctor as broker_doctor
from hefu_connector import doctor as connector_doctor

from tests.connector.small_space import Space, eventually

Plant = Callable[[Path, pytest.MonkeyPatch, ExitStack], object]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    made = Space(tmp_path_factory.mktemp("space")).open()
    connector = made.member("hospital-a", "provider")
    eventually(lambda: connector.trust.age() < 60)
    made.member("pharma-b", "consumer")
    shutil.move(made.folder / "root", made.folder.parent / "far-away")
    yield made
    made.close()


def _set(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def _found(folder: Path) -> dict[str, str]:
    """Levels by code, of what is not well."""
    return {each.code: each.level for each in doctor.examine(folder) if each.level != "ok"}


def _shift(place: Any, **step: float) -> Plant:
    class Shifted:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(**step)

    return lambda _, patch, __: patch.setattr(place, "SystemClock", Shifted)


def _disk(free: int) -> Plant:
    found = shutil.disk_usage("/")
    return lambda _, patch, __: patch.setattr(symptoms.shutil, "disk_usage", lambda _: found._replace(free=free))


def _taken(folder: Path, _: pytest.MonkeyPatch, stack: ExitStack) -> None:
    """Somebody else listens where this connector would."""
    other = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    _set(folder / "connector.json", listen=f"127.0.0.1:{other.getsockname()[1]}")


def _open_database(folder: Path, *_: object) -> None:
    next(folder.glob("*.db")).chmod(0o644)
    folder.chmod(0o755)


def _beside(folder: Path, *_: object) -> None:
    settings = next(each for each in (folder / "broker.json", folder / "connector.json") if each.exists())
    held = Path(json.loads(settings.read_text())["secret"].removeprefix("file:"))
    shutil.copy(held, folder / "secret")
    (folder / "secret").chmod(0o600)
    _set(settings, secret=f"file:{folder / 'secret'}")


BOTH: dict[str, tuple[Plant, str, str]] = {
    "a key that others can read": (
        lambda folder, *_: next((folder / "keys").glob("*.key")).chmod(0o644), "key.loose_file", "fault",
    ),
    "no keys": (lambda folder, *_: shutil.rmtree(folder / "keys"), "key.unreadable", "fault"),
    "an open folder": (lambda folder, *_: folder.chmod(0o755), "control.open_directory", "fault"),
    "a secret beside the data": (_beside, "doctor.secret_beside", "warning"),
    "a disk nearly full": (_disk(500 << 20), "doctor.disk", "warning"),
    "a copy put back and not confirmed": (
        lambda folder, *_: (folder / "restored.json").write_text('{"copied": "2026-11-21T10:00:00Z"}'),
        "backup.restored", "fault",
    ),
    "a disk full": (_disk(1 << 20), "doctor.disk", "fault"),
    "settings of tests": (lambda _, patch, __: patch.setenv("HEFU_FAULT", "x:1:kill"), "doctor.test", "warning"),
    "a database that others can read": (
        _open_database, "doctor.loose_state", "fault",
    ),
}  # fmt: skip
OF_CONNECTOR: dict[str, tuple[Plant, str, str]] = {
    "a clock ahead": (_shift(connector_doctor, minutes=2), "doctor.clock_ahead", "warning"),
    "a clock far behind": (_shift(connector_doctor, minutes=-10), "doctor.clock_behind", "fault"),
    "a certificate that ran out": (_shift(connector_doctor, days=3), "doctor.expired", "fault"),
    "a certificate not renewed": (_shift(connector_doctor, hours=23), "doctor.ending", "warning"),
    "a wrong address of the broker": (
        lambda folder, *_: _set(folder / "space.json", address="127.0.0.1:1"), "doctor.broker_unreachable", "fault",
    ),
    "a port taken": (_taken, "address.taken", "fault"),
    "metrics for all": (lambda folder, *_: _set(folder / "connector.json", http="0.0.0.0:1"), "doctor.http", "note"),
    "a setting misspelt": (lambda folder, *_: _set(folder / "connector.json", wrokers=3), "settings.unknown", "fault"),
    "not enrolled": (lambda folder, *_: (folder / "transport.pem").unlink(), "command.not_enrolled", "fault"),
    "a secret that is gone": (
        lambda folder, *_: _set(folder / "connector.json", secret="file:/nowhere"), "secret.unreadable", "fault",
    ),
    "no secret": (lambda folder, *_: _set(folder / "connector.json", secret=""), "doctor.clear", "warning"),
    "a spool on a disk": (
        lambda folder, *_: _set(folder / "connector.json", spool=str(folder / "keys")), "doctor.not_memory", "warning",
    ),
}  # fmt: skip
OF_BROKER: dict[str, tuple[Plant, str, str]] = {
    "the root's key on this machine": (
        lambda folder, *_: shutil.copytree(folder.parent.parent / "far-away", folder.parent / "root"),
        "doctor.root_here", "warning",
    ),
}  # fmt: skip


@pytest.fixture
def copied(space: Space, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a folder, in which nothing runs."""

    def copy(name: str) -> Path:
        target = tmp_path / "copies" / name
        ignore = shutil.ignore_patterns("control.sock", "bell", "lock")
        shutil.copytree(space.folder / name, target, ignore=ignore)
        far = space.folder.parent / "far-away"
        shutil.copytree(far, tmp_path / "far-away")
        settings = next(each for each in (target / "broker.json", target / "connector.json") if each.exists())
        if name == "broker":
            _set(settings, address="127.0.0.1:0", enrolment="127.0.0.1:0")
        else:
            _set(settings, listen="127.0.0.1:0")
        return target

    return copy


@pytest.mark.parametrize("name", ["broker", "hospital-a"])
def test_what_runs_well_has_no_fault(space: Space, name: str) -> None:
    found = _found(space.folder / name)
    assert [code for code, level in found.items() if level == "fault"] == []
    assert "doctor.idle" not in found


@pytest.mark.parametrize(
    "plan",
    [
        *(pytest.param((who, *BOTH[name]), id=f"{who}: {name}") for who in ("broker", "hospital-a") for name in BOTH),
        *(pytest.param(("hospital-a", *OF_CONNECTOR[name]), id=name) for name in OF_CONNECTOR),
        *(pytest.param(("broker", *OF_BROKER[name]), id=name) for name in OF_BROKER),
    ],
)
def test_each_planted_mistake_is_found(
    copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, plan: tuple[str, Plant, str, str]
) -> None:
    name, plant, code, level = plan
    folder = copied(name)
    _without_workers(monkeypatch)
    assert code not in _found(folder) or _found(folder)[code] != level
    with ExitStack() as stack:
        plant(folder, monkeypatch, stack)
        assert _found(folder).get(code) == level


def test_a_suspended_participant_hears_that_it_is(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    assert space.server is not None
    _without_workers(monkeypatch)
    space.server.rooms.standings.suspend("pharma-b", "unpaid")
    found = _found(space.folder / "pharma-b")
    assert {"doctor.standing", "identity.revoked"} & set(found)


def test_a_backlog_is_told_while_the_broker_is_away(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connector's outbox, as its own control service counts it."""
    from hefu.v1 import control_pb2

    waiting = control_pb2.Waiting(kind=control_pb2.Waiting.KIND_OUTBOX, count=7, since_time="2026-11-21T10:00:00Z")
    monkeypatch.setattr(connector_doctor, "_connector", lambda _: control_pb2.Connector(waiting=[waiting]))
    (found,) = connector_doctor._backlog(space.folder / "hospital-a")
    assert (found.level, "7 statements" in found.text("en"), "7 条" in found.text("zh")) == ("warning", True, True)


def test_a_stopped_status_list_is_a_fault_of_the_broker(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    _shift(broker_doctor, minutes=10)(space.folder, monkeypatch, ExitStack())
    assert _found(space.folder / "broker")["doctor.stale_status"] == "fault"


def test_the_command_answers_people_in_two_languages_and_machines(
    copied: Callable[[str], Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_workers(monkeypatch)
    folder = copied("hospital-a")
    folder.chmod(0o755)
    assert main(["doctor", "--dir", str(folder), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["healthy"], document["counts"]["fault"]) == (False, 1)
    assert main(["doctor", "--dir", str(folder), "--lang", "zh"]) == 1
    assert "请执行：chmod 700" in capsys.readouterr().out


def test_a_folder_of_nobody_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=r"broker\.json, connector\.json"):
        list(doctor.examine(tmp_path))


def test_nothing_is_changed(copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _without_workers(monkeypatch)
    for name in ("broker", "hospital-a"):
        folder = copied(name)
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        list(doctor.examine(folder))
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        shutil.rmtree(folder.parent)
        shutil.rmtree(folder.parent.parent / "far-away")


def test_workers_that_see_the_network_are_told_of(
    copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hefu_connector.workers import pool

    monkeypatch.setattr(pool.Pool, "hello", lambda *_: {"network": "host", "files": "all"})
    found = _found(copied("hospital-a"))
    assert {"doctor.workers_network", "doctor.workers_files"} <= set(found)


def _without_workers(patch: pytest.MonkeyPatch) -> None:
    """Starting a worker takes a second and is not what these tests ask."""
    patch.setattr(connector_doctor, "_workers", lambda: iter(()))
