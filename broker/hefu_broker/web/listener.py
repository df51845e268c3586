"""The port for browsers: uvicorn in a thread of its own, with a certificate that is followed as it is renewed."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn
from hefu.errors import Unavailable

if TYPE_CHECKING:
    from starlette.types import ASGIApp

Load = Callable[[], tuple[bytes, bytes]]  # private key and certificate chain, as PEM
_CONNECTIONS = 256
_HEAD = 16 << 10  # bytes of a request's head
_IDLE_SECONDS = 10
_GRACE_SECONDS = 2


class Listener:
    """A listening port; it serves once it is started.

    Args:
        address: ``host:port``; port 0 draws one.
        load: the certificate as it is now, asked at each handshake; None serves without TLS.

    Raises:
        Unavailable: the address cannot be bound.
    """

    def __init__(self, address: str, app: ASGIApp, load: Load | None) -> None:
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=64)
        except OSError:
            raise Unavailable("address.taken", address=address) from None
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                loop="asyncio",
                ws="none",
                log_config=None,
                access_log=False,  # a path may hold a one-time token
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_CONNECTIONS,
                h11_max_incomplete_event_size=_HEAD,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                ssl_context_factory=None if load is None else lambda *_: following(load),
            )
        )
        logging.getLogger("uvicorn.access").disabled = True  # for whoever gives that logger a handler nevertheless
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)

    @property
    def number(self) -> int:
        """The port's number."""
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Serve, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; what runs has two seconds."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


def following(load: Load) -> ssl.SSLContext:
    """A server's TLS context that takes up a renewed certificate at the next handshake."""
    lock, told = threading.Lock(), [(pair := load(), _context(*pair))]

    def renewed(connection: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        found = load()
        with lock:
            if found != told[0][0]:
                told[0] = found, _context(*found)
            connection.context = told[0][1]

    first = _context(*told[0][0])
    first.sni_callback = renewed  # called without a name as well
    return first


def _context(key: bytes, chain: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    file = os.memfd_create("tls")  # the library reads files only, and the key must reach no disk
    try:
        os.write(file, key + b"\n" + chain)
        context.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.close(file)
    return context
