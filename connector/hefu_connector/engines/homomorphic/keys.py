"""Keys of one consumer under one contract, made and read in a worker.

No relinearisation or Galois keys are made where nothing is multiplied or rotated under encryption: they are large, and
what is not there cannot be misread. The secret key leaves its worker only to its own connector, which seals it.
"""

from __future__ import annotations

from typing import Any

import tenseal
from hefu.errors import Malformed

from hefu_connector.computing import frames
from hefu_connector.computing.suites import CKKS, LARGEST_PUBLIC, Suite

_KEYS = {"save_galois_keys": False}


def make(suite: Suite) -> Any:
    """A context of a suite with a fresh secret key from the operating system's randomness (SEAL's default: BLAKE2xb
    seeded from `/dev/urandom`)."""
    if suite.scheme == CKKS:
        made = tenseal.context(tenseal.SCHEME_TYPE.CKKS, suite.ring, -1, [*suite.moduli])
        made.global_scale = float(1 << suite.scale)
        return made
    return tenseal.context(tenseal.SCHEME_TYPE.BFV, suite.ring, suite.plain, [*suite.moduli])


def secret(context: Any) -> bytes:
    """With the secret key: for this connector's own keeping, sealed."""
    return bytes(context.serialize(save_secret_key=True, save_relin_keys=True, **_KEYS))


def public(context: Any, *, multiplies: bool = False) -> bytes:
    """What the other side may have: enough to encrypt and add, and with `multiplies` to multiply ciphertexts."""
    return bytes(context.serialize(save_secret_key=False, save_relin_keys=multiplies, **_KEYS))


def read_secret(data: bytes) -> Any:
    """A context that `secret` wrote, here."""
    return tenseal.context_from(data)


def read_public(data: bytes, suite: Suite, *, multiplies: bool = False) -> Any:
    """A peer's context, if it is of exactly the suite and holds a public key and nothing else but what was asked for.

    Raises:
        Malformed: anything else.
    """
    own = make(suite)
    frames.check_public_key(data, public(own), LARGEST_PUBLIC, multiplies=multiplies)
    try:
        found = tenseal.context_from(data)
        ours, theirs = (each.seal_context().data.first_parms_id() for each in (own, found))
    except (ValueError, RuntimeError, TypeError):
        raise Malformed("ciphertext.malformed") from None
    if ours != theirs or found.has_secret_key():
        raise Malformed("ciphertext.malformed")
    return found
