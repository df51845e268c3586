"""RegistryService: participants, transport certificates and the status list."""

from __future__ import annotations

import grpc
from hefu.v1 import common_pb2, registry_pb2, registry_pb2_grpc
from hefu.wire import transport

from hefu_broker import pages
from hefu_broker.pages import Pages
from hefu_broker.rooms import Spaces
from hefu_broker.rpc import answers

_QUESTION = "participants"


class RegistryServicer(registry_pb2_grpc.RegistryServiceServicer):
    """Serves the registry over mutual TLS. Only `BindTransport` answers a certificate that is not bound yet."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces
        self._pages = Pages()

    def RenewCertificate(  # noqa: N802 - the name in the protocol
        self, request: registry_pb2.RenewCertificateRequest, context: grpc.ServicerContext
    ) -> registry_pb2.RenewCertificateResponse:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        issued = rooms.registry.renew(caller, request.csr)
        return registry_pb2.RenewCertificateResponse(transport_certificate=issued.der)

    def BindTransport(  # noqa: N802 - the name in the protocol
        self, request: registry_pb2.BindTransportRequest, context: grpc.ServicerContext
    ) -> registry_pb2.Participant:
        """See the service."""
        rooms = self._spaces.of(transport.caller(context))
        binding = rooms.registry.bind(transport.caller(context), request.binding.envelope)
        return answers.participant(rooms.registry, binding.participant)

    def GetParticipant(  # noqa: N802 - the name in the protocol
        self, request: registry_pb2.GetParticipantRequest, context: grpc.ServicerContext
    ) -> registry_pb2.Participant:
        """See the service."""
        rooms, _ = self._spaces.member(transport.caller(context))
        return answers.participant(rooms.registry, answers.named(request.name, "participants"))

    def ListParticipants(  # noqa: N802 - the name in the protocol
        self, request: registry_pb2.ListParticipantsRequest, context: grpc.ServicerContext
    ) -> registry_pb2.ListParticipantsResponse:
        """See the service. A page ends early where it would not fit into one message."""
        rooms, caller = self._spaces.member(transport.caller(context))
        question = (_QUESTION, rooms.space.space, caller.participant, request.after_revision)
        start = self._pages.position(request.page_token, *question) or 0
        revision, found = rooms.registry.changes(request.after_revision)
        wanted = found[start : start + pages.size(request.page_size)]
        shown = pages.fitting(
            [answers.participant(rooms.registry, each) for each in wanted], lambda one: one.ByteSize()
        )
        end = start + len(shown)
        more = self._pages.token(end, *question) if end < len(found) else ""
        return registry_pb2.ListParticipantsResponse(participants=shown, next_page_token=more, revision=revision)

    def GetStatusList(  # noqa: N802 - the name in the protocol
        self, request: registry_pb2.GetStatusListRequest, context: grpc.ServicerContext
    ) -> common_pb2.Statement:
        """See the service."""
        rooms, _ = self._spaces.member(transport.caller(context))
        if request.logged:
            return answers.statement(rooms.standings.logged())
        kept = rooms.registry.status
        return common_pb2.Statement(envelope=kept) if kept else answers.statement(rooms.standings.newest())

    def GetCharter(  # noqa: N802 - the name in the protocol
        self, request: registry_pb2.GetCharterRequest, context: grpc.ServicerContext
    ) -> common_pb2.Statement:
        """See the service."""
        rooms, _ = self._spaces.member(transport.caller(context))
        return answers.statement(rooms.charters.newest())
