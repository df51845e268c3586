"""The consumer's role: ask for an agreement, answer offers and counter-offers, sign only what was agreed on.

An offer inside this consumer's own limits is accepted without anybody; every other waits for a person. An agreement
is signed if it equals, byte for byte, what this connector derives itself from the published offer and the messages it
wrote and answered. Computations are asked for in `hefu_connector.computing.asking`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from hefu.canonical import Object
from hefu.envelope import Statement, new_id
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Unavailable, Untrusted
from hefu_policies.agreeing.changes import changed_in, read
from hefu_policies.agreeing.contract import Sought, check_agreement
from hefu_policies.agreeing.request import ContractRequest
from hefu_policies.bargaining import charter
from hefu_policies.bargaining.acceptance import Lacking, Shortfall, judge, judge_unasked
from hefu_policies.bargaining.rounds import MOST_ROUNDS, asked
from hefu_policies.goods.product import Description, Offer
from hefu_policies.states.negotiation import Move, State

from hefu_connector.brokerage import Catalog, Negotiations, Progress
from hefu_connector.contracting import negotiating, shelf
from hefu_connector.contracting.acceptances import AcceptanceBook
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.browsing import Browsing, Product
from hefu_connector.contracting.negotiating import Negotiation, Pen, embedded
from hefu_connector.contracting.signing import check_before_signing
from hefu_connector.ports import Chartered, Trust
from hefu_connector.shelves import Marks

log = logging.getLogger("hefu.negotiation")

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Consumer(Browsing):
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
        super().__init__(author, trust, catalog, marks)
        self._negotiations = negotiations
        self._pen = pen
        self._agreements = agreements
        self._origin = origin
        self._chartered = chartered
        self.acceptances = AcceptanceBook(marks)

    # ------------------------------------------------------------ negotiations

    def request(
        self,
        product: str,
        offer: str,
        purpose: str,
        user: str = "",
        texts: Mapping[str, str] = _NOTHING,
        further: Sequence[tuple[str, str]] = (),
        service: str = "",
    ) -> Progress:
        """Ask for an agreement under an offer, as it stands or on other terms; or under offers of several providers.

        Args:
            offer: may be empty where the product has one only.
            texts: other terms, by the name of an operand or member of the offer.
            further: products of further providers, each with its offer; then all are taken as they stand.
            service: a participant that carries out joint computations; empty where there is none.

        Raises:
            NotFound: no such product or offer, or the offer has no such term.
            Malformed: a term has another form.
            Conflict: the product is retired, or the offer is not named and there are several.
            Refused: the offer is not as the space's charter allows.
            Unauthenticated: the provider or its key may not act.
            Unavailable: the broker is away.
        """
        found = self._current(product)
        chosen = self._offer(found.description, offer)
        changes = read(chosen, texts)
        changed_in(found.description, chosen, changes)
        charter.check_terms(self._chartered(), chosen, changes)
        first, *others = self._sought(found, chosen), *(self._sought_further(*each) for each in further)
        request = ContractRequest(
            negotiation=new_id("neg"),
            provider=first.provider,
            consumer=self._author.participant,
            connector=self._author.connector,
            product=first.product,
            description=first.description,
            offer=first.offer,
            purpose=purpose,
            changes=changes,
            further=tuple(others),
            service=service,
        )
        return self._pen.begin(request, user)

    def _sought_further(self, product: str, offer: str) -> Sought:
        found = self._current(product)
        chosen = self._offer(found.description, offer)
        charter.check_offer(self._chartered(), chosen)
        return self._sought(found, chosen)

    def _sought(self, found: Product, offer: Offer) -> Sought:
        """What is asked of one provider; its description is kept before anybody asks."""
        statement = found.listing.description
        shelf.keep(self._marks, statement)
        return Sought(statement.issuer, found.description.product, statement.digest(), offer.id)

    def purpose(self, negotiation: str) -> str:
        """The purpose this connector named in a negotiation; empty if it named none in one of that id."""
        asked = self._pen.said(negotiation, Move.REQUEST), self._pen.said(negotiation, Move.REQUEST, 1)
        said = next(filter(None, (*asked, self._pen.said(negotiation, Move.ACCEPT))), None)
        return str(said.body.get("purpose", "")) if said is not None else ""

    def offers(self) -> list[Negotiation]:
        """Offers and counter-offers that wait for this consumer's answer, oldest first.

        Raises:
            Unavailable: the broker is away.
        """
        found = []
        for progress in self._negotiations.negotiations():
            if progress.consumer == self._author.participant and progress.state is State.OFFERED:
                found.append(self._read(progress))
        return found[::-1]

    def counter(self, negotiation: str, texts: Mapping[str, str], user: str = "", purpose: str = "") -> Progress:
        """Answer an offer with other terms; what is not named stays as the offer on the table has it.

        Args:
            purpose: what for; needed, and only taken, where this consumer has said nothing in the negotiation yet.

        Raises:
            NotFound, Malformed: a name or a value is none that the offer can have, or the purpose is missing.
            Conflict: no offer waits, or there were too many rounds.
        """
        found = self._offered(negotiation)
        if asked(found.messages) >= MOST_ROUNDS:
            raise Conflict("negotiation.rounds", most=MOST_ROUNDS)
        description, offer = self._terms(found)
        changes = {**found.changes, **read(offer, texts)}
        changed_in(description, offer, changes)
        charter.check_terms(self._chartered(), offer, changes)
        again = replace(self._speaking(found, purpose), changes=changes, previous=found.previous)
        return self._pen.send(found, Move.REQUEST, again.body, user)

    def accept(self, negotiation: str, user: str = "", purpose: str = "") -> Progress:
        """Accept an offer as it stands; arguments and errors as of `counter`."""
        found = self._offered(negotiation)
        self._terms(found)
        return self._accept(found, purpose, user)

    def _accept(self, negotiation: Negotiation, purpose: str, user: str = "") -> Progress:
        said = self._speaking(negotiation, purpose)
        new = () if negotiation.request.is_answered else ("connector", "purpose")
        return self._pen.send(negotiation, Move.ACCEPT, lambda: {each: getattr(said, each) for each in new}, user)

    def _speaking(self, negotiation: Negotiation, purpose: str) -> ContractRequest:
        """What is negotiated, with this consumer's connector and purpose: named in its first message, and for good."""
        request = negotiation.request
        if request.is_answered:
            if purpose and purpose != request.purpose:
                raise Conflict("negotiation.differs", where="purpose")
            return request
        if not purpose:
            raise Malformed("negotiation.purpose", negotiation=negotiation.id)
        return replace(request, connector=self._author.connector, purpose=purpose)

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
            self._hear(self._read(progress))
        self._agreements.settle(progress)

    def _hear(self, negotiation: Negotiation) -> None:
        """Take an offer in: send what was decided on it and never left, accept what is inside this consumer's limits,
        and let all others wait for a person."""
        self._pen.check_own(negotiation)
        if negotiation.state is not State.OFFERED or self._pen.resume(negotiation):
            return
        request = negotiation.request
        self._describe(request)
        limits = self.acceptances.find(request.product)
        if limits is None or self.shortfalls(negotiation) or not self.acceptances.take(request.product, negotiation.id):
            return
        log.info("negotiation %s: the offer is inside the limits and is accepted", negotiation.id)
        self._accept(negotiation, "" if request.is_answered else limits.purpose)

    def shortfalls(self, negotiation: Negotiation) -> tuple[Shortfall, ...] | None:
        """Why the offer on the table is not accepted without a person; None where there are no limits to judge it by.

        Raises:
            NotFound, Conflict, Malformed: the product is not there any more, or cannot be had on these terms.
            Refused: the terms are not as the space's charter allows.
        """
        request = negotiation.request
        limits = self.acceptances.find(request.product)
        if limits is None:
            return None
        description, offer = self._terms(negotiation)
        found = judge(changed_in(description, offer, negotiation.changes), limits)
        if not request.is_answered:
            found += judge_unasked(request.provider, limits)
        full = self.acceptances.is_full(request.product, negotiation.id)
        return (*found, Shortfall(Lacking.CONTRACTS)) if full else found

    def _read(self, progress: Progress) -> Negotiation:
        found = negotiating.read(progress, self._trust, self._author.space)
        asked = self._pen.said(found.id, Move.REQUEST)
        # Only what a provider offered to us, or this connector asked, by the bytes it kept, is ever answered.
        ours = asked is not None and asked.payload == found.opening.payload
        if found.request.consumer != self._author.participant or not (ours or found.is_offered):
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
        description = Description.of(self._describe(negotiation.request).body)
        offer = description.offer(negotiation.request.offer)
        if offer is None:
            raise NotFound("offer.not_found", product=description.product, offer=negotiation.request.offer)
        changed_in(description, offer, negotiation.changes)
        charter.check_terms(self._chartered(), offer, negotiation.changes)
        return description, offer

    def _consider(self, negotiation: Negotiation) -> None:
        if negotiation.state is not State.AGREED or negotiation.agreement is None:
            raise Untrusted("negotiation.broken", negotiation=negotiation.id, where="state")
        if negotiation.next_to_sign != self._author.participant:
            return  # a further party signs first
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
        """Check that the agreement is what was offered and asked, signed by all others, and begins about now."""
        request, rounds = negotiation.request, negotiation.rounds
        description, *further = [self._read_before(each.description) for each in request.sought]
        derived = check_agreement(
            agreement, description, negotiation.opening, log=self._origin, rounds=rounds, further=further
        )
        self._terms(negotiation)
        for sought, statement in zip(request.further, further, strict=True):
            offer = Description.of(statement.body).offer(sought.offer)
            if offer is not None:
                charter.check_offer(self._chartered(), offer)
        signers = request.parties[:-1]
        check_before_signing(derived, agreement, negotiation.opening, signers, self._author, self._trust)

    def _describe(self, request: ContractRequest) -> Statement:
        """The description version that is negotiated: kept already, or what the catalog has now, verified and kept."""
        found = self.described(request.description)
        if found is None:
            found = self._current(request.product).listing.description
            if (found.digest(), found.issuer) != (request.description, request.provider):
                raise Conflict("negotiation.differs", where="description")
            shelf.keep(self._marks, found)
        return found

    def _read_before(self, digest: str) -> Statement:
        found = self.described(digest)
        if found is None:
            raise NotFound("resource.not_found", what="description", name=digest)
        return found

    def _countersign(self, agreement: Statement) -> Object:
        return {"agreement": embedded(agreement.sign(self._author.signer, self._author.clock.now()))}
