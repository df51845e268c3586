"""The newest signed checkpoint that this process has seen, in a file of its own: best on other storage.

It is what a restored database is held against: whoever signed or saw a larger tree knows that this one forgets.
"""

from __future__ import annotations

import os
from pathlib import Path

from hefu.errors import Unavailable
from hefu.keeping.keys import sync_folder
from hefu.running import faults
from hefu.tlog import checkpoint
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import VerifierKey


class Latest:
    """The file ``checkpoint.latest``.

    Args:
        key: the log's public key.
    """

    def __init__(self, path: Path, key: VerifierKey) -> None:
        self._path = path
        self._key = key

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self._path.name

    def read(self) -> Checkpoint | None:
        """What it holds; None where there is no file.

        Raises:
            Untrusted: it is not signed by the log's key.
        """
        note = self.text()
        return None if note is None else checkpoint.verify(note, self._key)

    def text(self) -> str | None:
        """The note as it is written; None where there is no file."""
        try:
            return self._path.read_text("utf-8")
        except FileNotFoundError:
            return None

    def write(self, note: str) -> None:
        """Replace the file durably: either the old note is there or the new one.

        Raises:
            Unavailable: the disk is full or fails.
        """
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            faults.point("log.written")
            fresh.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as fault:
            raise Unavailable("storage.busy", detail=str(fault)) from None
