"""``hefu audit``: what needs no broker, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hefu.__main__ import main
from hefu.statements.filing import FilingKey, public
from hefu_audit.home import Home

from tests.protocol.small_log import AGREEMENT, SmallLog


@pytest.fixture
def space(small: SmallLog, tmp_path: Path) -> Path:
    path = tmp_path / "space.json"
    small.space.write(path)
    return path


def _init(space: Path, directory: Path) -> list[str]:
    return ["audit", "init", "--dir", str(directory), "--space", str(space), "--participant", "regulator-a"]


def test_init_makes_a_directory_once(space: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_init(space, tmp_path / "auditor")) == 0
    assert "hefu audit enroll" in capsys.readouterr().out
    assert main(_init(space, tmp_path / "auditor")) == 1
    assert "audit.exists" in capsys.readouterr().err


def test_a_filing_key_is_made_once_and_is_no_other_key(
    space: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*_init(space, tmp_path / "auditor"), "--json"]) == 0
    line = json.loads(capsys.readouterr().out)["filing"]
    assert main(["audit", "key", "--dir", str(tmp_path / "auditor"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"filing": line}
    home = Home(tmp_path / "auditor")
    sealing = home.ring().sealing().public_key().public_bytes_raw()
    assert line == f"regulator-a={public(home.filing())}"
    assert str(FilingKey(sealing)) not in line


def test_what_cannot_work_yet_says_what_to_do(space: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    auditor = str(tmp_path / "auditor")
    main(_init(space, tmp_path / "auditor"))
    assert main(["audit", "enroll", "--dir", auditor]) == 2
    assert "audit.token" in capsys.readouterr().err
    assert main(["audit", "fetch", "--dir", auditor, "--out", str(tmp_path / "b.zip")]) == 2
    assert "audit.not_enrolled" in capsys.readouterr().err
    assert main(["audit", "contract", AGREEMENT, "--dir", str(tmp_path / "nowhere")]) == 2


def test_verify_is_the_same_as_hefu_verify(small: SmallLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(small.bundle(tmp_path / "b.zip"))
    assert main(["verify", path]) == main(["audit", "verify", path]) == 0
    first, second = capsys.readouterr().out.split("Verified:")[:2]
    assert first.strip() in second


def test_contract_shows_steps_signers_and_budget_from_a_bundle(
    small: SmallLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["audit", "contract", AGREEMENT, "--bundle", str(small.bundle(tmp_path / "b.zip")), "--dir", str(tmp_path)]
    assert main([*words, "--lang", "en"]) == 0
    shown = capsys.readouterr().out
    assert "clinic-a, lab-b" in shown
    assert "Spent ε 0.25 of 1 in 3 of 5 releases." in shown
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["spent"]["epsilon_nano"] == 250_000_000


def test_contract_of_a_bundle_that_does_not_verify_ends_with_one(
    small: SmallLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.release("cmp-one")
    path = str(small.bundle(tmp_path / "b.zip"))
    assert main(["audit", "contract", AGREEMENT, "--bundle", path, "--dir", str(tmp_path), "--lang", "en"]) == 1
    assert "NOT verified: once" in capsys.readouterr().out
    assert main(["audit", "contract", "agr-none", "--bundle", path, "--dir", str(tmp_path)]) == 1


def test_a_text_of_a_stranger_moves_no_cursor(
    small: SmallLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.refuse("cmp-\x1b[2J\x07")
    path = str(small.bundle(tmp_path / "b.zip"))
    assert main(["audit", "contract", AGREEMENT, "--bundle", path, "--dir", str(tmp_path)]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_an_auditors_keys_are_under_a_secret_that_can_be_changed(
    space: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auditor = tmp_path / "auditor"
    assert main(_init(space, auditor)) == 0
    before = Home(auditor).ring().signer().key
    assert all(b"ENCRYPTED" in each.read_bytes() for each in (auditor / "keys").glob("*.key"))
    words = ["audit", "secret", "change", "--dir", str(auditor), "--to", f"file:{tmp_path}/apart/new", "--json"]
    capsys.readouterr()
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["secret"] == f"file:{tmp_path}/apart/new"
    assert Home(auditor).ring().signer().key == before
