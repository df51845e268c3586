"""Uploaded inputs: announced, counted, checked, each consumer's apart; and the plans and blobs that they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hefu import canonical
from hefu.errors import HefuError, Malformed, NotFound, Refused, Unauthenticated, Unavailable
from hefu_connector.computing import blobs, plans
from hefu_connector.computing.score_plan import ScorePlan
from hefu_connector.computing.suites import CURVED, LINEAR
from hefu_connector.computing.uploads import Upload, Uploads
from hefu_connector.inputs import FORM
from hefu_connector.sources.uploaded import Uploaded
from hefu_policies.words.terms import HE_INFERENCE
from hypothesis import given
from hypothesis import strategies as st

from tests.connector.world import CONSUMER, PROVIDER, SetClock, Space

BYTES = b"ciphertexts" * 100
DIGEST = canonical.digest(BYTES)
OTHER = "energy-c"
Folder = Callable[[], Path | None]


@pytest.fixture(params=["memory", "folder"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Uploaded:
    """Room for two and a half of `BYTES`, for three in all."""
    folder = tmp_path if request.param == "folder" else None
    return Uploaded(folder, SetClock(), len(BYTES) * 5 // 2, len(BYTES) * 3)


def keep(kept: Uploaded, data: bytes = BYTES, computation: str = "cmp-a", consumer: str = CONSUMER) -> str:
    kept.keep(consumer, computation, canonical.digest(data), len(data), [data[:100], data[100:]])
    return canonical.digest(data)


def code(call: Callable[[], object]) -> str:
    with pytest.raises(HefuError) as found:
        call()
    return found.value.code


def test_what_was_uploaded_is_opened_by_its_consumer_alone(kept: Uploaded) -> None:
    keep(kept)
    with kept.open(CONSUMER, DIGEST) as table:
        assert (table.form, table.snapshot, table.size) == (FORM, DIGEST, len(BYTES))
        assert table.path.read_bytes() == BYTES
        kept.drop(CONSUMER, "cmp-a")
        assert table.path.read_bytes() == BYTES  # whoever reads is not disturbed
    for consumer in (CONSUMER, OTHER):
        assert code(lambda who=consumer: kept.check(who, DIGEST)) == "inputs.missing"  # type: ignore[misc]


@pytest.mark.parametrize("chunks", [[BYTES[:-1]], [BYTES, b"x"], [BYTES[:-1] + b"x"], []])
def test_bytes_that_are_not_as_announced_are_not_kept_and_take_no_room(kept: Uploaded, chunks: list[bytes]) -> None:
    for _ in range(4):
        with pytest.raises(Malformed):
            kept.keep(CONSUMER, "cmp-a", DIGEST, len(BYTES), chunks)
    with pytest.raises(Refused):
        kept.check(CONSUMER, DIGEST)
    keep(kept)


def test_neither_one_consumer_nor_all_together_take_more_than_their_room(kept: Uploaded) -> None:
    for each in (b"1", b"2"):
        keep(kept, BYTES[:-1] + each)
    assert code(lambda: keep(kept)) == "inputs.full"
    keep(kept, BYTES[:-1] + b"1")  # the same again is the same file
    keep(kept, consumer=OTHER)
    assert code(lambda: keep(kept, b"x", consumer=OTHER)) == "inputs.full"
    kept.drop(OTHER, "cmp-a")
    keep(kept, consumer=OTHER)


def test_an_upload_is_gone_when_no_computation_needs_it_or_nobody_asks(tmp_path: Path) -> None:
    clock = SetClock()
    kept = Uploaded(tmp_path, clock)
    for name in ("cmp-a", "cmp-b"):
        keep(kept, computation=name)
    kept.drop(CONSUMER, "cmp-a")
    kept.drop(OTHER, "cmp-b")
    kept.check(CONSUMER, DIGEST)
    for seconds in (800, 800):  # each look keeps it for a while
        clock.move(seconds)
        kept.sweep()
        kept.check(CONSUMER, DIGEST)
    clock.move(901)
    kept.sweep()
    assert code(lambda: kept.check(CONSUMER, DIGEST)) == "inputs.missing"
    assert [*tmp_path.iterdir()] == []


def test_only_a_consumer_with_a_contract_that_computes_on_uploads_may_fill_the_room(tmp_path: Path) -> None:
    space, kept = Space(tmp_path), Uploaded(None, SetClock())
    uploads = Uploads(PROVIDER, space.trust, space.contracts, kept, space.clock)
    upload = Upload("cmp-a", "agr-one", DIGEST, len(BYTES))
    assert code(lambda: uploads.take(upload, [BYTES], CONSUMER)) == "contract.nothing"
    contract = space.contract
    agreement = replace(contract.agreement, computations=(HE_INFERENCE,))
    space.contracts.held["agr-one"] = replace(contract, agreement=agreement)
    uploads.take(upload, [BYTES], CONSUMER)
    kept.check(CONSUMER, DIGEST)
    with pytest.raises(NotFound):
        uploads.take(upload, [BYTES], PROVIDER)
    with pytest.raises(NotFound):
        uploads.take(replace(upload, agreement="agr-two"), [BYTES], CONSUMER)

    def until_it_is_revoked() -> Iterator[bytes]:
        yield BYTES[:-1]
        space.revoke(CONSUMER)
        yield b"2"

    digest = canonical.digest(BYTES[:-1] + b"2")
    with pytest.raises(Unauthenticated):
        uploads.take(replace(upload, digest=digest), until_it_is_revoked(), CONSUMER)
    with pytest.raises(Refused):
        kept.check(CONSUMER, digest)
    space.enforcement.close()


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(0, 400))
def test_blobs_are_read_as_they_were_written_and_in_no_other_way(told: list[bytes], at: int) -> None:
    data, most = blobs.encode(told), [50] * len(told)
    assert blobs.decode(data, most) == told
    assert len(data) == blobs.size(map(len, told))
    for wrong in (data[:at], data + b"x", b"\0" + data):
        if wrong != data:
            with pytest.raises(Malformed):
                blobs.decode(wrong, most)
    if any(told):
        with pytest.raises(Malformed):
            blobs.decode(data, [max(map(len, told)) - 1] * len(told))


def test_a_score_plan_reads_as_it_was_written_and_is_charged_all_places_of_its_blocks() -> None:
    plan = ScorePlan("prd-risk", DIGEST, LINEAR.name, DIGEST, 5000, DIGEST, 77)
    body = plan.body()
    assert plans.read_plan(body) == plan
    assert (plans.operation(body), plans.releases(plan), LINEAR.blocks(5000)) == (HE_INFERENCE, 8192, (4096, 904))
    assert LINEAR.blocks(8192) == (4096, 4096)
    for wrong in (
        {"records": 0}, {"records": 65_537}, {"model": "x"}, {"suite": "bfv-totals"}, {"suite": "none"}, {"more": 1},
        {"parameters": CURVED.digest()}, {"inputs": {"digest": DIGEST, "size": 1 << 30}}, {"version": 2},
    ):  # fmt: skip
        with pytest.raises(Malformed):
            plans.read_plan(body | wrong)


def test_a_connector_without_uploads_takes_none() -> None:
    from hefu_connector.inputs import NoInputs

    none = NoInputs()
    with pytest.raises(Unavailable):
        none.keep(CONSUMER, "cmp-a", DIGEST, 1, [])
    with pytest.raises(Refused):
        none.check(CONSUMER, DIGEST)
