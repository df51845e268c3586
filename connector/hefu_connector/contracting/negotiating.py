"""A contract negotiation as this connector verified it: each message by who may send it, signed, and none left out.

The broker orders and keeps the messages. What state they lead to is worked out here, from the messages alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Unavailable, Untrusted
from hefu.running import faults
from hefu_policies.agreeing.changes import standing
from hefu_policies.agreeing.contract import AGREEMENT
from hefu_policies.agreeing.request import ContractRequest, OpeningOffer, is_opening, subject
from hefu_policies.bargaining.rounds import check_message
from hefu_policies.states.negotiation import TABLE, Move, Role, State, advance, is_final

from hefu_connector.brokerage import Negotiations, Progress
from hefu_connector.contracting.author import Author
from hefu_connector.ports import Trust
from hefu_connector.shelves import NEGOTIATIONS, Mark, Marks

log = logging.getLogger("hefu.negotiation")

_PREFIX = "negotiation."
_MOST_MESSAGES = 64
_MOST_FAILURES = 10  # reactions to one state of a negotiation, before it is left alone
_AGAIN = "again/"  # marks of what failed, so that the next process tries it too
_HAGGLING = (Move.REQUEST, Move.OFFER, Move.ACCEPT)
# What must not have been said for a move to be made: nothing after an end, and one thing at each place.
_RIVALS = {
    Move.REQUEST: (Move.TERMINATE, Move.ACCEPT),
    Move.ACCEPT: (Move.TERMINATE, Move.REQUEST),
    Move.OFFER: (Move.TERMINATE, Move.AGREE),
    Move.AGREE: (Move.TERMINATE, Move.OFFER),
    Move.ENDORSE: (Move.TERMINATE,),
    Move.VERIFY: (Move.TERMINATE,),
    Move.FINALIZE: (Move.TERMINATE,),
}


@dataclass(frozen=True, slots=True)
class Negotiation:
    """A verified negotiation.

    Attributes:
        state: what its messages lead to.
        opening: the first message: the consumer's request, or the provider's offer to it.
        request: what is negotiated (`hefu_policies.agreeing.request.subject`).
        changes: the terms on the table, as changes of the offer: those of the newest request or counter-offer.
        agreement: as the newest message that carries it has it; its signatures are still to be verified.
    """

    id: str
    state: State
    opening: Statement
    request: ContractRequest
    messages: tuple[Statement, ...]
    agreement: Statement | None = None

    def role(self, participant: str) -> Role:
        """The part of one of the two parties."""
        return Role.PROVIDER if participant == self.request.provider else Role.CONSUMER

    @property
    def changes(self) -> Object:
        """See the attributes."""
        return standing(self.messages)

    @property
    def is_offered(self) -> bool:
        """Whether its provider began it."""
        return is_opening(self.messages)

    @property
    def rounds(self) -> tuple[Statement, ...]:
        """What was said after the first message and before the agreement."""
        said = [each for each in self.messages if _move(each) in _HAGGLING]
        return tuple(said[1:])

    @property
    def next_to_sign(self) -> str:
        """Whose signature the agreement lacks first; empty where it has all, or there is none yet."""
        signed = len(self.agreement.signatures) if self.agreement is not None else len(self.request.parties)
        return next(iter(self.request.parties[signed:]), "")

    @property
    def previous(self) -> tuple[str, ...]:
        """The digests of all messages so far: what the next message names."""
        return tuple(each.digest() for each in self.messages)


def read(progress: Progress, trust: Trust, space: str) -> Negotiation:
    """The negotiation that these messages are.

    Raises:
        Malformed: a message cannot be read.
        Untrusted: one is not signed by its party, of another negotiation, out of its place, or the first is missing.
        Conflict: a move that its state does not allow.
    """
    if not 0 < len(progress.messages) <= _MOST_MESSAGES:
        raise Untrusted("negotiation.broken", negotiation=progress.id, where="messages")
    request = subject(progress.messages[:1])
    parties = dict.fromkeys(request.endorsers, Role.ENDORSER)
    parties |= {request.consumer: Role.CONSUMER, request.provider: Role.PROVIDER}
    state: State | None = None
    earlier: list[Json] = []
    agreement: Statement | None = None
    for place, message in enumerate(progress.messages):
        role = parties.get(message.issuer)
        _hold(progress, "space", message.space == space)
        _hold(progress, "id", message.body.get("negotiation") == progress.id)
        _hold(progress, "previous", message.body.get("previous") == earlier)
        if role is None or not message.type.startswith(_PREFIX):
            raise Untrusted("negotiation.broken", negotiation=progress.id, where="issuer")
        trust.verify(message)
        state = advance(state, role, _move(message))
        check_message(progress.messages[:place], message)
        agreement = agreement_in(message) or agreement
        earlier.append(message.digest())
    if state is None:
        raise Untrusted("negotiation.broken", negotiation=progress.id, where="messages")
    request = subject(progress.messages)
    return Negotiation(progress.id, state, progress.messages[0], request, progress.messages, agreement)


class Pen:
    """Writes each message of a negotiation once: a repetition, also after a crash, sends the same bytes.

    INVARIANT: a message is kept durably before it is sent, so that neither a power cut nor a broker that shows an old
    state can make this connector sign two agreements for one negotiation.
    INVARIANT: it says one thing at each place of a negotiation, also where two of its people decide at once: it agrees
    or offers other terms, it accepts or asks for other terms.
    INVARIANT: after its own termination a connector says nothing more in a negotiation, whatever state it is shown.
    """

    def __init__(self, author: Author, negotiations: Negotiations, marks: Marks) -> None:
        self.author = author
        self._negotiations = negotiations
        self._marks = marks
        self._lock = threading.Lock()

    def send(self, negotiation: Negotiation, move: Move, make: Callable[[], Object], user: str = "") -> Progress:
        """Send one message; `make` gives what its body has besides the negotiation and the messages before it.

        Raises:
            Conflict: this connector ended the negotiation before, or the broker says that its state does not allow it.
        """
        with self._lock:
            message = self._keep(negotiation, move, make, user)
        faults.point("negotiation.kept")
        try:
            return self._negotiations.advance(message)
        except Conflict:
            if move is Move.TERMINATE:
                # It did not end it, and whoever asked is told so: the negotiation goes on.
                self._marks.remove(_said(negotiation.id, move))
            raise

    def resume(self, negotiation: Negotiation) -> bool:
        """Send what was kept as this side's answer and may never have left; whether there was such a thing.

        A person's answer is kept before it is sent: after a crash in between nobody need give it again.
        """
        role = negotiation.role(self.author.participant)
        for move in Move:
            if (negotiation.state, role, move) not in TABLE:
                continue
            held = self.said(negotiation.id, move, len(negotiation.messages))
            if held is not None and held.body.get("previous") == [*negotiation.previous]:
                self._negotiations.advance(held)
                return True
        return False

    def check_own(self, negotiation: Negotiation) -> None:
        """Check that every message in this participant's name is one that this connector wrote.

        A signature under our key is not enough: whoever stole it could offer or accept terms in our name.

        Raises:
            Untrusted: one is not.
        """
        for place, message in enumerate(negotiation.messages):
            if message.issuer != self.author.participant:
                continue
            held = said(self._marks, negotiation.id, _move(message), place)
            if held is None or held.payload != message.payload:
                raise Untrusted("negotiation.unheld", negotiation=negotiation.id)

    def _keep(self, negotiation: Negotiation, move: Move, make: Callable[[], Object], user: str) -> Statement:
        place = len(negotiation.messages)
        against = [_said(negotiation.id, each, place) for each in _RIVALS.get(move, ())]
        if any(self._marks.find(each) is not None for each in against):
            raise Conflict("negotiation.moved", negotiation=negotiation.id)
        held = self.said(negotiation.id, move, place)
        if held is not None:
            return held
        body: Object = {"negotiation": negotiation.id, "previous": [*negotiation.previous], **make()}
        message = self.author.say(_type(move), body, user=user)
        mark = Mark(_said(negotiation.id, move, place), 1, message.to_bytes().decode())
        try:
            # A replica of this connector may write at this instant: whichever message is first stands for both.
            kept = self._marks.first(mark, *against)
        except Conflict:
            raise Conflict("negotiation.moved", negotiation=negotiation.id) from None
        return Statement.parse(kept.text.encode())

    def said(self, negotiation: str, move: Move, place: int = 0) -> Statement | None:
        """The message this connector sent as that move, or None."""
        return said(self._marks, negotiation, move, place)

    def begin(self, first: ContractRequest | OpeningOffer, user: str) -> Progress:
        """Send the first message of a negotiation: a consumer's request, or a provider's offer."""
        move = Move.OFFER if isinstance(first, OpeningOffer) else Move.REQUEST
        message = self.author.say(_type(move), first.body(), user=user)
        self._marks.advance(Mark(_said(first.negotiation, move), 1, message.to_bytes().decode()))
        faults.point("negotiation.kept")
        return self._negotiations.advance(message)

    def terminate(self, negotiation: Negotiation, code: str, reason: str, user: str = "") -> Progress:
        """End a negotiation with a reason that people can read."""
        return self.send(negotiation, Move.TERMINATE, lambda: {"code": code, "reason": reason[:500]}, user)


class Watch:
    """Follows the negotiations of this participant and hands every change on, once or again after a crash.

    Args:
        react: takes a change; if it raises Unavailable the change comes again at once, after any other failure a few
            times more, since a participant may be known only a moment later.
    """

    def __init__(self, negotiations: Negotiations, marks: Marks, react: Callable[[Progress], None]) -> None:
        self._negotiations = negotiations
        self._marks = marks
        self._react = react
        self._failed: dict[str, int] = {}
        self._looked_back = False

    def look_again(self) -> None:
        """Look once more at everything that is not over, before the next changes are taken."""
        self._looked_back = False

    def follow(self) -> None:
        """Take changes after the last revision seen until the link breaks; raises Unavailable then."""
        if not self._looked_back:
            self._look_back()
        mark = self._marks.find(NEGOTIATIONS)
        for progress in self._negotiations.watch(mark.number if mark else 0):
            self._take(progress)
            self._marks.advance(Mark(NEGOTIATIONS, progress.revision))

    def try_again(self) -> None:
        """React once more to what failed before; raises Unavailable."""
        for id_ in list(self._failed):
            try:
                progress = self._negotiations.negotiation(f"negotiations/{id_}")
            except NotFound:  # a broker that lost it: there is nothing to try any more
                self._failed.pop(id_)
                self._marks.remove(_AGAIN + id_)
            else:
                self._take(progress)

    def _look_back(self) -> None:
        """After a start, look once at everything that is not over: what an earlier process could not do is done now.

        What failed there is tried again too, also where it is over: an agreement that could not be verified then, as
        the broker's key was not known yet, would not be looked at any more.
        """
        for mark in self._marks.all(_AGAIN):
            self._failed.setdefault(mark.name.removeprefix(_AGAIN), 0)
        for progress in self._negotiations.negotiations():
            if not is_final(progress.state):
                self._take(progress)
        self._looked_back = True

    def _take(self, progress: Progress) -> None:
        try:
            self._react(progress)
        except Unavailable:
            raise
        except HefuError as fault:
            log.warning("negotiation %s: %s: %s", progress.id, fault.code, fault.public())
            failures = self._failed.pop(progress.id, 0) + 1
            self._marks.advance(Mark(_AGAIN + progress.id, 1))
            if failures < _MOST_FAILURES:
                self._failed[progress.id] = failures
        else:
            if self._failed.pop(progress.id, None) is not None:
                self._marks.remove(_AGAIN + progress.id)


def said(marks: Marks, negotiation: str, move: Move, place: int = 0) -> Statement | None:
    """What this connector said in a negotiation as that move, by the bytes it kept; None if it did not.

    Args:
        place: how many messages were before it; of moves that are made once only it does not matter.
    """
    kept = marks.find(_said(negotiation, move, place))
    return Statement.parse(kept.text.encode()) if kept else None


def find(negotiations: Negotiations, id_: str) -> Progress:
    """A negotiation by its own id, or by that of the agreement it led to; raises NotFound."""
    if id_.startswith("agr-"):
        return negotiations.negotiation(f"agreements/{id_}")
    if id_.startswith("neg-"):
        return negotiations.negotiation(f"negotiations/{id_}")
    raise NotFound("resource.not_found", what="negotiation", name=id_)


def embedded(statement: Statement) -> Object:
    """A whole envelope as the JSON object that stands in another statement's body."""
    return canonical.decode_object(statement.to_bytes())


def agreement_in(message: Statement) -> Statement | None:
    """The agreement that stands in a message, unverified; None in messages that carry none."""
    if message.type not in (_type(Move.AGREE), _type(Move.ENDORSE), _type(Move.VERIFY)):
        return None
    inside = message.body.get("agreement")
    if not isinstance(inside, dict):
        raise Malformed("statement.malformed", why=f"{message.type} lacks the agreement")
    return Statement.parse(canonical.encode(inside)).expect(AGREEMENT)


def _said(negotiation: str, move: Move, place: int = 0) -> str:
    several = move in (Move.REQUEST, Move.OFFER) and place > 0
    return f"said/{negotiation}/{move.value}" + (f"/{place}" if several else "")


def _type(move: Move) -> str:
    return _PREFIX + move.value


def _move(message: Statement) -> Move:
    try:
        return Move(message.type.removeprefix(_PREFIX))
    except ValueError:
        raise Malformed("statement.wrong_type", found=message.type, expected="a negotiation message") from None


def _hold(progress: Progress, where: str, holds: bool) -> None:
    if not holds:
        raise Untrusted("negotiation.broken", negotiation=progress.id, where=where)
