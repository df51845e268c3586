"""The broker over real TLS: enrolment, registry, catalog, contracts, log; and who is kept out."""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from urllib.request import Request, urlopen

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Refused, Unauthenticated, Unavailable
from hefu.membership import enrolment
from hefu.membership.directory import Directory
from hefu.membership.enrolment import KeyRing
from hefu.space import SpaceFile
from hefu.times import SystemClock
from hefu.tlog import tree
from hefu.tlog.note import VerifierKey
from hefu.tlog.proof import LogProof
from hefu.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    common_pb2,
    contract_pb2,
    contract_pb2_grpc,
    page_pb2,
    page_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
)
from hefu.wire import transport
from hefu_broker.bootstrap import Server, open_rooms
from hefu_broker.founding import Plan, found, home_of, read_root, sign_as_root
from hefu_broker.membership.authority import Authority

from tests.broker.world import Deal, Person, description

CLOCK = SystemClock()


class Member:
    """A participant on the far side of the wire."""

    def __init__(self, base: Path, name: str, *roles: str, space: str = "") -> None:
        self.base, self.name, self.roles, self.root = (
            base,
            name,
            frozenset(roles),
            base / f"root{space and '-' + space}",
        )
        self.space = SpaceFile.read(home_of(base / "broker", space) / "space.json")
        self.ring = KeyRing(name, f"{name}-conn", base / f"keys-{name}{space and '-' + space}")
        self.ring.make()
        self.certificate = b""
        self.channel: grpc.Channel | None = None

    def enroll(self) -> Member:
        # As the command does, in another process than the server's.
        rooms = open_rooms(self.base / "broker", space=self.space.space)
        token = rooms.enrolments.invite(self.name, self.roles)
        asked = enrolment.request(self.ring, self.space, {"en": self.name}, self.roles, CLOCK)
        name = enrolment.submit(self.space, token, asked, self.ring.csr())
        assert enrolment.poll(self.space, name, self.ring) is None
        id_ = name.removeprefix("enrollments/")
        signed = sign_as_root(rooms.enrolments.draft(id_), read_root(self.root), CLOCK)
        rooms.enrolments.certify(id_, signed.to_bytes())
        rooms.database.close()
        certified = enrolment.poll(self.space, name, self.ring)
        assert certified is not None
        self.certificate = certified[1]
        return self

    def connect(self) -> grpc.Channel:
        self.channel = transport.connect(
            self.space.address,
            root_pem=self.space.transport_ca.encode(),
            certificate_pem=transport.to_pem(self.certificate),
            key_pem=self.ring.transport_pem(),
            server_name="broker.hefu",
        )
        return self.channel

    def call(self, stub: Any, method: str, request: Any) -> Any:
        return transport.invoke(getattr(stub(self.channel), method), request, peer="the broker")

    def bind(self, endpoint: str = "127.0.0.1:1") -> Any:
        statement = enrolment.bind(self.ring, self.space, self.certificate, endpoint, CLOCK)
        request = registry_pb2.BindTransportRequest(binding=wrap(statement.to_bytes()))
        return self.call(registry_pb2_grpc.RegistryServiceStub, "BindTransport", request)

    def person(self) -> Person:
        """The same participant as the in-process tests know it, for its signatures."""
        return Person(self.ring, None, self.space.space, CLOCK)  # type: ignore[arg-type]  # it makes statements only

    def close(self) -> None:
        if self.channel is not None:
            self.channel.close()


def wrap(data: bytes) -> common_pb2.Statement:
    return common_pb2.Statement(envelope=data)


def proof(found_: common_pb2.LogProof) -> LogProof:
    return LogProof(found_.index, tuple(found_.hashes), found_.checkpoint)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rpc")
    addresses = ("127.0.0.1:0", "127.0.0.1:0", "hefu.example/demo")
    plan = Plan(folder / "broker", folder / "root", "demo", *addresses, web="127.0.0.1:0")
    found(plan, CLOCK)
    return folder


@pytest.fixture(scope="module")
def server(base: Path) -> Iterator[Server]:
    running = Server(base / "broker")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def members(base: Path, server: Server) -> Iterator[dict[str, Member]]:
    made = {}
    for name, role in (("hospital-a", "provider"), ("insurer-b", "consumer"), ("regulator-r", "regulator")):
        made[name] = Member(base, name, role).enroll()
        made[name].connect()
        made[name].bind()
    yield made
    for each in made.values():
        each.close()


