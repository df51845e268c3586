"""How far a consumer goes by itself: what it accepts without asking anybody, for one product or for all.

Kept here, encrypted at rest with the rest of the store, and told to nobody. At most so many contracts are accepted
under one setting of the limits; each takes a numbered place first, so that two replicas never take one too many.
"""

from __future__ import annotations

from collections.abc import Callable

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import new_id
from hefu_policies.bargaining.acceptance import Acceptable
from hefu_policies.reading import Place

from hefu_connector.shelves import Mark, Marks

_MARK, _PLACES = "acceptance/", "accepting/"
EVERY = "*"  # in place of a product: for all that have no limits of their own


class AcceptanceBook:
    """The limits of this consumer. Safe to use from many threads and replicas."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self.changed: Callable[[str], None] = lambda _: None  # called with the product whose limits were set

    def find(self, product: str) -> Acceptable | None:
        """The limits that count for a product: its own, or else those for all; None where nothing is accepted."""
        held = self._held(product) or self._held(EVERY)
        return held[1] if held is not None else None

    def of(self, product: str) -> tuple[Acceptable, int] | None:
        """The limits set for exactly this product (or `EVERY`), and how many contracts were accepted under them."""
        held = self._held(product)
        return (held[1], len(self._marks.all(_places(held[0])))) if held is not None else None

    def set(self, product: str, limits: Acceptable) -> None:
        """Set limits in place of those before; contracts are counted anew."""
        body: Object = {"id": new_id("acc"), "limits": limits.body()}
        self._forget(product)
        self._marks.advance(Mark(_MARK + product, 1, canonical.encode(body).decode()))
        self.changed(product)

    def remove(self, product: str) -> None:
        """Accept nothing any more under the limits of a product; those for all count for it from now on."""
        self._forget(product)
        self._marks.remove(_MARK + product)
        self.changed(product)

    def is_full(self, product: str, negotiation: str) -> bool:
        """Whether as many contracts were accepted as may be, this negotiation's not among them."""
        held = self._held(product) or self._held(EVERY)
        if held is None:
            return True
        taken = self._marks.all(_places(held[0]))
        return len(taken) >= held[1].contracts and all(each.text != negotiation for each in taken)

    def take(self, product: str, negotiation: str) -> bool:
        """Take a place for a negotiation, durably; the same again takes no other. Whether there was one left."""
        held = self._held(product) or self._held(EVERY)
        if held is None:
            return False
        prefix = _places(held[0])
        taken = self._marks.all(prefix)
        if any(each.text == negotiation for each in taken):
            return True
        for number in range(len(taken) + 1, held[1].contracts + 1):
            if self._marks.first(Mark(f"{prefix}{number:04}", 1, negotiation)).text == negotiation:
                return True
        return False

    def _held(self, product: str) -> tuple[str, Acceptable] | None:
        kept = self._marks.find(_MARK + product)
        if kept is None:
            return None
        found = Place(canonical.decode(kept.text.encode()), "acceptance").members(("id", "limits"))
        return found["id"].text(), Acceptable.of(found["limits"].value)

    def _forget(self, product: str) -> None:
        held = self._held(product)
        for each in self._marks.all(_places(held[0])) if held is not None else ():
            self._marks.remove(each.name)


def _places(id_: str) -> str:
    return f"{_PLACES}{id_}/"
