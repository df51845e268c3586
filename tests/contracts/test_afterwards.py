"""What is kept about agreements after they were made: notices once and in order, duties without a lost change."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hefu.envelope import Statement, draft
from hefu.errors import Conflict
from hefu_connector.afterwards import DutyState, Owed
from hefu_connector.storage.afterwards import SqlDuties, SqlNotices
from hefu_connector.storage.database import Database

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
OWED = Owed("agr-1", "urn:d:pay", "cmp-1", "odrl:compensate", DutyState.ACTIVE, NOW, NOW + timedelta(days=1))


def said(number: int, type_: str = "agreement.fulfilled") -> Statement:
    return draft(type_, {"number": number}, space="demo", issuer="a", at=NOW)


def test_a_notice_is_kept_once_and_found_in_the_order_in_which_it_came(database: Database) -> None:
    store = SqlNotices(database)
    first, second, third = said(1), said(2, "agreement.deviated"), said(3)
    assert [store.keep("agr-1", each) for each in (first, second)] == [True, True]
    assert store.keep("agr-2", third)
    assert not store.keep("agr-1", first)
    assert store.of() == [first, second, third]
    assert store.of("agr-1") == [first, second]
    assert store.of("agr-1", "agreement.deviated") == [second]


def test_a_duty_changes_only_from_the_revision_it_was_judged_on(database: Database) -> None:
    store = SqlDuties(database)
    kept = store.keep(OWED)
    assert kept == replace(OWED, revision=1)
    with pytest.raises(Conflict):
        store.keep(OWED)
    done = store.keep(replace(kept, state=DutyState.FULFILLED, proof=b"signed"))
    with pytest.raises(Conflict):
        store.keep(replace(kept, state=DutyState.VIOLATED))
    assert store.find("agr-1", "urn:d:pay", "cmp-1") == done
    assert store.find("agr-1", "urn:d:pay", "") is None


def test_only_what_is_owed_is_open(database: Database) -> None:
    store = SqlDuties(database)
    for number, state in enumerate(DutyState):
        store.keep(replace(OWED, agreement=f"agr-{number % 2}", subject=f"cmp-{number}", state=state, due=None))
    assert {each.state for each in store.open()} == {DutyState.PENDING, DutyState.ACTIVE, DutyState.VIOLATED}
    assert [each.subject for each in store.of("agr-0")] == ["cmp-0", "cmp-2", "cmp-4"]


def test_what_bears_on_a_request_is_what_is_open_and_what_was_performed_for_it(database: Database) -> None:
    store = SqlDuties(database)
    for number, (subject, state) in enumerate([
        ("cmp-1", DutyState.VIOLATED), ("sha256:a", DutyState.FULFILLED), ("sha256:b", DutyState.FULFILLED),
        ("", DutyState.FULFILLED), ("cmp-2", DutyState.VOID), ("cmp-3", DutyState.PENDING),
    ]):  # fmt: skip
        store.keep(replace(OWED, duty=f"urn:d:{number}", subject=subject, state=state))
    store.keep(replace(OWED, agreement="agr-2", subject="sha256:a", state=DutyState.FULFILLED))
    found = store.bearing("agr-1", "sha256:a")
    assert [each.subject for each in found] == ["cmp-1", "sha256:a", "", "cmp-3"]


def test_of_many_that_use_one_performance_up_at_once_one_does(database: Database) -> None:
    store = SqlDuties(database)
    kept = store.keep(replace(OWED, state=DutyState.FULFILLED))
    taken: list[int] = []

    def take(number: int) -> None:
        try:
            store.keep(replace(kept, used=f"cmp-{number}"))
        except Conflict:
            return
        taken.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(taken) == 1
    found = store.find("agr-1", "urn:d:pay", "cmp-1")
    assert found is not None
    assert found.used == f"cmp-{taken[0]}"
