"""The relay beside a direct connection: bytes a second through a TLS stream of 4 MiB parts, and whole releases.

Both run on the loopback of one machine, so the relay's copying competes with both ends for the same cores; on a machine
of its own it has them to itself. Aim: at least half of what a direct connection carries.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import grpc
from hefu import canonical
from hefu.envelope import Statement
from hefu.identity import Binding
from hefu.membership.enrolment import KeyRing
from hefu.times import SystemClock
from hefu.v1 import computation_pb2, computation_pb2_grpc, control_pb2
from hefu.v1.control_pb2_grpc import ControlServiceStub
from hefu.wire import transport
from hefu.wire.transport import Via
from hefu_broker.membership.authority import Authority
from hefu_broker.relay.books import Limits, Relay
from hefu_broker.relay.port import RelayPort
from hefu_connector.clients.relay import Inward
from hefu_connector.engines import language
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.product import Description
from hefu_space.operator import Operator
from hefu_space.space import LOCAL, Node, Space, free_ports
from measure import Page, milliseconds, percentile, summary
from release import _agree
from world import founded

PART = 4 << 20
PARTS = 64
_ROUNDS, _RELEASES, _REST = 5, 30, 2.0  # rest: a fresh worker gets ready
_CPU = "cpu"


class Stock(computation_pb2_grpc.ComputationServiceServicer):
    """Sends the same sealed part again and again."""

    part = bytes(PART)

    def FetchRelease(  # noqa: N802 - the name in the protocol
        self, request: computation_pb2.FetchReleaseRequest, context: grpc.ServicerContext
    ) -> Iterator[computation_pb2.ReleasePart]:
        for index in range(request.first_part):
            yield computation_pb2.ReleasePart(index=index, sealed=self.part)


class Line:
    """A TLS server in a process of its own, reached directly and through a relay in another."""

    def __init__(self, folder: Path) -> None:
        clock = SystemClock()
        authority = Authority.found("bench", clock.now(), timedelta(hours=1))
        self.ring = KeyRing("provider", "provider", folder / "keys")
        self.ring.make()
        issued = authority.issue(self.ring.transport().public_key(), "provider", "provider", clock.now())
        self.pem, self.key = transport.to_pem(issued.der), self.ring.transport_pem()
        binding = Binding("provider", "provider", issued.der, "", issued.not_after)
        spawn = multiprocessing.get_context("spawn")
        self._relay, far = spawn.Pipe()
        spawn.Process(target=serve_relay, args=(far, binding), daemon=True).start()
        self.address = f"{LOCAL}:{self._relay.recv()}"
        self._server, far = spawn.Pipe()
        words = (far, binding, self.key, self.pem, authority.pem, self.address)
        spawn.Process(target=serve_parts, args=words, daemon=True).start()
        self.port = self._server.recv()

    def channel(self, *, relayed: bool) -> grpc.Channel:
        """A new one; a relayed one costs a word to both processes, as it would a call to the relay's service."""
        via = None
        if relayed:
            self._relay.send(True)
            mine, theirs = self._relay.recv()
            self._server.send(theirs)
            via = Via(self.address, mine)
        return transport.connect(
            f"{LOCAL}:{self.port}",
            root_pem=self.pem,
            certificate_pem=self.pem,
            key_pem=self.key,
            server_name="provider.hefu",
            via=via,
        )

    def spent(self) -> tuple[float, float, float]:
        """Seconds of processor time so far: this process (the client), the provider's, the relay's."""
        found = []
        for each in (self._server, self._relay):
            each.send(_CPU)
            found.append(each.recv())
        return time.process_time(), found[0], found[1]

    def close(self) -> None:
        for each in (self._server, self._relay):
            each.send(None)
            each.recv()


def serve_relay(pipe: Connection, binding: Binding) -> None:
    """The relay's process: its port out; then a pair of tickets for every word."""
    relay, heard = Relay(SystemClock(), Limits(of_pair=64)), []
    relay.listen("bench", binding, heard.append, lambda: None)
    outer = RelayPort(f"{LOCAL}:0", relay)
    outer.start(0)
    pipe.send(outer.port)
    while word := pipe.recv():
        if word == _CPU:
            pipe.send(time.process_time())
            continue
        pipe.send((relay.open("bench", binding, binding, lambda: None), heard.pop()))
    outer.stop()
    pipe.send(None)


def serve_parts(pipe: Connection, binding: Binding, key: bytes, pem: bytes, roots: bytes, relay: str) -> None:
    """The provider's process: its port out; then a ticket for every connection that comes in."""
    credentials = transport.server_credentials(lambda: (key, pem), roots)
    add = [lambda server: computation_pb2_grpc.add_ComputationServiceServicer_to_server(Stock(), server)]
    server = transport.serve(f"{LOCAL}:0", add, credentials, lambda _: binding)
    inward = Inward(SimpleNamespace(address=relay), f"{LOCAL}:0")  # type: ignore[arg-type]  # its address is all it uses
    inward.open(server.port)
    pipe.send(server.port)
    while ticket := pipe.recv():
        if ticket == _CPU:
            pipe.send(time.process_time())
        else:
            inward._accept(ticket)
    inward.close()
    server.stop(0)
    pipe.send(None)


