"""Strict reading of a body's members: nothing missing, nothing unknown, nothing cast.

The readers raise TypeError, KeyError or ValueError; `read` turns those into one Malformed that names the type of the
statement, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from hefu.canonical import Json, Object
from hefu.errors import Malformed

Item = TypeVar("Item")

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_LONGEST_TEXT = 4096
_LONGEST_LIST = 10_000


@contextmanager
def reading(type_: str) -> Iterator[None]:
    """Inside, a member that is missing or of a wrong form makes the whole body Malformed."""
    try:
        yield
    except (KeyError, TypeError, ValueError):
        raise Malformed("statement.malformed", why=f"not a {type_} body") from None


def exactly(value: Json, *names: str) -> Object:
    """An object with exactly these members."""
    body = mapping(value)
    if set(body) != set(names):
        raise ValueError
    return body


def among(value: Json, optional: Iterable[str], *names: str) -> Object:
    """An object with exactly these members, and those of the optional ones that it has."""
    body = mapping(value)
    return exactly(body, *names, *(body.keys() & {*optional}))


def mapping(value: Json) -> Object:
    """An object of any members."""
    if not isinstance(value, dict):
        raise TypeError
    return value


def text(value: Json, longest: int = _LONGEST_TEXT) -> str:
    """A text, perhaps empty."""
    if not isinstance(value, str) or len(value) > longest:
        raise TypeError
    return value


def digest(value: Json) -> str:
    """``sha256:`` and 64 hex digits."""
    if not isinstance(value, str) or not _DIGEST.match(value):
        raise ValueError
    return value


def whole(value: Json) -> int:
    """A whole number, 0 or more; ``true`` is none."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError
    return value


def many(value: Json, each: Callable[[Json], Item]) -> tuple[Item, ...]:
    """A list, every item read by ``each``."""
    if not isinstance(value, list) or len(value) > _LONGEST_LIST:
        raise TypeError
    return tuple(each(item) for item in value)


def listed(items: Iterable[Object] | Iterable[str]) -> list[Json]:
    """Items as a JSON list."""
    return [*items]
