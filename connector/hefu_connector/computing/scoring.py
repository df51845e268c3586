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
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from enum import StrEnum

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import new_id
from hefu.errors import Conflict, Malformed, NotFound, Refused, Untrusted
from hefu.receipt import Failure, Refusal
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

    ENCRYPTING = "encrypting"
    SENDING = "sending"
    WAITING = "waiting"
    DECRYPTING = "decrypting"


@dataclass(frozen=True, slots=True)
class Answered:
    """The scores of some records.

    Attributes:
        steps: of each record, in whole steps of the model's grid.
        computation: that answered them.
        kept: whether it was asked before, and so nothing was charged now.
    """

    steps: tuple[int, ...]
    computation: str
    kept: bool


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

    def score(self, under: Under, values: array[float], first: int = 0) -> Iterator[Stage | Answered]:
        """Have the records of one request scored; the last thing that is told are their scores.

        Args:
            first: how many records stand before these, for what is wrong with one to be told.

        Raises:
            Malformed: a record is not one that the model was made for; nothing was sent.
            Refused: the provider refused; the reasons name the clauses. Nothing was charged.
            Conflict: the computation failed or was cancelled; it stays charged.
            Unavailable: the provider is away; what was asked is answered later, and not asked again.
            Untrusted: what came back is not what this model could answer to this key.
        """
        records = under.model.check(values, first)
        if not records:
            raise Malformed("score.none")
        if records > under.model.each():
            raise Malformed("score.shape")
        name = _name(under, values)
        with self._turns[under.agreement]:
            yield from self._score(under, values, records, name)

    def _score(self, under: Under, values: array[float], records: int, name: str) -> Iterator[Stage | Answered]:
        keys = self._keys.of(under.agreement, under.model.served.suite)
        computation = self._answered(under.agreement, name)
        kept = bool(computation)
        for left in reversed(range(_ATTEMPTS)):
            if not computation:
                computation, kept = new_id("cmp"), False
                yield Stage.ENCRYPTING
                with self._encrypted(under, values, records, keys) as inputs:
                    yield Stage.SENDING
                    self._ask(under, name, computation, _plan(under, keys, records, inputs), inputs)
            yield Stage.WAITING
            for _ in self._asking.follow(computation):
                pass
            outcome = self._asking.outcome(computation)
            if left and _code(outcome) == _MISSING:
                computation = ""
                continue
            _check_released(outcome, under)
            yield Stage.DECRYPTING
            yield Answered(self._decrypted(under, computation, records, keys), computation, kept)
            return

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

    def _decrypted(self, under: Under, computation: str, records: int, keys: KeyPair) -> tuple[int, ...]:
        served, (lower, upper) = under.model.served, under.model.reach
        parameters: Object = {
            "suite": served.suite,
            "records": records,
            "step": write_decimal(served.step),
            "lower": write_decimal(lower),
            "upper": write_decimal(upper),
        }
        blob = self._asking.scores(computation)
        steps = self._bench.told("decrypt", parameters, blob, [keys.secret]).get("steps")
        found = tuple(each for each in steps if isinstance(each, int)) if isinstance(steps, list) else ()
        if len(found) != records:
            raise Untrusted("score.answer", peer=under.provider, computation=computation)
        return found


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


def _check_released(outcome: Outcome, under: Under) -> None:
    code, computation = _code(outcome), outcome.own.id
    if isinstance(outcome.end, Refusal) or (code and outcome.end is None):
        said = {"computation": computation, "agreement": under.agreement, "peer": under.provider}
        raise Refused("question.refused", reasons=outcome.reasons or (code,), **said)
    if code:
        state = outcome.own.state.value if outcome.own.state else "failed"
        raise Conflict("question.ended", reasons=(code,), computation=computation, state=state)
