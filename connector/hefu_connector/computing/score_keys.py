"""A consumer's keys for encrypted scores in custody: one context for each contract, made in a worker, kept sealed.

A key that served two contracts would let two providers compare what they hold. The secret context leaves this custody
for the worker that decrypts, and for nobody else; the provider gets the public one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from hefu import canonical
from hefu.errors import Untrusted
from hefu.keeping.vault import Vault

from hefu_connector.computing import blobs
from hefu_connector.computing.bench import Bench
from hefu_connector.shelves import ScoreKey, ScoreShelf

LARGEST = 64 << 20  # bytes of a context
_OPEN, _SEALED = b"\0", b"\1"  # where a connector has no secret, its whole store lies in the clear


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The contexts of one contract."""

    public: bytes
    secret: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """Names the public one in requests."""
        return canonical.digest(self.public)


class ScoreKeys:
    """Makes and keeps them. Safe to use from many threads.

    Args:
        vault: seals the secret one; None where the connector has no secret.
    """

    def __init__(self, shelf: ScoreShelf, bench: Bench, vault: Vault | None) -> None:
        self._shelf = shelf
        self._bench = bench
        self._vault = vault
        self._turn = threading.Lock()

    def of(self, agreement: str, suite: str) -> KeyPair:
        """The keys of a contract for a parameter set, made at first use.

        Raises:
            Unavailable: the worker that makes them failed, or they cannot be kept.
            Untrusted: what is kept was altered, or belongs to another contract.
        """
        with self._turn:
            kept = self._shelf.key(agreement, suite)
            if kept is None:
                kept = self._shelf.keep(agreement, self._made(agreement, suite))
        return KeyPair(kept.public, self._unseal(kept.secret, _about(agreement, suite)))

    def _made(self, agreement: str, suite: str) -> ScoreKey:
        with self._bench.made("keys", {"suite": suite}, b"") as made, made.path.open("rb") as file:
            secret, public = blobs.read(file, (LARGEST, LARGEST))
        return ScoreKey(suite, public, self._seal(secret, _about(agreement, suite)))

    def _seal(self, secret: bytes, about: str) -> bytes:
        return _OPEN + secret if self._vault is None else _SEALED + self._vault.seal(secret, about)

    def _unseal(self, kept: bytes, about: str) -> bytes:
        if kept.startswith(_OPEN):
            return kept[1:]
        if self._vault is None:
            raise Untrusted("seal.broken", detail="there is no secret to open it with")
        return self._vault.unseal(kept[1:], about)


def _about(agreement: str, suite: str) -> str:
    return f"score key/{agreement}/{suite}"
