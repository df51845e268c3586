"""Asking several providers for one total: the consumer's side of a joint total, which carries and cannot read.

It makes a key for this run alone, has every provider admit its part, brings each the word of all, carries the others'
sealed results to the party that adds them up, and decrypts the sum. Where anything fails, every part that still waits
is cancelled: nothing was revealed, and what was charged stays charged.

LIMIT: the key lives in memory; a consumer that is killed meanwhile asks anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import new_id
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Refused, Unavailable
from hefu.statements.receipt import Failure, Receipt, Refusal
from hefu_policies.goods.resource import Resource

from hefu_connector.computing import answers, blobs, gathering
from hefu_connector.computing.answers import Unseal
from hefu_connector.computing.asking import Asking, Outcome
from hefu_connector.computing.bench import Bench, Made
from hefu_connector.computing.computation import Plan
from hefu_connector.computing.suites import TOTALS
from hefu_connector.computing.total_plan import TotalPlan
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.peering import Meeting, Uploading
from hefu_connector.ports import Answer, ComputationState, Contract, Prepared
from hefu_connector.session import LEAST_PARTIES, Party, Session
from hefu_connector.shelves import Releases

_LARGEST = 64 << 20  # bytes of a context
Propose = Callable[[Sequence[Plan], Sequence[Resource], int], tuple[tuple[int, ...], str]]


class Stage(StrEnum):
    """What is being done."""

    KEYS = "keys"
    ASKING = "asking"
    JOINING = "joining"
    COMPUTING = "computing"
    ADDING = "adding"
    OPENING = "opening"


@dataclass(frozen=True, slots=True)
class Step:
    """So many providers are done with a stage."""

    stage: Stage
    done: int
    parties: int


@dataclass(frozen=True, slots=True)
class Total:
    """What all parties' data come to, and which computations it was made of, in the order of participants."""

    answer: Answer
    computations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of whom.

    Attributes:
        query: counts and sums; product and resource are put in for each provider.
        agreements: one of each provider, or fewer where one has several.
        aggregator: the provider that adds up; empty for the first.
        honest: of how many providers the noise alone is enough; 0 for the least that is more than half.
    """

    query: Plan
    agreements: tuple[str, ...]
    aggregator: str
    honest: int
    purpose: str
    user: str


class Adding(Protocol):
    """The engine of joint totals, as the consumer's side needs it. Pure."""

    def prepare(self, plan: Object, resource: Resource, minimum_group: int | None) -> Prepared:
        """A provider's part, as that provider prepares it."""
        ...

    def combine(self, output: Object, prepared: Sequence[Prepared]) -> Answer:
        """The total that a worker decrypted."""
        ...


class Carrying(Meeting, Uploading, Protocol):
    """Providers' connectors, as whoever carries between them sees them."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run needs; put together by `bootstrap.py`.

    Attributes:
        unseal: opens what was sealed for this participant.
    """

    participant: str
    asking: Asking
    agreements: Agreements
    releases: Releases
    peers: Carrying
    bench: Bench
    engine: Adding
    propose: Propose
    unseal: Unseal


@dataclass(frozen=True, slots=True)
class _Part:
    """One provider's part of a run."""

    party: Party
    product: str
    resource: Resource
    plan: TotalPlan


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that was proposed."""

    session: Session
    parts: tuple[_Part, ...]
    secret: bytes

    @property
    def others(self) -> tuple[_Part, ...]:
        """All but the aggregator's part."""
        return tuple(each for each in self.parts if each.party.participant != self.session.aggregator)

    @property
    def last(self) -> _Part:
        """The aggregator's."""
        return next(each for each in self.parts if each.party.participant == self.session.aggregator)


