"""Attacks on trust: a broken-into broker with its online keys, a thief of keys, a member that misbehaves, a replayer.

Each test is an attack that was tried; its name says which property it must not break (the promise, T-a to A-c).
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from hefu import canonical, identity
from hefu.canonical import Object
from hefu.checking.verify import Pins, Report, verify
from hefu.envelope import PublicKey, Statement, draft, new_id
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Unauthenticated, Unavailable, Untrusted
from hefu.evidence.bundle import ENTRIES, open_bundle
from hefu.identity import Binding, Participant, Standing, StatusList
from hefu.keeping import keys
from hefu.keeping.keys import FileSigner
from hefu.terminal.commands import Output, explain
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import VerifierKey
from hefu.tlog.policy import WitnessPolicy
from hefu.tlog.proof import LogProof
from hefu.tlog.witness import Request
from hefu.v1 import audit_pb2
from hefu.wire import transport
from hefu_broker.bootstrap import open_rooms
from hefu_broker.founding import Plan, found, ring_of
from hefu_connector.brokerage import Progress
from hefu_connector.clients.broker import PEER, LogClient
from hefu_connector.contracting.author import Author
from hefu_connector.contracting.contracts import verify_contract
from hefu_connector.contracting.negotiating import Pen
from hefu_connector.membership.log_history import SPLIT, LogHistory
from hefu_connector.membership.submitting import NotedNegotiations
from hefu_connector.membership.trust import SpaceTrust
from hefu_connector.ports import FINAL, ComputationState
from hefu_connector.running import Connector
from hefu_connector.settings import Home, Settings
from hefu_connector.storage.database import Database
from hefu_connector.storage.marks import SqlMarks
from hefu_policies.agreeing.contract import AGREEMENT
from hefu_policies.states.negotiation import State

from tests.broker.world import Deal, Person, SetClock, World, description, publish
from tests.connector import world as engine_room
from tests.connector.small_space import Space, agree, offer, provide
from tests.connector.test_provider_consumer import GullibleBroker, Pair, Sides, types
from tests.connector.test_trust import START, MemoryRegistry, Setting
from tests.contracts.halves import STRANGER, Halves
from tests.cosigning import Cosigner, policy
from tests.protocol.small_log import BROKER, PROVIDER, SmallLog, public, signer


def code(attack: Callable[[], object]) -> str:
    """How an attack is refused."""
    with pytest.raises(HefuError) as caught:
        attack()
    return caught.value.code


# ---------------------------------------------------------------- who is who, as a connector believes it


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    from hefu.space import SpaceFile
    from hefu_broker.membership.authority import Authority

    clock, root = SetClock(START), FileSigner(identity.ROOT, Ed25519PrivateKey.generate())
    authority = Authority.found("demo", START, timedelta(hours=24))
    space = SpaceFile(
        "demo", PublicKey(root.key, identity.ROOT, root.public), "broker", "broker.test:1", "broker.test:2",
        authority.pem.decode(), "example.org/demo", "unused",
    )  # fmt: skip
    database = Database.at(tmp_path / "connector.db", "demo")
    marks, registry = SqlMarks(database), MemoryRegistry(authority, clock)  # type: ignore[arg-type]
    trust = SpaceTrust(space, registry, marks, clock)
    made = Setting(tmp_path, clock, root, space, registry, marks, trust)  # type: ignore[arg-type]
    made.join("broker", "operator")
    made.announce(1)
    made.trust.refresh_members()
    made.trust.refresh_status()
    yield made
    database.close()


def test_t_b_a_status_list_dated_in_the_future_does_not_stay_fresh_for_ever(setting: Setting) -> None:
    """A short break-in signs one list for the year 2099; then the connector is cut off."""
    setting.clock.move(days=365)
    dated_ahead = setting.announce(2)
    setting.clock.move(days=-365)
    assert code(lambda: setting.trust.apply(dated_ahead)) == "statement.early"
    setting.clock.move(seconds=61)
    assert setting.trust.age() > 60


def test_t_b_a_revocation_is_final_even_for_the_operators_own_key_and_after_a_restart(setting: Setting) -> None:
    mark = setting.join("pharma-b", "consumer")
    assert setting.trust.authenticate(mark)
    setting.announce(2, Standing("pharma-b", "revoked", START, "stolen"))
    setting.trust.refresh_status()
    setting.announce(3)
    for trust in (setting.trust, setting.restart()):
        assert code(trust.refresh_status) == "status.rollback"
        with pytest.raises(Unauthenticated):
            trust.authenticate(mark)


def test_t_b_a_suspension_can_be_lifted_and_an_old_list_brings_nothing_back(setting: Setting) -> None:
    setting.join("pharma-b", "consumer")
    setting.trust.refresh_members()
    setting.announce(2, Standing("pharma-b", "suspended", START, "a test"))
    setting.trust.refresh_status()
    assert code(lambda: setting.trust.check("pharma-b")) == "identity.revoked"
    lifted = setting.announce(3)
    setting.trust.refresh_status()
    assert code(lambda: setting.trust.check("pharma-b")) == "identity.revoked"
    setting.trust.wake(lifted)  # the log was seen to show it
    setting.trust.check("pharma-b")
    assert code(lambda: setting.restart().apply(setting.registry.lists[1])) == "status.rollback"


def test_t_c_an_older_binding_shown_again_does_not_move_a_connector_back(setting: Setting) -> None:
    setting.join("hospital-a")
    member = setting.registry.known["hospital-a"]
    old = member.bindings[0]
    setting.clock.move(seconds=5)
    moved = replace(Binding.of(old), endpoint="new.test:7410")
    now = setting.clock.now()
    new = draft(identity.BOUND, moved.body(), space="demo", issuer="hospital-a", at=now)
    new = new.sign(setting.ring("hospital-a").signer(), now)
    setting.registry.known["hospital-a"] = replace(member, bindings=(new,))
    setting.trust.refresh_members()
    setting.registry.known["hospital-a"] = replace(member, bindings=(old,))
    setting.trust.refresh_members()
    assert setting.trust.endpoint("hospital-a").endpoint == "new.test:7410"
    assert setting.restart().endpoint("hospital-a").endpoint == "new.test:7410"


def test_t_a_nobody_can_bind_a_certificate_that_another_participant_bound(setting: Setting) -> None:
    """A member and the broker together would take the victim's calls for the member's, and hide where it listens."""
    mark = setting.join("hospital-a")
    setting.join("mallory", "consumer")
    setting.trust.refresh_members()
    stolen, now = Binding.of(setting.registry.known["hospital-a"].bindings[0]), setting.clock.now()
    claim = draft(identity.BOUND, stolen.body(), space="demo", issuer="mallory", at=now)
    assert code(lambda: setting.trust.bind(claim.sign(setting.ring("mallory").signer(), now))) == "certificate.taken"
    assert setting.trust.authenticate(mark).participant == "hospital-a"
    assert setting.trust.endpoint("hospital-a").fingerprint == mark


def test_t_a_the_broker_cannot_bind_a_certificate_for_a_participant(setting: Setting) -> None:
    setting.join("hospital-a")
    setting.trust.refresh_members()
    made = replace(Binding.of(setting.registry.known["hospital-a"].bindings[0]), certificate=b"the broker's own")
    said = draft(identity.BOUND, made.body(), space="demo", issuer="hospital-a", at=START)
    with pytest.raises(Untrusted):
        setting.trust.bind(said.sign(setting.ring("broker").signer(), START))
    assert code(lambda: setting.trust.authenticate(made.fingerprint)) == "identity.unknown"


def test_t_a_a_certified_key_cannot_take_the_id_of_anothers_key(setting: Setting) -> None:
    """A broken broker drafts what the root signs: a newcomer whose key has the victim's key id."""
    setting.join("hospital-a")
    setting.trust.refresh_members()
    victim = setting.ring("hospital-a").signer()
    own = setting.ring("mallory").signer()
    one = Participant(
        "mallory", {"en": "m"}, frozenset({"consumer"}), (PublicKey(victim.key, "mallory", own.public),), bytes(32),
        START - timedelta(days=1), START + timedelta(days=1),
    )  # fmt: skip
    made = draft(identity.CERTIFIED, one.body(), space="demo", issuer=identity.ROOT, at=START).sign(setting.root, START)
    with pytest.raises(Malformed):
        setting.trust.certify(made)
    setting.trust.verify(draft("x", {}, space="demo", issuer="hospital-a", at=START).sign(victim, START))


