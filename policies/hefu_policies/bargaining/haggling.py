"""Which of two offers permits more, term by term, and what a provider answers to a request for other terms.

A provider's private limits are changes too: they make of its public offer the widest one it would still sign. What is
asked inside the offer or inside the limits is accepted; else the answer is what both sides can live with; where there
is none, the negotiation ends, and names public terms only.

Only the terms that were changed are compared, each with itself. That is enough: everything else is the same, and both
``and`` and ``or`` permit no more when one of their constraints permits less. Under exactly-one-of that does not hold,
so such a term counts as neither wider nor narrower.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hefu.canonical import Json, Object

from hefu_policies.agreeing.changes import Sense, Term, changed, terms_of
from hefu_policies.deciding.rules import Value
from hefu_policies.goods.product import Offer
from hefu_policies.words.purposes import LINEAGE

_BELOW, _ABOVE = frozenset({"lt", "lteq"}), frozenset({"gt", "gteq"})
_INSIDE = frozenset({"isAnyOf", "isPartOf", "isA"})  # a larger list permits more
_OUTSIDE = frozenset({"isNoneOf", "isAllOf", "hasPart"})  # a larger list permits less


class Order(Enum):
    """How the terms of one offer stand to those of another."""

    SAME = "same"
    NARROWER = "narrower"
    WIDER = "wider"
    OTHER = "other"  # neither: some things more, some less, or it cannot be told


class Verdict(Enum):
    """Where a request stands."""

    INSIDE_OFFER = "offer"
    INSIDE_LIMITS = "limits"
    BEYOND = "beyond"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider can say to a request.

    Attributes:
        counter: the changes of a counter-offer, where the verdict is BEYOND and there is something in common.
        beyond: the keys of what is asked beyond the public offer; nothing of the limits can be told from them.
    """

    verdict: Verdict
    counter: Object | None = None
    beyond: tuple[str, ...] = ()


def order(one: Term, other: Term) -> Order:
    """How one term stands to the same term of another offer: narrower permits less."""
    inside, outside = _inside(one, other), _inside(other, one)
    if one.items == other.items or (inside and outside):
        return Order.SAME
    if one.sense is Sense.UNCLEAR or inside == outside:
        return Order.OTHER
    return Order.NARROWER if inside is (one.sense is Sense.PERMITS) else Order.WIDER


def orders(offer: Offer, changes: Object) -> dict[str, Order]:
    """How each change stands to the offer; raises as `changes.changed`."""
    before, after = terms_of(offer), terms_of(changed(offer, changes))
    return {key: order(after[key], before[key]) for key in changes}


def widens(offer: Offer, changes: Object) -> tuple[str, ...]:
    """The keys of the changes that permit anything the offer does not, sorted."""
    return tuple(sorted(key for key, found in orders(offer, changes).items() if not _fits(found)))


def answer(offer: Offer, changes: Object, limits: Object) -> Answer:
    """Where a request stands between an offer and the provider's limits, and what could be answered.

    Args:
        changes: what the consumer asks; of well-formed values.
        limits: the widest terms the provider would sign, as changes of the offer; private.

    Raises:
        Malformed: changes or limits are not of this offer.
    """
    if not changes:  # the offer as it stands, as mostly
        return Answer(Verdict.INSIDE_OFFER)
    public, asked = terms_of(offer), terms_of(changed(offer, changes))
    widest = terms_of(changed(offer, limits))
    beyond = [key for key in changes if not _fits(order(asked[key], public[key]))]
    if not beyond:
        return Answer(Verdict.INSIDE_OFFER)
    over = {key for key in beyond if not _fits(order(asked[key], widest[key]))}
    told = tuple(sorted(beyond))
    if not over:
        return Answer(Verdict.INSIDE_LIMITS, beyond=told)
    counter: Object = {}
    for key, value in changes.items():
        met = value if key not in over else meet(asked[key], widest[key])
        if met is None:
            return Answer(Verdict.BEYOND, beyond=told)
        if met != public[key].written:
            counter[key] = met
    return Answer(Verdict.BEYOND, counter, told)


def meet(one: Term, other: Term) -> Json | None:
    """The widest value of a term that is inside both, as changes have it; None where there is none.

    Of purposes it is the narrower of each comparable pair: what lies under both through a third concept is left out,
    which is on the safe side.
    """
    found = order(one, other)
    if found is not Order.OTHER:
        return one.written if _fits(found) else other.written
    if one.sense is Sense.UNCLEAR or not one.listed:
        return None
    word, permits = one.operator.value, one.sense is Sense.PERMITS
    if word not in _INSIDE | _OUTSIDE:
        return None
    common = (word in _INSIDE) is permits
    items = _common(one, other) if common else _together(one, other)
    return items or None


def _fits(found: Order) -> bool:
    return found in (Order.SAME, Order.NARROWER)


def _inside(one: Term, other: Term) -> bool:
    """Whether every fact that the one constraint holds of, the other holds of too."""
    word = "lteq" if one.name == "payAmount" else one.operator.value
    if word in _BELOW or word in _ABOVE:
        left: Any = one.values[0]
        right: Any = other.values[0]
        return bool(left <= right) if word in _BELOW else bool(left >= right)
    if word in _INSIDE:
        return _covered(one.values, other.values)
    if word in _OUTSIDE:
        return _covered(other.values, one.values)
    return set(one.values) == set(other.values)


def _covered(narrow: Iterable[Value], broad: Iterable[Value]) -> bool:
    known = tuple(broad)
    return all(any(_is_a(each, one) for one in known) for each in narrow)


def _is_a(narrow: Value, broad: Value) -> bool:
    return narrow == broad or (isinstance(narrow, str) and broad in LINEAGE.get(narrow, ()))


def _common(one: Term, other: Term) -> list[Json]:
    found: list[Json] = []
    for value, item in zip(one.values, one.items, strict=True):
        for against, written in zip(other.values, other.items, strict=True):
            chosen = item if _is_a(value, against) else written if _is_a(against, value) else None
            if chosen is not None and chosen not in found:
                found.append(chosen)
    return found


def _together(one: Term, other: Term) -> list[Json]:
    return [*one.items, *(each for each in other.items if each not in one.items)]
