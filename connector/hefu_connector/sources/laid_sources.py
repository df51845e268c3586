"""Which sources are laid out, and which by themselves, so that questions of a large file are fast once it is published.

What was laid out by command stays as it was then, until the next command. What lays itself out follows its file: once
the file is another, questions read the file, until the new one is laid out too. That needs a source whose state can be
told without reading it, so a table of a database never does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from hefu.canonical import Object
from hefu.times import Clock
from hefu_policies.goods.resource import Resource

from hefu_connector.engines.laid import Laid
from hefu_connector.ports import Source, Table
from hefu_connector.shelves import LaidOut, Mark, Marks, SourceRecord
from hefu_connector.sources.files import FileSource, Standing
from hefu_connector.sources.layouts import Layouts
from hefu_connector.sources.look import SourceLook

_WISH = "laying/"
_STAYS, _LIVE = "stays", "live"  # laid out by command; released by command
_REST = 9.0  # times as long as it took, so that a file that often changes is laid out a tenth of the time at most
_QUIET = 2.0  # seconds without a change, so that the next one has another time on every file system


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
            table = (
                opened.enter_context(self.layouts.open(self.resource, asked, self._mark)) if asked is not None else None
            )
            yield table or opened.enter_context(self.live.open(columns, asked))

    def _mark(self) -> str:
        found = _standing(self.live)
        return "" if found is None else found.mark


class LaidSources:
    """Sources with what is laid out of them. An adapter of `hefu_connector.desk.source_book.Lay`.

    Args:
        least: bytes of a file from which on it is laid out by itself; None leaves it to commands.
    """

    def __init__(
        self, look: SourceLook, layouts: Layouts, marks: Marks, clock: Clock, least: int | None = None
    ) -> None:
        self._look = look
        self._layouts = layouts
        self._marks = marks
        self._clock = clock
        self._least = least
        self._rested: dict[str, float] = {}

    def source(self, record: SourceRecord) -> Source:
        """The source of a record, for the enforcement point."""
        return LaidSource(self._look.source(record), self._layouts, record.resource)

    def joint(self, first: SourceRecord, second: SourceRecord) -> Source | None:
        """A source of two records' tables, where they are joined where they lie; None where each is read."""
        if any(self._layouts.find(each.resource) is not None for each in (first, second)):
            return None  # what was laid out is what is read
        return self._look.joint(first, second)

    def make(self, source: SourceRecord, resources: Sequence[Resource]) -> LaidOut:
        """As in the port."""
        began = self._clock.now()
        made = self._layouts.make(source.resource, self._look.source(source), Laid.describe(*resources))
        self._wish(source.resource, _STAYS)
        seconds = (self._clock.now() - began).total_seconds()
        return LaidOut(made.snapshot, made.origin, made.size, made.rows, made.units, made.beyond, seconds)

    def follow(self, source: SourceRecord, resources: Sequence[Resource]) -> None:
        """As in the port."""
        wish = self._marks.find(_WISH + source.resource)
        live = self._look.source(source)
        if wish is None:
            self._keep_up(source.resource, live, Laid.describe(*resources))
        elif wish.text == _STAYS and self._layouts.find(source.resource) is None:
            self._layouts.make(source.resource, live, Laid.describe(*resources))  # it was in memory, before the start

    def release(self, resource: str) -> None:
        """As in the port."""
        self._wish(resource, _LIVE)
        self._layouts.drop(resource)

    def drop(self, resource: str) -> None:
        """As in the port."""
        self._marks.remove(_WISH + resource)
        self._layouts.drop(resource)

    def _keep_up(self, resource: str, live: Source, laid: Laid) -> None:
        """Lay a file out that is large enough and not written to just now, unless that was done of this state."""
        found = _standing(live)
        if found is None or self._least is None:
            return
        made = self._layouts.find(resource)
        if made is not None and (made.follows, made.laid) == (found.mark, laid):
            return
        if made is not None and made.follows not in ("", found.mark):
            self._layouts.drop(resource)  # nobody reads it any more
        now = self._clock.now().timestamp()
        if found.size >= self._least and now - found.changed >= _QUIET and now >= self._rested.get(resource, 0.0):
            self._layouts.make(resource, live, laid, found.mark)
            done = self._clock.now().timestamp()
            self._rested[resource] = done + _REST * (done - now)

    def _wish(self, resource: str, text: str) -> None:
        self._marks.advance(Mark(_WISH + resource, 0, text))


def _standing(source: Source) -> Standing | None:
    return source.standing() if isinstance(source, FileSource) else None
