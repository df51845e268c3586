"""How far a provider goes: private limits on the terms of its offers. They are kept here and told to nobody.

Limits are terms like those of a request, on the widest offer that would still be signed without asking anybody. They
belong to one offer of one product; of a newer version only those count that are still wider than what is published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Malformed
from hefu_policies.agreeing.changes import changed_in, read, terms_of
from hefu_policies.bargaining.haggling import Order, orders
from hefu_policies.goods.product import Description, Offer
from hefu_policies.reading import Place

from hefu_connector.shelves import Mark, Marks

COUNTER, ASK = "counter", "ask"
_MARK = "limits/"


@dataclass(frozen=True, slots=True)
class Limits:
    """The private limits on one offer.

    Attributes:
        changes: of the offer, each as wide as the provider goes; without any, the offer itself is the limit.
        beyond: what is done with a request that goes further: ``counter`` (answer with what both can live with, or
            end the negotiation) or ``ask`` (let it wait for a person).
    """

    changes: Object = field(default_factory=dict)
    beyond: str = COUNTER

    def of(self, offer: Offer) -> Limits:
        """Those that mean something for an offer as it is published now."""
        known = terms_of(offer)
        made = {key: value for key, value in self.changes.items() if key in known}
        try:
            found = orders(offer, made)
        except Malformed:  # written for another version, whose terms had another form
            return Limits({}, ASK)
        return Limits({key: made[key] for key in made if found[key] is Order.WIDER}, self.beyond)


class LimitBook:
    """The limits of this provider's offers. Safe to use from many threads and replicas."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self.changed: Callable[[str], None] = lambda _: None  # called with the product whose limits were set

    def find(self, product: str, offer: str) -> Limits:
        """The limits on an offer; none where nobody set any."""
        kept = self._marks.find(_name(product, offer))
        if kept is None:
            return Limits()
        found = Place(canonical.decode(kept.text.encode()), "limits").members(("changes", "beyond"))
        return Limits(found["changes"].object(), found["beyond"].choice(COUNTER, ASK))

    def set(self, description: Description, offer: Offer, texts: Mapping[str, str], beyond: str = "") -> Limits:
        """Change limits; an empty text removes one.

        Args:
            texts: by the name of an operand or member, as in a request.
            beyond: stays as it is where it is empty.

        Raises:
            NotFound: the offer has nothing of a name.
            Malformed: a limit is narrower than the public offer, or of a wrong form.
        """
        held = self.find(description.product, offer.id)
        made = {**held.changes, **read(offer, {name: text for name, text in texts.items() if text})}
        for name in [name for name, text in texts.items() if not text]:
            for key in _keys(offer, name):
                made.pop(key, None)
        changed_in(description, offer, made)
        for key, found in orders(offer, made).items():
            if found not in (Order.WIDER, Order.SAME):
                raise Malformed("limits.narrower", name=terms_of(offer)[key].name)
        limits = Limits(made, beyond or held.beyond)
        text = canonical.encode({"changes": limits.changes, "beyond": limits.beyond}).decode()
        self._marks.advance(Mark(_name(description.product, offer.id), 1, text))
        self.changed(description.product)
        return limits


def _keys(offer: Offer, name: str) -> list[str]:
    """What a name stands for, as when it was set."""
    known = terms_of(offer)
    return [*read(offer, {name: known[name].text})] if name in known else [
        key for key, term in known.items() if name in (term.name, *_ALSO.get(term.name, ()))
    ]  # fmt: skip


_ALSO = {
    "budget.epsilon_nano": ("budget", "budget.epsilon"),
    "budget.rho_nano": ("budget", "budget.rho"),
    "epsilonBudget": ("budget",),
    "rhoBudget": ("budget",),
    "budget.releases": ("releases",),
    "budget.delta_femto": ("budget.delta",),
}


def _name(product: str, offer: str) -> str:
    return f"{_MARK}{product}/{offer}"
