"""A provider that nobody can dial, reached through the broker's relay: the same services, sealed from end to end."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hefu.errors import HefuError, Malformed, NotFound, Unauthenticated, Unavailable
from hefu.identity import Binding
from hefu.times import SystemClock
from hefu.wire import tunnel
from hefu.wire.transport import Via
from hefu_broker.bootstrap import RelayServer
from hefu_broker.relay.books import Limits
from hefu_broker.settings import Settings
from hefu_connector.clients.peer import PeerClient
from hefu_connector.clients.relay import RelayClient, Relays
from hefu_connector.ports import ComputationState
from hefu_connector.running import Connector
from hefu_policies.budget import PrivacyLoss

from tests.connector.small_space import PURPOSE, Space, agree, eventually, offer, plan, provide

PRODUCT = "prd-visits"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    folder = tmp_path_factory.mktemp("relayed")
    made = Space(folder, relay="127.0.0.1:0").open()
    try:
        provider = made.member("hospital-a", "provider", listen=None, quantum_ms=20)
        made.member("pharma-b", "consumer", listen=None)
        assert (provider.settings.listen, provider.settings.endpoint) == ("127.0.0.1:0", "")
        provide(provider, folder, PRODUCT, offers=(offer(),))
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def agreement(space: Space) -> str:
    return agree(space.connectors["hospital-a"], space.connectors["pharma-b"], PRODUCT)


def relay_of(who: Connector) -> RelayClient:
    found = who.asking._peers
    assert isinstance(found, PeerClient)
    assert isinstance(found._relay, Relays)
    return found._relay.each[0]


def client(space: Space, relay: object = None, provider: Binding | None = None) -> PeerClient:
    """What the consumer's connector uses, with another relay or another idea of where the provider is."""
    consumer = space.connectors["pharma-b"]
    trust = consumer.trust

    class Told:
        def bindings(self, participant: str, *, anew: bool = False) -> list[Binding]:
            return [provider] if provider else trust.bindings(participant, anew=anew)

    held = consumer.asking._peers
    assert isinstance(held, PeerClient)
    return PeerClient(Told(), held._credentials, 20.0, relay or relay_of(consumer))  # type: ignore[arg-type]


def estimate(peers: PeerClient) -> PrivacyLoss:
    return peers.estimate("hospital-a", PRODUCT, plan(PRODUCT, "0.1")).charge.loss


def provider_of(space: Space) -> Binding:
    (found,) = space.connectors["pharma-b"].trust.bindings("hospital-a")
    return found


def ticket(space: Space) -> str:
    return relay_of(space.connectors["pharma-b"]).via(provider_of(space).fingerprint).ticket


def knock(space: Space, said: bytes) -> socket.socket:
    host, _, port = space.file.relay.rpartition(":")
    made = socket.create_connection((host, int(port)), timeout=20)
    made.sendall(said)
    return made


def heard(connection: socket.socket) -> bytes:
    """All that comes until the far side ends."""
    found = b""
    with suppress(ConnectionError):
        while more := connection.recv(65536):
            found += more
    return found


# ---------------------------------------------------------------- it works


def test_a_question_is_answered_by_a_provider_without_an_open_port(space: Space, agreement: str) -> None:
    outcome = space.connectors["pharma-b"].asking.compute(plan(PRODUCT, "0.1"), agreement, PURPOSE, "rui")
    assert outcome.own.state is ComputationState.RELEASED


def test_a_connector_says_through_which_relay_it_is_reached(space: Space) -> None:
    about = space.connectors["hospital-a"].desk.about
    assert eventually(about.relays) == [space.file.relay]
    assert space.connectors["pharma-b"].desk.about.relays() == []


def test_where_a_provider_can_be_dialled_it_is_and_the_relay_stays_out(space: Space) -> None:
    class Shut:
        def via(self, fingerprint: str) -> Via:
            raise AssertionError("the relay was asked")

    direct = replace(provider_of(space), endpoint=f"127.0.0.1:{space.connectors['hospital-a'].port}")
    peers = client(space, Shut(), direct)
    assert estimate(peers).epsilon_nano > 0
    peers.close()


def test_an_address_at_which_nobody_answers_is_given_up_for_the_relay(space: Space) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    peers = client(space, provider=replace(provider_of(space), endpoint=f"127.0.0.1:{port}"))
    assert estimate(peers).epsilon_nano > 0
    (held,) = peers._channels.values()
    assert held.road.relayed
    peers.close()


def test_a_connection_that_broke_is_made_anew_with_a_new_ticket(space: Space) -> None:
    peers = client(space)
    assert estimate(peers).epsilon_nano > 0
    before = peers._channels["hospital-a"]
    assert space.server is not None
    assert space.server._relay is not None
    port = space.server._relay.outer
    assert port is not None
    for pair in list(port._pairs.values()):
        port._loop.call_soon_threadsafe(port._end_pair, pair.tunnel)
    eventually(lambda: not port._pairs)
    assert estimate(peers).epsilon_nano > 0
    assert peers._channels["hospital-a"] is not before
    peers.close()


