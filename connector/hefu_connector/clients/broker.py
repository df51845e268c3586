"""The broker over gRPC: protobuf on one side, the ports of `hefu_connector.brokerage` on the other.

Statements come out parsed and *not* verified; that is for whoever acts on them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import grpc
from hefu.envelope import Statement
from hefu.errors import Malformed, NotFound
from hefu.running import faults
from hefu.space import SpaceFile
from hefu.tlog.proof import LogProof
from hefu.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    common_pb2,
    contract_pb2,
    contract_pb2_grpc,
    mandate_pb2,
    mandate_pb2_grpc,
    page_pb2,
    page_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
)
from hefu.wire import transport
from hefu_policies.states.negotiation import State

from hefu_connector.brokerage import Listing, Member, Page, Progress
from hefu_connector.ports import FiledEnd

PEER = "the broker"
_PAGE = 200
_SOON = 3.0  # seconds; for what a start waits for
_MOST_PAGES = 500  # LIMIT: a hundred thousand participants or negotiations
_STATES = {
    contract_pb2.Negotiation.STATE_REQUESTED: State.REQUESTED,
    contract_pb2.Negotiation.STATE_OFFERED: State.OFFERED,
    contract_pb2.Negotiation.STATE_ACCEPTED: State.ACCEPTED,
    contract_pb2.Negotiation.STATE_AGREED: State.AGREED,
    contract_pb2.Negotiation.STATE_VERIFIED: State.VERIFIED,
    contract_pb2.Negotiation.STATE_FINALIZED: State.FINALIZED,
    contract_pb2.Negotiation.STATE_TERMINATED: State.TERMINATED,
}


class Link:
    """One channel to the broker, made anew when this connector's transport certificate is renewed.

    Args:
        space: the pinned address and transport authority.
        credentials: returns (private key PEM, certificate PEM) as they are now.
        timeout: deadline of each call, in seconds.
    """

    def __init__(self, space: SpaceFile, credentials: Callable[[], tuple[bytes, bytes]], timeout: float = 10.0) -> None:
        self.timeout = timeout
        self._space = space
        self._credentials = credentials
        self._lock = threading.Lock()
        self._channels: list[grpc.Channel] = []
        self._certificate = b""

    def channel(self) -> grpc.Channel:
        """The channel that uses the present certificate."""
        key, certificate = self._credentials()
        with self._lock:
            if certificate != self._certificate:
                self._channels.append(self._connect(key, certificate))
                self._certificate = certificate
            # The one before may still carry calls; those before it are long done.
            while len(self._channels) > 2:
                self._channels.pop(0).close()
            return self._channels[-1]

    def close(self) -> None:
        """Close all channels; calls under way end as Unavailable."""
        with self._lock:
            while self._channels:
                self._channels.pop().close()
            self._certificate = b""

    def _connect(self, key: bytes, certificate: bytes) -> grpc.Channel:
        return transport.connect(
            self._space.address,
            root_pem=self._space.transport_ca.encode(),
            certificate_pem=certificate,
            key_pem=key,
            server_name=f"{self._space.broker}.hefu",
        )


class RegistryClient:
    """`brokerage.Registry` over gRPC."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def renew(self, csr: bytes) -> bytes:
        """As in the port."""
        request = registry_pb2.RenewCertificateRequest(csr=csr)
        return _call(self._link, self._stub().RenewCertificate, request).transport_certificate

    def bind(self, binding: Statement) -> None:
        """As in the port."""
        _call(self._link, self._stub().BindTransport, registry_pb2.BindTransportRequest(binding=_write(binding)))

    def member(self, participant: str) -> Member:
        """As in the port."""
        request = registry_pb2.GetParticipantRequest(name=f"participants/{participant}")
        return _member(_call(self._link, self._stub().GetParticipant, request))

    def members(self, after: int = 0) -> tuple[int, Sequence[Member]]:
        """As in the port."""
        stub, found, token, revisions = self._stub(), [], "", []
        for _ in range(_MOST_PAGES):
            request = registry_pb2.ListParticipantsRequest(page_size=_PAGE, page_token=token, after_revision=after)
            answer = _call(self._link, stub.ListParticipants, request)
            found += [_member(each) for each in answer.participants]
            revisions.append(answer.revision)
            token = answer.next_page_token
            if not token:
                break
        return min(revisions), found

    def status(self, *, logged: bool = False) -> Statement:
        """As in the port."""
        return _read(_call(self._link, self._stub().GetStatusList, registry_pb2.GetStatusListRequest(logged=logged)))

    def _stub(self) -> registry_pb2_grpc.RegistryServiceStub:
        return registry_pb2_grpc.RegistryServiceStub(self._link.channel())


