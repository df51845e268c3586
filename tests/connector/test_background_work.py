"""What goes on beside the calls: loops, the journal's way into the log, settings that are read once and strictly."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hefu import canonical
from hefu.errors import Malformed, Unauthenticated, Unavailable, Untrusted
from hefu.tlog.proof import LogProof
from hefu_connector.background import Loop
from hefu_connector.membership.flush import MOST_AT_ONCE, Flush
from hefu_connector.ports import Run
from hefu_connector.settings import Home, Settings

WAIT = 10.0  # seconds; reached only where a test fails


@pytest.mark.parametrize(
    "fault", [Unavailable("cancelled"), Unauthenticated("identity.unknown"), Untrusted("guard.shape")]
)
def test_a_step_that_fails_is_done_again(fault: Exception) -> None:
    done, calls = threading.Event(), []

    def step() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise fault
        done.set()

    loop = Loop("a test", step, 0.01)
    loop.start()
    assert done.wait(WAIT)
    loop.end()
    loop.join()


def test_a_defect_in_a_step_is_logged_and_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    done, calls = threading.Event(), []

    def step() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError
        done.set()

    loop = Loop("a test", step, 0.01)
    with caplog.at_level(logging.ERROR):
        loop.start()
        assert done.wait(WAIT)
    loop.end()
    loop.join()
    assert "a test failed" in caplog.text


def test_a_nudge_does_the_next_step_now() -> None:
    steps = threading.Semaphore(0)
    loop = Loop("a test", steps.release, 3600)
    loop.start()
    assert steps.acquire(timeout=WAIT)
    loop.nudge()
    assert steps.acquire(timeout=WAIT)
    loop.end()
    loop.join()


def test_a_loop_waits_for_what_must_come_first_and_can_be_ended_before() -> None:
    ready, done = threading.Event(), threading.Event()
    waiting = Loop("never", done.set, 3600, threading.Event())
    waiting.start()
    waiting.end()
    waiting.join()
    assert not done.is_set()
    loop = Loop("later", done.set, 3600, ready)
    loop.start()
    ready.set()
    assert done.wait(WAIT)
    loop.end()
    loop.join()


@dataclass
class MemoryOutbox:
    """The part of `ports.JournalReader` that waits for the log."""

    waiting: list[bytes] = field(default_factory=list)

    def runs(self, limit: int, before: str = "") -> Sequence[Run]:
        return []

    def unfinished(self) -> Sequence[Run]:
        return []

    def outbox(self, limit: int) -> Sequence[bytes]:
        return self.waiting[:limit]

    def sent(self, digests: Sequence[str]) -> None:
        gone = set(digests)
        self.waiting = [each for each in self.waiting if canonical.digest(each) not in gone]

    def head(self) -> tuple[int, str]:
        return 0, ""


@dataclass
class MemoryLog:
    """`brokerage.Log` that keeps what it takes, and is away or takes less when a test says so."""

    taken: list[bytes] = field(default_factory=list)
    away: bool = False
    takes: int = MOST_AT_ONCE
    largest: int = 0

    def append(self, envelopes: Sequence[bytes]) -> int:
        if self.away:
            raise Unavailable("peer.unreachable", peer="the broker")
        self.largest = max(self.largest, sum(map(len, envelopes)))
        self.taken += [each for each in envelopes[: self.takes] if each not in self.taken]
        return min(len(envelopes), self.takes)

    def checkpoint(self) -> str:
        return ""

    def inclusion(self, leaf_hash: bytes) -> LogProof:
        raise NotImplementedError

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        return []


def test_all_that_waits_is_sent_in_the_order_of_the_chain() -> None:
    outbox, log = MemoryOutbox([b"%d" % each for each in range(600)]), MemoryLog()
    Flush(outbox, log).step()
    assert log.taken == [b"%d" % each for each in range(600)]
    assert outbox.waiting == []


def test_large_entries_go_in_messages_that_fit() -> None:
    outbox, log = MemoryOutbox([bytes([each]) * 250_000 for each in range(40)]), MemoryLog()
    Flush(outbox, log).step()
    assert len(log.taken) == 40
    assert log.largest < 4 << 20


def test_while_the_broker_is_away_everything_is_kept() -> None:
    outbox, log = MemoryOutbox([b"a", b"b"]), MemoryLog(away=True)
    with pytest.raises(Unavailable):
        Flush(outbox, log).step()
    assert outbox.waiting == [b"a", b"b"]
    log.away = False
    Flush(outbox, log).step()
    assert log.taken == [b"a", b"b"]


def test_what_the_broker_did_not_take_is_not_struck() -> None:
    outbox, log = MemoryOutbox([b"a", b"b", b"c"]), MemoryLog(takes=2)
    with pytest.raises(Unavailable):
        Flush(outbox, log).step()
    assert outbox.waiting == [b"a", b"b", b"c"]
    log.takes = 3
    Flush(outbox, log).step()
    assert log.taken == [b"a", b"b", b"c"]


def test_settings_that_were_written_are_read_again(tmp_path: Path) -> None:
    settings = Settings("hospital-a", "hospital-a-c1", "0.0.0.0:7410", "hospital.example:7410", quantum_ms=100)
    settings.write(Home(tmp_path))
    assert Settings.read(Home(tmp_path)) == settings


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"qantum_ms": 1}, "settings.unknown"),
        ({"quantum_ms": "250"}, "settings.value"),
        ({"quantum_ms": -1}, "settings.value"),
        ({"workers": True}, "settings.value"),
        ({"listen": "somewhere"}, "settings.value"),
        ({"endpoint": "host:99999"}, "settings.value"),
        ({"kind": "Broker"}, "settings.unreadable"),
        ({"participant": "Hospital A"}, "identity.malformed"),
    ],
)
def test_a_setting_that_is_unknown_or_wrong_is_refused(change: dict[str, object], code: str) -> None:
    document = {"apiVersion": "hefu/v1", "kind": "Connector", "participant": "hospital-a", "connector": "hospital-a-c1"}
    assert Settings.of(document).listen
    with pytest.raises(Malformed) as caught:
        Settings.of(document | change)
    assert caught.value.code == code


def test_a_settings_file_that_is_absent_or_not_json_says_what_to_do(tmp_path: Path) -> None:
    for text in (None, "{", json.dumps(["a list"])):
        if text is not None:
            Home(tmp_path).settings.write_text(text)
        with pytest.raises(Malformed) as caught:
            Settings.read(Home(tmp_path))
        assert caught.value.code == "settings.unreadable"
        assert "hefu connector init" in caught.value.public()