def test_a_b_a_binding_under_a_key_that_was_replaced_is_dropped_and_the_connector_still_starts(
    setting: Setting,
) -> None:
    mark = setting.join("hospital-a")
    setting.trust.refresh_members()
    fresh, now = signer("hospital-a"), START + timedelta(seconds=1)
    one = replace(setting.trust.participant("hospital-a"), signing=(public(fresh),))
    said = draft(identity.CERTIFIED, one.body(), space="demo", issuer=identity.ROOT, at=now).sign(setting.root, now)
    setting.trust.certify(said)
    setting.registry.away = True
    trust = setting.restart()
    assert code(lambda: trust.authenticate(mark)) == "identity.unknown"


# ---------------------------------------------------------------- contracts as papers


def _no_consumer(h: Halves) -> None:
    h.agreement = h.agreed("hospital-a")
    h.countersignature = h.finalized()


def _by_broker(h: Halves) -> None:
    h.agreement = h.agreed("hospital-a", "broker")
    h.countersignature = h.finalized()


def _thief_countersigns(h: Halves) -> None:
    h.countersignature = h.finalized(STRANGER)


def _other_negotiation(h: Halves) -> None:
    h.countersignature = h.finalized(negotiation="neg-2")


def _other_bytes(h: Halves) -> None:
    h.countersignature = h.finalized(envelope=canonical.digest(b"other"))


