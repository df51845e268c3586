"""What `hefu_broker.ports` promises of every store; run on SQLite (fresh, and opened again) and PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hefu.envelope import Statement, draft
from hefu.errors import Conflict, NotFound, Refused, Unauthenticated, Untrusted
from hefu.identity import Binding, Participant, Standing, StatusList
from hefu.tlog import tiles, tree
from hefu_broker import words
from hefu_broker.records import (
    Certificate,
    Enrolment,
    EnrolmentState,
    Entry,
    Head,
    Kept,
    Lease,
    Listing,
    Marks,
    Outgoing,
    Search,
    Talk,
    Token,
)
from hefu_broker.storage.catalog import SqlCatalogStore
from hefu_broker.storage.charters import SqlCharterStore
from hefu_broker.storage.contracts import SqlTalkStore
from hefu_broker.storage.counter import next_of
from hefu_broker.storage.database import Database, configuration, newest_version
from hefu_broker.storage.lease import SqlLeaseStore
from hefu_broker.storage.log import SqlLogStore
from hefu_broker.storage.models import ClassificationRow, CounterRow
from hefu_broker.storage.outbox import SqlOutboxStore
from hefu_broker.storage.registry import SqlEnrolmentStore, SqlRegistryStore
from hefu_broker.storage.spaces import SqlSpaceStore
from hefu_broker.storage.tidings import SqlTidings
from hefu_policies.states.lifecycle import ProductState
from hefu_policies.states.negotiation import State
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from tests.broker.world import description
from tests.postgresql import PostgreSQL

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
CONSUMER, PROVIDER = "insurer-b", "hospital-a"


@pytest.fixture(scope="session")
def prepared(postgresql: PostgreSQL) -> str:
    """A database of PostgreSQL with the newest schema, to be copied."""
    url = postgresql.database()
    Database(url, "demo", "demo-broker").close()
    return url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file; how it is made is tested with the migrations."""
    path = tmp_path_factory.mktemp("migrated") / "broker.db"
    Database(path, "demo", "demo-broker").close()
    return path


