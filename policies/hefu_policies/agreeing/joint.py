"""Agreements of several providers: what each further one brings, added to what the first one drew up.

One function again, so that every party derives the same bytes: the first provider when it draws up, each further one
before it endorses, the consumer before it verifies, the broker before it takes any of it. What the parties' connectors
and keys are follows from no offer; each party answers for its own, and all sign all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Conflict, NotFound
from hefu.statements.filing import Filing

from hefu_policies import odrl
from hefu_policies.agreeing.agreement import Agreement, Strategy
from hefu_policies.agreeing.allowed import ContextDigest, programs
from hefu_policies.agreeing.contribution import Contribution
from hefu_policies.agreeing.signatories import PROVIDER, SERVICE, Party, PartyKey
from hefu_policies.deciding.policy import Policy
from hefu_policies.goods.product import Description, Offer
from hefu_policies.odrl import contexts
from hefu_policies.reading import Place, check_digest
from hefu_policies.words.terms import CONTEXTS, DELIVER

STRATEGY_PREFIX = "urn:hefu:strategy:"
PUBLISHED = "product.published"


@dataclass(frozen=True, slots=True)
class Sought:
    """One provider's offer that a consumer asks for: by the description version in which it read it."""

    provider: str
    product: str
    description: str
    offer: str

    def __post_init__(self) -> None:
        check_digest(self.description, "request.description")

    def body(self) -> Object:
        """``{provider, product, description, offer}``."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def of(cls, body: Json, where: str = "request.further") -> Sought:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(each.name for each in fields(cls))
        return cls(**{name: each.text() for name, each in found.items()})


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers for each party: what follows from no offer, and is each party's own to check.

    Attributes:
        connectors: of every further provider and of the service provider, by participant.
        keys: under which each party may sign, by participant; of none in agreements of the first release.
        filing: the key that whoever draws up drew for the charter's regulators; None where there are none.
    """

    connectors: Mapping[str, str]
    keys: Mapping[str, tuple[PartyKey, ...]]
    filing: Filing | None = None

    @classmethod
    def of(cls, agreement: Agreement) -> Answering:
        """As an agreement says it."""
        return cls(
            {each.participant: each.connector for each in agreement.parties},
            {each.participant: each.keys for each in agreement.parties if each.keys},
            agreement.filing,
        )


NOBODY = Answering({}, {})


def complete(
    drawn: Agreement, sought: Sequence[Sought], descriptions: Sequence[Statement], service: str, answering: Answering
) -> Agreement:
    """The whole agreement, from the first provider's part of it.

    Args:
        drawn: between the first provider and the consumer alone.
        sought: what is asked of each further provider; ``descriptions`` are their `product.published`, in this order.
        service: a participant that carries out joint computations; empty where there is none.

    Raises:
        NotFound: there is no such offer for these parties.
        Conflict: a description is another than was asked for, or nobody answers for a party.
        Malformed: the whole says something that cannot be agreed.
    """
    if len(descriptions) != len(sought):
        raise Conflict("negotiation.differs", where="further")
    readers = {drawn.consumer.participant, drawn.provider.participant, *(each.provider for each in sought)}
    readers |= {service} if service else set()
    brought = [
        _bring(drawn, one, description, index, readers, answering)
        for index, (one, description) in enumerate(zip(sought, descriptions, strict=True), 2)
    ]
    parties = (
        drawn.provider,
        *(Party(one.provider, PROVIDER, _connector(answering, one.provider)) for one in sought),
        *([Party(service, SERVICE, _connector(answering, service))] if service else []),
        drawn.consumer,
    )
    whole = replace(
        drawn,
        parties=tuple(replace(each, keys=answering.keys.get(each.participant, ())) for each in parties),
        strategies=(*drawn.strategies, *(strategy for _, strategy, _ in brought)),
        further=tuple(contribution for contribution, _, _ in brought),
        not_after=min([drawn.not_after, *(drawn.not_before + timedelta(days=days) for _, _, days in brought)]),
    )
    policies = [odrl.load(each.policy) for each in whole.strategies]
    named = sorted({each for policy in policies for each in programs(policy)})
    return replace(
        whole,
        programs=tuple(named),
        contexts=tuple(ContextDigest(each, contexts.digest(each)) for each in CONTEXTS),
        delete_by=delete_by(policies, whole.not_after),
        filing=answering.filing,
    )


def check_shown(offer: Offer, product: str, readers: Collection[str]) -> None:
    """Check that an offer may be shown to all who will sign it: they read its policy in the agreement.

    Raises:
        NotFound: it is not meant for one of them.
    """
    if not all(map(offer.visibility.allows, readers)):
        raise NotFound("offer.not_found", product=product, offer=offer.id)


def delete_by(policies: Sequence[Policy], not_after: datetime) -> datetime | None:
    """When all that is ever delivered under these policies must be deleted; None where they let nothing be delivered.

    Each single delivery may have to be deleted sooner.
    """
    delivering = [each for each in policies if DELIVER in each.actions()]
    return max((each.delete_by(not_after, not_after) for each in delivering), default=None)


def contribution_of(provider: str, product: Description, digest: str, offer: Offer, policy: Policy) -> Contribution:
    """What a provider brings by an offer."""
    privacy = product.resources[0].privacy
    return Contribution(
        provider=provider,
        offer=offer.id,
        product=product.product,
        description=digest,
        resources=tuple(each.id for each in product.resources),
        snapshot_rule=product.snapshot_rule,
        computations=policy.actions(),
        offline_window_seconds=offer.offline_window_seconds,
        offline_share_percent=offer.offline_share_percent,
        budget=offer.budget,
        unit=privacy.unit,
        neighbouring=privacy.neighbouring,
    )


def _bring(
    drawn: Agreement, one: Sought, description: Statement, index: int, readers: set[str], answering: Answering
) -> tuple[Contribution, Strategy, int]:
    product = Description.of(description.expect(PUBLISHED).body)
    for where, agreed in (
        ("provider", one.provider == description.issuer),
        ("product", one.product == product.product),
        ("description", one.description == description.digest()),
        ("resources", len({each.privacy.unit for each in product.resources}) == 1),
    ):
        if not agreed:
            raise Conflict("negotiation.differs", where=where)
    offer = product.offer(one.offer)
    if offer is None:
        raise NotFound("offer.not_found", product=product.product, offer=one.offer)
    check_shown(offer, product.product, readers - {one.provider})
    id_ = f"{drawn.strategies[0].id}-{index}"
    policy = odrl.bind(
        offer.policy,
        id_=STRATEGY_PREFIX + id_,
        target=product.product,
        assigner=one.provider,
        assignee=drawn.consumer.participant,
        at=drawn.not_before,
    )
    contribution = contribution_of(one.provider, product, one.description, offer, odrl.load(policy))
    return contribution, Strategy(id_, _connector(answering, one.provider), policy), offer.valid_days


def _connector(answering: Answering, participant: str) -> str:
    if participant not in answering.connectors:
        raise Conflict("negotiation.differs", where=f"connector of {participant}"[:80])
    return answering.connectors[participant]
