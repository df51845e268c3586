"""Deliveries as both sides keep them: entered with their receipts, journalled with each use, and gone for good."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement, draft
from hefu.errors import Conflict, HefuError, NotFound
from hefu_connector.ports import ComputationState, Entry, Run
from hefu_connector.shelves import OwnRequest
from hefu_connector.storage import Database, SqlDeliveries, SqlHanded, SqlJournal, SqlRequests
from hefu_policies.budget import NO_LOSS, Charge

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
DUE = NOW + timedelta(hours=1)
RELEASED = ComputationState.RELEASED


def entry(type_: str = "delivery.used", due: datetime | None = None) -> Entry:
    def sign(sequence: int, previous: str) -> Statement:
        body: Object = {"journal": {"connector": "c", "sequence": sequence, "previous": previous}}
        return draft(type_, body, space="demo", issuer="p", at=NOW)

    return Entry(sign, NOW, due)


def received(database: Database, name: str = "cmp-1", parts: int = 2, due: datetime | None = DUE) -> SqlRequests:
    requests = SqlRequests(database)
    requests.keep(OwnRequest(name, "p", ("agr-1",), b"asked", NOW, NOW))
    requests.receive(name, RELEASED, b"receipt", parts, NOW, due)
    for index in range(parts):
        requests.add(name, index, b"sealed-canary-%d" % index)
    return requests


def released(database: Database, name: str = "cmp-1", due: datetime | None = DUE) -> SqlJournal:
    journal = SqlJournal(database)
    reserved = ComputationState.RESERVED
    journal.admit(Run(name, "sha256:" + "0" * 64, b"asked", "c", ("agr-1",), reserved, None, None, 0, NOW, NOW))
    journal.start(name, Charge(NO_LOSS), NOW)
    journal.close(name, RELEASED, entry("computation.sealed", due), (b"sealed-canary",), NOW)
    return journal


def test_a_delivery_is_entered_with_its_receipt_and_nothing_else_is(database: Database) -> None:
    received(database, "cmp-1")
    received(database, "cmp-2", due=None)
    deliveries = SqlDeliveries(database)
    assert deliveries.find("cmp-2") is None
    (found,) = deliveries.all()
    assert (found.computation, found.due, found.uses, found.proof, found.told) == ("cmp-1", DUE, 0, None, False)


def test_a_use_and_a_refusal_are_journalled_and_only_the_use_counts(database: Database) -> None:
    received(database)
    deliveries, journal = SqlDeliveries(database), SqlJournal(database)
    assert deliveries.note("cmp-1", entry(), 0).uses == 1
    assert deliveries.note("cmp-1", entry("delivery.denied"), None).uses == 1
    assert journal.head()[0] == 2
    assert [Statement.parse(each).type for each in journal.outbox(9)] == ["delivery.used", "delivery.denied"]
    with pytest.raises(Conflict):
        deliveries.note("cmp-1", entry(), 0)  # somebody used it meanwhile
    with pytest.raises(NotFound):
        deliveries.note("cmp-9", entry(), 0)
    assert journal.head()[0] == 2


def test_what_is_deleted_is_gone_with_its_parts_and_its_proof_stands_in_the_chain(database: Database) -> None:
    requests, deliveries = received(database), SqlDeliveries(database)
    deliveries.note("cmp-1", entry(), 0)
    gone = deliveries.delete("cmp-1", entry("delivery.deleted"), "retention")
    assert gone.proof is not None
    assert (gone.cause, gone.uses, requests.parts("cmp-1")) == ("retention", 1, [])
    assert SqlJournal(database).head() == (2, canonical.digest(gone.proof))
    again = deliveries.delete("cmp-1", entry("delivery.deleted"), "asked")
    assert again == gone
    assert SqlJournal(database).head()[0] == 2
    with pytest.raises(NotFound, match="deleted"):
        deliveries.note("cmp-1", entry(), 1)
    with pytest.raises(NotFound, match="deleted"):
        requests.add("cmp-1", 0, b"sealed-canary-0")  # nothing of it comes back
    assert requests.unfinished() == []
    deliveries.told("cmp-1")
    assert deliveries.all()[0].told


def test_a_delivery_of_which_not_all_has_arrived_can_be_deleted_and_is_not_fetched_again(database: Database) -> None:
    requests = SqlRequests(database)
    requests.keep(OwnRequest("cmp-1", "p", ("agr-1",), b"asked", NOW, NOW))
    requests.receive("cmp-1", RELEASED, b"receipt", 3, NOW, DUE)
    requests.add("cmp-1", 0, b"one")
    SqlDeliveries(database).delete("cmp-1", entry("delivery.deleted"), "asked")
    assert requests.unfinished() == []
    with pytest.raises(NotFound):
        requests.add("cmp-1", 1, b"two")


def test_what_is_deleted_stands_in_no_byte_of_a_plain_file(sqlite_url: str, opened: Callable[..., Database]) -> None:
    database = opened(sqlite_url)
    received(database)
    path = str(database.engine.url.database)
    files = [Path(path + end) for end in ("", "-wal")]
    assert b"sealed-canary-1" in b"".join(each.read_bytes() for each in files)
    SqlDeliveries(database).delete("cmp-1", entry("delivery.deleted"), "asked")
    assert b"sealed-canary" not in b"".join(each.read_bytes() for each in files)


def test_of_eight_that_use_it_at_once_each_is_counted_once(database: Database) -> None:
    received(database)
    deliveries, lost = SqlDeliveries(database), []

    def use() -> None:
        try:
            deliveries.note("cmp-1", entry(), 0)
        except HefuError as fault:
            lost.append(fault.code)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert lost == ["delivery.used_meanwhile"] * 7
    assert SqlJournal(database).head()[0] == 1


def test_an_agreements_secret_is_drawn_once_for_all_and_is_its_own(url: str, opened: Callable[..., Database]) -> None:
    one, two, other = SqlHanded(opened(url)), SqlHanded(opened(url)), SqlHanded(opened(url, "other"))
    secret = one.secret("agr-1")
    assert len(secret) == 32
    assert two.secret("agr-1") == secret == one.secret("agr-1")
    assert len({secret, one.secret("agr-2"), other.secret("agr-1")}) == 3


def test_what_is_due_is_handed_over_no_more(database: Database) -> None:
    journal, handed = released(database), SqlHanded(database)
    assert handed.drop_due(DUE - timedelta(seconds=1)) == 0
    assert journal.part("cmp-1", 0)
    assert handed.drop_due(DUE) == 1
    assert handed.drop_due(DUE) == 0
    with pytest.raises(NotFound):
        journal.part("cmp-1", 0)
    found = handed.find("cmp-1")
    assert found is not None
    assert (found.due, found.proof) == (DUE, None)


def test_the_first_proof_stands_and_drops_the_parts(database: Database) -> None:
    journal, handed = released(database), SqlHanded(database)
    assert handed.confirm("cmp-1", b"proof").proof == b"proof"
    assert handed.confirm("cmp-1", b"another").proof == b"proof"
    with pytest.raises(NotFound):
        journal.part("cmp-1", 0)
    with pytest.raises(NotFound):
        handed.confirm("cmp-9", b"proof")


def test_an_agreement_that_ends_drops_its_deliveries_and_statistics_stay(database: Database) -> None:
    journal = released(database, "cmp-1")
    released(database, "cmp-2", due=None)
    handed = SqlHanded(database)
    assert handed.find("cmp-2") is None
    handed.drop_under("agr-1")
    with pytest.raises(NotFound):
        journal.part("cmp-1", 0)
    assert journal.part("cmp-2", 0)
