"""From this connector's journal to the broker's log: every receipt, in the order of the chain, until the log has it.

A release does not wait for this (promise A-a): the journal is durable before a recipient sees a byte, and what the
log has not taken yet is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from hefu import canonical
from hefu.errors import Unavailable
from hefu.running import faults, telemetry
from hefu_policies.budget import Charge

from hefu_connector.brokerage import Log
from hefu_connector.ports import ComputationState, Entry, Journal, JournalReader, Run

log = logging.getLogger("hefu.flush")

MOST_AT_ONCE = 256
_MOST_BYTES = 3 << 20  # below the transport's largest message, envelopes being at most 256 KiB


class AnnouncedJournal:
    """A journal that says when something was written, so that the log hears of it at once.

    Args:
        written: called after each end of a computation is durable; must return at once and not raise.
    """

    def __init__(self, journal: Journal, written: Callable[[], None]) -> None:
        self._journal = journal
        self._written = written

    def admit(self, run: Run) -> tuple[Run, bool]:
        """As in the port."""
        return self._journal.admit(run)

    def start(self, computation: str, charge: Charge, at: datetime) -> None:
        """As in the port."""
        self._journal.start(computation, charge, at)

    def close(
        self, computation: str, state: ComputationState, entry: Entry, parts: Sequence[bytes], at: datetime
    ) -> Run:
        """As in the port."""
        run = self._journal.close(computation, state, entry, parts, at)
        self._written()
        return run

    def find(self, computation: str) -> Run | None:
        """As in the port."""
        return self._journal.find(computation)

    def part(self, computation: str, index: int) -> bytes:
        """As in the port."""
        return self._journal.part(computation, index)


class Flush:
    """Sends the journal's outbox."""

    def __init__(self, reader: JournalReader, log_: Log) -> None:
        self._reader = reader
        self._log = log_

    def step(self) -> None:
        """Send everything that waits.

        Raises:
            Unavailable: the broker is away, or took less than it was sent; what it did not take is kept.
            Untrusted, Conflict: the broker finds fault with an entry; the outbox stays as it is.
        """
        while batch := _cut(self._reader.outbox(MOST_AT_ONCE)):
            with telemetry.step("journal.flush", entries=len(batch)):
                accepted = self._log.append(batch)
            faults.point("flush.sent")
            if accepted != len(batch):
                raise Unavailable("peer.overloaded", peer="the broker", detail=f"took {accepted} of {len(batch)}")
            self._reader.sent([canonical.digest(each) for each in batch])
            log.debug("%d journal entries are in the log's queue", len(batch))

    def waiting(self) -> int:
        """How many entries wait, counted up to a thousand."""
        return len(self._reader.outbox(1000))


def _cut(envelopes: Sequence[bytes]) -> list[bytes]:
    """As many envelopes from the first on as fit into one message."""
    batch: list[bytes] = []
    size = 0
    for each in envelopes:
        size += len(each)
        if batch and size > _MOST_BYTES:
            break
        batch.append(each)
    return batch
