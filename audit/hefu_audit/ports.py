"""What the auditor needs of the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hefu.bundle import BundleEntry
from hefu.tlog.checkpoint import Checkpoint


class LogReader(Protocol):
    """A log as it is served. Nothing it returns is trusted: the desk verifies it."""

    def checkpoint(self) -> str:
        """The newest published checkpoint, a signed note. Raises Unavailable."""
        ...

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """The hashes that show the tree of one size to be a prefix of the other. Raises what the log raises."""
        ...

    def entries(self, first: int) -> Sequence[BundleEntry]:
        """A page of entries from an index on, at least one where there are any. Raises what the log raises."""
        ...


class Memory(Protocol):
    """What this auditor remembers between its visits. Durable: written to disk when a method returns."""

    def last(self) -> str | None:
        """The note of the last checkpoint that was verified, or None before the first visit."""
        ...

    def keep(self, note: str, head: Checkpoint) -> None:
        """Remember a verified checkpoint; only ever one that extends the last."""
        ...

    def evidence(self, name: str, document: object) -> str:
        """Keep evidence of a fault for ever; returns where it is. The same evidence again changes nothing."""
        ...
