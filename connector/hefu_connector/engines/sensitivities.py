"""How far one privacy unit moves each measure: the rules, each with why it holds.

Neighbouring tables differ by the rows of one unit, which is added or removed. Of these at most K = `rows` are kept,
after the filter and the groups, and which rows of other units are kept depends on those units alone. So the exact
measures of two neighbours differ by what those at most K rows add, each to the one cell it falls into.
Source: Dwork and Roth, The Algorithmic Foundations of Differential Privacy (2014), definition 3.1 (L1) and section 3.3
(histograms); for bounded contributions Wilson et al., Differentially Private SQL with Bounded User Contribution (2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hefu.errors import Malformed

from hefu_connector.engines.shape import Sensitivity

LARGEST = 2**62


def rows(most_rows: int, cells: int, most: int = 1) -> Sensitivity:
    """A sum over rows of a whole number of magnitude at most `most`: counts (1), sums, squares.

    Proof: K rows add at most K · most to all cells together, and all to one cell at the worst; they touch at most K
    cells, and no more than there are.

    Raises:
        Malformed: the number is 0 on any data, so that there is nothing to tell; or too large for 64 bits.
    """
    if most < 1 or most_rows * most >= LARGEST:
        raise Malformed("plan.overflow" if most else "plan.constant")
    return Sensitivity(min(most_rows, cells), most_rows * most, most_rows * most)


def ranks(most_rows: int, cells: int, which: Fraction) -> Sensitivity:
    """Scores of bins by how far they are from a quantile a / b, in all cells together (`noise.drawing.rank_scores`).

    Proof: each row moves every score of its cell by max(a, b - a) at most; K rows, in whichever cells, by K times that
    in sum over cells. Of each cell one place is told, at a cost in proportion to what its scores move.
    """
    return rows(most_rows, cells, max(which.numerator, which.denominator - which.numerator))


def units(most_rows: int, cells: int) -> Sensitivity:
    """The number of distinct units in each cell.

    Proof: a unit counts once in each cell in which it has a kept row, so it moves min(K, cells) cells by one each.
    """
    touched = min(most_rows, cells)
    return Sensitivity(touched, 1, touched)


def together(sets: Sequence[Sensitivity]) -> Sensitivity:
    """One measure over several grouping sets.

    Proof: every kept row falls into at most one cell of each set, and no cell belongs to two sets. So what a unit
    moves in all of them is at most the sum of what it moves in each, and one cell moves as in its own set.
    """
    return Sensitivity(sum(each.l0 for each in sets), max(each.linf for each in sets), sum(each.l1 for each in sets))


def farthest(least: int, most: int, centre: int) -> int:
    """The largest distance of a number within bounds from a centre.

    Proof: the distance is convex, so it is largest at an end.
    """
    return max(abs(most - centre), abs(least - centre))


def middle(least: int, most: int) -> int:
    """The centre from which the farthest number is nearest: sums of distances from it need the least noise."""
    return (least + most) // 2


def square_middle(least: int, most: int, centre: int) -> tuple[int, int]:
    """Of squares of distances from a centre: the middle of their range, and how far from it they can lie.

    Proof: squares lie in [0, m²] where m is the farthest distance; |s - ⌊m²/2⌋| <= m² - ⌊m²/2⌋ there.
    """
    square = farthest(least, most, centre) ** 2
    less = square // 2
    return less, square - less
