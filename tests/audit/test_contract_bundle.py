"""One contract as one file: it verifies offline with the base install alone, and whatever is altered in it is named."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hefu import canonical
from hefu.checking.verify import Pins, Report, verify
from hefu.errors import Malformed, NotFound
from hefu.evidence.bundle import open_bundle
from hefu_audit import bundling
from hefu_audit.home import Home
from hefu_audit.index import Index

from tests.audit.asked import Told, copied, home_of
from tests.protocol.small_log import AGREEMENT, CONSUMER, PROVIDER

OTHER = "agr-two"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Told, Index, Path]:
    """A log with two contracts, copied twice; the bundle of the first under the first checkpoint."""
    folder = tmp_path_factory.mktemp("bundle")
    small = Told()
    small.tell()
    home: Home = home_of(small, folder)
    index, _ = copied(small, home)
    index.__exit__()
    small.say("status.list", {"sequence": 1, "entries": []}, "broker")
    small.terminate()
    small.agree(id_=OTHER)
    small.finalize()
    small.release("cmp-other")
    index, _ = copied(small, home)
    bundling.write(folder / "one.zip", index, AGREEMENT)
    bundling.write(folder / "early.zip", index, AGREEMENT, 11)
    return small, index, folder


def report(path: Path, small: Told) -> Report:
    with open_bundle(path) as bundle:
        return verify(bundle, Pins(small.space.root, small.log_key, space=small.space))


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path: Path, found: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in found.items():
            archive.writestr(name, data)
    return path


def test_the_bundle_of_a_contract_verifies_and_has_nothing_of_another(told: tuple[Told, Index, Path]) -> None:
    small, _, folder = told
    found = report(folder / "one.zip", small)
    assert found.holds, found.document()
    seen = {each.name: each.seen for each in found.results}
    assert seen["inclusion"] == seen["statements"] == len(found.record.leaves) > 10
    assert (seen["receipts"], seen["agreements"], seen["policies"]) == (3, 1, 2)
    assert not any(OTHER.encode() in data for name, data in members(folder / "one.zip").items() if "entries" in name)
    assert any("left out" in en for en, _ in found.limits)


def test_under_an_earlier_checkpoint_the_later_one_is_proven_to_extend_it(told: tuple[Told, Index, Path]) -> None:
    small, index, folder = told
    found = report(folder / "early.zip", small)
    assert found.holds, found.document()
    assert {each.name: each.seen for each in found.results}["later"] == 1
    assert found.head is not None
    assert found.head.size == 11
    for size, agreement, kind in ((99, AGREEMENT, NotFound), (11, OTHER, Malformed), (None, "agr-none", NotFound)):
        with pytest.raises(kind):
            bundling.write(folder / "no.zip", index, agreement, size)


def test_it_verifies_with_the_base_install_alone(told: tuple[Told, Index, Path]) -> None:
    small, _, folder = told
    space = folder / "space.json"
    small.space.write(space)
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'grpc', 'google', 'hefu_audit', 'hefu_broker', 'hefu_connector',"
        " 'hefu_space', 'rich', 'pyld', 'z3', 'sqlmodel', 'sqlalchemy', 'pyarrow', 'sqlite3'}:\n"
        "            raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from hefu.__main__ import main\n"
        "sys.exit(main(['verify', sys.argv[1], '--space', sys.argv[2]]))\n"
    )
    words = [sys.executable, "-c", code, str(folder / "one.zip"), str(space)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "inclusion" in done.stdout


@pytest.mark.parametrize("way", ["altered", "missing"])
@pytest.mark.parametrize("file", ["one.zip", "early.zip"])
def test_whatever_member_is_altered_or_missing_is_named(
    told: tuple[Told, Index, Path], file: str, way: str, tmp_path: Path
) -> None:
    small, _, folder = told
    good = members(folder / file)
    assert {"REPORT.html", "agreement.json", "keys.json", "checkpoint", "space.json"} <= {*good}
    for name, data in good.items():
        bad = dict(good)
        if way == "missing":
            del bad[name]
        else:
            bad[name] = data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]
        try:
            found = report(packed(tmp_path / "bad.zip", bad), small)
        except Malformed as fault:
            assert name == "manifest.json" or name in fault.parameters.values(), (name, fault)  # noqa: PT017
            continue
        assert not found.holds
        faults = [each for one in found.results for each in one.faults if one.name == "members"]
        assert any(name in each for each in faults) or name == "manifest.json", (name, found.document())


def _renamed(found: dict[str, bytes]) -> dict[str, bytes]:
    manifest: Any = json.loads(found["manifest.json"])
    manifest["members"] = {name: canonical.digest(data) for name, data in found.items() if name != "manifest.json"}
    return found | {"manifest.json": canonical.encode(manifest)}


def _swap(found: dict[str, bytes]) -> None:
    found["entries/4.json"], found["entries/6.json"] = found["entries/6.json"], found["entries/4.json"]


def _edit(found: dict[str, bytes]) -> None:
    found["entries/6.json"] = found["entries/6.json"].replace(b'"releases":1', b'"releases":0')


def _other_proof(found: dict[str, bytes]) -> None:
    found["proofs/6.tlog-proof"] = found["proofs/5.tlog-proof"]


def _other_agreement(found: dict[str, bytes]) -> None:
    found["agreement.json"] = found["agreement.json"].replace(CONSUMER.encode(), PROVIDER.encode())


def _other_keys(found: dict[str, bytes]) -> None:
    found["keys.json"] = found["keys.json"].replace(b":1", b":2", 1)


def _policy(found: dict[str, bytes]) -> None:
    found["policy.txt"] = b"quorum none\n"


def _consistency(found: dict[str, bytes]) -> None:
    body: Any = json.loads(found["consistency.json"])
    body["hashes"] = body["hashes"][:-1]
    found["consistency.json"] = canonical.encode(body)


@pytest.mark.parametrize(
    ("attack", "check"),
    [
        (_swap, "inclusion"),
        (_edit, "inclusion"),
        (_other_proof, "inclusion"),
        (_other_agreement, "contract"),
        (_other_keys, "contract"),
        (_policy, "witnesses"),
        (_consistency, "later"),
    ],
)
def test_what_is_altered_together_with_the_manifest_is_found_by_what_was_signed(
    told: tuple[Told, Index, Path], attack: Callable[[dict[str, bytes]], None], check: str, tmp_path: Path
) -> None:
    small, _, folder = told
    found = members(folder / "early.zip")
    attack(found)
    assert check in report(packed(tmp_path / "bad.zip", _renamed(found)), small).failed()


def test_members_of_other_names_are_refused(told: tuple[Told, Index, Path], tmp_path: Path) -> None:
    small, _, folder = told
    for name in ("../evil", "entries/x.json", "run.sh", "entries.jsonl"):
        with pytest.raises(Malformed):
            report(packed(tmp_path / "bad.zip", members(folder / "one.zip") | {name: b"x"}), small)


def test_the_command_writes_and_verifies_it(
    told: tuple[Told, Index, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hefu.__main__ import main

    _, _, folder = told
    words = ["audit", "bundle", AGREEMENT, "--out", str(tmp_path / "x.zip"), "--dir", str(folder / "auditor")]
    assert main([*words, "--lang", "en"]) == 0
    assert "under the checkpoint of 16" in capsys.readouterr().out
    assert (tmp_path / "x.zip").read_bytes() == (folder / "one.zip").read_bytes()
