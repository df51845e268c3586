"""A served log, in memory and over gRPC, behind the auditor's own port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest
from hefu.errors import Malformed
from hefu.evidence.bundle import BundleEntry
from hefu.tlog import tree
from hefu.v1 import audit_pb2, audit_pb2_grpc
from hefu.wire import transport
from hefu_audit.clients.broker import LogClient
from hefu_audit.home import Home
from hefu_audit.ports import LogReader

from tests.protocol.conftest import vectors
from tests.protocol.small_log import SmallLog

__all__ = ["vectors"]  # the published ones, for what is served over HTTP


class ServedLog:
    """`LogReader` over a log in memory; ``hide`` are entries whose bytes the caller may not read."""

    def __init__(self, small: SmallLog, hide: frozenset[int] = frozenset(), page: int = 4) -> None:
        self.small = small
        self.hide = hide
        self.page = page

    def checkpoint(self) -> str:
        return self.small.checkpoint()

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        if not 0 < old <= new <= len(self.small.entries):
            raise Malformed("request.malformed", why="sizes")
        leaves = [tree.leaf_hash(each) for each in self.small.entries]
        return tree.consistency_proof(old, new, tree.reader(leaves[:new]))

    def entries(self, first: int) -> Sequence[BundleEntry]:
        lines = [BundleEntry.whole(index, each) for index, each in enumerate(self.small.entries)]
        shown = [BundleEntry(e.index, e.leaf_hash, None) if e.index in self.hide else e for e in lines]
        return shown[first : first + self.page]


class Servicer(audit_pb2_grpc.LogServiceServicer):
    """The protocol's side of a `ServedLog`."""

    def __init__(self, log: ServedLog) -> None:
        self.log = log

    def GetCheckpoint(self, request: object, context: object) -> audit_pb2.Checkpoint:
        return audit_pb2.Checkpoint(note=self.log.checkpoint())

    def GetConsistencyProof(
        self, request: audit_pb2.GetConsistencyProofRequest, context: object
    ) -> audit_pb2.ConsistencyProof:
        return audit_pb2.ConsistencyProof(hashes=self.log.consistency(request.old_size, request.new_size))

    def ListEntries(self, request: audit_pb2.ListEntriesRequest, context: object) -> audit_pb2.ListEntriesResponse:
        return audit_pb2.ListEntriesResponse(
            tree_size=len(self.log.small.entries),
            entries=[
                audit_pb2.LogEntry(index=each.index, leaf_hash=each.leaf_hash, envelope=each.envelope or b"")
                for each in self.log.entries(request.first_index)
            ],
        )


@pytest.fixture
def small() -> SmallLog:
    log = SmallLog()
    log.tell()
    return log


@pytest.fixture
def served(small: SmallLog) -> ServedLog:
    return ServedLog(small)


@pytest.fixture(params=["memory", "grpc"])
def log(request: pytest.FixtureRequest, served: ServedLog, tmp_path: Path) -> Iterator[LogReader]:
    """The port, on both adapters."""
    if request.param == "memory":
        yield served
        return
    address = f"unix:{tmp_path / 'log.sock'}"

    def add(server: grpc.Server) -> None:
        audit_pb2_grpc.add_LogServiceServicer_to_server(Servicer(served), server)

    running = transport.serve(address, [add], None, None)
    with transport.connect(address, root_pem=None) as channel:
        yield LogClient(channel)
    running.stop(0)


@pytest.fixture
def home(small: SmallLog, tmp_path: Path) -> Home:
    return Home.make(tmp_path / "auditor", small.space, "regulator-a", "regulator-a")