@pytest.fixture(scope="module")
def published(members: dict[str, Member]) -> Statement:
    provider = members["hospital-a"]
    data = provider.person().says("product.published", description().body())
    request = catalog_pb2.PublishProductRequest(product=wrap(data))
    answer = provider.call(catalog_pb2_grpc.CatalogServiceStub, "PublishProduct", request)
    assert answer.name == "products/prd-diabetes"
    return Statement.parse(data)


def advance(member: Member, data: bytes) -> contract_pb2.Negotiation:
    request = contract_pb2.AdvanceNegotiationRequest(message=wrap(data))
    return member.call(contract_pb2_grpc.ContractServiceStub, "AdvanceNegotiation", request)


class Remote:
    """Lets `Deal` speak over the wire."""

    def __init__(self, members: dict[str, Member]) -> None:
        self.members = members
        self.clock = CLOCK
        self.space = members["hospital-a"].space
        self.rooms = self
        self.contracts = self

    def advance(self, caller: str, data: bytes) -> contract_pb2.Negotiation:
        return advance(self.members[Statement.parse(data).issuer], data)


def remote_deal(members: dict[str, Member], published: Statement) -> Deal:
    people = members["hospital-a"].person(), members["insurer-b"].person()
    return Deal(Remote(members), *people, published)  # type: ignore[arg-type]  # speaks over the wire


def test_the_port_that_was_drawn_stands_in_the_space_file(base: Path, server: Server) -> None:
    space = SpaceFile.read(base / "broker" / "space.json")
    assert space.address == f"127.0.0.1:{server.ports['port']}"
    assert space.enrolment == f"127.0.0.1:{server.ports['enrolment_port']}"


def opened(member: Member, page: str) -> str:
    return str(member.call(page_pb2_grpc.PageServiceStub, "OpenPage", page_pb2.OpenPageRequest(page=page)).url)


def test_a_member_opens_pages_by_links_over_tls_and_nobody_those_of_others(
    server: Server, members: dict[str, Member], published: Statement
) -> None:
    deal = remote_deal(members, published)
    deal.send(deal.consumer, deal.request())
    consumer = members["insurer-b"]
    context = ssl.create_default_context(cadata=consumer.space.transport_ca)
    for member, page in ((consumer, f"negotiations/{deal.id}"), (consumer, "catalog"), (members["regulator-r"], "log")):
        url = opened(member, page)
        assert url.startswith(f"https://127.0.0.1:{server.ports['web_port']}/open/")
        with urlopen(url, context=context, timeout=30) as answer:
            assert "; Secure" in answer.headers["set-cookie"] or "; secure" in answer.headers["set-cookie"].lower()
            cookie = answer.headers["set-cookie"].partition(";")[0]
            to = re.search(rb'url=([^"]+)"', answer.read())
        assert to is not None
        asked = Request(urljoin(url, to[1].decode()), headers={"cookie": cookie})
        with urlopen(asked, context=context, timeout=30) as answer:
            assert answer.status == 200
            assert member.name in answer.read().decode()
    other = Member(consumer.base, "outsider-z", "consumer").enroll()
    other.connect()
    other.bind()
    try:
        with pytest.raises(NotFound):
            opened(other, f"negotiations/{deal.id}")
        for wrong in ("", "settings", "agreements/", "contracts/agr-1", "agreements/a/b"):
            with pytest.raises((Malformed, NotFound)):
                opened(other, wrong)
    finally:
        other.close()


