"""Attacks by a member: on the relay that all share, on what everybody is told, and on what it may see no longer."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hefu import identity
from hefu.errors import Malformed, NotFound, Refused, Unavailable
from hefu.identity import Binding
from hefu_broker.membership.authority import Authority
from hefu_broker.membership.registry import MOST_BINDINGS
from hefu_broker.records import Talk
from hefu_broker.relay.books import Limits, Relay

from tests.broker.test_charters import set_charter
from tests.broker.world import Deal, Person, SetClock, World

SMALL = Limits(of_caller=4, of_pair=2, missed=100)


def person(name: str, clock: SetClock) -> Binding:
    """Somebody with a certificate under a fresh key."""
    authority = Authority.found("demo", clock.now(), timedelta(hours=1))
    issued = authority.issue(ec.generate_private_key(ec.SECP256R1()).public_key(), name, f"{name}-c1", clock.now())
    return Binding(name, f"{name}-c1", issued.der, "", issued.not_after)


def test_a_listener_that_takes_nothing_holds_one_thread_for_seconds_and_stops_no_sweep() -> None:
    """It shuts its window: whoever sends to it waits. Callers and the watch over standing must not."""
    clock = SetClock()
    relay, target = Relay(clock, SMALL), person("provider-a", clock)
    begun, ended = threading.Event(), threading.Event()

    def tell(_: str) -> None:
        begun.set()
        assert ended.wait(20)

    relay.listen("demo", target, tell, ended.set)
    first = threading.Thread(target=relay.open, args=("demo", person("b", clock), target, lambda: None))
    first.start()
    assert begun.wait(20)
    relay.open("demo", person("c", clock), target, lambda: None)  # does not wait
    clock.move(seconds=SMALL.ticket_seconds + 1)
    relay.sweep()
    assert ended.is_set(), "its stream is cut, and what waited for it goes on"
    first.join(20)
    assert not first.is_alive()
    with pytest.raises(NotFound):
        relay.open("demo", person("d", clock), target, lambda: None)


def test_more_certificates_give_no_more_room_at_the_relay() -> None:
    clock = SetClock()
    relay, target = Relay(clock, SMALL), person("provider-a", clock)
    relay.listen("demo", target, lambda _: None, lambda: None)
    for _ in range(SMALL.of_pair):
        relay.open("demo", person("b", clock), target, lambda: None)
    with pytest.raises(Unavailable):
        relay.open("demo", person("b", clock), target, lambda: None)
    relay.open("demo", person("c", clock), target, lambda: None)


def test_nobody_binds_certificates_until_the_list_of_members_fits_into_no_message(
    world: World, provider: Person
) -> None:
    registry = world.rooms.registry

    def bind(endpoint: str = "") -> None:
        issued = registry.renew(provider.caller, world.ring(provider.id).csr())
        made = Binding(provider.id, issued.connector, issued.der, endpoint, issued.not_after)
        registry.bind(provider.caller, provider.says(identity.BOUND, made.body()))

    with pytest.raises(Malformed):
        bind("x" * 20_000)
    for _ in range(MOST_BINDINGS - 1):
        bind()
    with pytest.raises(Refused) as refused:
        bind()
    assert refused.value.code == "certificate.too_many"
    world.clock.move(hours=23)
    registry.bind(provider.caller, provider.says(identity.BOUND, provider.caller.body()))  # one that counts already
    assert len(registry.bindings(provider.id)) == MOST_BINDINGS


def test_who_regulates_no_longer_sees_nothing_more_through_a_stream_that_is_open(
    world: World, regulator: Person, deal: Deal
) -> None:
    first = deal.reach("REQUESTED")
    asked = count()
    watching = world.rooms.contracts.watch(regulator.caller, 0, lambda: next(asked) > 1)
    assert next(watching).id == first.id
    set_charter(world, regulators=("somebody-else",))
    deal.send(deal.provider, deal.agreed())
    assert list(watching) == []


def test_nor_through_a_stream_that_waits_without_a_thread(world: World, regulator: Person, deal: Deal) -> None:
    rooms, told, heard, ended = world.rooms, list[str](), threading.Event(), threading.Event()

    def tell(talk: Talk) -> None:
        told.append(talk.state.value)
        heard.set()

    rooms.watching.start()
    rooms.watching.follow(regulator.caller, 0, tell, ended.set)
    try:
        deal.reach("REQUESTED")
        assert heard.wait(20)
        set_charter(world, regulators=("somebody-else",))
        deal.send(deal.provider, deal.agreed())
        assert ended.wait(20)
        assert told == ["REQUESTED"]
    finally:
        rooms.changes.close()
        rooms.watching.stop()


def test_a_charter_of_ones_own_making_is_not_logged(world: World, consumer: Person) -> None:
    body = {"version": 1, "names": {}, "roles": ["provider"], "templates": None, "regulators": []}
    with pytest.raises(Malformed):
        world.rooms.log.append(consumer.caller, [consumer.says("space.chartered", body)])
