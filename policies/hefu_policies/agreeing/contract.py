"""Contracts: how an agreement follows from a product, an offer, and the messages of its negotiation.

The provider derives the agreement with `agreement_from`, the consumer derives it again and compares
(`check_agreement`): neither can slip anything in. The values stand in `hefu_policies.agreeing.agreement` (Party,
Strategy, Agreement), `hefu_policies.goods.product` (Description, Offer) and `hefu_policies.goods.resource` (Resource,
Column, Privacy); their names can be imported from here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hefu import canonical
from hefu.canonical import Json
from hefu.envelope import Statement
from hefu.errors import Conflict, NotFound, Untrusted

from hefu_policies import odrl
from hefu_policies.agreeing.agreement import Agreement, Party, Strategy
from hefu_policies.agreeing.changes import changed_in, standing
from hefu_policies.agreeing.joint import NOBODY, PUBLISHED, STRATEGY_PREFIX, Answering, Sought, check_shown, complete
from hefu_policies.agreeing.request import REQUESTED, ContractRequest, is_opening, subject
from hefu_policies.agreeing.signatories import PartyKey
from hefu_policies.goods.product import (
    Codes,
    Description,
    Offer,
    Price,
    Visibility,
)  # fmt: skip
from hefu_policies.goods.resource import Bounds, Column, Fact, Privacy, Resource

__all__ = [
    "AGREEMENT", "PUBLISHED", "REQUESTED", "Agreement", "Answering", "Bounds", "Codes", "Column", "ContractRequest",
    "Description", "Fact", "Offer", "Party", "PartyKey", "Price", "Privacy", "Resource", "Sought", "Strategy",
    "Visibility", "agreement_from", "check_agreement",
]  # fmt: skip

AGREEMENT = "agreement"


def agreement_from(
    description: Statement,
    opening: Statement,
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
    """The one agreement that follows from a published offer and what was said in its negotiation.

    The terms are those of the newest request or counter-offer. Signatures, and whose turn it was, are the caller's to
    verify.

    Args:
        description: the provider's `product.published` statement.
        opening: the first message, a consumer's `negotiation.requested` or its provider's `negotiation.offered`; it
            names the published offer.
        agreement: the id the provider drew for it; ``strategy`` likewise.
        connector: the provider's connector, which enforces.
        log: the origin of the space's log.
        at: when it begins.
        rounds: every message between the first and the agreement, in order.
        further: the `product.published` statements of further providers, in the order of the request.
        answering: connectors and keys of the parties, for these to check.

    Raises:
        Malformed: one of the bodies is, or the terms are none that the offer can have.
        NotFound: there is no such offer for this consumer.
        Conflict: another product version or party is named, or the consumer has not spoken.
    """
    product = Description.of(description.expect(PUBLISHED).body)
    request = subject((opening, *rounds))
    offer = product.offer(request.offer)
    if offer is None or not offer.visibility.allows(request.consumer):
        raise NotFound("offer.not_found", product=product.product, offer=request.offer)
    check_shown(offer, product.product, {*request.parties} - {request.provider})
    _check_subject(description, product, opening, request)
    if request.further and rounds:
        raise Conflict("offer.joint", offer=request.offer)
    offer = changed_in(product, offer, standing((opening, *rounds)))
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
        previous=(*request.previous, opening.digest(), *(each.digest() for each in rounds)),
    )
    return complete(drawn, request.further, further, request.service, answering)


def check_agreement(
    offered: Statement,
    description: Statement,
    opening: Statement,
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
        opening: as of `agreement_from`.
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
        opening,
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
    if offered.issuer != description.issuer or offered.space != opening.space:
        raise Untrusted("agreement.differs", where="issuer")
    return derived


def _same(value: Json, ours: Json) -> bool:
    return canonical.encode(value) == canonical.encode(ours)


def _check_subject(description: Statement, product: Description, opening: Statement, request: ContractRequest) -> None:
    begins = request.provider if is_opening((opening,)) else request.consumer
    for where, agreed in (
        ("space", opening.space == description.space),
        ("provider", request.provider == description.issuer),
        ("consumer", begins == opening.issuer and request.is_answered),
        ("product", request.product == product.product),
        ("description", request.description == description.digest()),
        ("resources", len({each.privacy.unit for each in product.resources}) == 1),
    ):
        if not agreed:
            raise Conflict("negotiation.differs", where=where)
