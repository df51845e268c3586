"""A copy is whole and one moment; what is put back serves nobody before it is confirmed, and an old one never."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hefu.__main__ import main
from hefu.errors import Conflict, Malformed
from hefu.running import backup
from hefu.tlog.checkpoint import Checkpoint
from hefu_broker.bootstrap import Server
from hefu_connector import restoring, setup
from hefu_connector.settings import Home, Settings

from tests.connector.small_space import Space, eventually
from tests.operations.small_deal import Deal, agreed


@pytest.fixture(scope="module")
def deal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deal]:
    """One that goes on while it is copied."""
    space = Space(tmp_path_factory.mktemp("space")).open()
    try:
        yield agreed(space)
    finally:
        space.close()


@pytest.fixture
def ending(tmp_path: Path) -> Iterator[Deal]:
    """One whose servers a test stops."""
    space = Space(tmp_path / "space").open()
    try:
        yield agreed(space)
    finally:
        space.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: object, code: int = 0) -> Any:
        capsys.readouterr()
        found = main([*map(str, words), "--json"])
        told = capsys.readouterr()
        assert found == code, told
        return json.loads(told.out or told.err)

    return call


def test_a_broker_is_copied_while_it_serves_and_serves_again_once_confirmed(
    ending: Deal, tmp_path: Path, run: Any
) -> None:
    copy, back = tmp_path / "copy", tmp_path / "back"
    told = run("broker", "backup", "--dir", ending.space.broker_folder, "--to", copy)
    assert told["elsewhere"] is False
    assert not list(copy.rglob("*.db-wal"))
    run("broker", "restore", "--dir", back, "--from", copy)
    assert run("broker", "serve", "--dir", back, code=1)["error"] == "backup.restored"
    ending.space.stop_broker()
    run("broker", "confirm", "--dir", back, "--checkpoint", copy / "checkpoint.latest")
    server = Server(back)
    server.start()
    held = Checkpoint.parse((copy / "checkpoint.latest").read_text().partition("\n\n")[0] + "\n").size
    try:
        assert server.rooms.sequencer.newest[0] >= held > 5
    finally:
        server.stop(0.1)


def test_a_broker_from_an_old_copy_never_serves(deal: Deal, tmp_path: Path, run: Any) -> None:
    copy, back = tmp_path / "copy", tmp_path / "back"
    run("broker", "backup", "--dir", deal.space.broker_folder, "--to", copy)
    before = (copy / "checkpoint.latest").read_text()
    deal.compute()
    newest = deal.space.broker_folder / "checkpoint.latest"
    eventually(lambda: newest.read_text() != before)  # a regulator has seen more than the copy holds
    run("broker", "restore", "--dir", back, "--from", copy)
    assert run("broker", "confirm", "--dir", back, "--checkpoint", newest, code=1)["error"] == "log.behind"
    assert run("broker", "serve", "--dir", back, code=1)["error"] == "backup.restored"
    backup.confirm(back)  # even who takes the mark away by hand
    with pytest.raises(Exception, match="restored from an old"):
        Server(back).start()


def test_a_checkpoint_of_every_space_is_needed(deal: Deal, tmp_path: Path, run: Any) -> None:
    copy, back, other = tmp_path / "copy", tmp_path / "back", tmp_path / "note"
    run("broker", "backup", "--dir", deal.space.broker_folder, "--to", copy)
    run("broker", "restore", "--dir", back, "--from", copy)
    other.write_text("example.org/other\n1\nAAAA\n\n")
    assert run("broker", "confirm", "--dir", back, "--checkpoint", other, code=1)["error"] == "backup.no_checkpoint"


def test_a_connector_moves_by_its_copy_and_forgets_no_charge(ending: Deal, tmp_path: Path, run: Any) -> None:
    copy, back = tmp_path / "copy", tmp_path / "back"
    ending.compute()
    charged = ending.charged()
    run("connector", "backup", "--dir", ending.provider_folder, "--to", copy)
    ending.space.stop(ending.provider_name)
    run("connector", "restore", "--dir", back, "--from", copy)
    assert run("connector", "serve", "--dir", back, code=1)["error"] == "backup.restored"
    assert run("connector", "confirm", "--dir", back)["entries"] == 1
    shutil.rmtree(ending.provider_folder)
    back.rename(ending.provider_folder)
    ending.space.start(ending.provider_name)
    assert ending.charged() == charged > 0
    ending.compute()


def test_a_connector_from_an_old_copy_never_serves(deal: Deal, tmp_path: Path, run: Any) -> None:
    copy, back = tmp_path / "copy", tmp_path / "back"
    run("connector", "backup", "--dir", deal.provider_folder, "--to", copy)
    deal.compute()
    eventually(lambda: not deal.unsent())
    run("connector", "restore", "--dir", back, "--from", copy)
    assert run("connector", "confirm", "--dir", back, code=1)["error"] == "backup.behind"
    assert run("connector", "serve", "--dir", back, code=1)["error"] == "backup.restored"


def test_a_connector_is_not_confirmed_while_the_broker_is_away(ending: Deal, tmp_path: Path, run: Any) -> None:
    copy, back = tmp_path / "copy", tmp_path / "back"
    run("connector", "backup", "--dir", ending.provider_folder, "--to", copy)
    run("connector", "restore", "--dir", back, "--from", copy)
    ending.space.stop_broker()
    assert run("connector", "confirm", "--dir", back, code=3)["error"] == "peer.unreachable"


def test_a_copy_taken_during_writes_is_one_moment(deal: Deal, tmp_path: Path) -> None:
    writing = threading.Thread(target=lambda: [deal.compute() for _ in range(4)])
    writing.start()
    copies = []
    for number in range(4):
        copies.append(tmp_path / f"copy-{number}")
        now = deal.provider.desk.author.clock.now()
        backup.write(restoring.plan(Home(deal.provider_folder)), deal.provider_folder, copies[-1], now)
    writing.join()
    for copy in copies:
        charged, released = deal.sums(copy)
        assert charged >= released


def test_the_secret_is_in_no_copy(deal: Deal, tmp_path: Path) -> None:
    folder = deal.provider_folder
    held = Path(Settings.read(Home(folder)).secret.removeprefix("file:"))
    secret = held.read_bytes().strip()
    beside = folder / "its-secret"
    beside.write_bytes(held.read_bytes())
    beside.chmod(0o600)
    path = folder / "connector.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "secret": f"file:{beside}"}))
    copy = tmp_path / "copy"
    backup.write(restoring.plan(Home(folder)), folder, copy, deal.provider.desk.author.clock.now())
    path.write_text(before)
    assert secret in beside.read_bytes()
    assert [each for each in copy.rglob("*") if each.is_file() and secret in each.read_bytes()] == []


def test_a_copy_that_was_changed_or_cut_short_is_not_put_back(deal: Deal, tmp_path: Path, run: Any) -> None:
    copy = tmp_path / "copy"
    run("connector", "backup", "--dir", deal.provider_folder, "--to", copy)
    with (copy / "connector.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"x")
    assert run("connector", "restore", "--dir", tmp_path / "back", "--from", copy, code=2)["error"] == "backup.broken"
    (copy / "backup.json").unlink()
    assert run("connector", "restore", "--dir", tmp_path / "back", "--from", copy, code=2)["error"] == "backup.broken"
    assert not (tmp_path / "back").exists()


def test_nothing_is_ever_overwritten(deal: Deal, tmp_path: Path, run: Any) -> None:
    copy = tmp_path / "copy"
    run("connector", "backup", "--dir", deal.provider_folder, "--to", copy)
    assert run("connector", "backup", "--dir", deal.provider_folder, "--to", copy, code=2)["error"] == "backup.exists"
    told = run("connector", "restore", "--dir", deal.provider_folder, "--from", copy, code=2)
    assert told["error"] == "backup.target"
    assert run("broker", "restore", "--dir", tmp_path / "b", "--from", copy, code=2)["error"] == "backup.other"


def test_a_copy_names_no_file_outside_of_itself(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (tmp_path / "outside").write_text("x")
    files = {"../outside": "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    document = {"apiVersion": "hefu/v1", "kind": "Backup", "tower": "broker", "settings": "../outside", "files": files}
    (copy / "backup.json").write_text(json.dumps({**document, "time": "x", "version": "x", "elsewhere": False}))
    with pytest.raises(Malformed, match="not whole"):
        backup.read(copy, "broker")


def test_a_restored_connector_is_refused_by_serve_itself(tmp_path: Path, deal: Deal) -> None:
    copy, back = tmp_path / "copy", tmp_path / "back"
    now = deal.provider.desk.author.clock.now()
    backup.write(restoring.plan(Home(deal.provider_folder)), deal.provider_folder, copy, now)
    backup.restore("connector", copy, back, now)
    with pytest.raises(Conflict, match="was restored from a copy"):
        setup.serve(back, lambda *_: None)


def test_a_restored_store_is_not_served_through_another_directory_either(tmp_path: Path, deal: Deal) -> None:
    """A replica, or a connector of another space, that shares the store of a connector that was put back."""
    copy, back, sharing = tmp_path / "copy", tmp_path / "back", tmp_path / "sharing"
    now = deal.provider.desk.author.clock.now()
    backup.write(restoring.plan(Home(deal.provider_folder)), deal.provider_folder, copy, now)
    backup.restore("connector", copy, back, now)
    shutil.copytree(back, sharing)
    backup.confirm(sharing)
    settings = Settings.read(Home(back))
    replace(settings, database=settings.store(Home(back))).write(Home(sharing))
    with pytest.raises(Conflict, match=f"{back} was restored from a copy"):
        setup.serve(sharing, lambda *_: None)
