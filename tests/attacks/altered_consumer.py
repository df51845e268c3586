"""A consumer's connector as its owner may alter it: it encrypts what he will, and reads all that it can decrypt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tenseal
from hefu_connector.computing import frames
from hefu_connector.computing.suites import Suite
from hefu_connector.engines.homomorphic import keys
from tenseal import sealapi

from tests.attacks import mutating


class AlteredConsumer:
    """Keys that were made as agreed, and nothing else that was.

    Attributes:
        own, theirs: its context, and what the provider reads of it.
    """

    def __init__(self, suite: Suite, folder: Path) -> None:
        self._suite = suite
        self._file = str(folder / "object")
        self.own = keys.make(suite)
        multiplies = suite.depth > 2
        self.public = keys.public(self.own, multiplies=multiplies)
        self.theirs = keys.read_public(self.public, suite, multiplies=multiplies)
        parameters = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.CKKS)
        parameters.set_poly_modulus_degree(suite.ring)
        parameters.set_coeff_modulus(sealapi.CoeffModulus.Create(suite.ring, [*suite.moduli]))
        self._library = sealapi.SEALContext(parameters, True, sealapi.SEC_LEVEL_TYPE.TC128)
        self._encoder = sealapi.CKKSEncoder(self._library)
        self._secret = sealapi.SecretKey()
        self.own.secret_key().data.save(self._file)
        self._secret.load(self._library, self._file)

    def encrypt(self, slots: Sequence[complex], count: int) -> bytes:
        """All slots with both parts, as a vector that says it has so few."""
        plain, found = sealapi.Plaintext(), sealapi.Ciphertext()
        self._encoder.encode([*map(complex, slots)], float(1 << self._suite.scale), plain)
        encryptor = sealapi.Encryptor(self._library, self._secret)
        encryptor.encrypt_symmetric(plain, found)
        found.save(self._file)
        return frames.vector(Path(self._file).read_bytes(), count, self._suite.scale)

    def decrypt(self, vector: bytes) -> list[complex]:
        """All slots, both parts, unrounded."""
        ((at, size),) = mutating.bodies(vector)
        Path(self._file).write_bytes(vector[at : at + size])
        found, plain = sealapi.Ciphertext(), sealapi.Plaintext()
        found.load(self._library, self._file)
        sealapi.Decryptor(self._library, self._secret).decrypt(found, plain)
        told: list[complex] = self._encoder.decode_complex(plain)
        return told


def bare(context: Any, block: Sequence[bytes], weights: Sequence[float]) -> bytes:
    """Scores as the library's tutorials make them."""
    parts = [tenseal.ckks_vector_from(context, each) * weight for each, weight in zip(block, weights, strict=True)]
    return bytes(sum(parts[1:], parts[0]).serialize())
