"""From a finalised negotiation to a contract in force, and to its end: the same for both roles.

What widens rights takes effect with a log proof (promise T-e): a countersigned agreement waits here until the log
shows it. What narrows them acts at first verified sight, also while the broker is away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, NotFound, Unavailable, Untrusted
from hefu.running.changes import Changes
from hefu.tlog.proof import LogProof
from hefu.tlog.tree import leaf_hash
from hefu_policies.agreeing.agreement import Agreement
from hefu_policies.states.negotiation import Move, State

from hefu_connector.brokerage import Log, Negotiations, Progress
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.contracts import (
    TERMINATED,
    Papers,
    Pins,
    join,
    verify_contract,
    verify_termination,
)
from hefu_connector.contracting.negotiating import agreement_in, said
from hefu_connector.membership.log_history import LogHistory
from hefu_connector.ports import Contract, Contracts, Trust
from hefu_connector.shelves import Mark, Marks

log = logging.getLogger("hefu.agreements")

_UNPROVEN, _UNSENT = "unproven/", "unsent/"


class Agreements:
    """The agreements of this participant. Safe to use from many threads.

    Args:
        described: a description version by its digest, as this participant keeps it; None where it does not.
        meet: learn where a participant's connector is, from whoever knows; raises where nobody does.
        ended: called with an agreement's id when it ends, so that what runs under it stops.
    """

    def __init__(
        self,
        author: Author,
        trust: Trust,
        pins: Pins,
        contracts: Contracts,
        negotiations: Negotiations,
        log_: Log,
        marks: Marks,
        described: Callable[[str], Statement | None],
        meet: Callable[[str], object],
    ) -> None:
        self._author = author
        self._trust = trust
        self._pins = pins
        self._contracts = contracts
        self._negotiations = negotiations
        self._log = log_
        self._history = LogHistory(log_, marks, pins.log, pins.policy)
        self._marks = marks
        self._described = described
        self._meet = meet
        self._lock = threading.Lock()
        self._ended: list[Callable[[str], None]] = []
        self._unsent: list[Callable[[], None]] = []
        self._settled: list[Callable[[Progress, Contract], None]] = []
        self.changed = Changes()  # announced when a negotiation moved on, and when a contract began or ended
        self._behind = threading.Event()
        self._behind.set()  # what an earlier process left is looked for once

    def described(self, digest: str) -> Statement | None:
        """The description version with this digest, as this participant keeps it."""
        return self._described(digest)

    def when_ended(self, call: Callable[[str], None]) -> None:
        """Call with the id of every agreement that ends."""
        self._ended.append(call)

    def when_settled(self, call: Callable[[Progress, Contract], None]) -> None:
        """Call with every change of an agreement that is kept here: the parties may have stated something about it."""
        self._settled.append(call)

    def when_unsent(self, call: Callable[[], None]) -> None:
        """Call when `catch_up` has something to send."""
        self._unsent.append(call)

    def all(self) -> list[Contract]:
        """All agreements in force or ended, newest first."""
        return list(self._contracts.all())

    def load(self, agreement: str) -> Contract:
        """One agreement, verified anew; raises NotFound."""
        return self._contracts.load(agreement)

    def settle(self, progress: Progress) -> Contract | None:
        """Take a finalised agreement in once all of it verifies, or its end; None while the log proof is awaited.

        Raises:
            Untrusted, Malformed: a part of it does not hold.
            Unavailable: the log cannot be asked now.
        """
        try:
            return self._settle(progress)
        finally:
            self.changed.announce()

    def _settle(self, progress: Progress) -> Contract | None:
        if progress.agreement is None or progress.countersignature is None or progress.state is not State.FINALIZED:
            return None
        agreement = str(progress.agreement.body.get("agreement"))
        with self._lock:
            held = self._find(agreement)
            if held is None:
                held = self._verify(progress)
        if held is None:
            # `catch_up` looks again at its own pace; a nudge now would only ask the log in a circle.
            self._marks.advance(Mark(_UNPROVEN + progress.id, 1))
            self._behind.set()
            return None
        self._marks.remove(_UNPROVEN + progress.id)
        if progress.termination is not None:
            self._end(held, progress.termination)
        for call in self._settled:
            call(progress, held)
        return held

    def terminate(self, agreement: str, code: str, reason: str, user: str = "") -> Contract:
        """End an agreement: here at once, at the other party as soon as the broker takes it.

        Raises:
            NotFound: no such agreement.
        """
        held = self._contracts.load(agreement)
        if held.termination is None:
            body = {"agreement": agreement, "digest": held.statement.digest(), "code": code, "reason": reason[:500]}
            statement = self._author.say(TERMINATED, {**body}, user=user)
            # Kept for sending before it acts: after a power cut it is still told to the other party.
            self._marks.advance(Mark(_UNSENT + agreement, 1, statement.to_bytes().decode()))
            self._end(held, statement)
        self._behind.set()
        for call in self._unsent:
            call()
        return self._contracts.load(agreement)

    def look_again(self) -> None:
        """Let `catch_up` look at everything that is kept: another process may have left it behind."""
        self._behind.set()

    def catch_up(self) -> None:
        """Ask again for proofs that were missing, and send terminations that could not be sent; raises Unavailable."""
        if not self._behind.is_set():
            return
        self._behind.clear()
        try:
            self._catch_up()
        except Unavailable:
            self._behind.set()
            raise

    def _catch_up(self) -> None:
        for mark in self._marks.all(_UNPROVEN):
            name = mark.name.removeprefix(_UNPROVEN)
            try:
                self.settle(self._negotiations.negotiation(f"negotiations/{name}"))
            except Unavailable:
                raise
            except HefuError as fault:
                log.warning("the agreement of %s is not taken in: %s %s", name, fault.code, fault.public())
                self._marks.remove(mark.name)
        refused: HefuError | None = None
        for mark in self._marks.all(_UNSENT):
            try:
                self._send(mark)
            except Unavailable:
                raise
            except HefuError as fault:
                # As where this clock stood ahead. An end narrows rights: it is kept, and told until it is taken.
                log.warning("%s is not taken by the broker: %s %s", mark.name, fault.code, fault.public())
                refused = fault
        if refused is not None:
            raise Unavailable("peer.unreachable", peer="the broker", detail=refused.code)

    def pending(self) -> int:
        """How many proofs are awaited and terminations not yet sent."""
        return len(self._marks.all(_UNPROVEN)) + len(self._marks.all(_UNSENT))

    def _verify(self, progress: Progress) -> Contract | None:
        agreement, final = progress.agreement, progress.countersignature
        if agreement is None or final is None:
            return None
        proof = progress.proof or self._prove(final)
        if proof is None or not self._history.counts(proof.checkpoint):
            return None
        named = Agreement.of(agreement.body).contributions
        descriptions = join([self._description(each.description) for each in named])
        papers = Papers(agreement.to_bytes(), final.to_bytes(), descriptions, str(proof).encode())
        contract = verify_contract(papers, self._trust, self._pins)
        if self._author.participant not in {each.participant for each in contract.agreement.parties}:
            raise NotFound("resource.not_found", what="agreement", name=contract.agreement.id)
        self._check_own_half(contract)
        self._history.check(proof.checkpoint)
        self._meet_providers(contract)
        self._contracts.keep(contract)
        log.info("agreement %s is in force", contract.agreement.id)
        return contract

    def _meet_providers(self, contract: Contract) -> None:
        """Learn now whom requests will go to: the broker may be away when the first is made."""
        for each in contract.agreement.contributions:
            if each.provider != self._author.participant:
                with suppress(HefuError):  # who is not there yet is looked for when it is asked
                    self._meet(each.provider)

    def _description(self, digest: str) -> Statement:
        found = self._described(digest)
        if found is None:
            raise NotFound("resource.not_found", what="description", name=digest)
        return found

    def _check_own_half(self, contract: Contract) -> None:
        """Our half of the tally is one this connector cut itself, and has not taken back.

        A signature under our key is not enough: whoever stole a key that was replaced since, and has the broker on
        its side, could make everything else.
        """
        negotiation = contract.agreement.negotiation
        ours = said(self._marks, negotiation, self._signing_move(contract))
        agreed = agreement_in(ours) if ours is not None else None
        ended = said(self._marks, negotiation, Move.TERMINATE)
        if agreed is None or agreed.payload != contract.statement.payload or ended is not None:
            raise Untrusted("contract.broken", agreement=contract.agreement.id, where="own half")

    def _signing_move(self, contract: Contract) -> Move:
        """By which move this participant put its signature to the agreement."""
        if contract.statement.issuer == self._author.participant:
            return Move.AGREE
        return Move.VERIFY if contract.agreement.consumer.participant == self._author.participant else Move.ENDORSE

    def _prove(self, final: Statement) -> LogProof | None:
        try:
            return self._log.inclusion(leaf_hash(final.to_bytes()))
        except NotFound:
            return None

    def _end(self, held: Contract, termination: Statement) -> None:
        if held.termination is None:
            envelope = termination.to_bytes()
            verified = verify_termination(envelope, held.statement, held.agreement, self._trust, self._pins)
            self._contracts.terminate(held.agreement.id, verified)
            log.info("agreement %s has ended", held.agreement.id)
        for call in self._ended:
            call(held.agreement.id)
        self.changed.announce()

    def _send(self, mark: Mark) -> None:
        try:
            self._negotiations.terminate(Statement.parse(mark.text.encode()))
        except Conflict:
            log.info("%s had been ended by the other party", mark.name.removeprefix(_UNSENT))
        self._marks.remove(mark.name)

    def _find(self, agreement: str) -> Contract | None:
        try:
            return self._contracts.load(agreement)
        except NotFound:
            return None
