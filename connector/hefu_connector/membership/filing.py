"""From this connector to the broker: sealed openings of what the log only commits to, once the log has the ends.

The broker can open none of them. It hands them over to a regulator that said so in the log before; this connector
keeps them too, and can erase them in both places.
"""

from __future__ import annotations

from collections.abc import Sequence

from hefu.errors import Unavailable

from hefu_connector.brokerage import Mandates
from hefu_connector.ports import Filed

MOST_AT_ONCE = 32


class Handing:
    """Hands sealed openings in, and erases them."""

    def __init__(self, filed: Filed, mandates: Mandates) -> None:
        self._filed = filed
        self._mandates = mandates

    def step(self) -> None:
        """Hand in everything that waits; after the journal was.

        Raises:
            Unavailable: the broker is away, or does not have the ends yet.
        """
        while batch := self._filed.untold(MOST_AT_ONCE):
            accepted = self._mandates.file(batch)
            if accepted != len(batch):
                raise Unavailable("peer.overloaded", peer="the broker", detail=f"took {accepted} of {len(batch)}")
            self._filed.told([each.end for each in batch])

    def erase(self, computations: Sequence[str]) -> int:
        """Erase the openings of computations for good: at the broker first, then here; how many there were here.

        Raises:
            Unavailable: the broker is away; nothing is erased here then, so that it is tried again.
        """
        ends = [each.end for each in self._filed.of(computations)]
        if ends:
            self._mandates.erase(ends)
        return self._filed.erase(ends)
