"""``hefu broker``: the whole life of a space by its commands, with a real server process."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hefu.__main__ import main
from hefu.envelope import Statement
from hefu.membership import enrolment
from hefu.membership.enrolment import KeyRing
from hefu.space import SpaceFile
from hefu.times import SystemClock

STARTS_WITHIN = 10.0  # seconds; about one on an idle machine


class Space:
    """A space in a folder, used through its command line only."""

    def __init__(self, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.base, self.folder, self.root, self._capsys = base, base / "broker", base / "root", capsys
        self.serving: subprocess.Popen[bytes] | None = None

    def run(self, *words: str, code: int = 0) -> Any:
        """One command under --json; its document, or its error's."""
        found = main(["broker", *words, "--json"])
        captured = self._capsys.readouterr()
        assert found == code, captured.err
        text = captured.err if code else captured.out
        return json.loads(text)

    def init(self) -> Any:
        return self.run(
            "init", "--dir", str(self.folder), "--root", str(self.root), "--space", "demo",
            "--address", "127.0.0.1:0", "--enrolment", "127.0.0.1:0",
        )  # fmt: skip

    def serve(self) -> dict[str, Any]:
        words = [sys.executable, "-m", "hefu", "broker", "serve", "--dir", str(self.folder), "--json"]
        self.serving = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self.serving.stdout is not None
        assert select.select([self.serving.stdout], [], [], STARTS_WITHIN)[0], "not ready in time"
        document: dict[str, Any] = json.loads(self.serving.stdout.readline())
        return document

    def end(self, number: int) -> int:
        assert self.serving is not None
        self.serving.send_signal(number)
        code = self.serving.wait(10)
        if self.serving.stdout is not None:
            self.serving.stdout.close()
        self.serving = None
        return code

    def enroll(self, name: str, role: str) -> tuple[SpaceFile, KeyRing, str]:
        space = SpaceFile.read(self.folder / "space.json")
        token = self.run("token", "--dir", str(self.folder), "--name", name, "--role", role)["token"]
        ring = KeyRing(name, f"{name}-conn", self.base / name)
        ring.make()
        asked = enrolment.request(ring, space, {"en": name}, frozenset({role}), SystemClock())
        return space, ring, enrolment.submit(space, token, asked, ring.csr())


@pytest.fixture
def space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Space]:
    made = Space(tmp_path, capsys)
    yield made
    if made.serving is not None:
        made.end(signal.SIGKILL)


def test_a_space_lives_by_its_commands(space: Space) -> None:
    founded = space.init()
    assert Path(founded["root"]) == space.root
    assert (space.root / "root.key").stat().st_mode & 0o077 == 0
    ready = space.serve()
    assert ready["ready"] is True
    assert ready["port"] > 0
    assert ready["enrolment_port"] > 0
    here = ("--dir", str(space.folder))
    file, ring, name = space.enroll("hospital-a", "provider")
    assert enrolment.poll(file, name, ring) is None
    waiting = space.run("pending", *here)["pending"]
    assert [(each["participant"], each["roles"]) for each in waiting] == [("hospital-a", ["provider"])]
    space.run("certify", waiting[0]["enrolment"], "--root", str(space.root), *here)
    certified = enrolment.poll(file, name, ring)
    assert certified is not None
    assert space.run("pending", *here)["pending"] == []
    space.run("suspend", "hospital-a", "--reason", "test", *here)
    rows = space.run("participants", *here)["participants"]
    assert [(each["participant"], each["state"]) for each in rows] == [
        ("broker", "active"),
        ("hospital-a", "suspended"),
    ]
    space.run("reinstate", "hospital-a", *here)
    space.run("revoke", "hospital-a", "--reason", "test", *here)
    assert space.run("reinstate", "hospital-a", *here, code=1)["error"] == "standing.other"
    # kill -9, start again on the same ports, then end in peace
    assert space.end(signal.SIGKILL) == -signal.SIGKILL
    again = space.serve()
    assert again == ready
    assert space.end(signal.SIGTERM) == 0


def test_the_root_may_stay_on_a_machine_of_its_own(space: Space) -> None:
    space.init()
    space.serve()
    here = ("--dir", str(space.folder))
    file, ring, name = space.enroll("insurer-b", "consumer")
    id_ = name.removeprefix("enrollments/")
    away = space.base / "away"
    space.root.rename(away)
    space.run("certify", id_, "--request-out", str(space.base / "request.json"), *here)
    signed = space.run(
        "root-sign", "--root", str(away), "--request", str(space.base / "request.json"),
        "--statement-out", str(space.base / "signed.json"),
    )  # fmt: skip
    assert (signed["participant"], signed["roles"]) == ("insurer-b", ["consumer"])
    space.run("certify", id_, "--statement-in", str(space.base / "signed.json"), *here)
    certified = enrolment.poll(file, name, ring)
    assert certified is not None
    assert certified[0].digest() == Statement.parse((space.base / "signed.json").read_bytes()).digest()


def test_a_second_founding_in_the_same_folder_is_refused(space: Space) -> None:
    space.init()
    words = ("init", "--dir", str(space.folder), "--space", "demo", "--address", "h:1", "--enrolment", "h:2")
    assert space.run(*words, code=2)["error"] == "broker.founded"


def test_a_folder_without_a_broker_says_what_to_do(space: Space) -> None:
    error = space.run("pending", "--dir", str(space.base), code=2)
    assert error["error"] == "broker.absent"
    assert "hefu broker init" in error["message"]


def test_tables_are_for_people(space: Space, capsys: pytest.CaptureFixture[str]) -> None:
    space.init()
    assert main(["broker", "participants", "--dir", str(space.folder), "--lang", "zh"]) == 0
    assert "运营平台" in capsys.readouterr().out


def test_the_help_imports_no_database(tmp_path: Path) -> None:
    script = (
        "import sys; from hefu.__main__ import main\n"
        "try: main(['broker', '--help'])\n"
        "except SystemExit: pass\n"
        "assert 'sqlalchemy' not in sys.modules and 'grpc' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr


def test_an_unknown_setting_is_refused(space: Space) -> None:
    space.init()
    path = space.folder / "broker.json"
    document = json.loads(path.read_text("utf-8"))
    for changes in ({"status_second": 1}, {"status_seconds": "20"}, {"status_seconds": 0}, {"reflection": 1}):
        path.write_text(json.dumps(document | changes), "utf-8")
        assert space.run("pending", "--dir", str(space.folder), code=2)["error"] == "broker.settings"