def test_many_at_once_share_one_connection(space: Space) -> None:
    counted: list[str] = []
    relay = relay_of(space.connectors["pharma-b"])

    class Counting:
        def via(self, fingerprint: str) -> Via:
            counted.append(fingerprint)
            return relay.via(fingerprint)

    peers, found = client(space, Counting()), []
    threads = [threading.Thread(target=lambda: found.append(estimate(peers))) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(found), len(counted)) == (12, 1)
    peers.close()


def test_the_provider_listens_again_after_the_broker_was_away(space: Space) -> None:
    space.stop_broker()
    peers = client(space)
    with pytest.raises(HefuError):
        estimate(peers)
    space.start_broker()
    assert eventually(lambda: estimate(peers).epsilon_nano > 0)
    peers.close()


# ---------------------------------------------------------------- what the relay can and cannot do


class Wiretap:
    """A relay in the middle of everything: it sees all bytes, may change them, or may answer itself."""

    def __init__(self, relay: RelayClient, swap: bool = False, context: ssl.SSLContext | None = None) -> None:
        self.seen = bytearray()
        self._relay, self._swap, self._context = relay, swap, context
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open = [self._server]
        self._threads: list[threading.Thread] = []
        self._run(self._serve)

    def via(self, fingerprint: str) -> Via:
        found = self._relay.via(fingerprint)
        return Via(f"127.0.0.1:{self._server.getsockname()[1]}", found.ticket)

    def close(self) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in self._open:
            each.close()

    def _run(self, work: Callable[..., None], *given: object) -> None:
        self._threads.append(threading.Thread(target=work, args=given, daemon=True))
        self._threads[-1].start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                self._open.append(near)
                self._run(self._answer if self._context else self._carry, near)

    def _answer(self, near: socket.socket) -> None:
        """Terminates TLS itself."""
        assert self._context is not None
        with suppress(OSError):
            near.recv(4096)
            near.sendall(tunnel.answer(200, "OK"))
            inside = self._context.wrap_socket(near, server_side=True)
            self._open.append(inside)
            while more := inside.recv(65536):
                self.seen += more

    def _carry(self, near: socket.socket) -> None:
        host, _, port = self._relay.address.rpartition(":")
        far = socket.create_connection((host, int(port)))
        self._open.append(far)
        self._run(self._copy, far, near, self._swap)
        self._copy(near, far, False)

    def _copy(self, source: socket.socket, sink: socket.socket, swap: bool) -> None:
        passed = 0
        with suppress(OSError):
            while more := source.recv(65536):
                self.seen += more
                if swap and passed > 200:  # after the answer to CONNECT and the hello of TLS
                    more = more[:-1] + bytes([more[-1] ^ 1])
                passed += len(more)
                sink.sendall(more)
            sink.shutdown(socket.SHUT_WR)


def test_whoever_listens_on_the_wire_reads_nothing(space: Space) -> None:
    wire = Wiretap(relay_of(space.connectors["pharma-b"]))
    peers = client(space, wire)
    assert estimate(peers).epsilon_nano > 0
    peers.close()
    wire.close()
    assert len(wire.seen) > 2000, "the tap heard the connection"
    assert b"Proxy-Authorization" in wire.seen, "and would read what is in the clear"
    for word in (b"visits", b"EstimateComputation", b"hefu.v1", b"epsilon", b"pharma-b", b"age"):
        assert word not in wire.seen


def test_a_relay_that_changes_bytes_ends_the_connection_and_nothing_more(space: Space) -> None:
    wire = Wiretap(relay_of(space.connectors["pharma-b"]), swap=True)
    peers = client(space, wire)
    with pytest.raises(Unavailable):
        estimate(peers)
    peers.close()
    wire.close()


def test_a_relay_cannot_stand_in_for_the_provider_even_with_the_authority_of_the_space(
    space: Space, tmp_path: Path
) -> None:
    """It has a certificate of the provider's name from the broker's own authority: only the provider's own opens."""
    assert space.server is not None
    from hefu.membership.enrolment import KeyRing
    from hefu.wire.transport import to_pem

    ring = KeyRing("hospital-a", "hospital-a-c1", tmp_path / "keys")
    ring.make()
    issued = space.server.rooms.authority.issue(
        ring.transport().public_key(), "hospital-a", "hospital-a-c1", SystemClock().now()
    )
    pair = tmp_path / "pair.pem"
    pair.write_bytes(ring.transport_pem() + to_pem(issued.der))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.set_alpn_protocols(["h2"])
    wire = Wiretap(relay_of(space.connectors["pharma-b"]), context=context)
    peers = client(space, wire)
    with pytest.raises(Unavailable):
        estimate(peers)
    peers.close()
    wire.close()
    assert not wire.seen, "not one byte was said to it"


def test_a_stolen_ticket_opens_a_pipe_and_no_door(space: Space) -> None:
    context = ssl.create_default_context(cadata=space.file.transport_ca)
    context.set_alpn_protocols(["h2"])
    with knock(space, tunnel.ask(ticket(space))) as raw:
        assert raw.recv(4096) == tunnel.answer(200, "OK")
        said = b""
        with suppress(OSError), context.wrap_socket(raw, server_hostname="hospital-a-c1.hefu") as inside:
            inside.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            said = inside.recv(100)
        assert said == b"", "the provider ends it, since no certificate was shown"


