"""Whether the store is the newest this connector ever had: an old copy put back would forget charges.

Two memories outside of the store are asked. A small file beside it holds the newest journal entry that this process
saw committed; the broker's log holds what was sent to it. Whoever put a copy of everything back has the broker against
it; whoever put back the store alone, the file too. LIMIT: entries that reached neither are not missed.

Other spaces on the same store have chains of their own, but one lifetime total for an asset: a copy that forgets what
was charged there is too old here too. Their ends are kept in a second file, as far as this process saw them.

INVARIANT: the file is written after the commit it tells of, and never instead of one, so that no crash makes it lie:
what it says is in the store, or the store is not the one it was written for.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Unauthenticated, Unavailable

from hefu_connector.ports import Trust

log = logging.getLogger("hefu.continuity")

_SLOT = 128  # bytes; two of them, written in turn, so that a torn write leaves the other
Place = tuple[int, str]  # sequence and digest of an entry


class Chain(Protocol):
    """The journal's chain as it is in the store."""

    def head(self) -> tuple[int, str]:
        """(next sequence, digest of the last envelope or ``""``)."""
        ...

    def digest_at(self, sequence: int, space: str = "") -> str:
        """The digest of the envelope at a place, of another space's chain if one is named; ``""`` where there is
        none."""
        ...

    def others(self) -> Mapping[str, tuple[int, str]]:
        """The same as `head` of the chain of every other space on the store, by its space."""
        ...


class Newest(Protocol):
    """What the broker knows of this connector's journal."""

    def newest(self) -> Statement | None:
        """The newest statement of this connector's journal that is in the log or on its way; unverified."""
        ...


class HighWater:
    """The file. One thread at a time.

    Args:
        path: made when something is written for the first time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[int, str]:
        """(sequence, digest) of the newest entry that was seen; (-1, "") where none was, or nothing can be read."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return -1, ""
        slots = (data[start : start + _SLOT] for start in (0, _SLOT))
        return max((_read(each) for each in slots), default=(-1, ""))

    def write(self, sequence: int, digest: str) -> None:
        """Note an entry that is committed. It is not synced: what a power cut takes from it was only caution."""
        words = f"{sequence} {digest}"
        line = f"{words} {zlib.crc32(words.encode())}".encode().ljust(_SLOT - 1) + b"\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(handle, line, sequence % 2 * _SLOT)
        finally:
            os.close(handle)


