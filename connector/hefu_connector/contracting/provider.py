"""The provider's role: describe and offer products, agree to requests or answer other terms, confirm what was signed.

A provider signs only what it derived itself from its own offer, the consumer's request and what was said since. Under
automatic approval a request inside the offer or inside this provider's private limits is agreed to, and one beyond
them is answered with what both can live with; every other request waits for a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hefu.canonical import Object
from hefu.envelope import Statement, new_id
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Refused, Unavailable, Untrusted
from hefu_policies.agreeing.agreement import Agreement
from hefu_policies.agreeing.changes import changed_in, read, standing
from hefu_policies.agreeing.contract import AGREEMENT, agreement_from
from hefu_policies.agreeing.request import LONGEST_REASON, OpeningOffer
from hefu_policies.agreeing.signatories import check_signed
from hefu_policies.bargaining import charter
from hefu_policies.bargaining.haggling import Verdict, answer
from hefu_policies.bargaining.rounds import MOST_ROUNDS, PREFIX
from hefu_policies.goods.product import Offer
from hefu_policies.states.negotiation import Move, State

from hefu_connector.brokerage import Catalog, Negotiations, Progress
from hefu_connector.contracting import negotiating
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.limits import COUNTER, LimitBook, Limits
from hefu_connector.contracting.negotiating import Negotiation, Pen, embedded
from hefu_connector.contracting.offerings import Offerings
from hefu_connector.contracting.shelf import Shelf
from hefu_connector.contracting.showing import check_shown
from hefu_connector.contracting.signing import ConnectorOf, answering
from hefu_connector.ports import Chartered, Trust
from hefu_connector.shelves import OwnProduct, Products, ProductState

# Somebody moved at the same time: the next look at the negotiation tells what is to be done.
_MEANWHILE = frozenset({"negotiation.moved", "negotiation.previous", "state.refused"})


class Provider(Offerings):
    """A participant as provider. Safe to use from many threads.

    Args:
        origin: the log in which agreements must stand, as pinned.
        chartered: gives the newest verified charter of the space, or None where it has none.
        shelf: the descriptions of further providers; ``connector_of`` is where another party acts.
    """

    def __init__(
        self,
        author: Author,
        trust: Trust,
        products: Products,
        catalog: Catalog,
        negotiations: Negotiations,
        pen: Pen,
        agreements: Agreements,
        origin: str,
        chartered: Chartered,
        limits: LimitBook,
        shelf: Shelf,
        connector_of: ConnectorOf,
    ) -> None:
        super().__init__(author, trust, products, catalog, chartered)
        self.limits = limits
        self._shelf = shelf
        self._connector_of = connector_of
        self._negotiations = negotiations
        self._pen = pen
        self._agreements = agreements
        self._origin = origin

    def react(self, progress: Progress) -> None:
        """Do what a change of one of this provider's negotiations asks for; doing it again changes nothing.

        Raises:
            Untrusted, Malformed: the messages do not verify; nothing is done.
            Unavailable: the broker is away; the change must come again.
        """
        if progress.state is State.REQUESTED:
            self._consider(self._read(progress))
        elif progress.state is State.ACCEPTED:
            self._conclude(self._read(progress))
        elif progress.state is State.VERIFIED:
            self._finalize(self._read(progress))
        else:
            self._agreements.settle(progress)

    def waiting(self) -> list[Negotiation]:
        """Requests that wait for a person's approval, oldest first.

        Raises:
            Unavailable: the broker is away.
        """
        found = []
        for progress in self._negotiations.negotiations():
            if progress.provider == self._author.participant and progress.state is State.REQUESTED:
                found.append(self._read(progress))
        return found[::-1]

    def approve(self, negotiation: str, user: str = "") -> Progress:
        """Agree to a request that waits, on the terms it asks for.

        Raises:
            NotFound: no such negotiation.
            Conflict: it waits no longer, or the product has changed since.
            Malformed: the product cannot be had on these terms.
        """
        found = self._waiting(negotiation)
        self._terms(found)
        return self._agree(found, user)

    def counter(self, negotiation: str, texts: Mapping[str, str], reason: str, user: str = "") -> Progress:
        """Answer a request that waits with other terms.

        Args:
            texts: by the name of an operand or member; what is not named stays as the request has it.

        Raises:
            NotFound, Malformed: a name or a value is none that the offer can have.
            Conflict: it waits no longer, the product has changed since, or there were too many rounds.
        """
        found = self._waiting(negotiation)
        description, offer = self._current(found).description, self._offer(found)
        changes = {**found.changes, **read(offer, texts)}
        changed_in(description, offer, changes)
        charter.check_terms(self._chartered(), offer, changes)
        return self._answer(found, changes, reason, user)

    def propose(
        self, product: str, offer: str, consumer: str, texts: Mapping[str, str], reason: str = "", user: str = ""
    ) -> Progress:
        """Begin a negotiation: offer a product to a named consumer, as published or on terms for it alone.

        Args:
            offer: a published one; may be empty where the product has one only.
            texts: other terms, by the name of an operand or member; of the consumer's acceptance an agreement is made.

        Raises:
            NotFound: no such product or offer, or it is not for this consumer; or the offer has no such term.
            Malformed: a term has another form, or the product cannot be had on these terms.
            Conflict: the product is not offered any more, or the offer is not named and there are several.
            Refused: the other is no consumer, or the terms are not as the space's charter allows.
            Unauthenticated: the consumer may not act.
            Unavailable: the broker is away.
        """
        description, chosen = self.offered(product, offer)
        check_shown(description, chosen.id, consumer, self._trust, self._author.clock.now())
        self._check_role(consumer)
        changes = read(chosen, texts)
        changed_in(description, chosen, changes)
        charter.check_terms(self._chartered(), chosen, changes)
        opening = OpeningOffer(
            negotiation=new_id("neg"),
            provider=self._author.participant,
            consumer=consumer,
            product=description.product,
            description=self.product(product).statement.digest(),
            offer=chosen.id,
            changes=changes,
            reason=reason[:LONGEST_REASON],
        )
        return self._pen.begin(opening, user)

    def refuse(self, negotiation: str, reason: str, user: str = "") -> Progress:
        """End a negotiation, or take an offer back, with a reason for the consumer; raises as `approve`."""
        found = self._read(negotiating.find(self._negotiations, negotiation))
        return self._pen.terminate(found, "negotiation.refused", reason, user)

    def verdict(self, negotiation: Negotiation) -> Verdict:
        """Where the terms on the table stand between the offer and this provider's limits: for its own people.

        Raises:
            NotFound, Conflict, Malformed: the offer is not there any more, or cannot be had on these terms.
        """
        offer = self._offer(negotiation)
        return answer(offer, negotiation.changes, self._limits(negotiation, offer).changes).verdict

    def _read(self, progress: Progress) -> Negotiation:
        found = negotiating.read(progress, self._trust, self._author.space)
        if found.request.provider != self._author.participant:
            raise NotFound("resource.not_found", what="negotiation", name=progress.id)
        return found

    def _waiting(self, negotiation: str) -> Negotiation:
        found = self._read(negotiating.find(self._negotiations, negotiation))
        if found.state is not State.REQUESTED:
            raise Conflict("negotiation.not_waiting", negotiation=negotiation, state=found.state.value)
        self._pen.check_own(found)
        return found

    def _consider(self, negotiation: Negotiation) -> None:
        """Agree to a request, answer it, end it, or let it wait for a person."""
        if negotiation.state is not State.REQUESTED:
            raise Untrusted("negotiation.broken", negotiation=negotiation.id, where="state")
        self._pen.check_own(negotiation)
        with self._ending(negotiation):
            self._check_consumer(negotiation)
            offer = self._terms(negotiation)
            if self._pen.resume(negotiation) or offer.approval != "automatic":
                return
            limits = self._limits(negotiation, offer)
            found = answer(offer, negotiation.changes, limits.changes)
            if found.verdict is not Verdict.BEYOND or self._offered_before(negotiation, offer):
                self._agree(negotiation)
            elif limits.beyond == COUNTER:
                if found.counter is None:
                    raise Refused("negotiation.beyond", keys=", ".join(found.beyond)[:400])
                self._answer(negotiation, found.counter, "")

    def _offered_before(self, negotiation: Negotiation, offer: Offer) -> bool:
        """Whether what is asked permits no more than what this provider itself offered last."""
        said = [each for each in negotiation.messages if _is_offer(each)]
        if not said:
            return False
        return answer(offer, negotiation.changes, standing(said)).verdict is not Verdict.BEYOND

    def _conclude(self, negotiation: Negotiation) -> None:
        """Agree to what the consumer accepted: a counter-offer that this connector made."""
        if negotiation.state is not State.ACCEPTED:
            raise Untrusted("negotiation.broken", negotiation=negotiation.id, where="state")
        self._pen.check_own(negotiation)
        with self._ending(negotiation):
            self._check_consumer(negotiation)
            self._terms(negotiation)
            self._agree(negotiation)

    @contextmanager
    def _ending(self, negotiation: Negotiation) -> Iterator[None]:
        """End the negotiation for a reason that stands in its way for good; not because somebody moved meanwhile."""
        try:
            yield
        except Unavailable:
            raise
        except HefuError as fault:
            if fault.code in _MEANWHILE:
                raise
            self._pen.terminate(negotiation, fault.code, fault.public())

    def _check_consumer(self, negotiation: Negotiation) -> None:
        newest = [each for each in negotiation.messages if each.issuer == negotiation.request.consumer][-1]
        self._check_role(negotiation.request.consumer, *(each.key for each in newest.signatures))

    def _check_role(self, consumer: str, *keys: str) -> None:
        self._trust.check(consumer, *keys)
        if "consumer" not in self._trust.roles(consumer):
            raise Refused("permission.role", role="consumer")

    def _terms(self, negotiation: Negotiation) -> Offer:
        """The published offer, once it is sure that the product can be had on the terms on the table."""
        offer = self._offer(negotiation)
        if negotiation.changes:
            changed_in(self._current(negotiation).description, offer, negotiation.changes)
            charter.check_terms(self._chartered(), offer, negotiation.changes)
        return offer

    def _limits(self, negotiation: Negotiation, offer: Offer) -> Limits:
        if not negotiation.changes:
            return Limits()
        return self.limits.find(negotiation.request.product, offer.id).of(offer)

    def _answer(self, negotiation: Negotiation, changes: Object, reason: str, user: str = "") -> Progress:
        if sum(_is_offer(each) for each in negotiation.messages) >= MOST_ROUNDS:
            raise Conflict("negotiation.rounds", most=MOST_ROUNDS)
        told: Object = {"changes": changes, "reason": reason[:LONGEST_REASON]}
        return self._pen.send(negotiation, Move.OFFER, lambda: told, user)

    def _offer(self, negotiation: Negotiation) -> Offer:
        request, now = negotiation.request, self._author.clock.now()
        description = self._current(negotiation).description
        offer = check_shown(description, request.offer, request.consumer, self._trust, now)
        charter.check_offer(self._chartered(), offer)
        return offer

    def _current(self, negotiation: Negotiation) -> OwnProduct:
        """The product, if the request names the version that is offered now."""
        held = self.product(negotiation.request.product)
        if held.state is not ProductState.PUBLISHED:
            raise Conflict("product.not_offered", product=held.product)
        if held.statement.digest() != negotiation.request.description:
            raise Conflict("negotiation.differs", where="description")
        return held

    def _agree(self, negotiation: Negotiation, user: str = "") -> Progress:
        with self._lock:
            return self._pen.send(negotiation, Move.AGREE, lambda: self._draw_up(negotiation), user)

    def _draw_up(self, negotiation: Negotiation) -> Object:
        id_ = new_id("agr")
        agreement = agreement_from(
            self._current(negotiation).statement,
            negotiation.opening,
            agreement=id_,
            strategy=new_id("str"),
            connector=self._author.connector,
            log=self._origin,
            at=self._author.clock.now(),
            rounds=negotiation.rounds,
            further=[self._shelf.fetch(each) for each in negotiation.request.further],
            answering=answering(negotiation.request, id_, self._author, self._trust, self._connector_of),
        )
        return {"agreement": embedded(self._author.say(AGREEMENT, agreement.body()))}

    def _finalize(self, negotiation: Negotiation) -> None:
        """Confirm that all other parties signed the very bytes this provider signed."""
        self._pen.check_own(negotiation)
        ours, theirs = self._agreed(negotiation.id), negotiation.agreement
        if theirs is None or theirs.payload != ours.payload:
            raise Untrusted("agreement.differs", where="payload")
        self._trust.verify(theirs, *negotiation.request.parties)
        check_signed(Agreement.of(ours.body).parties, theirs, self._trust.keys, negotiation.id)
        digest = ours.digest()
        self._pen.send(negotiation, Move.FINALIZE, lambda: {"agreement": digest})

    def _agreed(self, negotiation: str) -> Statement:
        said = self._pen.said(negotiation, Move.AGREE)
        if said is None:
            raise Malformed("negotiation.broken", negotiation=negotiation, where="agreed")
        agreement = negotiating.agreement_in(said)
        if agreement is None:
            raise Malformed("negotiation.broken", negotiation=negotiation, where="agreed")
        return agreement


def _is_offer(message: Statement) -> bool:
    return message.type == PREFIX + Move.OFFER.value
