"""Cosignatures: a witness or mirror says that at some second it knew a checkpoint as the newest consistent one.

The signature line holds eight bytes of time and an Ed25519 signature over the time and the whole checkpoint text.

Source: C2SP tlog-cosignature v1.0.1, type 0x04.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from hefu.errors import Malformed, Untrusted
from hefu.tlog.note import COSIGNATURE, Note, Sign, VerifierKey

_TIME_SIZE = 8  # bytes, big-endian seconds since 1970
_LARGEST_TIME = 2**36


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified cosignature: whose, and at which second."""

    key: VerifierKey
    time: datetime


def cosign(note: Note, key: VerifierKey, sign: Sign, at: datetime) -> Note:
    """The same note with a cosignature more. Whole seconds; the caller has checked consistency and stored it."""
    _expect(key)
    seconds = int(at.timestamp())
    return note.add(key, seconds.to_bytes(_TIME_SIZE, "big") + sign(_message(note.text, seconds)))


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
    if not 0 < seconds < _LARGEST_TIME or not key.holds(_message(text, seconds), signature):
        raise Untrusted("log.signature", key=key.name)
    return Cosignature(key, datetime.fromtimestamp(seconds, tz=UTC))


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _expect(key: VerifierKey) -> None:
    if key.kind != COSIGNATURE:
        raise Malformed("log.malformed", what="verifier key", why="a cosigner's key is of type 04")
