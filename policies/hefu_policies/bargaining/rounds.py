"""The rounds of a negotiation: what each message of one must say, and what was asked and answered, when and by whom.

Broker and connectors check the same things with the same function: a request repeats everything of the first one but
its changes, and after so many rounds nothing more is said but yes or no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Conflict

from hefu_policies.agreeing.changes import CARRIERS, changed_in, standing, terms_of
from hefu_policies.agreeing.request import (
    ACCEPTED,
    LONGEST_REASON,
    OFFERED,
    REQUESTED,
    OpeningOffer,
    check_acceptance,
    check_request,
    subject,
)
from hefu_policies.bargaining.haggling import Order, order
from hefu_policies.goods.product import Description, Offer
from hefu_policies.reading import Place
from hefu_policies.states.negotiation import Move

MOST_ROUNDS = 5  # requests of a consumer in one negotiation, the first included; as many counter-offers
PREFIX = "negotiation."


@dataclass(frozen=True, slots=True)
class CounterOffer:
    """The body of a `negotiation.offered` that answers a request: a provider has terms of its own.

    Attributes:
        changes: of the published offer, in full, as in a request.
        reason: for people; empty where a connector answered by itself.
    """

    negotiation: str
    changes: Object
    previous: tuple[str, ...]
    reason: str = ""

    def body(self) -> Object:
        """``{negotiation, previous, changes, reason}``."""
        return {
            "negotiation": self.negotiation,
            "previous": [*self.previous],
            "changes": dict(self.changes),
            "reason": self.reason,
        }

    @classmethod
    def of(cls, body: Json, where: str = "offered") -> CounterOffer:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(("negotiation", "previous", "changes", "reason"))
        return cls(
            found["negotiation"].text(),
            found["changes"].object(),
            found["previous"].texts(),
            found["reason"].text(LONGEST_REASON, empty=True),
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A term that a round changed: what stood on the table before, what after, and what it means for the consumer.

    Attributes:
        against_offer: how the value after stands to the published offer.
    """

    key: str
    name: str
    en: str
    zh: str
    before: str
    after: str
    against_offer: Order


@dataclass(frozen=True, slots=True)
class Round:
    """One message of a negotiation: who, when, what, before and after.

    Attributes:
        participant: whose connector signed it.
        user: the person or program who acted; empty where the connector acted by itself.
        steps: the terms it changed; none in a message that tells no terms.
    """

    number: int
    move: Move
    participant: str
    user: str
    at: datetime
    steps: tuple[Step, ...] = ()
    reason: str = ""


def check_message(before: Sequence[Statement], message: Statement) -> None:
    """Check what a message says against those before it, as far as that can be done without the product.

    Raises:
        Malformed: it cannot be read, or begins no negotiation.
        Conflict: it is about another thing than was negotiated.
    """
    if not before:
        subject((message,))
    elif message.type == REQUESTED:
        check_request(subject(before), message)
    elif message.type == OFFERED:
        CounterOffer.of(message.body)
    elif message.type == ACCEPTED:
        check_acceptance(subject(before), message)


def check_round(description: Description, offer: Offer, messages: Sequence[Statement], message: Statement) -> Offer:
    """The offer on the terms of a request or counter-offer that follows on these messages.

    Raises:
        Malformed: the terms are none that the offer can have.
        Conflict: there were as many rounds as there may be.
    """
    said = sum(each.type == message.type for each in messages)
    if said >= MOST_ROUNDS:
        raise Conflict("negotiation.rounds", most=MOST_ROUNDS)
    if message.type == OFFERED:
        (CounterOffer if messages else OpeningOffer).of(message.body)
    return changed_in(description, offer, standing((message,)))


def history(description: Description, offer: Offer, messages: Sequence[Statement]) -> tuple[Round, ...]:
    """Every round in order; the messages are verified already.

    Raises:
        Malformed: a message tells terms that the offer cannot have.
    """
    public = terms_of(offer)
    table = public
    found = []
    for number, each in enumerate(messages, 1):
        steps: tuple[Step, ...] = ()
        if each.type in CARRIERS:
            after = terms_of(changed_in(description, offer, standing((each,))))
            steps = tuple(
                Step(key, term.name, term.en, term.zh, table[key].text, term.text, order(term, public[key]))
                for key, term in after.items()
                if term.items != table[key].items
            )
            table = after
        user = each.actor.get("user", "") if each.actor else ""
        reason = each.body.get("reason", "")
        move = Move(each.type.removeprefix(PREFIX))
        found.append(Round(number, move, each.issuer, str(user), each.time, steps, str(reason)))
    return tuple(found)


def asked(messages: Sequence[Statement]) -> int:
    """How many requests a negotiation has."""
    return sum(each.type == CARRIERS[0] for each in messages)
