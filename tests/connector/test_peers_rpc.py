"""The one door that other connectors may knock at, over real TLS: who is let in, what is shown, what is sent again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement, new_id
from hefu.errors import (
    Conflict,
    HefuError,
    Malformed,
    NotFound,
    Refused,
    Unauthenticated,
    Unavailable,
    Untrusted,
)
from hefu.identity import Binding
from hefu.membership.enrolment import KeyRing
from hefu.times import SystemClock
from hefu.v1 import common_pb2, computation_pb2, computation_pb2_grpc
from hefu.wire import transport
from hefu_connector import bootstrap, setup
from hefu_connector.clients.peer import PeerClient
from hefu_connector.computing import guard
from hefu_connector.computing.asking import new_nonce
from hefu_connector.computing.request import REQUESTED, ComputationRequest
from hefu_connector.peering import Computed
from hefu_connector.ports import FINAL, ComputationState
from hefu_connector.running import Connector
from hefu_connector.settings import Home, Settings

from tests.connector.small_space import PURPOSE, Space, agree, eventually, offer, plan, provide

PRODUCT = "prd-visits"


@dataclass
class Town:
    """A provider, a consumer with an agreement, and Mallory, who is a consumer too."""

    space: Space
    agreement: str

    @property
    def provider(self) -> Connector:
        return self.space.connectors["hospital-a"]

    @property
    def consumer(self) -> Connector:
        return self.space.connectors["pharma-b"]

    @property
    def mallory(self) -> Connector:
        return self.space.connectors["mallory"]

    def request(self, who: Connector, **changes: object) -> Statement:
        """A signed request of a participant, sent by nobody yet."""
        me = who.desk.author.participant
        members: dict[str, object] = {
            "computation": new_id("cmp"),
            "agreements": (self.agreement,),
            "plan": plan(PRODUCT, "0.1"),
            "purpose": PURPOSE,
            "recipient": me,
            "nonce": new_nonce(),
        }
        asked = ComputationRequest(**(members | changes))  # type: ignore[arg-type]
        return who.desk.author.say(REQUESTED, asked.body(), user="rui")

    def released(self) -> str:
        """A computation of the consumer that ended well."""
        outcome = self.consumer.asking.compute(plan(PRODUCT, "0.1"), self.agreement, PURPOSE, "rui")
        assert outcome.own.state is ComputationState.RELEASED
        return outcome.own.id

    def spent(self) -> int:
        """What is charged to the asset, in billionths of epsilon."""
        (asset,) = [
            found for found, _ in self.provider.desk.overview.balances() if found.account.name.startswith("asset/")
        ]
        return asset.charged.loss.epsilon_nano


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    space = Space(folder).open()
    try:
        provider = space.member("hospital-a", "provider", quantum_ms=20)
        consumer = space.member("pharma-b", "consumer")
        space.member("mallory", "consumer")
        provide(provider, folder, PRODUCT, offers=(offer(),))
        made = Town(space, agree(provider, consumer, PRODUCT))
        eventually(lambda: made.mallory.trust.endpoint("hospital-a"))
        yield made
    finally:
        space.close()


def peers(who: Connector) -> PeerClient:
    client = who.asking._peers
    assert isinstance(client, PeerClient)
    return client


def end_of(who: Connector, computation: str) -> Computed:
    """The last thing a provider says of a computation."""
    said = list(peers(who).watch("hospital-a", computation))
    assert said[-1].state in FINAL
    return said[-1]


def stub(town: Town, who: Connector) -> computation_pb2_grpc.ComputationServiceStub:
    return computation_pb2_grpc.ComputationServiceStub(next(peers(who)._ways("hospital-a")))


# ---------------------------------------------------------------- who is let in


def test_a_certificate_of_this_space_that_its_participant_did_not_bind_is_refused(town: Town, tmp_path: Path) -> None:
    assert town.space.server is not None
    ring = KeyRing("mallory", "mallory-c9", tmp_path / "keys")
    ring.make()
    authority = town.space.server.rooms.authority
    issued = authority.issue(ring.transport().public_key(), "mallory", "mallory-c9", SystemClock().now())
    unbound = PeerClient(town.mallory.trust, lambda: (ring.transport_pem(), transport.to_pem(issued.der)))
    with pytest.raises(Unauthenticated):
        unbound.create("hospital-a", town.request(town.mallory))
    unbound.close()


def test_a_caller_without_any_certificate_does_not_get_through(town: Town) -> None:
    binding = town.consumer.trust.endpoint("hospital-a")
    with transport.connect(
        binding.endpoint, root_pem=transport.to_pem(binding.certificate), server_name=f"{binding.connector}.hefu"
    ) as channel:
        bare = computation_pb2_grpc.ComputationServiceStub(channel)
        with pytest.raises(Unavailable):
            transport.invoke(bare.GetComputation, computation_pb2.GetComputationRequest(name="x"), peer="hospital-a")


def test_a_certificate_of_another_authority_does_not_get_through(town: Town, tmp_path: Path) -> None:
    from datetime import timedelta

    from hefu_broker.membership.authority import Authority

    ring = KeyRing("pharma-b", "pharma-b-c1", tmp_path / "keys")
    ring.make()
    other = Authority.found("demo", SystemClock().now(), timedelta(hours=1))
    issued = other.issue(ring.transport().public_key(), "pharma-b", "pharma-b-c1", SystemClock().now())
    client = PeerClient(town.consumer.trust, lambda: (ring.transport_pem(), transport.to_pem(issued.der)))
    with pytest.raises(Unavailable):
        client.create("hospital-a", town.request(town.consumer))
    client.close()


def test_a_client_talks_to_no_other_certificate_than_the_one_the_provider_bound(town: Town) -> None:
    """Mallory, or a broker that dials for her, listens where the provider should be."""
    right = town.consumer.trust.endpoint("hospital-a")
    wrong = town.consumer.trust.endpoint("mallory")

    class Elsewhere:
        def bindings(self, participant: str, *, anew: bool = False) -> list[Binding]:
            del participant, anew
            return [replace(right, endpoint=wrong.endpoint)]

    client = PeerClient(Elsewhere(), peers(town.consumer)._credentials)
    with pytest.raises(Unavailable):
        client.create("hospital-a", town.request(town.consumer))
    client.close()


class Imposter(computation_pb2_grpc.ComputationServiceServicer):
    """Takes requests in the provider's name."""

    def __init__(self) -> None:
        self.taken = 0

    def CreateComputation(
        self, request: computation_pb2.CreateComputationRequest, context: grpc.ServicerContext
    ) -> computation_pb2.Computation:
        self.taken += 1
        return computation_pb2.Computation(name="computations/x", state=computation_pb2.Computation.STATE_RUNNING)


