"""What survives a crash: named tables of plain, immutable values, written in transactions that are whole or nothing.

A disk outlives the rooms that work on it. After a crash its epoch is another, and whatever was put together before
reaches it no more: nothing of a dead process can be written late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hefu.errors import Unavailable
from hefu.running import faults

Rows = dict[Any, Any]


class Crashed(BaseException):
    """The process of a node is gone. No room may catch it, so it is no `Exception`."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


@dataclass
class Disk:
    """The durable part of one node.

    Attributes:
        points: names of the fault points that a transaction passes before and after it is durable.
        saw: told of every commit: which tables it touched. For the history, not for the rooms.
    """

    node: str = ""
    points: tuple[str, str] = ("store.before_commit", "store.committed")
    saw: Callable[[set[str]], None] | None = None
    tables: dict[str, Rows] = field(default_factory=dict)
    epoch: int = 0

    def crash(self) -> None:
        """Whoever works on this disk now does so no longer."""
        self.epoch += 1

    def copy(self) -> dict[str, Rows]:
        """A backup."""
        return {name: dict(rows) for name, rows in self.tables.items()}

    def restore(self, backup: Mapping[str, Rows]) -> None:
        """Put a backup in the place of what is there."""
        self.tables = {name: dict(rows) for name, rows in backup.items()}


class Draft:
    """The tables as one transaction sees them; what it touches is its own until it is committed."""

    def __init__(self, tables: Mapping[str, Rows]) -> None:
        self._tables = tables
        self.touched: dict[str, Rows] = {}

    def read(self, name: str) -> Mapping[Any, Any]:
        """A table to look at."""
        return self.touched.get(name, self._tables.get(name, {}))

    def write(self, name: str) -> Rows:
        """A table to change."""
        if name not in self.touched:
            self.touched[name] = dict(self._tables.get(name, {}))
        return self.touched[name]


class Store:
    """The disk as one process of the node has opened it. Safe to use from many threads."""

    def __init__(self, disk: Disk | None = None) -> None:
        self.disk = disk or Disk()
        self._epoch = self.disk.epoch
        self._lock = threading.RLock()

    @contextmanager
    def reading(self) -> Iterator[Draft]:
        """One consistent view."""
        with self._lock:
            self._alive()
            yield Draft(self.disk.tables)

    @contextmanager
    def writing(self) -> Iterator[Draft]:
        """One transaction.

        Raises:
            Unavailable: the disk is full or broken; nothing was changed.
        """
        before, after = self.disk.points
        with self._lock:
            self._alive()
            draft = Draft(self.disk.tables)
            try:
                yield draft
                faults.point(before)
            except OSError as fault:
                why = fault.strerror or "it cannot be written"
                raise Unavailable("store.unavailable", why=why, detail=str(fault)) from None
            self._alive()
            self.disk.tables.update(draft.touched)
            if self.disk.saw is not None and draft.touched:
                self.disk.saw(set(draft.touched))
        faults.point(after)

    def _alive(self) -> None:
        if self._epoch != self.disk.epoch:
            raise Crashed(self.disk.node)
