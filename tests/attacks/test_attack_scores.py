"""Attacks on encrypted scores through the enforcement point, its uploads and real workers: by bytes, replays, swaps."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from hefu import canonical
from hefu.envelope import new_id
from hefu.errors import HefuError, Malformed, NotFound, Unavailable
from hefu.keeping import keys
from hefu_connector.computing import blobs, guard, plans
from hefu_connector.computing.uploads import Upload
from hefu_connector.ports import ComputationState
from hefu_policies.budget import NO_LOSS, Charge

from tests.connector.test_score_enforcement import OTHER, STEP, Bank, code, plain, records
from tests.connector.world import CONSUMER, PROVIDER
from tests.deep import examples

pytest.importorskip("tenseal")
from hefu_connector.computing.suites import LINEAR
from hefu_connector.engines.homomorphic import scoring

from tests.attacks import mutating

MOST, RECORDS = 10**9, 3


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = Bank(tmp_path, releases=MOST, count=MOST, per_day=MOST)
    yield made
    made.close()


def honest(bank: Bank, data: bytes) -> ComputationState:
    bank.upload(data)
    return bank.ask(bank.plan(data, RECORDS)).state


@pytest.mark.deep
def test_changed_uploads_end_their_own_request_and_disturb_nobody(bank: Bank) -> None:
    good, drawn, ends = bank.encrypted(records(RECORDS)), random.Random("uploads"), Counter[str]()
    number = examples(6, 400)
    for _ in range(number):
        data = mutating.changed(good, drawn)
        states: list[ComputationState] = []
        beside = threading.Thread(target=lambda states=states: states.append(honest(bank, good)))
        beside.start()
        computation = new_id("cmp")
        try:
            bank.upload(data, computation)
            run = bank.ask(bank.plan(data, RECORDS), computation=computation)
            ends[run.state.value if run.state is ComputationState.RELEASED else code(run)] += 1
        except HefuError as fault:  # nothing is asked of bytes that are no upload
            ends[fault.code] += 1
        beside.join()
        assert states == [ComputationState.RELEASED]
    print(dict(ends))
    assert {*ends} <= {"released", "ciphertext.malformed", "score.shape", "worker.failed", "contract.value"}
    assert ends["released"] < number / 2
    assert not bank.pool._jobs


def test_a_request_that_comes_again_gets_what_there_is_and_costs_nothing(bank: Bank) -> None:
    data = bank.encrypted(records(RECORDS))
    bank.upload(data)
    plan = bank.plan(data, RECORDS)
    asked = {"agreement": "agr-score", "purpose": "dpv:OrganisationRiskManagement"}
    statement = bank.space.request(plan=plan.body(), **asked)
    run = bank.enforcement.create(statement, CONSUMER)
    while run.state is not ComputationState.RELEASED:
        run = bank.enforcement.wait(run.id, CONSUMER, 10)
    again = bank.enforcement.create(statement, CONSUMER)
    assert (again.id, again.receipt, bank.spent()) == (run.id, run.receipt, Charge(NO_LOSS, plans.releases(plan)))


def test_an_answer_does_not_open_as_the_answer_to_another_request_nor_for_another_caller(bank: Bank) -> None:
    data, runs = bank.encrypted(records(RECORDS)), []
    for _ in range(2):
        bank.upload(data)
        runs.append(bank.ask(bank.plan(data, RECORDS)))
    first, second = runs
    part, own = bank.enforcement.part(first.id, CONSUMER, 0), bank.space.sealing[CONSUMER]
    assert keys.unseal(part, own, guard.info(first.id, "agr-score", 0))
    for info in (guard.info(second.id, "agr-score", 0), guard.info(first.id, "agr-other", 0)):
        with pytest.raises((HefuError, InvalidTag)):
            keys.unseal(part, own, info)
    with pytest.raises(NotFound):
        bank.enforcement.part(first.id, PROVIDER, 0)


def test_bytes_that_come_under_the_digest_of_others_change_nothing(bank: Bank) -> None:
    columns = records(RECORDS)
    good, other = bank.encrypted(columns), bank.encrypted([[1.0] * RECORDS, [20.0] * RECORDS])
    announced = Upload("cmp-a", "agr-score", canonical.digest(good), len(good))
    with pytest.raises(Malformed):
        bank.uploads.take(announced, [other], CONSUMER)
    bank.upload(good)
    bank.uploads.take(announced, [other], CONSUMER)
    plan = bank.plan(good, RECORDS)
    for got, wanted in zip(bank.scores(bank.ask(plan), plan), plain(bank.model, columns), strict=True):
        assert abs(got * float(STEP) - wanted) <= float(bank.model.tolerance)


def test_ciphertexts_of_another_key_give_the_owner_of_neither_a_score(bank: Bank, tmp_path: Path) -> None:
    """Records encrypted under a stolen public key come back under it, and whoever reads them is refused."""
    (tmp_path / "other").mkdir()
    other = Bank(tmp_path / "other")
    try:
        block = scoring.encrypt(other.own, bank.model.features, records(RECORDS))
        data = blobs.encode([bank.public, *block])
        bank.upload(data)
        plan = bank.plan(data, RECORDS)
        run = bank.ask(plan)
        assert run.state is ComputationState.RELEASED
        for own in (bank.own, other.own):
            with pytest.raises(Malformed):
                scoring.decrypt(own, bank.opened(run, plan)[1][0], LINEAR, RECORDS, STEP)
    finally:
        other.close()


def test_nobody_fills_the_room_of_uploads_for_others(bank: Bank) -> None:
    """One consumer announces much and sends little; it is told that there is no room, and others have theirs."""
    chunks = threading.Event()

    def trickle() -> Iterator[bytes]:
        yield b"x"
        chunks.wait(20)

    said = Upload(new_id("cmp"), "agr-score", "sha256:" + "0" * 64, 200 << 20)
    failed: list[str] = []

    def slow() -> None:
        try:
            bank.uploads.take(said, trickle(), CONSUMER)
        except HefuError as fault:
            failed.append(fault.code)

    thread = threading.Thread(target=slow)
    thread.start()
    while not bank.kept._coming:
        thread.join(0.01)
    with pytest.raises(Unavailable):
        bank.uploads.take(Upload("cmp-b", "agr-score", "sha256:" + "1" * 64, 100 << 20), [b""], CONSUMER)
    data = b"of another"
    bank.kept.keep(OTHER, "cmp-c", canonical.digest(data), len(data), [data])
    chunks.set()
    thread.join()
    assert (failed, bank.kept._coming) == (["inputs.differ"], [])


def test_the_same_bytes_under_ever_new_names_do_not_fill_the_memory(bank: Bank) -> None:
    data = b"the same"
    digest = canonical.digest(data)
    for number in range(256):
        bank.kept.keep(CONSUMER, f"cmp-{number}", digest, len(data), [data])
    with pytest.raises(Unavailable):
        bank.kept.keep(CONSUMER, "cmp-more", digest, len(data), [data])
    bank.kept.keep(CONSUMER, "cmp-0", digest, len(data), [data])  # what came before comes again
    bank.kept.keep(OTHER, "cmp-x", digest, len(data), [data])