def _other_space(h: Halves) -> None:
    h.agreement = h.say(AGREEMENT, h.body(), "hospital-a", "hospital-a", "pharma-b", space="elsewhere")
    h.countersignature = h.finalized()


@pytest.mark.parametrize(
    "forge", [_no_consumer, _by_broker, _thief_countersigns, _other_negotiation, _other_bytes, _other_space]
)
def test_t_a_a_contract_of_which_one_half_seal_or_name_is_forged_opens_nothing(forge: Callable[[Halves], None]) -> None:
    halves = Halves()
    assert verify_contract(halves.papers(), halves.trust, halves.pins)
    forge(halves)
    with pytest.raises(Untrusted):
        verify_contract(halves.papers(), halves.trust, halves.pins)


def test_t_a_a_checkpoint_of_another_origin_or_key_proves_nothing() -> None:
    halves = Halves()
    others = (
        halves.proof(origin="demo/other"),
        halves.proof(key=Ed25519PrivateKey.generate()),
        replace(halves.proof(), index=2),
    )
    for proof in others:
        papers = halves.papers(proof=str(proof).encode())
        with pytest.raises(Untrusted):
            verify_contract(papers, halves.trust, halves.pins)


# ---------------------------------------------------------------- two connectors and a broken broker


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("attacked")
    space = Space(folder).open()
    try:
        provider = space.member("hospital-a", "provider", quantum_ms=20)
        consumer = space.member("pharma-b", "consumer")
        made = provide(provider, folder, offers=(offer(), offer(id="off-manual", approval="manual")))
        agree(provider, consumer, made.product)
        yield Pair(space, folder, made.product, made.resources[0].id)
    finally:
        space.close()


@pytest.fixture
def sides(pair: Pair) -> Sides:
    """Both roles behind a broker that takes everything and hides what the test hides."""
    broker = GullibleBroker()
    provider, consumer = pair.provider.provider, pair.consumer.consumer
    for role in (provider, consumer):
        assert isinstance(role._author, Author)
    p = type(provider)(
        provider._author, provider._trust, provider._products, provider._catalog, broker,
        Pen(provider._author, broker, provider._pen._marks), provider._agreements, provider._origin,
        provider._chartered, provider.limits, provider._shelf, provider._connector_of,
    )  # fmt: skip
    c = type(consumer)(
        consumer._author, consumer._trust, consumer._catalog, broker,
        Pen(consumer._author, broker, consumer._pen._marks), consumer._agreements, consumer._marks, consumer._origin,
        consumer._chartered,
    )  # fmt: skip
    return Sides(broker, p, c, pair, [])


@dataclass
class BrokenInto:
    """The broker's online keys in an attacker's hands."""

    pair: Pair

    def countersign(self, agreement: Statement) -> Statement:
        body: Object = {
            "negotiation": agreement.body["negotiation"],
            "agreement": agreement.digest(),
            "envelope": canonical.digest(agreement.to_bytes()),
            "parties": ["hospital-a", "pharma-b"],
        }
        at = self.pair.provider.provider._author.clock.now()
        made = draft("agreement.finalized", body, space="demo", issuer="broker", at=at)
        return made.sign(ring_of(self.pair.space.broker_folder).signer(), at)

    def forked(self, leaf: bytes, *others: bytes) -> LogProof:
        """A proof in a tree of the attacker's own, under a checkpoint that the real log key signed."""
        ring = ring_of(self.pair.space.broker_folder)
        private = keys.read_key(ring.folder / "log.key", ring.passphrase)
        assert isinstance(private, Ed25519PrivateKey)
        key = VerifierKey.parse(self.pair.space.file.log_key)
        leaves = [tree.leaf_hash(each) for each in (leaf, *others)]
        note = checkpoint.sign(Checkpoint(key.name, len(leaves), tree.root(leaves)), key, private.sign)
        return LogProof(0, tuple(tree.inclusion_proof(0, len(leaves), tree.reader(leaves))), note)

    def shown(self, progress: Progress, agreement: Statement) -> Progress:
        """The negotiation as finalised, in a log that nobody else sees."""
        final = self.countersign(agreement)
        proof = self.forked(final.to_bytes())
        return replace(progress, state=State.FINALIZED, agreement=agreement, countersignature=final, proof=proof)


