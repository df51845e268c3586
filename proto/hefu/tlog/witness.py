"""A witness: it remembers the newest checkpoint of each log it knows, and cosigns only what extends it.

What it refused though the log's key had signed it is evidence against the log, and is kept. One core for every way by
which a witness is asked: over HTTP as the specification says, or by a connector that asks the broker.

Source: C2SP tlog-witness.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NoReturn, Protocol

from hefu.errors import HefuError, Malformed, Refused, Untrusted
from hefu.tlog import cosignature, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note, Sign, VerifierKey, decode

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
_LONGEST_PROOF = 63


class Refusal(IntEnum):
    """Why a checkpoint is not cosigned; the number is the HTTP status of the specification."""

    MALFORMED = 400
    SIGNATURE = 403
    ORIGIN = 404
    CONFLICT = 409
    PROOF = 422


class NotCosigned(Refused):
    """A checkpoint was refused.

    Attributes:
        refusal: why.
        size: of the newest cosigned checkpoint, where that is what the caller did not know.
    """

    def __init__(self, refusal: Refusal, size: int = 0) -> None:
        super().__init__("witness.refused", why=refusal.name.lower(), size=size)
        self.refusal = refusal
        self.size = size


class Memory(Protocol):
    """What a witness must never forget. Any thread may call; what returned survives a power cut."""

    def newest(self, origin: str) -> str | None:
        """The newest cosigned checkpoint of a log, as the note that was cosigned; None before the first."""
        ...

    def replace(self, origin: str, before: str | None, after: str) -> bool:
        """Put a note in the place of another, atomically; False where another stands there by now."""
        ...

    def evidence(self, origin: str, request: str) -> None:
        """Keep a request that a log's own key had signed and that does not extend what it signed before."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """A checkpoint to be cosigned, and what shows that it extends the one of size `old`."""

    old: int
    proof: tuple[bytes, ...]
    note: str

    @classmethod
    def parse(cls, text: str) -> Request:
        """Read the body of ``add-checkpoint``.

        Raises:
            NotCosigned: malformed.
        """
        head, blank, note = text.partition("\n\n")
        lines = head.split("\n")
        match = _OLD.fullmatch(lines[0])
        if match is None or not blank or len(lines) > 1 + _LONGEST_PROOF:
            raise NotCosigned(Refusal.MALFORMED)
        return cls(int(match[1]), tuple(map(_hash, lines[1:])), note)

    def __str__(self) -> str:
        lines = [f"old {self.old}", *(base64.b64encode(each).decode() for each in self.proof)]
        return "\n".join(lines) + "\n\n" + self.note


class Witness:
    """Cosigns checkpoints of the logs it knows.

    Args:
        logs: the keys trusted for each origin.
        keys: its own, each with what signs; one name.
        clock: the present time.
    """

    def __init__(
        self,
        logs: Mapping[str, Iterable[VerifierKey]],
        keys: Sequence[tuple[VerifierKey, Sign]],
        memory: Memory,
        clock: Callable[[], datetime],
    ) -> None:
        self._logs = {origin: tuple(each) for origin, each in logs.items()}
        self._keys = keys
        self._memory = memory
        self._clock = clock

    def add(self, request: Request) -> str:
        """Cosign a checkpoint that extends all that was cosigned before; returns the signature lines.

        The new checkpoint is durably the newest before anything is signed, so that no crash can make two histories.

        Raises:
            NotCosigned: with the reason; nothing changed.
            Unavailable: the memory does not take it now.
        """
        note, head = self._read(request)
        before = self._memory.newest(head.origin)
        known = None if before is None else Checkpoint.parse(Note.parse(before).text)
        if request.old != (known.size if known else 0):
            raise NotCosigned(Refusal.CONFLICT, known.size if known else 0)
        try:
            _check_extends(known, head, request.proof)
        except HefuError:
            self._memory.evidence(head.origin, str(request))
            raise NotCosigned(Refusal.PROOF) from None
        if not self._memory.replace(head.origin, before, self._plain(note)):
            return self.add(request)  # another request came between: look again at what it left
        return self._cosigned(note)

    def newest(self, origin: str) -> str | None:
        """The newest checkpoint with the log's signature and ours, or None: for monitors."""
        before = self._memory.newest(origin)
        return None if before is None else before + self._cosigned(Note.parse(before))

    def _read(self, request: Request) -> tuple[Note, Checkpoint]:
        try:
            note = Note.parse(request.note)
        except Malformed:  # nobody's signature can be found in it
            raise NotCosigned(Refusal.SIGNATURE) from None
        origin, size, *_ = (*note.text.split("\n"), "")
        keys = self._logs.get(origin)
        if keys is None:
            raise NotCosigned(Refusal.ORIGIN)
        try:
            note.verify(keys)
            head = Checkpoint.parse(note.text)
        except Untrusted:
            raise NotCosigned(Refusal.SIGNATURE) from None
        except Malformed:  # an empty log has one root only
            raise NotCosigned(Refusal.PROOF if size == "0" else Refusal.MALFORMED) from None
        if request.old > head.size:
            raise NotCosigned(Refusal.MALFORMED)
        return note, head

    def _plain(self, note: Note) -> str:
        """The note with the signatures of the log's known keys only."""
        head = Checkpoint.parse(note.text)
        known = {(key.name, key.id) for key in self._logs[head.origin]}
        return str(Note(note.text, tuple(each for each in note.signatures if (each.name, each.key_id) in known)))

    def _cosigned(self, note: Note) -> str:
        bare, now = Note(note.text), self._clock()
        for key, sign in self._keys:
            bare = cosignature.cosign(bare, key, sign, now)
        return str(bare).rpartition("\n\n")[2]


def _check_extends(known: Checkpoint | None, head: Checkpoint, proof: Sequence[bytes]) -> None:
    if known is None or known.size == 0:
        if proof:
            _refuse(head)
    elif known.size == head.size:
        if proof or known.root != head.root:
            _refuse(head)
    else:
        tree.verify_consistency(known.size, head.size, known.root, head.root, proof)


def _refuse(head: Checkpoint) -> NoReturn:
    raise Untrusted("log.inconsistent", size=head.size)


def _hash(line: str) -> bytes:
    data = decode(line)
    if data is None or len(data) != tree.HASH_SIZE:
        raise NotCosigned(Refusal.MALFORMED)
    return data
