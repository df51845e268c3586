"""Signed notes: a text, a blank line, and signature lines; and the verifier keys ("vkeys") that check them.

A note with several signatures is good if at least one known key signed it and no known key's signature is bad.
Signatures of unknown keys are carried along and mean nothing.

Source: C2SP signed-note v1.0.0. Strict where it leaves freedom: one spelling for every value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from hefu import suites
from hefu.errors import Malformed, Untrusted

ED25519 = 0x01
COSIGNATURE = 0x04
MLDSA_COSIGNATURE = 0x06
COSIGNERS = frozenset({COSIGNATURE, MLDSA_COSIGNATURE})

LARGEST_NOTE = 1 << 20  # bytes
MOST_SIGNATURES = 100
_DASH = "— "
# The type of a verifier key fixes its suite. A suite that C2SP knows none for gets type ff and a long id: lines of such
# keys are carried along by everybody and verified by those who know them.
_SUITES = {
    ED25519: suites.KNOWN[suites.ED25519],
    COSIGNATURE: suites.KNOWN[suites.ED25519],
    MLDSA_COSIGNATURE: suites.KNOWN[suites.MLDSA44],
}

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with a name.

    Attributes:
        kind: 0x01, a log's Ed25519 key; of a cosigner 0x04 (Ed25519) or 0x06 (ML-DSA-44).
    """

    name: str
    kind: int
    value: bytes

    def __post_init__(self) -> None:
        suite = _SUITES.get(self.kind)
        if not _is_name(self.name) or suite is None or len(self.value) != suite.key_size:
            why = "a name, type 01, 04 or 06 and a key of that type are needed"
            raise Malformed("log.malformed", what="verifier key", why=why)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read ``name+hash+base64``; the hash must be that of the name and key.

        Raises:
            Malformed: any other form or type, or a wrong hash.
        """
        name, _, rest = text.partition("+")
        _, _, encoded = rest.partition("+")
        data = _decode(encoded, "verifier key")
        key = cls(name, data[0] if data else 0, data[1:])
        if str(key) != text:
            raise Malformed("log.malformed", what="verifier key", why="its hash is not that of its name and key")
        return key

    @property
    def id(self) -> bytes:
        """Four bytes that name the key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.value).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.value).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"

    def holds(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature over a message is this key's, by the algorithm of its type and no other."""
        return _SUITES[self.kind].holds(self.value, message, signature)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the signer's name, its key's four-byte id, and what it says."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, as parsed or as being made; nothing is verified by having one."""

    text: str
    signatures: tuple[NoteSignature, ...] = ()

    @classmethod
    def parse(cls, data: str) -> Note:
        """Read a note.

        Raises:
            Malformed: not a text, a blank line, and 1 to 100 signature lines, each well formed.
        """
        if len(data.encode(errors="replace")) > LARGEST_NOTE:
            _refuse("too long")
        if any((each < " " and each != "\n") or "\ud800" <= each <= "\udfff" for each in data):
            _refuse("a control character or lone surrogate")
        text, blank, lines = data.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            _refuse("text, a blank line and signature lines are needed, each with its newline")
        entries = lines[:-1].split("\n")
        if len(entries) > MOST_SIGNATURES:
            _refuse("too many signatures")
        return cls(text + "\n", tuple(_read_line(entry) for entry in entries))

    def __str__(self) -> str:
        return (
            self.text
            + "\n"
            + "".join(
                f"{_DASH}{each.name} {base64.b64encode(each.key_id + each.value).decode()}\n"
                for each in self.signatures
            )
        )

    def sign(self, key: VerifierKey, sign: Sign) -> Note:
        """The same note with a signature of type 0x01 more."""
        return self.add(key, sign(self.text.encode()))

    def add(self, key: VerifierKey, value: bytes) -> Note:
        """The same note with one more signature line."""
        return Note(self.text, (*self.signatures, NoteSignature(key.name, key.id, value)))

    def by(self, key: VerifierKey) -> list[bytes]:
        """What the lines with this key's name and id say."""
        return [each.value for each in self.signatures if (each.name, each.key_id) == (key.name, key.id)]

    def verify(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Check the signatures of known keys of type 0x01.

        Returns:
            The keys that signed, in the order of their lines; at least one.

        Raises:
            Untrusted: a known key's signature is bad, or none is there.
        """
        known = {(key.name, key.id): key for key in keys if key.kind == ED25519}
        signed: dict[VerifierKey, None] = {}
        for each in self.signatures:
            key = known.get((each.name, each.key_id))
            if key is None or key in signed:
                continue
            if not key.holds(self.text.encode(), each.value):
                raise Untrusted("log.signature", key=key.name)
            signed[key] = None
        if not signed:
            names = ", ".join(sorted({key.name for key in known.values()}))
            raise Untrusted("log.signature", key=names or "any known key")
        return list(signed)


def _read_line(line: str) -> NoteSignature:
    dash, name, encoded = line[: len(_DASH)], *line[len(_DASH) :].partition(" ")[::2]
    if dash != _DASH or not _is_name(name):
        _refuse("a signature line is a dash, a name and base64")
    data = _decode(encoded, "note")
    if len(data) < 5:
        _refuse("a signature is too short")
    return NoteSignature(name, data[:4], data[4:])


def _is_name(text: str) -> bool:
    return bool(text) and "+" not in text and not any(each.isspace() or each < " " for each in text)


def decode(text: str) -> bytes | None:
    """What stands in base64, in its one spelling; None where it is another, or none."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def _decode(text: str, what: str) -> bytes:
    data = decode(text)
    if data is None:
        raise Malformed("log.malformed", what=what, why="not base64")
    return data


def _refuse(why: str) -> NoReturn:
    raise Malformed("log.malformed", what="note", why=why)
