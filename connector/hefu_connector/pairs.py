"""What two parties of one run have in common: a secret that both work out and nobody else can.

Source: RFC 7748 (X25519), RFC 5869 (HKDF).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hefu.errors import Malformed

SIZE = 32  # bytes, of a key and of a secret
_LABEL = b"hefu/pair/v1"


class OwnKey:
    """A party's key for one run; never used for another."""

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()

    @property
    def public(self) -> bytes:
        """What the others get, signed by the party's organisation (32 bytes)."""
        return self._private.public_key().public_bytes_raw()

    def secret(self, other: bytes, transcript: bytes) -> bytes:
        """What this party and another have in common for one transcript (32 bytes).

        Raises:
            Malformed: the other's key is none, or one that gives everybody the same secret.
        """
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(other))
        except ValueError:
            raise Malformed("masks.key") from None
        return HKDF(SHA256(), SIZE, transcript, _LABEL).derive(shared)
