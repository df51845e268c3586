"""What every peer does: say which version it is, then answer one question a line. Standard library only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True)
class Asked:
    """A grouped count and two sums of a Parquet file, for one unit at a time.

    Attributes:
        unit: ``row`` or ``person``; of a person `contribution` rows are read.
    """

    path: str
    rows: int
    contribution: int
    epsilon: float
    unit: str


def serve(answer: Callable[[Asked], dict[str, list[float]]], package: str, clock: Callable[[], float]) -> None:
    """Answer until the other end is closed; whatever a library prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    path, rows, contribution, epsilon = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    print(json.dumps({"version": version(package)}), file=out, flush=True)
    for line in sys.stdin:
        start = clock()
        values = answer(Asked(path, rows, contribution, epsilon, line.strip()))
        print(json.dumps({"ms": 1000 * (clock() - start), "values": values}), file=out, flush=True)
