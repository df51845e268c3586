"""Many seeds, or one of them again: ``python -m hefu_space.simulator --seeds 500``, ``--seed N``.

Exit code 0 if no history breaks a rule; 1 with the seeds that do, each with how to see it again.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from hefu.running import faults

from hefu_space import checker
from hefu_space.simulator.planted import BUGS
from hefu_space.simulator.story import Bugs, Simulation, simulated


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one seed."""

    seed: int
    broken: tuple[str, ...]
    digest: str
    kinds: Counter[str]
    points: Counter[str]


def one(seed: int, plant: str = "") -> Result:
    """Simulate and check one seed."""
    logging.disable(logging.CRITICAL)
    made = _run(seed, plant)
    kinds = Counter(each.kind for each in made.history.events)
    return Result(seed, tuple(checker.check(made.history.events)), made.history.digest(), kinds, made.weather.passed)


def many(seeds: Sequence[int], plant: str = "") -> Iterator[Result]:
    """Simulate seeds on all processors, in order."""
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        yield from pool.map(one, seeds, [plant] * len(seeds), chunksize=4)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hefu_space.simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many (default 500)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, help="only this one, with its whole history")
    parser.add_argument("--plant", choices=sorted(BUGS), default="", help="a bug that must be found")
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of a set of texts would differ from run to run
        words = [sys.executable, "-m", "hefu_space.simulator", *sys.argv[1:]]
        os.execve(sys.executable, words, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606 - this very program
    if arguments.seed is not None:
        return _again(arguments.seed, arguments.plant)
    return _all(range(arguments.first, arguments.first + arguments.seeds), arguments.plant)


def _run(seed: int, plant: str) -> Simulation:
    return simulated(seed, BUGS[plant] if plant else Bugs())


def _again(seed: int, plant: str) -> int:
    logging.disable(logging.CRITICAL)
    made = _run(seed, plant)
    broken = checker.check(made.history.events)
    _say(
        *made.history.lines(), f"history {made.history.digest()} of seed {seed}", *(f"BROKEN {each}" for each in broken)
    )
    return 1 if broken else 0


def _all(seeds: range, plant: str) -> int:
    started, broken = time.monotonic(), []
    kinds: Counter[str] = Counter()
    points: Counter[str] = Counter()
    for result in many(seeds, plant):
        kinds += result.kinds
        points += result.points
        if result.broken:
            broken.append(result.seed)
            flag = f" --plant {plant}" if plant else ""
            _say(f"seed {result.seed} breaks {len(result.broken)} rules:", *(f"  {each}" for each in result.broken[:5]))
            _say(f"  again: python -m hefu_space.simulator --seed {result.seed}{flag}")
    passed = sum(each.name in points for each in faults.POINTS)
    _say(
        f"{len(seeds)} seeds from {seeds.start} in {time.monotonic() - started:.0f} s; broken: {broken[:20] or 'none'}",
        f"  {kinds['asked']} computations asked, {kinds['served']} releases fetched, {kinds['crashed']} crashes, "
        f"{kinds['cut']} partitions, {kinds['disk']} bad disks, {kinds['clock']} clock steps, "
        f"{kinds['restored']} restored backups, {passed} of {len(faults.POINTS)} fault points passed",
    )
    return 1 if broken else 0


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
