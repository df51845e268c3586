"""The broker as the auditor uses it: the log to read, and its own transport certificate to keep valid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc
from cryptography import x509
from hefu.errors import Malformed, Unavailable
from hefu.evidence.bundle import BundleEntry
from hefu.evidence.timestamps import Stamp
from hefu.membership.enrolment import bind
from hefu.space import SpaceFile
from hefu.times import Clock
from hefu.tlog.tree import HASH_SIZE
from hefu.v1 import audit_pb2, audit_pb2_grpc, common_pb2, page_pb2, page_pb2_grpc, registry_pb2, registry_pb2_grpc
from hefu.wire import transport

from hefu_audit.home import Home

PEER = "the broker"
_PAGE = 1000
_UNKNOWN = str(grpc.StatusCode.UNIMPLEMENTED)
_RENEW_AFTER = 2 / 3  # of a certificate's life


class LogClient:
    """`hefu_audit.ports.LogReader` over gRPC."""

    def __init__(self, channel: grpc.Channel, timeout: float = 30.0) -> None:
        self.channel = channel
        self._stub = audit_pb2_grpc.LogServiceStub(channel)
        self._pages = page_pb2_grpc.PageServiceStub(channel)
        self._timeout = timeout

    def checkpoint(self) -> str:
        """As in the port."""
        request = audit_pb2.GetCheckpointRequest()
        return transport.invoke(self._stub.GetCheckpoint, request, peer=PEER, timeout=self._timeout).note

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """As in the port."""
        request = audit_pb2.GetConsistencyProofRequest(old_size=old, new_size=new)
        answer = transport.invoke(self._stub.GetConsistencyProof, request, peer=PEER, timeout=self._timeout)
        return tuple(answer.hashes)

    def page(self, page: str) -> str:
        """A link that opens one of the broker's pages in a browser, once."""
        request = page_pb2.OpenPageRequest(page=page)
        return transport.invoke(self._pages.OpenPage, request, peer=PEER, timeout=self._timeout).url

    def entries(self, first: int) -> Sequence[BundleEntry]:
        """As in the port."""
        request = audit_pb2.ListEntriesRequest(first_index=first, page_size=_PAGE)
        answer = transport.invoke(self._stub.ListEntries, request, peer=PEER, timeout=self._timeout)
        return [_entry(each) for each in answer.entries]

    def stamps(self) -> Sequence[Stamp]:
        """The time stamps that the log keeps of its checkpoints, oldest first, as they were received."""
        request = audit_pb2.ListTimestampsRequest()
        try:
            answer = transport.invoke(self._stub.ListTimestamps, request, peer=PEER, timeout=self._timeout)
        except Unavailable as fault:
            if _UNKNOWN not in fault.detail:
                raise
            return []  # a broker of before knows of none
        return [Stamp(each.size, each.response) for each in answer.timestamps]


@contextmanager
def connected(home: Home, space: SpaceFile, clock: Clock) -> Iterator[LogClient]:
    """The log, over a channel with this auditor's certificate, which is renewed when two thirds of its life are over.

    Raises:
        Malformed: not enrolled.
        Unavailable: the broker cannot be reached.
    """
    key, certificate = home.credentials()
    with _channel(space, key, certificate) as channel:
        if _due(certificate, clock):
            stub = registry_pb2_grpc.RegistryServiceStub(channel)
            request = registry_pb2.RenewCertificateRequest(csr=home.ring().csr())
            issued = transport.invoke(stub.RenewCertificate, request, peer=PEER).transport_certificate
            take(home, space, issued, clock)
        yield LogClient(channel)


def take(home: Home, space: SpaceFile, certificate: bytes, clock: Clock) -> None:
    """Bind a newly issued certificate (DER) to this auditor by its own signature, and keep it."""
    ring, pem = home.ring(), transport.to_pem(certificate)
    statement = bind(ring, space, certificate, "", clock)
    with _channel(space, ring.transport_pem(), pem) as channel:
        stub = registry_pb2_grpc.RegistryServiceStub(channel)
        message = registry_pb2.BindTransportRequest(binding=common_pb2.Statement(envelope=statement.to_bytes()))
        transport.invoke(stub.BindTransport, message, peer=PEER)
    home.write_certificate(pem)


def _channel(space: SpaceFile, key: bytes, certificate: bytes) -> grpc.Channel:
    return transport.connect(
        space.address,
        root_pem=space.transport_ca.encode(),
        certificate_pem=certificate,
        key_pem=key,
        server_name=f"{space.broker}.hefu",
    )


def _due(pem: bytes, clock: Clock) -> bool:
    certificate = x509.load_pem_x509_certificate(pem)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return clock.now() >= begin + (end - begin) * _RENEW_AFTER


def _entry(message: audit_pb2.LogEntry) -> BundleEntry:
    if message.envelope:
        return BundleEntry.whole(message.index, message.envelope)
    if len(message.leaf_hash) != HASH_SIZE:
        raise Malformed("log.malformed", what="entry", why="a leaf hash has 32 bytes")
    return BundleEntry(message.index, message.leaf_hash, None)
