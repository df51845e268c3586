"""The consumer's role: find products, ask for an agreement, answer counter-offers, sign only what was agreed on.

Descriptions are verified before anybody reads them. An agreement is signed if it equals, byte for byte, what this
connector derives itself from the offer, its own requests and the counter-offers it answered. Computations are asked
for in `hefu_connector.computing.asking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

from hefu.canonical import Object
from hefu.envelope import Statement, new_id
from hefu.errors import Conflict, HefuError, NotFound, Refused, Unavailable, Untrusted
from hefu_policies import charter
from hefu_policies.changes import changed_in, read
from hefu_policies.contract import PUBLISHED, ContractRequest, check_agreement
from hefu_policies.negotiation import Move, State
from hefu_policies.product import Description, Offer
from hefu_policies.rounds import MOST_ROUNDS, asked

from hefu_connector.brokerage import Catalog, Listing, Negotiations, Progress
from hefu_connector.contracting import negotiating
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.negotiating import Negotiation, Pen, embedded
from hefu_connector.ports import Chartered, Trust
from hefu_connector.shelves import Mark, Marks

SKEW = timedelta(minutes=5)  # between the clocks of two participants
_DESCRIPTION = "description/"
_NOTHING: Mapping[str, str] = MappingProxyType({})


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

    def request(
        self, product: str, offer: str, purpose: str, user: str = "", texts: Mapping[str, str] = _NOTHING
    ) -> Progress:
        """Ask for an agreement under an offer, as it stands or on other terms.

        Args:
            offer: may be empty where the product has one only.
            texts: other terms, by the name of an operand or member of the offer.

        Raises:
            NotFound: no such product or offer, or the offer has no such term.
            Malformed: a term has another form.
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
        chosen = self._offer(found.description, offer)
        changes = read(chosen, texts)
        changed_in(found.description, chosen, changes)
        charter.check_terms(self._chartered(), chosen, changes)
        request = ContractRequest(
            negotiation=new_id("neg"),
            provider=statement.issuer,
            consumer=self._author.participant,
            connector=self._author.connector,
            product=product,
            description=statement.digest(),
            offer=chosen.id,
            purpose=purpose,
            changes=changes,
        )
        self._marks.advance(Mark(_DESCRIPTION + request.description, 1, statement.to_bytes().decode()))
        return self._pen.begin(request, user)

    def purpose(self, negotiation: str) -> str:
        """The purpose this connector named in a negotiation; empty if it began none of that id."""
        said = self._pen.said(negotiation, Move.REQUEST)
        return ContractRequest.of(said.body).purpose if said else ""

    def counter(self, negotiation: str, texts: Mapping[str, str], user: str = "") -> Progress:
        """Answer a counter-offer with other terms; what is not named stays as the counter-offer has it.

        Raises:
            NotFound, Malformed: a name or a value is none that the offer can have.
            Conflict: no counter-offer waits, or there were too many rounds.
        """
        found = self._offered(negotiation)
        if asked(found.messages) >= MOST_ROUNDS:
            raise Conflict("negotiation.rounds", most=MOST_ROUNDS)
        description, offer = self._terms(found)
        changes = {**found.changes, **read(offer, texts)}
        changed_in(description, offer, changes)
        charter.check_terms(self._chartered(), offer, changes)
        again = replace(found.request, changes=changes, previous=found.previous)
        return self._pen.send(found, Move.REQUEST, again.body, user)

    def accept(self, negotiation: str, user: str = "") -> Progress:
        """Accept a counter-offer as it stands; raises as `counter`."""
        found = self._offered(negotiation)
        self._terms(found)
        return self._pen.send(found, Move.ACCEPT, dict, user)

    def withdraw(self, negotiation: str, reason: str, user: str = "") -> Progress:
        """End a negotiation of this consumer.

        Raises:
            NotFound: no such negotiation.
            Conflict: it is over, or it is the provider's turn.
        """
        found = self._read(negotiating.find(self._negotiations, negotiation))
        return self._pen.terminate(found, "negotiation.withdrawn", reason, user)

    def react(self, progress: Progress) -> None:
        """Do what a change of one of this consumer's negotiations asks for; doing it again changes nothing.

        Raises:
            Untrusted, Malformed: the messages do not verify; nothing is done.
            Unavailable: the broker is away; the change must come again.
        """
        if progress.state is State.AGREED:
            self._consider(self._read(progress))
            return
        if progress.state is State.OFFERED:
            self._pen.resume(self._read(progress))
        self._agreements.settle(progress)

    def _read(self, progress: Progress) -> Negotiation:
        found = negotiating.read(progress, self._trust, self._author.space)
        asked = self._pen.said(found.id, Move.REQUEST)
        # Only what this connector asked, by the bytes it kept, is ever answered.
        if asked is None or asked.payload != found.requested.payload:
            raise NotFound("resource.not_found", what="negotiation", name=progress.id)
        return found

    def _offered(self, negotiation: str) -> Negotiation:
        found = self._read(negotiating.find(self._negotiations, negotiation))
        if found.state is not State.OFFERED:
            raise Conflict("negotiation.no_turn", negotiation=negotiation, state=found.state.value)
        self._pen.check_own(found)
        return found

    def _terms(self, negotiation: Negotiation) -> tuple[Description, Offer]:
        """What is negotiated, once it is sure that it can be had on the terms on the table."""
        statement = self.described(negotiation.request.description)
        if statement is None:
            raise NotFound("resource.not_found", what="description", name=negotiation.request.description)
        description = Description.of(statement.body)
        offer = description.offer(negotiation.request.offer)
        if offer is None:
            raise NotFound("offer.not_found", product=description.product, offer=negotiation.request.offer)
        changed_in(description, offer, negotiation.changes)
        charter.check_terms(self._chartered(), offer, negotiation.changes)
        return description, offer

    def _consider(self, negotiation: Negotiation) -> None:
        if negotiation.state is not State.AGREED or negotiation.agreement is None:
            raise Untrusted("negotiation.broken", negotiation=negotiation.id, where="state")
        self._pen.check_own(negotiation)
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
        rounds = negotiation.rounds
        derived = check_agreement(agreement, description, negotiation.requested, log=self._origin, rounds=rounds)
        self._terms(negotiation)
        earliest, latest = negotiation.requested.time - SKEW, self._author.clock.now() + SKEW
        if not earliest <= derived.not_before <= latest:
            raise Untrusted("agreement.differs", where="not_before")

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

    def _offer(self, description: Description, wanted: str) -> Offer:
        open_to_us = [each for each in description.offers if each.visibility.allows(self._author.participant)]
        if not wanted and len(open_to_us) > 1:
            names = ", ".join(each.id for each in open_to_us)
            raise Conflict("offer.ambiguous", product=description.product, offers=names[:300])
        found = [each for each in open_to_us if each.id == wanted or not wanted]
        if not found:
            raise NotFound("offer.not_found", product=description.product, offer=wanted)
        return found[0]


def described(marks: Marks, digest: str) -> Statement | None:
    """The description version that a request of this connector named, by digest; None if none did."""
    kept = marks.find(_DESCRIPTION + digest)
    return Statement.parse(kept.text.encode()) if kept else None