def ids(side: Connector) -> set[str]:
    return {each.agreement.id for each in side.agreements.all()}


def test_t_a_a_stolen_signing_key_and_the_brokers_keys_together_put_no_agreement_in_force(
    pair: Pair, sides: Sides
) -> None:
    """The thief makes the provider's half with a key that may long be replaced, and everything else with the broker."""
    asked = sides.ask()
    loose = replace(sides.drawn_up(asked), id=new_id("agr"), offline_share_percent=100)
    forged = sides.provider._author.say(AGREEMENT, loose.body())
    forged = forged.sign(sides.consumer._author.signer, forged.time)
    with pytest.raises(Untrusted) as caught:
        sides.provider.react(BrokenInto(pair).shown(asked, forged))
    assert caught.value.parameters["where"] == "own half"
    assert loose.id not in ids(pair.provider)


def test_t_c_a_consumer_that_withdrew_signs_nothing_more_where_the_broker_hides_its_word(sides: Sides) -> None:
    asked = sides.ask("off-manual")
    sides.consumer.withdraw(asked.id, "changed our mind")
    hidden = replace(asked, messages=asked.messages[:1])
    sides.broker.held[asked.id] = list(hidden.messages)
    agreed = sides.agree_on(hidden, sides.drawn_up(hidden))
    with pytest.raises(Conflict):
        sides.consumer.react(agreed)
    assert "verified" not in types(sides.broker)


def test_t_c_a_provider_that_refused_agrees_no_more_where_the_broker_shows_the_request_again(sides: Sides) -> None:
    asked = sides.ask("off-manual")
    sides.provider.refuse(asked.id, "not this year")
    sides.broker.held[asked.id] = list(asked.messages)
    with pytest.raises(Conflict):
        sides.provider.approve(asked.id)
    assert "agreed" not in types(sides.broker)


def test_t_e_an_agreement_taken_back_before_it_was_final_is_not_in_force_though_the_broker_finalizes_it(
    pair: Pair, sides: Sides
) -> None:
    asked = sides.ask()
    sides.provider.react(asked)
    sides.consumer.react(sides.broker.negotiation(asked.id))
    verified = sides.broker.negotiation(asked.id)
    assert verified.state is State.VERIFIED
    found = sides.provider._read(verified)
    sides.provider._pen.terminate(found, "negotiation.refused", "second thoughts")
    assert found.agreement is not None
    with pytest.raises(Untrusted):
        sides.provider.react(BrokenInto(pair).shown(verified, found.agreement))
    assert str(found.agreement.body["agreement"]) not in ids(pair.provider)


def test_t_a_a_participant_that_the_root_did_not_certify_as_a_consumer_gets_no_agreement(
    pair: Pair, sides: Sides
) -> None:
    """An honest broker would not take the request; whether it does is not for the broker to say."""
    folder = pair.space.enrol("regulator-r", "regulator")
    ring = Settings.read(Home(folder)).ring(Home(folder))
    asked = sides.ask()
    pair.provider.trust.learn("regulator-r")
    body = asked.messages[0].body | {
        "consumer": "regulator-r",
        "connector": "regulator-r-c1",
        "negotiation": new_id("neg"),
    }
    at = asked.messages[0].time
    said = draft("negotiation.requested", body, space="demo", issuer="regulator-r", at=at).sign(ring.signer(), at)
    sides.provider.react(sides.broker.advance(said))
    assert sides.broker.sent[-1].body["code"] == "permission.role"


@pytest.mark.parametrize("others", [0, 40], ids=["shorter", "longer"])
def test_t_d_a_log_that_shows_a_connector_another_history_is_caught_and_the_evidence_kept(
    pair: Pair, sides: Sides, others: int
) -> None:
    asked = sides.ask()
    sides.provider.react(asked)
    sides.consumer.react(sides.broker.negotiation(asked.id))
    verified = sides.broker.negotiation(asked.id)
    agreement = sides.provider._read(verified).agreement
    assert agreement is not None
    attacker = BrokenInto(pair)
    shown = attacker.shown(verified, agreement)
    assert shown.countersignature is not None
    fillers = [b"filler %d" % number for number in range(others)]
    shown = replace(shown, proof=attacker.forked(shown.countersignature.to_bytes(), *fillers))
    for side, react in ((pair.provider, sides.provider.react), (pair.consumer, sides.consumer.react)):
        marks = side.agreements._marks
        before = len(marks.all(SPLIT))
        assert code(lambda react=react: react(shown)) == "log.inconsistent"  # type: ignore[misc]
        assert len(marks.all(SPLIT)) == before + 1
        assert str(agreement.body["agreement"]) not in ids(side)


