"""Many byte strings in one: how many (four bytes, big-endian), then of each its length (four bytes) and itself.

The one form in which ciphertexts travel together. Whoever reads knows how many there are and how long each may be;
nothing is taken before its length was held against that.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NoReturn

from hefu.errors import Malformed

HEAD = 4  # bytes of a number


def head(number: int) -> bytes:
    """A number as it stands before what it counts."""
    return number.to_bytes(HEAD, "big")


def write(file: io.RawIOBase | BinaryIO, count: int, blobs: Iterable[bytes]) -> int:
    """Write `count` byte strings to a file; returns how many bytes that took."""
    size, left = file.write(head(count)) or 0, count
    for blob in blobs:
        size += (file.write(head(len(blob))) or 0) + (file.write(blob) or 0)
        left -= 1
    if left:
        raise ValueError("as many as were announced")
    return size


def read(file: BinaryIO, largest: Sequence[int]) -> Iterator[bytes]:
    """The byte strings in a file, in order.

    Args:
        largest: of each that there must be, how many bytes it has at most.

    Raises:
        Malformed: there are more or fewer, one is too long or cut off, or something follows.
    """
    if _number(file) != len(largest):
        _refuse()
    for most in largest:
        size = _number(file)
        if size > most:
            _refuse()
        yield _exactly(file, size)
    if file.read(1):
        _refuse()


def encode(blobs: Sequence[bytes]) -> bytes:
    """Byte strings as one."""
    return b"".join((head(len(blobs)), *(part for blob in blobs for part in (head(len(blob)), blob))))


def decode(data: bytes, largest: Sequence[int]) -> list[bytes]:
    """The byte strings in one; raises as `read`."""
    return [*read(io.BytesIO(data), largest)]


def size(lengths: Iterable[int]) -> int:
    """How many bytes byte strings of these lengths take together."""
    return HEAD + sum(HEAD + each for each in lengths)


def _number(file: BinaryIO) -> int:
    return int.from_bytes(_exactly(file, HEAD), "big")


def _exactly(file: BinaryIO, size: int) -> bytes:
    found = file.read(size)
    return found if len(found) == size else _refuse()


def _refuse() -> NoReturn:
    raise Malformed("ciphertext.malformed")
