"""Remedies: a provider says that what is forbidden was done, and what follows is owed, seen by both, and blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu.canonical import Object
from hefu.errors import NotFound, Refused
from hefu_connector.afterwards import DutyState
from hefu_connector.contracting.owing import INFRINGED
from hefu_connector.desk.aftermath import Stand
from hefu_connector.ports import ComputationState

from tests.connector.test_owing import AGREEMENT, Books, policy
from tests.connector.world import CONSUMER, PROVIDER

CLAUSE = "urn:no:resale"
A_DAY: Object = {
    "leftOperand": "odrl:delayPeriod", "operator": "lteq", "rightOperand": {"@value": "P1D", "@type": "xsd:duration"},
}  # fmt: skip
FINE: Object = {"@id": "urn:d:fine", "action": "odrl:compensate", "constraint": [A_DAY]}
UNDO: Object = {"@id": "urn:d:undo", "action": "odrl:delete"}


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    forbidden: Object = {"@id": CLAUSE, "action": "odrl:distribute", "remedy": [FINE, UNDO]}
    made = Books(tmp_path, [], [], {**policy([], []), "prohibition": [forbidden]})
    yield made
    made.close()


def infringe(books: Books, subject: str = "", clause: str = CLAUSE) -> None:
    books.desk(PROVIDER).infringed(AGREEMENT, clause, subject, "resold to a broker of addresses", "wang")
    books.tell()


def stands(books: Books, name: str) -> dict[tuple[str, str], Stand]:
    return {(each.id, each.subject): each.stand for each in books.desk(name).duties() if each.when == "infringed"}


def test_a_remedy_rests_until_somebody_infringes(books: Books) -> None:
    assert books.ask().state is ComputationState.RELEASED
    assert books.states() == {}
    for name in (PROVIDER, CONSUMER):
        assert stands(books, name) == {("urn:d:fine", ""): Stand.DORMANT, ("urn:d:undo", ""): Stand.DORMANT}


def test_what_was_infringed_is_told_owed_and_blocks_until_it_is_made_good(books: Books) -> None:
    infringe(books)
    for name in (PROVIDER, CONSUMER):
        (alarm,) = books.desk(name).alarms()
        assert (alarm.code, alarm.issuer, alarm.about, alarm.duty) == (INFRINGED, PROVIDER, CONSUMER, CLAUSE)
        assert alarm.statement.actor == {"kind": "person", "user": "wang"}
        assert stands(books, name) == {("urn:d:fine", ""): Stand.OWED, ("urn:d:undo", ""): Stand.OWED}
        waits = [each for each in books.desk(name).waiting() if each.until is not None]
        assert len(waits) == 2
    assert books.ask().state is ComputationState.REFUSED
    books.says(books.provider, "urn:d:fine")
    books.says(books.provider, "urn:d:undo")  # the recipient says that it deleted, not who was wronged
    assert books.ask().state is ComputationState.REFUSED
    books.says(books.consumer, "urn:d:undo")
    assert stands(books, CONSUMER) == {("urn:d:fine", ""): Stand.FULFILLED, ("urn:d:undo", ""): Stand.FULFILLED}
    assert books.ask().state is ComputationState.RELEASED


def test_a_remedy_that_is_late_raises_an_alarm_of_its_own(books: Books) -> None:
    infringe(books)
    books.space.clock.move(86_401)
    books.owing.step()
    books.tell()
    assert books.states()["urn:d:fine", ""] is DutyState.VIOLATED
    assert [each.code for each in books.desk(CONSUMER).alarms()] == ["duty.violated", INFRINGED]


def test_who_infringes_again_owes_again(books: Books) -> None:
    infringe(books)
    books.says(books.provider, "urn:d:fine")
    books.says(books.consumer, "urn:d:undo")
    books.space.clock.move(60)
    infringe(books)
    assert set(books.states().values()) == {DutyState.ACTIVE}
    assert set(stands(books, CONSUMER).values()) == {Stand.OWED}
    infringe(books, "cmp-with-which")
    assert len(books.states()) == 4


def test_only_the_provider_says_so_and_of_a_prohibition_that_is_there(books: Books) -> None:
    with pytest.raises(Refused):
        books.desk(CONSUMER).infringed(AGREEMENT, CLAUSE, "", "not I", "rui")
    for clause in ("urn:no:other", "urn:d:fine", ""):
        with pytest.raises(NotFound):
            infringe(books, clause=clause)
    books.consumer.deviated(books.space.contract, INFRINGED, PROVIDER, duty=CLAUSE)
    books.tell()
    assert books.states() == {}
    assert Stand.OWED not in stands(books, CONSUMER).values()
    assert books.ask().state is ComputationState.RELEASED
