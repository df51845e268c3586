"""What is owed under this provider's agreements: activated, performed, violated, and what follows.

A duty before a use is performed for one plan and purpose, or once for the agreement; one performance for a plan serves
one computation. A duty after a use is kept before the release leaves, so that no crash forgets it. What is not
performed in time is told to both sides by a signed alarm, its consequence becomes due, and nothing more is admitted
under the agreement until both are performed. What is forbidden is refused and so not done; where its provider learns
that it was done all the same, with what had left before, it says so, and the prohibition's remedies become due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Refused, Unavailable
from hefu.statements.notices import Deviated, Fulfilled, Notice
from hefu.times import Clock
from hefu_policies import odrl
from hefu_policies.deciding import owing
from hefu_policies.deciding.duties import deadline
from hefu_policies.deciding.owing import Demand, Word
from hefu_policies.deciding.policy import CompiledDuty, compile_policy
from hefu_policies.words.terms import DELETE, DELIVER, HE_INFERENCE, Phase

from hefu_connector.afterwards import Duties, DutyState, Owed
from hefu_connector.contracting.notices import Notices
from hefu_connector.ports import FINAL, ComputationState, Contract, Contracts, Performed, Run

log = logging.getLogger("hefu.owing")

VIOLATED, UNPROVEN = "duty.violated", "delivery.unproven"
INFRINGED = "prohibition.infringed"  # a provider says that what is forbidden was done
DELETION = "deletion"  # the duty of whoever received a delivery under a policy that names none
_UPLOADED = "inputs"  # the member of a plan that names what was uploaded for one request of it
_MOST_WAITING = 256  # plans of one agreement that wait for duties
_SIGHT = timedelta(seconds=60)  # how long a proof may take to arrive from a recipient that is reachable


def demands(contract: Contract) -> list[Demand]:
    """Every duty of an agreement's policies, and when each is due."""
    policies = (compile_policy(odrl.load(each.policy)) for each in contract.agreement.terms)
    return [each for policy in policies for each in owing.demands(policy)]


def subject_of(plan: Object, purpose: str) -> str:
    """What a duty before a use is performed for: a plan and its purpose, whichever computation asks for it.

    Records that are encrypted anew, once the duty is performed, are other bytes; it is performed for their number.
    """
    scores = plan.get("operation") == HE_INFERENCE
    lasting: Object = {name: each for name, each in plan.items() if not (scores and name == _UPLOADED)}
    return canonical.digest(canonical.encode({"plan": lasting, "purpose": purpose}))


