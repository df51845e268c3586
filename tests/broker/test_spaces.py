"""Several spaces on one broker: the caller decides which, and nothing of one is seen or used in another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Unauthenticated, Untrusted
from hefu.membership import enrolment
from hefu.space import SpaceFile
from hefu.tlog import checkpoint, tree
from hefu.tlog.note import VerifierKey
from hefu.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
)
from hefu_broker import bell
from hefu_broker.bootstrap import Server, open_rooms
from hefu_broker.founding import Addition, Plan, add, found, home_of
from hefu_broker.storage.log import SqlLogStore
from hefu_space.harness import until

from tests.broker.test_rpc import CLOCK, Member, wrap
from tests.broker.world import Deal, Person, World, description, publish

CATALOG = catalog_pb2_grpc.CatalogServiceStub
LOG, REGISTRY = audit_pb2_grpc.LogServiceStub, registry_pb2_grpc.RegistryServiceStub
TAKEN_IN_WITHIN = 10.0  # seconds; at once on an idle machine
PRODUCT = "prd-diabetes"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A broker with two spaces; the second was added while it ran."""
    base = tmp_path_factory.mktemp("spaces")
    found(Plan(base / "broker", base / "root", "demo", "127.0.0.1:0", "127.0.0.1:0", "hefu.example/demo"), CLOCK)
    running = Server(base / "broker")
    # While it starts: the ports are not drawn yet, and nobody may be told otherwise.
    add(base / "broker", Addition(base / "root-early", "early", "hefu.example/early"), CLOCK)
    running.start()
    add(base / "broker", Addition(base / "root-other", "other", "hefu.example/other"), CLOCK)
    bell.ring(base / "broker")
    assert until(lambda: "other" in running.spaces, TAKEN_IN_WITHIN)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def members(server: Server) -> Iterator[dict[str, Member]]:
    """By ``participant@space``: hospital-a is the name of two participants, one in each space."""
    base, made = server.rooms.folder.parent, {}
    for space in ("demo", "other"):
        for name, role in (("hospital-a", "provider"), ("insurer-b", "consumer"), ("regulator-r", "regulator")):
            one = Member(base, name, role, space="" if space == "demo" else space).enroll()
            one.connect()
            one.bind()
            made[f"{name}@{space}"] = one
    yield made
    for each in made.values():
        each.close()


@pytest.fixture(scope="module")
def products(members: dict[str, Member]) -> dict[str, Statement]:
    """A product of the same id and over the same asset's id, in each space by its own provider."""
    said = {}
    for space in ("demo", "other"):
        provider = members[f"hospital-a@{space}"]
        data = provider.person().says("product.published", description(title={"en": f"Visits {space}"}).body())
        provider.call(CATALOG, "PublishProduct", catalog_pb2.PublishProductRequest(product=wrap(data)))
        said[space] = Statement.parse(data)
    return said


def test_each_space_has_a_catalog_of_its_own(members: dict[str, Member], products: dict[str, Statement]) -> None:
    for name in ("hospital-a", "insurer-b", "regulator-r"):
        for space in ("demo", "other"):
            listed = members[f"{name}@{space}"].call(CATALOG, "SearchProducts", catalog_pb2.SearchProductsRequest())
            assert [each.description.envelope for each in listed.products] == [products[space].to_bytes()]
            query = catalog_pb2.GetProductRequest(name=f"products/{PRODUCT}")
            one = members[f"{name}@{space}"].call(CATALOG, "GetProduct", query)
            assert one.description.envelope == products[space].to_bytes()


def test_members_of_another_space_are_not_known(members: dict[str, Member], server: Server) -> None:
    stranger = Member(server.rooms.folder.parent, "bank-c", "consumer", space="other").enroll()
    stranger.connect()
    stranger.bind()
    here = members["regulator-r@demo"]
    with pytest.raises(NotFound):
        here.call(REGISTRY, "GetParticipant", registry_pb2.GetParticipantRequest(name="participants/bank-c"))
    listed = here.call(REGISTRY, "ListParticipants", registry_pb2.ListParticipantsRequest())
    assert "participants/bank-c" not in [each.name for each in listed.participants]
    stranger.close()


