"""Asking another connector for a computation, and taking its answer: the consumer's side of a run.

The id of a computation is its idempotency key. A request is kept before it is sent, and a repetition sends the same
bytes, so that neither a lost answer nor a power cut on this side makes anybody pay twice.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu.canonical import Object
from hefu.envelope import Statement, new_id
from hefu.errors import HefuError, Malformed, NotFound, Refused, Unavailable, Untrusted
from hefu.identity import write_bytes
from hefu.keeping import keys
from hefu.membership.mandate import subjects
from hefu.running import telemetry
from hefu.statements.delivery import Delivered
from hefu.statements.receipt import Failure, Receipt, Refusal
from hefu.times import write_time

from hefu_connector.computing import answers, ciphertexts
from hefu_connector.computing.admission import products
from hefu_connector.computing.delivery import DeliveryPlan
from hefu_connector.computing.plans import read_plan
from hefu_connector.computing.request import REQUESTED, ComputationRequest
from hefu_connector.computing.score_plan import ScorePlan
from hefu_connector.computing.total_plan import TotalPlan
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.author import Author
from hefu_connector.peering import Computed, Estimate, Peers
from hefu_connector.ports import Answer, ComputationState, Contract, Trust
from hefu_connector.shelves import OwnRequest, Releases, Requests

log = logging.getLogger("hefu.asking")

_PAUSES = (0.1, 0.3, 1.0, 2.0, 4.0)  # seconds between attempts while the provider is away; the last repeats
_RECENT = 100  # requests among which a release that is not here whole is looked for
_PATIENCE = 12  # attempts without a word from the provider, before whoever follows is told


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of a computation that this participant asked for.

    Attributes:
        end: the provider's verified last word; None while there is none.
        answer: of a release that is here whole; never of a delivery.
    """

    own: OwnRequest
    request: ComputationRequest
    end: Receipt | Refusal | Failure | None = None
    receipt: Statement | None = None
    answer: Answer | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was refused; empty otherwise."""
        return self.end.reasons if isinstance(self.end, Refusal) else ()


class Asking:
    """Computations that this participant asks for. Safe to use from many threads.

    Args:
        provider_of: the participant that provides a product; raises NotFound or Unavailable.
        private: the key that releases are sealed for.
    """

    def __init__(
        self,
        author: Author,
        trust: Trust,
        agreements: Agreements,
        peers: Peers,
        requests: Requests,
        releases: Releases,
        private: X25519PrivateKey,
        provider_of: Callable[[str], str],
    ) -> None:
        self._author = author
        self._trust = trust
        self._agreements = agreements
        self._peers = peers
        self._requests = requests
        self._releases = releases
        self._private = private
        self._provider_of = provider_of
        self._stopped = threading.Event()
        self._differs: list[Callable[[Contract, str, HefuError], None]] = []

    def when_differs(self, call: Callable[[Contract, str, HefuError], None]) -> None:
        """Call with a computation whose last word its provider signed, and which is not as its contract says."""
        self._differs.append(call)

    def estimate(self, product: str, plan: Object) -> Estimate:
        """Cost and expected error of a plan under a product; needs no agreement and charges nothing."""
        read_plan(plan)
        return self._peers.estimate(self._provider_of(product), product, plan)

    def ask(
        self, plan: Object, agreement: str, purpose: str, user: str, joined: str = "", computation: str = ""
    ) -> OwnRequest:
        """Sign a request in a user's name, keep it and send it.

        Args:
            joined: the agreement on the product that the plan joins, if it joins one.
            computation: its id, where it was drawn before: what the plan names is uploaded under it; else a new one.

        Returns:
            The request; its state is None if the provider could not be reached. Then it waits, and is sent again by
            `follow` and `resume`.

        Raises:
            NotFound: no such agreement of this consumer.
            Malformed: the plan is not of the typed form, or of another product.
            HefuError: whatever the provider raised; the request is over then.
        """
        agreements = (agreement, joined) if joined else (agreement,)
        contract, *others = self._contracts(agreements, plan)
        for each in (contract, *others):
            _check_alive(each)
            held, parties = each.agreement, (self._author.participant, each.agreement.provider.participant)
            self._trust.check_orders(*subjects(held.id, (held.product,), *parties))
        asked = ComputationRequest(
            computation=computation or new_id("cmp"),
            agreements=agreements,
            plan=plan,
            purpose=purpose,
            recipient=self._author.participant,
            nonce=new_nonce(),
        )
        statement = self._author.say(REQUESTED, asked.body(), user=user)
        now = self._author.clock.now()
        own = self._requests.keep(
            OwnRequest(
                id=asked.computation,
                peer=contract.agreement.provider.participant,
                agreements=asked.agreements,
                envelope=statement.to_bytes(),
                created=now,
                updated=now,
            )
        )
        try:
            with telemetry.step("computation.ask", computation=own.id, agreement=agreement):
                return self._send(own)
        except Unavailable:
            return own

    def follow(self, computation: str) -> Iterator[OwnRequest]:
        """The request after every change until it is over and a release is here whole.

        Raises:
            NotFound: this participant asked for no such computation.
            Unavailable: the provider stays away; the request stays kept, call again later.
            Untrusted: the provider's last word does not verify; nothing of it is kept.
        """
        failures = 0
        own = self._own(computation)
        yield own
        while not self._complete(own):
            try:
                for changed in self._step(own):
                    failures, own = 0, changed
                    yield own
            except Unavailable:
                failures += 1
                if failures > _PATIENCE or self._stopped.wait(_PAUSES[min(failures, len(_PAUSES)) - 1]):
                    raise
                own = self._own(computation)

    def compute(self, plan: Object, agreement: str, purpose: str, user: str) -> Outcome:
        """Ask, wait for the end, and open the answer; raises as `ask` and `follow`."""
        own = self.ask(plan, agreement, purpose, user)
        for _ in self.follow(own.id):
            pass
        return self.outcome(own.id)

    def outcome(self, computation: str) -> Outcome:
        """What is known of a computation, its answer opened anew from the sealed parts.

        Raises:
            NotFound: this participant asked for no such computation.
            Untrusted: what is kept does not verify any more.
        """
        own = self._own(computation)
        statement = Statement.parse(own.envelope)
        request = ComputationRequest.of(statement)
        if own.receipt is None or own.state is None:
            return Outcome(own, request)
        kept = Statement.parse(own.receipt)
        contract, *joined = self._contracts(own.agreements, request.plan)
        end = answers.check_end(kept, own.state, statement, contract, self._trust, joined)
        if not isinstance(end, Receipt) or own.held < len(end.parts):
            return Outcome(own, request, end, kept)
        plan = read_plan(request.plan)
        # What was delivered is opened by `computing.custody` alone, and ciphertexts by a worker.
        if isinstance(plan, DeliveryPlan | ScorePlan | TotalPlan):
            return Outcome(own, request, end, kept)
        answer = answers.open_release(end, self._releases.parts(computation), self._private, plan)
        return Outcome(own, request, end, kept, answer)

    def scores(self, computation: str) -> bytes:
        """The ciphertexts of scores that are here whole, unsealed and not looked into (`computing.blobs`).

        Raises:
            NotFound: there are none.
            Untrusted: what is kept does not verify any more, or is not of the form that the plan asks for.
        """
        outcome = self.outcome(computation)
        plan = read_plan(outcome.request.plan)
        if not isinstance(outcome.end, Receipt) or not isinstance(plan, ScorePlan):
            raise NotFound("resource.not_found", what="scores of", name=computation)
        form = ciphertexts.announced(plan.parameters, plan.parameters.blocks(plan.records))
        return answers.open_blob(outcome.end, self._releases.parts(computation), self._unseal, form)

    def all(self, limit: int, before: str = "") -> list[OwnRequest]:
        """Requests of this participant, newest first; `before` is the id after which to go on."""
        return list(self._requests.all(limit, before))

    def cancel(self, computation: str) -> OwnRequest:
        """Stop a computation if it runs; one that never reached its provider is dropped.

        Raises:
            NotFound: this participant asked for no such computation.
            Unavailable: the provider cannot be reached.
        """
        own = self._own(computation)
        if own.finished:
            return own
        try:
            return self._note(own, self._peers.cancel(own.peer, own.id))
        except NotFound:
            return self._requests.advance(own.id, None, self._author.clock.now(), fault="cancelled")

    def resume(self) -> None:
        """Go on with every request whose end is not known here, after a start or while a provider was away.

        Raises:
            Unavailable: a provider is still away.
        """
        away: Unavailable | None = None
        released = (own for own in self._requests.all(_RECENT) if own.finished and not self._complete(own))
        for own in (*self._requests.unfinished(), *released):
            if self._stopped.is_set():
                return
            try:
                for _ in self._step(own):
                    pass
            except Unavailable as fault:
                away = fault
            except HefuError as fault:
                log.warning("computation %s: %s: %s", own.id, fault.code, fault.public())
        if away is not None:
            raise away

    def stop(self) -> None:
        """Let nobody wait for a provider any longer."""
        self._stopped.set()

    def _unseal(self, sealed: bytes, info: bytes) -> bytes:
        return keys.unseal(sealed, self._private, info)

    # ------------------------------------------------------------ one step towards the end

    def _step(self, own: OwnRequest) -> Iterator[OwnRequest]:
        """Send, watch to the end, or fetch what is missing: whatever comes next."""
        if own.state is None:
            own = self._send(own)
            yield own
        if not own.finished:
            for computed in self._peers.watch(own.peer, own.id):
                own = self._note(own, computed)
                yield own
        if not self._complete(own):
            yield self._fetch(own)

    def _send(self, own: OwnRequest) -> OwnRequest:
        try:
            computed = self._peers.create(own.peer, Statement.parse(own.envelope))
        except Unavailable:
            raise
        except HefuError as fault:
            self._requests.advance(own.id, None, self._author.clock.now(), fault=fault.code)
            raise
        return self._note(own, computed)

    def _note(self, own: OwnRequest, computed: Computed) -> OwnRequest:
        """Keep what the provider said, its last word only after it was verified."""
        now = self._author.clock.now()
        if computed.receipt is None:
            return self._requests.advance(own.id, computed.state, now)
        statement = Statement.parse(own.envelope)
        contract, *joined = self._contracts(own.agreements, ComputationRequest.of(statement).plan)
        try:
            end = answers.check_end(computed.receipt, computed.state, statement, contract, self._trust, joined)
        except (Malformed, Untrusted) as fault:
            self._tell_of(contract, own.id, computed.receipt, fault)
            raise
        parts = len(end.parts) if isinstance(end, Receipt) else 0
        said = Delivered.of(end) if isinstance(end, Receipt) else None
        due = said.delete_by if said is not None else None
        return self._releases.receive(own.id, computed.state, computed.receipt.to_bytes(), parts, now, due)

    def _tell_of(self, contract: Contract, computation: str, said: Statement, fault: HefuError) -> None:
        try:
            self._trust.verify(said, contract.agreement.provider.participant)
        except HefuError:
            return  # nobody signed it: whoever forged it accuses nobody
        for call in self._differs:
            call(contract, computation, fault)

    def _fetch(self, own: OwnRequest) -> OwnRequest:
        made = Receipt.of(Statement.parse(own.receipt or b""))
        for index, sealed in self._peers.fetch(own.peer, own.id, own.held):
            answers.check_part(own.id, made, index, sealed)
            self._releases.add(own.id, index, sealed)
        return self._own(own.id)

    def _complete(self, own: OwnRequest) -> bool:
        if own.state is ComputationState.RELEASED:
            return own.receipt is not None and own.held == own.parts
        return own.finished

    def _own(self, computation: str) -> OwnRequest:
        own = self._requests.find(computation)
        if own is None:
            raise NotFound("resource.not_found", what="computation", name=computation)
        return own

    def _contracts(self, agreements: Sequence[str], plan: Object) -> list[Contract]:
        """Agreements of this consumer, one a product that the plan reads, each with that product's provider in front.

        Raises:
            Malformed: there are more or fewer agreements than products, or of another product.
            NotFound: an agreement is not this consumer's.
        """
        read_plan(plan)
        wanted = products(plan)
        if len({*wanted}) < len(wanted):
            raise Refused("plan.join_self", product=wanted[0])
        held = [self._agreements.load(each) for each in agreements]
        for contract in held:
            if contract.agreement.consumer.participant != self._author.participant:
                raise NotFound("resource.not_found", what="agreement", name=contract.agreement.id)
        if len(wanted) != len(held):
            if len(wanted) > 1:
                raise Malformed("contract.joined", first=wanted[0], second=wanted[1])
            raise Malformed("request.malformed", why="the plan joins nothing, and a second agreement is named")
        found = [contract.over(product) for contract, product in zip(held, wanted, strict=True)]
        if len({each.agreement.provider.participant for each in found}) > 1:
            raise Refused("plan.join_provider", first=wanted[0], second=wanted[-1])
        return found


def _check_alive(contract: Contract) -> None:
    """Raise Refused where the contract has ended or is suspended, as far as this side knows."""
    agreement = contract.agreement.id
    if contract.termination is not None:
        raise Refused("contract.ended", agreement=agreement, since=write_time(contract.termination.time))
    if contract.suspension is not None:
        raise Refused("contract.suspended", agreement=agreement, since=write_time(contract.suspension.time))


def new_nonce() -> str:
    """128 random bits, so that nobody can guess a request from its digest in the log."""
    return write_bytes(secrets.token_bytes(16))
