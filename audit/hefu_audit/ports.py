"""What the auditor needs of the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hefu.envelope import Statement
from hefu.evidence.bundle import BundleEntry
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.proof import LogProof


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


class Mandated(Protocol):
    """The broker, for a regulator with a mandate. Nothing it returns is trusted. Every method raises Unavailable."""

    def order(self, statement: Statement) -> None:
        """Hand in a signed order or lift; repeating it changes nothing. Raises Refused outside the mandate."""
        ...

    def orders(self, after: int) -> tuple[int, Sequence[Statement]]:
        """How many orders and lifts there are, and those above a number; the first ones where there are many."""
        ...

    def access(self, statement: Statement) -> None:
        """Hand in a signed `audit.opened`; as `order`."""
        ...

    def inclusion(self, leaf_hash: bytes) -> LogProof:
        """Where a leaf stands; raises NotFound until it is published."""
        ...

    def opened(self, leaf_hash: bytes) -> dict[str, bytes]:
        """Sealed openings that a logged access names, by the digest of their end; what was erased is left out."""
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
