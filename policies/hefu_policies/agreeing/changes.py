"""What a negotiation may change in an offer, and the offer that it becomes.

Changes name a constraint by its ``@id``, or a member of the offer, each with its new value: the right operand as it
stands in the policy, or a whole number. They are always told in full and against the published offer, never against
an earlier round: so the terms of a round are plain from its one message. Nothing is added or taken away: rules,
operands and operators stay those of the offer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR
from enum import Enum

from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Malformed, NotFound

from hefu_policies import odrl
from hefu_policies.budget import ZCDP, PrivacyLoss
from hefu_policies.deciding.rules import Constraint, Value
from hefu_policies.goods.product import Description, Offer
from hefu_policies.reading import Place
from hefu_policies.words.terms import OPERANDS, Combine, Operator

CARRIERS = ("negotiation.requested", "negotiation.offered")  # messages that tell terms
MOST_CHANGES = 64
BUDGET_EPSILON, BUDGET_DELTA, RELEASES = "budget.epsilon_nano", "budget.delta_femto", "budget.releases"
BUDGET_RHO = "budget.rho_nano"  # instead of ε where the offer counts in ρ
MEMBERS = (
    "valid_days", BUDGET_EPSILON, BUDGET_RHO, BUDGET_DELTA, RELEASES, "offline_window_seconds",
    "offline_share_percent",
)  # fmt: skip
_LABELS: Mapping[str, tuple[str, str]] = {
    "valid_days": ("days that the contract lasts", "合约有效天数"),
    BUDGET_EPSILON: ("ε of the whole contract, in units of 10⁻⁹", "合约总 ε（单位 10⁻⁹）"),
    BUDGET_RHO: ("ρ of the whole contract, in units of 10⁻⁹", "合约总 ρ（单位 10⁻⁹）"),
    BUDGET_DELTA: ("δ of the whole contract, in units of 10⁻¹⁵", "合约总 δ（单位 10⁻¹⁵）"),
    RELEASES: ("releases in all", "发布总次数"),
    "offline_window_seconds": ("seconds without a fresh status list", "无新状态表的最长秒数"),
    "offline_share_percent": ("share of the budget that may be spent meanwhile, in percent", "其间可用额度百分比"),
}


class Sense(Enum):
    """What a wider constraint does to what is permitted as a whole."""

    PERMITS = 1  # a limit of a permission: wider permits more
    FORBIDS = -1  # of a prohibition, or a gate of a duty: wider permits less
    UNCLEAR = 0  # under exactly-one-of: neither can be said

    def turned(self) -> Sense:
        """The other way round."""
        return Sense(-self.value)


@dataclass(frozen=True, slots=True)
class Term:
    """Something in an offer that can be changed.

    Attributes:
        key: how changes name it.
        name: of the operand or the member, as people say it.
        items: the values as they are written in JSON, one for each of `values`.
        listed: whether they are written as a list.
    """

    key: str
    name: str
    en: str
    zh: str
    operator: Operator
    values: tuple[Value, ...]
    items: tuple[Json, ...]
    sense: Sense
    listed: bool = False

    @property
    def written(self) -> Json:
        """The value as it stands in changes."""
        return [*self.items] if self.listed else self.items[0]

    @property
    def text(self) -> str:
        """The value for people; a list is divided by commas."""
        return ",".join(_text(each) for each in self.items)

    def read(self, text: str) -> Json:
        """A value that a person wrote, in the form that this term has."""
        if self.key in MEMBERS:
            return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else text
        made = [_like(self.items[0], each.strip()) for each in text.split(",")] if self.listed else []
        return [*made] if self.listed else _like(self.items[0], text.strip())


def terms_of(offer: Offer) -> dict[str, Term]:
    """Everything in an offer that can be changed, by its key: constraints that have an ``@id``, and members."""
    policy = odrl.load(offer.policy)
    senses = dict(_senses(offer.policy))
    found = {each.id: _term(each, *senses[each.id]) for each in policy.constraints() if each.id in senses}
    for key, value in _numbers(offer).items():
        found[key] = Term(key, key, *_LABELS[key], Operator.LTEQ, (value,), (value,), Sense.PERMITS)
    return found


def changed(offer: Offer, changes: Object) -> Offer:
    """The offer with these changes; without a template, as its policy is no longer what the template gives.

    Raises:
        Malformed: a change names nothing that can be changed, or its value is of another form than the offer's.
    """
    if not changes:
        return offer
    where = f"offer {offer.id}"
    if len(changes) > MOST_CHANGES:
        raise Malformed("changes.many", most=MOST_CHANGES)
    policy, numbers = offer.policy, _numbers(offer)
    for key, value in changes.items():
        if key in numbers:
            numbers[key] = Place(value, f"{where}.{key}").integer()
            continue
        policy, found = _replaced(policy, key, value)
        if not found:
            raise Malformed("changes.unknown", key=key[:80], offer=offer.id)
    odrl.load(policy, f"{where}.policy")  # before it is stripped of its template: the place of a fault is the policy's
    loss = PrivacyLoss(numbers.get(BUDGET_EPSILON, 0), numbers[BUDGET_DELTA], numbers.get(BUDGET_RHO, 0))
    return replace(
        offer,
        policy=policy,
        budget=replace(offer.budget, loss=loss, releases=numbers[RELEASES]),
        valid_days=numbers["valid_days"],
        offline_window_seconds=numbers["offline_window_seconds"],
        offline_share_percent=numbers["offline_share_percent"],
        template=None,
    )


def changed_in(description: Description, offer: Offer, changes: Object) -> Offer:
    """As `changed`, checked against the product too: its columns, its lifetime budget.

    Raises:
        Malformed: as `changed`, or the product cannot have such an offer.
    """
    if not changes:
        return offer
    made = changed(offer, changes)
    replace(description, offers=(made,))
    return made


def standing(messages: Sequence[Statement]) -> Object:
    """The terms on the table: what the newest request or counter-offer asks for, as changes of the offer."""
    for each in reversed(messages):
        if each.type in CARRIERS:
            return Place(each.body.get("changes"), f"{each.type}.changes").object()
    return {}


def read(offer: Offer, texts: Mapping[str, str]) -> Object:
    """The changes that a person wrote, each by the name of an operand or member, or by its key.

    ``budget`` is the ε of the whole contract, and stands for every limit on it. A name that several constraints have
    means the one in a permission; where there is no single one, its key must be written.

    Raises:
        NotFound: nothing of that name can be changed.
        Malformed: the name is of several constraints, or the value of another form.
    """
    if not texts:
        return {}
    known, made = terms_of(offer), Object()
    for name, text in texts.items():
        if name == "budget":
            made |= _budget(known, text)
            continue
        found = [known[key] for key in _named(known, name)]
        if not found:
            names = sorted({each.name for each in known.values()} | {"budget"})
            raise NotFound("changes.name", name=name[:60], known=", ".join(names))
        if len(found) > 1:
            raise Malformed("changes.ambiguous", name=name[:60], keys=", ".join(each.key for each in found)[:400])
        made[found[0].key] = found[0].read(text)
    changed(offer, made)
    return made


_SHORT = {
    "releases": RELEASES,
    "budget.epsilon": BUDGET_EPSILON,
    "budget.rho": BUDGET_RHO,
    "budget.delta": BUDGET_DELTA,
}


def _named(known: Mapping[str, Term], name: str) -> list[str]:
    if name in known:
        return [name]
    short = _SHORT.get(name, name)
    found = [each for each in known.values() if short in (each.key, each.name)]
    permitting = [each for each in found if each.sense is Sense.PERMITS]
    return [each.key for each in (permitting if len(permitting) == 1 else found)]


def _budget(known: Mapping[str, Term], text: str) -> Object:
    if BUDGET_RHO in known:
        made: Object = {BUDGET_RHO: PrivacyLoss.of_rho(text, rounding=ROUND_FLOOR).rho_nano}
    else:
        made = {BUDGET_EPSILON: PrivacyLoss.of_text(text, rounding=ROUND_FLOOR).epsilon_nano}
    operand = "rhoBudget" if BUDGET_RHO in known else "epsilonBudget"
    for each in known.values():
        if each.name == operand:
            made[each.key] = each.read(text)
    return made


def _term(constraint: Constraint, sense: Sense, written: Json) -> Term:
    operand, listed = constraint.operand, isinstance(written, list)
    items = tuple(written) if isinstance(written, list) else (written,)
    if operand.name == "payAmount":  # what the consumer pays: more of it permits less
        sense = sense.turned()
    values = constraint.values
    if operand.levels:  # their order is the list's, not the alphabet's
        values = tuple(operand.levels.index(str(each)) for each in values)
    return Term(
        constraint.id,
        operand.name,
        operand.en,
        operand.zh,
        constraint.operator,
        values,
        items,
        sense,
        listed,
    )


def _numbers(offer: Offer) -> dict[str, int]:
    loss = offer.budget.loss
    amount = {BUDGET_RHO: loss.rho_nano} if offer.budget.currency == ZCDP else {BUDGET_EPSILON: loss.epsilon_nano}
    return {
        "valid_days": offer.valid_days,
        **amount,
        BUDGET_DELTA: loss.delta_femto,
        RELEASES: offer.budget.releases,
        "offline_window_seconds": offer.offline_window_seconds,
        "offline_share_percent": offer.offline_share_percent,
    }


def _senses(policy: Object) -> Iterator[tuple[str, tuple[Sense, Json]]]:
    """Each constraint that has an id, with its sense and what is written on its right side."""
    for part, sense in (("permission", Sense.PERMITS), ("prohibition", Sense.FORBIDS)):
        for rule in _objects(policy.get(part)):
            yield from _conditions(rule.get("constraint"), sense)
            yield from _duties(rule, ("duty", "remedy"))
    yield from _duties(policy, ("obligation",))


def _duties(holder: Object, parts: tuple[str, ...]) -> Iterator[tuple[str, tuple[Sense, Json]]]:
    for part in parts:
        for duty in _objects(holder.get(part)):
            yield from _conditions(duty.get("constraint"), Sense.FORBIDS, duty=True)
            yield from _duties(duty, ("consequence",))


def _conditions(found: Json, sense: Sense, *, duty: bool = False) -> Iterator[tuple[str, tuple[Sense, Json]]]:
    for each in _objects(found):
        for combine in (one.value for one in Combine):
            if combine in each:
                unclear = combine == Combine.XONE.value
                yield from _conditions(each[combine], Sense.UNCLEAR if unclear else sense, duty=duty)
        id_, operand = each.get("@id"), OPERANDS.get(str(each.get("leftOperand")))
        if isinstance(id_, str) and operand is not None:
            # How a duty is performed limits the consumer; a gate limits the duty.
            turned = duty and operand.performance
            yield id_, (sense.turned() if turned else sense, each["rightOperand"])


def _objects(value: Json) -> Iterator[Object]:
    if isinstance(value, dict) and "@list" in value:
        value = value["@list"]
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def _replaced(policy: Object, key: str, value: Json) -> tuple[Object, bool]:
    """The policy with another right operand in the constraint of this id, and whether it has one."""
    found = False

    def walk(part: Json) -> Json:
        nonlocal found
        if isinstance(part, list):
            return [walk(each) for each in part]
        if not isinstance(part, dict):
            return part
        if part.get("@id") == key and "leftOperand" in part:
            found = True
            return part | {"rightOperand": value}
        return {name: walk(each) for name, each in part.items()}

    made = {name: walk(each) for name, each in policy.items()}
    return made, found


def _text(item: Json) -> str:
    if isinstance(item, dict):
        return str(item.get("@value", item.get("@id", "")))
    return str(item)


def _like(item: Json, text: str) -> Json:
    """A text in the form of another value: typed, an IRI (with the same prefix where it has none), or plain."""
    if not isinstance(item, dict):
        return text
    if "@value" in item:
        return item | {"@value": text}
    prefix = str(item.get("@id", "")).rpartition(":")[0]
    return {"@id": text if ":" in text or not prefix else f"{prefix}:{text}"}
