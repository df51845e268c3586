"""The history of exact answers: what a new one is held against, and what of it is kept before it leaves.

An asset has one history, over all consumers, contracts, products and spaces of this store. It is kept before the
release is journalled, so that a crash between the two leaves an answer that nobody got and that counts all the same.

What a worker found out about the history is kept for the next worker, in memory and as it came: it is never read here,
fits one snapshot and one beginning of the history, and is found out again where it is missing.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from hefu.canonical import Json, Object
from hefu.errors import Conflict, Refused

from hefu_connector.ports import Disclosed, Disclosing, Disclosures, Table, Values

OVERTAKEN = "exact.overtaken"
MOST_WORKERS = 20  # that find out about a history, one after the other, for one answer
ATTEMPTS = 5  # how often an answer is computed anew because another one of the same asset was faster
MOST_ANSWERS = 2_000  # of one snapshot that are held against each other; a repeated one is not counted again
STANDING = "standing"  # the member of a worker's parameters and output that is for the next worker
_BEHIND = "behind"  # the member of an output that is no answer yet: the next worker goes on
_MOST_KEPT = 128 << 20  # characters of all that is kept for workers


@dataclass(frozen=True, slots=True)
class _Found:
    """What a worker found out about the first answers told of a snapshot."""

    snapshot: str
    told: Sequence[Object]
    text: str


class Standings:
    """What workers found out, by asset, for the life of this process. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, _Found] = {}

    def of(self, resource: str, snapshot: str, told: Sequence[Object]) -> str:
        """What fits these answers told of a snapshot; empty where nothing does."""
        with self._lock:
            found = self._found.get(resource)
        if found is None or found.snapshot != snapshot or [*told[: len(found.told)]] != found.told:
            return ""
        return found.text

    def keep(self, resource: str, snapshot: str, told: Sequence[Object], text: str) -> None:
        """Keep it in the place of what there was; what lies longest is dropped where all is too much."""
        with self._lock:
            self._found.pop(resource, None)
            self._found[resource] = _Found(snapshot, [*told], text)
            while sum(len(each.text) for each in self._found.values()) > _MOST_KEPT:
                self._found.pop(next(iter(self._found)))


class History:
    """What was told of one asset when a computation read its data."""

    def __init__(
        self, disclosures: Disclosures, resource: str, disclosing: Disclosing, table: Table, standings: Standings
    ) -> None:
        """Look at the history.

        Args:
            table: what is read; a laid-out snapshot is the data that it was made of.

        Raises:
            Refused: the data is another than the edition's was, or too much was told of it.
        """
        self._disclosures, self._resource, self._disclosing = disclosures, resource, disclosing
        self._standings, self._read = standings, table.snapshot
        self._snapshot = snapshot = table.origin or table.snapshot
        kept = disclosures.of(resource)
        # One person more or less between two snapshots would be told by the same question asked of both.
        if any(each.edition == disclosing.edition and each.snapshot != snapshot for each in kept):
            raise Refused("exact.edition", edition=disclosing.edition or "-")
        self._place = len(kept)
        self._told = [each.body for each in kept if each.snapshot == snapshot]
        if len(self._told) >= MOST_ANSWERS:
            raise Refused("exact.full")

    def parameters(self, parameters: Object) -> Object:
        """What the worker gets: the question, and all that it is held against."""
        told: list[Json] = [*self._told]
        standing = self._standings.of(self._resource, self._read, self._told)
        return {**parameters, "history": told, STANDING: standing}

    def taken(self, output: Object) -> Object:
        """A worker's output without what is for the next worker, which is kept."""
        text = output.get(STANDING)
        if isinstance(text, str) and text:
            self._standings.keep(self._resource, self._read, self._told, text)
        return {name: value for name, value in output.items() if name != STANDING}

    def keep(self, values: Values) -> None:
        """Keep what an answer tells, before it leaves; what was told before needs no second entry.

        Raises:
            Conflict: another answer of this asset was kept meanwhile; the computation must look at it first.
            Unavailable: it cannot be kept, and so nothing may leave.
        """
        said = values.told or {}
        body: Object = {"question": self._disclosing.question, "group": self._disclosing.group, **said}
        if not said.get("told") and not said.get("dominated"):
            return
        if body in self._told:
            return
        try:
            self._disclosures.add(
                self._resource, self._place, Disclosed(self._disclosing.edition, self._snapshot, body)
            )
        except Conflict:
            raise Conflict(OVERTAKEN) from None


def is_behind(output: Object) -> bool:
    """Whether a worker had too much to find out for one, and the next one has to go on."""
    return output == {_BEHIND: True}


def is_overtaken(error: Exception) -> bool:
    """Whether an answer has to be computed anew because another one was faster."""
    return isinstance(error, Conflict) and error.code == OVERTAKEN
