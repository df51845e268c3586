"""Laid-out snapshots: each made once of a source, kept unchanged, and handed to every query without a copy.

What queries read is a file of the spool: nobody can name it or write to it, and it is gone with this process. Where
there is a folder, a sealed copy stays in it, whose digest stands in the store; a process that has it not yet opens it.
Until a source is laid out anew, its queries read the snapshot that there is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import new_id
from hefu.errors import Unavailable, Untrusted
from hefu.times import Clock
from hefu_policies.reading import Place

from hefu_connector.engines.laid import FORM, Laid
from hefu_connector.ports import Source, Table
from hefu_connector.shelves import Mark, Marks
from hefu_connector.sources import spool
from hefu_connector.sources.sealed import SealedFolder

_SECONDS, _SECONDS_A_MEGABYTE = 1800.0, 4
_MARK = "layout/"
_OPEN = Path("/proc/self/fd")


class Makers(Protocol):
    """Workers that make a file."""

    def make(
        self,
        engine: str,
        parameters: Object,
        table: Table,
        take: Callable[[bytes], object],
        *,
        job: str,
        deadline: float,
    ) -> Object:
        """Run an engine on a table; `take` gets the pieces of the file. Raises as `Workers.run`."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """A laid-out snapshot.

    Attributes:
        snapshot: ``sha256:`` of the laid-out bytes; origin: of those that they were made of.
        size: bytes.
        rows, units: that are laid out; for the provider alone.
        beyond: rows that no query without a filter reads, because their unit has more than it may contribute.
        file: its name in the folder; empty where there is none.
        follows: the mark of the source's state that it is of, and for which alone it is read; empty where it is read
            whatever has become of the source.
    """

    laid: Laid
    snapshot: str
    origin: str
    size: int
    rows: int
    units: int
    beyond: int
    file: str = ""
    follows: str = ""

    def body(self) -> Object:
        """As JSON."""
        return {
            "laid": self.laid.body(), "snapshot": self.snapshot, "origin": self.origin, "size": self.size,
            "rows": self.rows, "units": self.units, "beyond": self.beyond, "file": self.file,
            "follows": self.follows,
        }  # fmt: skip

    @classmethod
    def of(cls, body: Object) -> Made:
        """Read what `body` wrote; raises Malformed."""
        names = ("laid", "snapshot", "origin", "size", "rows", "units", "beyond", "file", "follows")
        found = Place(body, "layout").members(names)
        return cls(
            Laid.of(found["laid"].value), found["snapshot"].text(), found["origin"].text(), found["size"].integer(),
            found["rows"].integer(), found["units"].integer(), found["beyond"].integer(),
            found["file"].text(empty=True), found["follows"].text(empty=True),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Held:
    """A snapshot that this process has open, and the number of the mark that it was found by."""

    made: Made
    file: int
    number: int


class Layouts:
    """Makes and keeps laid-out snapshots. Safe to use from many threads; those of one source are made one by one.

    Args:
        spool: folder of what is read; None has it in memory.
        kept: the folder of sealed copies; None keeps none.
    """

    def __init__(
        self, makers: Makers, marks: Marks, clock: Clock, spool: Path | None = None, kept: SealedFolder | None = None
    ) -> None:
        self._makers = makers
        self._marks = marks
        self._clock = clock
        self._spool = spool
        self._kept = kept
        self._lock = threading.Lock()
        self._taking = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._held: dict[str, _Held] = {}
        self._altered: dict[str, int] = {}  # the mark of what was read and is not what was laid out

    def make(self, resource: str, source: Source, laid: Laid, follows: str = "") -> Made:
        """Lay a source out as it is now, in the place of what was laid out before.

        Args:
            follows: the mark of the source's state, where the snapshot holds for that only; what another made of that
                state meanwhile is as good.

        Raises:
            Unavailable: it cannot be read, is not as described, or there is no room.
        """
        with self._turn(resource):
            found = self.find(resource) if follows else None
            if found is not None and (found.follows, found.laid) == (follows, laid):
                return found
            return self._make(resource, source, laid, follows)

    @contextmanager
    def open(self, resource: str, asked: Object, mark: Callable[[], str] = str) -> Iterator[Table | None]:
        """The laid-out snapshot of a resource, where there is one that fits what is asked; else None.

        Args:
            mark: of the source's state now.

        Raises:
            Untrusted: what is kept is not what was laid out.
        """
        self.find(resource)
        shape = asked.get("shape", asked.get("reads"))
        with self._lock:
            held = self._held.get(resource)
            fits = isinstance(shape, dict) and held is not None and _fits(held.made.laid, shape)
            # A description of its own, since the snapshot may be replaced meanwhile.
            file = os.dup(held.file) if held is not None and fits else None
        if held is None or file is None:
            yield None
            return
        try:
            made = held.made
            layout: Object = {"laid": made.laid.body(), "units": made.units}
            table = Table(_OPEN / str(file), FORM, made.snapshot, made.size, layout, made.origin)
            yield table if not made.follows or made.follows == mark() else None
        finally:
            os.close(file)

    def find(self, resource: str) -> Made | None:
        """What is laid out of a resource; raises as `open`."""
        held = self._present(resource)
        mark = self._marks.find(_MARK + resource) if self._kept is not None else None
        if self._kept is None or (mark is not None and held is not None and held.number == mark.number):
            return None if held is None else held.made
        if mark is None:
            with self._lock:
                self._let_go(resource)
            return None
        with self._taking:
            held = self._present(resource)
            if held is None or held.number != mark.number:
                held = self._take_up(resource, mark, self._kept)
        return held.made

    def drop(self, resource: str) -> None:
        """Forget what is laid out of a resource; queries read its source again."""
        with self._turn(resource):
            self._marks.remove(_MARK + resource)
            with self._lock:
                self._let_go(resource)
            if self._kept is not None:
                self._kept.sweep(f"{resource}.")

    def close(self) -> None:
        """Let go of every snapshot."""
        with self._lock:
            for resource in [*self._held]:
                self._let_go(resource)

    # ------------------------------------------------------------ inside

    @contextmanager
    def _turn(self, resource: str) -> Iterator[None]:
        """Of two that lay the same source out, the second waits: each has its own moment, and the later one stands."""
        with self._lock:
            turn = self._turns.setdefault(resource, threading.Lock())
        with turn, self._kept.turn(resource) if self._kept is not None else nullcontext():
            yield

    def _make(self, resource: str, source: Source, laid: Laid, follows: str) -> Made:
        name = f"{resource}.{new_id('lay')}" if self._kept is not None else ""
        with source.open([each.name for each in laid.columns]) as table, spool.place(self._spool) as path:
            told = self._fill(path, table, laid)
            digest, size = spool.measure(path)
            made = Made(laid, digest, table.snapshot, size, *told, name, follows)
            if self._kept is not None:
                self._kept.keep(name, path)
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._hold(resource, _Held(made, file, self._note(resource, made)))
        if self._kept is not None:
            self._kept.sweep(f"{resource}.", but=name)
        return made

    def _fill(self, path: Path, table: Table, laid: Laid) -> tuple[int, int, int]:
        for mend in (False, True):  # one value that DuckDB's reader stops at must not decide
            try:
                with open(spool.create(path), "wb") as file:
                    file.truncate()
                    told = self._makers.make(
                        "laying", {"laid": laid.body(), "mend": mend}, table, partial(_write, file),
                        job=new_id("lay"), deadline=_SECONDS + (table.size >> 20) * _SECONDS_A_MEGABYTE,
                    )  # fmt: skip
            except OSError as fault:
                raise Unavailable("spool.full", detail=type(fault).__name__) from None
            except Unavailable as fault:
                if mend or fault.code != "source.moved":
                    raise
                continue
            return _counts(told)
        raise Unavailable("source.moved")

    def _take_up(self, resource: str, mark: Mark, kept: SealedFolder) -> _Held:
        """What another process laid out, or this one before its start."""
        if self._altered.get(resource) == mark.number:
            raise Untrusted("source.layout")  # not read again for every question
        made = Made.of(canonical.decode_object(mark.text.encode()))
        with spool.place(self._spool) as path:
            try:
                kept.fetch(made.file, path)
                # INVARIANT: a receipt names the bytes that were read.
                if spool.measure(path) != (made.snapshot, made.size):
                    raise Untrusted("source.layout")
            except Untrusted:
                self._altered[resource] = mark.number
                raise
            held = _Held(made, os.open(path, os.O_RDONLY | os.O_CLOEXEC), mark.number)
        self._hold(resource, held)
        return held

    def _note(self, resource: str, made: Made) -> int:
        if self._kept is None:
            return 0
        before = self._marks.find(_MARK + resource)
        # A clock that was set back must not make the newest one the older.
        number = max(int(self._clock.now().timestamp() * 1e6), before.number + 1 if before is not None else 0)
        self._marks.advance(Mark(_MARK + resource, number, canonical.encode(made.body()).decode()))
        return number

    def _present(self, resource: str) -> _Held | None:
        with self._lock:
            return self._held.get(resource)

    def _hold(self, resource: str, held: _Held) -> None:
        with self._lock:
            self._let_go(resource)
            self._held[resource] = held

    def _let_go(self, resource: str) -> None:
        held = self._held.pop(resource, None)
        if held is not None:
            os.close(held.file)


def _fits(laid: Laid, shape: Object) -> bool:
    return laid.fits(shape.get("columns"), shape.get("unit"))


def _write(file: BinaryIO, piece: bytes) -> None:
    spool.check_room(_OPEN / str(file.fileno()), len(piece))
    file.write(piece)


def _counts(told: Object) -> tuple[int, int, int]:
    found = Place(told, "worker").members(("rows", "units", "beyond"))
    rows, units, beyond = (found[name].integer() for name in ("rows", "units", "beyond"))
    return rows, units, beyond
