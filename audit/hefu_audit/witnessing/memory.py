"""A witness's memory on disk: the newest cosigned checkpoint of each log, a file each, and what was refused.

A file is replaced as a whole and durably before anything is signed, so no crash makes a witness forget. It never goes
back, whatever asks it to. One process at a time writes: it holds a lock on the folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from pathlib import Path

from hefu.errors import Conflict, Malformed, Unavailable
from hefu.keeping.keys import replace_private, write_private
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note

_MOST_EVIDENCE = 1000  # files; what proves a fork is proved by the first
_LARGEST_EVIDENCE = 64 << 10  # characters


class FileMemory:
    """`hefu.tlog.witness.Memory` in a folder.

    Args:
        writing: hold the folder: only the holder may call `replace` and `evidence`.

    Raises:
        Conflict: another process holds it.
    """

    def __init__(self, folder: Path, *, writing: bool = True) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._handle: int | None = None
        if writing:
            for each in (folder, folder / "evidence"):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._handle)
                raise Conflict("witness.running", directory=str(folder)) from None

    def close(self) -> None:
        """Let another process hold the folder."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def newest(self, origin: str) -> str | None:
        """As in the port.

        Raises:
            Malformed: the file is not a checkpoint of this log: it was altered.
            Unavailable: the disk fails.
        """
        try:
            note = self._path(origin).read_text("utf-8")
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise Unavailable("storage.busy", detail=str(fault)) from None
        except ValueError:
            note = ""
        if Checkpoint.parse(Note.parse(note).text).origin != origin:
            raise Malformed("log.malformed", what="checkpoint", why="the witness's memory is of another log")
        return note

    def replace(self, origin: str, before: str | None, after: str) -> bool:
        """As in the port; a smaller checkpoint than the one kept is refused as a Conflict."""
        with self._lock:
            kept = self.newest(origin)
            if kept != before or self._handle is None:
                return False
            if kept is not None and _size(after) < _size(kept):
                raise Conflict("audit.rollback", size=_size(after))
            try:
                replace_private(self._path(origin), after.encode())
            except OSError as fault:
                raise Unavailable("storage.busy", detail=str(fault)) from None
            return True

    def evidence(self, origin: str, request: str) -> None:
        """As in the port. The same request again changes nothing; the newest are dropped where there are too many."""
        name = hashlib.sha256(f"{origin}\n{request}".encode()).hexdigest()[:32]
        path = self._folder / "evidence" / f"{_name(origin)[:16]}-{name}.txt"
        with self._lock:
            if path.exists() or len(self.kept_evidence()) >= _MOST_EVIDENCE or len(request) > _LARGEST_EVIDENCE:
                return
            kept = self.newest(origin) or ""
            try:
                write_private(path, f"{request}\n--- the newest checkpoint cosigned before:\n{kept}".encode())
            except OSError as fault:
                raise Unavailable("storage.busy", detail=str(fault)) from None

    def kept_evidence(self) -> list[Path]:
        """The files of refused requests that a log's own key had signed."""
        return sorted((self._folder / "evidence").glob("*.txt"))

    def _path(self, origin: str) -> Path:
        return self._folder / f"{_name(origin)}.checkpoint"


def _name(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()


def _size(note: str) -> int:
    return Checkpoint.parse(Note.parse(note).text).size
