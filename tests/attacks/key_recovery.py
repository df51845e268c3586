"""The published attack on approximate decryption: who holds ciphertexts and sees what they decrypt to has the key.

A ciphertext is (b, a) with b + a·s = m, and m is what the library encodes the decrypted values to, up to rounding. The
library shows real parts only, so it is m plus its conjugate that is known; two ciphertexts then make two equations in
s and its conjugate, at each point of the transform.

Source: Li, Micciancio 2021, "On the Security of Homomorphic Encryption on Approximate Numbers", section 3. The
transform and its order are those of SEAL: Longa, Naehrig 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.attacks import mutating


class Opened:
    """The numbers of a ciphertext of two polynomials, modulo its first prime, as the library transformed them."""

    def __init__(self, vector: bytes, ring: int) -> None:
        ((at, size),) = mutating.bodies(vector)
        inner = mutating.unpacked(vector[at : at + size])
        moduli = int.from_bytes(inner[49:57], "little")
        words = np.frombuffer(inner[97:], "<u8").reshape(2, moduli, ring)
        self.b, self.a = ([int(each) for each in words[part, 0]] for part in (0, 1))


def secret(
    opened: Sequence[Opened], values: Sequence[Sequence[float]], scale: float, modulus: int, ring: int
) -> list[int]:
    """What the attack takes for the secret key: its coefficients, centred.

    Args:
        opened: two ciphertexts.
        values: of each, what all its slots decrypt to.
        modulus: the first prime.
    """
    root = _root(modulus, ring)
    known = [_transformed(_encoded(each, scale, ring), modulus, root) for each in values]
    found = [0] * ring
    for i in range(ring // 2):
        j = ring - 1 - i  # the conjugate's place, in bit-reversed order
        (a1, a2), (c1, c2), (t1, t2) = (
            [each.a[i] for each in opened],
            [each.a[j] for each in opened],
            [(t[i] - each.b[i] - each.b[j]) % modulus for each, t in zip(opened, known, strict=True)],
        )
        over = pow(a1 * c2 - a2 * c1, -1, modulus)
        found[i], found[j] = (t1 * c2 - t2 * c1) * over % modulus, (a1 * t2 - a2 * t1) * over % modulus
    return [each - modulus if each > modulus // 2 else each for each in _back(found, modulus, root)]


def is_key(coefficients: Sequence[int]) -> bool:
    """Whether these could be a secret key of the library: -1, 0 and 1, and of each some."""
    return {*coefficients} == {-1, 0, 1}


def first_prime(ring: int, bits: Sequence[int]) -> int:
    """The prime that every level of a ciphertext has."""
    from tenseal import sealapi

    return int(sealapi.CoeffModulus.Create(ring, [*bits])[0].value())


def _encoded(values: Sequence[float], scale: float, ring: int) -> list[int]:
    """Twice the values as a polynomial that is its own conjugate: its whole coefficients.

    Slot j stands at the root's power 3^j, and its conjugate at the power -3^j (SEAL's order).
    """
    points, power = np.zeros(ring), 1
    for value in values:
        points[(power - 1) // 2] = points[(2 * ring - power - 1) // 2] = 2 * scale * value
        power = power * 3 % (2 * ring)
    turned = np.exp(-1j * np.pi * np.arange(ring) / ring) * np.fft.fft(points) / ring
    return [round(each) for each in turned.real]


def _transformed(coefficients: list[int], modulus: int, root: int) -> list[int]:
    found, ring = [each % modulus for each in coefficients], len(coefficients)
    powers = _powers(root, modulus, ring)
    parts, length = 1, ring
    while parts < ring:
        length //= 2
        for part in range(parts):
            factor, start = powers[parts + part], 2 * part * length
            for at in range(start, start + length):
                low, high = found[at], found[at + length] * factor % modulus
                found[at], found[at + length] = (low + high) % modulus, (low - high) % modulus
        parts *= 2
    return found


def _back(transformed: list[int], modulus: int, root: int) -> list[int]:
    found, ring = [*transformed], len(transformed)
    powers = _powers(pow(root, -1, modulus), modulus, ring)
    parts, length = ring // 2, 1
    while parts:
        for part in range(parts):
            factor, start = powers[parts + part], 2 * part * length
            for at in range(start, start + length):
                low, high = found[at], found[at + length]
                found[at], found[at + length] = (low + high) % modulus, (low - high) * factor % modulus
        parts, length = parts // 2, length * 2
    over = pow(ring, -1, modulus)
    return [each * over % modulus for each in found]


def _powers(root: int, modulus: int, ring: int) -> list[int]:
    """Powers of a root, in bit-reversed order."""
    bits, straight = ring.bit_length() - 1, [1]
    for _ in range(ring - 1):
        straight.append(straight[-1] * root % modulus)
    return [straight[int(f"{each:0{bits}b}"[::-1], 2)] for each in range(ring)]


def _root(modulus: int, ring: int) -> int:
    """The smallest root of unity of order twice the ring."""
    order, base = 2 * ring, 2
    while pow(found := pow(base, (modulus - 1) // order, modulus), ring, modulus) != modulus - 1:
        base += 1
    square, least = found * found % modulus, found
    for _ in range(ring - 1):
        found = found * square % modulus
        least = min(least, found)
    return least
