"""The consumer's role: find products, ask for an agreement under an offer, sign only what was offered and asked.

Descriptions are verified before anybody reads them. An agreement is signed if it equals, byte for byte, what this
connector derives itself from the offer and its own request. Computations are asked for in
`hefu_connector.computing.asking`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hefu.canonical import Object
from hefu.envelope import Statement, new_id
from hefu.errors import Conflict, HefuError, NotFound, Refused, Unavailable, Untrusted
from hefu_policies import charter
from hefu_policies.contract import PUBLISHED, ContractRequest, check_agreement
from hefu_policies.negotiation import Move, State
from hefu_policies.product import Description

from hefu_connector.brokerage import Catalog, Listing, Negotiations, Progress
from hefu_connector.contracting import negotiating
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.negotiating import Negotiation, Pen, embedded
from hefu_connector.ports import Chartered, Trust
from hefu_connector.shelves import Mark, Marks

SKEW = timedelta(minutes=5)  # between the clocks of two participants
_DESCRIPTION = "description/"


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


class Consumer:
    """A participant as consumer. Safe to use from many threads.

    Args:
        origin: the log in which agreements must stand, as pinned.
        chartered: gives the newest verified charter of the space, or None where it has none.
    """

    def __init__(
        self,
        author: Author,
        trust: Trust,
        catalog: Catalog,
        negotiations: Negotiations,
        pen: Pen,
        agreements: Agreements,
        marks: Marks,
        origin: str,
        chartered: Chartered,
    ) -> None:
        self._author = author
        self._trust = trust
        self._catalog = catalog
        self._negotiations = negotiations
        self._pen = pen
        self._agreements = agreements
        self._marks = marks
        self._origin = origin
        self._chartered = chartered

    # ------------------------------------------------------------ products

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
        return described(self._marks, digest)

    # ------------------------------------------------------------ negotiations

    def request(self, product: str, offer: str, purpose: str, user: str = "") -> Progress:
        """Ask for an agreement under an offer as it stands.

        Args:
            offer: may be empty where the product has one only.

        Raises:
            NotFound: no such product or offer.
            Conflict: the product is retired, or the offer is not named and there are several.
            Refused: the offer is not as the space's charter allows.
            Unauthenticated: the provider or its key may not act.
            Unavailable: the broker is away.
        """
        found = self.show(product)
        if found.listing.retired:
            raise Conflict("product.not_offered", product=product)
        statement = found.listing.description
        self._trust.check(statement.issuer, *(each.key for each in statement.signatures))
        request = ContractRequest(
            negotiation=new_id("neg"),
            provider=statement.issuer,
            consumer=self._author.participant,
            connector=self._author.connector,
            product=product,
            description=statement.digest(),
            offer=self._offer(found.description, offer),
            purpose=purpose,
        )
        self._check_charter(found.description, request.offer)
        self._marks.advance(Mark(_DESCRIPTION + request.description, 1, statement.to_bytes().decode()))
        return self._pen.begin(request, user)

    def purpose(self, negotiation: str) -> str:
        """The purpose this connector named in a negotiation; empty if it began none of that id."""
        said = self._pen.said(negotiation, Move.REQUEST)
        return ContractRequest.of(said.body).purpose if said else ""

    def withdraw(self, negotiation: str, reason: str) -> Progress:
        """End a negotiation of this consumer.

        Raises:
            NotFound: no such negotiation.
            Conflict: it is over, or it is the provider's turn.
        """
        found = self._read(negotiating.find(self._negotiations, negotiation))
        return self._pen.terminate(found, "negotiation.withdrawn", reason)

    def react(self, progress: Progress) -> None:
        """Do what a change of one of this consumer's negotiations asks for; doing it again changes nothing.

        Raises:
            Untrusted, Malformed: the messages do not verify; nothing is done.
            Unavailable: the broker is away; the change must come again.
        """
        if progress.state is State.AGREED:
            self._consider(self._read(progress))
        else:
            self._agreements.settle(progress)

    def _read(self, progress: Progress) -> Negotiation:
        found = negotiating.read(progress, self._trust, self._author.space)
        asked = self._pen.said(found.id, Move.REQUEST)
        # Only what this connector asked, by the bytes it kept, is ever answered.
        if asked is None or asked.payload != found.requested.payload:
            raise NotFound("resource.not_found", what="negotiation", name=progress.id)
        return found

    def _consider(self, negotiation: Negotiation) -> None:
        if negotiation.state is not State.AGREED or negotiation.agreement is None:
            raise Untrusted("negotiation.broken", negotiation=negotiation.id, where="state")
        try:
            self._check(negotiation, negotiation.agreement)
        except Unavailable:
            raise
        except HefuError as fault:
            self._pen.terminate(negotiation, fault.code, fault.public())
            return
        agreement = negotiation.agreement
        self._pen.send(negotiation, Move.VERIFY, lambda: self._countersign(agreement))

    def _check(self, negotiation: Negotiation, agreement: Statement) -> None:
        """Check that the agreement is what was offered and asked, signed by the provider, and begins about now."""
        description = self.described(negotiation.request.description)
        if description is None:
            raise NotFound("resource.not_found", what="description", name=negotiation.request.description)
        self._trust.verify(agreement, negotiation.request.provider)
        self._trust.check(negotiation.request.provider, *(each.key for each in agreement.signatures))
        derived = check_agreement(agreement, description, negotiation.requested, log=self._origin)
        self._check_charter(Description.of(description.body), derived.offer)
        earliest, latest = negotiation.requested.time - SKEW, self._author.clock.now() + SKEW
        if not earliest <= derived.not_before <= latest:
            raise Untrusted("agreement.differs", where="not_before")

    def _check_charter(self, description: Description, offer: str) -> None:
        found = description.offer(offer)
        if found is None:
            raise NotFound("offer.not_found", product=description.product, offer=offer)
        charter.check_offer(self._chartered(), found)

    def _countersign(self, agreement: Statement) -> Object:
        return {"agreement": embedded(agreement.sign(self._author.signer, self._author.clock.now()))}

    def _verify(self, listing: Listing) -> Product:
        statement = listing.description.expect(PUBLISHED)
        self._trust.verify(statement)
        description = Description.of(statement.body)
        if description.product != listing.product or statement.issuer != listing.provider:
            raise Untrusted("product.other", product=listing.product)
        if "provider" not in self._trust.roles(statement.issuer):
            raise Refused("permission.role", role="provider")
        return Product(listing, description)

    def _offer(self, description: Description, wanted: str) -> str:
        open_to_us = [each.id for each in description.offers if each.visibility.allows(self._author.participant)]
        if not wanted and len(open_to_us) == 1:
            return open_to_us[0]
        if not wanted and open_to_us:
            raise Conflict("offer.ambiguous", product=description.product, offers=", ".join(open_to_us)[:300])
        if wanted not in open_to_us:
            raise NotFound("offer.not_found", product=description.product, offer=wanted)
        return wanted


def described(marks: Marks, digest: str) -> Statement | None:
    """The description version that a request of this connector named, by digest; None if none did."""
    kept = marks.find(_DESCRIPTION + digest)
    return Statement.parse(kept.text.encode()) if kept else None