def test_each_space_has_a_log_of_its_own(members: dict[str, Member], products: dict[str, Statement]) -> None:
    def proves(member: Member, statement: Statement) -> bool:
        asked = audit_pb2.GetInclusionProofRequest(leaf_hash=tree.leaf_hash(statement.to_bytes()))
        try:
            member.call(LOG, "GetInclusionProof", asked)
        except NotFound:
            return False
        return True

    for space, other in (("demo", "other"), ("other", "demo")):
        member = members[f"regulator-r@{space}"]
        assert until(lambda member=member, space=space: proves(member, products[space]), TAKEN_IN_WITHIN)
        assert not proves(member, products[other])
        entries = member.call(LOG, "ListEntries", audit_pb2.ListEntriesRequest()).entries
        assert {Statement.parse(each.envelope).space for each in entries} == {space}
        assert [each.index for each in entries] == list(range(len(entries)))
        note = member.call(LOG, "GetCheckpoint", audit_pb2.GetCheckpointRequest()).note
        assert checkpoint.verify(note, VerifierKey.parse(member.space.log_key)).size >= len(entries)
        with pytest.raises(Untrusted):
            checkpoint.verify(note, VerifierKey.parse(members[f"regulator-r@{other}"].space.log_key))


def test_a_statement_of_another_space_is_refused(members: dict[str, Member]) -> None:
    """Even one that the same key signed: a participant may use one key in both."""
    here, there = members["hospital-a@demo"], members["hospital-a@other"]
    data = there.person().says("product.published", description("prd-smuggled").body())
    with pytest.raises(Untrusted) as refused:
        here.call(CATALOG, "PublishProduct", catalog_pb2.PublishProductRequest(product=wrap(data)))
    assert refused.value.code == "space.other"
    with pytest.raises(Untrusted):
        here.call(LOG, "AppendStatements", audit_pb2.AppendStatementsRequest(statements=[wrap(data)]))
    bound = enrolment.bind(there.ring, there.space, here.certificate, "127.0.0.1:9", CLOCK).to_bytes()
    with pytest.raises(HefuError):
        here.call(REGISTRY, "BindTransport", registry_pb2.BindTransportRequest(binding=wrap(bound)))
    with pytest.raises(HefuError):
        there.call(REGISTRY, "BindTransport", registry_pb2.BindTransportRequest(binding=wrap(bound)))


def test_a_token_opens_its_own_space_only(members: dict[str, Member], server: Server) -> None:
    base = server.rooms.folder.parent
    for home, token_of in (("", "other"), ("other", "demo")):
        visitor = Member(base, f"visitor-{token_of}", "consumer", space=home)
        token = server.spaces.space(token_of).enrolments.invite(visitor.name, visitor.roles)
        asked = enrolment.request(visitor.ring, visitor.space, {"en": "v"}, visitor.roles, CLOCK)
        with pytest.raises(Untrusted):
            enrolment.submit(visitor.space, token, asked, visitor.ring.csr())
    with pytest.raises(Unauthenticated):
        enrolment.submit(visitor.space, "guessed", asked, visitor.ring.csr())


def test_a_page_token_of_another_space_is_refused(members: dict[str, Member]) -> None:
    first = members["insurer-b@demo"].call(
        REGISTRY, "ListParticipants", registry_pb2.ListParticipantsRequest(page_size=1)
    )
    more = registry_pb2.ListParticipantsRequest(page_size=1, page_token=first.next_page_token)
    assert members["insurer-b@demo"].call(REGISTRY, "ListParticipants", more).participants
    with pytest.raises(Malformed):
        members["insurer-b@other"].call(REGISTRY, "ListParticipants", more)


def test_who_is_suspended_in_one_space_acts_in_the_other(members: dict[str, Member], server: Server) -> None:
    search = catalog_pb2.SearchProductsRequest()
    server.spaces.space("other").standings.suspend("regulator-r", "test")
    with pytest.raises(Unauthenticated):
        members["regulator-r@other"].call(CATALOG, "SearchProducts", search)
    members["regulator-r@demo"].call(CATALOG, "SearchProducts", search)
    server.spaces.space("other").standings.reinstate("regulator-r")
    members["regulator-r@other"].call(CATALOG, "SearchProducts", search)


def test_a_space_is_added_once(server: Server, tmp_path: Path) -> None:
    folder = server.rooms.folder
    for space, origin in (("other", "hefu.example/x"), ("demo", "hefu.example/x"), ("third", "hefu.example/other")):
        with pytest.raises(Conflict):
            add(folder, Addition(tmp_path / "root", space, origin), CLOCK)
    assert not (tmp_path / "root").exists()