def test_a_member_finds_participants_it_can_verify(members: dict[str, Member]) -> None:
    consumer = members["insurer-b"]
    everybody: list[registry_pb2.Participant] = []
    token = ""
    while token or not everybody:
        asked = registry_pb2.ListParticipantsRequest(page_size=2, page_token=token)
        listed = consumer.call(registry_pb2_grpc.RegistryServiceStub, "ListParticipants", asked)
        assert 0 < len(listed.participants) <= 2
        everybody += listed.participants
        token = listed.next_page_token
    directory = Directory("demo", consumer.space.root)
    for each in everybody:
        directory.certify(Statement.parse(each.certification.envelope))
    found = [each.id for each in directory.participants()]
    assert found[0] == "broker"
    assert found[1:] == sorted(found[1:])
    assert {*members} <= {*found} <= {"broker", "outsider-z", *members}
    bound = [directory.bind(Statement.parse(one.envelope)) for each in everybody for one in each.bindings]
    assert {*members} <= {each.participant for each in bound}
    status = consumer.call(registry_pb2_grpc.RegistryServiceStub, "GetStatusList", registry_pb2.GetStatusListRequest())
    assert directory.apply(Statement.parse(status.envelope)).sequence >= 1


def test_a_connection_pins_exactly_the_bound_certificate(members: dict[str, Member]) -> None:
    """What connectors do among themselves: serve with the issued certificate, pin it as the only anchor."""
    provider, consumer = members["hospital-a"], members["insurer-b"]
    credentials = transport.server_credentials(
        lambda: (provider.ring.transport_pem(), transport.to_pem(provider.certificate)),
        provider.space.transport_ca.encode(),
    )
    running = transport.serve("127.0.0.1:0", [], credentials, None)
    channel = transport.connect(
        f"127.0.0.1:{running.port}",
        root_pem=transport.to_pem(provider.certificate),
        certificate_pem=transport.to_pem(consumer.certificate),
        key_pem=consumer.ring.transport_pem(),
        server_name="hospital-a-conn.hefu",
    )
    grpc.channel_ready_future(channel).result(10)
    channel.close()
    running.stop(0)


def test_a_certificate_that_is_not_bound_yet_may_bind_only(base: Path, members: dict[str, Member]) -> None:
    fresh = Member(base, "bank-c", "consumer").enroll()
    fresh.connect()
    with pytest.raises(Unauthenticated):
        fresh.call(catalog_pb2_grpc.CatalogServiceStub, "SearchProducts", catalog_pb2.SearchProductsRequest())
    fresh.bind()
    fresh.call(catalog_pb2_grpc.CatalogServiceStub, "SearchProducts", catalog_pb2.SearchProductsRequest())
    fresh.close()


def test_a_renewed_certificate_works_once_bound(members: dict[str, Member]) -> None:
    member = members["regulator-r"]
    answer = member.call(
        registry_pb2_grpc.RegistryServiceStub,
        "RenewCertificate",
        registry_pb2.RenewCertificateRequest(csr=member.ring.csr()),
    )
    member.certificate = answer.transport_certificate
    member.bind()
    member.close()
    member.connect()
    member.call(audit_pb2_grpc.LogServiceStub, "GetCheckpoint", audit_pb2.GetCheckpointRequest())


def test_a_caller_without_a_certificate_is_kept_out(members: dict[str, Member]) -> None:
    space = members["insurer-b"].space
    channel = transport.connect(space.address, root_pem=space.transport_ca.encode(), server_name="broker.hefu")
    with pytest.raises(Unavailable):
        transport.invoke(
            catalog_pb2_grpc.CatalogServiceStub(channel).SearchProducts,
            catalog_pb2.SearchProductsRequest(),
            peer="the broker",
        )
    channel.close()


def test_a_certificate_of_another_authority_is_kept_out(members: dict[str, Member]) -> None:
    member = members["insurer-b"]
    forger = Authority.found("demo", CLOCK.now(), CLOCK.now() - CLOCK.now().replace(hour=0, minute=0))
    key = ec.generate_private_key(ec.SECP256R1())
    forged = forger.issue(key.public_key(), "insurer-b", "insurer-b-conn", CLOCK.now())
    space = member.space
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    channel = transport.connect(
        space.address,
        root_pem=space.transport_ca.encode(),
        certificate_pem=transport.to_pem(forged.der),
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        server_name="broker.hefu",
    )
    with pytest.raises(Unavailable):
        transport.invoke(
            catalog_pb2_grpc.CatalogServiceStub(channel).SearchProducts,
            catalog_pb2.SearchProductsRequest(),
            peer="the broker",
        )
    channel.close()


