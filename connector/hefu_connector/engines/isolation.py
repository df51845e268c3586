"""Whether exact answers, all taken together, single out a group smaller than the minimum. Pure; worker side.

Every told figure is a sum over a set of rows. Whoever has them can add and subtract them at will: what can be had are
the vectors of their row space. Rows that stand in the same sets cannot be told apart; together they are an *atom*, so a
set of rows is a set of atoms, and each atom has its privacy units. The answers are safe if every vector of the row
space but zero is different from zero on atoms that hold at least the minimum of units between them.

That is decided in two steps, and where the second cannot be decided the answer is no:

1. A vector that touches an atom with enough units is safe. What is left is the part of the row space that vanishes on
   all such atoms; mostly it is zero, and nothing is left to show.
2. A vector of that part is not zero on every basis of its columns. So if as many bases as the minimum can be found that
   share no unit, every vector touches as many units.

Sizes of the least such group are NP-hard to find (they are the distance of a code), so bases are packed greedily: what
is called unsafe here may be safe, and never the other way.

Source: auditing of sums, Chin and Ozsoyoglu 1982; cocircuits and disjoint bases of a matroid, Edmonds 1965.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

Atom = int
Units = Mapping[Atom, frozenset[Hashable]]  # of atoms with fewer units than the minimum; all others have enough
Vector = dict[int, int]

# LIMIT: ranks are taken modulo this prime. They differ from the true ones only where it divides a minor of the sets,
# which no system of fewer than fifty of them can reach (Hadamard's bound), and no larger one by chance.
_PRIME = 2**127 - 1
_MOST_WORK = 8_000_000  # single multiplications for one answer; what needs more is called unsafe


class Exhausted(Exception):
    """There is more to show than there is time for."""


class Work:
    """What one answer may take: counted and not timed, so that the same question ends the same way."""

    def __init__(self, most: int = _MOST_WORK) -> None:
        self._left = most

    def spend(self, amount: int) -> None:
        """Take of it, or give up."""
        self._left -= amount
        if self._left < 0:
            raise Exhausted


def is_safe(sets: Iterable[frozenset[Atom]], small: Units, least: int, work: Work | None = None) -> bool:
    """Whether no combination of these sets stands for fewer units than the minimum.

    Args:
        sets: what each told figure is summed over.
        small: the units of each atom that has fewer than `least`, and none of any other.
        least: the minimum group, in privacy units.
        work: what is left of what the answer may take.
    """
    work = work or Work()
    try:
        inside = _inside(_peeled({each for each in sets if each}, small), small, work)
        return not inside or is_spread(inside, small, least, work)
    except Exhausted:
        return False


def admitted(
    cells: Sequence[int], sets_of: Callable[[int], Iterable[int]], fits: Callable[[AbstractSet[int]], bool]
) -> list[int]:
    """The cells that can be told beside each other, in this order: what does not fit is left out.

    Args:
        sets_of: what the figures of a cell are summed over, by number.
        fits: whether these sets are safe together, and with whatever was told before.
    """
    told: list[int] = []
    sets: set[int] = set()

    def add(some: Sequence[int]) -> None:
        more = {each for cell in some for each in sets_of(cell)}
        if fits(sets | more):
            told.extend(some)
            sets.update(more)
        elif len(some) > 1:
            add(some[: len(some) // 2])
            add(some[len(some) // 2 :])

    if cells:
        add(cells)
    return told


def _peeled(sets: set[frozenset[Atom]], small: Units) -> list[frozenset[Atom]]:
    """Without the sets that alone hold a large atom: in a vector that vanishes there they have no part."""
    holders: dict[Atom, set[frozenset[Atom]]] = {}
    for each in sets:
        for atom in each - small.keys():
            holders.setdefault(atom, set()).add(each)
    left, alone = set(sets), [held for held in holders.values() if len(held) == 1]
    while alone:
        for each in [*alone.pop()]:
            left.discard(each)
            for atom in each - small.keys():
                holders[atom].discard(each)
                if len(holders[atom]) == 1:
                    alone.append(holders[atom])
    return sorted(left, key=lambda each: (len(each), sorted(each)))


def _inside(sets: Sequence[frozenset[Atom]], small: Units, work: Work) -> list[Vector]:
    """A basis of the combinations that vanish on every large atom."""
    large: list[tuple[int, Vector]] = []
    found: list[tuple[int, Vector]] = []
    for each in sets:
        vector = _reduced(dict.fromkeys(each, 1), large, work)
        pivot = next((atom for atom in vector if atom not in small), None)
        if pivot is not None:
            large.append((pivot, vector))
            continue
        vector = _reduced(vector, found, work)
        if vector:
            found.append((next(iter(vector)), vector))
    return [vector for _, vector in found]


def _reduced(vector: Vector, pivots: Sequence[tuple[int, Vector]], work: Work) -> Vector:
    """A vector without the pivots' columns; each pivot has none of those before it."""
    for column, other in pivots:
        if column not in vector:
            continue
        work.spend(len(other))
        factor = vector[column] * pow(other[column], -1, _PRIME) % _PRIME
        for at, value in other.items():
            left = (vector.get(at, 0) - factor * value) % _PRIME
            if left:
                vector[at] = left
            else:
                vector.pop(at, None)
    return vector


def is_spread(inside: Sequence[Vector], small: Units, least: int, work: Work) -> bool:
    """Whether so many bases can be found among the atoms that no unit stands in two of them.

    Args:
        inside: rows that are linearly independent.
    """
    columns: dict[Atom, Vector] = {}
    for row, vector in enumerate(inside):
        for atom, value in vector.items():
            columns.setdefault(atom, {})[row] = value
    units = {atom: set(small[atom]) for atom in columns}
    for _ in range(least):
        used = _basis(columns, units, len(inside), work)
        if used is None:
            return False
        for left in units.values():
            left.difference_update(used)
    return True


def _basis(
    columns: Mapping[Atom, Vector], units: Mapping[Atom, set[Hashable]], rank: int, work: Work
) -> set[Hashable] | None:  # fmt: skip
    """One unit for each column of a basis, of atoms that have most of them left; None where there is no basis."""
    pivots: list[tuple[int, Vector]] = []
    used: set[Hashable] = set()
    for atom in sorted((each for each in columns if units[each]), key=lambda each: (-len(units[each]), each)):
        vector = _reduced(dict(columns[atom]), pivots, work)
        if vector:
            pivots.append((next(iter(vector)), vector))
            if not units[atom] & used:
                used.add(min(units[atom], key=repr))
            if len(pivots) == rank:
                return used
    return None
