"""k-anonymity: rows in which each combination of quasi-identifiers is shared by at least k privacy units.

Quasi-identifiers are generalised step by step, always the one with the most different values, until few rows are left
whose combination is too rare; those rows are left out. Which steps are taken depends on the data: this is no
differential privacy.

Source: Sweeney, "Achieving k-anonymity privacy protection using generalization and suppression" (2002), algorithm
Datafly; counted in privacy units and not in rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from hefu_connector.engines.treatments import Cell, Treat

_LEFT_OUT = 20  # one in so many rows may be left out, before a column is generalised further

Classes = list[tuple[Cell, ...]]


def generalise(
    columns: Sequence[Sequence[Cell]], ladders: Sequence[Sequence[Treat]], units: Sequence[str], k: int
) -> tuple[list[list[Cell]], list[int]]:
    """Generalise quasi-identifiers as far as is needed.

    Args:
        columns: one sequence of values each, equally long.
        ladders: of each column, from exact to none.
        units: the privacy unit of each row.

    Returns:
        The generalised columns, and for each row how many units share its combination; rows with fewer than `k` are
        to be left out.
    """
    levels = [0] * len(columns)
    shown = [_climb(values, steps[0]) for values, steps in zip(columns, ladders, strict=True)]
    while True:
        counts = shared(list(zip(*shown, strict=True)) if shown else [()] * len(units), units)
        rare = sum(count < k for count in counts)
        able = [at for at, steps in enumerate(ladders) if levels[at] + 1 < len(steps)]
        if rare * _LEFT_OUT <= len(units) or not able:
            return shown, counts
        most = max(able, key=lambda at: len(set(shown[at])))
        levels[most] += 1
        shown[most] = _climb(columns[most], ladders[most][levels[most]])


def shared(classes: Classes, units: Sequence[str]) -> list[int]:
    """For each row, how many different units have its combination."""
    found: dict[tuple[Cell, ...], set[str]] = defaultdict(set)
    for each, unit in zip(classes, units, strict=True):
        found[each].add(unit)
    return [len(found[each]) for each in classes]


def _climb(values: Sequence[Cell], step: Treat) -> list[Cell]:
    return [None if value is None else step(value) for value in values]
