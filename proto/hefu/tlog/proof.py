"""The offline proof: one text file that shows an entry to stand in a log, with its signed checkpoint.

Source: C2SP tlog-proof v1 (draft). Its ``extra`` line is not authenticated and never used.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import NoReturn

from hefu.errors import Malformed
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import VerifierKey, decode

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_LONGEST_PATH = 63


@dataclass(frozen=True, slots=True)
class LogProof:
    """Where a leaf stands and what leads from it to a checkpoint's root.

    Attributes:
        index: zero-based.
        hashes: the inclusion path, leaf first, 32 bytes each.
        checkpoint: the signed note.
        extra: unauthenticated bytes for the application, or None.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> LogProof:
        """Read a proof file; its checkpoint is not looked at yet.

        Raises:
            Malformed: any line is not as `__str__` writes it.
        """
        head, blank, note = text.partition("\n\n")
        lines = head.split("\n")
        if lines.pop(0) != _HEADER or not blank or not note:
            _refuse("no header, or no checkpoint after a blank line")
        extra = _decode(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
        match = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if match is None:
            _refuse("no index")
        hashes = tuple(map(_decode, lines))
        if len(hashes) > _LONGEST_PATH or any(len(each) != tree.HASH_SIZE for each in hashes):
            _refuse("too many hashes, or one that is not 32 bytes")
        return cls(int(match[1]), hashes, note, extra)

    def __str__(self) -> str:
        extra = [] if self.extra is None else [f"extra {_encode(self.extra)}"]
        lines = [_HEADER, *extra, f"index {self.index}", *map(_encode, self.hashes)]
        return "\n".join(lines) + "\n\n" + self.checkpoint

    def verify(self, leaf_hash: bytes, key: VerifierKey) -> Checkpoint:
        """The checkpoint, if the log of this pinned key signed it and the leaf stands in its tree.

        Raises:
            Malformed: the checkpoint cannot be read.
            Untrusted: its signature or the path does not hold.
        """
        signed = checkpoint.verify(self.checkpoint, key)
        tree.verify_inclusion(leaf_hash, self.index, signed.size, self.hashes, signed.root)
        return signed


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    data = decode(text)
    if data is None:
        _refuse("a line that is not base64")
    return data


def _refuse(why: str) -> NoReturn:
    raise Malformed("log.malformed", what="proof", why=why)
