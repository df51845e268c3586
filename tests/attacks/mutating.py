"""Ciphertexts, keys and files of them as nobody should write them: changed outside and inside of what is compressed.

A random flip seldom gets past the frame. So half of the changes are made to what is compressed and packed again with
right lengths: then only the library is left to refuse them.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache

import zstandard

HEADER = 16  # bytes of SEAL's: magic, its length, version, compression, reserved, length of all
_MAGIC = bytes.fromhex("5ea1100403")
_WORDS = (0, 1, 2, 3, 16, 4095, 4097, 8192, 1 << 16, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1)
_DOUBLES = (0.0, -1.0, 1.0, 2.0**39, 2.0**41, 2.0**200, 1e308, 5e-324, float("inf"), float("nan"))
# Where a ciphertext's members stand: 32 bytes that name its parameters, whether it is transformed, three counts, a
# scale, a factor; then the numbers, with a header and a count of their own.
_PARAMETERS, _NTT, _COUNTS, _SCALE, _FACTOR, _INNER, _COUNT, _NUMBERS = 0, 32, (33, 41, 49), 57, 65, 73, 89, 97
Change = Callable[[bytes, random.Random], bytes]


def changed(data: bytes, drawn: random.Random) -> bytes:
    """One of many ways to change a ciphertext, a key or a file of them; sometimes two at once."""
    for _ in range(1 + (drawn.random() < 0.2)):
        data = (drawn.choice(_OUTSIDE) if drawn.random() < 0.5 else _inside)(data, drawn)
    return data


def bodies(data: bytes) -> list[tuple[int, int]]:
    """Where the compressed objects stand, and how long they are, as far as lengths are right."""
    found, at = [], data.find(_MAGIC)
    while at >= 0:
        size = int.from_bytes(data[at + 8 : at + HEADER], "little")
        if HEADER < size <= len(data) - at and data[at + 5] == 2:
            found.append((at, size))
            at += size
        at = data.find(_MAGIC, at + 1)
    return found


def packed(inner: bytes) -> bytes:
    """An object of SEAL with what is inside of it."""
    body = zstandard.ZstdCompressor(1).compress(inner)
    return _MAGIC + b"\x02\x00\x00" + (HEADER + len(body)).to_bytes(8, "little") + body


@lru_cache(16)
def unpacked(body: bytes) -> bytes:
    """What is inside of an object of SEAL."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(body[HEADER:])