# ---------------------------------------------------------------- who is refused


def test_a_ticket_opens_once_and_nothing_opens_without(space: Space) -> None:
    good = ticket(space)
    with knock(space, tunnel.ask(good)) as first:
        assert tunnel.answered(first.recv(4096)) == 200
        with knock(space, tunnel.ask(good)) as second:
            assert tunnel.answered(heard(second)) == 407
    with knock(space, tunnel.ask("A" * 43)) as guessed:
        assert tunnel.answered(heard(guessed)) == 407
    with knock(space, b"GET / HTTP/1.1\r\n\r\n") as other:
        assert tunnel.answered(heard(other)) == 400
    with knock(space, b"CONNECT " + b"x" * 5000) as long:
        assert heard(long) == b""


def test_somebody_who_is_unknown_or_does_not_listen_is_not_called(space: Space) -> None:
    relay = relay_of(space.connectors["pharma-b"])
    with pytest.raises(NotFound):
        relay.via("sha256:" + "0" * 64)
    (consumer,) = space.connectors["hospital-a"].trust.bindings("pharma-b")
    with pytest.raises(NotFound) as fault:
        relay.via(consumer.fingerprint)
    assert fault.value.code == "relay.not_listening"


def test_half_a_connection_is_ended_in_time(space: Space) -> None:
    """Nobody comes for the other half; nobody says anything at all; nothing moves any more."""
    assert space.server is not None
    assert space.server._relay is not None
    relay = space.server._relay.relay
    before, relay.limits = relay.limits, Limits(ticket_seconds=0.3, head_seconds=0.3, idle_seconds=0.6)
    try:
        with knock(space, b"CONNECT") as silent:
            assert heard(silent) == b""
        with knock(space, tunnel.ask(ticket(space))) as idle:
            assert heard(idle).startswith(tunnel.answer(200, "OK"))
        listener = relay._books.listeners[next(iter(relay._books.listeners))]
        told, listener.tell = listener.tell, lambda _: None
        with knock(space, tunnel.ask(ticket(space))) as lonely:
            assert tunnel.answered(heard(lonely)) == 504
        listener.tell = told
        eventually(lambda: relay.load == (1, 0))
    finally:
        relay.limits = before


def test_the_tunnel_of_a_revoked_caller_ends_and_it_gets_no_other(space: Space, agreement: str) -> None:
    del agreement
    mallory = space.member("mallory", "consumer", listen=None)
    assert space.server is not None
    peers = mallory.asking._peers
    assert isinstance(peers, PeerClient)
    eventually(lambda: peers.estimate("hospital-a", PRODUCT, plan(PRODUCT, "0.1")))
    assert space.server._relay is not None
    port = space.server._relay.outer
    assert port is not None
    relay, mine = relay_of(mallory), {each for each in port._pairs if each.caller[1] == "mallory"}
    assert len(mine) == 1
    space.server.rooms.standings.revoke("mallory", "a test")
    eventually(lambda: not mine & set(port._pairs), 60)
    with pytest.raises((Unauthenticated, Unavailable)):
        relay.via(provider_of(space).fingerprint)
    space.stop("mallory")


# ---------------------------------------------------------------- several relays, and one apart


def test_the_next_relay_is_asked_where_the_first_is_away(space: Space) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        away = f"127.0.0.1:{taken.getsockname()[1]}"
    held = space.connectors["pharma-b"].asking._peers
    assert isinstance(held, PeerClient)
    relays = Relays(replace(space.file, relay=f"{away}, {space.file.relay}"), held._credentials)
    peers = client(space, relays)
    assert estimate(peers).epsilon_nano > 0
    peers.close()
    relays.close()


def test_a_relay_apart_goes_on_while_the_broker_is_down(space: Space) -> None:
    inside = RelayServer(space.broker_folder)
    with pytest.raises(Malformed):
        inside.start()
    inside.stop()
    space.stop_broker()
    settings = Settings.read(space.broker_folder)
    replace(settings, relay_apart=True).write(space.broker_folder)
    apart = RelayServer(space.broker_folder)
    apart.start()
    try:
        assert f"127.0.0.1:{apart.port}" == settings.relay
        peers = client(space)
        assert eventually(lambda: estimate(peers).epsilon_nano > 0), "the broker is down"
        peers.close()
        broker = space.start_broker()
        assert "relay_port" not in broker.ports
        broker.rooms.standings.suspend("pharma-b", "a test")
        relay = relay_of(space.connectors["pharma-b"])

        def refused() -> bool:
            with suppress(Unavailable, NotFound):
                try:
                    relay.via("sha256:" + "0" * 64)
                except Unauthenticated:
                    return True
            return False

        assert eventually(refused), "it takes in what the broker writes"
        broker.rooms.standings.reinstate("pharma-b")
    finally:
        apart.stop()
