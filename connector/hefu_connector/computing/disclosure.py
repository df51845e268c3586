"""The history of exact answers: what a new one is held against, and what of it is kept before it leaves.

An asset has one history, over all consumers, contracts, products and spaces of this store. It is kept before the
release is journalled, so that a crash between the two leaves an answer that nobody got and that counts all the same.
"""

from __future__ import annotations

from hefu.canonical import Json, Object
from hefu.errors import Conflict, Refused

from hefu_connector.ports import Disclosed, Disclosing, Disclosures, Values

OVERTAKEN = "exact.overtaken"
ATTEMPTS = 5  # how often an answer is computed anew because another one of the same asset was faster
MOST_ANSWERS = 100  # of one snapshot that are held against each other; a repeated one is not counted again


class History:
    """What was told of one asset when a computation read its data."""

    def __init__(self, disclosures: Disclosures, resource: str, disclosing: Disclosing, snapshot: str) -> None:
        """Look at the history.

        Raises:
            Refused: the data is another than the edition's was, or too much was told of it.
        """
        self._disclosures, self._resource, self._disclosing = disclosures, resource, disclosing
        self._snapshot = snapshot
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
        return {**parameters, "history": told}

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


def is_overtaken(error: Exception) -> bool:
    """Whether an answer has to be computed anew because another one was faster."""
    return isinstance(error, Conflict) and error.code == OVERTAKEN