class Others:
    """The file of the other spaces' chains. One thread at a time.

    Args:
        path: made when there is something to write.
        beside: what those who share the store noted themselves, where that can be read here.
    """

    def __init__(self, path: Path, beside: Callable[[], Mapping[str, Place]] = dict) -> None:
        self._path = path
        self._beside = beside

    def read(self) -> dict[str, Place]:
        """The newest entry that was seen, by space; nothing where none was, or nothing can be read."""
        try:
            noted = {str(space): (int(at), str(digest)) for space, (at, digest) in json.loads(self._text()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            noted = {}
        for space, place in self._beside().items():
            noted[space] = max(noted.get(space, place), place)
        return noted

    def write(self, places: Mapping[str, Place]) -> None:
        """Note entries that are committed; not synced, as in `HighWater.write`."""
        new = self._path.with_name(f"{self._path.name}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(places, file)
        new.replace(self._path)

    def _text(self) -> str:
        return self._path.read_text("utf-8")


class Continuity:
    """Holds the store against what is known outside of it.

    Args:
        participant: this participant, whose own signature alone counts.
        connector: this connector; another one of the participant has a journal of its own.
        others: the same for the other spaces on the store, where it may have some.
        broken: called once, with what is wrong, if it is found out while the connector serves.
    """

    def __init__(
        self, chain: Chain, high: HighWater, newest: Newest, trust: Trust, participant: str, connector: str,
        others: Others | None = None,
    ) -> None:  # fmt: skip
        self._chain = chain
        self._high = high
        self._newest = newest
        self._trust = trust
        self._participant = participant
        self._connector = connector
        self._asked = False
        self._known = high.read()
        self._others = others
        self._elsewhere = others.read() if others else {}
        self.broken: Callable[[HefuError], None] = lambda _: None

    def check(self, *, ask: bool = True) -> None:
        """Before anything is served: what the file says, and what the broker says if it can be asked now.

        Args:
            ask: whether the space knows this connector's certificate, so that the broker would answer.

        Raises:
            Conflict: the store is older than what this connector signed.
        """
        self._hold(*self._known)
        for space, place in self._elsewhere.items():
            self._hold(*place, space)
        try:
            if ask:
                self.ask()
        except (Unavailable, Unauthenticated):
            log.info("the broker cannot be asked yet how far this journal had come; it is asked later")

    def ask(self) -> None:
        """Ask the broker, until it has answered once; nothing is sent to its log before.

        Raises:
            Conflict: as `check`.
            Unavailable, Unauthenticated: the broker is away, or does not know this connector's certificate yet.
        """
        if self._asked:
            return
        try:
            newest = self._newest.newest()
            place = None if newest is None else self._place(newest)
        except (Unavailable, Unauthenticated):
            raise
        except HefuError as fault:  # a broker of an earlier version, or one that shows what is not ours
            log.warning("the broker does not tell how far this journal had come: %s", fault.code)
            place = None
        if place is not None:
            self._guarded(*place)
        self._asked = True

    def step(self) -> None:
        """Note how far the journal has come; called every second or so, and at the end.

        Raises:
            Conflict: the store fell back while it was served.
        """
        following, digest = self._chain.head()
        newest = (following - 1, digest)
        if newest != self._known:
            # Whoever came back with fewer entries may have more by now: what was known must stand where it stood.
            self._guarded(*self._known)
            self._known = newest
            self._note(lambda: self._high.write(*newest))
        if self._others is not None:
            self._step_elsewhere(self._others)

    def _step_elsewhere(self, others: Others) -> None:
        seen = {space: (following - 1, digest) for space, (following, digest) in self._chain.others().items()}
        for space, place in self._elsewhere.items():
            if seen.get(space) != place:
                self._guarded(*place, space)
        newest = self._elsewhere | {space: place for space, place in seen.items() if place[0] >= 0}
        if newest != self._elsewhere:
            self._elsewhere = newest
            self._note(lambda: others.write(newest))

    def _note(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as fault:
            log.warning("how far the journal has come cannot be noted: %s", fault.strerror)

    def end(self) -> None:
        """Note once more how far the journal has come, as far as the store can still be read."""
        try:
            self.step()
        except HefuError as fault:
            log.info("how far the journal has come is not noted: %s", fault.code)

    def _place(self, statement: Statement) -> tuple[int, str] | None:
        """Where a statement stands in this connector's journal, once its signature was verified."""
        place = statement.body.get("journal")
        if not isinstance(place, dict) or place.get("connector") != self._connector:
            return None
        sequence = place.get("sequence")
        if statement.issuer != self._participant or not isinstance(sequence, int):
            return None
        self._trust.verify(statement, self._participant)
        return sequence, canonical.digest(statement.to_bytes())

    def _guarded(self, sequence: int, digest: str, space: str = "") -> None:
        try:
            self._hold(sequence, digest, space)
        except Conflict as fault:
            log.critical("%s", fault.public())
            self.broken(fault)
            raise

    def _hold(self, sequence: int, digest: str, space: str = "") -> None:
        if sequence >= 0 and self._chain.digest_at(sequence, space) != digest:
            found, _ = self._chain.others().get(space, (0, "")) if space else self._chain.head()
            raise Conflict("journal.behind", found=found, expected=sequence + 1)


def _read(slot: bytes) -> tuple[int, str]:
    words, _, check = slot.decode("ascii", "replace").strip().rpartition(" ")
    sequence, _, digest = words.partition(" ")
    if check != str(zlib.crc32(words.encode())) or not sequence.isdigit():
        return -1, ""
    return int(sequence), digest
