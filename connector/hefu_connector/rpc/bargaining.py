"""The calls with which this participant's own people negotiate terms: a part of the control service."""

# ruff: noqa: N802 - methods are named as in the protocol

from __future__ import annotations

import grpc
from hefu.canonical import Object
from hefu.times import write_time
from hefu.v1 import control_pb2
from hefu_policies.agreeing.changes import changed, terms_of
from hefu_policies.bargaining.acceptance import Acceptable
from hefu_policies.bargaining.haggling import order
from hefu_policies.bargaining.rounds import Round, Step
from hefu_policies.goods.product import Description, Offer

from hefu_connector.contracting import limits
from hefu_connector.contracting.acceptances import EVERY
from hefu_connector.contracting.consumer import Consumer
from hefu_connector.contracting.limits import Limits
from hefu_connector.contracting.provider import Provider
from hefu_connector.desk.tables import Tables
from hefu_connector.rpc import views

_BEYOND = {
    control_pb2.Limits.BEYOND_UNSPECIFIED: "",
    control_pb2.Limits.BEYOND_COUNTER: limits.COUNTER,
    control_pb2.Limits.BEYOND_ASK: limits.ASK,
}


class BargainingCalls:
    """Serves rounds and limits. Failures are raised; `hefu.wire.transport` translates them."""

    _provider: Provider
    _consumer: Consumer
    _tables: Tables

    @property
    def _user(self) -> str:
        """Who acts."""
        raise NotImplementedError

    def _contract(self, id_: str) -> control_pb2.Contract:
        """The contract as it stands."""
        raise NotImplementedError

    def OfferContract(
        self, request: control_pb2.OfferContractRequest, context: grpc.ServicerContext
    ) -> control_pb2.Contract:
        """Offer a product to a named consumer."""
        made = self._provider.propose(
            _id(request.product), request.offer, request.consumer, dict(request.terms), request.reason, self._user
        )
        return self._contract(made.id)

    def CounterContract(
        self, request: control_pb2.CounterContractRequest, context: grpc.ServicerContext
    ) -> control_pb2.Contract:
        """Answer with other terms, in either role."""
        id_, texts = _id(request.name), dict(request.terms)
        if self._tables.provides(id_):
            self._provider.counter(id_, texts, request.reason, self._user)
        else:
            self._consumer.counter(id_, texts, self._user, request.purpose)
        return self._contract(id_)

    def AcceptContract(
        self, request: control_pb2.AcceptContractRequest, context: grpc.ServicerContext
    ) -> control_pb2.Contract:
        """Accept an offer or counter-offer."""
        id_ = _id(request.name)
        self._consumer.accept(id_, self._user, request.purpose)
        return self._contract(id_)

    def ListContractRounds(
        self, request: control_pb2.ListContractRoundsRequest, context: grpc.ServicerContext
    ) -> control_pb2.ListContractRoundsResponse:
        """The history of a negotiation."""
        found = self._tables.history(_id(request.name))
        return control_pb2.ListContractRoundsResponse(rounds=map(_round, found))

    def GetLimits(self, request: control_pb2.GetLimitsRequest, context: grpc.ServicerContext) -> control_pb2.Limits:
        """How far this provider goes."""
        description, offer = self._provider.offered(_id(request.product), request.offer)
        return _limits(description, offer, self._provider.limits.find(description.product, offer.id))

    def UpdateLimits(
        self, request: control_pb2.UpdateLimitsRequest, context: grpc.ServicerContext
    ) -> control_pb2.Limits:
        """Change how far it goes."""
        description, offer = self._provider.offered(_id(request.product), request.offer)
        made = self._provider.limits.set(description, offer, dict(request.terms), _BEYOND.get(request.beyond, ""))
        return _limits(description, offer, made)

    def GetAcceptance(
        self, request: control_pb2.GetAcceptanceRequest, context: grpc.ServicerContext
    ) -> control_pb2.Acceptance:
        """How far this consumer goes."""
        return self._acceptance(request.product)

    def UpdateAcceptance(
        self, request: control_pb2.UpdateAcceptanceRequest, context: grpc.ServicerContext
    ) -> control_pb2.Acceptance:
        """Change how far it goes."""
        given = request.acceptance
        product = _id(given.product) if given.product else EVERY
        if request.remove:
            self._consumer.acceptances.remove(product)
        else:
            self._consumer.acceptances.set(product, _acceptable(given))
        return self._acceptance(given.product)

    def _acceptance(self, product: str) -> control_pb2.Acceptance:
        found = self._consumer.acceptances.of(_id(product) if product else EVERY)
        if found is None:
            return control_pb2.Acceptance(product=product)
        held, accepted = found
        return control_pb2.Acceptance(
            product=product, contracts=held.contracts, accepted=accepted,
            prices={name: format(amount, "f") for name, amount in held.prices.items()}, duties=held.duties,
            computations=held.computations, delivery=held.delivery, least=held.least, providers=held.providers,
            purpose=held.purpose,
        )  # fmt: skip


def _acceptable(given: control_pb2.Acceptance) -> Acceptable:
    body: Object = {
        "contracts": given.contracts, "prices": dict(given.prices), "duties": [*given.duties],
        "computations": [*given.computations], "delivery": given.delivery, "least": dict(given.least),
        "providers": [*given.providers], "purpose": given.purpose,
    }  # fmt: skip
    return Acceptable.of(body)


def _id(name: str) -> str:
    return views.id_in(name, "agreements", "negotiations", "products")


def _round(found: Round) -> control_pb2.ContractRound:
    return control_pb2.ContractRound(
        number=found.number,
        move=found.move.value,
        participant=found.participant,
        user=found.user,
        time=write_time(found.at),
        changes=map(views.term_change, found.steps),
        reason=found.reason,
    )


def _limits(description: Description, offer: Offer, held: Limits) -> control_pb2.Limits:
    live = held.of(offer)
    public, widest = terms_of(offer), terms_of(changed(offer, live.changes))
    steps = [
        Step(key, each.name, each.en, each.zh, public[key].text, each.text, order(each, public[key]))
        for key, each in widest.items()
        if key in live.changes
    ]
    asks = live.beyond == limits.ASK
    return control_pb2.Limits(
        product=f"products/{description.product}",
        offer=offer.id,
        terms=map(views.term_change, steps),
        beyond=control_pb2.Limits.BEYOND_ASK if asks else control_pb2.Limits.BEYOND_COUNTER,
    )
