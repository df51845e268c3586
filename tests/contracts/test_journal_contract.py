"""What every `Journal` with its `JournalReader` must do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import pytest
from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import Conflict, Defect, NotFound, Unavailable
from hefu_connector.ports import FINAL, ComputationState, Entry, Journal, JournalReader

from tests.contracts.stories import NOW, SIGNER, assert_whole, charge, entry, run

RELEASED, REFUSED = ComputationState.RELEASED, ComputationState.REFUSED
LATER = NOW + timedelta(seconds=3, microseconds=7)


class Both(Journal, JournalReader, Protocol):
    """One store, as two rooms see it."""


def release(journal: Both, id_: str, *parts: bytes) -> None:
    journal.admit(run(id_))
    journal.start(id_, charge(), NOW)
    journal.close(id_, RELEASED, entry(id_), parts, LATER)


def test_an_empty_journal_begins_at_zero(journal: Both) -> None:
    assert journal.head() == (0, "")
    assert list(journal.outbox(10)) == list(journal.runs(10)) == list(journal.unfinished()) == []
    assert journal.find("cmp-1") is None


def test_a_run_is_kept_as_it_was_given(journal: Both) -> None:
    assert journal.admit(run("cmp-1")) == (run("cmp-1"), True)
    assert journal.find("cmp-1") == run("cmp-1")


def test_the_same_request_again_finds_what_is_kept(journal: Both) -> None:
    release(journal, "cmp-1", b"sealed")
    again, new = journal.admit(run("cmp-1"))
    assert not new
    assert again == journal.find("cmp-1")
    assert again.state is RELEASED


@pytest.mark.parametrize("other", [run("cmp-1", request="sha256:" + "0" * 64), run("cmp-1", consumer="pharma-c")])
def test_an_id_serves_one_request_of_one_consumer(journal: Both, other: object) -> None:
    journal.admit(run("cmp-1"))
    with pytest.raises(Conflict, match="Another request"):
        journal.admit(other)  # type: ignore[arg-type]
    assert journal.find("cmp-1") == run("cmp-1")


def test_a_computation_is_not_admitted_at_its_end(journal: Both) -> None:
    with pytest.raises(Defect):
        journal.admit(replace(run("cmp-1"), state=RELEASED))


def test_a_start_keeps_the_charge(journal: Both) -> None:
    journal.admit(run("cmp-1"))
    journal.start("cmp-1", charge(5, 6, 7), LATER)
    started = journal.find("cmp-1")
    assert started == replace(run("cmp-1"), state=ComputationState.RUNNING, charge=charge(5, 6, 7), updated=LATER)
    journal.start("cmp-1", charge(5, 6, 7), LATER + timedelta(seconds=1))
    assert journal.find("cmp-1") == started
    with pytest.raises(Conflict, match="otherwise"):
        journal.start("cmp-1", charge(1), LATER)


def test_an_end_is_written_whole(journal: Both) -> None:
    journal.admit(run("cmp-1"))
    journal.start("cmp-1", charge(), NOW)
    ended = journal.close("cmp-1", RELEASED, replace(entry("cmp-1"), release_at=LATER), [b"one", b"two"], LATER)
    assert ended == journal.find("cmp-1")
    assert (ended.state, ended.parts, ended.updated, ended.release_at) == (RELEASED, 2, LATER, LATER)
    assert ended.receipt is not None
    assert [journal.part("cmp-1", 0), journal.part("cmp-1", 1)] == [b"one", b"two"]
    assert list(journal.outbox(10)) == [ended.receipt]
    assert journal.head() == (1, canonical.digest(ended.receipt))


def test_entries_are_the_exact_bytes_that_were_signed(journal: Both) -> None:
    made: list[Statement] = []

    def sign(sequence: int, previous: str) -> Statement:
        made.append(entry("cmp-1").sign(sequence, previous))
        return made[-1]

    journal.admit(run("cmp-1"))
    ended = journal.close("cmp-1", REFUSED, Entry(sign, NOW), (), NOW)
    assert len(made) == 1
    assert ended.receipt == made[0].to_bytes()
    assert made[0].signatures[0].key == SIGNER.key


@pytest.mark.parametrize("state", sorted(FINAL))
def test_the_first_end_stands(journal: Both, state: ComputationState) -> None:
    journal.admit(run("cmp-1"))
    journal.start("cmp-1", charge(), NOW)
    ended = journal.close("cmp-1", state, entry("cmp-1"), (), NOW)
    for second in sorted(FINAL):
        with pytest.raises(Conflict, match="first end stands"):
            journal.close("cmp-1", second, entry("cmp-1"), (), LATER)
    with pytest.raises(Conflict, match="first end stands"):
        journal.start("cmp-1", charge(), LATER)
    assert journal.find("cmp-1") == ended
    assert journal.head()[0] == 1


@pytest.mark.parametrize("state", [ComputationState.RESERVED, ComputationState.RUNNING])
def test_an_end_is_final(journal: Both, state: ComputationState) -> None:
    journal.admit(run("cmp-1"))
    with pytest.raises(Defect):
        journal.close("cmp-1", state, entry("cmp-1"), (), NOW)


@pytest.mark.parametrize("state", sorted(FINAL - {RELEASED}))
def test_only_a_release_has_parts(journal: Both, state: ComputationState) -> None:
    journal.admit(run("cmp-1"))
    with pytest.raises(Defect):
        journal.close("cmp-1", state, entry("cmp-1"), [b"sealed"], NOW)
    with pytest.raises(NotFound):
        journal.part("cmp-1", 0)


def test_nothing_is_released_that_was_not_charged(journal: Both) -> None:
    journal.admit(run("cmp-1"))
    with pytest.raises(Conflict, match="not charged"):
        journal.close("cmp-1", RELEASED, entry("cmp-1"), [b"sealed"], NOW)
    assert journal.head() == (0, "")


def test_an_entry_in_a_wrong_place_is_not_written(journal: Both) -> None:
    journal.admit(run("cmp-1"))
    with pytest.raises(Defect):
        journal.close("cmp-1", REFUSED, entry("cmp-1", shift=1), (), NOW)
    assert journal.head() == (0, "")
    assert journal.find("cmp-1") == run("cmp-1")


def test_a_signer_that_fails_leaves_everything_as_it_was(journal: Both) -> None:
    def sign(sequence: int, previous: str) -> Statement:
        raise Unavailable("cancelled")

    journal.admit(run("cmp-1"))
    journal.start("cmp-1", charge(), NOW)
    before = journal.find("cmp-1")
    with pytest.raises(Unavailable):
        journal.close("cmp-1", RELEASED, Entry(sign, NOW), [b"sealed"], NOW)
    assert journal.find("cmp-1") == before
    assert (journal.head(), list(journal.outbox(1))) == ((0, ""), [])
    with pytest.raises(NotFound):
        journal.part("cmp-1", 0)


def test_what_is_not_there_is_not_found(journal: Both) -> None:
    with pytest.raises(NotFound):
        journal.start("cmp-1", charge(), NOW)
    with pytest.raises(NotFound):
        journal.close("cmp-1", REFUSED, entry("cmp-1"), (), NOW)
    release(journal, "cmp-1", b"sealed")
    for index in (-1, 1):
        with pytest.raises(NotFound):
            journal.part("cmp-1", index)


def test_the_chain_has_no_gap_whoever_writes_at_once(journal: Both) -> None:
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda number: release(journal, f"cmp-{number}"), range(36)))
    assert_whole(list(journal.outbox(100)), journal.head())
    assert journal.head()[0] == 36


def test_of_many_ends_at_once_one_stands(journal: Both) -> None:
    journal.admit(run("cmp-1"))
    journal.start("cmp-1", charge(), NOW)

    def end(state: ComputationState) -> bool:
        try:
            journal.close("cmp-1", state, entry("cmp-1"), (), NOW)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        ends = list(threads.map(end, sorted(FINAL) * 4))
    assert sum(ends) == 1
    assert journal.head()[0] == 1


def test_of_many_admissions_at_once_one_is_new(journal: Both) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: journal.admit(run("cmp-1")), range(24)))
    assert sum(new for _, new in found) == 1


def test_runs_come_newest_first_page_by_page(journal: Both) -> None:
    ids = [f"cmp-{number}" for number in range(5)]
    for each in ids:
        journal.admit(run(each))
    first = journal.runs(2)
    rest = journal.runs(10, before=first[-1].id)
    assert [each.id for each in [*first, *rest]] == ids[::-1]
    assert list(journal.runs(10, before="cmp-none")) == []


def test_unfinished_are_those_without_an_end(journal: Both) -> None:
    release(journal, "cmp-1")
    journal.admit(run("cmp-2"))
    journal.admit(run("cmp-3"))
    journal.start("cmp-3", charge(), NOW)
    assert [each.id for each in journal.unfinished()] == ["cmp-2", "cmp-3"]


def test_what_the_broker_took_leaves_the_outbox_and_stays_in_the_chain(journal: Both) -> None:
    for number in range(4):
        release(journal, f"cmp-{number}")
    waiting = list(journal.outbox(10))
    assert list(journal.outbox(2)) == waiting[:2]
    journal.sent([canonical.digest(waiting[0]), canonical.digest(waiting[2]), "sha256:" + "0" * 64])
    journal.sent([])
    assert list(journal.outbox(10)) == [waiting[1], waiting[3]]
    assert journal.head() == (4, canonical.digest(waiting[3]))
