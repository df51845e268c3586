"""Having records scored by a model that does not see them: the consumer's side of an encrypted score.

Records are encrypted in a worker under a key of this contract alone, uploaded, scored by the provider, and decrypted in
another worker, on the model's grid. Which computation answers which records is noted before it is asked: after a kill
at any instant the same records are not asked again, but what is here is decrypted anew.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from enum import StrEnum

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import new_id
from hefu.errors import Conflict, Malformed, NotFound, Refused, Untrusted
from hefu.statements.receipt import Failure, Receipt, Refusal
from hefu_policies.reading import write_decimal

from hefu_connector.computing.asking import Asking, Outcome
from hefu_connector.computing.bench import Bench, Made
from hefu_connector.computing.records import Scored
from hefu_connector.computing.score_keys import KeyPair, ScoreKeys
from hefu_connector.computing.score_plan import ScorePlan
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.peering import Uploading
from hefu_connector.shelves import ScoreShelf

log = logging.getLogger("hefu.scoring")

_MISSING = "inputs.missing"  # the provider has lost what was uploaded, and has charged nothing
_ATTEMPTS = 3


class Stage(StrEnum):
    """What is being done with some records."""

    ENCRYPTING = "encrypting"  # and sending
    WAITING = "waiting"
    DECRYPTING = "decrypting"


@dataclass(frozen=True, slots=True)
class Answered:
    """The scores of the records of one request.

    Attributes:
        steps: of each record, in whole steps of the model's grid.
        computation: that answered them.
        charged: exact releases; 0 where it was asked before.
    """

    steps: tuple[int, ...]
    computation: str
    charged: int


@dataclass(frozen=True, slots=True)
class Under:
    """A model under a contract, and in whose name it is asked."""

    agreement: str
    provider: str
    product: str
    model: Scored
    purpose: str
    user: str
    only: bool  # of the product's resources

    @property
    def resource(self) -> str:
        """As a plan names it."""
        return "" if self.only else self.model.resource


class Scores:
    """Has records scored. Safe to use from many threads; of one contract, one request at a time."""

    def __init__(
        self,
        asking: Asking,
        agreements: Agreements,
        uploads: Uploading,
        keys: ScoreKeys,
        shelf: ScoreShelf,
        bench: Bench,
    ) -> None:
        self._asking = asking
        self._agreements = agreements
        self._uploads = uploads
        self._keys = keys
        self._shelf = shelf
        self._bench = bench
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def under(self, agreement: str, product: str, purpose: str, user: str) -> Under:
        """The model under a contract.

        Args:
            product: which of the contract's; empty for the only one, or the first.

        Raises:
            NotFound: no such contract here, or nobody brings that product into it.
            Malformed: the product is no model.
        """
        held = self._agreements.load(agreement)
        contract = held.over(product) if product else held
        named = contract.agreement.resources
        resources = [each for each in contract.description.resources if each.id in named]
        model = next((each for each in resources if each.model is not None), resources[0])
        parties = contract.agreement.provider.participant, contract.agreement.product
        return Under(held.agreement.id, *parties, Scored.of(model), purpose, user, len(resources) == 1)

    def score(self, under: Under, requests: Iterable[array[float]]) -> Iterator[Stage | Answered]:
        """Have records scored: while one request is answered, the next is encrypted and sent.

        Args:
            requests: the values of the records of each, of no more than `Scored.each`.

        Raises:
            Malformed: a record is not one that the model was made for; nothing of its request was sent.
            Refused: the provider refused; the reasons name the clauses. Nothing was charged.
            Conflict: the computation failed or was cancelled; it stays charged.
            Unavailable: the provider is away; what was asked is answered later, and not asked again.
            Untrusted: what came back is not what this model could answer to this key.
        """
        ahead = ThreadPoolExecutor(1, thread_name_prefix="scores")
        try:
            before: Future[_Begun] | None = None
            for coming in self._submitted(under, requests, ahead):
                if before is not None:
                    yield from self._finish(under, before)
                before = coming
            if before is not None:
                yield from self._finish(under, before)
        finally:
            ahead.shutdown(wait=False)

    def _submitted(
        self, under: Under, requests: Iterable[array[float]], ahead: ThreadPoolExecutor
    ) -> Iterator[Future[_Begun]]:
        done = 0
        for values in requests:
            records = under.model.check(values, done)
            if not 0 < records <= under.model.each():
                raise Malformed("score.shape")
            yield ahead.submit(self._begin, under, values, records)
            done += records

    def _begin(self, under: Under, values: array[float], records: int) -> _Begun:
        """Ask for records, unless that was done before; one at a time of a contract, so that nobody asks twice."""
        keys, name = self._keys.of(under.agreement, under.model.served.suite), _name(under, values)
        with self._turns[under.agreement]:
            computation = self._answered(under.agreement, name)
            if computation:
                return _Begun(values, records, keys, computation, new=False)
            computation = new_id("cmp")
            with self._encrypted(under, values, records, keys) as inputs:
                self._ask(under, name, computation, _plan(under, keys, records, inputs), inputs)
            return _Begun(values, records, keys, computation, new=True)

    def _finish(self, under: Under, coming: Future[_Begun]) -> Iterator[Stage | Answered]:
        yield Stage.ENCRYPTING
        begun = coming.result()
        for left in reversed(range(_ATTEMPTS)):
            yield Stage.WAITING
            for _ in self._asking.follow(begun.computation):
                pass
            outcome = self._asking.outcome(begun.computation)
            if not left or _code(outcome) != _MISSING:
                break
            yield Stage.ENCRYPTING
            begun = self._begin(under, begun.values, begun.records)
        cost = _released(outcome, under).charge.releases if begun.new else 0
        yield Stage.DECRYPTING
        yield Answered(self._decrypted(under, begun), begun.computation, cost)

    def _answered(self, agreement: str, name: str) -> str:
        """The computation that answers these records, or will; empty where they are to be asked."""
        computation = self._shelf.asked(agreement, name)
        if not computation:
            return ""
        with suppress(NotFound):  # it was noted and never asked
            outcome = self._asking.outcome(computation)
            if not _code(outcome):
                return computation
        return ""

    def _ask(self, under: Under, name: str, computation: str, plan: ScorePlan, inputs: Made) -> None:
        self._uploads.upload(
            under.provider, computation, under.agreement, inputs.digest, inputs.size, inputs.path
        )  # fmt: skip
        self._shelf.ask(under.agreement, name, computation)
        try:
            self._asking.ask(plan.body(), under.agreement, under.purpose, under.user, computation=computation)
        except Refused as refusal:
            if refusal.code != _MISSING:
                raise

    def _encrypted(
        self, under: Under, values: array[float], records: int, keys: KeyPair
    ) -> AbstractContextManager[Made]:
        parameters: Object = {
            "suite": under.model.served.suite,
            "features": [each.body() for each in under.model.features],
            "records": records,
        }
        return self._bench.made("encrypt", parameters, values.tobytes(), [keys.public])

    def _decrypted(self, under: Under, begun: _Begun) -> tuple[int, ...]:
        served, (lower, upper) = under.model.served, under.model.reach
        parameters: Object = {
            "suite": served.suite,
            "records": begun.records,
            "step": write_decimal(served.step),
            "lower": write_decimal(lower),
            "upper": write_decimal(upper),
        }
        blob = self._asking.scores(begun.computation)
        steps = self._bench.told("decrypt", parameters, blob, [begun.keys.secret]).get("steps")
        found = tuple(each for each in steps if isinstance(each, int)) if isinstance(steps, list) else ()
        if len(found) != begun.records:
            raise Untrusted("score.answer", peer=under.provider, computation=begun.computation)
        return found


@dataclass(frozen=True, slots=True)
class _Begun:
    """A request that was made, now or before."""

    values: array[float]
    records: int
    keys: KeyPair
    computation: str
    new: bool


def _name(under: Under, values: array[float]) -> str:
    """Names records under a contract: the same records of the same model are one question."""
    served = under.model.served
    about: Object = {
        "product": under.product,
        "resource": under.model.resource,
        "model": served.digest,
        "suite": served.suite,
        "values": hashlib.sha256(values.tobytes()).hexdigest(),
    }
    return canonical.digest(canonical.encode(about))


def _plan(under: Under, keys: KeyPair, records: int, inputs: Made) -> ScorePlan:
    served = under.model.served
    return ScorePlan(
        under.product, served.digest, served.suite, keys.digest, records, inputs.digest, inputs.size, under.resource
    )


def _code(outcome: Outcome) -> str:
    """Why there is no answer and never will be; empty otherwise."""
    end = outcome.end
    return end.code if isinstance(end, Refusal | Failure) else outcome.own.fault


def _released(outcome: Outcome, under: Under) -> Receipt:
    """The receipt of an answer; raises Refused or Conflict where there is none."""
    code, computation = _code(outcome), outcome.own.id
    if isinstance(outcome.end, Receipt):
        return outcome.end
    if isinstance(outcome.end, Failure):
        state = outcome.own.state.value if outcome.own.state else "failed"
        raise Conflict("question.ended", reasons=(code,), computation=computation, state=state)
    said = {"computation": computation, "agreement": under.agreement, "peer": under.provider}
    raise Refused("question.refused", reasons=outcome.reasons or (code,), **said)
