"""One end of a tunnel: a head in the form of HTTP CONNECT, then bytes that are copied and never looked at.

Used by the relay, which joins two ends that came in, and by a connector, which joins one to its own server. Each end
is an asyncio protocol; a process runs all its tunnels on one loop in one thread.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import suppress

from hefu.errors import Malformed

LARGEST_HEAD = 2048  # bytes
_END = b"\r\n\r\n"
_TLS = b"\x16"  # the first byte of a handshake (RFC 8446, section 5.1)
_AHEAD = 1 << 20  # bytes that one end may be ahead of the other
_TICKET = re.compile(rb"\r\nproxy-authorization: *bearer ([A-Za-z0-9_-]{20,100})(?:\r\n|\Z)", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r\n|\Z)")
# Seconds after which a vanished host is noticed: probes while nothing is sent, and unacknowledged bytes.
_IDLE, _BETWEEN, _PROBES, _UNACKNOWLEDGED = 30, 10, 3, 60

OnHead = Callable[["End", bytes], None]
OnLost = Callable[["End"], None]


class End(asyncio.Protocol):
    """One end. Everything happens on the loop that made it.

    Args:
        on_head: called once with the head, its blank line included; what follows is kept until `join`. The head is
            empty where TLS begins at once. None where no head is spoken.
        on_lost: called once when the connection is over.

    Attributes:
        bytes: received after the head.
        heard: the loop's time when bytes last came.
    """

    def __init__(self, on_head: OnHead | None, on_lost: OnLost) -> None:
        self.bytes = 0
        self.heard = 0.0
        self._on_head = on_head
        self._on_lost = on_lost
        self._early = bytearray()
        self._headed = on_head is None
        self._over = False
        self._other: End | None = None
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def host(self) -> str:
        """The far side's address."""
        name = self._transport.get_extra_info("peername") if self._transport else None
        return str(name[0]) if name else ""

    def send(self, data: bytes) -> None:
        """Write something of our own, such as the answer to a head."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """End the connection once what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio asks."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own promise for a stream
        self._transport, self.heard = transport, self._loop.time()
        transport.set_write_buffer_limits(high=_AHEAD)
        _notice_silence(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """As asyncio asks."""
        self.heard = self._loop.time()
        if self._other is not None:
            self.bytes += len(data)
            self._other.send(data)
            return
        self._early += data
        if not self._headed:
            self._look_for_head()
        if len(self._early) > _AHEAD:
            self.abort()

    def pause_writing(self) -> None:
        """As asyncio asks: the far side takes no more, so nothing more is read for it."""
        if self._other is not None and self._other._transport is not None:
            self._other._transport.pause_reading()

    def resume_writing(self) -> None:
        """As asyncio asks."""
        if self._other is not None and self._other._transport is not None:
            with suppress(RuntimeError):  # it may be closing
                self._other._transport.resume_reading()

    def connection_lost(self, fault: Exception | None) -> None:
        """As asyncio asks: the other end goes with it."""
        del fault
        other, self._other, self._transport, self._over = self._other, None, None, True
        if other is not None:
            other.close()
        self._on_lost(self)

    def _look_for_head(self) -> None:
        if self._early.startswith(_TLS):
            self._headed = True
            if self._on_head is not None:
                self._on_head(self, b"")
            return
        end = self._early.find(_END)
        if end < 0 and len(self._early) <= LARGEST_HEAD:
            return
        if end < 0 or end > LARGEST_HEAD:
            self.abort()
            return
        head = bytes(self._early[: end + len(_END)])
        del self._early[: len(head)]
        self._headed = True
        if self._on_head is not None:
            self._on_head(self, head)

    def _take(self, other: End) -> None:
        self._other = other
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            self.bytes += len(early)
            other.send(early)


def join(one: End, other: End) -> None:
    """From now on each gets what the other receives, no faster than it takes it, and both end together."""
    one._take(other)
    other._take(one)
    for each, its in ((one, other), (other, one)):
        if each._over:  # it went while the other was made
            its.close()


def ask(ticket: str) -> bytes:
    """The head that presents a ticket, as gRPC writes it (RFC 9110, section 9.3.6)."""
    return (
        b"CONNECT relay.hefu:443 HTTP/1.1\r\nHost: relay.hefu:443\r\nProxy-Authorization: Bearer "
        + ticket.encode("ascii")
        + _END
    )


def asked(head: bytes) -> str:
    """The ticket in a head.

    Raises:
        Malformed: it asks for something else, or brings none.
    """
    found = _TICKET.search(head.removesuffix(_END))
    if not head.startswith(b"CONNECT ") or found is None:
        raise Malformed("request.malformed", why="not a CONNECT with a ticket")
    return found[1].decode()


def answer(status: int, reason: str) -> bytes:
    """The head that answers; 200 means that the bytes after it are the other side's."""
    return f"HTTP/1.1 {status} {reason}".encode("ascii") + _END


def answered(head: bytes) -> int:
    """The status in a head that answers; 0 where there is none."""
    found = _STATUS.match(head)
    return int(found[1]) if found else 0


def _notice_silence(connection: socket.socket | None) -> None:
    """A host that vanished without a word is noticed, also while nobody sends."""
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _BETWEEN)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED * 1000)
