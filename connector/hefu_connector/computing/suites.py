"""The parameter sets of homomorphic encryption that a contract may name: a short list, by depth and precision.

Nothing else is ever used: a library takes many sets that are legal and useless, or secure and wrong. Security is that
of the HomomorphicEncryption.org standard for ternary secrets at 128 bits: at most 109, 218, 438 bits of modulus for
rings of 4096, 8192, 16384.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Malformed

CKKS, BFV = "ckks", "bfv"
SECURITY = 128  # bits
LARGEST_PUBLIC = 16 << 20  # bytes of a public context: of the largest suite, with the keys that multiply
_AROUND = 2048  # bytes, for what stands around the numbers of a ciphertext
_MOST_BITS = {4096: 109, 8192: 218, 16384: 438}


@dataclass(frozen=True, slots=True)
class Suite:
    """One parameter set.

    Attributes:
        scheme: ``ckks`` for approximate numbers, ``bfv`` for exact integers.
        ring: degree of the polynomial modulus.
        moduli: bits of the primes; the last is for keys only.
        scale: CKKS: bits after the point.
        plain: BFV: modulus of the plaintext, a prime with 1 modulo twice the ring, so that slots exist.
        largest: bytes of one fresh ciphertext, at most; compressed sizes vary.
    """

    name: str
    scheme: str
    ring: int
    moduli: tuple[int, ...]
    largest: int
    scale: int = 0
    plain: int = 0

    def __post_init__(self) -> None:
        if sum(self.moduli) > _MOST_BITS[self.ring] or (self.scheme == CKKS) != (self.plain == 0):
            raise ValueError(self.name)

    @property
    def slots(self) -> int:
        """How many numbers one ciphertext holds."""
        return self.ring // 2 if self.scheme == CKKS else self.ring

    @property
    def answered(self) -> int:
        """Bytes of one ciphertext of an answer, at most: of CKKS two polynomials at the last level, incompressible."""
        return 2 * 8 * self.ring + _AROUND if self.scheme == CKKS else self.largest

    @property
    def depth(self) -> int:
        """How many multiplications after another it takes."""
        return len(self.moduli) - 2 if self.scheme == CKKS else 0

    def blocks(self, records: int) -> tuple[int, ...]:
        """How records are divided over ciphertexts: how many slots each fills; all but the last are full."""
        full, rest = divmod(records, self.slots)
        return (self.slots,) * full + ((rest,) if rest else ())

    def places(self, records: int) -> int:
        """How many numbers may be answered where so many records are said to be asked: each ciphertext has all slots,
        whatever is said of it, and nobody can see which are filled."""
        return self.slots * len(self.blocks(records))

    def body(self) -> Object:
        """As JSON: what a contract signs."""
        return {
            "name": self.name,
            "scheme": self.scheme,
            "ring": self.ring,
            "moduli": [*self.moduli],
            "scale": self.scale,
            "plain": self.plain,
        }

    def digest(self) -> str:
        """Names the set in contracts, requests and receipts."""
        return canonical.digest(canonical.encode(self.body()))


LINEAR = Suite("ckks-linear", CKKS, 8192, (60, 40, 40, 60), 340_000, scale=40)
CURVED = Suite("ckks-curved", CKKS, 16384, (60, 40, 40, 40, 40, 40, 60), 1_300_000, scale=40)
TOTALS = Suite("bfv-totals", BFV, 8192, (43, 43, 44, 44, 44), 440_000, plain=1_099_510_054_913)
SUITES: Mapping[str, Suite] = {each.name: each for each in (LINEAR, CURVED, TOTALS)}


def suite(name: str) -> Suite:
    """A set by its name.

    Raises:
        Malformed: there is none of that name.
    """
    found = SUITES.get(name)
    if found is None:
        raise Malformed("suite.unknown", name=name[:40], known=", ".join(SUITES))
    return found
