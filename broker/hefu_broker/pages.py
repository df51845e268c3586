"""Page tokens: opaque to callers, and refused unless this broker made them for this very question.

Source: AIP-158 (pagination).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hefu import canonical
from hefu.canonical import Json
from hefu.errors import Malformed
from hefu.identity import read_bytes, write_bytes

LARGEST_PAGE = 200
USUAL_PAGE = 50
LARGEST_ANSWER = 3 << 20  # bytes; a message of 4 MiB has room for the rest
Item = TypeVar("Item")
_NONCE = 12  # bytes


class Pages:
    """Makes and opens page tokens. The key lives as long as the process: after a restart a listing starts anew.

    A position counts candidates, of which the caller may be shown only some; so a token can be read by nobody else.
    """

    def __init__(self) -> None:
        self._cipher = AESGCM(AESGCM.generate_key(256))

    def token(self, position: int, *question: Json, seen: int = 0) -> str:
        """A token for the page that starts at a position of the answer to a question.

        Args:
            seen: how many items the pages before it had.
        """
        nonce = secrets.token_bytes(_NONCE)
        place = position.to_bytes(8, "big") + seen.to_bytes(8, "big")
        return write_bytes(nonce + self._cipher.encrypt(nonce, place, canonical.encode([*question])))

    def place(self, token: str, *question: Json) -> tuple[int, int]:
        """Where the page starts, and how many items were before it; zeros for an empty token: the first page.

        Raises:
            Malformed: not made here, or for another question or caller.
        """
        if not token:
            return 0, 0
        data = read_bytes(token[:100])
        try:
            place = self._cipher.decrypt(data[:_NONCE], data[_NONCE:], canonical.encode([*question]))
        except (InvalidTag, ValueError):
            raise Malformed("page.refused") from None
        return int.from_bytes(place[:8], "big"), int.from_bytes(place[8:], "big")

    def position(self, token: str, *question: Json) -> int | None:
        """Where the page starts; None for an empty token. Raises as `place`."""
        return self.place(token, *question)[0] if token else None


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
