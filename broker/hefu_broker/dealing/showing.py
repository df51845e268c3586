"""To whom an offer is shown: to whom its provider lists it, unless its policy definitely excludes them.

What the policy says of a participant is decided from its certification and the broker's clock, each time anew; only
the compiled policies are remembered. Whoever is not shown an offer is answered as if it were not there.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import Refused
from hefu.identity import Binding
from hefu.membership.mandate import PARTICIPANT, PRODUCT
from hefu_policies.agreeing.contract import Description, Visibility
from hefu_policies.deciding.decision import Facts
from hefu_policies.goods import seeing
from hefu_policies.goods.product import PUBLIC
from hefu_policies.goods.seeing import Sight

from hefu_broker.membership.trust import Trust
from hefu_broker.records import EVERYBODY, Listing

STRANGER = ""  # whoever is no member, in place of a participant's name
_REMEMBERED = 4096  # descriptions
Sights = Mapping[str, tuple[Visibility, Sight]]  # by the id of the offer


class Showing:
    """Decides the catalog phase for participants of one space. Safe to use from many threads."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._lock = threading.Lock()
        self._known: dict[str, Sights] = {}

    def facts(self, participant: str) -> Facts:
        """What decides for a participant, or a stranger, now; take it once for a whole page."""
        if participant == STRANGER:
            return seeing.known(frozenset(), {}, self._trust.clock.now())
        directory = self._trust.directory
        attributes = directory.participant(participant).attributes()
        return seeing.known(directory.roles(participant), attributes, self._trust.clock.now())

    def offer(self, listing: Listing, offer: str, participant: str) -> bool:
        """Whether a participant is shown an offer."""
        found = self._sights(listing.statement.to_bytes(), listing.description).get(offer)
        if self.halted(listing.product, listing.provider):
            return False
        return found is not None and _allows(found, participant, self.facts(participant))

    def listing(self, listing: Listing, caller: Binding) -> bool:
        """Whether a caller is shown a product: its own, one with an offer for it, or all where it oversees."""
        own = listing.provider == caller.participant or self._trust.oversees(caller)
        if not own and self.halted(listing.product, listing.provider):
            return False
        return own or self.envelope(listing.statement.to_bytes(), caller.participant, self.facts(caller.participant))

    def halted(self, product: str, provider: str) -> bool:
        """Whether a regulator's order stands against a product or its provider: then nobody is shown an offer."""
        subjects = f"{PRODUCT}:{product}", f"{PARTICIPANT}:{provider}"
        try:
            self._trust.directory.check_orders(self._trust.clock.now(), *subjects)
        except Refused:
            return True
        return False

    def envelope(self, envelope: bytes, participant: str, facts: Facts) -> bool:
        """Whether a description in a kept statement has an offer for a participant."""
        return any(_allows(each, participant, facts) for each in self._sights(envelope).values())

    def readers(self, description: Description) -> set[str]:
        """Who may read the description in the log: whoever is shown one of its offers as it is published.

        LIMIT: an entry's readers are fixed when it is written. Who is excluded later has it already; who comes to be
        shown it later reads it in the catalog.
        """
        found: set[str] = set()
        for offer in description.offers:
            if offer.visibility.kind == "listed":
                found |= {*offer.visibility.participants}
                continue
            sight = Sight.of(offer.policy)
            if not sight.is_selective:
                return {EVERYBODY}
            members = [each.id for each in self._trust.directory.participants()]
            found |= {each for each in members if sight.allows(self.facts(each))}
        return found

    def _sights(self, envelope: bytes, description: Description | None = None) -> Sights:
        key = canonical.digest(envelope)
        found = self._known.get(key)
        if found is None:
            offers = (description or Description.of(Statement.parse(envelope).body)).offers
            found = {each.id: (each.visibility, Sight.of(each.policy)) for each in offers}
            with self._lock:
                if len(self._known) >= _REMEMBERED:
                    self._known.pop(next(iter(self._known)))
                self._known[key] = found
        return found


def _allows(shown: tuple[Visibility, Sight], participant: str, facts: Facts) -> bool:
    visibility, sight = shown
    seen = visibility.kind == PUBLIC if participant == STRANGER else visibility.allows(participant)
    return seen and sight.allows(facts)
