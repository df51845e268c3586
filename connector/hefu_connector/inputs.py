"""Inputs that consumers upload before they ask: the port, as enforcement point and peers see it.

Ciphertexts are too large for a request, so they come before it and the signed request names them by digest. Here they
are bytes and nothing else: only a worker looks into them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from hefu.errors import Refused, Unavailable

from hefu_connector.ports import Table

FORM = "ciphertexts"  # of the table that a worker is handed
LARGEST_CHUNK = 1 << 20  # bytes of an upload that come at once


class Inputs(Protocol):
    """What consumers uploaded, for some minutes, each consumer's apart. Any thread; nothing survives the process."""

    def keep(self, consumer: str, computation: str, digest: str, size: int, chunks: Iterable[bytes]) -> None:
        """Keep bytes for a computation of a consumer; the same digest again is the same file.

        Raises:
            Malformed: the bytes are not of the digest and size.
            Unavailable: the consumer, or all together, would take more room than they may.
        """
        ...

    def check(self, consumer: str, digest: str) -> None:
        """Check that the bytes are there; from now on they stay for some minutes again.

        Raises:
            Refused: they are not.
        """
        ...

    def open(self, consumer: str, digest: str) -> AbstractContextManager[Table]:
        """The bytes, as a table of form `FORM`, for as long as the context is open; raises as `check`."""
        ...

    def drop(self, consumer: str, computation: str) -> None:
        """A computation needs its inputs no more; what no other needs is gone."""
        ...

    def sweep(self) -> None:
        """Drop what was asked for by nobody for too long."""
        ...


@dataclass(frozen=True, slots=True)
class NoInputs:
    """`Inputs` of a connector that takes none."""

    def keep(self, consumer: str, computation: str, digest: str, size: int, chunks: Iterable[bytes]) -> None:
        """As in the port."""
        raise Unavailable("inputs.full")

    def check(self, consumer: str, digest: str) -> None:
        """As in the port."""
        raise Refused("inputs.missing")

    def open(self, consumer: str, digest: str) -> AbstractContextManager[Table]:
        """As in the port."""
        raise Refused("inputs.missing")

    def drop(self, consumer: str, computation: str) -> None:
        """As in the port: there is nothing."""

    def sweep(self) -> None:
        """As in the port: there is nothing."""
