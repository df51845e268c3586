"""Where this participant's own people have files made in disposable workers: keys, ciphertexts, scores.

What a worker is given and what it makes lies in memory and has no name; it is gone when the block is left.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hefu.canonical import Object

from hefu_connector.ports import Table

FORM = "ciphertexts"


class Makers(Protocol):
    """Disposable processes that make a file; as `ports.Workers`."""

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
        """Run an engine that makes a file, and return its output.

        Args:
            take: gets the pieces of the file, in this thread; what it raises ends the run.

        Raises:
            Unavailable: it died, hung, used too much or answered garbage; the message never says more.
        """
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """A file in memory that nobody writes to any more, its digest and its size in bytes."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Bench:
    """Runs makers. Safe to use from many threads.

    Attributes:
        place: a new, empty, nameless file in memory.
        measure: its digest and size; from then on it can only be read.
        deadline: seconds of one run.
    """

    makers: Makers
    place: Callable[[], AbstractContextManager[Path]]
    measure: Callable[[Path], tuple[str, int]]
    deadline: float

    @contextmanager
    def made(self, engine: str, parameters: Object, data: bytes, beside: Sequence[bytes] = ()) -> Iterator[Made]:
        """The file that an engine makes of some bytes; raises Unavailable."""
        with self.place() as path:
            with path.open("wb") as file:
                self._run(engine, parameters, data, beside, file.write)
            yield Made(path, *self.measure(path))

    @contextmanager
    def held(self, data: bytes) -> Iterator[Made]:
        """Bytes as such a file."""
        with self.place() as path:
            path.write_bytes(data)
            yield Made(path, *self.measure(path))

    def told(self, engine: str, parameters: Object, data: bytes, beside: Sequence[bytes] = ()) -> Object:
        """What an engine says that makes no file; raises Unavailable."""
        return self._run(engine, parameters, data, beside, lambda _: None)

    def _run(
        self, engine: str, parameters: Object, data: bytes, beside: Sequence[bytes], take: Callable[[bytes], object]
    ) -> Object:
        job = f"{engine}-{secrets.token_hex(8)}"
        with ExitStack() as stack:
            first, *others = (self._table(stack, each) for each in (data, *beside))
            table = Table(first.path, FORM, first.snapshot, first.size, beside=tuple(others))
            return self.makers.make(engine, parameters, table, take, job=job, deadline=self.deadline)

    def _table(self, stack: ExitStack, data: bytes) -> Table:
        path = stack.enter_context(self.place())
        path.write_bytes(data)
        digest, size = self.measure(path)
        return Table(path, FORM, digest, size)
