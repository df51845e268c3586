"""Checkpoints: a log's name, size and root hash, signed by the log as a note.

A log must never sign a checkpoint that is not consistent with one it signed before; two such are kept as evidence.

Source: C2SP tlog-checkpoint v1.0.0. Hefu writes no extension lines and refuses them.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from hefu.errors import Malformed, Untrusted
from hefu.tlog.note import Note, Sign, VerifierKey, decode
from hefu.tlog.tree import EMPTY_ROOT, HASH_SIZE

LARGEST_SIZE = 2**63 - 1
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log.

    Attributes:
        origin: the log's name, unique in the world.
        size: number of leaves.
        root: root hash over them, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or any(each < " " for each in self.origin):
            raise Malformed("log.malformed", what="checkpoint", why="an origin is one line of text")
        if not 0 <= self.size <= LARGEST_SIZE or len(self.root) != HASH_SIZE:
            raise Malformed("log.malformed", what="checkpoint", why="the size is out of range or the root not 32 bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Malformed("log.malformed", what="checkpoint", why="an empty log has one root only")

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a note.

        Raises:
            Malformed: not exactly three lines, a size with a sign or leading zero, a root that is not 32 bytes.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise Malformed("log.malformed", what="checkpoint", why="origin, size and root are needed, a line each")
        origin, size, encoded = lines[:3]
        root = decode(encoded)
        if not _SIZE.fullmatch(size) or root is None:
            raise Malformed("log.malformed", what="checkpoint", why="the size or the root is not written as it must be")
        return cls(origin, int(size), root)

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign(checkpoint: Checkpoint, key: VerifierKey, signature: Sign) -> str:
    """The signed note of a checkpoint; the key's name must be the log's origin.

    INVARIANT: the caller has durably stored the checkpoint before, by compare-and-swap, as its newest.

    Args:
        checkpoint: the state to sign.
        key: the log's public key.
        signature: signs bytes with the log's private key (Ed25519).
    """
    if key.name != checkpoint.origin:
        raise Untrusted("log.origin", found=checkpoint.origin, expected=key.name)
    return str(Note(str(checkpoint)).sign(key, signature))


def verify(note: str, key: VerifierKey) -> Checkpoint:
    """The checkpoint of a signed note, if the log with this pinned key signed it.

    Raises:
        Malformed: not a note, or its text not a checkpoint.
        Untrusted: of another log, or not signed by the key.
    """
    parsed = Note.parse(note)
    checkpoint = Checkpoint.parse(parsed.text)
    if checkpoint.origin != key.name:
        raise Untrusted("log.origin", found=checkpoint.origin, expected=key.name)
    parsed.verify([key])
    return checkpoint