def test_the_authority_of_the_space_alone_does_not_vouch_for_a_provider(town: Town) -> None:
    """A broker that was broken into issues another certificate of the provider's name, and listens with it."""
    assert town.space.server is not None
    right, rooms = town.consumer.trust.endpoint("hospital-a"), town.space.server.rooms
    home = Home(town.space.folder / "mallory")
    ring = Settings.read(home).ring(home)
    again = rooms.authority.issue(ring.transport().public_key(), "hospital-a", "hospital-a-c1", SystemClock().now())
    credentials = transport.server_credentials(
        lambda: (ring.transport_pem(), transport.to_pem(again.der)), rooms.space.transport_ca.encode()
    )
    service = Imposter()
    add = [lambda server: computation_pb2_grpc.add_ComputationServiceServicer_to_server(service, server)]
    imposter = transport.serve("127.0.0.1:0", add, credentials, lambda _: right)

    class Elsewhere:
        def bindings(self, participant: str, *, anew: bool = False) -> list[Binding]:
            del participant, anew
            return [replace(right, endpoint=f"127.0.0.1:{imposter.port}")]

    client = PeerClient(Elsewhere(), peers(town.consumer)._credentials)
    try:
        with pytest.raises(Unavailable):
            client.create("hospital-a", town.request(town.consumer))
        assert service.taken == 0
    finally:
        client.close()
        imposter.stop(0)


