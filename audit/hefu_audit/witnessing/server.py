"""A witness over HTTP, as C2SP tlog-witness says: ``POST /add-checkpoint`` and ``GET /<origin hash>/checkpoint``.

Strangers call. So a request is small and quick or it is cut off, few are served at once, and nothing of a fault of
ours is told to them.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any

from hefu.errors import HefuError, Malformed, Unavailable
from hefu.tlog.note import VerifierKey
from hefu.tlog.witness import NotCosigned, Refusal, Request, Witness

log = logging.getLogger("hefu.witness")
LARGEST = 64 << 10  # bytes of a request: 63 hashes, a checkpoint and a hundred signatures
SECONDS = 10.0  # for each read and write of a connection
_A_CONNECTION = 60.0  # seconds that one may last: who drips bytes is cut off, others connect anew
_AT_ONCE = 32
_PATH = "/add-checkpoint"
_SIZE_TYPE = "text/x.tlog.size"


class Server:
    """Serves a witness from `start` to `stop`.

    Args:
        address: ``host:port``; port 0 draws one.
        logs: by origin; those whose newest checkpoint is shown.
        certificate, key: PEM files; both for TLS, none for HTTP in the clear (cosignatures are public).

    Raises:
        Unavailable: the address is taken.
    """

    def __init__(
        self,
        address: str,
        witness: Witness,
        logs: Mapping[str, VerifierKey],
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        host, _, port = address.rpartition(":")
        context = _context(certificate, key) if certificate is not None else None
        try:
            self._server = _Server((host.strip("[]"), int(port)), witness, logs, context)
        except (OSError, ValueError, OverflowError):
            raise Unavailable("address.taken", address=address) from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="witness", daemon=True)

    @property
    def port(self) -> int:
        """Where it serves."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Serve; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        witness: Witness,
        logs: Mapping[str, VerifierKey],
        context: ssl.SSLContext | None,
    ) -> None:
        self.witness = witness
        self.shown = {hashlib.sha256(origin.encode()).hexdigest(): origin for origin in logs}
        self._context = context
        self._free = threading.Semaphore(_AT_ONCE)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            request.settimeout(SECONDS)
            if self._context is not None:  # in the connection's own thread: a slow handshake holds up nobody
                request = self._context.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError):
            self.shutdown_request(request)
            self._free.release()
            return
        end = threading.Timer(_A_CONNECTION, _cut, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.info("a connection ended early")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "hefu-witness", ""

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != _PATH:
            self._answer(404, close=True)
        elif not length.isascii() or not length.isdigit() or int(length) > LARGEST:
            self._answer(400, close=True)
        else:
            self._answer(*self._add(self.rfile.read(int(length))))

    def do_GET(self) -> None:
        name, _, what = self.path.removeprefix("/").partition("/")
        origin = self.server.shown.get(name) if what == "checkpoint" else None
        try:
            note = self.server.witness.newest(origin) if origin is not None else None
        except HefuError as fault:
            log.warning("the memory of %s: %s", origin, fault.code)
            self._answer(500)
            return
        self._answer(404) if note is None else self._answer(200, note)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        log.debug("%s", self.command)

    def _add(self, body: bytes) -> tuple[int, str, str]:
        try:
            return 200, self.server.witness.add(Request.parse(body.decode("utf-8", "strict"))), ""
        except UnicodeDecodeError:
            return 400, "", ""
        except NotCosigned as refused:
            if refused.refusal is Refusal.CONFLICT:
                return 409, f"{refused.size}\n", _SIZE_TYPE
            if refused.refusal is Refusal.PROOF:
                log.warning("a checkpoint that its log had signed does not lead on from the newest; it is kept")
            return int(refused.refusal), "", ""
        except HefuError as fault:
            log.warning("a checkpoint is not cosigned: %s", fault.code)
            return 500, "", ""

    def _answer(self, status: int, body: str = "", kind: str = "", *, close: bool = False) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind or "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        if close:  # what is left of the request is not read
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        raise Malformed("key.unreadable", path=str(certificate), why="not a certificate with its key") from None
    return context
