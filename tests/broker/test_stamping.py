"""Time stamps on checkpoints: asked of a real authority over HTTP, verified, kept, and served to members."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hefu.errors import Malformed
from hefu.evidence import timestamps
from hefu.tlog.note import Note
from hefu_broker.log.stamping import Authority, Stamping, authorities
from hefu_broker.storage.stamps import SqlStampStore

from tests.broker.world import BOTH, Person, World
from tests.protocol.local_authority import LocalAuthority

KINDS = BOTH


@dataclass
class Desk:
    """An authority behind HTTP that does what a test wants of it."""

    authority: LocalAuthority
    url: str = ""
    spoiled: bytes | None = None
    asked: list[bytes] = field(default_factory=list)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(LocalAuthority(tmp_path / "authority"))

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(made.spoiled if made.spoiled is not None else made.authority.stamp(made.asked[-1]))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def _stamping(world: World, *named: Authority) -> Stamping:
    return Stamping(SqlStampStore(world.rooms.database), named, lambda: world.rooms.sequencer.newest, lambda: True)


def test_each_checkpoint_is_stamped_once_and_what_does_not_hold_is_not_kept(
    world: World, provider: Person, desk: Desk
) -> None:
    world.sequenced()
    one = Authority(desk.url, (desk.authority.root,))
    stamping = _stamping(world, one)
    desk.spoiled = b"no time stamp"
    assert stamping.stamp() == 0
    desk.spoiled = None
    assert (stamping.stamp(), stamping.stamp()) == (1, 0)
    assert len(desk.asked) == 2
    first = desk.authority.stamp(desk.asked[-1])
    world.rooms.log.append(provider.caller, [provider.says("computation.sealed", {})])
    world.sequenced()
    desk.spoiled = first  # yesterday's answer: another text, another nonce
    assert stamping.stamp() == 0
    desk.spoiled = None
    assert stamping.stamp() == 1
    size, note = world.rooms.sequencer.newest
    kept = stamping.stamps()
    assert [each.size for each in kept] == [size - 1, size]
    timestamps.verify(kept[-1].response, Note.parse(note).text.encode(), one.pinned)


def test_an_authority_that_is_away_costs_the_others_nothing(world: World, desk: Desk) -> None:
    world.sequenced()
    away, there = (Authority(url, (desk.authority.root,)) for url in ("http://127.0.0.1:1/", desk.url))
    assert _stamping(world, away, there).stamp() == 1


@pytest.mark.parametrize(
    "setting", ["https://tsa.example", "ftp://tsa.example root.pem", "https://tsa.example none.pem"]
)
def test_a_setting_that_names_no_authority_stops_the_start(setting: str, desk: Desk) -> None:
    with pytest.raises(Malformed):
        authorities(setting, desk.authority.folder)


def test_several_authorities_are_read_each_with_its_own_root(desk: Desk) -> None:
    one, two = authorities("https://a.example/t root.pem, http://b.example root.pem", desk.authority.folder)
    assert (one.url, two.url) == ("https://a.example/t", "http://b.example")
    assert one.pinned == (desk.authority.root,)
