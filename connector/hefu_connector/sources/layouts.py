"""Laid-out snapshots: each made once of a source, kept unchanged, and handed to every query without a copy.

In memory a snapshot is a sealed file without a name, and gone with this process. In a folder it has a name, stays, and
lies there in the clear: its digest is kept in the store, and measured again at the first use by a process and whenever
the file's inode, size or time is another. Until a source is laid out anew, its queries read the snapshot that there is.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import new_id
from hefu.errors import Unavailable, Untrusted
from hefu.times import Clock
from hefu_policies.goods.resource import Resource
from hefu_policies.reading import Place

from hefu_connector.engines.laid import FORM, Laid
from hefu_connector.ports import Source, Table
from hefu_connector.shelves import LaidOut, Mark, Marks, SourceRecord
from hefu_connector.sources import spool
from hefu_connector.sources.look import SourceLook

_SECONDS = 1800.0
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
        file: its name in the folder; empty in memory.
    """

    laid: Laid
    snapshot: str
    origin: str
    size: int
    rows: int
    units: int
    beyond: int
    file: str = ""

    def body(self) -> Object:
        """As JSON."""
        return {
            "laid": self.laid.body(), "snapshot": self.snapshot, "origin": self.origin, "size": self.size,
            "rows": self.rows, "units": self.units, "beyond": self.beyond, "file": self.file,
        }  # fmt: skip

    @classmethod
    def of(cls, body: Object) -> Made:
        """Read what `body` wrote; raises Malformed."""
        found = Place(body, "layout").members(("laid", "snapshot", "origin", "size", "rows", "units", "beyond", "file"))
        return cls(
            Laid.of(found["laid"].value), found["snapshot"].text(), found["origin"].text(), found["size"].integer(),
            found["rows"].integer(), found["units"].integer(), found["beyond"].integer(),
            found["file"].text(empty=True),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Held:
    """A snapshot that this process has open.

    Attributes:
        number: of the mark that it was found by.
        state: the file's inode, size and times when its digest was measured.
    """

    made: Made
    file: int
    number: int
    state: tuple[int, ...]


class Layouts:
    """Makes and keeps laid-out snapshots. Safe to use from many threads.

    Args:
        folder: where they are kept; None keeps them in memory, for the life of this process.
    """

    def __init__(self, makers: Makers, marks: Marks, clock: Clock, folder: Path | None) -> None:
        self._makers = makers
        self._marks = marks
        self._clock = clock
        self._folder = folder
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    def make(self, resource: str, source: Source, laid: Laid) -> Made:
        """Lay a source out as it is now, in the place of what was laid out before.

        Raises:
            Unavailable: it cannot be read, is not as described, or there is no room.
        """
        name = f"{resource}.{new_id('lay')}" if self._folder is not None else ""
        with source.open([each.name for each in laid.columns]) as table, self._place(name) as path:
            told = self._fill(path, table, laid)
            digest, size = spool.measure(path)
            made = Made(laid, digest, table.snapshot, size, *told, name)
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with self._lock:
            self._let_go(resource)
            number = self._note(resource, made)
            self._held[resource] = _Held(made, file, number, _state(file))
            self._sweep(resource, name)
        return made

    @contextmanager
    def open(self, resource: str, asked: Object) -> Iterator[Table | None]:
        """The laid-out snapshot of a resource, where there is one that fits what is asked; else None.

        Raises:
            Untrusted: the file is not the one that was laid out.
        """
        with self._lock:
            held = self._find(resource)
            shape = asked.get("shape")
            fits = isinstance(shape, dict) and held is not None and _fits(held.made.laid, shape)
            # A description of its own, since the snapshot may be replaced meanwhile.
            file = os.dup(held.file) if held is not None and fits else None
        if held is None or file is None:
            yield None
            return
        try:
            made = held.made
            layout: Object = {"laid": made.laid.body(), "units": made.units}
            yield Table(_OPEN / str(file), FORM, made.snapshot, made.size, layout, made.origin)
        finally:
            os.close(file)

    def find(self, resource: str) -> Made | None:
        """What is laid out of a resource; raises as `open`."""
        with self._lock:
            held = self._find(resource)
            return None if held is None else held.made

    def drop(self, resource: str) -> None:
        """Forget what is laid out of a resource; queries read its source again."""
        with self._lock:
            self._let_go(resource)
            self._marks.remove(_MARK + resource)
            self._sweep(resource)

    def close(self) -> None:
        """Let go of every snapshot."""
        with self._lock:
            for held in self._held.values():
                os.close(held.file)
            self._held.clear()

    # ------------------------------------------------------------ inside

    @contextmanager
    def _place(self, name: str) -> Iterator[Path]:
        """A new file to fill; removed again where that fails."""
        if self._folder is None:
            with spool.place(None) as path:
                yield path
            return
        path = self._folder / name
        with ExitStack() as undo:
            undo.callback(path.unlink, missing_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            yield path
            undo.pop_all()

    def _fill(self, path: Path, table: Table, laid: Laid) -> tuple[int, int, int]:
        for mend in (False, True):  # one value that DuckDB's reader stops at must not decide
            try:
                with open(spool.create(path), "wb") as file:
                    file.truncate()
                    told = self._makers.make(
                        "laying", {"laid": laid.body(), "mend": mend}, table, partial(_write, file),
                        job=new_id("lay"), deadline=_SECONDS,
                    )  # fmt: skip
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as fault:
                raise Unavailable("spool.full", detail=type(fault).__name__) from None
            except Unavailable as fault:
                if mend or fault.code != "source.moved":
                    raise
                continue
            return _counts(told)
        raise Unavailable("source.moved")

    def _find(self, resource: str) -> _Held | None:
        held = self._held.get(resource)
        if self._folder is None:
            return held  # nobody can write to it
        mark = self._marks.find(_MARK + resource)
        if mark is None:
            return None
        if held is None or held.number != mark.number:
            held = self._take_up(resource, mark)
        if _state(held.file) != held.state:
            held = self._held[resource] = _verified(held.made, held.file, held.number)
        return held

    def _take_up(self, resource: str, mark: Mark) -> _Held:
        """What another process laid out, or this one before its start."""
        made = Made.of(canonical.decode_object(mark.text.encode()))
        try:
            file = os.open((self._folder or Path()) / made.file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise Untrusted("source.layout") from None
        try:
            held = _verified(made, file, mark.number)
        except Untrusted:
            os.close(file)
            raise
        self._let_go(resource)
        self._held[resource] = held
        return held

    def _note(self, resource: str, made: Made) -> int:
        if self._folder is None:
            return 0
        number = int(self._clock.now().timestamp() * 1e6)
        self._marks.advance(Mark(_MARK + resource, number, canonical.encode(made.body()).decode()))
        return number

    def _let_go(self, resource: str) -> None:
        held = self._held.pop(resource, None)
        if held is not None:
            os.close(held.file)

    def _sweep(self, resource: str, but: str = "") -> None:
        """Remove what was laid out of a resource before, and what a crash left half written."""
        for path in self._folder.glob(f"{resource}.*") if self._folder is not None else ():
            if path.name != but:
                path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class LaidSource:
    """A source whose questions are answered from its laid-out snapshot, where there is one. A `Source`."""

    live: Source
    layouts: Layouts
    resource: str

    @contextmanager
    def open(self, columns: Sequence[str], asked: Object | None = None) -> Iterator[Table]:
        """As in the port; what is not asked as a question reads the source itself."""
        with ExitStack() as opened:
            table = opened.enter_context(self.layouts.open(self.resource, asked)) if asked is not None else None
            yield table or opened.enter_context(self.live.open(columns, asked))


class LaidSources:
    """Sources with what is laid out of them. An adapter of `hefu_connector.desk.source_book.Lay`."""

    def __init__(self, look: SourceLook, layouts: Layouts, clock: Clock) -> None:
        self._look = look
        self._layouts = layouts
        self._clock = clock

    def source(self, record: SourceRecord) -> Source:
        """The source of a record, for the enforcement point."""
        return LaidSource(self._look.source(record), self._layouts, record.resource)

    def make(self, source: SourceRecord, resources: Sequence[Resource]) -> LaidOut:
        """As in the port."""
        began = self._clock.now()
        made = self._layouts.make(source.resource, self._look.source(source), Laid.describe(*resources))
        seconds = (self._clock.now() - began).total_seconds()
        return LaidOut(made.snapshot, made.origin, made.size, made.rows, made.units, made.beyond, seconds)

    def drop(self, resource: str) -> None:
        """As in the port."""
        self._layouts.drop(resource)


def _fits(laid: Laid, shape: Object) -> bool:
    return laid.fits(shape.get("columns"), shape.get("unit"))


def _verified(made: Made, file: int, number: int) -> _Held:
    state = _state(file)
    with open(os.dup(file), "rb") as reading:
        reading.seek(0)
        digest = f"sha256:{hashlib.file_digest(reading, 'sha256').hexdigest()}"
    # INVARIANT: a receipt names the bytes that were read.
    if digest != made.snapshot or _state(file) != state:
        raise Untrusted("source.layout")
    return _Held(made, file, number, state)


def _state(file: int) -> tuple[int, ...]:
    found = os.fstat(file)
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _write(file: BinaryIO, piece: bytes) -> None:
    spool.check_room(_OPEN / str(file.fileno()), len(piece))
    file.write(piece)


def _counts(told: Object) -> tuple[int, int, int]:
    found = Place(told, "worker").members(("rows", "units", "beyond"))
    rows, units, beyond = (found[name].integer() for name in ("rows", "units", "beyond"))
    return rows, units, beyond
