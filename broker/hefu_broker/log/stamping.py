"""Time stamps on published checkpoints, from authorities that the operator configured.

Each asks an authority of its own accord, verifies the answer under the certificates of that authority alone, and keeps
it beside the checkpoint. An authority that is away costs nothing but its stamp: the newest checkpoint is tried again.
"""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.x509 import Certificate
from hefu.errors import HefuError, Malformed, Unavailable
from hefu.evidence import timestamps
from hefu.evidence.timestamps import LARGEST_RESPONSE, Stamp
from hefu.tlog.note import Note

from hefu_broker.ports import StampStore

log = logging.getLogger("hefu.broker.log")
MOST_SHOWN = 256
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Authority:
    """Who stamps: where it is asked, and the certificates under which its answers count."""

    url: str
    pinned: tuple[Certificate, ...]


def authorities(setting: str, folder: Path) -> tuple[Authority, ...]:
    """What the setting ``timestamps`` names: pairs of URL and PEM file, divided by commas.

    Raises:
        Malformed: it cannot be read, a file has no root certificate, or the package is not installed.
    """
    found = []
    for each in filter(None, map(str.strip, setting.split(","))):
        url, _, file = each.partition(" ")
        if not url.startswith(("http://", "https://")) or not file.strip():
            raise Malformed("timestamp.settings")
        found.append(Authority(url, timestamps.certificates(folder / file.strip())))
    if found and not timestamps.installed():
        raise Malformed("timestamp.package")
    return tuple(found)


class Stamping:
    """The stamps of one space's log.

    Args:
        newest: size and note of the newest published checkpoint; raises Unavailable where there is none.
        leads: whether this process writes the log: one asks for all.
    """

    def __init__(
        self,
        store: StampStore,
        named: Sequence[Authority],
        newest: Callable[[], tuple[int, str]],
        leads: Callable[[], bool],
    ) -> None:
        self._store = store
        self._authorities = tuple(named)
        self._newest = newest
        self._leads = leads

    def stamp(self) -> int:
        """Have every authority stamp the newest checkpoint that it has not stamped; returns how many did."""
        if not self._authorities or not self._leads():
            return 0
        size, note = self._newest()
        message = Note.parse(note).text.encode()
        return sum(1 for each in self._due(size) if self._one(each, size, message))

    def stamps(self) -> list[Stamp]:
        """What is kept, oldest first: the newest 256."""
        return self._store.stamps(MOST_SHOWN)

    def _due(self, size: int) -> Iterator[Authority]:
        return (each for each in self._authorities if self._store.stamped(each.url) < size)

    def _one(self, authority: Authority, size: int, message: bytes) -> bool:
        asked = timestamps.ask(message)
        try:
            response = _post(authority.url, asked.request)
            timestamps.verify(response, message, authority.pinned, asked.nonce)
        except HefuError as fault:
            log.warning("no time stamp of %d entries: %s", size, fault.public())
            return False
        self._store.keep(authority.url, Stamp(size, response))
        return True


def _post(url: str, body: bytes) -> bytes:
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - the setting allows http(s) only
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            data: bytes = answer.read(LARGEST_RESPONSE + 1)
    except (OSError, ValueError, urllib.error.URLError) as fault:
        raise Unavailable("timestamp.away", url=url[:200], detail=type(fault).__name__) from None
    return data
