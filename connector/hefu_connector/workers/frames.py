"""Messages between a connector and its worker: a length of four bytes, then canonical JSON; capped at both ends."""

from __future__ import annotations

import os

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Malformed

LARGEST = 72 << 20  # bytes: the largest delivery, with room
_HEAD = 4


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
