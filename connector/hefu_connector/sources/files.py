"""Sources that are files: tables, models. The connector copies and hashes bytes; only a worker parses them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hefu.canonical import Object

from hefu_connector.ports import Table
from hefu_connector.sources import spool

FORMS = ("csv", "parquet", "arrow", "file", "model")


@dataclass(frozen=True, slots=True)
class Standing:
    """What tells one state of a file from every other, without reading it.

    Attributes:
        mark: of this state; equal marks are one state, if the file was `quiet` when the first was taken.
        size: bytes.
        changed: seconds since 1970, when it was last written or replaced.
    """

    mark: str
    size: int
    changed: float


@dataclass(frozen=True, slots=True)
class FileSource:
    """One file. An adapter of `hefu_connector.ports.Source`.

    Attributes:
        path: the file; it may be replaced or rewritten at any time.
        form: one of `FORMS`.
        spool: folder of snapshots; None keeps them in memory.
        layout: as in `Table`.
    """

    path: Path
    form: str
    spool: Path | None = None
    layout: Object = field(default_factory=dict)

    @contextmanager
    def open(self, columns: Sequence[str], asked: Object | None = None) -> Iterator[Table]:
        """The present snapshot of the whole file; the worker reads only the columns it needs. See `Source.open`."""
        del columns, asked
        with spool.place(self.spool) as path:
            spool.copy(self.path, path)
            digest, size = spool.measure(path)
            yield Table(path, self.form, digest, size, self.layout)

    def names(self) -> list[str]:
        """Nothing: the names stand in bytes that this process does not parse."""
        return []

    def standing(self) -> Standing | None:
        """How the file stands now; None where there is none.

        LIMIT: a file system whose times are coarser than two seconds, or a program that sets them back, hides a change.
        """
        try:
            found = self.path.stat()
        except OSError:
            return None
        mark = "/".join(
            str(each) for each in (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        )
        return Standing(mark, found.st_size, max(found.st_mtime, found.st_ctime))
