"""What people look at after an agreement was made: alarms, what is owed, and who says that it was performed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from hefu.envelope import Statement
from hefu.errors import Conflict, NotFound, Refused
from hefu.membership.mandate import OPENED, Access, Order, subjects
from hefu.statements.notices import DEVIATED, FULFILLED, Deviated, Fulfilled
from hefu.statements.receipt import Receipt, Refusal
from hefu_policies import odrl
from hefu_policies.deciding import owing
from hefu_policies.deciding.owing import Demand
from hefu_policies.deciding.policy import CompiledDuty, Duty
from hefu_policies.words.terms import DELETE, OBTAIN_APPROVAL, Phase

from hefu_connector.afterwards import DutyState, Owed
from hefu_connector.computing.answers import read_end
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.notices import Notices
from hefu_connector.contracting.owing import INFRINGED, Owing, subject_of, who_says
from hefu_connector.desk.overview import YOU, Kind, Waiting, as_text
from hefu_connector.ports import Contract
from hefu_connector.shelves import OwnRequest

_DUES = {Phase.ADMISSION: "before", Phase.RELEASE: "at", Phase.POST: "after"}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that is not as was agreed, or that ends or interrupts an agreement.

    Attributes:
        code: a stable word, such as ``duty.violated`` or ``agreement.suspended``.
        about: the participant who deviates, as `issuer` sees it; empty of a suspension or an end.
    """

    agreement: str
    code: str
    issuer: str
    about: str
    duty: str
    subject: str
    reason: str
    time: datetime
    statement: Statement


class Stand(StrEnum):
    """Where a duty stands, for people."""

    DORMANT = "dormant"
    OWED = "owed"
    FULFILLED = "fulfilled"
    VIOLATED = "violated"


@dataclass(frozen=True, slots=True)
class DutySeen:
    """A duty as a party sees it; attributes as in `afterwards.Owed`.

    Attributes:
        on: who must see to it; ``word``: whose signed word counts, empty where the connectors see to it themselves.
        when: ``before``, ``at`` or ``after`` a use, ``always``, or ``infringed``: once what is forbidden was done.
    """

    agreement: str
    id: str
    action: str
    subject: str
    stand: Stand
    on: str
    word: str
    when: str
    since: datetime | None = None
    due: datetime | None = None
    computation: str = ""
    follows: str = ""
    proof: bytes | None = None