class ChartersClient:
    """`brokerage.Charters` over gRPC."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def charter(self) -> Statement | None:
        """As in the port."""
        stub = registry_pb2_grpc.RegistryServiceStub(self._link.channel())
        try:
            return _read(_call(self._link, stub.GetCharter, registry_pb2.GetCharterRequest()))
        except NotFound:
            return None


class MandatesClient:
    """`brokerage.Mandates` over gRPC."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def orders(self, after: int) -> tuple[int, Sequence[Statement]]:
        """As in the port."""
        answer = _call(self._link, self._stub().ListOrders, mandate_pb2.ListOrdersRequest(after=after))
        return answer.newest, tuple(map(_read, answer.orders))

    def file(self, filed: Sequence[FiledEnd]) -> int:
        """As in the port."""
        given = [mandate_pb2.Filed(end=each.end, sealed=each.sealed) for each in filed]
        return _call(self._link, self._stub().FileOpenings, mandate_pb2.FileOpeningsRequest(filed=given)).accepted

    def erase(self, ends: Sequence[str]) -> int:
        """As in the port."""
        return _call(self._link, self._stub().EraseOpenings, mandate_pb2.EraseOpeningsRequest(ends=ends)).erased

    def _stub(self) -> mandate_pb2_grpc.MandateServiceStub:
        return mandate_pb2_grpc.MandateServiceStub(self._link.channel())


class CatalogClient:
    """`brokerage.Catalog` over gRPC."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def publish(self, description: Statement) -> Listing:
        """As in the port."""
        request = catalog_pb2.PublishProductRequest(product=_write(description))
        return _listing(_call(self._link, self._stub().PublishProduct, request))

    def retire(self, retirement: Statement) -> Listing:
        """As in the port."""
        request = catalog_pb2.RetireProductRequest(retirement=_write(retirement))
        return _listing(_call(self._link, self._stub().RetireProduct, request))

    def product(self, product: str) -> Listing:
        """As in the port."""
        request = catalog_pb2.GetProductRequest(name=f"products/{product}")
        return _listing(_call(self._link, self._stub().GetProduct, request))

    def search(self, query: str, narrowing: str = "", token: str = "", size: int = 50) -> Page:
        """As in the port."""
        request = catalog_pb2.SearchProductsRequest(query=query, filter=narrowing, page_size=size, page_token=token)
        answer = _call(self._link, self._stub().SearchProducts, request)
        return Page(tuple(map(_listing, answer.products)), answer.next_page_token, answer.total_size)

    def _stub(self) -> catalog_pb2_grpc.CatalogServiceStub:
        return catalog_pb2_grpc.CatalogServiceStub(self._link.channel())


class NegotiationsClient:
    """`brokerage.Negotiations` over gRPC."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def advance(self, message: Statement) -> Progress:
        """As in the port."""
        request = contract_pb2.AdvanceNegotiationRequest(message=_write(message))
        return _progress(_call(self._link, self._stub().AdvanceNegotiation, request))

    def negotiation(self, name: str) -> Progress:
        """As in the port."""
        return _progress(_call(self._link, self._stub().GetNegotiation, contract_pb2.GetNegotiationRequest(name=name)))

    def negotiations(self) -> Sequence[Progress]:
        """As in the port."""
        stub, found, token = self._stub(), [], ""
        for _ in range(_MOST_PAGES):
            request = contract_pb2.ListNegotiationsRequest(page_size=_PAGE, page_token=token)
            answer = _call(self._link, stub.ListNegotiations, request)
            found += [_progress(each) for each in answer.negotiations]
            token = answer.next_page_token
            if not token:
                break
        return found

    def watch(self, after: int) -> Iterator[Progress]:
        """As in the port."""
        request = contract_pb2.WatchNegotiationsRequest(after_revision=after)
        for each in transport.stream(self._stub().WatchNegotiations, request, peer=PEER, timeout=None):
            faults.point("broker.heard")
            yield _progress(each)

    def terminate(self, termination: Statement) -> Progress:
        """As in the port."""
        request = contract_pb2.TerminateAgreementRequest(termination=_write(termination))
        return _progress(_call(self._link, self._stub().TerminateAgreement, request))

    def _stub(self) -> contract_pb2_grpc.ContractServiceStub:
        return contract_pb2_grpc.ContractServiceStub(self._link.channel())


