"""The relay's books: who listens, which tickets are good, and for how many there is room."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hefu.errors import Malformed, NotFound, Unauthenticated, Unavailable
from hefu.identity import Binding
from hefu.wire import tunnel
from hefu_broker.membership.authority import Authority
from hefu_broker.relay.books import Limits, Relay

from tests.broker.world import SetClock

SMALL = Limits(tunnels=6, of_caller=4, to_target=5, of_pair=2, missed=2)


class Town(SimpleNamespace):
    clock: SetClock
    relay: Relay


@pytest.fixture
def town() -> Town:
    clock = SetClock()
    authority = Authority.found("demo", clock.now(), timedelta(hours=1))
    made = Town(clock=clock, relay=Relay(clock, SMALL), heard={}, ended=[])

    def person(name: str, key: ec.EllipticCurvePrivateKey | None = None) -> Binding:
        public = (key or ec.generate_private_key(ec.SECP256R1())).public_key()
        issued = authority.issue(public, name, f"{name}-c1", clock.now())
        return Binding(name, f"{name}-c1", issued.der, "", issued.not_after)

    def listens(who: Binding) -> object:
        heard = made.heard.setdefault(who.participant, [])
        return made.relay.listen("demo", who, heard.append, lambda: made.ended.append(who.participant))

    made.person, made.listens = person, listens
    made.a, made.b, made.c = person("provider-a"), person("consumer-b"), person("consumer-c")
    return made


def opened(town: Town, caller: Binding, target: Binding, space: str = "demo") -> str:
    return town.relay.open(space, caller, target, lambda: None)


def test_each_half_has_a_ticket_of_its_own_that_works_once(town: Town) -> None:
    town.listens(town.a)
    mine = opened(town, town.b, town.a)
    (theirs,) = town.heard["provider-a"]
    assert mine != theirs
    assert len(mine) >= 43, "256 random bits"
    assert town.relay.redeem(theirs) is town.relay.redeem(mine)
    for used in (mine, theirs, "", "x" * 43):
        with pytest.raises(Unauthenticated):
            town.relay.redeem(used)


def test_a_ticket_is_good_for_seconds_only(town: Town) -> None:
    town.listens(town.a)
    ticket = opened(town, town.b, town.a)
    town.clock.move(seconds=SMALL.ticket_seconds + 1)
    with pytest.raises(Unauthenticated):
        town.relay.redeem(ticket)
    town.relay.sweep()
    assert town.relay.load == (1, 0)


def test_nobody_is_called_who_does_not_listen_or_is_in_another_space(town: Town) -> None:
    over = town.listens(town.a)
    with pytest.raises(NotFound):
        opened(town, town.b, town.a, "elsewhere")
    over()
    with pytest.raises(NotFound):
        opened(town, town.b, town.a)


def test_a_renewed_certificate_of_the_same_key_is_the_same_listener_and_the_newest_stream_counts(town: Town) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    over = town.listens(town.person("provider-d", key))
    town.listens(town.person("provider-d", key))
    assert town.ended == ["provider-d"], "the stream before is ended"
    over()  # what is said of the old stream does not touch the new one
    opened(town, town.b, town.person("provider-d", key))
    town.listens(town.person("provider-d"))  # another process of the same connector, with a key of its own
    assert town.relay.load[0] == 2


def test_there_is_room_for_so_many_of_a_pair_a_caller_a_target_and_in_all(town: Town) -> None:
    for each in (town.a, others := town.person("provider-e"), third := town.person("provider-f")):
        town.listens(each)
    for target in (town.a, town.a, others, others):
        opened(town, town.b, target)
    with pytest.raises(Unavailable):
        opened(town, town.b, third)  # of this caller
    with pytest.raises(Unavailable):
        opened(town, town.b, town.a)  # of this pair
    opened(town, town.c, town.a)
    ticket = opened(town, town.c, town.a)
    with pytest.raises(Unavailable):
        opened(town, town.person("consumer-g"), third)  # in all
    town.relay.close(town.relay.redeem(ticket))
    opened(town, town.person("consumer-g"), third)


def test_one_caller_cannot_keep_others_from_a_connector(town: Town) -> None:
    town.listens(town.a)
    opened(town, town.b, town.a)
    opened(town, town.b, town.a)
    with pytest.raises(Unavailable):
        opened(town, town.b, town.a)
    opened(town, town.c, town.a)


def test_who_leaves_tickets_unused_is_taken_for_gone(town: Town) -> None:
    town.listens(town.a)
    for _ in range(SMALL.missed):
        town.relay.redeem(opened(town, town.b, town.a))  # the caller came each time
        town.clock.move(seconds=SMALL.ticket_seconds + 1)
        town.relay.sweep()
    assert town.ended == ["provider-a"]
    with pytest.raises(NotFound):
        opened(town, town.b, town.a)


def test_a_tunnel_of_somebody_who_may_act_no_longer_is_to_be_ended(town: Town) -> None:
    town.listens(town.a)
    suspended: list[str] = []

    def check() -> None:
        if suspended:
            raise Unauthenticated("identity.revoked", participant="b", state="revoked", since="now")

    ticket = town.relay.open("demo", town.b, town.a, check)
    late = town.relay.open("demo", town.b, town.a, check)
    found = town.relay.redeem(ticket)
    assert town.relay.sweep() == []
    suspended.append("b")
    assert found in town.relay.sweep()
    with pytest.raises(Unauthenticated):
        town.relay.redeem(late)


def test_a_head_is_read_as_grpc_writes_it_and_no_other() -> None:
    ticket = "A" * 43
    written = (
        f"CONNECT x-c1.hefu:443 HTTP/1.1\r\nHost: x-c1.hefu:443\r\nUser-Agent: grpc-httpcli/0.0\r\n"
        f"Proxy-Authorization: Bearer {ticket}\r\n\r\n"
    ).encode()
    assert tunnel.asked(written) == tunnel.asked(tunnel.ask(ticket)) == ticket
    for other in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nProxy-Authorization: Basic " + b"A" * 43 + b"\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nProxy-Authorization: Bearer " + b"A" * 400 + b"\r\n\r\n",
    ):
        with pytest.raises(Malformed):
            tunnel.asked(other)
    assert tunnel.answered(tunnel.answer(200, "OK")) == 200
    assert tunnel.answered(b"220 smtp.example\r\n\r\n") == 0
