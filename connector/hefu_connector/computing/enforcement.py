"""The policy enforcement point: the only door to the data.

A request passes these steps in this order, and no other path leads from a peer to a table:

1. authenticate: the caller's certificate, the request's signature, the standing of participant, key and certificate;
2. admit: keep the request durably under its id; a repetition is answered from what is kept;
3. decide: load and verify the contract anew, prepare the plan, ask the decision point with facts held here;
4. reserve: charge asset and agreement durably, before anything is computed;
5. compute: a worker gets parameters and a table;
6. guard: shape, minimum group, and the decision again with what is to be released;
7. seal and journal: sealed parts, receipt, journal link and state in one durable transaction;
8. release: at the next tick of the release quantum the recipient may fetch.

Whatever fails after step 4 leaves the charge. A refusal is journalled like a release.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Conflict, Defect, HefuError, NotFound, Refused, Unauthenticated, Unavailable
from hefu.membership.mandate import subjects
from hefu.running import faults, telemetry
from hefu.statements import receipt
from hefu.statements.delivery import Delivered
from hefu_policies.budget import NOTHING, Charge
from hefu_policies.deciding.reasons import Code
from hefu_policies.words.terms import Phase

from hefu_connector.allowances import MILLISECONDS
from hefu_connector.computing import admission, disclosure, ends, filed_ends, guard, meeting
from hefu_connector.computing.admission import Admitted
from hefu_connector.computing.course import Course
from hefu_connector.computing.disclosure import History
from hefu_connector.computing.performing import Performing
from hefu_connector.computing.request import ComputationRequest, user_of
from hefu_connector.computing.turns import Turns, may_wait
from hefu_connector.computing.usage import in_quanta
from hefu_connector.computing.working import Output, Working
from hefu_connector.computing.world import World
from hefu_connector.contracting.owing import subject_of
from hefu_connector.ports import (
    FINAL,
    NOWHERE,
    ComputationState,
    Connection,
    Contract,
    Run,
    Table,
)

log = logging.getLogger("hefu.enforcement")

DECISIONS = "decisions"  # the name of the commitment to how it was decided
_ELSEWHERE = 0.2  # seconds between two looks at what another process carries out


class Enforcement:
    """Decides, charges, computes and releases. Every public method may be called from any thread."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._scribe = ends.Scribe(
            world.participant, world.connector, world.space, world.signer, world.clock, world.rules.quantum_seconds,
            world.seen,
        )  # fmt: skip
        self._means = admission.Means(
            world.connector, world.region, world.engines, world.ledger, world.trust,
            timedelta(seconds=world.rules.deadline_seconds),
        )  # fmt: skip
        jobs = world.rules.jobs
        self._jobs = Turns(world.executor or ThreadPoolExecutor(jobs + 1, thread_name_prefix="computation"), jobs)
        self._meeting = meeting.Meeting(
            meeting.Host(
                world.participant, world.space, world.signer, world.trust, world.clock, world.rules.session_seconds
            ),
            self._offer,
        )
        self._changed = threading.Condition()
        self._running: dict[str, Admitted] = {}
        self._admitting: Counter[str] = Counter()
        self._stopped: dict[str, str] = {}
        self._performing = Performing(world.participant, world.contracts, world.owing)
        self._working = Working(world, self._meeting, lambda computation: computation in self._stopped)

    def create(self, statement: Statement, caller: str, *subjects: str, over: Connection = NOWHERE) -> Run:
        """Take a request: steps 1 to 4, then the rest in the background.

        Args:
            statement: a `computation.requested` statement.
            caller: the participant at the other end of the connection.
            subjects: what else must be in good standing, such as the certificate's fingerprint.
            over: the connection that it came over.

        Returns:
            The computation as kept: running, refused, or what an earlier request of the same id led to.

        Raises:
            Unauthenticated, Untrusted, Malformed: the request is not this caller's, or cannot be read.
            Conflict: the id is known with other content.
            Unavailable: too many computations wait.
        """
        request = self._authenticate(statement, caller, *subjects)  # step 1
        self._shed_overload(caller)
        with self._changed:
            self._admitting[request.computation] += 1
        try:
            with telemetry.step("computation.admit", computation=request.computation):
                return self._admit(request, statement, over)
        finally:
            with self._changed:
                self._admitting[request.computation] -= 1
                self._admitting += Counter()  # forgets what is at zero

    def _admit(self, request: ComputationRequest, statement: Statement, over: Connection) -> Run:
        caller = statement.issuer
        run, new = self._world.journal.admit(
            ends.first(request, statement, self._world.clock.now(), self._world.fleet.me)
        )  # step 2
        if not new:
            return self.view(run.id, caller)
        faults.point("computation.admitted")
        course = Course()
        try:
            with telemetry.step("computation.decide"):
                admitted = self._decide(request, statement, course, over)  # step 3
            with telemetry.step("computation.reserve", agreement=admitted.under.agreement):
                self._reserve(admitted)  # step 4
        except HefuError as error:
            self._performing.wait(request, error, course)
            return self._refuse(run, error, course.document(request))
        except Exception:
            # An edge: a request that meets a defect must end too, and be journalled, or it stays open for ever.
            log.exception("defect in the admission of computation %s", run.id)
            return self._refuse(run, Defect("internal", reference=run.id))
        faults.point("ledger.reserved")
        self._world.journal.start(run.id, admitted.prepared.charge, self._world.clock.now())
        with self._changed:
            self._running[run.id] = admitted
        if admitted.prepared.session is None:
            self._offer(admitted, run)
        else:
            self._meeting.take(admitted, run, admitted.prepared.session)
            if run.id in self._stopped:
                self._meeting.end(run.id)
        return self.view(run.id, caller)

    def _offer(self, admitted: Admitted, run: Run) -> None:
        self._jobs.offer(run.consumer, partial(telemetry.bound(self._carry_out), admitted, run))

    def join(self, computation: str, consumer: str, *subjects: str) -> Statement:
        """What this connector signs for its part of a run over several; the same at every call.

        Raises:
            NotFound: there is no such computation of this consumer.
            Conflict: it takes part in no run, or no more.
            Unavailable: another process of this connector has it.
        """
        self._world.trust.check(consumer, *subjects)
        run = self.view(computation, consumer)
        return self._seated(run)

    def carry_on(
        self, computation: str, consumer: str, words: Sequence[Statement], carried: str, *subjects: str
    ) -> Run:  # fmt: skip
        """Go on with a computation for which all parties of its run have signed; raises as `join`, and as
        `meeting.Meeting.carry_on` where their words are not as they must be, which then changes nothing.

        Args:
            carried: for the run's aggregator, the digest of the others' sealed results, uploaded before.
        """
        self._world.trust.check(consumer, *subjects)
        run = self.view(computation, consumer)
        if run.state not in FINAL:
            self._check_here(run)
            self._meeting.carry_on(computation, words, carried)
        return self.view(computation, consumer)

    def _seated(self, run: Run) -> Statement:
        word = self._meeting.word(run.id)
        if word is not None:
            return word
        self._check_here(run)
        raise Conflict("session.closed", computation=run.id)

    def _check_here(self, run: Run) -> None:
        if run.state not in FINAL and run.owner != self._world.fleet.me:
            raise Unavailable("peer.unreachable", peer=self._world.connector)  # the caller tries its other processes

    def view(self, computation: str, consumer: str) -> Run:
        """A computation as its consumer may see it: ends are told at the quantum's tick, not before.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        run = self._world.journal.find(computation)
        if run is None or run.consumer != consumer:
            raise NotFound("resource.not_found", what="computation", name=computation)
        if self._is_hidden(run):
            # When it ended is told no more than that it did.
            return replace(run, state=ComputationState.RUNNING, receipt=None, parts=0, updated=run.created)
        return run if run.release_at is None else replace(run, updated=max(run.created, run.release_at))

    def wait(self, computation: str, consumer: str, timeout: float) -> Run:
        """As `view`, after the computation changed, ended, or the time is over; for watchers."""
        with self._changed:
            run = self.view(computation, consumer)
            if run.state in FINAL:
                return run
            elsewhere = run.owner != self._world.fleet.me  # whose end rings no bell here
            self._changed.wait(min(timeout, self._until_told(computation), _ELSEWHERE if elsewhere else math.inf))
        return self.view(computation, consumer)

    def part(self, computation: str, consumer: str, index: int, *subjects: str) -> bytes:
        """One sealed part of a release, if the recipient is still in good standing.

        Raises:
            NotFound: not released, not the caller's, or no such part.
            Unauthenticated: the consumer lost its standing meanwhile.
        """
        self._world.trust.check(consumer, *subjects)
        run = self.view(computation, consumer)
        if run.state is not ComputationState.RELEASED:
            raise NotFound("resource.not_found", what="release of", name=computation)
        if run.receipt is not None:
            made = receipt.Receipt.of(Statement.parse(run.receipt))
            admission.check_kept(made, self._world.contracts, self._world.clock.now())
            for each in made.agreements:
                self._check_orders(self._world.contracts.load(each.agreement))
        data = self._world.journal.part(computation, index)
        faults.point("release.sent")
        self._world.trust.check(consumer, *subjects)  # once more: it may have been lost while this waited for a disk
        return data

    def cancel(self, computation: str, consumer: str) -> Run:
        """Stop a computation at its consumer's wish; what was charged stays charged."""
        run = self.view(computation, consumer)
        self._stop(computation, "cancelled")
        if run.state not in FINAL and run.owner != self._world.fleet.me:
            self._world.fleet.stop(computation, "cancelled")
        return self.view(computation, consumer)

    def end_agreement(self, agreement: str) -> None:
        """Stop every running computation under an agreement that has ended."""
        self._stop_under(agreement, "contract.ended")

    def suspend_agreement(self, agreement: str) -> None:
        """Stop every running computation under an agreement that is suspended; none goes on when it is resumed."""
        self._stop_under(agreement, "contract.suspended")

    def _stop_under(self, agreement: str, code: str) -> None:
        for running in self._held():
            if any(each.under.agreement == agreement for each in running.sides):
                self._stop(running.request.computation, code)

    def watch(self) -> None:
        """Stop what may not go on: its participant lost its standing, its contract ended or is suspended, or something
        that the contract watches while it runs holds no longer.

        Called every half second or sooner, so that nothing runs on for a second.
        """
        for running in self._held():
            try:
                self._look(running)
            except HefuError as error:
                self._stop(running.request.computation, error.code)
        for computation in self._meeting.overdue():
            self._stop(computation, "session.deadline")

    def sweep(self) -> None:
        """End what could not be journalled before, and `watch`; called every second or so.

        Raises:
            Unavailable: the journal still cannot be written.
        """
        self.watch()
        self._keep_inputs()
        self._world.inputs.sweep()
        self.recover()

    def _keep_inputs(self) -> None:
        """What waits for its turn, however long, finds what was uploaded for it."""
        for running in self._held():
            if running.prepared.inputs:
                with suppress(Refused):
                    self._world.inputs.check(running.statement.issuer, running.prepared.inputs)

    def recover(self) -> int:
        """End what a crash or a full disk interrupted: charged if it was charged, and nothing released.

        That is what this process owns and does not hold, and what is owned by one that is at work no longer. What
        another process asked this one to stop is stopped.

        Returns:
            How many computations were ended.
        """
        unfinished = self._world.reader.unfinished()
        with self._changed:
            held = {*self._running, *self._admitting}
        for run in unfinished:
            if run.stop and run.id in held:
                self._stop(run.id, run.stop)
        fleet = self._world.fleet
        left = (run for run in unfinished if run.id not in held)
        interrupted = [run for run in left if run.owner == fleet.me or not fleet.alive(run.owner)]
        for run in interrupted:
            charged = self._world.ledger.charged(run.id)
            self._fail(run, "computation.interrupted", charged or NOTHING)
        return len(interrupted)

    def running(self) -> int:
        """How many computations run or wait here."""
        return len(self._held())

    def close(self) -> None:
        """Take no more work, kill the workers, and end what was running."""
        for running in self._held():
            self._stop(running.request.computation, "computation.interrupted")
        self._jobs.close()

    # ------------------------------------------------------------ steps 1 to 3

    def _authenticate(self, statement: Statement, caller: str, *subjects: str) -> ComputationRequest:
        world = self._world
        request = ComputationRequest.of(statement)
        if statement.issuer != caller or request.recipient != caller:
            raise Unauthenticated("identity.mismatch", found=caller, expected=statement.issuer)
        if statement.space != world.space:
            raise Unauthenticated("space.other", found=statement.space, expected=world.space)
        world.trust.verify(statement)
        world.trust.check(caller, *(each.key for each in statement.signatures), *subjects)
        return request

    def _decide(self, request: ComputationRequest, statement: Statement, course: Course, over: Connection) -> Admitted:
        world = self._world
        standing = world.trust.check(statement.issuer)
        contracts = admission.choose(request, world.participant, world.contracts)
        for each in contracts:
            admission.check_in_force(each, statement.issuer, world.clock.now())
            self._check_orders(each)
        subject = subject_of(request.plan, request.purpose)
        bound = [(each, world.owing.standing(each, subject)) for each in contracts]
        admitted = admission.decide(
            contracts[0], request, statement, self._means, course, standing=standing, connection=over,
            now=world.clock.now(), duties=bound[0][1], joined=bound[1:],
        )  # fmt: skip
        if admitted.prepared.inputs:
            world.inputs.check(statement.issuer, admitted.prepared.inputs)
        if admitted.prepared.session is not None:
            meeting.check_seat(admitted.prepared.session, request, statement.issuer, world.participant)
        self._performing.use(admitted, subject)
        return admitted

    def _reserve(self, admitted: Admitted) -> None:
        request, sides = admitted.request, admitted.sides
        accounts = [account for each in sides for account in each.accounts]
        takes = [allowance for each in sides for allowance in each.allowances]
        try:
            self._world.ledger.reserve(request.computation, accounts, admitted.prepared.charge, takes)
        except HefuError:
            self._performing.give_back(sides, subject_of(request.plan, request.purpose))
            raise

    def _check_standing(self, admitted: Admitted) -> None:
        keys = (each.key for each in admitted.statement.signatures)
        standing = self._world.trust.check(admitted.statement.issuer, *keys)
        now = self._world.clock.now()
        for side in admitted.sides:
            contract = self._world.contracts.load(side.under.agreement)
            admission.check_in_force(contract, admitted.statement.issuer, now)
            self._check_orders(contract)
            admission.check_offline(contract, standing)

    def _check_orders(self, contract: Contract) -> None:
        """Check that no regulator's order stands against the contract, what this provider brings, or this provider."""
        agreement = contract.agreement
        self._world.trust.check_orders(*subjects(agreement.id, (agreement.product,), self._world.participant))

    def _look(self, admitted: Admitted) -> None:
        """Check that a computation may go on; at each of its stages, and from time to time."""
        self._check_standing(admitted)
        for side in admitted.sides:
            admission.decide_again(side, self._world.clock.now())

    def _shed_overload(self, consumer: str) -> None:
        rules = self._world.rules
        with self._changed:
            holders = (each.statement.issuer for each in self._running.values())
            if not may_wait(consumer, holders, rules.each, rules.jobs + rules.waiting):
                raise Unavailable("peer.overloaded", peer=self._world.connector)

    # ------------------------------------------------------------ steps 5 to 8

    def _carry_out(self, admitted: Admitted, run: Run, much: bool) -> None:
        charge, began = admitted.prepared.charge, self._world.clock.now()
        try:
            if run.id in self._stopped:
                raise Unavailable("cancelled")
            with telemetry.step("computation.run", computation=run.id):
                self._look(admitted)
                self._compute_and_release(admitted, run, spare=int(much))  # steps 5 to 8
        except HefuError as error:
            self._fail(run, self._stopped.get(run.id, error.code), charge)
        except Exception:
            # An edge: a defect in an engine's adapter must not leave a computation open for ever.
            log.exception("defect in computation %s", run.id)
            self._fail(run, "internal", charge)
        finally:
            self._settle(admitted, began)
            self._world.inputs.drop(run.consumer, run.id)
            self._meeting.forget(run.id)
            with self._changed:
                self._running.pop(run.id, None)
                self._stopped.pop(run.id, None)
                self._changed.notify_all()

    def _compute_and_release(self, admitted: Admitted, run: Run, spare: int) -> None:
        """Steps 5 to 8; once more where an exact answer was held against a history that grew meanwhile."""
        for left in reversed(range(disclosure.ATTEMPTS)):
            output, table, history = self._working.compute(admitted, spare)
            try:
                with telemetry.step("computation.release"):
                    self._release(admitted, run, output, table, history)
                return
            except Conflict as conflict:
                if not left or not disclosure.is_overtaken(conflict):
                    raise
                self._look(admitted)

    def _release(
        self, admitted: Admitted, run: Run, output: Output, table: Table, history: History | None
    ) -> None:  # fmt: skip
        world = self._world
        values = replace(admitted.engine.read(output.values, admitted.prepared), blob=output.blob)
        passed = guard.check(values, admitted.prepared)  # step 6
        self._look(admitted)
        facts = [admission.decide_release(each, passed, world.clock.now()) for each in admitted.sides]
        faults.point("guard.passed")
        if history is not None:
            history.keep(values)
            faults.point("disclosures.kept")
        decisions = admitted.course.document(admitted.request)
        said: Object = {"user": user_of(admitted.statement), DECISIONS: canonical.digest(decisions)}
        data, commitments, opening = guard.release(run.id, passed, admitted.prepared, said, secrets.token_bytes)
        session, reader = admitted.prepared.session, admitted.request.recipient
        if session is not None:
            reader = session.reader(world.participant)
        recipient = world.trust.sealing(reader)
        parts = guard.seal(data, run.id, admitted.under.agreement, recipient)  # step 7
        made = ends.receipt_of(self._scribe, admitted, run, passed, parts, table, facts)
        sealed = filed_ends.openings_of(world, run, opening)
        made = replace(made, commitments=commitments, filed=canonical.digest(sealed) if sealed else "")
        due = Delivered.of(made)
        for side in admitted.sides:
            active = side.course.parts(Phase.RELEASE, Code.ACTIVE)
            world.owing.release(side.contract, active, run.id, due.delete_by if due is not None else None)
        if run.id in self._stopped:
            raise Unavailable("cancelled")
        # step 8 follows when its time has come
        self._end(run, ComputationState.RELEASED, made, parts, decisions=decisions, filed=sealed)

    def _settle(self, admitted: Admitted, began: datetime) -> None:
        """Give back what was taken too much of the metered time; where that fails it stays taken."""
        if not any(each.unit == MILLISECONDS for side in admitted.sides for each in side.allowances):
            return
        used = self._world.clock.now() - began
        if used < timedelta(0):  # the clock was set back: nobody knows
            return
        try:
            amount = in_quanta(used, self._world.rules.quantum_seconds)
            self._world.ledger.settle(admitted.request.computation, MILLISECONDS, amount)
        except Unavailable as fault:
            log.warning(
                "the time of computation %s stays taken in full: %s", admitted.request.computation, fault.detail
            )

    # ------------------------------------------------------------ ends

    def _refuse(self, run: Run, error: HefuError, decisions: bytes = b"") -> Run:
        reasons = error.reasons or (error.public(),)
        made = receipt.Refusal(run.id, run.request, run.consumer, run.agreements, error.code, reasons)
        made, sealed = filed_ends.unreleased(self._world, run, made)
        return self._end(run, ComputationState.REFUSED, made, (), told=run.created, decisions=decisions, filed=sealed)

    def _fail(self, run: Run, code: str, charge: Charge) -> None:
        running = self._running.get(run.id)
        resource, *joined = [each.resource.id for each in running.sides] if running is not None else [""]
        decisions = running.course.document(running.request) if running is not None else b""
        made = receipt.Failure(
            run.id, run.request, run.consumer, run.agreements, code, ends.spent(charge), resource=resource,
            joined=tuple(joined),
        )  # fmt: skip
        made, sealed = filed_ends.unreleased(self._world, run, made)
        state = ComputationState.CANCELLED if code == "cancelled" else ComputationState.FAILED
        try:
            self._end(run, state, made, (), decisions=decisions, filed=sealed)
        except Conflict:
            log.info("computation %s had ended already", run.id)
        except Unavailable as fault:
            # It stays charged and open; `recover` ends it once the journal can be written.
            log.warning("the end of computation %s cannot be journalled: %s", run.id, fault.detail)

    def _end(
        self, run: Run, state: ComputationState, made: receipt.Receipt | receipt.Refusal | receipt.Failure,
        parts: tuple[bytes, ...], told: datetime | None = None, decisions: bytes = b"", filed: bytes = b"",
    ) -> Run:  # fmt: skip
        world, now = self._world, self._world.clock.now()
        entry = ends.entry(self._scribe, made, told or ends.tick(self._scribe, run))
        entry = replace(entry, decisions=decisions, filed=filed)
        ended = world.journal.close(run.id, state, entry, parts, now)
        telemetry.count("hefu_computations_total", state.value)
        with self._changed:
            self._changed.notify_all()
        return ended

    def _until_told(self, computation: str) -> float:
        run = self._found(computation)
        if run.release_at is None:
            return math.inf if run.state not in FINAL else 0.0
        return self._remaining(run.release_at) if self._is_hidden(run) else 0.0

    def _is_hidden(self, run: Run) -> bool:
        # No tick is farther than a quantum away: where it seems to be, the clock went back, and nobody waits for that.
        return run.release_at is not None and 0 < self._remaining(run.release_at) <= self._world.rules.quantum_seconds

    def _remaining(self, tick: datetime) -> float:
        return (tick - self._world.clock.now()).total_seconds()

    def _stop(self, computation: str, code: str) -> None:
        with self._changed:
            if computation not in self._running:
                return
            self._stopped.setdefault(computation, code)
        self._world.workers.cancel(computation)
        self._meeting.end(computation)

    def _held(self) -> list[Admitted]:
        with self._changed:
            return list(self._running.values())

    def _found(self, computation: str) -> Run:
        run = self._world.journal.find(computation)
        if run is None:
            raise NotFound("resource.not_found", what="computation", name=computation)
        return run
