"""Reports to a higher node: signed, kept, sent until they are acknowledged, and made when they are due."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.tlog import checkpoint
from hefu.tlog.note import VerifierKey
from hefu_broker.log.reporting import REPORTED, Reporting
from hefu_broker.settings import Settings
from hefu_broker.storage.log import SqlLogStore

from tests.broker.world import BOTH, Person, World

KINDS = BOTH


def _reporting(world: World, place: str, *, leads: bool = True) -> Reporting:
    rooms = world.rooms
    from hefu_broker.founding import ring_of

    return Reporting(
        world.folder,
        place,
        timedelta(hours=24),
        rooms.registry.directory,
        (rooms.settings.broker, ring_of(world.folder).signer()),
        lambda: rooms.sequencer.newest,
        SqlLogStore(rooms.database).counts,
        world.clock,
        lambda: leads,
    )


def test_a_report_is_laid_once_acknowledged_and_the_next_one_made_when_it_is_due(
    world: World, provider: Person, tmp_path: Path
) -> None:
    world.rooms.log.append(provider.caller, [provider.says("computation.sealed", {"n": each}) for each in range(3)])
    world.rooms.standings.suspend("insurer-b", "asked to")
    world.sequenced()
    higher = tmp_path / "higher"
    reporting = _reporting(world, str(higher))
    assert reporting.step() == 0  # the folder is not there: it is kept and laid later
    higher.mkdir()
    assert reporting.step() == 0
    (laid,) = higher.glob("*.json")
    read = Statement.parse(laid.read_bytes()).expect(REPORTED)
    read.verify(world.rooms.registry.directory.keys)
    head = checkpoint.verify(str(read.body["checkpoint"]), VerifierKey.parse(world.space.log_key))
    types = read.body["types"]
    assert isinstance(types, dict)
    assert (types["computation.sealed"], sum(int(str(each)) for each in types.values())) == (3, head.size)
    assert {"participant": "hospital-a", "roles": ["provider"]} in read.body["members"]  # type: ignore[operator]
    assert [each["subject"] for each in read.body["standings"]] == ["insurer-b"]  # type: ignore[union-attr,index,call-overload]
    laid.with_suffix(".receipt").write_bytes(b"taken")
    assert (reporting.step(), reporting.step()) == (1, 0)
    assert [each.read_bytes() for each in (world.folder / "reports").glob("*.receipt")] == [b"taken"]
    world.clock.move(hours=24)
    reporting.step()
    assert len(list(higher.glob("*.json"))) == 2


def test_a_process_that_follows_reports_nothing(world: World, tmp_path: Path) -> None:
    world.sequenced()
    assert _reporting(world, str(tmp_path), leads=False).step() == 0
    assert not list(tmp_path.glob("*.json"))


def test_a_url_that_is_away_leaves_the_report_to_be_sent_again(world: World) -> None:
    world.sequenced()
    reporting = _reporting(world, "https://127.0.0.1:1/reports")
    assert (reporting.step(), reporting.step()) == (0, 0)
    assert len(list((world.folder / "reports").glob("*.json"))) == 1


@pytest.mark.parametrize("place", ["http://higher.example", "relative/folder"])
def test_reports_go_nowhere_in_the_clear(world: World, place: str) -> None:
    document = {each: getattr(world.rooms.settings, each) for each in Settings.__slots__}
    with pytest.raises(Malformed):
        Settings(**document | {"report_to": place})
