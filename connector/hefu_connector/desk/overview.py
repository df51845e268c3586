"""What a participant's people look at: contracts with their standing, what waits on whom, balances, what left.

Reading only. While the broker is away, what this connector keeps itself is shown all the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hefu import canonical
from hefu.canonical import Json
from hefu.envelope import Statement
from hefu.errors import HefuError, NotFound, Unavailable
from hefu.statements.delivery import Delivered
from hefu.statements.receipt import Failure, Receipt
from hefu_policies.budget import NOTHING, Charge, PrivacyLoss
from hefu_policies.proving.replay import policy_digest
from hefu_policies.states.negotiation import State

from hefu_connector.brokerage import Negotiations, Progress
from hefu_connector.computing.answers import End, read_end
from hefu_connector.computing.asking import Asking
from hefu_connector.computing.request import user_of
from hefu_connector.contracting import negotiating
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.consumer import Consumer
from hefu_connector.contracting.negotiating import Negotiation
from hefu_connector.desk.meters import Meter, meters
from hefu_connector.desk.tables import Table, Tables
from hefu_connector.ports import (
    Account,
    Balance,
    Contract,
    DecisionRecords,
    JournalReader,
    Ledger,
    Run,
    Trust,
)  # fmt: skip
from hefu_connector.shelves import Handed, HandedOver, OwnRequest

log = logging.getLogger("hefu.overview")
YOU, BROKER = "you", "broker"
_MANY = 1000


class Kind(StrEnum):
    """What waits."""

    ENROLLMENT = "enrollment"
    NEGOTIATION = "negotiation"
    APPROVAL = "approval"
    COMPUTATION = "computation"
    OUTBOX = "outbox"
    DUTY = "duty"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits: on whom, since when, until when (None: for ever)."""

    kind: Kind
    name: str
    on: str
    since: datetime
    until: datetime | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """A negotiation or agreement as its party sees it.

    Attributes:
        state: a negotiation's state, or ``ACTIVE``, ``SUSPENDED``, ``EXPIRED``, ``TERMINATED`` of an agreement.
        contract: the verified agreement; None until it is in force.
        charged: under the agreement as far as this side knows; None until it is in force.
        table: what is negotiated; None once it is in force or over.
    """

    id: str
    state: str
    provider: str
    consumer: str
    product: str
    offer: str
    purpose: str
    updated: datetime
    contract: Contract | None = None
    agreement: Statement | None = None
    waiting: Waiting | None = None
    charged: Charge | None = None
    reason: str = ""
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A computation of another participant on this provider's data, from the journal.

    Attributes:
        said: what the receipt says of a delivery; ``handed`` is whether its recipient proved that it deleted it.
    """

    run: Run
    end: End | None
    user: str
    said: Delivered | None = None
    handed: HandedOver | None = None


class Overview:
    """Answers what people ask of their connector. Safe to use from many threads."""

    def __init__(
        self,
        author: Author,
        trust: Trust,
        consumer: Consumer,
        asking: Asking,
        agreements: Agreements,
        negotiations: Negotiations,
        reader: JournalReader,
        ledger: Ledger,
        handed: Handed,
        tables: Tables,
        records: DecisionRecords,
    ) -> None:
        self._tables = tables
        self._records = records
        self._author = author
        self._trust = trust
        self._consumer = consumer
        self._asking = asking
        self._agreements = agreements
        self._negotiations = negotiations
        self._reader = reader
        self._ledger = ledger
        self._handed = handed
        self._known: dict[str, Charge] = {}  # by computation: a receipt never changes

    # ------------------------------------------------------------ contracts

    def contracts(self) -> list[Standing]:
        """All negotiations and agreements, newest first."""
        held = {each.agreement.negotiation: each for each in self._agreements.all()}
        charges = self._charges()
        found: dict[str, Standing] = {}
        for progress in self._progress():
            try:
                negotiation = self._read(progress)
            except HefuError as fault:
                # What does not verify is nobody's contract; the watch has said so in the log already.
                log.warning("negotiation %s is not shown: %s", progress.id, fault.code)
                continue
            contract = held.pop(progress.id, None)
            found[progress.id] = (
                self._of_contract(contract, charges, negotiation) if contract else self._standing(negotiation)
            )
        found |= {id_: self._of_contract(contract, charges) for id_, contract in held.items()}
        return sorted(found.values(), key=lambda each: each.updated, reverse=True)

    def awaited(self, id_: str, seconds: float) -> Standing:
        """As `contract`, once it is in force or over, or when the time is over."""
        end = time.monotonic() + seconds
        while True:
            mark = self._agreements.changed.mark()
            found = self.contract(id_)
            left = end - time.monotonic()
            if found.contract is not None or found.state == State.TERMINATED.value or left <= 0:
                return found
            self._agreements.changed.wait(mark, seconds=left)

    def purpose(self, agreement: str) -> str:
        """For what this participant asked for an agreement; raises NotFound."""
        return self._consumer.purpose(self._agreements.load(agreement).agreement.negotiation)

    def contract(self, id_: str) -> Standing:
        """One, by the id of its agreement or its negotiation; raises NotFound."""
        for held in self._agreements.all():
            if id_ in (held.agreement.id, held.agreement.negotiation):
                return self._of_contract(held, self._charges(), self._negotiated(held))
        return self._standing(self._read(negotiating.find(self._negotiations, id_)))

    # ------------------------------------------------------------ what waits

    def waiting(self) -> list[Waiting]:
        """Everything that waits, oldest first."""
        found = [each.waiting for each in self.contracts() if each.waiting is not None]
        found += [each for own in self._requests() if (each := self.computation_waits(own)) is not None]
        found += [Waiting(Kind.COMPUTATION, run.id, YOU, run.created) for run in self._reader.unfinished()]
        unsent = self._reader.outbox(_MANY)
        if unsent:
            since = Statement.parse(unsent[0]).time
            found.append(Waiting(Kind.OUTBOX, "", BROKER, since, self._outbox_until(since), len(unsent)))
        return sorted(found, key=lambda each: each.since)

    def computation_waits(self, own: OwnRequest) -> Waiting | None:
        """On whom an own computation waits; None once it is over."""
        if own.finished and (own.parts is None or own.held >= own.parts):
            return None
        try:
            until: datetime | None = self._agreements.load(own.agreements[0]).agreement.not_after
        except NotFound:
            until = None
        return Waiting(Kind.COMPUTATION, own.id, own.peer, own.updated, until)

    # ------------------------------------------------------------ budgets and releases

    def balances(self) -> list[tuple[Balance, str]]:
        """Every account with what it is about: assets and agreements of a provider, agreements of a consumer."""
        found = {each.account.name: (each, "") for each in self._ledger.balances()}
        charges = self._charges()
        for contract in self._agreements.all():
            title = next(iter(contract.description.title.values()), "")
            account = agreement_account(contract)
            held = {account.name: Balance(account, self._spent(contract, charges))}
            if self._provides(contract):
                assets = [Account(f"asset/{each.id}", each.privacy.lifetime) for each in contract.description.resources]
                held |= {each.name: self._ledger.balance(each) for each in assets}
            # The ledger's own word on a limit comes before that of any one description.
            found |= {name: (found.get(name, (balance, ""))[0], title) for name, balance in held.items()}
        return [found[name] for name in sorted(found)]

    def meters(self) -> list[Meter]:
        """Accounts of uses, time and money under the agreements that this participant provides under."""
        provided = [each for each in self._agreements.all() if self._provides(each)]
        return meters(provided, self._ledger, self._author.clock.now())

    def releases(self, limit: int, before: str = "") -> list[Left]:
        """What others computed on this provider's data, newest first."""
        found = []
        for run in self._reader.runs(limit, before):
            end = read_end(Statement.parse(run.receipt)) if run.receipt is not None else None
            said = Delivered.of(end) if isinstance(end, Receipt) else None
            handed = self._handed.find(run.id) if said is not None else None
            found.append(Left(run, end, user_of(Statement.parse(run.envelope)), said, handed))
        return found

    def decided(self, computation: str) -> tuple[bytes, Statement]:
        """How a computation on this provider's data was decided, and the agreement that was decided on.

        Raises:
            NotFound: there is no record of it here, or no agreement that it is of.
        """
        record = self._records.decisions(computation)
        if not record:
            raise NotFound("resource.not_found", what="record of decisions", name=computation)
        joined = _joined(record)
        for held in self._agreements.all():
            digests = {policy_digest(each.policy).encode() for each in held.agreement.strategies}
            if held.agreement.id not in joined and any(each in record for each in digests):
                return record, held.statement
        raise NotFound("resource.not_found", what="agreement of the computation", name=computation)

    # ------------------------------------------------------------ inside

    def _progress(self) -> Sequence[Progress]:
        try:
            return self._negotiations.negotiations()
        except Unavailable:
            return ()

    def _negotiated(self, contract: Contract) -> Negotiation | None:
        """The negotiation behind a provider's contract, for its purpose; a consumer keeps what it asked itself."""
        if not self._provides(contract):
            return None
        try:
            return self._read(negotiating.find(self._negotiations, contract.agreement.negotiation))
        except HefuError:
            return None

    def _requests(self) -> list[OwnRequest]:
        found: list[OwnRequest] = []
        while True:
            page = self._asking.all(_MANY, found[-1].id if found else "")
            found += page
            if len(page) < _MANY:
                return found

    def _read(self, progress: Progress) -> Negotiation:
        return negotiating.read(progress, self._trust, self._author.space)

    def _charges(self) -> dict[str, Charge]:
        """What this consumer's receipts say was charged, by agreement."""
        found: dict[str, Charge] = {}
        for own in self._requests():
            if own.receipt is not None:
                if own.id not in self._known:
                    self._known[own.id] = _charge(read_end(Statement.parse(own.receipt)))
                for agreement in own.agreements:
                    found[agreement] = found.get(agreement, NOTHING) + self._known[own.id]
        return found

    def _spent(self, contract: Contract, charges: Mapping[str, Charge]) -> Charge:
        """What is charged under an agreement: by the ledger for a provider, by its receipts for a consumer."""
        if self._provides(contract):
            return self._ledger.balance(agreement_account(contract)).charged
        return charges.get(contract.agreement.id, NOTHING)

    def _provides(self, contract: Contract) -> bool:
        return contract.agreement.provider.participant == self._author.participant

    def _standing(self, negotiation: Negotiation) -> Standing:
        request, last = negotiation.request, negotiation.messages[-1]
        return Standing(
            id=negotiation.id,
            state=negotiation.state.value,
            provider=request.provider,
            consumer=request.consumer,
            product=request.product,
            offer=request.offer,
            purpose=request.purpose,
            updated=last.time,
            agreement=negotiation.agreement,
            waiting=self._negotiation_waits(negotiation),
            reason=as_text(last.body.get("reason")) if negotiation.state is State.TERMINATED else "",
            table=self._tables.table(negotiation),
        )

    def _of_contract(
        self, contract: Contract, charges: Mapping[str, Charge], negotiation: Negotiation | None = None
    ) -> Standing:
        agreement, end, halt = contract.agreement, contract.termination, contract.suspension
        last = end or halt or (contract.turns[-1].statement if contract.turns else contract.countersignature)
        state = "ACTIVE" if self._author.clock.now() <= agreement.not_after else "EXPIRED"
        purpose = negotiation.request.purpose if negotiation else self._consumer.purpose(agreement.negotiation)
        return Standing(
            id=agreement.negotiation,
            state="TERMINATED" if end is not None else "SUSPENDED" if state == "ACTIVE" and halt is not None else state,
            provider=agreement.provider.participant,
            consumer=agreement.consumer.participant,
            product=agreement.product,
            offer=agreement.offer,
            purpose=purpose,
            updated=last.time,
            contract=contract,
            agreement=contract.statement,
            charged=self._spent(contract, charges),
            reason=as_text(last.body.get("reason")) if end is not None or halt is not None else "",
        )

    def _negotiation_waits(self, negotiation: Negotiation) -> Waiting | None:
        turns = {
            State.REQUESTED: negotiation.request.provider,
            State.OFFERED: negotiation.request.consumer,
            State.ACCEPTED: negotiation.request.provider,
            State.AGREED: negotiation.request.consumer,
            State.VERIFIED: negotiation.request.provider,
            State.FINALIZED: BROKER,
        }
        if negotiation.state is State.AGREED:
            turns[State.AGREED] = negotiation.next_to_sign or negotiation.request.consumer
        on, since = turns.get(negotiation.state), negotiation.messages[-1].time
        if on is None:
            return None
        if on == self._author.participant:
            endorses = self._author.participant in negotiation.request.endorsers
            decides = negotiation.state in (State.REQUESTED, State.OFFERED) or endorses
            kind = Kind.APPROVAL if decides else Kind.NEGOTIATION
            return Waiting(kind, negotiation.id, YOU, since)
        return Waiting(Kind.NEGOTIATION, negotiation.id, on, since)

    def _outbox_until(self, since: datetime) -> datetime | None:
        """The promise's term: a receipt is in the log within its contract's offline window."""
        windows = [each.agreement.offline_window_seconds for each in self._agreements.all() if self._provides(each)]
        return since + timedelta(seconds=min(windows)) if windows else None


def agreement_account(contract: Contract) -> Account:
    """The account of an agreement's budget, named as the enforcement point names it."""
    return Account(f"agreement/{contract.agreement.id}", contract.agreement.budget)


def as_text(value: Json) -> str:
    """A value that is a text; empty where it is another or absent."""
    return value if isinstance(value, str) else ""


def _charge(end: End) -> Charge:
    if not isinstance(end, Receipt | Failure):
        return NOTHING
    spent = end.charge
    return Charge(PrivacyLoss(spent.epsilon_nano, spent.delta_femto, spent.rho_nano), spent.releases)


def _joined(record: bytes) -> set[str]:
    """The agreements behind the first in a record of decisions."""
    found = canonical.decode_object(record, len(record)).get("joined")
    return (
        {str(each.get("agreement")) for each in found if isinstance(each, dict)} if isinstance(found, list) else set()
    )