def test_t_e_an_agreement_that_the_witnesses_did_not_see_is_not_in_force(
    pair: Pair, sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker has the log's key and shows the true history; only the witnesses of the charter are missing."""
    asked = sides.ask()
    sides.provider.react(asked)
    sides.consumer.react(sides.broker.negotiation(asked.id))
    verified = sides.broker.negotiation(asked.id)
    agreement = sides.provider._read(verified).agreement
    assert agreement is not None
    history = pair.provider.agreements._history
    absent = Cosigner("regulator-a", VerifierKey.parse(pair.space.file.log_key), lambda: datetime.now(UTC))
    monkeypatch.setattr(history, "_policy", lambda: WitnessPolicy.parse(policy(1, absent)))
    shown = BrokenInto(pair).shown(verified, agreement)
    sides.provider.react(shown)
    assert str(agreement.body["agreement"]) not in ids(pair.provider)
    assert shown.proof is not None
    request = Request(0, (), shown.proof.checkpoint)
    witnessed = request.note + absent.cosigned(request).rpartition("\n\n")[2]
    assert history.counts(witnessed)
    with pytest.raises(Untrusted):  # and what is witnessed must be of this log's history all the same
        sides.provider.react(replace(shown, proof=replace(shown.proof, checkpoint=witnessed)))


def test_t_d_checkpoints_of_one_history_in_any_order_are_believed(pair: Pair) -> None:
    """The control of the test before: an honest log is never accused."""
    agreements = pair.consumer.agreements
    history = LogHistory(agreements._log, agreements._marks, agreements._pins.log)
    for held in agreements.all():
        history.check(LogProof.parse(held.proof.decode()).checkpoint)
    log = agreements._log
    assert isinstance(log, LogClient)
    assert history.check(log.checkpoint()).size >= 1


def test_t_c_messages_of_two_negotiations_do_not_mix(sides: Sides) -> None:
    one, other = sides.ask(), sides.ask()
    agreed = sides.agree_on(one, sides.drawn_up(one))
    mixed = replace(sides.broker.negotiation(other.id), state=State.AGREED)
    with pytest.raises(HefuError):
        sides.consumer.react(replace(mixed, messages=(other.messages[0], agreed.messages[1])))
    crossed = sides.agree_on(other, sides.drawn_up(one))
    sides.consumer.react(crossed)
    assert types(sides.broker)[-1] == "terminated"


def test_a_c_one_caller_cannot_hold_all_the_streams_of_a_server(pair: Pair) -> None:
    negotiations = pair.consumer.desk.overview._negotiations
    assert isinstance(negotiations, NotedNegotiations)
    streams = [negotiations.watch(0) for _ in range(40)]
    with futures.ThreadPoolExecutor(40) as pool:
        opened = list(pool.map(_first, streams))
        assert 0 < opened.count("open") <= transport.DEFAULT_LIMITS.streams_each
        assert opened.count("peer.overloaded") == 40 - opened.count("open")
        assert pair.provider.provider.waiting() is not None
    for each in streams:
        each.close()  # type: ignore[attr-defined]


def _first(stream: Iterator[Progress]) -> str:
    try:
        next(stream)
    except Unavailable as fault:
        return fault.code
    return "open"


# ---------------------------------------------------------------- the transport


def test_a_c_an_error_that_a_hostile_peer_wrote_is_read_as_an_error_and_moves_no_cursor(tmp_path: Path) -> None:
    info = error_details_pb2.ErrorInfo(
        reason="resource.not_found",
        domain="hefu",
        metadata={"reasons": "x", "detail": "y", "what": "\x1b[2Jproduct", "name": "n"},
    )
    packed = any_pb2.Any()
    packed.Pack(info)
    status = status_pb2.Status(code=code_pb2.NOT_FOUND, message="m", details=[packed])

    def refuse(_: object, context: grpc.ServicerContext) -> None:
        context.abort_with_status(rpc_status.to_status(status))

    address = f"unix:{tmp_path / 's'}"
    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(refuse, audit_pb2.GetCheckpointRequest.FromString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x.Y", {"Z": handler}),))
    server.add_insecure_port(address)
    server.start()
    try:
        with transport.connect(address, root_pem=None) as channel:
            call = channel.unary_unary("/x.Y/Z", audit_pb2.GetCheckpointRequest.SerializeToString)
            with pytest.raises(NotFound) as caught:
                transport.invoke(call, audit_pb2.GetCheckpointRequest(), peer=PEER)
    finally:
        server.stop(0).wait()
    assert caught.value.reasons == ()
    assert "\x1b" not in caught.value.public()


@pytest.mark.parametrize("form", ["stream_stream", "unary_stream", "stream_unary", "unary_unary"])
def test_t_a_every_form_of_call_is_authenticated(tmp_path: Path, form: str) -> None:
    reached = threading.Event()

    def behaviour(request: Any, _: grpc.ServicerContext) -> Any:
        reached.set()
        return iter(()) if form.endswith("stream") else b""

    def add(server: grpc.Server) -> None:
        handler = getattr(grpc, f"{form}_rpc_method_handler")(behaviour)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x.Y", {"Z": handler}),))

    def nobody(_: str) -> Binding:
        raise Unauthenticated("identity.unknown")

    address = f"unix:{tmp_path / 's'}"
    running = transport.serve(address, [add], None, nobody)
    try:
        with transport.connect(address, root_pem=None) as channel:
            asked: Any = iter([b""]) if form.startswith("stream") else b""
            call = getattr(channel, form)("/x.Y/Z")
            with pytest.raises(grpc.RpcError) as caught:
                list(call(asked, timeout=5))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
        assert not reached.is_set()
    finally:
        running.stop(0)


# ---------------------------------------------------------------- the broker, and members that misbehave


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, clock = tmp_path_factory.mktemp("broker"), SetClock()
    plan = Plan(folder / "broker", folder / "root", "demo", "127.0.0.1:0", "127.0.0.1:0", "hefu.example/demo")
    found(plan, clock)
    made = World(plan.folder, plan.root, clock, open_rooms(plan.folder, clock, serving=True))
    for name, role in (("hospital-a", "provider"), ("insurer-b", "consumer"), ("mallory", "consumer")):
        made.person(name, role)
    yield made
    made.rooms.database.close()


@pytest.fixture
def deal(world: World) -> Deal:
    product = new_id("prd")
    made = description(product, resource=new_id("res"))
    provider = world.person("hospital-a", "provider")
    return Deal(world, provider, world.person("insurer-b", "consumer"), publish(world, provider, made))


def mallory(world: World) -> Person:
    return world.person("mallory", "consumer")


def test_t_e_an_end_that_no_connector_would_believe_does_not_stand_in_the_way_of_a_true_one(deal: Deal) -> None:
    """A party names the negotiation instead of the agreement: the broker would call it ended and refuse the other's."""
    deal.reach("FINALIZED")
    contracts = deal.world.rooms.contracts
    spoiled = deal.ended(deal.consumer, agreement=deal.id)
    assert code(lambda: contracts.terminate(deal.consumer.caller, spoiled)) == "agreement.other"
    assert contracts.terminate(deal.provider.caller, deal.ended(deal.provider)).termination is not None


@pytest.mark.parametrize("days", [-3000, 3000])
def test_t_d_a_signature_dated_far_away_does_not_enter_the_log_to_spoil_everybodys_verdict(
    world: World, days: int
) -> None:
    me, now = mallory(world), world.clock.now()
    made = draft("computation.requested", {"a": 1}, space="demo", issuer=me.id, at=now)
    made = made.sign(me.ring.signer(), now + timedelta(days=days))
    assert code(lambda: world.rooms.log.append(me.caller, [made.to_bytes()])) == "statement.early"


def test_t_a_a_member_cannot_put_a_countersignature_or_a_status_list_into_the_log(world: World) -> None:
    me = mallory(world)
    for type_ in ("agreement.finalized", "agreement", "status.list", "participant.certified", "transport.bound"):
        data = me.says(type_, {})
        assert code(lambda data=data: world.rooms.log.append(me.caller, [data])) == "statement.wrong_type"  # type: ignore[misc]


def test_t_a_names_in_a_signing_request_do_not_come_into_the_certificate(world: World) -> None:
    me = mallory(world)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name)
    asked = asked.add_extension(x509.SubjectAlternativeName([x509.DNSName("broker.hefu")]), critical=False)
    asked = asked.add_extension(x509.BasicConstraints(ca=True, path_length=3), critical=True)
    csr = asked.sign(me.ring.transport(), hashes.SHA256()).public_bytes(Encoding.DER)
    issued = x509.load_der_x509_certificate(world.rooms.registry.renew(me.caller, csr).der)
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mallory-conn.hefu"]
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert b"broker" not in issued.subject.public_bytes()


def test_t_a_what_is_anothers_and_what_is_not_there_are_told_in_the_same_words(deal: Deal) -> None:
    deal.reach("FINALIZED")
    contracts, me = deal.world.rooms.contracts, mallory(deal.world)
    for id_ in (deal.id, deal.agreement_id):
        with pytest.raises(NotFound) as there:
            contracts.talk(me.caller, id_)
        gone = id_[:4] + "a" * (len(id_) - 4)
        with pytest.raises(NotFound) as absent:
            contracts.talk(me.caller, gone)
        assert there.value.public().replace(id_, "X") == absent.value.public().replace(gone, "X")
        assert there.value.parameters.keys() == absent.value.parameters.keys()


def test_t_c_one_token_lets_one_of_many_racers_in(world: World) -> None:
    token = world.rooms.enrolments.invite("newcomer", frozenset({"consumer"}))
    csr = world.ring("newcomer").csr()
    asked = [world.asked("newcomer", "consumer").to_bytes() for _ in range(8)]
    got: list[str] = []

    def one(data: bytes) -> None:
        try:
            got.append(world.rooms.enrolments.enroll(token, data, csr).id)
        except Unauthenticated as fault:
            got.append(fault.code)

    with futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one, asked))
    assert got.count("token.refused") == 7


