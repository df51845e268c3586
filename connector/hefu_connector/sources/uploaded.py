"""Uploaded inputs in the spool: nameless files, each consumer's within its own room, gone when nobody asks for them.

What consumers uploaded is counted before it comes, so that neither one of them nor all together fill memory or disk.
LIMIT: a process has only what was uploaded to it; whoever reaches another replica next uploads again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hefu.errors import Malformed, Refused, Unavailable
from hefu.running import faults
from hefu.times import Clock

from hefu_connector.inputs import FORM
from hefu_connector.ports import Table
from hefu_connector.sources import spool

KEPT = timedelta(minutes=15)  # after it was last asked for
EACH = 256 << 20  # bytes of one consumer
ALL = 1 << 30
_FILES = 32  # of one consumer: each takes an open file of this process
_NAMES = 256  # of computations that one file was uploaded for


@dataclass(slots=True)
class _Held:
    """One file.

    Attributes:
        until: when it goes if nobody asks.
        needed: the computations that it was uploaded for.
        closing: ends the file.
    """

    path: Path
    size: int
    until: datetime
    needed: set[str]
    closing: ExitStack


class Uploaded:
    """An adapter of `hefu_connector.inputs.Inputs`.

    Args:
        folder: where the files are; None keeps them in memory.
        each, all_: bytes of one consumer and of all.
    """

    def __init__(self, folder: Path | None, clock: Clock, each: int = EACH, all_: int = ALL) -> None:
        self._folder = folder
        self._clock = clock
        self._each = each
        self._all = all_
        self._lock = threading.Lock()
        self._files: dict[tuple[str, str], _Held] = {}
        self._coming: list[tuple[str, int]] = []  # whose, and how many bytes

    def keep(self, consumer: str, computation: str, digest: str, size: int, chunks: Iterable[bytes]) -> None:
        """As in the port."""
        with self._lock:
            if self._touch(consumer, digest, computation):
                return
            self._admit(consumer, size)
        try:
            with ExitStack() as closing:
                path = closing.enter_context(spool.place(self._folder))
                _write(path, digest, size, chunks)
                with self._lock:
                    if not self._touch(consumer, digest, computation):  # it may have come twice at once
                        until = self._clock.now() + KEPT
                        self._files[consumer, digest] = _Held(path, size, until, {computation}, closing.pop_all())
        finally:
            with self._lock:
                self._coming.remove((consumer, size))

    def check(self, consumer: str, digest: str) -> None:
        """As in the port."""
        with self._lock:
            if not self._touch(consumer, digest):
                raise Refused("inputs.missing")

    @contextmanager
    def open(self, consumer: str, digest: str) -> Iterator[Table]:
        """As in the port; the open file stays, whatever is dropped meanwhile."""
        with self._lock:
            held = self._files.get((consumer, digest))
            if held is None:
                raise Refused("inputs.missing")
            descriptor = os.open(held.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield Table(Path(f"/proc/self/fd/{descriptor}"), FORM, digest, held.size)
        finally:
            os.close(descriptor)

    def drop(self, consumer: str, computation: str) -> None:
        """As in the port."""
        with self._lock:
            for (owner, digest), held in [*self._files.items()]:
                if owner == consumer and computation in held.needed:
                    held.needed.discard(computation)
                    if not held.needed:
                        self._forget(owner, digest)

    def sweep(self) -> None:
        """As in the port."""
        now = self._clock.now()
        with self._lock:
            for (owner, digest), held in [*self._files.items()]:
                if held.until <= now:
                    self._forget(owner, digest)

    def close(self) -> None:
        """Drop everything."""
        with self._lock:
            for owner, digest in [*self._files]:
                self._forget(owner, digest)

    def _touch(self, consumer: str, digest: str, computation: str = "") -> bool:
        held = self._files.get((consumer, digest))
        if held is None:
            return False
        held.until = self._clock.now() + KEPT
        if computation:
            if len(held.needed) >= _NAMES and computation not in held.needed:
                raise Unavailable("inputs.full")
            held.needed.add(computation)
        return True

    def _admit(self, consumer: str, size: int) -> None:
        """Room for a file that is to come; called under the lock."""
        every = [*((owner, held.size) for (owner, _), held in self._files.items()), *self._coming]
        mine = [each for owner, each in every if owner == consumer]
        taken = sum(each for _, each in every)
        if sum(mine) + size > self._each or len(mine) >= _FILES or taken + size > self._all:
            raise Unavailable("inputs.full")
        self._coming.append((consumer, size))

    def _forget(self, consumer: str, digest: str) -> None:
        self._files.pop((consumer, digest)).closing.close()


def _write(path: Path, digest: str, size: int, chunks: Iterable[bytes]) -> None:
    spool.check_room(path, size)
    left = size
    try:
        with open(spool.create(path), "wb") as file:
            for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    break
                file.write(chunk)
            file.flush()
            faults.point("spool.written")
    except OSError as fault:
        raise Unavailable("inputs.full", detail=type(fault).__name__) from None
    # Once it is measured, nobody writes to it any more.
    if left or spool.measure(path) != (digest, size):
        raise Malformed("inputs.differ")
