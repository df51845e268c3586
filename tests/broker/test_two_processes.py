"""Two real broker processes on one PostgreSQL: one leads, both serve, and whichever dies, the log stays one log."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hefu.errors import Conflict, Malformed, NotFound, Unavailable
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import VerifierKey
from hefu.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    contract_pb2,
    contract_pb2_grpc,
    registry_pb2,
    registry_pb2_grpc,
)
from hefu_broker.bootstrap import open_rooms
from hefu_broker.founding import Addition, Plan, add, found
from hefu_broker.replication import Replica, replicate
from hefu_broker.settings import Settings
from hefu_space.harness import Process, until

from tests.broker.test_rpc import CLOCK, Member, Remote, proof, wrap
from tests.broker.world import Deal, Person, description
from tests.postgresql import PostgreSQL

SOON = 20.0  # seconds that a loaded machine may take for what takes a fraction of one
FINALIZED = contract_pb2.Negotiation.STATE_FINALIZED


class Pair:
    """A broker and its replica, each a process with a folder of its own."""

    def __init__(self, base: Path, url: str) -> None:
        self.base, self.seen = base, list[str]()
        addresses = ("127.0.0.1:0", "127.0.0.1:0", "hefu.example/demo")
        _, self.space = found(Plan(base / "broker", base / "root", "demo", *addresses, database=url), CLOCK)
        self.one = self._process("broker").start()
        replicate(Replica(base / "broker", base / "replica", "127.0.0.1:0", "127.0.0.1:0"))
        self.two = self._process("replica").start()
        self.members: list[Member] = []

    def member(self, name: str, role: str, *at: Process) -> Member:
        """A member that knows the addresses of these processes, and is bound."""
        made = Member(self.base, name, role)
        made.space = replace(made.space, enrolment=f"127.0.0.1:{at[-1].ready['enrolment_port']}")
        made.enroll()
        self.move(made, *at)
        made.bind()
        self.members.append(made)
        return made

    def move(self, member: Member, *to: Process) -> None:
        """From now on the member knows these processes."""
        member.close()
        address = ",".join(f"127.0.0.1:{each.ready['port']}" for each in to)
        member.space = replace(member.space, address=address)
        member.connect()

    def look(self, member: Member) -> Checkpoint:
        """The newest checkpoint that a process shows, under the pinned key; kept, to be compared at the end."""
        note = member.call(audit_pb2_grpc.LogServiceStub, "GetCheckpoint", audit_pb2.GetCheckpointRequest()).note
        self.seen.append(note)
        return checkpoint.verify(note, VerifierKey.parse(self.space.log_key))

    def check_log(self, member: Member) -> None:
        """All that was ever shown is one log that only grew, and this process proves it."""
        last, key = self.look(member), VerifierKey.parse(self.space.log_key)
        assert last.size == max(checkpoint.verify(note, key).size for note in self.seen), "an older one than was shown"
        for old in {checkpoint.verify(note, key) for note in self.seen}:
            if old.size == last.size:
                assert old.root == last.root
            elif old.size:
                asked = audit_pb2.GetConsistencyProofRequest(old_size=old.size, new_size=last.size)
                path = member.call(audit_pb2_grpc.LogServiceStub, "GetConsistencyProof", asked)
                tree.verify_consistency(old.size, last.size, old.root, last.root, list(path.hashes))

    def close(self) -> None:
        for member in self.members:
            member.close()
        for each in (self.one, self.two):
            each.kill()

    def _process(self, folder: str) -> Process:
        words = ("broker", "serve", "--dir", str(self.base / folder), "--grace", "0.2", "--json")
        return Process(folder, words, self.base / f"{folder}.log")


@pytest.fixture
def pair(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Pair]:
    url = postgresql.database()
    made = Pair(tmp_path, url)
    yield made
    made.close()
    postgresql.drop(url)


def advance(member: Member, data: bytes) -> contract_pb2.Negotiation:
    """Send a message as a connector does: once more where nobody answered; the same message changes nothing."""
    request, answers = contract_pb2.AdvanceNegotiationRequest(message=wrap(data)), list[contract_pb2.Negotiation]()

    def answered() -> bool:
        try:
            answers.append(member.call(contract_pb2_grpc.ContractServiceStub, "AdvanceNegotiation", request))
        except Unavailable:
            return False
        return True

    assert until(answered, SOON)
    return answers[-1]


class Patient(Remote):
    def advance(self, caller: str, data: bytes) -> contract_pb2.Negotiation:
        from hefu.envelope import Statement

        return advance(self.members[Statement.parse(data).issuer], data)


def deal(provider: Member, consumer: Member, product: bytes) -> Deal:
    from hefu.envelope import Statement

    people: tuple[Person, Person] = provider.person(), consumer.person()
    members = {each.name: each for each in (provider, consumer)}
    return Deal(Patient(members), *people, Statement.parse(product))  # type: ignore[arg-type]  # over the wire


def publish(provider: Member) -> bytes:
    data = provider.person().says("product.published", description().body())
    asked = catalog_pb2.PublishProductRequest(product=wrap(data))
    provider.call(catalog_pb2_grpc.CatalogServiceStub, "PublishProduct", asked)
    return data


def logged(member: Member, number: int) -> bytes:
    """Hand in a journal statement and wait until this process proves it."""
    data = member.person().says("computation.sealed", {"computation": f"cmp-{number}"})
    stub = audit_pb2_grpc.LogServiceStub

    def proved() -> bool:
        try:
            member.call(stub, "AppendStatements", audit_pb2.AppendStatementsRequest(statements=[wrap(data)]))
            asked = audit_pb2.GetInclusionProofRequest(leaf_hash=tree.leaf_hash(data))
            found_ = proof(member.call(stub, "GetInclusionProof", asked))
        except (NotFound, Unavailable):
            return False
        found_.verify(tree.leaf_hash(data), VerifierKey.parse(member.space.log_key))
        return True

    assert until(proved, SOON)
    return data


def negotiation(member: Member, id_: str) -> contract_pb2.Negotiation:
    asked = contract_pb2.GetNegotiationRequest(name=f"negotiations/{id_}")
    found_: contract_pb2.Negotiation = member.call(contract_pb2_grpc.ContractServiceStub, "GetNegotiation", asked)
    return found_


def test_when_the_leader_is_killed_the_other_goes_on_with_one_log(pair: Pair) -> None:
    provider = pair.member("hospital-a", "provider", pair.one, pair.two)
    consumer = pair.member("insurer-b", "consumer", pair.two)
    product = publish(provider)
    logged(consumer, 0)  # the follower takes it in, the leader logs it, the follower proves it
    heard = Watcher(consumer)
    first, second = deal(provider, consumer, product), deal(provider, consumer, product)
    first.reach("FINALIZED")
    assert until(lambda: heard.proved(first.id), SOON), "a change at one process is not told at the other"
    second.reach("AGREED")
    before = pair.look(provider), pair.look(consumer)
    pair.one.kill()
    killed = time.monotonic()
    second.send(second.consumer, second.verified())  # at once, while nobody leads
    second.send(second.provider, second.finalized())  # its connection finds the other address by itself
    assert until(lambda: heard.proved(second.id), SOON)
    print(f"failover: {time.monotonic() - killed:.1f} s from kill -9 to the next proof")
    assert pair.look(consumer).size > max(each.size for each in before)
    # The killed one comes back and follows; then the leader ends in peace, and it leads at once.
    pair.one.start()
    pair.move(provider, pair.one)
    logged(provider, 1)
    pair.check_log(provider)
    pair.two.stop()
    logged(provider, 2)
    pair.check_log(provider)
    assert negotiation(provider, second.id).state == FINALIZED
    heard.close()


class Watcher:
    """A member's stream of negotiations, as its connector keeps it."""

    def __init__(self, member: Member) -> None:
        self._held: dict[str, contract_pb2.Negotiation] = {}
        self._stream = contract_pb2_grpc.ContractServiceStub(member.channel).WatchNegotiations(
            contract_pb2.WatchNegotiationsRequest()
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def proved(self, id_: str) -> bool:
        held = self._held.get(f"negotiations/{id_}")
        return held is not None and held.state == FINALIZED and held.HasField("proof")

    def close(self) -> None:
        self._stream.cancel()
        self._thread.join()

    def _run(self) -> None:
        import grpc

        try:
            for each in self._stream:
                self._held[each.name] = each
        except grpc.RpcError:
            return


def test_a_leader_that_was_stopped_for_a_while_finds_itself_following(pair: Pair) -> None:
    provider = pair.member("hospital-a", "provider", pair.one)
    consumer = pair.member("insurer-b", "consumer", pair.two)
    logged(provider, 1)
    os.kill(pair.one.pid, signal.SIGSTOP)
    try:
        logged(consumer, 2)  # by the other, which takes the lead
        pair.look(consumer)
    finally:
        os.kill(pair.one.pid, signal.SIGCONT)
    logged(provider, 3)
    logged(consumer, 4)
    pair.look(consumer)
    pair.check_log(provider)
    entries = provider.call(audit_pb2_grpc.LogServiceStub, "ListEntries", audit_pb2.ListEntriesRequest())
    assert [each.index for each in entries.entries] == list(range(entries.tree_size))


def test_what_one_process_decides_holds_at_the_other(pair: Pair) -> None:
    """Certificates, revocations and the catalog; and both processes may start at the same instant."""
    provider = pair.member("hospital-a", "provider", pair.one)
    consumer = pair.member("insurer-b", "consumer", pair.two)
    product = publish(provider)
    asked = catalog_pb2.SearchProductsRequest(query="糖尿")
    found_ = consumer.call(catalog_pb2_grpc.CatalogServiceStub, "SearchProducts", asked)
    assert [each.description.envelope for each in found_.products] == [product]
    renewed = consumer.call(
        registry_pb2_grpc.RegistryServiceStub,
        "RenewCertificate",
        registry_pb2.RenewCertificateRequest(csr=consumer.ring.csr()),
    )
    consumer.certificate = renewed.transport_certificate
    consumer.bind()
    pair.move(consumer, pair.one)  # bound at one, used at the other in the same moment
    consumer.call(catalog_pb2_grpc.CatalogServiceStub, "SearchProducts", asked)
    pair.move(consumer, pair.two)
    consumer.call(catalog_pb2_grpc.CatalogServiceStub, "SearchProducts", asked)
    rooms = open_rooms(pair.base / "broker")  # as the command does
    rooms.standings.suspend("insurer-b", "why")
    rooms.database.close()
    assert until(lambda: _refused(consumer), 5), "a suspension is not known at the other process"
    pair.one.stop()
    pair.two.stop()
    for each in (pair.one, pair.two):
        each.begin()
    for each in (pair.one, pair.two):
        each.wait_ready()
    pair.move(provider, pair.two)
    logged(provider, 1)
    pair.check_log(provider)


def _refused(member: Member) -> bool:
    from hefu.errors import Unauthenticated

    try:
        member.call(catalog_pb2_grpc.CatalogServiceStub, "SearchProducts", catalog_pb2.SearchProductsRequest())
    except Unauthenticated:
        return True
    return False


def test_a_folder_serves_one_process_and_a_file_no_replica(tmp_path: Path) -> None:
    addresses = ("127.0.0.1:0", "127.0.0.1:0", "hefu.example/demo")
    found(Plan(tmp_path / "broker", tmp_path / "root", "demo", *addresses), CLOCK)
    with pytest.raises(Malformed) as caught:
        replicate(Replica(tmp_path / "broker", tmp_path / "replica"))
    assert caught.value.code == "replica.file"


def test_a_replica_has_the_keys_and_what_was_seen_but_a_name_of_its_own(tmp_path: Path, postgresql: PostgreSQL) -> None:
    url = postgresql.database()
    home, copy = tmp_path / "broker", tmp_path / "replica"
    addresses = ("127.0.0.1:0", "127.0.0.1:0", "hefu.example/demo")
    found(Plan(home, tmp_path / "root", "demo", *addresses, database=url), CLOCK)
    rooms = open_rooms(home, CLOCK, serving=True)
    rooms.sequencer.recover()
    rooms.database.close()
    made, spaces = replicate(Replica(home, copy, "127.0.0.1:7"))
    assert spaces == ["demo"]
    assert Settings.read(copy) == made
    assert (made.address, made.database) == ("127.0.0.1:7", url)
    assert made.node != Settings.read(home).node
    assert {path.name for path in (copy / "keys").iterdir()} == {path.name for path in (home / "keys").iterdir()}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (copy, *(copy / "keys").iterdir()))
    assert (copy / "checkpoint.latest").read_text() == (home / "checkpoint.latest").read_text()
    follower = open_rooms(copy, CLOCK, serving=True)
    follower.sequencer.recover()
    assert not follower.sequencer.leads
    assert follower.sequencer.newest[1] == (home / "checkpoint.latest").read_text()
    with pytest.raises(Conflict):
        follower.sequencer.sequence()
    follower.database.close()
    # A space that was added since comes with the same command, once.
    add(home, Addition(tmp_path / "root-other", "other", "hefu.example/other"), CLOCK)
    assert replicate(Replica(home, copy)) == (made, ["other"])
    assert replicate(Replica(home, copy)) == (made, [])
    open_rooms(copy, CLOCK, space="other").database.close()
    postgresql.drop(url)