class Owing:
    """Keeps the books of what is owed; `ports.Obligations` for the enforcement point. Safe to use from many threads.

    Args:
        find: a computation of this provider, or None.
        deleted: the proof that a delivery was deleted by its recipient; None where there is none.
    """

    def __init__(
        self,
        participant: str,
        duties: Duties,
        contracts: Contracts,
        notices: Notices,
        find: Callable[[str], Run | None],
        deleted: Callable[[str], bytes | None],
        clock: Clock,
    ) -> None:
        self._participant = participant
        self._duties = duties
        self._contracts = contracts
        self._notices = notices
        self._find = find
        self._deleted = deleted
        self._clock = clock
        self._demands: dict[str, list[Demand]] = {}

    def of(self, agreement: str) -> list[Owed]:
        """Everything that was activated or performed under an agreement, oldest first."""
        return list(self._duties.of(agreement))

    # ------------------------------------------------------------ for the enforcement point

    def standing(self, contract: Contract, subject: str) -> Performed:
        """As in the port."""
        if not self._may_owe(contract):
            return Performed()
        performed: set[str] = set()
        violated: set[str] = set()
        before = {each.duty.id for each in self.demands(contract) if each.when is Phase.ADMISSION}
        for each in self._duties.bearing(contract.agreement.id, subject):
            late = each.due is not None and each.due <= self._clock.now()
            if each.state is DutyState.FULFILLED:
                # After a use each use owes anew: what was said for the whole agreement counts before a use only.
                if each.duty in before and (each.subject == "" or (each.subject == subject and not each.used)):
                    performed.add(each.duty)
            elif each.state is DutyState.VIOLATED or (each.state is DutyState.ACTIVE and (late or each.follows)):
                violated.add(each.duty)
        return Performed(frozenset(performed - violated), frozenset(violated))

    def admit(
        self, contract: Contract, clause: str, performed: frozenset[str], subject: str, computation: str
    ) -> None:  # fmt: skip
        """As in the port."""
        wanted = [each for each in self._of_clause(contract, clause) if each.duty.id in performed]
        for demand in wanted:
            for_all = self._duties.find(contract.agreement.id, demand.duty.id, "")
            if for_all is not None and for_all.state is DutyState.FULFILLED:
                continue
            held = self._duties.find(contract.agreement.id, demand.duty.id, subject)
            if held is not None and held.used == computation:
                continue
            try:
                # The decision counted on it: whatever became of it meanwhile, it must still be there to be used.
                if held is None or held.state is not DutyState.FULFILLED or held.used:
                    raise Conflict("duty.changed", duty=demand.duty.id, agreement=contract.agreement.id)
                self._duties.keep(replace(held, used=computation))
            except Conflict:
                raise Refused("contract.duties", duties=demand.duty.action) from None

    def give_back(self, contract: Contract, clause: str, subject: str, computation: str) -> None:
        """As in the port."""
        for demand in self._of_clause(contract, clause):
            held = self._duties.find(contract.agreement.id, demand.duty.id, subject)
            if held is not None and held.used == computation:
                self._keep(replace(held, used=""))

    def wait(self, contract: Contract, duties: Iterable[str], subject: str, computation: str) -> None:
        """As in the port."""
        kept = self._duties.bearing(contract.agreement.id, subject)
        waiting = sum(1 for each in kept if each.state is DutyState.ACTIVE and each.subject and each.due is None)
        before = {each.duty.id for each in self.demands(contract) if each.when is Phase.ADMISSION}
        for duty in before.intersection(duties):
            found = self._duty(contract, duty)
            held = next((each for each in kept if (each.duty, each.subject) == (duty, subject)), None)
            if found is None or waiting >= _MOST_WAITING or (held is not None and not held.used):
                continue
            asked = Owed(
                contract.agreement.id, duty, subject, found.duty.action, DutyState.ACTIVE, self._clock.now(),
                computation=computation, revision=held.revision if held else 0,
            )  # fmt: skip
            self._keep(asked)

    def release(self, contract: Contract, duties: Iterable[str], computation: str, delete_by: datetime | None) -> None:
        """As in the port."""
        now, end = self._clock.now(), contract.agreement.not_after
        deletion = DELETION
        always = {each.duty.id for each in self.demands(contract) if each.standing}
        for duty in set(duties) - always:
            found = self._duty(contract, duty)
            if found is not None and found.duty.action == DELETE:
                deletion = duty
            elif found is not None and owing.word_of(found.duty.action) is not Word.JOURNAL:
                due = owing.due_at(found, now, end)
                self._pending(contract, duty, found.duty.action, computation, now, due)
        if delete_by is not None:
            self._pending(contract, deletion, DELETE, computation, now, delete_by + _grace(contract))

    # ------------------------------------------------------------ in the background

    def begin(self, contract: Contract) -> None:
        """Enter what is owed from the agreement's beginning; again changes nothing."""
        agreement = contract.agreement
        if agreement.provider.participant != self._participant:
            return
        for each in self.demands(contract):
            if each.standing and self._duties.find(agreement.id, each.duty.id, "") is None:
                due = owing.due_at(each.compiled, agreement.not_before, agreement.not_after)
                since = agreement.not_before
                self._keep(Owed(agreement.id, each.duty.id, "", each.duty.action, DutyState.ACTIVE, since, due))

    def heard(self, contract: Contract, notice: Notice, statement: Statement) -> None:
        """Enter what a party says that was performed or infringed, if its word counts for it."""
        if contract.agreement.provider.participant != self._participant:
            return
        if isinstance(notice, Deviated):
            self._infringed(contract, notice, statement)
        elif isinstance(notice, Fulfilled):
            self._performed(contract, notice, statement)

    def _infringed(self, contract: Contract, notice: Deviated, statement: Statement) -> None:
        """Enter the remedies of a prohibition; one that was performed is owed again after a later infringement."""
        if notice.code != INFRINGED or statement.issuer != self._participant:
            return
        for each in self.demands(contract):
            if not each.remedial or each.clause != notice.duty:
                continue
            name, since = each.duty.id, statement.time
            due = max(owing.due_at(each.compiled, since, contract.agreement.not_after), since)
            held = self._duties.find(contract.agreement.id, name, notice.subject)
            owed = Owed(
                contract.agreement.id, name, notice.subject, each.duty.action, DutyState.ACTIVE, since, due, notice.duty
            )  # fmt: skip
            if held is None:
                self._keep(owed)
            elif held.state is DutyState.FULFILLED and since > _proven(held):
                self._keep(replace(owed, revision=held.revision))

    def _performed(self, contract: Contract, notice: Fulfilled, statement: Statement) -> None:
        found = self._duty(contract, notice.duty)
        if found is None or self.who_says(contract, found.duty.id, found.duty.action) != statement.issuer:
            log.warning("%s says of duty %s what is not its to say", statement.issuer, notice.duty)
            return
        name, action = found.duty.id, found.duty.action
        held = self._duties.find(contract.agreement.id, name, notice.subject)
        if held is None and not self._may_precede(contract, name, notice.subject):
            log.warning("%s says of duty %s that it was performed for what does not owe it", statement.issuer, name)
            return
        if held is None:
            held = Owed(contract.agreement.id, name, notice.subject, action, DutyState.ACTIVE, statement.time)
        if owing.is_early(found, held.since, statement.time):
            log.warning("%s says too early that duty %s was performed", statement.issuer, name)
        elif held.state is not DutyState.FULFILLED:
            self._keep(replace(held, state=DutyState.FULFILLED, proof=statement.to_bytes()))

    def step(self) -> None:
        """Judge everything that is open: what was released, what is proven, what is over its time.

        Called every second or so.
        """
        now = self._clock.now()
        for owed in self._duties.open():
            try:
                self._judge(owed, now)
            except Unavailable:
                raise
            except Conflict:
                continue  # somebody else moved it on; it is judged again
            except HefuError as fault:
                log.warning("duty %s of agreement %s cannot be judged: %s", owed.duty, owed.agreement, fault.code)

    def who_says(self, contract: Contract, duty: str, action: str) -> str:
        """The participant whose word counts for a duty; empty where the connectors see to it themselves.

        That data is deleted the connectors prove; that something else is, as a remedy demands, its recipient says.
        """
        remedial = any(each.remedial and each.duty.id == duty for each in self.demands(contract))
        if remedial and action == DELETE and DELIVER not in contract.agreement.computations:
            return contract.agreement.consumer.participant
        return who_says(contract, action)

    def demands(self, contract: Contract) -> list[Demand]:
        """As the function of this name; remembered, since an agreement never changes."""
        digest = contract.statement.digest()
        if digest not in self._demands:
            self._demands[digest] = demands(contract)
        return self._demands[digest]

    # ------------------------------------------------------------ inside

    def _judge(self, owed: Owed, now: datetime) -> None:
        if owed.state is DutyState.PENDING:
            run = self._find(owed.subject)
            if run is None or run.state in FINAL:
                released = run is not None and run.state is ComputationState.RELEASED
                self._duties.keep(replace(owed, state=DutyState.ACTIVE if released else DutyState.VOID))
            return
        proof = self._deleted(owed.subject) if owed.action == DELETE else None
        if proof is not None:
            self._duties.keep(replace(owed, state=DutyState.FULFILLED, proof=proof))
            return
        contract = self._contracts.load(owed.agreement)
        if owed.state is DutyState.ACTIVE and now >= (_due(owed, contract) or now + _SIGHT):
            owed = self._duties.keep(replace(owed, state=DutyState.VIOLATED))
        if owed.state is DutyState.VIOLATED and not owed.alarm:
            self._alarm(owed, contract, now)

    def _alarm(self, owed: Owed, contract: Contract, now: datetime) -> None:
        """Tell both sides, and enter what follows. After a crash it may be told twice, never not at all."""
        found = self._duty(contract, owed.duty)
        for each in found.consequences if found is not None else ():
            name, action, due = each.duty.id, each.duty.action, deadline(each, now)
            if self._duties.find(owed.agreement, name, owed.subject) is None:
                self._keep(Owed(owed.agreement, name, owed.subject, action, DutyState.ACTIVE, now, due, owed.duty))
        code = UNPROVEN if owed.action == DELETE else VIOLATED
        consumer = contract.agreement.consumer.participant
        said = self._notices.deviated(
            contract, code, consumer, duty=owed.duty, subject=owed.subject, reason=f"{owed.action} was not performed"
        )
        self._duties.keep(replace(owed, alarm=said.digest()))

    def _pending(
        self, contract: Contract, duty: str, action: str, computation: str, since: datetime, due: datetime
    ) -> None:
        self._keep(Owed(contract.agreement.id, duty, computation, action, DutyState.PENDING, since, due))

    def _keep(self, owed: Owed) -> None:
        try:
            self._duties.keep(owed)
        except Conflict:
            log.info("duty %s of agreement %s was entered meanwhile", owed.duty, owed.agreement)

    def _may_owe(self, contract: Contract) -> bool:
        """Whether anything is ever entered under an agreement: most ask for the log alone, which needs no books."""
        if DELIVER in contract.agreement.computations:
            return True
        words = ((each.remedial, owing.word_of(each.duty.action)) for each in self.demands(contract))
        return any(remedial or word is not Word.JOURNAL for remedial, word in words)

    def _may_precede(self, contract: Contract, duty: str, subject: str) -> bool:
        """Whether a duty may be performed before it is owed: for a plan, or for the agreement as a whole."""
        if subject and not subject.startswith("sha256:"):
            return False
        return any(each.duty.id == duty and each.when is Phase.ADMISSION for each in self.demands(contract))

    def _of_clause(self, contract: Contract, clause: str) -> list[Demand]:
        return [each for each in self.demands(contract) if each.clause == clause]

    def _duty(self, contract: Contract, id_: str) -> CompiledDuty | None:
        every = (duty for each in self.demands(contract) for duty in each.every())
        return next((duty for duty in every if duty.duty.id == id_), None)


