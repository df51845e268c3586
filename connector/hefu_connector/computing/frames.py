"""What a peer's ciphertext and public key must look like, byte by byte, before any library reads them.

One form of each is admissible, and the contract's suite says which: the number of slots, the scale, the parameters, one
ciphertext of one vector, one public key. What is inside a compressed body only the library knows, so it is read in a
worker that serves nobody else.

Source: TenSEAL's tensors.proto and SEAL 4.3's header (magic, header length, version, compression, length), as
TenSEAL 0.3.18 writes them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NoReturn

from hefu.errors import Malformed

_SEAL = bytes.fromhex("5ea1100403020000")
_PLAIN = bytes.fromhex("5ea1100403000000")  # not compressed
_HEADER = 16  # bytes
_SCALE = struct.Struct("<d")
_LONGEST = 5  # bytes of a length
# Tags of fields with a length or a number of eight bytes.
_SIZES, _CIPHERTEXT, _WIDTH = b"\x0a", b"\x12", b"\x19"
_PUBLIC, _KEY, _RELINEARISATION = b"\x12", b"\x0a", b"\x22"


def varint(value: int) -> bytes:
    """A number as Protocol Buffers write it, in as few bytes as it takes."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def vector(ciphertext: bytes, count: int, scale: int) -> bytes:
    """The one form of a vector of one CKKS ciphertext.

    Args:
        ciphertext: as the library's own serialisation wrote it.
        count: of its slots that are filled.
        scale: bits.
    """
    sizes = _SIZES + varint(len(varint(count))) + varint(count)
    return sizes + _CIPHERTEXT + varint(len(ciphertext)) + ciphertext + _WIDTH + _SCALE.pack(float(1 << scale))


def bare(numbers: Sequence[int], level: Sequence[int], scale: float) -> bytes:
    """What is encoded, as a ciphertext of it that hides nothing: to be added to one that does.

    Args:
        numbers: of the transformed polynomial, modulo the one prime of the last level.
        level: the four words that name the parameters of that level.
        scale: as a factor.
    """
    ring = len(numbers)
    words = struct.pack(f"<Q{2 * ring}Q", 2 * ring, *numbers, *bytes(ring))
    members = struct.pack("<4Q?QQQdQ", *level, True, 2, ring, 1, scale, 1)
    inside = members + _PLAIN + (_HEADER + len(words)).to_bytes(8, "little") + words
    return _PLAIN + (_HEADER + len(inside)).to_bytes(8, "little") + inside


def check_vector(data: bytes, count: int, scale: int, largest: int) -> None:
    """Check that bytes are one vector of one ciphertext.

    Args:
        count: of its slots that are filled.
        scale: bits of CKKS's scale; 0 for BFV.
        largest: bytes.

    Raises:
        Malformed: anything else, in one word whatever it is.
    """
    reader = _Reader(data, largest)
    reader.expect(_SIZES + varint(len(varint(count))) + varint(count) + _CIPHERTEXT)
    reader.body()
    if scale:
        reader.expect(_WIDTH + _SCALE.pack(float(1 << scale)))
    reader.end()


def check_public_key(data: bytes, own: bytes, largest: int, *, multiplies: bool = False) -> None:
    """Check that bytes are a context with a public key, of exactly our parameters, and nothing besides.

    Args:
        own: a public context of the same suite, made here, without keys that multiply.
        multiplies: there must be keys that multiply.

    Raises:
        Malformed: anything else: other parameters, a secret key, other keys.
    """
    ours = _Reader(own, len(own))
    parameters = ours.field(_KEY)
    ours.expect(_PUBLIC)
    ours.length()
    ours.expect(_KEY)
    ours.body()
    flags = ours.rest()

    reader = _Reader(data, largest)
    reader.expect(parameters + _PUBLIC)
    if reader.length() != len(reader.rest()):
        _refuse()
    reader.expect(_KEY)
    reader.body()
    reader.expect(flags)
    if multiplies:
        reader.expect(_RELINEARISATION)
        reader.body()
    reader.end()


class _Reader:
    """Bytes, read forward; every length is written in one way only."""

    def __init__(self, data: bytes, largest: int) -> None:
        if len(data) > largest:
            _refuse()
        self._data = data
        self._at = 0

    def expect(self, wanted: bytes) -> None:
        if not self._data.startswith(wanted, self._at):
            _refuse()
        self._at += len(wanted)

    def length(self) -> int:
        value = 0
        for place, each in enumerate(self._data[self._at : self._at + _LONGEST]):
            value |= (each & 127) << 7 * place
            if each < 128:
                self.expect(varint(value))
                return value
        return _refuse()

    def body(self) -> None:
        """A compressed object of the library, with its length twice: outside and inside."""
        size = self.length()
        if size <= _HEADER or size > len(self._data) - self._at:
            _refuse()
        start = self._at
        self.expect(_SEAL + size.to_bytes(8, "little"))
        self._at = start + size

    def field(self, tag: bytes) -> bytes:
        """A field with its tag and length."""
        start = self._at
        self.expect(tag)
        size = self.length()
        self._at += size
        return self._data[start : self._at]

    def rest(self) -> bytes:
        return self._data[self._at :]

    def end(self) -> None:
        if self._at != len(self._data):
            _refuse()


def _refuse() -> NoReturn:
    raise Malformed("ciphertext.malformed")
