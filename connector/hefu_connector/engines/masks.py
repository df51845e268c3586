"""Pairwise masks: each party adds and subtracts what only it and one other know, and in the sum of all nothing is left.

Every pair agrees on a secret by keys that are fresh for one run and that their organisations signed; the secret is
stretched to one uniform number a cell, below the modulus of the sum. Whoever lacks one party's hidden numbers, or has
all of them but hidden for two transcripts, has uniform noise. A party that drops out ends a run, and nothing is told.

Source: Bonawitz et al. 2017, "Practical Secure Aggregation for Privacy-Preserving Machine Learning", section 4, without
the recovery of dropped parties; RFC 7748 (X25519), RFC 5869 (HKDF), RFC 8439 (ChaCha20).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hefu.errors import Malformed

from hefu_connector.pairs import OwnKey

__all__ = ["OwnKey", "hide", "hide_with", "uniform"]
_LABEL = b"hefu/mask/v1"
_SECRET = 32  # bytes
_WORD = 8  # bytes
_AT_ONCE = 512  # words


def hide(
    values: Sequence[int], name: str, own: OwnKey, keys: Mapping[str, bytes], transcript: bytes, modulus: int
) -> list[int]:
    """A party's numbers as the others may see them.

    Args:
        values: from 0 to below the modulus.
        name: this party's; the order of names decides who adds and who subtracts.
        keys: the public keys of all parties, this one's too.
        transcript: what all must agree on: contract, request, names, keys; masks of two transcripts do not cancel.
        modulus: of the sum; above 1, at most 2^63.

    Returns:
        As many numbers, each uniform for whoever lacks one secret.

    Raises:
        Malformed: this party's key is not among the keys, two parties have one key, or there are not two parties.
    """
    if keys.get(name) != own.public or len({*keys.values()}) != len(keys):
        raise Malformed("masks.key")
    secrets = {other: own.secret(key, transcript) for other, key in keys.items() if other != name}
    return hide_with(values, name, secrets, modulus)


def hide_with(
    values: Sequence[int], name: str, secrets: Mapping[str, bytes], modulus: int, purpose: bytes = b""
) -> list[int]:
    """As `hide`, by secrets that were agreed on elsewhere: so that no private key leaves its process.

    Args:
        secrets: what this party has in common with each of the others, of 32 bytes, for one transcript.
        purpose: what else all must agree on; masks for two purposes do not cancel.

    Raises:
        Malformed: there is no other party, or a secret is none.
    """
    if not 1 < modulus <= 1 << 63 or not all(0 <= each < modulus for each in values):
        raise ValueError("values from 0 to below the modulus")
    if not secrets or name in secrets or any(len(each) != _SECRET for each in secrets.values()):
        raise Malformed("masks.key")
    hidden = [*values]
    for other, secret in secrets.items():
        numbers = uniform(HKDF(SHA256(), _SECRET, None, _LABEL + purpose).derive(secret), modulus)
        sign = 1 if name < other else -1
        hidden = [(each + sign * next(numbers)) % modulus for each in hidden]
    return hidden


def uniform(secret: bytes, modulus: int) -> Iterator[int]:
    """Numbers below the modulus, each as likely as the others: words of the key stream, too large ones left out.

    Args:
        secret: 32 bytes, used for nothing else: so the nonce may be zero.
    """
    stream = Cipher(ChaCha20(secret, bytes(16)), None).encryptor()
    bits = (modulus - 1).bit_length()
    low = (1 << bits) - 1
    while True:
        words = stream.update(bytes(_WORD * _AT_ONCE))
        for at in range(0, len(words), _WORD):
            found = int.from_bytes(words[at : at + _WORD], "little") & low
            if found < modulus:
                yield found