def performed_for_all(contract: Contract, notices: Iterable[Statement]) -> frozenset[str]:
    """Ids of the duties before a use that were performed for the agreement as a whole, by who may say so."""
    actions = {each.duty.id: each.duty.action for each in demands(contract) if each.when is Phase.ADMISSION}
    found = set()
    for statement in notices:
        said = Fulfilled.of(statement)
        counts = said.duty in actions and who_says(contract, actions[said.duty]) == statement.issuer
        found |= {said.duty} if counts and not said.subject else set()
    return frozenset(found)


def who_says(contract: Contract, action: str) -> str:
    """The participant whose word counts for a duty; empty where the connectors see to it themselves."""
    word = owing.word_of(action)
    if word is Word.JOURNAL:
        return ""
    party = contract.agreement.provider if word is Word.PROVIDER else contract.agreement.consumer
    return party.participant


def _proven(owed: Owed) -> datetime:
    """When a performance was stated; of what the connectors saw to themselves, when it was owed."""
    said = Statement.parse(owed.proof) if owed.proof is not None else None
    return said.time if said is not None else owed.since


def _due(owed: Owed, contract: Contract) -> datetime | None:
    """An agreement that ended makes a deletion due at once, and the proof within its time."""
    if owed.action != DELETE or contract.termination is None or owed.due is None:
        return owed.due
    return min(owed.due, contract.termination.time + _grace(contract))


def _grace(contract: Contract) -> timedelta:
    """How long a proof may take: a recipient may be cut off as long as the contract lets it be."""
    return max(timedelta(seconds=contract.agreement.offline_window_seconds), _SIGHT)
