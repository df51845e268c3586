"""An agreement: who agreed with whom, on what, for how long and within which budget.

`Agreement` is the body of the one statement that all parties sign over the same bytes. How it follows from an offer
and a request stands in `hefu_policies.agreeing.contract`.

Of several providers the first one's contribution stands in the agreement itself, those of the others under
``further``. Each provider's connector reads it through `Agreement.facing`: with its own contribution in front.
Members that came after the first release (``further``, ``programs``, ``contexts``, ``delete_by``, ``filing`` and a
party's keys) are absent where they are empty, so that older agreements keep their bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime

from hefu.canonical import Json, Object
from hefu.errors import NotFound
from hefu.statements.filing import Filing
from hefu.times import write_time

from hefu_policies.agreeing.allowed import Allowed, ContextDigest
from hefu_policies.agreeing.contribution import Contribution
from hefu_policies.agreeing.signatories import CONSUMER, MOST_PARTIES, PARTY_ROLES, PROVIDER, SERVICE, Party, PartyKey
from hefu_policies.budget import Budget
from hefu_policies.goods.resource import ADD_REMOVE
from hefu_policies.reading import Place, check_digest, unique, wrong

__all__ = ["PARTY_ROLES", "Agreement", "Contribution", "Party", "PartyKey", "Strategy"]

_OWN = {"id", "unit", "neighbouring"}  # they stand in the body under other names
_ROWS = {"further", "programs", "contexts"}
_LATER = _ROWS | {"delete_by", "filing"}


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
        further: what further providers bring.
        programs: code and models that some permission names by digest.
        contexts: in which the policies are read, by digest.
        delete_by: when all that is delivered under it must be deleted at the latest; None where nothing is delivered.
        filing: the key under which what the log only commits to is sealed, wrapped to the charter's regulators; None in
            a space whose charter names no key for that.
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
    further: tuple[Contribution, ...] = ()
    programs: tuple[Allowed, ...] = ()
    contexts: tuple[ContextDigest, ...] = ()
    delete_by: datetime | None = None
    filing: Filing | None = None

    def __post_init__(self) -> None:
        where = f"agreement {self.id}"
        if self.not_before >= self.not_after:
            wrong(f"{where}.not_after", "a time after not_before")
        if self.delete_by is not None and self.delete_by > self.not_after:
            wrong(f"{where}.delete_by", "a time while the agreement lasts")
        if not (self.strategies and self.previous):
            wrong(where, "at least one resource, strategy, computation and previous message")
        for digest in self.previous:
            check_digest(digest, f"{where}.previous")
        self._check_parties(where)
        self.contribution.check(where)

    def _check_parties(self, where: str) -> None:
        unique((each.participant for each in self.parties), f"{where}.parties")
        roles = [each.role for each in self.parties]
        alone = roles.count(PROVIDER) == 1 or bool(self.further)
        if PROVIDER not in roles or roles.count(CONSUMER) != 1 or roles.count(SERVICE) > 1 or not alone:
            wrong(f"{where}.parties", "exactly one provider and one consumer")
        connectors = {each.connector for each in self.parties}
        unique((each.id for each in self.strategies), f"{where}.strategies")
        enforcing = {each.enforced_by for each in self.strategies}
        if not enforcing <= connectors:
            wrong(f"{where}.strategies", "connectors of parties under enforced_by")
        if self.further:
            self._check_further(where, enforcing)

    def _check_further(self, where: str, enforcing: set[str]) -> None:
        providers = [each for each in self.parties if each.role == PROVIDER]
        if len(self.parties) > MOST_PARTIES:
            wrong(f"{where}.parties", f"at most {MOST_PARTIES} parties")
        if [each.participant for each in providers[1:]] != [each.provider for each in self.further]:
            wrong(f"{where}.further", "one contribution of each further provider, in the order of the parties")
        unique((each.connector for each in self.parties), f"{where}.parties")
        unique((each.product for each in self.contributions), f"{where}.further")
        unique((one for each in self.contributions for one in each.resources), f"{where}.further")
        if not {each.connector for each in providers} <= enforcing:
            wrong(f"{where}.strategies", "a strategy for every provider's connector")

    @property
    def provider(self) -> Party:
        """The party whose data it is; of several the first, who drew it up."""
        return next(each for each in self.parties if each.role == PROVIDER)

    @property
    def providers(self) -> tuple[Party, ...]:
        """All parties that bring data."""
        return tuple(each for each in self.parties if each.role == PROVIDER)

    @property
    def consumer(self) -> Party:
        """The party that computes."""
        return next(each for each in self.parties if each.role == CONSUMER)

    @property
    def contribution(self) -> Contribution:
        """What the first provider brings."""
        return Contribution(
            self.provider.participant, self.offer, self.product, self.description, self.resources, self.snapshot_rule,
            self.computations, self.offline_window_seconds, self.offline_share_percent, self.budget, self.unit,
            self.neighbouring,
        )  # fmt: skip

    @property
    def contributions(self) -> tuple[Contribution, ...]:
        """What all providers bring, in the order of the parties."""
        return (self.contribution, *self.further)

    @property
    def terms(self) -> tuple[Strategy, ...]:
        """The strategies over what the first provider brings: all but those that other providers enforce."""
        others = {each.connector for each in self.providers[1:]}
        return tuple(each for each in self.strategies if each.enforced_by not in others)

    def party(self, participant: str) -> Party | None:
        """A participant's place among the parties; None for a stranger."""
        return next((each for each in self.parties if each.participant == participant), None)

    def facing(self, provider: str) -> Agreement:
        """The same agreement as this provider enforces it: with its own contribution in front.

        What comes out is for reading: only the order in which the parties signed has the signed bytes.

        Raises:
            NotFound: it is no provider under this agreement.
        """
        if provider == self.provider.participant:
            return self
        found = next((each for each in self.further if each.provider == provider), None)
        if found is None:
            raise NotFound("resource.not_found", what="provider under this agreement", name=provider[:64])
        rest = [each for each in self.contributions if each is not found and each.provider != provider]
        front = {each.name: getattr(found, each.name) for each in fields(found) if each.name != "provider"}
        first = [each for each in self.parties if each.participant == provider]
        others = [each for each in self.parties if each.participant != provider]
        return replace(self, **front, further=tuple(rest), parties=(*first, *others))

    def over(self, product: str) -> Agreement | None:
        """The same agreement as the provider of a product enforces it; None where nobody brings that product."""
        found = next((each.provider for each in self.contributions if each.product == product), None)
        return self.facing(found) if found is not None else None

    def body(self) -> Object:
        """The body of the `agreement` statement."""
        return self._later() | {
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

    def _later(self) -> Object:
        rows: dict[str, list[Json]] = {
            "further": [each.body() for each in self.further],
            "programs": [each.body() for each in self.programs],
            "contexts": [each.body() for each in self.contexts],
        }
        found: Object = {name: row for name, row in rows.items() if row}
        found |= {} if self.delete_by is None else {"delete_by": write_time(self.delete_by)}
        return found if self.filing is None else found | {"filing": self.filing.body()}

    @classmethod
    def of(cls, body: Json, where: str = "agreement") -> Agreement:
        """Read what `body` wrote; raises as `Party.of`."""
        names = {each.name for each in fields(cls)} - _OWN - _LATER | {"agreement", "privacy"}
        found = Place(body, where).members(names, _LATER)
        privacy = found["privacy"].members(("unit", "neighbouring"))
        later = {name: found[name].items(1) for name in _ROWS if name in found}
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
            further=tuple(Contribution.of(each.value, each.where) for each in later.get("further", ())),
            programs=tuple(Allowed.of(each.value, each.where) for each in later.get("programs", ())),
            contexts=tuple(ContextDigest.of(each.value, each.where) for each in later.get("contexts", ())),
            delete_by=found["delete_by"].time() if "delete_by" in found else None,
            filing=Filing.of(found["filing"].value) if "filing" in found else None,
        )
