"""What a watch keeps, in ``watch/`` of the auditor's directory: entries, checkpoints with their times, what was told.

``entries.jsonl`` grows; ``state.json`` is replaced as a whole and says how much of it counts, so that a crash between
the two leaves nothing doubtful.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hefu.errors import Malformed, Unavailable
from hefu.evidence.bundle import BundleEntry
from hefu.keeping.keys import replace_private
from hefu.times import read_time, write_time
from hefu.tlog.checkpoint import Checkpoint

from hefu_audit.watching.rules import Alert

_MOST_MARKS = 20_000  # a fortnight of minutes; the oldest are thinned out
_EMPTY: dict[str, Any] = {"size": 0, "bytes": 0, "note": None, "marks": [], "told": [], "untold": {}}

Write = Callable[[Alert, datetime], str]


class State:
    """`watcher.Kept`, and `hefu_audit.ports.Memory` of the watch. One thread.

    Args:
        folder: made if absent.
        evidence: keeps what convicts a log, beside that of visits.
        sinks: who is told, by name, each with how an alert is written for it.
    """

    def __init__(self, folder: Path, evidence: Callable[[str, object], str], sinks: dict[str, Write]) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._entries, self._path = folder / "entries.jsonl", folder / "state.json"
        self._evidence = evidence
        self._sinks = sinks
        try:
            self._state = {**_EMPTY, **json.loads(self._path.read_text("utf-8"))}
        except FileNotFoundError:
            self._state = json.loads(json.dumps(_EMPTY))
        except (OSError, ValueError):
            raise Malformed(
                "audit.rules", path=str(self._path), why="it cannot be read; remove watch/ to begin anew"
            ) from None

    # ------------------------------------------------------------ watcher.Kept

    def entries(self) -> Sequence[BundleEntry]:
        """As in the port."""
        return list(self._read())

    def add(self, entries: Sequence[BundleEntry], size: int, at: datetime) -> None:
        """As in the port."""
        try:
            with open(os.open(self._entries, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
                file.truncate(self._state["bytes"])
                file.seek(self._state["bytes"])
                for each in entries:
                    file.write(each.line())
                file.flush()
                os.fsync(file.fileno())
                end = file.tell()
        except OSError as fault:
            raise Unavailable("storage.busy", detail=str(fault)) from None
        marks = [*self._state["marks"], [size, write_time(at)]]
        if len(marks) > _MOST_MARKS:
            marks = [*marks[: _MOST_MARKS // 2 : 2], *marks[_MOST_MARKS // 2 :]]
        self._save(size=size, bytes=end, marks=marks)

    def marks(self) -> Sequence[tuple[int, datetime]]:
        """As in the port."""
        return [(size, read_time(at)) for size, at in self._state["marks"]]

    def tell(self, alerts: Sequence[Alert], at: datetime) -> Sequence[Alert]:
        """As in the port."""
        known = {*self._state["told"]}
        fresh = list({each.key: each for each in alerts if each.key not in known}.values())
        if fresh:
            untold = {name: [*self._state["untold"].get(name, [])] for name in {*self._state["untold"], *self._sinks}}
            for name, write in self._sinks.items():
                untold[name] += [write(each, at) for each in fresh]
            self._save(told=[*self._state["told"], *(each.key for each in fresh)], untold=untold)
        return fresh

    # ------------------------------------------------------------ what is not told yet

    def untold(self, sink: str) -> Sequence[str]:
        """What a sink was not told yet, oldest first."""
        return list(self._state["untold"].get(sink, []))

    def heard(self, sink: str, number: int) -> None:
        """A sink took the first of what it was not told."""
        untold = dict(self._state["untold"])
        untold[sink] = untold.get(sink, [])[number:]
        self._save(untold=untold)

    # ------------------------------------------------------------ ports.Memory

    def last(self) -> str | None:
        """As in the port."""
        note: str | None = self._state["note"]
        return note

    def keep(self, note: str, head: Checkpoint) -> None:
        """As in the port; the watcher verified that it extends the last."""
        if note != self._state["note"]:
            self._save(note=note)

    def evidence(self, name: str, document: object) -> str:
        """As in the port."""
        return self._evidence(name, document)

    def _read(self) -> Iterator[BundleEntry]:
        if not self._state["size"]:
            return
        with self._entries.open("rb") as file:
            for index in range(self._state["size"]):
                line = file.readline()
                if not line.endswith(b"\n"):
                    raise Malformed(
                        "audit.rules", path=self._entries.name, why="it was cut off; remove watch/ to begin anew"
                    )
                yield BundleEntry.parse(index, line[:-1])

    def _save(self, **changes: object) -> None:
        state = {**self._state, **changes}
        try:
            replace_private(self._path, json.dumps(state, ensure_ascii=False).encode())
        except OSError as fault:
            raise Unavailable("storage.busy", detail=str(fault)) from None
        self._state = state
