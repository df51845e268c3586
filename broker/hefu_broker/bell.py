"""A bell between processes: a command that wrote to the database wakes the server that runs on it.

It is a named pipe in the broker's folder. Nothing is said but "look": the database is what both read. Where no server
runs, ringing does nothing.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

FILE = "bell"
_END = b"\x00"
_LOOK = b"\x01"


def ring(folder: Path) -> None:
    """Wake the server of this folder, if one runs."""
    try:
        pipe = os.open(folder / FILE, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as fault:
        if fault.errno in (errno.ENXIO, errno.ENOENT):  # nobody listens
            return
        raise
    try:
        os.write(pipe, _LOOK)
    except BlockingIOError:
        pass  # it is full of rings already
    finally:
        os.close(pipe)


class Bell:
    """The server's side: calls back, in a thread of its own, at each ring."""

    def __init__(self, folder: Path, heard: Callable[[], None]) -> None:
        self._path = folder / FILE
        self._heard = heard
        self._path.unlink(missing_ok=True)
        os.mkfifo(self._path, 0o600)
        # Opened for both, so that reading waits also while nobody has it open for writing.
        self._pipe = os.open(self._path, os.O_RDWR)
        self._thread = threading.Thread(target=self._listen, name="bell", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        if self._thread.is_alive():
            os.write(self._pipe, _END)
            self._thread.join()
        os.close(self._pipe)
        self._path.unlink(missing_ok=True)

    def _listen(self) -> None:
        while True:
            data = os.read(self._pipe, 4096)
            if _END in data:
                return
            self._heard()
