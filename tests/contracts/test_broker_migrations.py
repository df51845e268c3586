"""A broker's database of each released version goes on with its data, in both kinds of database.

Every table of the released schema gets a row, as that version wrote it; then the present version opens the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hefu import canonical
from hefu.envelope import Statement, draft
from hefu.errors import Conflict, Malformed
from hefu.keeping import sqlcipher
from hefu.tlog import tiles, tree
from hefu_broker import words
from hefu_broker.records import Enrolment, EnrolmentState, Head, Listing, Outgoing, Search, Talk
from hefu_broker.storage import database as room
from hefu_broker.storage.catalog import SqlCatalogStore
from hefu_broker.storage.contracts import SqlTalkStore
from hefu_broker.storage.database import Database, configuration, newest_version, parse, version
from hefu_broker.storage.log import SqlLogStore
from hefu_broker.storage.outbox import SqlOutboxStore
from hefu_broker.storage.registry import SqlEnrolmentStore, SqlRegistryStore
from hefu_policies.states.negotiation import State
from sqlalchemy import Connection, Engine, MetaData, create_engine, func, inspect, select

from tests.broker.world import description
from tests.postgresql import PostgreSQL

RELEASED = "0001"  # version 0.1.0
NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
LATER = "2026-11-22T10:00:00Z"
AT = "2026-11-21T10:00:00Z"


def said(type_: str, issuer: str, **body: Any) -> Statement:
    return draft(type_, body, space="demo", issuer=issuer, at=NOW)


CERTIFIED = said("participant.certified", "root", number=1)
BOUND = said("transport.bound", "hospital-a", number=2)
STATUS = said("status.list", "broker", number=3)
ONE = description("prd-1")
PRODUCT = draft("product.published", ONE.body(), space="demo", issuer="hospital-a", at=NOW)
REQUEST = said("negotiation.requested", "insurer-b", negotiation="neg-1")
AGREEMENT = said("agreement", "hospital-a", agreement="agr-1")
FINALIZED = said("agreement.finalized", "broker", agreement="agr-1")
ENDED = said("agreement.terminated", "insurer-b", agreement="agr-1")
WAITING = said("computation.sealed", "hospital-a", number=9)
LOGGED = Outgoing.of(FINALIZED, "hospital-a", "insurer-b")
LEAF = tree.leaf_hash(LOGGED.envelope)


def rows() -> list[tuple[str, dict[str, Any]]]:
    """A row for every table of version 0.1.0, in an order that its foreign keys allow."""
    space = {"space_id": "demo"}
    return [
        ("space", {"id": "demo", "node": "demo-broker"}),
        ("participant", {**space, "id": "hospital-a", "certified": AT, "certification": CERTIFIED.to_bytes()}),
        ("membership", {**space, "participant": "hospital-a", "role": "provider", "state": "active"}),
        ("external_id", {**space, "subject_kind": "participant", "subject": "hospital-a", "scheme": "s", "value": "v",
                         "issuer": "i", "status": "active"}),
        ("token", {**space, "digest": "sha256:t", "participant": "insurer-b", "roles": "consumer", "expires": LATER}),
        ("enrolment", {**space, "id": "enr-1", "token": "sha256:t", "participant": "insurer-b", "connector": "b-conn",
                       "roles": "consumer", "request": b"request", "csr": b"csr", "opened": AT, "state": "pending"}),
        ("certificate", {**space, "fingerprint": "sha256:f", "participant": "hospital-a", "connector": "a-conn",
                         "der": b"der", "not_after": LATER}),
        ("binding", {**space, "fingerprint": "sha256:f", "participant": "hospital-a", "connector": "a-conn",
                     "endpoint": "h:1", "not_after": LATER, "statement": BOUND.to_bytes()}),
        ("status", {**space, "sequence": 7, "statement": STATUS.to_bytes()}),
        ("resource", {**space, "id": "res-visits", "provider": "hospital-a", "unit": "patient",
                      "neighbouring": "add_remove", "currency": "epsilon-delta", "epsilon_nano": 2_000_000_000,
                      "delta_femto": 1_000_000_000, "releases": 1000}),
        ("product", {**space, "id": "prd-1", "provider": "hospital-a", "kind": ONE.kind, "state": "listed",
                     "version": 1}),
        ("product_version", {**space, "id": 5, "product": "prd-1", "version": 1, "digest": PRODUCT.digest(),
                             "previous": None, "published": AT, "snapshot_rule": "latest", "product_form": "",
                             "delivery_mode": "", "execution_environment": "", "encryption": "", "security_grade": 1,
                             "personal_data": False, "important_data": False, "legal_basis": "", "cross_border": False,
                             "price_amount": None, "price_currency": None, "statement": PRODUCT.to_bytes()}),
        ("version_resource", {"version": 5, "resource": "res-visits"}),
        ("version_keyword", {"version": 5, "keyword": "diabetes"}),
        ("version_classification", {"version": 5, "scheme": "s", "code": "c"}),
        ("offer", {"version": 5, "id": "off-1", "visibility": "listed", "approval": "automatic"}),
        ("offer_reader", {"version": 5, "offer": "off-1", "participant": "insurer-b"}),
        ("data_element", {"standard": "s", "version": "1", "code": "c", "names": "{}"}),
        ("negotiation", {**space, "id": "neg-1", "provider": "hospital-a", "consumer": "insurer-b", "product": "prd-1",
                         "description": PRODUCT.digest(), "offer": "off-1", "state": "FINALIZED",
                         "agreement_id": "agr-1", "agreement": AGREEMENT.to_bytes(),
                         "countersignature": FINALIZED.to_bytes(), "countersignature_digest": LOGGED.digest,
                         "proof_index": 0, "revision": 3, "updated": AT}),
        ("negotiation_message", {"negotiation": "neg-1", "position": 0, "digest": REQUEST.digest(),
                                 "type": REQUEST.type, "issuer": "insurer-b", "statement": REQUEST.to_bytes()}),
        ("agreement", {**space, "id": "agr-1", "negotiation": "neg-1", "digest": AGREEMENT.digest(),
                       "envelope": AGREEMENT.to_bytes(), "state": "ended", "not_before": AT, "not_after": LATER,
                       "termination": ENDED.to_bytes()}),
        ("agreement_party", {"agreement": "agr-1", "participant": "insurer-b", "role": "consumer",
                             "connector": "b-conn", "signed": AT}),
        ("fulfilment", {**space, "id": "ful-1", "agreement": "agr-1", "operation": "compute", "state": "STARTED",
                        "updated": AT}),
        ("counter", {**space, "name": "revision", "value": 3}),
        ("outbox", {**space, "id": 4, "digest": canonical.digest(WAITING.to_bytes()), "type": WAITING.type,
                    "issuer": "hospital-a", "parties": "insurer-b", "envelope": WAITING.to_bytes()}),
        ("log_entry", {**space, "index": 0, "digest": LOGGED.digest, "leaf_hash": LEAF, "type": LOGGED.type,
                       "issuer": "broker", "parties": "hospital-a insurer-b", "envelope": LOGGED.envelope}),
        ("log_tile", {"level": 0, "index": 0, "hashes": LEAF}),
        ("log_head", {"id": 1, "size": 1, "root": tree.root([LEAF])}),
        ("log_checkpoint", {"id": 7, "size": 1, "note": "note"}),
    ]  # fmt: skip


class Place(NamedTuple):
    """Where a database is to be, and what its file is encrypted with from now on."""

    where: Path | str
    key: bytes | None

    def open(self) -> Database:
        return Database(self.where, "demo", "demo-broker", self.key)

    def raw(self) -> Engine:
        """Connections to the database as it lies there in the clear."""
        return create_engine(parse(self.where))


@pytest.fixture(params=["sqlite", "encrypted", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param != "postgresql":
        yield Place(tmp_path / "broker.db", bytes(range(32)) if request.param == "encrypted" else None)
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    url = server.database()
    yield Place(url, None)
    server.drop(url)


@pytest.fixture
def released(empty: Place) -> Place:
    """A database as version 0.1.0 left it."""
    from alembic import command

    engine = empty.raw()
    with engine.begin() as connection:
        command.upgrade(configuration(connection), RELEASED)
        _fill(connection)
    engine.dispose()
    return empty


def _fill(connection: Connection) -> None:
    tables = MetaData()
    tables.reflect(connection)
    filled = rows()
    text_index = {each for each in tables.tables if each.startswith("product_text")}
    assert {name for name, _ in filled} == {*tables.tables} - text_index - {"alembic_version"}, "a table has no row"
    for name, row in filled:
        connection.execute(tables.tables[name].insert().values(row))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "INSERT INTO product_text(rowid, title, keywords, description) VALUES (5, 'visits', '', '')"
        )
        return
    connection.exec_driver_sql("INSERT INTO product_text(version, words) VALUES (5, '''visits'':1A')")
    for counted in ("external_id", "outbox", "product_version", "log_checkpoint"):
        connection.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{counted}', 'id'), (SELECT max(id) FROM {counted}))"
        )


def test_a_broker_of_version_0_1_0_goes_on_with_all_it_kept(released: Place) -> None:
    stored = released.open()
    assert isinstance(released.where, str) or sqlcipher.is_plain(released.where) is (released.key is None)
    with stored.engine.connect() as connection:
        assert version(connection) == newest_version()
        names = inspect(connection).get_table_names()
        assert [each for each in names if each.startswith("aside_")] == []
        tables = MetaData()
        tables.reflect(connection)
        counts = {
            name: connection.execute(select(func.count()).select_from(tables.tables[name])).scalar()
            for name, _ in rows()
        }
        assert counts == {name: 1 for name, _ in rows()}
    registry = SqlRegistryStore(stored)
    assert registry.statements(NOW).envelopes == (CERTIFIED.to_bytes(), BOUND.to_bytes(), STATUS.to_bytes())
    assert SqlEnrolmentStore(stored).enrolments(EnrolmentState.PENDING) == [
        Enrolment("enr-1", "insurer-b", "b-conn", frozenset({"consumer"}), b"request", b"csr", NOW)
    ]
    talk = SqlTalkStore(stored).talk("agr-1")
    assert (talk.id, talk.state, talk.index, talk.revision) == ("neg-1", State.FINALIZED, 0, 3)
    assert [each.digest() for each in talk.messages] == [REQUEST.digest()]
    assert talk.termination is not None
    assert SqlLogStore(stored).entries(0, 10)[0].outgoing == LOGGED
    assert SqlLogStore(stored).checkpoint() == "note"
    assert SqlLogStore(stored.beside("other")).head().size == 0
    stored.close()


def test_and_goes_on_writing_where_it_was(released: Place) -> None:
    """Searches, numbers that count by themselves, the tree, and the chain of versions continue."""
    stored = released.open()
    catalog, log, outbox = SqlCatalogStore(stored), SqlLogStore(stored), SqlOutboxStore(stored)
    assert [each.product for each in catalog.search(Search(words.phrases("vis")), 0, 10).cards] == ["prd-1"]
    two = description("prd-1", version=2, previous=PRODUCT.digest())
    second = Listing(draft("product.published", two.body(), space="demo", issuer="hospital-a", at=NOW), two)
    resource = catalog.resource("res-visits")
    assert resource is not None
    assert resource.lifetime.loss.epsilon_nano == 2_000_000_000
    with stored.writing() as session:  # so that the new version promises what the old one did
        session.connection().exec_driver_sql("DELETE FROM resource")
    catalog.publish(second, PRODUCT.digest(), ("outcomes", "", ""), Outgoing.of(second.statement))
    kept = catalog.resource("res-visits")
    assert kept is not None
    assert kept.lifetime.loss.epsilon_nano == 10_000_000_000  # more than 32 bits
    assert [each.product for each in catalog.search(Search(words.phrases("outcomes")), 0, 10).cards] == ["prd-1"]
    assert catalog.search(Search(words.phrases("visits")), 0, 10).total == 0
    outbox.queue([Outgoing.of(WAITING, "insurer-b")])  # known: it changes nothing
    waiting = outbox.pending(10)
    assert [(each.row > 4, each.outgoing.type) for each in waiting] == [
        (False, WAITING.type), (True, second.statement.type),
    ]  # fmt: skip
    leaves = [tree.leaf_hash(each.outgoing.envelope) for each in waiting]
    added = tiles.append(log.head().size, leaves, tiles.held(log.tiles(tiles.edge(log.head().size))))
    assert Head(added.size, added.root) == Head(3, tree.root([LEAF, *leaves]))
    fresh = Talk("neg-2", "insurer-b", "hospital-a", "prd-1", "sha256:d", "off-1", State.REQUESTED, (REQUEST_2,), NOW)
    assert SqlTalkStore(stored).record(fresh, None, []).revision == 4
    stored.close()


REQUEST_2 = said("negotiation.requested", "insurer-b", negotiation="neg-2")


def test_two_processes_that_open_it_at_once_migrate_it_once(empty: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds it done when its turn comes."""
    upgraded = []

    def late(connection: Connection) -> str | None:
        if not upgraded:
            upgraded.append(True)
            empty.open().close()
            return None
        return version(connection)

    monkeypatch.setattr(room, "version", late)
    stored = empty.open()
    with stored.engine.connect() as connection:
        assert version(connection) == newest_version()
    stored.close()


def test_a_newer_or_foreign_database_is_left_alone(empty: Place) -> None:
    if empty.key:
        pytest.skip("what lies in the clear is told apart")
    engine = empty.raw()
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (id integer)")
    with pytest.raises(Conflict) as caught:
        empty.open()
    assert caught.value.code == "database.foreign"
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE theirs")
    empty.open().close()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Conflict) as caught:
        empty.open()
    assert caught.value.code == "database.newer"
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite:///relative.db", "sqlite://", "nonsense", "postgresql+x://h/d"])
def test_another_kind_of_database_is_refused_and_no_password_is_told(url: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(url.replace("://h", "://user:secret-word@h"))
    assert caught.value.code == "database.url"
    assert "secret-word" not in caught.value.public() + str(caught.value.detail)


def test_a_binding_that_ended_stays_away(released: Place) -> None:
    stored = released.open()
    after = SqlRegistryStore(stored).statements(NOW + timedelta(days=2))
    assert BOUND.to_bytes() not in after.envelopes
    stored.close()
