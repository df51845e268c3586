"""Noise over the whole of an answer, before it goes back to the one who can decrypt it.

Whoever holds the secret key reads more than a library shows him: every slot, also beyond those that were asked, and the
imaginary part of each. The vectors of ours know real parts only, and repeat short ones over all slots. So noise is
encoded here for both parts of every slot: small in what was asked, below the grid of what is released; in all else so
wide that nothing can be read, and far from what the modulus holds.

LIMIT: it holds against one who encrypts what he will under keys that were made as agreed. Forged keys can undo it.

Source: Li, Micciancio 2021; Li, Micciancio, Schultz, Sorrell 2022, "Securing Approximate Homomorphic Encryption Using
Differential Privacy" (noise above what decryption shows).
"""

from __future__ import annotations

import os
import struct
from decimal import Decimal
from functools import cache
from typing import Any

import tenseal
from tenseal import sealapi

from hefu_connector.computing import frames
from hefu_connector.computing.suites import Suite

# Its standard deviation in a coefficient is 2^18/√3 · 2/√(2·ring): below 2^12, where 2^19 have room.
WIDE = Decimal(1 << 18)
_WORD = 1 << 64


def flood(context: Any, suite: Suite, count: int, most: Decimal) -> Any:
    """A fresh encryption of noise, at the last level of the suite.

    Args:
        context: the recipient's, public.
        count: of slots that were asked; their real parts get noise between ± `most`.
    """
    asked, other = _even(count, most), _even(2 * suite.slots - count, WIDE)
    real = [*asked, *other[: suite.slots - count]]
    imaginary = other[suite.slots - count :]
    library, encoder = _encoder(suite)
    plain = sealapi.Plaintext()
    level, scale = library.last_parms_id(), float(1 << suite.scale)
    encoder.encode([complex(*each) for each in zip(real, imaginary, strict=True)], level, scale, plain)
    told = frames.bare([plain[at] for at in range(suite.ring)], level, scale)
    bare = tenseal.ckks_vector_from(context, frames.vector(told, count, suite.scale))
    return bare + tenseal.ckks_vector(context, [0.0] * count)


def _even(count: int, most: Decimal) -> list[float]:
    """Numbers, even between ± `most`, from the operating system's randomness, as fine as they can be written."""
    drawn = struct.unpack(f"={count}Q", os.urandom(8 * count))
    return [float(most) * (2 * each / _WORD - 1) for each in drawn]


@cache
def _encoder(suite: Suite) -> tuple[Any, Any]:
    """SEAL with the suite's parameters, and its own encoder, which writes imaginary parts too."""
    parameters = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.CKKS)
    parameters.set_poly_modulus_degree(suite.ring)
    parameters.set_coeff_modulus(sealapi.CoeffModulus.Create(suite.ring, [*suite.moduli]))
    library = sealapi.SEALContext(parameters, True, sealapi.SEC_LEVEL_TYPE.TC128)
    return library, sealapi.CKKSEncoder(library)
