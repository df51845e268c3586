"""Data products: verified, kept in versions, found by who may see them. Never a row of data."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from hefu.errors import Conflict, Malformed, NotFound
from hefu.identity import Binding
from hefu_policies.agreeing.contract import PUBLISHED, Description, Offer
from hefu_policies.bargaining import charter
from hefu_policies.deciding.decision import Facts
from hefu_policies.states.lifecycle import ProductState

from hefu_broker import pages, words
from hefu_broker.dealing.showing import STRANGER, Showing
from hefu_broker.membership.trust import Trust, members, text
from hefu_broker.pages import Pages
from hefu_broker.ports import Announce, CatalogStore
from hefu_broker.records import Card, Found, Listing, Outgoing, Search

RETIRED = "product.retired"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{2,63}\Z")
_FILTERS = ("provider", "kind", "keyword")
_LEAST_LOOK = 50  # candidates read at a time
# LIMIT: of so many candidates that are all hidden, a page that says there may be more tells that there are some.
_MOST_LOOKED = 2000


class _Shown(NamedTuple):
    """Cards with their positions among the candidates.

    Attributes:
        after: where the next page starts; None where there is none.
        total: how many candidates there are, hidden ones too.
    """

    cards: list[tuple[int, Card]]
    after: int | None
    total: int


class Catalog:
    """The catalog of one space."""

    def __init__(self, trust: Trust, store: CatalogStore, announce: Announce) -> None:
        self._trust = trust
        self._store = store
        self._announce = announce
        self._pages = Pages()
        self._showing = Showing(trust)

    def publish(self, caller: Binding, data: bytes) -> Listing:
        """List a product, or a new version of it. The same statement again changes nothing.

        Raises:
            Refused: the caller is no provider; a resource is another's or promised something else before; an offer is
                not as the space's charter allows.
            Conflict: not the next version, retired, or another provider's.
            Malformed, Untrusted: as `Trust.read` and `Description.of`.
        """
        self._trust.participant(caller, "provider")
        statement = self._trust.read(data, caller, PUBLISHED)
        listing = Listing(statement, Description.of(statement.body))
        _check_ids(listing.description)
        charter.check(self._trust.directory.charter, listing.description)
        held = self._held(listing.product)
        if held is not None and held.digest == listing.digest:
            return held
        outgoing = Outgoing.of(statement, *self._showing.readers(listing.description))
        self._store.publish(listing, listing.description.previous, _words(listing.description), outgoing)
        self._announce()
        return listing

    def retire(self, caller: Binding, data: bytes) -> Listing:
        """List a product no longer; its agreements go on.

        Raises:
            NotFound: the caller provides no such product.
            Conflict: the statement is about an older version.
        """
        statement = self._trust.read(data, caller, RETIRED)
        body = members(statement.body, "product", "description", "reason")
        held = self._held(text(body, "product"))
        if held is None or held.provider != caller.participant:
            raise NotFound("resource.not_found", what="product", name=text(body, "product")[:64])
        text(body, "reason", 1000)
        if body["description"] != held.digest:
            raise Conflict("product.version", product=held.product, version=held.description.version)
        self._store.retire(held.product, Outgoing.of(statement))
        self._announce()
        return replace(held, state=ProductState.RETIRED)

    def product(self, caller: Binding, id_: str) -> Listing:
        """A product that the caller may see, retired or not.

        Raises:
            NotFound: there is none, or the caller may not know of it.
        """
        held = self._held(id_)
        if held is None or not self._showing.listing(held, caller):
            raise NotFound("resource.not_found", what="product", name=id_[:64])
        return held

    def shown(self, caller: Binding | None, id_: str) -> tuple[Listing, list[Offer]]:
        """A listed product and those of its offers that a member, or a stranger (None), is shown.

        Raises:
            NotFound: there is none, or it has no offer for the caller.
        """
        held, participant = self._held(id_), STRANGER if caller is None else caller.participant
        if held is None or (caller is None and held.state is not ProductState.LISTED):
            raise NotFound("resource.not_found", what="product", name=id_[:64])
        own = caller is not None and (held.provider == participant or self._trust.oversees(caller))
        offers = [each for each in held.description.offers if own or self._showing.offer(held, each.id, participant)]
        if not offers:
            raise NotFound("resource.not_found", what="product", name=id_[:64])
        return held, offers

    def version(self, product: str, description: str) -> Description:
        """The version of a product that a negotiation is about, for its parties and those who oversee; listed or not.

        Raises:
            NotFound: there is none.
        """
        return self._store.listing(product, description).description

    def search(self, caller: Binding | None, query: str, filter_: str, size: int, token: str) -> tuple[Found, str]:
        """Listed products that the caller may see, best match first, and the token of the next page.

        A stranger (None) sees what has a public offer.

        How many match in all is exact on the last page, and for whoever oversees the space; before it says how many
        there are at least. Nothing tells how many the caller is not shown.

        Raises:
            Malformed: the filter or the page token is not well formed, or the query has no word in it.
        """
        phrases = words.phrases(query)
        if query.strip() and not phrases:
            raise Malformed("search.empty")
        member = STRANGER if caller is None else caller.participant
        reader = None if caller is not None and self._trust.oversees(caller) else member
        wanted = Search(phrases, **_read_filter(filter_), reader=reader)
        question = [query, filter_, member]
        start, before = self._pages.place(token, *question)
        shown = self._shown(wanted, start, pages.size(size))
        fit = pages.fitting(shown.cards, lambda each: len(each[1].envelope))
        cut = shown.cards[len(fit) :]
        after = cut[0][0] if cut else shown.after
        seen = before + len(fit)
        more = after is not None and self._pages.token(after, *question, seen=seen)
        total = shown.total if reader is None else seen + len(cut) + (shown.after is not None)
        return Found(tuple(card for _, card in fit), total), more or ""

    def _shown(self, wanted: Search, start: int, most: int) -> _Shown:
        """The next products that are shown, among the candidates from a position on."""
        at, total, cards = start, 0, list[tuple[int, Card]]()
        facts = None if wanted.reader is None else self._showing.facts(wanted.reader)
        while at - start < _MOST_LOOKED:
            batch = max(most - len(cards) + 1, _LEAST_LOOK)
            found = self._store.search(wanted, at, batch)
            total = found.total
            for card in found.cards:
                if facts is None or self._is_for(card, str(wanted.reader), facts):
                    if len(cards) == most:
                        return _Shown(cards, at, total)
                    cards.append((at, card))
                at += 1
            if len(found.cards) < batch:
                return _Shown(cards, None, total)
        return _Shown(cards, at, total)

    def _is_for(self, card: Card, reader: str, facts: Facts) -> bool:
        if card.provider != reader and self._showing.halted(card.product, card.provider):
            return False
        return card.provider == reader or self._showing.envelope(card.envelope, reader, facts)

    def _held(self, product: str) -> Listing | None:
        try:
            return self._store.listing(product)
        except NotFound:
            return None


def _check_ids(description: Description) -> None:
    for id_ in (
        description.product,
        *(each.id for each in description.resources),
        *(each.id for each in description.offers),
    ):
        if not _ID.match(id_):
            raise Malformed("product.id")


def _words(description: Description) -> tuple[str, str, str]:
    names = [column.name for resource in description.resources for column in resource.schema]
    told = [
        text for resource in description.resources for column in resource.schema for text in column.description.values()
    ]
    return (
        words.index(" ".join(description.title.values())),
        words.index(" ".join(description.keywords)),
        words.index(" ".join([*description.description.values(), *names, *told])),
    )


def _read_filter(text_: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text_.split(" AND ") if text_.strip() else []:
        name, equals, value = part.strip().partition("=")
        if name not in _FILTERS or not equals or not value or name in found or len(value) > 200:
            raise Malformed("search.filter", names=", ".join(_FILTERS))
        found[name] = value
    return found
