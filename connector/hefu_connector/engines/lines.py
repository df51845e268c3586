"""A CSV file as records of one line each, so that no record can reach into another.

A parser that follows quotes over line ends lets one stray quote swallow all lines up to the next: one person's odd
record would move everybody's count. Here a line is a record. A line whose quotes do not close, or that holds a bare
carriage return, is left out; every other line with quotes is written anew in the one well-formed way.

LIMIT: a quoted value with a line end in it is left out too, as two broken lines. Parquet has no such limit.
"""

from __future__ import annotations

import csv
import io
from typing import Protocol

LONGEST_LINE = 64 << 20  # bytes; a longer one is left out
_CHUNK = 1 << 20


class Reading(Protocol):
    """A stream of UTF-8 bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


class OneLineRecords:
    """The same file, readable once from its start, with every line well formed."""

    def __init__(self, source: Reading, delimiter: str) -> None:
        csv.field_size_limit(LONGEST_LINE)
        self._source = source
        self._delimiter = delimiter
        self._rest = b""
        self._ready = b""
        self._skipping = False
        self._ended = False
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; none at the end."""
        while not self._ended and (size < 0 or len(self._ready) < size):
            self._more()
        size = len(self._ready) if size < 0 else size
        found, self._ready = self._ready[:size], self._ready[size:]
        return found

    def close(self) -> None:
        """Read no more."""
        self.closed = self._ended = True

    def _more(self) -> None:
        chunk = self._source.read(_CHUNK)
        self._ended = not chunk
        text = self._rest + chunk + (b"\n" if self._ended and self._rest else b"")
        end = text.rfind(b"\n") + 1
        whole, self._rest = text[:end], text[end:]
        if self._skipping and whole:  # the end of a line that was too long
            whole, self._skipping = whole[whole.find(b"\n") + 1 :], False
        if len(self._rest) > LONGEST_LINE:
            self._rest, self._skipping = b"", True
        self._ready += self._formed(whole)

    def _formed(self, whole: bytes) -> bytes:
        if b"\r" in whole:
            whole = whole.replace(b"\r\n", b"\n")
        if b'"' not in whole and b"\r" not in whole:
            return whole
        return b"".join(self._line(line) for line in whole.split(b"\n") if line)

    def _line(self, line: bytes) -> bytes:
        if b"\r" in line:
            return b""
        if b'"' not in line:
            return line + b"\n"
        try:
            fields = next(csv.reader([line.decode()], delimiter=self._delimiter, strict=True))
        except (csv.Error, UnicodeDecodeError, StopIteration):
            return b""
        written = io.StringIO()
        csv.writer(written, delimiter=self._delimiter, lineterminator="\n").writerow(fields)
        return written.getvalue().encode()
