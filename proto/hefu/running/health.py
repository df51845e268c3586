"""A port for the machinery that keeps servers running: ``/healthz``, ``/readyz``, ``/metrics``.

It is for the operator alone: put it on loopback, or where only orchestrator and collector reach it. It reads no more
than one line of a request, answers, and closes; who is slow or says much is cut off.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from hefu.errors import HefuError, Unavailable
from hefu.running import telemetry

log = logging.getLogger("hefu.health")
_LARGEST = 8192  # bytes of a request's head
_SECONDS = 5.0  # for a request, from the first byte to the last
_AT_ONCE = 4
_TEXT, _JSON = "text/plain; version=0.0.4; charset=utf-8", "application/json"
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 501: "Not Implemented",
            503: "Service Unavailable"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that readiness depends on, or that is only told.

    Attributes:
        look: returns an empty text where all is well, else what is wrong; quick, from any thread.
        needed: whether the server is not ready without it.
    """

    name: str
    look: Callable[[], str]
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Probes:
    """What one server shows on its port."""

    checks: Sequence[Check] = ()
    gauges: telemetry.Gauges | None = None


class Port:
    """The port, listening since it was made. `stop` it.

    Raises:
        Unavailable: the address cannot be bound.
    """

    def __init__(self, address: str, probes: Probes) -> None:
        host, _, port = address.rpartition(":")
        self._probes = probes
        try:
            self._socket = socket.create_server((host.strip("[]"), int(port)), family=_family(host), backlog=16)
        except OSError:
            raise Unavailable("address.taken", address=address) from None
        self._busy = threading.Semaphore(_AT_ONCE * 4)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="health")
        self._thread = threading.Thread(target=self._accept, name="health", daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        """The port's number."""
        return int(self._socket.getsockname()[1])

    def stop(self, grace: float = 0.0) -> None:
        """Answer no more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if self._busy.acquire(blocking=False):
                self._pool.submit(self._serve, connection)
            else:
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):
                status, kind, body, whole = self._answer(_first_line(connection))
                head = (
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                )
                connection.settimeout(_SECONDS)
                connection.sendall(f"{head}Cache-Control: no-store\r\nConnection: close\r\n\r\n".encode())
                connection.sendall(body if whole else b"")
        finally:
            self._busy.release()

    def _answer(self, line: bytes) -> tuple[int, str, bytes, bool]:
        words = line.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return 400, _TEXT, b"not a request of HTTP/1\n", True
        method, path = words[0], words[1].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return 405, _TEXT, b"GET or HEAD\n", True
        return (*self._page(path), method == b"GET")

    def _page(self, path: bytes) -> tuple[int, str, bytes]:
        if path == b"/healthz":
            return 200, _TEXT, b"ok\n"
        if path == b"/readyz":
            document = readiness(self._probes.checks)
            return 200 if document["ready"] else 503, _JSON, (json.dumps(document) + "\n").encode()
        if path == b"/metrics":
            try:
                return 200, _TEXT, telemetry.render(self._probes.gauges or {})
            except ImportError as fault:
                return 501, _TEXT, f"{fault}\n".encode()
        return 404, _TEXT, b"/healthz, /readyz or /metrics\n"


def readiness(checks: Sequence[Check]) -> dict[str, object]:
    """Whether a server is ready, and what each check says: ``ok`` or what is wrong."""
    said = {check.name: _look(check) for check in checks}
    missing = [check.name for check in checks if check.needed and said[check.name] != "ok"]
    return {"ready": not missing, "missing": missing, "checks": said}


def _look(check: Check) -> str:
    try:
        return check.look() or "ok"
    except HefuError as fault:
        return fault.public()


def _first_line(connection: socket.socket) -> bytes:
    """The first line of a request whose head came whole and in time; empty otherwise."""
    ends, head = time.monotonic() + _SECONDS, b""
    while b"\r\n\r\n" not in head:
        left = ends - time.monotonic()
        if left <= 0 or len(head) > _LARGEST:
            return b""
        connection.settimeout(left)
        more = connection.recv(_LARGEST)
        if not more:
            return b""
        head += more
    return head.split(b"\r\n", 1)[0]


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
