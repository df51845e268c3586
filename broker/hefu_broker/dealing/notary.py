"""The broker as notary: what each message of a negotiation must say, and what it makes of the negotiation.

It decides nothing about data and can neither make nor alter an agreement: a connector verifies the parties'
signatures, the countersignature and its log proof itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Signer, Statement, draft
from hefu.errors import Conflict, Malformed, NotFound, Refused, Untrusted
from hefu.identity import Binding
from hefu_policies.agreeing.changes import standing
from hefu_policies.agreeing.contract import AGREEMENT, Agreement, Sought, check_agreement
from hefu_policies.agreeing.request import ContractRequest, OpeningOffer, check_acceptance, check_request, subject
from hefu_policies.agreeing.signatories import check_signers
from hefu_policies.bargaining import charter, rounds
from hefu_policies.goods.product import Description, Offer
from hefu_policies.states.lifecycle import ProductState
from hefu_policies.states.negotiation import Move, Role, State, advance

from hefu_broker.dealing.showing import Showing
from hefu_broker.membership.trust import Trust, members, text
from hefu_broker.ports import CatalogStore
from hefu_broker.records import Listing, Talk

FINALIZED = "agreement.finalized"
_PREFIX = "negotiation."
_ID = re.compile(r"[a-z]{3}-[a-z0-9-]{16,60}\Z")
_NEW = timedelta(minutes=15)  # how far an agreement's beginning may be from now
_MOVES = tuple(Move)


class Notary:
    """Checks messages against the negotiation so far; keeps nothing.

    Args:
        operator: the broker's participant id, in whose name `signer` countersigns.
        log: the origin of the space's log.
    """

    def __init__(self, trust: Trust, catalog: CatalogStore, operator: str, signer: Signer, log: str) -> None:
        self._trust = trust
        self._catalog = catalog
        self._operator = operator
        self._signer = signer
        self._log = log
        self._showing = Showing(trust)
        self._moves: dict[Move, Callable[[Talk, Statement, Binding], Talk]] = {
            Move.REQUEST: self._request,
            Move.OFFER: self._offer,
            Move.ACCEPT: self._accept,
            Move.AGREE: self._agree,
            Move.ENDORSE: self._endorse,
            Move.VERIFY: self._verify,
            Move.FINALIZE: self._finalize,
            Move.TERMINATE: self._terminate,
        }

    def start(self, message: Statement, caller: Binding, held: Talk | None) -> Talk:
        """A new negotiation from a consumer's verified request, or from a provider's offer to a named consumer.

        Raises:
            Conflict: the id is used, or the product is another version by now.
            NotFound: there is no such offer for this consumer.
            Refused: whoever begins, or the consumer it is begun with, has not the role for it.
        """
        if held is not None:  # an id is never used again, and a further message names those before it
            raise Conflict("negotiation.taken")
        if move_of(message) is Move.OFFER:
            return self._offered_first(OpeningOffer.of(message.body), message, caller)
        request = ContractRequest.of(message.body)
        self._trust.participant(caller, "consumer")
        if (request.consumer, request.connector) != (caller.participant, caller.connector):
            raise Refused("identity.mismatch", found=caller.participant, expected=request.consumer)
        if request.previous:
            raise Conflict("negotiation.previous")
        return self._begun(request, message, advance(None, Role.CONSUMER, Move.REQUEST))

    def _offered_first(self, opening: OpeningOffer, message: Statement, caller: Binding) -> Talk:
        self._trust.participant(caller, "provider")
        if opening.provider != caller.participant:
            raise Refused("identity.mismatch", found=caller.participant, expected=opening.provider[:64])
        self._trust.directory.check_active(opening.consumer, self._trust.clock.now())
        if "consumer" not in self._trust.directory.roles(opening.consumer):
            raise Refused("permission.role", role="consumer")
        return self._begun(opening.subject, message, advance(None, Role.PROVIDER, Move.OFFER))

    def _begun(self, request: ContractRequest, message: Statement, state: State) -> Talk:
        _check_prefix(request.negotiation, "neg-")
        talk = Talk(
            id=request.negotiation,
            consumer=request.consumer,
            provider=request.provider,
            product=request.product,
            description=request.description,
            offer=request.offer,
            state=state,
            messages=(message,),
            updated=self._trust.clock.now(),
            further=request.further,
            service=request.service,
        )
        description, offer = self._offered(talk.sought[0], talk)
        rounds.check_round(description, offer, (), message)
        # The charter may be newer than the listing.
        charter.check_terms(self._trust.directory.charter, offer, request.changes)
        for each in talk.further:
            _, offer = self._offered(each, talk)
            charter.check_offer(self._trust.directory.charter, offer)
        if talk.service and "service" not in self._trust.directory.roles(talk.service):
            raise Refused("permission.role", role="service")
        return talk

    def _offered(self, sought: Sought, talk: Talk) -> tuple[Description, Offer]:
        """An offer that stands as it was read, is listed for all who will read it in the agreement, and does not
        definitely exclude the consumer. Any other is answered as one that is not there."""
        readers = {*talk.parties} - {sought.provider}
        try:
            listing = self._catalog.listing(sought.product)
        except NotFound:
            raise NotFound("offer.not_found", product=sought.product, offer=sought.offer) from None
        offer = listing.description.offer(sought.offer)
        if offer is None or listing.provider != sought.provider or not all(map(offer.visibility.allows, readers)):
            raise NotFound("offer.not_found", product=sought.product, offer=sought.offer)
        self._check_shown(sought, listing, talk.consumer)
        if listing.state is not ProductState.LISTED:
            raise Conflict("product.unlisted", product=sought.product)
        if listing.digest != sought.description:
            raise Conflict("product.version", product=sought.product, version=listing.description.version)
        return listing.description, offer

    def _check_shown(self, sought: Sought, listing: Listing, consumer: str) -> None:
        if not self._showing.offer(listing, sought.offer, consumer):
            raise NotFound("offer.not_found", product=sought.product, offer=sought.offer)

    def step(self, message: Statement, caller: Binding, move: Move, held: Talk | None) -> Talk:
        """The negotiation after a party's verified message.

        Raises:
            NotFound: there is none, or the caller is no party.
            Conflict, Untrusted: the message does not follow from it.
        """
        # 1. Only a party moves, and only as its role and the state allow.
        if held is None:
            raise NotFound("resource.not_found", what="negotiation", name=text(message.body, "negotiation")[:64])
        state = advance(held.state, role_of(held, caller.participant), move)
        # 2. It has seen exactly the messages so far.
        if message.body.get("previous") != digests(held):
            raise Conflict("negotiation.previous")
        # 3. Towards an agreement: the product is still listed and both parties may act.
        if move is not Move.TERMINATE:
            self._check_open(held)
        # 4. What the move itself says.
        talk = self._moves[move](held, message, caller)
        return replace(talk, state=state, messages=(*held.messages, message), updated=self._trust.clock.now())

    def _check_open(self, held: Talk) -> None:
        now = self._trust.clock.now()
        for party in held.parties:
            self._trust.directory.check_active(party, now)
        for each in held.sought:
            if self._catalog.listing(each.product).state is not ProductState.LISTED:
                raise Conflict("product.unlisted", product=each.product)
            listing = self._catalog.listing(each.product, each.description)
            offer = listing.description.offer(each.offer)
            changes = standing(held.messages) if each.product == held.product else {}
            if offer is not None:
                self._check_shown(each, listing, held.consumer)
                charter.check_terms(self._trust.directory.charter, offer, changes)

    def _request(self, held: Talk, message: Statement, caller: Binding) -> Talk:
        request = check_request(subject(held.messages), message)
        if request.connector != caller.connector:
            raise Refused("identity.mismatch", found=caller.connector, expected=request.connector[:64])
        return self._round(held, message)

    def _offer(self, held: Talk, message: Statement, _: Binding) -> Talk:
        return self._round(held, message)

    def _round(self, held: Talk, message: Statement) -> Talk:
        """The terms that a message puts on the table can be agreed on, and there were not too many rounds."""
        if held.further:
            raise Conflict("offer.joint", offer=held.offer)
        description = self._catalog.listing(held.product, held.description).description
        offer = description.offer(held.offer)
        if offer is None:
            raise NotFound("offer.not_found", product=held.product, offer=held.offer)
        rounds.check_round(description, offer, held.messages, message)
        charter.check_terms(self._trust.directory.charter, offer, standing((message,)))
        return held

    def _accept(self, held: Talk, message: Statement, caller: Binding) -> Talk:
        found = check_acceptance(subject(held.messages), message)
        if found.connector and found.connector != caller.connector:
            raise Refused("identity.mismatch", found=caller.connector, expected=found.connector[:64])
        return held

    def _agree(self, held: Talk, message: Statement, caller: Binding) -> Talk:
        body = members(message.body, "negotiation", "previous", "agreement")
        offered = _nested(body["agreement"])
        self._trust.check(offered, held.provider)
        described = [self._catalog.listing(each.product, each.description).statement for each in held.sought]
        found = check_agreement(
            offered, described[0], held.messages[0], log=self._log, rounds=held.messages[1:], further=described[1:]
        )
        check_signers(found.parties, offered, self._trust.directory.keys_of, found.id, 1)
        charter.check_filing(self._trust.directory.charter, found)
        _check_prefix(found.id, "agr-")
        if found.provider.connector != caller.connector:
            raise Refused("identity.mismatch", found=caller.connector, expected=found.provider.connector[:64])
        if abs(found.not_before - self._trust.clock.now()) > _NEW:
            raise Untrusted("agreement.differs", where="not_before")
        return replace(held, agreement=offered)

    def _endorse(self, held: Talk, message: Statement, caller: Binding) -> Talk:
        """A further party signs, each in its turn: so everybody sees who signed before, and nobody is left out."""
        signed = self._signed_further(held, message)
        turn = len(held.agreement.signatures) + 1 if held.agreement is not None else 0
        if held.parties[turn - 1] != caller.participant or held.consumer == caller.participant:
            raise Conflict("negotiation.turn", negotiation=held.id)
        self._check_signed(signed, *held.parties[:turn])
        party = Agreement.of(signed.body).party(caller.participant)
        if party is None or party.connector != caller.connector:
            raise Refused("identity.mismatch", found=caller.connector, expected=party.connector if party else "-")
        return replace(held, agreement=signed)

    def _verify(self, held: Talk, message: Statement, _: Binding) -> Talk:
        signed = self._signed_further(held, message)
        self._check_signed(signed, *held.parties)
        return replace(held, agreement=signed)

    def _signed_further(self, held: Talk, message: Statement) -> Statement:
        """Exactly the bytes that the provider signed, with the very signatures they had, and one more beside them."""
        body = members(message.body, "negotiation", "previous", "agreement")
        signed, before = _nested(body["agreement"]), held.agreement
        kept = before is not None and signed.signatures[: len(before.signatures)] == before.signatures
        if before is None or signed.payload != before.payload or not kept:
            raise Untrusted("agreement.altered")
        return signed

    def _check_signed(self, signed: Statement, *signers: str) -> None:
        """Check that exactly these parties signed, under keys that the agreement names."""
        self._trust.check(signed, *signers)
        agreement = Agreement.of(signed.body)
        check_signers(agreement.parties, signed, self._trust.directory.keys_of, agreement.id, len(signers))

    def _finalize(self, held: Talk, message: Statement, _: Binding) -> Talk:
        body = members(message.body, "negotiation", "previous", "agreement")
        signed = held.agreement
        if signed is None or body["agreement"] != signed.digest():
            raise Conflict("agreement.other")
        self._check_signed(signed, *held.parties)
        at = self._trust.clock.now()
        said: Object = {
            "negotiation": held.id,
            "agreement": signed.digest(),
            "envelope": canonical.digest(signed.to_bytes()),
            "parties": [*held.parties],
        }
        made = draft(FINALIZED, said, space=self._trust.directory.space, issuer=self._operator, at=at)
        return replace(held, countersignature=made.sign(self._signer, at))

    def _terminate(self, held: Talk, message: Statement, _: Binding) -> Talk:
        body = members(message.body, "negotiation", "previous", "code", "reason")
        text(body, "code")
        text(body, "reason", 1000)
        return held


def move_of(message: Statement) -> Move:
    """The move that a message makes.

    Raises:
        Malformed: it is no message of a negotiation that is taken here.
    """
    word = message.type.removeprefix(_PREFIX)
    if message.type != _PREFIX + word or word not in _MOVES:
        raise Malformed("statement.wrong_type", found=message.type[:64], expected=f"{_PREFIX}*")
    return Move(word)


def role_of(talk: Talk, participant: str) -> Role:
    """The part a participant has in a negotiation.

    Raises:
        NotFound: none; it may not even know of it.
    """
    if participant not in talk.parties:
        raise NotFound("resource.not_found", what="negotiation", name=talk.id[:64])
    if participant in talk.endorsers:
        return Role.ENDORSER
    return Role.PROVIDER if participant == talk.provider else Role.CONSUMER


def digests(talk: Talk) -> list[str]:
    """The digests of the messages so far, in order: what the next message must name."""
    return [each.digest() for each in talk.messages]


def _nested(value: Json) -> Statement:
    return Statement.parse(canonical.encode(value)).expect(AGREEMENT)


def _check_prefix(id_: str, prefix: str) -> None:
    """Ids of negotiations and agreements never meet: both name a negotiation to its parties."""
    if not id_.startswith(prefix) or not _ID.match(id_):
        raise Malformed("negotiation.id", prefix=prefix)
