"""Clocks that step, forwards and backwards, while real processes work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.conftest import Town
from tests.journeys import acts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_clock_that_steps_to_and_fro_loses_no_computation_and_no_charge(healed: Town, tmp_path: Path) -> None:
    record = healed.record()
    with acts.caller(healed.consumer, healed.provider) as caller:
        for seconds in (0, 40, -50, 20, 200, 0, -55, 0):
            healed.clock.write_text(f"{seconds}\n")
            record.ask(caller)
            record.ask(caller)
    healed.clock.write_text("0\n")
    record.settle()
    assert len(record.told) == len(record.asked)


def test_an_answer_is_told_although_the_clock_went_back(healed: Town) -> None:
    record = healed.record()
    healed.clock.write_text("250\n")  # inside of what statements may be ahead of others
    with acts.caller(healed.consumer, healed.provider) as caller:
        assert record.ask(caller)
        healed.clock.write_text("0\n")
        (computation,) = record.asked
        assert caller.see(computation).receipt.envelope