# ---------------------------------------------------------------- what is shown, and to whom


def test_a_computation_is_shown_to_whoever_asked_for_it_and_to_nobody_else(town: Town) -> None:
    id_ = town.released()
    name = f"computations/{id_}"
    own = transport.invoke(
        stub(town, town.consumer).GetComputation, computation_pb2.GetComputationRequest(name=name), peer="hospital-a"
    )
    assert (own.name, own.state) == (name, computation_pb2.Computation.STATE_RELEASED)
    client = peers(town.mallory)
    for look in (
        lambda: transport.invoke(
            stub(town, town.mallory).GetComputation, computation_pb2.GetComputationRequest(name=name), peer="x"
        ),
        lambda: list(client.watch("hospital-a", id_)),
        lambda: client.cancel("hospital-a", id_),
        lambda: list(client.fetch("hospital-a", id_, 0)),
    ):
        with pytest.raises(NotFound) as theirs:
            look()
        assert theirs.value.code == "resource.not_found"
    with pytest.raises(NotFound) as nothing:
        list(client.watch("hospital-a", new_id("cmp")))
    assert nothing.value.code == theirs.value.code, "what is somebody else's must look like what is not"


def test_an_agreement_of_somebody_else_opens_nothing(town: Town) -> None:
    before = town.spent()
    computed = peers(town.mallory).create("hospital-a", town.request(town.mallory))
    end = end_of(town.mallory, computed.id)
    assert end.state is ComputationState.REFUSED
    assert end.receipt is not None
    assert end.receipt.body["code"] == "resource.not_found"
    assert town.spent() == before


def test_a_request_that_somebody_else_signed_is_refused(town: Town) -> None:
    before = town.spent()
    with pytest.raises(Unauthenticated):
        peers(town.mallory).create("hospital-a", town.request(town.consumer))
    forged = replace(town.request(town.mallory), signatures=town.request(town.mallory).signatures)
    with pytest.raises(Untrusted):
        peers(town.mallory).create("hospital-a", forged)
    assert town.spent() == before


def test_names_and_plans_of_another_form_are_malformed(town: Town) -> None:
    service = stub(town, town.consumer)
    for name in ("", "cmp-x", "agreements/x", "computations/", "computations/a/b", "computations/" + "x" * 200):
        with pytest.raises(Malformed):
            transport.invoke(service.GetComputation, computation_pb2.GetComputationRequest(name=name), peer="x")
    for sealed in (b"", b"{}", b"\xff" * 100, b"[" * 10_000):
        message = computation_pb2.CreateComputationRequest(request=common_pb2.Statement(envelope=sealed))
        with pytest.raises(Malformed):
            transport.invoke(service.CreateComputation, message, peer="x")
        estimate = computation_pb2.EstimateComputationRequest(product=f"products/{PRODUCT}", plan=sealed)
        with pytest.raises(Malformed):
            transport.invoke(service.EstimateComputation, estimate, peer="x")


def test_an_estimate_of_a_product_that_is_not_here_is_not_found(town: Town) -> None:
    with pytest.raises(NotFound):
        peers(town.consumer).estimate("hospital-a", "prd-nothing", plan("prd-nothing"))


# ---------------------------------------------------------------- what is sent again


def test_the_same_request_again_gets_the_same_receipt_and_charges_once(town: Town) -> None:
    statement = town.request(town.consumer)
    client = peers(town.consumer)
    first = end_of(town.consumer, client.create("hospital-a", statement).id)
    spent = town.spent()
    second = client.create("hospital-a", statement)
    assert first.receipt is not None
    assert second.receipt is not None
    assert first.receipt.to_bytes() == second.receipt.to_bytes()
    assert town.spent() == spent


def test_another_request_under_the_same_id_is_a_conflict(town: Town) -> None:
    statement = town.request(town.consumer)
    client = peers(town.consumer)
    computed = client.create("hospital-a", statement)
    with pytest.raises(Conflict):
        client.create("hospital-a", town.request(town.consumer, computation=computed.id))
    with pytest.raises((Conflict, NotFound)):
        peers(town.mallory).create("hospital-a", town.request(town.mallory, computation=computed.id))
    end_of(town.consumer, computed.id)