@pytest.mark.parametrize("bad", [b"[" * 50_000, b'{"payload":' * 9000, b"\xff" * 100, b"{" + b" " * 70_000 + b"}"])
def test_a_c_nested_broken_and_huge_statements_are_refused_in_bounded_time(deal: Deal, bad: bytes) -> None:
    rooms, caller = deal.world.rooms, deal.consumer.caller
    for door in (rooms.contracts.advance, rooms.contracts.terminate, rooms.catalog.publish, rooms.registry.bind):
        with pytest.raises(HefuError) as caught:
            door(caller, bad)
        assert caught.value.kind in {"malformed", "refused"}


def test_t_a_a_page_token_of_another_caller_or_of_our_own_making_is_refused(deal: Deal) -> None:
    for _ in range(2):
        Deal(deal.world, deal.provider, deal.consumer, deal.product).reach("REQUESTED")
    contracts = deal.world.rooms.contracts
    _, token = contracts.page(deal.consumer.caller, 1, "")
    assert code(lambda: contracts.page(mallory(deal.world).caller, 1, token)) == "page.refused"
    flipped = ("A" if token[0] != "A" else "B") + token[1:]
    assert code(lambda: contracts.page(deal.consumer.caller, 1, flipped)) == "page.refused"


# ---------------------------------------------------------------- what the offline verifier believes