def test_a_wrong_token_is_refused_over_the_wire(base: Path, server: Server) -> None:
    stranger = Member(base, "stranger-x", "consumer")
    asked = enrolment.request(stranger.ring, stranger.space, {"en": "x"}, frozenset({"consumer"}), CLOCK)
    with pytest.raises(Unauthenticated):
        enrolment.submit(stranger.space, "guessed", asked, stranger.ring.csr())


def test_a_rejected_enrolment_ends_for_its_sender(base: Path, server: Server) -> None:
    stranger = Member(base, "stranger-y", "consumer")
    asked = enrolment.request(stranger.ring, stranger.space, {"en": "y"}, frozenset({"consumer"}), CLOCK)
    token = server.rooms.enrolments.invite("stranger-y", frozenset({"consumer"}))
    name = enrolment.submit(stranger.space, token, asked, stranger.ring.csr())
    server.rooms.enrolments.reject(name.removeprefix("enrollments/"))
    with pytest.raises(Refused):
        enrolment.poll(stranger.space, name, stranger.ring)


def test_a_product_is_found_in_chinese_and_english_with_its_proof(
    members: dict[str, Member], published: Statement
) -> None:
    consumer = members["insurer-b"]
    for query in ("糖尿", "diabetes"):
        found_ = consumer.call(
            catalog_pb2_grpc.CatalogServiceStub,
            "SearchProducts",
            catalog_pb2.SearchProductsRequest(query=query, filter="provider=hospital-a"),
        )
        assert [each.description.envelope for each in found_.products] == [published.to_bytes()]
        assert found_.total_size == 1
    _await_proof(consumer, published.to_bytes())
    one = consumer.call(
        catalog_pb2_grpc.CatalogServiceStub, "GetProduct", catalog_pb2.GetProductRequest(name="products/prd-diabetes")
    )
    key = VerifierKey.parse(consumer.space.log_key)
    proof(one.proof).verify(tree.leaf_hash(one.description.envelope), key)


def test_roles_are_kept_apart(members: dict[str, Member], published: Statement) -> None:
    consumer, regulator = members["insurer-b"], members["regulator-r"]
    for member in (consumer, regulator):
        data = member.person().says("product.published", description("prd-other", resource="res-other").body())
        with pytest.raises(Refused):
            member.call(
                catalog_pb2_grpc.CatalogServiceStub,
                "PublishProduct",
                catalog_pb2.PublishProductRequest(product=wrap(data)),
            )
    deal = Deal(
        Remote(members), members["hospital-a"].person(), regulator.person(), published  # type: ignore[arg-type]
    )  # fmt: skip
    with pytest.raises(Refused):
        advance(regulator, deal.request())


def test_an_agreement_is_made_watched_and_proved(members: dict[str, Member], published: Statement) -> None:
    consumer = members["insurer-b"]
    seen: list[contract_pb2.Negotiation] = []
    deal = remote_deal(members, published)

    def watch() -> None:
        stub = contract_pb2_grpc.ContractServiceStub(consumer.channel)
        request = contract_pb2.WatchNegotiationsRequest(after_revision=0)
        for each in transport.stream(stub.WatchNegotiations, request, peer="the broker", timeout=20):
            seen.append(each)
            if each.name == f"negotiations/{deal.id}" and each.HasField("proof"):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    for step, member in (
        ("request", "insurer-b"),
        ("agreed", "hospital-a"),
        ("verified", "insurer-b"),
        ("finalized", "hospital-a"),
    ):
        data = getattr(deal, step)()
        advance(members[member], data)
        deal.messages.append(Statement.parse(data))
    watcher.join(20)
    last = seen[-1]
    assert last.state == contract_pb2.Negotiation.STATE_FINALIZED
    countersignature = Statement.parse(last.countersignature.envelope)
    agreement = Statement.parse(last.agreement.envelope)
    assert countersignature.body["agreement"] == agreement.digest()
    key = VerifierKey.parse(consumer.space.log_key)
    proof(last.proof).verify(tree.leaf_hash(last.countersignature.envelope), key)
    revisions = [each.revision for each in seen]
    assert revisions == sorted(set(revisions))
    by_agreement = consumer.call(
        contract_pb2_grpc.ContractServiceStub,
        "GetNegotiation",
        contract_pb2.GetNegotiationRequest(name=f"agreements/{deal.agreement_id}"),
    )
    assert by_agreement.name == last.name


