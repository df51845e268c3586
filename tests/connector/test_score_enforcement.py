"""Encrypted scores at the provider's only door: real contract, real enforcement, a real worker on real ciphertexts."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement, new_id
from hefu.errors import Malformed, Untrusted
from hefu.keeping import keys
from hefu.statements import receipt
from hefu_connector.computing import blobs, ciphertexts, guard
from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.computing.model import IDENTITY, LOGISTIC, RANKING, Feature, Model
from hefu_connector.computing.score_plan import ScorePlan
from hefu_connector.computing.suites import CURVED
from hefu_connector.computing.uploads import Upload, Uploads
from hefu_connector.computing.world import Rules, World
from hefu_connector.engines.scoring import Scoring
from hefu_connector.ports import FINAL, Account, ComputationState, Run, Values
from hefu_connector.sources.files import FileSource
from hefu_connector.sources.uploaded import Uploaded
from hefu_connector.workers import frames
from hefu_connector.workers.heavy import HEAVY
from hefu_connector.workers.pool import HEAVY_PROGRAM, Limits, Pool
from hefu_policies.budget import NO_LOSS, NOTHING, Budget, Charge
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.goods.served import Served
from hefu_policies.library import template
from hefu_policies.proving import replay

from tests.connector.small_space import eventually
from tests.connector.world import CONSUMER, PROVIDER, SPACE, Space

pytest.importorskip("tenseal")
from hefu_connector.engines.homomorphic import keys as contexts
from hefu_connector.engines.homomorphic import scoring

STEP = Decimal("0.001")
FEATURES = (Feature("income", "kCNY", Decimal(0), Decimal(100)), Feature("age", "a", Decimal(18), Decimal(98)))
OTHER = "energy-c"


def model(answer: str) -> Model:
    return Model(FEATURES, (Decimal("0.01"), Decimal("-0.02")), Decimal("0.5"), answer, STEP, "07" * 32)


def description(made: Model, releases: int, policy: Object) -> Description:
    schema = tuple(
        Column(each.name, "decimal", each.unit, bounds=Bounds(each.lower, each.upper, Decimal("0.01")))
        for each in made.features
    )
    served = Served(made.digest(), made.answer, made.step, made.suite.name, made.tolerance)
    asset = Resource("res-model", schema, Privacy("row", 1, Budget(NO_LOSS, max(releases, 100_000))), model=served)
    offer = Offer("off-research", policy, Budget(NO_LOSS, releases))
    return Description("prd-risk", 1, {"en": "Risk"}, (asset,), (offer,), kind="model")


def policy(made: Model, **changes: Any) -> Object:
    members = {
        "models": [made.digest()], "columns": ["income", "age"], "bits": 128, "per_day": 1000, "count": 100_000,
        "until": "2027-11-21T00:00:00Z", "keep": "P30D",
    }  # fmt: skip
    return template("credit-scoring", members | changes)


class Bank:
    """A provider with a served model, its workers and its one consumer with a key."""

    def __init__(self, folder: Path, answer: str = IDENTITY, releases: int = 100_000, **changes: Any) -> None:
        self.model = model(answer)
        self.space = Space(folder)
        self.space.enforcement.close()
        self.file = folder / "model.json"
        self.file.write_bytes(canonical.encode(self.model.body()))
        described = description(self.model, releases, policy(self.model, **changes))
        self.contract = self.space.agree("1", 1, "1", "agr-score", described)
        self.kept = Uploaded(None, self.space.clock)
        self.pool = Pool(None, Limits(ready=0))
        space = self.space
        self.enforcement = Enforcement(
            World(
                PROVIDER, "hospital-a-main", SPACE, space.signers[PROVIDER], space.clock, space.trust, space.contracts,
                space.ledger, space.journal, space.journal, {"res-model": FileSource(self.file, "model")}.__getitem__,
                {Scoring.action: Scoring()}, self.pool, Rules(quantum_seconds=0, deadline_seconds=60),
                inputs=self.kept,
            )
        )  # fmt: skip
        self.uploads = Uploads(PROVIDER, space.trust, space.contracts, self.kept, space.clock)
        self.own = contexts.make(self.model.suite)
        self.public = contexts.public(self.own, multiplies=answer == LOGISTIC)

    def close(self) -> None:
        self.enforcement.close()
        self.pool.close()

    def encrypted(self, columns: Sequence[Sequence[float]]) -> bytes:
        slots, count = self.model.suite.slots, len(columns[0])
        parts = [self.public]
        for at in range(0, count, slots):
            block = [each[at : at + slots] for each in columns]
            parts += scoring.encrypt(self.own, self.model.features, block)
        return blobs.encode(parts)

    def plan(self, data: bytes, records: int, **changes: Any) -> ScorePlan:
        made = ScorePlan(
            "prd-risk", self.model.digest(), self.model.suite.name, canonical.digest(self.public), records,
            canonical.digest(data), len(data),
        )  # fmt: skip
        return replace(made, **changes)

    def upload(self, data: bytes, computation: str = "cmp-a") -> None:
        upload = Upload(computation, "agr-score", canonical.digest(data), len(data))
        self.uploads.take(upload, [data], CONSUMER)

    def ask(self, plan: ScorePlan, **changes: Any) -> Run:
        asked = {"agreement": "agr-score", "purpose": "dpv:OrganisationRiskManagement"} | changes
        statement = self.space.request(plan=plan.body(), **asked)
        run = self.enforcement.create(statement, CONSUMER)
        while run.state not in FINAL:
            run = self.enforcement.wait(run.id, CONSUMER, 10)
        return run

    def spent(self) -> Charge:
        return self.space.ledger.balance(Account("agreement/agr-score", self.contract.agreement.budget)).charged

    def opened(self, run: Run, plan: ScorePlan) -> tuple[bytes, list[bytes], Object]:
        assert run.receipt is not None
        told = receipt.Receipt.of(Statement.parse(run.receipt))
        pieces = [
            keys.unseal(
                self.enforcement.part(run.id, CONSUMER, at), self.space.sealing[CONSUMER],
                guard.info(run.id, "agr-score", at),
            )
            for at in range(len(told.parts))
        ]  # fmt: skip
        data = b"".join(pieces)
        return data, *ciphertexts.read(data, run.id, self.form(plan))

    def form(self, plan: ScorePlan) -> Any:
        return ciphertexts.announced(plan.parameters, plan.parameters.blocks(plan.records))

    def scores(self, run: Run, plan: ScorePlan) -> list[int]:
        _, told, _ = self.opened(run, plan)
        counts = plan.parameters.blocks(plan.records)
        found = [
            scoring.decrypt(self.own, data, plan.parameters, count, STEP)
            for data, count in zip(told, counts, strict=True)
        ]
        return [score for block in found for score in block]


def records(count: int) -> list[list[float]]:
    return [[at * 37 % 101 for at in range(count)], [18 + at * 11 % 80 for at in range(count)]]


def plain(made: Model, columns: Sequence[Sequence[float]]) -> list[float]:
    weights = [float(each) for each in made.weights]
    return [
        float(made.intercept) + sum(w * v for w, v in zip(weights, row, strict=True))
        for row in zip(*columns, strict=True)
    ]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = Bank(tmp_path)
    yield made
    made.close()


def code(run: Run) -> str:
    assert run.receipt is not None
    statement = Statement.parse(run.receipt)
    kind = receipt.Refusal if run.state is ComputationState.REFUSED else receipt.Failure
    return kind.of(statement).code


def test_records_are_scored_by_a_worker_and_every_place_of_every_block_is_charged(bank: Bank) -> None:
    columns = records(4100)  # two blocks
    data = bank.encrypted(columns)
    plan = bank.plan(data, 4100)
    bank.upload(data)
    run = bank.ask(plan)
    assert run.state is ComputationState.RELEASED
    for got, wanted in zip(bank.scores(run, plan), plain(bank.model, columns), strict=True):
        assert abs(got * float(STEP) - wanted) <= float(bank.model.tolerance)
    assert run.receipt is not None
    told = receipt.Receipt.of(Statement.parse(run.receipt))
    assert (told.charge, bank.spent()) == (receipt.Spent(0, 0, 8192), Charge(NO_LOSS, 8192))
    assert (told.output.kind, told.output.cells, told.engine) == ("EncryptedResult", 8192, "score")
    facts = replay.read_facts(told.facts)
    assert facts["outputRows"] == 8192
    assert (facts["model"], facts["securityBits"]) == (bank.model.digest(), 128)


def test_answers_of_other_records_have_the_same_size_and_other_bytes(bank: Bank) -> None:
    sizes, seen = set(), set()
    for columns in (records(10), [[0] * 10, [18] * 10], records(10)):
        data = bank.encrypted(columns)
        bank.upload(data)
        plan = bank.plan(data, 10)
        whole, told, _ = bank.opened(bank.ask(plan), plan)
        sizes.add(len(whole))
        seen |= {*told}
    assert (len(sizes), len(seen)) == (1, 3)


def test_inputs_that_are_not_there_or_are_anothers_are_refused_before_anything_is_charged(bank: Bank) -> None:
    data = bank.encrypted(records(5))
    plan = bank.plan(data, 5)
    bank.kept.keep(OTHER, "cmp-b", plan.inputs, len(data), [data])
    run = bank.ask(plan)
    assert (run.state, code(run), bank.spent()) == (ComputationState.REFUSED, "inputs.missing", NOTHING)
    computation = new_id("cmp")
    bank.upload(data, computation)
    assert bank.ask(plan, computation=computation).state is ComputationState.RELEASED
    eventually(lambda: code(bank.ask(plan)) == "inputs.missing")  # they went with the computation that needed them
    bank.kept.check(OTHER, plan.inputs)
    assert bank.spent() == Charge(NO_LOSS, 4096)


def test_what_waits_long_for_its_turn_finds_what_was_uploaded_for_it(bank: Bank) -> None:
    data = bank.encrypted(records(3))
    bank.upload(data)
    turn, plan = threading.Event(), bank.plan(data, 3)
    for _ in range(3):  # as many as run at once, and one
        bank.enforcement._jobs._executor.submit(turn.wait, 60)  # type: ignore[attr-defined]
    statement = bank.space.request(plan=plan.body(), agreement="agr-score", purpose="dpv:OrganisationRiskManagement")
    run = bank.enforcement.create(statement, CONSUMER)
    for _ in range(3):
        bank.space.clock.move(600)
        bank.enforcement.sweep()
    turn.set()
    while run.state not in FINAL:
        run = bank.enforcement.wait(run.id, CONSUMER, 10)
    assert run.state is ComputationState.RELEASED


def test_a_contract_answers_no_more_records_than_its_budget_has(tmp_path: Path) -> None:
    bank = Bank(tmp_path, releases=3 * 4096 - 1)
    try:
        data = bank.encrypted(records(5))
        for wanted in (ComputationState.RELEASED, ComputationState.RELEASED, ComputationState.REFUSED):
            bank.upload(data)
            assert bank.ask(bank.plan(data, 5)).state is wanted
        assert bank.spent() == Charge(NO_LOSS, 2 * 4096)
    finally:
        bank.close()


@pytest.mark.parametrize(
    ("changes", "asked", "word"),
    [
        ({}, {"model": "sha256:" + "0" * 64}, "score.other"),
        ({}, {"suite": CURVED.name}, "score.other"),
        ({}, {"size": 256 << 20}, "score.shape"),
        ({"bits": 256}, {}, "policy.refused"),
        ({"models": ["sha256:" + "1" * 64]}, {}, "policy.refused"),
        ({"columns": ["age"]}, {}, "policy.refused"),
    ],
)
def test_what_contract_or_description_do_not_name_is_refused_and_costs_nothing(
    tmp_path: Path, changes: dict[str, Any], asked: dict[str, Any], word: str
) -> None:
    bank = Bank(tmp_path, **changes)
    try:
        data = bank.encrypted(records(2))
        bank.upload(data)
        run = bank.ask(bank.plan(data, 2, **asked))
        assert (run.state, code(run), bank.spent()) == (ComputationState.REFUSED, word, NOTHING)
    finally:
        bank.close()


def test_whatever_is_wrong_with_ciphertexts_ends_one_request_in_one_word_and_disturbs_nobody(bank: Bank) -> None:
    good = bank.encrypted(records(3))
    parts = blobs.decode(good, [1 << 20] * 3)
    foreign = contexts.make(bank.model.suite)
    public = contexts.public(foreign)
    wrongs = [
        blobs.encode([public, *parts[1:]]),  # another key than the plan names
        blobs.encode([contexts.secret(bank.own), *parts[1:]]),
        blobs.encode([*parts[:2], parts[2][:-1]]),
        blobs.encode([*parts[:2], parts[2][:-30] + bytes(30)]),
        blobs.encode([parts[0], *scoring.encrypt(bank.own, FEATURES, records(4))]),
        blobs.encode([*parts, parts[2]]),
        blobs.encode(parts) + b"x",
    ]
    for data in wrongs:
        bank.upload(data)
        run = bank.ask(bank.plan(data, 3))
        assert (run.state, code(run)) == (ComputationState.FAILED, "ciphertext.malformed")
    assert bank.spent() == Charge(NO_LOSS, 4096 * len(wrongs))
    bank.upload(good)
    assert bank.ask(bank.plan(good, 3)).state is ComputationState.RELEASED


def test_a_worker_that_dies_is_a_refusal_to_one_caller(bank: Bank) -> None:
    data = bank.encrypted(records(3))
    bank.upload(data)
    bank.pool._heavy = (sys.executable, "-c", "import os; os.abort()")
    run = bank.ask(bank.plan(data, 3))
    assert (run.state, code(run), bank.spent()) == (ComputationState.FAILED, "worker.failed", Charge(NO_LOSS, 4096))
    bank.pool._heavy = HEAVY_PROGRAM
    assert bank.ask(bank.plan(data, 3)).state is ComputationState.RELEASED


def test_a_model_that_was_replaced_answers_nothing(bank: Bank) -> None:
    data = bank.encrypted(records(3))
    bank.upload(data)
    bank.file.write_bytes(canonical.encode(model(RANKING).body()))
    run = bank.ask(bank.plan(data, 3))
    assert (run.state, code(run)) == (ComputationState.FAILED, "model.other")


@pytest.mark.parametrize(("answer", "count"), [(RANKING, 4200), (LOGISTIC, 30)])
def test_rankings_hold_over_blocks_and_curves_are_near(tmp_path: Path, answer: str, count: int) -> None:
    bank = Bank(tmp_path, answer)
    try:
        columns = records(count)
        data = bank.encrypted(columns)
        bank.upload(data)
        plan = bank.plan(data, count)
        got, wanted = bank.scores(bank.ask(plan), plan), plain(bank.model, columns)
        if answer == LOGISTIC:
            for found, score in zip(got, wanted, strict=True):
                assert abs(found * float(STEP) - 1 / (1 + math.exp(-score))) <= float(bank.model.tolerance)
        else:
            order = sorted(range(count), key=wanted.__getitem__)
            assert all(got[low] <= got[high] + 2 for low, high in pairwise(order))
            assert max(abs(g * float(STEP) - w) for g, w in zip(got, wanted, strict=True)) > 0.01
    finally:
        bank.close()


def test_the_guard_lets_nothing_through_but_ciphertexts_as_announced(bank: Bank) -> None:
    plan = bank.plan(bank.encrypted(records(3)), 3)
    prepared = Scoring().prepare(plan.body(), bank.contract.description.resources[0], None)
    public = contexts.read_public(bank.public, bank.model.suite)
    block = scoring.encrypt(bank.own, FEATURES, records(3))
    one, other = (scoring.score(public, bank.model, block, 3) for _ in range(2))
    good = Values((), (), None, 3, blob=blobs.encode([one]))
    passed = guard.check(good, prepared)
    data = guard.release("cmp-a", passed, prepared, {"user": "li"}, bytes)[0]
    assert ciphertexts.read(data, "cmp-a", bank.form(plan))[0] == [one]
    wrong = ([one, other], [one[:-1]], [block[0]])
    for blob in (None, b"", one, blobs.encode([one]) + b"x", *map(blobs.encode, wrong)):
        with pytest.raises(Untrusted):
            guard.check(replace(good, blob=blob), prepared)
    with pytest.raises(Untrusted):
        guard.check(replace(good, rows=(("1",),), half_widths=((None,),)), prepared)
    with pytest.raises(Untrusted):
        guard.check(good, replace(prepared, encrypted=None))
    with pytest.raises(Untrusted):
        ciphertexts.read(data, "cmp-b", bank.form(plan))
    with pytest.raises(Malformed):
        ciphertexts.read(data[:-1] + b"x", "cmp-a", bank.form(plan))


def test_a_heavy_worker_reaches_no_more_than_others(tmp_path: Path) -> None:
    with Pool(tmp_path, Limits(ready=0, most=1)) as pool:
        worker = pool._start(60, HEAVY_PROGRAM)
        assert worker is not None
        hello = frames.receive(worker.answers)
        worker.bury()
    with Pool(tmp_path, Limits(ready=1, most=1)) as pool:
        other = pool.hello()
    assert (hello["network"], hello["files"]) == (other["network"], other["files"])
    assert hello["engines"] == [*sorted(HEAVY)]
