"""Page tokens: opaque to callers, and refused unless this broker made them for this very question.

Source: AIP-158 (pagination).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

from hefu import canonical
from hefu.canonical import Json
from hefu.errors import Malformed
from hefu.identity import read_bytes, write_bytes

LARGEST_PAGE = 200
USUAL_PAGE = 50
LARGEST_ANSWER = 3 << 20  # bytes; a message of 4 MiB has room for the rest
Item = TypeVar("Item")
_TAG = 16  # bytes


class Pages:
    """Makes and checks page tokens. The key lives as long as the process: after a restart a listing starts anew."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def token(self, position: int, *question: Json) -> str:
        """A token for the page that starts at a position of the answer to a question."""
        data = position.to_bytes(8, "big")
        return write_bytes(data + self._tag(data, question))

    def position(self, token: str, *question: Json) -> int | None:
        """Where the page starts; None for an empty token: the first page.

        Raises:
            Malformed: not made here, or for another question or caller.
        """
        if not token:
            return None
        data = read_bytes(token[:100])
        if len(data) != 8 + _TAG or not hmac.compare_digest(data[8:], self._tag(data[:8], question)):
            raise Malformed("page.refused")
        return int.from_bytes(data[:8], "big")

    def _tag(self, data: bytes, question: tuple[Json, ...]) -> bytes:
        return hmac.new(self._key, data + canonical.encode([*question]), hashlib.sha256).digest()[:_TAG]


def fitting(items: Sequence[Item], length: Callable[[Item], int]) -> list[Item]:
    """The first items that fit into one answer together; at least one, where there is one.

    Args:
        length: of an item, in bytes.
    """
    room, found = LARGEST_ANSWER, list[Item]()
    for each in items:
        room -= length(each)
        if found and room < 0:
            break
        found.append(each)
    return found


def size(asked: int) -> int:
    """How many a page holds, given what was asked.

    Raises:
        Malformed: a negative number.
    """
    if asked < 0:
        raise Malformed("request.malformed", why="page_size must not be negative")
    return min(asked or USUAL_PAGE, LARGEST_PAGE)