def test_errors_keep_their_code_over_the_wire(members: dict[str, Member], published: Statement) -> None:
    deal = remote_deal(members, published)
    deal.messages.append(Statement.parse(deal.request()))
    advance(members["insurer-b"], deal.messages[0].to_bytes())
    with pytest.raises(Conflict) as caught:
        advance(members["hospital-a"], deal.agreed(previous=[]))
    assert caught.value.code == "negotiation.previous"
    with pytest.raises(NotFound):
        members["insurer-b"].call(
            contract_pb2_grpc.ContractServiceStub,
            "GetNegotiation",
            contract_pb2.GetNegotiationRequest(name="negotiations/neg-none"),
        )


def test_journal_statements_are_proved_and_read_by_their_issuer_and_the_regulator(members: dict[str, Member]) -> None:
    provider, regulator = members["hospital-a"], members["regulator-r"]
    data = provider.person().says("computation.sealed", {"computation": "cmp-1"})
    logged = audit_pb2_grpc.LogServiceStub
    before = provider.call(logged, "GetCheckpoint", audit_pb2.GetCheckpointRequest()).note
    answer = provider.call(logged, "AppendStatements", audit_pb2.AppendStatementsRequest(statements=[wrap(data)]))
    assert answer.accepted == 1
    found_ = _await_proof(provider, data)
    key = VerifierKey.parse(provider.space.log_key)
    after = found_.verify(tree.leaf_hash(data), key)
    from hefu.tlog import checkpoint

    old = checkpoint.verify(before, key)
    path = provider.call(
        logged, "GetConsistencyProof", audit_pb2.GetConsistencyProofRequest(old_size=old.size, new_size=after.size)
    )
    tree.verify_consistency(old.size, after.size, old.root, after.root, list(path.hashes))
    for member, reads in ((provider, True), (regulator, True), (members["insurer-b"], False)):
        page = member.call(logged, "ListEntries", audit_pb2.ListEntriesRequest(first_index=found_.index, page_size=1))
        assert page.entries[0].leaf_hash == tree.leaf_hash(data)
        assert (page.entries[0].envelope == data) is reads


def _await_proof(member: Member, data: bytes) -> LogProof:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            return proof(
                member.call(
                    audit_pb2_grpc.LogServiceStub,
                    "GetInclusionProof",
                    audit_pb2.GetInclusionProofRequest(leaf_hash=tree.leaf_hash(data)),
                )
            )
        except NotFound:
            continue
    raise AssertionError("never proved")


def test_health_is_served_to_members(members: dict[str, Member]) -> None:
    stub = health_pb2_grpc.HealthStub(members["insurer-b"].channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service="hefu.v1.CatalogService"), timeout=5)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_suspension_by_command_cuts_calls_and_open_streams(base: Path, members: dict[str, Member]) -> None:
    victim = Member(base, "victim-v", "consumer").enroll()
    victim.connect()
    victim.bind()
    ended: list[HefuError] = []
    opened = threading.Event()

    def watch() -> None:
        stub = contract_pb2_grpc.ContractServiceStub(victim.channel)
        call = stub.WatchNegotiations(contract_pb2.WatchNegotiationsRequest(), timeout=30)
        call.add_done_callback(lambda _: None)
        opened.set()
        try:
            for _ in call:
                pass
        except grpc.RpcError as fault:
            ended.append(fault)  # type: ignore[arg-type]

    watcher = threading.Thread(target=watch)
    watcher.start()
    opened.wait()
    rooms = open_rooms(base / "broker")
    rooms.standings.suspend("victim-v", "test")
    rooms.database.close()
    watcher.join(20)
    assert not watcher.is_alive()
    assert ended
    with pytest.raises(Unauthenticated):
        victim.call(catalog_pb2_grpc.CatalogServiceStub, "SearchProducts", catalog_pb2.SearchProductsRequest())
    victim.close()


def test_a_second_server_on_the_same_folder_is_refused(base: Path, server: Server) -> None:
    with pytest.raises(Conflict) as caught:
        Server(base / "broker")
    assert caught.value.code == "broker.running"
