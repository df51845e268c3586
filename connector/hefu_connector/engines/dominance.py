"""Whether sums, or differences of sums that lie in each other, are mostly one unit's. Pure; worker side.

The p% rule: a sum is withheld if the second largest contributor, who knows its own part, could tell the largest part
to within p per cent.

Source: Hundepool et al., "Statistical Disclosure Control", 2012, section 4.2.2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest

from hefu_connector.engines.isolation import Atom

PERCENT = 10
_MOST_WORK = 5_000_000  # looks at an atom in a set; more is called dominated
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


def lies_bare(
    mine: Collection[frozenset[Atom]], told: Iterable[frozenset[Atom]], parts: Mapping[Atom, Parts]
) -> bool:  # fmt: skip
    """Whether new sets, with those told before, leave a difference that one unit dominates.

    Looked at are the differences of two sets of which one lies in the other, and what is left of a set without all that
    lie in it: a total less some of its parts.

    Args:
        parts: of each atom; a unit with rows in several atoms counts as several, so this holds for units of one row.
    """
    new, sets = {*mine}, [*{*mine, *told}]
    at: dict[Atom, list[int]] = {}
    for index, each in enumerate(sets):
        for atom in each:
            at.setdefault(atom, []).append(index)
    work = _MOST_WORK
    for whole in sets:
        work -= sum(len(at[atom]) for atom in whole)
        if work < 0:
            return True
        near = {index for atom in whole for index in at[atom]}
        inside = {sets[index] for index in near if sets[index] < whole}
        for left in _left(whole, inside, inside if whole in new else inside & new):
            if _sum(left, parts).is_dominated():
                return True
    return False


def _left(
    whole: frozenset[Atom], inside: Collection[frozenset[Atom]], concerned: Collection[frozenset[Atom]]
) -> Iterator[frozenset[Atom]]:  # fmt: skip
    for each in concerned:
        yield whole - each
    if concerned:
        yield whole.difference(*inside)


def _sum(atoms: Iterable[Atom], parts: Mapping[Atom, Parts]) -> Parts:
    found = Parts()
    for atom in atoms:
        found += parts.get(atom, Parts())
    return found