@pytest.fixture
def small() -> SmallLog:
    made = SmallLog()
    made.tell()
    return made


def report(small: SmallLog, folder: Path, pins: Pins | None = None) -> Report:
    with open_bundle(small.bundle(folder / "bundle.zip")) as bundle:
        return verify(bundle, pins)


def revoke(small: SmallLog, subject: str, by: str = BROKER) -> None:
    standing = Standing(subject, "revoked", small.at, "stolen")
    small.say(identity.STATUS, StatusList(2, small.at, (standing,)).body(), by)


@pytest.mark.parametrize("what", ["participant", "key"])
def test_t_b_the_verifier_finds_what_a_revoked_participant_or_key_signed_afterwards(
    small: SmallLog, tmp_path: Path, what: str
) -> None:
    revoke(small, PROVIDER if what == "participant" else small.signers[PROVIDER].key)
    assert report(small, tmp_path).holds
    small.at += timedelta(seconds=90)
    small.release("cmp-late")
    assert "statements" in report(small, tmp_path).failed()


def test_t_b_a_status_list_of_anybody_but_the_pinned_operator_is_a_fault(small: SmallLog, tmp_path: Path) -> None:
    revoke(small, BROKER, by=PROVIDER)
    assert report(small, tmp_path).failed() == ["statements"]


def test_t_d_a_bundle_that_names_another_broker_is_not_that_of_the_pinned_space(
    small: SmallLog, tmp_path: Path
) -> None:
    pinned = Pins(small.space.root, small.log_key, space=small.space)
    assert report(small, tmp_path, pinned).holds
    small.space = replace(small.space, broker=PROVIDER)
    assert "trust" in report(small, tmp_path, pinned).failed()


def test_promise_6_a_stranger_cannot_charge_an_agreement_of_others(small: SmallLog, tmp_path: Path) -> None:
    """Its forged receipt is a fault of its own and makes nobody seem to have overspent."""
    small.signers["mallory"] = signer("mallory")
    small.certify("mallory", "provider")
    forged = small.receipt("cmp-forged", 900_000_000)
    small.say("computation.sealed", forged.body(), "mallory")
    failed = report(small, tmp_path).failed()
    assert "receipts" in failed
    assert "budgets" not in failed