def test_many_copies_of_one_request_at_once_run_once(town: Town) -> None:
    statement, client, errors = town.request(town.consumer), peers(town.consumer), []
    before = town.spent()

    def send() -> None:
        try:
            client.create("hospital-a", statement)
        except HefuError as fault:
            errors.append(fault)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    end = end_of(town.consumer, str(statement.body["computation"]))
    assert end.receipt is not None
    charge = end.receipt.body["charge"]
    assert isinstance(charge, dict)
    assert town.spent() - before == charge["epsilon_nano"]


def test_a_fetch_that_broke_off_goes_on_where_it_stopped(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PART_BYTES", 100)
    asking, client = town.consumer.asking, peers(town.consumer)
    fetch, asked = client.fetch, []

    def broken(provider: str, computation: str, first: int) -> Iterator[tuple[int, bytes]]:
        asked.append(first)
        for index, sealed in fetch(provider, computation, first):
            yield index, sealed
            if index == first + 2:
                raise Unavailable("peer.unreachable", peer=provider)

    monkeypatch.setattr(client, "fetch", broken)
    outcome = asking.compute(plan(PRODUCT, "0.1"), town.agreement, PURPOSE, "rui")
    assert outcome.answer is not None
    assert asked == list(range(0, outcome.own.parts or 0, 3))
    assert len(asked) > 2


def test_a_part_that_was_exchanged_is_not_kept(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    client = peers(town.consumer)
    fetch = client.fetch

    def altered(provider: str, computation: str, first: int) -> Iterator[tuple[int, bytes]]:
        for index, sealed in fetch(provider, computation, first):
            yield index, sealed[:-1] + bytes([sealed[-1] ^ 1])

    monkeypatch.setattr(client, "fetch", altered)
    own = town.consumer.asking.ask(plan(PRODUCT, "0.1"), town.agreement, PURPOSE, "rui")
    with pytest.raises(Untrusted):
        list(town.consumer.asking.follow(own.id))
    assert town.consumer.asking.outcome(own.id).answer is None
    monkeypatch.undo()
    list(town.consumer.asking.follow(own.id))
    assert town.consumer.asking.outcome(own.id).answer is not None


def lie(name: str, body: Object) -> Object:
    changes: dict[str, Object] = {
        "request": {"request": "sha256:" + "0" * 64},
        "charge": {"charge": {"epsilon_nano": 10**12, "delta_femto": 0, "releases": 1}},
        "consumer": {"consumer": "mallory"},
        "product": {"product": "prd-other"},
        "parts": {"parts": []},
    }
    return body | changes[name]


@pytest.mark.parametrize("what", ["request", "charge", "consumer", "product", "parts"])
def test_a_receipt_that_tells_something_else_than_was_asked_is_not_kept(
    town: Town, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Even if the provider itself signed it."""
    client = peers(town.consumer)
    watch, author = client.watch, town.provider.desk.author

    def lying(provider: str, computation: str) -> Iterator[Computed]:
        for each in watch(provider, computation):
            if each.receipt is None:
                yield each
            else:
                yield replace(each, receipt=author.say(each.receipt.type, lie(what, each.receipt.body)))

    own = town.consumer.asking.ask(plan(PRODUCT, "0.1"), town.agreement, PURPOSE, "rui")
    monkeypatch.setattr(client, "watch", lying)
    with pytest.raises(Untrusted):
        list(town.consumer.asking.follow(own.id))
    assert town.consumer.asking.outcome(own.id).receipt is None
    monkeypatch.undo()
    list(town.consumer.asking.follow(own.id))
    assert town.consumer.asking.outcome(own.id).answer is not None


def test_a_request_that_found_nobody_is_kept_and_sent_when_the_provider_is_back(town: Town) -> None:
    town.space.stop("hospital-a")
    own = town.consumer.asking.ask(plan(PRODUCT, "0.1"), town.agreement, PURPOSE, "rui")
    assert own.state is None
    town.space.start("hospital-a")
    eventually(lambda: list(town.consumer.asking.follow(own.id)))
    assert town.consumer.asking.outcome(own.id).answer is not None


# ---------------------------------------------------------------- standing


def test_reflection_and_health_do_not_answer_unless_the_settings_ask(town: Town) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    assert town.provider.settings.diagnostics is False
    channel = next(peers(town.consumer)._ways("hospital-a"))
    with pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_suspended_consumer_cannot_fetch_what_was_released_before(town: Town) -> None:
    assert town.space.server is not None
    id_ = town.released()
    assert list(peers(town.consumer).fetch("hospital-a", id_, 0))
    town.space.server.rooms.standings.suspend("pharma-b", "a test")
    town.provider.trust.refresh_status()
    for call in (
        lambda: list(peers(town.consumer).fetch("hospital-a", id_, 0)),
        lambda: peers(town.consumer).create("hospital-a", town.request(town.consumer)),
    ):
        with pytest.raises(Unauthenticated):
            call()
    town.space.server.rooms.standings.reinstate("pharma-b")
    # The broker signs the new list; once the log shows it, too, it lets somebody back in.
    assert eventually(lambda: list(peers(town.consumer).fetch("hospital-a", id_, 0)))


def test_an_upload_under_a_contract_that_computes_on_none_is_refused(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "inputs"
    file.write_bytes(b"x" * (3 << 20))
    digest = canonical.digest(file.read_bytes())
    with pytest.raises(Refused):
        peers(town.consumer).upload("hospital-a", new_id("cmp"), town.agreement, digest, 3 << 20, file)
    with pytest.raises(NotFound):
        peers(town.mallory).upload("hospital-a", new_id("cmp"), town.agreement, digest, 3 << 20, file)
    chunk = computation_pb2.UploadInputsRequest(chunk=b"x")
    for messages in ([], [chunk], [computation_pb2.UploadInputsRequest()]):
        with pytest.raises(Malformed):
            transport.invoke(stub(town, town.consumer).UploadInputs, iter(messages), peer="hospital-a")


def test_uploads_that_stand_still_are_counted_as_streams_so_that_nobody_holds_all_threads(town: Town) -> None:
    go, most = threading.Event(), bootstrap._LIMITS.streams_each

    def still() -> Iterator[computation_pb2.UploadInputsRequest]:
        go.wait(30)
        yield from ()

    call = stub(town, town.consumer).UploadInputs
    held = [call.future(still(), timeout=30) for _ in range(most)]
    try:
        eventually(lambda: _is_shed(call))
        with pytest.raises(NotFound):  # others are served
            list(peers(town.mallory).watch("hospital-a", new_id("cmp")))
    finally:
        go.set()
    for each in held:
        with pytest.raises(grpc.RpcError):
            each.result()
    eventually(lambda: not _is_shed(call))


def _is_shed(call: Callable[..., object]) -> bool:
    with pytest.raises(HefuError) as fault:
        transport.invoke(call, iter(()), peer="hospital-a")
    return fault.value.code == "peer.overloaded"


def test_a_provider_that_moved_is_found_again(town: Town) -> None:
    """Its new address and certificate are learned from its own signed binding, at the first call that fails."""
    id_ = town.released()
    before = town.consumer.trust.endpoint("hospital-a").endpoint
    town.space.stop("hospital-a")
    home = Home(town.space.folder / "hospital-a")
    address = f"127.0.0.1:{setup._free_port('127.0.0.1')}"
    replace(Settings.read(home), listen=address, endpoint=address).write(home)
    provider = town.space.start("hospital-a")
    eventually(lambda: provider.trust.endpoint("hospital-a", anew=True).endpoint == address)
    assert town.consumer.trust.endpoint("hospital-a").endpoint == before
    assert list(peers(town.consumer).fetch("hospital-a", id_, 0))
    assert town.consumer.trust.endpoint("hospital-a").endpoint == address
