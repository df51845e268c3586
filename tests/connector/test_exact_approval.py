"""Exact aggregates that a person of the provider approves first, one by one, before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.statements import receipt
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.exact import ExactPlan
from hefu_connector.contracting.owing import subject_of
from hefu_connector.ports import FINAL, ComputationState, Run
from hefu_policies.budget import NO_LOSS
from hefu_policies.library import template

from tests.connector.test_owing import Books
from tests.connector.world import CONSUMER, PROVIDER

PURPOSE = "dpv:ProvideOfficialStatistics"


def terms() -> Object:
    return template(
        "official-statistics",
        {
            "recipients": [CONSUMER], "min_group": 10, "rounding": "5", "columns": ["age", "region"], "count": 50,
            "until": "2027-11-21T00:00:00Z", "approved": "true",
        },
    )  # fmt: skip


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path, [], [], terms())
    yield made
    made.close()


def plan(*by: str) -> Object:
    return ExactPlan(Plan("prd-admissions", (Aggregate("count", "n"),), NO_LOSS, None, by)).body()


def ask(books: Books, asked: Object) -> Run:
    run = books.space.enforcement.create(books.space.request(plan=asked, purpose=PURPOSE), CONSUMER)
    while run.state not in FINAL:
        run = books.space.enforcement.wait(run.id, CONSUMER, 5)
    return run


def test_an_exact_answer_waits_for_a_person_who_approves_that_question_and_no_other(books: Books) -> None:
    first = ask(books, plan())
    assert first.receipt is not None
    refused = receipt.Refusal.of(Statement.parse(first.receipt))
    assert (first.state, refused.code) == (ComputationState.REFUSED, "contract.duties")
    # Nothing was read: no charge, and no place in the history that others are held against.
    assert books.space.ledger.charged(first.id) is None
    assert len(books.space.disclosures.of("res-admissions")) == 0
    done = books.desk(PROVIDER).fulfil("agr-one", "hefu:obtainApproval", first.id, "case 17", "li")
    assert done.subject == subject_of(plan(), PURPOSE)
    assert ask(books, plan("region")).state is ComputationState.REFUSED
    assert ask(books, plan()).state is ComputationState.RELEASED
    assert len(books.space.disclosures.of("res-admissions")) == 1


def test_an_approval_serves_one_answer_and_overrules_no_differencing(books: Books) -> None:
    for asked in (plan(), plan("region")):
        books.says(books.provider, "urn:d:approval", subject_of(asked, PURPOSE))
        assert ask(books, asked).state is ComputationState.RELEASED
        assert ask(books, asked).state is ComputationState.REFUSED
    books.space.file.write_text(books.space.file.read_text() + "one-more,30,south\n")
    books.says(books.provider, "urn:d:approval", subject_of(plan(), PURPOSE))
    moved = ask(books, plan())
    assert moved.receipt is not None
    assert receipt.Failure.of(Statement.parse(moved.receipt)).code == "exact.edition"
