"""Signature suites behind one port: whoever verifies names a suite, and nobody else knows an algorithm.

A suite is fixed by the *record of a key* (a certification, a verifier key's type), never by a message; a message whose
header names another one than its key's is refused. `KNOWN` is what can be verified, `ENABLED` what a key of a
participant may be certified for. A further suite (SM2 with SM3 behind a module, say) is one entry more and no change
of any format: see docs/decisions/2026-11-22-suites-behind-a-port.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

ED25519, MLDSA44 = "Ed25519", "ML-DSA-44"


class Signer(Protocol):
    """A private key that signs; in a file, a module or a service."""

    @property
    def key(self) -> str:
        """The id of the key, as the registry knows it."""
        ...

    @property
    def suite(self) -> str:
        """The suite of the key: a name in `KNOWN`."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature of a message. May be called from any thread.

        Raises:
            Unavailable: the module or service does not answer.
        """
        ...


class Verifier(Protocol):
    """One suite's public side. Stateless; any thread may call."""

    @property
    def key_size(self) -> int:
        """Bytes of a raw public key."""
        ...

    def holds(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether a signature over a message is this raw key's; False for whatever cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class _Scheme:
    """A suite of the `cryptography` library."""

    scheme: type[Ed25519PublicKey] | type[MLDSA44PublicKey]
    key_size: int

    def holds(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """See the port."""
        try:
            self.scheme.from_public_bytes(key).verify(signature, message)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return True


# By their names in a JOSE header ("alg"): RFC 9864 for Ed25519, draft-ietf-cose-dilithium for ML-DSA-44.
KNOWN: Mapping[str, Verifier] = MappingProxyType(
    {ED25519: _Scheme(Ed25519PublicKey, 32), MLDSA44: _Scheme(MLDSA44PublicKey, 1312)}
)
ENABLED = frozenset({ED25519})
