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
import unicodedata
from typing import NoReturn

from hefu.errors import Malformed

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
Object = dict[str, Json]

LARGEST_INTEGER = 2**53 - 1
LARGEST_DOCUMENT = 1 << 20  # bytes
DEEPEST = 32


def encode(value: Json) -> bytes:
    """The canonical bytes of a value.

    Raises:
        Malformed: the value is outside the restricted profile.
    """
    _check(value, "$", 0)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(data: bytes, limit: int = LARGEST_DOCUMENT) -> Json:
    """The value of canonical bytes; anything that would not be written the same way again is refused.

    Raises:
        Malformed: too large, too deep, not JSON, a duplicate key, a float, or not in canonical form.
    """
    if len(data) > limit:
        _refuse("$", f"longer than {limit} bytes")
    try:
        text = data.decode("utf-8", "strict")
        value: Json = json.loads(text, object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float)
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


def _check(value: Json, where: str, depth: int) -> None:
    if depth > DEEPEST:
        _refuse(where, "nested too deep")
    if isinstance(value, str):
        _check_text(value, where)
    elif isinstance(value, int):  # a bool is one too, and small
        if abs(value) > LARGEST_INTEGER:
            _refuse(where, "an integer of 2^53 or more: write it as a string")
    elif isinstance(value, list | dict):
        _check_members(value, where, depth + 1)
    elif value is not None:
        _refuse(where, f"a value of type {type(value).__name__}")


def _check_members(value: list[Json] | Object, where: str, depth: int) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{where}[{index}]", depth)
        return
    for key, item in value.items():
        if not isinstance(key, str) or not key.isascii():
            _refuse(where, "a key that is not ASCII text")
        _check(item, f"{where}.{key}", depth)


def _check_text(text: str, where: str) -> None:
    if not text.isascii():
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            _refuse(where, "a lone surrogate")
        if not unicodedata.is_normalized("NFC", text):
            _refuse(where, "text that is not in Unicode normal form C")


def _unique(pairs: list[tuple[str, Json]]) -> Object:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def _no_float(_: str) -> NoReturn:
    raise ValueError("a number that is not an integer")


def _refuse(where: str, why: str) -> NoReturn:
    raise Malformed("json.malformed", where=where, why=why)
