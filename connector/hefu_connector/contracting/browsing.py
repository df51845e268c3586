"""Finding data products: a consumer's view of the catalog. Descriptions are verified before anybody reads them."""

from __future__ import annotations

from dataclasses import dataclass

from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, NotFound, Refused, Unavailable, Untrusted
from hefu_policies.agreeing.contract import PUBLISHED
from hefu_policies.goods.product import Description, Offer

from hefu_connector.brokerage import Catalog, Listing
from hefu_connector.contracting import shelf
from hefu_connector.contracting.author import Author
from hefu_connector.ports import Trust
from hefu_connector.shelves import Marks


@dataclass(frozen=True, slots=True)
class Product:
    """A listed data product whose description was verified."""

    listing: Listing
    description: Description


@dataclass(frozen=True, slots=True)
class Found:
    """Some of what a search found; `token` asks for the rest.

    Attributes:
        dropped: how many were shown by the broker and did not verify.
    """

    products: tuple[Product, ...]
    token: str
    total: int
    dropped: int


class Browsing:
    """What a consumer sees of the catalog. Safe to use from many threads."""

    def __init__(self, author: Author, trust: Trust, catalog: Catalog, marks: Marks) -> None:
        self._author = author
        self._trust = trust
        self._catalog = catalog
        self._marks = marks

    def search(self, query: str, narrowing: str = "", token: str = "", size: int = 50) -> Found:
        """What the catalog has; entries that do not verify are left out and counted.

        Raises:
            Unavailable: the broker is away.
        """
        page = self._catalog.search(query, narrowing, token, size)
        found = []
        for listing in page.products:
            try:
                found.append(self._verify(listing))
            except Unavailable:
                raise
            except HefuError:
                continue
        return Found(tuple(found), page.token, page.total, len(page.products) - len(found))

    def show(self, product: str) -> Product:
        """One product.

        Raises:
            NotFound: there is none, or this participant may not see it.
            Untrusted: its description does not verify.
            Unavailable: the broker is away.
        """
        found = self._verify(self._catalog.product(product))
        if found.listing.product != product:
            raise Untrusted("product.other", product=product)
        return found

    def described(self, digest: str) -> Statement | None:
        """The description version a request of this connector named, by digest."""
        return shelf.described(self._marks, digest)

    def _current(self, product: str) -> Product:
        """A product that is offered now, by somebody in good standing."""
        found = self.show(product)
        if found.listing.retired:
            raise Conflict("product.not_offered", product=product)
        statement = found.listing.description
        self._trust.check(statement.issuer, *(each.key for each in statement.signatures))
        return found

    def _verify(self, listing: Listing) -> Product:
        statement = listing.description.expect(PUBLISHED)
        self._trust.verify(statement)
        description = Description.of(statement.body)
        if description.product != listing.product or statement.issuer != listing.provider:
            raise Untrusted("product.other", product=listing.product)
        if "provider" not in self._trust.roles(statement.issuer):
            raise Refused("permission.role", role="provider")
        return Product(listing, description)

    def _offer(self, description: Description, wanted: str) -> Offer:
        open_to_us = [each for each in description.offers if each.visibility.allows(self._author.participant)]
        if not wanted and len(open_to_us) > 1:
            names = ", ".join(each.id for each in open_to_us)
            raise Conflict("offer.ambiguous", product=description.product, offers=names[:300])
        found = [each for each in open_to_us if each.id == wanted or not wanted]
        if not found:
            raise NotFound("offer.not_found", product=description.product, offer=wanted)
        return found[0]
