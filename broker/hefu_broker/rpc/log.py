"""LogService: the audit log."""

from __future__ import annotations

import grpc
from hefu.v1 import audit_pb2, audit_pb2_grpc, common_pb2
from hefu.wire import transport

from hefu_broker.rooms import Spaces
from hefu_broker.rpc import answers


class LogServicer(audit_pb2_grpc.LogServiceServicer):
    """Serves the audit log to members."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    def AppendStatements(  # noqa: N802 - the name in the protocol
        self, request: audit_pb2.AppendStatementsRequest, context: grpc.ServicerContext
    ) -> audit_pb2.AppendStatementsResponse:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        accepted = rooms.log.append(caller, [each.envelope for each in request.statements])
        return audit_pb2.AppendStatementsResponse(accepted=accepted)

    def GetCheckpoint(  # noqa: N802 - the name in the protocol
        self, request: audit_pb2.GetCheckpointRequest, context: grpc.ServicerContext
    ) -> audit_pb2.Checkpoint:
        """See the service."""
        rooms, _ = self._spaces.member(transport.caller(context))
        return audit_pb2.Checkpoint(note=rooms.log.checkpoint())

    def GetInclusionProof(  # noqa: N802 - the name in the protocol
        self, request: audit_pb2.GetInclusionProofRequest, context: grpc.ServicerContext
    ) -> common_pb2.LogProof:
        """See the service."""
        rooms, _ = self._spaces.member(transport.caller(context))
        return answers.proof(rooms.log.proof(request.leaf_hash))

    def GetConsistencyProof(  # noqa: N802 - the name in the protocol
        self, request: audit_pb2.GetConsistencyProofRequest, context: grpc.ServicerContext
    ) -> audit_pb2.ConsistencyProof:
        """See the service."""
        rooms, _ = self._spaces.member(transport.caller(context))
        return audit_pb2.ConsistencyProof(hashes=rooms.log.consistency(request.old_size, request.new_size))

    def ListTimestamps(  # noqa: N802 - the name in the protocol
        self, request: audit_pb2.ListTimestampsRequest, context: grpc.ServicerContext
    ) -> audit_pb2.ListTimestampsResponse:
        """See the service."""
        rooms, _ = self._spaces.member(transport.caller(context))
        kept = [audit_pb2.Timestamp(size=each.size, response=each.response) for each in rooms.stamping.stamps()]
        return audit_pb2.ListTimestampsResponse(timestamps=kept)

    def GetJournal(  # noqa: N802 - the name in the protocol
        self, request: audit_pb2.GetJournalRequest, context: grpc.ServicerContext
    ) -> audit_pb2.Journal:
        """See the service."""
        rooms, caller = self._spaces.member(transport.caller(context))
        newest = rooms.log.journal(caller)
        return audit_pb2.Journal(newest=common_pb2.Statement(envelope=newest) if newest else None)

    def GetCandidate(  # noqa: N802 - the name in the protocol
        self, request: audit_pb2.GetCandidateRequest, context: grpc.ServicerContext
    ) -> audit_pb2.Candidate:
        """See the service."""
        rooms, _ = self._spaces.member(transport.caller(context))
        found = rooms.witnesses.next_for(request.key, request.newest, max(0, request.wait_seconds))
        return audit_pb2.Candidate(note=found.note, old_size=found.old, hashes=found.proof)

    def AddCosignature(  # noqa: N802 - the name in the protocol
        self, request: audit_pb2.AddCosignatureRequest, context: grpc.ServicerContext
    ) -> audit_pb2.AddCosignatureResponse:
        """See the service."""
        rooms, _ = self._spaces.member(transport.caller(context))
        rooms.witnesses.add(request.note)
        published = rooms.sequencer.newest[0] if rooms.sequencer.is_open else 0
        return audit_pb2.AddCosignatureResponse(published_size=published)

    def ListEntries(  # noqa: N802 - the name in the protocol
        self, request: audit_pb2.ListEntriesRequest, context: grpc.ServicerContext
    ) -> audit_pb2.ListEntriesResponse:
        """See the service. A page ends early where its envelopes would not fit into one message."""
        rooms, caller = self._spaces.member(transport.caller(context))
        found, size = rooms.log.entries(caller, request.first_index, request.page_size)
        listed = [
            audit_pb2.LogEntry(index=each.index, leaf_hash=each.leaf_hash, envelope=each.envelope) for each in found
        ]
        return audit_pb2.ListEntriesResponse(entries=listed, tree_size=size)
