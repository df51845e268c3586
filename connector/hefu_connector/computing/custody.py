"""The policy enforcement point over what was delivered to this participant: the only door to delivered data.

What arrived is kept as it came, sealed; it is unsealed in memory and for one use at a time. A use passes these steps:

1. load: the delivery, its receipt and its contract, each verified anew;
2. standing: this participant may act, the contract is in force, and the delivery's time is not over;
3. decide: the decision point is asked with the purpose and the facts held here, for this very use;
4. unseal: the parts are those that the receipt names, and hold what it commits to;
5. journal: the use, or its refusal, stands in this connector's chain before anybody sees a byte.

When its time is over, its contract has ended, or its owner says so, it is deleted: the parts, the journal's signed
proof and the state are one transaction. LIMIT: whoever owns this machine and its keys can open what lies on it by other
means; what is promised is control by an honest connector, and evidence.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, NotFound, Refused, Unavailable
from hefu.membership.mandate import subjects
from hefu.statements import receipt
from hefu.statements.delivery import Deleted, Delivered, Denied, Kept, Told, Used
from hefu.statements.receipt import Receipt
from hefu_policies.proving import replay

from hefu_connector.computing import admission, answers, ends
from hefu_connector.computing.delivery import DeliveryPlan
from hefu_connector.computing.ends import Scribe
from hefu_connector.computing.request import ComputationRequest
from hefu_connector.computing.rows import Rows
from hefu_connector.peering import Confirmations
from hefu_connector.ports import Contract, Contracts, Trust
from hefu_connector.shelves import Deliveries, Delivery, OwnRequest, Releases, Requests

log = logging.getLogger("hefu.custody")

_TRIES = 3  # of one use, where others use the same delivery at the same time


@dataclass(frozen=True, slots=True)
class Holding:
    """A delivery with what was verified of it.

    Attributes:
        statement: the signed receipt; ``receipt`` is its body, ``said`` what it says of the delivery.
    """

    own: OwnRequest
    plan: DeliveryPlan
    statement: Statement
    receipt: Receipt
    said: Delivered
    contract: Contract
    delivery: Delivery

    @property
    def kept(self) -> Kept:
        """Which delivery this participant's statements are about."""
        under = tuple(each.agreement for each in self.receipt.agreements)
        return Kept(self.receipt.computation, under, self.statement.digest())


