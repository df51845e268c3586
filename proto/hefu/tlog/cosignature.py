"""Cosignatures: a witness or mirror says that at some second it knew a checkpoint as the newest consistent one.

The signature line holds eight bytes of time and a signature. Ed25519 signs the time and the whole checkpoint text;
ML-DSA-44 signs the cosigner's name, the time, and the log's origin, size and root.

Source: C2SP tlog-cosignature v1.1, types 0x04 and 0x06.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from hefu.errors import Malformed, Untrusted
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import COSIGNERS, MLDSA_COSIGNATURE, Note, Sign, VerifierKey

_TIME_SIZE = 8  # bytes, big-endian seconds since 1970
_LARGEST_TIME = 2**36
_LABEL = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified cosignature: whose, and at which second."""

    key: VerifierKey
    time: datetime


def cosign(note: Note, key: VerifierKey, sign: Sign, at: datetime) -> Note:
    """The same note with a cosignature more. Whole seconds; the caller has checked consistency and stored it."""
    _expect(key)
    seconds = int(at.timestamp())
    return note.add(key, seconds.to_bytes(_TIME_SIZE, "big") + sign(_message(note.text, key, seconds)))


def verify(note: Note, key: VerifierKey) -> Cosignature:
    """The cosignature of a known witness on a checkpoint.

    Raises:
        Untrusted: it is missing, or does not hold.
    """
    _expect(key)
    values = note.by(key)
    if not values:
        raise Untrusted("log.signature", key=key.name)
    found = [_verify_one(note.text, key, value) for value in values]
    return found[0]


def _verify_one(text: str, key: VerifierKey, value: bytes) -> Cosignature:
    seconds = int.from_bytes(value[:_TIME_SIZE], "big")
    signature = value[_TIME_SIZE:]
    if not 0 < seconds < _LARGEST_TIME or not key.holds(_message(text, key, seconds), signature):
        raise Untrusted("log.signature", key=key.name)
    return Cosignature(key, datetime.fromtimestamp(seconds, tz=UTC))


def _message(text: str, key: VerifierKey, seconds: int) -> bytes:
    if key.kind != MLDSA_COSIGNATURE:
        return f"cosignature/v1\ntime {seconds}\n{text}".encode()
    head = Checkpoint.parse(text)
    whole = (seconds.to_bytes(8, "big"), _sized(head.origin), bytes(8), head.size.to_bytes(8, "big"), head.root)
    return _LABEL + _sized(key.name) + b"".join(whole)


def _sized(name: str) -> bytes:
    """A text of 1 to 255 bytes behind its length."""
    data = name.encode()
    if len(data) > 255:
        raise Malformed("log.malformed", what="cosignature", why="a name is too long to be signed")
    return bytes([len(data)]) + data


def _expect(key: VerifierKey) -> None:
    if key.kind not in COSIGNERS:
        raise Malformed("log.malformed", what="verifier key", why="a cosigner's key is of type 04 or 06")
