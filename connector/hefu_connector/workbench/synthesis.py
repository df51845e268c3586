"""Rows from noised counts: a graphical model is fitted to marginals, and rows are drawn from it. Pure post-processing.

What goes in was released and paid for; so nothing that comes out tells more, whatever is done here. It runs in a
process of its own (``python -m hefu_connector.workbench.synthesis``): the library compiles code while it runs, and
neither a notebook nor a connector shall carry that with it.

Source: McKenna, Sheldon, Miklau 2019, "Graphical-model based estimation and inference for differential privacy";
`mbi` 1.1.0, which is what OpenDP's marginal-based synthesis uses.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hefu.errors import Defect, NotFound

ITERATIONS = 500
MOST_ROWS = 1_000_000
_PATIENCE = 1800.0  # seconds
# Compiling takes most of the time, and the code runs once.
_QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


@dataclass(frozen=True, slots=True)
class Measured:
    """One noised marginal.

    Attributes:
        places: of its columns.
        values: its counts, the last column's groups moving fastest.
        deviation: of the noise of each.
    """

    places: tuple[int, ...]
    values: tuple[int, ...]
    deviation: float


def check() -> None:
    """Check that rows can be drawn here, before anything is paid for; raises NotFound."""
    if importlib.util.find_spec("mbi") is None:
        raise NotFound("sample.package")


def draw(sizes: Sequence[int], measured: Sequence[Measured], total: int, rows: int) -> list[list[int]]:
    """Rows that fit noised marginals, as the groups of each column.

    Args:
        sizes: how many groups each column has.
        total: how many rows the data has, as far as is known.

    Returns:
        One list a column, as long as `rows`.

    Raises:
        NotFound: the library is not installed.
        Defect: it failed.
    """
    check()
    asked = {
        "sizes": [*sizes],
        "measured": [[each.places, each.values, each.deviation] for each in measured],
        "total": max(1, total),
        "rows": rows,
    }
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": _QUICK, "PYTHONPATH": os.pathsep.join(sys.path)}
    made = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(asked).encode(), capture_output=True, env=environment, timeout=_PATIENCE, check=False,
    )  # fmt: skip
    if made.returncode:
        raise Defect("internal", reference="synthesis", detail=made.stderr.decode(errors="replace")[-2000:])
    found = json.loads(made.stdout)
    right = len(found) == len(sizes) and all(
        len(column) == rows and all(isinstance(each, int) and 0 <= each < size for each in column)
        for column, size in zip(found, sizes, strict=False)
    )
    if not right:
        raise Defect("internal", reference="synthesis", detail="rows of another shape")
    return [[*column] for column in found]


def _fit(asked: Any) -> list[list[int]]:
    import mbi  # type: ignore[import-untyped,unused-ignore]
    import numpy

    names = tuple(f"c{place}" for place in range(len(asked["sizes"])))
    domain = mbi.Domain(names, tuple(asked["sizes"]))
    measured = [
        mbi.LinearMeasurement(numpy.array(values, float), tuple(names[place] for place in places), stddev=deviation)
        for places, values, deviation in asked["measured"]
    ]
    model = mbi.estimation.mirror_descent(domain, measured, known_total=asked["total"], iters=ITERATIONS)
    # Drawn one by one: its other method sorts columns within groups, which ties together what is independent.
    drawn = model.synthetic_data(rows=asked["rows"], method="sample").to_dict()
    return [[int(each) for each in drawn[name]] for name in names]


if __name__ == "__main__":
    json.dump(_fit(json.load(sys.stdin)), sys.stdout)
