"""The spool: private copies of what workers read, gone when the computation is.

A snapshot is a copy, so that the bytes whose digest stands in the receipt are the bytes that were read, whoever
writes to the source meanwhile. Where the file system can (btrfs, XFS), a copy is a clone and costs nothing.
LIMIT: copies lie unencrypted in a folder that only the connector's user can open; encrypt its disk.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hefu import faults
from hefu.errors import Unavailable

_PREFIX = "snapshot-"
_CLONE = 0x40049409  # FICLONE of linux/fs.h
_BLOCK = 1 << 20


@contextmanager
def place(spool: Path) -> Iterator[Path]:
    """The path of a new file in the spool, which is removed in the end. The caller creates it, by `create`."""
    path = spool / f"{_PREFIX}{secrets.token_hex(16)}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def create(path: Path) -> int:
    """A descriptor of a new file that only this user can read."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def copy(source: Path, target: Path) -> None:
    """Clone or copy a file.

    Raises:
        Unavailable: it is not there, is no regular file, or changed while it was copied.
    """
    try:
        reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as fault:
        raise Unavailable("source.moved", detail=type(fault).__name__) from None
    writing = create(target)
    try:
        before = _mark(reading)
        if not stat.S_ISREG(os.fstat(reading).st_mode):
            raise Unavailable("source.moved", detail="not a regular file")
        _fill(reading, writing)
        faults.point("spool.written")
        # INVARIANT: a file that was written to while we copied is no snapshot of any moment.
        if _mark(reading) != before:
            raise Unavailable("source.changing")
    except OSError as fault:
        raise Unavailable("source.moved", detail=type(fault).__name__) from None
    finally:
        os.close(reading)
        os.close(writing)


def measure(path: Path) -> tuple[str, int]:
    """``sha256:`` and size in bytes of a file in the spool, which from now on can only be read."""
    path.chmod(0o400)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"sha256:{digest}", file.tell()


def sweep(spool: Path) -> int:
    """Remove what a killed connector left behind. Call it at the start, before anything else uses the spool.

    Returns:
        How many files were removed.
    """
    left = list(spool.glob(f"{_PREFIX}*"))
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _fill(reading: int, writing: int) -> None:
    with suppress(OSError):
        fcntl.ioctl(writing, _CLONE, reading)
        return
    while block := os.read(reading, _BLOCK):
        view = memoryview(block)
        while view:
            view = view[os.write(writing, view) :]


def _mark(descriptor: int) -> tuple[int, int, int]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
