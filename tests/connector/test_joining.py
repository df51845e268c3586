"""Joining with one file: what the operator writes on one machine is enough on another."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hefu.__main__ import main
from hefu.errors import Malformed, Unavailable, Untrusted
from hefu.membership import enrolment
from hefu.membership.invitation import Invitation
from hefu.space import SpaceFile
from hefu.times import SystemClock
from hefu_audit.home import Home as AuditHome
from hefu_broker.bootstrap import Server
from hefu_connector.membership import enrolling
from hefu_connector.settings import Home, Settings

from tests.broker.world import SetClock
from tests.connector.small_space import Space


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    made = Space(tmp_path_factory.mktemp("joining")).open()
    yield made
    made.close()


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    found = main([*words, "--json"])
    captured = capsys.readouterr()
    assert found == code, captured.err
    text = captured.err if code else captured.out
    return json.loads(text[text.index("{\n") :])


def invite(space: Space, capsys: pytest.CaptureFixture[str], name: str, *words: str) -> Path:
    out = space.folder / f"{name}.invitation"
    run(capsys, "broker", "invite", name, "--out", str(out), "--dir", str(space.broker_folder), *words)
    return out


def certify(space: Space, capsys: pytest.CaptureFixture[str], name: str) -> None:
    here = ("--dir", str(space.broker_folder))
    (waiting,) = [e for e in run(capsys, "broker", "pending", *here)["pending"] if e["participant"] == name]
    run(capsys, "broker", "certify", waiting["enrolment"], "--root", str(space.folder / "root"), *here)


def test_two_commands_lead_from_an_empty_folder_to_a_running_connector(
    space: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    file = invite(space, capsys, "clinic-a", "--role", "provider", "--title", "Clinic A", "--title-zh", "甲诊所")
    assert file.stat().st_mode & 0o077 == 0
    folder = space.folder / "clinic-a"
    words = ("connector", "join", str(file), "--dir", str(folder), "--listen", "127.0.0.1:0")
    assert run(capsys, *words, "--no-wait")["state"] == "pending"
    notes = json.loads((folder / "enrolment.json").read_text())
    assert (notes["names"], notes["roles"]) == ({"en": "Clinic A", "zh": "甲诊所"}, ["provider"])
    certify(space, capsys, "clinic-a")
    assert run(capsys, *words)["state"] == "certified", "joining again goes on where it was"
    assert run(capsys, *words)["state"] == "certified", "and changes nothing once it is done"
    connector = space.start("clinic-a")
    assert connector.trust.participant("clinic-a").names["zh"] == "甲诊所"


def test_whoever_waits_hears_of_the_certification_though_the_broker_was_away(
    space: Space, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = invite(space, capsys, "patient-b", "--role", "consumer")
    words = ["connector", "join", str(file), "--dir", str(space.folder / "patient-b")]
    asked = threading.Event()
    poll = enrolling.Enrolment.poll

    def noticed(self: enrolling.Enrolment) -> bool:
        try:
            return poll(self)
        finally:
            asked.set()

    monkeypatch.setattr(enrolling.Enrolment, "poll", noticed)
    with ThreadPoolExecutor(1) as other:
        joining = other.submit(main, words)
        assert asked.wait(20)
        space.stop_broker()
        asked.clear()
        assert asked.wait(20), "it asks again"
        space.server = Server(space.broker_folder)
        space.server.start()
        certify(space, capsys, "patient-b")
        assert joining.result(30) == 0


def test_an_invitation_opens_once(space: Space, capsys: pytest.CaptureFixture[str]) -> None:
    file = invite(space, capsys, "clinic-c", "--role", "consumer")
    run(capsys, "connector", "join", str(file), "--dir", str(space.folder / "c1"), "--no-wait")
    again = run(capsys, "connector", "join", str(file), "--dir", str(space.folder / "c2"), "--no-wait", code=1)
    assert again["error"] == "token.refused"


def test_an_answer_that_was_lost_costs_no_invitation(
    space: Space, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, submit = invite(space, capsys, "clinic-l", "--role", "consumer"), enrolment.submit

    def lost(*about: Any) -> str:
        submit(*about)
        raise Unavailable("peer.unreachable", peer="the broker")

    words = ("connector", "join", str(file), "--dir", str(space.folder / "clinic-l"), "--no-wait")
    monkeypatch.setattr(enrolment, "submit", lost)
    run(capsys, *words, code=3)
    monkeypatch.undo()
    assert run(capsys, *words)["state"] == "pending"


def auditor(space: Space, capsys: pytest.CaptureFixture[str], name: str) -> tuple[AuditHome, tuple[str, ...]]:
    """An auditor's folder, and the command that asks for enrolment with a fresh token."""
    assert space.server is not None
    folder, pinned = str(space.folder / name), str(space.server.rooms.folder / "space.json")
    run(capsys, "audit", "init", "--space", pinned, "--participant", name, "--dir", folder)
    token = space.server.rooms.enrolments.invite(name, frozenset({"regulator"}))
    return AuditHome(Path(folder)), ("audit", "enroll", "--token", token, "--dir", folder)


