"""Filing: what the log only commits to, kept under a key of the contract that the space's regulators can open.

At signing, the provider that draws an agreement up draws a *filing key* for it and wraps it to every regulator of the
charter and to every party (HPKE, RFC 9180, base mode). The wrapped keys stand in the agreement that all parties sign,
so nobody can take them away later. Under the filing key each end of a computation has its *openings* sealed: salts and
values of its commitments, what was asked, how it was decided. Who keeps those hands them over on a mandate only
(`hefu.mandate`). Erasure destroys the sealed openings; what remains in the log are keys to nothing.

A suite's id stands beside everything that was made with it, so that another suite needs no other format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu.identity import read_bytes, write_bytes
from hefu.members import exactly, text

# RFC 9180 sections 7.1 to 7.3: KEM 0x0020, KDF 0x0001, AEAD 0x0002.
HPKE_X25519 = "HPKE-X25519-SHA256-AES256GCM"
_KEY = 32  # bytes of an X25519 public key
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{2,63}\Z")


@dataclass(frozen=True, slots=True)
class FilingKey:
    """A public key to which filing keys are wrapped; its suite is fixed here and never by a message.

    A suite that is not known here can be read and carried, and nothing can be wrapped to it.
    """

    value: bytes
    suite: str = HPKE_X25519

    def __post_init__(self) -> None:
        if not _WORD.match(self.suite) or not self.value or (self.suite == HPKE_X25519 and len(self.value) != _KEY):
            raise Malformed("request.malformed", why="a filing key is 32 bytes of X25519 in base64url")

    def __str__(self) -> str:
        return write_bytes(self.value) if self.suite == HPKE_X25519 else f"{self.suite}:{write_bytes(self.value)}"

    @classmethod
    def parse(cls, written: str) -> FilingKey:
        """Read what ``str`` wrote: base64url of an X25519 key, or ``SUITE:`` and base64url of another one.

        Raises:
            Malformed: it is neither.
        """
        suite, colon, value = written.rpartition(":")
        return cls(read_bytes(value), suite if colon else HPKE_X25519)

    def body(self) -> Object:
        """``{suite, value}``."""
        return {"suite": self.suite, "value": write_bytes(self.value)}

    @classmethod
    def of(cls, value: Json) -> FilingKey:
        """Read what `body` wrote; raises inside `hefu.members.reading`."""
        found = exactly(value, "suite", "value")
        return cls(read_bytes(text(found["value"])), text(found["suite"]))


def public(key: X25519PrivateKey) -> FilingKey:
    """The public half of a regulator's filing key."""
    return FilingKey(key.public_key().public_bytes_raw())