class NoticesClient:
    """`brokerage.Notices` over gRPC."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def record(self, notice: Statement) -> Progress:
        """As in the port."""
        request = contract_pb2.RecordNoticeRequest(notice=_write(notice))
        return _progress(_call(self._link, self._stub().RecordNotice, request))

    def after(self, agreement: str, number: int) -> Sequence[Statement]:
        """As in the port."""
        request = contract_pb2.ListNoticesRequest(name=f"agreements/{agreement}", after=number)
        return tuple(map(_read, _call(self._link, self._stub().ListNotices, request).notices))

    def _stub(self) -> contract_pb2_grpc.ContractServiceStub:
        return contract_pb2_grpc.ContractServiceStub(self._link.channel())


class PagesClient:
    """The broker's pages, over gRPC."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def open(self, page: str) -> str:
        """A link that opens a page in a browser once: catalog, log, agreements/{id} or negotiations/{id}.

        Raises:
            NotFound: the contract is not this participant's.
            Unavailable: the broker shows no pages, or cannot be reached.
        """
        stub = page_pb2_grpc.PageServiceStub(self._link.channel())
        found: str = _call(self._link, stub.OpenPage, page_pb2.OpenPageRequest(page=page)).url
        return found


class LogClient:
    """`brokerage.Log` over gRPC."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def append(self, envelopes: Sequence[bytes]) -> int:
        """As in the port."""
        statements = [common_pb2.Statement(envelope=each) for each in envelopes]
        request = audit_pb2.AppendStatementsRequest(statements=statements)
        return _call(self._link, self._stub().AppendStatements, request).accepted

    def checkpoint(self) -> str:
        """As in the port."""
        return _call(self._link, self._stub().GetCheckpoint, audit_pb2.GetCheckpointRequest()).note

    def inclusion(self, leaf_hash: bytes) -> LogProof:
        """As in the port."""
        request = audit_pb2.GetInclusionProofRequest(leaf_hash=leaf_hash)
        return _proof(_call(self._link, self._stub().GetInclusionProof, request))

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """As in the port."""
        request = audit_pb2.GetConsistencyProofRequest(old_size=old, new_size=new)
        return tuple(_call(self._link, self._stub().GetConsistencyProof, request).hashes)

    def newest(self) -> Statement | None:
        """As in the port."""
        timeout = min(_SOON, self._link.timeout)
        answer = _call(self._link, self._stub().GetJournal, audit_pb2.GetJournalRequest(), timeout)
        return _optional(answer.newest)

    def _stub(self) -> audit_pb2_grpc.LogServiceStub:
        return audit_pb2_grpc.LogServiceStub(self._link.channel())


def _call(
    link: Link, method: Callable[..., transport.Response], request: object, timeout: float | None = None
) -> transport.Response:
    faults.point("broker.call")
    answer = transport.invoke(method, request, peer=PEER, timeout=timeout or link.timeout)
    faults.point("broker.answer")
    return answer


def _write(statement: Statement) -> common_pb2.Statement:
    return common_pb2.Statement(envelope=statement.to_bytes())


def _read(message: common_pb2.Statement) -> Statement:
    return Statement.parse(message.envelope)


def _optional(message: common_pb2.Statement) -> Statement | None:
    return _read(message) if message.envelope else None


def _proof(message: common_pb2.LogProof) -> LogProof:
    return LogProof(message.index, tuple(message.hashes), message.checkpoint)


def _member(message: registry_pb2.Participant) -> Member:
    return Member(_read(message.certification), tuple(map(_read, message.bindings)))


def _listing(message: catalog_pb2.Product) -> Listing:
    return Listing(
        product=message.name.removeprefix("products/"),
        provider=message.provider,
        description=_read(message.description),
        retired=message.state == catalog_pb2.Product.STATE_RETIRED,
        proof=_proof(message.proof) if message.HasField("proof") else None,
    )


def _progress(message: contract_pb2.Negotiation) -> Progress:
    if message.state not in _STATES:
        raise Malformed("request.malformed", why="a negotiation in no known state")
    return Progress(
        id=message.name.removeprefix("negotiations/"),
        state=_STATES[message.state],
        consumer=message.consumer,
        provider=message.provider,
        endorsers=tuple(message.endorsers),
        messages=tuple(map(_read, message.messages)),
        agreement=_optional(message.agreement),
        countersignature=_optional(message.countersignature),
        proof=_proof(message.proof) if message.HasField("proof") else None,
        termination=_optional(message.termination),
        revision=message.revision,
        notices=message.notices,
    )