def test_every_space_is_told_the_ports_that_were_drawn(server: Server) -> None:
    folder = server.rooms.folder
    addresses = {SpaceFile.read(home_of(folder, each) / "space.json").address for each in ("", "early", "other")}
    assert addresses == {f"127.0.0.1:{server.ports['port']}"}


def test_every_space_is_served_again_after_a_restart(world: World, second: World, provider: Person) -> None:
    for each in (world, second):
        publish(each, each.person("hospital-a", "provider"), description())
        each.sequenced()
    second.rooms.database.close()
    sizes = {each.space.space: each.rooms.sequencer.newest[0] for each in (world, second)}
    for _ in range(2):
        again = Server(world.folder, world.clock)
        again.start()
        try:
            assert sorted(rooms.space.space for rooms in again.spaces) == ["demo", "other"]
            for rooms, caller in (
                (again.rooms, provider.caller),
                (again.spaces.space("other"), second.callers["hospital-a"]),
            ):
                assert rooms.sequencer.newest[0] >= sizes[rooms.space.space]
                assert again.spaces.of(caller) is rooms
                assert rooms.catalog.product(caller, PRODUCT).statement.space == rooms.space.space
        finally:
            again.stop()


# Two spaces without a network between: what the stores must keep apart


@pytest.fixture
def second(world: World, tmp_path: Path) -> Iterator[World]:
    """A further space beside `world`, with people of the same names."""
    root = tmp_path / "second" / "root"
    add(world.folder, Addition(root, "other", "hefu.example/other"), world.clock)
    rooms = open_rooms(world.folder, world.clock, serving=True, space="other")
    made = World(world.folder, root, world.clock, rooms)
    for name, role in (("hospital-a", "provider"), ("insurer-b", "consumer"), ("regulator-r", "regulator")):
        made.person(name, role)
    yield made
    rooms.database.close()


def test_the_same_ids_of_negotiations_and_agreements_serve_in_both(world: World, deal: Deal, second: World) -> None:
    deal.reach("FINALIZED")
    provider, consumer = second.person("hospital-a", "provider"), second.person("insurer-b", "consumer")
    other = Deal(second, provider, consumer, publish(second, provider, description()), deal.id, deal.agreement_id)
    with pytest.raises(NotFound):
        second.rooms.contracts.talk(second.person("regulator-r", "regulator").caller, deal.id)
    finalized = other.reach("FINALIZED")
    assert finalized.agreement.digest() != world.rooms.contracts.talk(deal.consumer.caller, deal.id).agreement.digest()
    for each in (world, second):
        each.sequenced()
    held = [each.rooms.contracts.talk(each.person("insurer-b", "consumer").caller, deal.id) for each in (world, second)]
    assert [each.countersignature.space for each in held if each.countersignature] == ["demo", "other"]
    assert all(each.index is not None for each in held)


def test_a_negotiation_of_another_space_cannot_be_read_or_moved(world: World, deal: Deal, second: World) -> None:
    deal.reach("AGREED")
    outsider = second.person("insurer-b", "consumer")
    with pytest.raises(NotFound):
        second.rooms.contracts.talk(outsider.caller, deal.id)
    with pytest.raises(Untrusted):
        second.rooms.contracts.advance(outsider.caller, deal.verified())
    assert second.rooms.contracts.page(outsider.caller, 10, "")[0] == []


def test_what_waits_for_one_log_is_not_taken_into_another(world: World, second: World, provider: Person) -> None:
    statement = publish(world, provider, description())
    second.sequenced()
    mine = SqlLogStore(second.rooms.database).entries(0, 1000)
    assert statement.to_bytes() not in [each.outgoing.envelope for each in mine]
    world.sequenced()
    mine = SqlLogStore(world.rooms.database).entries(0, 1000)
    assert statement.to_bytes() in [each.outgoing.envelope for each in mine]


def test_checkpoints_outside_the_folder_are_kept_apart(world: World, second: World, tmp_path: Path) -> None:
    from dataclasses import replace

    away = replace(world.rooms.settings, checkpoint=str(tmp_path / "latest"))
    assert away.of_space(second.space).checkpoint == str(tmp_path / "latest.other")
    assert home_of(world.folder, "other") != home_of(world.folder, "")