@pytest.fixture(params=["fresh", "opened again", "postgresql"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, migrated: Path) -> Iterator[Database]:
    where: Path | str = tmp_path / "broker.db"
    if request.param == "postgresql":
        where = request.getfixturevalue("postgresql_url")
    else:
        shutil.copy(migrated, where)
    if request.param == "opened again":
        Database(where, "demo", "demo-broker").close()
    found = Database(where, "demo", "demo-broker")
    yield found
    found.close()


def said(number: int, type_: str = "computation.sealed", issuer: str = PROVIDER) -> Statement:
    return draft(type_, {"number": number}, space="demo", issuer=issuer, at=NOW)


def outgoing(number: int, *parties: str) -> Outgoing:
    return Outgoing.of(said(number), *parties)


def queued(database: Database) -> list[str]:
    return [each.outgoing.type for each in SqlOutboxStore(database).pending(1000)]


def participant(name: str = PROVIDER) -> Participant:
    external = {"scheme": "subject", "value": "91310000MA1FL00000"[:18], "issuer": "registry", "status": "active"}
    return Participant(
        name, {"en": name}, frozenset({"provider"}), (), b"\x01" * 32, NOW, NOW + timedelta(days=1), (external,)
    )


def enrolment(id_: str = "enr-1", request: bytes = b"request") -> Enrolment:
    return Enrolment(id_, PROVIDER, "hospital-a-conn", frozenset({"provider"}), request, b"csr", NOW)


def token(life: timedelta = timedelta(hours=1)) -> Token:
    return Token("sha256:token", PROVIDER, frozenset({"provider", "consumer"}), NOW + life)


def talk(id_: str = "neg-1", **changes: object) -> Talk:
    request = draft("negotiation.requested", {"negotiation": id_}, space="demo", issuer=CONSUMER, at=NOW)
    plain = Talk(id_, CONSUMER, PROVIDER, "prd-1", "sha256:d", "off-1", State.REQUESTED, (request,), NOW)
    return replace(plain, **changes)


# Enrolments


def test_a_token_opens_one_enrolment(stored: Database) -> None:
    store = SqlEnrolmentStore(stored)
    store.issue(token())
    assert store.open(enrolment(), "sha256:token", NOW) == enrolment()
    assert store.open(enrolment("enr-2"), "sha256:token", NOW) == enrolment()  # the same request: what was stored
    with pytest.raises(Unauthenticated):
        store.open(enrolment("enr-3", b"other"), "sha256:token", NOW)
    assert store.enrolments(EnrolmentState.PENDING) == [enrolment()]


def test_a_token_is_refused_where_unknown_expired_or_of_another(stored: Database) -> None:
    store = SqlEnrolmentStore(stored)
    with pytest.raises(Unauthenticated):
        store.open(enrolment(), "sha256:token", NOW)
    store.issue(token())
    with pytest.raises(Unauthenticated):
        store.open(enrolment(), "sha256:token", NOW + timedelta(hours=2))
    for other in (
        replace(enrolment(), participant="bank-c"),
        replace(enrolment(), roles=frozenset({"regulator"})),
    ):
        with pytest.raises(Refused):
            store.open(other, "sha256:token", NOW)
    with pytest.raises(NotFound):
        store.enrolment("enr-1")


def test_of_many_requests_at_once_with_one_token_one_wins(stored: Database) -> None:
    store, won = SqlEnrolmentStore(stored), []
    store.issue(token())

    def race(number: int) -> None:
        with suppress(Unauthenticated):
            won.append(store.open(enrolment(f"enr-{number}", b"%d" % number), "sha256:token", NOW))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(won) == 1


def test_a_closed_enrolment_stays_closed(stored: Database) -> None:
    store, registry = SqlEnrolmentStore(stored), SqlRegistryStore(stored)
    store.issue(token())
    store.open(enrolment(), "sha256:token", NOW)
    certification = outgoing(1)
    registry.certify(participant(), certification, "enr-1")
    assert store.enrolment("enr-1").state is EnrolmentState.CERTIFIED
    assert store.enrolment("enr-1").certification == certification.envelope
    with pytest.raises(Conflict):
        store.reject("enr-1")


# Registry


def test_a_name_is_kept_once_and_logged_with_it(stored: Database) -> None:
    store, certification = SqlRegistryStore(stored), outgoing(1)
    store.certify(participant(), certification, None)
    with pytest.raises(Conflict):
        store.certify(participant(), outgoing(2), None)
    assert queued(stored) == ["computation.sealed"]
    assert store.statements(NOW) == Kept(1, (certification.envelope,))
    assert store.statements(NOW, 1) == Kept(1, ())


def test_only_an_issued_certificate_is_bound_and_only_valid_ones_are_listed(stored: Database) -> None:
    store = SqlRegistryStore(stored)
    binding = Binding(PROVIDER, "hospital-a-conn", b"der", "host:1", NOW + timedelta(hours=1))
    with pytest.raises(Untrusted):
        store.bind(binding, outgoing(1))
    issued = Certificate(binding.fingerprint, b"der", PROVIDER, "hospital-a-conn", binding.not_after)
    store.issued(issued)
    assert store.certificate(binding.fingerprint) == issued
    for stolen in (replace(binding, participant="bank-c"), replace(binding, connector="x-conn")):
        with pytest.raises(Untrusted):
            store.bind(stolen, outgoing(1))
    with pytest.raises(Untrusted):
        store.bind(replace(binding, not_after=NOW + timedelta(days=9)), outgoing(1))
    kept = outgoing(1)
    assert store.bind(binding, kept) == issued
    assert store.bind(binding, kept) == issued
    assert queued(stored) == ["computation.sealed"]
    assert store.statements(NOW).envelopes == (kept.envelope,)
    assert store.statements(NOW + timedelta(hours=2)).envelopes == ()


def test_a_status_list_follows_the_one_before(stored: Database) -> None:
    store = SqlRegistryStore(stored)
    store.certify(participant(), outgoing(0), None)
    standing = Standing(PROVIDER, "suspended", NOW, "why")
    with pytest.raises(Conflict):
        store.replace_status(StatusList(2, NOW), outgoing(2), logged=True)
    store.replace_status(StatusList(1, NOW, (standing,)), outgoing(1), logged=True)
    with pytest.raises(Conflict):
        store.replace_status(StatusList(1, NOW), outgoing(3), logged=True)
    second = outgoing(2)
    store.replace_status(StatusList(2, NOW, (standing,)), second, logged=False)
    assert store.status() == second.envelope
    assert len(queued(stored)) == 2
    with stored.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT state FROM membership").scalars().all() == ["suspended"]


# Catalog


def listing(product: str = "prd-1", **changes: object) -> Listing:
    one = description(product, **changes)
    return Listing(draft("product.published", one.body(), space="demo", issuer=PROVIDER, at=NOW), one)


def test_versions_form_a_chain(stored: Database) -> None:
    store, first = SqlCatalogStore(stored), listing()
    store.publish(first, None, ("a", "b", "c"), Outgoing.of(first.statement))
    second = listing(version=2, previous=first.digest)
    for previous in (None, "sha256:" + "0" * 64):
        with pytest.raises(Conflict):
            store.publish(second, previous, ("a", "b", "c"), Outgoing.of(second.statement))
    store.publish(second, first.digest, ("a", "b", "c"), Outgoing.of(second.statement))
    assert store.listing("prd-1").digest == second.digest
    assert store.listing("prd-1", first.digest).digest == first.digest
    with pytest.raises(NotFound):
        store.listing("prd-1", "sha256:" + "0" * 64)
    assert len(queued(stored)) == 2


def test_of_two_next_versions_at_once_one_wins(stored: Database) -> None:
    store, first = SqlCatalogStore(stored), listing()
    store.publish(first, None, ("a", "b", "c"), Outgoing.of(first.statement))
    lost = []

    def race(number: int) -> None:
        fresh = listing(version=2, previous=first.digest, legal_basis=f"basis {number}")
        try:
            store.publish(fresh, first.digest, ("a", "b", "c"), Outgoing.of(fresh.statement))
        except Conflict:
            lost.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(lost) == 3
    assert len(queued(stored)) == 2


def test_a_retired_product_takes_no_version_and_is_not_searched(stored: Database) -> None:
    store, first = SqlCatalogStore(stored), listing()
    store.publish(first, None, ("糖尿 尿病", "b", "c"), Outgoing.of(first.statement))
    assert store.search(Search(words.phrases("糖尿")), 0, 10).total == 1
    store.retire("prd-1", outgoing(7))
    store.retire("prd-1", outgoing(8))
    assert store.listing("prd-1").state is ProductState.RETIRED
    assert store.search(Search(), 0, 10).total == 0
    assert len(queued(stored)) == 2
    second = listing(version=2, previous=first.digest)
    with pytest.raises(Conflict):
        store.publish(second, first.digest, ("a", "b", "c"), Outgoing.of(second.statement))


# Negotiations


def test_a_negotiation_changes_only_from_the_revision_it_was_decided_on(stored: Database) -> None:
    store = SqlTalkStore(stored)
    kept = store.record(talk(), None, [outgoing(1, CONSUMER)])
    assert kept == replace(talk(), revision=1, messages=kept.messages)
    with pytest.raises(Conflict):
        store.record(talk(), None, [outgoing(2)])
    moved = store.record(replace(kept, state=State.TERMINATED), kept.revision, [outgoing(3)])
    assert moved.revision == 2
    with pytest.raises(Conflict):
        store.record(replace(kept, state=State.AGREED), kept.revision, [outgoing(4)])
    assert store.talk("neg-1") == moved
    assert len(queued(stored)) == 2  # what was refused is not queued either


def test_changes_and_pages_are_those_of_a_party_in_order_of_revision(stored: Database) -> None:
    store = SqlTalkStore(stored)
    for number in range(4):
        store.record(talk(f"neg-{number}", consumer=CONSUMER if number % 2 else "bank-c"), None, [])
    assert [each.id for each in store.changes(CONSUMER, 0, 10)] == ["neg-1", "neg-3"]
    assert [each.id for each in store.changes(None, 2, 10)] == ["neg-2", "neg-3"]
    assert [each.id for each in store.page(PROVIDER, None, 3)] == ["neg-3", "neg-2", "neg-1"]
    assert [each.id for each in store.page(PROVIDER, 2, 3)] == ["neg-0"]


def test_a_countersignature_below_the_published_size_is_noted_once(stored: Database) -> None:
    store, log = SqlTalkStore(stored), SqlLogStore(stored)
    countersigned = said(9, "agreement.finalized", "broker")
    store.record(talk(countersignature=countersigned), None, [Outgoing.of(countersigned)])
    assert store.settle(10) == 0
    sequence(stored)
    assert store.settle(0) == 0
    assert store.settle(1) == 1
    assert store.settle(1) == 0
    assert (store.talk("neg-1").index, store.talk("neg-1").revision) == (0, 2)
    assert log.head().size == 1


# Log


def lead(database: Database, holder: str = "node-1") -> Lease:
    leases = SqlLeaseStore(database, "sequencer")
    found = leases.take(leases.held(), holder)
    assert found is not None
    return found


def sequence(database: Database) -> Head:
    log, waiting = SqlLogStore(database), SqlOutboxStore(database).pending(1000)
    head = log.head()
    entries = [
        Entry(head.size + number, tree.leaf_hash(each.outgoing.envelope), each.outgoing)
        for number, each in enumerate(waiting)
    ]
    added = tiles.append(head.size, [each.leaf_hash for each in entries], tiles.held(log.tiles(tiles.edge(head.size))))
    after = Head(added.size, added.root)
    log.append(lead(database), head, [each.row for each in waiting], entries, added.tiles, after)
    return after


def test_an_envelope_is_queued_once_and_never_again_after_it_is_logged(stored: Database) -> None:
    store, one = SqlOutboxStore(stored), outgoing(1, CONSUMER)
    store.queue([one, one])
    store.queue([one])
    assert [each.outgoing for each in store.pending(10)] == [one]
    assert sequence(stored).size == 1
    store.queue([one])
    assert store.pending(10) == []


def test_entries_tiles_and_head_move_together(stored: Database) -> None:
    store, log = SqlOutboxStore(stored), SqlLogStore(stored)
    assert log.head() == Head(0, tree.EMPTY_ROOT)
    leaves: list[bytes] = []
    for size in (1, 300, 5):
        made = [outgoing(len(leaves) + number, CONSUMER) for number in range(size)]
        store.queue(made)
        leaves += [tree.leaf_hash(each.envelope) for each in made]
        assert sequence(stored) == log.head() == Head(len(leaves), tree.root(leaves))
    assert tiles.at_once(len(leaves), partial(tree.root_of, len(leaves)), log.tiles) == log.head().root
    assert [each.leaf_hash for each in log.entries(0, 1000)] == leaves
    assert [each.index for each in log.entries(299, 4)] == [299, 300, 301, 302]
    assert log.index_of(leaves[301]) == 301
    assert log.index_of(b"\x00" * 32) is None


def test_a_stale_sequencer_changes_nothing(stored: Database) -> None:
    store, log = SqlOutboxStore(stored), SqlLogStore(stored)
    store.queue([outgoing(1)])
    row, old = store.pending(1)[0], lead(stored)
    new, empty, entry = lead(stored, "node-2"), log.head(), Entry(0, b"\x01" * 32, row.outgoing)
    stale = [
        (new, Head(5, b"\x02" * 32)),  # it computed from another head
        (new, Head(0, b"\x02" * 32)),  # of the same size
        (old, empty),  # another process leads
        (replace(old, epoch=new.epoch), empty),
        (replace(new, name="other"), empty),
    ]
    for lease, before in stale:
        with pytest.raises(Conflict):
            log.append(lease, before, [row.row], [entry], [], Head(1, b"\x02" * 32))
    assert store.pending(1) == [row]
    assert (log.entries(0, 10), log.head()) == ([], empty)
    log.append(new, empty, [row.row], [entry], [], Head(1, b"\x02" * 32))
    assert store.pending(1) == []


def test_the_checkpoint_of_the_largest_size_is_the_newest(stored: Database) -> None:
    log = SqlLogStore(stored)
    assert log.checkpoint() is None
    for size, note in ((0, "none"), (7, "seven"), (3, "late")):
        log.keep_checkpoint(size, note)
    assert log.checkpoint() == "seven"


# Leases and tidings


def test_a_lease_changes_hands_once_for_each_look(stored: Database) -> None:
    store = SqlLeaseStore(stored, "sequencer")
    assert store.held() is None
    won, barrier = [], threading.Barrier(4)

    def race(number: int) -> None:
        barrier.wait()
        won.append(store.take(None, f"node-{number}"))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    (first,) = [each for each in won if each]
    assert store.held() == first
    store.beat(first)
    assert store.take(first, "node-9") is None  # it beat since it was seen
    beaten = store.held()
    assert beaten == replace(first, beat=first.beat + 1)
    second = store.take(beaten, "node-9")
    assert second is not None
    assert (second.epoch, second.holder) == (first.epoch + 1, "node-9")
    for gone in (store.beat, store.release):
        with pytest.raises(Conflict):
            gone(first)
    store.release(second)
    free = store.held()
    assert free is not None
    assert (free.holder, free.epoch) == ("", second.epoch)


def test_each_kind_of_change_shows_in_its_mark(stored: Database) -> None:
    tidings = SqlTidings(stored)
    assert tidings.marks() == Marks(0, 0, -1, waiting=False)
    SqlRegistryStore(stored).replace_status(StatusList(1, NOW), outgoing(1), logged=False)
    assert tidings.marks() == Marks(1, 0, -1, waiting=False)
    SqlTalkStore(stored).record(talk(), None, [outgoing(2)])
    assert tidings.marks() == Marks(1, 1, -1, waiting=True)
    sequence(stored)
    SqlLogStore(stored).keep_checkpoint(1, "note")
    assert tidings.marks() == Marks(1, 1, 1, waiting=False)


def test_another_process_is_heard_at_once_where_the_database_can(postgresql_url: str) -> None:
    stored = Database(postgresql_url, "demo", "demo-broker")
    tidings, woken = SqlTidings(stored), threading.Event()
    tidings.wait(0)  # it listens from now on

    def listen() -> None:
        tidings.wait(30)
        woken.set()

    threading.Thread(target=listen, daemon=True).start()
    script = (
        "import sys; from hefu_broker.storage.database import Database;"
        "from hefu_broker.storage.lease import SqlLeaseStore;"
        "SqlLeaseStore(Database(sys.argv[1], 'demo', 'demo-broker'), 'other').take(None, 'node-2')"
    )
    url = stored.url.set(drivername="postgresql").render_as_string()
    subprocess.run([sys.executable, "-c", script, url], check=True)
    assert woken.wait(5)
    tidings.close()
    stored.close()


# The database


def test_the_models_and_the_migrations_say_the_same(stored: Database) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    with stored.engine.connect() as connection:
        assert ScriptDirectory.from_config(configuration(connection)).get_current_head() == newest_version()
    with stored.engine.connect() as connection:
        command.check(configuration(connection))


def test_the_database_is_durable_and_keeps_foreign_keys(stored: Database) -> None:
    with stored.engine.connect() as connection:
        if stored.dialect == "postgresql":
            shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("synchronous_commit", "fsync")]
            assert shown == ["on", "on"]
        else:
            pragmas = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
            assert pragmas == ["wal", 2, 1]
    with pytest.raises(IntegrityError), stored.writing() as session:
        session.add(ClassificationRow(version=99, scheme="none", code="x"))


