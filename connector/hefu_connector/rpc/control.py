"""The service for this participant's own people, on a Unix socket: thin, from protobuf to the application.

Who may open the socket is decided by the file system: the connector's directory is open to its owner only. The user
named in receipts is that owner, never what a call says.
"""

# ruff: noqa: N802 - methods are named as in the protocol

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
from hefu import canonical
from hefu.errors import Conflict
from hefu.v1 import catalog_pb2, common_pb2, computation_pb2, control_pb2, control_pb2_grpc, page_pb2
from hefu.wire import transport
from hefu_policies.goods.product import Description

from hefu_connector.computing.asking import Asking
from hefu_connector.computing.computation import LARGEST_PLAN
from hefu_connector.computing.custody import Custody
from hefu_connector.computing.scoring import Scores
from hefu_connector.computing.totals import Totals
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.consumer import Consumer
from hefu_connector.contracting.endorser import Endorser
from hefu_connector.contracting.provider import Provider
from hefu_connector.desk import control_socket
from hefu_connector.desk.aftermath import Aftermath
from hefu_connector.desk.overview import Overview
from hefu_connector.desk.source_book import SourceBook, check_options
from hefu_connector.desk.tables import Tables
from hefu_connector.rpc import views
from hefu_connector.rpc.afterwards import AfterwardsCalls
from hefu_connector.rpc.bargaining import BargainingCalls
from hefu_connector.rpc.deliveries import DeliveryCalls
from hefu_connector.rpc.scores import ScoreCalls
from hefu_connector.rpc.totals import TotalCalls
from hefu_connector.rpc.views import id_in
from hefu_connector.shelves import OwnRequest

# A thread for each call: who watches a computation holds one until its end, and nobody else may wait for that.
_LIMITS = transport.Limits(calls=64, threads=64)
_LONGEST_WAIT = 60  # seconds
_PAGE, _LARGEST_PAGE = 50, 1000