def varint(value: int) -> bytes:
    """A number as Protocol Buffers write it."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


# ---------------------------------------------------------------- inside


def _flipped(data: bytes, drawn: random.Random) -> bytes:
    """A few bits, most often near the beginning or the end, where structure is."""
    found = bytearray(data or b"\0")
    for _ in range(drawn.choice((1, 1, 2, 8))):
        near = drawn.choice((40, 200, len(found)))
        at = drawn.randrange(min(near, len(found)))
        found[at if drawn.random() < 0.7 else -1 - at] ^= 1 << drawn.randrange(8)
    return bytes(found)


def _inside(data: bytes, drawn: random.Random) -> bytes:
    """Change what is compressed, and make every length around it right."""
    parts = _parts(data)
    if parts:
        at = drawn.randrange(len(parts))
        parts[at] = _inside(parts[at], drawn)
        return b"".join((data[:4], *(len(each).to_bytes(4, "big") + each for each in parts)))
    found = bodies(data)
    if not found:
        return _flipped(data, drawn)
    at, size = drawn.choice(found)
    body = data[at : at + size]
    bomb = drawn.random() < 0.02
    fresh = drawn.choice(_BOMBS)(drawn) if bomb else packed(drawn.choice(_INSIDE)(_opened(body), drawn))
    return _relengthed(data, at, size, fresh)


def _parts(data: bytes) -> list[bytes]:
    """What stands in a file of many, if it is one."""
    found, at = [], 4
    while data[:3] == bytes(3) and at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found if at == len(data) else []


def _opened(body: bytes) -> bytes:
    try:
        return unpacked(body)
    except (zstandard.ZstdError, MemoryError):
        return bytes(200)


def _relengthed(data: bytes, at: int, size: int, fresh: bytes) -> bytes:
    """With another object in its place; the lengths before it are written anew, as far as they stand as they should."""
    head = data[:at]
    for width in (1, 2, 3, 4):
        if head.endswith(varint(size)) and len(varint(size)) == width:
            head = head[:-width] + varint(len(fresh))
        elif head.endswith(size.to_bytes(4, "big")) and width == 4:
            head = head[:-4] + len(fresh).to_bytes(4, "big")
    grown = head + fresh + data[at + size :]
    return _outer(grown, len(grown) - len(data))


def _outer(data: bytes, more: int) -> bytes:
    """Of a context: the length of the part that holds the key."""
    if not data.startswith(b"\x0a") or more == 0:
        return data
    size, width = _read(data, 1)
    start = 1 + width + size
    if start >= len(data) - 8 or data[start] != 0x12 or data[start + 1 :].startswith(_MAGIC):
        return data
    length, width = _read(data, start + 1)
    if start + 1 + width + length + more != len(data):
        return data
    return data[: start + 1] + varint(length + more) + data[start + 1 + width :]


def _read(data: bytes, at: int) -> tuple[int, int]:
    value = width = 0
    while width < 5 and at + width < len(data):
        byte = data[at + width]
        value |= (byte & 127) << 7 * width
        width += 1
        if byte < 128:
            break
    return value, width


def _put(place: int, values: Sequence[bytes]) -> Change:
    def change(inner: bytes, drawn: random.Random) -> bytes:
        value = drawn.choice(values)
        return inner[:place] + value + inner[place + len(value) :]

    return change


def _numbers(inner: bytes, drawn: random.Random) -> bytes:
    """Numbers above their modulus, the mark of a seed, zeros, or others."""
    words = max(1, (len(inner) - _NUMBERS) // 8)
    first, value = _NUMBERS + 8 * drawn.randrange(words), drawn.choice(_WORDS).to_bytes(8, "little")
    many = min(drawn.choice((1, 2, 100, words)), words)
    return inner[:first] + (value * many)[: max(0, len(inner) - first)] + inner[first + 8 * many :]


def _shorter(inner: bytes, drawn: random.Random) -> bytes:
    return inner[: drawn.choice((0, 1, 32, 33, 57, 73, 89, 97, len(inner) // 2, len(inner) - 8, len(inner) - 1))]


def _longer(inner: bytes, drawn: random.Random) -> bytes:
    return inner + drawn.choice((b"\0", bytes(8), inner[:200], drawn.randbytes(64)))


_AS_WORDS = [each.to_bytes(8, "little") for each in _WORDS]
_INSIDE: list[Change] = [
    _put(_PARAMETERS, [bytes(32), b"\xff" * 32, bytes(range(32))]),
    _put(_NTT, [b"\0", b"\x01", b"\x02", b"\xff"]),
    *(_put(each, _AS_WORDS) for each in _COUNTS),
    _put(_SCALE, [struct.pack("<d", each) for each in _DOUBLES]),
    _put(_FACTOR, _AS_WORDS),
    _put(_INNER, [bytes(16), b"\xff" * 16, _MAGIC + b"\x02", _MAGIC + b"\x01", b"\x5e\xa1\x10\x02"]),
    _put(_INNER + 8, _AS_WORDS),
    _put(_COUNT, _AS_WORDS),
    _numbers,
    _shorter,
    _longer,
    _flipped,
]


def _bomb(drawn: random.Random) -> bytes:
    """A few bytes that stand for a great many."""
    maker = zstandard.ZstdCompressor(1).compressobj()
    body = b"".join(maker.compress(bytes(1 << 20)) for _ in range(drawn.choice((8, 64, 512)))) + maker.flush()
    return _MAGIC + b"\x02\x00\x00" + (HEADER + len(body)).to_bytes(8, "little") + body


def _odd(drawn: random.Random) -> bytes:
    """A frame that is to be skipped, one with a window of 2 GiB, one with a dictionary, and no frame at all."""
    body = drawn.choice(
        (
            b"\x50\x2a\x4d\x18" + (8).to_bytes(4, "little") + bytes(8),
            b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(20),
            b"\x28\xb5\x2f\xfd\x03\xff\xff\xff\xff" + bytes(20),
            drawn.randbytes(40),
        )
    )
    return _MAGIC + b"\x02\x00\x00" + (HEADER + len(body)).to_bytes(8, "little") + body


_BOMBS: list[Callable[[random.Random], bytes]] = [_bomb, _odd, _odd]

# ---------------------------------------------------------------- outside


def _cut(data: bytes, drawn: random.Random) -> bytes:
    return data[: drawn.choice((0, 1, 2, 5, 20, 40, len(data) // 2, max(0, len(data) - 9), max(0, len(data) - 1)))]


def _more(data: bytes, drawn: random.Random) -> bytes:
    tags = ("0a00", "1200", "1a00", "19" + 16 * "0", "2200", "0801", "fa01020000")
    extra = drawn.choice((*map(bytes.fromhex, tags), data[:50], data, b"\0", drawn.randbytes(20)))
    return data + extra if drawn.random() < 0.5 else extra + data


def _moved(data: bytes, drawn: random.Random) -> bytes:
    """A piece taken out, twice, or elsewhere."""
    first = drawn.randrange(min(len(data), drawn.choice((8, 60, 1 << 20))) or 1)
    last = first + drawn.choice((1, 2, 8, 16, 100, 5000))
    piece, rest = data[first:last], data[:first] + data[last:]
    at = drawn.choice((first, 0, len(rest), first // 2))
    return drawn.choice((rest, data[:first] + piece + data[first:], rest[:at] + piece + rest[at:]))


def _length(data: bytes, drawn: random.Random) -> bytes:
    """A length, a count or a number near the beginning that says something else, also in more bytes than it takes."""
    at = drawn.randrange(1, min(60, max(2, len(data))))
    value = drawn.choice((0, 1, 127, 128, 1 << 14, (1 << 31) - 1, (1 << 32) - 1, (1 << 64) - 1, len(data)))
    fresh = drawn.choice((varint(value), varint(value) + b"\x80\x00", value.to_bytes(8, "little"), b"\xff" * 10))
    return data[:at] + fresh + data[at + drawn.choice((0, len(fresh))) :]


def _head(data: bytes, drawn: random.Random) -> bytes:
    """SEAL's header: magic, version, compression, length."""
    found = bodies(data)
    if not found:
        return _flipped(data, drawn)
    at = drawn.choice(found)[0]
    place = at + drawn.randrange(HEADER)
    if place >= at + 8:
        return data[: at + 8] + drawn.choice(_AS_WORDS) + data[at + HEADER :]
    return data[:place] + bytes([drawn.choice((0, 1, 2, 3, 4, 127, 255))]) + data[place + 1 :]


def _tail(data: bytes, drawn: random.Random) -> bytes:
    """A vector's scale."""
    return data[:-8] + struct.pack("<d", drawn.choice(_DOUBLES))


_OUTSIDE: list[Change] = [_flipped, _cut, _more, _moved, _length, _head, _tail]