def test_an_auditor_that_did_not_hear_the_answer_asks_again_with_the_same_request(
    space: Space, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, words = auditor(space, capsys, "auditor-l")
    submit = enrolment.submit

    def lost(*about: Any) -> str:
        submit(*about)
        raise Unavailable("peer.deadline", peer="the broker")

    monkeypatch.setattr(enrolment, "submit", lost)
    assert run(capsys, *words, code=3)["error"] == "peer.deadline"
    monkeypatch.undo()
    assert run(capsys, *words, code=3)["error"] == "audit.pending"
    certify(space, capsys, "auditor-l")
    assert run(capsys, *words)["state"] == "certified"


def test_a_request_that_never_arrived_and_is_too_old_by_now_is_made_anew(
    space: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    home, words = auditor(space, capsys, "auditor-o")
    ring = home.ring()
    before = SetClock(SystemClock().now() - timedelta(hours=1))
    asked = enrolment.request(ring, home.space(), {"en": "auditor-o"}, frozenset({"regulator"}), before)
    home.keep_sent((asked, ring.csr()))
    assert run(capsys, *words, code=3)["error"] == "audit.pending"
    sent = home.sent()
    assert sent is not None
    assert sent[0].time > asked.time


def test_a_provider_whom_nobody_could_reach_is_told_so_before_anything_is_made(
    space: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    file = invite(space, capsys, "clinic-d", "--role", "provider")
    folder = space.folder / "clinic-d"
    assert run(capsys, "connector", "join", str(file), "--dir", str(folder), code=2)["error"] == "command.no_way_in"
    assert not folder.exists()


def test_another_connectors_folder_is_not_taken_over(space: Space, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (
        invite(space, capsys, "clinic-e", "--role", "consumer"),
        invite(space, capsys, "clinic-f", "--role", "consumer"),
    )
    folder = str(space.folder / "clinic-e")
    run(capsys, "connector", "join", str(first), "--dir", folder, "--no-wait")
    error = run(capsys, "connector", "join", str(second), "--dir", folder, "--no-wait", code=2)
    assert error["error"] == "command.initialised"


def test_where_the_space_has_a_relay_a_provider_opens_no_port(space: Space, capsys: pytest.CaptureFixture[str]) -> None:
    file = invite(space, capsys, "clinic-g", "--role", "provider")
    invitation = Invitation.read(file)
    file.unlink()
    replace(invitation, space=replace(invitation.space, relay="relay.example:7403")).write(file)
    folder = space.folder / "clinic-g"
    run(capsys, "connector", "join", str(file), "--dir", str(folder), "--no-wait")
    settings = Settings.read(Home(folder))
    assert (settings.listen, settings.endpoint, settings.relay) == ("127.0.0.1:0", "", True)


def test_an_invitation_that_others_can_read_or_that_is_none_is_refused(space: Space, tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        Invitation.read(tmp_path / "absent")
    with pytest.raises(Malformed):
        Invitation.read(space.broker_folder)
    file = tmp_path / "invitation"
    file.write_text(json.dumps({"kind": "Invitation"}))
    with pytest.raises(Untrusted):
        Invitation.read(file)
    file.chmod(0o600)
    for text in ("[]", "{}", "nonsense", json.dumps({"kind": "Invitation"})):
        file.write_text(text)
        with pytest.raises(Malformed) as fault:
            Invitation.read(file)
        assert fault.value.code == "invitation.unreadable"


def test_a_space_file_of_the_first_version_has_no_relay_and_one_without_is_written_as_it_was(space: Space) -> None:
    document = space.file.document()
    assert "relay" not in document
    assert SpaceFile.of(document).relay == ""
    with_relay = replace(space.file, relay="relay.example:7403")
    assert SpaceFile.of(with_relay.document()) == with_relay
    with pytest.raises(Malformed):
        SpaceFile.of(document | {"relais": "x"})