@dataclass(frozen=True, slots=True)
class About:
    """What the connector says of itself.

    Attributes:
        endpoint: ``host:port`` for other connectors; empty where nobody may dial in.
        certificate_end, status_time: RFC 3339, empty where there is none yet; asked at every call.
        names: the participant's, by language.
        relays: ``host:port`` of each relay that leads here at present; asked at every call.
    """

    roles: tuple[str, ...]
    endpoint: str
    certificate_end: Callable[[], str]
    status_time: Callable[[], str]
    names: dict[str, str]
    relays: Callable[[], list[str]] = list


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that people may ask of; put together by `bootstrap.py`.

    Attributes:
        open_page: gives a link to one of the broker's pages.
    """

    directory: Path
    author: Author
    about: About
    book: SourceBook
    provider: Provider
    consumer: Consumer
    endorser: Endorser
    asking: Asking
    agreements: Agreements
    overview: Overview
    tables: Tables
    custody: Custody
    scoring: Scores
    aftermath: Aftermath
    totals: Totals
    open_page: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Served:
    """A control service that serves."""

    running: transport.Running
    _held: ExitStack

    def stop(self, grace: float = 1.0) -> None:
        """Serve no more; returns when the socket is gone."""
        self.running.stop(grace)
        self._held.close()


def serve(desk: Desk) -> Served:
    """Open the socket for the owner of the connector's directory.

    Raises:
        Untrusted: others than the owner may enter the directory.
        Conflict: a connector serves here already.
    """
    directory = desk.directory
    control_socket.check_private(directory)
    path = control_socket.path(directory)
    with ExitStack() as stack:
        address = stack.enter_context(control_socket.address(directory))
        if path.exists() and _answers(address.removeprefix("unix:")):
            raise Conflict("control.running", directory=str(directory))
        before = os.umask(0o077)
        try:
            service = ControlService(desk)
            add: Callable[[grpc.Server], None] = lambda server: (  # noqa: E731 - what `transport.serve` takes
                control_pb2_grpc.add_ControlServiceServicer_to_server(service, server)
            )
            running = transport.serve(address, [add], None, None, _LIMITS)
        finally:
            os.umask(before)
        path.chmod(0o600)
        return Served(running, stack.pop_all())


class ControlService(
    AfterwardsCalls, DeliveryCalls, ScoreCalls, TotalCalls, BargainingCalls, control_pb2_grpc.ControlServiceServicer
):
    """Serves the desk. Failures are raised; `hefu.wire.transport` translates them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._custody, self._scoring = desk.custody, desk.scoring
        self._provider, self._consumer, self._tables = desk.provider, desk.consumer, desk.tables
        self._aftermath = desk.aftermath
        self._totals, self._asked = desk.totals, desk.asking
        self._purpose = desk.overview.purpose

    @property
    def _user(self) -> str:
        return control_socket.owner(self._desk.directory)

    def GetConnector(
        self, request: control_pb2.GetConnectorRequest, context: grpc.ServicerContext
    ) -> control_pb2.Connector:
        """Who this connector is, and what waits."""
        author, about = self._desk.author, self._desk.about
        return control_pb2.Connector(
            name=f"connectors/{author.connector}",
            participant=author.participant,
            space=author.space,
            roles=about.roles,
            endpoint=about.endpoint,
            relays=about.relays(),
            certificate_expire_time=about.certificate_end(),
            status_time=about.status_time(),
            user=self._user,
            waiting=[views.waiting(each) for each in [*self._desk.overview.waiting(), *self._aftermath.waiting()]],
            titles=about.names,
        )

    def OpenPage(self, request: page_pb2.OpenPageRequest, context: grpc.ServicerContext) -> page_pb2.OpenPageResponse:
        """A link to one of the broker's pages."""
        return page_pb2.OpenPageResponse(url=self._desk.open_page(request.page))

    # ------------------------------------------------------------ sources

    def CreateSource(
        self, request: control_pb2.CreateSourceRequest, context: grpc.ServicerContext
    ) -> control_pb2.Source:
        """Register a source."""
        check_options(request.source.options)
        return views.source(self._desk.book.add(views.record_of(request.source)))

    def ListSources(
        self, request: control_pb2.ListSourcesRequest, context: grpc.ServicerContext
    ) -> control_pb2.ListSourcesResponse:
        """All sources."""
        return control_pb2.ListSourcesResponse(sources=map(views.source, self._desk.book.all()))

    def UpdateSource(
        self, request: control_pb2.UpdateSourceRequest, context: grpc.ServicerContext
    ) -> control_pb2.Source:
        """Change a source."""
        check_options(request.source.options)
        return views.source(self._desk.book.change(views.record_of(request.source)))

    def DeleteSource(
        self, request: control_pb2.DeleteSourceRequest, context: grpc.ServicerContext
    ) -> control_pb2.DeleteSourceResponse:
        """Forget a source."""
        self._desk.book.remove(id_in(request.name, "sources"))
        return control_pb2.DeleteSourceResponse()

    def InspectSource(
        self, request: control_pb2.InspectSourceRequest, context: grpc.ServicerContext
    ) -> control_pb2.InspectSourceResponse:
        """A source's columns, and what may be told of a model."""
        name = id_in(request.name, "sources")
        model = self._desk.book.model(name)
        record, columns = self._desk.book.columns(name)
        told = [control_pb2.SourceColumn(name=name, type=type_) for name, type_ in columns.items()]
        encoded = b"" if model is None else canonical.encode(model.body())
        return control_pb2.InspectSourceResponse(source=views.source(record), columns=told, model=encoded)

    def RefreshSource(
        self, request: control_pb2.RefreshSourceRequest, context: grpc.ServicerContext
    ) -> control_pb2.RefreshSourceResponse:
        """Lay a source out anew, or forget what is laid out."""
        name = id_in(request.name, "sources")
        if request.release:
            return control_pb2.RefreshSourceResponse(source=views.source(self._desk.book.release(name)))
        made = self._desk.book.refresh(name)
        return control_pb2.RefreshSourceResponse(
            source=views.source(self._desk.book.find(name)), snapshot=made.snapshot, origin=made.origin,
            size=made.size, rows=made.rows, units=made.units, rows_beyond=made.beyond, seconds=made.seconds,
        )  # fmt: skip

    # ------------------------------------------------------------ products

    def PublishProduct(
        self, request: control_pb2.ControlServicePublishProductRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.Product:
        """Sign and publish a description over a registered source."""
        description = Description.of(canonical.decode(request.description))
        resource = self._desk.book.check(id_in(request.source, "sources"), description.resources).resource
        if [each.id for each in description.resources] != [resource]:
            raise Conflict("product.resource", product=description.product, resource=resource)
        return views.own_product(self._desk.provider.publish(description, self._user))

    def ListProducts(
        self, request: control_pb2.ListProductsRequest, context: grpc.ServicerContext
    ) -> control_pb2.ListProductsResponse:
        """Own products."""
        return control_pb2.ListProductsResponse(products=map(views.own_product, self._desk.provider.products()))

    def RetireProduct(
        self, request: control_pb2.ControlServiceRetireProductRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.Product:
        """Take a product off."""
        return views.own_product(
            self._desk.provider.retire(id_in(request.name, "products"), request.reason, self._user)
        )

    def SearchProducts(
        self, request: catalog_pb2.SearchProductsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.SearchProductsResponse:
        """Search the catalog."""
        found = self._desk.consumer.search(
            request.query, request.filter, request.page_token, request.page_size or _PAGE
        )
        return catalog_pb2.SearchProductsResponse(
            products=map(views.product, found.products), next_page_token=found.token, total_size=found.total
        )

    def GetProduct(self, request: catalog_pb2.GetProductRequest, context: grpc.ServicerContext) -> catalog_pb2.Product:
        """One product."""
        return views.product(self._desk.consumer.show(id_in(request.name, "products")))

    # ------------------------------------------------------------ contracts

    def RequestContract(
        self, request: control_pb2.RequestContractRequest, context: grpc.ServicerContext
    ) -> control_pb2.Contract:
        """Ask for an agreement."""
        product = id_in(request.product, "products")
        texts = dict(request.terms)
        further = [(id_in(each.product, "products"), each.offer) for each in request.further]
        made = self._desk.consumer.request(
            product, request.offer, request.purpose, self._user, texts, further, request.service
        )
        return self._contract(made.id)

    def ListContracts(
        self, request: control_pb2.ListContractsRequest, context: grpc.ServicerContext
    ) -> control_pb2.ListContractsResponse:
        """All negotiations and agreements."""
        return control_pb2.ListContractsResponse(contracts=map(views.contract, self._desk.overview.contracts()))

    def GetContract(
        self, request: control_pb2.GetContractRequest, context: grpc.ServicerContext
    ) -> control_pb2.Contract:
        """One of them."""
        seconds = min(max(request.wait_seconds, 0), _LONGEST_WAIT)
        found = self._desk.overview.awaited(id_in(request.name, "agreements", "negotiations"), seconds)
        return views.contract(found)

    def ApproveContract(
        self, request: control_pb2.ApproveContractRequest, context: grpc.ServicerContext
    ) -> control_pb2.Contract:
        """Agree to a request."""
        negotiation = id_in(request.name, "negotiations")
        role = self._desk.endorser if self._desk.endorser.concerns(negotiation) else self._desk.provider
        role.approve(negotiation, self._user)
        return self._contract(negotiation)

    def TerminateContract(
        self, request: control_pb2.TerminateContractRequest, context: grpc.ServicerContext
    ) -> control_pb2.Contract:
        """End an agreement or a negotiation."""
        found = self._desk.overview.contract(id_in(request.name, "agreements", "negotiations"))
        if found.contract is not None:
            agreement = found.contract.agreement.id
            self._desk.agreements.terminate(agreement, "agreement.ended", request.reason, self._user)
        elif found.provider == self._desk.author.participant:
            self._desk.provider.refuse(found.id, request.reason, self._user)
        elif self._desk.endorser.concerns(found.id):
            self._desk.endorser.refuse(found.id, request.reason, self._user)
        else:
            self._desk.consumer.withdraw(found.id, request.reason, self._user)
        return self._contract(found.id)

    # ------------------------------------------------------------ computations

    def EstimateComputation(
        self, request: control_pb2.ControlServiceEstimateComputationRequest, context: grpc.ServicerContext
    ) -> computation_pb2.Estimate:
        """What a plan would cost."""
        plan = canonical.decode_object(request.plan, LARGEST_PLAN)
        return views.estimate(self._desk.asking.estimate(id_in(request.product, "products"), plan))

    def CreateComputation(
        self, request: control_pb2.ControlServiceCreateComputationRequest, context: grpc.ServicerContext
    ) -> control_pb2.OwnComputation:
        """Ask for a computation in the owner's name."""
        agreement = id_in(request.agreement, "agreements")
        plan = canonical.decode_object(request.plan, LARGEST_PLAN)
        purpose = request.purpose or self._desk.overview.purpose(agreement)
        joined = id_in(request.joined, "agreements") if request.joined else ""
        own = self._desk.asking.ask(plan, agreement, purpose, self._user, joined)
        return self._own(own)

    def ListComputations(
        self, request: control_pb2.ListComputationsRequest, context: grpc.ServicerContext
    ) -> control_pb2.ListComputationsResponse:
        """Own computations."""
        found = self._desk.asking.all(_LARGEST_PAGE)
        return control_pb2.ListComputationsResponse(computations=map(self._own, found))

    def GetComputation(
        self, request: computation_pb2.GetComputationRequest, context: grpc.ServicerContext
    ) -> control_pb2.OwnComputation:
        """One of them, with its answer."""
        outcome = self._desk.asking.outcome(id_in(request.name, "computations"))
        own = outcome.own
        message = self._own(own)
        message.MergeFrom(views.ending(outcome))
        contract = self._desk.overview.contract(own.agreements[0])
        if contract.contract is not None:
            message.balance.CopyFrom(views.contract(contract).balance)
        return message

    def WatchComputation(
        self, request: computation_pb2.WatchComputationRequest, context: grpc.ServicerContext
    ) -> Iterator[control_pb2.OwnComputation]:
        """Every change of one of them."""
        for own in self._desk.asking.follow(id_in(request.name, "computations")):
            yield self._own(own)

    def CancelComputation(
        self, request: computation_pb2.CancelComputationRequest, context: grpc.ServicerContext
    ) -> control_pb2.OwnComputation:
        """Stop one of them."""
        return self._own(self._desk.asking.cancel(id_in(request.name, "computations")))

    # ------------------------------------------------------------ the record

    def ListReleases(
        self, request: control_pb2.ListReleasesRequest, context: grpc.ServicerContext
    ) -> control_pb2.ListReleasesResponse:
        """What left this provider."""
        size = min(request.page_size or _PAGE, _LARGEST_PAGE)
        found = self._desk.overview.releases(size, request.page_token)
        token = found[-1].run.id if len(found) == size else ""
        return control_pb2.ListReleasesResponse(releases=map(views.release, found), next_page_token=token)

    def GetDecisions(
        self, request: control_pb2.GetDecisionsRequest, context: grpc.ServicerContext
    ) -> control_pb2.GetDecisionsResponse:
        """How one of them was decided."""
        record, agreement = self._desk.overview.decided(id_in(request.name, "computations"))
        return control_pb2.GetDecisionsResponse(
            record=record, agreement=common_pb2.Statement(envelope=agreement.to_bytes())
        )

    def ListBalances(
        self, request: control_pb2.ListBalancesRequest, context: grpc.ServicerContext
    ) -> control_pb2.ListBalancesResponse:
        """All accounts."""
        found = self._desk.overview.balances()
        return control_pb2.ListBalancesResponse(
            balances=[views.balance(each, title) for each, title in found],
            meters=map(views.meter, self._desk.overview.meters()),
        )

    # ------------------------------------------------------------ inside

    def _contract(self, id_: str) -> control_pb2.Contract:
        return views.contract(self._desk.overview.contract(id_))

    def _own(self, own: OwnRequest) -> control_pb2.OwnComputation:
        message = views.own_computation(own)
        waits = self._desk.overview.computation_waits(own)
        if waits is not None:
            message.waiting.CopyFrom(views.waiting(waits))
        return message


def _answers(path: str) -> bool:
    """Whether a server listens on a socket; a file left by a killed one does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
