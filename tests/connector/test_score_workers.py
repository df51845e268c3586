"""The consumer's workers and keys: records are encrypted and scores decrypted in a disposable process, on the grid."""

from __future__ import annotations

import os
import random
from array import array
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Unavailable, Untrusted
from hefu.keeping.vault import Vault
from hefu_connector.computing import blobs
from hefu_connector.computing.bench import Bench
from hefu_connector.computing.model import IDENTITY, Feature, Model
from hefu_connector.computing.score_keys import KeyPair, ScoreKeys
from hefu_connector.computing.suites import LINEAR
from hefu_connector.sources import spool
from hefu_connector.storage import Database, SqlScores
from hefu_connector.workers.pool import Limits, Pool

pytest.importorskip("tenseal")
VAULT = Vault(bytes(range(32)))
COUNT = LINEAR.slots + 5  # two blocks
MODEL = Model(
    (Feature("a", "", Decimal(-2), Decimal(1)), Feature("b", "", Decimal(0), Decimal(10))),
    (Decimal("0.5"), Decimal("-0.125")), Decimal("0.25"), IDENTITY, Decimal("0.001"), "00" * 32,
)  # fmt: skip


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Pool(None, Limits(ready=1, most=2)) as pool:
        yield Bench(pool, partial(spool.place, None), spool.measure, 120)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database.at(tmp_path_factory.mktemp("keys") / "connector.db", "demo")
    yield made
    made.close()


@pytest.fixture(scope="module")
def pair(bench: Bench, database: Database) -> KeyPair:
    return ScoreKeys(SqlScores(database), bench, VAULT).of("agr-a", LINEAR.name)


@pytest.fixture(scope="module")
def values() -> array[float]:
    drawn = random.Random(3)
    return array("d", [each for _ in range(COUNT) for each in (drawn.uniform(-2, 1), drawn.uniform(0, 10))])


@pytest.fixture(scope="module")
def encrypted(bench: Bench, pair: KeyPair, values: array[float]) -> list[bytes]:
    """The public context and the ciphertexts, as they are uploaded."""
    parameters: Object = {
        "suite": LINEAR.name, "features": [each.body() for each in MODEL.features], "records": COUNT,
    }  # fmt: skip
    with bench.made("encrypt", parameters, values.tobytes(), [pair.public]) as made, made.path.open("rb") as file:
        assert made.size == made.path.stat().st_size
        return [*blobs.read(file, [1 << 20] * 5)]


@pytest.fixture(scope="module")
def answers(bench: Bench, pair: KeyPair, encrypted: list[bytes]) -> list[bytes]:
    """What the provider's worker answers."""
    parameters: Object = {
        "model": MODEL.digest(), "suite": LINEAR.name, "key": pair.digest, "records": COUNT, "answer": IDENTITY,
    }  # fmt: skip
    model = canonical.encode(MODEL.body())
    with bench.made("score", parameters, model, [blobs.encode(encrypted)]) as made, made.path.open("rb") as file:
        return [*blobs.read(file, [LINEAR.largest] * 2)]


def asked(bench: Bench, secret: bytes, answers: list[bytes], lower: str = "-4096", upper: str = "4096") -> Object:
    parameters: Object = {
        "suite": LINEAR.name, "records": COUNT, "step": "0.001", "lower": lower, "upper": upper,
    }  # fmt: skip
    return bench.told("decrypt", parameters, blobs.encode(answers), [secret])


def test_scores_come_back_on_the_grid_and_within_the_tolerance(
    bench: Bench, pair: KeyPair, values: array[float], answers: list[bytes]
) -> None:
    steps = asked(bench, pair.secret, answers)["steps"]
    assert isinstance(steps, list)
    assert len(steps) == COUNT
    plain = [0.25 + 0.5 * a - 0.125 * b for a, b in zip(values[::2], values[1::2], strict=True)]
    far = max(abs(int(str(got)) * 0.001 - wanted) for got, wanted in zip(steps, plain, strict=True))
    assert far <= float(MODEL.tolerance)


def test_an_answer_to_another_key_or_beyond_the_model_s_reach_tells_nothing(
    bench: Bench, database: Database, pair: KeyPair, answers: list[bytes]
) -> None:
    other = ScoreKeys(SqlScores(database), bench, VAULT).of("agr-b", LINEAR.name)
    assert other.digest != pair.digest
    assert asked(bench, other.secret, answers) == {}
    assert asked(bench, pair.secret, answers, "-0.1", "0.1") == {}
    assert asked(bench, pair.secret, answers[:1]) == {}
    assert asked(bench, pair.secret, [answers[0], os.urandom(len(answers[1]))]) == {}


def test_no_value_outside_its_range_is_encrypted_whatever_was_checked_before(bench: Bench, pair: KeyPair) -> None:
    parameters: Object = {"suite": LINEAR.name, "features": [each.body() for each in MODEL.features], "records": 1}
    with pytest.raises(Unavailable), bench.made("encrypt", parameters, array("d", [2.0, 0.0]).tobytes(), [pair.public]):
        pass


def test_a_key_is_made_once_a_contract_and_opens_under_its_own_secret_only(
    bench: Bench, database: Database, pair: KeyPair, tmp_path: Path
) -> None:
    shelf = SqlScores(database)
    assert ScoreKeys(shelf, bench, VAULT).of("agr-a", LINEAR.name) == pair
    kept = shelf.key("agr-a", LINEAR.name)
    assert kept is not None
    assert pair.secret[1000:1100] not in kept.secret
    assert pair.secret not in pair.public
    for wrong in (Vault(bytes(32)), None):
        with pytest.raises(Untrusted):
            ScoreKeys(shelf, bench, wrong).of("agr-a", LINEAR.name)
    open_store = Database.at(tmp_path / "open.db", "demo")
    try:
        bare = ScoreKeys(SqlScores(open_store), bench, None)
        assert bare.of("agr-a", LINEAR.name) == bare.of("agr-a", LINEAR.name)
    finally:
        open_store.close()
