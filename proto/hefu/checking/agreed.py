"""An agreement as an offline verifier reads it: who signed, who brings what, within which budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hefu.canonical import Json, Object
from hefu.evidence.record import AGREEMENT, Logged
from hefu.members import digest, exactly, many, mapping, reading, text, whole
from hefu.statements.receipt import RHO, Spent, rho_of
from hefu.times import read_time


@dataclass(frozen=True, slots=True)
class Contract:
    """What the checks need of an agreement; of several providers, as one of them enforces it.

    Attributes:
        parties: ids of all who signed.
        keys: id, suite and digest of the keys under which each may sign; nothing of whom none are named.
        further: what further providers bring, by participant: the contract as that one enforces it.
    """

    index: int
    id: str
    digest: str
    envelope: str
    provider: str
    connector: str
    consumer: str
    recipient: str  # the consumer's connector
    product: str
    description: str
    resources: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    window: timedelta
    budget: Spent
    parties: tuple[str, ...] = ()
    keys: Mapping[str, frozenset[tuple[str, str, str]]] = field(default_factory=dict)
    further: tuple[Contract, ...] = ()
    body: Object = field(repr=False, default_factory=dict)  # as it was signed

    @classmethod
    def of(cls, logged: Logged) -> Contract:
        """Read an `agreement` statement.

        Raises:
            Malformed: a member that the checks need is missing or of a wrong form.
        """
        body = logged.statement.body
        with reading(AGREEMENT):
            parties = many(body["parties"], mapping)
            providers = [each for each in parties if each["role"] == "provider"]
            (consumer,) = [each for each in parties if each["role"] == "consumer"]
            if text(providers[0]["participant"]) != logged.statement.issuer:
                raise ValueError
            brought = many(body.get("further", []), mapping)
            if [each["provider"] for each in brought] != [each["participant"] for each in providers[1:]]:
                raise ValueError
            first, *others = [
                _contract(logged, provider, consumer, part)
                for provider, part in zip(providers, (body, *brought), strict=True)
            ]
            ids = tuple(text(each["participant"]) for each in parties)
            keys = {text(each["participant"]): _keys(each) for each in parties}
            return replace(first, parties=ids, keys=keys, further=tuple(replace(each, parties=ids) for each in others))

    def facing(self, provider: str) -> Contract | None:
        """The contract as one of its providers enforces it; None where it is none of them."""
        return next((each for each in (self, *self.further) if each.provider == provider), None)


def _contract(logged: Logged, provider: Object, consumer: Object, part: Object) -> Contract:
    body = logged.statement.body
    return Contract(
        index=logged.index,
        id=text(body["agreement"]),
        digest=logged.statement.digest(),
        envelope=logged.envelope,
        provider=text(provider["participant"]),
        connector=text(provider["connector"]),
        consumer=text(consumer["participant"]),
        recipient=text(consumer["connector"]),
        product=text(part["product"]),
        description=digest(part["description"]),
        resources=many(part["resources"], text),
        not_before=read_time(text(body["not_before"])),
        not_after=read_time(text(body["not_after"])),
        window=timedelta(seconds=min(whole(part["offline_window_seconds"]), 10**8)),
        budget=budget_of(part["budget"]),
        body=body,
    )


def _keys(party: Object) -> frozenset[tuple[str, str, str]]:
    rows = many(party.get("keys", []), mapping)
    return frozenset((text(each["key"]), text(each["suite"]), digest(each["digest"])) for each in rows)


def budget_of(value: Json) -> Spent:
    """The limits of a budget block. A limit has nothing of the other currency, so no charge in it ever fits."""
    body = mapping(value)
    exactly(body, "currency", "epsilon_nano", "delta_femto", "releases", *RHO & body.keys())
    limits = Spent(whole(body["epsilon_nano"]), whole(body["delta_femto"]), whole(body["releases"]), rho_of(body))
    others = {"epsilon-delta": limits.rho_nano, "zcdp": limits.epsilon_nano}
    if others[text(body["currency"])]:
        raise ValueError
    return limits
