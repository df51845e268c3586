"""What parties state about an agreement after it was made: said here, told to the other side, taken in from it.

A suspension acts at its first verified sight, also while the broker is away; a resumption once the log shows it
(promise T-e). Notices that the broker could not be told yet are kept and told later, in the order they were made.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Refused, Unavailable, Untrusted
from hefu.membership.charter import REGULATOR
from hefu.membership.mandate import OPENED, Access
from hefu.statements import notices
from hefu.statements.notices import (
    CHANGES,
    DEVIATED,
    FULFILLED,
    RESUMED,
    SUSPENDED,
    Change,
    Deviated,
    Fulfilled,
    Notice,
)
from hefu.tlog.tree import leaf_hash
from hefu_policies.states import lifecycle
from hefu_policies.states.lifecycle import Actor, AgreementMove, AgreementState

from hefu_connector import afterwards, brokerage
from hefu_connector.brokerage import Log, Negotiations, Progress
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.contracts import Pins
from hefu_connector.membership.log_history import LogHistory
from hefu_connector.ports import Contract, Contracts, Trust, Turn
from hefu_connector.shelves import Mark, Marks

log = logging.getLogger("hefu.notices")

_UNTOLD, _UNTAKEN, _TAKEN = "untold/", "untaken/", "notices/"

Heard = Callable[[Contract, Notice, Statement], None]


class Notices:
    """The notices of this participant's agreements. Safe to use from many threads.

    Args:
        kept: verified notices but for suspensions and resumptions.
    """

    def __init__(
        self,
        author: Author,
        trust: Trust,
        pins: Pins,
        contracts: Contracts,
        broker: brokerage.Notices,
        negotiations: Negotiations,
        log_: Log,
        marks: Marks,
        kept: afterwards.Notices,
    ) -> None:
        self._author = author
        self._trust = trust
        self._pins = pins
        self._contracts = contracts
        self._broker = broker
        self._negotiations = negotiations
        self._marks = marks
        self._kept = kept
        self._history = LogHistory(log_, marks, pins.log, pins.policy)
        self._turning = threading.Lock()  # never held over a call of the broker: a suspension acts at once
        self._taking = threading.RLock()
        self._suspended: list[Callable[[str], None]] = []
        self._changed: list[Callable[[], None]] = []
        self._heard: list[Heard] = []

    def when_suspended(self, call: Callable[[str], None]) -> None:
        """Call with the id of every agreement that is suspended, so that what runs under it stops."""
        self._suspended.append(call)

    def when_changed(self, call: Callable[[], None]) -> None:
        """Call when something was said or taken in; there may be something to send then."""
        self._changed.append(call)

    def when_heard(self, call: Heard) -> None:
        """Call with every new notice of either party about a duty or a deviation."""
        self._heard.append(call)

    def of(self, agreement: str = "", type_: str = "") -> list[Statement]:
        """Verified notices about duties and deviations, oldest first."""
        return list(self._kept.of(agreement, type_))

    # ------------------------------------------------------------ said here

    def suspend(self, agreement: str, code: str, reason: str, user: str = "") -> Contract:
        """Suspend an agreement: here at once, at the other party as soon as the broker takes it.

        Raises:
            NotFound: no such agreement.
            Refused: only its providers may, each for itself.
            Conflict: this provider suspended it already, or it is over.
        """
        with self._turning:
            held = self._contracts.load(agreement)
            statement = self._turn(held, AgreementMove.SUSPEND, SUSPENDED, code, reason, user)
            self._keep_untold(agreement, statement)
            self._contracts.turn(agreement, Turn(statement))
        log.info("agreement %s is suspended", agreement)
        self._stop(agreement)
        return self._contracts.load(agreement)

    def resume(self, agreement: str, code: str, reason: str, user: str = "") -> Contract:
        """Resume what this provider suspended; it is in force again once the log shows it, and no other provider holds
        it suspended. Raises as `suspend`."""
        with self._turning:
            held = self._contracts.load(agreement)
            waits = self._waiting_resumption(agreement)
            if waits is None:
                statement = self._turn(held, AgreementMove.RESUME, RESUMED, code, reason, user)
                self._keep_untold(agreement, statement)
        self._ring()
        return held

    def fulfilled(self, contract: Contract, duty: str, subject: str, reference: str, user: str = "") -> Statement:
        """State that a duty was performed; kept, and told as soon as the broker takes it."""
        name = contract.agreement.id, contract.statement.digest()
        return self._say(contract, FULFILLED, Fulfilled(*name, duty, subject, reference[:500]).body(), user)

    def deviated(
        self,
        contract: Contract,
        code: str,
        about: str,
        *,
        duty: str = "",
        subject: str = "",
        reason: str = "",
        user: str = "",
    ) -> Statement:
        """Raise an alarm to both sides."""
        name = contract.agreement.id, contract.statement.digest()
        return self._say(contract, DEVIATED, Deviated(*name, code, about, duty, subject, reason[:500]).body(), user)

    def _turn(
        self, held: Contract, move: AgreementMove, type_: str, code: str, reason: str, user: str
    ) -> Statement:  # fmt: skip
        agreement = held.agreement
        if self._author.participant not in {each.participant for each in agreement.providers}:
            raise Refused("agreement.provider_only", agreement=agreement.id)
        newest = held.last_turn(self._author.participant)
        suspended = newest is not None and newest.type == SUSPENDED
        state = AgreementState.SUSPENDED if suspended else AgreementState.ACTIVE
        if held.termination is not None:
            state = AgreementState.ENDED
        lifecycle.advance_agreement(state, Actor.PROVIDER, move)
        last = newest.digest() if newest is not None else ""
        change = Change(agreement.id, held.statement.digest(), code, reason[:500], last)
        return self._author.say(type_, change.body(), user=user)

    def _say(self, contract: Contract, type_: str, body: Object, user: str = "") -> Statement:
        statement = self._author.say(type_, body, user=user)
        self._keep_untold(contract.agreement.id, statement)
        self._take_in(contract, statement)
        self._ring()
        return statement

    def _keep_untold(self, agreement: str, statement: Statement) -> None:
        at = int(self._author.clock.now().timestamp() * 1_000_000)
        name = f"{_UNTOLD}{at:020d}/{agreement}/{statement.digest()[7:23]}"
        self._marks.advance(Mark(name, 1, statement.to_bytes().decode()))

    # ------------------------------------------------------------ told, and taken in

    def pending(self) -> int:
        """How many notices were not told yet, and agreements whose notices are not all taken in."""
        return len(self._marks.all(_UNTOLD)) + len(self._marks.all(_UNTAKEN))

    def settle(self, progress: Progress, held: Contract) -> None:
        """Take in what the broker has about an agreement that is kept here.

        What cannot be taken in yet, because the log does not show it, is looked at again by `catch_up`.

        Raises:
            Unavailable: the broker is away.
        """
        agreement = held.agreement.id
        with self._taking:
            whole = self._take(progress.notices, agreement)
        if whole:
            self._marks.remove(_UNTAKEN + agreement)
        elif self._marks.find(_UNTAKEN + agreement) is None:
            self._marks.advance(Mark(_UNTAKEN + agreement, 1))
            self._ring()

    def catch_up(self) -> None:
        """Tell what was not told, and look again for what the log did not show; raises Unavailable."""
        refused: HefuError | None = None
        for mark in self._marks.all(_UNTOLD):
            refused = self._tell(mark) or refused
        for mark in self._marks.all(_UNTAKEN):
            agreement = mark.name.removeprefix(_UNTAKEN)
            self.settle(self._negotiations.negotiation(f"agreements/{agreement}"), self._contracts.load(agreement))
        if refused is not None:
            raise Unavailable("peer.unreachable", peer="the broker", detail=refused.code)

    def _tell(self, mark: Mark) -> HefuError | None:
        """Tell one; what the broker does not take now is kept and told again, unless it can never follow."""
        statement = Statement.parse(mark.text.encode())
        try:
            progress = self._broker.record(statement)
        except Conflict as fault:
            # Said before the other side's word was known here, such as its termination: that one stands.
            log.warning("%s is not taken by the broker: %s", statement.type, fault.code)
            self._marks.remove(mark.name)
            return None
        except Unavailable:
            raise
        except HefuError as fault:  # as where this clock stood ahead
            log.warning("%s is not taken by the broker: %s %s", statement.type, fault.code, fault.public())
            return fault
        self._marks.remove(mark.name)
        self.settle(progress, self._contracts.load(str(statement.body["agreement"])))
        return None

    def _take(self, there: int, agreement: str) -> bool:
        """Take in what is above the number that was taken; whether that is all."""
        mark = self._marks.find(_TAKEN + agreement)
        taken = mark.number if mark else 0
        while taken < there:
            page = self._broker.after(agreement, taken)
            if not page:
                return False
            for statement in page:
                try:
                    if not self._take_in(self._contracts.load(agreement), statement):
                        return False
                except Unavailable:
                    raise
                except HefuError as fault:
                    log.warning("a notice about agreement %s is left out: %s %s", agreement, fault.code, fault.public())
                taken += 1
                self._marks.advance(Mark(_TAKEN + agreement, taken))
        return True

    def _take_in(self, held: Contract, statement: Statement) -> bool:
        """Verify one notice, keep it and act on it; False for a resumption that the log does not show yet."""
        agreement = held.agreement.id
        if statement.type == OPENED:
            self._check_access(held, statement)
            self._kept.keep(agreement, statement)
            return True
        notice = self._check(held, statement)
        if statement.type == SUSPENDED:
            known = any(each.statement.digest() == statement.digest() for each in held.turns)
            self._contracts.turn(agreement, Turn(statement))
            if not known:
                self._stop(agreement)
        elif statement.type == RESUMED:
            return self._resume(held, statement)
        elif self._kept.keep(agreement, statement):
            for call in self._heard:
                call(held, notice, statement)
        return True

    def _resume(self, held: Contract, statement: Statement) -> bool:
        if any(each.statement.digest() == statement.digest() for each in held.turns):
            return True
        try:
            proof = self._history.proof(leaf_hash(statement.to_bytes()))
        except NotFound:
            return False
        except (Untrusted, Malformed) as fault:  # it stays suspended, and is looked at again
            log.warning("the resumption of agreement %s: %s %s", held.agreement.id, fault.code, fault.public())
            return False
        if proof is None:
            return False
        self._contracts.turn(held.agreement.id, Turn(statement, str(proof).encode()))
        log.info("agreement %s is in force again", held.agreement.id)
        self._ring()
        return True

    def _check(self, held: Contract, statement: Statement) -> Notice:
        notice = notices.read(statement)
        agreement = held.agreement
        parties = {each.participant for each in agreement.parties}
        named = (notice.agreement, notice.digest) == (agreement.id, held.statement.digest())
        if statement.space != self._pins.space or statement.issuer not in parties or not named:
            raise Untrusted("contract.broken", agreement=agreement.id, where="notice")
        providers = {each.participant for each in agreement.providers}
        if statement.type in CHANGES and statement.issuer not in providers:
            raise Untrusted("contract.broken", agreement=agreement.id, where="turn")
        self._trust.verify(statement)
        return notice

    def _check_access(self, held: Contract, statement: Statement) -> None:
        """Of a regulator's word that it opens what this agreement files; it changes nothing here and is shown."""
        access = Access.of(statement)
        self._trust.verify(statement)
        regulates = REGULATOR in self._trust.roles(statement.issuer)
        if statement.space != self._pins.space or access.agreement != held.agreement.id or not regulates:
            raise Untrusted("contract.broken", agreement=held.agreement.id, where="access")

    def _waiting_resumption(self, agreement: str) -> Statement | None:
        """A resumption that was said here and is not in force yet."""
        for mark in self._marks.all(_UNTOLD):
            statement = Statement.parse(mark.text.encode())
            if statement.type == RESUMED and statement.body.get("agreement") == agreement:
                return statement
        return None

    def _stop(self, agreement: str) -> None:
        for call in self._suspended:
            call(agreement)
        self._ring()

    def _ring(self) -> None:
        for call in self._changed:
            call()