def test_promise_6_a_consumer_that_dates_its_termination_back_accuses_nobody(small: SmallLog, tmp_path: Path) -> None:
    small.at += timedelta(hours=2)
    small.release("cmp-before")
    now, small.at = small.at, small.at - timedelta(hours=1)
    small.terminate()
    small.at = now
    assert report(small, tmp_path).holds
    small.at += timedelta(seconds=700)
    small.release("cmp-late")
    assert report(small, tmp_path).failed() == ["terminations"]


def test_promise_6_a_stranger_that_says_it_asked_for_a_computation_of_others_accuses_nobody(
    small: SmallLog, tmp_path: Path
) -> None:
    small.signers["mallory"] = signer("mallory")
    small.certify("mallory", "consumer")
    small.say("computation.requested", {"computation": "cmp-one"}, "mallory")
    assert report(small, tmp_path).holds


def test_a_c_a_title_from_a_stranger_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False, language="en")
    output.say("Title: \x1b[2J\u202egnp.exe")
    output.table(("title",), [["a\x1b]0;x\x07\nb"]])
    explain(NotFound("resource.not_found", what="product", name="\x1b[1m"), output)
    told = capsys.readouterr()
    assert not {"\x1b", "\x07", "\u202e"} & set(told.out + told.err)


def test_t_f_a_passphrase_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pass").write_bytes(b"open sesame")
    (tmp_path / "pass").chmod(0o644)
    settings = Settings("hospital-a", "hospital-a-c1", passphrase_file=str(tmp_path / "pass"))
    assert code(lambda: settings.ring(Home(tmp_path))) == "key.loose_file"
    (tmp_path / "pass").chmod(0o600)
    assert settings.ring(Home(tmp_path)).passphrase == b"open sesame"


def test_a_c_a_bundle_that_unpacks_to_far_more_than_it_is_is_refused_unread(small: SmallLog, tmp_path: Path) -> None:
    good, bomb = small.bundle(tmp_path / "good.zip"), tmp_path / "bomb.zip"
    line = b'{"leaf":"' + b"A" * 43 + b'"}\n'
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, line * 200_000 if name == ENTRIES else source.read(name))
    with pytest.raises(Malformed), open_bundle(bomb):
        pass


# ---------------------------------------------------------------- the only door to the data


@pytest.fixture
def door(tmp_path: Path) -> Iterator[engine_room.Space]:
    made = engine_room.Space(tmp_path)
    yield made
    made.enforcement.close()


def test_t_a_a_request_of_another_key_space_type_or_caller_is_not_even_admitted(door: engine_room.Space) -> None:
    good = door.request()
    thief = FileSigner(engine_room.CONSUMER, Ed25519PrivateKey.generate())
    now = door.clock.now()

    def said(type_: str, space: str, by: FileSigner) -> Statement:
        return draft(type_, good.body, space=space, issuer=engine_room.CONSUMER, at=now).sign(by, now)

    own, provider = door.signers[engine_room.CONSUMER], door.signers[engine_room.PROVIDER]
    attacks = (
        said(good.type, "demo", thief),
        said(good.type, "elsewhere", own),
        said("negotiation.requested", "demo", own),
        said(good.type, "demo", provider),
    )
    for attack in attacks:
        with pytest.raises(HefuError):
            door.enforcement.create(attack, engine_room.CONSUMER)
    with pytest.raises(Unauthenticated):
        door.enforcement.create(good, "mallory")
    assert door.journal.find(str(good.body["computation"])) is None


def test_promise_5_whatever_a_consumer_asks_the_end_fits_into_the_log(door: engine_room.Space) -> None:
    """An entry that the broker must turn down for its size would hold up all that come after it."""
    long = "m" * 63
    plans: list[Object] = [
        door.plan("0.5") | {"product": "x" * 5000},
        door.plan("0.5") | {"k" * 5000: 1},
        door.plan("0.5") | {"group_by": ["region" + "x" * 3000]},
        door.plan("0.5")
        | {
            "aggregates": [
                {"function": "mean", "column": "age", "alias": f"{long[:60]}{number:02}"} for number in range(16)
            ]
        },
    ]
    for plan in plans:
        run = door.enforcement.create(door.request(plan=plan), engine_room.CONSUMER)
        while run.state not in FINAL:
            run = door.enforcement.wait(run.id, engine_room.CONSUMER, 10)
        assert run.state in {ComputationState.REFUSED, ComputationState.RELEASED}
        assert run.receipt is not None
        assert len(run.receipt) < 16 * 1024
