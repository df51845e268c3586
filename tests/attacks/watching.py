"""A place of one's own, and everything that is written, sent or shown in it: for tests that look for what leaked.

`enter` gives this process and its children a network, `/tmp`, `/var/tmp` and `/dev/shm` of their own, so that whatever
is found there is theirs. `Watch` looks at each file as it is closed (also one that is removed at once), each packet on
the loopback, and the command lines and environments of all processes that began here.
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

PLACES = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))
_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_MOUNTS, _NEW_NETWORK = 0x00020000, 0x40000000
_PRIVATE = 0x4000 | 0x40000  # MS_REC | MS_PRIVATE
_ALL_PROTOCOLS = 0x0003
_CLOSED_AFTER_WRITING, _WHOLE_MOUNT, _ADD = 0x8, 0x10, 0x1
_EVENT = struct.Struct("=IBBHQii")  # struct fanotify_event_metadata


class Impossible(Exception):
    """The kernel or the container does not allow it."""


def enter() -> None:
    """Leave the host's network and temporary folders. Call it while the process has one thread."""
    if _LIBC.unshare(_NEW_MOUNTS | _NEW_NETWORK) or _LIBC.mount(b"none", b"/", None, _PRIVATE, None):
        raise Impossible(f"namespaces: {os.strerror(ctypes.get_errno())}")
    for place in PLACES:
        if _LIBC.mount(b"tmpfs", bytes(place), b"tmpfs", 0, None):
            raise Impossible(f"mount: {os.strerror(ctypes.get_errno())}")
        place.chmod(0o1777)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        up = struct.pack("16sH14s", b"lo", 0x1 | 0x40, b"")  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(probe, 0x8914, up)  # SIOCSIFFLAGS


def spellings(word: bytes) -> list[bytes]:
    """How a word may stand somewhere: as it is, in hexadecimal, in UTF-16, in base64 at each of three offsets."""
    found = [word, word.hex().encode(), word.hex().upper().encode(), word.decode().encode("utf-16-le")]
    for lead in range(3):
        coded = base64.b64encode(b"\0" * lead + word).rstrip(b"=")
        # What the neighbours share bits with is cut off.
        found.append(coded[(0, 2, 3)[lead] + (lead > 0) : len(coded) - 1])
    return found


def holds(data: bytes, words: Sequence[bytes]) -> bool:
    """Whether one of the words stands in the data, however it is spelt."""
    return any(each in data for word in words for each in spellings(word))


class Watch:
    """Looks for words until it is stopped. Started in a place that was entered.

    Attributes:
        found: where a word was: ``file``, ``packet``, ``process`` and what it is called.
        packets, files: how many were looked at.
    """

    def __init__(self, words: Sequence[bytes], allowed: Callable[[Path], bool]) -> None:
        self._spellings = [each for word in words for each in spellings(word)]
        self._allowed = allowed
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.found: set[tuple[str, str]] = set()
        self.packets = self.files = self.looks = 0
        self._packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
        self._packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self._packets.bind(("lo", 0))
        self._packets.settimeout(0.2)
        self._closed = _watch_closing(PLACES)
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._sniff, self._read, self._list)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Look at what is still waiting, then end."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(30)

    def scan(self, folders: Sequence[Path]) -> None:
        """Look at every file that is there now."""
        for path in (each for folder in folders for each in folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                with suppress(OSError):
                    self._look("file", path, path.read_bytes())

    def _sniff(self) -> None:
        while True:
            try:
                packet = self._packets.recv(1 << 16)
            except TimeoutError:
                if self._stopped.is_set():
                    return
                continue
            self.packets += 1
            self._look("packet", packet[:34].hex(), packet)

    def _read(self) -> None:
        while True:
            for descriptor in self._events():
                with os.fdopen(descriptor, "rb") as file, suppress(OSError):
                    self.files += 1
                    self._look("file", Path(os.readlink(f"/proc/self/fd/{descriptor}")), file.read())
            if self._stopped.wait(0.02):
                return

    def _events(self) -> Iterator[int]:
        with suppress(BlockingIOError):
            while data := os.read(self._closed, 1 << 16):
                while data:
                    size, _, _, _, _, descriptor, _ = _EVENT.unpack_from(data)
                    data = data[size:]
                    if descriptor >= 0:
                        yield descriptor

    def _list(self) -> None:
        while not self._stopped.wait(0.05):
            self.looks += 1
            for process in _descendants():
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        path = Path(f"/proc/{process}/{name}")
                        self._look("process", path, path.read_bytes())

    def _look(self, kind: str, where: Path | str, data: bytes) -> None:
        if any(each in data for each in self._spellings) and not (isinstance(where, Path) and self._allowed(where)):
            with self._lock:
                self.found.add((kind, str(where)))


def _watch_closing(places: Sequence[Path]) -> int:
    closed = _LIBC.fanotify_init(0x1 | 0x2 | 0x10, os.O_RDONLY | os.O_LARGEFILE)  # CLOEXEC, NONBLOCK, UNLIMITED_QUEUE
    if closed < 0:
        raise Impossible(f"fanotify: {os.strerror(ctypes.get_errno())}")
    mark = _LIBC.fanotify_mark
    mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]
    for place in places:
        if mark(closed, _ADD | _WHOLE_MOUNT, _CLOSED_AFTER_WRITING, -100, bytes(place)):
            raise Impossible(f"fanotify: {os.strerror(ctypes.get_errno())}")
    return int(closed)


def _descendants() -> list[int]:
    parents: dict[int, int] = {}
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with suppress(OSError, IndexError):
                parents[int(each.name)] = int((each / "stat").read_text().rpartition(") ")[2].split()[1])
    found = [os.getpid()]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found[1:]
