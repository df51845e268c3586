"""A watch on a log: it verifies what is new, says each thing once, remembers over restarts, and is heard in the end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from hefu.envelope import PublicKey, Statement
from hefu.errors import Malformed, Unavailable
from hefu_audit.home import Home
from hefu_audit.watching import telling
from hefu_audit.watching.rules import Alert, Rules
from hefu_audit.watching.state import State
from hefu_audit.watching.telling import FILE, WEBHOOK, deliver
from hefu_audit.watching.watcher import Watcher

from tests.audit.conftest import ServedLog
from tests.broker.world import SetClock
from tests.protocol.small_log import SmallLog


class Watch:
    """A watch of a small log whose process can be started anew."""

    def __init__(self, small: SmallLog, home: Home, rules: Rules | None = None) -> None:
        self.small, self.home, self.served = small, home, ServedLog(small)
        self.clock, self.rules = SetClock(small.at), rules or Rules()
        self.start()

    def start(self) -> None:
        self.state = State(self.home.directory / "watch", self.home.evidence, {FILE: telling.line})
        self.watcher = Watcher(self.small.space, self.state, self.state, self.rules, self.clock)

    def look(self) -> list[str]:
        self.clock.at = max(self.clock.at, self.small.at)
        return [each.rule for each in self.watcher.look(self.served)]


@pytest.fixture
def watch(small: SmallLog, home: Home) -> Watch:
    return Watch(small, home)


def test_a_log_that_grows_honestly_alarms_nobody_and_is_read_on_from_where_it_was(watch: Watch) -> None:
    assert watch.look() == []
    size = watch.watcher.size
    watch.small.release("cmp-five")
    watch.start()
    assert watch.watcher.size == size
    assert watch.look() == []
    assert watch.watcher.size == size + 1


def test_a_fork_is_told_once_with_evidence_and_the_honest_log_is_followed_again(watch: Watch) -> None:
    watch.look()
    kept = [*watch.small.entries]
    watch.small.entries[5], watch.small.entries[6] = kept[6], kept[5]
    watch.small.release("cmp-five")
    assert watch.look() == ["log.inconsistent"]
    assert watch.look() == []
    assert [*(watch.home.directory / "evidence").iterdir()]
    watch.small.entries[:] = [*kept, watch.small.entries[-1]]
    watch.start()
    assert watch.look() == []
    assert watch.watcher.size == len(kept) + 1


def test_entries_that_do_not_give_the_root_are_not_taken_in(watch: Watch) -> None:
    watch.look()
    size = watch.watcher.size
    watch.small.release("cmp-five")
    true = watch.served.entries
    watch.served.entries = lambda first: [replace(each, leaf_hash=bytes(32)) for each in true(first)]  # type: ignore[method-assign]
    assert watch.look() == ["audit.root"]
    assert watch.watcher.size == size
    watch.served.entries = true  # type: ignore[method-assign]
    assert watch.look() == []


def test_what_breaks_a_check_or_a_rule_is_told_by_its_name(watch: Watch) -> None:
    watch.look()
    watch.small.release("cmp-five", 700_000_000)  # 0.95 of ε 1
    assert watch.look() == ["budget"]
    watch.small.release("cmp-six", 100_000_000)
    assert watch.look() == ["budgets"]
    for number in range(10):
        watch.small.refuse(f"cmp-refused-{number}")
    assert "denials" in watch.look()


def test_silence_and_impossible_times_are_told(watch: Watch) -> None:
    watch.look()
    watch.clock.move(minutes=31)
    assert watch.look() == ["silence"]
    assert watch.look() == []
    watch.small.at += timedelta(minutes=31)
    watch.small.say("product.noted", {}, "clinic-a")
    watch.clock.at = watch.small.at
    watch.look()
    watch.small.at -= timedelta(minutes=20)
    watch.small.say("product.noted", {}, "clinic-a")
    assert watch.look() == ["clock"]


def test_a_message_that_its_negotiation_does_not_allow_is_told(watch: Watch) -> None:
    body = {"negotiation": "neg-x", "consumer": "lab-b", "provider": "clinic-a"}
    watch.small.say("negotiation.requested", {**body}, "lab-b")
    watch.small.say("negotiation.finalized", {"negotiation": "neg-x"}, "lab-b")
    assert "transition" in watch.look()


def test_contents_that_are_kept_from_the_auditor_are_told(watch: Watch) -> None:
    watch.served.hide = frozenset({9})
    assert watch.look() == ["hidden"]


def test_a_broker_that_is_away_is_no_fault_until_it_is_silent(watch: Watch) -> None:
    watch.look()

    def away() -> str:
        raise Unavailable("peer.unreachable", peer="the broker")

    watch.served.checkpoint = away  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        watch.look()
    assert watch.watcher.away() == []
    watch.clock.move(minutes=40)
    assert [each.rule for each in watch.watcher.away()] == ["silence"]


def test_a_crash_between_entries_and_state_leaves_nothing_doubtful(watch: Watch) -> None:
    watch.look()
    with (watch.home.directory / "watch" / "entries.jsonl").open("ab") as file:
        file.write(b'{"half a li')
    watch.small.release("cmp-five")
    watch.start()
    assert watch.look() == []
    watch.start()
    assert watch.watcher.size == len(watch.small.entries)


def test_settings_are_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "watch.json"
    assert Rules.read(path) == Rules()
    path.write_text('{"denials": 3}')
    assert Rules.read(path) == Rules(denials=3)
    for bad in ("{", "[]", '{"denial": 3}', '{"denials": 0}', '{"denials": true}', '{"denials": "3"}'):
        path.write_text(bad)
        with pytest.raises(Malformed):
            Rules.read(path)


# ---------------------------------------------------------------- who is told


class Hook(BaseHTTPRequestHandler):
    heard: ClassVar[list[bytes]] = []
    answers: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.answers.pop(0) if self.answers else 204
        if status == 204:
            self.heard.append(body)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hook() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    Hook.heard.clear()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alerts"
    server.shutdown()
    thread.join()
    server.server_close()


def test_alerts_reach_file_and_webhook_signed_and_are_sent_again_until_they_are_taken(
    home: Home, small: SmallLog, hook: str, tmp_path: Path
) -> None:
    ring, alert = home.ring(), Alert("silence", 3, "k", "It is silent.", "无声。")
    writes = {FILE: telling.line, WEBHOOK: telling.signed(ring, "demo")}
    state = State(home.directory / "watch", home.evidence, writes)
    sends = {FILE: telling.appender(tmp_path / "alerts.jsonl"), WEBHOOK: telling.poster(hook)}
    assert state.tell([alert, alert], small.at) == [alert]
    assert state.tell([alert], small.at) == []
    Hook.answers[:] = [500]
    assert [*deliver(state, sends)] == [WEBHOOK]
    state = State(home.directory / "watch", home.evidence, writes)  # as after a restart
    assert deliver(state, sends) == {}
    assert deliver(state, sends) == {}
    (line,) = (tmp_path / "alerts.jsonl").read_text().splitlines()
    assert json.loads(line)["rule"] == "silence"
    (body,) = Hook.heard
    said, signer = Statement.parse(body), ring.signer()
    said.verify({signer.key: PublicKey(signer.key, ring.participant, signer.public)}, ring.participant)
    assert said.body == alert.document()


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://127.0.0.1/", "nothing"])
def test_a_web_address_in_the_clear_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(Malformed):
        telling.poster(url)
