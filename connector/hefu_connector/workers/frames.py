"""Messages between a connector and its worker: a length of four bytes, then canonical JSON; capped at both ends.

After a request the connector hands over its tables, as open files. A worker that makes a file sends it in pieces
before its answer, since it can write none itself.
"""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Malformed

LARGEST = 72 << 20  # bytes: the largest delivery, with room
_HEAD = 4
_PIECE = 1 << 20  # bytes


class Closed(Exception):
    """The other end is gone, or sent something that is no message."""


def send(descriptor: int, message: Object) -> None:
    """Write one message; blocks until it is taken.

    Raises:
        Closed: the other end is gone.
    """
    body = canonical.encode(message)
    data = memoryview(len(body).to_bytes(_HEAD, "big") + body)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        raise Closed from None


def receive(descriptor: int, limit: int = LARGEST) -> Object:
    """Read one message; blocks until it is there.

    Raises:
        Closed: the other end is gone, the message is too large or not canonical JSON.
    """
    size = int.from_bytes(_exactly(descriptor, _HEAD), "big")
    if size > limit:
        raise Closed
    try:
        return canonical.decode_object(_exactly(descriptor, size), limit)
    except Malformed:
        raise Closed from None


class Sink(io.RawIOBase):
    """What a worker writes a file to: each piece goes to the connector, and `end` says that it was the last."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, piece: Any) -> int:
        """Send a piece; blocks until it is taken. Raises Closed."""
        view = memoryview(piece).cast("B")
        for start in range(0, len(view), _PIECE):
            self._send(view[start : start + _PIECE])
        return len(view)

    def end(self) -> None:
        """Say that the file is whole."""
        self._send(memoryview(b""))

    def _send(self, piece: memoryview) -> None:
        try:
            data = memoryview(len(piece).to_bytes(_HEAD, "big") + bytes(piece))
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            raise Closed from None


def pieces(descriptor: int) -> Iterator[bytes]:
    """The pieces of a file that a worker sends, until its end.

    Raises:
        Closed: the other end is gone, or a piece is larger than any may be.
    """
    while size := int.from_bytes(_exactly(descriptor, _HEAD), "big"):
        if size > _PIECE:
            raise Closed
        yield _exactly(descriptor, size)


def hand(door: socket.socket, *tables: Path) -> None:
    """Hand over files, open for reading.

    Raises:
        Closed: the other end is gone, or there is no such file.
    """
    files: list[int] = []
    try:
        for table in tables:
            files.append(os.open(table, os.O_RDONLY | os.O_CLOEXEC))
        socket.send_fds(door, [b"\0"], files)
    except OSError:
        raise Closed from None
    finally:
        for file in files:
            os.close(file)


def take(descriptor: int, number: int = 1) -> tuple[Path, ...]:
    """The paths, in this process only, of the files that were handed over.

    Raises:
        Closed: the other end is gone, or handed over another number of them.
    """
    try:
        with socket.socket(fileno=os.dup(descriptor)) as door:
            _, files, _, _ = socket.recv_fds(door, 1, number)
    except OSError:
        raise Closed from None
    if len(files) != number:
        raise Closed
    return tuple(Path(f"/proc/self/fd/{each}") for each in files)


def _exactly(descriptor: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        try:
            part = os.read(descriptor, min(size, 1 << 20))
        except OSError:
            raise Closed from None
        if not part:
            raise Closed
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
