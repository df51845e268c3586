"""A log exported as files: whole, verified by anybody, and no byte of it changed unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hefu.__main__ import main
from hefu.checking import tiled, verify
from hefu.errors import Malformed
from hefu.tlog import tiles
from hefu.tlog.note import VerifierKey
from hefu_broker.commands.export import export

from tests.broker.world import BOTH, Person, World

KINDS = BOTH


def _fill(world: World, provider: Person, count: int) -> None:
    world.rooms.log.append(provider.caller, [provider.says("computation.sealed", {"n": each}) for each in range(count)])
    world.sequenced()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def _report(world: World, folder: Path) -> verify.Report:
    space = world.space
    pins = verify.Pins(space.root, VerifierKey.parse(space.log_key), space=space)
    return verify.verify(tiled.open_tiles(folder), pins, above=())


def test_what_is_exported_is_the_log_and_exporting_again_adds_what_is_new(
    world: World, provider: Person, tmp_path: Path
) -> None:
    _fill(world, provider, 250)
    folder = tmp_path / "tiles"
    size, written = export(world.rooms, folder)
    assert written == 2 * -(-size // 256) + (1 if size > 255 else 0)
    _fill(world, provider, 200)
    before = _files(folder)
    larger, _ = export(world.rooms, folder)
    assert larger == size + 200 > 256
    after = _files(folder)
    assert {name for name in before if after[name] != before[name]} == {tiled.CHECKPOINT}
    assert {"tile/0/000", "tile/entries/000", f"tile/0/001.p/{larger - 256}", "tile/1/000.p/1"} <= set(after)
    found = _report(world, folder)
    foundation = {each.name: each for each in found.results}
    assert all(foundation[name].holds for name in ("bundle", "trust", "checkpoint", "tree", "tiles", "statements"))
    assert (found.size, foundation["tiles"].seen) == (larger, 3)


@pytest.mark.parametrize(
    ("name", "check"), [("tile/0/000", "tiles"), ("tile/1/000.p/1", "tiles"), ("tile/entries/000", "tree")]
)
def test_no_byte_is_changed_unseen(world: World, provider: Person, tmp_path: Path, name: str, check: str) -> None:
    _fill(world, provider, 256)
    export(world.rooms, tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[20] ^= 1
    (tmp_path / name).write_bytes(data)
    assert check in _report(world, tmp_path).failed()
    (tmp_path / name).unlink()
    if check == "tiles":
        assert check in _report(world, tmp_path).failed()
    else:
        with pytest.raises(Malformed):
            _report(world, tmp_path)


def test_the_commands_export_and_verify(
    world: World, provider: Person, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _fill(world, provider, 3)
    world.space.write(tmp_path / "space.json")
    folder = str(tmp_path / "tiles")
    assert main(["broker", "export", "--dir", str(world.folder), "--tiles", folder]) == 0
    capsys.readouterr()
    pinned = ["--space", str(tmp_path / "space.json"), "--json"]
    main(["verify", "--tiles", folder, *pinned])
    assert '"name": "tiles"' in capsys.readouterr().out.replace('":"', '": "')
    assert main(["verify", "--tiles", str(tmp_path), *pinned]) == 1


def test_a_bundle_of_entries_holds_exactly_as_many_as_its_name_says() -> None:
    packed = tiled.pack([b"a", b"", b"bcd"])
    assert tiled.unpack(packed, 3) == [b"a", b"", b"bcd"]
    for bad, width in ((packed, 2), (packed, 4), (packed[:-1], 3), (packed + b"\0", 3), (b"\0", 1)):
        with pytest.raises(Malformed):
            tiled.unpack(bad, width)
    assert tiled.entries_path(1234067, 3) == "tile/entries/x001/x234/067.p/3"


def test_the_places_of_a_tree_are_those_of_its_tiles() -> None:
    for size in (0, 1, 255, 256, 257, 70_000):
        made = tiles.append(0, [bytes(32)] * size, lambda *_: b"").tiles
        assert {(each.level, each.index, each.width) for each in made} == set(tiled.places(size))