class Aftermath:
    """Answers what people ask. Safe to use from many threads.

    Args:
        asked: this participant's newest own computations.
        envelope: the request of a computation, asked here or by others here; None where there is none.
        orders: regulators' orders in force.
    """

    def __init__(
        self,
        participant: str,
        agreements: Agreements,
        notices: Notices,
        books: Owing,
        asked: Callable[[], Sequence[OwnRequest]],
        envelope: Callable[[str], bytes | None],
        orders: Callable[[], Sequence[tuple[Statement, Order]]] = list,
    ) -> None:
        self._participant = participant
        self._agreements = agreements
        self.notices = notices
        self._owing = books
        self._asked = asked
        self._envelope = envelope
        self._orders = orders

    def alarms(self, agreement: str = "") -> list[Alarm]:
        """Deviations, suspensions, regulators' orders and accesses, and ends before their time, newest first; of one
        agreement or of all.

        Raises:
            NotFound: no such agreement.
        """
        held = [self._agreements.load(agreement)] if agreement else self._agreements.all()
        found = [one for each in held for one in _interruptions(each)]
        found += [_deviation(each) for each in self.notices.of(agreement, DEVIATED)]
        found += [_access(each) for each in self.notices.of(agreement, OPENED)]
        found += [one for each in held for one in self._ordered(each)]
        return sorted(found, key=lambda each: each.time)[::-1]  # times are whole seconds: the later said comes first

    def duties(self, agreement: str = "") -> list[DutySeen]:
        """What is owed, was performed, or is demanded of later uses; of one agreement or of all. Raises NotFound."""
        held = [self._agreements.load(agreement)] if agreement else self._agreements.all()
        found: list[DutySeen] = []
        for contract in held:
            provides = contract.agreement.provider.participant == self._participant
            seen = list(self._kept(contract) if provides else self._gathered(contract))
            known = {each.id for each in seen}
            seen += [_dormant(contract, each) for each in self._owing.demands(contract) if each.duty.id not in known]
            found += [replace(each, word=self._owing.who_says(contract, each.id, each.action)) for each in seen]
        return found

    def waiting(self) -> list[Waiting]:
        """What is owed or violated, and on whom it waits."""
        found = []
        for each in self.duties():
            if each.stand in (Stand.OWED, Stand.VIOLATED) and each.since is not None:
                on = YOU if each.on == self._participant else each.on
                found.append(Waiting(Kind.DUTY, each.agreement, on, each.since, each.due))
        return found

    def fulfil(self, agreement: str, duty: str, subject: str, reference: str, user: str) -> DutySeen:
        """State that a duty was performed, in the name of a person of this participant.

        Args:
            duty: its id, or its action where one duty only has it.
            subject: a computation that waits for it or after which it is owed; empty for the agreement as a whole.

        Raises:
            NotFound: no such agreement or duty.
            Conflict: several duties have this action.
            Refused: another party's word counts.
        """
        contract = self._agreements.load(agreement)
        demand, found = self._find(contract, duty)
        if (word := self._owing.who_says(contract, found.id, found.action)) != self._participant:
            raise Refused("duty.not_yours", duty=found.id, participant=word or "-")
        if demand.when is Phase.ADMISSION and found is demand.duty and subject.startswith("cmp-"):
            subject = self._subject(subject)
        self.notices.fulfilled(contract, found.id, subject, reference, user)
        seen = [each for each in self.duties(agreement) if (each.id, each.subject) == (found.id, subject)]
        return seen[0] if seen else _dormant(contract, demand)

    def infringed(self, agreement: str, clause: str, subject: str, reason: str, user: str) -> Alarm:
        """State, in the name of a person of this provider, that what a prohibition forbids was done by the consumer.

        Both sides have it as an alarm, and what the prohibition demands then becomes due.

        Args:
            clause: the prohibition's id.
            subject: a computation or delivery with whose result it was done; empty where that cannot be said.

        Raises:
            NotFound: no such agreement, or it has no such prohibition of this provider's.
            Refused: this participant provides nothing under it.
        """
        contract = self._agreements.load(agreement)
        if contract.agreement.provider.participant != self._participant:
            raise Refused("agreement.provider_only", agreement=agreement)
        policies = [odrl.load(each.policy) for each in contract.agreement.terms]
        if clause not in {rule.id for policy in policies for rule in policy.prohibitions}:
            raise NotFound("resource.not_found", what="prohibition", name=clause[:64])
        about = contract.agreement.consumer.participant
        said = self.notices.deviated(contract, INFRINGED, about, duty=clause, subject=subject, reason=reason, user=user)
        return _deviation(said)

    # ------------------------------------------------------------ inside

    def _ordered(self, held: Contract) -> Iterator[Alarm]:
        """Regulators' orders in force against an agreement, its products or its parties."""
        agreement = held.agreement
        products = tuple(each.product for each in agreement.contributions)
        concerned = subjects(agreement.id, products, *(each.participant for each in agreement.parties))
        for statement, order in self._orders():
            if order.names in concerned:
                yield Alarm(
                    agreement.id, statement.type, statement.issuer, order.subject, "", "", order.reason, statement.time,
                    statement,
                )  # fmt: skip

    def _find(self, contract: Contract, name: str) -> tuple[Demand, Duty]:
        every = [(each, one.duty) for each in self._owing.demands(contract) for one in each.every()]
        fitting = owing.named((duty for _, duty in every), name)
        if not fitting:
            raise NotFound("resource.not_found", what="duty", name=name[:64])
        if len({each.id for each in fitting}) > 1:
            raise Conflict("duty.ambiguous", duties=", ".join(each.id for each in fitting)[:300])
        return next((demand, duty) for demand, duty in every if duty is fitting[0])

    def _subject(self, computation: str) -> str:
        envelope = self._envelope(computation)
        if envelope is None:
            raise NotFound("resource.not_found", what="computation", name=computation)
        return _asked_for(envelope)

    def _kept(self, contract: Contract) -> Iterator[DutySeen]:
        """As this provider's own books have it."""
        demanded = {each.duty.id: each for each in self._owing.demands(contract)}
        for each in self._owing.of(contract.agreement.id):
            if each.state is not DutyState.VOID:
                yield _booked(contract, each, demanded.get(each.duty))

    def _gathered(self, contract: Contract) -> Iterator[DutySeen]:
        """As this consumer knows it: from its own computations, and from what both parties stated."""
        agreement = contract.agreement.id
        fulfilled, deviated = {}, {}
        for said in self.notices.of(agreement, FULFILLED):
            done = Fulfilled.of(said)
            fulfilled[done.duty, done.subject] = said
        for said in self.notices.of(agreement, DEVIATED):
            told = Deviated.of(said)
            deviated[told.duty, told.subject] = said
        for demand in self._owing.demands(contract):
            owed = {key[1]: _Cause(said.time) for key, said in [*fulfilled.items(), *deviated.items()]
                    if key[0] == demand.duty.id}  # fmt: skip
            owed |= self._causes(contract, demand)
            for subject, cause in owed.items():
                proof, alarm = fulfilled.get((demand.duty.id, subject)), deviated.get((demand.duty.id, subject))
                proof = proof if proof is None or _counts(demand, proof, cause) else None
                yield _gathered(contract, demand.compiled, demand, subject, cause, proof, alarm)
                for each in demand.compiled.consequences if alarm is not None else ():
                    done_ = fulfilled.get((each.duty.id, subject))
                    since = _Cause(alarm.time) if alarm is not None else cause
                    yield _gathered(contract, each, demand, subject, since, done_, None, demand.duty.id)

    def _causes(self, contract: Contract, demand: Demand) -> dict[str, _Cause]:
        """For what a duty is owed, by this consumer's own computations: the subject, and what brought it about."""
        agreement = contract.agreement
        if demand.remedial:
            return self._infringements(contract, demand.clause)
        found = {"": _Cause(agreement.not_before)} if demand.standing else {}
        if demand.duty.action == DELETE or demand.standing:
            return found  # deliveries tell of their deletion themselves
        for own in self._asked():
            if own.receipt is None or agreement.id not in own.agreements:
                continue
            end = read_end(Statement.parse(own.receipt))
            if isinstance(end, Refusal) and end.code == "contract.duties" and demand.when is Phase.ADMISSION:
                found[_asked_for(own.envelope)] = _Cause(own.updated, own.id)
            elif isinstance(end, Receipt) and _follows(demand, end):
                found[own.id] = _Cause(own.updated, own.id)
        return found

    def _infringements(self, contract: Contract, clause: str) -> dict[str, _Cause]:
        """What its provider says of a prohibition: the newest infringement for each subject."""
        found = {}
        for said in self.notices.of(contract.agreement.id, DEVIATED):
            told = Deviated.of(said)
            if (told.code, told.duty, said.issuer) == (INFRINGED, clause, contract.agreement.provider.participant):
                found[told.subject] = _Cause(said.time)
        return found


