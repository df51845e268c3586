"""Watching negotiations: who is told what, who waits for whom, and how many may watch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from hefu.wire import transport
from hefu.wire.transport import Limits
from hefu_broker.dealing.watching import Watching
from hefu_broker.records import Talk
from hefu_space.harness import until

from tests.broker.world import BOTH, Deal, Person, World, description, publish

KINDS = BOTH


class Ear:
    """Hears what a watcher is told; can be slow."""

    def __init__(self) -> None:
        self.told: list[Talk] = []
        self.ended = 0
        self.hears = threading.Event()
        self.hears.set()

    def tell(self, talk: Talk) -> None:
        assert self.hears.wait(30)
        self.told.append(talk)

    def end(self) -> None:
        self.ended += 1

    def heard(self, count: int) -> bool:
        return until(lambda: len(self.told) >= count, 10)


@pytest.fixture
def watching(world: World) -> Iterator[Watching]:
    found = world.rooms.watching
    found.start()
    yield found
    world.rooms.changes.close()
    found.stop()


def test_each_is_told_of_its_own_changes_once_and_in_order(world: World, deal: Deal, watching: Watching) -> None:
    ears = {who: Ear() for who in ("consumer", "provider", "regulator", "stranger")}
    stranger, regulator = world.person("stranger-s", "consumer"), world.person("regulator-r", "regulator")
    deal.reach("REQUESTED")  # before anybody watches
    for who, person in (
        ("consumer", deal.consumer), ("provider", deal.provider), ("regulator", regulator), ("stranger", stranger),
    ):  # fmt: skip
        watching.follow(person.caller, 0, ears[who].tell, ears[who].end)
    deal.send(deal.provider, deal.agreed())
    deal.send(deal.consumer, deal.verified())
    other = Deal(world, deal.provider, stranger, deal.product)
    other.reach("REQUESTED")
    assert ears["regulator"].heard(2)
    assert ears["provider"].heard(2)
    assert ears["consumer"].heard(1)
    assert ears["stranger"].heard(1)
    for who in ("provider", "regulator"):
        assert until(lambda who=who: ears[who].told[-1].id == other.id, 10)  # type: ignore[misc]
    assert until(lambda: ears["consumer"].told[-1].state == "VERIFIED", 10)
    for who, ear in ears.items():
        revisions = [each.revision for each in ear.told]
        assert revisions == sorted(set(revisions)), who
    assert {each.id for each in ears["stranger"].told} == {other.id}
    assert {each.id for each in ears["consumer"].told} == {deal.id}


def test_who_reads_slowly_keeps_nobody_waiting_and_misses_nothing(deal: Deal, watching: Watching) -> None:
    slow, quick = Ear(), Ear()
    slow.hears.clear()
    watching.follow(deal.provider.caller, 0, slow.tell, slow.end)
    watching.follow(deal.consumer.caller, 0, quick.tell, quick.end)
    deal.reach("FINALIZED")
    assert until(lambda: bool(quick.told) and quick.told[-1].state == "FINALIZED", 10)
    assert slow.told == []
    slow.hears.set()
    assert until(lambda: bool(slow.told) and slow.told[-1] == quick.told[-1], 10)


def test_a_change_at_another_process_is_told_too(
    world: World, provider: Person, consumer: Person, watching: Watching
) -> None:
    from hefu_broker.bootstrap import open_rooms

    here, ear = world.rooms, Ear()
    watching.follow(provider.caller, 0, ear.tell, ear.end)
    world.rooms = open_rooms(world.folder, world.clock, serving=True)  # another process's rooms, as far as can be seen
    deal = Deal(world, provider, consumer, publish(world, provider, description()))
    deal.reach("AGREED")
    world.rooms.database.close()
    world.rooms = here
    here.changes.announce()  # as `hefu_broker.tidings` does
    assert until(lambda: bool(ear.told) and ear.told[-1].state == "AGREED", 10)


def test_who_is_gone_is_forgotten_and_the_rest_is_ended_with_the_process(
    world: World, deal: Deal, watching: Watching
) -> None:
    gone, stays = Ear(), Ear()
    leave = watching.follow(deal.provider.caller, 0, gone.tell, gone.end)
    watching.follow(deal.consumer.caller, 0, stays.tell, stays.end)
    leave()
    deal.reach("REQUESTED")
    assert stays.heard(1)
    assert len(watching) == 1
    world.rooms.changes.close()
    watching.stop()
    assert (gone.told, gone.ended, stays.ended, len(watching)) == ([], 0, 1, 0)


# Streams that hold no thread


def test_idle_streams_take_neither_threads_nor_the_place_of_calls() -> None:
    sends: list[Any] = []

    @transport.held
    def hold(_request: bytes, _context: grpc.ServicerContext, send: Any) -> None:
        send(b"begun")
        sends.append(send)

    methods = {
        "Hold": grpc.unary_stream_rpc_method_handler(hold),
        "Ask": grpc.unary_unary_rpc_method_handler(lambda request, _context: request),
    }
    service = grpc.method_handlers_generic_handler("test", methods)
    limits = Limits(calls=2, threads=2)
    running = transport.serve(
        "127.0.0.1:0", [lambda server: server.add_generic_rpc_handlers((service,))], _credentials(), None, limits
    )
    with ExitStack() as channels:
        connect = lambda: channels.enter_context(_channel(running.port))  # noqa: E731 - each member has its own
        streams = []
        for _ in range(20):  # one after another: a stream is a call until it is held
            streams.append(connect().unary_stream("/test/Hold")(b"", timeout=30))
            assert next(streams[-1]) == b"begun"
        assert connect().unary_unary("/test/Ask")(b"still there", timeout=10) == b"still there"
        assert running.server._state.maximum_concurrent_rpcs == 2 + 20  # type: ignore[attr-defined]
        for each in streams:
            each.cancel()
        assert until(lambda: running.server._state.maximum_concurrent_rpcs == 2, 10)  # type: ignore[attr-defined]
    running.stop(0)


def _credentials() -> grpc.ServerCredentials:
    return grpc.local_server_credentials(grpc.LocalConnectionType.LOCAL_TCP)


def _channel(port: int) -> grpc.Channel:
    return grpc.secure_channel(f"127.0.0.1:{port}", grpc.local_channel_credentials(grpc.LocalConnectionType.LOCAL_TCP))
