"""What the health port is asked, byte by byte."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any


def ask(port: int, head: bytes) -> tuple[int, bytes]:
    """Status and body; status 0 where nothing was answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        answer = b""
        with suppress(ConnectionResetError):  # cut off in the middle of its words
            connection.sendall(head)
            while more := connection.recv(65536):
                answer += more
    status = int(answer.split(b" ", 2)[1]) if answer else 0
    return status, answer.partition(b"\r\n\r\n")[2]


def get(port: int, path: str) -> tuple[int, bytes]:
    return ask(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def ready(port: int) -> dict[str, Any]:
    status, body = get(port, "/readyz")
    document: dict[str, Any] = json.loads(body)
    assert status == (200 if document["ready"] else 503)
    return document