def rate(line: Line, *, relayed: bool, streams: int) -> tuple[float, list[float]]:
    """MiB a second over so many connections at once, and seconds of processor time of each process."""
    channels = [line.channel(relayed=relayed) for _ in range(streams)]

    def fetch(channel: grpc.Channel, parts: int) -> None:
        stub = computation_pb2_grpc.ComputationServiceStub(channel)
        request = computation_pb2.FetchReleaseRequest(name="computations/x", first_part=parts)
        deque(transport.stream(stub.FetchRelease, request, peer="provider", timeout=120), maxlen=0)

    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(lambda each: fetch(each, 1), channels))  # connects
        before, started = line.spent(), time.perf_counter()
        list(pool.map(lambda each: fetch(each, PARTS // streams), channels))
        taken = time.perf_counter() - started
    for each in channels:
        each.close()
    return PARTS * PART / taken / (1 << 20), [a - b for a, b in zip(line.spent(), before, strict=True)]


def connecting(line: Line, *, relayed: bool) -> float:
    """Milliseconds from nothing to the first part of an answer."""

    def once() -> None:
        with line.channel(relayed=relayed) as channel:
            stub = computation_pb2_grpc.ComputationServiceStub(channel)
            request = computation_pb2.FetchReleaseRequest(name="computations/x", first_part=0)
            deque(transport.stream(stub.FetchRelease, request, peer="provider", timeout=20), maxlen=0)

    return milliseconds(once)


class RelayedSpace(Space):
    """A space whose provider nobody can dial."""

    def found(self) -> None:
        """With a relay."""
        main, enrolment, relay = (f"{LOCAL}:{port}" for port in free_ports(3))
        assert isinstance(self.operator, Operator)
        self.operator.found("demo", main, enrolment, relay=relay)
        self.broker.start()

    def enrol(self, members: object) -> list[Node]:
        """Without addresses."""
        nodes = super().enrol(members)  # type: ignore[arg-type]
        from hefu_connector.settings import Home, Settings

        for node in nodes:
            home = Home(node.folder)
            replace(Settings.read(home), endpoint="").write(home)
        return nodes


def releases(space: Space) -> list[float]:
    """Milliseconds of whole releases, one after another."""
    try:
        consumer, product = founded(space)
        contract = _agree(consumer, product)
        description = Description.of(Statement.parse(contract.description.envelope).body)
        sql = f'SELECT COUNT(*) AS n FROM "{product}"'
        plan = canonical.encode(language.parse(sql, description, PrivacyLoss.of_text("0.1", "0")).body())
        rest, found = threading.Event(), []
        with consumer.control() as stub:
            ask_one(stub, contract.agreement_name, plan)
            for _ in range(_RELEASES):
                rest.wait(_REST)
                found.append(milliseconds(lambda: ask_one(stub, contract.agreement_name, plan)))
        return found
    finally:
        space.stop()


def ask_one(stub: ControlServiceStub, agreement: str, plan: bytes) -> None:
    """One release over the control service."""
    request = control_pb2.ControlServiceCreateComputationRequest(agreement=agreement, plan=plan)
    made = transport.invoke(stub.CreateComputation, request, peer="consumer", timeout=60)
    watch = computation_pb2.WatchComputationRequest(name=made.computation.name)
    *_, end = transport.stream(stub.WatchComputation, watch, peer="consumer", timeout=60)
    if end.computation.state != computation_pb2.Computation.STATE_RELEASED:
        raise RuntimeError("not released")


def main() -> None:
    """Measure and write the page."""
    page = Page("relay", "The relay beside a direct connection")
    with tempfile.TemporaryDirectory() as folder:
        line = Line(Path(folder))
        try:
            rows, processor = [], []
            for streams in (1, 4):
                found: dict[bool, list[tuple[float, list[float]]]] = {False: [], True: []}
                for relayed in (False, True) * _ROUNDS:  # in turns, so that both see the same machine
                    found[relayed].append(rate(line, relayed=relayed, streams=streams))
                one, other = (percentile([each for each, _ in found[way]], 0.5) for way in (False, True))
                rows.append((streams, f"{one:.0f} MiB/s", f"{other:.0f} MiB/s", f"{other / one:.0%}", "≥ 50 %"))
                for way, name in ((False, "direct"), (True, "through the relay")):
                    parts = [percentile(each, 0.5) for each in zip(*(cpu for _, cpu in found[way]), strict=True)]
                    gib = PARTS * PART / (1 << 30)
                    processor.append((streams, name, *(f"{each / gib:.2f}" for each in (*parts, sum(parts)))))
            first = [
                ("direct", summary([connecting(line, relayed=False) for _ in range(30)])),
                ("through the relay", summary([connecting(line, relayed=True) for _ in range(30)])),
            ]
        finally:
            line.close()
    page.say(
        f"{PARTS} parts of 4 MiB over mutual TLS on the loopback; client, provider and relay a process each. Medians",
        f"of {_ROUNDS} rounds in turns.",
        "",
    )
    page.table(("connections", "direct", "through the relay", "share", "aim"), rows)
    headings = ("connections", "way", "client", "provider", "relay", "together")
    page.say("Processor seconds a GiB, which other load on the machine does not change much:", "")
    page.table(headings, processor)
    page.table(("a first connection and an empty answer", "time"), first)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        direct = releases(Space(Path(one), settings={"quantum_ms": 0}))
        relayed = releases(RelayedSpace(Path(other), settings={"quantum_ms": 0}))
    page.say("Whole releases between real processes, quantum 0:", "")
    page.table(("way", "a release"), [("direct", summary(direct)), ("through the relay", summary(relayed))])
    page.write()


if __name__ == "__main__":
    main()