def test_writers_come_one_after_another_and_readers_see_one_moment(stored: Database) -> None:
    reading, written = threading.Event(), threading.Event()

    def count() -> int:
        with stored.writing() as session:
            return next_of(session, "demo", "test")

    def write() -> None:
        reading.wait()
        for _ in range(5):
            count()
        written.set()

    count()
    thread = threading.Thread(target=write)
    thread.start()
    with stored.reading() as session:
        first = session.exec(select(CounterRow.value)).one()
        reading.set()
        assert written.wait(10)
        assert session.exec(select(CounterRow.value)).one() == first == 1
    thread.join()
    others = [threading.Thread(target=count) for _ in range(8)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    assert count() == 15  # read and then written, and nothing lost


def test_every_fact_of_the_data_model_has_its_place(stored: Database) -> None:
    wanted = {
        "space": {"node"},
        "membership": {"space_id", "participant", "role", "state"},
        "external_id": {"scheme", "value", "issuer", "status"},
        "product": {"space_id", "kind"},
        "product_version": {"product_form", "delivery_mode", "execution_environment", "encryption", "security_grade",
                            "personal_data", "important_data", "legal_basis", "cross_border", "price_currency"},
        "version_resource": {"version", "resource"},
        "version_classification": {"scheme", "code"},
        "offer_reader": {"participant"},
        "agreement": {"space_id", "state"},
        "agreement_party": {"role", "connector", "signed"},
        "fulfilment": {"space_id", "state"},
        "data_element": {"standard", "version", "code"},
        "log_entry": {"space_id"},
    }  # fmt: skip
    with stored.engine.connect() as connection:
        for table, columns in wanted.items():
            assert columns <= {each["name"] for each in inspect(connection).get_columns(table)}, table


# Several spaces


def test_the_same_ids_serve_in_another_space_and_none_is_seen_there(stored: Database) -> None:
    other = stored.beside("other")
    for database, space in ((stored, "demo"), (other, "other")):
        talks, log, outbox = SqlTalkStore(database), SqlLogStore(database), SqlOutboxStore(database)
        with pytest.raises(NotFound):
            talks.talk("neg-1")
        request = draft("negotiation.requested", {"negotiation": "neg-1"}, space=space, issuer=CONSUMER, at=NOW)
        kept = talks.record(talk(messages=(request,)), None, [Outgoing.of(request)])
        assert (kept.revision, kept.messages) == (1, (request,))
        assert [each.outgoing.envelope for each in outbox.pending(9)] == [request.to_bytes()]
        assert (log.head().size, log.entries(0, 9), log.checkpoint()) == (0, [], None)
        log.keep_checkpoint(1, f"note of {space}")
    assert SqlLogStore(stored).checkpoint() == "note of demo"


def test_the_space_of_a_certificate_a_token_and_an_enrolment_is_known_over_all(stored: Database) -> None:
    other, spaces = stored.beside("other"), SqlSpaceStore(stored)
    SqlEnrolmentStore(other).issue(token())
    SqlEnrolmentStore(other).open(enrolment(), "sha256:token", NOW)
    SqlRegistryStore(other).issued(Certificate("sha256:f", b"der", PROVIDER, "hospital-a-conn", NOW))
    assert (
        spaces.of_token("sha256:token") == spaces.of_enrolment("enr-1") == spaces.of_certificate("sha256:f") == "other"
    )
    assert spaces.of_token("x") is spaces.of_enrolment("x") is spaces.of_certificate("x") is None
    assert SqlRegistryStore(stored).certificate("sha256:f") is None
    assert SqlRegistryStore(stored).holder("hospital-a-conn") is None
    with pytest.raises(NotFound):
        SqlEnrolmentStore(stored).enrolment("enr-1")


def test_charters_are_kept_in_order_and_within_a_space(stored: Database) -> None:
    here, there = SqlCharterStore(stored), SqlCharterStore(stored.beside("other"))
    assert here.newest() is None
    first, second = outgoing(1, "*"), outgoing(2, "*")
    here.keep(1, first)
    here.keep(2, second)
    for wrong in (1, 2, 4):
        with pytest.raises(Conflict):
            here.keep(wrong, outgoing(9))
    assert here.newest() == second.envelope
    assert there.newest() is None
    assert len(queued(stored)) == 2