class Custody:
    """Decides on every use of what was delivered here, and deletes it in time. Safe to use from many threads.

    Args:
        private: the key that deliveries are sealed for.
        written: called after something was journalled.
        performed: ids of the duties that were performed for an agreement as a whole, as who may say so said.
    """

    def __init__(
        self,
        scribe: Scribe,
        trust: Trust,
        contracts: Contracts,
        requests: Requests,
        releases: Releases,
        deliveries: Deliveries,
        private: X25519PrivateKey,
        peers: Confirmations,
        written: Callable[[], None] = lambda: None,
        performed: Callable[[Contract], frozenset[str]] = lambda _: frozenset(),
    ) -> None:
        self._scribe = scribe
        self._performed = performed
        self._trust = trust
        self._contracts = contracts
        self._requests = requests
        self._releases = releases
        self._deliveries = deliveries
        self._private = private
        self._peers = peers
        self._written = written
        self._turn = threading.Lock()

    def all(self) -> list[Holding]:
        """Everything that was ever delivered here, newest first."""
        return [self._load(each) for each in self._deliveries.all()]

    def find(self, computation: str) -> Holding:
        """One delivery; raises NotFound, Untrusted where what is kept does not verify."""
        delivery = self._deliveries.find(computation)
        if delivery is None:
            raise NotFound("resource.not_found", what="delivery", name=computation)
        return self._load(delivery)

    def use(self, computation: str, action: str, purpose: str, user: str) -> Rows:
        """Use a delivery, if its contract permits it now.

        Args:
            action: ``odrl:read``, or ``hefu:download`` to take it out of the connector.
            purpose: what for; declared.
            user: who uses it.

        Raises:
            NotFound: no such delivery, not yet here, or deleted.
            Refused: a rule says no, or its time is over; journalled too.
            Unavailable: it cannot be journalled, and so is not used.
        """
        for attempt in range(_TRIES):
            with self._turn:
                held = self.find(computation)
                try:
                    return self._use(held, action, purpose, user)
                except Conflict:
                    if attempt == _TRIES - 1:
                        raise
        raise NotFound("resource.not_found", what="delivery", name=computation)

    def delete(self, computation: str, cause: str = "asked") -> Delivery:
        """Delete a delivery and journal the proof; what is deleted already stays as it is. Raises NotFound."""
        return self._delete(self.find(computation), cause)

    def sweep(self) -> None:
        """Delete everything whose time is over or whose contract has ended; called every second or so."""
        now = self._now()
        for delivery in self._deliveries.all():
            if delivery.proof is not None:
                continue
            try:
                held = self._load(delivery)
            except HefuError as fault:
                log.warning("delivery %s cannot be judged: %s", delivery.computation, fault.code)
                if now >= delivery.due:  # what cannot be verified any more is not kept for that
                    self._delete_unjudged(delivery)
                continue
            cause = "retention" if now >= delivery.due else "agreement_ended"
            agreement = held.contract.agreement
            if now >= delivery.due or held.contract.termination is not None or now >= agreement.not_after:
                self._delete(held, cause)

    def report(self) -> None:
        """Send every proof that its provider does not have yet.

        Raises:
            Unavailable: a provider is away.
        """
        away: Unavailable | None = None
        for delivery in self._deliveries.all():
            if delivery.proof is None or delivery.told:
                continue
            try:
                own = self._own(delivery.computation)
                self._peers.report_deletion(own.peer, Statement.parse(delivery.proof))
                self._deliveries.told(delivery.computation)
            except Unavailable as fault:
                away = fault
            except HefuError as fault:
                log.warning("the proof for %s is not taken: %s", delivery.computation, fault.code)
        if away is not None:
            raise away

    # ------------------------------------------------------------ inside

    def _use(self, held: Holding, action: str, purpose: str, user: str) -> Rows:
        computation = held.receipt.computation
        if held.delivery.proof is not None:
            raise NotFound("delivery.deleted", delivery=computation)
        if held.own.held != held.own.parts:
            raise NotFound("resource.not_found", what="delivery that is here whole", name=computation)
        try:
            used = self._decide(held, action, purpose, user)  # steps 2 and 3
        except Refused as refusal:
            reasons = refusal.reasons or (refusal.public(),)
            self._note(computation, Denied(held.kept, action, refusal.code, reasons), None)
            raise
        parts = self._releases.parts(computation)
        rows = answers.open_delivery(held.receipt, parts, self._private, held.plan)  # step 4
        self._note(computation, used, held.delivery.uses)  # step 5
        return rows

    def _decide(self, held: Holding, action: str, purpose: str, user: str) -> Used:
        participant, agreement = self._scribe.participant, held.contract.agreement
        standing = self._trust.check(participant, self._scribe.signer.key)
        now = self._now()
        admission.check_kept(held.receipt, self._contracts, now)
        self._trust.check_orders(*subjects(agreement.id, (agreement.product,), participant))
        admission.check_offline(held.contract, standing)
        facts: dict[str, object] = {
            "purpose": purpose,
            "column": frozenset(held.plan.columns),
            "processing": held.said.processing,
            "outputKind": held.receipt.output.kind,
            "outputRows": held.said.rows,
            "count": held.delivery.uses + 1,
            "dateTime": now,
            "recipient": participant,
        }
        _, decision = admission.decide_use(
            held.contract,
            action,
            agreement.consumer.participant,
            facts,
            self._performed(held.contract),
        )
        salt = secrets.token_bytes(receipt.SALT_SIZE)
        commitments = {"user": receipt.commit("user", user, salt)}
        return Used(held.kept, action, decision.clause, replay.write_facts(facts), {**commitments})

    def _note(self, computation: str, told: Told, uses: int | None) -> None:
        entry = ends.entry(self._scribe, told, self._scribe.clock.now())
        self._deliveries.note(computation, entry, uses)
        self._written()

    def _delete(self, held: Holding, cause: str) -> Delivery:
        return self._remove(held.kept, cause, held.own.held, held.delivery)

    def _delete_unjudged(self, delivery: Delivery) -> None:
        try:
            own = self._own(delivery.computation)
            statement = Statement.parse(own.receipt or b"")
            under = tuple(each.agreement for each in Receipt.of(statement).agreements)
            kept = Kept(own.id, under, statement.digest())
            self._remove(kept, "retention", own.held, delivery)
        except HefuError as fault:
            log.warning("delivery %s is due and cannot be deleted: %s", delivery.computation, fault.code)

    def _remove(self, kept: Kept, cause: str, parts: int, delivery: Delivery) -> Delivery:
        entry = ends.entry(self._scribe, Deleted(kept, cause, parts, delivery.uses), self._scribe.clock.now())
        with self._turn:
            gone = self._deliveries.delete(kept.delivery, entry, cause)
        self._written()
        log.info("delivery %s is deleted: %s", kept.delivery, cause)
        return gone

    def _load(self, delivery: Delivery) -> Holding:
        own = self._own(delivery.computation)
        if own.receipt is None or own.state is None:
            raise NotFound("resource.not_found", what="delivery", name=delivery.computation)
        asked, kept = Statement.parse(own.envelope), Statement.parse(own.receipt)
        plan = DeliveryPlan.of(ComputationRequest.of(asked).plan)
        contract = self._contracts.load(own.agreements[0]).over(plan.product)
        end = answers.check_end(kept, own.state, asked, contract, self._trust)  # step 1
        said = Delivered.of(end) if isinstance(end, Receipt) else None
        if not isinstance(end, Receipt) or said is None:
            raise NotFound("resource.not_found", what="delivery", name=delivery.computation)
        return Holding(own, plan, kept, end, said, contract, delivery)

    def _own(self, computation: str) -> OwnRequest:
        own = self._requests.find(computation)
        if own is None:
            raise NotFound("resource.not_found", what="delivery", name=computation)
        return own

    def _now(self) -> datetime:
        """The time, which is never before the newest status list: a clock that was set back keeps nothing alive."""
        now = self._scribe.clock.now()
        try:
            age = self._trust.check(self._scribe.participant).age
        except HefuError:
            return now
        return now - timedelta(seconds=age) if age < 0 else now
