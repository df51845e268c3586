"""The simulator is deterministic, holds the promise in every seed, and finds what was planted."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hefu.running import faults
from hefu_space import checker, history
from hefu_space.simulator.planted import BUGS
from hefu_space.simulator.story import Bugs, simulated

# Found within a few seeds; the others need more of them.
QUICK = ("charges-late", "signs-first", "two-receipts")
MOST = 120  # seeds until a planted bug must be found


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The rooms log what they meet, and here they meet everything."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def broken(seed: int, bugs: Bugs | None = None) -> list[str]:
    return checker.check(simulated(seed, bugs).history.events)


def found(plant: str, seeds: int) -> bool:
    return any(broken(seed, BUGS[plant]) for seed in range(1, seeds + 1))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_breaks_nothing(seed: int) -> None:
    assert broken(seed) == []


def test_a_seed_gives_the_same_history_in_another_process() -> None:
    command = [sys.executable, "-m", "hefu_space.simulator", "--seed", "4"]
    told = [
        subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": word})
        for word in ("1", "random")
    ]
    assert told[0].stdout == told[1].stdout
    assert told[0].stdout.count(" asked ") > 5


@pytest.mark.parametrize("plant", QUICK)
def test_a_planted_bug_is_found(plant: str) -> None:
    assert found(plant, 6)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plant", sorted({*BUGS} - {*QUICK}))
def test_a_rare_planted_bug_is_found(plant: str) -> None:
    assert found(plant, MOST)


def test_the_seeds_pass_the_fault_points_of_a_release() -> None:
    passed = {name for seed in (1, 2, 3) for name in simulated(seed).weather.passed}
    spoken = {each.name for each in faults.POINTS if each.name.startswith(("computation", "ledger", "journal", "log"))}
    assert spoken - {"log.proposed"} <= passed  # which is passed where a charter pins witnesses


def test_a_history_can_be_read_from_its_lines() -> None:
    events = simulated(1).history.events
    assert checker.check(history.read([each.line() for each in events])) == checker.check(events)
