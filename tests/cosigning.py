"""Witnesses for tests: the real core over a memory in a dictionary."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu.tlog.note import COSIGNATURE, VerifierKey
from hefu.tlog.witness import Request, Witness


class Kept:
    """A witness's memory in a dictionary."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self.caught: list[str] = []
        self._lock = threading.Lock()

    def newest(self, origin: str) -> str | None:
        return self.notes.get(origin)

    def replace(self, origin: str, before: str | None, after: str) -> bool:
        with self._lock:
            if self.notes.get(origin) != before:
                return False
            self.notes[origin] = after
            return True

    def evidence(self, origin: str, request: str) -> None:
        self.caught.append(request)


class Cosigner:
    """A witness of one log, by name."""

    def __init__(self, name: str, log: VerifierKey, clock: Callable[[], datetime]) -> None:
        private = Ed25519PrivateKey.generate()
        self.name, self.memory = name, Kept()
        self.key = VerifierKey(f"{name}.example", COSIGNATURE, private.public_key().public_bytes_raw())
        self.witness = Witness({log.name: [log]}, [(self.key, private.sign)], self.memory, clock)
        self._origin = log.name

    @property
    def newest(self) -> str:
        return self.memory.newest(self._origin) or ""

    def line(self, url: str = "") -> str:
        """Its line in a policy."""
        return f"witness {self.name} {self.key} {url}".rstrip()

    def cosigned(self, request: Request) -> str:
        """The checkpoint with its cosignature."""
        return request.note.rpartition("\n\n")[0] + "\n\n" + self.witness.add(request)


def policy(least: int, *cosigners: Cosigner, url: str = "") -> str:
    """A policy text: so many of these."""
    names = " ".join(each.name for each in cosigners)
    lines = [*(each.line(url and f"{url}/{each.name}") for each in cosigners), f"group all-of-us {least} {names}"]
    return "\n".join([*lines, "quorum all-of-us", ""])
