"""One byte string per statement: RFC 8785 (JCS) in a restricted profile.

Restrictions: no floats; integers below 2^53 in size; ASCII keys; strings in Unicode normal form C without lone
surrogates; no duplicate keys; bounded depth and length. Inside this profile sorting keys by code point equals the
UTF-16 order of RFC 8785 and the standard library's escapes equal those of ECMAScript, so `json` writes the
canonical form; the tests hold it against an independent implementation and the published vectors.

Source: RFC 8785; restricted as in the audit log's design (docs/decisions).
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import NoReturn, cast

from hefu.errors import Malformed

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
Object = dict[str, Json]

LARGEST_INTEGER = 2**53 - 1
LARGEST_DOCUMENT = 1 << 20  # bytes
DEEPEST = 32
_LONG_NUMBER = re.compile(rb"[:,\[]-?[0-9]{16}")
_write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def encode(value: Json) -> bytes:
    """The canonical bytes of a value.

    Raises:
        Malformed: the value is outside the restricted profile.
    """
    plain = _written_plain(value)
    if plain is not None:
        return plain
    try:
        _check(value, 0)
    except _OutsideError as outside:
        _refuse("$" + "".join(reversed(outside.path)), outside.why)
    return _write(value).encode()


def decode(data: bytes, limit: int = LARGEST_DOCUMENT) -> Json:
    """The value of canonical bytes; anything that would not be written the same way again is refused.

    Raises:
        Malformed: too large, too deep, not JSON, a duplicate key, a float, or not in canonical form.
    """
    if len(data) > limit:
        _refuse("$", f"longer than {limit} bytes")
    try:
        text = data.decode("utf-8", "strict")
        value: Json
        # Plain ASCII that is shallow and has short numbers is in the profile if it is written the same way again: a
        # duplicate key, an escape or another order would not be. Anything else is looked at piece by piece.
        if _is_plain(data):
            value = _read_plain(text)
            if _is_flat(data, value) and _write(value) == text:
                return value
        value = json.loads(text, object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as fault:
        raise Malformed("json.malformed", where="$", why=type(fault).__name__) from None
    if encode(value) != data:
        _refuse("$", "not in canonical form")
    return value


def decode_object(data: bytes, limit: int = LARGEST_DOCUMENT) -> Object:
    """As `decode`, and the value must be an object."""
    value = decode(data, limit)
    if not isinstance(value, dict):
        _refuse("$", "not an object")
    return value


def digest(data: bytes) -> str:
    """SHA-256 as ``sha256:`` and 64 hex digits: the form of every digest in Hefu."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _written_plain(value: Json) -> bytes | None:
    """The bytes of a value that reads the same again from plain ASCII; None of any other, which is looked at closely.

    What is no JSON does not read as it was: a tuple reads as a list, a key that is a number as text, a float not at
    all.
    """
    try:
        text = _write(value)
        data = text.encode()
        return data if _is_plain(data) and _read_plain(text) == value and _is_flat(data, value) else None
    except (TypeError, ValueError, RecursionError):
        return None


def _is_plain(data: bytes) -> bool:
    # A number alone has nothing before it. Looking for that in the pattern would take three times as long.
    return data.isascii() and not _LONG_NUMBER.search(b":" + data)


def _is_flat(data: bytes, value: Json) -> bool:
    return data.count(b"{") + data.count(b"[") <= DEEPEST or _is_shallow(value)


class _OutsideError(Exception):
    """A value outside the profile; the path to it is gathered on the way out, which costs nothing where all is well."""

    def __init__(self, why: str) -> None:
        self.why = why
        self.path: list[str] = []


def _check(value: Json, depth: int) -> None:
    kind = type(value)
    if kind is str:
        _check_text(cast(str, value))
    elif kind is int:
        if abs(cast(int, value)) > LARGEST_INTEGER:
            raise _OutsideError("an integer of 2^53 or more: write it as a string")
    elif kind is dict or kind is list:
        if depth >= DEEPEST:
            raise _OutsideError("nested too deep")
        _check_members(cast("list[Json] | Object", value), depth + 1)
    elif value is not None and kind is not bool:
        raise _OutsideError(f"a value of type {kind.__name__}")


def _check_members(value: list[Json] | Object, depth: int) -> None:
    place: object = None
    try:
        if isinstance(value, list):
            for place, item in enumerate(value):  # noqa: B007 - read when something is wrong
                _check(item, depth)
        else:
            for place, item in value.items():
                _check(item, depth)
                if not isinstance(place, str) or not place.isascii():
                    raise _OutsideError("a key that is not ASCII text")
    except _OutsideError as outside:
        outside.path.append(f"[{place}]" if isinstance(value, list) else f".{place}"[:100])
        raise


def _is_shallow(value: Json) -> bool:
    """Whether no list or object stands too deep."""
    row = [value]
    for _ in range(DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in row if isinstance(each, dict | list))
        row = [one for each in inner for one in each if isinstance(one, dict | list)]
        if not row:
            return True
    return False


def _check_text(text: str) -> None:
    if not text.isascii():
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise _OutsideError("a lone surrogate")
        if not unicodedata.is_normalized("NFC", text):
            raise _OutsideError("text that is not in Unicode normal form C")


def _unique(pairs: list[tuple[str, Json]]) -> Object:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def _no_float(_: str) -> NoReturn:
    raise ValueError("a number that is not an integer")


_read_plain = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float).decode


def _refuse(where: str, why: str) -> NoReturn:
    raise Malformed("json.malformed", where=where, why=why)