def _counts(demand: Demand, proof: Statement, cause: _Cause) -> bool:
    """Whether a performance is of what is owed now: what was infringed again since is owed anew."""
    return not demand.remedial or proof.time >= cause.since


@dataclass(frozen=True, slots=True)
class _Cause:
    since: datetime
    computation: str = ""


def _follows(demand: Demand, end: Receipt) -> bool:
    return demand.when is Phase.POST and demand.clause in ("", end.agreements[0].clause)


def _asked_for(envelope: bytes) -> str:
    body = Statement.parse(envelope).body
    plan = body.get("plan")
    return subject_of(plan if isinstance(plan, dict) else {}, as_text(body.get("purpose")))


def _booked(contract: Contract, owed: Owed, demand: Demand | None) -> DutySeen:
    stands = {DutyState.FULFILLED: Stand.FULFILLED, DutyState.VIOLATED: Stand.VIOLATED}
    return DutySeen(
        owed.agreement, owed.duty, owed.action, owed.subject, stands.get(owed.state, Stand.OWED),
        _whom(contract, owed.action), who_says(contract, owed.action), _when(demand) if demand else "after",
        owed.since, owed.due, owed.computation, owed.follows, owed.proof,
    )  # fmt: skip


def _gathered(
    contract: Contract, compiled: CompiledDuty, demand: Demand, subject: str, cause: _Cause, proof: Statement | None,
    alarm: Statement | None, follows: str = "",
) -> DutySeen:  # fmt: skip
    duty = compiled.duty
    stand = Stand.FULFILLED if proof is not None else Stand.VIOLATED if alarm is not None else Stand.OWED
    owes = stand is not Stand.FULFILLED and (demand.when is Phase.POST or demand.standing)
    due = owing.due_at(compiled, cause.since, contract.agreement.not_after) if owes else None
    return DutySeen(
        contract.agreement.id, duty.id, duty.action, subject, stand, _whom(contract, duty.action),
        who_says(contract, duty.action), _when(demand), cause.since, due, cause.computation, follows,
        proof.to_bytes() if proof is not None else None,
    )  # fmt: skip


def _dormant(contract: Contract, demand: Demand) -> DutySeen:
    action = demand.duty.action
    whom, word = _whom(contract, action), who_says(contract, action)
    return DutySeen(contract.agreement.id, demand.duty.id, action, "", Stand.DORMANT, whom, word, _when(demand))


def _when(demand: Demand) -> str:
    if demand.remedial:
        return "infringed"
    return "always" if demand.standing else _DUES[demand.when]


def _whom(contract: Contract, action: str) -> str:
    """Who must see to it: an approval is the provider's to give, everything else the consumer's to do."""
    party = contract.agreement.provider if action == OBTAIN_APPROVAL else contract.agreement.consumer
    return party.participant


def _deviation(statement: Statement) -> Alarm:
    said = Deviated.of(statement)
    return Alarm(
        said.agreement, said.code, statement.issuer, said.about, said.duty, said.subject, said.reason, statement.time,
        statement,
    )  # fmt: skip


def _access(statement: Statement) -> Alarm:
    said = Access.of(statement)
    return Alarm(said.agreement, OPENED, statement.issuer, "", "", "", said.reason, statement.time, statement)


def _interruptions(held: Contract) -> list[Alarm]:
    said = [each.statement for each in held.turns]
    if held.termination is not None and held.termination.time < held.agreement.not_after:
        said.append(held.termination)
    name = held.agreement.id
    return [Alarm(name, each.type, each.issuer, "", "", "", as_text(each.body.get("reason")), each.time, each)
            for each in said]  # fmt: skip
