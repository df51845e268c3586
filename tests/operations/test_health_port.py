"""The health port: whether a server is ready and why not, and nothing to hold on to for a stranger."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hefu.errors import Unavailable
from hefu.running import health
from hefu.running.health import Check, Port, Probes
from hefu_broker.bootstrap import Server
from hefu_broker.settings import Settings
from hefu_connector.bootstrap import build
from sqlmodel import text

from tests.connector.small_space import Space, eventually
from tests.operations.http import ask, get, ready


class ShiftedClock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Space]:
    made = Space(tmp_path).open()
    yield made
    made.close()


def _with_http(space: Space) -> Server:
    space.stop_broker()
    path = space.broker_folder
    settings = Settings.read(path)
    path.joinpath("broker.json").write_text(
        path.joinpath("broker.json").read_text().replace('"http": ""', '"http": "127.0.0.1:0"')
    )
    assert settings.http == ""
    return space.start_broker()


def test_an_absent_broker_is_told_and_leaves_the_connector_ready(space: Space) -> None:
    space.enrol("hospital-a", "provider", http="127.0.0.1:0")
    clock = ShiftedClock()
    connector = space.connectors["hospital-a"] = build(space.folder / "hospital-a", clock)
    connector.start()
    assert get(connector.http, "/healthz") == (200, b"ok\n")
    eventually(lambda: ready(connector.http)["ready"])  # once its certificate is bound
    eventually(lambda: ready(connector.http)["checks"]["broker"] == "ok")
    space.stop_broker()
    clock.ahead = timedelta(minutes=5)
    found = ready(connector.http)
    assert found["ready"]
    assert "offline window" in found["checks"]["broker"]


def test_a_certificate_that_ran_out_makes_a_connector_unready(space: Space) -> None:
    space.enrol("hospital-a", "provider", http="127.0.0.1:0")
    clock = ShiftedClock()
    connector = space.connectors["hospital-a"] = build(space.folder / "hospital-a", clock)
    connector.start()
    eventually(lambda: ready(connector.http)["ready"])
    space.stop_broker()
    clock.ahead = timedelta(days=2)
    assert ready(connector.http)["missing"] == ["certificate"]


def test_a_stopped_sequencer_makes_a_broker_unready(space: Space) -> None:
    server = _with_http(space)
    assert ready(server.http)["ready"]
    with server.rooms.database.writing() as session:  # somebody edits the tree by hand
        session.connection().execute(text("DELETE FROM log_tile"))
    with pytest.MonkeyPatch.context():
        server.rooms.enrolments.invite("late", frozenset({"consumer"}))
    space.enrol("late-too", "consumer")
    found = eventually(lambda: [] if ready(server.http)["ready"] else [ready(server.http)])[0]
    assert found["missing"] == ["log"]
    assert "sequencer" in found["checks"]["log"]


def test_what_is_not_a_short_request_of_http_gets_no_more_than_a_word() -> None:
    port = Port("127.0.0.1:0", Probes())
    try:
        assert ask(port.number, b"\x16\x03\x01 hello\r\n\r\n")[0] == 400
        assert ask(port.number, b"GET /" + b"a" * 20_000)[0] in (0, 400)
        assert ask(port.number, b"POST /readyz HTTP/1.1\r\n\r\n")[0] == 405
        assert get(port.number, "/../etc/passwd")[0] == 404
        assert ask(port.number, b"HEAD /healthz HTTP/1.1\r\n\r\n") == (200, b"")
    finally:
        port.stop()


def test_callers_who_say_nothing_keep_nobody_else_waiting_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_SECONDS", 0.2)
    port = Port("127.0.0.1:0", Probes())
    silent = [socket.create_connection(("127.0.0.1", port.number)) for _ in range(12)]
    try:
        assert get(port.number, "/healthz")[0] == 200
    finally:
        for each in silent:
            each.close()
        port.stop()


def test_a_check_that_fails_says_why_and_one_not_needed_keeps_a_server_ready() -> None:
    def raises() -> str:
        raise Unavailable("storage.busy")

    found = health.readiness([Check("store", raises), Check("a", lambda: ""), Check("b", lambda: "late", needed=False)])
    assert not found["ready"]
    assert found["missing"] == ["store"]
    assert found["checks"]["a"] == "ok"
    assert health.readiness([Check("b", lambda: "late", needed=False)])["ready"]
