"""Whether sums, or differences of sums that lie in each other, are mostly one unit's. Pure; worker side.

The p% rule: a sum is withheld if the second largest contributor, who knows its own part, could tell the largest part
to within p per cent.

Source: Hundepool et al., "Statistical Disclosure Control", 2012, section 4.2.2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest

from hefu_connector.engines.isolation import Exhausted, Work

PERCENT = 10
_NOBODY: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """What units bring to a sum, without their signs: all together, and the two that bring most."""

    total: int = 0
    most: tuple[int, ...] = _NOBODY

    def __add__(self, other: Parts) -> Parts:
        return Parts(self.total + other.total, tuple(nlargest(2, self.most + other.most)))

    def is_dominated(self) -> bool:
        """Whether the p% rule withholds it."""
        return bool(self.most) and 100 * (self.total - sum(self.most)) < PERCENT * self.most[0]


class Bare:
    """Sums that were told, to which others may be added: whether what is left between them is one unit's."""

    def __init__(self, parts: Sequence[Parts], told: Iterable[int], work: Work) -> None:
        """Args:
        parts: of each atom; a unit with rows in several atoms counts as several, so this holds for units of one row.
        told: what earlier sums are summed over: the bits of atoms.
        """
        self._parts, self._told, self._work = parts, {*told} - {0}, work
        self._most = max((each.most[0] for each in parts if each.most), default=0)
        self._totals: dict[int, int] = {}

    def holds(self, mine: Collection[int]) -> bool:
        """Whether new sums, with those told before, leave no difference that one unit dominates.

        Looked at are the differences of two sets of which one lies in the other, and what is left of a set without all
        that lie in it: a total less some of its parts.
        """
        new = {*mine} - self._told - {0}
        try:
            return not any(self._is_bare(whole, new) for whole in (*new, *self._told))
        except Exhausted:
            return False

    def _is_bare(self, whole: int, new: Collection[int]) -> bool:
        self._work.spend(len(new))
        if whole in new:
            concerned = inside = self._inside(whole, (*new, *self._told))
        else:
            concerned = self._inside(whole, new)
            inside = self._inside(whole, (*new, *self._told)) if concerned else []
        return any(self._is_dominated(left) for left in _left(whole, inside, concerned))

    def _inside(self, whole: int, sets: Collection[int]) -> list[int]:
        self._work.spend(len(sets) // 4)
        return [each for each in sets if each | whole == whole and each != whole]

    def _is_dominated(self, left: int) -> bool:
        # Where the two largest parts of all are little of it, they are so wherever they are.
        if 100 * (self._total(left) - 2 * self._most) >= PERCENT * self._most:
            return False
        found = Parts()
        for atom in self._atoms(left):
            found += self._parts[atom]
        return found.is_dominated()

    def _total(self, atoms: int) -> int:
        if atoms not in self._totals:
            self._totals[atoms] = sum(self._parts[atom].total for atom in self._atoms(atoms))
        return self._totals[atoms]

    def _atoms(self, atoms: int) -> Iterator[int]:
        self._work.spend(atoms.bit_count())
        for place, bit in enumerate(reversed(f"{atoms:b}")):
            if bit == "1":
                yield place


def _left(whole: int, inside: Collection[int], concerned: Collection[int]) -> Iterator[int]:
    for each in concerned:
        yield whole & ~each
    if concerned:
        within = 0
        for each in inside:
            within |= each
        yield whole & ~within
