"""Contract negotiations and agreements: taken in, kept, shown to their parties, watched.

What a message must say stands in `hefu_broker.dealing.notary`. State, messages and what goes to the log change
together or not at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from hefu.envelope import Statement
from hefu.errors import Conflict, NotFound
from hefu.identity import Binding
from hefu.running.changes import Changes
from hefu_policies.states import lifecycle
from hefu_policies.states.lifecycle import Actor, AgreementMove, AgreementState
from hefu_policies.states.negotiation import Move, State

from hefu_broker import pages
from hefu_broker.dealing.notary import Notary, digests, move_of, role_of
from hefu_broker.membership.trust import Trust, members, text
from hefu_broker.pages import Pages
from hefu_broker.ports import Announce, TalkStore
from hefu_broker.records import Outgoing, Talk

ENDED = "agreement.terminated"
MOST_UNANSWERED = 16  # offers of one provider that wait for one consumer: it is asked, and not flooded
_BATCH = 64


class Contracts:
    """Negotiations and agreements of one space.

    Args:
        notary: says what each message makes of a negotiation.
        announce: called after something was queued for the log.
        changes: rings after every change of a negotiation.
    """

    def __init__(
        self,
        trust: Trust,
        store: TalkStore,
        notary: Notary,
        announce: Announce,
        changes: Changes,
    ) -> None:
        self._trust = trust
        self._store = store
        self._notary = notary
        self._announce = announce
        self._changes = changes
        self._pages = Pages()
        self._lock = threading.Lock()

    def advance(self, caller: Binding, data: bytes) -> Talk:
        """Take one signed message: it starts a negotiation or moves it. The same message again changes nothing.

        Raises:
            NotFound: no such negotiation, or the caller is no party of it.
            Conflict: the message does not follow from the state, or from the messages so far.
            Refused, Malformed, Untrusted, Unauthenticated: a check on the message failed.
        """
        message = self._trust.read(data, caller)
        move = move_of(message)
        with self._lock:
            held = self._held(text(message.body, "negotiation"))
            if held is not None and self._repeated(held, message):
                return held
            if move in (Move.REQUEST, Move.OFFER) and not message.body.get("previous"):
                talk = self._notary.start(message, caller, held)
            else:
                talk = self._notary.step(message, caller, move, held)
            most = MOST_UNANSWERED if held is None and move is Move.OFFER else 0
            try:
                kept = self._store.record(talk, held.revision if held else None, _outgoing(talk, message), most)
            except Conflict:
                held = self._held(talk.id)  # the same message may have been taken by another process
                if held is None or not self._repeated(held, message):
                    raise
                return held
        self._announce()
        self._changes.announce()
        return kept

    def terminate(self, caller: Binding, data: bytes) -> Talk:
        """End an agreement by a party's signed statement; acts at once.

        Raises:
            NotFound: the caller has no such agreement.
            Conflict: the statement names another agreement's bytes, or it ended already.
        """
        message = self._trust.read(data, caller, ENDED)
        body = members(message.body, "agreement", "digest", "code", "reason")
        text(body, "code")
        text(body, "reason", 1000)
        with self._lock:
            held = self._mine(caller, text(body, "agreement"))
            if held.termination is not None and held.termination.digest() == message.digest():
                return held
            if held.agreement is None or held.state is not State.FINALIZED:
                raise NotFound("resource.not_found", what="agreement", name=text(body, "agreement")[:64])
            # By its own id, not by the negotiation's: else no connector would take this for its end.
            if (body["agreement"], body["digest"]) != (held.agreement.body["agreement"], held.agreement.digest()):
                raise Conflict("agreement.other")
            state = AgreementState.ACTIVE if held.termination is None else AgreementState.ENDED
            lifecycle.advance_agreement(state, Actor(role_of(held, caller.participant).value), AgreementMove.TERMINATE)
            talk = replace(held, termination=message, updated=self._trust.clock.now())
            kept = self._store.record(talk, held.revision, [Outgoing.of(message, *held.parties)])
        self._announce()
        self._changes.announce()
        return kept

    def talk(self, caller: Binding, id_: str) -> Talk:
        """A negotiation by its id or its agreement's, for its parties and for those who oversee. Raises NotFound."""
        found = self._store.talk(id_)
        if caller.participant not in found.parties and not self._trust.oversees(caller):
            raise NotFound("resource.not_found", what="negotiation", name=id_[:64])
        return found

    def page(self, caller: Binding, size: int, token: str) -> tuple[list[Talk], str]:
        """The caller's negotiations, newest change first, and the token of the next page."""
        before = self._pages.position(token, caller.participant)
        most = pages.size(size)
        held = self._store.page(self.reader(caller), before, most)
        found = pages.fitting(held, _length)
        full = len(held) == most or len(found) < len(held)
        return found, self._pages.token(found[-1].revision, caller.participant) if full else ""

    def watch(self, caller: Binding, after: int, done: Callable[[], bool]) -> Iterator[Talk]:
        """Every change of the caller's negotiations above a revision, as it comes.

        Args:
            done: when it holds, and when the process ends, there is nothing more.
        """
        while not (done() or self._changes.closed):
            mark = self._changes.mark()
            # Asked each time: a charter may have taken the role of regulator away meanwhile.
            batch = self.changed(self.reader(caller), after)
            for talk in batch:
                yield talk
                after = talk.revision
            if not batch:
                self._changes.wait(mark, done)

    def changed(self, party: str | None, after: int) -> list[Talk]:
        """The next changes of a party's negotiations (None: of all) above a revision; not all of them at once."""
        return self._store.changes(party, after, _BATCH)

    def reader(self, caller: Binding) -> str | None:
        """Whose negotiations the caller may read: its participant's; None for all."""
        return None if self._trust.oversees(caller) else caller.participant

    def settle(self, size: int) -> None:
        """Tell watchers which countersignatures now stand under a published checkpoint of this size."""
        if self._store.settle(size):
            self._changes.announce()

    def _repeated(self, held: Talk, message: Statement) -> bool:
        return message.issuer in held.parties and message.digest() in digests(held)

    def _mine(self, caller: Binding, id_: str) -> Talk:
        found = self._store.talk(id_)
        role_of(found, caller.participant)
        return found

    def _held(self, id_: str) -> Talk | None:
        try:
            found = self._store.talk(id_)
        except NotFound:
            return None
        return found if found.id == id_ else None


def _length(talk: Talk) -> int:
    kept = (*talk.messages, talk.agreement, talk.countersignature, talk.termination)
    return sum(len(each.payload) for each in kept if each) + 4096  # and signatures, names, a proof


def _outgoing(talk: Talk, message: Statement) -> list[Outgoing]:
    said = [message]
    if talk.state is State.FINALIZED:
        said = [message, *filter(None, (talk.agreement, talk.countersignature))]
    return [Outgoing.of(each, *talk.parties) for each in said]
