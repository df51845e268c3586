"""Attacks on encrypted scores: by consumers who want the model, by whoever wants the key, by bytes that kill."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from hefu.errors import Malformed
from hefu_connector.computing import blobs, frames
from hefu_connector.computing.model import IDENTITY, LOGISTIC, RANKING, Feature, Model
from hefu_connector.computing.suites import LARGEST_PUBLIC, LINEAR, TOTALS

from tests.deep import examples

pytest.importorskip("tenseal")
from hefu_connector.engines.homomorphic import flooding, keys, scoring

from tests.attacks import key_recovery, mutating, reading
from tests.attacks.altered_consumer import AlteredConsumer, bare

WEIGHTS = (0.75, -0.3125, 0.125)
KINDS = ("v", "a", "c", "b", "f")  # a vector, an answer, a context, an exact vector, a file of them
SLOTS = LINEAR.slots


def model(answer: str = IDENTITY, step: str = "0.01", weights: tuple[float, ...] = WEIGHTS) -> Model:
    features = tuple(Feature(f"f{at}", "", Decimal(-1), Decimal(1)) for at in range(len(weights)))
    return Model(features, tuple(map(Decimal, weights)), Decimal("0.25"), answer, Decimal(step), "00" * 32)


def score(made: Model, asked: AlteredConsumer, block: list[bytes], count: int) -> bytes:
    return scoring.score(asked.theirs, made, block, count, scoring.hidden(made))


@pytest.fixture
def consumer(tmp_path: Path) -> AlteredConsumer:
    return AlteredConsumer(LINEAR, tmp_path)


def correlation(told: list[float], wanted: list[float]) -> float:
    return abs(statistics.correlation(told, wanted))


# ---------------------------------------------------------------- what one answer holds


@pytest.mark.parametrize("answer", [IDENTITY, RANKING])
def test_who_asks_for_one_record_gets_no_other_slot_and_no_imaginary_part(
    consumer: AlteredConsumer, answer: str
) -> None:
    drawn = random.Random(1)
    columns = [[complex(drawn.uniform(-1, 1), drawn.uniform(-1, 1)) for _ in range(SLOTS)] for _ in WEIGHTS]
    block = [consumer.encrypt(each, 1) for each in columns]
    true = [sum(w * c[at] for w, c in zip(WEIGHTS, columns, strict=True)) for at in range(SLOTS)]
    raw = consumer.decrypt(bare(consumer.theirs, block, WEIGHTS))
    assert max(abs(told - wanted) for told, wanted in zip(raw, true, strict=True)) < 1e-5, "the attack is real"

    told = consumer.decrypt(score(model(answer), consumer, block, 1))
    beyond = [each.real for each in told[1:]]
    imaginary = [each.imag for each in told]
    for found, wanted in ((beyond, [each.real for each in true[1:]]), (imaginary, [each.imag for each in true])):
        assert statistics.stdev(found) > float(flooding.WIDE) / 2
        assert correlation(found, wanted) < 0.1  # 4,095 pairs: six times what chance gives


def test_a_curve_does_not_show_other_slots_either(tmp_path: Path) -> None:
    made = model(LOGISTIC)
    consumer = AlteredConsumer(made.suite, tmp_path)
    drawn = random.Random(2)
    columns = [[drawn.uniform(-1, 1) for _ in range(made.suite.slots)] for _ in WEIGHTS]
    told = consumer.decrypt(score(made, consumer, [consumer.encrypt(each, 2) for each in columns], 2))
    assert all(0 < each.real < 1 for each in told[:2])
    assert statistics.stdev(each.real for each in told[2:]) > float(flooding.WIDE) / 2
    assert statistics.stdev(each.imag for each in told) > float(flooding.WIDE) / 2


@pytest.mark.parametrize("step", ["0.0001", "0.01", "64"])
def test_no_digit_below_the_grid_tells_of_the_weights(consumer: AlteredConsumer, step: str) -> None:
    """Equal records: without flooding, or with noise that has a grid of its own, low digits pile up in one place."""
    made, one = model(step=step), [consumer.encrypt([1.0] * SLOTS, SLOTS)] * len(WEIGHTS)
    told = [each.real for each in consumer.decrypt(score(made, consumer, one, SLOTS))]
    true = sum(WEIGHTS) + 0.25
    assert all(abs(each - true) <= float(step) / 4 for each in told)
    for digit in (64, 2**10, 2**16):
        width = float(step) / 2 / digit
        if width < 1e-7:  # below what the scheme itself adds
            continue
        places = [int(each / width * 16) % 16 for each in told]
        expected = SLOTS / 16
        distance = sum((places.count(place) - expected) ** 2 / expected for place in range(16))
        assert distance < 60, digit  # chi squared of 15 degrees: beyond once in 10^6


def test_answers_of_any_model_to_any_records_have_one_size(consumer: AlteredConsumer) -> None:
    drawn = random.Random(3)
    zero, dense = [0.0] * SLOTS, [drawn.uniform(-1, 1) for _ in range(SLOTS)]
    sizes = {
        len(score(made, consumer, [consumer.encrypt(values, count)] * 3, count))
        for made in (model(), model(weights=(0.0, 0.0, 0.0)), model(RANKING))
        for values, count in ((zero, SLOTS), (dense, SLOTS), (dense, 1))
    }
    assert max(sizes) - min(sizes) < 100
    assert max(sizes) < LINEAR.answered


# ---------------------------------------------------------------- ranking


def test_a_ranking_hides_its_slope_from_request_to_request_and_has_one_in_a_request(consumer: AlteredConsumer) -> None:
    made = model(RANKING, step="0.0001")
    records = [[-1.0, 0.0, 1.0]] * 3
    block = scoring.encrypt(consumer.own, made.features, records)
    width = 2 * abs(sum(WEIGHTS))
    slopes, shifts = [], []
    for _ in range(12):
        hidden = scoring.hidden(made)
        first, second = (
            [float(each * made.step) for each in scoring.decrypt(consumer.own, answer, LINEAR, 3, made.step)]
            for answer in (scoring.score(consumer.theirs, made, block, 3, hidden) for _ in range(2))
        )
        assert first == pytest.approx(second, abs=2e-4)  # two blocks of one request can be compared
        slopes.append((first[2] - first[0]) / width)
        shifts.append(first[1])
    assert all(0.49 < each < 1.01 for each in slopes)
    assert max(slopes) - min(slopes) > 0.1  # by chance below once in 10^7
    assert max(shifts) - min(shifts) > float(made.reach) / 4


# ---------------------------------------------------------------- the key


def test_the_published_key_recovery_works_on_the_library_and_fails_on_what_is_released(
    consumer: AlteredConsumer,
) -> None:
    drawn = random.Random(4)
    prime, scale = key_recovery.first_prime(LINEAR.ring, LINEAR.moduli), float(1 << LINEAR.scale)
    columns = [[[drawn.uniform(-1, 1) for _ in range(SLOTS)] for _ in WEIGHTS] for _ in range(2)]
    made = model(step="0.0001")
    blocks = [scoring.encrypt(consumer.own, made.features, each) for each in columns]

    def recovered(vectors: list[bytes], values: list[list[float]]) -> bool:
        opened = [key_recovery.Opened(each, LINEAR.ring) for each in vectors]
        return key_recovery.is_key(key_recovery.secret(opened, values, scale, prime, LINEAR.ring))

    raw = [each[0] for each in blocks]
    assert recovered(raw, [[value.real for value in consumer.decrypt(each)] for each in raw]), "the attack is real"
    answers = [score(made, consumer, each, SLOTS) for each in blocks]
    released = [
        [float(each * made.step) for each in scoring.decrypt(consumer.own, answer, LINEAR, SLOTS, made.step)]
        for answer in answers
    ]
    assert not recovered(answers, released)
    unrounded = [[value.real for value in consumer.decrypt(each)] for each in answers]
    assert not recovered(answers, unrounded)  # even then


def test_an_answer_under_another_key_or_at_another_level_is_refused(consumer: AlteredConsumer, tmp_path: Path) -> None:
    made, other = model(), AlteredConsumer(LINEAR, tmp_path)
    block = scoring.encrypt(consumer.own, made.features, [[0.5] * 8] * 3)
    answer = score(made, consumer, block, 8)
    assert len(scoring.decrypt(consumer.own, answer, LINEAR, 8, made.step)) == 8
    for wrong, key in ((answer, other.own), (block[0], consumer.own)):
        with pytest.raises(Malformed):
            scoring.decrypt(key, wrong, LINEAR, 8, made.step)
    with pytest.raises(Malformed):
        score(made, consumer, [answer] * 3, 8)


def test_a_key_for_other_parameters_of_the_same_look_is_refused() -> None:
    import tenseal

    made = tenseal.context(tenseal.SCHEME_TYPE.CKKS, LINEAR.ring, -1, [60, 40, 60, 40])
    made.global_scale = 2.0**40
    for scale in (2.0**40, 2.0**39):
        made.global_scale = scale
        with pytest.raises(Malformed):
            keys.read_public(keys.public(made), LINEAR)


# ---------------------------------------------------------------- bytes that nobody should write


@dataclass(frozen=True)
class Good:
    """Bytes as they should be, of each kind, and the keys to read them."""

    folder: Path
    data: Mapping[str, bytes]
    own: bytes

    @classmethod
    def made(cls, folder: Path) -> Good:
        import tenseal

        own, exact, asked = keys.make(LINEAR), keys.make(TOTALS), reading.model()
        public = keys.public(own)
        for name, data in (("secret", keys.secret(own)), ("public", public), ("exact", keys.secret(exact))):
            (folder / name).write_bytes(data)
        block = scoring.encrypt(own, asked.features, [[0.5] * reading.COUNT])
        answer = scoring.score(keys.read_public(public, LINEAR), asked, block, reading.COUNT)
        total = bytes(tenseal.bfv_vector(exact, [5] * reading.COUNT).serialize())
        file = blobs.encode([public, *block])
        return cls(folder, {"v": block[0], "a": answer, "c": public, "b": total, "f": file}, public)

    def judged(self, kind: str, data: bytes, reader: reading.Reader) -> bytes:
        """What became of bytes: refused here, by their frame, or what a reader made of them."""
        try:
            self._framed(kind, data)
        except Malformed:
            return b"framed"
        return reader.read(kind.encode(), data)

    def _framed(self, kind: str, data: bytes) -> None:
        if kind == "c":
            frames.check_public_key(data, self.own, LARGEST_PUBLIC)
        elif kind == "f":
            public, vector = blobs.decode(data, [LARGEST_PUBLIC, LINEAR.largest])
            frames.check_public_key(public, self.own, LARGEST_PUBLIC)
            frames.check_vector(vector, reading.COUNT, LINEAR.scale, LINEAR.largest)
        else:
            scale, most = (0, TOTALS.largest) if kind == "b" else (LINEAR.scale, LINEAR.largest)
            frames.check_vector(data, reading.COUNT, scale, most)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    return Good.made(tmp_path_factory.mktemp("keys"))


@pytest.mark.deep
@pytest.mark.parametrize("part", range(examples(1, 4)))
@pytest.mark.parametrize("kind", KINDS)
def test_no_changed_ciphertext_or_key_does_more_than_end_the_process_that_reads_it(
    good: Good, kind: str, part: int
) -> None:
    """Of what is read in the connector's own process, nothing but one refusal comes; the rest kills readers at most."""
    number, drawn = examples(60, 5000), random.Random(f"{kind} {part}")
    ends: Counter[bytes] = Counter()
    with reading.reader(good.folder) as reader:
        for _ in range(number):
            data = mutating.changed(good.data[kind], drawn)
            ends[good.judged(kind, data, reader)] += 1
        assert reader.read(kind.encode(), good.data[kind]) == reading.DONE, "another process serves"
        deaths = reader.deaths
    print(f"{kind} {part}: {number} changed", {end.decode(): count for end, count in ends.items()}, f"{deaths} died")
    assert ends[b"framed"] > number / 5, "the frame refuses much"
    assert sum(ends.values()) == number