class Totals:
    """Asks for joint totals. Safe to use from many threads."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def total(self, wish: Wish) -> Iterator[Step | Total]:
        """Ask, telling each step; the last thing that is told is the total.

        Raises:
            NotFound, Malformed: an agreement is not this consumer's, providers are too few, or the plan does not fit.
            Refused: a provider refused, or the providers would understand the question differently.
            Conflict: a provider's part failed; what was charged stays charged.
            Unavailable: a provider is away.
            Untrusted: what came back is not what all parties signed.
        """
        held = self._held(wish)
        yield Step(Stage.KEYS, 0, len(held))
        with self._tools.bench.made("keys", {"suite": TOTALS.name}, b"") as made, made.path.open("rb") as file:
            secret, public = blobs.read(file, (_LARGEST, _LARGEST))
        run = _proposed(wish, held, canonical.digest(public), secret, self._tools)
        try:
            yield from self._run(run, wish, public)
        finally:
            self._cancel(run)

    def _run(self, run: _Run, wish: Wish, public: bytes) -> Iterator[Step | Total]:
        parties = len(run.parts)
        for done, part in enumerate(run.parts):
            yield Step(Stage.ASKING, done, parties)
            self._ask(part, wish, public)
        words = []
        for done, part in enumerate(run.parts):
            yield Step(Stage.JOINING, done, parties)
            words.append(self._tools.peers.join(part.party.participant, part.party.computation))
        for part in run.others:
            self._tools.peers.carry_on(part.party.participant, part.party.computation, words, "")
        released = []
        for done, part in enumerate(run.others):
            yield Step(Stage.COMPUTING, done, parties)
            outcome = self._ended(part)
            sealed = self._tools.releases.parts(part.party.computation)
            released.append((outcome.own.receipt or b"", sealed))
        yield Step(Stage.ADDING, parties - 1, parties)
        party = run.last.party
        with self._tools.bench.held(gathering.pack(released)) as carried:
            self._upload(party, carried)
            self._tools.peers.carry_on(party.participant, party.computation, words, carried.digest)
        outcome = self._ended(run.last)
        yield Step(Stage.OPENING, parties, parties)
        yield Total(self._opened(run, outcome), tuple(each.party.computation for each in run.parts))

    def _held(self, wish: Wish) -> list[Contract]:
        """The contracts, one a provider, in the order of participants.

        Raises:
            Malformed: there are too few providers, or one comes twice.
        """
        found: dict[str, Contract] = {}
        for name in wish.agreements:
            contract = self._tools.agreements.load(name)
            if contract.agreement.consumer.participant != self._tools.participant:
                raise NotFound("resource.not_found", what="agreement", name=name)
            for statement, _ in contract.described or ((contract.description_statement, contract.description),):
                if statement.issuer in found:
                    raise Malformed("total.parties", least=LEAST_PARTIES)
                found[statement.issuer] = contract.facing(statement.issuer)
        if len(found) < LEAST_PARTIES:
            raise Malformed("total.parties", least=LEAST_PARTIES)
        return [found[name] for name in sorted(found)]

    def _ask(self, part: _Part, wish: Wish, public: bytes) -> None:
        party = part.party
        with self._tools.bench.held(public) as key:
            self._upload(party, key)
        own = self._tools.asking.ask(
            part.plan.body(), party.agreement, wish.purpose, wish.user, computation=party.computation
        )
        if own.state is None:
            raise Unavailable("peer.unreachable", peer=party.participant)
        if own.finished:
            self._ended(part)

    def _ended(self, part: _Part) -> Outcome:
        """The end of a part, its sealed result here whole."""
        party = part.party
        for _ in self._tools.asking.follow(party.computation):
            pass
        outcome = self._tools.asking.outcome(party.computation)
        end, about = outcome.end, {"computation": party.computation}
        if isinstance(end, Refusal):
            raise Refused(
                "question.refused", reasons=outcome.reasons, agreement=party.agreement, peer=party.participant, **about
            )
        if not isinstance(end, Receipt):
            code = end.code if isinstance(end, Failure) else outcome.own.fault
            state = outcome.own.state or ComputationState.FAILED
            raise Conflict("question.ended", reasons=(code,), state=state.value, **about)
        return outcome

    def _opened(self, run: _Run, outcome: Outcome) -> Answer:
        tools = self._tools
        prepared = [tools.engine.prepare(each.plan.body(), each.resource, None) for each in run.parts]
        mine = prepared[run.parts.index(run.last)]
        form, made = mine.encrypted, outcome.end
        if form is None or not isinstance(made, Receipt):
            raise NotFound("resource.not_found", what="total of", name=run.session.id)
        blob = answers.open_blob(made, tools.releases.parts(made.computation), tools.unseal, form)
        asked: Object = {"suite": TOTALS.name, "counts": [*form.counts]}
        return tools.engine.combine(tools.bench.told("total-open", asked, blob, [run.secret]), prepared)

    def _upload(self, party: Party, made: Made) -> None:
        self._tools.peers.upload(
            party.participant, party.computation, party.agreement, made.digest, made.size, made.path
        )

    def _cancel(self, run: _Run) -> None:
        """Let nobody wait for what does not come; of what has ended nothing changes."""
        for part in run.parts:
            with suppress(HefuError):
                self._tools.asking.cancel(part.party.computation)


def _proposed(wish: Wish, held: Sequence[Contract], key: str, secret: bytes, tools: Tools) -> _Run:
    parties = tuple(
        Party(each.agreement.provider.participant, each.agreement.id, new_id("cmp")) for each in held
    )  # fmt: skip
    session = Session(
        id=new_id("ses"),
        parties=parties,
        aggregator=wish.aggregator or parties[0].participant,
        honest=wish.honest or len(parties) // 2 + 1,
        key=key,
        suite=TOTALS.name,
        parameters=TOTALS.digest(),
        consumer=tools.participant,
    )
    resources = [_resource(each) for each in held]
    queries = [replace(wish.query, product=each.agreement.product, resource="") for each in held]
    noise, question = tools.propose(queries, resources, session.honest)
    parts = tuple(
        _Part(party, query.product, resource, TotalPlan(session, query, noise, question))
        for party, query, resource in zip(parties, queries, resources, strict=True)
    )
    return _Run(session, parts, secret)


def _resource(contract: Contract) -> Resource:
    """The one that a plan without a resource asks: the first under the agreement."""
    named = contract.agreement.resources
    return next(each for each in contract.description.resources if each.id in named)
