"""Copies of one contract, compared: what one lacks, what two show differently, what nobody signed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hefu.checking.reconcile import (
    CONTRADICTS,
    FORGED,
    MISSING,
    RESIGNED,
    Held,
    KeyOf,
    Reconciliation,
    View,
    reconcile,
    view_of,
)
from hefu.errors import NotFound
from hefu.evidence.bundle import BundleEntry
from hefu.evidence.record import Record

from tests.protocol.small_log import AGREEMENT, BROKER, CONSUMER, PROVIDER, SmallLog

LATER = timedelta(hours=1)


@pytest.fixture
def small() -> SmallLog:
    log = SmallLog()
    log.tell()
    return log


def compare(small: SmallLog, lacks: str = "", without: bytes = b"", **extra: bytes) -> Reconciliation:
    """Provider, consumer and log, each with everything but what one of them lacks, or with something more."""
    record, views = _record(small), []
    for holder in (PROVIDER, CONSUMER, BROKER):
        held = [Held(each) for each in small.entries if not (holder == lacks and each == without)]
        held += [Held(more) for who, more in extra.items() if who == holder.replace("-", "_")]
        views.append(View(holder, tuple(held), small.at + LATER))
    if not lacks and not extra:
        views[2] = view_of(record, BROKER, small.at + LATER)
    return reconcile(AGREEMENT, views, record.key)


def test_copies_that_hold_the_same_agree(small: SmallLog) -> None:
    done = compare(small)
    assert done.holds, done.document()
    assert done.statements == len(small.entries) - 3  # the certifications concern no contract


@pytest.mark.parametrize("holder", [PROVIDER, CONSUMER, BROKER])
def test_what_one_copy_lacks_is_proven_by_the_others(small: SmallLog, holder: str) -> None:
    (found,) = compare(small, holder, small.agreement.to_bytes()).differences
    assert (found.kind, found.against, found.type) == (MISSING, (holder,), "agreement")
    assert {each for each, _ in found.proofs} == {PROVIDER, CONSUMER, BROKER} - {holder}
    assert all(held.envelope == small.agreement.to_bytes() for _, held in found.proofs)


def test_a_receipt_the_log_lacks_is_found_and_a_refusal_the_consumer_never_got_is_not(small: SmallLog) -> None:
    assert [each.type for each in compare(small, BROKER, small.journal[-1]).differences] == ["computation.sealed"]
    assert [each.type for each in compare(small, CONSUMER, small.journal[-1]).differences] == ["computation.sealed"]
    assert compare(small, CONSUMER, small.journal[1]).holds


def test_what_is_on_its_way_is_not_missed(small: SmallLog) -> None:
    views = [View(each, tuple(map(Held, small.entries)), small.at) for each in (PROVIDER, CONSUMER)]
    log = View(BROKER, tuple(map(Held, small.entries[:-1])), small.at)
    done = reconcile(AGREEMENT, [*views, log], _key(small))
    assert (done.holds, done.young) == (True, 1)


def test_two_statements_in_one_place_of_a_journal_contradict_each_other(small: SmallLog) -> None:
    kept, last = [*small.entries], small.journal.pop()
    small.release("cmp-other")
    another, small.entries[:] = small.entries[-1], kept
    small.journal[-1] = last
    found = compare(small, broker=another).differences
    assert CONTRADICTS in {each.kind for each in found}


def test_what_nobody_signed_is_held_against_who_shows_it(small: SmallLog) -> None:
    forged = small.journal[-1].replace(b"cmp-four", b"cmp-five")
    (found,) = compare(small, broker=forged).differences
    assert (found.kind, found.against) == (FORGED, (BROKER,))


def test_the_same_words_with_other_signatures_are_told(small: SmallLog) -> None:
    again = small.agreement.sign(small.signers[BROKER], small.at).to_bytes()
    found = compare(small, BROKER, small.agreement.to_bytes(), broker=again).differences
    assert [each.kind for each in found] == [RESIGNED]


def test_without_the_agreement_nothing_can_be_compared(small: SmallLog) -> None:
    with pytest.raises(NotFound):
        reconcile("agr-other", [View(PROVIDER, tuple(map(Held, small.entries)), small.at)], _key(small))


def _key(small: SmallLog) -> KeyOf:
    return _record(small).key


def _record(small: SmallLog) -> Record:
    record = Record(small.space, small.space.root)
    for index, each in enumerate(small.entries):
        record.add(BundleEntry.whole(index, each))
    return record
