"""Contracts: how an agreement follows from a product, an offer and a request.

The provider derives the agreement with `agreement_from`, the consumer derives it again and compares
(`check_agreement`): neither can slip anything in. The values stand in `hefu_policies.agreeing.agreement` (Party,
Strategy, Agreement), `hefu_policies.goods.product` (Description, Offer) and `hefu_policies.goods.resource` (Resource,
Column, Privacy); their names can be imported from here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Conflict, NotFound, Untrusted

from hefu_policies import odrl
from hefu_policies.agreeing.agreement import Agreement, Party, Strategy
from hefu_policies.agreeing.changes import changed_in, standing
from hefu_policies.agreeing.joint import NOBODY, PUBLISHED, STRATEGY_PREFIX, Answering, Sought, check_shown, complete
from hefu_policies.agreeing.signatories import MOST_PARTIES, PartyKey
from hefu_policies.goods.product import (
    Codes,
    Description,
    Offer,
    Price,
    Visibility,
)  # fmt: skip
from hefu_policies.goods.resource import Bounds, Column, Fact, Privacy, Resource
from hefu_policies.reading import Place, check_digest, unique, wrong

__all__ = [
    "AGREEMENT", "PUBLISHED", "REQUESTED", "Agreement", "Answering", "Bounds", "Codes", "Column", "ContractRequest",
    "Description", "Fact", "Offer", "Party", "PartyKey", "Price", "Privacy", "Resource", "Sought", "Strategy",
    "Visibility", "agreement_from", "check_agreement",
]  # fmt: skip

REQUESTED = "negotiation.requested"
AGREEMENT = "agreement"
_LATER = ("further", "service")  # absent where they are empty, so that older requests keep their bytes
_STRUCTURED = ("changes", "previous", "further")


@dataclass(frozen=True, slots=True)
class ContractRequest:
    """The body of `negotiation.requested`: a consumer asks for an agreement under an offer, perhaps on other terms.

    Attributes:
        connector: the consumer's.
        description: the digest of the description version it read.
        purpose: what for, a concept such as ``dpv:ScientificResearch``; declared, not provable.
        changes: what it asks for instead of the offer's terms (`hefu_policies.agreeing.changes`); empty for the offer
            as it is.
        previous: the digests of the messages before; none in the first request.
        further: offers of further providers, where the agreement is to be one of several; then as they stand.
        service: a participant that carries out joint computations; empty where there is none.
    """

    negotiation: str
    provider: str
    consumer: str
    connector: str
    product: str
    description: str
    offer: str
    purpose: str
    changes: Object = field(default_factory=dict)
    previous: tuple[str, ...] = ()
    further: tuple[Sought, ...] = ()
    service: str = ""

    def __post_init__(self) -> None:
        check_digest(self.description, "request.description")
        if self.provider == self.consumer:
            wrong("request.provider", "another participant than the consumer")
        unique(self.parties, "request.further")
        if len(self.parties) > MOST_PARTIES:
            wrong("request.further", f"at most {MOST_PARTIES} parties")
        if self.changes and self.further:
            wrong("request.changes", "none: of several providers each offer is taken as it stands")

    @property
    def parties(self) -> tuple[str, ...]:
        """Everybody who will sign, in the order of the agreement's parties."""
        return (self.provider, *self.endorsers, self.consumer)

    @property
    def endorsers(self) -> tuple[str, ...]:
        """All parties but the first provider and the consumer."""
        return (*(each.provider for each in self.further), *([self.service] if self.service else []))

    @property
    def sought(self) -> tuple[Sought, ...]:
        """What is asked of every provider, the first one's first."""
        return (Sought(self.provider, self.product, self.description, self.offer), *self.further)

    def body(self) -> Object:
        """The body of the `negotiation.requested` statement."""
        texts: Object = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _LATER}
        further: Object = {"further": [each.body() for each in self.further]} if self.further else {}
        service: Object = {"service": self.service} if self.service else {}
        return texts | {"changes": dict(self.changes), "previous": [*self.previous]} | further | service

    @classmethod
    def of(cls, body: Json, where: str = "request") -> ContractRequest:
        """Read what `body` wrote; raises as `Party.of`."""
        found = Place(body, where).members((each.name for each in fields(cls) if each.name not in _LATER), _LATER)
        texts = {name: each.text() for name, each in found.items() if name not in _STRUCTURED}
        return cls(
            **texts,
            changes=found["changes"].object(),
            previous=found["previous"].texts(),
            further=tuple(Sought.of(each.value, each.where) for each in _items(found, "further")),
        )


