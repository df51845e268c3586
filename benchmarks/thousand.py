"""A thousand connectors on one broker: enrolled, listed, watching, and heart-beating as real ones do by default.

Each simulated connector has keys and a transport certificate of its own and one connection over mutual TLS. It keeps a
stream of its negotiations open, asks for the status list every 3 s, and every 60 s for the charter and for what changed
in the registry. All of them live in this process, on the same machine: what they cost is not the broker's, and is told
apart. ``--count 100 --seconds 10`` for a quick look, ``--database URL`` for PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from hefu.errors import Unavailable
from hefu.membership import enrolment
from hefu.membership.enrolment import KeyRing
from hefu.space import SpaceFile
from hefu.times import SystemClock
from hefu.v1 import common_pb2, contract_pb2, contract_pb2_grpc, registry_pb2, registry_pb2_grpc
from hefu.wire import transport
from hefu_broker.bootstrap import open_rooms
from hefu_broker.founding import Plan, found, read_root, sign_as_root
from hefu_space.harness import Process
from measure import Page, summary

STATUS_SECONDS, MEMBERS_SECONDS = 3.0, 60.0  # of `hefu_connector.settings`
_NEWCOMERS = 100  # how many ask for everybody once
_AT_ONCE = 8
_CLOCK = SystemClock()
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Watched:
    """A process, as the system sees it."""

    pid: int

    def megabytes(self) -> float:
        """What it holds in memory."""
        return self._field("VmRSS") / 1024

    def threads(self) -> int:
        """How many it has."""
        return self._field("Threads")

    def cpu(self) -> float:
        """Seconds of a core that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def _field(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@dataclass(slots=True)
class Simulated:
    """A connector that is enrolled."""

    ring: KeyRing
    certificate: bytes
    channel: Any = None
    revision: int = 0
    told: int = 0


@dataclass(slots=True)
class Measured:
    """What the heart-beating cost its callers."""

    status: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    listing: list[float] = field(default_factory=list)
    failed: int = 0


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--database", default="")
    arguments = parser.parse_args()
    count = arguments.count
    page = Page("thousand", f"{count} connectors on one broker")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        addresses = ("127.0.0.1:0", "127.0.0.1:0", "hefu.example/bench")
        secret = f"file:{base / 'secret'}"
        found(
            Plan(base / "broker", base / "root", "bench", *addresses, database=arguments.database, secret=secret),
            _CLOCK,
        )
        words = ("broker", "serve", "--dir", str(base / "broker"), "--json")
        broker = Process("broker", words, base / "broker.log").start()
        try:
            _measure(page, base, Watched(broker.pid), count, arguments.seconds)
        finally:
            broker.stop()
    page.say("" if not arguments.database else "On PostgreSQL.")
    page.write()


def _measure(page: Page, base: Path, broker: Watched, count: int, seconds: float) -> None:
    rows = [("started", f"{broker.megabytes():.0f} MB", str(broker.threads()), "", "")]
    cpu, started = broker.cpu(), time.perf_counter()
    members = _enrol(base, count)
    took, used = time.perf_counter() - started, broker.cpu() - cpu
    rows.append(
        (
            f"{count} enrolled, certified and bound",
            f"{broker.megabytes():.0f} MB",
            str(broker.threads()),
            f"{used / count * 1000:.1f} ms each",
            f"{took:.0f} s in all, {_AT_ONCE} at once",
        )
    )
    space = SpaceFile.read(base / "broker" / "space.json")
    measured = asyncio.run(_live(space, broker, members, seconds, rows))
    page.table(("what", "broker's memory", "its threads", "its processor", "seen from outside"), rows)
    own = Watched(os.getpid()).megabytes()
    page.say(
        f"{measured.failed} calls failed. The {count} simulated connectors took {own:.0f} MB of their own, and shared",
        "the machine's cores with the broker: the times that they saw are upper bounds.",
    )


def _enrol(base: Path, count: int) -> list[Simulated]:
    rooms, root = open_rooms(base / "broker"), read_root(base / "root")
    space = SpaceFile.read(base / "broker" / "space.json")

    def one(number: int) -> Simulated:
        name, roles = f"member-{number:04}", frozenset({"provider", "consumer"})
        ring = KeyRing(name, f"{name}-conn", base / "keys" / name)
        ring.make()
        token = rooms.enrolments.invite(name, roles)
        asked = enrolment.request(ring, space, {"en": name}, roles, _CLOCK)
        opened = enrolment.submit(space, token, asked, ring.csr())
        id_ = opened.removeprefix("enrollments/")
        rooms.enrolments.certify(id_, sign_as_root(rooms.enrolments.draft(id_), root, _CLOCK).to_bytes())
        certified = None
        while certified is None:  # a connector asks again, too
            try:
                certified = enrolment.poll(space, opened, ring)
            except Unavailable as fault:
                print(f"{name}: {fault.detail}", flush=True)
        made = Simulated(ring, certified[1])
        _bind(space, made)
        return made

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        members = list(pool.map(one, range(count)))
    rooms.database.close()
    return members


def _bind(space: SpaceFile, member: Simulated) -> None:
    channel = transport.connect(
        space.address,
        root_pem=space.transport_ca.encode(),
        certificate_pem=transport.to_pem(member.certificate),
        key_pem=member.ring.transport_pem(),
        server_name=f"{space.broker}.hefu",
    )
    said = enrolment.bind(member.ring, space, member.certificate, "127.0.0.1:1", _CLOCK)
    request = registry_pb2.BindTransportRequest(binding=common_pb2.Statement(envelope=said.to_bytes()))
    with channel:
        transport.invoke(registry_pb2_grpc.RegistryServiceStub(channel).BindTransport, request, peer="the broker")


async def _live(
    space: SpaceFile, broker: Watched, members: list[Simulated], seconds: float, rows: list[tuple[str, ...]]
) -> Measured:
    measured = Measured()
    cpu, started = broker.cpu(), time.perf_counter()
    streams = [asyncio.create_task(_watch(space, each)) for each in members]
    for each in members:  # each of them is connected once it was answered
        await _timed(measured, measured.status, lambda each=each: _status(each))
    took = time.perf_counter() - started
    rows.append(
        (
            "all connected and watching",
            f"{broker.megabytes():.0f} MB",
            str(broker.threads()),
            f"{(broker.cpu() - cpu) / len(members) * 1000:.1f} ms each",
            f"{took:.0f} s in all, one after another",
        )
    )
    measured.status.clear()
    cpu = broker.cpu()
    newcomers = members[:_NEWCOMERS]
    for each in newcomers:
        await _timed(measured, measured.listing, lambda each=each: _changes(each))
    rows.append(
        (
            f"{len(newcomers)} newcomers list all {len(members)}",
            f"{broker.megabytes():.0f} MB",
            str(broker.threads()),
            f"{(broker.cpu() - cpu) / len(newcomers) * 1000:.0f} ms each",
            summary(measured.listing),
        )
    )
    for each in members:
        each.revision = newcomers[0].revision
    own, cpu, started = time.process_time(), broker.cpu(), time.perf_counter()
    end = started + seconds
    await asyncio.gather(*(_beat(measured, each, end) for each in members))
    passed = time.perf_counter() - started
    rows.append(
        (
            f"heart-beating for {passed:.0f} s",
            f"{broker.megabytes():.0f} MB",
            str(broker.threads()),
            f"{(broker.cpu() - cpu) / passed * 100:.0f} % of a core",
            f"status list: {len(measured.status) / passed:.0f} a second, {summary(measured.status)}; "
            f"changes: {summary(measured.changes or [0.0])}; "
            f"the connectors themselves {(time.process_time() - own) / passed * 100:.0f} % of a core",
        )
    )
    broken = sum(each.done() for each in streams)
    measured.failed += broken
    for each in streams:
        each.cancel()
    await asyncio.gather(*(each.channel.close() for each in members))
    return measured


async def _watch(space: SpaceFile, member: Simulated) -> None:
    credentials = grpc.ssl_channel_credentials(
        space.transport_ca.encode(), member.ring.transport_pem(), transport.to_pem(member.certificate)
    )
    options = [("grpc.ssl_target_name_override", f"{space.broker}.hefu"), ("grpc.use_local_subchannel_pool", 1)]
    member.channel = grpc.aio.secure_channel(space.address, credentials, options)
    stub = contract_pb2_grpc.ContractServiceStub(member.channel)
    async for _ in stub.WatchNegotiations(contract_pb2.WatchNegotiationsRequest()):
        member.told += 1


async def _beat(measured: Measured, member: Simulated, end: float) -> None:
    """As the loops of a connector do, each begun at another moment."""
    status, members = random.uniform(0, STATUS_SECONDS), random.uniform(0, MEMBERS_SECONDS)
    due = time.perf_counter()
    status, members = due + status, due + members
    while (due := min(status, members)) < end:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if due == status:
            await _timed(measured, measured.status, lambda: _status(member))
            status += STATUS_SECONDS
        else:
            await _timed(measured, measured.changes, lambda: _changes(member))
            members += MEMBERS_SECONDS


async def _timed(measured: Measured, into: list[float], work: Callable[[], Awaitable[None]]) -> None:
    started = time.perf_counter()
    try:
        await work()
    except grpc.aio.AioRpcError:
        measured.failed += 1
    into.append((time.perf_counter() - started) * 1000)


async def _status(member: Simulated) -> None:
    while member.channel is None:
        await asyncio.sleep(0)
    stub = registry_pb2_grpc.RegistryServiceStub(member.channel)
    await stub.GetStatusList(registry_pb2.GetStatusListRequest(), timeout=10)


async def _changes(member: Simulated) -> None:
    stub, token = registry_pb2_grpc.RegistryServiceStub(member.channel), ""
    try:
        await stub.GetCharter(registry_pb2.GetCharterRequest(), timeout=10)
    except grpc.aio.AioRpcError as fault:
        if fault.code() != grpc.StatusCode.NOT_FOUND:  # this space has none
            raise
    revision = -1
    while revision < 0 or token:
        request = registry_pb2.ListParticipantsRequest(page_size=200, page_token=token, after_revision=member.revision)
        answer = await stub.ListParticipants(request, timeout=10)
        revision = answer.revision if revision < 0 else revision
        token = answer.next_page_token
    member.revision = revision


if __name__ == "__main__":
    main()
