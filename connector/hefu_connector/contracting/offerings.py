"""The products of a provider: described, signed, listed and retired.

A description is kept before it is sent and published once the broker took it, so that a crash in between loses nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from hefu.canonical import Object
from hefu.errors import Conflict, NotFound
from hefu_policies.agreeing.contract import PUBLISHED
from hefu_policies.bargaining import charter
from hefu_policies.goods.product import Description, Offer

from hefu_connector.brokerage import Catalog
from hefu_connector.contracting.author import Author
from hefu_connector.ports import Chartered, Trust
from hefu_connector.shelves import OwnProduct, Products, ProductState

RETIRED = "product.retired"


class Offerings:
    """What a provider offers. Safe to use from many threads.

    Args:
        chartered: gives the newest verified charter of the space, or None where it has none.
    """

    def __init__(
        self, author: Author, trust: Trust, products: Products, catalog: Catalog, chartered: Chartered
    ) -> None:
        self._author = author
        self._trust = trust
        self._products = products
        self._catalog = catalog
        self._chartered = chartered
        self._lock = threading.Lock()

    def publish(self, description: Description, user: str = "") -> OwnProduct:
        """Sign a description, keep it and list it; of a known product it becomes the next version.

        Args:
            description: its version and previous digest are set here.

        Raises:
            Refused: an offer is not as the space's charter allows.
            Conflict: the product is retired, or a resource contradicts what was promised for it before.
            Unavailable: the broker is away; the description is kept as a draft, and `publish` may be called again.
        """
        charter.check(self._chartered(), description)
        with self._lock:
            try:
                return self._publish(description, user)
            except Conflict:
                # A crash may have come between the broker's word and ours: take up what is listed in our name.
                if not self._adopt(description.product):
                    raise
                return self._publish(description, user)

    def retire(self, product: str, reason: str, user: str = "") -> OwnProduct:
        """Take a product off the catalog; its agreements go on.

        Raises:
            NotFound: no such product here.
            Unavailable: the broker is away.
        """
        with self._lock:
            held = self.product(product)
            if held.state is ProductState.RETIRED:
                return held
            body: Object = {"product": product, "description": held.statement.digest(), "reason": reason[:500]}
            retirement = self._author.say(RETIRED, body, user=user)
            try:
                self._catalog.retire(retirement)
            except Conflict:
                # The broker had taken an earlier retirement before a crash here: it stands.
                if not self._catalog.product(product).retired:
                    raise
            return self._products.keep(retirement, ProductState.RETIRED)

    def product(self, product: str) -> OwnProduct:
        """An own product; raises NotFound."""
        held = self._products.find(product)
        if held is None:
            raise NotFound("resource.not_found", what="product", name=product)
        return held

    def products(self) -> Sequence[OwnProduct]:
        """All own products, by id."""
        return self._products.all()

    def offered(self, product: str, offer: str) -> tuple[Description, Offer]:
        """One offer of an own product that is published; of one that has a single offer it need not be named.

        Raises:
            NotFound: no such product or offer here.
            Conflict: it is not offered any more, or there are several offers.
        """
        held = self.product(product)
        if held.state is not ProductState.PUBLISHED:
            raise Conflict("product.not_offered", product=product)
        offers = held.description.offers
        if not offer and len(offers) > 1:
            raise Conflict("offer.ambiguous", product=product, offers=", ".join(each.id for each in offers)[:300])
        found = offers[0] if not offer else held.description.offer(offer)
        if found is None:
            raise NotFound("offer.not_found", product=product, offer=offer)
        return held.description, found

    def _publish(self, description: Description, user: str) -> OwnProduct:
        held = self._products.find(description.product)
        published = held if held is not None and held.state is not ProductState.DRAFTED else None
        if published is not None and _same(description, published.description):
            self._catalog.publish(published.statement)
            return published
        wanted = replace(description, version=1, previous=None)
        if published is not None:
            wanted = replace(description, version=published.version + 1, previous=published.statement.digest())
        draft = self._products.draft(description.product)
        if draft is None or draft.description.body() != wanted.body():
            statement = self._author.say(PUBLISHED, wanted.body(), user=user)
            draft = self._products.keep(statement, ProductState.DRAFTED)
        self._catalog.publish(draft.statement)
        return self._products.keep(draft.statement, ProductState.PUBLISHED)

    def _adopt(self, product: str) -> bool:
        """Keep as published what the catalog lists in our name and we signed; whether that is news."""
        try:
            listed = self._catalog.product(product).description.expect(PUBLISHED)
        except NotFound:
            return False
        self._trust.verify(listed, self._author.participant)
        known = self._products.described(listed.digest())
        if listed.issuer != self._author.participant or (known is not None and known.state is ProductState.PUBLISHED):
            return False
        self._products.keep(listed, ProductState.PUBLISHED)
        return True


def _same(wanted: Description, held: Description) -> bool:
    """Whether a description says what the held version says already."""
    return replace(wanted, version=held.version, previous=held.previous).body() == held.body()
