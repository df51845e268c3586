"""What the parties state about an agreement after it was made: taken in, ordered, logged, shown to the parties.

The broker believes none of it and enforces nothing: each connector verifies a notice itself. It only sees to it that a
party speaks for itself, about the bytes that were agreed on, and that suspensions and resumptions follow each other.
"""

from __future__ import annotations

from dataclasses import replace

from hefu.envelope import Statement
from hefu.errors import Conflict, NotFound, Refused
from hefu.identity import Binding
from hefu.running.changes import Changes
from hefu.statements import notices
from hefu.statements.notices import CHANGES, SUSPENDED, Change
from hefu_policies.states import lifecycle
from hefu_policies.states.lifecycle import Actor, AgreementMove, AgreementState
from hefu_policies.states.negotiation import State

from hefu_broker.dealing.notary import role_of
from hefu_broker.membership.trust import Trust
from hefu_broker.ports import Announce, NoticeStore, TalkStore
from hefu_broker.records import Outgoing, Talk

LARGEST = 16 * 1024  # bytes of a notice
MOST = 4096  # notices of one party about one agreement
_PAGE, _TRIES = 100, 8


class Notices:
    """The notices of one space.

    Args:
        announce: called after something was queued for the log.
        changes: rings after every change of a negotiation.
    """

    def __init__(
        self, trust: Trust, talks: TalkStore, store: NoticeStore, announce: Announce, changes: Changes
    ) -> None:
        self._trust = trust
        self._talks = talks
        self._store = store
        self._announce = announce
        self._changes = changes

    def record(self, caller: Binding, data: bytes) -> Talk:
        """Take one signed notice; the same again changes nothing.

        Raises:
            NotFound: the caller has no such agreement.
            Conflict: it names other bytes, or the agreement's state does not allow it.
            Refused: the party gave too many.
            Malformed, Untrusted, Unauthenticated: a check on the statement failed.
        """
        statement = self._trust.read(data, caller, limit=LARGEST)
        notice = notices.read(statement)
        for _ in range(_TRIES):
            held = self._held(caller, notice.agreement)
            if self._store.knows(notice.agreement, statement.digest()):
                return held
            talk = self._after(held, statement, notice)
            try:
                kept = self._store.add(talk, held.revision, Outgoing.of(statement, *held.parties))
            except Conflict:
                continue  # something else was recorded meanwhile; judge again
            self._announce()
            self._changes.announce()
            return kept
        raise Conflict("negotiation.moved", negotiation=held.id)

    def page(self, caller: Binding, agreement: str, after: int) -> list[Statement]:
        """Notices above a number, for the parties and for those who oversee. Raises NotFound."""
        found = self._talks.talk(agreement)
        if caller.participant not in found.parties and not self._trust.oversees(caller):
            raise NotFound("resource.not_found", what="agreement", name=agreement[:64])
        return self._store.page(agreement, max(after, 0), _PAGE)

    def _held(self, caller: Binding, agreement: str) -> Talk:
        found = self._talks.talk(agreement)
        role_of(found, caller.participant)
        if found.agreement is None or found.state is not State.FINALIZED:
            raise NotFound("resource.not_found", what="agreement", name=agreement[:64])
        return found

    def _after(self, held: Talk, statement: Statement, notice: notices.Notice) -> Talk:
        agreed = held.agreement
        if agreed is None or (notice.agreement, notice.digest) != (agreed.body["agreement"], agreed.digest()):
            raise Conflict("agreement.other")
        if self._store.given(notice.agreement, statement.issuer) >= MOST:
            raise Refused("agreement.notices", agreement=notice.agreement, most=MOST)
        after = replace(held, notices=held.notices + 1, updated=self._trust.clock.now())
        if not isinstance(notice, Change):
            return after
        newest = self._newest(held, notice.agreement)
        own = newest.get(statement.issuer)
        if notice.previous != (own.digest() if own is not None else ""):
            raise Conflict("agreement.turned", agreement=notice.agreement)
        state = AgreementState.SUSPENDED if _suspends(own) else AgreementState.ACTIVE
        move = AgreementMove.SUSPEND if _suspends(statement) else AgreementMove.RESUME
        over = AgreementState.ENDED if held.termination is not None else state
        lifecycle.advance_agreement(over, _actor(held, statement.issuer), move)
        halted = any(map(_suspends, {**newest, statement.issuer: statement}.values()))
        standing = AgreementState.SUSPENDED if halted else AgreementState.ACTIVE
        return replace(after, standing=standing, turn=statement.digest())

    def _newest(self, held: Talk, agreement: str) -> dict[str, Statement]:
        """The newest suspension or resumption of each provider: of several, each suspends for itself."""
        found: dict[str, Statement] = {}
        after = 0
        while held.turn and (page := self._store.page(agreement, after, _PAGE)):
            found |= {each.issuer: each for each in page if each.type in CHANGES}
            after += len(page)
        return found


def _suspends(statement: Statement | None) -> bool:
    return statement is not None and statement.type == SUSPENDED


def _actor(held: Talk, participant: str) -> Actor:
    """A further provider is a provider, whatever its part in the negotiation was."""
    provides = participant in {each.provider for each in held.sought}
    return Actor.PROVIDER if provides else Actor(role_of(held, participant).value)