def agreement_from(
    description: Statement,
    requested: Statement,
    *,
    agreement: str,
    strategy: str,
    connector: str,
    log: str,
    at: datetime,
    rounds: Sequence[Statement] = (),
    further: Sequence[Statement] = (),
    answering: Answering = NOBODY,
) -> Agreement:
    """The one agreement that follows from an offer, the request for it, and what was said since.

    The terms are those of the newest request or counter-offer. Signatures, and whose turn it was, are the caller's to
    verify.

    Args:
        description: the provider's `product.published` statement.
        requested: the consumer's first `negotiation.requested` statement; it names the offer.
        agreement: the id the provider drew for it; ``strategy`` likewise.
        connector: the provider's connector, which enforces.
        log: the origin of the space's log.
        at: when it begins.
        rounds: every message between the first request and the agreement, in order.
        further: the `product.published` statements of further providers, in the order of the request.
        answering: connectors and keys of the parties, for these to check.

    Raises:
        Malformed: one of the bodies is, or the terms are none that the offer can have.
        NotFound: there is no such offer for this consumer.
        Conflict: the request names another product version or party.
    """
    product = Description.of(description.expect(PUBLISHED).body)
    request = ContractRequest.of(requested.expect(REQUESTED).body)
    offer = product.offer(request.offer)
    if offer is None or not offer.visibility.allows(request.consumer):
        raise NotFound("offer.not_found", product=product.product, offer=request.offer)
    check_shown(offer, product.product, {*request.parties} - {request.provider})
    _check_request(description, product, requested, request)
    if request.further and rounds:
        raise Conflict("offer.joint", offer=request.offer)
    offer = changed_in(product, offer, standing((requested, *rounds)))
    begin, end = at.replace(microsecond=0), at.replace(microsecond=0) + timedelta(days=offer.valid_days)
    policy = odrl.bind(
        offer.policy,
        id_=STRATEGY_PREFIX + strategy,
        target=product.product,
        assigner=request.provider,
        assignee=request.consumer,
        at=begin,
    )
    drawn = Agreement(
        id=agreement,
        negotiation=request.negotiation,
        offer=offer.id,
        product=product.product,
        description=description.digest(),
        resources=tuple(each.id for each in product.resources),
        snapshot_rule=product.snapshot_rule,
        parties=(
            Party(request.provider, "provider", connector),
            Party(request.consumer, "consumer", request.connector),
        ),
        strategies=(Strategy(strategy, connector, policy),),
        computations=odrl.load(policy).actions(),
        not_before=begin,
        not_after=end,
        offline_window_seconds=offer.offline_window_seconds,
        offline_share_percent=offer.offline_share_percent,
        budget=offer.budget,
        unit=product.resources[0].privacy.unit,
        neighbouring=product.resources[0].privacy.neighbouring,
        log=log,
        previous=(*request.previous, requested.digest(), *(each.digest() for each in rounds)),
    )
    return complete(drawn, request.further, further, request.service, answering)


def check_agreement(
    offered: Statement,
    description: Statement,
    requested: Statement,
    *,
    log: str,
    rounds: Sequence[Statement] = (),
    further: Sequence[Statement] = (),
) -> Agreement:
    """Every other party's side: derive the agreement again from what was offered and asked, and compare exact bytes.

    The ids, the connectors, the parties' keys and the beginning are the provider's to choose; whether the beginning is
    about now, and the keys right, is the caller's to judge, as are all signatures.

    Args:
        offered: the `agreement` statement the provider signed.
        log: the origin of the log pinned by the space.
        rounds: as of `agreement_from`.
        further: as of `agreement_from`.

    Raises:
        Untrusted: the agreement says something else than the offer and the request.
        Malformed, NotFound, Conflict: as `agreement_from`.
    """
    found = Agreement.of(offered.expect(AGREEMENT).body)
    derived = agreement_from(
        description,
        requested,
        agreement=found.id,
        strategy=found.strategies[0].id,
        connector=found.provider.connector,
        log=log,
        at=found.not_before,
        rounds=rounds,
        further=further,
        answering=Answering.of(found),
    )
    ours = derived.body()
    for name in sorted({*ours, *offered.body}):
        if name not in ours or name not in offered.body or not _same(offered.body[name], ours[name]):
            raise Untrusted("agreement.differs", where=name)
    if offered.issuer != description.issuer or offered.space != requested.space:
        raise Untrusted("agreement.differs", where="issuer")
    return derived


def _same(value: Json, ours: Json) -> bool:
    return canonical.encode(value) == canonical.encode(ours)


def _items(found: dict[str, Place], name: str) -> list[Place]:
    return found[name].items(1) if name in found else []


def _check_request(
    description: Statement, product: Description, requested: Statement, request: ContractRequest
) -> None:
    for where, agreed in (
        ("space", requested.space == description.space),
        ("provider", request.provider == description.issuer),
        ("consumer", request.consumer == requested.issuer),
        ("product", request.product == product.product),
        ("description", request.description == description.digest()),
        ("resources", len({each.privacy.unit for each in product.resources}) == 1),
    ):
        if not agreed:
            raise Conflict("negotiation.differs", where=where)
