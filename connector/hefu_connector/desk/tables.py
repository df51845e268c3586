"""What is on the table of a negotiation, and how it came there: for this participant's own people.

Everything is read from the verified messages. Those of a negotiation that had several rounds, or other terms than the
offer's, are kept here once it is over, so that its history can be shown without the broker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import HefuError, NotFound, Unavailable
from hefu_policies.agreeing.changes import changed_in, terms_of
from hefu_policies.bargaining.acceptance import Shortfall
from hefu_policies.bargaining.haggling import Verdict, order
from hefu_policies.bargaining.rounds import Round, Step, asked, history
from hefu_policies.goods.product import Description, Offer
from hefu_policies.states.negotiation import State, is_final

from hefu_connector.brokerage import Negotiations, Progress
from hefu_connector.contracting import negotiating
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.consumer import Consumer
from hefu_connector.contracting.negotiating import Negotiation
from hefu_connector.contracting.provider import Provider
from hefu_connector.ports import Trust
from hefu_connector.shelves import Mark, Marks

_MARK = "rounds/"
_PLAIN = 4  # messages of a negotiation in which an offer was simply taken


@dataclass(frozen=True, slots=True)
class Table:
    """What is negotiated.

    Attributes:
        round: how many requests there were.
        steps: the terms on the table that are not the published offer's.
        verdict: where it stands to the limits of whoever has to decide; None for all others, and without limits.
        lacking: why an offer is not inside a consumer's limits.
    """

    round: int
    steps: tuple[Step, ...]
    verdict: Verdict | None = None
    lacking: tuple[Shortfall, ...] = ()


class Tables:
    """Reads negotiations for people. Safe to use from many threads.

    Args:
        described: a description version by its digest, as this participant keeps it.
    """

    def __init__(
        self,
        author: Author,
        trust: Trust,
        negotiations: Negotiations,
        described: Callable[[str], Statement | None],
        provider: Provider,
        marks: Marks,
        consumer: Consumer | None = None,
    ) -> None:
        self._author = author
        self._trust = trust
        self._negotiations = negotiations
        self._described = described
        self._provider = provider
        self._marks = marks
        self._consumer = consumer

    def table(self, negotiation: Negotiation) -> Table:
        """What is on the table; without terms where they cannot be read."""
        number = asked(negotiation.messages)
        verdict, lacking = self._verdict(negotiation)
        if not negotiation.changes:
            return Table(number, (), verdict, lacking)
        try:
            description, offer = self._offer(negotiation)
            public = terms_of(offer)
            now = terms_of(changed_in(description, offer, negotiation.changes))
        except HefuError:
            return Table(number, ())
        steps = [
            Step(key, term.name, term.en, term.zh, public[key].text, term.text, order(term, public[key]))
            for key, term in now.items()
            if term.items != public[key].items
        ]
        return Table(number, tuple(steps), verdict, lacking)

    def provides(self, negotiation: str) -> bool:
        """Whether this participant is the provider; raises NotFound."""
        return negotiating.find(self._negotiations, negotiation).provider == self._author.participant

    def history(self, id_: str) -> tuple[Round, ...]:
        """Every round of a negotiation, by its id or its agreement's.

        Raises:
            NotFound: no such negotiation.
            Unavailable: the broker is away, and the negotiation is not kept here.
        """
        try:
            progress = negotiating.find(self._negotiations, id_)
        except Unavailable:
            return self._history(self._kept(id_))
        negotiation = negotiating.read(progress, self._trust, self._author.space)
        self._keep(negotiation, progress)
        return self._history(negotiation)

    def archive(self, progress: Progress) -> None:
        """Keep the messages of a negotiation that is over, if they tell more than that an offer was taken."""
        told = len(progress.messages) > _PLAIN or any(each.body.get("changes") for each in progress.messages)
        if told and is_final(progress.state) and self._marks.find(_MARK + progress.id) is None:
            self._keep(negotiating.read(progress, self._trust, self._author.space), progress)

    def _keep(self, negotiation: Negotiation, progress: Progress) -> None:
        if not is_final(negotiation.state) or self._marks.find(_MARK + negotiation.id) is not None:
            return
        agreement = negotiation.agreement
        texts = [each.to_bytes().decode() for each in negotiation.messages]
        self._marks.advance(Mark(_MARK + negotiation.id, 1, canonical.encode([*texts]).decode()))
        if agreement is not None:
            self._marks.advance(Mark(_MARK + str(agreement.body.get("agreement")), 1, progress.id))

    def _kept(self, id_: str) -> Negotiation:
        mark = self._marks.find(_MARK + id_)
        if mark is not None and mark.text.startswith("neg-"):
            mark = self._marks.find(_MARK + mark.text)
        if mark is None:
            raise Unavailable("peer.unreachable", peer="the broker")
        texts = canonical.decode(mark.text.encode())
        messages = [Statement.parse(str(each).encode()) for each in (texts if isinstance(texts, list) else [])]
        body = messages[0].body
        shown = Progress(
            str(body["negotiation"]), State.FINALIZED, str(body["consumer"]), str(body["provider"]), tuple(messages)
        )
        return negotiating.read(shown, self._trust, self._author.space)

    def _history(self, negotiation: Negotiation) -> tuple[Round, ...]:
        description, offer = self._offer(negotiation)
        return history(description, offer, negotiation.messages)

    def _offer(self, negotiation: Negotiation) -> tuple[Description, Offer]:
        statement = self._described(negotiation.request.description)
        if statement is None:
            raise NotFound("resource.not_found", what="description", name=negotiation.request.description)
        description = Description.of(statement.body)
        offer = description.offer(negotiation.request.offer)
        if offer is None:
            raise NotFound("offer.not_found", product=description.product, offer=negotiation.request.offer)
        return description, offer

    def _verdict(self, negotiation: Negotiation) -> tuple[Verdict | None, tuple[Shortfall, ...]]:
        mine, request = self._author.participant, negotiation.request
        try:
            if negotiation.state is State.REQUESTED and request.provider == mine:
                return self._provider.verdict(negotiation), ()
            if negotiation.state is State.OFFERED and request.consumer == mine and self._consumer is not None:
                found = self._consumer.shortfalls(negotiation)
                return (None if found is None else Verdict.BEYOND if found else Verdict.INSIDE_LIMITS), found or ()
        except HefuError:
            pass  # it is shown without a word on where it stands
        return None, ()
