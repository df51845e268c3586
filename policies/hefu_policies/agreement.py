"""An agreement: who agreed with whom, on what, for how long and within which budget.

`Agreement` is the body of the one statement that all parties sign over the same bytes. How it follows from an offer
and a request stands in `hefu_policies.contract`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime

from hefu.canonical import Json, Object
from hefu.times import write_time

from hefu_policies.budget import Budget
from hefu_policies.product import check_offline, check_snapshot_rule
from hefu_policies.reading import Place, check_digest, unique, wrong
from hefu_policies.resource import ADD_REMOVE
from hefu_policies.terms import DP_QUERY

PARTY_ROLES = ("provider", "consumer", "service", "other")


@dataclass(frozen=True, slots=True)
class Party:
    """A participant in an agreement, in one role, behind one connector."""

    participant: str
    role: str
    connector: str

    def __post_init__(self) -> None:
        if self.role not in PARTY_ROLES:
            wrong("party.role", "one of " + ", ".join(PARTY_ROLES))

    def body(self) -> Object:
        """``{participant, role, connector}``."""
        return {"participant": self.participant, "role": self.role, "connector": self.connector}

    @classmethod
    def of(cls, body: Json, where: str = "party") -> Party:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(("participant", "role", "connector"))
        return cls(found["participant"].text(), found["role"].choice(*PARTY_ROLES), found["connector"].text())


@dataclass(frozen=True, slots=True)
class Strategy:
    """A policy of the agreement, and the connector that enforces it.

    Attributes:
        policy: an ODRL Agreement in JSON; read it with `hefu_policies.odrl.load`.
    """

    id: str
    enforced_by: str
    policy: Object

    def body(self) -> Object:
        """``{strategy, enforced_by, policy}``."""
        return {"strategy": self.id, "enforced_by": self.enforced_by, "policy": self.policy}

    @classmethod
    def of(cls, body: Json, where: str = "strategy") -> Strategy:
        """Read what `body` wrote; raises as `Party.of`."""
        found = Place(body, where).members(("strategy", "enforced_by", "policy"))
        return cls(found["strategy"].text(), found["enforced_by"].text(), found["policy"].object())


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the parties sign.

    Attributes:
        description: the digest of the description version that was agreed on.
        resources: ids of the assets.
        strategies: 1 or more; each names the connector that enforces it.
        computations: the actions that may be asked for at all.
        unit: the privacy unit; ``neighbouring`` is its relation.
        log: the origin of the log that the agreement must stand in before it is used.
        previous: digests of the negotiation's messages so far, in order.
    """

    id: str
    negotiation: str
    offer: str
    product: str
    description: str
    resources: tuple[str, ...]
    snapshot_rule: str
    parties: tuple[Party, ...]
    strategies: tuple[Strategy, ...]
    computations: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    offline_window_seconds: int
    offline_share_percent: int
    budget: Budget
    unit: str
    log: str
    previous: tuple[str, ...]
    neighbouring: str = ADD_REMOVE
    extensions: Object = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"agreement {self.id}"
        check_digest(self.description, f"{where}.description")
        check_snapshot_rule(self.snapshot_rule, f"{where}.snapshot_rule")
        check_offline(self.offline_window_seconds, self.offline_share_percent, where)
        if self.not_before >= self.not_after:
            wrong(f"{where}.not_after", "a time after not_before")
        if not (self.resources and self.strategies and self.computations and self.previous):
            wrong(where, "at least one resource, strategy, computation and previous message")
        if self.neighbouring != ADD_REMOVE:
            wrong(f"{where}.privacy.neighbouring", ADD_REMOVE)
        exact = DP_QUERY not in self.computations
        self.budget.check_granted(f"{where}.budget", exact=exact)
        for digest in self.previous:
            check_digest(digest, f"{where}.previous")
        self._check_parties(where)

    def _check_parties(self, where: str) -> None:
        unique((each.participant for each in self.parties), f"{where}.parties")
        roles = [each.role for each in self.parties]
        if roles.count("provider") != 1 or roles.count("consumer") != 1:
            wrong(f"{where}.parties", "exactly one provider and one consumer")
        connectors = {each.connector for each in self.parties}
        unique((each.id for each in self.strategies), f"{where}.strategies")
        if not {each.enforced_by for each in self.strategies} <= connectors:
            wrong(f"{where}.strategies", "connectors of parties under enforced_by")

    @property
    def provider(self) -> Party:
        """The party whose data it is."""
        return next(each for each in self.parties if each.role == "provider")

    @property
    def consumer(self) -> Party:
        """The party that computes."""
        return next(each for each in self.parties if each.role == "consumer")

    def body(self) -> Object:
        """The body of the `agreement` statement."""
        return {
            "agreement": self.id,
            "negotiation": self.negotiation,
            "offer": self.offer,
            "product": self.product,
            "description": self.description,
            "resources": [*self.resources],
            "snapshot_rule": self.snapshot_rule,
            "parties": [each.body() for each in self.parties],
            "strategies": [each.body() for each in self.strategies],
            "computations": [*self.computations],
            "not_before": write_time(self.not_before),
            "not_after": write_time(self.not_after),
            "offline_window_seconds": self.offline_window_seconds,
            "offline_share_percent": self.offline_share_percent,
            "budget": self.budget.body(),
            "privacy": {"unit": self.unit, "neighbouring": self.neighbouring},
            "log": self.log,
            "previous": [*self.previous],
            "extensions": dict(self.extensions),
        }

    @classmethod
    def of(cls, body: Json, where: str = "agreement") -> Agreement:
        """Read what `body` wrote; raises as `Party.of`."""
        names = {each.name for each in fields(cls)} - {"id", "unit", "neighbouring"} | {"agreement", "privacy"}
        found = Place(body, where).members(names)
        privacy = found["privacy"].members(("unit", "neighbouring"))
        return cls(
            id=found["agreement"].text(),
            negotiation=found["negotiation"].text(),
            offer=found["offer"].text(),
            product=found["product"].text(),
            description=found["description"].digest(),
            resources=found["resources"].texts(least=1),
            snapshot_rule=found["snapshot_rule"].text(),
            parties=tuple(Party.of(each.value, each.where) for each in found["parties"].items(2)),
            strategies=tuple(Strategy.of(each.value, each.where) for each in found["strategies"].items(1)),
            computations=found["computations"].texts(least=1),
            not_before=found["not_before"].time(),
            not_after=found["not_after"].time(),
            offline_window_seconds=found["offline_window_seconds"].integer(),
            offline_share_percent=found["offline_share_percent"].integer(),
            budget=Budget.of(found["budget"].value, found["budget"].where),
            unit=privacy["unit"].text(),
            neighbouring=privacy["neighbouring"].choice(ADD_REMOVE),
            log=found["log"].text(),
            previous=found["previous"].texts(least=1),
            extensions=found["extensions"].object(),
        )
