"""The spool: private copies of what workers read, gone when the computation is, or this process.

A snapshot is a copy, so that the bytes whose digest stands in the receipt are the bytes that were read, whoever
writes to the source meanwhile. It has no name that anybody could open: it is an open file that a worker is handed.
By default it lies in memory, and cannot be written any more once it is measured. A table too large for that needs a
folder: then its blocks are on a disk, in the clear, until the computation ends. Where the file system of source and
folder can (btrfs, XFS), a copy is a clone and costs nothing.
LIMIT: memory may be swapped; switch swap off or encrypt it.
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

from hefu.errors import Unavailable
from hefu.running import faults

_PREFIX = "snapshot-"
_CLONE = 0x40049409  # FICLONE of linux/fs.h
_BLOCK = 1 << 20
_OPEN = Path("/proc/self/fd")
_FINAL = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
_MEMORY = {"tmpfs", "ramfs"}
_GROUP = Path("/sys/fs/cgroup")


@contextmanager
def place(spool: Path | None) -> Iterator[Path]:
    """A new, empty, nameless file; its path holds in this process and while the context is open.

    Args:
        spool: a folder of its own; None keeps the file in memory.
    """
    if spool is None:
        descriptor = os.memfd_create("hefu-snapshot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        named = spool / f"{_PREFIX}{secrets.token_hex(16)}"
        descriptor = os.open(named, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        named.unlink()
    try:
        yield _OPEN / str(descriptor)
    finally:
        os.close(descriptor)


def create(path: Path) -> int:
    """A descriptor to write what `place` made."""
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def check_room(path: Path, more: int = 0) -> None:
    """Check that a snapshot in memory leaves others their half of it.

    Args:
        more: bytes that are still to be written.

    Raises:
        Unavailable: it does not; the kernel would end some process instead.
    """
    if not os.readlink(path).startswith("/memfd:"):
        return
    held = path.stat().st_size
    if held + more > (_available() + held) // 2:
        raise Unavailable("spool.full")


def copy(source: Path, target: Path) -> None:
    """Clone or copy a file.

    Raises:
        Unavailable: it is not there, is no regular file, is too large, or changed while it was copied.
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
        check_room(target, os.fstat(reading).st_size)
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
    with open(create(path), "rb") as file:
        os.fchmod(file.fileno(), 0o400)
        with suppress(OSError):  # a file in a folder has no seals
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, _FINAL)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"sha256:{digest}", file.tell()


def sweep(spool: Path) -> int:
    """Remove what a connector of version 0.1.0 left behind when it was killed: its snapshots had names.

    Returns:
        How many files were removed.
    """
    left = list(spool.glob(f"{_PREFIX}*"))
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def lies_in_memory(folder: Path) -> bool:
    """Whether what is written to a folder reaches no disk, by the kernel's list of mounts."""
    best, kind = "", ""
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
            place, _, rest = line.partition(" - ")
            point = place.split(" ")[4].encode().decode("unicode_escape")
            if folder.resolve().is_relative_to(point) and len(point) >= len(best):
                best, kind = point, rest.split(" ")[0]
    return kind in _MEMORY


def _available() -> int:
    """Bytes of memory that can still be had, by this machine and this container."""
    found = [1 << 62]
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found.append(next(int(each.split()[1]) << 10 for each in lines if each.startswith("MemAvailable:")))
    with suppress(OSError, ValueError):
        most, held = ((_GROUP / name).read_text("ascii").strip() for name in ("memory.max", "memory.current"))
        found.append(int(most) - int(held))
    return max(0, min(found))


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
