"""One store under several spaces: what belongs to one of them is not seen from another, and an asset has one total."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from alembic import command
from hefu.canonical import digest
from hefu.envelope import Statement, draft
from hefu.errors import BudgetExceeded, Conflict, NotFound
from hefu_connector.ports import ComputationState, Entry
from hefu_connector.shelves import Mark, OwnRequest, ProductState, SourceRecord
from hefu_connector.storage import (
    Database,
    SqlJournal,
    SqlLedger,
    SqlMarks,
    SqlProducts,
    SqlRequests,
    SqlSources,
)
from hefu_connector.storage import database as storage
from hefu_connector.storage.database import configuration
from hefu_connector.storage.models import COMPUTATIONS, MARKS
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError

from tests.contracts.halves import Halves
from tests.contracts.stories import NOW, SIGNER, account, assert_whole, charge, entry, run

Open = Callable[..., Database]
RELEASED = ComputationState.RELEASED


@pytest.fixture
def other(url: str, opened: Open, database: Database) -> Database:
    """The same store as another space sees it."""
    assert database.space == "demo"
    return opened(url, "second")


def entry_in(space: str, id_: str) -> Entry:
    def sign(sequence: int, previous: str) -> Statement:
        body = entry(id_).sign(sequence, previous).body
        return draft("computation.sealed", body, space=space, issuer=SIGNER.participant, at=NOW).sign(SIGNER, NOW)

    return Entry(sign, NOW)


def release(database: Database, id_: str, *parts: bytes) -> None:
    journal, ledger = SqlJournal(database), SqlLedger(database)
    journal.admit(run(id_))
    ledger.reserve(id_, [account("asset/res-a"), account("agreement/agr-a")], charge())
    journal.start(id_, charge(), NOW)
    journal.close(id_, RELEASED, entry_in(database.space, id_), parts, NOW)


def test_each_space_has_its_own_chain_and_sees_no_other(database: Database, other: Database) -> None:
    for number in range(3):
        release(database, f"cmp-{number}", b"here")
    release(other, "cmp-0", b"there", b"too")
    here, there = SqlJournal(database), SqlJournal(other)
    assert_whole(list(here.outbox(9)), here.head())
    assert_whole(list(there.outbox(9)), there.head())
    assert (here.head()[0], there.head()[0]) == (3, 1)
    assert (here.part("cmp-0", 0), there.part("cmp-0", 0)) == (b"here", b"there")
    assert [each.id for each in there.runs(9)] == ["cmp-0"]
    assert there.find("cmp-2") is None
    with pytest.raises(NotFound):
        here.part("cmp-0", 1)
    there.sent([digest(each) for each in here.outbox(9)])
    assert len(here.outbox(9)) == 3
    assert list(there.runs(9, before="cmp-2")) == []


def test_an_id_used_in_one_space_answers_for_nothing_in_another(database: Database, other: Database) -> None:
    """The consumer chooses the id: an id that was paid for elsewhere must not make a release free."""
    release(database, "cmp-1")
    _, new = SqlJournal(other).admit(run("cmp-1"))
    assert new
    assert SqlLedger(other).charged("cmp-1") is None
    SqlLedger(other).reserve("cmp-1", [account("asset/res-a")], charge())
    assert SqlLedger(database).balance(account("asset/res-a")).charged == charge(2, 0, 2)


def test_an_entry_of_another_space_is_not_written_into_a_chain(other: Database) -> None:
    SqlJournal(other).admit(run("cmp-1"))
    with pytest.raises(Exception, match="reference journal"):
        SqlJournal(other).close("cmp-1", ComputationState.REFUSED, entry("cmp-1"), (), NOW)
    assert SqlJournal(other).head() == (0, "")


def test_an_assets_total_holds_over_all_spaces_at_once(database: Database, other: Database) -> None:
    asset = account("asset/res-a", 20, 10, 1000)

    def spend(number: int) -> bool:
        ledger = SqlLedger((database, other)[number % 2])
        try:
            ledger.reserve(f"cmp-{number}", [asset, account("agreement/agr-a", 100, 100, 100)], charge())
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(spend, range(64))) == 20
    for each in (database, other):
        assert SqlLedger(each).balance(asset).charged == charge(20, 0, 20)
    agreements = [SqlLedger(each).balance(account("agreement/agr-a")).charged for each in (database, other)]
    assert agreements[0] + agreements[1] == charge(20, 0, 20)
    assert [each.account.name for each in SqlLedger(other).balances()] == ["agreement/agr-a", "asset/res-a"]


def test_sources_are_shared_and_marks_requests_and_products_are_not(database: Database, other: Database) -> None:
    visits = SourceRecord("visits", "res-a", "file:///srv/visits.csv", "csv")
    SqlSources(database).add(visits)
    assert list(SqlSources(other).all()) == [visits]
    with pytest.raises(Conflict):
        SqlSources(other).add(replace(visits, name="again", resource="res-b"))
    SqlMarks(database).advance(Mark("status", 7, "seven"))
    SqlMarks(other).advance(Mark("status", 1, "one"))
    assert SqlMarks(database).find("status") == Mark("status", 7, "seven")
    SqlMarks(other).remove("status")
    assert [each.number for each in SqlMarks(database).all()] == [7]
    asked = OwnRequest("cmp-1", "hospital-a", ("agr-1",), b"asked", NOW, NOW)
    SqlRequests(database).keep(asked)
    assert SqlRequests(other).find("cmp-1") is None
    assert SqlRequests(other).keep(replace(asked, envelope=b"other")).envelope == b"other"
    SqlRequests(other).advance("cmp-1", None, NOW + timedelta(seconds=1), fault="cancelled")
    assert SqlRequests(database).unfinished() == [asked]


def test_an_asset_keeps_its_terms_in_every_space(database: Database, other: Database) -> None:
    halves = Halves()
    SqlProducts(database).keep(halves.published(), ProductState.PUBLISHED)
    assert SqlProducts(other).find("prd-a") is None
    from tests.contracts.halves import resource

    with pytest.raises(Conflict, match="lifetime"):
        SqlProducts(other).keep(halves.published(resources=(resource(epsilon="11"),)), ProductState.DRAFTED)
    SqlProducts(other).keep(halves.published(), ProductState.DRAFTED)
    assert [each.state for each in SqlProducts(database).all()] == [ProductState.PUBLISHED]
    assert [each.product for each in SqlProducts(other).all("res-a")] == ["prd-a", "prd-a"], "a source in use is found"


def test_a_store_is_one_participants_and_in_a_space_one_connectors(database: Database, other: Database) -> None:
    database.claim("hospital-a", "hospital-a-c1")
    database.claim("hospital-a", "hospital-a-c1")
    other.claim("hospital-a", "hospital-a-c2")
    with pytest.raises(Conflict, match="hospital-a-c1 of hospital-a"):
        database.claim("hospital-a", "hospital-a-c9")
    with pytest.raises(Conflict, match="make a replica"):
        other.claim("hospital-b", "hospital-b-c1")


# ---------------------------------------------------------------- migration from version 0.1.0


def first_schema(url: str, fill: Callable[[Connection], None]) -> None:
    """A store of version 0.1.0, filled by plain rows."""
    engine = storage._engine(url, None)
    with engine.begin() as connection:
        command.upgrade(configuration(connection), "connector_0001")
        fill(connection)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/old.db"
    return str(request.getfixturevalue("postgresql").database())


def fill(connection: Connection) -> None:
    envelopes = [entry(f"cmp-{number}").sign(number, "") for number in range(2)]
    previous = ""
    for number, made in enumerate(envelopes):
        signed = entry(f"cmp-{number}").sign(number, previous).to_bytes()
        row = {"s": number, "d": digest(signed), "p": previous, "e": signed}
        connection.execute(text("INSERT INTO journal VALUES (:s, :d, :p, 'demo', :e)"), row)
        previous = digest(signed)
        assert made.space == "demo"
    connection.execute(text("INSERT INTO outbox VALUES (1)"))
    for name, epsilon in (("asset/res-a", 7), ("agreement/agr-1", 7), ("asset/res-b", 1)):
        values = {"n": name, "c": "epsilon-delta", "e": epsilon}
        connection.execute(text("INSERT INTO accounts VALUES (:n, :c, 10, 10, 10, :e, 0, 2)"), values)
    for number in range(3):
        columns = (
            "id, request, envelope, consumer, agreements, state, epsilon_nano, delta_femto, releases, entry, parts"
        )
        values = {"i": f"cmp-{number}", "e": run("x").envelope, "n": number if number < 2 else None}
        connection.execute(
            text(
                f"INSERT INTO computations ({columns}, created, updated) VALUES (:i, 'sha256:r', :e, 'pharma-b', '[]', "
                f"'{'released' if number < 2 else 'running'}', 1, 0, 1, :n, 1, 5, 6)"
            ),
            values,
        )
        connection.execute(
            text("INSERT INTO transitions (computation, state, at) VALUES (:i, 'x', 5)"), {"i": f"cmp-{number}"}
        )
        connection.execute(text("INSERT INTO reservations VALUES (:i, 1, 0, 1)"), {"i": f"cmp-{number}"})
        for name in ("asset/res-a", "agreement/agr-1"):
            connection.execute(text("INSERT INTO charges VALUES (:i, :a)"), {"i": f"cmp-{number}", "a": name})
    connection.execute(text("INSERT INTO parts VALUES ('cmp-0', 0, :b)"), {"b": b"sealed"})
    connection.execute(text("INSERT INTO marks VALUES ('status', 9, 'nine')"))
    connection.execute(text("INSERT INTO sources VALUES ('visits', 'res-a', 'file:///v', 'csv', '{}')"))
    asked = "id, peer, agreements, envelope, created, updated, fault, held, answer"
    connection.execute(
        text(f"INSERT INTO requests ({asked}) VALUES ('cmp-9', 'h', '[]', :e, 1, 2, '', 1, '')"),
        {"e": b"asked"},
    )
    connection.execute(text("INSERT INTO received VALUES ('cmp-9', 0, :b)"), {"b": b"part"})


def test_a_store_of_the_first_version_goes_on_in_its_space(old_url: str, opened: Open) -> None:
    first_schema(old_url, fill)
    # Even where another space opens it first.
    other, database = opened(old_url, "second"), opened(old_url, "demo")
    ledger, journal = SqlLedger(database), SqlJournal(database)
    assert ledger.balance(account("asset/res-a")).charged == charge(7, 0, 2)
    assert ledger.balance(account("agreement/agr-1")).charged == charge(7, 0, 2)
    assert SqlLedger(other).balance(account("asset/res-b")).charged == charge(1, 0, 2)
    assert SqlLedger(other).balance(account("agreement/agr-1")).charged == charge(0, 0, 0)
    assert ledger.charged("cmp-2") == charge()
    assert [each.id for each in journal.runs(9)] == ["cmp-2", "cmp-1", "cmp-0"]
    assert [each.id for each in journal.unfinished()] == ["cmp-2"]
    assert journal.part("cmp-0", 0) == b"sealed"
    assert (journal.head()[0], len(journal.outbox(9))) == (2, 1)
    assert SqlMarks(database).find("status") == Mark("status", 9, "nine")
    assert SqlRequests(database).parts("cmp-9") == [b"part"]
    assert [SqlSources(each).find(name="visits") is not None for each in (database, other)] == [True, True]
    assert (list(SqlJournal(other).runs(9)), SqlMarks(other).all(), SqlRequests(other).all(9)) == ([], [], [])
    with database.reading() as connection:
        command.check(configuration(connection))
    # And life goes on: the chain, the counters and the budgets.
    ledger.reserve("cmp-3", [account("asset/res-a"), account("agreement/agr-1")], charge(3))
    with pytest.raises(BudgetExceeded):
        SqlLedger(other).reserve("cmp-3", [account("asset/res-a")], charge(1))
    journal.admit(run("cmp-3"))
    journal.start("cmp-3", charge(3), NOW)
    journal.close("cmp-3", RELEASED, entry("cmp-3"), [b"x"], NOW)
    assert journal.head()[0] == 3
    assert next(iter(journal.runs(9))).id == "cmp-3"


def test_a_store_that_never_served_takes_the_space_it_is_opened_in(old_url: str, opened: Open) -> None:
    first_schema(old_url, lambda connection: connection.execute(text("INSERT INTO marks VALUES ('bound', 1, 'x y')")))
    assert SqlMarks(opened(old_url, "demo")).find("bound") == Mark("bound", 1, "x y")


def test_the_space_is_read_from_a_kept_statement_where_no_row_says_it(old_url: str, opened: Open) -> None:
    said = entry("cmp-1").sign(0, "").to_bytes().decode()
    values = {"name": "participant/hospital-a", "number": 1, "text": said}
    first_schema(
        old_url, lambda connection: connection.execute(text("INSERT INTO marks VALUES (:name, :number, :text)"), values)
    )
    assert SqlMarks(opened(old_url, "second")).all() == []
    with opened(old_url).reading() as connection:
        assert connection.execute(select(MARKS.c.space)).scalars().all() == ["demo"]


def test_the_constraints_hold_a_space_apart(database: Database) -> None:
    release(database, "cmp-1")
    here = {"space": "demo", "state": "released", "parts": 0, "created": 0, "updated": 0, "owner": "", "stop": ""}
    row = {**here, "id": "cmp-2", "request": "r", "envelope": b"", "consumer": "c", "agreements": "[]", "entry": None}
    with database.writing() as connection:
        connection.execute(insert(COMPUTATIONS).values(**{**row, "space": "second"}))
    for wrong in ({"space": "second", "id": "cmp-3", "entry": 0}, {"entry": 0}):
        with pytest.raises(IntegrityError), database.writing() as connection:
            connection.execute(insert(COMPUTATIONS).values(**row | wrong))
