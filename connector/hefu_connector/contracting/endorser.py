"""The role of every further party: derive what the first provider drew up, check it, sign the same bytes in its turn.

A further provider agrees to its own offer exactly as the first one does: only as it stands, only to a consumer in good
standing, and by hand where the offer says so. A service provider brings no data and checks its own place in it.
"""

from __future__ import annotations

from hefu.canonical import Object
from hefu.errors import Conflict, HefuError, NotFound, Refused, Unavailable, Untrusted
from hefu_policies.agreeing.contract import check_agreement
from hefu_policies.agreeing.joint import Sought
from hefu_policies.bargaining import charter
from hefu_policies.goods.product import Description
from hefu_policies.states.negotiation import Move, State

from hefu_connector.brokerage import Negotiations, Progress
from hefu_connector.contracting import negotiating
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.negotiating import Negotiation, Pen, embedded
from hefu_connector.contracting.shelf import Shelf
from hefu_connector.contracting.showing import check_shown
from hefu_connector.contracting.signing import check_before_signing
from hefu_connector.ports import Chartered, Trust
from hefu_connector.shelves import Products, ProductState


class Endorser:
    """A participant as further party of an agreement. Safe to use from many threads.

    Args:
        origin: the log in which agreements must stand, as pinned.
        chartered: gives the newest verified charter of the space, or None where it has none.
    """

    def __init__(
        self,
        author: Author,
        trust: Trust,
        products: Products,
        shelf: Shelf,
        negotiations: Negotiations,
        pen: Pen,
        agreements: Agreements,
        origin: str,
        chartered: Chartered,
    ) -> None:
        self._author = author
        self._trust = trust
        self._products = products
        self._shelf = shelf
        self._negotiations = negotiations
        self._pen = pen
        self._agreements = agreements
        self._origin = origin
        self._chartered = chartered

    def react(self, progress: Progress) -> None:
        """Do what a change of a negotiation asks of a further party; doing it again changes nothing.

        Raises:
            Untrusted, Malformed: the messages do not verify; nothing is done.
            Unavailable: the broker is away; the change must come again.
        """
        if self._author.participant not in progress.endorsers:
            return  # whoever oversees a space sees everybody's
        if progress.state is State.AGREED:
            self._consider(self._read(progress))
        else:
            self._agreements.settle(progress)

    def concerns(self, negotiation: str) -> bool:
        """Whether this participant is a further party of a negotiation; raises NotFound, Unavailable."""
        found = negotiating.find(self._negotiations, negotiation)
        return self._author.participant in found.endorsers

    def approve(self, negotiation: str, user: str = "") -> Progress:
        """Endorse what waits for a person's approval.

        Raises:
            NotFound: no such negotiation.
            Conflict: it is not this party's turn, or the product has changed since.
        """
        found = self._read(negotiating.find(self._negotiations, negotiation))
        if not self._is_our_turn(found):
            raise Conflict("negotiation.not_waiting", negotiation=negotiation, state=found.state.value)
        self._check(found)
        return self._endorse(found, user)

    def refuse(self, negotiation: str, reason: str, user: str = "") -> Progress:
        """End a negotiation with a reason for the others; raises as `approve`."""
        found = self._read(negotiating.find(self._negotiations, negotiation))
        return self._pen.terminate(found, "negotiation.refused", reason, user)

    def _read(self, progress: Progress) -> Negotiation:
        found = negotiating.read(progress, self._trust, self._author.space)
        if self._author.participant not in found.request.endorsers:
            raise NotFound("resource.not_found", what="negotiation", name=progress.id)
        return found

    def _is_our_turn(self, negotiation: Negotiation) -> bool:
        return negotiation.state is State.AGREED and negotiation.next_to_sign == self._author.participant

    def _consider(self, negotiation: Negotiation) -> None:
        if not self._is_our_turn(negotiation):
            return
        try:
            if self._check(negotiation):
                self._endorse(negotiation)
        except Unavailable:
            raise
        except HefuError as fault:
            self._pen.terminate(negotiation, fault.code, fault.public())

    def _check(self, negotiation: Negotiation) -> bool:
        """Check the whole agreement; whether it may be endorsed without asking a person."""
        request, offered = negotiation.request, negotiation.agreement
        if offered is None:
            raise Untrusted("negotiation.broken", negotiation=negotiation.id, where="agreement")
        self._trust.check(request.consumer, *(each.key for each in negotiation.opening.signatures))
        if "consumer" not in self._trust.roles(request.consumer):
            raise Refused("permission.role", role="consumer")
        automatic = self._check_own(negotiation)
        description, *further = map(self._shelf.fetch, request.sought)
        derived = check_agreement(
            offered, description, negotiation.opening, log=self._origin, further=further
        )  # fmt: skip
        signers = request.parties[: len(offered.signatures)]
        check_before_signing(derived, offered, negotiation.opening, signers, self._author, self._trust)
        return automatic

    def _check_own(self, negotiation: Negotiation) -> bool:
        """Check what is asked of this party itself; whether it says yes without asking a person."""
        request, mine = negotiation.request, self._author.participant
        own = next((each for each in request.further if each.provider == mine), None)
        if own is None:
            return True  # a service provider brings nothing of its own
        held = self._products.find(own.product)
        if held is None or held.state is not ProductState.PUBLISHED:
            raise Conflict("product.not_offered", product=own.product)
        if held.statement.digest() != own.description:
            raise Conflict("negotiation.differs", where="description")
        return self._approval(negotiation, own, held.description) == "automatic"

    def _approval(self, negotiation: Negotiation, own: Sought, description: Description) -> str:
        request, now = negotiation.request, self._author.clock.now()
        offer = check_shown(description, own.offer, request.consumer, self._trust, now)
        if not all(map(offer.visibility.allows, {*request.parties} - {self._author.participant})):
            raise NotFound("offer.not_found", product=own.product, offer=own.offer)
        charter.check_offer(self._chartered(), offer)
        return offer.approval

    def _endorse(self, negotiation: Negotiation, user: str = "") -> Progress:
        def sign() -> Object:
            if negotiation.agreement is None:
                raise Untrusted("negotiation.broken", negotiation=negotiation.id, where="agreement")
            return {"agreement": embedded(negotiation.agreement.sign(self._author.signer, self._author.clock.now()))}

        return self._pen.send(negotiation, Move.ENDORSE, sign, user)
