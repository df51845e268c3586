"""kill -9 at the points that no release of its own passes (`tests/attacks/test_crash_matrix.py` has the others)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hefu.errors import HefuError
from hefu_space import harness
from hefu_space.harness import Process

from tests.chaos.conftest import Town
from tests.chaos.proxy import PASS, REFUSE
from tests.journeys import acts, crash

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

# point: whose process, and the passing at which it dies: later than its start takes.
PLACES = {
    "store.before_commit": ("provider", 25),
    "store.committed": ("provider", 25),
    "negotiation.kept": ("provider", 1),
    "broker.call": ("consumer", 30),
    "broker.answer": ("consumer", 30),
    "broker.heard": ("consumer", 2),
    "peer.call": ("consumer", 1),
    "peer.answer": ("consumer", 1),
    "peer.heard": ("consumer", 1),
    "call.taken": ("broker", 40),
    "call.answered": ("broker", 40),
    "lease.before_commit": ("broker", 2),
    "lease.committed": ("broker", 2),
    "relay.asked": ("consumer", 1),
    "relay.told": ("broker", 1),
    "relay.incoming": ("provider", 1),
}
# A renewal needs hours; its points are passed in tests/connector/test_background_work.py.
RENEWING = {"certificate.written"}


def test_every_other_point_is_in_this_table() -> None:
    assert {*PLACES} | RENEWING == crash.ELSEWHERE


@pytest.mark.parametrize("point", PLACES)
def test_a_kill_there_leaves_the_space_whole(healed: Town, tmp_path: Path, point: str) -> None:
    record = healed.record()
    whose, nth = PLACES[point]
    victim = _process(healed, whose)
    victim.stop()
    victim.start(HEFU_FAULT=f"{point}:{nth}:kill")
    if point.startswith("relay."):  # asked for where there is no direct way
        healed.provider_way.become(REFUSE)

    def dead() -> bool:
        _work(healed, record.deal)
        return not victim.alive

    assert harness.until(dead, 120), f"{point} was never passed {nth} times"
    assert victim.wait() == -9
    healed.provider_way.become(PASS)
    victim.start()
    with acts.caller(healed.consumer, healed.provider) as caller:
        acts.patiently(lambda: record.ask(caller) or None, "peer.unreachable")
    record.settle()
    assert harness.until(lambda: _all_ended(healed), 90), "the consumer's connector follows to every end"
    # What the consumer's own connector asked stands in the same account, and the recording does not know of it.
    epsilon, releases = acts.charged(record.deal)
    assert epsilon == releases * 100_000_000
    assert acts.audit(healed.regulator, tmp_path / "evidence.zip", healed.space.space_file)["verified"]


def _work(town: Town, deal: acts.Deal) -> None:
    with suppress(HefuError, AssertionError):
        acts.query(deal)
    with suppress(HefuError, AssertionError):
        acts.agree(town.provider, town.consumer, town.product, "research")


def _all_ended(town: Town) -> bool:
    found = town.consumer.do("compute", "show")["computations"]
    return all(each["state"] in ("released", "refused", "failed", "cancelled") for each in found)


def _process(town: Town, whose: str) -> Process:
    if whose == "broker":
        return town.space.broker
    return (town.provider if whose == "provider" else town.consumer).process
