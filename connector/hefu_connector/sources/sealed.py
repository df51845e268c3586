"""A folder of files that only this connector reads: each is sealed piece by piece, and written whole or not at all.

A piece is bound to its file's name and its place, so that none can be moved, repeated or taken from another file. That
none is missing at the end is for the digest to say, which whoever keeps a file keeps elsewhere.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hefu.errors import Unavailable, Untrusted
from hefu.keeping.keys import sync_folder

from hefu_connector.sources import spool

_PIECE = 1 << 20  # bytes
_NONCE = 12
_TAG = 16


@dataclass(frozen=True, slots=True)
class SealedFolder:
    """Files under one key. Safe to use from many threads and processes.

    Attributes:
        key: 32 bytes, used for nothing else (AES-256-GCM); None leaves files as they are, as everything else that a
            connector without a secret keeps.
    """

    folder: Path
    key: bytes | None = field(repr=False)

    def keep(self, name: str, file: Path) -> None:
        """Keep what stands in a file, durably, under a name that is new.

        Raises:
            Unavailable: there is no room.
        """
        path = self.folder / name
        try:
            with open(file, "rb") as reading, open(path, "xb", opener=_private) as writing:
                for place, piece in enumerate(iter(lambda: reading.read(_PIECE), b"")):
                    writing.write(self._seal(piece, f"{name}/{place}"))
                writing.flush()
                os.fsync(writing.fileno())
            sync_folder(self.folder)
        except OSError as fault:
            path.unlink(missing_ok=True)
            raise Unavailable("spool.full", detail=type(fault).__name__) from None

    def fetch(self, name: str, file: Path) -> None:
        """Open what is kept under a name, into a file of the spool.

        Raises:
            Untrusted: it is not there, or not what was kept.
            Unavailable: it does not fit into memory.
        """
        size = _PIECE + (_NONCE + _TAG if self.key is not None else 0)
        try:
            with open(self.folder / name, "rb") as reading, open(spool.create(file), "wb") as writing:
                spool.check_room(file, os.fstat(reading.fileno()).st_size)
                for place, piece in enumerate(iter(lambda: reading.read(size), b"")):
                    writing.write(self._open(piece, f"{name}/{place}"))
        except (OSError, InvalidTag, ValueError) as fault:
            raise Untrusted("source.layout", detail=type(fault).__name__) from None

    def sweep(self, prefix: str, but: str = "") -> None:
        """Remove the files whose names begin so, but one."""
        for path in self.folder.glob(f"{prefix}*"):
            if path.name != but:
                path.unlink(missing_ok=True)

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """While it is open, no other process has the turn of this name in this folder."""
        with open(self.folder / f".{name}.turn", "ab", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _seal(self, piece: bytes, about: str) -> bytes:
        if self.key is None:
            return piece
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self.key).encrypt(nonce, piece, about.encode())

    def _open(self, piece: bytes, about: str) -> bytes:
        if self.key is None:
            return piece
        return AESGCM(self.key).decrypt(piece[:_NONCE], piece[_NONCE:], about.encode())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
